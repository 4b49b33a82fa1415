"""Lifting: what is taken out of a text, what is left alone, and what goes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.press.lift import FIRST, TOKEN, Lifted, lift, place


def pieces(text: str) -> list[tuple[str, str]]:
    """The kinds and sources of what is lifted out of *text*."""
    return [(piece.kind, piece.source) for piece in lift(text).pieces]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a $x_t$ b", [("math", "x_t")]),
        (r"a \(x\) b", [("math", "x")]),
        ("$$\nx\n$$", [("display", "\nx\n")]),
        (r"\[x\]", [("display", "x")]),
        (r"\begin{align*}a&=b\\c&=d\end{align*}", [("display", r"\begin{align*}a&=b\\c&=d\end{align*}")]),
        (
            r"\begin{cases}\begin{cases}a\end{cases}\end{cases}!",
            [("display", r"\begin{cases}\begin{cases}a\end{cases}\end{cases}")],
        ),
        (r"$\text{\$5}$", [("math", r"\text{\$5}")]),
        ("| $|x|$ | $\\lvert y \\rvert$ |", [("math", "|x|"), ("math", "\\lvert y \\rvert")]),
    ],
)
def test_math_is_lifted_with_its_delimiters(text: str, expected: list[tuple[str, str]]) -> None:
    """Each way to write math gives one piece that holds the TeX between the delimiters."""
    assert pieces(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "it costs $5 and $6",
        "from $5-$6",
        "a $ b $ c",
        "$x\n\ny$",
        r"a \\(x\\) b",
        "x <b title='$y$'>z</b>",
        "{{ unknown }} {% if x %}",
    ],
)
def test_what_is_no_math_stays(text: str) -> None:
    """Prices, lone dollars, escaped backslashes, tags and Jinja's own expressions are left alone."""
    assert lift(text).body == text


def test_an_escaped_dollar_is_a_dollar() -> None:
    r"""``\$`` gives a dollar and opens no math."""
    assert pieces(r"\$5 and \$6") == [("text", "$"), ("text", "$")]


@pytest.mark.parametrize("code", ["`$x$`", "``a ` $x$``", "```\n$x$ {{ figure('a') }}\n```", "~~~ python\n$x$\n~~~"])
def test_code_is_lifted_whole(code: str) -> None:
    """Math and calls in code spans and fences are text."""
    assert [kind for kind, _ in pieces(code)] in (["code"], ["fence"])


def test_calls_by_literals_are_lifted_with_their_place() -> None:
    """A call whose arguments are literals is read without Jinja; one with a variable is left to it."""
    text = 'See {{ metric("a/b", at=5, format=".3f") }} and {{ metric("a/b", at=n) }}.'
    lifted = lift(text)
    assert [(call.name, call.arguments, call.options) for piece in lifted.pieces for call in piece.calls] == [
        ("metric", ("a/b",), (("at", 5), ("format", ".3f")))
    ]
    assert "at=n" in lifted.body
    assert text[lifted.pieces[0].calls[0].offset :].startswith("metric(")


def test_calls_in_math_belong_to_the_formula() -> None:
    """A number called in a formula is part of that piece."""
    (piece,) = lift('$T = {{ param("a/b", "steps") }}$').pieces
    assert [call.name for call in piece.calls] == ["param"]


def test_comments_and_heading_names_are_taken_out() -> None:
    """A comment is a piece, and so is the name of a heading, which Jinja would take for a comment."""
    assert pieces("## Title {#here}\n<!-- $x$ -->") == [("anchor", "here"), ("comment", "<!-- $x$ -->")]


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a\nb $$x", 2, 3, "$$ opens math that is not closed; end it with $$"),
        ("a \\[x", 1, 3, "\\[ opens math that is not closed; end it with \\]"),
        ("\n\n\\begin{align}x", 3, 1, "\\begin{align} is not closed; end it with \\end{align}"),
        ("```\ncode", 1, 1, "this fence is not closed; end it with ```"),
        ("a \U000f0000", 1, 3, "private-use character U+F0000; remove it"),
    ],
)
def test_what_is_not_closed_is_named_with_its_place(text: str, line: int, column: int, message: str) -> None:
    """An opening without its end is a fault at the line and column of the opening."""
    ((offset, _, found),) = lift(text).wrong
    assert (*place(text, offset), found) == (line, column, message)


def put_back(text: str, lifted: Lifted) -> str:
    """The text again, each token replaced by what stood there."""

    def source(token) -> str:
        piece = lifted.pieces[ord(token[0]) - FIRST]
        return text[piece.start : piece.end]

    return TOKEN.sub(source, lifted.body)


SNIPPETS = st.sampled_from([
    "$x$", "$$y$$", "\\(z\\)", "`c`", "``d`e``", "\n```\nf\n```\n", "\\$", "\\\\", "$", "`", "{{ ref('a') }}", "{{ a }}",
    "\\begin{cases}a\\end{cases}", "{#b}", "<!-- c -->", "<b>", "word ", "5", " ", "\n", "\n\n", "*", "{%", "\\[",
    "\\begin{x}",
])  # fmt: skip


@given(st.lists(SNIPPETS, max_size=25).map("".join))
def test_lifting_loses_nothing(text: str) -> None:
    """Whatever the text, putting the pieces back gives it again, and every character knows where it came from."""
    lifted = lift(text)
    assert put_back(text, lifted) == text
    for index, character in enumerate(lifted.body):
        if not TOKEN.match(character):
            assert text[lifted.source_offset(index)] == character


@given(st.text(max_size=60))
def test_any_text_can_be_lifted(text: str) -> None:
    """No text makes lifting fail."""
    lifted = lift(text)
    if not lifted.wrong:
        assert put_back(text, lifted) == text
