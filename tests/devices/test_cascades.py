"""Cascades on a GPU: how they are published, how much of them goes through at once, and what a step waits for."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from darkroom.diffusion.guidance import Anagram  # noqa: E402
from darkroom.diffusion.pretrained import Prompts, Source, load_stage  # noqa: E402
from darkroom.diffusion.sample import Noise, ddpm, last  # noqa: E402
from darkroom.diffusion.unet import UNet  # noqa: E402
from darkroom.diffusion.views import flip, identity  # noqa: E402
from darkroom.lab import Weights  # noqa: E402
from experiments.cascade import Pipeline, SuperResolutionPipeline  # noqa: E402
from experiments.part_b import digits  # noqa: E402
from tests.devices.kernels import lacking  # noqa: E402
from tests.devices.pretend import TURING, pretended  # noqa: E402
from tests.diffusion.cascades import save_as_published, save_cascade  # noqa: E402
from tests.experiments.handles import Handle  # noqa: E402

PROMPTS = ["a rocket ship", "an oil painting of a snowy mountain village"]
FEW = (991, 500, 1)


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return save_cascade(tmp_path_factory.mktemp("cascade"))


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_deepfloyd_as_it_is_published_draws_on_a_gpu(kind, tmp_path, monkeypatch):
    """Its encoder in shards and its U-Nets as halves are read onto the GPU; pictures are those of the CPU, nearly."""
    pytest.importorskip("sentencepiece")
    monkeypatch.setattr(
        "darkroom.diffusion.pretrained.has_bfloat16", lambda device: False
    )  # it is further from float32
    small, large = save_as_published(tmp_path)

    def drawn(device: str) -> tuple[np.ndarray, np.ndarray]:
        weights = Weights(str(small)), Weights(str(large))
        handle = Handle()
        handle.device = device
        pipeline = Pipeline(handle, weights[0], PROMPTS, cache=tmp_path / device)
        first = pipeline.sample(pipeline.denoiser(PROMPTS), [1, 2], FEW)
        return first, SuperResolutionPipeline(handle, pipeline, weights[1]).upscale(
            expected_first(first), PROMPTS, [3, 4], 4.0, steps=2
        )

    kept: list[np.ndarray] = []

    def expected_first(first: np.ndarray) -> np.ndarray:
        kept.append(first)
        return kept[0]  # both enlarge the same

    on_the_cpu = drawn("cpu")
    with pretended(kind) as device:
        there = drawn(kind)
    assert not lacking(device.operations, kind)
    for picture, expected in zip(there, on_the_cpu, strict=True):
        assert expected.std() > 10
        assert np.abs(picture.astype(float) - expected).mean() < 4


def test_prompts_are_encoded_in_float16_on_a_gpu_and_kept_apart(cascade, tmp_path):
    """By the encoder itself, on the device; the CPU's float32 embeddings are not taken for them."""
    for kind in ("cuda", "mps"):
        exact = Prompts(Source(str(cascade[0])), tmp_path / kind)(PROMPTS)
        with pretended(kind) as device:
            rounded = Prompts(Source(str(cascade[0])), tmp_path / kind, kind)(PROMPTS)
            assert rounded.device.type == kind and device.launches["aten.embedding"]
            rounded = rounded.cpu()
        assert not torch.equal(rounded, exact)
        torch.testing.assert_close(rounded, exact, atol=0.01, rtol=0.01)
        assert [len(list(folder.iterdir())) for folder in (tmp_path / kind).iterdir()] == [2, 2]


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_the_text_encoder_is_gone_before_the_network_comes(cascade, tmp_path, monkeypatch, kind):
    """And its memory is the device's again: DeepFloyd's takes 11.5 GB, and the next process may need them."""
    import transformers

    load, encoders, held = transformers.T5EncoderModel.from_pretrained, [], []

    def loaded(*arguments: Any, **options: Any) -> Any:
        encoder = load(*arguments, **options)
        encoders.append(weakref.ref(encoder.shared.weight))
        return encoder

    monkeypatch.setattr(transformers.T5EncoderModel, "from_pretrained", loaded)
    with pretended(kind), pytest.MonkeyPatch.context() as patch:
        place = torch.cuda if kind == "cuda" else torch.mps
        patch.setattr(place, "empty_cache", lambda: held.append([each() for each in encoders]))
        handle = Handle()
        handle.device = kind
        pipeline = Pipeline(handle, Weights(str(cascade[0])), PROMPTS, cache=tmp_path)
        assert held == [[None]]
        assert "stage" not in vars(pipeline) and pipeline.stage.side == 16


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
def test_a_step_of_a_cascade_waits_for_nothing(cascade, tmp_path, predicts):
    """Times, coefficients and embeddings are on the device; noise is sent there."""
    folder = tmp_path / predicts
    config = (cascade[0] / "scheduler/scheduler_config.json").read_text()
    with pretended("cuda") as device:
        stage = load_stage(Source(str(copied(cascade[0], folder, config.replace("epsilon", predicts)))), "cuda")
        prompt = torch.randn(1, 77, 16, generator=torch.Generator().manual_seed(1)).to("cuda")
        counts = []
        for times in ((991, 500), (991, 700, 500, 300)):
            waits = device.waits.total()
            denoiser = stage.finished(stage.denoiser(prompt))
            last(ddpm(denoiser, Noise([1], (3, 16, 16), "cuda"), times=times, variance=stage.variance))
            counts.append(device.waits.total() - waits)
    assert counts == [0, 0]


def copied(source: Path, folder: Path, scheduler: str) -> Path:
    import shutil

    shutil.copytree(source, folder)
    (folder / "scheduler/scheduler_config.json").write_text(scheduler)
    return folder


@pytest.mark.parametrize(("free", "batches"), [(80 << 30, [24]), (3_500_000, [8, 8, 8])])
def test_as_many_pictures_are_drawn_at_once_as_memory_allows(cascade, tmp_path, monkeypatch, free, batches):
    """And they are the same."""
    with pretended("cuda", capability=TURING):
        handle = Handle()
        handle.device = "cuda"
        pipeline = Pipeline(handle, Weights(str(cascade[0])), PROMPTS, times=FEW, cache=tmp_path)
        one, other = (pipeline.denoiser(prompt, 1.0) for prompt in PROMPTS)
        asked = [Anagram(((one, identity), (other, flip))), Anagram(((other, identity), (one, flip))), one]
        each = [pipeline.sample(denoiser, [1, 2, 3, 4, 5, 6, 7, 8]) for denoiser in asked]
        seen = []
        sample = pipeline.sample
        monkeypatch.setattr(pipeline, "sample", lambda it, seeds: seen.append(len(seeds)) or sample(it, seeds))
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, free))
        together = pipeline.sample_each(asked, [1, 2, 3, 4, 5, 6, 7, 8])
    assert seen == batches
    assert np.abs(together.astype(float) - np.stack(each)).max() <= 2


def test_digits_go_through_in_smaller_batches_where_memory_is_short(monkeypatch):
    with pretended("mps"):
        images = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(1)).to("mps")
        network, sizes = UNet(4).eval(), []
        network.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
        all_at_once = digits.quick(network, "mps")(images).cpu()
        monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 32 * 2 * digits.NUMBERS_EACH * 4)
        in_parts = digits.quick(network, "mps")(images).cpu()
    assert sizes == [64, 32, 32]
    torch.testing.assert_close(all_at_once, in_parts)
