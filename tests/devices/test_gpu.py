"""The GPU of this machine: does it compute what the CPU does, learn what was learnt before, and how quickly?

    python -m pytest -m gpu -s tests/devices

is the first thing to run on a new machine. It takes some minutes, prints how long and with how much memory, and is skipped
where torch finds no GPU. What was learnt before is what the outputs of this repository hold.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from darkroom.core.errors import DarkroomError  # noqa: E402
from darkroom.lab.outputs import datasets  # noqa: E402
from experiments.part_b.class_conditioned import class_conditioned  # noqa: E402
from experiments.part_b.denoiser import denoiser  # noqa: E402
from experiments.part_b.digit_classifier import digit_classifier  # noqa: E402
from experiments.part_b.flow_time import flow_time  # noqa: E402
from experiments.part_b.time_conditioned import time_conditioned  # noqa: E402
from experiments.pocket_if.judge import judge  # noqa: E402
from experiments.pocket_if.stage_1 import stage_1_small  # noqa: E402
from tests.devices import samplings, trainings  # noqa: E402
from tests.experiments import test_part_a_sections as part_a  # noqa: E402
from tests.experiments.handles import Handle, Stored  # noqa: E402

pytestmark = pytest.mark.gpu
ROOT = Path(__file__).parents[2]
OUTPUTS = ROOT / "experiments/outputs"
SUBJECTS = ROOT / "experiments/pocket_if/subjects.csv"
TRAININGS = {
    experiment.id: (experiment, inputs)
    for experiment, inputs in [
        *((each, ("mnist",)) for each in (denoiser, time_conditioned, class_conditioned, flow_time, digit_classifier)),
        *((each, ("emoji", SUBJECTS)) for each in (stage_1_small, judge)),
    ]
}
FIRST, LAST = 200, 400  # steps whose losses are compared: after the steepest fall, long before the end


def present() -> str:
    """The GPU that torch finds, or "" for none."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else ""


@pytest.fixture(scope="module")
def gpu() -> Iterator[str]:
    """What torch calls the GPU here, with convolutions and products in float32 as the CPU has them, not in TF32."""
    if not (name := present()):
        pytest.skip(f"no GPU: torch {torch.__version__} finds neither CUDA nor MPS on this machine")
    flags = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield name
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = flags


@pytest.fixture
def cuda(gpu: str) -> str:
    if gpu != "cuda":
        pytest.skip("no CUDA: steps are captured on NVIDIA's GPUs alone")
    return gpu


class Measured:
    """How long a block took on the GPU, and the most memory that it held there."""

    def __init__(self, gpu: str) -> None:
        self.gpu = gpu

    def __enter__(self) -> Measured:
        if self.gpu == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self.began = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        if self.gpu == "cuda":
            torch.cuda.synchronize()
        self.seconds = time.perf_counter() - self.began
        self.gigabytes = torch.cuda.max_memory_allocated() / 1e9 if self.gpu == "cuda" else float("nan")


def test_samples_are_those_of_the_cpu(gpu):
    """With every process, denoiser, view, filter and sampler, up to the order of sums."""
    samplings.check_same_as_on_the_cpu(gpu, samplings.drawn("cpu"), tolerance=1e-3)


@pytest.mark.parametrize("name", trainings.OBJECTIVES)
def test_gradients_are_those_of_the_cpu(gpu, digits, monkeypatch, name):
    """A kernel that computes something else goes unnoticed in a loss that falls all the same."""
    monkeypatch.setattr("darkroom.diffusion.train.training_dtype", lambda device: torch.float32)
    trainings.check_gradients(name, digits, gpu, tolerance=1e-3)


@pytest.mark.parametrize("name", trainings.OBJECTIVES)
@pytest.mark.parametrize("recipe", trainings.RECIPES)
def test_a_captured_step_is_the_step(cuda, digits, monkeypatch, name, recipe):
    """In float32, where only the order of sums differs from run to run."""
    monkeypatch.setattr("darkroom.diffusion.train.training_dtype", lambda device: torch.float32)
    plain = trainings.uncaptured(trainings.trainer(name, trainings.RECIPES[recipe], digits, cuda))
    captured = trainings.trainer(name, trainings.RECIPES[recipe], digits, cuda)
    np.testing.assert_allclose(trainings.losses_of(captured), trainings.losses_of(plain), rtol=1e-3)


@pytest.mark.parametrize("name", trainings.OBJECTIVES)
def test_a_training_goes_on_from_its_checkpoint(gpu, digits, monkeypatch, name):
    monkeypatch.setattr("darkroom.diffusion.train.training_dtype", lambda device: torch.float32)
    straight, first, second = (trainings.trainer(name, trainings.EVERYTHING, digits, gpu) for _ in range(3))
    losses = trainings.losses_of(straight)
    next(first.run(2))
    second.restore(trainings.stored(first.state()))
    np.testing.assert_allclose(trainings.losses_of(second), losses[2:], rtol=1e-3)


class EnoughSteps(Exception):
    """The training has run far enough to be judged."""


class Watched(Handle):
    """A run that takes note of losses, and ends after so many steps."""

    def __init__(self, device: str, steps: int) -> None:
        super().__init__()
        self.device, self.steps = device, steps
        self.seen: list[tuple[int, float, float]] = []

    def progress(self, done: float, total: float, unit: str = "steps", **numbers: float) -> None:
        if "loss" in numbers:
            self.seen.append((int(done), numbers["loss"], time.perf_counter()))
            if done >= self.steps:
                raise EnoughSteps


@pytest.mark.parametrize("identity", TRAININGS)
def test_losses_are_in_the_band_of_those_before(gpu, identity, tmp_path, monkeypatch):
    """Steps 200 to 400 of the training as it is declared have a mean loss within a tenth of what the outputs hold."""
    experiment, (name, *files) = TRAININGS[identity]
    monkeypatch.chdir(tmp_path)
    run = Watched(gpu, LAST)
    try:
        with pytest.raises(EnoughSteps), Measured(gpu) as measured:
            experiment.function(run, declared(name), *files, **experiment.function.__kwdefaults__)
    except DarkroomError as error:
        pytest.skip(f"the data set {name} is not here: {error}")
    expected = committed(identity)["loss"][FIRST:LAST].mean()
    steps, losses, times = zip(*[each for each in run.seen if each[0] > FIRST], strict=True)
    rate = (steps[-1] - steps[0]) / (times[-1] - times[0])
    print(
        f"\n{identity}: {rate:.0f} steps/s, {measured.gigabytes:.2f} GB, loss {np.mean(losses):.4f}, before {expected:.4f}"
    )
    assert np.mean(losses) == pytest.approx(expected, rel=0.1)


def test_training_is_quicker_than_the_usual_loop(cuda):
    """By how much is printed: most where a GPU computes a step faster than Python can ask for it."""
    from tests.benchmarks.test_training import test_training_beats_the_usual_loop

    test_training_beats_the_usual_loop()


def test_part_a_is_what_it_was(gpu, tmp_path, monkeypatch):
    """All of Part A at its full size with the model that is shipped; its pictures are those of the outputs, nearly.

    They were drawn in another type: the middle one of an experiment's pictures may differ by 8 grey levels of 255 on average.
    """
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path))
    monkeypatch.setattr(Handle, "device", gpu)
    faults, taken = [], 0.0

    def run(experiment: Any, *inputs: Any) -> Stored:
        nonlocal taken
        parameters = dict(experiment.function.__kwdefaults__)
        with Measured(gpu) as measured:
            results = Stored(experiment.function(Handle(), *inputs, **parameters), parameters)
        taken += measured.seconds
        apart = differences(results, committed(experiment.id))
        print(
            f"{experiment.id:22}{measured.seconds:7.1f} s {measured.gigabytes:6.2f} GB   differs by {apart:.2f} of 255"
        )
        if apart > 8:
            faults.append(f"{experiment.id} differs by {apart:.1f} of 255")
        return results

    print()
    part_a.run_all(run, [OUTPUTS / "pocket_if/stage_1/pipeline", OUTPUTS / "pocket_if/stage_2/pipeline"])
    print(f"all of Part A: {taken:.0f} s")
    assert not faults


def differences(results: Stored, before: dict[str, np.ndarray]) -> float:
    """The middle one of the mean differences of pictures in bytes, (..., N, N, 3); 0 where there are none."""
    apart = [
        np.abs(value.astype(float) - before[name]).mean((-3, -2, -1)).ravel()
        for name, value in results.items()
        if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.shape[-1:] == (3,)
    ]
    return float(np.median(np.concatenate(apart))) if apart else 0.0


def committed(identity: str) -> dict[str, np.ndarray]:
    """The arrays that the repository holds of an experiment."""
    from safetensors.numpy import load_file

    return load_file(OUTPUTS / identity / "results.safetensors")


def declared(name: str) -> datasets.Dataset:
    return datasets.Dataset(datasets.declared(ROOT / "experiments/data.toml")[name], datasets.folder(None))
