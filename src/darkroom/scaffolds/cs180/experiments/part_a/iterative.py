"""1.4 Iterative denoising, along strided times."""

from __future__ import annotations

from pathlib import Path

from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, Run, asset, experiment


@experiment(device="gpu", minutes=5, results=("steps", "result", "one_step", "blurred"))
def iterative(
    run: Run,
    picture: Path = asset("images/test.png"),
    *,
    first_time: int = 990,
    stride: int = 30,
    start: int = 10,
    shown_times: tuple[int, ...] = (690, 540, 390, 240, 90),
    prompt: str = "a high quality photo",
    seed: int = 180,
) -> dict[str, object]:
    """Denoising in many small steps, from a noisy test image.

    To return: ``steps`` uint8 (shown_times, 64, 64, 3), the image as it is denoised; ``result``, ``one_step`` and
    ``blurred`` uint8 (64, 64, 3), made from the same noisy image.
    """
    raise NotImplementedError


@iterative.figure(
    caption="The image at every fifth step.",
    alt="An image that comes out of noise, in five steps.",
)
def path(results: Results) -> Drawing:
    """One picture for each time that is shown."""
    columns = [f"$t = {t}$" for t in results.parameters["shown_times"]]
    return tiles([results["steps"]], columns=columns, alt="At {column}.", scale=2)


@iterative.figure(
    caption="The result, beside one step and Gaussian blur from the same noisy image.",
    alt="Three images: the first is clear, the others are blurred.",
)
def compared(results: Results) -> Drawing:
    """Three ways."""
    names = ["iterative", "one step", "Gaussian blur"]
    return tiles(
        [[results["result"], results["one_step"], results["blurred"]]], columns=names, alt="{column}.", scale=2
    )
