"""Training: one generator that yields as it goes, and the objectives that it minimises.

For speed, the data set stays on the device as bytes; batches, times and noise are drawn there; the network
runs in bfloat16 or float16 (autocast) with channels last where the device is quick in it; Adam is fused; losses stay on
the device until they are reported; on CUDA a whole step is captured once as a graph and replayed. In float16 the loss
is scaled, and a step whose gradients overflow is left out, all of it on the device.

For reproducibility, the draws of step n come from a generator seeded by (seed, n) alone. A run that is resumed from
a checkpoint at any step therefore continues as if it had never stopped, on the CPU bit for bit. Networks that draw
noise of their own, such as dropout, would not, and are refused.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot

from darkroom.diffusion.arithmetic import training_dtype
from darkroom.diffusion.flow import StraightLine
from darkroom.diffusion.process import Process
from darkroom.diffusion.schedules import Schedule
from darkroom.diffusion.unet import CLASSES

State = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train. A last batch of an epoch that would be smaller is left out.

    Args:
        learning_rate: of Adam, at its height.
        decay: multiplies the rate once an epoch.
        warmup: steps over which the rate rises to its height.
        cosine: let the rate fall to 0 at the end along half a cosine, in place of ``decay``.
        weight_decay: decoupled (AdamW).
        clip: the length that gradients are cut to; None to leave them.
        averaging: per step, the share that the moving average of weights keeps of itself; None for no average.
    """

    epochs: int
    batch: int
    learning_rate: float
    decay: float = 1.0
    warmup: int = 0
    cosine: bool = False
    weight_decay: float = 0.0
    clip: float | None = None
    averaging: float | None = None

    def rate(self, step: int, steps_an_epoch: int) -> float:
        """The learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.cosine:
            return self.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / (self.epochs * steps_an_epoch)))
        return self.learning_rate * rise * self.decay ** (step // steps_an_epoch)


@dataclass(frozen=True, eq=False)
class Report:
    """Where training stands: ``step`` of ``steps`` done, and ``losses`` of every step since the last report."""

    step: int
    steps: int
    epoch: float
    losses: np.ndarray

    @property
    def finished_epoch(self) -> int | None:
        """The number of the epoch that has just ended, from 1, or None during an epoch."""
        return int(self.epoch) if self.epoch == int(self.epoch) else None


class Objective(Protocol):
    """What a network learns: random draws of a batch, separate from the loss so that the loss can be captured as a graph."""

    def draw(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Everything that the loss needs, for images (B, 1, H, W) in [0, 1] and labels (B,)."""

    def loss(self, network: nn.Module, *drawn: Tensor) -> Tensor:
        """The loss, a scalar in float32."""


@dataclass(frozen=True)
class Denoising:
    """Learn x from z = x + sigma eps, in squared error."""

    sigma: float

    def draw(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """z and x."""
        return images + self.sigma * _normal_like(images, generator), images

    def loss(self, network: nn.Module, z: Tensor, x: Tensor) -> Tensor:
        """|network(z) - x|^2, averaged over pixels."""
        return mse_loss(network(z).float(), x)


@dataclass(frozen=True)
class FromNoise:
    """Learn x from eps alone, which is independent of it: the least squared error is the mean of all x."""

    def draw(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """eps and x."""
        return _normal_like(images, generator), images

    def loss(self, network: nn.Module, eps: Tensor, x: Tensor) -> Tensor:
        """|network(eps) - x|^2, averaged over pixels."""
        return mse_loss(network(eps).float(), x)


@dataclass(frozen=True, eq=False)
class NoisePrediction:
    """Learn eps from x_t and t / T (Ho et al. 2020, eq. 14), and from the digit if ``drop`` is given.

    Args:
        schedule: t is drawn evenly from 1, ..., T.
        drop: the share of digits that are hidden, so that one network learns the unconditional case too (Ho and
            Salimans 2022); None for a network that takes no digit.
    """

    schedule: Schedule
    drop: float | None = None

    def draw(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """eps, x_t, t / T and, with ``drop``, the one-hot digit or zeros."""
        t = torch.randint(1, self.schedule.T + 1, (len(images),), generator=generator, device=images.device)
        eps = _normal_like(images, generator)
        drawn = eps, self.schedule.noised(images, t, eps), t / self.schedule.T
        return *drawn, *_digits(labels, self.drop, generator)

    def loss(self, network: nn.Module, eps: Tensor, x_t: Tensor, time: Tensor, *condition: Tensor) -> Tensor:
        """|network(x_t, t / T, digit) - eps|^2, averaged over pixels."""
        return mse_loss(network(x_t, time, *condition).float(), eps)


@dataclass(frozen=True, eq=False)
class VelocityPrediction:
    """Learn the velocity of a discrete schedule from x_t and t / T (Salimans and Ho 2022, section 4).

    Unlike eps it determines x_0 for a given x_t at every time, also where a schedule ends in noise alone.

    Args:
        schedule: t is drawn evenly from 1, ..., T.
    """

    schedule: Schedule

    def draw(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The velocity, x_t and t / T."""
        t = torch.randint(1, self.schedule.T + 1, (len(images),), generator=generator, device=images.device)
        eps = _normal_like(images, generator)
        return self.schedule.velocity(images, t, eps), self.schedule.noised(images, t, eps), t / self.schedule.T

    def loss(self, network: nn.Module, velocity: Tensor, x_t: Tensor, time: Tensor) -> Tensor:
        """|network(x_t, t / T) - velocity|^2, averaged over pixels."""
        return mse_loss(network(x_t, time).float(), velocity)


@dataclass(frozen=True)
class FlowMatching:
    """Learn the velocity x - eps from x_t = t x + (1 - t) eps and t (Lipman et al. 2023, eq. 23 with sigma_min = 0).

    Args:
        drop: the share of digits that are hidden; None for a network that takes no digit.
        spread: t is the logistic function of a normal variable with this standard deviation, which draws more of the
            times in the middle (Esser et al. 2024, eq. 19); None for times drawn evenly from [0, 1].
    """

    drop: float | None = None
    spread: float | None = None
    process: Process = field(default_factory=StraightLine)

    def draw(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The velocity, x_t, t and, with ``drop``, the one-hot digit or zeros."""
        size, device = (len(images),), images.device
        if self.spread is None:
            t = torch.rand(size, generator=generator, device=device)
        else:
            t = torch.sigmoid(self.spread * torch.randn(size, generator=generator, device=device))
        eps = _normal_like(images, generator)
        drawn = self.process.velocity(images, t, eps), self.process.noised(images, t, eps), t
        return *drawn, *_digits(labels, self.drop, generator)

    def loss(self, network: nn.Module, velocity: Tensor, x_t: Tensor, t: Tensor, *condition: Tensor) -> Tensor:
        """|network(x_t, t, digit) - velocity|^2, averaged over pixels."""
        return mse_loss(network(x_t, t, *condition).float(), velocity)


@dataclass(frozen=True)
class Classification:
    """Learn the digit, from images that are shifted by up to ``shift`` pixels each way."""

    shift: int = 2
    smoothing: float = 0.05

    def draw(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The shifted images and their labels."""
        size, height, width = len(images), images.shape[-2], images.shape[-1]
        moves = torch.randint(-self.shift, self.shift + 1, (2, size, 1), generator=generator, device=images.device)
        rows = (torch.arange(height, device=images.device) + moves[0]).clamp(0, height - 1)
        columns = (torch.arange(width, device=images.device) + moves[1]).clamp(0, width - 1)
        samples = torch.arange(size, device=images.device)[:, None, None]
        return images[samples, 0, rows[:, :, None], columns[:, None, :]][:, None], labels.long()

    def loss(self, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy with label smoothing."""
        return cross_entropy(network(images).float(), labels, label_smoothing=self.smoothing)


class Trainer:
    """A network in training, with everything that a checkpoint has to hold.

    Args:
        network: trained in place, on *device*.
        images: uint8, shape (N, H, W) or (N, C, H, W).
        labels: whole numbers, shape (N,), whose meaning the objective defines.

    Attributes:
        average: the network with the moving average of its weights; the network itself where there is none.

    Raises:
        ValueError: the network has dropout.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        recipe: Recipe,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        device: str,
        seed: int,
    ) -> None:
        _check_draws_nothing(network)
        self.dtype = training_dtype(device)
        layout = (
            torch.contiguous_format if self.dtype == torch.float32 else torch.channels_last
        )  # which is faster in it
        self.network = network.to(device, memory_format=layout)  # type: ignore[call-overload]
        self.objective, self.recipe = objective, recipe
        self.device, self.seed = device, seed
        pixels = torch.from_numpy(images.copy()).to(device)
        self.images = pixels[:, None] if pixels.ndim == 3 else pixels
        self.labels = torch.from_numpy(labels.copy()).to(device)
        self.average = self.network if recipe.averaging is None else copy.deepcopy(self.network)
        self.optimizer = _adam(self.network, recipe, device)
        self.scaler = torch.amp.GradScaler(device, enabled=self.dtype == torch.float16)
        self.generator = torch.Generator(device)
        self.steps_an_epoch = len(images) // recipe.batch
        self.step = 0

    def run(self, report_every: int = 50) -> Iterator[Report]:
        """Train to the end of the recipe; yield every *report_every* steps and after each epoch."""
        update = self._captured_update() if self.device == "cuda" else self._update
        steps, losses = self.recipe.epochs * self.steps_an_epoch, []
        for epoch in range(self.step // self.steps_an_epoch, self.recipe.epochs):
            for rows in self._order(epoch)[self.step % self.steps_an_epoch :]:
                self._set_rate()
                losses.append(update(*self._draw(rows)))
                self._follow()
                self.step += 1
                if self.step % report_every == 0 or self.step % self.steps_an_epoch == 0:
                    yield Report(self.step, steps, self.step / self.steps_an_epoch, torch.stack(losses).cpu().numpy())
                    losses = []

    def averaged(self, batches: int = 100) -> nn.Module:
        """A copy of the network with the moving average of its weights, ready to be used; see :meth:`recalibrated`."""
        return self.recalibrated(self.average, batches)

    @torch.no_grad()
    def recalibrated(self, network: nn.Module, batches: int = 100) -> nn.Module:
        """A copy of *network* whose batch norms have statistics of their own, taken over *batches* training batches.

        The ones that training has gathered are of other weights than an average's, and at a high rate of weights that have
        moved on since (Izmailov et al. 2018, section 3.2).
        """
        network = copy.deepcopy(network)
        norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        if not norms:
            return network.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        network.train()
        order = self._order(0)
        for number in range(min(batches, self.steps_an_epoch)):
            self.generator.manual_seed(_mixed(self.seed, number, 2))
            rows = order[number]
            drawn = self.objective.draw(self.images[rows].float() / 255, self.labels[rows], self.generator)
            with self._autocast():
                self.objective.loss(network, *drawn)
        return network.eval()

    def state(self) -> State:
        """What :meth:`restore` needs to go on from here."""
        moments, scaling = self.optimizer.state_dict()["state"], self.scaler.state_dict()
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimizer": {str(i): entry for i, entry in moments.items()},
            **({} if self.average is self.network else {"average": self.average.state_dict()}),
            **({"scaling": scaling} if scaling else {}),
        }

    def restore(self, state: State) -> None:
        """Go on from what :meth:`state` gave; tensors may have become numpy arrays on the way."""
        self.step = int(state["step"])
        self.network.load_state_dict(tensors(state["network"]))
        self.average.load_state_dict(tensors(state.get("average", state["network"])))  # type: ignore[arg-type]
        groups = self.optimizer.state_dict()["param_groups"]
        moments = {int(i): tensors(entry) for i, entry in state["optimizer"].items()}
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        for parameter, entry in self.optimizer.state.items():
            entry |= {name: _laid_out_as(parameter, value) for name, value in entry.items()}
        if "scaling" in state:
            self.scaler.load_state_dict(state["scaling"])

    def _order(self, epoch: int) -> Tensor:
        self.generator.manual_seed(_mixed(self.seed, epoch, 0))
        order = torch.randperm(len(self.images), generator=self.generator, device=self.device)
        used = self.steps_an_epoch * self.recipe.batch
        return order[:used].reshape(self.steps_an_epoch, self.recipe.batch)

    def _draw(self, rows: Tensor) -> tuple[Tensor, ...]:
        self.generator.manual_seed(_mixed(self.seed, self.step, 1))
        return self.objective.draw(self.images[rows].float() / 255, self.labels[rows], self.generator)

    def _set_rate(self) -> None:
        rate = self.recipe.rate(self.step, self.steps_an_epoch)
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def _update(self, *drawn: Tensor) -> Tensor:
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            loss = self.objective.loss(self.network, *drawn)
        self.scaler.scale(loss).backward()  # the scaler does nothing but in float16
        self.scaler.unscale_(self.optimizer)
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def _autocast(self) -> torch.autocast:
        half = torch.bfloat16 if self.dtype == torch.float32 else self.dtype
        return torch.autocast(self.device, half, enabled=self.dtype != torch.float32)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights, faster at first."""
        if self.recipe.averaging is None:
            return
        kept = min(self.recipe.averaging, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - kept)

    def _captured_update(self) -> Callable[..., Tensor]:
        """:meth:`_update` as a CUDA graph, captured at its first call; state is put back after the warm-up."""
        graph: torch.cuda.CUDAGraph | None = None
        held: tuple[Tensor, ...] = ()
        loss = torch.empty(0)

        def update(*drawn: Tensor) -> Tensor:
            nonlocal graph, held, loss
            if graph is None:
                held = tuple(value.clone() for value in drawn)
                graph = torch.cuda.CUDAGraph()
                with _quickest_convolutions():
                    self._warm_up(held)
                    with torch.cuda.graph(graph):
                        loss = self._update(*held)
            for mine, new in zip(held, drawn, strict=True):
                mine.copy_(new)
            graph.replay()
            return loss.clone()

        return update

    def _warm_up(self, held: tuple[Tensor, ...]) -> None:
        """Run the step a few times on a stream of its own, as capturing demands, and undo what it did."""
        weights = {name: value.clone() for name, value in self.network.state_dict().items()}
        scaling = self.scaler.state_dict()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*capturable=True.*")  # these steps are not the captured ones
            fresh = not self.optimizer.state
            before = [{name: value.clone() for name, value in entry.items()} for entry in self.optimizer.state.values()]
            for _ in range(3):
                self._update(*held)
        torch.cuda.current_stream().wait_stream(stream)
        self.scaler.load_state_dict(scaling)
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                value.copy_(weights[name])
            for position, entry in enumerate(self.optimizer.state.values()):
                for name, value in entry.items():
                    value.zero_() if fresh else value.copy_(before[position][name])


def tensors(arrays: dict[str, Any]) -> dict[str, Tensor]:
    """Each value as a tensor; a copy where it was a numpy array."""
    return {
        name: value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
        for name, value in arrays.items()
    }


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network with the initial weights that *seed* gives; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


@contextmanager
def _quickest_convolutions() -> Iterator[None]:
    """Let cuDNN try its algorithms for each convolution and keep to the quickest: shapes of a training never change."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _check_draws_nothing(network: nn.Module) -> None:
    kinds = nn.modules.dropout._DropoutNd, nn.RReLU
    for name, module in network.named_modules():
        if isinstance(module, kinds) and getattr(module, "p", 1.0):  # type: ignore[arg-type]
            raise ValueError(f"layer {name} ({type(module).__name__}) draws noise that no seed decides; leave it out")


def _adam(network: nn.Module, recipe: Recipe, device: str) -> torch.optim.Adam:
    kind = torch.optim.AdamW if recipe.weight_decay else torch.optim.Adam
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if device == "cuda":
        tensor = torch.tensor(rate, device=device)
        return kind(network.parameters(), tensor, weight_decay=decay, fused=True, capturable=True)
    return kind(network.parameters(), rate, weight_decay=decay, fused=True)


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """*value* with the strides of *parameter* where it has its shape: the fused optimiser takes them to be the same."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


def _digits(labels: Tensor, drop: float | None, generator: torch.Generator) -> tuple[Tensor, ...]:
    """One-hot digits (B, 10), the share *drop* of them zeros; nothing where that is None."""
    if drop is None:
        return ()
    kept = torch.rand(len(labels), generator=generator, device=labels.device) >= drop
    return (one_hot(labels.long(), CLASSES) * kept[:, None].float(),)


def _normal_like(images: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(images.shape, generator=generator, device=images.device)


def _mixed(seed: int, count: int, purpose: int) -> int:
    """One 63-bit seed for (seed, count, purpose), far from its neighbours' (numpy's SeedSequence)."""
    return int(np.random.SeedSequence((seed, purpose, count)).generate_state(1, np.uint64)[0] >> 1)
