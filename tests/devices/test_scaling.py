"""In float16 the loss is scaled, within the captured step: what overflows is left out, and nothing else changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from darkroom.diffusion.train import Denoising, Recipe, Trainer, seeded  # noqa: E402
from tests.devices import trainings  # noqa: E402
from tests.devices.pretend import AMPERE, PASCAL, TURING, pretended  # noqa: E402

RECIPE = Recipe(6, 16, 1e-3, warmup=2, cosine=True, weight_decay=0.1, averaging=0.9)  # 18 steps


@pytest.fixture
def turing() -> Iterator[None]:
    with pretended("cuda", capability=TURING):
        yield


def network() -> torch.nn.Module:
    """Two convolutions: on a CPU float16 is slow."""
    first, second = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.Conv2d(4, 1, 3, padding=1)
    return torch.nn.Sequential(first, torch.nn.BatchNorm2d(4), torch.nn.GELU(), second)


def training(digits: tuple[np.ndarray, np.ndarray], clip: float | None = 1.0) -> Trainer:
    recipe = dataclasses.replace(RECIPE, clip=clip)
    return Trainer(seeded(network, 3), Denoising(0.5), recipe, *digits, device="cuda", seed=3)


def scaled(
    digits: tuple[np.ndarray, np.ndarray],
    scale: float = 2.0**16,
    *,
    grows_after: int = 2000,
    clip: float | None = 1.0,
) -> Trainer:
    """A training on a GPU that trains in float16, its loss multiplied by *scale* at first."""
    trainer = training(digits, clip)
    assert trainer.dtype == torch.float16
    trainer.scaler.load_state_dict(trainer.scaler.state_dict() | {"scale": scale, "growth_interval": grows_after})
    return trainer


def weights(trainer: Trainer) -> dict[str, Any]:
    found: dict[str, Any] = trainings.stored(dict(trainer.network.named_parameters()))
    return found


def scales(trainer: Trainer) -> list[float]:
    """The scale after each step, to the end."""
    return [trainer.scaler.get_scale() for _ in trainer.run(1)]


@pytest.mark.parametrize("captured", [False, True])
def test_a_step_that_overflows_is_left_out(turing, digits, captured):
    """Weights and moments stay, the scale is halved until gradients fit, and then the network learns."""
    trainer = scaled(digits, 2.0**40)
    if not captured:
        trainings.uncaptured(trainer)
    before, steps = weights(trainer), trainer.run(1)
    assert np.isfinite(next(steps).losses).all()
    trainings.assert_same(weights(trainer), before)
    moments = next(iter(trainer.optimizer.state.values()))
    assert moments["step"].item() == 0 and not moments["exp_avg"].cpu().any()
    assert trainer.scaler.get_scale() == 2.0**39
    trainer.scaler.load_state_dict(trainer.scaler.state_dict() | {"scale": 2.0**10})
    next(steps)
    assert moments["step"].item() == 1 and trainer.scaler.get_scale() == 2.0**10
    assert all((value != before[name]).any() for name, value in weights(trainer).items() if value.ndim > 1)


def test_the_scale_grows_after_some_steps_that_fit(turing, digits):
    assert scales(scaled(digits, 2.0**4, grows_after=2))[:6] == [2.0**4, 2.0**5, 2.0**5, 2.0**6, 2.0**6, 2.0**7]


def test_what_is_captured_scales_as_what_python_runs(turing, digits):
    """Overflows, halvings and growth included, to the bit."""
    plain, captured = (scaled(digits, 2.0**30, grows_after=1) for _ in range(2))
    expected = scales(trainings.uncaptured(plain))
    assert expected[0] == 2.0**29 and any(after > before for before, after in pairwise(expected))
    assert scales(captured) == expected
    trainings.assert_same(trainings.stored(plain.state()), trainings.stored(captured.state()))


@pytest.mark.parametrize("stop", [1, 3])
def test_the_scale_goes_on_from_a_checkpoint(turing, digits, stop):
    """With the count of steps that fitted: what was stopped ends as if it had not been, to the bit."""
    straight, first = (scaled(digits, 2.0**4, grows_after=2) for _ in range(2))
    expected = scales(straight)
    for report in first.run(1):
        if report.step == stop:
            break
    second = training(digits)
    second.restore(trainings.stored(first.state()))
    assert scales(second) == expected[stop:]
    trainings.assert_same(trainings.stored(straight.state()), trainings.stored(second.state()))


@pytest.mark.parametrize("clip", [None, 0.01])
def test_gradients_are_those_of_float32(turing, digits, monkeypatch, clip):
    """The scale is out of them again before they are clipped; they differ by the rounding of float16."""
    half, found = scaled(digits, 2.0**4, clip=clip), []
    monkeypatch.setattr("darkroom.diffusion.train.training_dtype", lambda device: torch.float32)
    for trainer in (half, training(digits, clip)):
        next(trainings.uncaptured(trainer).run(1))
        found.append([each["exp_avg"].cpu().flatten() * 10 for each in trainer.optimizer.state.values()])
    seen, expected = (
        torch.cat(each) for each in found
    )  # what Adam was given: after one step, ten times its first moment
    assert expected.norm().item() == pytest.approx(clip or 0.7, rel=1e-2)
    assert (seen - expected).norm() / expected.norm() < 0.02


def test_a_checkpoint_of_another_type_is_taken_up(digits):
    """A float16 training goes on where there is no scale, and begins with the usual one where there was none."""
    with pretended("cuda", capability=TURING):
        half = scaled(digits, 2.0**8)
        next(half.run(1))
        state = trainings.stored(half.state())
    assert state["scaling"]["scale"] == 2.0**8
    for capability in (PASCAL, AMPERE):
        with pretended("cuda", capability=capability):
            other = training(digits)
            other.restore(state)
            assert "scaling" not in other.state() and next(other.run(1)).step == 2
            without = trainings.stored(other.state())
    with pretended("cuda", capability=TURING):
        half = training(digits)
        half.restore(without)
        next(half.run(1))
        assert half.step == 3 and half.scaler.get_scale() == 2.0**16


def test_a_float16_training_waits_once_a_report(digits):
    with pretended("cuda", capability=TURING) as device:
        trainer = scaled(digits)
        before = device.waits.total()
        reports = len(list(trainer.run(2)))
    assert device.waits.total() - before == reports
