"""Reading any text at all: nothing is lost on the way, places are those of the file, and nothing crashes."""

# ruff: noqa: E501

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.press.content.mathtext import prepare, rewrite, rows
from darkroom.press.content.outlines import Document
from darkroom.press.markdown import jinja
from darkroom.press.markdown.convert import Converter, texts_of
from darkroom.press.markdown.syntax import read, read_label, read_line
from tests.press.test_commonmark import Writer

SNIPPETS = st.sampled_from([
    "$x$", "$$y$$", "\n$$\na\n= b\n$$\n", "\\(z\\)", "\\\\(w\\\\)", "`c`", "``d`e``", "\n```\nf\n```\n", "\\$", "\\\\", "$", "`",
    "{{ ref('a') }}", "{{ a }}", "\n{{ figure('b') }}\n", "\\begin{cases}a\\end{cases}", "{#b}", "<!-- c -->", "<b>", "</b>", "word ",
    "5", " ", "\n", "\n\n", "*", "**", "_", "{%", "{% if a %}", "\\[", "\\begin{x}", "> ", "- ", "1. ", "    ", "\t", "| a | b |\n",
    "|---|---|\n", "[x](y)", "![x](y)", "[^n]", "\n[^n]: note\n", "## h\n", "\n---\n", "===\n", "<div>\n", "</div>\n", "&amp;", "{: }",
    "> [!NOTE]\n", "!!! note\n", "- [x] ", ": def\n", "\\label{q}", "\\eqref{q}", "é", "\U000f0000", "\\newcommand{\\m}{m}",
])  # fmt: skip


def formulas(document: Document) -> list[object]:
    """The formulas of a text, in order."""
    return [token.meta["formula"] for token in texts_of(document) if "formula" in token.meta]


@settings(max_examples=400, deadline=None)
@given(st.lists(SNIPPETS, max_size=30).map("".join))
def test_every_place_is_that_of_the_text(text: str) -> None:
    """A formula begins, line by line, where its place says; a call's place is that of its name; faults are within."""
    document = read(text)
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    for formula in formulas(document):
        for (start, offset), following in zip(formula.lines, [*formula.lines[1:], None], strict=True):
            line = formula.tex[start : following[0] if following else None].split("\n")[0]
            assert clean[offset:].startswith(line.rstrip()), (formula, clean[offset:][:20])
    for call in document.calls:
        assert text[call.offset :].startswith((call.name, "\\eqref")), call
    assert all(0 <= offset <= len(text) for offset, _, _ in (*document.faults, *document.warnings))


@settings(max_examples=300, deadline=None)
@given(st.lists(SNIPPETS, max_size=30).map("".join))
def test_any_text_becomes_html(text: str) -> None:
    """Nothing crashes, and no formula or word of code is lost."""
    document = read(text)
    made = Converter().document(document, Writer())
    assert made.count("[x]") >= sum(formula.tex == "x" for formula in formulas(document))
    found, _, _ = prepare(formulas(document), {})
    for each in found:
        rewrite(each.formula.tex, [*each.edits])
        rows(each.formula)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_any_characters_can_be_read(text: str) -> None:
    """Whatever they are, as a page, a caption and a label."""
    for reader in (read, read_line, read_label):
        Converter().document(reader(text), Writer())


@settings(max_examples=150, deadline=None)
@given(st.lists(SNIPPETS, max_size=20).map("".join))
def test_jinja_leaves_places(text: str) -> None:
    """What a template leaves as it is comes from where it stands."""
    document = read(text)
    try:
        expanded = jinja.expand(text, document.kept)
    except jinja.Wrong:
        return
    for found in re.finditer(r"[a-z$*]", expanded.text):
        assert text[expanded.origin(found.start())] == found[0]


@pytest.mark.parametrize(
    "text", ["a $x$ b", "> - $x$", "| $x$ |\n|---|", "## $x$", "t\n: $x$", "a[^1]\n\n[^1]: $x$", "- [x]  \n  a $x$"]
)
def test_the_place_of_a_formula_is_that_of_its_tex(text: str) -> None:
    """In text, lists in quotes, tables, headings, definitions and notes."""
    (formula,) = formulas(read(text))
    assert text[formula.offset] == "x"
