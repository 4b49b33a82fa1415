"""How long stage I takes, beside diffusers' own pipelines on the same checkpoint, prompts and steps, in one run.

Run alone with ``pytest -m benchmark -s tests/benchmarks/test_sampling.py``. The checkpoint is Pocket IF as it is shipped.
Each runs as it does by default: diffusers in float32, ours in bfloat16 where the CPU has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from darkroom.lab import Weights  # noqa: E402
from tests.experiments.handles import Handle  # noqa: E402

pytestmark = [pytest.mark.benchmark, pytest.mark.report("cascade", "pocket_if")]

SIDE, STEPS, GAMMA = 64, 33, 7.0
LEVELS = (1, 3, 5, 7, 10, 20)
PROMPT = "an oil painting of a snowy mountain village"


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return Path(__file__).parents[2] / "experiments/outputs/pocket_if/stage_1/pipeline"


def best_of(count: int, *works: Callable[[], object]) -> list[float]:
    """The shortest time of each, tried in turn so that all meet the same machine."""
    times = [[] for _ in works]
    for work in works:
        work()
    for _ in range(count):
        for work, taken in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return [min(taken) for taken in times]


def test_one_prompt_is_no_slower_than_diffusers(checkpoint: Path, tmp_path: Path) -> None:
    """One picture with guidance takes no longer than IFPipeline takes for it, but for the noise of measuring."""
    from diffusers import IFPipeline

    from experiments.cascade import Pipeline

    stock = IFPipeline.from_pretrained(checkpoint, safety_checker=None, watermarker=None, feature_extractor=None)
    stock.set_progress_bar_config(disable=True)
    pipeline = Pipeline(Handle(), Weights(str(checkpoint)), cache=tmp_path)
    embedded, null = pipeline.prompts([PROMPT]), pipeline.prompts([""])

    def theirs() -> object:
        return stock(
            prompt_embeds=embedded, negative_prompt_embeds=null, num_inference_steps=STEPS, guidance_scale=GAMMA,
            generator=torch.Generator().manual_seed(1), output_type="pt",
        )  # fmt: skip

    def ours() -> object:
        return pipeline.sample(pipeline.denoiser(PROMPT, GAMMA), [1], pipeline.stage.times(STEPS))

    mine, reference = best_of(5, ours, theirs)
    print(f"\none prompt, {STEPS} steps with guidance: ours {mine:.2f} s, IFPipeline {reference:.2f} s")
    assert mine <= 1.05 * reference


def test_six_levels_of_sdedit_are_at_least_half_as_quick_again(checkpoint: Path, tmp_path: Path) -> None:
    """All six levels in one batch take at most two thirds of what IFImg2ImgPipeline takes, level by level."""
    from diffusers import IFImg2ImgPipeline
    from PIL import Image

    from darkroom.diffusion.pretrained import Source, load_stage
    from darkroom.diffusion.sample import last, sdedit
    from experiments.cascade import TIMES, Pipeline

    stock = IFImg2ImgPipeline.from_pretrained(checkpoint, safety_checker=None, watermarker=None, feature_extractor=None)
    stock.set_progress_bar_config(disable=True)
    pipeline = Pipeline(Handle(), Weights(str(checkpoint)), cache=tmp_path)
    embedded, null = pipeline.prompts([PROMPT]), pipeline.prompts([""])
    pixels = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    picture, original = Image.fromarray(pixels), torch.zeros(1, 3, SIDE, SIDE)

    def theirs() -> object:
        return [
            stock(
                prompt_embeds=embedded, negative_prompt_embeds=null, image=picture, guidance_scale=GAMMA,
                num_inference_steps=STEPS, strength=(STEPS - level) / STEPS, output_type="pt",
                generator=torch.Generator().manual_seed(1),
            )
            for level in LEVELS
        ]  # fmt: skip

    def ours() -> object:
        walk = sdedit(
            pipeline.stage.finished(pipeline.denoiser(PROMPT, GAMMA)),
            pipeline.noise([1] * len(LEVELS)),
            original.expand(len(LEVELS), -1, -1, -1),
            [TIMES[level] for level in LEVELS],
            times=TIMES[min(LEVELS) :],
            variance=pipeline.stage.variance,
        )
        return last(walk)

    mine, reference = best_of(3, ours, theirs)
    pipeline.stage = load_stage(Source(str(checkpoint)), dtype=torch.float32)
    (alike,) = best_of(2, ours)
    print(f"\n(in float32, as theirs: {alike:.2f} s)")
    print(f"six levels of SDEdit: ours {mine:.2f} s, IFImg2ImgPipeline {reference:.2f} s ({reference / mine:.2f}x)")
    assert mine <= reference / 1.5
