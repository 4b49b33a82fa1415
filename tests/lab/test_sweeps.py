"""Sweeps: every point is a variant with outputs and reasons of its own."""

from __future__ import annotations

import json
import re

import pytest

from darkroom.core.manifest import load

from .workshop import Workshop

SWEEPS = """
[steps]
experiment = "part_x/base"
grid = { steps = [2, 3, 4], seed = [1, 2] }
points = [{ steps = 9 }, { steps = 2, seed = 1 }]

[floats]
experiment = "part_x/derived"
grid = { factor = [1, 2.5] }
"""


@pytest.fixture
def sweeping(workshop: Workshop) -> Workshop:
    """A project with two sweeps."""
    workshop.write("experiments/sweeps.toml", SWEEPS)
    return workshop


def _stored(workshop: Workshop) -> dict[str, str]:
    rows = json.loads(workshop.call("status", "--json").stdout)
    return {row["id"]: row["state"] for row in rows if row.get("key")}


def test_every_point_is_a_variant_and_the_declared_one_is_the_experiment(sweeping: Workshop) -> None:
    """A grid is every combination, points are added to it, and the same settings are run once."""
    sweeping.call("run", "--sweep", "steps")

    ids = [
        "",
        "@steps-2_seed-1",
        "@steps-2_seed-2",
        "@steps-3_seed-2",
        "@steps-4_seed-1",
        "@steps-4_seed-2",
        "@steps-9",
    ]
    assert _stored(sweeping) == {f"part_x/base{each}": "fresh" for each in ids}
    assert sweeping.calls()["base"] == 7
    found = load(sweeping.outputs / "part_x/base@steps-4_seed-2")
    assert found and (found.parameters["steps"], found.parameters["seed"], found.parameters["pause"]) == (4, 2, 0.0)


def test_a_second_run_of_a_sweep_runs_what_is_new(sweeping: Workshop) -> None:
    """Points are cached one by one."""
    sweeping.call("run", "--sweep", "steps")
    sweeping.calls()
    sweeping.edit("experiments/sweeps.toml", "[2, 3, 4]", "[2, 3, 4, 5]")
    sweeping.call("run", "--sweep", "steps")
    assert sweeping.calls()["base"] == 2
    assert {"part_x/base@steps-5_seed-1", "part_x/base@steps-5_seed-2"} <= _stored(sweeping).keys()


def test_points_run_side_by_side(sweeping: Workshop) -> None:
    """As other experiments do."""
    sweeping.call("run", "--sweep", "steps", "--jobs", "2")
    assert len(_stored(sweeping)) == 7


def test_a_sweep_runs_what_it_depends_on(sweeping: Workshop) -> None:
    """Values are of the parameter's type: 1 is 1.0 here, which is the declared value."""
    sweeping.call("run", "--sweep", "floats")
    assert _stored(sweeping) == {
        "part_x/base": "fresh", "part_x/derived": "fresh", "part_x/derived@factor-2.5": "fresh",
    }  # fmt: skip


def test_a_sweep_is_forecast(sweeping: Workshop) -> None:
    """Point by point."""
    said = sweeping.call("run", "--sweep", "steps", "--dry-run").stdout
    assert len(re.findall(r"^part_x/base", said, re.MULTILINE)) == 7
    assert sweeping.calls() == {}


def test_results_of_a_variant_with_other_settings_are_kept(sweeping: Workshop) -> None:
    """A name that somebody has given is not a point's."""
    sweeping.call("run", "part_x/base", "--set", "seed=7", "--as", "steps-9")
    refused = sweeping.call("run", "--sweep", "steps", code=2)
    assert "part_x/base@steps-9 is there already, with seed=7" in refused.stderr


WRONG = {
    "an unknown sweep": ("", "step", "no such sweep; did you mean 'steps'?"),
    "no experiment": ("[other]\ngrid = { steps = [1] }", "other", "names no experiment"),
    "an unknown experiment": ('[other]\nexperiment = "part_x/bas"', "other", "did you mean 'part_x/base'?"),
    "an unknown parameter": ('[other]\nexperiment = "part_x/base"\ngrid = { step = [1] }', "other", "parameter 'step'; did"),
    "a value of another type": (
        '[other]\nexperiment = "part_x/base"\ngrid = { steps = [1.5] }', "other", "steps = 1.5: not a value of the type int",
    ),
    "no list": ('[other]\nexperiment = "part_x/base"\ngrid = { steps = 1 }', "other", "grid is not a table of lists"),
    "points that are none": ('[other]\nexperiment = "part_x/base"\npoints = [1]', "other", "is not a list of tables"),
    "no points": ('[other]\nexperiment = "part_x/base"', "other", "has no points"),
    "too many points": (
        f'[other]\nexperiment = "part_x/base"\ngrid = {{ seed = {list(range(40))}, steps = {list(range(40))} }}',
        "other", "its grid has 1,600 points; the limit is 1,000",
    ),
    "another key": ('[other]\nexperiment = "part_x/base"\ngird = { steps = [1] }', "other", "did you mean 'grid'?"),
}  # fmt: skip


def test_all_values_that_do_not_fit_are_named_at_once(sweeping: Workshop) -> None:
    """And parameters that the experiment does not have; each once."""
    wrong = "grid = { seed = [1, 2.5], step = [1] }\npoints = [{ steps = 'many' }, { steps = 'many', seed = 3 }]"
    sweeping.write("experiments/sweeps.toml", f'{SWEEPS}[other]\nexperiment = "part_x/base"\n{wrong}\n')
    said = sweeping.call("run", "--sweep", "other", code=2).stderr.splitlines()
    assert len(said) == 3
    for line, part in zip(
        said, ("no parameter 'step'", "seed = 2.5: not a value", "steps = 'many': not a value"), strict=True
    ):
        assert part in line
    assert sweeping.calls() == {}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_sweep_is_said_in_one_line(sweeping: Workshop, case: str) -> None:
    """And nothing is run."""
    added, name, said = WRONG[case]
    sweeping.write("experiments/sweeps.toml", SWEEPS + added)
    refused = sweeping.call("run", "--sweep", name, code=2)
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert sweeping.calls() == {}


@pytest.mark.parametrize("options", [["part_x/base"], ["--set", "steps=2"], ["--downstream"]])
def test_a_sweep_is_run_by_its_name_alone(sweeping: Workshop, options: list[str]) -> None:
    """What else there is to say stands in its declaration."""
    assert "leave out IDs" in sweeping.call("run", "--sweep", "steps", *options, code=2).stderr


def test_a_run_needs_a_name(sweeping: Workshop) -> None:
    """Of an experiment or a sweep."""
    assert "name experiments" in sweeping.call("run", code=2).stderr


ALIKE = """
[texts]
experiment = "part_x/base"
grid = { at = ["a b", "a-b", "A-b", "日", "本", 1, 1.0, "1", "none"] }
points = [{ seed = 2, steps = 4 }, { steps = 4, seed = 2 }]
"""


def test_points_that_would_be_called_alike_are_all_run(sweeping: Workshop) -> None:
    """Their names end in a digest; the same settings in another order are one point."""
    sweeping.edit("experiments/part_x/base.py", "seed: int = 1", 'seed: int = 1, at: float | int | str | None = "x"')
    sweeping.write("experiments/sweeps.toml", ALIKE)
    listed = sweeping.call("run", "--sweep", "texts", "--dry-run").stdout
    names = re.findall(r"^part_x/base@(\S+)", listed, re.MULTILINE)
    assert len({name.lower() for name in names}) == len(names) == 10
    assert [name for name in names if not re.search(r"-[0-9a-f]{8}$", name)] == ["at-none", "seed-2_steps-4"]
