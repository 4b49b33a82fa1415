"""Image to image: noise a picture, and let the model find its own way back (SDEdit).

Shows: the test picture and two photographs at six levels.
Needs: stage I, the pictures.
Costs: about a minute on two CPU cores.
Expect: something else at i_start = 1, nearly the original at 20.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing
from darkroom.lab import Results, Run, Weights, asset, experiment, weights
from experiments.part_a import edits


@experiment(device="gpu", minutes=2)
def sdedit(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    chapel: Path = asset("images/chapel.png"),
    rocket: Path = asset("images/photo_rocket.jpg"),
    cat: Path = asset("images/photo_cat.jpg"),
    *,
    levels: tuple[int, ...] = (1, 3, 5, 7, 10, 20),
    prompt: str = "a high quality photo",
    gamma: float = 2.5,
    seed: int = 180,
) -> dict[str, object]:
    """Results: those of ``edits.edited``, for the chapel, the rocket and the cat."""
    from experiments.cascade import Pipeline

    return edits.edited(Pipeline(run, stage_1, [prompt]), [chapel, rocket, cat], [prompt] * 3, levels, gamma, seed)


@sdedit.metric
def distance(results: Results) -> dict[str, float]:
    """From the original, by i_start."""
    return edits.mean_distance(results)


@sdedit.figure(
    caption="The test picture and two photographs, noised to six levels and sampled from there, with the generic prompt.",
    alt="Rows of pictures: a chapel comes out of loose strokes, a fire at night becomes a launch pad, a cat stays a crowd.",
)
def levels(results: Results) -> Drawing:
    """A row a picture."""
    return edits.by_level(results, ("chapel", "rocket", "cat"))
