"""A judge: a network that reads digits better than most people care to.

Shows: every test digit that it gets wrong.
Needs: MNIST.
Costs: about a quarter of an hour on two CPU cores.
Expect: a test accuracy of at least 99.3%.
"""

from __future__ import annotations

from darkroom.figures import Drawing, tiles
from darkroom.lab import Dataset, Results, Run, dataset, experiment
from experiments.part_b import panels


@experiment(device="gpu", minutes=8)
def digit_classifier(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    *,
    width: int = 32,
    epochs: int = 10,
    batch: int = 128,
    learning_rate: float = 2e-3,
    final_rate: float = 0.01,
    shift: int = 2,
    seed: int = 180,
) -> dict[str, object]:
    """Small convolutional classifier, trained on digits shifted at random.

    Results: ``loss`` (steps,); ``predicted`` uint8 (10000,), its reading of each test digit; ``wrong`` uint8 (n, 28, 28),
    the test digits that it misreads, with ``wrong_labels`` (n,), what they are; ``weights``.
    """
    from darkroom.diffusion.classifier import Classifier
    from darkroom.diffusion.train import Classification, Recipe, Trainer, seeded
    from experiments.part_b import digits

    images, labels = digits.load(mnist, "train")
    recipe = Recipe(epochs, batch, learning_rate, decay=final_rate ** (1 / epochs))
    network = seeded(lambda: Classifier(width), seed)
    trainer = Trainer(network, Classification(shift), recipe, images, labels, device=run.device, seed=seed)
    loss, _ = digits.trained(run, trainer, lambda epoch, network: {}, ())
    weights = digits.half_precision(trainer.network)
    test, truth = digits.load(mnist, "t10k")
    predicted, _ = digits.read(digits.restored(Classifier(width), weights), test, run.device)
    wrong = predicted != truth
    return {
        "loss": loss,
        "predicted": predicted,
        "wrong": test[wrong],
        "wrong_labels": truth[wrong],
        "weights": weights,
    }


@digit_classifier.metric
def test_accuracy(results: Results) -> float:
    """The share of the 10,000 test digits that it reads correctly."""
    return 1 - len(results["wrong"]) / len(results["predicted"])


@digit_classifier.figure(
    caption="Every test digit that the classifier misreads.",
    alt="A sheet of a few dozen badly written digits, many of which a person would hesitate over.",
)
def misread(results: Results) -> Drawing:
    """All on one sheet."""
    wrong = results["wrong"]
    return tiles([[panels.even_sheet(wrong, 10)]], alt=f"The {len(wrong)} misread test digits.", scale=2)
