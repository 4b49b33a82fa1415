"""Short trials of the time-only network: one change at a time, and the DDPM form beside it.

Shows: a table each of trials of as many epochs, judged by a classifier that takes no part in training.
Needs: MNIST, the settings of the course's network, the classifier.
Costs: 2 epochs a trial, four trials and three; about an hour each on two CPU cores, under a minute on a data-centre GPU.
Expect: of the flow, most of the gain from drawing times in the middle more often, some from residual blocks; of the DDPM
form, half the distance for velocities, and half of that for zero terminal SNR.
"""

from __future__ import annotations

from darkroom.figures import Drawing, table
from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
from experiments.part_b.digit_classifier import digit_classifier
from experiments.part_b.flow_time import flow_time

CHANGES = ("sinusoids", "residual", "spread")
FLOWS = ("course", *CHANGES)
SCHEDULES = ("noise", "velocity", "zero_terminal")
NAMES = {
    "course": "the course's network",
    "sinusoids": "time told by sinusoids",
    "residual": "residual blocks",
    "spread": "times drawn logit-normal",
    "noise": "DDPM, linear schedule, noise predicted",
    "velocity": "DDPM, linear schedule, velocity predicted",
    "zero_terminal": "DDPM, zero terminal SNR, velocity predicted",
}


@experiment(device="gpu", minutes=55, gpu_minutes=4)
def flow_trials(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    course: Results = upstream(flow_time),
    judge: Results = upstream(digit_classifier),
    *,
    epochs: int = 2,
    sinusoids: int = 64,
    spread: float = 1.0,
    averaging: float = 0.999,
    judged: int = 1000,
    judged_steps: int = 50,
    floor_draws: int = 20,
    seed: int = 180,
) -> dict[str, object]:
    """The course's network as it is, and with one change each: "sinusoids", "residual", "spread".

    What is not changed is as in ``flow_time``.

    Results: ``loss`` (trials,), of the last epoch; ``frechet`` and ``confidence`` (trials, 2), with the weights as they
    are and averaged, both with batch norms recalibrated, over ``judged`` samples by ``judged_steps`` steps of Euler's
    method; ``floor`` (draws,).
    """
    from experiments.part_b.judging import Judge
    from experiments.part_b.trials import FlowTrials, compared

    reader = Judge(run, judge, mnist, each=judged // 10, draws=floor_draws, seed=seed)
    trials = FlowTrials(run, mnist, course.parameters, averaging, judged, judged_steps, seed + 1, sinusoids, spread)
    return compared(trials, {name: (name,) if name in CHANGES else () for name in FLOWS}, epochs, reader)


@experiment(device="gpu", minutes=45, gpu_minutes=4)
def schedule_trials(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    course: Results = upstream(flow_time),
    judge: Results = upstream(digit_classifier),
    *,
    epochs: int = 2,
    T: int = 300,
    learning_rate: float = 1e-3,
    averaging: float = 0.999,
    judged: int = 1000,
    judged_steps: int = 50,
    floor_draws: int = 20,
    seed: int = 180,
) -> dict[str, object]:
    """The DDPM form with as many batches: "noise", "velocity", and "zero_terminal", which ends in noise alone.

    Results: as those of ``flow_trials``, by DDIM in place of Euler's method.
    """
    from experiments.part_b.judging import Judge
    from experiments.part_b.trials import ScheduleTrials, compared

    reader = Judge(run, judge, mnist, each=judged // 10, draws=floor_draws, seed=seed)
    trials = ScheduleTrials(run, mnist, course.parameters, averaging, judged, judged_steps, seed + 1, T, learning_rate)
    return compared(trials, {name: (name,) for name in SCHEDULES}, epochs, reader)


@flow_trials.metric
def frechet(results: Results) -> dict[str, float]:
    """The Frechet distance of each trial, and of the first with its weights averaged."""
    plain = dict(zip(FLOWS, map(float, results["frechet"][:, 0]), strict=True))
    return {**plain, "averaging": float(results["frechet"][0, 1])}


@schedule_trials.metric
def schedule_frechet(results: Results) -> dict[str, float]:
    """The Frechet distance of each trial."""
    return dict(zip(SCHEDULES, map(float, results["frechet"][:, 0]), strict=True))


@flow_trials.figure(
    caption="Short trials of the course's network, and of one change to it at a time. The loss of times drawn otherwise is"
    " not comparable with the rest.",
    alt="A table with a row for each trial: loss, and Fréchet distance and confidence with weights as they are and averaged.",
)
def changes(results: Results) -> Drawing:
    """A row a trial."""
    return _table(results, FLOWS)


@schedule_trials.figure(
    caption="Trials as short of the DDPM form, and of a schedule that ends in noise alone. Losses of noise and of"
    " velocities are not comparable.",
    alt="A table with a row for each schedule: loss; Fréchet distance and confidence with weights as they are and averaged.",
)
def schedules(results: Results) -> Drawing:
    """A row a trial."""
    return _table(results, SCHEDULES)


def _table(results: Results, trials: tuple[str, ...]) -> Drawing:
    lines = [
        [NAMES[name], f"{loss:.4f}", f"{plain:.2f}", f"{averaged:.2f}", f"{sure:.1%}", f"{averaged_sure:.1%}"]
        for name, loss, (plain, averaged), (sure, averaged_sure) in zip(
            trials, results["loss"], results["frechet"], results["confidence"], strict=True
        )
    ]
    floor = results["floor"]
    lines.append(["real digits", "", f"{floor.mean():.2f} ± {floor.std():.2f}", "", "", ""])
    headings = ["Fréchet distance", "with averaged weights", "confidence", "with averaged weights"]
    return table(["", "loss", *headings], lines)
