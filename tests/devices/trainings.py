"""A small training of every objective, and what must hold of it on a device that captures its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from darkroom.diffusion import schedules
from darkroom.diffusion.cascade import Captions, TextToImage, TextToImageLoss
from darkroom.diffusion.classifier import Classifier
from darkroom.diffusion.train import (
    Classification,
    Denoising,
    FlowMatching,
    FromNoise,
    NoisePrediction,
    Objective,
    Recipe,
    State,
    Trainer,
    VelocityPrediction,
    seeded,
)
from darkroom.diffusion.unet import ClassUNet, TimeUNet, UNet

PLAIN = Recipe(2, 16, 1e-3, 0.5)
EVERYTHING = Recipe(2, 16, 1e-3, warmup=2, cosine=True, weight_decay=0.1, clip=1.0, averaging=0.9)
RECIPES = {"plain": PLAIN, "everything": EVERYTHING}
Making = Callable[[str], tuple[Callable[[], nn.Module], Objective]]
T = 20


def _on(device: str) -> schedules.Schedule:
    return schedules.linear(T).to(device)


def text_to_image(device: str, **options: Any) -> tuple[Callable[[], nn.Module], Objective]:
    """Pictures of 16 x 16 by a U-Net of Pocket IF's kind, of prompts that are embedded already."""
    from tests.diffusion.cascades import unet

    words = torch.randn((11, 77, 16), generator=torch.Generator().manual_seed(1)).to(device)
    captions = Captions(words, torch.ones((11, 77), dtype=torch.int64).to(device))
    return lambda: TextToImage(unet(16).train(), None), TextToImageLoss(_on(device), captions, side=16, **options)


OBJECTIVES: dict[str, Making] = {
    "denoising": lambda device: (lambda: UNet(4), Denoising(0.5)),
    "from noise": lambda device: (lambda: UNet(4), FromNoise()),
    "noise": lambda device: (lambda: TimeUNet(4), NoisePrediction(_on(device))),
    "noise, of digits": lambda device: (lambda: ClassUNet(4), NoisePrediction(_on(device), drop=0.1)),
    "velocity": lambda device: (lambda: TimeUNet(4), VelocityPrediction(_on(device))),
    "flow": lambda device: (lambda: TimeUNet(4), FlowMatching()),
    "flow, of digits": lambda device: (lambda: ClassUNet(4), FlowMatching(drop=0.1, spread=1.0)),
    "classes": lambda device: (lambda: Classifier(4), Classification(2)),
    "text to image": text_to_image,
    "text to image, pooled": lambda device: text_to_image(device, pooled=2, drop=0.5),
}


def trainer(name: str, recipe: Recipe, digits: tuple[np.ndarray, np.ndarray], device: str) -> Trainer:
    """The training of the objective *name*, at its beginning."""
    build, objective = OBJECTIVES[name](device)
    images, labels = digits
    if "text" in name:
        images, labels = images[:, None].repeat(3, 1), labels.astype(np.int64) + 1
    return Trainer(seeded(build, 3), objective, recipe, images, labels, device=device, seed=3)


def losses_of(trainer: Trainer) -> np.ndarray:
    """The loss of every step, to the end, reported every other step."""
    return np.concatenate([report.losses for report in trainer.run(2)])


def uncaptured(trainer: Trainer) -> Trainer:
    """*trainer*, its steps run one operation at a time even on CUDA."""
    trainer._captured_update = lambda: trainer._update  # type: ignore[method-assign]
    return trainer


def check_captured(name: str, recipe: Recipe, digits: tuple[np.ndarray, np.ndarray]) -> None:
    """A step that is captured and replayed is the step: the same losses and the same end, to the bit."""
    plain, captured = uncaptured(trainer(name, recipe, digits, "cuda")), trainer(name, recipe, digits, "cuda")
    expected, losses = losses_of(plain), losses_of(captured)
    assert len(losses) == recipe.epochs * (len(digits[0]) // recipe.batch)
    assert np.array_equal(losses, expected)
    assert_same(stored(plain.state()), stored(captured.state()))


def check_resumed(name: str, recipe: Recipe, digits: tuple[np.ndarray, np.ndarray], device: str) -> None:
    """Taken up from a checkpoint after two steps, a training ends as if it had never stopped, to the bit."""
    straight, first, second = (trainer(name, recipe, digits, device) for _ in range(3))
    losses = losses_of(straight)
    next(first.run(2))
    second.restore(stored(first.state()))
    assert np.array_equal(losses_of(second), losses[2:])
    assert_same(stored(straight.state()), stored(second.state()))


def check_gradients(name: str, digits: tuple[np.ndarray, np.ndarray], device: str, tolerance: float) -> None:
    """Of the CPU's first batch, each weight has on *device* the loss and the gradient that it has on the CPU."""
    here, there = (trainer(name, PLAIN, digits, each) for each in ("cpu", device))
    drawn = here._draw(here._order(0)[0])
    losses, gradients = [], []
    for each in (here, there):
        each.network.train()
        loss = each.objective.loss(each.network, *(value.to(each.device) for value in drawn))
        loss.backward()
        losses.append(loss.item())
        named = each.network.named_parameters()
        gradients.append({of: weight.grad.cpu() for of, weight in named if weight.grad is not None})
    assert abs(losses[1] - losses[0]) < tolerance * abs(losses[0])
    expected, found = gradients
    assert found.keys() == expected.keys()
    whole = sum(gradient.square().sum().item() for gradient in expected.values()) ** 0.5
    apart = {of: (found[of] - gradient).norm().item() / whole for of, gradient in expected.items()}
    assert not [of for of, distance in apart.items() if not distance < tolerance], apart


def stored(state: State) -> State:
    """A state as a checkpoint brings it back: arrays, in main memory, their own."""
    if isinstance(state, dict):
        return {name: stored(value) for name, value in state.items()}
    return np.array(state.detach().cpu().numpy(), order="C") if isinstance(state, Tensor) else state


def assert_same(one: State, other: State) -> None:
    """Both hold the same, to the bit."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, dict):
            assert_same(value, other[name])
        else:
            assert np.array_equal(value, other[name]), name
