"""Image to image on pictures that are far from what the model knows: a photograph, and drawings by hand.

Shows: a cup of coffee and two drawings at six levels.
Needs: stage I, the pictures.
Costs: about a minute on two CPU cores.
Expect: the model's idea of them at the higher levels of noise, the drawing itself at the lower ones.
"""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing
from darkroom.lab import Results, Run, Weights, asset, experiment, weights
from experiments.part_a import edits


@experiment(device="gpu", minutes=2)
def drawings(
    run: Run,
    stage_1: Weights = weights("stage_1"),
    coffee: Path = asset("images/photo_coffee.jpg"),
    sailboat: Path = asset("images/drawing_sailboat.png"),
    tree: Path = asset("images/drawing_tree.png"),
    *,
    levels: tuple[int, ...] = (1, 3, 5, 7, 10, 20),
    prompt: str = "a high quality photo",
    gamma: float = 2.5,
    seed: int = 180,
) -> dict[str, object]:
    """Results: those of ``edits.edited``, for the coffee, the sailboat and the tree."""
    from experiments.cascade import Pipeline

    return edits.edited(Pipeline(run, stage_1, [prompt]), [coffee, sailboat, tree], [prompt] * 3, levels, gamma, seed)


@drawings.metric
def distance(results: Results) -> dict[str, float]:
    """From the original, by i_start."""
    return edits.mean_distance(results)


@drawings.figure(
    caption="A photograph from the web and two drawings by hand, at six levels, with the generic prompt.",
    alt="Rows of pictures that become ever more like a cup of coffee, a drawn sailboat and a drawn tree.",
)
def levels(results: Results) -> Drawing:
    """A row a picture."""
    return edits.by_level(results, ("coffee, from the web", "sailboat, drawn", "tree, drawn"))
