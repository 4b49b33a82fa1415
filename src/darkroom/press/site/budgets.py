"""Budgets of size that ``site.toml`` sets: what is over one, with the heaviest, and what to do about it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from darkroom.core.errors import Fault
from darkroom.core.manifest import is_temporary
from darkroom.press.content.catalogue import Catalogue, StoredExperiment
from darkroom.press.content.settings import SiteSettings, line_of
from darkroom.press.files import Content, size_of
from darkroom.press.site.cache import CachedPage
from darkroom.press.site.sources import Sources

_MOST_NAMED = 5
_LOADED = {"img", "image", "source", "video", "audio", "track", "link", "script", "iframe", "embed", "input", "use"}


def over_budget(sources: Sources, files: Mapping[str, Content], records: Mapping[str, CachedPage]) -> Iterator[Fault]:
    """One fault for each budget that is exceeded; *files* are those of the site, *records* its pages."""
    site = sources.site
    if not (site.outputs_mb or site.page_mb or site.sweep_mb or site.sweep_points):
        return
    path = sources.places.templates / "site.toml"
    text = sources.inputs.read(path).decode(errors="replace")
    catalogue = sources.catalogue
    weights = {name: weight for name, each in catalogue.experiments.items() if (weight := weight_of(each))}
    over = (*_of_outputs(site, weights), *_of_sweeps(site, weights, catalogue), *_of_pages(site, files, records))
    for name, message in over:
        yield Fault(sources.places.shown(path), line_of(name, text), 1, "budget", f"{name}: {message}")


def _of_outputs(site: SiteSettings, weights: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    total = sum(weights.values())
    if not site.outputs_mb or total <= site.outputs_mb * 1e6:
        return
    message = (
        f"outputs weigh {_mb(total)} MB, more than {site.outputs_mb:g}; the heaviest: {_heaviest(weights)}; remove what "
        "nothing needs with python build.py gc, declare results that only runs read as temporary, or raise the limit"
    )
    yield "outputs_mb", message


def _of_sweeps(site: SiteSettings, weights: Mapping[str, int], catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    sweeps: dict[str, list[int]] = {}
    for name, weight in weights.items():
        if catalogue.experiments[name].variant is not None:
            sweeps.setdefault(name.rpartition("@")[0], []).append(weight)
    heavy = {name: sum(points) for name, points in sweeps.items() if sum(points) > site.sweep_mb * 1e6}
    if site.sweep_mb and heavy:
        message = (
            f"variants of one experiment weigh more than {site.sweep_mb:g} MB together: {_heaviest(heavy)}; return less "
            "from each, remove what nothing needs with python build.py gc, or raise the limit"
        )
        yield "sweep_mb", message
    many = {name: len(points) for name, points in sweeps.items() if len(points) > site.sweep_points}
    if site.sweep_points and many:
        message = (
            f"more than {site.sweep_points} variants of one experiment: {_largest(many)}; remove what nothing needs with "
            "python build.py gc, or raise the limit"
        )
        yield "sweep_points", message


def weight_of(experiment: StoredExperiment) -> int:
    """The bytes of all that a manifest names, without temporary results, which git does not keep."""
    manifest = experiment.manifest
    if manifest is None:
        return 0
    kept = {each.path: each.bytes for each in manifest.files if not is_temporary(manifest, each.path)}
    kept |= {each.path: each.bytes for figure in manifest.figures.values() for each in figure.files}
    return sum(kept.values())


def _of_pages(
    site: SiteSettings, files: Mapping[str, Content], records: Mapping[str, CachedPage]
) -> Iterator[tuple[str, str]]:
    if not site.page_mb:
        return
    loads = {url: _loaded(url, record, files) for url, record in records.items()}
    heavy = {url: sum(parts.values()) for url, parts in loads.items() if sum(parts.values()) > site.page_mb * 1e6}
    if heavy:
        worst = max(heavy, key=lambda url: heavy[url])
        pages = "1 page weighs" if len(heavy) == 1 else f"{len(heavy)} pages weigh"
        yield (
            "page_mb",
            (
                f"{pages} more than {site.page_mb:g} MB with all figures: {_heaviest(heavy)}; the heaviest files of {worst}: "
                f"{_heaviest(loads[worst])}; show fewer or smaller figures there, split the page, or raise the limit"
            ),
        )


def _loaded(url: str, record: CachedPage, files: Mapping[str, Content]) -> dict[str, int]:
    """The bytes of a page and of all that it loads once everything on it has been seen and played."""
    base = posixpath.dirname(url)
    linked = (posixpath.normpath(posixpath.join(base, each.target)) for each in record.links if each.element in _LOADED)
    fonts = (
        {target for target in files for font in record.fonts if target.endswith(f"/{font}")} if record.fonts else set()
    )
    shown = (use.target for use in record.files if not use.target.startswith("raw/"))
    return {url: record.bytes} | {name: size_of(files[name]) for name in {*linked, *fonts, *shown} if name in files}


def _heaviest(weights: Mapping[str, int]) -> str:
    named = sorted(weights.items(), key=lambda each: (-each[1], each[0]))[:_MOST_NAMED]
    return ", ".join(f"{name} {_mb(weight)}" for name, weight in named) + " MB"


def _largest(counts: Mapping[str, int]) -> str:
    named = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:_MOST_NAMED]
    return ", ".join(f"{name} has {count}" for name, count in named)


def _mb(weight: int) -> str:
    return f"{weight / 1e6:,.1f}" if weight >= 950_000 else f"{weight / 1e6:.2g}"
