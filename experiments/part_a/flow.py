"""Part A as flow matching: the same model, asked for velocities along the straight line from noise to pictures.

Shows: the interpolation at three times; what a blur, one step and Euler's method make of it; the update that the model
predicts beside the true one; samples with and without guidance; edits that start at seven times; anagrams by a half turn;
hybrids at three sizes.
Needs: stage I, the pictures. Nothing is trained: any denoiser is a flow.
Costs: about four minutes on two CPU cores.
Expect: pictures much like those of the stochastic sampler. In squared error all steps are no better than the first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.figures import Drawing, Panel, Series, Turning, animation, line_plot, table, tiles, turning
from darkroom.figures.pixels import shrunk
from darkroom.lab import Results, Run, Weights, asset, experiment, weights
from experiments.part_a.ranking import best_first


@experiment(device="gpu", minutes=8)
def flow(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    chapel: Path = asset("images/chapel.png"),
    rocket: Path = asset("images/photo_rocket.jpg"),
    sailboat: Path = asset("images/drawing_sailboat.png"),
    *,
    shown_at: tuple[float, ...] = (0.25, 0.5, 0.75),
    sigmas: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0),
    steps: int = 50,
    midway: float = 0.5,
    count: int = 5,
    prompt: str = "a high quality photo",
    gamma: float = 2.5,
    starts: tuple[float, ...] = (0.02, 0.04, 0.06, 0.1, 0.14, 0.25, 0.5),
    edit_prompts: tuple[str, ...] = ("a rocket ship", "an oil painting of a lion", "a photo of a whale"),
    anagrams: tuple[tuple[str, str], ...] = (
        ("an oil painting of an old man", "an oil painting of people around a campfire"),
        ("an oil painting of a lion", "an oil painting of an old man"),
        ("a lithograph of a skull", "a lithograph of a cup of coffee"),
    ),
    hybrids: tuple[tuple[str, str], ...] = (
        ("a lithograph of a skull", "a lithograph of waterfalls"),
        ("an oil painting of a heart", "an oil painting of a strawberry"),
        ("an oil painting of an old man", "an oil painting of a pineapple"),
    ),
    sigma: float = 2.0,
    kernel: int = 33,
    seeds_each: int = 8,
    seed: int = 180,
) -> dict[str, object]:
    """Everything by Euler's method, t from 0 (noise) to 1 (picture); with S = side.

    Results: ``original`` uint8 (S, S, 3); at each time of ``shown_at``, from one eps: ``noisy``, ``blurred`` and ``one_step``
    uint8 (times, S, S, 3), ``sigma`` (times,), ``predicted_update`` and ``true_update`` float16 (times, S, S, 3), and
    ``mse`` (times, 2) of blur and one step, of pixels in [-1, 1]; ``path`` uint8 (steps, S, S, 3) from ``midway`` on at
    ``path_times``, with ``path_mse`` (steps,) and ``estimate_mse`` (steps - 1,), of x_t and of the estimate that each step
    goes by; ``samples`` and ``guided`` uint8 (count, S, S, 3); ``originals`` uint8 (3, S, S, 3), ``edits`` and ``prompted``
    uint8 (3, starts, S, S, 3); for anagrams and hybrids ``NAME`` and ``NAME_seen`` uint8 (pairs, seeds, S, S, 3), the latter
    half turned, or the low frequencies alone, and ``NAME_scores`` (pairs, seeds, 2).

    Raises:
        ValueError: ``midway`` is none of ``shown_at``.
    """
    import torch

    from experiments.cascade import Pipeline, seeds_of, to_bytes
    from experiments.part_a.flowing import Flowing

    if midway not in shown_at:
        raise ValueError(
            f"midway = {midway:g} is none of shown_at, {', '.join(f'{t:g}' for t in shown_at)}; add it there"
        )
    pairs = [text for pair in (*anagrams, *hybrids) for text in pair]
    pipeline = Pipeline(run, stage_1, [prompt, *edit_prompts, *pairs])
    flowing = Flowing(pipeline, steps, seed)
    originals = torch.cat([pipeline.load_picture(path) for path in (chapel, rocket, sailboat)])
    seeds, generic = seeds_of(seed, count), [prompt] * len(originals)
    unguided, guided = (flowing.sample(pipeline.denoiser(prompt, strength), seeds) for strength in (1, gamma))
    return {
        "original": to_bytes(originals[:1])[0],
        **flowing.estimates(originals[:1], prompt, shown_at, sigmas),
        **flowing.path(originals[:1], prompt, midway),
        "samples": unguided,
        "guided": guided,
        "originals": to_bytes(originals),
        "edits": flowing.edited(originals, generic, starts, gamma),
        "prompted": flowing.edited(originals, edit_prompts, starts, gamma),
        **flowing.anagrams(anagrams, gamma, seeds_of(seed, seeds_each)),
        **flowing.hybrids(hybrids, gamma, seeds_of(seed, seeds_each), sigma, kernel),
    }


@flow.metric
def mse(results: Results) -> dict[str, float]:
    """The mean squared error, of pixels in [-1, 1], of the best blur and of one step, by t."""
    times = results.parameters["shown_at"]
    return {
        f"{method} {t:g}": float(value)
        for t, row in zip(times, results["mse"], strict=True)
        for method, value in zip(("blur", "one step"), row, strict=True)
    }


@flow.metric
def mse_from_midway(results: Results) -> dict[str, float]:
    """The mean squared error, of pixels in [-1, 1], of one step from midway and of all of them."""
    return {"one step": float(results["estimate_mse"][0]), "Euler": float(results["path_mse"][-1])}


@flow.metric
def best_sigma(results: Results) -> dict[str, float]:
    """The width of the best blur, in pixels, by t."""
    times = results.parameters["shown_at"]
    return {f"{t:g}": float(sigma) for t, sigma in zip(times, results["sigma"], strict=True)}


@flow.figure(
    caption=r"The interpolation $x_t = (1 - t)\,x_0 + t\,x_1$ between one draw of noise $x_0$ and the picture $x_1$.",
    alt="A chapel in the snow under noise: all but gone at t = 0.25, plain at t = 0.75; last, without noise.",
)
def interpolation(results: Results) -> Drawing:
    """Each time, then the picture."""
    times = results.parameters["shown_at"]
    alt = [*(f"The chapel at t = {t:g}." for t in times), "The chapel."]
    return tiles([[*results["noisy"], results["original"]]], columns=[*_at(times), "$x_1$"], alt=[alt])


@flow.figure(
    caption=r"What a blur of $x_t / t$ and one step $\hat x_1 = x_t + (1 - t)\,v$ make of it.",
    alt="Three rows of chapels: noisy, blurred, and the model's estimates, which are sharper the later they start.",
)
def one_step(results: Results) -> Drawing:
    """Noisy, blurred and estimated, by time."""
    names = ["blur", "one step"]
    errors = [[f"{value:.4f}" for value in column] for column in results["mse"].T]
    times = results.parameters["shown_at"]
    alt = [
        [f"The chapel at t = {t:g}." for t in times],
        *([f"Its {name}, with an error of {value}." for value in row] for name, row in zip(names, errors, strict=True)),
    ]
    rows = ["$x_t$", "best blur", "one step"]
    pictures = [list(results[name]) for name in ("noisy", "blurred", "one_step")]
    return tiles(pictures, rows=rows, columns=_at(times), alt=alt)


@flow.figure(
    caption="The mean squared error of both, of pixels in $[-1, 1]$, and the width of the best blur.",
    alt="A table: the error of one step is smaller than that of the blur at every time.",
)
def errors(results: Results) -> Drawing:
    """A row a time."""
    rows = zip(results.parameters["shown_at"], results["mse"], results["sigma"], strict=True)
    lines = [[f"{t:g}", f"{blur:.4f}", f"{once:.4f}", f"{width:g}"] for t, (blur, once), width in rows]
    return table(["$t$", "blur", "one step", "width of the blur in pixels"], lines)


@flow.figure(
    caption=r"The update $(1 - t)\,v$ that the model predicts, the true one $x_1 - x_t$, and how far apart they are, pixel by"
    " pixel: gray is no change, beyond 2 it is cut; in the map black is no error and white the greatest at any time.",
    alt="Three rows of colour noise in which the chapel can be seen, and maps of errors that are brightest along its edges.",
)
def updates(results: Results) -> Drawing:
    """Predicted, true, and the error's map."""
    predicted, true = (results[f"{name}_update"].astype(np.float64) for name in ("predicted", "true"))
    apart = np.abs(predicted - true).mean(3)
    shown = [np.clip(0.5 + update / 4, 0, 1) for update in (predicted, true)]
    rows = ["predicted", "true", "error"]
    alt = "The {row} update at {column}."
    return tiles(
        [*(list(each) for each in shown), list(apart / apart.max())],
        rows=rows,
        columns=_at(results.parameters["shown_at"]),
        alt=alt,
    )


@flow.figure(
    caption="Euler's method from the middle on: every fifth step, the last, and beside it one step and the best blur.",
    alt="A chapel comes out of noise in five pictures; then a sharp one, a softer one and a blurred one.",
)
def loop(results: Results) -> Drawing:
    """From the noisy picture to the end."""
    times, middle = list(results["path_times"]), results.parameters["midway"]
    shown = range(0, len(times), 5)
    at = list(results.parameters["shown_at"]).index(middle)
    pictures = [*(results["path"][i] for i in shown), results["one_step"][at], results["blurred"][at]]
    columns = [*(rf"$t = {times[i]:g}$" for i in shown), "one step", "blur"]
    return tiles([pictures], columns=columns, alt="The chapel: {column}.", scale=1)


@flow.figure(
    caption="The whole path from the middle on. Play it, or move the slider.",
    alt="A chapel comes out of noise.",
)
def trajectory(results: Results) -> Drawing:
    """As a film."""
    labels = [f"t = {t:.2f}" for t in results["path_times"]]
    panel = Panel("", "Noise turns into a chapel.", results["path"])
    return animation([panel], fps=8, hold_last_s=2.0, scale=4, labels=labels)


@flow.figure(
    caption="Mean squared error along the path: of the picture as it is, and of the estimate that each step goes by.",
    alt="The picture's error falls to that of the estimate, which rises a little on the way.",
)
def error_by_step(results: Results) -> Drawing:
    """By t."""
    times = results["path_times"]
    curves = [
        Series("the picture", times, results["path_mse"]),
        Series("the estimate", times[:-1], results["estimate_mse"]),
    ]
    return line_plot(curves, x_label="t", y_label="mean squared error", log_y=True, format=".4f")


@flow.figure(
    caption="Five samples by 50 Euler steps from noise, as the model is and with guidance, from the same noise.",
    alt="Two rows of small pictures: pale heaps of colour without guidance, in stronger colours and deeper shade with it.",
)
def samples(results: Results) -> Drawing:
    """Two rows."""
    rows = [r"$\gamma = 1$", rf"$\gamma = {results.parameters['gamma']:g}$"]
    return tiles([list(results["samples"]), list(results["guided"])], rows=rows, alt="Sample {column_number}, {row}.")


@flow.figure(
    caption="Edits: three pictures, noised to seven times and carried to the end with the generic prompt.",
    alt="Rows of pictures: something else when started near noise, the original when started late.",
)
def edits(results: Results) -> Drawing:
    """A row a picture."""
    return _edits(results, "edits", ["chapel", "rocket", "sailboat"])


@flow.figure(
    caption="The same with a prompt for each.",
    alt="Rows of pictures: what the prompt says when started near noise, the original when started late.",
)
def prompted(results: Results) -> Drawing:
    """A row a picture."""
    names = zip(("chapel", "rocket", "sailboat"), results.parameters["edit_prompts"], strict=True)
    return _edits(results, "prompted", [f"{name}, “{prompt}”" for name, prompt in names])


@flow.figure(
    caption="Anagrams by a half turn, each branch guided; each the best of its seeds by score.",
    alt="Small pictures that turn, each from one thing into another.",
)
def anagrams(results: Results) -> Drawing:
    """One of each pair."""
    panels = []
    for number, (first, second) in enumerate(results.parameters["anagrams"]):
        chosen = best_first(results["anagrams_scores"][number])[0]
        picture, seen = results["anagrams"][number, chosen], results["anagrams_seen"][number, chosen]
        panels.append(Turning(f"{first} / {second}", picture, seen, "half-turn", f"{first}.", f"{second}."))
    return turning(panels, scale=3)


@flow.figure(
    caption="Hybrids, each the best of its seeds by score, at the model's own size, at half and at a quarter of it."
    " From afar the first prompt is seen.",
    alt="Pictures that read as one thing at full size and as another when they are small.",
)
def hybrids(results: Results) -> Drawing:
    """A row a pair, a column a size."""
    side = results["hybrids"].shape[2]
    rows, names, sizes = [], [], (side, side // 2, side // 4)
    for number, (first, second) in enumerate(results.parameters["hybrids"]):
        picture = results["hybrids"][number, best_first(results["hybrids_scores"][number])[0]]
        rows.append([shrunk(picture, size) for size in sizes])
        names.append(f"{first} / {second}")
    return tiles(rows, rows=names, columns=[f"{size} px" for size in sizes], alt="{row}, at {column}.", scale=1)


def _edits(results: Results, name: str, rows: list[str]) -> Drawing:
    pictures = [[*edits, original] for edits, original in zip(results[name], results["originals"], strict=True)]
    columns = [*_at(results.parameters["starts"]), "original"]
    return tiles(pictures, rows=rows, columns=columns, alt="{row}, {column}.", scale=1)


def _at(times: tuple[float, ...]) -> list[str]:
    return [rf"$t = {t:g}$" for t in times]
