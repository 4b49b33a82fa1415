"""Texts to HTML by Python-Markdown: its parser is that of ``syntax``, its tree is what tokens become, and it writes HTML.

Everything between reading and writing is a tree processor of Markdown's: links and pictures, headings, tables, marks.
Raw HTML is a leaf that is written as it stands.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol
from xml.etree.ElementTree import Element, ElementTree, SubElement

import markdown
from markdown.blockparser import BlockParser
from markdown.treeprocessors import Treeprocessor
from markdown_it.common.utils import unescapeAll
from markdown_it.token import Token

from darkroom.press.content.calls import Call
from darkroom.press.content.markup import VOID, pieces
from darkroom.press.content.mathtext import Formula, reads_as_prose, spans
from darkroom.press.content.outlines import Document
from darkroom.press.markdown.dialects import ADMONITIONS
from darkroom.press.markdown.syntax import read
from darkroom.press.typeset.typography import typographic

AT, VERBATIM = "at", "verbatim"  # attributes of the tree alone: where an element stands in the file; text left as it is

_BLOCKS = frozenset(
    "p h1 h2 h3 h4 h5 h6 ul ol li blockquote pre hr table thead tbody tr th td dl dt dd div section details summary".split()  # noqa: SIM905
)
_OPEN = frozenset("ul ol blockquote table thead tbody tr dl section div details".split())  # noqa: SIM905
_VERBATIM = frozenset({"pre", "code", "kbd", "samp", "script", "style", "textarea", "tt", "var"})


class Writer(Protocol):
    """What formulas, calls and code become, as HTML."""

    def formula(self, formula: Formula, token: Token, block: bool) -> str: ...

    def call(self, call: Call, block: bool, caption: Sequence[Token] = ()) -> str: ...

    def code(self, source: str, info: str) -> str: ...


def raw(content: str, at: int = -1) -> Element:
    """A leaf of the tree that is written as it stands."""
    element = Element("")
    element.text = content
    if at >= 0:
        element.set(AT, str(at))
    return element


def is_raw(element: Element) -> bool:
    """Whether an element is HTML that is written as it stands."""
    return str(element.tag) == ""


class Converter(markdown.Markdown):
    """Python-Markdown with CommonMark's grammar, and ours; ``writer`` and ``page`` are those of the current text."""

    writer: Writer
    page: Any
    whole = True  # whether it is a whole text

    def __init__(self, processors: Sequence[Callable[[markdown.Markdown], Treeprocessor]] = ()) -> None:
        super().__init__(extensions=[])
        for name in [*self.preprocessors._data]:
            self.preprocessors.deregister(name, strict=False)
        for name in ("inline", "prettify", "unescape"):
            self.treeprocessors.deregister(name, strict=False)
        for name in ("raw_html", "amp_substitute"):
            self.postprocessors.deregister(name, strict=False)
        self.parser = _Parser(self)
        self.serializer = written
        for priority, make in enumerate(reversed(processors)):
            self.treeprocessors.register(make(self), make.__name__, priority)

    def document(self, document: Document, writer: Writer) -> str:
        """A text that has been read as HTML."""
        root = Tree(writer).build(document.tokens)
        self.writer = writer  # only now: figures on the way have had texts of their own
        for processor in self.treeprocessors:
            root = processor.run(root) or root
        return str(self.serializer(root))

    def part(self, tokens: Iterable[Token], writer: Writer) -> str:
        """Part of a page, such as a caption, as HTML."""
        root = Tree(writer).build(tokens)
        self.writer, before = writer, self.whole
        self.whole = False
        for processor in self.treeprocessors:
            root = processor.run(root) or root
        self.whole = before
        return str(self.serializer(root))


class _Parser(BlockParser):
    """Replaces Markdown's own parser in ``convert``."""

    def parseDocument(self, lines: Iterable[str]) -> ElementTree:
        converter = self.md
        return ElementTree(Tree(converter.writer).build(read("\n".join(lines)).tokens))


# The tree -------------------------------------------------------------------------------------------------------------


class Tree:
    """markdown-it's tokens as a tree of elements."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.root = Element("div")
        self.stack = [self.root]
        self.task: bool | None = None  # whether the task is done whose box comes next

    def build(self, tokens: Iterable[Token]) -> Element:
        """The tree of a whole text."""
        for token in tokens:
            self._add(token)
        return self.root

    def _add(self, token: Token) -> None:
        make = getattr(self, f"_{token.type}", None)
        if self.task is not None and token.type != "paragraph_open":
            self._box()
        if make:
            make(token)
        elif token.type in {"inline", "html_block"}:
            for child in token.children or ():
                self._add(child)
        elif token.nesting == 1:
            self._open(token)
        elif token.nesting == -1:
            self._close(token)
        elif token.tag:
            self._leaf(Element(token.tag, _attributes(token)))

    def _open(self, token: Token, tag: str = "", **attributes: str) -> Element:
        element = SubElement(self.stack[-1], tag or token.tag, _attributes(token) | attributes)
        if AT in token.meta:
            element.set(AT, str(token.meta[AT]))
        if element.tag in _OPEN:
            element.text = "\n"
        self.stack.append(element)
        return element

    def _close(self, token: Token) -> None:
        element = self.stack.pop()
        if element.tag in _BLOCKS:
            element.tail = "\n"
        if (
            element.tag in {"li", "dd"}
            and len(element)
            and element[0].tag in _BLOCKS
            and not (element.text or "").strip()
        ):
            element.text = "\n"

    def _leaf(self, element: Element) -> None:
        self.stack[-1].append(element)
        if element.tag in _BLOCKS:
            element.tail = "\n"

    def _raw(self, content: str, at: int = -1, block: bool = False) -> None:
        element = raw(content, at)
        self.stack[-1].append(element)
        element.tail = "\n" if block else None

    def _text(self, token: Token) -> None:
        self._words(token.content)

    _text_special = _text

    def _words(self, text: str) -> None:
        parent = self.stack[-1]
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + text
        else:
            parent.text = (parent.text or "") + text

    def _softbreak(self, token: Token) -> None:
        self._words("\n")

    def _hardbreak(self, token: Token) -> None:
        self._leaf(Element("br"))
        self._words("\n")

    def _code_inline(self, token: Token) -> None:
        SubElement(self.stack[-1], "code").text = token.content

    def _fence(self, token: Token) -> None:
        self._raw(self.writer.code(token.content, unescapeAll(token.info)), block=True)

    def _code_block(self, token: Token) -> None:
        self._raw(self.writer.code(token.content, ""), block=True)

    def _html_inline(self, token: Token) -> None:
        if not token.content.startswith("<!--"):
            tag = token.content.replace(
                "<!--", "&lt;!--"
            )  # within an attribute, where it must not pass for a formula's mark
            self._raw(tag, token.meta.get(AT, -1))

    def _html_text(self, token: Token) -> None:
        self._raw(token.content, 0)

    def _image(self, token: Token) -> None:
        attributes = _attributes(token) | {"alt": plain_of(token.children or ())}
        if AT in token.meta:
            attributes[AT] = str(token.meta[AT])
        self._leaf(Element("img", attributes))

    def _link_open(self, token: Token) -> None:
        element = self._open(token)
        if token.markup == "autolink":
            element.set(VERBATIM, "")

    def _paragraph_open(self, token: Token) -> None:
        if not token.hidden:
            self._open(token)
        if self.task is not None:
            self._box()

    def _paragraph_close(self, token: Token) -> None:
        if not token.hidden:
            self._close(token)

    def _list_item_open(self, token: Token) -> None:
        token.attrs.pop("class", None)
        self._open(token)
        if token.meta and token.meta.get("checked") is not None:
            self.stack[-1].set("class", "task")
            self.task = token.meta["checked"]

    def _box(self) -> None:
        """The box of a task, within its first paragraph."""
        state = {"checked": ""} if self.task else {}
        box = {"type": "checkbox", "disabled": "", "aria-label": "done" if self.task else "to do"}
        self.task = None
        self._leaf(Element("input", box | state))
        self._words(" ")

    def _bullet_list_open(self, token: Token) -> None:
        if token.attrs.pop("class", ""):
            token.attrs["class"] = "tasks"
        self._open(token)

    _ordered_list_open = _bullet_list_open

    def _table_cell(self, token: Token) -> None:
        aligned = str(token.attrs.pop("style", "")).removeprefix("text-align:")
        self._open(token, **({"class": aligned} if aligned else {}))

    _th_open = _td_open = _table_cell

    def _formula(self, token: Token) -> None:
        self._raw(self.writer.formula(token.meta["formula"], token, False))

    def _formula_block(self, token: Token) -> None:
        self._raw(self.writer.formula(token.meta["formula"], token, True), block=True)

    def _call(self, token: Token) -> None:
        self._raw(self.writer.call(token.meta["call"], False))

    def _call_block(self, token: Token) -> None:
        self._raw(self.writer.call(token.meta["call"], True, token.children or ()), block=True)

    def _name(self, token: Token) -> None:
        """The name of a heading is not part of its text."""

    # Callouts ---------------------------------------------------------------------------------------------------------

    def _alert_open(self, token: Token) -> None:
        token.attrs = {}
        self._open(token, "div", **{"class": f"callout {token.meta['kind'].lower()}", "role": "note"})

    def _alert_title_open(self, token: Token) -> None:
        token.attrs = {}
        self._open(token, "p", **{"class": "title"})

    def _admonition_open(self, token: Token) -> None:
        kind, folds = ADMONITIONS.get(token.meta["tag"], "note"), token.markup.startswith("?")
        token.attrs = {"open": ""} if token.markup == "???+" else {}
        self._open(
            token, "details" if folds else "div", **{"class": f"callout {kind}", **({} if folds else {"role": "note"})}
        )

    def _admonition_title_open(self, token: Token) -> None:
        token.attrs = {}
        self._open(token, "summary" if self.stack[-1].tag == "details" else "p", **{"class": "title"})

    # Notes ------------------------------------------------------------------------------------------------------------

    def _footnote_ref(self, token: Token) -> None:
        name, again = _note(token)
        mark = SubElement(self.stack[-1], "sup", {"id": f"fnref{again}-{name}"})
        link = SubElement(mark, "a", {"class": "footnote-ref", "href": f"#fn-{name}"})
        link.text = str(token.meta["id"] + 1)

    def _footnote_block_open(self, token: Token) -> None:
        section = self._open(token, "section", **{"class": "footnotes", "aria-label": "Notes"})
        heading = SubElement(section, "h2")
        heading.text, heading.tail = "Notes", "\n"
        self._open(token, "ol")

    def _footnote_block_close(self, token: Token) -> None:
        self._close(token)
        self._close(token)

    def _footnote_open(self, token: Token) -> None:
        self._open(token, "li", id=f"fn-{_note(token)[0]}")

    def _footnote_anchor(self, token: Token) -> None:
        name, again = _note(token)
        self._words("\N{NO-BREAK SPACE}")
        back = {"class": "footnote-backref", "href": f"#fnref{again}-{name}", "title": "Back to the text"}
        SubElement(self.stack[-1], "a", back).text = "↩"


def _note(token: Token) -> tuple[str, str]:
    """The name of a note, and which reference to it this is: "" for the first, "2" for the second."""
    name = token.meta.get("label") or str(token.meta["id"] + 1)
    again = token.meta.get("subId") or 0
    return re.sub(r"[^\w.:-]+", "-", name), str(again + 1) if again else ""


def _attributes(token: Token) -> dict[str, str]:
    known = {name: str(value) for name, value in token.attrs.items()}
    if "$" in known.get("title", ""):  # which no browser typesets
        known["title"] = plain_title(known["title"])
    return known


def plain_title(title: str) -> str:
    """What a link or a picture has as its title, its formulas as a reader would type them."""
    from darkroom.press.typeset.equations import plain

    parts, at = [], 0
    for span in spans(title):
        if not reads_as_prose(title[span.inner : span.inner_end]):
            parts += [title[at : span.start], plain(title[span.inner : span.inner_end])]
            at = span.end
    return "".join([*parts, title[at:]])


def plain_of(tokens: Iterable[Token]) -> str:
    """Inline tokens as text: formulas as a reader would type them, without markup."""
    from darkroom.press.typeset.equations import plain

    parts = []
    for token in tokens:
        if token.type == "formula":
            parts.append(plain(token.meta["formula"].tex))
        elif token.type == "image":
            parts.append(plain_of(token.children or ()))
        elif token.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        elif token.type in {"text", "text_special", "code_inline"}:
            parts.append(token.content)
    return "".join(parts)


# Writing --------------------------------------------------------------------------------------------------------------


def written(root: Element) -> str:
    """The content of *root* as HTML: text is escaped, attributes and raw HTML are as they are."""
    parts: list[str] = [_escaped(root.text)]
    for child in root:
        _write(child, parts)
    return "".join(parts)


def _write(element: Element, parts: list[str]) -> None:
    if is_raw(element):
        parts.append(element.text or "")
    else:
        values = "".join(_attribute(*each) for each in element.items() if each[0] not in {AT, VERBATIM})
        parts.append(f"<{element.tag}{values}>{_escaped(element.text)}")
        for child in element:
            _write(child, parts)
        if element.tag not in VOID:
            parts.append(f"</{element.tag}>")
    if element.tail:
        parts.append(_escaped(element.tail))


def _attribute(name: str, value: str) -> str:
    return f' {name}="{html.escape(value)}"' if value or name in _EMPTY else f" {name}"


_EMPTY = frozenset({"alt", "href", "src", "title"})


def _escaped(text: str | None) -> str:
    return html.escape(text, quote=False) if text else ""


# Typography -----------------------------------------------------------------------------------------------------------


class Typography(Treeprocessor):
    """Straight quotes, double hyphens and three dots set as a typesetter would, but in code."""

    def run(self, root: Element) -> None:
        """Go through all texts in order; what precedes a quote decides whether it opens."""
        self._before, self._verbatim, self._opened = " ", 0, dict[str, int]()
        self._inside(root)

    def _set(self, text: str | None) -> str | None:
        if not text or self._verbatim:
            return text
        made, self._before = typographic(text, self._before, self._opened)
        return made

    def _inside(self, element: Element) -> None:
        block, verbatim = element.tag in _BLOCKS or element.tag == "br", self._is_verbatim(element)
        if block:
            self._begin()
        self._verbatim += verbatim
        element.text = self._set(element.text)
        for child in element:
            if is_raw(child):
                self._raw(child)
            else:
                self._inside(child)
            child.tail = self._set(child.tail)
        self._verbatim -= verbatim
        if block:
            self._begin()
        elif verbatim or element.tag == "img":
            self._before = "x"

    def _begin(self) -> None:
        self._before, self._opened = " ", {}

    def _is_verbatim(self, element: Element) -> bool:
        return element.tag in _VERBATIM or VERBATIM in element.attrib

    def _raw(self, element: Element) -> None:
        content = element.text or ""
        piece = next(iter(pieces(content)), None) if AT in element.attrib else None
        if piece is None:  # HTML of ours, such as a formula or a number
            self._before = "x"
        elif not piece.tag:
            element.text = content if self._verbatim else self._set_html(content)
        elif piece.tag in _VERBATIM:
            self._verbatim = max(self._verbatim + (-1 if piece.closes else 1), 0)
            self._before = "x"
        elif piece.tag in _BLOCKS or piece.tag in {"br", "summary"}:
            self._begin()
        elif piece.tag == "!--":
            self._before = "x"

    def _set_html(self, content: str) -> str:
        """Text of raw HTML: its character references stay as they are."""
        parts = re.split(r"(&[#\w]+;)", content)
        return "".join(part if part.startswith("&") and part.endswith(";") else self._set(part) or "" for part in parts)


def texts_of(document: Document) -> Iterator[Token]:
    """The tokens of a text in order, those of paragraphs after what holds them."""
    for token in document.tokens:
        yield token
        yield from token.children or ()
