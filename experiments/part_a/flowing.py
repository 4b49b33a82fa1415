"""How ``part_a/flow`` asks the chosen model: as a flow along the straight line, by Euler's method.

Needs torch, so the experiment imports it where it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from darkroom.diffusion import filters, views
from darkroom.diffusion.denoise import Denoiser, Refitted
from darkroom.diffusion.flow import StraightLine, as_flow
from darkroom.diffusion.guidance import Anagram, Factorized
from darkroom.diffusion.sample import euler, last, sdedit
from experiments.cascade import Pipeline, seeds_of, to_bytes, to_tensor
from experiments.part_a.choosing import agreements

LINE = StraightLine()
Arrays = dict[str, np.ndarray]


class Flowing:
    """Stage I as a flow; pictures are (B, 3, side, side) in [-1, 1], results uint8 (B, side, side, 3).

    Args:
        pipeline: stage I, and its prompts.
        steps: of Euler's method, from noise to picture.
        seed: of the noise that pictures are mixed with.
    """

    def __init__(self, pipeline: Pipeline, steps: int, seed: int) -> None:
        self.pipeline, self.steps, self.seed = pipeline, steps, seed

    def flow(self, denoiser: Denoiser) -> Denoiser:
        """*denoiser* along the straight line, its estimates held to the range of pictures, its noise refitted to them."""
        return as_flow(Refitted(self.pipeline.stage.finished(denoiser)))

    def sample(self, denoiser: Denoiser, seeds: Sequence[int]) -> np.ndarray:
        """Pictures from noise."""
        walk = euler(self.flow(denoiser), self.pipeline.noise(seeds), times=LINE.times(self.steps))
        return to_bytes(last(self.pipeline.reported(walk, self.steps)).x_t)

    def estimates(self, x_1: Tensor, prompt: str, times: Sequence[float], sigmas: Sequence[float]) -> Arrays:
        """One picture at each of *times*, from one eps: the best blur, one step, and the update that the step makes."""
        asked, eps = self.flow(self.pipeline.denoiser(prompt, gamma=1)), self.pipeline.noise([self.seed]).draw()
        noisy = [LINE.noised(x_1, t, eps) for t in times]
        predictions = [asked(x_t, t) for x_t, t in zip(noisy, times, strict=True)]
        updates = [
            (1 - t) * LINE.velocity(found.x_0, t, found.eps) for found, t in zip(predictions, times, strict=True)
        ]
        once = [x_t + update for x_t, update in zip(noisy, updates, strict=True)]
        blurs = [
            [filters.gaussian_blur(x_t / t, width) for width in sigmas] for x_t, t in zip(noisy, times, strict=True)
        ]
        best = [int(np.argmin([mse(blur, x_1) for blur in row])) for row in blurs]
        blurred = [row[number] for row, number in zip(blurs, best, strict=True)]
        return {
            "noisy": to_bytes(torch.cat(noisy)),
            "blurred": to_bytes(torch.cat(blurred)),
            "sigma": np.array([sigmas[number] for number in best]),
            "one_step": to_bytes(torch.cat(once)),
            "predicted_update": _halves(updates),
            "true_update": _halves([x_1 - x_t for x_t in noisy]),
            "mse": np.array([[mse(blur, x_1), mse(step, x_1)] for blur, step in zip(blurred, once, strict=True)]),
        }

    def path(self, x_1: Tensor, prompt: str, start: float) -> Arrays:
        """One picture, noised to *start*, at every step from there to the end, with its errors."""
        x_t = LINE.noised(x_1, start, self.pipeline.noise([self.seed]).draw())
        times = [t for t in LINE.times(self.steps) if t >= start]
        asked = self.flow(self.pipeline.denoiser(prompt, gamma=1))
        walk = euler(asked, self.pipeline.noise([self.seed]), x_T=x_t, times=times)
        steps = list(self.pipeline.reported(walk, len(times) - 1))
        path = [x_t, *(step.x_t for step in steps)]
        return {
            "path": to_bytes(torch.cat(path)),
            "path_times": np.array(times),
            "path_mse": np.array([mse(picture, x_1) for picture in path]),
            "estimate_mse": np.array([mse(step.x_0, x_1) for step in steps]),
        }

    def edited(self, originals: Tensor, prompts: Sequence[str], starts: Sequence[float], gamma: float) -> np.ndarray:
        """Pictures carried on from each start, with a prompt each: uint8 (pictures, starts, side, side, 3).

        All go through the network as one batch, along the steps of :meth:`sample` and the starts between them.
        """
        times = sorted({t for t in LINE.times(self.steps) if t >= min(starts)} | set(starts))
        asked = self.flow(self.pipeline.denoiser([prompt for prompt in prompts for _ in starts], gamma))
        noise = self.pipeline.noise([seed for seed in seeds_of(self.seed, len(originals)) for _ in starts])
        repeated = originals.repeat_interleave(len(starts), 0)
        walk = sdedit(asked, noise, repeated, list(starts) * len(originals), times=times, variance="none")
        drawn = to_bytes(last(self.pipeline.reported(walk, len(times) - 1)).x_t)
        return drawn.reshape(len(originals), len(starts), *drawn.shape[1:])

    def anagrams(self, pairs: Sequence[tuple[str, str]], gamma: float, seeds: Sequence[int]) -> Arrays:
        """Pictures of the first prompt that, after a half turn, are of the second: each branch guided."""

        def joined(first: Denoiser, second: Denoiser) -> Denoiser:
            return Anagram(((first, views.identity), (second, views.half_turn)))

        return self._illusions("anagrams", pairs, gamma, seeds, joined, lambda drawn: drawn[:, ::-1, ::-1], turned=1)

    def hybrids(
        self, pairs: Sequence[tuple[str, str]], gamma: float, seeds: Sequence[int], sigma: float, kernel: int
    ) -> Arrays:
        """Pictures of the first prompt from afar, in low frequencies, and of the second from near, in high ones."""
        split = filters.low_high(sigma, kernel)

        def afar(drawn: np.ndarray) -> np.ndarray:
            return to_bytes(split(to_tensor(drawn))[0])

        return self._illusions("hybrids", pairs, gamma, seeds, lambda a, b: Factorized((a, b), split), afar, turned=0)

    def _illusions(
        self,
        name: str,
        pairs: Sequence[tuple[str, str]],
        gamma: float,
        seeds: Sequence[int],
        joined: Callable[[Denoiser, Denoiser], Denoiser],
        seen: Callable[[np.ndarray], np.ndarray],
        *,
        turned: int,
    ) -> Arrays:
        """Pictures with two readings, what is *seen* of each, and how well both agree with their prompts.

        Args:
            turned: which of the two prompts is that of what is seen, 0 or 1.
        """
        results: dict[str, list[np.ndarray]] = {name: [], f"{name}_seen": [], f"{name}_scores": []}
        for pair in pairs:
            drawn = self.sample(joined(*(self.pipeline.denoiser(prompt, gamma) for prompt in pair)), seeds)
            other = np.ascontiguousarray(seen(drawn))
            readings = (other, drawn) if turned == 0 else (drawn, other)
            scores = [agreements(self.pipeline, *reading, seeds) for reading in zip(readings, pair, strict=True)]
            for key, value in zip(results, (drawn, other, np.stack(scores, 1)), strict=True):
                results[key].append(value)
        return {key: np.stack(values) for key, values in results.items()}


def mse(picture: Tensor, truth: Tensor) -> float:
    """Mean squared error of pixels in [-1, 1]."""
    return (picture - truth).square().mean().item()


def _halves(updates: Sequence[Tensor]) -> np.ndarray:
    """Updates, each (1, 3, side, side), as float16 (B, side, side, 3)."""
    return torch.cat(list(updates)).permute(0, 2, 3, 1).half().cpu().numpy()
