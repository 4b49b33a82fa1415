"""2.2 A time-conditioned network by flow matching."""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, Panel, Series, animation, line_plot, tiles
from darkroom.lab import Dataset, Results, Run, dataset, experiment


@experiment(device="gpu", minutes=60)
def flow_time(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    *,
    width: int = 64,
    batch: int = 64,
    epochs: int = 10,
    learning_rate: float = 1e-2,
    T: int = 50,
    shown_epochs: tuple[int, ...] = (1, 5, 10),
    count: int = 10,
    seed: int = 180,
) -> dict[str, object]:
    """The time-conditioned U-Net, trained on the velocity, and what it samples.

    To return: ``loss`` (steps,); for each epoch that is shown, ``samples_1`` and so on uint8 (count, 28, 28), and
    ``frames_1`` and so on uint8 (frames, count, 28, 28).
    """
    raise NotImplementedError


@flow_time.figure(
    caption="The loss of every step.",
    alt="A curve that falls steeply, then slowly.",
)
def loss(results: Results) -> Drawing:
    """Over steps."""
    loss = results["loss"]
    return line_plot([Series("loss", range(1, len(loss) + 1), loss)], x_label="step", y_label="loss", log_y=True)


@flow_time.figure(
    caption="Samples after several epochs, from the same noise.",
    alt="Rows of digits, clearer from epoch to epoch.",
)
def samples(results: Results) -> Drawing:
    """A row for each epoch."""
    epochs = results.parameters["shown_epochs"]
    rows = [results[f"samples_{epoch}"] for epoch in epochs]
    return tiles(rows, rows=[f"epoch {epoch}" for epoch in epochs], alt="Sample {column_number}, {row}.", scale=1)


@flow_time.figure(
    caption="Sampling after several epochs.",
    alt="Films of digits that come out of noise.",
)
def films(results: Results) -> Drawing:
    """A film for each epoch, ten samples in a row."""
    panels = []
    for epoch in results.parameters["shown_epochs"]:
        frames = np.concatenate(list(results[f"frames_{epoch}"].swapaxes(0, 1)[:10]), axis=2)
        panels.append(Panel(f"Epoch {epoch}", f"Digits that come out of noise, epoch {epoch}.", frames))
    return animation(panels)
