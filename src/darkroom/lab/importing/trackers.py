"""What trackers of experiments export: each metric becomes a series, ``{"step": (n,) int64, "value": (n,) float64}``.

    TensorBoard         event files, ``events.out.tfevents...``; those of one folder are one run
    Weights & Biases    a run's history as CSV, JSON, JSON lines or Parquet, with a column ``_step``; a chart's CSV
    trackio             ``trackio get metric --json``, and a project's Parquet file
    dvclive             its folder, with ``plots/metrics/*.tsv``

A metric called "train/loss" is found at ``["train"]["loss"]``.
"""

from __future__ import annotations

import io
import json
import math
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from darkroom.lab.importing.files import Given
from darkroom.lab.importing.readers import Unreadable, json_of, lines_of, number_of, rows_of, text_of

STEPS = ("_step", "step", "Step", "trainer/global_step")
LARGEST_STEP = 2**53
LARGEST_NUMBER = sys.float_info.max
_BOOKKEEPING = frozenset({"id", "run_id", "run_name", "timestamp", "log_id", "space_id"})
_DVCLIVE = "plots/metrics/"
_SERIES = frozenset({"step", "value"})
Points = dict[str, list[tuple[int, float]]]
Nested = dict[str, Any]


class NotInstalled(Unreadable):
    """A package that reads such files is not installed."""


# Files that are known by their names ----------------------------------------------------------------------------------


def is_events(given: Given) -> bool:
    """Whether a file is one of TensorBoard's."""
    return "tfevents" in given.name


def dvclive_folder(given: Given) -> str | None:
    """The path of dvclive's folder that a table of one of its metrics lies in, or None if the file is none."""
    before, found, _ = f"/{given.path}".rpartition(f"/{_DVCLIVE}")
    return before.removeprefix("/") if found and given.suffix == ".tsv" else None


def read_events(files: Iterable[Given]) -> Nested:
    """The scalars of the event files of one run.

    Raises:
        Unreadable: a file is damaged or has no scalars, or the package tensorboard is not installed.
    """
    try:
        loading = import_module("tensorboard.backend.event_processing.event_file_loader")
        arrays = import_module("tensorboard.util.tensor_util")
    except ImportError as error:
        raise NotInstalled(
            f"reading TensorBoard's files needs the package tensorboard ({error}); run pip install 'darkroom[trackers]'"
        ) from None
    points: Points = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, given in enumerate(files):
            path = Path(folder, f"{number}.tfevents")
            path.write_bytes(given.content)
            try:
                for event in loading.EventFileLoader(str(path)).Load():
                    for value in event.summary.value if event.HasField("summary") else ():
                        if value.metadata.plugin_data.plugin_name == "scalars":
                            scalar = float(arrays.make_ndarray(value.tensor))
                            points.setdefault(value.tag, []).append((int(event.step), scalar))
            except Exception as error:  # whatever its parsers raise
                said = " ".join(str(error).split())[:100]
                raise Unreadable(f"{given.name} is not an event file of TensorBoard's ({said})") from None
    if not points:
        raise Unreadable("has no scalars; other summaries are not imported: save them as .npz or .png")
    return nested(points)


def read_dvclive(files: Iterable[Given]) -> Nested:
    """The metrics of dvclive's folder.

    Raises:
        Unreadable: a table is not one of dvclive's.
    """
    points: Points = {}
    for given in files:
        tag = f"/{given.path}".rpartition(f"/{_DVCLIVE}")[2].removesuffix(".tsv")
        header, *rows = rows_of(given.content, "\t")
        if "step" not in header or header[-1] != tag.rpartition("/")[2]:
            raise Unreadable(
                f"{given.path} has the columns {', '.join(header)[:80]}; expected step and the metric's name"
            )
        found = [dict(zip(header, row, strict=True)) for row in rows]
        points[tag] = _points(found, "step", [header[-1]]).get(header[-1], [])
    return nested(points)


# Files that are known by what they hold ---------------------------------------------------------------------------------


def read_history(given: Given) -> Nested | None:
    """The series of a history that W&B or trackio exported, or None if the file is none.

    Raises:
        Unreadable: it is one, and holds what is not imported.
    """
    if given.suffix == ".csv":
        header, *rows = rows_of(given.content)
        step = next((name for name in STEPS[:1] if name in header), "")
        charted = header[0] == "Step" and any(" - " in name for name in header[1:])
        if not step and not charted:
            return None
        found = [dict(zip(header, row, strict=True)) for row in rows]
        names = (
            [name for name in header[1:] if not name.endswith(("__MIN", "__MAX"))]
            if charted
            else _metrics(header, step)
        )
        return _charted(_points(found, "Step", names)) if charted else nested(_points(found, step, names))
    if given.suffix == ".parquet":
        return _of_rows(_parquet(given.content))
    if given.suffix in {".json", ".jsonl"} and (b"step" in given.content):
        value = lines_of(given.content) if given.suffix == ".jsonl" else json_of(text_of(given.content))
        return _of_json(value)
    return None


def _of_json(value: Any) -> Nested | None:
    if isinstance(value, dict) and {"project", "run", "metric", "values"} <= value.keys():  # trackio get metric --json
        name, rows = value["metric"], value["values"]
        if isinstance(name, str) and _is_rows(rows):
            return nested(_points([{**row, name: row.get("value")} for row in rows], "step", [name]))
    if isinstance(value, dict) and "_step" in value and all(isinstance(each, dict) for each in value.values()):
        index = value["_step"].keys()  # a data frame, written column by column
        value = [{name: column.get(row) for name, column in value.items()} for row in index]
    if _is_rows(value) and any("_step" in row for row in value):
        return _of_rows(value)
    return None


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _of_rows(rows: Sequence[Mapping[str, Any]]) -> Nested:
    """The series of a history; if it is of several runs, those of each under its name."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    step = next((name for name in STEPS if name in header), "")
    if not step:
        raise Unreadable(f"has no column _step or step; it has {', '.join(header)[:100]}")
    runs = dict.fromkeys(str(row["run_name"]) for row in rows if row.get("run_name") is not None)
    if len(runs) > 1:
        return {
            run: nested(_points([row for row in rows if str(row.get("run_name")) == run], step, _metrics(header, step)))
            for run in runs
        }
    return nested(_points(rows, step, _metrics(header, step)))


def _metrics(header: Iterable[str], step: str) -> list[str]:
    """The columns that are metrics, and not what the tracker notes beside them."""
    return [name for name in header if name != step and name not in _BOOKKEEPING and not name.startswith("_")]


def _charted(points: Points) -> Nested:
    """The series of a chart's table, whose columns are called "run - metric"; of one run without its name."""
    runs = dict.fromkeys(name.partition(" - ")[0] for name in points)
    return nested(
        {
            name.partition(" - ")[2] if len(runs) == 1 else name.replace(" - ", "/", 1): each
            for name, each in points.items()
        }
    )


def _parquet(content: bytes) -> list[dict[str, Any]]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise NotInstalled(f"reading Parquet needs the package pyarrow ({error}); run pip install pyarrow") from None
    try:
        rows: list[dict[str, Any]] = parquet.read_table(io.BytesIO(content)).to_pylist()
    except Exception as error:  # whatever its parsers raise
        raise Unreadable(f"is not a Parquet file ({' '.join(str(error).split())[:100]})") from None
    if rows and "metrics" in rows[0] and isinstance(rows[0]["metrics"], str):
        rows = [{**row, **json.loads(row["metrics"])} for row in rows]
    if not rows:
        raise Unreadable("has no rows")
    return rows


# Series -----------------------------------------------------------------------------------------------------------------


def _points(rows: Iterable[Mapping[str, Any]], step: str, names: Sequence[str]) -> Points:
    """The points of each metric, where it has a value.

    A column that holds anything but numbers, such as pictures, is left out.

    Raises:
        Unreadable: a value is not finite, or a step is not a whole number.
    """
    points: Points = {name: [] for name in names}
    for number, row in enumerate(rows, 1):
        at = _number(row.get(step), number, step)
        if not isinstance(at, int | float) or at != int(at) or abs(at) > LARGEST_STEP:
            raise Unreadable(f"row {number} has {str(row.get(step))[:40]!r} as its {step}; steps are whole numbers")
        for name in list(points):
            value = row.get(name)
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            found = _number(value, number, name)
            if found is None:
                del points[name]
            else:
                points[name].append((int(at), float(found)))
    return {name: each for name, each in points.items() if each}


def _number(value: Any, row: int, name: str) -> int | float | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        value = repr(value) if abs(value) > LARGEST_NUMBER or value != value else value  # noqa: PLR0124
    if not isinstance(value, str):
        return value if isinstance(value, int | float) else None
    try:
        return number_of(value)
    except Unreadable as error:
        raise Unreadable(f"row {row}, {name!r} is {error}") from None


def nested(points: Points) -> Nested:
    """The series of all metrics, those with "/" in their names in mappings.

    Raises:
        Unreadable: there are none, a value is not finite, or two metrics would be in the same place.
    """
    if not points:
        raise Unreadable("has no metric with numbers")
    found: Nested = {}
    for tag, each in points.items():
        wrong = next(((step, value) for step, value in each if not math.isfinite(value)), None)
        if wrong:
            raise Unreadable(
                f"{tag!r} is {wrong[1]} at step {wrong[0]}; results must be finite: export it without that row"
            )
        *folders, name = [part for part in tag.split("/") if part] or [tag]
        inner: Any = found
        for folder in (*folders, name):
            inner = inner.setdefault(folder, {}) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or not inner.keys().isdisjoint(_SERIES):
            raise Unreadable(f"the metric {tag!r} has the place of another; export the two into files of their own")
        inner["step"] = np.array([step for step, _ in each], dtype=np.int64)
        inner["value"] = np.array([value for _, value in each], dtype=np.float64)
    return found
