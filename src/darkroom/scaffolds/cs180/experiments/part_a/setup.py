"""The model: three prompts at several numbers of steps."""

from __future__ import annotations

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, experiment


@experiment(device="gpu", minutes=5, results=("small", "large"))
def setup(
    run: Run,
    *,
    prompts: tuple[str, ...] = (
        "an oil painting of a snowy mountain village",
        "a man wearing a hat",
        "a rocket ship",
    ),
    steps: tuple[int, ...] = (20, 100),
    seed: int = 180,
) -> dict[str, object]:
    """Three prompts, drawn by stage I and enlarged by stage II.

    To return: ``small`` uint8 (prompts, steps, 64, 64, 3); ``large`` uint8 (prompts, steps, 256, 256, 3).
    """
    raise NotImplementedError


@setup.figure(
    caption="What the two stages make of three prompts.",
    alt="A row for each prompt: small pictures of stage I, then large ones of stage II.",
)
def stages(results: Results) -> Drawing:
    """A row for each prompt."""
    steps = results.parameters["steps"]
    columns = [f"stage {stage}, {count} steps" for stage in ("I", "II") for count in steps]
    rows = [[*small, *large] for small, large in zip(results["small"], results["large"], strict=True)]
    return tiles(rows, rows=results.parameters["prompts"], columns=columns, alt="{row}, {column}.", scale=1)
