"""What a project has now: the outputs of every experiment, their files by content, and where the site shows them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from darkroom.core.errors import DamagedOutputs
from darkroom.core.manifest import Manifest, load
from darkroom.core.paths import read_plain
from darkroom.lab.outputs.folders import stored_ids

_LARGEST_RECORD = 200_000_000  # bytes
_MOST_LIKE = 5


class Place(NamedTuple):
    """A file of outputs: the experiment, the figure that it is a part of ("" for results), and its path."""

    experiment: str
    figure: str
    path: str

    @property
    def name(self) -> str:
        """What it is called by: the figure, or the file of results."""
        return f"{self.experiment}/{self.figure or self.path}"


class Stored:
    """Everything that is in a folder of outputs.

    Args:
        outputs: the folder; None where there is no project.
        site: the folder of the built site, which may not be there.
    """

    def __init__(self, outputs: Path | None, site: Path | None) -> None:
        self.outputs, self._site = outputs, site
        self.manifests = dict(_manifests(outputs)) if outputs else {}
        self.by_digest: dict[str, Place] = {}
        for place, digest in self._files():
            self.by_digest.setdefault(digest, place)
        self._pages: Mapping[tuple[str, str], str] | None = None

    def _files(self) -> Iterator[tuple[Place, str]]:
        for identity, manifest in self.manifests.items():
            for name, figure in manifest.figures.items():
                yield from ((Place(identity, name, file.path), file.sha256) for file in figure.files)
            yield from ((Place(identity, "", file.path), file.sha256) for file in manifest.files)

    def page(self, place: Place) -> str:
        """The address of a figure on the site that was built last, "" where it is not known."""
        if self._pages is None:
            self._pages = _pages(self._site) if self._site else {}
        return self._pages.get((place.experiment, place.figure), "") if place.figure else ""

    def named_like(self, name: str) -> list[Place]:
        """A few figures with files of that name, or else of one that is alike, the nearest first."""
        from difflib import get_close_matches

        by_name: dict[str, dict[str, Place]] = {}
        for place, _ in self._files():
            stem = PurePosixPath(place.path).stem
            for each in (f"{place.figure}-{stem}", place.figure, stem) if place.figure else (stem,):
                by_name.setdefault(each.lower(), {}).setdefault(place.name, place)
        wanted, found = name.lower()[:100], dict[str, Place]()
        for each in [wanted] if wanted in by_name else get_close_matches(wanted, by_name, n=_MOST_LIKE, cutoff=0.75):
            found |= by_name[each]
        return list(found.values())[:_MOST_LIKE]


def _manifests(outputs: Path) -> Iterator[tuple[str, Manifest]]:
    for identity in stored_ids(outputs):
        try:
            manifest = load(outputs / identity, drawable=True)
        except DamagedOutputs:  # `status` and `check` report it
            continue
        if manifest:
            yield identity, manifest


class _Shown(msgspec.Struct):
    address: str


class _Figure(msgspec.Struct):
    shown: list[_Shown] = []


class _Experiment(msgspec.Struct):
    id: str
    figures: dict[str, _Figure] = {}


class _Site(msgspec.Struct):
    address: str = ""
    experiments: list[_Experiment] = []


def _pages(site: Path) -> dict[tuple[str, str], str]:
    try:
        record = msgspec.json.decode(read_plain(os.path.join(site, "record.json"), _LARGEST_RECORD), type=_Site)  # noqa: PTH118
    except (OSError, ValueError, RecursionError):
        return {}
    return {
        (experiment.id, name): record.address + figure.shown[0].address
        for experiment in record.experiments
        for name, figure in experiment.figures.items()
        if figure.shown
    }
