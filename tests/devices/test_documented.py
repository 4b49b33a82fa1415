"""The table of minutes and memory names what there is to run on a GPU."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from darkroom.core.digests import Digests
from darkroom.lab.running.schedule import UNASKED_MINUTES
from darkroom.lab.source.declared import ExperimentRecipe
from darkroom.lab.source.discover import discover

pytestmark = pytest.mark.report
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def on_a_gpu(tmp_path_factory: pytest.TempPathFactory) -> list[ExperimentRecipe]:
    """The experiments that use one, without those of other models."""
    digests = Digests(tmp_path_factory.mktemp("digests") / "digests.json")
    recipes = discover(ROOT, digests).experiments.values()
    return [recipe for recipe in recipes if recipe.device == "gpu" and "@" not in recipe.id]


def test_the_table_has_a_row_for_each_experiment(on_a_gpu):
    rows = re.findall(r"^\| `(\w+/\w+)` \|", (ROOT / "templates/pages/docs/gpu.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(recipe.id for recipe in on_a_gpu)


def test_what_takes_long_on_a_cpu_is_started_by_a_build_with_a_gpu(on_a_gpu):
    """Each takes minutes there, and says so."""
    long = [recipe for recipe in on_a_gpu if recipe.minutes > UNASKED_MINUTES]
    assert len(long) > 10 and [recipe.id for recipe in long if recipe.gpu_minutes > UNASKED_MINUTES] == []
