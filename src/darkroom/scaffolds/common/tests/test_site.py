"""The report as readers see it: the text of every page is compared with what it was.

After a change on purpose: ``python -m pytest --snapshot-update``, and read the difference.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from syrupy.assertion import SnapshotAssertion

from darkroom.cli import main

ROOT = Path(__file__).parents[1]
BLOCKS = {"p", "h1", "h2", "h3", "li", "figcaption", "tr", "dt", "dd", "div", "details"}


class Text(HTMLParser):
    """The text of a page's main part, a line a block, without device and duration of runs."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.provenance, self.lines = False, False, [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter the main part, or a block of it."""
        self.inside = self.inside or tag == "main"
        if tag in BLOCKS:
            self.lines.append("")
            self.provenance = ("class", "provenance") in attrs
        elif tag in {"td", "th"}:
            self.lines[-1] += " "

    def handle_endtag(self, tag: str) -> None:
        """Leave the main part."""
        self.inside = self.inside and tag != "main"

    def handle_data(self, data: str) -> None:
        """Take text."""
        self.lines[-1] += data if self.inside and not self.provenance else ""


def text_of(path: Path) -> str:
    """The text of a page."""
    reader = Text()
    reader.feed(path.read_text(encoding="utf-8"))
    return "\n".join(line for line in (re.sub(r"\s+", " ", each).strip() for each in reader.lines) if line)


def test_the_report_is_what_it_was(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """The site builds without a fault, and its first page says what it said."""
    assert main(["@FLAG@", "--site", str(tmp_path / "site")], ROOT) == 0
    assert text_of(tmp_path / "site/index.html") == snapshot
