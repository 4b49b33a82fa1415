"""On another device: every sampler, denoiser, view and filter draws what it does on the CPU, every training trains."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from darkroom.diffusion.sample import ddpm, last  # noqa: E402
from tests.devices import samplings, trainings  # noqa: E402
from tests.devices.kernels import lacking  # noqa: E402
from tests.devices.pretend import AMPERE, PASCAL, TURING, pretended  # noqa: E402

QUICK = "noise, of digits"  # the others take a minute together
EACH = [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in trainings.OBJECTIVES]
ON_CUDA = [pytest.param(name, "cuda", marks=() if name == QUICK else pytest.mark.slow) for name in trainings.OBJECTIVES]


@pytest.fixture(scope="module")
def on_the_cpu():
    return samplings.drawn("cpu")


@pytest.mark.parametrize("kind", [pytest.param("cuda", marks=pytest.mark.slow), "mps"])
def test_samples_are_those_of_the_cpu(kind, on_the_cpu):
    """With every process, denoiser and sampler; torch has a kernel for each operation."""
    with pretended(kind) as device:
        samplings.check_same_as_on_the_cpu(kind, on_the_cpu)
    assert len(device.operations) > 40 and not lacking(device.operations, kind)


@pytest.mark.parametrize("name", EACH)
def test_a_captured_step_is_the_step(digits, name):
    """Replayed, it gives the losses and the weights of the step that Python runs, to the bit."""
    with pretended("cuda", capability=PASCAL):
        trainings.check_captured(name, trainings.EVERYTHING, digits)


@pytest.mark.slow
def test_a_captured_step_of_a_plain_recipe_is_the_step(digits):
    """Without clipping, averaging and the rest, which are the same for all objectives."""
    with pretended("cuda", capability=PASCAL):
        trainings.check_captured(QUICK, trainings.PLAIN, digits)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "capability"),
    [
        *((name, AMPERE) for name in trainings.OBJECTIVES),
        (QUICK, TURING),
        ("classes", TURING),
        ("text to image", TURING),
    ],
)
def test_a_captured_step_in_half_precision_is_the_step(digits, name, capability):
    """Autocast casts within the graph, channels are last, and in float16 the loss is scaled there."""
    with pretended("cuda", capability=capability):
        trainings.check_captured(name, trainings.EVERYTHING, digits)


@pytest.mark.parametrize(
    ("name", "kind"),
    [*ON_CUDA, pytest.param(QUICK, "mps", marks=pytest.mark.slow)],  # MPS captures nothing: a step is the CPU's
)
def test_a_training_goes_on_from_its_checkpoint(digits, name, kind):
    with pretended(kind, capability=PASCAL):
        trainings.check_resumed(name, trainings.EVERYTHING, digits, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cuda", "mps"])
@pytest.mark.parametrize("name", trainings.OBJECTIVES)
def test_losses_are_those_of_the_cpu(digits, monkeypatch, name, kind):
    """The same draws, here, give the same losses wherever the step is computed."""
    monkeypatch.setattr("darkroom.diffusion.train.training_dtype", lambda device: torch.float32)
    expected = trainings.losses_of(trainings.trainer(name, trainings.EVERYTHING, digits, "cpu"))
    with pretended(kind):
        losses = trainings.losses_of(trainings.trainer(name, trainings.EVERYTHING, digits, kind))
    np.testing.assert_allclose(losses, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, "mps") for name in trainings.OBJECTIVES), pytest.param(QUICK, "cuda", marks=pytest.mark.slow)],
)
def test_gradients_are_those_of_the_cpu(digits, monkeypatch, name, kind):
    """Of one batch; torch has a kernel for each operation of a step."""
    monkeypatch.setattr("darkroom.diffusion.train.training_dtype", lambda device: torch.float32)
    with pretended(kind) as device:
        trainings.check_gradients(name, digits, kind, tolerance=1e-4)
    assert not lacking(device.operations, kind)


def test_a_training_waits_once_a_report(digits):
    """Steps follow one another without the CPU, which only sends the next ones off."""
    with pretended("cuda", capability=PASCAL) as device:
        training = trainings.trainer(QUICK, trainings.EVERYTHING, digits, "cuda")
        before = device.waits.total()
        reports = len(list(training.run(2)))
    assert device.waits.total() - before == reports


@pytest.mark.parametrize("of", ["guided", "anagram, skew", "factorized, low and high"])
@pytest.mark.parametrize("where", ["schedule", "schedule on the CPU", "straight line"])
def test_a_step_of_sampling_waits_for_nothing(where, of):
    """Its noise is sent to the device, and nothing else: coefficients are numbers, orders of pixels are there."""
    with pretended("cuda") as device:
        denoiser = dict(samplings.denoisers(samplings.processes("cuda")[where], "cuda"))[of]
        counts = []
        for steps in (2, 6):
            process = denoiser.process
            times = [
                round(process.noise_time + (process.data_time - process.noise_time) * k / 10, 1) for k in range(1, 11)
            ]
            waits, uploads = device.waits.total(), device.uploads.total()
            last(ddpm(denoiser, samplings._noise("cuda"), times=[*map(type(process.noise_time), times[: steps + 1])]))
            counts.append((device.waits.total() - waits, device.uploads.total() - uploads))
    assert counts[1][0] == 0 and counts[1][1] == 1 + 6
