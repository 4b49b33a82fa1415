"""Can we get rid of the learning-rate scheduler?

Shows: the loss of three trainings of the class-conditioned flow network, with the course's scheduler and with two constant
rates; samples of all, and of a moving average of the weights at the higher rate, from the same noise; how a classifier
judges each.
Needs: MNIST, the network trained with the scheduler, the classifier.
Costs: 20 epochs in all; about two hours on two CPU cores with bfloat16, a minute on a data-centre GPU.
Expect: a constant 1e-2 is the worst; a lower rate makes up for most of it, and averaging the weights for more.
"""

from __future__ import annotations

import numpy as np

from darkroom.diffusion.metrics import wilson_interval
from darkroom.figures import Drawing, Series, line_plot, sheet, slides, table
from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
from experiments.part_b import panels
from experiments.part_b.digit_classifier import digit_classifier
from experiments.part_b.flow_class import flow_class

WAYS = ("scheduler", "constant", "lower", "recalibrated", "averaged")
TRAINED = WAYS[:3]


@experiment(device="gpu", minutes=120)
def no_scheduler(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    scheduled: Results = upstream(flow_class),
    judge: Results = upstream(digit_classifier),
    *,
    learning_rate: float = 1e-2,
    lower_rate: float = 3e-3,
    averaging: float = 0.999,
    shown_epochs: tuple[int, ...] = (1, 5, 10),
    shown_per_digit: int = 2,
    judged_per_digit: int = 100,
    judged_steps: int = 50,
    floor_draws: int = 20,
    seed: int = 180,
) -> dict[str, object]:
    """The class-conditioned flow network trained without a scheduler, from the seed and batches of the one with it.

    The ways are ``scheduler`` (the network of ``flow_class``), ``constant`` at ``learning_rate``, ``lower`` at
    ``lower_rate``, ``averaged``, a moving average of the weights of ``constant``, and ``recalibrated``: the average's batch
    norms have statistics of their own, and these are the weights of ``constant`` with such statistics. All weights are
    rounded as stored ones are before they draw.

    Results: ``loss_constant`` and ``loss_lower`` (steps,), with ``loss_scheduler``; for each way but the first, and each
    shown epoch e, ``samples_WAY_e`` uint8 (10 * shown_per_digit, 28, 28), guided with the gamma and T of ``flow_class``;
    ``samples_scheduler``, the same after the last epoch; of each way after the last epoch, by ``judged_steps`` Euler steps
    without guidance (gamma = 1), ``agreed`` and ``asked`` (ways,), ``frechet`` (ways,), and ``floor`` (draws,) between
    real digits.
    """
    from darkroom.diffusion.denoise import VelocityPredictor
    from darkroom.diffusion.flow import StraightLine
    from darkroom.diffusion.sample import euler
    from darkroom.diffusion.train import FlowMatching, Recipe
    from darkroom.diffusion.unet import ClassUNet
    from experiments.part_b import digits
    from experiments.part_b.judging import Judge, scores

    known, line = scheduled.parameters, StraightLine()
    width, epochs = known["width"], known["epochs"]

    def drawn(network: object, each: int, gamma: float, steps: int, first: int) -> np.ndarray:
        """Samples, digit by digit."""
        asked, call = digits.one_hot_digits(each, run.device), digits.quick(network, run.device)
        denoiser = digits.guided(call, line, asked, gamma, VelocityPredictor)
        return digits.samples(denoiser, digits.noise(len(asked), first, run.device), euler, line.times(steps))

    def shown(network: object) -> np.ndarray:
        """Samples to look at, from the same noise for all ways."""
        return drawn(network, shown_per_digit, known["gamma"], known["T"], seed)

    def judged(network: object) -> np.ndarray:
        """Samples to judge, as the network is without guidance."""
        return drawn(network, judged_per_digit, 1.0, judged_steps, seed + 1)

    def snapshot(way: str, averaged: bool) -> object:
        """What is kept of a training after a shown epoch."""

        def kept(epoch: int, trainer: object) -> dict[str, np.ndarray]:
            networks = {way: trainer.network}
            if averaged:
                networks |= {"recalibrated": trainer.recalibrated(trainer.network), "averaged": trainer.averaged()}
            networks = {name: digits.as_stored(network) for name, network in networks.items()}
            samples = {f"samples_{name}_{epoch}": shown(network) for name, network in networks.items()}
            last = {f"judged_{name}": judged(network) for name, network in networks.items()} if epoch == epochs else {}
            return samples | last

        return kept

    trainings = digits.Trainings(run)
    losses, kept = {"loss_scheduler": scheduled["loss"]}, {}
    for way, rate in (("constant", learning_rate), ("lower", lower_rate)):
        recipe = Recipe(epochs, known["batch"], rate, averaging=averaging if way == "constant" else None)
        losses[f"loss_{way}"], snapshots = trainings.train(
            lambda recipe=recipe: digits.trainer(
                run, mnist, lambda: ClassUNet(width), FlowMatching(known["drop"]), recipe, known["seed"]
            ),
            snapshot(way, averaged=recipe.averaging is not None),
            {*shown_epochs, epochs},
            way,
        )
        kept |= snapshots
    reference = digits.restored(ClassUNet(width), scheduled["weights"])
    sets = {"scheduler": judged(reference)} | {way: kept.pop(f"judged_{way}") for way in WAYS[1:]}
    reader = Judge(run, judge, mnist, each=judged_per_digit, draws=floor_draws, seed=seed)
    return {
        **losses,
        **kept,
        "samples_scheduler": shown(reference),
        **scores(reader, sets),
        "asked": np.full(len(sets), 10 * judged_per_digit),
        "floor": reader.floor,
        "epochs": epochs,
        "gamma": known["gamma"],
        "T": known["T"],
    }


def names(results: Results) -> dict[str, str]:
    """What each way is called in figures."""
    high, low = results.parameters["learning_rate"], results.parameters["lower_rate"]
    kept = results.parameters["averaging"]
    return {
        "scheduler": f"{high:g}, falling to a tenth",
        "constant": f"constant {high:g}",
        "lower": f"constant {low:g}",
        "recalibrated": f"constant {high:g}, batch norms measured anew",
        "averaged": f"constant {high:g}, weights averaged ({kept:g})",
    }


@no_scheduler.metric
def train_loss(results: Results) -> dict[str, float]:
    """The mean loss of the last epoch, by way."""
    trained = {way: results[f"loss_{way}"] for way in TRAINED}
    return {way: float(loss.reshape(results["epochs"], -1)[-1].mean()) for way, loss in trained.items()}


@no_scheduler.metric
def agreement(results: Results) -> dict[str, float]:
    """The share of samples that the classifier reads as the digit asked for, by way."""
    return dict(zip(WAYS, map(float, results["agreed"] / results["asked"]), strict=True))


@no_scheduler.metric
def frechet(results: Results) -> dict[str, float]:
    """The Frechet distance to real digits, by way."""
    return dict(zip(WAYS, map(float, results["frechet"]), strict=True))


@no_scheduler.metric
def frechet_floor(results: Results) -> float:
    """The mean Frechet distance between two sets of real digits of the same size."""
    return float(results["floor"].mean())


@no_scheduler.figure(
    caption="Flow-matching loss with the course's scheduler and at two constant rates, from the same weights and batches.",
    alt="Three curves that fall together at first; the constant higher rate ends highest, the scheduler lowest.",
)
def losses(results: Results) -> Drawing:
    """By step."""
    named, steps = names(results), np.arange(1, len(results["loss_scheduler"]) + 1)
    curves = [Series(named[way], steps, results[f"loss_{way}"], style="noisy") for way in TRAINED]
    return line_plot(curves, x_label="step", y_label="mean squared error", log_y=True, format=".4f")


@no_scheduler.figure(
    caption="After the last epoch, without guidance: what the classifier reads as asked, with 95% intervals, and the Fréchet"
    " distance to real digits.",
    alt="A table with a row for each way to train: the constant higher rate does worst, its averaged weights do much better.",
)
def judged(results: Results) -> Drawing:
    """A row a way."""
    loss, named = train_loss(results), names(results)
    lines = []
    for way, agreed, asked, distance in zip(WAYS, results["agreed"], results["asked"], results["frechet"], strict=True):
        low, high = wilson_interval(int(agreed), int(asked))
        shown = f"{loss[way]:.4f}" if way in loss else ""
        lines.append([named[way], shown, f"{agreed / asked:.1%}", f"{low:.1%} to {high:.1%}", f"{distance:.2f}"])
    floor = results["floor"]
    lines.append(["real digits", "", "", "", f"{floor.mean():.2f} ± {floor.std():.2f}"])
    return table(["learning rate", "last epoch's loss", "agreement", "95% interval", "Fréchet distance"], lines)


@no_scheduler.figure(
    caption=r"Two of each digit after the last epoch, with guidance, all from the same noise: only the training differs.",
    alt="Five sheets of digits, a column a digit; those of the constant higher rate are the least regular.",
)
def samples(results: Results) -> Drawing:
    """A sheet a way."""
    last, named = results["epochs"], names(results)
    sets = {way: results["samples_scheduler" if way == "scheduler" else f"samples_{way}_{last}"] for way in WAYS}
    sheets = [sheet(panels.a_column_a_digit(pictures), 10) for pictures in sets.values()]
    return slides(sheets, labels=[named[way] for way in sets], alt="Samples of the network trained with {label}.")


@no_scheduler.figure(
    caption="The same as training goes on, at the constant higher rate: the weights as they are, and averaged.",
    alt="Pairs of sheets of digits after epochs 1, 5 and 10.",
)
def averaging(results: Results) -> Drawing:
    """Two sheets an epoch."""
    sheets, labels = [], []
    for epoch in results.parameters["shown_epochs"]:
        for way, said in (("constant", "as they are"), ("averaged", "averaged")):
            sheets.append(sheet(panels.a_column_a_digit(results[f"samples_{way}_{epoch}"]), 10))
            labels.append(f"epoch {epoch}, weights {said}")
    return slides(sheets, labels=labels, alt="Samples after {label}.")
