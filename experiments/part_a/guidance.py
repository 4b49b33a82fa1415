"""Classifier-free guidance: asking twice, and going further in the direction of the difference.

Shows: five pictures of "a high quality photo" with guidance; prompts at several strengths, from the same noise; how well
pictures agree with their prompt, by strength.
Needs: stage I.
Costs: about two minutes on two CPU cores.
Expect: with guidance things that one can name, if the prompt names one; too much of it makes them glaring.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, Series, line_plot, tiles
from darkroom.lab import Results, Run, Weights, experiment, weights


@experiment(device="gpu", minutes=3)
def guidance(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    *,
    count: int = 5,
    gamma: float = 2.5,
    gammas: tuple[float, ...] = (1.0, 3.0, 5.0, 7.0, 11.0),
    prompt: str = "a high quality photo",
    swept: tuple[str, ...] = (
        "a rocket ship",
        "a photo of a dog",
        "an oil painting of a castle",
        "a lithograph of a skull",
    ),
    each: int = 2,
    asked_at: tuple[int, ...] = (200, 350, 500, 650, 800),
    seed: int = 180,
) -> dict[str, object]:
    """Samples at one strength for the generic prompt, and at several for others, the noise the same for all strengths.

    Results: ``pictures`` uint8 (count, side, side, 3); ``sweep`` uint8 (gammas, prompts, each, side, side, 3);
    ``agreement`` (gammas, prompts, each), by the model's own account.
    """
    from darkroom.diffusion.agreement import agreement
    from experiments.cascade import NULL, Pipeline, seeds_of, to_tensor

    pipeline = Pipeline(run, stage_1, [prompt, *swept])
    pictures = pipeline.sample(pipeline.denoiser(prompt, gamma), seeds_of(seed, count))
    prompts = [each_prompt for each_prompt in swept for _ in range(each)]
    seeds = seeds_of(seed + 1, len(prompts))
    sweep = [pipeline.sample(pipeline.denoiser(prompts, strength), seeds) for strength in gammas]
    conditional, null = pipeline.denoiser(prompts, gamma=1), pipeline.denoiser(NULL, gamma=1)
    agreed = [
        agreement(conditional, null, to_tensor(drawn).to(run.device), pipeline.noise(seeds), asked_at)
        for drawn in sweep
    ]
    shape = (len(gammas), len(swept), each)
    return {
        "pictures": pictures,
        "sweep": np.stack(sweep).reshape(*shape, *pictures.shape[1:]),
        "agreement": np.stack([row.cpu().numpy() for row in agreed]).reshape(shape),
    }


@guidance.metric
def agreement_by_gamma(results: Results) -> dict[str, float]:
    """How much better the model predicts noise in its pictures with the prompt than without, by gamma."""
    names = [f"{gamma:g}" for gamma in results.parameters["gammas"]]
    return dict(zip(names, map(float, results["agreement"].mean((1, 2))), strict=True))


@guidance.figure(
    caption="Five samples of “a high quality photo” with guidance, from the same noise as without.",
    alt="Small painted scenes: houses on a slope by the sea, and gatherings by a fire at night.",
)
def samples(results: Results) -> Drawing:
    """In a row."""
    return tiles([list(results["pictures"])], alt="Sample {column_number}.")


@guidance.figure(
    caption=r"The same noise and prompts at several strengths.",
    alt="Rows of rockets, dogs, castles and skulls, a row for each strength: vague at first, then clear, then glaring.",
)
def sweep(results: Results) -> Drawing:
    """A row for each strength, a column for each sample."""
    rows = [rf"$\gamma = {gamma:g}$" for gamma in results.parameters["gammas"]]
    prompts = [prompt for prompt in results.parameters["swept"] for _ in range(results.parameters["each"])]
    cells = results["sweep"].reshape(len(rows), len(prompts), *results["sweep"].shape[3:])
    gammas = results.parameters["gammas"]
    return tiles(
        list(cells), rows=rows, columns=prompts, alt=lambda r, c: f"{prompts[c]}, at γ = {gammas[r]:g}.", scale=2
    )


@guidance.figure(
    caption="How well pictures agree with their prompt: how much better the model predicts the noise in them with it.",
    alt="A curve that rises all the way with the strength of guidance.",
)
def agreement(results: Results) -> Drawing:
    """By strength, over all prompts."""
    values = results["agreement"].reshape(len(results.parameters["gammas"]), -1)
    spread = values.std(1) / values.shape[1] ** 0.5
    mean = values.mean(1)
    curve = Series("all prompts", results.parameters["gammas"], mean, low=mean - spread, high=mean + spread)
    return line_plot([curve], x_label="γ", y_label="agreement", x_ticks=results.parameters["gammas"], format=".4f")
