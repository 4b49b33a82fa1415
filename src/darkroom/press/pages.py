"""Pages: Markdown with TOML front matter, read into frozen records and checked before anything is rendered.

+++
title = "Part B: a diffusion model from scratch"
description = "One sentence for search engines and previews."
order = 2
+++
Prose with $math$, {{ figure("part_b/denoiser/loss") }} and {{ metric("part_b/denoiser/test_mse", at=5) }}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.lab.errors import ContentError, Fault, nearest
from darkroom.press.lift import CALLS, DYNAMIC, FIRST, TOKEN, Call, Lifted, Literal, Piece, fault, lift
from darkroom.press.math import plain
from darkroom.press.settings import Key, read_table

if TYPE_CHECKING:
    from jinja2 import nodes

KEYS = {
    "title": Key(str, required=True),
    "description": Key(str, required=True),
    "lede": Key(str),
    "order": Key(int),
    "nav": Key(str),
    "numbered": Key(bool),
    "toc": Key(bool),
    "layout": Key(str),
    "draft": Key(bool),
}
PLACEHOLDER = re.compile(r"\b(?:TODO|FIXME|TBD|XXX|SEED_HERE)\b|\b[Ll]orem [Ii]psum\b")
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$", re.MULTILINE)
_JINJA = re.compile(r"\{[{%#]")


@dataclass(frozen=True)
class Meta:
    """The front matter.

    ``order`` is the place in the navigation (None: not in it) and ``nav`` the name there; ``numbered`` numbers sections
    and ``toc`` shows the contents; ``lede`` is an opening paragraph under the title; ``layout`` names a file in
    ``layouts``; a ``draft`` is read and not published.
    """

    title: str
    description: str
    lede: str = ""
    order: int | None = None
    nav: str = ""
    numbered: bool = False
    toc: bool = True
    layout: str = "page"
    draft: bool = False


@dataclass(frozen=True)
class Heading:
    """A section's heading: level 2 to 6, anchor, number such as "2.1" ("" where unnumbered), and plain text.

    ``offset`` is where it stands in the file; two headings that differ in it alone are the same to other pages.
    """

    level: int
    anchor: str
    number: str
    text: str
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True)
class Outline:
    """What other pages may ask of a page: *path* from the project's root, *url* from the site's, *calls* in order."""

    path: str
    url: str
    meta: Meta
    headings: tuple[Heading, ...]
    calls: tuple[Call, ...]

    @property
    def name(self) -> str:
        """What navigation and references call the page."""
        return self.meta.nav or self.meta.title


@dataclass(frozen=True)
class Page:
    """A page as read; ``dynamic`` says whether Jinja has anything to do on it beyond calls by literals."""

    outline: Outline
    text: str
    lifted: Lifted
    dynamic: bool

    @property
    def url(self) -> str:
        """The page's address, from the site's root."""
        return self.outline.url

    def fault(self, offset: int, rule: str, message: str) -> Fault:
        """A fault at *offset* of the page's file."""
        return fault(self.text, self.outline.path, offset, rule, message)

    def find(self, needle: str) -> int:
        """The offset of *needle* in the file, or 0."""
        return max(self.text.find(needle), 0)


def read_page(content: bytes, path: str, url: str) -> Page:
    """Read the page at *path*.

    Raises:
        ContentError: with every fault: not UTF-8, front matter, unclosed math or code, headings, placeholders, Jinja's
            syntax, calls whose name is not a literal.
    """
    text = _decode(content, path)
    toml, body_start = _front_matter(text, path)
    meta = Meta(**read_table(toml, KEYS, path, 2))
    lifted = lift(text, body_start)
    dynamic = bool(_JINJA.search(lifted.body))
    faults = [fault(text, path, *wrong) for wrong in lifted.wrong]
    faults += [*_placeholders(lifted, text, path), *_titles(lifted, text, path)]
    calls = [call for piece in lifted.pieces for call in piece.calls]
    if dynamic:
        found, wrong = _dynamic_calls(lifted, text, path)
        calls = sorted([*calls, *found], key=lambda call: call.offset)
        faults += wrong
    if faults:
        raise ContentError(faults)
    outline = Outline(path, url, meta, tuple(_headings(lifted, meta)), tuple(calls))
    return Page(outline, text, lifted, dynamic)


def url_of(path: Path, folder: Path) -> str:
    """The address, relative to the site, of the page at *path* in *folder*: ``part-b.md`` becomes ``part-b.html``."""
    return path.relative_to(folder).with_suffix(".html").as_posix()


def _decode(content: bytes, path: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise ContentError([Fault(path, line, column, "page", "not UTF-8; save the file as UTF-8")]) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _front_matter(text: str, path: str) -> tuple[str, int]:
    opening = re.match(r"\+\+\+[ \t]*\n", text)
    if not opening:
        message = 'a page opens with front matter: +++, title = "...", description = "...", +++'
        raise ContentError([Fault(path, 1, 1, "front-matter", message)])
    closing = re.compile(r"^\+\+\+[ \t]*$\n?", re.MULTILINE).search(text, opening.end())
    if not closing:
        raise ContentError([Fault(path, 1, 1, "front-matter", "the front matter is not closed; end it with +++")])
    return text[opening.end() : closing.start()], closing.end()


def _placeholders(lifted: Lifted, text: str, path: str) -> Iterator[Fault]:
    begin = text.index("+++")
    end = lifted.source_offset(0) if lifted.body else len(text)
    for found in PLACEHOLDER.finditer(text, begin, end):
        yield _placeholder(found[0], text, path, found.start())
    for found in PLACEHOLDER.finditer(lifted.body):
        yield _placeholder(found[0], text, path, lifted.source_offset(found.start()))


def _placeholder(word: str, text: str, path: str, offset: int) -> Fault:
    message = f"{word!r} is left in the prose; replace it, or write it as `code` if it is meant"
    return fault(text, path, offset, "placeholder", message)


def _titles(lifted: Lifted, text: str, path: str) -> Iterator[Fault]:
    for found in _HEADING.finditer(lifted.body):
        if len(found[1]) == 1:
            offset = lifted.source_offset(found.start())
            yield fault(text, path, offset, "heading", "the title stands in the front matter; begin sections with ##")


def _headings(lifted: Lifted, meta: Meta) -> Iterator[Heading]:
    taken: dict[str, int] = {}
    counts = [0, 0]
    for found in _HEADING.finditer(lifted.body):
        level = len(found[1])
        text, name = _plain_heading(found[2], lifted.pieces)
        number, offset = _number(level, counts, meta.numbered), lifted.source_offset(found.start())
        yield Heading(level, _unique(name or slug(text), taken), number, text, offset)


def _number(level: int, counts: list[int], numbered: bool) -> str:
    if not numbered or level > 3:
        return ""
    if level == 2:
        counts[0] += 1
        counts[1] = 0
        return str(counts[0])
    counts[1] += 1
    return f"{counts[0]}.{counts[1]}"


def _plain_heading(text: str, pieces: tuple[Piece, ...]) -> tuple[str, str]:
    name = ""

    def reveal(token: re.Match[str]) -> str:
        nonlocal name
        piece = pieces[ord(token[0]) - FIRST]
        name = piece.source if piece.kind == "anchor" else name
        return plain(piece.source) if piece.kind == "math" else piece.source if piece.kind in {"code", "text"} else ""

    shown = TOKEN.sub(reveal, text)
    shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", shown)
    return re.sub(r"[*_]{1,2}(?=\S)(.+?)(?<=\S)[*_]{1,2}", r"\1", shown).strip(), name


def plain_text(text: str) -> str:
    """A short text without markup, its formulas as a reader would type them."""
    lifted = lift(text)
    shown = [plain(piece.source) if piece.kind == "math" else piece.source for piece in lifted.pieces]
    return TOKEN.sub(lambda token: shown[ord(token[0]) - FIRST], lifted.body)


def slug(text: str) -> str:
    """*text* as an anchor: lower case, words joined by hyphens."""
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-") or "section"


def _unique(name: str, taken: dict[str, int]) -> str:
    taken[name] = taken.get(name, 0) + 1
    return name if taken[name] == 1 else _unique(f"{name}-{taken[name]}", taken)


def _dynamic_calls(lifted: Lifted, text: str, path: str) -> tuple[list[Call], list[Fault]]:
    """The calls that Jinja is to make itself, such as those in a loop; their names have to be literals all the same."""
    from jinja2 import Environment, TemplateSyntaxError, nodes

    try:
        tree = Environment(autoescape=False).parse(lifted.body)
    except TemplateSyntaxError as error:
        offset = lifted.source_offset(_line_start(lifted.body, error.lineno))
        message = f"{error.message}; Jinja's braces that are meant as text go into `code`"
        return [], [fault(text, path, offset, "jinja", message)]
    calls, faults = [], []
    for node in tree.find_all(nodes.Call):
        if not isinstance(node.node, nodes.Name) or node.node.name not in CALLS:
            name = getattr(node.node, "name", "")
            if name in {"range", "dict"} or not name:
                continue
            offset = _locate(lifted, node.lineno, name)
            faults.append(fault(text, path, offset, "reference", f"unknown function {name!r}{nearest(name, CALLS)}"))
            continue
        first = node.args[0] if node.args else None
        offset = _locate(lifted, node.lineno, node.node.name)
        if isinstance(first, nodes.Const) or not node.args:
            calls.append(_as_call(node, offset))
        else:
            message = f"write the name in {node.node.name}(...) as a literal, so that it can be checked"
            faults.append(fault(text, path, offset, "reference", message))
    return calls, faults


def _as_call(node: nodes.Call, offset: int) -> Call:
    name = getattr(node.node, "name", "")
    options = tuple((pair.key, _literal(pair.value)) for pair in node.kwargs)
    return Call(name, tuple(_literal(item) for item in node.args), options, offset)


def _literal(node: nodes.Node) -> Literal:
    return getattr(node, "value", DYNAMIC) if type(node).__name__ == "Const" else DYNAMIC


def _locate(lifted: Lifted, line: int, name: str) -> int:
    start = _line_start(lifted.body, line)
    return lifted.source_offset(max(lifted.body.find(name, start), start))


def _line_start(body: str, line: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = body.find("\n", start) + 1
    return start
