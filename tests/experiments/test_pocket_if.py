"""The world of Pocket IF, and the training of its stages at a tiny size, on stand-ins for the emoji."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from darkroom.lab import Experiment
from experiments.pocket_if import stage_1 as stage_1_module
from experiments.pocket_if.banks import cropped, draw, draw_each, together
from experiments.pocket_if.card import card
from experiments.pocket_if.judge import judge
from experiments.pocket_if.mirroring import mirroring
from experiments.pocket_if.pictures import pictures
from experiments.pocket_if.stage_1 import (
    stage_1,
    stage_1_grown,
    stage_1_longer,
    stage_1_small,
    stage_1_strided,
    stage_1_unmirrored,
)
from experiments.pocket_if.stage_2 import stage_2
from experiments.pocket_if.variance import variance
from experiments.pocket_if.world import FRAMED, GENERIC, SCENES, SETS, SIDE, STYLES, World
from tests.experiments.handles import Handle, Killed, Stored, in_steps

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
    drawn = {world.picture(3, index).drawing for index in range(60)}
    assert drawn == set(SETS[:-1])
    assert all(world.drawings(subject) for subject in world.subjects)


class Corners(Emoji):
    """Sets in which every icon is an L."""

    def read(self, name: str) -> bytes:
        icons = json.loads(super().read(name))
        return json.dumps(icons | {"icons": {key: {"body": '<path d="M1 1h4v10h10v4H1z"/>'} for key in icons["icons"]}})


@pytest.mark.parametrize(("mirrored", "sides"), [(0.0, {True}), (1.0, {False}), (0.5, {True, False})])
def test_drawings_face_the_way_that_they_were_drawn_but_for_the_share_that_is_mirrored(mirrored, sides):
    """An L stands left of the middle of what it covers, and right of it in a mirror."""
    world = World(Corners(), SUBJECTS, mirrored=mirrored)
    seen = set()
    for index in range(12):
        ink = world.picture(7, index, subject="dog", style="silhouette").pixels.mean(2) < 128
        columns = np.nonzero(ink)[1]
        seen.add(bool(columns.mean() < (columns.min() + columns.max()) / 2))
    assert seen == sides


def test_scenes_are_never_silhouettes(world):
    """A scene that fills its frame would be a black square."""
    assert {world.picture(4, 1, subject=scene, style="silhouette").style for scene in FRAMED} == {"emoji"}


def test_a_bank_is_its_pictures_made_smaller(world):
    """Channels first, bytes; the mean of a picture stays; now and then nothing is said but the generic prompt."""
    bank = draw(world, 6, 120, 32)
    assert bank.images.shape == (120, 3, 32, 32) and bank.images.dtype == np.uint8
    whole = world.picture(6, 42).pixels
    assert np.allclose(bank.images[42].mean((1, 2)), whole.mean((0, 1)), atol=1)
    generic = [caption == GENERIC for caption in bank.captions]
    assert 0 < sum(generic) < 12
    styles = np.array(bank.styles)[generic]
    assert set(styles) <= {"emoji", "photo"}
    assert all(bank.captions[index] in (world.picture(6, index).caption, GENERIC) for index in (0, 10, 20))


def test_a_subject_can_have_pictures_of_its_own(world):
    """As many of each as asked for, in a style and with words if these are given, else as the world has them."""
    bank = draw_each(world, 8, ("sun", "rocket"), 3, 32, style="photo", caption=GENERIC)
    assert bank.subjects == ["sun"] * 3 + ["rocket"] * 3
    assert set(bank.styles) == {"photo"} and set(bank.captions) == {GENERIC}
    assert np.array_equal(bank.images, draw_each(world, 8, ("sun", "rocket"), 3, 32, style="photo").images)
    own = draw_each(world, 8, ("sun",), 40, 16)
    assert len(set(own.styles)) > 3 and all("sun" in caption for caption in own.captions)
    both = together(bank, draw_each(world, 9, ("cat",), 2, 32))
    assert both.images.shape == (8, 3, 32, 32) and both.subjects[6:] == ["cat"] * 2
    assert np.array_equal(both.images[:6], bank.images) and both.captions[:6] == bank.captions


def test_the_generic_prompt_can_be_photos_alone(world):
    """By the shares given; whatever they are, the pictures are the same ones."""
    seldom, photos = draw(world, 6, 120, 16), draw(world, 6, 120, 16, generic={"photo": 0.4})
    generic = np.array([caption == GENERIC for caption in photos.captions])
    styles = np.array(photos.styles)
    assert set(styles[generic]) == {"photo"}
    assert generic.sum() / (styles == "photo").sum() == pytest.approx(0.4, abs=0.15)
    assert np.array_equal(seldom.images, photos.images)


def test_what_is_shown_of_the_world_draws(world):
    """The experiment that shows the world runs, and its figures and numbers come of its results."""
    parameters = pictures.function.__kwdefaults__ | {"side": 16, "scenes_each": 1}
    results = Stored(pictures.function(Emoji(), SUBJECTS, **parameters), parameters)
    assert pictures.metrics["subject_count"](results) == len(world.subjects)
    for figure in pictures.figures.values():
        assert figure(results).files


TINY = {
    "stage_1_small": {
        "side": 16,
        "pictures": 16,
        "epochs": 2,
        "batch": 8,
        "widths": (16, 32),
        "attention": 1,
        "text": 32,
    },
    "stage_1_longer": {"side": 16, "pictures": 16, "epochs": 1, "batch": 8},
    "stage_1_unmirrored": {"side": 16, "pictures": 16, "epochs": 1, "batch": 8},
    "mirroring": {"shown": ("rocket", "apple")},
    "stage_1_grown": {"side": 32, "pictures": 16, "epochs": 1, "batch": 8},
    "stage_1_strided": {"side": 32, "pictures": 16, "epochs": 1, "batch": 8},
    "stage_1": {
        "side": 32,
        "generic": ("church",),
        "generic_each": 2,
        "hard": ("sun", "cat"),
        "hard_each": 3,
        "pictures": 16,
        "epochs": 1,
        "batch": 8,
    },
    "variance": {"pictures": 4, "shown": ("a rocket ship",)},
    "stage_2": {"whole": 64, "side": 32, "pictures": 8, "squares": 2, "epochs": 1, "batch": 8},
    "judge": {"pictures": 48, "epochs": 1, "batch": 16, "centred_each": 1, "tested_each": 1},
    "card": {"emoji_each": 2, "styled_each": 1, "styled": ("rocket", "dog"), "at_once": 500},
}


def run(experiment: object, folder: Path, monkeypatch: pytest.MonkeyPatch, handle: Handle, *inputs: object) -> Stored:
    """The results of *experiment* at its tiny size, worked out in *folder*, whose files stay there."""
    folder.mkdir(exist_ok=True, parents=True)
    monkeypatch.chdir(folder)
    parameters = experiment.function.__kwdefaults__ | TINY[experiment.function.__name__]
    results = Stored(experiment.function(handle, *inputs, **parameters), parameters)
    return Stored({n: v.absolute() if isinstance(v, Path) else v for n, v in results.items()}, parameters)


def few_subjects(folder: Path) -> Path:
    """The table cut down to what scenes are composed of and some things more."""
    named = {part for *_, parts in SCENES.values() for part in parts} | {
        "rocket",
        "apple",
        "dog",
        "sun",
        "cat",
        "church",
    }
    with SUBJECTS.open(encoding="utf-8", newline="") as file:
        head, *lines = file.read().splitlines(keepends=True)
    few = folder / "subjects.csv"
    few.write_text(head + "".join(line for line in lines if line.partition(",")[0] in named), encoding="utf-8")
    return few


FEW_TIMES = (991, 500, 1)


def run_all(add: Callable[..., Stored], folder: Path) -> None:
    """Have all of Pocket IF run, upstream first; *add* is given each experiment with its inputs and gives its results."""
    data = Emoji(), few_subjects(folder)
    longer = add(stage_1_longer, add(stage_1_small, *data), *data)
    small = add(stage_1_unmirrored, longer, *data)
    add(mirroring, longer, small, *data)
    grown = add(stage_1_grown, small, *data)
    add(stage_2, grown, *data)
    strided = add(stage_1_strided, grown, *data)
    first = add(stage_1, strided, *data)
    add(variance, grown, strided, *data)
    add(card, first, add(judge, *data), *data)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, Stored]]:
    """Pocket IF from the first half of stage I to its card, everything tiny."""
    torch.set_num_threads(1)
    patch, root = pytest.MonkeyPatch(), tmp_path_factory.mktemp("pocket")
    patch.setattr("platformdirs.user_cache_dir", lambda name: str(root / "cache"))
    in_steps(patch, FEW_TIMES)
    done: dict[str, tuple[object, Stored]] = {}

    def add(experiment: object, *inputs: object) -> Stored:
        name = experiment.function.__name__
        done[name] = experiment, run(experiment, root / name, patch, Handle(), *inputs)
        return done[name][1]

    run_all(add, root)
    patch.undo()
    return done


@pytest.mark.parametrize("name", TINY)
def test_each_part_of_pocket_if_runs(model, name):
    """Its figures draw, its metrics are finite."""
    experiment, results = model[name]
    for figure in experiment.figures.values():
        assert figure(results).layout
    for metric in experiment.metrics.values():
        value = metric(results)
        assert all(math.isfinite(number) for number in (value.values() if isinstance(value, dict) else [value]))


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *(("stage_1_small", 16), ("stage_1_longer", 16), ("stage_1_unmirrored", 16)),
        *(("stage_1_grown", 32), ("stage_1_strided", 32), ("stage_1", 32), ("stage_2", 64)),
    ],
)
def test_a_trained_stage_is_a_pipeline(model, name, side):
    """What training writes loads as a stage of its kind, and as the parts to go on from, with the same numbers."""
    from darkroom.diffusion.pretrained import Source, load_stage
    from experiments.pocket_if.training import saved_parts

    results = model[name][1]
    stage = load_stage(Source(str(results["pipeline"])))
    assert np.isfinite(results["loss"]).all()
    assert (stage.side, stage.noising is not None) == (side, name == "stage_2")
    tokenizer, network = saved_parts(results["pipeline"])
    assert tokenizer("a rocket").input_ids
    for mine, theirs in zip(network.unet.parameters(), stage.network.unet.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_stage_two_reads_with_stage_one_s_eyes(model):
    """They share one text encoder, which stage I has trained until it was grown."""
    small, grown, one, two = (
        (model[name][1]["pipeline"] / "text_encoder/model.safetensors").read_bytes()
        for name in ("stage_1_small", "stage_1_grown", "stage_1", "stage_2")
    )
    assert grown == one == two != small


def test_squares_are_cut_out_of_pictures(world):
    """Several of each, anywhere within it, where the seed says, with the words of the whole."""
    bank = draw(world, 6, 12, 64)
    cut = cropped(bank, 32, 5, 2)
    assert cut.images.shape == (24, 3, 32, 32) and cut.captions[::2] == cut.captions[1::2] == bank.captions
    assert (cut.subjects[1::2], cut.styles[::2]) == (bank.subjects, bank.styles)
    assert np.array_equal(cut.images, cropped(bank, 32, 5, 2).images)
    assert not np.array_equal(cut.images[::2], cut.images[1::2])
    for whole, part in zip(bank.images.repeat(2, 0), cut.images, strict=True):
        places = np.lib.stride_tricks.sliding_window_view(whole, (3, 32, 32))[0]
        assert (places == part).all((2, 3, 4)).any()


def test_the_judge_s_centres_are_directions(model):
    """One for each subject, of length 1; shares of right answers are shares."""
    _, results = model["judge"]
    assert np.allclose(np.linalg.norm(results["centres"], axis=1), 1, atol=1e-5)
    assert len(results["centres"]) == len(results["subjects"])
    assert ((results["right"] >= 0) & (results["right"] <= 1)).all()


def test_the_table_of_phases_states_what_they_declare():
    """Sides, what each starts from, epochs and minutes in the module's docstring are those of the signatures, in order."""
    lines = re.findall(r"^    (stage_1\w*) +(\d+)  (.*?)  +(\d+) +(\d+)  \S", stage_1_module.__doc__, re.MULTILINE)
    phases = [each for each in vars(stage_1_module).values() if isinstance(each, Experiment)]

    def declared(phase: Experiment) -> tuple[str, ...]:
        bound = [each.target for each in phase.function.__defaults__ if each.kind == "upstream"]
        start = bound[0].function.__name__ if bound else "random weights"
        chosen = phase.function.__kwdefaults__
        name = phase.function.__name__
        return name, str(chosen["side"]), start, str(chosen["epochs"]), str(round(phase.minutes))

    assert len(phases) == 6
    assert lines == [declared(phase) for phase in phases]


def test_pictures_are_told_by_their_centres():
    """A picture whose features lie at a subject's centre is that subject's."""
    from experiments.pocket_if.judging import Namer, NearestCentroid, centres_of, directions

    pictures = np.random.default_rng(1).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    network = Namer(3).eval()
    centres = centres_of(directions(network, pictures), np.array([0, 0, 1, 1, 2, 2]), 3)
    alone = centres_of(directions(network, pictures[:3]), np.arange(3), 3)
    assert NearestCentroid(network, alone, ("a", "b", "c")).nearest(pictures[:3]).tolist() == [0, 1, 2]
    assert centres.shape == (3, 128)


def test_a_stage_that_was_killed_goes_on(tmp_path, monkeypatch):
    """Interrupted after a checkpoint and run again with it, the training gives the results of the straight run."""
    monkeypatch.setattr("experiments.pocket_if.training.SAVE_EVERY_S", 0.0)
    data = Emoji(), SUBJECTS
    straight = run(stage_1_small, tmp_path / "straight", monkeypatch, Handle(), *data)
    killed, second = Killed(), Handle()
    with pytest.raises(KeyboardInterrupt):
        run(stage_1_small, tmp_path / "killed", monkeypatch, killed, *data)
    second.kept = killed.kept
    resumed = run(stage_1_small, tmp_path / "resumed", monkeypatch, second, *data)
    assert np.array_equal(straight["loss"], resumed["loss"])
    name = "pipeline/unet/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes()
