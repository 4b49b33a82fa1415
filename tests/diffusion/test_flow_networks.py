"""Networks of flow matching: read from a pipeline's folder, asked in their own convention, drawn as by diffusers."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from darkroom.diffusion.flow import StraightLine
from darkroom.diffusion.guidance import Guided
from darkroom.diffusion.pretrained import Convention, ModelUnavailable, Prompts, Source, Stage, load_flow
from darkroom.diffusion.sample import Noise, euler
from tests.diffusion.flows import SIDE, TOKENS, save_flow

pytest.importorskip("diffusers")

PROMPTS = ["a rocket ship", "an oil painting of a snowy mountain village"]
ITS_OWN = Convention("data", (1.0, 0.0), noise_scale=2.0, side=SIDE, tokens=TOKENS)
LINE = StraightLine()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_flow(tmp_path_factory.mktemp("flow") / "pipeline")


def loaded(folder: Path, cache: Path, convention: Convention) -> tuple[Stage, Prompts]:
    source = Source(str(folder))
    return load_flow(source, convention), Prompts(source, cache, convention=convention)


def network(folder: Path) -> Any:
    from diffusers import PRXTransformer2DModel

    return PRXTransformer2DModel.from_pretrained(folder / "transformer").eval()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_it_draws_what_diffusers_draws(folder, tmp_path, monkeypatch, prompt):
    """Prompts, guidance, the scale of the noise and Euler's method: the pictures of PRXPixelPipeline, step for step."""
    from diffusers import PRXPixelPipeline

    monkeypatch.setattr("diffusers.pipelines.prx.pipeline_prx_pixel._basic_clean", str.strip)  # it wants ftfy
    theirs = PRXPixelPipeline.from_pretrained(folder)
    theirs.set_progress_bar_config(disable=True)
    start = Noise([5], (3, SIDE, SIDE)).draw()
    after: list[torch.Tensor] = []

    def keep(_pipeline: Any, _step: int, _time: Any, found: dict[str, Any]) -> dict[str, Any]:
        after.append(found["latents"])
        return found

    theirs(
        prompt,
        negative_prompt="",
        num_inference_steps=8,
        guidance_scale=5.0,
        height=SIDE,
        width=SIDE,
        use_resolution_binning=False,
        latents=2.0 * start,
        output_type="pt",
        callback_on_step_end=keep,
    )

    stage, prompts = loaded(folder, tmp_path, ITS_OWN)
    conditional = stage.denoiser(*prompts.conditions([prompt]))
    guided = Guided(conditional, stage.denoiser(*prompts.conditions([""])), 5.0)
    noisy = [float(sigma) for sigma in theirs.scheduler.sigmas]
    times = [(1 - sigma) / (1 - sigma + 2 * sigma) for sigma in noisy]  # where the line of scale 1 has that ratio
    steps = euler(guided, Noise([0], (1,)), x_T=start, times=times)
    for step, sigma, expected in zip(steps, noisy[1:-1], after, strict=False):  # its last step, of 0.001, it cuts short
        torch.testing.assert_close(step.x_t * (1 - sigma + 2 * sigma), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("times", [(0.0, 1.0), (1.0, 0.0), (1000.0, 0.0)])
def test_a_velocity_is_read_in_the_network_s_own_time(folder, tmp_path, times):
    """It is told its own time, and where that falls towards the data its velocity is eps - x_0."""
    stage, prompts = loaded(folder, tmp_path, Convention("velocity", times, side=SIDE, tokens=TOKENS))
    conditions = prompts.conditions(PROMPTS[:1])
    x_t, t = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)), 0.3
    found = stage.denoiser(*conditions)(x_t, t)
    told = torch.tensor([times[0] + (times[1] - times[0]) * t])
    output = network(folder)(x_t, told, conditions[0], conditions[1].bool(), return_dict=False)[0].detach()
    expected = output if times[1] > times[0] else -output
    torch.testing.assert_close(LINE.velocity(found.x_0, t, found.eps), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prediction", ["data", "noise"])
def test_other_predictions_are_read_as_what_they_are(folder, tmp_path, prediction):
    """What the network returns is x_0, or eps."""
    stage, prompts = loaded(folder, tmp_path, Convention(prediction, side=SIDE, tokens=TOKENS))
    conditions = prompts.conditions(PROMPTS[:1])
    x_t = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    found = stage.denoiser(*conditions)(x_t, 0.6)
    output = network(folder)(x_t, torch.tensor([0.6]), conditions[0], conditions[1].bool(), return_dict=False)[0]
    torch.testing.assert_close(found.x_0 if prediction == "data" else found.eps, output.detach(), rtol=1e-4, atol=1e-5)


def test_prompts_are_kept_with_which_tokens_are_there(folder, tmp_path, monkeypatch):
    """Encoded once, as the text encoder alone gives them; the null prompt is of no tokens but padding."""
    _, prompts = loaded(folder, tmp_path, ITS_OWN)
    embeddings, mask = prompts.conditions([*PROMPTS, ""])
    assert embeddings.shape == (3, TOKENS, 16) and mask.sum(1).tolist() == [3, 8, 0]
    monkeypatch.setattr(Prompts, "_encode", None)
    again = Prompts(Source(str(folder)), tmp_path, convention=ITS_OWN).conditions(PROMPTS)
    assert torch.equal(again[0], embeddings[:2]) and torch.equal(again[1], mask[:2])


def test_a_class_of_one_s_own_is_loaded_by_name(folder, tmp_path):
    """``code`` is the class that reads the weights, for networks that diffusers does not know."""
    from diffusers import PRXTransformer2DModel

    class Own(PRXTransformer2DModel):
        """One of somebody else's."""

    stage, _ = loaded(folder, tmp_path, dataclasses.replace(ITS_OWN, code=Own))
    assert isinstance(stage.network.network, Own)


def test_a_class_that_diffusers_has_not_is_named(folder, tmp_path):
    """With the version of diffusers and what to do."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    config = copy / "transformer" / "config.json"
    config.write_text(config.read_text("utf-8").replace("PRXTransformer2DModel", "NextYearsTransformer"), "utf-8")
    with pytest.raises(ModelUnavailable, match=r"has no class 'NextYearsTransformer'; upgrade it, or name"):
        load_flow(Source(str(copy)), ITS_OWN)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"prediction": "v"}, "prediction = 'v'; choose from velocity, data, noise"),
        ({"side": 0}, "no sample_size; give the model's side in models.toml"),
    ],
)
def test_what_cannot_be_read_is_refused(folder, changed, said):
    """One line says what is wrong and where to mend it."""
    with pytest.raises(ModelUnavailable, match=said):
        load_flow(Source(str(folder)), dataclasses.replace(ITS_OWN, **changed))


def test_a_folder_of_pickles_is_refused(folder, tmp_path):
    """Weights in pickle files are never opened."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    for path in (copy / "transformer").glob("*.safetensors"):
        path.rename(path.with_suffix(".bin"))
    with pytest.raises(ModelUnavailable, match="weights in pickle files are not read"):
        load_flow(Source(str(copy)), ITS_OWN)


def test_a_flow_has_no_timesteps(folder):
    """Sampling by diffusers' timesteps is refused in one line."""
    with pytest.raises(ValueError, match="sample along the straight line"):
        load_flow(Source(str(folder)), ITS_OWN).times(10)
