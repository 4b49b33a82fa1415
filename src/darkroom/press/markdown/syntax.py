r"""What a page may hold: CommonMark and GitHub's tables, with formulas, calls, notes and callouts as parts of the grammar.

A page is read by markdown-it-py. Formulas and calls are rules of its block and inline parsers, so they stand in quotes,
lists, notes and tables like any other text, and what is in them is never read as Markdown. What other dialects of
Markdown have and this one does not is a fault at its place, which says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import accumulate

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import autolink, backtick, html_inline, image, link
from markdown_it.token import Token
from mdit_py_plugins.admon import admon_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.footnote.index import footnote_inline, footnote_ref

import darkroom.press.content.page_calls  # noqa: F401  # registers the kinds of calls
from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.outlines import Document
from darkroom.press.markdown import blocks, dialects, inlines, notes
from darkroom.press.markdown.block_checks import CHECKS, check_indents, check_paragraphs
from darkroom.press.markdown.inline_checks import behind_links, definitions, links_in_links, signs_left
from darkroom.press.markdown.reading import Place, Reading, reading_of

_SHORT_TEXTS = 2048  # captions and labels that are read once: their formulas are asked for before they are set


def read(text: str, origin: Place = lambda offset: offset) -> Document:
    """Read a page's text; *origin* gives the offset in the file of one in the text."""
    reading = Reading(text, origin)
    tokens = _parser().parse(text, {"reading": reading})
    return _document(tokens, reading)


def read_text(text: str, origin: Place) -> Document:
    """Read one line of a page that stands in its front matter: all that a paragraph may hold but notes."""
    reading = Reading(text, origin)
    tokens = _parser().parseInline(text, {"reading": reading})[0].children or []
    for token in tokens:
        if token.type == "footnote_ref":
            reading.faults.append((token.meta["at"], "markdown", "notes are only allowed in the text of a page"))
    return _document(tokens, reading)


@lru_cache(maxsize=_SHORT_TEXTS)
def read_line(text: str) -> Document:
    """Read a caption: emphasis, links, code and formulas. It may come from someone else: HTML and pictures are text."""
    return _read_short(_line_parser(), text)


@lru_cache(maxsize=_SHORT_TEXTS)
def read_label(text: str) -> Document:
    """Read a short text that has formulas and code, and no other markup."""
    return _read_short(_label_parser(), text)


def _read_short(parser: MarkdownIt, text: str) -> Document:
    reading = Reading(text, lambda offset: offset)
    tokens = parser.parseInline(text, {"reading": reading, "short": True})
    return _document(tokens[0].children or [], reading)


def _document(tokens: Sequence[Token], reading: Reading) -> Document:
    calls = sorted(reading.calls, key=lambda call: call.offset)
    faults, warnings = (tuple(dict.fromkeys(sorted(each))) for each in (reading.faults, reading.warnings))
    return Document(tuple(tokens), tuple(calls), faults, warnings, tuple(reading.kept), tuple(reading.prose))


_TEXT = frozenset({"depth", "code", "lheading", "deflist", "paragraph"})  # rules that begin no block of another kind


@cache
def _parser() -> MarkdownIt:
    options = {"maxNesting": blocks.NESTING + 20, "alerts": True, "tasklists": True}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    footnote_plugin(parser)
    deflist_plugin(parser)
    admon_plugin(parser)
    block, inline = parser.block.ruler, parser.inline.ruler
    anywhere: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    block.before("table", "depth", blocks.depth)
    block.after("depth", "formula", blocks.formula_block, anywhere)
    block.after("formula", "call", blocks.call_block, anywhere)
    block.at("table", blocks.bar_table, {"alt": ["paragraph", "reference"]})
    block.at("lheading", blocks.underlined)
    block.at("paragraph", blocks.paragraph)
    (deflist,) = (rule.fn for rule in block.__rules__ if rule.name == "deflist")
    others = [rule.fn for rule in block.__rules__ if rule.enabled and rule.name not in _TEXT]
    block.at("deflist", blocks.definitions(deflist, others), {"alt": ["paragraph", "reference", "blockquote"]})
    inline.before("escape", "formula", inlines.formula)
    inline.before("escape", "tex", inlines.tex)
    inline.before("escape", "address", inlines.address)
    inline.before("backticks", "braces", inlines.braces)
    for name, rule in (
        ("backticks", backtick), ("link", link), ("image", image), ("autolink", autolink), ("html_inline", html_inline),
        ("footnote_inline", footnote_inline), ("footnote_ref", footnote_ref),
    ):  # fmt: skip
        inline.at(name, inlines.placed(rule))
    inline.push("dialects", inlines.other_dialects)
    parser.core.ruler.at("inline", _inline)
    parser.core.ruler.disable("text_join")
    return parser


@cache
def _line_parser() -> MarkdownIt:
    parser = MarkdownIt("zero").enable(["backticks", "emphasis", "escape", "image", "link", "newline"])
    parser.inline.ruler.before("escape", "formula", inlines.formula)
    parser.inline.ruler.before("escape", "words", inlines.tex_words)
    parser.inline.ruler2.enable(["balance_pairs", "emphasis"])
    parser.core.ruler.at("inline", _inline)
    parser.validateLink = lambda address: True  # type: ignore[method-assign, assignment]  # what leads elsewhere loses its address
    return parser


@cache
def _label_parser() -> MarkdownIt:
    parser = MarkdownIt("zero").enable(["backticks"])
    parser.inline.ruler.before("escape", "formula", inlines.formula)
    parser.inline.ruler.before("escape", "words", inlines.tex_words)
    parser.inline.ruler.before("escape", "dollar", inlines.dollar)
    parser.core.ruler.at("inline", _inline)
    return parser


def _inline(state: StateCore) -> None:
    """Read the text of each block, and say what is wrong with the blocks themselves."""
    reading = reading_of(state)
    before = ("", "")
    for token in state.tokens:
        if token.type == "inline":
            reading.begin(token, before[1] in {"th_open", "td_open"})
            token.children = token.children or []
            if len(token.content) > LONGEST and "short" not in state.env:
                _refuse_long(reading, token)
                continue
            state.md.inline.parse(token.content, state.md, state.env, token.children)
            if _is_deep(token.children):
                token.children = [Token("text", "", 0, content=token.content)]
                if "short" not in state.env:
                    message = f"markup is nested more than {DEEPEST} deep in this paragraph; split it"
                    reading.fault(reading.at(0), "markdown", message)
            if "short" in state.env:
                _finish_short(token)
            else:
                _finish_inline(reading, token, before)
        elif token.type == "call_block":
            _read_caption(state, reading, token)
        elif token.type in CHECKS:
            CHECKS[token.type](reading, token)
        before = before[1], token.type
    if "short" not in state.env:
        check_indents(reading, state.tokens)
        check_paragraphs(reading, state.tokens)
        notes.in_order(state, reading)
        links_in_links(reading, state.tokens)
        claims_alone(state.tokens)
        definitions(reading, state.env)


_CLAIMS = frozenset({"claim", "endclaim"})


def claims_alone(tokens: Sequence[Token]) -> None:
    """Paragraphs that only hold the tags of claims are none."""
    for opening, inline, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opening.type == "paragraph_open" and inline.children and "{%" in inline.content:
            shown = [each for each in inline.children if each.content.strip() or each.type not in {"text", "softbreak"}]
            if shown and all(each.type == "call" and each.meta["call"].name in _CLAIMS for each in shown):
                opening.hidden = closing.hidden = True
                inline.children = shown


def _read_caption(state: StateCore, reading: Reading, token: Token) -> None:
    """The caption of a picture or listing is text of the page like any other."""
    caption = dict(token.meta["call"].options).get("caption")
    if not isinstance(caption, str) or not caption.strip() or not token.map:
        return
    inside = Token("inline", "", 0, content=" ".join(caption.split()))
    inside.children = []
    reading.begin_option(inside.content, reading.lines[token.map[0]])
    if len(inside.content) > LONGEST:
        _refuse_long(reading, inside)
    else:
        state.md.inline.parse(inside.content, state.md, state.env, inside.children)
        _finish_inline(reading, inside, ("", ""))
    token.children, reading.pinned = inside.children, -1


LONGEST = 20_000  # characters of a paragraph: what is read in it takes time by the square of its length


def _refuse_long(reading: Reading, token: Token) -> None:
    """A paragraph that is too long is text, and nothing in it is looked at."""
    token.children = [Token("text", "", 0, content=token.content)]
    message = f"this paragraph or cell has {len(token.content)} characters; the limit is {LONGEST}; split it"
    reading.fault(reading.at(0), "cost", message)


DEEPEST = 60  # marks in one another, such as emphasis


def _is_deep(tokens: Sequence[Token]) -> bool:
    """Whether marks are nested deeper than can be rendered."""
    return len(tokens) > DEEPEST and max(accumulate(token.nesting for token in tokens)) > DEEPEST


def _finish_short(token: Token) -> None:
    for child in token.children or ():
        if child.type == "image":
            child.type = "text"  # its words: a short text shows no pictures


_SEEN = lazy_pattern(r"<(?:img|svg|picture|video|audio|input|math)\b", re.IGNORECASE)


def _is_empty(token: Token) -> bool:
    """Whether nothing of a heading is to be seen: it has but a name, comments, or links and marks around nothing."""
    return all(
        not child.content.strip()
        if child.type in {"text", "text_special"}
        else not _SEEN.match(child.content)
        if child.type == "html_inline"
        else child.nesting != 0 or child.type in {"name", "softbreak", "hardbreak"}
        for child in token.children or ()
    )


def _finish_inline(reading: Reading, token: Token, before: tuple[str, str]) -> None:
    for text, at in reading.unmarked():
        for line in re.finditer(r"[^\n]+", text):
            reading.prose.append((line[0], reading.origin(reading.at(at + line.start()))))
    signs_left(reading, token)
    behind_links(reading, token)
    if before[1] == "paragraph_open":
        for at, message, certain in dialects.of_paragraph(token.content):
            (reading.fault if certain else reading.warn)(reading.at(at), "markdown", message)
    if before == ("list_item_open", "paragraph_open") and (message := dialects.of_item(token.content)):
        reading.fault(reading.at(0), "markdown", message)
    if before == ("list_item_open", "paragraph_open") and (at := dialects.joined_to_item(token.content)) >= 0:
        message = "this line belongs to the item above; write a space after the mark of a list item"
        reading.warn(reading.at(at), "markdown", message)
    if before[1] == "heading_open" and token.content and _is_empty(token):
        message = "this heading has no text; write it after the #, or remove the line"
        reading.fault(reading.at(0), "heading", message)
    for number, child in enumerate(token.children or (), 1):
        if child.type == "name":
            at_end = before[1] == "heading_open" and number == len(token.children or ())
            message = "a name such as {#here} goes at the end of a heading or a display formula"
            if at_end and token.level > 1:
                message = "a heading in a list, quote or note has no anchor; remove its name"
            if not at_end or token.level > 1:
                reading.faults.append((child.meta["at"], "markdown", message))
