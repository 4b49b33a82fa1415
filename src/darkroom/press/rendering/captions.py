"""Figures as HTML: the template of their kind, in a frame with number, caption, badge and provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec

from darkroom.core.figure_layouts import Animation, Layout, Plot, Tiles
from darkroom.core.manifest import Figure, Manifest
from darkroom.core.units import duration
from darkroom.press.content.addresses import host_of
from darkroom.press.content.catalogue import FRESH, StoredExperiment
from darkroom.press.content.numbers import show

TEXT_WIDTH = 640  # CSS pixels; what is naturally wider reaches into the margin


class FileUse(msgspec.Struct, frozen=True, array_like=True):
    """A file that a page needs: where it lies (from the outputs' root) and where on the site.

    ``sha256`` and ``bytes`` are of the file on the site. ``stamp`` is a digest of the file and of what its metadata say
    there, "" where it is as it lies; ``added`` are the bytes of that.
    """

    source: str
    target: str
    sha256: str
    bytes: int
    stamp: str = ""
    added: int = 0


class ProvenanceLine(msgspec.Struct, frozen=True):
    """What made a figure, ready to be shown; ``clean`` is whether the tree equalled the commit, links may be "".

    ``imported_from`` is the address of the program that computed imported results, and ``host`` its host; "" for a run.
    ``variant`` says what was set for a variant, "" for what is as declared.
    """

    experiment: str
    device: str
    duration: str
    seed: int | None
    commit: str
    clean: bool
    data: tuple[str, ...]
    model: str
    source: str
    source_link: str
    commit_link: str
    finished: str
    imported_from: str = ""
    host: str = ""
    variant: str = ""


def provenance(manifest: Manifest, repository: str) -> ProvenanceLine:
    """The provenance of everything in *manifest*; *repository* is an address, or "" for no links."""
    made = manifest.provenance
    known = repository and made.commit
    place = f"{manifest.source.path}#L{manifest.source.line}"
    data = tuple(name.partition(":")[2] for name in manifest.inputs if name.startswith(("dataset:", "asset:")))
    return ProvenanceLine(
        experiment=manifest.experiment,
        device=made.device,
        duration=duration(made.duration_s),
        seed=made.seed,
        commit=made.commit[:7],
        clean=made.clean,
        data=data,
        model=manifest.model,
        source=manifest.source.path,
        source_link=f"{repository}/blob/{made.commit}/{place}" if known else "",
        commit_link=f"{repository}/commit/{made.commit}" if known else "",
        finished=made.finished_at[:10],
        imported_from=manifest.imported_from.source if manifest.imported_from else "",
        host=host_of(manifest.imported_from.source) if manifest.imported_from else "",
        variant=_variant_text(manifest),
    )


def _variant_text(manifest: Manifest) -> str:
    if manifest.variant is None:
        return ""
    return settings_text(manifest.variant.settings) or manifest.variant.name


def choices_of(shown: Sequence[StoredExperiment]) -> list[str]:
    """What tells experiments apart that have drawn the same figure: the model, or what was set for one of them."""
    manifests = [each.manifest for each in shown if each.manifest]
    names = dict.fromkeys(name for each in manifests if each.variant for name in each.variant.settings)
    models = {each.model for each in manifests}
    labels = []
    for each, experiment in zip(manifests, shown, strict=True):
        values = settings_text({name: each.parameters[name] for name in names if name in each.parameters})
        model = each.model if len(models) > 1 else ""
        labels.append(", ".join(part for part in (model, values) if part) or experiment.id)
    return [label if labels.count(label) == 1 else each.id for label, each in zip(labels, shown, strict=True)]


def settings_text(settings: Mapping[str, Any]) -> str:
    """Parameters as readers see them: ``gammas = 0, 1; epochs = 3``."""
    return "; ".join(f"{name} = {show(value)}" for name, value in settings.items())


def badge(experiment: StoredExperiment) -> dict[str, str] | None:
    """The state to show on everything of an experiment that is not fresh, or None."""
    if experiment.state == FRESH:
        return None
    return {"state": experiment.state, "reason": "; ".join(experiment.reasons)}


def target_of(experiment: str, figure: str, path: str, digest: str) -> str:
    """Where a figure's file goes: its name carries the start of the *digest* of what is published."""
    stored = PurePosixPath(path)
    return f"figures/{experiment}/{figure}-{stored.stem}.{digest[:10]}{stored.suffix}"


def width_of(figure: Figure) -> str:
    """The width of a figure unless its page sets one: "text", or "page" where its natural width is greater."""
    match figure.layout:
        case Tiles() as layout:
            width = _tiles_width(layout)
        case Plot() as layout:
            width = layout.width - 80
        case Animation() as layout:
            width = sum(panel.width * layout.scale + 16 for panel in layout.panels)
        case _:
            width = 0
    return "page" if width > TEXT_WIDTH else "text"


def _tiles_width(layout: Tiles) -> int:
    cells = [cell for row in layout.rows for cell in row.cells if cell]
    widest = max((cell.width for cell in cells), default=0) * layout.scale
    columns = max((len(row.cells) for row in layout.rows), default=0)
    return columns * (widest + 6)


def alt_texts(figure: Figure) -> list[str]:
    """Every alternative text of a figure: its own, and those of all pictures in its layout."""
    layout = figure.layout
    return [figure.alt, *(layout.alts() if isinstance(layout, Layout) else _alts_within(layout))]


def _alts_within(layout: object) -> Iterator[str]:
    """Those in the layout of a project's own kind: wherever a mapping names a file."""
    if isinstance(layout, Mapping):
        if layout.keys() & {"alt", "file", "animation"}:
            yield str(layout.get("alt", ""))
        layout = list(layout.values())
    if isinstance(layout, list):
        for each in layout:
            yield from _alts_within(each)
