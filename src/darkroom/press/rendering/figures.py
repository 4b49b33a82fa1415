"""Figures of experiments, and the records of their runs, as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import msgspec
from markupsafe import Markup

from darkroom.core import containers
from darkroom.core.caches import LARGEST
from darkroom.core.digests import sha256
from darkroom.core.errors import Fault
from darkroom.core.manifest import ARRAYS, FIGURES, NAME
from darkroom.core.paths import read_plain
from darkroom.core.patterns import lazy_pattern
from darkroom.core.units import size
from darkroom.press.content.addresses import anchor, record_anchor, root_of, way
from darkroom.press.content.bands import bands_of
from darkroom.press.content.calls import Call, Literal, NotRun, Unknown
from darkroom.press.content.catalogue import StoredExperiment
from darkroom.press.content.figure_calls import FigureCall, PictureCall, SweepCall
from darkroom.press.content.outlines import Page
from darkroom.press.content.page_calls import number_figures
from darkroom.press.content.runs import grid_of
from darkroom.press.markdown.pages import PLACEHOLDER
from darkroom.press.rendering.captions import (
    TEXT_WIDTH,
    FileUse,
    alt_texts,
    badge,
    choices_of,
    provenance,
    target_of,
    width_of,
)
from darkroom.press.rendering.context import Context
from darkroom.press.rendering.layouts import Layouts
from darkroom.press.rendering.means import MeanFigure, mean_figure
from darkroom.press.rendering.texts import OwnedText, Texts
from darkroom.press.typeset import svg
from darkroom.press.typeset.films import FILMS
from darkroom.press.typeset.static_files import hashed
from darkroom.press.typeset.vetting import is_plain

_IMAGE = lazy_pattern(r'(<img\b[^>]*\bsrc="([^"]*)"[^>]*>)')


class PageFigures:
    """Those of one page.

    Attributes:
        files: the files that they need.
        drawings: plots that are set into the page once it has been seen, by address.
        eager_bytes: of pictures that load along with the page.
        faults: what is wrong with their texts.
    """

    def __init__(self, page: Page, context: Context, texts: Texts, layouts: Layouts) -> None:
        self.files: list[FileUse] = []
        self.drawings: dict[str, bytes] = {}
        self.eager_bytes = 0
        self.faults: list[Fault] = []
        self._first: dict[str, FileUse] = {}  # by what is in them
        self._page, self._context, self._index = page, context, context.index
        self._texts, self._layouts = texts, layouts
        self._root = root_of(page.url)
        self._numbers = number_figures(page.outline)

    def figure(self, shown: FigureCall) -> str:
        """A figure, as every model has drawn it, and as the variants that are named.

        Raises:
            Unknown: there is none of that name.
        """
        name = shown.name
        found = self._index.catalogue.figure(name)
        if found is None:
            raise Unknown(f"unknown figure {name!r}")
        if shown.mean_over:
            return self._means(shown, found[0])
        others = [
            each for each in shown.beside(self._index.catalogue) if f"{each.id}/{found[1]}" not in self._context.damaged
        ]
        if others and isinstance(shown, SweepCall):
            return self._sweep(shown, found[0], others)
        first = self._figure(shown, found[0])
        if not others:
            return first
        figures = [first, *(self._figure(shown, each, _suffix(found[0], each)) for each in others)]
        return self._layouts.render(
            "figures/models.html",
            anchor=anchor(name),
            kind="Parameters" if any(each.variant for each in others) else "Model",
            models=choices_of([found[0], *others]),
            figures=[Markup(figure) for figure in figures],
        )

    def _sweep(self, shown: SweepCall, declared: StoredExperiment, others: Sequence[StoredExperiment]) -> str:
        """A figure with a control for each parameter; the declared values are shown first, where they have been drawn."""
        name = shown.name.rpartition("/")[2]
        is_there = declared.drawn(name) and f"{declared.id}/{name}" not in self._context.damaged
        grid = grid_of([declared, *others] if is_there else others, shown.over(self._index.catalogue))
        figures = []
        for number, point in enumerate(grid.points):
            suffix = (
                "" if number == grid.start else _suffix(declared, point.experiment)
            )  # links lead to what is seen first
            figures.append(Markup(self._figure(shown, point.experiment, suffix, grid.label(point))))
        return self._layouts.render("layouts/sweep.html", anchor=anchor(shown.name), grid=grid, figures=figures)

    def picture(self, shown: PictureCall, caption: str) -> str:
        """A static file, a picture or a film, as a figure with number and *caption*, which is HTML."""
        name, options = shown.name, shown.options
        width, height = self._context.images.get(name, (0, 0))
        return self._layouts.render(
            "figures/picture.html",
            id=name,
            anchor=anchor(name),
            number=self._numbers[name],
            mentions=self._mentions(name),
            src=self._root + quote(self._context.assets[name]),
            film=PurePosixPath(name).suffix.lower() in FILMS,
            alt=str(options["alt"]),
            caption=Markup(caption),
            pixels=(width, height),
            width=options.get("width") or ("page" if width > TEXT_WIDTH else "text"),
            lazy=not self._at_top(shown.call),
        )

    def _mentions(self, name: str) -> list[tuple[str, str]]:
        found = self._index.mentions_of(name, self._page.url)
        return [(f"{way(self._page.url, mention.url)}#{mention.anchor}", mention.name) for mention in found]

    def _at_top(self, call: Call) -> bool:
        return self._page.text[: call.offset].rpartition("+++")[2].strip(" \n{") == ""

    def _means(self, called: FigureCall, experiment: StoredExperiment) -> str:
        """The means of a figure's curves over runs; where a run's figure is damaged, that one is shown as damaged."""
        short = called.name.rpartition("/")[2]
        for each in (experiment, *called.beside(self._index.catalogue)):
            if f"{each.id}/{short}" in self._context.damaged:
                return self._figure(called, each)
        try:
            bands = bands_of(self._index.catalogue, called.name, called.mean_over)
        except NotRun:
            bands = None
        repository = self._context.site.repository
        means = mean_figure(bands, called.mean_over, short, repository) if bands else None
        return self._figure(called, experiment, means=means)

    def _figure(
        self,
        called: FigureCall,
        experiment: StoredExperiment,
        suffix: str = "",
        setting: str = "",
        means: MeanFigure | None = None,
    ) -> str:
        """The figure as *experiment* has drawn it, or why there is none.

        Args:
            called: the call.
            experiment: whose outputs are shown.
            suffix: makes its anchor distinct.
            setting: the values that it was drawn with, which its caption begins with.
            means: what is shown in its place.
        """
        name, options = called.name, called.options
        short = name.rpartition("/")[2]
        shared = {
            "id": name,
            "anchor": anchor(name) + suffix,
            "number": self._numbers[name],
            "experiment": experiment.id,
            "record": self._record_link(experiment.id),
            "mentions": self._mentions(name),
            "setting": setting,
        }
        figure = experiment.drawn(short)
        if figure is None or f"{experiment.id}/{short}" in self._context.damaged:
            return self._absent_figure(experiment, short, shared)
        shared["play"] = "once" if options.get("play") else ""
        shared["lazy"] = not self._at_top(called.call) or suffix != ""
        assert experiment.manifest
        with self._texts.of(f"{experiment.id}/{short}", (experiment.manifest.source.path, figure.line)):
            return self._drawn_figure(experiment, short, shared, options.get("width") or width_of(figure), means)

    def _absent_figure(self, experiment: StoredExperiment, short: str, shared: dict[str, Any]) -> str:
        reason = self._context.damaged.get(f"{experiment.id}/{short}") or "; ".join(experiment.reasons)
        state = "damaged" if f"{experiment.id}/{short}" in self._context.damaged else experiment.state
        return self._layouts.render(
            "figures/absent.html",
            **shared,
            state=state,
            reason=reason,
            has_code=experiment.has_code,
            command=experiment.command,
        )

    def _drawn_figure(
        self,
        experiment: StoredExperiment,
        short: str,
        shared: dict[str, Any],
        width: Literal,
        means: MeanFigure | None,
    ) -> str:
        manifest = experiment.manifest
        assert manifest is not None
        figure, content = (means.figure, means.content) if means else (manifest.figures[short], {})
        alt = f"{figure.alt} ({shared['setting']})" if shared["setting"] else figure.alt
        folder = f"{FIGURES}/{short}/"
        stored = {each.path.removeprefix(folder): each for each in figure.files}
        shown: list[FileUse] = []

        def file(name: str) -> str:
            """Its address; what a page shows twice is fetched once, under the name that it was first shown by."""
            if means and name in content:
                stamp = self._context.stamps.made_of(manifest, short, means.over)
                drawing = containers.put(content[name], stamp)
                target = target_of(experiment.id, short, name, sha256(drawing))
                self.drawings[target] = drawing
                return self._root + target
            known = self._first.get(stored[name].sha256)
            if known is None:
                known = self._context.stamps.use(self._page.url, manifest, short, stored[name])
                self._first[stored[name].sha256] = known
            shown.append(known)
            return self._root + known.target

        def inline(name: str) -> Markup:
            """A plot as SVG in the page; nothing where it is to be a picture."""
            try:
                source = self._context.results / experiment.id / stored[name].path
                drawing = (content.get(name) or read_plain(source, LARGEST)).decode("utf-8")
            except ValueError:  # no text
                return Markup("")
            if not (name.endswith(".svg") and is_plain(drawing)):
                return Markup("")
            return Markup(svg.inline(drawing, shared["anchor"], alt))

        def drawn_later(name: str, readings: object) -> str:
            """The address of the same SVG as a file, with what can be read off it; nothing where there is no such SVG."""
            drawing = svg.standing_alone(str(inline(name)), readings).encode()
            if not drawing:
                return ""
            target = hashed(f"{short}.svg", drawing, f"figures/{experiment.id}")
            self.drawings[target] = drawing
            return self._root + target

        self._check_texts(shared["id"], [figure.caption, *alt_texts(figure)])
        html = self._layouts.render(
            "figures/frame.html",
            **shared,
            kind=figure.kind,
            caption=Markup(self._texts.rich(figure.caption)),
            alt=alt,
            layout=figure.layout,
            width=width,
            badge=means.badge if means else badge(experiment),
            made=means.made if means else provenance(manifest, self._context.site.repository),
            results=self._results_link(experiment.id),
            file=file,
            inline=inline,
            drawn_later=drawn_later,
        )
        self.files += dict.fromkeys(shown)
        eager = {source for image, source in _IMAGE.findall(html) if 'loading="lazy"' not in image}
        self.eager_bytes += sum(use.bytes for use in dict.fromkeys(shown) if self._root + use.target in eager)
        return html

    def _check_texts(self, figure: str, texts: Sequence[str]) -> None:
        path, line = self._texts.where
        if not all(text.strip() for text in texts[1:]):
            message = f"a picture of {figure} has no alt text; describe what it shows"
            self.faults.append(Fault(path, line, 1, "alt", message))
        for text in texts:
            if found := PLACEHOLDER.search(text):
                message = f"{found[0]!r} is left in the caption or alt text of {figure}; replace it"
                self.faults.append(Fault(path, line, 1, "placeholder", message))

    def records(self, shown: Iterable[StoredExperiment]) -> str:
        """The records of experiments."""
        return self._layouts.render("layouts/experiments.html", experiments=[self._record(each) for each in shown])

    def _record(self, experiment: StoredExperiment) -> dict[str, Any]:
        manifest = experiment.manifest
        stored = manifest.files if manifest else ()
        files = [self._raw_file(experiment, file.path, file.sha256, file.bytes) for file in stored]
        problem = f"{NAME}: {experiment.problem}" if experiment.problem else ""
        reasons = experiment.reasons
        if damage := self._context.damaged.get(experiment.id):
            manifest, problem, reasons = None, damage, (damage,)
        if manifest:
            summary = OwnedText(manifest.summary, experiment.id, (manifest.source.path, manifest.source.line))
            manifest = msgspec.structs.replace(manifest, summary=summary)
        made = provenance(manifest, self._context.site.repository) if manifest else None
        return {
            "id": experiment.id,
            "anchor": record_anchor(experiment.id),
            "state": "damaged" if problem else experiment.state,
            "reasons": reasons,
            "manifest": manifest,
            "made": made,
            "problem": problem,
            "has_code": experiment.has_code,
            "command": experiment.command,
            "figures": [self._figure_link(experiment, name) for name in experiment.figures],
            "files": files,
        }

    def _figure_link(self, experiment: StoredExperiment, name: str) -> dict[str, str]:
        full = f"{experiment.id}/{name}"
        if full not in self._index.spots:
            return {"name": name, "href": ""}
        return {"name": name, "href": f"{way(self._page.url, self._index.spots[full][0].url)}#{anchor(full)}"}

    def _raw_file(self, experiment: StoredExperiment, path: str, sha256: str, count: int) -> dict[str, str]:
        full = f"{experiment.id}/{path}"
        target = self._context.raw.get(full, "")
        if target:
            self.files.append(FileUse(full, target, sha256, count))
        href = self._root + target if target else ""
        return {
            "name": path,
            "sha256": sha256,
            "size": size(count),
            "href": href,
            "path": f"{self._context.outputs}/{full}",
        }

    def _record_link(self, experiment: str) -> str:
        url = self._index.records.get(experiment, "")
        return f"{way(self._page.url, url)}#{record_anchor(experiment)}" if url else ""

    def _results_link(self, experiment: str) -> str:
        """The address of the raw results, or "" where they are not published."""
        target = self._context.raw.get(f"{experiment}/{ARRAYS}", "")
        return self._root + target if target else ""


def _suffix(first: StoredExperiment, other: StoredExperiment) -> str:
    """What makes the anchor of the same figure of another experiment distinct."""
    shared = f"{first.id}@" if other.id.startswith(f"{first.id}@") else f"{other.id.partition('@')[0]}@"
    return f"--{other.id.removeprefix(shared).replace('@', '--').replace('.', '_') if '@' in other.id else 'default'}"
