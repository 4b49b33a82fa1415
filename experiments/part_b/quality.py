"""How good the digits are, in numbers that a person did not choose.

Shows: how often the judge reads the digit that was asked for, by guidance and by epoch; what it confuses; the Frechet
distance to real digits, beside that between two sets of real digits; samples that the judge misreads.
Needs: the class-conditioned network's samples, the guidance sweep, the classifier, MNIST.
Costs: a minute.
Expect: agreement of at least 98% at the best gamma.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from darkroom.diffusion.metrics import confusion, wilson_interval
from darkroom.figures import Drawing, Reference, Series, heat_map, line_plot, table, tiles
from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
from experiments.part_b import panels
from experiments.part_b.class_conditioned import class_conditioned
from experiments.part_b.digit_classifier import digit_classifier
from experiments.part_b.guidance import guidance


@experiment(device="gpu", minutes=2)
def quality(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    trained: Results = upstream(class_conditioned),
    swept: Results = upstream(guidance),
    judge: Results = upstream(digit_classifier),
    *,
    floor_draws: int = 20,
    seed: int = 180,
) -> dict[str, object]:
    """Samples as the classifier reads them.

    A row is one set of samples: first one for each gamma of the sweep, then one for each shown epoch. Results:
    ``agreed`` and ``asked`` (rows,): samples read as the digit asked for, of how many; ``frechet`` (rows,) in the
    classifier's features against as many real training digits, a tenth of each class; ``floor`` (draws,): the same
    distance between two such sets of real digits; ``confusion`` (gammas, 10, 10), digit asked for by digit read;
    ``misread`` uint8 (n, 28, 28), with ``misread_as`` and ``misread_asked`` (n,): what was misread at gamma = 1, or at the
    first where that is not among them.
    """
    from experiments.part_b.judging import Judge

    gammas, epochs = swept.parameters["gammas"], trained.parameters["shown_epochs"]
    sets = [panels.from_png(swept[f"samples_{i}"]) for i in range(len(gammas))]
    sets += [trained[f"judged_{epoch}"] for epoch in epochs]
    each = len(sets[0]) // 10
    reader = Judge(run, judge, mnist, each=each, draws=floor_draws, seed=seed)
    asked = np.repeat(np.arange(10), each)
    read = [reader.read(samples) for samples in sets]
    agreed = np.array([(reading.digits == asked).sum() for reading in read])
    plain = _plain(gammas)
    wrong = read[plain].digits != asked
    return {
        "agreed": agreed,
        "asked": np.full(len(sets), len(asked)),
        "frechet": np.array([reader.distance(reading) for reading in read]),
        "floor": reader.floor,
        "confusion": np.stack([confusion(asked, reading.digits, 10) for reading in read[: len(gammas)]]),
        "misread": sets[plain][wrong],
        "misread_as": read[plain].digits[wrong],
        "misread_asked": asked[wrong],
        "gammas": list(gammas),
        "epochs": list(epochs),
    }


@quality.metric
def agreement_by_gamma(results: Results) -> dict[str, float]:
    """The share of samples that the classifier reads as the digit asked for, by gamma."""
    return _named(results, "gammas", _shares(results))


@quality.metric
def agreement_by_epoch(results: Results) -> dict[str, float]:
    """The same by epoch of training."""
    return _named(results, "epochs", _shares(results))


@quality.metric
def frechet_by_gamma(results: Results) -> dict[str, float]:
    """The Frechet distance to real digits, by gamma."""
    return _named(results, "gammas", results["frechet"])


@quality.metric
def frechet_by_epoch(results: Results) -> dict[str, float]:
    """The same by epoch of training."""
    return _named(results, "epochs", results["frechet"])


@quality.metric
def frechet_floor(results: Results) -> float:
    """The mean Frechet distance between two sets of real digits of the same size."""
    return float(results["floor"].mean())


@quality.metric
def best_gamma(results: Results) -> float:
    """The gamma with the highest agreement."""
    return float(results["gammas"][_best(results)])


@quality.metric
def best_agreement(results: Results) -> float:
    """The highest agreement over gammas."""
    return float(_shares(results)[_best(results)])


@quality.figure(
    caption=r"Agreement and Fréchet distance for each guidance $\gamma$, with 95% intervals and the real-against-real floor.",
    alt="A table with a row for each gamma: agreement is a tenth at gamma 0, nearly all at 1 and all from 2 on; the distance"
    " to real digits is least at gamma 1.",
)
def by_gamma(results: Results) -> Drawing:
    """A row a gamma."""
    return _table(results, "gammas", r"$\gamma$")


@quality.figure(
    caption="The same for the network as it was after each epoch (DDIM, 50 steps).",
    alt="A table with a row for each epoch: agreement rises and the distance to real digits falls as training goes on.",
)
def by_epoch(results: Results) -> Drawing:
    """A row an epoch."""
    return _table(results, "epochs", "epoch")


@quality.figure(
    caption="Fréchet distance to real digits as training goes on; the dashed line is the distance between real sets.",
    alt="A curve that falls steeply from epoch 1 to 5 and is nearly level from there, well above a dashed floor.",
)
def frechet_curve(results: Results) -> Drawing:
    """Distance by epoch over the floor."""
    epochs = results["epochs"]
    curve = Series("samples", epochs, results["frechet"][len(results["gammas"]) :])
    floor = Reference("real digits", float(results["floor"].mean()))
    return line_plot([curve], x_label="epoch", y_label="Fréchet distance", x_ticks=epochs, references=[floor])


@quality.figure(
    caption=r"What the judge reads (columns) of what was asked for (rows), at $\gamma = 1$.",
    alt="A ten by ten table of counts with nearly everything on its diagonal.",
)
def confusion_matrix(results: Results) -> Drawing:
    """Counts at gamma = 1."""
    names = [str(digit) for digit in range(10)]
    matrix = results["confusion"][_plain(results["gammas"])]
    return heat_map(matrix, row_labels=names, column_labels=names, x_label="read as", y_label="asked for")


@quality.figure(
    caption=r"Samples at $\gamma = 1$ that the judge reads as another digit than was asked for (at most forty).",
    alt="A sheet of ill-formed digits.",
)
def misread(results: Results) -> Drawing:
    """On one sheet."""
    some = results["misread"][:40]
    count = len(some)
    pictures = [[panels.even_sheet(some, 10) if count else np.zeros((28, 28), np.uint8)]]
    return tiles(pictures, alt=f"{count} samples that were misread." if count else "No sample was misread.", scale=2)


def _shares(results: Results) -> np.ndarray:
    return results["agreed"] / results["asked"]


def _plain(gammas: Sequence[float]) -> int:
    """Where gamma = 1 stands, the model as it was trained; the first of them where it is not among them."""
    return list(gammas).index(1.0) if 1.0 in gammas else 0


def _best(results: Results) -> int:
    return int(_shares(results)[: len(results["gammas"])].argmax())


def _rows(results: Results, axis: str) -> tuple[list[float], slice]:
    """The values along *axis*, "gammas" or "epochs", and where their rows stand."""
    start = 0 if axis == "gammas" else len(results["gammas"])
    return results[axis], slice(start, start + len(results[axis]))


def _named(results: Results, axis: str, values: np.ndarray) -> dict[str, float]:
    names, rows = _rows(results, axis)
    return {f"{name:g}": float(value) for name, value in zip(names, values[rows], strict=True)}


def _table(results: Results, axis: str, heading: str) -> Drawing:
    names, rows = _rows(results, axis)
    lines = [
        [f"{name:g}", f"{agreed / asked:.1%}", _interval(int(agreed), int(asked)), f"{distance:.2f}"]
        for name, agreed, asked, distance in zip(
            names, results["agreed"][rows], results["asked"][rows], results["frechet"][rows], strict=True
        )
    ]
    floor = results["floor"]
    lines.append(["real digits", "", "", f"{floor.mean():.2f} ± {floor.std():.2f}"])
    return table([heading, "agreement", "95% interval", "Fréchet distance"], lines)


def _interval(agreed: int, asked: int) -> str:
    low, high = wilson_interval(agreed, asked)
    return f"{low:.1%} to {high:.1%}"
