"""Drawings that several experiments of Part B share. numpy and darkroom.figures alone, so that they redraw anywhere."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from darkroom.figures import Drawing, Panel, Series, animation, line_plot, sheet, slides
from darkroom.lab import Results

FRAMES_BELOW = 8
Arrange = Callable[[np.ndarray], np.ndarray]


def by_epoch(loss: np.ndarray, epochs: int) -> dict[str, float]:
    """The mean loss of each epoch, named by its number from 1."""
    return {str(number): float(part.mean()) for number, part in enumerate(loss.reshape(epochs, -1), 1)}


def loss_curve(loss: np.ndarray, test: dict[str, float] | None = None, y_label: str = "mean squared error") -> Drawing:
    """Loss by step on a logarithmic axis, with the test loss after each epoch where there is one."""
    curves = [Series("training", np.arange(1, len(loss) + 1), loss, style="noisy")]
    if test:
        ends = np.arange(1, len(test) + 1) * (len(loss) / len(test))
        curves.append(Series("test, by epoch", ends, list(test.values()), style="points"))
    return line_plot(curves, x_label="step", y_label=y_label, log_y=True, format=".4f")


def sample_sheets(results: Results, columns: int, arranged: Arrange = np.asarray) -> Drawing:
    """A sheet of samples, *arranged*, for each shown epoch, under one slider."""
    epochs = results.parameters["shown_epochs"]
    sheets = [sheet(arranged(results[f"samples_{epoch}"]), columns) for epoch in epochs]
    return slides(sheets, labels=[f"epoch {epoch}" for epoch in epochs], alt="Samples after {label}.")


def even_sheet(pictures: np.ndarray, most: int) -> np.ndarray:
    """All *pictures* on one sheet, at most *most* in a row, with as few empty places as that many rows can have."""
    rows = max(-(-len(pictures) // most), 1)
    return sheet(pictures, -(-len(pictures) // rows))


def sampling_films(results: Results, columns: int, arranged: Arrange = np.asarray) -> Drawing:
    """A film for each shown epoch: its samples, *arranged*, coming out of noise by ancestral sampling.

    While there is nothing but noise to see, which is also what takes most room, every other frame is left out.
    """
    T = results.parameters["T"]
    times = [(row, t) for row, t in enumerate(frame_times(T)) if t <= 2 * T / 3 or t % 20 == 0 or t == T]
    return _films(results, [row for row, _ in times], [f"t = {t}" for _, t in times], columns, arranged)


def flow_films(results: Results, columns: int, arranged: Arrange = np.asarray) -> Drawing:
    """A film for each shown epoch: its samples, *arranged*, as they flow from noise to digits."""
    times = flow_frame_times(results.parameters["T"])
    return _films(results, list(range(len(times))), [f"t = {t:.2f}" for t in times], columns, arranged)


def _films(results: Results, rows: list[int], labels: list[str], columns: int, arranged: Arrange) -> Drawing:
    epochs = results.parameters["shown_epochs"]
    films = [
        np.stack([sheet(arranged(frame), columns) for frame in unpacked(results[f"frames_{epoch}"][rows])])
        for epoch in epochs
    ]
    shown = [
        Panel(f"epoch {epoch}", f"Noise turns into the samples of epoch {epoch}.", film)
        for epoch, film in zip(epochs, films, strict=True)
    ]
    return animation(shown, fps=12, hold_last_s=2.0, labels=labels)


def frame_times(T: int) -> list[int]:
    """The times that a trajectory keeps, falling: every tenth, and each of the last eight, where detail appears."""
    return [t for t in range(T, -1, -1) if t % 10 == 0 or t == T or t < FRAMES_BELOW]


def flow_frame_times(T: int, most: int = 50) -> list[float]:
    """The times that a trajectory of T Euler steps keeps, rising from 0 to 1: every step, or every n-th of many."""
    return [i / T for i in range(T + 1) if i % max(T // most, 1) == 0 or i == T]


def unpacked(frames: np.ndarray) -> np.ndarray:
    """uint8 images (..., W) from 16 grey levels at two pixels a byte (..., W / 2)."""
    levels = np.stack([frames >> 4, frames & 15], axis=-1)
    return (levels * 17).astype(np.uint8).reshape(*frames.shape[:-1], -1)


def as_png(images: np.ndarray) -> np.ndarray:
    """uint8 images (N, H, W) at 16 grey levels, one below the other, as the bytes of a PNG: a fifth of the room."""
    from PIL import Image

    levels = (images.astype(np.uint16) + 8) // 17 * 17
    stored = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8).reshape(-1, images.shape[-1])).save(stored, "PNG", optimize=True)
    return np.frombuffer(stored.getvalue(), np.uint8)


def from_png(stored: np.ndarray) -> np.ndarray:
    """The square images that :func:`as_png` stored, uint8 (N, W, W)."""
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(stored.tobytes())))
    return pixels.reshape(-1, pixels.shape[1], pixels.shape[1])


def a_column_a_digit(samples: np.ndarray) -> np.ndarray:
    """Samples that stand digit by digit, (10 * n, H, W), in the reading order of a sheet with a column a digit."""
    return samples.reshape(10, -1, *samples.shape[1:]).swapaxes(0, 1).reshape(samples.shape)
