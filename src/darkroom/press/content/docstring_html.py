"""Docstrings as HTML: names in code, emphasis, formulas between dollars, and names of other functions as links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from darkroom.press.content.docstrings import DocBlock, DocSection, Docstring
from darkroom.press.typeset.typography import escape

_MARKED = re.compile(
    r"``(?P<code>(?:[^`]|`(?!`))+)``"
    r"|:(?:[a-z]+:)?[a-z]+:`(?P<role>[^`\n]+)`"
    r"|`(?P<tick>[^`\n]+)`(?!`)"
    r"|(?<![\w*])\*(?P<name>[A-Za-z_][\w.]*(?: [\w.]+){0,5})\*(?![\w*])"
)
_TITLED = re.compile(r"(?P<title>[^<]*[^<\s])\s*<(?P<target>[^<>]+)>\Z")


class DocstringWriter:
    """Writes docstrings.

    Args:
        inline: a text with formulas as HTML.
        link: the address of what a dotted name stands for, or "".
    """

    def __init__(self, inline: Callable[[str], str], link: Callable[[str], str]) -> None:
        self._inline, self._link = inline, link

    def docstring(self, doc: Docstring) -> str:
        """All of it."""
        return self.blocks(doc.blocks) + "".join(map(self._section, doc.sections))

    def blocks(self, blocks: Iterable[DocBlock]) -> str:
        """Paragraphs, lists and code."""
        return "".join(map(self._block, blocks))

    def text(self, text: str) -> str:
        """A text in a line."""
        parts, at = [], 0
        for found in _MARKED.finditer(text):
            parts += [self._words(text[at : found.start()]), self._marked(found)]
            at = found.end()
        return "".join([*parts, self._words(text[at:])])

    def _words(self, text: str) -> str:
        """A text without marks; a space at its ends stays."""
        bare = text.strip()
        if not bare:
            return text
        return f"{' ' * text[0].isspace()}{self._inline(bare)}{' ' * text[-1].isspace()}"

    def _marked(self, found: re.Match[str]) -> str:
        if found["name"]:
            return f"<em>{escape(found['name'])}</em>"
        if found["role"]:
            titled = _TITLED.match(found["role"])
            target = titled["target"] if titled else found["role"]
            shown = titled["title"] if titled else target.rpartition(".")[2] if target.startswith("~") else target
            href = self._link(target.lstrip("~!"))
            code = f"<code>{escape(shown)}</code>"
            return f'<a href="{escape(href)}">{code}</a>' if href else code
        return f"<code>{escape(found['code'] or found['tick'])}</code>"

    def _block(self, block: DocBlock) -> str:
        if block.kind == "code":
            return f'<pre tabindex="0"><code>{escape(block.text)}</code></pre>\n'
        if block.kind == "list":
            return f"<ul>{''.join(f'<li>{self.text(item)}</li>' for item in block.items)}</ul>\n"
        return f"<p>{self.text(block.text)}</p>\n"

    def _section(self, section: DocSection) -> str:
        title = f'<p class="part">{escape(section.title)}</p>\n'
        if not section.entries:
            return title + self.blocks(section.blocks)
        entries = (f"<dt><code>{escape(name)}</code></dt><dd>{self._said(text)}</dd>" for name, text in section.entries)
        return f"{title}<dl>{''.join(entries)}</dl>\n"

    def _said(self, blocks: tuple[DocBlock, ...]) -> str:
        """What is said of a name: one paragraph is text alone."""
        if len(blocks) == 1 and blocks[0].kind == "text":
            return self.text(blocks[0].text)
        return self.blocks(blocks)
