"""What the experiments of Part B share: digits, training with checkpoints, sampling with trajectories, weights.

Everything here needs torch, so experiments import it where they compute, not at the top: their figures are redrawn
on machines without torch.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from darkroom.diffusion.arithmetic import cast_once, exact_float32, fitting, sampling_dtype
from darkroom.diffusion.data import read_idx, to_bytes
from darkroom.diffusion.denoise import Denoiser, NoisePredictor, Predictor
from darkroom.diffusion.filters import gaussian_blur
from darkroom.diffusion.guidance import Guided
from darkroom.diffusion.process import Process
from darkroom.diffusion.sample import Noise, Step, ddpm, last
from darkroom.diffusion.train import Objective, Recipe, Report, Trainer, seeded, tensors
from darkroom.diffusion.unet import CLASSES, for_inference
from darkroom.lab import Dataset, Run
from experiments.part_b.panels import frame_times

SIDE = 28
SAVE_EVERY_S = 60.0
AT_ONCE = {"cpu": 100, "mps": 1000, "cuda": 2000}  # what fits the caches, or is as quick as more
NUMBERS_EACH = 800_000  # alive at once for a digit, at the largest width
Arrays = dict[str, np.ndarray]


class Sampler(Protocol):
    """A sampler of :mod:`darkroom.diffusion.sample`."""

    def __call__(
        self, denoiser: Denoiser, noise: Noise, /, *, x_T: Tensor | None = None, times: Sequence[float] | None = None
    ) -> Iterator[Step]:
        """Its steps."""


def load(mnist: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28) and labels (N,), uint8, of *split* "train" (60,000) or "t10k" (the 10,000 test digits)."""
    names = f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"
    images, labels = (read_idx(mnist.read(name), name) for name in names)
    return images, labels


def trainer(
    run: Run,
    mnist: Dataset,
    build: Callable[[], nn.Module],
    objective: Objective,
    recipe: Recipe,
    seed: int,
) -> Trainer:
    """A trainer, on MNIST's training digits, of the network that *build* makes."""
    images, labels = load(mnist, "train")
    return Trainer(seeded(build, seed), objective, recipe, images, labels, device=run.device, seed=seed)


class Trainings:
    """The trainings of one run, one after the other; each goes on from the last checkpoint where there is one."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._state: dict[str, Any] = run.load() or {"done": {}}

    def train(
        self,
        build: Callable[[], Trainer],
        snapshot: Callable[[int, Trainer], Mapping[str, np.ndarray]],
        epochs: Collection[int],
        name: str = "",
    ) -> tuple[np.ndarray, Arrays]:
        """Train to the end.

        Args:
            build: makes the trainer; not called where this training was finished before.
            snapshot: called after each of *epochs* with its number and the trainer.
            name: of this training among those of the run.

        Returns:
            the loss of every step, and everything that *snapshot* gave.
        """
        done: dict[str, Any] = self._state["done"]
        if name not in done:
            trainer = build()
            losses, kept = [], {}
            if self._state.get("name") == name:
                trainer.restore(self._state["trainer"])
                losses, kept = [self._state["losses"]], dict(self._state["kept"])
            saved = time.monotonic()
            for report in trainer.run():
                losses.append(report.losses)
                if report.finished_epoch in epochs:
                    kept |= snapshot(report.finished_epoch, trainer)
                self._report(name, report)
                if report.finished_epoch or time.monotonic() - saved > SAVE_EVERY_S:
                    state = {"trainer": trainer.state(), "losses": np.concatenate(losses), "kept": kept}
                    self.run.save({"done": done, "name": name, **state})
                    saved = time.monotonic()
            done[name] = {"loss": np.concatenate(losses), "kept": kept}
            self._state = {"done": done}
            self.run.save(self._state)
        return done[name]["loss"], done[name]["kept"]

    def _report(self, name: str, report: Report) -> None:
        unit = f"steps of {name}" if name else "steps"
        numbers = {"epoch": report.epoch, "loss": float(report.losses.mean())}
        self.run.progress(report.step, report.steps, unit=unit, **numbers)


def trained(
    run: Run,
    trainer: Trainer,
    snapshot: Callable[[int, nn.Module], Mapping[str, np.ndarray]],
    epochs: Collection[int],
) -> tuple[np.ndarray, Arrays]:
    """Train to the end, from the last checkpoint if there is one.

    Args:
        snapshot: called after each of *epochs* with its number and the network ready for inference.

    Returns:
        the loss of every step, and everything that *snapshot* gave.
    """

    def of_network(epoch: int, trainer: Trainer) -> Mapping[str, np.ndarray]:
        return snapshot(epoch, for_inference(trainer.network))

    return Trainings(run).train(lambda: trainer, of_network, epochs)


def quick(network: nn.Module, device: str) -> Callable[..., Tensor]:
    """*network* on *device*, run without gradients in what the device is quick in; gives float32."""
    dtype = sampling_dtype(device)
    network = cast_once(network.to(device), dtype)
    at_once = fitting(device, AT_ONCE[device], NUMBERS_EACH * dtype.itemsize)

    @torch.inference_mode()
    def call(*inputs: Tensor) -> Tensor:
        parts = zip(*(value.split(at_once) for value in inputs), strict=True)
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            return torch.cat([network(*part).float() for part in parts])

    return call


def read(network: nn.Module, images: np.ndarray, device: str) -> tuple[np.ndarray, np.ndarray]:
    """What a classifier that is ready for inference makes of uint8 *images*, (N, 28, 28).

    Returns:
        the digits that it reads, uint8 (N,), and its features, float32 (N, F), both computed in float32.
    """
    network = network.to(device)
    with torch.inference_mode(), exact_float32():
        batches = (torch.from_numpy(images.copy()).to(device)[:, None].float() / 255).split(1000)
        features = torch.cat([network.features(batch) for batch in batches])
        predicted = network.head(features).argmax(1)
    return predicted.byte().cpu().numpy(), features.float().cpu().numpy()


def probabilities(network: nn.Module, images: np.ndarray, device: str) -> np.ndarray:
    """How likely a classifier that is ready for inference holds each digit for uint8 *images*: float32 (N, 10)."""
    network = network.to(device)
    with torch.inference_mode(), exact_float32():
        batches = (torch.from_numpy(images.copy()).to(device)[:, None].float() / 255).split(1000)
        return torch.cat([network(batch).softmax(1) for batch in batches]).cpu().numpy()


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    """uint8 *images*, (N, 28, 28), under a Gaussian of *sigma* pixels."""
    soft = gaussian_blur(torch.from_numpy(images.copy())[:, None].float() / 255, sigma)
    return pixels(soft)


def shares_of_neighbours(images: np.ndarray, known: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Of the *count* images of *known* that are nearest to each image, pixel by pixel, the share of each digit, (N, 10)."""
    data = torch.from_numpy(known.copy()).float().flatten(1)
    of_known = torch.from_numpy(labels.astype(np.int64))
    rows = torch.from_numpy(images.copy()).float().flatten(1).split(256)
    nearest = torch.cat([torch.cdist(part, data).topk(count, largest=False).indices for part in rows])
    return torch.nn.functional.one_hot(of_known[nearest], CLASSES).float().mean(1).numpy()


def one_hot_digits(each: int, device: str) -> Tensor:
    """Conditions for *each* zeros, then as many ones, ..., nines: shape (10 * each, 10)."""
    return torch.eye(CLASSES, device=device).repeat_interleave(each, 0)


def guided(
    network: Callable[..., Tensor],
    process: Process,
    digits: Tensor,
    gamma: float,
    kind: type[Predictor] = NoisePredictor,
) -> Guided:
    """The class-conditioned *network* as a denoiser of *digits*, (B, 10), with classifier-free guidance.

    Args:
        kind: what the network predicts.
    """
    nothing = torch.zeros_like(digits[:1])
    return Guided(kind(network, process, (digits,)), kind(network, process, (nothing,)), gamma)


def noise(count: int, seed: int, device: str) -> Noise:
    """Noise for samples 0, ..., count - 1 of *seed*: sample k is the same whatever the count."""
    seeds = np.random.SeedSequence(seed).generate_state(count, np.uint64) >> np.uint64(1)
    return Noise([int(value) for value in seeds], (1, SIDE, SIDE), device)


def trajectory(
    denoiser: Denoiser,
    source: Noise,
    sampler: Sampler = ddpm,
    times: Sequence[float] | None = None,
    kept: Collection[float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Sampling with its steps kept, ancestral if no other *sampler* is given.

    Args:
        times: of the sampler; the process's own where None.
        kept: the times whose frames are kept; for a schedule of T times, those of ``frame_times(T)`` where None.

    Returns:
        the samples, uint8 (B, 28, 28), and the frames, packed, (F, B, 28, 14).
    """
    times = denoiser.process.checked(times)
    shown = set(frame_times(len(times) - 1) if kept is None else kept)
    x_T = source.draw()
    frames, x_0 = [], x_T
    for step in _with_start(x_T, times[0], sampler(denoiser, source, x_T=x_T, times=times)):
        x_0 = step.x_t
        if step.t in shown:
            frames.append(pack(pixels(x_0)))
    return pixels(x_0), np.stack(frames)


def samples(denoiser: Denoiser, source: Noise, sampler: Sampler, times: Sequence[float] | None = None) -> np.ndarray:
    """What *sampler* ends with, uint8 (B, 28, 28)."""
    return pixels(last(sampler(denoiser, source, times=times)).x_t)


def pixels(images: Tensor) -> np.ndarray:
    """(B, 1, H, W) in [0, 1], clipped, as uint8 (B, H, W)."""
    return to_bytes(images[:, 0].float().cpu().numpy())


def pack(images: np.ndarray) -> np.ndarray:
    """uint8 images (..., W) at 16 grey levels, two pixels a byte: (..., W / 2)."""
    levels = (images.astype(np.uint16) + 8) // 17
    return (levels[..., ::2] << 4 | levels[..., 1::2]).astype(np.uint8)


def half_precision(network: nn.Module) -> Arrays:
    """The network's numbers for storage: matrices and kernels in float16, biases and batch norms as they are."""
    return {
        name: (value.half() if value.ndim > 1 and value.is_floating_point() else value).cpu().numpy().copy()
        for name, value in network.state_dict().items()
    }


def as_stored(network: nn.Module) -> nn.Module:
    """A copy of *network* as it comes back from storage, its matrices rounded to float16, ready for inference."""
    return restored(copy.deepcopy(network), half_precision(network))


def restored(network: nn.Module, weights: Mapping[str, np.ndarray]) -> nn.Module:
    """*network* with stored *weights*, ready for inference."""
    loaded = {name: value.float() if value.is_floating_point() else value for name, value in tensors(weights).items()}
    network.load_state_dict(loaded)
    return for_inference(network)


def _with_start(x_T: Tensor, T: float, steps: Iterator[Step]) -> Iterator[Step]:
    yield Step(T, x_T, x_T)
    yield from steps
