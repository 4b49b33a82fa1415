"""Draws figures and computes metrics from stored results.

Nothing is sampled or trained again, and torch is not needed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from tempfile import TemporaryDirectory
from typing import Any

from darkroom.core.errors import DamagedOutputs, DarkroomError, ExperimentError, UsageError
from darkroom.core.figure_layouts import Layout, read_layout
from darkroom.core.manifest import (
    FIGURES,
    NAME,
    Figure,
    Manifest,
    Metric,
    SourcePlace,
    StoredFile,
    decode,
    encode,
    foreign_digest,
    is_temporary,
    load,
)
from darkroom.core.paths import refuse_links
from darkroom.lab.declare import Experiment
from darkroom.lab.outputs import datasets
from darkroom.lab.outputs.folders import OutputFolder
from darkroom.lab.outputs.results import Results, as_tuples, checked_value, copy_file, open_results, store_file
from darkroom.lab.plan import Planner, temporary_of
from darkroom.lab.running import failures, provenance
from darkroom.lab.source.declared import DrawingRecipe, ExperimentRecipe
from darkroom.lab.source.edges import DATA, MODELS, AnyEdge
from darkroom.lab.source.weights import Network

IGNORED = ".gitignore"
_FILE_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")


class Values:
    """Provides the values that edges are bound to.

    Args:
        root: the project.
        outputs: where stored results are.
        data: the user's data folder, or None.
        progress: called during downloads.
    """

    def __init__(
        self, root: Path, outputs: Path, data: Path | None = None, progress: datasets.Progress | None = None
    ) -> None:
        self.root, self.outputs, self.data, self.progress = root, outputs, data, progress

    def of(self, edges: Iterable[AnyEdge]) -> dict[str, object]:
        """The value of each edge, by parameter."""
        return {edge.parameter: edge.value(self) for edge in edges}

    def results(self, experiment: str) -> Results:
        """The stored results of an experiment."""
        return open_results(self.outputs, experiment)

    def dataset(self, name: str) -> datasets.Dataset:
        """A data set that is declared."""
        return datasets.Dataset(datasets.declared(self.root / DATA)[name], self.data, self.progress)

    def path(self, path: str) -> Path:
        """A file or folder of the project."""
        return self.root / path

    def class_named(self, network: Network | None) -> Any:
        """The class that a model's network is of, if it names one. Its code is not part of keys, only its name is."""
        if network is None or not network.code:
            return None
        try:
            return resolve_name(network.code)
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(
                f"{MODELS}: code = {network.code!r}: {error}; install it, or write it as module:Class"
            ) from None


def function_of(recipe: ExperimentRecipe) -> Experiment:
    """The experiment's declaration, imported."""
    found = getattr(import_module(recipe.module), recipe.name)
    assert isinstance(found, Experiment)
    return found


def draw(
    place: OutputFolder, recipe: ExperimentRecipe, planner: Planner, values: Values, names: list[str]
) -> dict[str, str]:
    """Redraw some figures and metrics of an experiment and store them; call it with the lock held.

    What can be drawn is stored even if something else fails. Figures no longer declared are dropped.

    Returns:
        what is wrong with each one that failed, by name.
    """
    manifest = load(place.folder, drawable=True)
    if manifest is None:
        return {}
    stored = [each.path for each in manifest.files]
    stored += [each.path for name, figure in manifest.figures.items() if name not in names for each in figure.files]
    refuse_links(place.outputs, [f"{place.id}/{path}" for path in stored])
    folder = place.fresh_next()
    _keep(place.folder, folder, manifest, recipe, set(names))
    results = Results(place.folder, manifest)
    figures = {each.name: manifest.figures[each.name] for each in recipe.figures if each.name in manifest.figures}
    metrics = {each.name: manifest.metrics[each.name] for each in recipe.metrics if each.name in manifest.metrics}
    faults: dict[str, str] = {}
    for drawing in [*recipe.figures, *recipe.metrics]:
        if drawing.name not in names:
            continue
        try:
            key = planner.drawing_key(recipe, drawing, manifest)
            returned = _call(recipe, drawing, results, values)
            place.refuse_links()
            if drawing in recipe.figures:
                figures[drawing.name] = _store_figure(folder, recipe, drawing, key, returned)
            else:
                metrics[drawing.name] = Metric(key, _metric(recipe, drawing, returned), drawing.code)
        except DarkroomError as error:
            place.refuse_links()
            faults[drawing.name] = str(error)
            _keep_old(place.folder, folder, figures.get(drawing.name))
    write_manifest(folder, described(manifest, recipe, figures, metrics), foreign_digest(place.folder))
    place.publish()
    return faults


def compare(place: OutputFolder, recipe: ExperimentRecipe, values: Values, names: list[str]) -> list[str]:
    """Make figures and metrics once more from the stored results, and say which are not those that are stored.

    Numbers may differ by a millionth, since libraries round otherwise on other machines. Figures are compared byte by
    byte; other versions of the libraries that draw may draw them otherwise.
    """
    manifest = load(place.folder, drawable=True)
    if manifest is None:
        return []
    results, faults = Results(place.folder, manifest), list[str]()
    for drawing in (each for each in [*recipe.figures, *recipe.metrics] if each.name in names):
        is_figure = drawing in recipe.figures
        try:
            returned = _call(recipe, drawing, results, values)
            if is_figure:
                with TemporaryDirectory() as folder:
                    found = _store_figure(Path(folder), recipe, drawing, "", returned)
                stored = manifest.figures[drawing.name]
                if found.files != stored.files or found.layout != stored.layout:
                    faults.append(
                        f"figure {drawing.name} is not what its results give here, with {_libraries()}; draw it again"
                    )
            else:
                value, kept = _metric(recipe, drawing, returned), manifest.metrics[drawing.name].value
                if not _same(value, kept):
                    faults.append(
                        f"metric {drawing.name} is stored as {_short(kept)}, but its results give {_short(value)}"
                    )
        except DarkroomError as error:
            faults.append(str(error))
    return faults


def _libraries() -> str:
    return ", ".join(f"{name} {version}" for name, version in provenance.drawing_versions().items())


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-12)
    return bool(one == other)


def _short(value: Any) -> str:
    text = str(dict(value) if isinstance(value, Mapping) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def keep_until_drawn(place: OutputFolder, recipe: ExperimentRecipe) -> None:
    """Keep the files of the last figures beside new results, which do not name them, until figures are drawn from those.

    A run that is killed while it draws then leaves no file deleted.
    """
    with suppress(DamagedOutputs):
        old = load(place.folder, drawable=True)
        figures = [old.figures[each.name] for each in recipe.figures if old and each.name in old.figures]
        refuse_links(place.outputs, [f"{place.id}/{each.path}" for figure in figures for each in figure.files])
        for figure in figures:
            _keep_old(place.folder, place.next, figure)


def described(
    manifest: Manifest, recipe: ExperimentRecipe, figures: Mapping[str, Figure], metrics: Mapping[str, Metric]
) -> Manifest:
    """The manifest with current values of what is not in keys: the summary, temporary results, line numbers."""
    import msgspec

    lines = {each.name: each.line for each in recipe.figures}
    placed = {name: msgspec.structs.replace(each, line=lines.get(name, each.line)) for name, each in figures.items()}
    return msgspec.structs.replace(
        manifest,
        summary=recipe.summary,
        source=SourcePlace(recipe.path, recipe.line),
        temporary=temporary_of(manifest, recipe),
        figures=placed,
        metrics=dict(metrics),
    )


def write_manifest(folder: Path, manifest: Manifest, digest: str = "") -> None:
    """Write the manifest of a folder that is not in place yet; *digest* as in ``encode``.

    Raises:
        ExperimentError: a reader would refuse it.
    """
    try:
        content = encode(manifest, digest)
        decode(content, manifest.experiment)
    except (DamagedOutputs, ValueError) as error:
        raise ExperimentError(f"{manifest.experiment}: its outputs cannot be stored: {error}") from None
    ignored = sorted(each.path for each in manifest.files if is_temporary(manifest, each.path))
    if ignored:
        store_file(folder, IGNORED, "".join(f"/{_escaped(path)}\n" for path in ignored).encode())
    store_file(folder, NAME, content)


def _escaped(path: str) -> str:
    """A path as a pattern of git that matches nothing else."""
    return re.sub(r"([\\*?\[\]#! ])", r"\\\1", path)


def _keep(old: Path, new: Path, manifest: Manifest, recipe: ExperimentRecipe, redrawn: set[str]) -> None:
    """Copy the results, and the figures that are not redrawn."""
    for each in manifest.files:
        if (old / each.path).exists() or not is_temporary(manifest, each.path):
            copy_file(old / each.path, new / each.path)
    for figure in recipe.figures:
        if figure.name in manifest.figures and figure.name not in redrawn:
            _keep_old(old, new, manifest.figures[figure.name])


def _keep_old(old: Path, new: Path, figure: Figure | None) -> None:
    for each in figure.files if figure else ():
        if (old / each.path).exists() and not (new / each.path).exists():
            copy_file(old / each.path, new / each.path)


def _call(recipe: ExperimentRecipe, drawing: DrawingRecipe, results: Results, values: Values) -> object:
    parameters = {each.name: as_tuples(each.value) for each in drawing.parameters}
    try:
        declared = function_of(recipe)
        function = declared.figures.get(drawing.name) or declared.metrics[drawing.name]
        return function(results, **values.of(drawing.edges), **parameters)
    except Exception as error:
        raise failures.translated(error, f"{recipe.id}/{drawing.name}", values.root) from error


def _store_figure(folder: Path, recipe: ExperimentRecipe, drawing: DrawingRecipe, key: str, drawn: Any) -> Figure:
    name = f"{recipe.id}/{drawing.name}"
    missing = [each for each in ("kind", "layout", "files") if not hasattr(drawn, each)]
    if missing:
        raise ExperimentError(f"{name}: returned a {type(drawn).__qualname__}; return a Drawing of darkroom.figures")
    wrong = next((each for each in drawn.files if not _FILE_NAME.fullmatch(each)), None)
    if wrong is not None:
        raise ExperimentError(f"{name}: file name {wrong!r}; use lower-case letters, digits, _, . and -")
    layout = checked_value(_plain(drawn.layout), f"{drawing.name}.layout", recipe.id)
    try:
        read_layout(str(drawn.kind), layout, frozenset(drawn.files))
    except ValueError as error:
        raise ExperimentError(f"{name}: its layout does not fit the kind {drawn.kind!r}: {error}") from None
    files: list[StoredFile] = [
        store_file(folder, f"{FIGURES}/{drawing.name}/{path}", bytes(drawn.files[path])) for path in sorted(drawn.files)
    ]
    return Figure(key, str(drawn.kind), drawing.caption, drawing.alt, layout, files, drawing.code, drawing.line)


def _plain(layout: object) -> object:
    import msgspec

    return msgspec.to_builtins(layout) if isinstance(layout, Layout) else layout


def _metric(recipe: ExperimentRecipe, drawing: DrawingRecipe, value: Any) -> Any:
    if isinstance(value, Mapping):
        value = {str(label): each for label, each in value.items()}
    plain = checked_value(value, drawing.name, recipe.id)
    numbers = plain.values() if isinstance(plain, dict) else [plain]
    if not all(isinstance(each, (int, float, str)) for each in numbers):
        raise ExperimentError(f"{recipe.id}/{drawing.name}: return a number, a string, or a mapping of labels to them")
    return plain
