"""Choosing among seeds by rule: how well each reading of a picture agrees with its prompt, by the model's own account.

Needs torch; experiments import it where they compute.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from darkroom.diffusion.agreement import agreement
from darkroom.diffusion.schedules import Schedule
from experiments.cascade import NULL, Pipeline, to_tensor

ASKED_AT = (250, 400, 550, 700)
ASKED_AT_OF_FLOW = (0.71, 0.58, 0.46, 0.34)  # as much noise for the picture as DeepFloyd's schedule has at those


def agreements(pipeline: Pipeline, pictures: np.ndarray, prompt: str, seeds: Sequence[int]) -> np.ndarray:
    """How well uint8 pictures (B, side, side, 3) agree with *prompt*, (B,): greater is better, 0 is not at all."""
    asked, null = (pipeline.denoiser(text, gamma=1) for text in (prompt, NULL))
    seen = to_tensor(pictures).to(pipeline.device)
    times = ASKED_AT if isinstance(asked.process, Schedule) else ASKED_AT_OF_FLOW
    return agreement(asked, null, seen, pipeline.noise(seeds), times).cpu().numpy().astype(np.float64)
