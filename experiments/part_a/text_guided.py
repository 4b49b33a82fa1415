"""Image to image with a prompt: a picture on its way to something that it is not.

Shows: three pictures at six levels, each with a prompt of its own.
Needs: stage I, the pictures.
Costs: about a minute on two CPU cores.
Expect: what the prompt says at the higher levels of noise, in the colours and the composition of the picture.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing
from darkroom.lab import Results, Run, Weights, asset, experiment, weights
from experiments.part_a import edits


@experiment(device="gpu", minutes=2)
def text_guided(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    chapel: Path = asset("images/chapel.png"),
    cat: Path = asset("images/photo_cat.jpg"),
    sailboat: Path = asset("images/drawing_sailboat.png"),
    *,
    levels: tuple[int, ...] = (1, 3, 5, 7, 10, 20),
    prompts: tuple[str, ...] = ("a rocket ship", "an oil painting of a lion", "a photo of a whale"),
    gamma: float = 2.5,
    seed: int = 180,
) -> dict[str, object]:
    """Results: those of ``edits.edited``, a prompt each for the chapel, the cat and the sailboat."""
    from experiments.cascade import Pipeline

    return edits.edited(Pipeline(run, stage_1, prompts), [chapel, cat, sailboat], prompts, levels, gamma, seed)


@text_guided.metric
def distance(results: Results) -> dict[str, float]:
    """From the original, by i_start."""
    return edits.mean_distance(results)


@text_guided.figure(
    caption="Three pictures at six levels, each with a prompt of its own.",
    alt="Rows of pictures: a rocket ship becomes a chapel, a painted lion dissolves, a blue shape becomes a sailboat.",
)
def levels(results: Results) -> Drawing:
    """A row a picture."""
    names = ("chapel", "cat", "sailboat")
    prompts = results.parameters["prompts"]
    return edits.by_level(results, [f"{name}, “{prompt}”" for name, prompt in zip(names, prompts, strict=True)])
