"""Temporary results: what only other experiments read, which git ignores and a run makes again where it is absent."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from darkroom.core.manifest import Manifest, load

from .workshop import Workshop, make


def _manifest(workshop: Workshop, identity: str) -> Manifest:
    found = load(workshop.outputs / identity)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def _chained_once(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    made = make(tmp_path_factory.mktemp("chain"))
    made.write("experiments/part_t/chain.py", CHAIN)
    made.call("run", "*")
    return made


@pytest.fixture
def chained(_chained_once: Workshop, tmp_path: Path) -> Workshop:
    """A chain of three of which the first two have temporary results, all of them run."""
    return _chained_once.copied(tmp_path)


def _without_temporary(workshop: Workshop) -> None:
    """As a clone is: without what git ignores."""
    shutil.rmtree(workshop.outputs / "part_t/first/model")
    (workshop.outputs / "part_t/second/weights.safetensors").unlink()


def test_git_ignores_temporary_results_and_nothing_else(chained: Workshop) -> None:
    git = partial(subprocess.run, cwd=chained.root, check=True, capture_output=True, text=True)
    git(["git", "init", "-q"])
    git(["git", "add", "experiments/outputs/part_t"])

    added = git(["git", "ls-files", "experiments/outputs/part_t/first", "experiments/outputs/part_t/second"]).stdout

    assert [path.removeprefix("experiments/outputs/part_t/") for path in added.split()] == [
        "first/.gitignore",
        "first/manifest.json",
        "first/results.json",
        "second/.gitignore",
        "second/figures/shown/number.txt",
        "second/manifest.json",
        "second/results.json",
    ]


def test_outputs_are_whole_without_temporary_results(chained: Workshop) -> None:
    """Nothing is damaged, nothing runs, and what the status says is that they are not here."""
    _without_temporary(chained)

    verdicts = chained.plan().verdicts
    assert {name: verdicts[f"part_t/{name}"].state for name in ("first", "second", "third")} == dict.fromkeys(
        ("first", "second", "third"), "fresh"
    )
    assert verdicts["part_t/first"].absent == ("model",)
    assert verdicts["part_t/second"].absent == ("weights",)
    assert "without its model (temporary)" in chained.call("status").stdout
    chained.call("run", "part_t/*")
    assert chained.calls() == {}


def test_temporary_results_are_made_again_for_what_reads_them(chained: Workshop) -> None:
    """The chain runs as far back as it has to, and no further; with equal results nothing else is stale."""
    _without_temporary(chained)
    chained.edit("experiments/part_t/chain.py", "3 * before", "4 * before")

    said = chained.call("run", "part_t/third").stderr

    assert chained.calls() == {"first": 1, "second": 1, "third": 1}
    assert "part_t/first  runs (part_t/second reads its model, which is temporary and not here)" in said
    assert json.loads((chained.outputs / "part_t/third/results.json").read_text()) == {"value": 8}
    chained.edit("experiments/part_t/chain.py", "4 * before", "5 * before")
    chained.call("run", "part_t/third")
    assert chained.calls() == {"third": 1}


def test_only_what_is_missing_is_made_again(chained: Workshop) -> None:
    shutil.rmtree(chained.outputs / "part_t/first/model")
    chained.edit("experiments/part_t/chain.py", "3 * before", "4 * before")

    chained.call("run", "part_t/third")

    assert chained.calls() == {"third": 1}


def test_an_altered_temporary_result_is_damage(chained: Workshop) -> None:
    (chained.outputs / "part_t/first/model/number.txt").write_text("8")

    verdict = chained.plan().verdicts["part_t/first"]

    assert verdict.state == "damaged"
    assert [each.name for each in verdict.reasons] == ["model/number.txt"]


def test_a_build_does_not_start_what_temporary_results_make_long(chained: Workshop) -> None:
    _without_temporary(chained)
    shutil.rmtree(chained.outputs / "part_t/third")

    said = chained.call("build", code=None).stderr

    assert chained.calls() == {}
    assert "part_t/third takes about 23 minutes" in said


def test_a_figure_of_an_absent_temporary_result_says_what_to_do(chained: Workshop) -> None:
    """A figure that is drawn already stays as it is."""
    _without_temporary(chained)
    chained.edit("experiments/part_t/chain.py", "number(results", "number(1 + results")

    done = chained.call("build", code=None)

    assert "part_t/second/weights.safetensors: temporary, and not here; run part_t/second with --force" in done.stderr


def test_a_result_declared_temporary_later_is_marked_without_a_run(fresh: Workshop) -> None:
    fresh.write("experiments/part_t/chain.py", CHAIN.replace('temporary=("model",), ', ""))
    fresh.call("run", "part_t/first")
    results = _manifest(fresh, "part_t/first").results
    fresh.write("experiments/part_t/chain.py", CHAIN)

    fresh.call("build", code=None)

    assert fresh.calls()["first"] == 1
    assert _manifest(fresh, "part_t/first").temporary == ["model"]
    assert _manifest(fresh, "part_t/first").results == results
    assert (fresh.outputs / "part_t/first/.gitignore").read_text() == "/model/number.txt\n"


def test_a_temporary_result_has_files_of_its_own(workshop: Workshop) -> None:
    workshop.write("experiments/part_t/chain.py", CHAIN.replace('("weights",)', '("value",)'))

    done = workshop.call("run", "part_t/second", code=3)

    assert "part_t/second: temporary='value' is not a folder or a group of arrays that it returned" in done.stderr


CHAIN = '''
from pathlib import Path

import numpy as np

from darkroom.lab import Results, experiment, upstream
from helpers.drawing import number
from helpers.probe import count


@experiment(temporary=("model",), minutes=12)
def first() -> dict[str, object]:
    """Writes a folder."""
    count("first")
    Path("model").mkdir()
    Path("model/number.txt").write_text("1")
    return {"model": Path("model"), "value": 1}


@experiment(temporary=("weights",), minutes=10)
def second(before: Results = upstream(first)) -> dict[str, object]:
    """Reads it."""
    count("second")
    number = int((before["model"] / "number.txt").read_text())
    return {"weights": {"all": np.array([2 * number])}, "value": 2}


@second.figure(caption="A number.", alt="A number.")
def shown(results: Results) -> object:
    return number(results["weights"]["all"][0])


@experiment()
def third(second: Results = upstream(second)) -> dict[str, object]:
    """Reads an array of a group."""
    count("third")
    before = int(second["weights"]["all"][0])
    return {"value": 3 * before}
'''
