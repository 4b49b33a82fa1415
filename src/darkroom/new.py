"""``darkroom new``: a project that builds, tests and publishes as it is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from unicodedata import normalize

from darkroom import __version__
from darkroom.core.errors import UsageError

SCAFFOLDS = Path(__file__).parent / "scaffolds"
REPORT = "report"
COURSES = ("cs180-f24", "cs180-f25")
_LAYERS = {REPORT: ("common", "report"), **{course: ("common", "cs180", course) for course in COURSES}}
_FLAGS = {REPORT: "--strict", **dict.fromkeys(COURSES, "--no-run")}  # a skeleton has experiments that are not written
_HIDDEN = {"_github": ".github", "_gitignore": ".gitignore"}  # packaging tools leave files out that begin with a dot
_MOST_SHOWN = 5


def create(folder: Path, scaffold: str = REPORT) -> None:
    """Write a new project.

    Args:
        folder: where; it may exist, and hold anything but files that the project needs.
        scaffold: ``"report"``, a small report that is complete, or one of ``COURSES``: every section that the course asks
            for, with experiments to be written.

    Raises:
        UsageError: the folder holds some of the files already, or cannot be written. Nothing is written then.
    """
    files = files_of(folder, scaffold)
    taken = sorted(name for name in files if os.path.lexists(folder / name))
    if taken:
        more = f" and {len(taken) - _MOST_SHOWN} more" if len(taken) > _MOST_SHOWN else ""
        raise UsageError(
            f"new {folder}: it has {', '.join(taken[:_MOST_SHOWN])}{more} already; choose another folder, or move them away"
        )
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def files_of(folder: Path, scaffold: str = REPORT) -> dict[str, str]:
    """The files of a new project in *folder*, by their paths in it, with their text."""
    values = _values(folder, scaffold)
    return {name: text for layer in _LAYERS[scaffold] for name, text in _files(SCAFFOLDS / layer, values)}


def _values(folder: Path, scaffold: str) -> dict[str, str]:
    """What stands for the marks in the files of a scaffold."""
    title = _title(folder)
    return {
        "@TITLE@": title,
        "@NAME@": re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "report",
        "@VERSION@": __version__,
        "@COURSE@": scaffold,
        "@FLAG@": _FLAGS[scaffold],
    }


def _files(source: Path, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Every file of a scaffold, by its path in the project, with its text."""
    for path in sorted(source.rglob("*")):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        for mark, value in values.items():
            text = text.replace(mark, value)
        yield "/".join(_HIDDEN.get(part, part) for part in path.relative_to(source).parts), text


def _title(folder: Path) -> str:
    """``My report`` for a folder named ``my-report``."""
    words = re.findall(r"[^\W_]+", normalize("NFC", folder.resolve().name))
    return " ".join(words).capitalize() if words else "Report"
