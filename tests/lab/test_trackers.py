"""What trackers of experiments export becomes series of steps and values."""

from __future__ import annotations

import io
import json
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from darkroom.lab.importing.files import Faults, Given
from darkroom.lab.importing.naming import Named, results_of
from darkroom.lab.importing.readers import Unreadable
from darkroom.lab.importing.trackers import nested


def read(*files: tuple[str, bytes], within: str = "run", declared: tuple[str, ...] = ("history",)) -> Any:
    """The one result that files give, named after what they were given in."""
    faults = Faults()
    found = results_of([Given(path, within, content) for path, content in files], declared, {}, faults)
    assert faults == []
    assert [each.name for each in found] == ["history"]
    return plain(found[0].value)


def faults_of(*files: tuple[str, bytes], within: str = "run") -> list[str]:
    """The faults of files."""
    faults = Faults()
    results_of([Given(path, within, content) for path, content in files], ["history"], {}, faults)
    return faults


def plain(value: Any) -> Any:
    """Arrays as lists, with the types that series have."""
    if isinstance(value, np.ndarray):
        assert value.dtype == (np.int64 if value.dtype.kind == "i" else np.float64)
        return value.tolist()
    return {name: plain(each) for name, each in value.items()} if isinstance(value, dict) else value


def series(*points: tuple[int, float]) -> dict[str, list[float]]:
    """A series as ``plain`` gives it."""
    return {"step": [step for step, _ in points], "value": [value for _, value in points]}


WANDB = {"train": {"loss": series((0, 1.5), (2, 0.5))}, "lr": series((0, 0.1), (1, 0.1))}
ROWS = [
    {"_step": 0, "_runtime": 0.5, "_timestamp": 1.7e9, "train/loss": 1.5, "lr": 0.1, "grid": {"_type": "images"}},
    {"_step": 1, "_runtime": 0.7, "_timestamp": 1.7e9, "train/loss": None, "lr": 0.1},
    {"_step": 2, "_runtime": 0.9, "_timestamp": 1.7e9, "train/loss": 0.5, "lr": None},
]


def test_a_history_of_wandb_as_csv() -> None:
    """As a data frame writes it: an index, the tracker's own columns, and empty cells where nothing was logged."""
    text = ",_step,_runtime,_timestamp,train/loss,lr,grid\n".removeprefix(",")
    text += "0,0.5,1.7e9,1.5,0.1,{'_type': 'images'}\n1,0.7,1.7e9,,0.1,\n2,0.9,1.7e9,0.5,,\n"

    assert read(("history.csv", text.encode())) == WANDB


@pytest.mark.parametrize("form", ["rows", "lines", "columns"])
def test_a_history_of_wandb_as_json(form: str) -> None:
    """As its API gives it, line by line, and as a data frame writes it by default."""
    names = list(dict.fromkeys(name for row in ROWS for name in row))
    columns = {name: {str(index): row.get(name) for index, row in enumerate(ROWS)} for name in names}
    text = {
        "rows": json.dumps(ROWS),
        "lines": "\n".join(map(json.dumps, ROWS)),
        "columns": json.dumps(columns),
    }[form]

    assert read((f"history.{'jsonl' if form == 'lines' else 'json'}", text.encode())) == WANDB


def test_a_chart_of_wandb() -> None:
    """Its table has a column for each run and metric, and the least and largest of what was averaged beside it."""
    one = b'"Step","calm-sea-3 - train/loss","calm-sea-3 - train/loss__MIN","calm-sea-3 - train/loss__MAX"\n'
    assert read(("history.csv", one + b'"0","1.5","1","2"\n"2","0.5","0","1"\n')) == {
        "train": {"loss": series((0, 1.5), (2, 0.5))}
    }
    two = b'"Step","a-1 - loss","b-2 - loss"\n0,1,2\n1,,3\n'
    assert read(("history.csv", two)) == {
        "a-1": {"loss": series((0, 1.0))},
        "b-2": {"loss": series((0, 2.0), (1, 3.0))},
    }


def test_a_metric_of_trackio() -> None:
    """As ``trackio get metric --json`` prints it."""
    values = [
        {"timestamp": "2026-11-30T12:00:00", "step": step, "value": value} for step, value in ((0, 1.5), (2, 0.5))
    ]
    exported = {"project": "p", "run": "r", "metric": "train/loss", "values": values}

    assert read(("history.json", json.dumps(exported).encode())) == {"train": {"loss": series((0, 1.5), (2, 0.5))}}


class _Table:
    """What pyarrow gives, of a file that is JSON here: the package is large, and the tests do without."""

    def __init__(self, file: io.BytesIO) -> None:
        self.to_pylist = lambda: json.load(file)


@pytest.fixture
def _has_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("pyarrow.parquet")
    module.read_table = _Table  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyarrow", ModuleType("pyarrow"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", module)


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows).encode()


@pytest.mark.usefixtures("_has_pyarrow")
def test_a_project_of_trackio_as_parquet() -> None:
    """Of one run as it is, of several by the names of the runs."""
    own = {"id": 1, "run_id": "1a", "timestamp": "2026-11-30"}
    rows = [{**own, "run_name": "a", "step": step, "loss": value} for step, value in ((0, 1.5), (2, 0.5))]
    assert read(("history.parquet", _parquet(rows))) == {"loss": series((0, 1.5), (2, 0.5))}
    rows.append({**own, "run_name": "b", "step": 0, "loss": 3.0})
    assert read(("history.parquet", _parquet(rows))) == {
        "a": {"loss": series((0, 1.5), (2, 0.5))},
        "b": {"loss": series((0, 3.0))},
    }


@pytest.mark.parametrize("folder", ["", "history/", "out/history/"])
def test_the_folder_of_dvclive(folder: str) -> None:
    """Its tables become series by their paths; what it writes beside them is left out."""
    files = [
        ("plots/metrics/train/loss.tsv", b"timestamp\tstep\tloss\n1623\t0\t1.5\n1624\t2\t0.5\n"),
        ("plots/metrics/accuracy.tsv", b"step\taccuracy\n0\t0.25\n"),
        ("metrics.json", b'{"step": 2, "train": {"loss": 0.5}}'),
        ("params.yaml", b"lr: 0.1"),
        ("report.md", b"# Report"),
    ]
    within = "run" if folder else "history"

    found = read(*((f"{folder}{path}", content) for path, content in files), within=within)

    assert found == {"train": {"loss": series((0, 1.5), (2, 0.5))}, "accuracy": series((0, 0.25))}


def test_what_dvclive_sums_up_is_a_result_if_it_is_declared() -> None:
    """Like any file of JSON."""
    faults = Faults()
    files = [
        Given("plots/metrics/loss.tsv", "live", b"step\tloss\n0\t1\n"),
        Given("metrics.json", "live", b'{"loss": 1}'),
    ]

    found = results_of(files, ["live", "metrics"], {}, faults)

    assert faults == []
    assert {each.name: plain(each.value) for each in found} == {
        "live": {"loss": series((0, 1.0))},
        "metrics": {"loss": 1},
    }


def _events(*records: bytes) -> bytes:
    """A file of records as TensorFlow frames them: length, its masked CRC-32C, data, its own."""

    def crc(data: bytes) -> bytes:
        value = 0xFFFFFFFF
        for byte in data:
            value ^= byte
            for _ in range(8):
                value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        value ^= 0xFFFFFFFF
        return (((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")

    framed = ((len(each).to_bytes(8, "little"), each) for each in records)
    return b"".join(size + crc(size) + data + crc(data) for size, data in framed)


def _event(tag: str, step: int, value: float) -> bytes:
    """One scalar, as PyTorch's writer and older TensorFlow write it."""
    event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2", reason="needs the package tensorboard")
    event = event_pb2.Event(step=step, wall_time=1.0)
    event.summary.value.add(tag=tag, simple_value=value)
    content: bytes = event.SerializeToString()
    return content


def test_event_files_of_tensorboard() -> None:
    """Those of a folder are one run, which is called like the folder."""
    first = _events(_event("train/loss", 0, 1.5), _event("lr", 0, 0.5))
    second = _events(_event("train/loss", 2, 0.5))
    wanted = {"train": {"loss": series((0, 1.5), (2, 0.5))}, "lr": series((0, 0.5))}

    assert (
        read(("history/events.out.tfevents.1.host.1.0", first), ("history/events.out.tfevents.2.host.1.0", second))
        == wanted
    )
    assert (
        read(("events.out.tfevents.1.host", first), ("events.out.tfevents.2.host", second), within="history") == wanted
    )


def test_event_files_of_newer_writers() -> None:
    """TensorFlow 2 stores scalars as tensors."""
    event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2", reason="needs the package tensorboard")
    from tensorboard.util import tensor_util

    event = event_pb2.Event(step=3)
    value = event.summary.value.add(tag="loss", tensor=tensor_util.make_tensor_proto(np.float32(0.25)))
    value.metadata.plugin_data.plugin_name = "scalars"
    other = event.summary.value.add(tag="weights", tensor=tensor_util.make_tensor_proto(np.zeros((2, 3), np.float32)))
    other.metadata.plugin_data.plugin_name = "histograms"

    found = read(("events.out.tfevents.1", _events(event.SerializeToString())), within="history")

    assert found == {"loss": series((3, 0.25))}


def test_event_files_without_scalars_or_that_are_none() -> None:
    """Each is one line."""
    pytest.importorskip("tensorboard", reason="needs the package tensorboard")
    empty = _events(b"\x10\x01")  # a step and nothing else
    assert "events.out.tfevents.1: has no scalars" in faults_of(("events.out.tfevents.1", empty))[0]
    assert "events.out.tfevents.1: " in faults_of(("events.out.tfevents.1", b"<html>" * 10))[0]


@pytest.mark.parametrize(
    ("package", "path", "said"),
    [
        ("tensorboard", "events.out.tfevents.1", "reading TensorBoard's files needs the package tensorboard"),
        ("pyarrow", "history.parquet", "reading Parquet needs the package pyarrow"),
    ],
)
def test_a_package_that_is_missing_is_named(
    package: str, path: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, with what installs it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)

    [line] = faults_of((path, b"x"))

    assert said in line
    assert "; run pip install " in line


BAD = {
    "not finite": (("history.csv", b"_step,loss\n0,1\n1,NaN\n"), "row 2, 'loss' is NaN; results must be finite"),
    "a step that is none": (
        ("history.csv", b"_step,loss\na,1\n"),
        "row 1 has 'a' as its _step; steps are whole numbers",
    ),
    "a huge step": (("history.csv", b"_step,loss\n1e300,1\n"), "row 1 has '1e300' as its _step"),
    "a huge number": (("history.json", b'[{"_step": 1, "loss": 1' + b"0" * 400 + b"}]"), "results must be finite"),
    "half a step": (("history.json", b'[{"_step": 0.5, "loss": 1}]'), "row 1 has '0.5' as its _step"),
    "no numbers": (("history.csv", b"_step,name\n0,x\n"), "has no metric with numbers"),
    "another table": (("plots/metrics/loss.tsv", b"a\tb\n0\t1\n"), "has the columns a, b"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_one_line(name: str) -> None:
    """With the file, and the row where there is one."""
    (path, content), said = BAD[name]

    [line] = faults_of((path, content))

    assert line.startswith(f"{path}: ")
    assert said in line


def test_metrics_in_the_place_of_others_are_refused() -> None:
    """A metric may stand beside others of its group, but not in the place of its steps."""
    both = nested({"loss": [(0, 1.0)], "loss/train": [(0, 2.0)]})
    assert both["loss"]["value"] == [1.0]
    assert both["loss"]["train"]["value"] == [2.0]
    for wrong in ("loss/step", "loss/step/a", "/loss"):
        with pytest.raises(Unreadable, match="has the place of another"):
            nested({"loss": [(0, 1.0)], wrong: [(0, 2.0)]})


def test_a_table_without_a_tracker_stays_a_table() -> None:
    """A column called "step" alone makes no history."""
    faults = Faults()
    found = results_of([Given("history.csv", "", b"step,loss\n0,1\n")], ["history"], {}, faults)
    assert [(each.name, plain(each.value)) for each in found] == [("history", {"step": [0], "loss": [1]})]
    assert isinstance(found[0], Named)
