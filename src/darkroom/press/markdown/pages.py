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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.core.errors import ContentError, Fault
from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.mathtext import Target, prepare
from darkroom.press.content.outlines import Body, Heading, Meta, Outline, Page
from darkroom.press.content.settings import Key, is_day, read_table
from darkroom.press.faults import fault
from darkroom.press.typeset.typography import composed

if TYPE_CHECKING:  # a build in which no page has changed needs no parser
    from markdown_it.token import Token

    from darkroom.press.content.calls import Call
    from darkroom.press.content.outlines import Document

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
    "macros": Key(dict),
    "date": Key(str),
    "authors": Key(list),
}
_MARKUP = lazy_pattern(r"[$\\`]")
_LEFT = ("TODO", "FIXME", "TBD", "XXX", "SEED_HERE", "Lorem [Ii]psum", "lorem [Ii]psum")
PLACEHOLDER = lazy_pattern("|".join(rf"{word[0]}(?<!\w\w){word[1:]}\b" for word in _LEFT))  # \b in front is slower


def read_page(content: bytes, path: str, url: str) -> Page:
    """Read the page at *path*. Whatever is wrong with it, it can be read: its faults say what is.

    They are: not UTF-8, front matter, unclosed math or code, headings, placeholders, Jinja's syntax, calls whose name is
    not a literal, what only other dialects of Markdown have.
    """
    from darkroom.press.markdown.bodies import bodies_of
    from darkroom.press.markdown.convert import texts_of

    text, faults = _decode(content, path)
    meta, start, unfit = _front_matter(text, path)
    faults += unfit
    document, wrong = _read(text, start)
    lede = _read_lede(meta.lede, text[:start])
    wrong += _in_front(meta, text[:start])
    tokens = [token for each in (lede, document) for token in texts_of(each) if "formula" in token.meta]
    prepared, equations, misnamed = prepare([token.meta["formula"] for token in tokens], meta.macros)
    for token, formula in zip(tokens, prepared, strict=True):
        token.meta["prepared"] = formula
    wrong += [(offset, "math", message) for offset, message in misnamed]
    headings, names = _headings(document, meta)
    wrong += [
        *_unpaired(document.calls),
        *lede.faults,
        *document.faults,
        *_placeholders(document, text, start),
        *_named_twice(names, equations),
    ]
    faults += [fault(text, path, *each) for each in sorted(dict.fromkeys(wrong))]
    bodies = bodies_of(document.tokens)
    outline = Outline(path, url, meta, tuple(headings), (*lede.calls, *document.calls), tuple(equations), bodies)
    doubtful = (*lede.warnings, *document.warnings, *_empty(headings, bodies))
    warnings = tuple(fault(text, path, *each) for each in doubtful)
    return Page(outline, text, document, lede, tuple(prepared), tuple(faults), warnings)


def _read(text: str, start: int) -> tuple[Document, list[tuple[int, str, str]]]:
    """The page's text, read once more where Jinja has changed it, and what is wrong with what Jinja is asked to do."""
    from darkroom.press.markdown import jinja
    from darkroom.press.markdown.syntax import read

    body = text[start:]
    document = read(body, lambda offset: start + offset)
    if any(rule == "cost" for _, rule, _ in document.faults) or not jinja.is_template(body, document.kept):
        return document, []
    try:
        expanded = jinja.expand(body, document.kept)
    except jinja.Wrong as error:
        return document, [(start + offset, rule, message) for offset, rule, message in error.complaints]
    return read(expanded.text, lambda offset: start + expanded.origin(offset)), []


def _read_lede(lede: str, front: str) -> Document:
    """The opening paragraph; where TOML has it written otherwise, all of it stands where its key does."""
    from darkroom.press.markdown.syntax import read_text

    words, found = " ".join(lede.split()), front.find(lede)
    if found >= 0 and words == lede:
        return read_text(words, lambda offset: found + offset)
    key = re.search(r"^[ \t]*lede\b", front, re.MULTILINE)
    return read_text(words, lambda offset: key.start() if key else 0)


_CALLED = lazy_pattern(r"\{\{|\{%|\[\^[^\]\s]+\]|\[@")


def _in_front(meta: Meta, front: str) -> Iterator[tuple[int, str, str]]:
    """What is read in the text of a page, and not in its title and the like."""
    from darkroom.press.markdown.syntax import read_label

    for name, value in (("title", meta.title), ("description", meta.description), ("nav", meta.nav)):
        place = max(front.find(value), 0)
        if found := _CALLED.search(value):
            yield (
                place,
                "front-matter",
                f"{found[0]!r} in {name!r}: calls and notes are only read in the text; write it out",
            )
        if "\\" in value:
            yield from ((place, rule, message) for _, rule, message in read_label(value).faults)


def url_of(path: Path, folder: Path) -> str:
    """The address, relative to the site, of the page at *path* in *folder*: ``part-b.md`` becomes ``part-b.html``."""
    return composed(path.relative_to(folder).with_suffix(".html").as_posix())


def _decode(content: bytes, path: str) -> tuple[str, list[Fault]]:
    faults = []
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        faults.append(Fault(path, line, column, "page", "not UTF-8; save the file as UTF-8"))
        text = content.decode("utf-8-sig", "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, faults or [fault(text, path, *each) for each in _unseen(text)]


_UNSEEN = lazy_pattern("[\0-\x08\x0b\x0e-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e\ufeff]")


def _unseen(text: str) -> Iterator[tuple[int, str, str]]:
    """Characters that no page may hold, or that are invisible: the first on each line."""
    if text.isprintable() or not _UNSEEN.search(text):
        return
    line = -1
    for found in _UNSEEN.finditer(text):
        start = text.rfind("\n", 0, found.start())
        if start != line or found.start() == 0:
            message = f"U+{ord(found[0]):04X} is an invisible character; remove it"
            yield found.start(), "page", message
        line = start


def _front_matter(text: str, path: str) -> tuple[Meta, int, list[Fault]]:
    """The front matter, where the text behind it begins, and what is wrong with it."""
    unknown = Meta(Path(path).stem, "")
    opening = re.match(r"\+\+\+[ \t]*\n", text)
    if not opening:
        message = 'a page starts with front matter: +++, title = "...", description = "...", +++'
        return unknown, 0, [Fault(path, 1, 1, "front-matter", message)]
    closing = re.compile(r"^\+\+\+[ \t]*$\n?", re.MULTILINE).search(text, opening.end())
    if not closing:
        message = "the front matter is not closed; end it with +++"
        return unknown, len(text), [Fault(path, 1, 1, "front-matter", message)]
    try:
        values = read_table(text[opening.end() : closing.start()], KEYS, path, 2)
    except ContentError as error:
        return unknown, closing.end(), [*error.faults]
    values["authors"] = tuple(values.get("authors", ()))
    meta = Meta(**values)
    if meta.date and not is_day(meta.date):
        message = f"'date' should be a day such as \"2026-11-21\", not {meta.date[:40]!r}"
        return meta, closing.end(), [fault(text, path, max(text.find(meta.date), 0), "front-matter", message)]
    return meta, closing.end(), []


def _unpaired(calls: Sequence[Call]) -> Iterator[tuple[int, str, str]]:
    """Claims that do not end, or that end without a beginning."""
    opened: Call | None = None
    for call in (each for each in calls if each.name in {"claim", "endclaim"}):
        if call.name == "claim" and opened:
            yield call.offset, "claim", "a claim begins within another; end that first with {% endclaim %}"
        elif call.name == "endclaim" and not opened:
            yield call.offset, "claim", "{% endclaim %} ends nothing; begin with {% claim CONDITION %}"
        opened = call if call.name == "claim" else None
    if opened:
        yield opened.offset, "claim", "this claim is not closed; write {% endclaim %} behind what it is about"


def _placeholders(document: Document, text: str, start: int) -> Iterator[tuple[int, str, str]]:
    front = max(text.find("+++"), 0)
    for words, offset in [(text[front:start], front), *document.prose]:
        for found in PLACEHOLDER.finditer(words):
            message = f"{found[0]!r} is left in the prose; replace it, or write it as `code` if it is meant"
            yield offset + found.start(), "placeholder", message


def _headings(document: Document, meta: Meta) -> tuple[list[Heading], list[tuple[str, int]]]:
    """The headings that stand in no list, quote or note, and the names that have been given to them, with places."""
    found = [
        (token, inline.children or ())
        for token, inline in zip(document.tokens, document.tokens[1:], strict=False)
        if token.type == "heading_open" and token.level == 0
    ]
    names = [(t.meta["name"], t.meta["at"]) for _, children in found for t in children if t.type == "name"]
    taken = dict.fromkeys((name for name, _ in names), 1) | {"content": 1}  # which layouts call the text itself
    counts, headings = [0, 0], []
    for token, children in found:
        level = int(token.tag[1])
        text, name = _plain_heading(children)
        number = _number(level, counts, meta.numbered)
        headings.append(Heading(level, name or _unique(slug(text), taken), number, text, token.meta["at"]))
    return headings, names


def _empty(headings: Sequence[Heading], bodies: Sequence[Body]) -> Iterator[tuple[int, str, str]]:
    """Sections with nothing in them, not even a section of a lower level."""
    for number, heading in enumerate(headings):
        behind = headings[number + 1] if number + 1 < len(headings) else None
        if not bodies[number + 1].blocks and not (behind and behind.level > heading.level):
            yield heading.offset, "section", f"the section {heading.text!r} is empty; write it, or delete its heading"


def _named_twice(names: Sequence[tuple[str, int]], equations: Sequence[Target]) -> Iterator[tuple[int, str, str]]:
    seen = {equation.name for equation in equations}
    for name, at in names:
        if name in seen:
            yield at, "anchor", f"{name!r} is named twice on this page; give this heading another name"
        seen.add(name)


def _number(level: int, counts: list[int], numbered: bool) -> str:
    if not numbered or level > 3:
        return ""
    if level == 2:
        counts[0] += 1
        counts[1] = 0
        return str(counts[0])
    counts[1] += 1
    return f"{counts[0]}.{counts[1]}"


def _plain_heading(tokens: Sequence[Token]) -> tuple[str, str]:
    from darkroom.press.markdown.convert import plain_of

    names = [token.meta["name"] for token in tokens if token.type == "name"]
    return plain_of(tokens).strip(), names[-1] if names else ""


def plain_text(text: str) -> str:
    """A short text without markup, its formulas as a reader would type them."""
    if not _MARKUP.search(text):
        return text
    from darkroom.press.markdown.convert import plain_of
    from darkroom.press.markdown.syntax import read_label

    return plain_of(read_label(text).tokens).replace("\n", " ")


def slug(text: str) -> str:
    """*text* as an anchor: lower case, words joined by hyphens."""
    return re.sub(r"[\W_]+", "-", composed(text).lower()).strip("-") or "section"


def _unique(name: str, taken: dict[str, int]) -> str:
    taken[name] = taken.get(name, 0) + 1
    return name if taken[name] == 1 else _unique(f"{name}-{taken[name]}", taken)
