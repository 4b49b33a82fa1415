"""Sweeps: an experiment with many values of its parameters, declared in ``experiments/sweeps.toml``.

    [guidance]                                    run with: run --sweep guidance
    experiment = "part_b/guidance"
    grid = { gamma = [0.0, 1.0, 2.0], seed = [1, 2, 3] }       every combination
    points = [{ gamma = 5.0, seed = 1 }]                       or, also together with a grid, single ones

Each point is a variant of the experiment, named for its settings, with outputs, key and reasons of its own; the point whose
values are the declared ones is the experiment itself.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from darkroom.core.errors import UnknownName, UsageError, nearest
from darkroom.core.paths import read_toml
from darkroom.lab.source.declared import ExperimentRecipe
from darkroom.lab.source.discover import Project
from darkroom.lab.source.values import fitted
from darkroom.lab.source.variants import Settings, is_declared, names_of, told_apart

SWEEPS = "experiments/sweeps.toml"
MOST = 1_000  # points of a sweep
_KEYS = ("experiment", "grid", "points")


class Sweep(msgspec.Struct, frozen=True):
    """A sweep: the experiment, and what is set at each point, in order; the same settings stand there once."""

    name: str
    experiment: str
    points: tuple[Settings, ...]

    def variants(self, recipe: ExperimentRecipe) -> dict[str, Settings]:
        """What is set for each point that is a variant, by the name of that."""
        return names_of(point for point in self.points if not is_declared(recipe, point))


def declared_sweep(root: Path, project: Project, name: str) -> Sweep:
    """The sweep of that name.

    Raises:
        UnknownName: there is none, or it names no experiment, or a parameter that the experiment does not have.
        UsageError: the file is not TOML, the sweep has no points or too many, or a value does not fit its parameter.
    """
    path = root / SWEEPS
    tables = read_toml(path) or {}
    if name not in tables:
        offer = nearest(name, tables) or (f"; there are {', '.join(tables)}" if tables else f"; declare it in {SWEEPS}")
        raise UnknownName(f"--sweep {name}: no such sweep{offer}")
    where, table = f"{path}: sweep {name!r}", tables[name]
    if not isinstance(table, dict) or not isinstance(table.get("experiment"), str):
        raise UsageError(f'{where} names no experiment; write experiment = "part_b/guidance"')
    if unknown := sorted(table.keys() - {*_KEYS}):
        raise UsageError(f"{where} has {unknown[0]!r}{nearest(unknown[0], _KEYS)}; known are {', '.join(_KEYS)}")
    recipe = project.experiments.get(table["experiment"])
    if recipe is None:
        known = [identity for identity in project.experiments if "@" not in identity]
        raise UnknownName(f"{where}: no experiment {table['experiment']!r}{nearest(table['experiment'], known)}")
    points = [*_of_grid(where, table.get("grid", {})), *_of_list(where, table.get("points", []))]
    once: dict[str, Settings] = {}
    for point in _fitted(where, recipe, points):
        once.setdefault(told_apart(point), point)
    if not once:
        raise UsageError(f"{where} has no points; write grid = {{ seed = [1, 2, 3] }}")
    return Sweep(name, recipe.id, tuple(once.values()))


def _of_grid(where: str, grid: Any) -> list[Settings]:
    if not isinstance(grid, dict) or not all(isinstance(values, list) and values for values in grid.values()):
        raise UsageError(f"{where}: grid is not a table of lists; write grid = {{ seed = [1, 2, 3] }}")
    count = 1
    for values in grid.values():
        count *= len(values)
    if count > MOST:
        raise UsageError(f"{where}: its grid has {count:,} points; the limit is {MOST:,}")
    return [dict(zip(grid, point, strict=True)) for point in product(*grid.values())] if grid else []


def _of_list(where: str, points: Any) -> list[Settings]:
    if not isinstance(points, list) or not all(isinstance(point, dict) and point for point in points):
        raise UsageError(f"{where}: points is not a list of tables; write points = [{{ seed = 1 }}, {{ seed = 2 }}]")
    if len(points) > MOST:
        raise UsageError(f"{where}: it has {len(points):,} points; the limit is {MOST:,}")
    return points


def _fitted(where: str, recipe: ExperimentRecipe, points: list[Settings]) -> list[Settings]:
    """The points with values as a run gets them, tuples as lists; all that do not fit are refused at once."""
    values: dict[str, Any] = {}
    faults: list[UsageError] = []
    for name, value in (each for point in points for each in point.items()):
        if (setting := f"{name} = {value!r}") not in values:
            try:
                values[setting] = _value(where, recipe, name, value)
            except UsageError as error:
                values[setting] = None
                faults.append(error)
    if faults:
        raise type(faults[0])("\n".join(map(str, faults)))
    return [{name: values[f"{name} = {value!r}"] for name, value in point.items()} for point in points]


def _value(where: str, recipe: ExperimentRecipe, name: str, value: Any) -> Any:
    """A value as a run gets it, tuples as lists."""
    known = {each.name: each for each in recipe.parameters}
    if name not in known:
        offer = nearest(name, known) or f"; it has {', '.join(known) or 'none'}"
        raise UnknownName(f"{where}: {recipe.id} has no parameter {name!r}{offer}")
    return fitted(f"{where}: {name} = {value!r}", value, known[name].annotation)
