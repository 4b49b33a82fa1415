"""1.2.1 Training a one-step denoiser."""

from __future__ import annotations

from darkroom.figures import Drawing, Series, line_plot, tiles
from darkroom.lab import Dataset, Results, Run, dataset, experiment


@experiment(
    device="gpu",
    minutes=30,
    results=("loss", "clean", "noisy", "epoch_1", "epoch_5", "weights"),
    temporary=("weights",),
)
def denoiser(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    *,
    sigma: float = 0.5,
    width: int = 128,
    batch: int = 256,
    epochs: int = 5,
    learning_rate: float = 1e-4,
    digits: int = 3,
    seed: int = 180,
) -> dict[str, object]:
    """A U-Net that takes the noise from digits, trained on the mean squared error.

    To return: ``loss`` (steps,); ``clean``, ``noisy``, ``epoch_1`` and ``epoch_5`` uint8 (digits, 28, 28); ``weights``, a
    dictionary of arrays, which git ignores, and which may be left out where results are imported.
    """
    raise NotImplementedError


@denoiser.figure(
    caption="The loss of every step.",
    alt="A curve that falls steeply, then slowly.",
)
def loss(results: Results) -> Drawing:
    """Over steps."""
    loss = results["loss"]
    return line_plot([Series("loss", range(1, len(loss) + 1), loss)], x_label="step", y_label="loss", log_y=True)


@denoiser.figure(
    caption="Test digits, with noise, and denoised after the first and the fifth epoch.",
    alt="Rows of digits that become clear again.",
)
def digits(results: Results) -> Drawing:
    """A row for each digit."""
    kinds = {"clean": "digit", "noisy": "noisy", "epoch_1": "epoch 1", "epoch_5": "epoch 5"}
    rows = list(zip(*(results[kind] for kind in kinds), strict=True))
    return tiles(rows, columns=list(kinds.values()), alt="Digit {row_number}, {column}.", scale=2)
