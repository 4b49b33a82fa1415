"""The denoiser's network, trained to draw a digit from noise alone in one step.

Shows: the loss; what the network gives after the first and the last epoch, for eight draws of noise; the mean training
digit beside it; how far one is from the other.
Needs: MNIST.
Costs: 5 epochs of a network of 7.9 million parameters; about two hours on two CPU cores, under a minute on a GPU.
Expect: the same blurred shape whatever the noise, and a loss of 0.0672, which no network can go below.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, table, tiles
from darkroom.lab import Dataset, Results, Run, dataset, experiment
from experiments.part_b import panels


@experiment(device="gpu", minutes=120, gpu_minutes=8)
def pure_noise(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    *,
    width: int = 128,
    epochs: int = 5,
    batch: int = 256,
    learning_rate: float = 1e-4,
    shown_epochs: tuple[int, ...] = (1, 5),
    shown: int = 8,
    measured: int = 1000,
    seed: int = 180,
) -> dict[str, object]:
    """Unconditional U-Net that maps noise, with nothing of a digit in it, to a digit.

    Results: ``loss`` (steps,); after each shown epoch e, ``outputs_e`` uint8 (shown, 28, 28); after every epoch,
    ``test_mse_e`` (1,), over all test digits with noise that is the same each time, ``distance_e`` (1,), the root mean
    squared difference of ``measured`` outputs from the mean training digit, and ``spread_e`` (1,), that of the outputs from
    their own mean; ``mean`` uint8 (28, 28) and ``class_means`` uint8 (10, 28, 28) of the training digits; ``floor`` (3,): the
    mean squared error of the mean digit on the training digits, of the same on the test digits, and of each class's mean
    on the training digits.
    """
    import torch

    from darkroom.diffusion.train import FromNoise, Recipe
    from darkroom.diffusion.unet import UNet
    from experiments.part_b import digits

    images, labels = digits.load(mnist, "train")
    tested = digits.load(mnist, "t10k")[0].astype(np.float32) / 255
    mean, class_means, floor = centroids(images.astype(np.float32) / 255, labels, tested)
    recipe = Recipe(epochs, batch, learning_rate)
    trainer = digits.trainer(run, mnist, lambda: UNet(width), FromNoise(), recipe, seed)
    x = torch.from_numpy(tested)[:, None]
    eps = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))

    def snapshot(epoch: int, network: object) -> dict[str, np.ndarray]:
        """Test error and outputs of the network as it is after *epoch*."""
        outputs = digits.quick(network, run.device)(eps.to(run.device)).cpu()
        some = outputs[:measured, 0].double().numpy()
        kept = {f"outputs_{epoch}": digits.pixels(outputs[:shown])} if epoch in shown_epochs else {}
        return kept | {
            f"test_mse_{epoch}": torch.nn.functional.mse_loss(outputs, x).numpy()[None],
            f"distance_{epoch}": np.sqrt(np.square(some - mean).mean())[None],
            f"spread_{epoch}": np.sqrt(np.square(some - some.mean(0)).mean())[None],
        }

    loss, kept = digits.trained(run, trainer, snapshot, range(1, epochs + 1))
    shown_means = {"mean": digits.to_bytes(mean), "class_means": digits.to_bytes(class_means)}
    return {"loss": loss, **kept, **shown_means, "floor": floor}


def centroids(x: np.ndarray, labels: np.ndarray, tested: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean digit (28, 28), the mean of each class (10, 28, 28), and the squared errors that they leave, (3,)."""
    mean = x.mean(0, dtype=np.float64)
    class_means = np.stack([x[labels == digit].mean(0, dtype=np.float64) for digit in range(10)])
    within = [np.square(x[labels == digit] - class_means[digit]).mean((1, 2)) for digit in range(10)]
    errors = np.square(x - mean).mean(), np.square(tested - mean).mean(), np.concatenate(within).mean()
    return mean, class_means, np.array(errors)


@pure_noise.metric
def train_mse(results: Results) -> dict[str, float]:
    """The mean of the batch losses of each epoch."""
    return panels.by_epoch(results["loss"], results.parameters["epochs"])


@pure_noise.metric
def test_mse(results: Results) -> dict[str, float]:
    """The error over the test set after each epoch."""
    return _by_epoch(results, "test_mse")


@pure_noise.metric
def floor(results: Results) -> dict[str, float]:
    """The least mean squared error that an output can have that knows nothing, and one that knows the digit."""
    return dict(zip(("train", "test", "class means"), map(float, results["floor"]), strict=True))


@pure_noise.metric
def distance(results: Results) -> dict[str, float]:
    """The root mean squared difference of the outputs from the mean training digit, after each epoch."""
    return _by_epoch(results, "distance")


@pure_noise.metric
def spread(results: Results) -> dict[str, float]:
    """The root mean squared difference of the outputs from their own mean, after each epoch."""
    return _by_epoch(results, "spread")


@pure_noise.figure(
    caption="Loss of the network that sees noise alone: training by step, test by epoch.",
    alt="The training loss falls steeply in the first hundred steps and then stays level, the test points on it.",
)
def loss(results: Results) -> Drawing:
    """Training loss by step with test loss by epoch."""
    return panels.loss_curve(results["loss"], _by_epoch(results, "test_mse"))


@pure_noise.figure(
    caption="What the network gives for eight draws of noise after epochs 1 and 5; last, the mean training digit.",
    alt="Two rows of eight blurred blobs that look alike, and beside them the mean digit, which looks the same.",
)
def outputs(results: Results) -> Drawing:
    """A row an epoch, the mean at its end."""
    epochs = results.parameters["shown_epochs"]
    rows = [[*results[f"outputs_{epoch}"], results["mean"]] for epoch in epochs]
    columns = [*(f"noise {number}" for number in range(1, len(rows[0]))), "mean digit"]
    return tiles(rows, rows=[f"epoch {e}" for e in epochs], columns=columns, alt="{column}, {row}.", scale=3)


@pure_noise.figure(
    caption="The mean of the training digits of each class, which is what a network would give that knew the class alone.",
    alt="Ten blurred digits from 0 to 9.",
)
def class_means(results: Results) -> Drawing:
    """In a row."""
    return tiles([list(results["class_means"])], columns=[str(d) for d in range(10)], alt="The mean {column}.", scale=3)


@pure_noise.figure(
    caption="The mean squared error after each epoch beside what the mean digit leaves, and how far outputs are from it.",
    alt="A table: errors fall to those of the mean digit, and the outputs to about a hundredth from it.",
)
def against_the_mean(results: Results) -> Drawing:
    """A row an epoch, and one for the mean digit."""
    of_train, of_test, _ = results["floor"]
    train, test = panels.by_epoch(results["loss"], results.parameters["epochs"]), _by_epoch(results, "test_mse")
    away, apart = _by_epoch(results, "distance"), _by_epoch(results, "spread")
    lines = [[f"epoch {e}", f"{train[e]:.5f}", f"{test[e]:.5f}", f"{away[e]:.4f}", f"{apart[e]:.4f}"] for e in train]
    lines.append(["mean training digit", f"{of_train:.5f}", f"{of_test:.5f}", "0", "0"])
    return table(["", "training", "test", "from the mean digit", "from each other"], lines)


def _by_epoch(results: Results, name: str) -> dict[str, float]:
    return {str(e): float(results[f"{name}_{e}"][0]) for e in range(1, results.parameters["epochs"] + 1)}
