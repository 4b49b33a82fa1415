"""Pages as lines that can be compared: a tag or a text on each, and how one site differs from another.

What only says when, where or by which version something was made is left out, so that the same report, built again by
another version of Darkroom or from a run on another machine, gives the same lines.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from difflib import unified_diff
from html.parser import HTMLParser
from pathlib import Path

from darkroom.core.errors import UsageError
from darkroom.core.patterns import lazy_pattern
from darkroom.press.write import written_by_us

PROVENANCE, DIGESTS, STYLES = "provenance", "digests", "styles"
PARTS = {
    PROVENANCE: "devices, durations, dates, commits, versions and keys",
    DIGESTS: "digests in names of pictures and other files",
    STYLES: "style sheets and scripts in pages, and formulas as they are set rather than as TeX",
}
CONTEXT = 2  # lines around a difference
MOST_LINES = 40  # of the difference of a page that are shown
_LONGEST = 500  # characters of a value; the path of a curve has thousands

_VOID = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
}  # fmt: skip  # elements of HTML without an end
_COMMIT = lazy_pattern(r"(?<=/(?:blob|tree)/)[0-9a-f]{40}|(?<=/commit/)[0-9a-f]{40}")
_LINES = lazy_pattern(r"#L\d+(?:-L\d+)?$")
_NAMED_DIGEST = lazy_pattern(r"\.[0-9a-f]{10}(?=\.[a-z0-9]+\b)")  # figure-picture.0123456789.png
_POLICY_DIGEST = lazy_pattern(r" 'sha256-[^']*'")


def normalised(html: str, also: Collection[str] = (), names: Mapping[str, str] | None = None) -> str:
    """A page as lines: a tag or a text on each, indented by how deep it is.

    End tags, comments and white space that does not count are left out; attributes are sorted, and very long values
    are cut to their beginning and a digest.

    Args:
        html: the page.
        also: those of ``PARTS`` that are kept.
        names: digests in names of files and those that stand for them, as ``names_in`` gives them.
    """
    reader = _Reader(frozenset(also), names or {})
    reader.feed(html)
    reader.close()
    return "\n".join([*reader.finished(), ""])


class _Reader(HTMLParser):
    """Collects the lines of a page."""

    def __init__(self, also: Collection[str], names: Mapping[str, str]) -> None:
        super().__init__()
        self.also, self.names = also, names
        self.lines: list[str] = []
        self.open: list[str] = []  # the elements that the parser is in
        self.left_out = 0  # how many of them were open where one began that is left out; 0 for none
        self.formula = 0  # the same of a formula, of which only the TeX is taken
        self.text = ""

    def finished(self) -> list[str]:
        """All lines; the page is at its end."""
        self._end_text()
        return self.lines

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in an element."""
        self._end_text()
        attributes = {name: value or "" for name, value in reversed(attrs)}
        is_void = tag in _VOID
        if not self.left_out and not self.formula:
            if self._is_left_out(tag, attributes):
                self.left_out = 0 if is_void else len(self.open) + 1
            elif STYLES not in self.also and "katex" in attributes.get("class", "").split():
                self.formula = len(self.open) + 1
            else:
                self._add(self._written(tag, attributes))
        if not is_void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in an element that is closed at once, as SVG has them."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leave an element, and those within it that were not closed; an end tag of nothing is ignored."""
        if tag not in self.open:
            return
        self._end_text()
        while self.open.pop() != tag:
            pass
        self.left_out = self.left_out if self.left_out <= len(self.open) else 0
        self.formula = self.formula if self.formula <= len(self.open) else 0

    def handle_data(self, data: str) -> None:
        """Take in text; of a formula its TeX."""
        if not self.left_out and (not self.formula or self.open[-1] == "annotation"):
            self.text += data

    def _end_text(self) -> None:
        """Add the text up to here: in one line, or as it stands where lines count."""
        keeps_lines = not {"pre", "style", "script", "textarea"}.isdisjoint(self.open)
        lines = self.text.splitlines() if keeps_lines else [" ".join(self.text.split())]
        if "style" in self.open:
            lines = [part for line in lines for part in line.replace("}", "}\n").splitlines()]
        for line in lines:
            if line.strip():
                self._add(f"${line}$" if self.formula else line.rstrip())
        self.text = ""

    def _add(self, line: str) -> None:
        self.lines.append(f"{' ' * (self.formula - 1 if self.formula else len(self.open))}{line}")

    def _is_left_out(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if tag in {"style", "script"}:
            return STYLES not in self.also
        marked = "data-provenance" in attributes or "provenance" in attributes.get("class", "").split()
        return marked and PROVENANCE not in self.also

    def _written(self, tag: str, attributes: Mapping[str, str]) -> str:
        values = {name: _cut(self._value(value)) for name, value in sorted(attributes.items())}
        written = [f'{name}="{value}"' if value else name for name, value in values.items()]
        return f"<{' '.join([tag, *written])}>"

    def _value(self, value: str) -> str:
        if PROVENANCE not in self.also and _COMMIT.search(value):
            value = _LINES.sub("", _COMMIT.sub("COMMIT", value))
        if DIGESTS not in self.also:
            value = _NAMED_DIGEST.sub("", value)
        elif self.names:
            value = _NAMED_DIGEST.sub(lambda found: f".{self.names.get(found[0][1:], found[0][1:])}", value)
        if STYLES not in self.also:
            value = _POLICY_DIGEST.sub("", value)
        return " ".join(value.split())


def _cut(value: str) -> str:
    if len(value) <= _LONGEST:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "backslashreplace")).hexdigest()
    return f"{value[:60]}... {len(value)} characters, {digest[:10]}"


# Sites ----------------------------------------------------------------------------------------------------------------


def pages_in(folder: Path) -> dict[str, str]:
    """The pages of a built site by their addresses, such as ``docs/index.html``; files of others are no pages of it.

    Raises:
        UsageError: there is no page.
    """
    ours = written_by_us(folder, {})
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.html")) if path.is_file()}
    pages = {url: path for url, path in found.items() if url in ours or not ours}
    if not pages:
        what = "it has no pages" if folder.is_dir() else "there is no such folder"
        raise UsageError(f"{folder}: a built site is expected here, but {what}")
    return {url: path.read_text(encoding="utf-8", errors="replace") for url, path in pages.items()}


def names_in(record: bytes) -> dict[str, str]:
    """The digests in names of a site's files by which published files are known that say where they come from.

    Each with that of the file in the outputs: a run that gives the same picture changes the one and not the other.

    Args:
        record: the site's ``record.json``.
    """
    found: dict[str, str] = {}
    with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        for experiment in json.loads(record)["experiments"]:
            for figure in experiment.get("figures", {}).values():
                for file in figure["files"]:
                    if published := file.get("published_sha256", ""):
                        found[published[:10]] = file["sha256"][:10]
    return found


def names_of(folder: Path) -> dict[str, str]:
    """What ``names_in`` gives for a built site; nothing where its record is missing."""
    try:
        return names_in((folder / "record.json").read_bytes())
    except OSError:
        return {}


def differences(
    old: Mapping[str, str],
    new: Mapping[str, str],
    names: tuple[str, str],
    also: Collection[str] = (),
    digests: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {}),
) -> Iterator[str]:
    """How pages differ: several lines for each that does, as one text, and a line for each that is new or gone.

    Args:
        old: the pages as they were, by address.
        new: the pages as they are.
        names: of both, for the heads of differences.
        also: those of ``PARTS`` that count as well.
        digests: of both, what ``names_in`` gives.
    """
    for url in sorted(old.keys() | new.keys()):
        if url not in new:
            yield f"{url}: gone"
        elif url not in old:
            yield f"{url}: new"
        elif old[url] != new[url]:
            before, after = normalised(old[url], also, digests[0]), normalised(new[url], also, digests[1])
            if before != after:
                yield difference(before, after, (f"{names[0]}/{url}", f"{names[1]}/{url}"))


def difference(before: str, after: str, names: tuple[str, str]) -> str:
    """How the lines of a page differ, as ``diff -u`` shows it; of very many only the first."""
    lines = list(unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="", n=CONTEXT))
    more = len(lines) - MOST_LINES
    return "\n".join([*lines[:MOST_LINES], *([f"... and {more} more lines"] if more > 0 else [])])
