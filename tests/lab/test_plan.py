"""States: each with its reasons, and figures with states of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from darkroom.core.manifest import load
from darkroom.lab.plan import status

from .workshop import Workshop

BASE = "experiments/part_x/base.py"


def test_what_was_never_run_is_missing_or_waits(workshop: Workshop) -> None:
    """Without outputs, what has all its inputs is missing, and what needs another's results waits for it."""
    assert workshop.states() == {
        "part_x/alone": "missing",
        "part_x/base": "missing",
        "part_x/derived": "waiting (part_x/base)",
        "part_y/last": "waiting (part_x/derived)",
        "part_y/computed": "missing",
        "part_y/plugged": "missing",
    }


def test_upstreams_come_first(workshop: Workshop) -> None:
    """The plan lists every experiment after the ones whose results it takes."""
    order = list(workshop.plan().verdicts)

    assert order.index("part_x/base") < order.index("part_x/derived") < order.index("part_y/last")


def test_several_reasons_are_all_named(fresh: Workshop) -> None:
    """An experiment that waits names its upstream first and its own changes after it."""
    fresh.edit(BASE, "seed: int = 1", "seed: int = 2")
    fresh.edit("experiments/part_x/derived.py", "factor: float = 1.0", "factor: float = 3.0")

    assert fresh.states() == {
        "part_x/base": "stale (params: seed)",
        "part_x/derived": "waiting (part_x/base, params: factor)",
        "part_y/last": "waiting (part_x/derived)",
    }


def test_swapped_edges_make_an_experiment_stale(fresh: Workshop) -> None:
    """Two inputs that change places are another experiment, though every name and digest is the same."""
    both = '''
from darkroom.lab import Results, experiment, upstream
from experiments.part_x.base import base
from experiments.part_x.alone import alone

@experiment()
def both(a: Results = upstream(base), b: Results = upstream(alone)) -> dict[str, object]:
    """Takes two."""
    return {"value": 1}
'''
    fresh.write("experiments/part_x/both.py", both)
    fresh.call("run", "part_x/both")
    assert fresh.states() == {}
    fresh.write(
        "experiments/part_x/both.py", both.replace("(base)", "(?)").replace("(alone)", "(base)").replace("?", "alone")
    )

    assert fresh.states() == {"part_x/both": "stale (inputs)"}


DAMAGE = {
    "an altered array": ("results.safetensors", "damaged (results.safetensors)"),
    "an altered value": ("results.json", "damaged (results.json)"),
    "a truncated manifest": ("manifest.json", "damaged (manifest.json)"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("gone", [True, False])
def test_damaged_outputs_are_named_and_can_be_made_again(fresh: Workshop, damage: str, gone: bool) -> None:
    """An altered or lost file of the results makes an experiment damaged, and a run makes it whole."""
    name, state = DAMAGE[damage]
    path = fresh.outputs / "part_x/base" / name
    if gone and name == "manifest.json":
        pytest.skip("without a manifest there are no outputs")
    if gone:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-4])

    assert fresh.states()["part_x/base"] == state
    assert fresh.states()["part_x/derived"] == "waiting (part_x/base)"
    fresh.call("run", "part_x/base")
    assert fresh.states() == {}


def test_a_manifest_of_another_version_is_damaged(fresh: Workshop) -> None:
    """A manifest of a version that this Darkroom does not read counts as damaged."""
    path = fresh.outputs / "part_x/alone/manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))

    assert fresh.states() == {"part_x/alone": "damaged (manifest.json)"}


FIGURES = {
    "a caption": (BASE, "The *total*.", "The whole *total*.", {"curve": "stale (text: caption)"}),
    "an alt text": (BASE, "A number.", "One number.", {"curve": "stale (text: alt)"}),
    "a figure's function": (
        BASE, 'count("curve")\n', 'count("curve")\n    digits += 1\n',
        {"curve": "stale (code: experiments.part_x.base.curve)"},
    ),
    "a figure's parameter": (BASE, "digits: int = 2", "digits: int = 3", {"curve": "stale (input: results or parameters)"}),
    "a drawing function": (
        "src/helpers/drawing.py", '"value"', '"number"', {"curve": "stale (code: helpers.drawing.number)"},
    ),
    "a metric": (
        BASE, 'results["total"].sum()', 'results["total"].mean()',
        {"total": "stale (code: experiments.part_x.base.total)"},
    ),
    "a comment": (BASE, "@base.metric", "# a metric\n\n\n@base.metric", {}),
}  # fmt: skip


def _drawings(workshop: Workshop) -> dict[str, str]:
    verdicts = workshop.plan().verdicts.values()
    drawings = [drawing for each in verdicts for drawing in (*each.figures.values(), *each.metrics.values())]
    words = {
        each.recipe.name: f"{each.state} ({', '.join(map(str, each.reasons))})"
        for each in drawings
        if each.state != "fresh"
    }
    return {name: each.replace(" ()", "") for name, each in words.items()}


@pytest.mark.parametrize("change", FIGURES)
def test_figures_and_metrics_have_states_of_their_own(fresh: Workshop, change: str) -> None:
    """A change of how results are shown makes that figure or metric stale, and no experiment."""
    path, old, new, expected = FIGURES[change]

    fresh.edit(path, old, new)

    assert fresh.states() == {}
    assert _drawings(fresh) == expected


def test_a_damaged_figure_is_drawn_again(fresh: Workshop) -> None:
    """An altered file of a figure makes that figure damaged, and not its experiment."""
    (fresh.outputs / "part_x/base/figures/curve/number.txt").write_text("0")

    assert fresh.states() == {}
    assert _drawings(fresh) == {"curve": "damaged (figures/curve/number.txt)"}


def test_outputs_that_nobody_declares_are_orphans(fresh: Workshop) -> None:
    """Outputs whose experiment is gone are reported; what depended on them is not silently kept."""
    (fresh.root / "experiments/part_y/last.py").unlink()

    assert fresh.plan().orphans == ("part_y/last",)
    assert "part_y/last has outputs but is not declared" in fresh.call("status").stderr


def test_a_status_says_what_was_run_where_and_how_long(fresh: Workshop) -> None:
    """The status of a fresh experiment holds its device, seconds and end; that of a missing one holds none."""
    verdict = fresh.plan().verdicts["part_x/base"]
    known = status(verdict)
    manifest = load(fresh.outputs / "part_x/base")

    assert manifest is not None
    assert (known.id, known.state, known.reasons, known.figures) == ("part_x/base", "fresh", [], ["part_x/base/curve"])
    assert known.device == manifest.provenance.device
    assert known.duration_s == manifest.provenance.duration_s > 0
    assert known.finished_at == manifest.provenance.finished_at


def test_a_plan_writes_no_outputs(fresh: Workshop) -> None:
    """Planning leaves the outputs exactly as they were."""
    before = {path: path.stat().st_mtime_ns for path in fresh.outputs.rglob("*")}
    fresh.edit(BASE, "seed: int = 1", "seed: int = 2")

    fresh.states()

    assert {path: path.stat().st_mtime_ns for path in fresh.outputs.rglob("*")} == before


def test_deleting_every_cache_changes_no_verdict(fresh: Workshop) -> None:
    """Caches may be deleted, or filled with nonsense, at any time."""
    fresh.edit(BASE, "seed: int = 1", "seed: int = 2")
    before = fresh.states()
    for name in ("digests.json", "project.json", "modules.json"):
        (fresh.root / ".darkroom/lab" / name).write_text('{"nonsense": [1')

    assert fresh.states() == before


def test_a_new_module_that_takes_a_name_is_seen(fresh: Workshop) -> None:
    """A file that is added, or moved, is read though no known file has changed."""
    fresh.states()
    fresh.write("experiments/part_y/more.py", FRESH_EXPERIMENT)

    assert fresh.states() == {"part_y/more": "missing"}
    Path(fresh.root / "experiments/part_y/more.py").rename(fresh.root / "experiments/part_x/more.py")
    assert fresh.states() == {"part_x/more": "missing"}


FRESH_EXPERIMENT = '''
from darkroom.lab import experiment

@experiment()
def more() -> dict[str, object]:
    """More."""
    return {"value": 1}
'''
