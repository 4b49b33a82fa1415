"""Faults that are planted in the sources are found: each would go unnoticed on the CPU, and not on the device."""

from __future__ import annotations
import __future__

import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from darkroom.diffusion import schedules  # noqa: E402
from darkroom.diffusion.flow import StraightLine  # noqa: E402
from darkroom.diffusion.sample import ddpm, last, sdedit  # noqa: E402
from tests.devices import samplings, trainings  # noqa: E402
from tests.devices.pretend import PASCAL, TURING, RefusedByDevice, pretended  # noqa: E402
from tests.devices.test_scaling import scaled, training  # noqa: E402

DIGITS = "noise, of digits"
WORDS = "text to image"
FOUND = AssertionError, RefusedByDevice, TypeError, RuntimeError
KINDS = {"cuda": ("cuda", PASCAL), "float16": ("cuda", TURING), "mps": ("mps", PASCAL)}  # Pascal trains in float32
Check = Callable[[tuple[np.ndarray, np.ndarray]], object]


@cache
def captured(name: str, recipe: str = "everything") -> tuple[str, Check]:
    return "cuda", lambda digits: trainings.check_captured(name, trainings.RECIPES[recipe], digits)


@cache
def captured_in_float16(name: str) -> tuple[str, Check]:
    return "float16", captured(name)[1]


@cache
def resumed(name: str, kind: str = "cuda") -> tuple[str, Check]:
    return kind, lambda digits: trainings.check_resumed(name, trainings.EVERYTHING, digits, "cuda")


@cache
def rescaled() -> tuple[str, Check]:
    """A training in float16 that goes on, from a scale that is not the one that trainings begin with."""

    def check(digits: Any) -> None:
        first, second = scaled(digits, 2.0**4), training(digits)
        next(first.run(1))
        second.restore(trainings.stored(first.state()))
        assert second.scaler.get_scale() == first.scaler.get_scale()

    return "float16", check


@cache
def trained(kind: str, name: str) -> tuple[str, Check]:
    return kind, lambda digits: next(trainings.trainer(name, trainings.EVERYTHING, digits, kind).run(1))


@cache
def recalibrated(kind: str) -> tuple[str, Check]:
    return kind, lambda digits: trainings.trainer(DIGITS, trainings.PLAIN, digits, kind).averaged(1)


@cache
def sampled(kind: str, where: str = "schedule", of: str = "guided") -> tuple[str, Check]:
    """Ancestral sampling of one denoiser is what it is on the CPU."""

    def check(digits: object) -> None:
        pictures = []
        for device in ("cpu", kind):
            process = samplings.processes(device)[where]
            denoiser = dict(samplings.denoisers(process, device))[of]
            times = (0.5, 1.0) if isinstance(process, StraightLine) else (5, 2, 0)
            pictures.append(last(ddpm(denoiser, samplings._noise(device), times=times)).x_t.cpu())
        assert torch.allclose(*pictures, atol=1e-4)

    return kind, check


@cache
def edited(kind: str) -> tuple[str, Check]:
    def check(digits: object) -> None:
        guided = dict(samplings.denoisers(schedules.linear(20), kind))["guided"]
        originals = torch.zeros(samplings.SHAPE, device=kind)
        last(sdedit(guided, samplings._noise(kind), originals, [5, 2, 2], times=(5, 2, 0)))

    return kind, check


@cache
def ran_quickly(kind: str) -> tuple[str, Check]:
    def check(digits: object) -> None:
        from darkroom.diffusion.unet import UNet
        from experiments.part_b.digits import quick

        quick(UNet(4).eval(), kind)(torch.zeros(2, 1, 28, 28, device=kind))

    return kind, check


TRAINER, MODELS = "darkroom.diffusion.train:Trainer", "darkroom.diffusion"
FAULTS: dict[str, tuple[str, str, str, tuple[str, Check]]] = {
    "the rate of the first step for good": (
        f"{TRAINER}._set_rate",
        'group["lr"].fill_(rate)',
        'group["lr"] = torch.tensor(rate, device=self.device)',
        captured(DIGITS, "plain"),
    ),
    "the inputs of the first step for good": (
        f"{TRAINER}._captured_update",
        "mine.copy_(new)",
        "pass",
        captured(DIGITS, "plain"),
    ),
    "one loss that every step overwrites": (
        f"{TRAINER}._captured_update",
        "return loss.clone()",
        "return loss",
        captured(DIGITS, "plain"),
    ),
    "weights that the warm-up has moved": (
        f"{TRAINER}._warm_up",
        "value.copy_(weights[name])",
        "pass",
        captured(DIGITS, "plain"),
    ),
    "moments that the warm-up has filled": (
        f"{TRAINER}._warm_up",
        "value.zero_() if fresh else value.copy_(before[position][name])",
        "pass",
        captured(DIGITS, "plain"),
    ),
    "moments lost when a training goes on": (
        f"{TRAINER}._warm_up",
        "value.zero_() if fresh else value.copy_(before[position][name])",
        "value.zero_()",
        resumed(DIGITS),
    ),
    "a loss that is waited for in the step": (
        f"{TRAINER}._update",
        "return loss.detach()",
        "return torch.full((), loss.item(), device=self.device)",
        captured(DIGITS, "plain"),
    ),
    "an average followed inside the graph": (
        f"{TRAINER}._update",
        "self.scaler.step(self.optimizer)",
        "self.scaler.step(self.optimizer); self._follow()",
        captured(DIGITS),
    ),
    "steps of the warm-up that the scale counts": (
        f"{TRAINER}._warm_up",
        "self.scaler.load_state_dict(scaling)",
        "pass",
        captured_in_float16("denoising"),
    ),
    "a scale lost when a training goes on": (
        f"{TRAINER}.state",
        '**({"scaling": scaling} if scaling else {}),',
        "",
        rescaled(),
    ),
    "digits left on the CPU": (
        f"{TRAINER}.__init__",
        "pixels = torch.from_numpy(images.copy()).to(device)",
        "pixels = torch.from_numpy(images.copy())",
        trained("mps", DIGITS),
    ),
    "labels left on the CPU": (
        f"{TRAINER}.__init__",
        "torch.from_numpy(labels.copy()).to(device)",
        "torch.from_numpy(labels.copy())",
        trained("mps", DIGITS),
    ),
    "a generator of the CPU": (
        f"{TRAINER}.__init__",
        "torch.Generator(device)",
        "torch.Generator()",
        trained("mps", DIGITS),
    ),
    "a generator of the CPU, afterwards": (
        f"{TRAINER}.recalibrated",
        "self.generator.manual_seed(_mixed(self.seed, number, 2))",
        "self.generator = torch.Generator()",
        recalibrated("mps"),
    ),
    "gradients clipped as a list": (
        f"{TRAINER}._update",
        "self.recipe.clip)",
        "self.recipe.clip, foreach=True)",
        trained("mps", DIGITS),
    ),
    "draws on the CPU": (
        f"{MODELS}.train:_normal_like",
        "device=images.device",
        "device='cpu'",
        trained("cuda", DIGITS),
    ),
    "digits that are hidden on the CPU": (
        f"{MODELS}.train:_digits",
        "device=labels.device",
        "device='cpu'",
        trained("cuda", DIGITS),
    ),
    "as many captions as a batch has": (
        f"{MODELS}.cascade:_each_once",
        "if asked.is_cuda:",
        "if False:",
        captured(WORDS, "plain"),
    ),
    "a weight on the CPU": (
        f"{MODELS}.cascade:TextToImageLoss.loss",
        ".float().to(x_t.device)",
        ".float()",
        trained("mps", WORDS),
    ),
    "a table in float64 for Apple": (
        f"{MODELS}.schedules:Schedule.to",
        '"cpu" if torch.device(device).type == "mps" else device',
        "device",
        trained("mps", DIGITS),
    ),
    "times in float64 for Apple": (
        f"{MODELS}.process:as_times",
        't.device.type == "mps"',
        "False",
        trained("mps", "flow"),
    ),
    "coefficients left where the table is": (
        f"{MODELS}.process:broadcast",
        "values.to(like.device).reshape",
        "values.reshape",
        trained("mps", DIGITS),
    ),
    "coefficients moved before they are float32": (
        f"{MODELS}.process:broadcast",
        "values.to(like.device)",
        "values.double().to(like.device)",
        trained("mps", DIGITS),
    ),
    "noise left on the CPU": (
        f"{MODELS}.sample:Noise.draw",
        "torch.stack(drawn).to(self.device)",
        "torch.stack(drawn)",
        sampled("cuda"),
    ),
    "a time for each sample, on the CPU": (
        f"{MODELS}.denoise:Predictor.predict",
        "x_t.new_full((len(x_t),), self.process.fraction(t))",
        "torch.full((len(x_t),), self.process.fraction(t))",
        sampled("cuda", "straight line"),
    ),
    "a noise level on the CPU": (
        f"{MODELS}.denoise:PosteriorMean.predict",
        "(noise / signal).to(x_t.device)",
        "(noise / signal)",
        sampled("cuda", of="posterior mean"),
    ),
    "a kernel on the CPU": (
        f"{MODELS}.filters:gaussian_blur",
        "device=images.device",
        "device='cpu'",
        sampled("cuda", of="factorized, low and high"),
    ),
    "pictures through numpy": (
        f"{MODELS}.views:_taken",
        "values.reshape(*values.shape[:-2], -1)",
        "(values if isinstance(values, np.ndarray) else values.new_tensor(values.numpy())).reshape(*values.shape[:-2], -1)",
        sampled("mps", of="anagram, negative"),
    ),
    "starts of the CPU": (
        f"{MODELS}.sample:sdedit",
        "x_0 = originals.clone()",
        "x_0 = originals.cpu()",
        edited("cuda"),
    ),
    "a network left on the CPU": (
        "experiments.part_b.digits:quick",
        "network.to(device)",
        "network",
        ran_quickly("cuda"),
    ),
}
CHECKS = {of: fault for fault, (*_, of) in FAULTS.items()}  # many faults are found by the same check
QUICK = "the inputs of the first step for good", "a table in float64 for Apple", "noise left on the CPU"


def plant(monkeypatch: pytest.MonkeyPatch, place: str, old: str, new: str) -> None:
    """Let the function at *place*, module:name, be compiled from its source with *new* in place of *old*, wherever it is."""
    module, _, name = place.partition(":")
    owner: Any = importlib.import_module(module)
    *holders, last_name = name.split(".")
    for each in holders:
        owner = getattr(owner, each)
    original = getattr(owner, last_name)
    function = inspect.unwrap(original)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{place} has {source.count(old)} times {old!r}"
    code = compile(source.replace(old, new), place, "exec", __future__.annotations.compiler_flag)
    made: dict[str, Any] = {}
    exec(code, function.__globals__, made)
    monkeypatch.setattr(owner, last_name, made[last_name])
    for holder in list(sys.modules.values()):
        if getattr(holder, "__dict__", {}).get(last_name) is original:  # it was imported by name
            monkeypatch.setattr(holder, last_name, made[last_name])


@pytest.mark.parametrize("fault", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in FAULTS])
def test_a_planted_fault_is_found(digits, monkeypatch, fault):
    place, old, new, (kind, check) = FAULTS[fault]
    plant(monkeypatch, place, old, new)
    name, capability = KINDS[kind]
    with pytest.raises(FOUND), pretended(name, capability=capability):
        check(digits)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "check"), CHECKS, ids=CHECKS.values())
def test_without_the_fault_nothing_is_found(digits, kind, check):
    """What finds a fault is the fault."""
    name, capability = KINDS[kind]
    with pretended(name, capability=capability):
        check(digits)
