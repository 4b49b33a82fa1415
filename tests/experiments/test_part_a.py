"""What Part A is drawn with, on a tiny cascade, and how it reads pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from darkroom.lab import Weights
from tests.experiments.handles import Handle

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    from tests.diffusion.cascades import save_cascade

    return Weights(str(save_cascade(tmp_path_factory.mktemp("cascade"))[0]))


@pytest.fixture
def pipeline(weights: Weights, tmp_path: Path):
    from experiments.cascade import Pipeline

    return Pipeline(Handle(), weights, cache=tmp_path)


def test_the_times_are_the_course_s():
    """34 timesteps from 990 down to 0 in strides of 30, one less than our times."""
    from experiments.cascade import TIMES, TIMESTEPS

    assert len(TIMESTEPS) == 34 and TIMESTEPS[0] == 990 and TIMESTEPS[10] == 690 and TIMESTEPS[-1] == 0
    assert [TIMESTEPS[i] for i in (1, 3, 5, 7, 10, 20)] == [960, 900, 840, 780, 690, 390]
    assert tuple(t + 1 for t in TIMESTEPS) == TIMES


def test_a_picture_is_its_seed_s_whatever_else_is_drawn(pipeline):
    """Drawn with other seeds and prompts in one batch, a picture is what it is alone; progress is told."""
    seeds, times = [3, 4], (991, 500, 1)
    together = pipeline.sample(pipeline.denoiser(["a rocket ship", "a hat"]), seeds, times)
    alone = pipeline.sample(pipeline.denoiser("a hat"), seeds[1:], times)
    assert together.shape == (2, 16, 16, 3) and together.dtype == np.uint8
    assert np.abs(together[1].astype(int) - alone[0]).max() <= 1
    assert pipeline.run.told[-1] == (2, 2)


def test_a_pipeline_goes_along_its_own_times(pipeline):
    """Unless it is given others; the course's are the default."""
    from experiments.cascade import TIMES

    assert pipeline.times == TIMES
    few, denoiser = (991, 500, 1), pipeline.denoiser("a hat", gamma=1)
    given = pipeline.sample(denoiser, [3], few)
    pipeline.times = few
    assert np.array_equal(pipeline.sample(denoiser, [3]), given) and pipeline.run.told[-1] == (2, 2)
    assert pipeline.sample_each([denoiser] * 2, [3]).shape == (2, 1, 16, 16, 3) and pipeline.run.told[-1] == (2, 2)


def test_gamma_one_is_the_prompt_alone(pipeline):
    """With gamma = 1 the null prompt is not asked."""
    from darkroom.diffusion.guidance import Guided

    assert not isinstance(pipeline.denoiser("a hat", gamma=1), Guided)
    x_t = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    one, null, strong = (pipeline.denoiser("a hat", gamma=gamma)(x_t, 500).eps for gamma in (1, 0, 7))
    torch.testing.assert_close(strong, null + 7 * (one - null), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [("RGB", (64, 64), (200, 10, 30)), ("RGBA", (80, 64), (255, 255, 255)), ("L", (64, 100), (90, 90, 90))],
)
def test_pictures_of_any_mode_and_shape_are_read(tmp_path, mode, size, expected):
    """The middle square, as RGB, at the model's size; what is clear becomes white."""
    from experiments.cascade import read_picture, to_bytes, to_tensor

    colour = {"RGB": (200, 10, 30), "RGBA": (200, 10, 30, 0), "L": 90}[mode]
    Image.new(mode, size, colour).save(tmp_path / "picture.png")
    read = read_picture(tmp_path / "picture.png", 16)
    assert read.shape == (16, 16, 3) and (read == expected).all()
    assert np.array_equal(to_bytes(to_tensor(read[None]))[0], read)


def test_the_middle_of_a_wide_picture_is_taken(tmp_path):
    """Of a picture twice as wide as high, the outer quarters are left out."""
    from experiments.cascade import read_picture

    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:, 16:48] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert (read_picture(tmp_path / "wide.png", 16) == 255).all()


def test_what_is_no_picture_is_told(tmp_path):
    """A file that cannot be read and one that is too small are named with what is needed."""
    from experiments.cascade import read_picture

    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.png: no picture that Pillow can read .*; use PNG or JPEG"):
        read_picture(tmp_path / "text.png", 16)
    Image.new("RGB", (20, 8)).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match=r"small\.png is 20 x 8; the model needs 16 x 16 or more"):
        read_picture(tmp_path / "small.png", 16)


def test_a_mask_is_white_where_the_hole_is(pipeline, tmp_path):
    """Light pixels are 1, dark ones 0, at the model's size."""
    pixels = np.zeros((32, 32), np.uint8)
    pixels[:16] = 250
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    mask = pipeline.load_mask(tmp_path / "mask.png")
    assert mask.shape == (1, 1, 16, 16) and mask[0, 0, :8].eq(1).all() and mask[0, 0, 8:].eq(0).all()


def test_seeds_do_not_depend_on_how_many_there_are():
    """The first seeds are the same, and none occurs twice."""
    from experiments.cascade import seeds_of

    assert seeds_of(180, 3) == seeds_of(180, 10)[:3]
    assert len(set(seeds_of(180, 1000))) == 1000
