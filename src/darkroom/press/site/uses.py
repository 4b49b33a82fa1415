"""Which experiments the pages of a site show, name or calculate with."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from darkroom.core.manifest import Status
from darkroom.press.content import page_calls
from darkroom.press.content.call_kinds import Kind
from darkroom.press.content.calls import Unknown
from darkroom.press.content.list_calls import ExperimentsCall
from darkroom.press.files import Places
from darkroom.press.inputs import Inputs
from darkroom.press.site.cache import SiteCache
from darkroom.press.site.sources import Findings, Sources, read_sources

_TEXTS = (".md", ".toml", ".html", ".js")


def uses(places: Places, inputs: Inputs, statuses: Sequence[Status]) -> dict[str, str]:
    """The experiments that pages refer to, each with the first file that does.

    A variant also counts as named where a text of the templates, a draft for example, has both its experiment's id and its
    name as words.

    Raises:
        ContentError: a page cannot be read, so that it is unknown what it refers to.
    """
    findings = Findings(strict=False)
    sources = read_sources(places, inputs, SiteCache({}), statuses, findings)
    findings.faults += [fault for page in sources.read for fault in page.faults]
    findings.stop()
    found: dict[str, str] = {}
    for outline in sources.outlines.values():
        for call in page_calls.kinds_in(outline):
            for identity in _of_call(call, sources):
                found.setdefault(identity, outline.path)
    return _written(places, sources) | found


def _of_call(call: Kind, sources: Sources) -> Iterator[str]:
    with suppress(Unknown):
        yield from (each.id for each in call.experiments(sources.catalogue))
    if isinstance(call, ExperimentsCall):
        yield from (each.id for each in call.lists(sources.catalogue))


def _written(places: Places, sources: Sources) -> dict[str, str]:
    """The variants that a text of the templates has as words, each with that file."""
    variants = {each: each.partition("@") for each in sources.catalogue.experiments if "@" in each}
    found: dict[str, str] = {}
    for path, text in _texts(places.templates) if variants else ():
        words: Mapping[str, bool] = {}
        for identity, (owner, _, name) in variants.items():
            if identity in found or owner not in text or name.rpartition("@")[2] not in text:
                continue
            words = words or dict.fromkeys(re.split(r"[\s\"',;:()\[\]{}<>@/`|=]+", text), True)
            if name.rpartition("@")[2] in words:
                found[identity] = places.shown(path)
    return found


def _texts(folder: Path) -> Iterator[tuple[Path, str]]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each != "node_modules" and not each.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if name.endswith(_TEXTS) and path.is_file():
                yield path, path.read_text(encoding="utf-8", errors="replace")
