"""Reading pages: front matter, headings, placeholders, Jinja, each fault at its line and column."""

from __future__ import annotations

import pytest

from darkroom.press.content.outlines import Page
from darkroom.press.markdown.pages import read_page

FRONT = '+++\ntitle = "T"\ndescription = "D"\n+++\n'


def read(text: str) -> Page:
    """The page that *text* is."""
    return read_page(text.encode(), "templates/pages/a.md", "a.html")


def faults(text: str) -> list[str]:
    """What is wrong with a page, as the command line prints it."""
    return [str(fault) for fault in read(text).faults]


def test_front_matter_becomes_the_page_s_meta() -> None:
    """Every key of the front matter is there, the others at their defaults."""
    page = read('+++\ntitle = "A"\ndescription = "B"\norder = 2\nnumbered = true\n+++\nText.')
    meta = page.outline.meta
    assert (meta.title, meta.description, meta.order, meta.numbered, meta.toc) == ("A", "B", 2, True, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Text.", '1:1 front-matter: a page starts with front matter: +++, title = "...", description = "...", +++'),
        ("+++\ntitle = 1\n", "1:1 front-matter: the front matter is not closed; end it with +++"),
        ('+++\ntitle = "A"\ndescription = \n+++\n', "3:15 front-matter: not valid TOML: Invalid value"),
        (
            '+++\ntitel = "A"\ntitle = "A"\ndescription = "B"\n+++\n',
            "2:1 front-matter: unknown key 'titel'; did you mean 'title'?",
        ),
        ('+++\ntitle = "A"\n+++\n', "2:1 front-matter: 'description' is missing; add description = ..."),
        (
            '+++\ntitle = "A"\ndescription = "B"\norder = "2"\n+++\n',
            "4:1 front-matter: 'order' should be a whole number, not '2'",
        ),
    ],
)
def test_bad_front_matter_is_one_line_at_its_place(text: str, expected: str) -> None:
    """Front matter that cannot be used is named with the line it is on, and the nearest key."""
    assert faults(text) == [f"templates/pages/a.md:{expected}"]


def test_bytes_that_are_no_utf8_are_placed() -> None:
    """A page in another encoding is a fault at the first wrong byte."""
    page = read_page((FRONT + "\nab").encode() + b"\xff", "a.md", "a.html")
    assert [str(fault) for fault in page.faults] == ["a.md:6:3 page: not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize("word", ["TODO", "XXX", "SEED_HERE", "lorem ipsum", "Lorem ipsum"])
def test_placeholders_in_prose_are_faults(word: str) -> None:
    """A placeholder left in prose is named with its line and column."""
    advice = "is left in the prose; replace it, or write it as `code` if it is meant"
    assert faults(f"{FRONT}Fine.\n\nSeed {word}.") == [f"templates/pages/a.md:7:6 placeholder: {word!r} {advice}"]


def test_placeholders_in_front_matter_are_faults_too() -> None:
    """The title is prose."""
    (fault,) = faults('+++\ntitle = "TODO"\ndescription = "D"\n+++\n')
    assert fault.startswith("templates/pages/a.md:2:10 placeholder: 'TODO'")


@pytest.mark.parametrize("text", ["`TODO`", "```\nXXX lorem ipsum\n```", "<!-- TODO: later -->", "$XXX$", "TODOs XXXL"])
def test_placeholders_in_code_and_comments_are_none(text: str) -> None:
    """Code, comments, math and longer words may hold what looks like a placeholder."""
    assert faults(FRONT + text) == []


def test_headings_are_numbered_and_named() -> None:
    """Sections count from 1 on two levels; names are given, or made from the text; doubles are told apart."""
    front = FRONT.replace("+++\n", "+++\nnumbered = true\n", 1)
    text = front + "## One $\\sigma$ {#first}\n### Two *x*\n#### Deep\n## One\n## One\n"
    shown = [(heading.number, heading.anchor, heading.text) for heading in read(text).outline.headings]
    assert shown == [
        ("1", "first", "One σ"),
        ("1.1", "two-x", "Two x"),
        ("", "deep", "Deep"),
        ("2", "one", "One"),
        ("3", "one-2", "One"),
    ]


def test_a_title_in_the_text_is_a_fault() -> None:
    """The title stands in the front matter and nowhere else."""
    expected = "templates/pages/a.md:6:1 heading: the title is in the front matter; start sections with ##"
    assert faults(FRONT + "\n# Title") == [expected]


def test_jinja_s_own_errors_are_placed_in_the_page() -> None:
    """A mistake in Jinja's syntax is a fault at its line, formulas of several lines before it or not."""
    (fault,) = faults(FRONT + "$$\na\n$$\n\n{% if %}\n")
    assert fault.startswith("templates/pages/a.md:9:1 jinja: ")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("figure('a' ~ x)", "write the name in figure(...) as a literal, so that it can be checked"),
        ("image('a.png')", 'unknown function \'image\'; write {{ picture("name.png", alt="...") }}'),
        ("eq('a')", "unknown function 'eq'; did you mean 'ref'?"),
        ("figur('a/b')", "unknown function 'figur'; did you mean 'figure'?"),
    ],
)
def test_names_have_to_be_literal(call: str, message: str) -> None:
    """A name that is put together, or a function that does not exist, is a fault where it stands."""
    assert faults(f"{FRONT}Text {{{{ {call} }}}}") == [f"templates/pages/a.md:5:9 reference: {message}"]


def test_calls_in_a_loop_are_seen() -> None:
    """Each call that Jinja repeats is there as it will be made, at the place of the loop's."""
    page = read(FRONT + "{% for n in [1, 5] %}{{ metric('a/b', at=n) }}{% endfor %}")
    shown = [(call.name, call.arguments, call.options) for call in page.outline.calls]
    assert shown == [("metric", ("a/b",), (("at", 1),)), ("metric", ("a/b",), (("at", 5),))]
    assert {page.text[call.offset :][:6] for call in page.outline.calls} == {"metric"}


def test_a_macro_is_named_with_a_backslash() -> None:
    """In the front matter as in site.toml; the fault is at its line."""
    (fault,) = faults('+++\ntitle = "T"\ndescription = "D"\n[macros]\n"R" = "\\\\mathbb{R}"\n+++\n')
    assert fault == (
        "templates/pages/a.md:5:1 front-matter: the macro 'R' should be a backslash and letters; "
        'write "\\\\R" = "..."'
    )
