"""Every experiment of Part B at a tiny size: it runs on a few real digits; figures and metrics come of its results."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darkroom.lab import Results, Run
from experiments.part_b import panels
from experiments.part_b.ambigrams import ORDERED, PAIRS, ambigrams
from experiments.part_b.architecture import architecture
from experiments.part_b.better_time import better_time, helpful
from experiments.part_b.class_conditioned import class_conditioned
from experiments.part_b.constant_rate import flow_constant, flow_lower
from experiments.part_b.denoiser import denoiser
from experiments.part_b.digit_classifier import digit_classifier
from experiments.part_b.flow_class import flow_class
from experiments.part_b.flow_quality import flow_quality
from experiments.part_b.flow_time import flow_time
from experiments.part_b.guidance import guidance
from experiments.part_b.no_scheduler import no_scheduler
from experiments.part_b.noising import noising
from experiments.part_b.out_of_distribution import out_of_distribution
from experiments.part_b.pure_noise import pure_noise
from experiments.part_b.quality import quality
from experiments.part_b.terminal_noise import terminal_noise
from experiments.part_b.time_conditioned import time_conditioned
from experiments.part_b.time_trials import CHANGES, FLOWS, flow_trials, schedule_trials
from tests.experiments.handles import Handle, Killed, Stored

torch = pytest.importorskip("torch")

TINY: dict[str, dict[str, Any]] = {
    "architecture": {"width": 4, "wide": 8},
    "noising": {},
    "denoiser": {"width": 4, "epochs": 2, "batch": 16, "shown_epochs": (1, 2), "shown": 3},
    "out_of_distribution": {"measured": 10, "shown": 2},
    "time_conditioned": {"width": 4, "epochs": 2, "batch": 16, "T": 20, "shown_epochs": (1, 2), "shown": 5},
    "class_conditioned": {
        "width": 4,
        "epochs": 2,
        "batch": 16,
        "T": 20,
        "shown_epochs": (1, 2),
        "shown_per_digit": 1,
        "judged_per_digit": 1,
        "judged_steps": 5,
    },
    "guidance": {"per_digit": 1, "shown_per_digit": 1, "gammas": (0.0, 5.0)},
    "digit_classifier": {"width": 4, "epochs": 2, "batch": 16},
    "quality": {"floor_draws": 2},
    "ambigrams": {"steps": 2, "per_pair": 1, "per_hybrid": 1},
    "pure_noise": {"width": 4, "epochs": 2, "batch": 16, "shown_epochs": (1, 2), "shown": 3, "measured": 5},
    "flow_time": {"width": 4, "epochs": 2, "batch": 16, "T": 5, "shown_epochs": (1, 2), "shown": 5},
    "flow_class": {"width": 4, "epochs": 2, "batch": 16, "T": 5, "shown_epochs": (1, 2), "shown_per_digit": 1},
    "flow_constant": {"shown_epochs": (1, 2), "shown_per_digit": 1, "judged_per_digit": 2, "judged_steps": 3},
    "flow_lower": {"shown_epochs": (1, 2), "shown_per_digit": 1, "judged_per_digit": 2, "judged_steps": 3},
    "no_scheduler": {"floor_draws": 2},
    "flow_trials": {"epochs": 1, "sinusoids": 4, "judged": 20, "judged_steps": 3, "floor_draws": 2},
    "schedule_trials": {"epochs": 1, "T": 10, "judged": 20, "judged_steps": 3, "floor_draws": 2},
    "better_time": {
        "shown_epochs": (1, 2),
        "shown": 4,
        "judged": 20,
        "judged_steps": 3,
        "floor_draws": 2,
        "T": 4,
    },
    "flow_quality": {"steps": (2, 5), "per_digit": 2, "alone_steps": (3,), "floor_draws": 2},
    "terminal_noise": {"count": 10, "shown": 5, "projected": 20},
}


class Digits:
    """The fixture's digits in place of all of MNIST."""

    def read(self, name: str) -> bytes:
        folder = Path(__file__).parent.parent / "data" / "mnist"
        return gzip.decompress((folder / f"{name}.gz").read_bytes())


def computed(experiment: Any, *inputs: Any) -> Stored:
    """The results of *experiment* at its tiny size."""
    parameters = {**experiment.function.__kwdefaults__, **TINY[experiment.function.__name__]}
    return Stored(experiment.function(*inputs, **parameters), parameters)


def run_all(run: Callable[..., Stored]) -> None:
    """Have every experiment of the part run, upstream first; *run* is given each with its inputs and gives its results."""
    mnist = Digits()
    run(architecture)
    run(noising, mnist)
    run(out_of_distribution, Handle(), mnist, run(denoiser, Handle(), mnist))
    classes, times = run(class_conditioned, Handle(), mnist), run(time_conditioned, Handle(), mnist)
    judge = run(digit_classifier, Handle(), mnist)
    run(quality, Handle(), mnist, classes, run(guidance, Handle(), classes), judge)
    run(ambigrams, Handle(), classes, judge, mnist)
    run(pure_noise, Handle(), mnist)
    straight, told = run(flow_time, Handle(), mnist), run(flow_class, Handle(), mnist)
    run(schedule_trials, Handle(), mnist, straight, judge)
    run(better_time, Handle(), mnist, straight, run(flow_trials, Handle(), mnist, straight, judge), judge)
    constant, lower = run(flow_constant, Handle(), mnist, told), run(flow_lower, Handle(), mnist, told)
    run(no_scheduler, Handle(), mnist, told, constant, lower, judge)
    run(terminal_noise, Handle(), mnist, times, judge)
    run(flow_quality, Handle(), mnist, told, classes, straight, times, judge)


@pytest.fixture(scope="module")
def all_results() -> dict[str, tuple[Any, Stored]]:
    """Every experiment, upstream first, with its results."""
    torch.set_num_threads(1)
    done: dict[str, tuple[Any, Stored]] = {}

    def run(experiment: Any, *inputs: Any) -> Stored:
        results = computed(experiment, *inputs)
        done[experiment.function.__name__] = experiment, results
        return results

    run_all(run)
    return done


@pytest.mark.parametrize("name", TINY)
def test_results_are_finite_arrays(all_results, name):
    """Whatever an experiment returns holds numbers, none of them NaN or infinite."""
    _, results = all_results[name]
    assert results
    for value in results.values():
        for array in value.values() if isinstance(value, dict) else [value]:
            if isinstance(array, np.ndarray):
                assert np.isfinite(array).all()


@pytest.mark.parametrize("name", TINY)
def test_every_figure_draws(all_results, name):
    """Each figure of an experiment comes of its results, with files and a layout."""
    experiment, results = all_results[name]
    for figure in experiment.figures.values():
        drawing = figure(results)
        assert drawing.kind in {"tiles", "plot", "animation", "table", "slides", "turning", "distances"}
        assert drawing.layout
        assert drawing.files or drawing.kind == "table"


@pytest.mark.parametrize("name", TINY)
def test_every_metric_is_a_number_a_text_or_a_table_of_numbers(all_results, name):
    """Each metric is finite, or a mapping of finite numbers, or says something."""
    experiment, results = all_results[name]
    for metric in experiment.metrics.values():
        value = metric(results)
        for item in value.values() if isinstance(value, dict) else [value]:
            assert item if isinstance(item, str) else math.isfinite(item)


def test_an_ambigram_is_judged_both_ways(all_results):
    """A share is of samples that are read as the first digit upright and as the second in the view, never more."""
    _, results = all_results["ambigrams"]
    assert results["half-turn"].shape == results["mirror"].shape == (len(PAIRS), 28, 28)
    assert results["hybrids"].shape == (len(ORDERED), 28, 28)
    for name in ("half-turn", "mirror", "hybrid"):
        score, both = results[f"{name}_score"], results[f"{name}_both"]
        assert ((score >= 0) & (score <= 1) & (both >= 0) & (both <= 1)).all()
        assert (score[both == 1] > 0.01).all()


def test_samples_come_back_from_their_picture_at_sixteen_levels():
    """Grey levels that are multiples of 17 come back as they were, others as the nearest of these."""
    from experiments.part_b.panels import as_png, from_png

    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), np.uint8)
    back = from_png(as_png(images))
    assert back.shape == images.shape and (back % 17 == 0).all()
    assert (abs(back.astype(int) - images) <= 8).all()
    assert (from_png(as_png(back)) == back).all()


def test_the_committed_outputs_take_little_room():
    """Every clone carries them: 64 MB for all of Part B."""
    outputs = Path(__file__).parents[2] / "experiments/outputs/part_b"
    assert sum(path.stat().st_size for path in outputs.rglob("*") if path.is_file()) <= 64e6


@pytest.mark.parametrize(("count", "rows", "columns"), [(26, 3, 9), (38, 4, 10), (10, 1, 10), (11, 2, 6), (1, 1, 1)])
def test_a_sheet_has_few_empty_places(count, rows, columns):
    sheet = panels.even_sheet(np.zeros((count, 4, 4), np.uint8), 10)
    assert sheet.shape == (rows * 5 - 1, columns * 5 - 1)


def test_a_blurred_digit_is_told_by_its_neighbours():
    """Its own nearest neighbour is itself; of more neighbours each has one vote."""
    from experiments.part_b import digits

    images, labels = digits.load(Digits(), "train")
    soft = digits.blurred(images, 2.0)
    assert (digits.shares_of_neighbours(soft, soft, labels, 1).argmax(1) == labels).all()
    shares = digits.shares_of_neighbours(soft[:3], soft, labels, 5)
    assert shares.shape == (3, 10) and np.allclose(shares.sum(1), 1) and np.allclose((shares * 5) % 1, 0)


def test_a_training_that_was_killed_goes_on(all_results):
    """Interrupted after a checkpoint and run again with it, the training gives the results of the straight run."""
    _, straight = all_results["time_conditioned"]

    handle = Killed()
    with pytest.raises(KeyboardInterrupt):
        computed(time_conditioned, handle, Digits())
    second = Handle()
    second.kept = handle.kept
    resumed = computed(time_conditioned, second, Digits())
    for name, value in straight.items():
        for a, b in zip(leaves(value), leaves(resumed[name]), strict=True):
            assert np.array_equal(a, b), name


def test_trainings_in_turn_go_on_where_they_were_killed(all_results):
    """Killed at every checkpoint, one after the other, several trainings of one run end as the straight run does."""
    _, straight = all_results["flow_trials"]
    judge, alone = all_results["digit_classifier"][1], all_results["flow_time"][1]
    kept, resumed = None, None
    for _ in range(20):
        handle = Killed()
        handle.kept = kept
        try:
            resumed = computed(flow_trials, handle, Digits(), alone, judge)
            break
        except KeyboardInterrupt:
            kept = handle.kept
    assert resumed is not None
    for name, value in straight.items():
        for a, b in zip(leaves(value), leaves(resumed[name]), strict=True):
            assert np.array_equal(a, b), name


def test_the_centroids_are_means_and_leave_their_variances(all_results):
    """The floor of pure noise is the variance about the mean; knowing the class leaves less."""
    from experiments.part_b import digits
    from experiments.part_b.pure_noise import centroids

    images, labels = digits.load(Digits(), "train")
    x = images.astype(np.float32) / 255
    mean, class_means, floor = centroids(x, labels, x)
    assert np.allclose(mean, x.mean(0)) and floor[0] == pytest.approx(x.var(0).mean(), rel=1e-5)
    assert floor[1] == pytest.approx(floor[0]) and floor[2] < floor[0]
    assert np.allclose(class_means[3], x[labels == 3].mean(0))


def test_what_helped_is_told_by_a_share_of_the_distance():
    """A twentieth nearer is enough, less is not; averaging is judged on the course's network alone."""
    frechet = np.full((len(FLOWS), 2), 10.0)
    frechet[FLOWS.index("residual"), 0] = 9.5
    frechet[FLOWS.index("spread")] = 9.6, 1.0
    assert helpful(frechet, 0.05) == ("residual",)
    frechet[FLOWS.index("course"), 1] = 9.0
    assert helpful(frechet, 0.05) == ("residual", "averaging")
    assert helpful(frechet, -1.0) == (*CHANGES, "averaging")


def leaves(value: Any) -> list[Any]:
    return [leaf for item in value.values() for leaf in leaves(item)] if isinstance(value, Mapping) else [value]


def test_annotations_name_the_lab_s_types():
    """What an experiment declares as a handle or as results is what the lab hands over."""
    annotations = out_of_distribution.function.__annotations__
    assert annotations["run"] in ("Run", Run)
    assert annotations["trained"] in ("Results", Results)
