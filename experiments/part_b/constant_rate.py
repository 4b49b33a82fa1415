"""The class-conditioned flow network trained without a scheduler: at the scheduler's rate, and at a lower one.

Shows: nothing itself; ``no_scheduler`` compares their losses and samples with those of the scheduler.
Needs: MNIST, and the settings of the network trained with the scheduler.
Costs: 10 epochs each; about an hour on two CPU cores with bfloat16, under a minute on a data-centre GPU.
Expect: a loss that is higher at the higher rate.
"""

from __future__ import annotations

from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
from experiments.part_b.flow_class import flow_class


@experiment(device="gpu", minutes=65, gpu_minutes=4)
def flow_constant(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    scheduled: Results = upstream(flow_class),
    *,
    learning_rate: float = 1e-2,
    averaging: float | None = 0.999,
    shown_epochs: tuple[int, ...] = (1, 5, 10),
    shown_per_digit: int = 2,
    judged_per_digit: int = 100,
    judged_steps: int = 50,
    seed: int = 180,
) -> dict[str, object]:
    """The network of ``flow_class`` trained at a constant rate, from the same weights and batches.

    Its weights come in three forms: ``plain``, as they are; ``averaged``, their moving average, whose batch norms have
    statistics of their own; and ``recalibrated``, as they are with such statistics, which shows what those alone do.

    Results: ``loss`` (steps,); for each form and each shown epoch e, ``samples_FORM_e`` uint8
    (10 * shown_per_digit, 28, 28), digit by digit, guided and in as many steps as in ``flow_class``; for each form after
    the last epoch ``judged_FORM``, the bytes of a PNG with 10 * judged_per_digit samples, by ``judged_steps`` steps of
    Euler's method without guidance (gamma = 1); ``epochs``.
    """
    from experiments.part_b.unscheduled import Sampling, train

    sampling = Sampling(run, scheduled.parameters, shown_per_digit, judged_per_digit, judged_steps, seed)
    return train(mnist, sampling, learning_rate, averaging, shown_epochs)


@experiment(device="gpu", minutes=65, gpu_minutes=4)
def flow_lower(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    scheduled: Results = upstream(flow_class),
    *,
    learning_rate: float = 3e-3,
    averaging: float | None = None,
    shown_epochs: tuple[int, ...] = (1, 5, 10),
    shown_per_digit: int = 2,
    judged_per_digit: int = 100,
    judged_steps: int = 50,
    seed: int = 180,
) -> dict[str, object]:
    """The same at a lower rate. Without an average there is the form ``plain`` alone."""
    from experiments.part_b.unscheduled import Sampling, train

    sampling = Sampling(run, scheduled.parameters, shown_per_digit, judged_per_digit, judged_steps, seed)
    return train(mnist, sampling, learning_rate, averaging, shown_epochs)
