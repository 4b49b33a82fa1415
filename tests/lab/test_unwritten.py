"""Experiments without code: functions that only raise NotImplementedError, or do nothing. Their results can be imported."""

from __future__ import annotations

import ast
import json

import pytest

from darkroom.lab.source.declarations import read

from .workshop import Workshop

MODULE = '''
"""Two, of which the second reads the first."""
from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, experiment, upstream


@experiment()
def first(*, side: int = 4) -> dict[str, object]:
    """A picture.

    To return: ``picture`` (side, side).
    """
    raise NotImplementedError


@first.figure(caption="A picture.", alt="A picture.")
def shown(results: Results) -> Drawing:
    """It."""
    return tiles([[results["picture"]]], alt="It.")


@experiment()
def second(made: Results = upstream(first)) -> dict[str, object]:
    """Its sum."""
    return {"sum": float(made["picture"].sum())}
'''


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", False),
        ("...", False),
        ("pass", False),
        ("...\n    raise NotImplementedError", False),
        ("raise NotImplementedError", False),
        ('raise NotImplementedError("returns a picture")', False),
        ('"""Text."""\n    raise NotImplementedError', False),
        ("raise ValueError", True),
        ("raise", True),
        ("return {}", True),
        ("x = 1\n    raise NotImplementedError", True),
        ("if x:\n        raise NotImplementedError", True),
        ("raise errors.NotImplementedError", True),
    ],
)
def test_what_counts_as_code(body: str, expected: bool) -> None:
    docstring = "" if body.startswith('"""') else '"""Text."""\n    '
    text = f"@experiment()\ndef made():\n    {docstring}{body}\n"
    [found] = read(ast.parse(text), {"experiment": ["darkroom.lab:experiment"]}, "experiments/a.py")
    assert found.declared.has_code == expected


@pytest.mark.parametrize("body", ["raise NotImplementedError", "..."])
def test_it_waits_until_it_is_written(body: str, workshop: Workshop) -> None:
    """A build runs neither it nor what depends on it; a run says where to write it, and how to import its results."""
    path = "experiments/part_n/two.py"
    workshop.write(path, MODULE.replace("raise NotImplementedError", body))
    line = MODULE.partition("def first")[0].count("\n") + 1

    status = json.loads(workshop.call("status", "part_n/*", "--json").stdout)
    assert [(each["id"], each["state"], each["reasons"]) for each in status] == [
        ("part_n/first", "missing", ["neither written nor imported"]),
        ("part_n/second", "waiting", ["part_n/first"]),
    ]
    ran = workshop.call("run", "part_n/second", code=2)
    assert f"part_n/first has no code to run; write it, at {path}:{line}, or import its results: python" in ran.stderr
    assert "part_n/second  not run: part_n/first failed" in ran.stderr

    workshop.write(
        path,
        MODULE.replace(
            "raise NotImplementedError",
            'import numpy as np\n    return {"picture": np.arange(side, dtype=np.uint8).reshape(2, 2)}',
        ),
    )
    workshop.call("run", "part_n/second")
    workshop.write(path, MODULE)
    status = json.loads(workshop.call("status", "part_n/first", "--json").stdout)
    assert status[0]["state"] == "stale"  # its results are kept
