"""1.2.3 Denoising pure noise."""

from __future__ import annotations

from darkroom.figures import Drawing, Series, line_plot, tiles
from darkroom.lab import Dataset, Results, Run, dataset, experiment


@experiment(device="gpu", minutes=30, results=("loss", "epoch_1", "epoch_5", "mean"))
def pure_noise(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    *,
    width: int = 128,
    batch: int = 256,
    epochs: int = 5,
    learning_rate: float = 1e-4,
    digits: int = 5,
    seed: int = 180,
) -> dict[str, object]:
    """The denoiser, trained with nothing but noise as its input.

    To return: ``loss`` (steps,); ``epoch_1`` and ``epoch_5`` uint8 (digits, 28, 28); ``mean`` uint8 (28, 28), of the
    training images.
    """
    raise NotImplementedError


@pure_noise.figure(
    caption="The loss of every step.",
    alt="A curve that falls to a floor.",
)
def loss(results: Results) -> Drawing:
    """Over steps."""
    loss = results["loss"]
    return line_plot([Series("loss", range(1, len(loss) + 1), loss)], x_label="step", y_label="loss", log_y=True)


@pure_noise.figure(
    caption="What the network makes of pure noise after the first and the fifth epoch, and the mean of the training images.",
    alt="Rows of blurred shapes that all look alike.",
)
def outputs(results: Results) -> Drawing:
    """A row for each epoch."""
    rows = [[*results["epoch_1"], results["mean"]], [*results["epoch_5"], results["mean"]]]
    columns = [*[""] * len(results["epoch_1"]), "mean"]
    return tiles(rows, rows=["epoch 1", "epoch 5"], columns=columns, alt="Picture {column_number}, {row}.", scale=2)
