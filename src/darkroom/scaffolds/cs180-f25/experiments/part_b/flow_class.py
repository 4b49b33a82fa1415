"""2.5 A class-conditioned network by flow matching."""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, Panel, Series, animation, line_plot, tiles
from darkroom.lab import Dataset, Results, Run, dataset, experiment


@experiment(device="gpu", minutes=60, results=("loss", "samples", "frames"))
def flow_class(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    *,
    width: int = 64,
    batch: int = 64,
    epochs: int = 10,
    learning_rate: float = 1e-2,
    T: int = 300,
    shown_epochs: tuple[int, ...] = (1, 5, 10),
    dropped: float = 0.1,
    gamma: float = 5.0,
    count: int = 40,
    seed: int = 180,
) -> dict[str, object]:
    """The same with classes, and guidance while sampling.

    To return: ``loss`` (steps,); ``samples`` uint8 (shown_epochs, count, 28, 28), after each epoch that is shown, and
    ``frames`` uint8 (shown_epochs, frames, count, 28, 28), as they were drawn.
    Four samples of each digit: count = 40.
    """
    raise NotImplementedError


@flow_class.figure(
    caption="The loss of every step.",
    alt="A curve that falls steeply, then slowly.",
)
def loss(results: Results) -> Drawing:
    """Over steps."""
    loss = results["loss"]
    return line_plot([Series("loss", range(1, len(loss) + 1), loss)], x_label="step", y_label="loss", log_y=True)


@flow_class.figure(
    caption="Samples after several epochs, from the same noise.",
    alt="Rows of digits, clearer from epoch to epoch.",
)
def samples(results: Results) -> Drawing:
    """A row for each epoch."""
    epochs = results.parameters["shown_epochs"]
    return tiles(
        results["samples"], rows=[f"epoch {epoch}" for epoch in epochs], alt="Sample {column_number}, {row}.", scale=1
    )


@flow_class.figure(
    caption="Sampling after several epochs.",
    alt="Films of digits that come out of noise.",
)
def films(results: Results) -> Drawing:
    """A film for each epoch, ten samples in a row."""
    panels = []
    for epoch, drawn in zip(results.parameters["shown_epochs"], results["frames"], strict=True):
        frames = np.concatenate(list(drawn.swapaxes(0, 1)[:10]), axis=2)
        panels.append(Panel(f"Epoch {epoch}", f"Digits that come out of noise, epoch {epoch}.", frames))
    return animation(panels)
