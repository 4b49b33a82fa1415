"""A better network that is told the time alone, put together from what short trials show to help.

Shows: the network with all changes that helped, trained at full length, beside the course's own; its samples and films.
Needs: MNIST, the trials, the course's network, the classifier.
Costs: 10 epochs; about an hour and a quarter on two CPU cores with bfloat16, a minute on a data-centre GPU.
Expect: no smaller Frechet distance than the course's network has after as many epochs, though the classifier is surer of
its digits: what helps in two epochs is made up for in ten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkroom.figures import Drawing, sheet, slides, table
from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
from experiments.part_b import panels
from experiments.part_b.digit_classifier import digit_classifier
from experiments.part_b.flow_time import flow_time
from experiments.part_b.time_trials import CHANGES, FLOWS, NAMES, flow_trials

if TYPE_CHECKING:
    from darkroom.diffusion.train import Trainer

AVERAGING = "averaging"


@experiment(device="gpu", minutes=75, gpu_minutes=5)
def better_time(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    course: Results = upstream(flow_time),
    tried: Results = upstream(flow_trials),
    judge: Results = upstream(digit_classifier),
    *,
    margin: float = 0.05,
    shown_epochs: tuple[int, ...] = (1, 5, 10),
    shown: int = 20,
    judged: int = 1000,
    judged_steps: int = 50,
    floor_draws: int = 20,
    T: int = 50,
    seed: int = 180,
) -> dict[str, object]:
    """The time-conditioned network with all changes of ``flow_trials`` that helped.

    A change helps if the trial with it has a Frechet distance to real digits that is smaller than the course's network's
    after as many epochs, by the share ``margin`` or more; averaging the weights helps if it makes that of the course's
    network so much smaller. The chosen network is judged by other noise and other real digits than those it was chosen by.

    Results: ``chosen`` names; of the chosen network ``loss`` (steps,) and for each shown epoch e ``samples_e`` and
    ``frames_e`` as in ``flow_time``; ``course_samples`` (shown, 28, 28) from the same noise; ``frechet`` and
    ``confidence`` (2,), of the course's network and the chosen one after the last epoch; ``floor`` (draws,) and
    ``real_confidence``; ``weights`` of the chosen one.
    """
    from darkroom.diffusion.sample import euler
    from darkroom.diffusion.unet import TimeScaledUNet
    from experiments.part_b import digits
    from experiments.part_b.judging import Judge
    from experiments.part_b.trials import LINE, FlowTrials

    known, trial = course.parameters, tried.parameters
    chosen = helpful(tried["frechet"], margin)
    changes = tuple(name for name in chosen if name != AVERAGING)
    trials = FlowTrials(
        run, mnist, known, trial["averaging"], judged, judged_steps, seed + 2, trial["sinusoids"], trial["spread"]
    )
    reader = Judge(run, judge, mnist, each=judged // 10, draws=floor_draws, seed=seed + 1)

    def drawn(network: object) -> tuple[np.ndarray, np.ndarray]:
        """Samples and frames."""
        source, kept = digits.noise(shown, seed, run.device), panels.flow_frame_times(T)
        return digits.trajectory(trials.denoiser(changes, network), source, euler, LINE.times(T), kept)

    def snapshot(epoch: int, trainer: Trainer) -> dict[str, np.ndarray]:
        """Samples of the network as it is after *epoch*, and scores and weights of the last."""
        better = trainer.averaged() if AVERAGING in chosen else trainer.network
        network = digits.as_stored(better)
        samples, frames = drawn(network)
        results = {f"samples_{epoch}": samples, f"frames_{epoch}": frames}
        if epoch == known["epochs"]:
            results |= {name: np.array(score) for name, score in trials.scored(changes, network, reader).items()}
            results |= {f"weight {name}": value for name, value in digits.half_precision(better).items()}
        return results

    loss, kept = digits.Trainings(run).train(
        lambda: trials.trainer(changes, known["epochs"]), snapshot, {*shown_epochs, known["epochs"]}
    )
    reference = digits.restored(TimeScaledUNet(known["width"]), course["weights"])
    before = trials.scored((), reference, reader)
    return {
        "chosen": list(chosen),
        "loss": loss,
        **{name: value for name, value in kept.items() if name.startswith(("samples_", "frames_"))},
        "course_samples": drawn(reference)[0],
        "frechet": np.array([before["frechet"], kept["frechet"]]),
        "confidence": np.array([before["confidence"], kept["confidence"]]),
        "epochs": known["epochs"],
        "floor": reader.floor,
        "real_confidence": np.array([reader.confidence(digits.load(mnist, "t10k")[0])]),
        "weights": {name.removeprefix("weight "): v for name, v in kept.items() if name.startswith("weight ")},
    }


def helpful(frechet: np.ndarray, margin: float) -> tuple[str, ...]:
    """The changes that make the distance of the course's network smaller by the share *margin* or more.

    Args:
        frechet: (trials, 2) of ``flow_trials``, with the weights as they are and averaged.
    """
    plain, averaged = frechet[FLOWS.index("course")]
    enough = (1 - margin) * plain
    changes = [name for name in CHANGES if frechet[FLOWS.index(name), 0] <= enough]
    return (*changes, AVERAGING) if averaged <= enough else tuple(changes)


@better_time.metric
def train_loss(results: Results) -> float:
    """The mean of the batch losses of the chosen network's last epoch."""
    return float(results["loss"].reshape(results["epochs"], -1)[-1].mean())


@better_time.metric
def frechet(results: Results) -> dict[str, float]:
    """The Frechet distance to real digits."""
    return dict(zip(("course", "better"), map(float, results["frechet"]), strict=True))


@better_time.metric
def confidence(results: Results) -> dict[str, float]:
    """How likely the classifier holds the digit that it reads, on average."""
    values = [*results["confidence"], results["real_confidence"][0]]
    return dict(zip(("course", "better", "real digits"), map(float, values), strict=True))


@better_time.metric
def frechet_floor(results: Results) -> float:
    """The mean Frechet distance between two sets of real digits of the same size."""
    return float(results["floor"].mean())


@better_time.metric
def chosen(results: Results) -> str:
    """The changes that helped, in words."""
    named = NAMES | {AVERAGING: "weights averaged"}
    return ", ".join(named[name] for name in results["chosen"]) or "none"


@better_time.figure(
    caption="The course's network and the one with all changes that helped, after as many epochs, beside real digits.",
    alt="A table of three rows: both networks are about as far from real digits; of the second the classifier is surer.",
)
def better(results: Results) -> Drawing:
    """A row each, and one for real digits."""
    names = "the course's network", "with what helped"
    rows = zip(names, results["frechet"], results["confidence"], strict=True)
    lines = [[name, f"{distance:.2f}", f"{sure:.1%}"] for name, distance, sure in rows]
    floor = results["floor"]
    lines.append(["real digits", f"{floor.mean():.2f} ± {floor.std():.2f}", f"{results['real_confidence'][0]:.1%}"])
    return table(["", "Fréchet distance", "confidence"], lines)


@better_time.figure(
    caption="Flow-matching loss of the network with what helped, step by step.",
    alt="A curve that falls steeply at first and then ever more slowly, in a band of batch-to-batch scatter.",
)
def loss(results: Results) -> Drawing:
    """Loss by step."""
    return panels.loss_curve(results["loss"])


@better_time.figure(
    caption="Samples after the last epoch, of the course's network and of the one with what helped, from the same noise.",
    alt="Two sheets of handwritten shapes, most of them digits and alike in both.",
)
def samples(results: Results) -> Drawing:
    """A sheet each."""
    sheets = [sheet(results["course_samples"], 10), sheet(results[f"samples_{results['epochs']}"], 10)]
    return slides(sheets, labels=["the course's network", "with what helped"], alt="Samples of {label}.")


@better_time.figure(
    caption="Sampling from the network with what helped, after each epoch shown, from noise at $t = 0$ to digits at $t = 1$.",
    alt="Grids of noise in which strokes appear and settle into digits.",
)
def films(results: Results) -> Drawing:
    """One film an epoch."""
    return panels.flow_films(results, columns=5)
