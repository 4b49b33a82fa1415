"""The weights that the repository ships, in the hands of somebody who has only diffusers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
OUTPUTS = Path(__file__).parents[2] / "experiments/outputs"
STAGE_1 = OUTPUTS / "pocket_if/stage_1/pipeline"
JUDGE = OUTPUTS / "pocket_if/judge"


@pytest.mark.report("pocket_if")
@pytest.mark.skipif(not (STAGE_1.is_dir() and JUDGE.is_dir()), reason="Pocket IF and its judge have not been trained")
def test_stock_diffusers_draws_a_rocket_with_the_shipped_weights():
    """``IFPipeline.from_pretrained`` on the folder is all it takes; the judge finds a rocket in most of three pictures."""
    from diffusers import IFPipeline

    from darkroom.diffusion.cascade import ABSENT
    from darkroom.lab.outputs.results import open_results
    from experiments.pocket_if.judging import NearestCentroid

    pipeline = IFPipeline.from_pretrained(STAGE_1, **ABSENT)
    pipeline.set_progress_bar_config(disable=True)
    generator = [torch.Generator().manual_seed(seed) for seed in range(3)]
    drawn = pipeline(
        ["a rocket ship"] * 3, num_inference_steps=12, guidance_scale=5.0, generator=generator, output_type="np"
    ).images
    judge = NearestCentroid.restored(open_results(OUTPUTS, "pocket_if/judge"))
    named = [judge.subjects[number] for number in judge.nearest((drawn * 255).round().astype(np.uint8))]
    assert named.count("rocket") >= 2, named
