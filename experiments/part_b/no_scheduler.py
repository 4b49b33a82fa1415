"""Can we get rid of the learning-rate scheduler?

Shows: the loss of three trainings of the class-conditioned flow network, with the course's scheduler and at two constant
rates; samples of all, and of a moving average of the weights at the higher rate, from the same noise; how a classifier
judges each.
Needs: MNIST, the three trainings, the classifier.
Costs: two minutes on two CPU cores, seconds on a data-centre GPU.
Expect: both constant rates end a little worse than the scheduler; averaging the weights makes them better than with it.
"""

from __future__ import annotations

import numpy as np

from darkroom.diffusion.metrics import wilson_interval
from darkroom.figures import Drawing, Series, line_plot, sheet, slides, table
from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
from experiments.part_b import panels
from experiments.part_b.constant_rate import flow_constant, flow_lower
from experiments.part_b.digit_classifier import digit_classifier
from experiments.part_b.flow_class import flow_class

WAYS = ("scheduler", "constant", "lower", "recalibrated", "averaged")
TRAINED = WAYS[:3]


@experiment(device="gpu", minutes=2)
def no_scheduler(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    scheduled: Results = upstream(flow_class),
    constant: Results = upstream(flow_constant),
    lower: Results = upstream(flow_lower),
    judge: Results = upstream(digit_classifier),
    *,
    floor_draws: int = 20,
    seed: int = 180,
) -> dict[str, object]:
    """The class-conditioned flow network with and without a scheduler, from the same seed and batches.

    The ways are ``scheduler`` (``flow_class``), ``constant`` (``flow_constant``), ``lower`` (``flow_lower``), ``averaged``,
    a moving average of the weights of ``constant``, and ``recalibrated``: the average's batch norms have statistics of
    their own, and these are the weights of ``constant`` with such statistics. All weights are rounded as stored ones are
    before they draw.

    Results: ``loss_WAY`` (steps,) of the three trainings; for each way ``samples_WAY`` uint8 (10 * n, 28, 28) after the
    last epoch, and of ``constant`` and ``averaged`` ``samples_WAY_e`` after each shown epoch e; of each way after the last
    epoch, without guidance, ``agreed`` and ``asked`` (ways,), ``frechet`` (ways,), and ``floor`` (draws,) between real
    digits.
    """
    from darkroom.diffusion.unet import ClassUNet
    from experiments.part_b import digits
    from experiments.part_b.judging import Judge, scores
    from experiments.part_b.unscheduled import Sampling

    known, drawn = scheduled.parameters, constant.parameters
    sampling = Sampling(
        run, known, drawn["shown_per_digit"], drawn["judged_per_digit"], drawn["judged_steps"], drawn["seed"]
    )
    reference = digits.restored(ClassUNet(known["width"]), scheduled["weights"])
    forms = {
        "constant": (constant, "plain"),
        "lower": (lower, "plain"),
        "recalibrated": (constant, "recalibrated"),
        "averaged": (constant, "averaged"),
    }
    judged = {"scheduler": sampling.judged(reference)}
    judged |= {way: results[f"judged_{form}"] for way, (results, form) in forms.items()}
    shown = {way: results[f"samples_{form}_{known['epochs']}"] for way, (results, form) in forms.items()}
    growing = {
        f"samples_{way}_{epoch}": constant[f"samples_{form}_{epoch}"]
        for way, form in (("constant", "plain"), ("averaged", "averaged"))
        for epoch in drawn["shown_epochs"]
    }
    reader = Judge(run, judge, mnist, each=drawn["judged_per_digit"], draws=floor_draws, seed=seed)
    return {
        "loss_scheduler": scheduled["loss"],
        "loss_constant": constant["loss"],
        "loss_lower": lower["loss"],
        "samples_scheduler": sampling.shown(reference),
        **{f"samples_{way}": samples for way, samples in shown.items()},
        **growing,
        **scores(reader, {way: panels.from_png(png) for way, png in judged.items()}),
        "asked": np.full(len(WAYS), 10 * drawn["judged_per_digit"]),
        "floor": reader.floor,
        "epochs": known["epochs"],
        "shown_epochs": list(drawn["shown_epochs"]),
        "rates": [known["learning_rate"], drawn["learning_rate"], lower.parameters["learning_rate"]],
        "final_rate": known["final_rate"],
        "averaging": drawn["averaging"],
    }


def names(results: Results) -> dict[str, str]:
    """What each way is called in figures."""
    first, high, low = results["rates"]
    return {
        "scheduler": f"{first:g}, falling to {first * results['final_rate']:g}",
        "constant": f"constant {high:g}",
        "lower": f"constant {low:g}",
        "recalibrated": f"constant {high:g}, batch norms recalibrated",
        "averaged": f"constant {high:g}, weights averaged ({results['averaging']:g})",
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
    alt="Three curves that fall together at first; that of the scheduler ends a little lower than those of constant rates.",
)
def losses(results: Results) -> Drawing:
    """By step."""
    named, steps = names(results), np.arange(1, len(results["loss_scheduler"]) + 1)
    curves = [Series(named[way], steps, results[f"loss_{way}"], style="noisy") for way in TRAINED]
    return line_plot(curves, x_label="step", y_label="mean squared error", log_y=True, format=".4f")


@no_scheduler.figure(
    caption="After the last epoch, without guidance: what the classifier reads as asked, with 95% intervals, and the Fréchet"
    " distance to real digits.",
    alt="A table with a row for each way to train: averaged weights do best, the scheduler next, both constant rates worse.",
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
    alt="Five sheets of digits, a column a digit, which differ in details of the same strokes.",
)
def samples(results: Results) -> Drawing:
    """A sheet a way."""
    named = names(results)
    sheets = [sheet(panels.a_column_a_digit(results[f"samples_{way}"]), 10) for way in WAYS]
    return slides(sheets, labels=[named[way] for way in WAYS], alt="Samples of the network trained with {label}.")


@no_scheduler.figure(
    caption="The same as training goes on, at the constant higher rate: the weights as they are, and averaged.",
    alt="Pairs of sheets of digits after epochs 1, 5 and 10: ragged at first, then clean, the averaged ones sooner.",
)
def averaging(results: Results) -> Drawing:
    """Two sheets an epoch."""
    sheets, labels = [], []
    for epoch in results["shown_epochs"]:
        for way, said in (("constant", "as they are"), ("averaged", "averaged")):
            sheets.append(sheet(panels.a_column_a_digit(results[f"samples_{way}_{epoch}"]), 10))
            labels.append(f"epoch {epoch}, weights {said}")
    return slides(sheets, labels=labels, alt="Samples after {label}.")
