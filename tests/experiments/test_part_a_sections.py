"""Every experiment of Part A on a tiny cascade: it runs, figures and numbers come of its results, and what must hold does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darkroom.lab import Weights
from experiments.part_a.anagrams import anagrams
from experiments.part_a.classical import classical
from experiments.part_a.drawings import drawings
from experiments.part_a.flow import flow
from experiments.part_a.forward import forward
from experiments.part_a.guidance import guidance
from experiments.part_a.hybrids import hybrids
from experiments.part_a.inpainting import inpainting
from experiments.part_a.iterative import iterative
from experiments.part_a.logo import logo
from experiments.part_a.one_step import one_step
from experiments.part_a.sampling import sampling
from experiments.part_a.sdedit import sdedit
from experiments.part_a.setup import setup
from experiments.part_a.text_guided import text_guided
from experiments.part_a.upsampled import upsampled
from tests.experiments.handles import Handle, Stored, in_steps

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

IMAGES = Path(__file__).parents[2] / "experiments/images"
TINY: dict[str, dict[str, Any]] = {
    "setup": {"steps": (2, 4), "enlarged_from": 4, "enlarging_steps": (2,)},
    "guidance": {"count": 1, "gammas": (1.0, 7.0), "each": 1, "asked_at": (500,)},
    "sampling": {"count": 2},
    "anagrams": {"seeds_each": 2},
    "hybrids": {"seeds_each": 2},
    "flow": {"steps": 10, "count": 2, "starts": (0.2, 0.25, 0.5), "seeds_each": 2, "shown_at": (0.3, 0.5)},
    "inpainting": {"each": 1, "repeats": 2},
    "logo": {"seeds_each": 2},
    "upsampled": {"steps": 2},
}
HASTY = ("guidance", "anagrams", "hybrids")  # drawn in few steps: what must hold of them hangs on none
FEW_TIMES = (991, 691, 391, 91, 1)
NAMES = (
    *("setup", "forward", "classical", "one_step", "iterative", "sampling", "guidance", "sdedit", "drawings"),
    *("inpainting", "text_guided", "anagrams", "hybrids", "logo", "upsampled", "flow"),
)


def image(name: str) -> Path:
    return IMAGES / name


def computed(experiment: Any, *inputs: Any) -> Stored:
    """The results of *experiment* at its tiny size."""
    name = experiment.function.__name__
    parameters = {**experiment.function.__kwdefaults__, **TINY.get(name, {})}
    with pytest.MonkeyPatch.context() as short:
        if name in HASTY:
            in_steps(short, FEW_TIMES)
        return Stored(experiment.function(Handle(), *inputs, **parameters), parameters)


def run_all(run: Callable[..., Stored], stages: Iterable[Path]) -> None:
    """Have every experiment of the part run, upstream first; *run* is given each with its inputs and gives its results."""
    small, large = (Weights(str(stage)) for stage in stages)
    chapel, rocket, cat = image("chapel.png"), image("photo_rocket.jpg"), image("photo_cat.jpg")
    coffee, sailboat, tree = (
        image(f"{name}") for name in ("photo_coffee.jpg", "drawing_sailboat.png", "drawing_tree.png")
    )
    run(setup, small, large)
    run(forward, small, chapel)
    run(one_step, small, chapel, run(classical, small, chapel))
    run(iterative, small, chapel)
    run(sampling, small)
    run(guidance, small)
    run(sdedit, small, chapel, rocket, cat)
    run(drawings, small, coffee, sailboat, tree)
    run(text_guided, small, chapel, cat, sailboat)
    masks = [image(f"mask_{name}.png") for name in ("door", "sails", "crown")]
    run(inpainting, small, chapel, masks[0], sailboat, masks[1], tree, masks[2])
    made = run(anagrams, small), run(hybrids, small), run(logo, small, image("drawing_camera.png"))
    run(upsampled, small, large, *made)
    run(flow, small, chapel, rocket, sailboat)


@pytest.fixture(scope="module")
def loads() -> Counter[str]:
    """How often each experiment has loaded the text encoder."""
    return Counter()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, loads: Counter[str]) -> dict[str, tuple[Any, Stored]]:
    """Every experiment, upstream first, with its results; none finds prompts that another has encoded."""
    import transformers

    from tests.diffusion.cascades import save_cascade

    torch.set_num_threads(1)
    patch = pytest.MonkeyPatch()
    patch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path_factory.mktemp("cache")))
    finished: dict[str, tuple[Any, Stored]] = {}
    load = transformers.T5EncoderModel.from_pretrained

    def run(experiment: Any, *inputs: Any) -> Stored:
        def counted(*arguments: Any, **options: Any) -> Any:
            loads[experiment.function.__name__] += 1
            return load(*arguments, **options)

        patch.setattr(transformers.T5EncoderModel, "from_pretrained", counted)
        results = computed(experiment, *inputs)
        finished[experiment.function.__name__] = experiment, results
        return results

    run_all(run, save_cascade(tmp_path_factory.mktemp("cascade")))
    patch.undo()
    return finished


@pytest.mark.parametrize("name", NAMES)
def test_figures_and_metrics_come_of_the_results(done, name):
    """Each figure draws, each metric is finite, and no result is NaN."""
    experiment, results = done[name]
    for value in results.values():
        if isinstance(value, np.ndarray):
            assert np.isfinite(value).all()
    for figure in experiment.figures.values():
        drawing = figure(results)
        assert drawing.layout and drawing.files
    for metric in experiment.metrics.values():
        value = metric(results)
        for number in value.values() if isinstance(value, dict) else [value]:
            assert math.isfinite(number)


def test_all_prompts_of_an_experiment_are_encoded_in_one_load(done, loads):
    """DeepFloyd's text encoder takes longer to load than most experiments to draw."""
    assert len(loads) >= 12 and set(loads.values()) == {1}


def test_noise_grows_with_t(done):
    """Of the test picture ever less is left, and a blur has to be ever wider."""
    assert np.all(np.diff(done["forward"][1]["signal"]) < 0)
    assert np.all(np.diff(done["classical"][1]["sigma"]) >= 0)


def test_the_noisy_pictures_are_the_same_everywhere(done):
    """What is blurred and what is denoised in one step is the picture of the forward process."""
    noisy = done["forward"][1]["noisy"]
    assert np.array_equal(noisy, done["classical"][1]["noisy"])
    assert np.array_equal(noisy, done["one_step"][1]["noisy"])


def test_the_loop_has_the_course_s_times(done):
    """From t = 690 in strides of 30 down to 0."""
    assert done["iterative"][1]["timesteps"] == list(range(690, -1, -30))
    assert len(done["iterative"][1]["steps"]) == 24


def test_less_noise_keeps_more_of_a_picture(done):
    """Even an untrained model cannot undo that: the distance at the last level is the smallest."""
    for name in ("sdedit", "drawings", "text_guided"):
        assert (done[name][1]["distance"].argmin(1) == 5).all()


def test_outside_the_hole_nothing_has_changed(done):
    """A filled picture is the original but for its hole, to the pixel, however it was filled."""
    results = done["inpainting"][1]
    outside = results["masks"] < 128
    for way in ("filled", "named"):
        for original, kept, filled in zip(results["originals"], outside, results[way], strict=True):
            assert all((picture == original)[kept].all() for picture in filled)
            assert (filled[0] != original)[~kept].any()
    assert not np.array_equal(results["filled"], results["named"])


def test_an_anagram_is_seen_through_its_view(done):
    """What is shown as seen is the picture turned, and the order is by the worse of two scores."""
    _, results = done["anagrams"]
    turned = {"flip": lambda p: p[::-1], "half-turn": lambda p: p[::-1, ::-1], "negative": lambda p: 255 - p}
    for number, (way, _, _) in enumerate(results.parameters["pairs"]):
        if way in turned:
            assert np.array_equal(results["seen"][number, 0], turned[way](results["pictures"][number, 0]))
    assert results["scores"].shape == (5, 2, 2)


def test_stage_two_is_twice_as_large(done):
    """For what the setup draws and for the best of the part."""
    assert done["setup"][1]["large"].shape[2:] == (32, 32, 3)
    assert done["upsampled"][1]["large"].shape == (5, 32, 32, 3)


def test_an_update_leads_to_the_estimate(done):
    """x_t and the predicted update are the one-step estimate, x_t and the true update the picture."""
    results = done["flow"][1]
    noisy, original = results["noisy"] / 127.5 - 1, results["original"] / 127.5 - 1
    inside = (results["noisy"] > 0) & (results["noisy"] < 255)
    assert np.abs(noisy + results["true_update"] - original)[inside].max() < 0.02
    reached = np.clip(noisy + results["predicted_update"], -1, 1)
    assert np.abs(reached - (results["one_step"] / 127.5 - 1))[inside].max() < 0.02


def test_a_flow_starts_where_it_is_told_and_is_drawn_step_by_step(done):
    """The path begins with the noisy picture, and an edit started later is nearer to its original."""
    results = done["flow"][1]
    middle = results.parameters["shown_at"].index(results.parameters["midway"])
    assert np.array_equal(results["path"][0], results["noisy"][middle])
    assert len(results["path"]) == len(results["path_times"]) == 6 and results["path_times"][-1] == 1
    for name in ("edits", "prompted"):
        apart = np.square(results[name] / 255 - results["originals"][:, None] / 255).mean((2, 3, 4))
        assert (apart.argmin(1) == 2).all()


@pytest.mark.parametrize(
    ("experiment", "changed", "message"),
    [
        (sdedit, {"levels": (1, 40)}, "i_start 40 is out of range; choose from 0 to 32"),
        (flow, {"shown_at": (0.2, 0.7)}, "midway = 0.5 is none of shown_at, 0.2, 0.7; add it there"),
        (anagrams, {"pairs": (("spin", "a hat", "a dog"),)}, "unknown view 'spin'; choose from flip, mirror"),
        (anagrams, {"shares": (0.5,)}, "shares: 1 for 5 pairs; give one for each"),
        (hybrids, {"pairs": (("low", "a hat", "a dog"),)}, "unknown split 'low'; choose from 'low, high'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, experiment, changed, message):
    """One line says what was asked for and what there is."""
    from tests.diffusion.cascades import save_cascade

    small = Weights(str(save_cascade(tmp_path)[0]))
    inputs = [image("chapel.png")] * 3 if experiment in (sdedit, flow) else []
    parameters = experiment.function.__kwdefaults__ | changed
    with pytest.raises(ValueError, match=message):
        experiment.function(Handle(), small, *inputs, **parameters)
