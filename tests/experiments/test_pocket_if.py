"""The world of Pocket IF, and the training of its stages at a tiny size, on stand-ins for the emoji."""

from __future__ import annotations

import csv
import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from experiments.pocket_if.banks import draw
from experiments.pocket_if.pictures import pictures
from experiments.pocket_if.world import FRAMED, GENERIC, SCENES, SETS, SIDE, STYLES, World
from tests.experiments.handles import Handle, Killed, Stored

torch = pytest.importorskip("torch")
pytest.importorskip("resvg_py")
SUBJECTS = Path(__file__).parents[2] / "experiments/pocket_if/subjects.csv"


class Emoji:
    """Sets in which every icon is a circle of its own colour before a square, wider in one set than in another."""

    def read(self, name: str) -> bytes:
        column = name.removesuffix(".json")
        with SUBJECTS.open(encoding="utf-8", newline="") as file:
            keys = {row[column] for row in csv.DictReader(file)} - {""}
        return json.dumps(
            {"width": 16, "height": 16, "icons": {key: {"body": body(key, column)} for key in keys}}
        ).encode()


def body(key: str, column: str) -> str:
    colour, width = sha256(key.encode()).hexdigest()[:6], 6 + len(column) % 8
    return f'<rect x="1" y="6" width="{width}" height="9" fill="#888"/><circle cx="7" cy="7" r="5" fill="#{colour}"/>'


@pytest.fixture(scope="module")
def world() -> World:
    return World(Emoji(), SUBJECTS)


def test_the_table_names_every_subject_once():
    """No wording stands for two subjects, and each subject has four drawings or more, beards aside."""
    with SUBJECTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wordings = [word for row in rows for word in row["wordings"].split(";") if word]
    wordings += [word for _, words, _ in SCENES.values() for word in words]
    assert len(set(wordings)) == len(wordings)
    assert all(sum(bool(row[name]) for name in SETS) >= 4 for row in rows if row["wordings"])
    assert len([row for row in rows if row["wordings"]]) + len(SCENES) >= 64


@pytest.mark.parametrize("style", STYLES)
def test_every_subject_is_drawn_in_every_style(world, style):
    """A picture of 128 x 128 that is not blank, called by its style and by one of the subject's wordings."""
    for number, subject in enumerate(world.subjects):
        picture = world.picture(5, number, subject=subject, style=style)
        assert picture.pixels.shape == (SIDE, SIDE, 3) and picture.pixels.dtype == np.uint8
        assert picture.pixels.std() > 2, subject
        assert any(word in picture.caption for word in world.wordings[subject])
        if style not in {"emoji", "photo"} and subject not in FRAMED:
            assert style in picture.caption


def test_a_picture_is_decided_by_its_seed_and_index(world):
    """Another World draws the same pictures with the same words, in any order; another seed draws others."""
    other = World(Emoji(), SUBJECTS)
    for index in (7, 3, 11):
        one, same = world.picture(1, index), other.picture(1, index)
        assert np.array_equal(one.pixels, same.pixels) and one.caption == same.caption
        assert not np.array_equal(one.pixels, world.picture(2, index).pixels)


def test_a_set_that_is_held_out_is_never_drawn_from():
    """With one set left out, no picture is of it, and scenes are composed of what is there."""
    world = World(Emoji(), SUBJECTS, sets=SETS[:-1])
    drawn = {world.picture(3, index).drawing for index in range(150)}
    assert drawn == set(SETS[:-1])
    assert all(world.drawings(subject) for subject in world.subjects)


def test_scenes_are_never_silhouettes(world):
    """A scene that fills its frame would be a black square."""
    assert {world.picture(4, 1, subject=scene, style="silhouette").style for scene in FRAMED} == {"emoji"}


def test_a_bank_is_its_pictures_made_smaller(world):
    """Channels first, bytes; the mean of a picture stays; now and then nothing is said but the generic prompt."""
    bank = draw(world, 6, 300, 32)
    assert bank.images.shape == (300, 3, 32, 32) and bank.images.dtype == np.uint8
    whole = world.picture(6, 42).pixels
    assert np.allclose(bank.images[42].mean((1, 2)), whole.mean((0, 1)), atol=1)
    generic = [caption == GENERIC for caption in bank.captions]
    assert 0 < sum(generic) < 30
    styles = np.array(bank.styles)[generic]
    assert set(styles) <= {"emoji", "photo"}
    assert all(bank.captions[index] in (world.picture(6, index).caption, GENERIC) for index in (0, 10, 20))


def test_what_is_shown_of_the_world_draws(world):
    """The experiment that shows the world runs, and its figures and numbers come of its results."""
    parameters = pictures.function.__kwdefaults__ | {"side": 16, "scenes_each": 1}
    results = Stored(pictures.function(Emoji(), SUBJECTS, **parameters), parameters)
    assert pictures.metrics["subject_count"](results) == len(world.subjects)
    for figure in pictures.figures.values():
        assert figure(results).files


def tiny(run: Handle, folder: Path, monkeypatch: pytest.MonkeyPatch, *, stage_two: bool = False) -> dict[str, object]:
    """A stage trained for four steps, in *folder*."""
    from darkroom.diffusion.cascade import Shape
    from darkroom.diffusion.train import Recipe
    from experiments.pocket_if.training import Plan, fresh_parts, train

    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("experiments.pocket_if.training.SAVE_EVERY_S", 0.0)
    side = 32 if stage_two else 16
    bank = draw(World(Emoji(), SUBJECTS), 8, 16, 32)
    plan = Plan(side, Recipe(2, 8, 1e-3, averaging=0.9), seed=1, larger=2 if stage_two else None)
    shape = Shape((16, 32), attention=1, head=16, text=32)
    parts = fresh_parts(shape, side, bank.captions, plan.seed, stage_two=stage_two)
    return train(run, parts, bank, plan)


@pytest.mark.parametrize("stage_two", [False, True])
def test_a_trained_stage_is_a_pipeline(tmp_path, monkeypatch, stage_two):
    """What training writes loads as a stage of its kind, and as the parts to go on from, with the same numbers."""
    from darkroom.diffusion.pretrained import Source, load_stage
    from experiments.pocket_if.training import saved_parts

    results = tiny(Handle(), tmp_path / "run", monkeypatch, stage_two=stage_two)
    folder = tmp_path / "run" / str(results["pipeline"])
    stage = load_stage(Source(str(folder)))
    assert len(results["loss"]) == 4 and np.isfinite(results["loss"]).all()
    assert (stage.side, stage.noising is not None) == ((32, True) if stage_two else (16, False))
    tokenizer, network = saved_parts(folder)
    assert tokenizer("a rocket").input_ids
    for mine, theirs in zip(network.unet.parameters(), stage.network.unet.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_stage_that_was_killed_goes_on(tmp_path, monkeypatch):
    """Interrupted after a checkpoint and run again with it, the training gives the results of the straight run."""
    straight = tiny(Handle(), tmp_path / "straight", monkeypatch)
    killed, second = Killed(), Handle()
    with pytest.raises(KeyboardInterrupt):
        tiny(killed, tmp_path / "killed", monkeypatch)
    second.kept = killed.kept
    resumed = tiny(second, tmp_path / "resumed", monkeypatch)
    assert np.array_equal(straight["loss"], resumed["loss"])
    name = "pipeline/unet/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes()
