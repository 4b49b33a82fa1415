"""What would run is said before anything runs."""

from __future__ import annotations

import re

from .workshop import Workshop


def _lines(workshop: Workshop, *arguments: str) -> list[list[str]]:
    """The cells of each line that is printed."""
    printed = workshop.call("run", *arguments, "--dry-run").stdout
    assert workshop.calls() == {}
    return [re.split(r"\s{2,}", line) for line in printed.splitlines()]


def test_what_was_never_run_is_forecast_by_its_declaration(workshop: Workshop) -> None:
    """With everything that it depends on, in order, and the sum."""
    head, *rows, total = _lines(workshop, "part_y/last")
    assert head == ["experiment", "why", "device", "about", "taken from", "weighs"]
    assert [row[:2] for row in rows] == [
        ["part_x/base", "missing"],
        ["part_x/derived", "waiting: part_x/base"],
        ["part_y/last", "waiting: part_x/derived"],
    ]
    assert rows[0][3:5] == ["6.0 s", "its declaration, two CPU cores"]
    assert total[0].startswith("3 experiments, about ") and total[0].endswith("; nothing was run")
    assert not workshop.outputs.exists() or not any(workshop.outputs.glob("part_*"))


def test_what_was_run_is_forecast_by_its_last_run(fresh: Workshop) -> None:
    """On which device, with the weight of its outputs; what follows runs only if its results change."""
    fresh.edit("src/helpers/maths.py", "return SCALE * x", "return x * SCALE")
    rows = {row[0]: row[1:] for row in _lines(fresh, "part_x/base", "--downstream")}
    assert rows["part_x/base"][0].startswith("stale: code: helpers.maths")
    assert rows["part_x/base"][3].startswith("its last run, ")
    assert re.fullmatch(r"\d+ (B|kB)", rows["part_x/base"][4])
    assert rows["part_y/last"][0].endswith("if their results change")


def test_a_variant_is_forecast_by_its_original(fresh: Workshop) -> None:
    """Nothing of it is stored."""
    rows = {row[0]: row[1:] for row in _lines(fresh, "part_x/base", "--set", "steps=5")}
    assert rows["part_x/base@steps-5"][0] == "missing"
    assert rows["part_x/base@steps-5"][3].startswith("the original's run, ")
    assert not (fresh.outputs / "part_x/base@steps-5").exists()


def test_where_nothing_would_run_that_is_said(fresh: Workshop) -> None:
    """Unless it is forced."""
    assert _lines(fresh, "part_x/base") == [["nothing would run: everything is fresh; --force runs it anyway"]]
    assert _lines(fresh, "part_x/base", "--force")[1][:2] == ["part_x/base", "forced"]


def test_a_forecast_is_what_then_runs(fresh: Workshop) -> None:
    """Everything that is certain to run does, and nothing that is not named."""
    fresh.edit("experiments/part_x/base.py", "seed: int = 1", "seed: int = 3")
    expected = {row[0] for row in _lines(fresh, "*") if row[0].startswith("part_")}
    said = fresh.call("run", "*").stderr
    assert set(re.findall(r"^(\S+)  runs \(", said, re.MULTILINE)) <= expected
    assert "part_x/base" in expected
