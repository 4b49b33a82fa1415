r"""What other dialects of Markdown have and this one does not, each with what to write instead.

kramdown, Jekyll, Hugo, MyST, Pandoc, Obsidian and LaTeX mark things up in ways that would be printed as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from darkroom.press.markup import attributes, pieces

CALLOUTS = ("note", "tip", "important", "warning", "caution")

ADMONITIONS = {
    **{kind: kind for kind in ("note", "tip", "important", "warning", "caution")},
    **dict.fromkeys(("info", "abstract", "summary", "question", "example", "quote", "seealso", "todo"), "note"),
    **dict.fromkeys(("hint", "success"), "tip"),
    "attention": "warning",
    **dict.fromkeys(("danger", "error", "failure", "bug"), "caution"),
}

PICTURE = '{{ picture("name.png", caption="...", alt="...") }}'

# Paragraphs: a pattern in their text, and what is said of it -----------------------------------------------------------

_TELLING = re.compile(r"(?m)^[#:+*.\\\[\-|]|^[ \t:|-]+$|``")  # what most paragraphs have none of
_PARAGRAPHS = (  # patterns are compiled where they are used
    (r"(?m)^#{2,6}[^#\s]", "a heading has a space after its #; write ## Title"),
    (r"(?m)^#{1,6}[A-Z]\w*$", "a heading has a space after its #; write ## Title"),
    (
        r"(?m)^:{3,}",
        "::: is a block of Pandoc's, MyST's or Docusaurus'; write > [!NOTE] for a callout",
    ),
    (r"(?m)^\+[-=]{2,}\+", "a table with +--+ is none of GitHub's; part its cells by | alone"),
    (
        r"(?m)\A[^\n]*\n[ \t]*\|?[ \t]*:?-+:?[ \t]*\|[-|: \t]*$",
        "this is no table, since its header has another number of cells than the line under it",
    ),
    (r"(?m)^#{7,}", "a heading has six # at most"),
    (
        r"(?m)^\.\. [\w-]+::",
        "this directive is reStructuredText's; write a formula, a fence or > [!NOTE]",
    ),
    (r"(?<!`)``(?!`)[^`\n]+''", 'quotes are written "...", and set as a typesetter would'),
    (r"(?m)^\*\[[^\]\n]+\]:", 'abbreviations are not read; write <abbr title="...">...</abbr>'),
    (
        r"(?m)^\\(?:newpage|pagebreak|clearpage|noindent|bigskip|medskip|smallskip|maketitle|tableofcontents)\b",
        "this command of LaTeX's has no meaning on a page; remove it",
    ),
    (
        r"(?m)^\[!(?P<kind>[A-Za-z]+)\][-+]?",
        f"a callout begins with > [!NOTE] alone on its line; it may be {', '.join(CALLOUTS)}",
    ),
    (
        r"(?mi)^\[{1,2}_?toc_?\]{1,2}$",
        "the contents come by themselves; toc = false hides them",
    ),
    (
        r"(?m)^(?:---|\+\+\+)[ \t]*$",
        "front matter stands at the top of the file, between +++ lines",
    ),
)


def of_paragraph(content: str) -> Iterator[tuple[int, str]]:
    """Where a paragraph is meant to be something else, and what."""
    if not _TELLING.search(content):
        return
    for pattern, message in _PARAGRAPHS:
        for found in re.finditer(pattern, content):
            yield found.start(), message


# Braces ---------------------------------------------------------------------------------------------------------------

_BRACES: tuple[tuple[str, Callable[[str], str]], ...] = (
    (
        r"(?s)\{\{[<%].*?[>%]\}\}",
        lambda text: f"{_short(text)} is a shortcode of Hugo's; write {PICTURE} for a picture, HTML for the rest",
    ),
    (
        r"(?i)\{:\s*toc\b[^}\n]*\}|\{toc\}",
        lambda text: f"{text} is kramdown's; the contents come by themselves, and toc = false hides them",
    ),
    (r"\{:{1,2}[^{}\n]*\}", lambda text: _of_attributes(text, "kramdown's")),
    (r"\{(?:[.#][A-Za-z]|[\w-]+=)[^{}\n]*\}", lambda text: _of_attributes(text, "Pandoc's")),
    (r"\{=\w+\}", lambda text: f"{text} is Pandoc's; HTML is written as it is"),
    (
        r"(?s)\{%-?\s*(?:include|link|post_url|highlight|endhighlight|figure|cite|gist|youtube)\b.*?%\}",
        lambda text: f"{_short(text)} is Jekyll's; write {PICTURE} for a picture, a fence of ``` for code",
    ),
    (
        r"\{(?:ref|eq|cite|math|numref|doc|term)[\w:]*\}(?=`)",
        lambda text: f'{text} is a role of MyST\'s; write $...$, or {{{{ ref("...") }}}} or {{{{ cite("...") }}}}',
    ),
)


def of_braces(text: str, at: int) -> tuple[str, int] | None:
    """What to say of the braces that open at *at*, and where they end."""
    for pattern, message in _BRACES:
        if found := re.compile(pattern).match(text, at):
            return message(found[0]), found.end()
    return None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else f"{text[:36]}...{text[-3:]}"


def _of_attributes(text: str, whose: str) -> str:
    if "width" in text or "height" in text:
        return f'{_short(text)} is {whose}; write {{{{ picture("name.png", alt="...", width="text") }}}}'
    return f"{_short(text)} is {whose}; name a heading by {{#name}} behind it, and write HTML for a class"


# Anything in a line ---------------------------------------------------------------------------------------------------

_TEXTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "[": (
        (r"\[\^([^\]\s]+)\]", "there is no note {0}; write [^{1}]: ... on a line of its own"),
        (r"\[@[\w:-][^\]\n]*\]", '{0} is a citation of Pandoc\'s; write {{{{ cite("key") }}}}'),
        (r"\[\[[A-Za-z][^\[\]\n]*\]\]", "{0} is a link of a wiki's; write [text](page.md)"),
        (r"\[(?:[^\[\]\\]|\\.)*\]\[((?:[^\[\]\\]|\\.)+)\]", "{0} leads nowhere; write [{1}]: address below"),
        (r"\[((?:[^\[\]\\]|\\.)+)\]\[\]", "{0} leads nowhere; write [{1}]: address below"),
        (
            r"\[(?:[^\[\]\\]|\\.)*\]\(\s*<?((?:javascript|vbscript|file|data):)",
            "{0}...) is no link: the page's policy lets {1} lead nowhere",
        ),
        (
            r"\[(?:[^\[\]\\]|\\.)*\]\((?:[^()\n]|\([^()\n]*\))*\)",
            "{0} is no link, since its address cannot be read; put an address with spaces between < and >",
        ),
    ),
    "=": ((r"==(?=[^\s=])[^=\n]*(?<!\s)==(?!=)", "{0} is not read; write <mark>...</mark>"),),
    "+": ((r"\+\+(?=[^\s+])[^+\n]*(?<!\s)\+\+(?!\+)", "{0} is not read; write <ins>...</ins>"),),
    "~": (
        (
            r"(?<!~)~(?=[^\s~])[^\s~]{1,20}~(?!~)",
            "{0} is not read; write ~~...~~ to strike, <sub>...</sub> to lower",
        ),
    ),
    "^": ((r"\^(?=[^\s^\[])[^\s^]{1,20}\^", "{0} is not read; write <sup>...</sup> to raise"),),
    ":": (
        (
            r":(?:math|ref|cite|code|eq|doc)[\w:]*:`[^`\n]*`",
            "{0} is a role of reStructuredText's; write $...$ or a call",
        ),
        (
            r"(?<![\w:]):[a-z][a-z_]+[a-z0-9]:(?![\w:])",
            "{0} would be printed as it is; write the character itself",
        ),
    ),
}  # fmt: skip


def of_text(text: str, at: int, env: Mapping[str, Any]) -> str:
    """What to say of a sign at *at* that no rule took, or ""."""
    for pattern, message in _TEXTS.get(text[at], ()):
        found = re.compile(pattern).match(text, at)
        if found:
            return message.format(_short(found[0]), *found.groups())
    return ""


def of_fence(info: str) -> str:
    """What to say of the words behind a fence, or ""."""
    if info.split()[:1] in (["mermaid"], ["plantuml"]):
        return f"diagrams of {info.split(maxsplit=1)[0]} are not drawn; save it as a picture, and write {PICTURE}"
    found = re.match(r"\{(?P<name>[^{}]*)\}", info.strip())
    if not found:
        return ""
    name = re.split(r"[\s,]", found["name"].strip().lstrip("."))[0]
    if name in {"note", "tip", "warning", "important", "caution", "admonition"}:
        return f"```{{{name}}} is MyST's; write > [!{name.upper()}]"
    return (
        f"```{info.strip()} is of another program; write ```{name or 'python'}, and {{1,3-5}} behind it to mark lines"
    )


# HTML -----------------------------------------------------------------------------------------------------------------

_BLOCKED = {
    "style": "the page's policy blocks it; styles go into templates/static/style.css",
    "iframe": "the page's policy blocks what other sites show; link to it",
    "object": "the page's policy blocks it; write <video> or <img>, or link to the file",
    "embed": "the page's policy blocks it; write <video> or <img>, or link to the file",
    "base": "it would change where the links of the page lead",
    "form": "the page's policy lets no form be sent",
    "meta": "it belongs to templates/layouts/page.html",
    "link": "it belongs to templates/layouts/page.html",
}


def of_tag(tag: str) -> Iterator[tuple[int, str]]:
    """Where a tag has what the page's Content-Security-Policy blocks, and where it should go."""
    piece = next(iter(pieces(tag)), None)
    if piece is None or not piece.tag or piece.closes:
        return
    known = attributes(tag)
    if "-" in piece.tag and piece.tag != "!--":
        instead = 'write $...$ for a formula, {{ cite("key") }} for a work, [^1] for a note'
        yield 0, f"<{piece.tag}> is an element of another program, such as Distill; {instead}"
    if piece.tag in _BLOCKED:
        yield 0, f"<{piece.tag}>: {_BLOCKED[piece.tag]}"
    if piece.tag == "script":
        yield 0, "<script>: the page's policy blocks it; what all pages run goes into templates/static/reader.js"
    for name, value in known.items():
        at = tag.lower().find(name)
        if name == "markdown":
            yield at, "markdown= is kramdown's; leave a blank line behind the tag, and Markdown is read within it"
        elif name == "style":
            yield at, "style=: the page's policy blocks it; give it a class, with a rule in templates/static/style.css"
        elif re.fullmatch(r"on[a-z]+", name):
            yield at, f"{name}=: the page's policy blocks it; scripts go into templates/static"
        elif name in {"href", "src", "action"} and re.match(r"\s*(?:javascript|vbscript):", value, re.IGNORECASE):
            yield at, f"{name}=: the page's policy blocks scripts; they go into templates/static"
