"""A better network that is told the time alone, put together from what short trials show to help.

Shows: short trials of as many epochs, one change each, judged by a classifier that takes no part in training; the network
with all changes that helped, trained at full length, beside the course's own; its samples and films.
Needs: MNIST, the course's network, the classifier.
Costs: seven trials of 2 epochs and 10 epochs more; about two and a half hours on two CPU cores with bfloat16.
Expect: most of the gain from averaging the weights; cleaner digits than the course's network gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from darkroom.figures import Drawing, sheet, slides, table
from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
from experiments.part_b import panels
from experiments.part_b.digit_classifier import digit_classifier
from experiments.part_b.flow_time import flow_time

if TYPE_CHECKING:
    from darkroom.diffusion.train import Trainer

CHANGES = ("sinusoids", "residual", "spread")
TRIALS = ("course", *CHANGES, "noise", "velocity", "zero_terminal")
NAMES = {
    "course": "the course's network",
    "sinusoids": "time told by sinusoids",
    "residual": "residual blocks",
    "spread": "times drawn logit-normal",
    "noise": "DDPM, linear schedule, noise predicted",
    "velocity": "DDPM, linear schedule, velocity predicted",
    "zero_terminal": "DDPM, zero terminal SNR, velocity predicted",
}


@experiment(device="gpu", minutes=150)
def better_time(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    course: Results = upstream(flow_time),
    judge: Results = upstream(digit_classifier),
    *,
    trial_epochs: int = 2,
    sinusoids: int = 64,
    spread: float = 1.0,
    averaging: float = 0.999,
    margin: float = 0.05,
    schedule_rate: float = 1e-3,
    schedule_T: int = 300,
    shown_epochs: tuple[int, ...] = (1, 5, 10),
    shown: int = 20,
    judged: int = 1000,
    judged_steps: int = 50,
    floor_draws: int = 20,
    T: int = 50,
    seed: int = 180,
) -> dict[str, object]:
    """Trials of one change each to the time-conditioned network, and the network with all changes that helped.

    A change helps if the trial with it has a Frechet distance to real digits that is smaller than the course's network's
    after as many epochs, by the share ``margin`` or more; averaging the weights helps if it makes that of the course's
    network so much smaller. What is not changed is as in ``flow_time``; trials of the DDPM form have ``schedule_rate`` and
    ``schedule_T``. The chosen network is judged by other noise and other real digits than those it was chosen by.

    Results: ``trial_loss`` (trials,), of the last epoch; ``trial_frechet`` and ``trial_confidence`` (trials, 2), with the
    weights as they are and averaged, over ``judged`` samples by ``judged_steps`` steps of Euler's method, or DDIM for a
    schedule; ``chosen`` names; of the chosen network ``loss`` (steps,) and for each shown epoch e ``samples_e`` and
    ``frames_e`` as in ``flow_time``; ``course_samples`` (shown, 28, 28) from the same noise; ``frechet`` and
    ``confidence`` (2,), of the course's network and the chosen one after the last epoch; ``floor`` (draws,) and
    ``real_confidence``; ``weights`` of the chosen one.
    """
    from darkroom.diffusion.sample import euler
    from darkroom.diffusion.unet import TimeScaledUNet
    from experiments.part_b import digits
    from experiments.part_b.judging import Judge
    from experiments.part_b.trials import LINE, Trials

    known = course.parameters
    reader = Judge(run, judge, mnist, each=judged // 10, draws=floor_draws, seed=seed)
    trials = Trials(
        run, mnist, reader, known, sinusoids, spread, averaging, schedule_rate, schedule_T, judged, judged_steps, seed
    )
    trainings = digits.Trainings(run)
    found: dict[str, Mapping[str, np.ndarray]] = {}
    trial_loss = []
    for name in TRIALS:
        loss, found[name] = trainings.train(
            lambda name=name: trials.trial_trainer(name, trial_epochs),
            lambda _, trainer, name=name: trials.both(name, trainer),
            {trial_epochs},
            name,
        )
        trial_loss.append(loss.reshape(trial_epochs, -1)[-1].mean())
    plain, averaged = found["course"]["frechet"]
    enough = (1 - margin) * plain
    changes, averages = tuple(name for name in CHANGES if found[name]["frechet"][0] <= enough), averaged <= enough
    others = Judge(run, judge, mnist, each=judged // 10, draws=floor_draws, seed=seed + 1)

    def snapshot(epoch: int, trainer: Trainer) -> dict[str, np.ndarray]:
        """Samples of the chosen network as it is after *epoch*, and scores and weights of the last."""
        chosen = trainer.averaged() if averages else trainer.network
        network, source = digits.as_stored(chosen), digits.noise(shown, seed, run.device)
        denoiser, kept = trials.denoiser("", network), panels.flow_frame_times(T)
        samples, frames = digits.trajectory(denoiser, source, euler, LINE.times(T), kept)
        results = {f"samples_{epoch}": samples, f"frames_{epoch}": frames}
        if epoch == known["epochs"]:
            results |= {name: np.array(score) for name, score in trials.scored("", network, others, seed + 2).items()}
            results |= {f"weight {name}": value for name, value in digits.half_precision(chosen).items()}
        return results

    loss, snapshots = trainings.train(
        lambda: trials.flow_trainer(changes, known["epochs"]), snapshot, {*shown_epochs, known["epochs"]}, "chosen"
    )
    reference = digits.restored(TimeScaledUNet(known["width"]), course["weights"])
    before, source = trials.scored("", reference, others, seed + 2), digits.noise(shown, seed, run.device)
    pictures = digits.samples(trials.denoiser("", reference), source, euler, LINE.times(T))
    return {
        "trial_loss": np.array(trial_loss),
        "trial_frechet": np.stack([found[name]["frechet"] for name in TRIALS]),
        "trial_confidence": np.stack([found[name]["confidence"] for name in TRIALS]),
        "chosen": [*changes, *(["averaging"] if averages else [])],
        "loss": loss,
        **{name: value for name, value in snapshots.items() if name.startswith(("samples_", "frames_"))},
        "course_samples": pictures,
        "frechet": np.array([before["frechet"], snapshots["frechet"]]),
        "confidence": np.array([before["confidence"], snapshots["confidence"]]),
        "epochs": known["epochs"],
        "floor": others.floor,
        "real_confidence": np.array([others.confidence(digits.load(mnist, "t10k")[0])]),
        "weights": {n.removeprefix("weight "): v for n, v in snapshots.items() if n.startswith("weight ")},
    }


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
def trial_frechet(results: Results) -> dict[str, float]:
    """The Frechet distance of each trial, with the weights as they are."""
    return dict(zip(TRIALS, map(float, results["trial_frechet"][:, 0]), strict=True))


@better_time.figure(
    caption="Trials of as many epochs: the course's network, one change to it at a time, and the DDPM form, also with a"
    " schedule that ends in noise alone. Losses of other targets, or of other times, are not comparable.",
    alt="A table with a row for each trial: loss, and Fréchet distance and confidence with weights as they are and averaged.",
)
def trials(results: Results) -> Drawing:
    """A row a trial."""
    lines = [
        [NAMES[name], f"{loss:.4f}", f"{plain:.2f}", f"{averaged:.2f}", f"{sure:.1%}", f"{averaged_sure:.1%}"]
        for name, loss, (plain, averaged), (sure, averaged_sure) in zip(
            TRIALS, results["trial_loss"], results["trial_frechet"], results["trial_confidence"], strict=True
        )
    ]
    headings = ["Fréchet distance", "with averaged weights", "confidence", "with averaged weights"]
    return table(["", "loss", *headings], lines)


@better_time.figure(
    caption="The course's network and the one with all changes that helped, after as many epochs, beside real digits.",
    alt="A table of three rows: the better network is nearer to real digits in both numbers.",
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
    caption="Flow-matching loss of the better network, step by step.",
    alt="A curve that falls steeply at first and then ever more slowly, in a band of batch-to-batch scatter.",
)
def loss(results: Results) -> Drawing:
    """Loss by step."""
    return panels.loss_curve(results["loss"])


@better_time.figure(
    caption="Samples after the last epoch, of the course's network and of the better one, from the same noise.",
    alt="Two sheets of handwritten shapes; more of the second are digits.",
)
def samples(results: Results) -> Drawing:
    """A sheet each."""
    last = results["epochs"]
    sheets = [sheet(results["course_samples"], 10), sheet(results[f"samples_{last}"], 10)]
    return slides(sheets, labels=["the course's network", "with what helped"], alt="Samples of {label}.")


@better_time.figure(
    caption="Sampling from the better network, after each epoch shown, from noise at $t = 0$ to digits at $t = 1$.",
    alt="Grids of noise in which strokes appear and settle into digits.",
)
def films(results: Results) -> Drawing:
    """One film an epoch."""
    return panels.flow_films(results, columns=5)
