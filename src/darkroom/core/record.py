"""What programs can read about experiments: ``status --json``, and ``record.json`` in a published site.

The types are the format; :func:`schema` gives it as a JSON Schema (draft 2020-12). Within a version fields may be
added, but none changes its meaning or is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from darkroom.core.manifest import Figure, Manifest, Measured, StoredFile, Value

VERSION = 1


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file: its path in the experiment's folder of outputs, and its address on the site if it is published.

    ``published_sha256`` and ``published_bytes`` are there where the file at that address says in its metadata where it
    comes from, and so has other bytes.
    """

    path: str
    sha256: str
    bytes: int
    address: str = ""
    published_sha256: str = ""
    published_bytes: int = 0


class Shown(msgspec.Struct, frozen=True):
    """Where a figure is shown: the address on the site, and its number on that page."""

    address: str
    number: int


class FigureRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A drawn figure: its kind, texts and files, and where pages show it."""

    kind: str
    caption: str
    alt: str
    files: list[File]
    shown: list[Shown] = []


class DeclaredAt(msgspec.Struct, frozen=True):
    """Where the experiment is declared in the sources."""

    path: str
    line: int


class Accepted(msgspec.Struct, frozen=True):
    """A statement that results are still valid after a code change."""

    reason: str
    at: str
    commit: str
    previous_key: str


class RunRecord(msgspec.Struct, frozen=True):
    """How the results came to be.

    Times are UTC, ISO 8601; ``clean`` says whether the sources were those of ``commit``.
    """

    commit: str
    clean: bool
    seed: int | None
    device: str
    versions: dict[str, str]
    started_at: str
    finished_at: str
    duration_s: float
    peak_memory_bytes: int
    resumed: int


class ImportRecord(msgspec.Struct, frozen=True):
    """Where results come from that another program computed, as whoever imported them stated it.

    ``source`` is the address of that program, ``at`` when the results were imported, ``files`` what they were read from.
    """

    source: str
    device: str
    duration_s: float
    at: str
    files: list[File]


class ExperimentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment. Of one that has no outputs only ``id``, ``state`` and ``reasons`` are known; ``run`` is null.

    It is null as well where the results were not computed by a run of the experiment; there is ``imported`` then.

    ``state`` is fresh, stale, waiting, missing, damaged, or orphan where nothing declares it. ``key`` is the digest of
    all that the results depend on, ``results`` their own; ``inputs`` are the digests of data, assets and upstream
    results. ``variant`` is there for a variant, such as ``part_b/guidance@wide``: the parameters that were set for it.
    """

    id: str
    state: str
    reasons: list[str] = []
    summary: str = ""
    source: DeclaredAt | None = None
    model: str = ""
    parameters: dict[str, Value] = {}
    key: str = ""
    results: str = ""
    inputs: dict[str, str] = {}
    run: RunRecord | None = None
    imported: ImportRecord | msgspec.UnsetType = msgspec.UNSET
    variant: dict[str, Value] | msgspec.UnsetType = msgspec.UNSET
    accepted: list[Accepted] = []
    files: list[File] = []
    metrics: dict[str, Measured | dict[str, Measured]] = {}
    figures: dict[str, FigureRecord] = {}


class Section(msgspec.Struct, frozen=True, omit_defaults=True):
    """A heading: its anchor, its number such as "2.1" where sections have numbers, and its text."""

    anchor: str
    text: str
    number: str = ""


class PageEntry(msgspec.Struct, frozen=True):
    """A page: its address on the site, title, description, and headings in order."""

    address: str
    title: str
    description: str
    sections: list[Section]


class DeliverableRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that the report must have: its section's address, "" where there is none, and what is missing."""

    id: str
    title: str
    address: str = ""
    optional: bool = False
    missing: list[str] = []


class DeliverablesRecord(msgspec.Struct, frozen=True):
    """A list of deliverables; ``complete`` says that nothing is missing but what is optional."""

    name: str
    title: str
    complete: bool
    items: list[DeliverableRecord]


class SiteRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A site and every experiment behind it. Addresses are relative to the site's root."""

    schema: str = msgspec.field(name="$schema")
    version: int
    title: str
    authors: list[str] = []
    address: str = ""
    repository: str = ""
    pages: list[PageEntry]
    experiments: list[ExperimentRecord]
    deliverables: list[DeliverablesRecord] = []


def experiment_record(
    identity: str,
    state: str,
    reasons: Sequence[str],
    manifest: Manifest | None,
    published: Callable[[str], tuple[str, str, int] | None] = lambda path: None,
    shown: Callable[[str], list[Shown]] = lambda figure: [],
) -> ExperimentRecord:
    """The record of one experiment.

    Args:
        published: the address on the site of a file of its outputs, and the sha256 and the bytes of what is there.
        shown: where a figure of that name is shown.
    """
    if manifest is None:
        return ExperimentRecord(id=identity, state=state, reasons=list(reasons))

    def file(stored: StoredFile) -> File:
        address, digest, count = published(stored.path) or ("", stored.sha256, stored.bytes)
        changed = (digest, count) if digest != stored.sha256 else ("", 0)
        return File(stored.path, stored.sha256, stored.bytes, address, *changed)

    def listed(stored: StoredFile) -> File:
        return File(stored.path, stored.sha256, stored.bytes)

    def figure(name: str, drawn: Figure) -> FigureRecord:
        return FigureRecord(drawn.kind, drawn.caption, drawn.alt, [file(each) for each in drawn.files], shown(name))

    made, source = manifest.provenance, manifest.imported_from
    imported = source and ImportRecord(
        source.source, made.device, made.duration_s, source.at, [*map(listed, source.files)]
    )
    return ExperimentRecord(
        id=identity,
        state=state,
        reasons=list(reasons),
        summary=manifest.summary,
        source=DeclaredAt(manifest.source.path, manifest.source.line),
        model=manifest.model,
        parameters=manifest.parameters,
        key=manifest.key,
        results=manifest.results,
        inputs=manifest.inputs,
        run=None if imported else RunRecord(**_fields(made, RunRecord)),
        imported=imported or msgspec.UNSET,
        variant=msgspec.UNSET if manifest.variant is None else manifest.variant.settings,
        accepted=[Accepted(**_fields(each, Accepted)) for each in manifest.accepted],
        files=[file(each) for each in manifest.files],
        metrics={name: metric.value for name, metric in manifest.metrics.items()},
        figures={name: figure(name, drawn) for name, drawn in manifest.figures.items()},
    )


def _fields(of: object, kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {name: getattr(of, name) for name in kind.__struct_fields__}


def encode(record: SiteRecord) -> bytes:
    """The record as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=1) + b"\n"


def schema_sources() -> list[Path]:
    """The files that decide what :func:`schema` gives."""
    return [Path(__file__), Path(__file__).with_name("manifest.py")]


def schema() -> bytes:
    """The JSON Schema of a record, as indented JSON with a final newline."""
    described: dict[str, Any] = msgspec.json.schema(SiteRecord)
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A site made by Darkroom",
        **described,
    }
    return msgspec.json.format(msgspec.json.encode(described, order="sorted"), indent=1) + b"\n"
