"""Drawings and numbers that the experiments of Pocket IF share. No torch, so that they redraw anywhere."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from darkroom.figures import Drawing, Series, line_plot
from darkroom.lab import Results


def loss_curve(results: Results) -> Drawing:
    """The loss by step, on a logarithmic axis."""
    loss = results["loss"]
    training = Series("training", np.arange(1, len(loss) + 1), loss, style="noisy")
    return line_plot([training], x_label="step", y_label="loss", log_y=True, format=".4f")


def parameter_count(pipeline: Path) -> int:
    """How many numbers the networks of a pipeline's folder hold."""
    return sum(_count(path) for path in sorted(pipeline.rglob("*.safetensors")))


def _count(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
