"""How good the digits are by number of steps: flow matching and DDPM on the same axes.

Shows: agreement with the digit asked for and Fréchet distance to real digits, by network evaluations, for Euler, Heun and
DPM-Solver++ on the flow network and for DDIM and ancestral steps on the DDPM network; what the flow network's samples are
taken for; the time-only networks by Fréchet distance.
Needs: the four trained networks, the classifier, MNIST.
Costs: about ninety minutes on two CPU cores with bfloat16, a minute on a data-centre GPU.
Expect: with few steps the flow is ahead by far; with many its three samplers give the same distance, DDIM stays behind,
and ancestral steps are ahead of all.
"""

from __future__ import annotations

import numpy as np

from darkroom.diffusion.metrics import confusion, wilson_interval
from darkroom.figures import Drawing, Reference, Series, heat_map, line_plot, table
from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
from experiments.part_b.class_conditioned import class_conditioned
from experiments.part_b.digit_classifier import digit_classifier
from experiments.part_b.flow_class import flow_class
from experiments.part_b.flow_time import flow_time
from experiments.part_b.time_conditioned import time_conditioned

WAYS = {
    "euler": "flow, Euler",
    "heun": "flow, Heun",
    "dpm_solver": "flow, DPM-Solver++",
    "ddim": "DDPM, DDIM",
    "ancestral": "DDPM, ancestral",
    "ddpm_solver": "DDPM, DPM-Solver++",
}
DRAWN = ("euler", "heun", "dpm_solver", "ddim", "ancestral")  # a plot holds five; the table has all


@experiment(device="gpu", minutes=60, gpu_minutes=2)
def flow_quality(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    flow: Results = upstream(flow_class),
    ddpm: Results = upstream(class_conditioned),
    flow_alone: Results = upstream(flow_time),
    ddpm_alone: Results = upstream(time_conditioned),
    judge: Results = upstream(digit_classifier),
    *,
    steps: tuple[int, ...] = (5, 10, 25, 50, 100, 300),
    gamma: float = 1.0,
    per_digit: int = 100,
    alone_steps: tuple[int, ...] = (10, 50),
    floor_draws: int = 20,
    seed: int = 180,
) -> dict[str, object]:
    """Samples of the networks that were trained in full, by sampler and number of network evaluations.

    Heun's method asks twice a step, all but the last, so for n evaluations it takes (n + 1) // 2 steps, which are n or
    n - 1 evaluations. All start from the same noise.

    Results: for the class-conditioned networks ``agreed`` and ``frechet`` (ways, steps), with ``asked`` samples each, and
    ``confusion`` (10, 10), digit asked for by digit read, by Euler's method with the most steps; for the time-only networks
    ``alone_frechet`` (ways, alone_steps) of as many samples; ``floor`` (draws,), the Frechet distance between real sets.
    """
    from experiments.part_b.judging import Judge
    from experiments.part_b.walks import Walks

    reader = Judge(run, judge, mnist, each=per_digit, draws=floor_draws, seed=seed)
    told, alone = (
        Walks(run, flow, ddpm, gamma, per_digit, seed),
        Walks(run, flow_alone, ddpm_alone, gamma, per_digit, seed),
    )
    asked = np.repeat(np.arange(10), per_digit)
    kept = dict(run.load() or {})
    jobs = [("told", told, way, count) for way in WAYS for count in steps]
    jobs += [("alone", alone, way, count) for way in WAYS for count in alone_steps]
    for number, (kind, walks, way, count) in enumerate(jobs, 1):
        if f"{kind} {way} {count}" not in kept:
            kept[f"{kind} {way} {count}"] = walks.samples(way, count)
            run.save(kept)
        run.progress(number, len(jobs), unit="sets of samples")
    read = {name: reader.read(samples) for name, samples in kept.items()}
    most = read[f"told euler {max(steps)}"]
    return {
        "agreed": np.array([[(read[f"told {way} {n}"].digits == asked).sum() for n in steps] for way in WAYS]),
        "frechet": np.array([[reader.distance(read[f"told {way} {n}"]) for n in steps] for way in WAYS]),
        "asked": len(asked),
        "confusion": confusion(asked, most.digits, 10),
        "alone_frechet": np.array([[reader.distance(read[f"alone {way} {n}"]) for n in alone_steps] for way in WAYS]),
        "floor": reader.floor,
    }


@flow_quality.metric
def agreement(results: Results) -> dict[str, float]:
    """The share of samples read as the digit asked for, by way and network evaluations."""
    return _named(results, results["agreed"] / results["asked"], "steps")


@flow_quality.metric
def frechet(results: Results) -> dict[str, float]:
    """The Frechet distance to real digits, by way and network evaluations."""
    return _named(results, results["frechet"], "steps")


@flow_quality.metric
def alone_frechet(results: Results) -> dict[str, float]:
    """The same of the networks that are told the time alone."""
    return _named(results, results["alone_frechet"], "alone_steps")


@flow_quality.metric
def frechet_floor(results: Results) -> float:
    """The mean Frechet distance between two sets of real digits of the same size."""
    return float(results["floor"].mean())


@flow_quality.figure(
    caption="Fréchet distance to real digits by network evaluations, class-conditioned networks without extra guidance"
    r" ($\gamma = 1$). Dashed: between two sets of real digits.",
    alt="Five curves. Those of the flow and of DDIM are nearly level, DDIM above. The ancestral one starts far above all and"
    " ends below them.",
)
def by_evaluations(results: Results) -> Drawing:
    """A curve a way."""
    floor = Reference("real digits", float(results["floor"].mean()))
    return _curves(results, results["frechet"], "Fréchet distance", ".2f", log_y=True, references=[floor])


@flow_quality.figure(
    caption="How often the classifier reads the digit that was asked for, by network evaluations.",
    alt="Five curves. The ancestral one rises steeply to the others, those of the flow are level, and DDIM falls slowly.",
)
def agreement_by_evaluations(results: Results) -> Drawing:
    """A curve a way."""
    return _curves(results, results["agreed"] / results["asked"], "agreement", ".1%")


@flow_quality.figure(
    caption="Agreement with 95% intervals, and Fréchet distance, by way and network evaluations.",
    alt="A table of numbers, a row for each way to sample and number of evaluations.",
)
def numbers(results: Results) -> Drawing:
    """A row a way and number."""
    lines = []
    for way, agreed, distances in zip(WAYS, results["agreed"], results["frechet"], strict=True):
        for count, hits, distance in zip(results.parameters["steps"], agreed, distances, strict=True):
            low, high = wilson_interval(int(hits), int(results["asked"]))
            share = f"{hits / results['asked']:.1%}"
            lines.append(
                [WAYS[way], f"{evaluations(way, count)}", share, f"{100 * low:.1f}–{high:.1%}", f"{distance:.2f}"]
            )
    floor = results["floor"]
    lines.append(["real digits", "", "", "", f"{floor.mean():.2f} ± {floor.std():.2f}"])
    return table(["", "evaluations", "agreement", "95% interval", "Fréchet distance"], lines)


@flow_quality.figure(
    caption="What the classifier reads (columns) of what the flow network was asked for (rows), by Euler's method with the"
    " most steps.",
    alt="A ten by ten table of counts with nearly everything on its diagonal.",
)
def confusion_matrix(results: Results) -> Drawing:
    """Counts."""
    names = [str(digit) for digit in range(10)]
    return heat_map(results["confusion"], row_labels=names, column_labels=names, x_label="read as", y_label="asked for")


@flow_quality.figure(
    caption="Fréchet distance of the networks that are told the time alone, by network evaluations.",
    alt="A table of distances. With 10 evaluations ancestral sampling is farthest, with 50 it is nearest to real digits.",
)
def alone(results: Results) -> Drawing:
    """A row a way."""
    counts = results.parameters["alone_steps"]
    rows = zip(WAYS.values(), results["alone_frechet"], strict=True)
    return table(
        ["", *(f"{n} evaluations" for n in counts)], [[name, *(f"{d:.2f}" for d in row)] for name, row in rows]
    )


def evaluations(way: str, allowed: int) -> int:
    """How many evaluations *way* makes of those that are *allowed*."""
    return 2 * ((allowed + 1) // 2) - 1 if way == "heun" else allowed


def _curves(
    results: Results,
    values: np.ndarray,
    y_label: str,
    format: str,
    *,
    log_y: bool = False,
    references: list[Reference] | tuple[()] = (),
) -> Drawing:
    counts = results.parameters["steps"]
    rows = dict(zip(WAYS, values, strict=True))
    series = [Series(WAYS[way], [evaluations(way, n) for n in counts], rows[way]) for way in DRAWN]
    return line_plot(
        series,
        x_label="network evaluations",
        y_label=y_label,
        log_x=True,
        log_y=log_y,
        x_ticks=counts,
        references=references,
        format=format,
    )


def _named(results: Results, values: np.ndarray, axis: str) -> dict[str, float]:
    counts = results.parameters[axis]
    return {
        f"{way} {n}": float(v) for way, row in zip(WAYS, values, strict=True) for n, v in zip(counts, row, strict=True)
    }
