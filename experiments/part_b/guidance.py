"""How hard to push towards the digit that was asked for.

Shows: the same noise at five strengths of guidance.
Needs: the class-conditioned network.
Costs: about an hour on two CPU cores, seconds on a data-centre GPU.
Expect: any digit at gamma = 0, the right one from gamma = 1 on, and ever less variety above that.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, sheet, slides
from darkroom.lab import Results, Run, experiment, upstream
from experiments.part_b import panels
from experiments.part_b.class_conditioned import class_conditioned


@experiment(device="gpu", minutes=60, gpu_minutes=2)
def guidance(
    run: Run,
    trained: Results = upstream(class_conditioned),
    *,
    gammas: tuple[float, ...] = (0.0, 1.0, 2.0, 5.0, 10.0),
    per_digit: int = 100,
    shown_per_digit: int = 4,
    seed: int = 180,
) -> dict[str, object]:
    """Samples at each strength of guidance, from the same noise, by ancestral sampling over all steps.

    Results: ``samples_0``, ``samples_1``, ...: for each gamma in turn, (10 * per_digit, 28, 28), digit by digit, at 16 grey
    levels, as the bytes of a PNG (``panels.from_png``).
    """
    from darkroom.diffusion import schedules
    from darkroom.diffusion.sample import ddpm
    from darkroom.diffusion.unet import ClassUNet
    from experiments.part_b import digits

    known = trained.parameters
    schedule = schedules.linear(known["T"], known["beta_1"], known["beta_T"]).to(run.device)
    network = digits.restored(ClassUNet(known["width"]), trained["weights"])
    call = digits.quick(network, run.device)
    asked = digits.one_hot_digits(per_digit, run.device)
    kept = dict(run.load() or {})
    for position, gamma in enumerate(gammas):
        if f"samples_{position}" in kept:
            continue
        source = digits.noise(len(asked), seed, run.device)
        for step in ddpm(digits.guided(call, schedule, asked, gamma), source):
            done = position * schedule.T + schedule.T - step.t
            run.progress(done, len(gammas) * schedule.T, unit="steps", gamma=gamma)
        kept[f"samples_{position}"] = digits.pixels(step.x_t)
        run.save(kept)
    return {name: panels.as_png(samples) for name, samples in kept.items()}


@guidance.figure(
    caption=r"The same noise at five strengths of guidance $\gamma$, four of each digit.",
    alt="Sheets of digits: a jumble at gamma 0, the right digits from gamma 1 on, bolder and more alike up to gamma 10.",
)
def sweep(results: Results) -> Drawing:
    """A sheet for each gamma under one slider, a column a digit."""
    labels = [f"γ = {gamma:g}" for gamma in results.parameters["gammas"]]
    sheets = [sheet(_shown(results, position), 10) for position in range(len(labels))]
    return slides(sheets, labels=labels, alt="Four each of the digits 0 to 9 at {label}.", start=_strongest(results))


def _strongest(results: Results) -> int:
    """Where the slider begins: at gamma = 5, the course's, or else in the middle."""
    gammas = list(results.parameters["gammas"])
    return gammas.index(5.0) if 5.0 in gammas else len(gammas) // 2


def _shown(results: Results, position: int) -> np.ndarray:
    per_digit, shown = results.parameters["per_digit"], results.parameters["shown_per_digit"]
    samples = panels.from_png(results[f"samples_{position}"]).reshape(10, per_digit, 28, 28)[:, :shown]
    return panels.a_column_a_digit(samples.reshape(-1, 28, 28))
