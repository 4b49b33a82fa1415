"""Models: the same experiments drawn with another one, side by side, each with outputs and a state of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from darkroom.core.manifest import load

from .workshop import Workshop

EXPERIMENTS = '''"""Draws with a model."""

from pathlib import Path

from darkroom.lab import Results, Run, Weights, experiment, upstream, weights


@experiment()
def trained() -> dict[str, object]:
    """Trains a model."""
    Path("model").mkdir()
    Path("model/config.json").write_text("small")
    return {"pipeline": Path("model")}


@experiment()
def drawn(first: Weights = weights("stage_1"), *, steps: int = 3) -> dict[str, object]:
    """Draws."""
    folder = Path(first.name)
    return {"with": (folder / "config.json").read_text() if folder.is_dir() else f"{first.name}@{first.revision}"}


@drawn.metric
def loudness(results: Results) -> str:
    """How it is called."""
    return results["with"].upper()


@experiment()
def larger(small: Results = upstream(drawn)) -> dict[str, object]:
    """Enlarges what was drawn."""
    return {"larger": small["with"] * 2}


@experiment()
def apart() -> dict[str, object]:
    """Has nothing to do with models."""
    return {"x": 1}
'''
SECOND_ROLE = '''"""Draws with two networks."""

from darkroom.lab import Results, Weights, experiment, upstream, weights


@experiment()
def twice(first: Weights = weights("stage_1"), second: Weights = weights("stage_2")) -> dict[str, object]:
    """Draws with both."""
    return {"x": 2}


@experiment()
def later(before: Results = upstream(twice)) -> dict[str, object]:
    """Goes on."""
    return {"x": 3}
'''
MODELS = """
[small]
title = "Small"
stage_1.upstream = "part_z/trained"
stage_1.result = "pipeline"

[hubbed]
title = "Hubbed"
stage_1.hub = "someone/model"
stage_1.revision = "abc"
"""


@pytest.fixture
def drawing(workshop: Workshop) -> Workshop:
    """A project with two models, the default one trained by the project itself."""
    workshop.write("experiments/part_z/drawing.py", EXPERIMENTS)
    workshop.write("experiments/models.toml", MODELS)
    return workshop


def result(workshop: Workshop, identity: str) -> dict[str, object]:
    return json.loads((workshop.outputs / identity / "results.json").read_text())


def states(workshop: Workshop) -> dict[str, str]:
    rows = json.loads(workshop.call("status", "--json").stdout)
    return {row["id"]: row["state"] for row in rows if row["id"].startswith("part_z")}


def test_the_default_model_is_an_upstream(drawing: Workshop) -> None:
    """Its weights are the folder that an experiment of the project writes, which runs first; retrained, they count."""
    drawing.call("run", "part_z/larger")

    assert result(drawing, "part_z/larger") == {"larger": "smallsmall"}
    manifest = load(drawing.outputs / "part_z/drawn")
    assert manifest is not None and manifest.model == "Small"
    assert load(drawing.outputs / "part_z/trained").model == ""
    drawing.edit("experiments/part_z/drawing.py", 'write_text("small")', 'write_text("other")')
    drawing.call("run", "part_z/trained")
    assert states(drawing) == {
        "part_z/trained": "fresh", "part_z/drawn": "stale", "part_z/larger": "waiting", "part_z/apart": "missing",
    }  # fmt: skip


def test_another_model_draws_beside_it(drawing: Workshop) -> None:
    """With --model, variants are made of all that draws, and of nothing else; the default outputs stay as they are."""
    drawing.call("run", "part_z/larger")
    before = (drawing.outputs / "part_z/drawn/manifest.json").read_bytes()

    drawing.call("run", "part_z/*", "--model", "hubbed")

    assert result(drawing, "part_z/larger@hubbed") == {"larger": "someone/model@abc" * 2}
    assert (drawing.outputs / "part_z/drawn/manifest.json").read_bytes() == before
    manifest = load(drawing.outputs / "part_z/drawn@hubbed")
    assert manifest is not None and manifest.model == "Hubbed"
    assert manifest.metrics["loudness"].value == "SOMEONE/MODEL@ABC"
    assert set(states(drawing).values()) == {"fresh"}
    assert states(drawing).keys() == {
        "part_z/trained", "part_z/drawn", "part_z/larger", "part_z/apart", "part_z/drawn@hubbed", "part_z/larger@hubbed",
    }  # fmt: skip


def test_variants_have_states_of_their_own(drawing: Workshop) -> None:
    """Another revision makes the variant stale and the default not; a pattern without @ names no variant."""
    drawing.call("run", "part_z/drawn", "--model", "hubbed")
    drawing.call("run", "part_z/drawn")
    drawing.edit("experiments/models.toml", '"abc"', '"def"')
    assert states(drawing)["part_z/drawn"] == "fresh"
    assert states(drawing)["part_z/drawn@hubbed"] == "stale"
    drawing.call("run", "part_z/d*")
    assert states(drawing)["part_z/drawn@hubbed"] == "stale"
    drawing.call("run", "part_z/drawn@hubbed")
    assert result(drawing, "part_z/drawn@hubbed") == {"with": "someone/model@def"}


def test_a_model_is_asked_for_by_its_folder(drawing: Workshop, tmp_path: Path) -> None:
    """A folder with a sub-folder for each role is a model called by the folder; what is in it decides the key."""
    folder = tmp_path / "mine"
    (folder / "stage_1").mkdir(parents=True)
    (folder / "stage_1" / "config.json").write_text("own")

    drawing.call("run", "part_z/drawn", "--model", str(folder))
    assert result(drawing, "part_z/drawn@mine") == {"with": "own"}
    again = drawing.call("run", "part_z/drawn", "--model", str(folder))
    assert "part_z/drawn@mine  fresh" in again.stderr
    (folder / "stage_1" / "config.json").write_text("changed")
    drawing.call("run", "part_z/drawn", "--model", str(folder))
    assert result(drawing, "part_z/drawn@mine") == {"with": "changed"}


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("my model", "the folder is named 'my model'; use letters, digits, _ and - only"),
        ("Hubbed", "experiments/models.toml has a model 'hubbed'; rename the folder"),
        ("hubbed", "experiments/models.toml has a model 'hubbed'; rename the folder"),
    ],
)
def test_a_model_s_folder_has_a_name_of_its_own(drawing: Workshop, tmp_path: Path, name: str, complaint: str) -> None:
    """It names the variants: one that could not be stored, or is another model's, is refused before anything runs."""
    (tmp_path / "at" / name / "stage_1").mkdir(parents=True)
    assert complaint in drawing.call("run", "part_z/drawn", "--model", str(tmp_path / "at" / name), code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--model", "hubed"], "no such model or folder; did you mean 'hubbed'?"),
        (["--model", "experiments"], "no stage_1/ in that folder"),
    ],
)
def test_an_unknown_model_is_named(drawing: Workshop, arguments: list[str], complaint: str) -> None:
    """A model that is none, and a folder that is no cascade, end the call with what there is."""
    assert complaint in drawing.call("run", "part_z/drawn", *arguments, code=2).stderr


def test_a_model_may_have_parameters_of_its_own(drawing: Workshop) -> None:
    """They stand in place of the defaults in its variants alone, are recorded, and --set still wins."""
    drawing.edit("experiments/models.toml", 'revision = "abc"', 'revision = "abc"\nparameters = { steps = 5 }')
    drawing.call("run", "part_z/drawn", "--model", "hubbed")
    drawing.call("run", "part_z/drawn")
    assert load(drawing.outputs / "part_z/drawn@hubbed").parameters == {"steps": 5}
    assert load(drawing.outputs / "part_z/drawn").parameters == {"steps": 3}
    drawing.edit("experiments/models.toml", "steps = 5", "steps = 6")
    assert (states(drawing)["part_z/drawn@hubbed"], states(drawing)["part_z/drawn"]) == ("stale", "fresh")
    drawing.call("run", "part_z/drawn", "--model", "hubbed", "--set", "steps=8", "--replace")
    assert load(drawing.outputs / "part_z/drawn@hubbed").parameters == {"steps": 8}


def test_a_model_may_lack_a_role(drawing: Workshop) -> None:
    """What asks for that role, and what takes results from it, has no variant; the rest has."""
    drawing.write("experiments/part_z/twice.py", SECOND_ROLE)
    first = 'stage_1.result = "pipeline"'
    second = 'stage_2.upstream = "part_z/trained"\nstage_2.result = "pipeline"'
    drawing.edit("experiments/models.toml", first, f"{first}\n{second}")
    drawing.call("run", "part_z/*", "--model", "hubbed")
    variants = {each for each in states(drawing) if "@" in each}
    assert variants == {"part_z/drawn@hubbed", "part_z/larger@hubbed"}


def test_a_model_may_be_of_some_experiments_only(drawing: Workshop) -> None:
    """The others have no variant of it; a name that is none is told, with the nearest."""
    drawing.edit("experiments/models.toml", 'title = "Hubbed"', 'title = "Hubbed"\nonly = ["part_z/drawn"]')
    drawing.call("run", "part_z/*", "--model", "hubbed")
    assert {each for each in states(drawing) if "@" in each} == {"part_z/drawn@hubbed"}
    drawing.edit("experiments/models.toml", 'only = ["part_z/drawn"]', 'only = ["part_z/draw"]')
    message = drawing.call("run", "part_z/*", "--model", "hubbed", code=2).stderr
    assert "'only' has 'part_z/draw', which uses no model; did you mean 'part_z/drawn'?" in message


def test_guidance_may_be_given_in_another_convention(drawing: Workshop) -> None:
    """w of v_c + w (v_c - v_u) is gamma - 1, and how the network is asked counts as an input."""
    drawing.edit("experiments/part_z/drawing.py", "*, steps: int = 3", "*, gamma: float = 3.0")
    network = 'network = {guidance = "w"}\nparameters = {gamma = 7.0}'
    drawing.edit("experiments/models.toml", 'title = "Hubbed"', f'title = "Hubbed"\n{network}')
    drawing.call("run", "part_z/drawn", "--model", "hubbed")
    assert load(drawing.outputs / "part_z/drawn@hubbed").parameters == {"gamma": 8.0}
    drawing.edit("experiments/models.toml", 'guidance = "w"', 'guidance = "w", tokens = 5')
    assert states(drawing)["part_z/drawn@hubbed"] == "stale"


def test_a_class_that_is_not_there_is_named(drawing: Workshop) -> None:
    """The run ends with the class that the network names, and what to do."""
    drawing.edit("experiments/models.toml", 'title = "Hubbed"', 'title = "Hubbed"\nnetwork = {code = "nowhere:Net"}')
    done = drawing.call("run", "part_z/drawn", "--model", "hubbed", code=2)
    assert "code = 'nowhere:Net': No module named 'nowhere'; install it, or write it as module:Class" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("parameters = { step = 5 }", "model 'hubbed': no experiment has a parameter 'step'; did you mean 'steps'?"),
        ('parameters = { steps = "many" }', "model 'hubbed': steps = 'many': not a value of the type int"),
        ("parameters = 5", "'parameters' of model 'hubbed' is not a table; write parameters = { name = value }"),
    ],
)
def test_parameters_that_do_not_fit_are_told(drawing: Workshop, given: str, said: str) -> None:
    """Before anything runs: the model, the parameter, and what would do."""
    drawing.edit("experiments/models.toml", 'revision = "abc"', f'revision = "abc"\n{given}')
    done = drawing.call("run", "part_z/drawn", "--model", "hubbed", code=2)
    assert said in done.stderr


def test_the_default_model_has_the_defaults(drawing: Workshop) -> None:
    """Its parameters are those of the experiments; a second place for them is refused."""
    drawing.edit("experiments/models.toml", 'result = "pipeline"', 'result = "pipeline"\nparameters = { steps = 5 }')
    done = drawing.call("status", code=2)
    assert "'small' is the default model; set its parameters in the experiments" in done.stderr


def test_a_project_without_models_says_so(workshop: Workshop) -> None:
    """--model where none are declared says where to declare them."""
    done = workshop.call("run", "part_x/alone", "--model", "small", code=2)
    assert "no models are declared; declare them in experiments/models.toml" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('title = "Small"', "", "model 'small' has no title"),
        ('stage_1.result = "pipeline"', "", "stage_1 of model 'small' needs one of"),
        ('stage_1.revision = "abc"', "", "stage_1 of model 'hubbed' needs one of"),
        ('revision = "abc"', 'revision = ""', "stage_1 of model 'hubbed': its revision is empty; use the commit that"),
        ('revision = "abc"', 'revision = "0123abc"', "revision '0123abc' is not a commit of 40 lower-case hex digits"),
        ('revision = "abc"', f'revision = "{"A" * 40}"', "is not a commit of 40 lower-case hex digits; python -c"),
        ('revision = "abc"', f'revision = "{"a" * 41}"', "is not a commit of 40 lower-case hex digits"),
        ('stage_1.hub = "someone/model"\nstage_1.', 'other.hub = "a/b"\nother.', "has weights 'other', which the default"),
        ('stage_1.hub = "someone/model"\nstage_1.revision = "abc"', "", "model 'hubbed' has no weights 'stage_1'"),
        ('title = "Hubbed"', 'title = "Hubbed"\nnetwork = {tims = [0, 1]}', "unknown field 'tims'; did you mean 'times'?"),
        ('title = "Hubbed"', 'title = "Hubbed"\nnetwork = {prediction = "v"}', "prediction: choose velocity, data or noise"),
        ('title = "Hubbed"', 'title = "Hubbed"\nnetwork = {times = [0, 0]}', "give two different times"),
        ('title = "Hubbed"', 'title = "Hubbed"\nnetwork = {noise_scale = -1}', "noise_scale = -1.0; give a number greater"),
        ('title = "Hubbed"', 'title = "Hubbed"\nnetwork = {tokens = "5"}', "tokens: Expected `int`, got `str`"),
        ('title = "Hubbed"', 'title = "Hubbed"\nnetwork = 5', "network of model 'hubbed' is not a table"),
        ('title = "Hubbed"', 'title = "Hubbed"\nonly = "part_z/drawn"', "'only' of model 'hubbed' is not a list"),
        (
            '[small]\ntitle = "Small"\nstage_1.upstream = "part_z/trained"',
            '[small]\ntitle = "Small"\nstage_1.upstream = "gone/one"\nstage_2.upstream = "gone/two"\nstage_2.result = "a"',
            "model 'small' takes stage_1 from 'gone/one' and stage_2 from 'gone/two', which are not experiments; restore",
        ),
        ("part_z/trained", "part_z/traned", "'part_z/traned', which is not an experiment; did you mean 'part_z/trained'?"),
        ("[hubbed]", "[Small]", "models 'small' and 'Small' have the same name on some systems; rename one"),
        ("[hubbed]", f"[{'x' * 150}]", "use letters, digits, _ and -"),
        ("[hubbed]", "[hubbed", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_model_is_told(drawing: Workshop, old: str, new: str, complaint: str) -> None:
    """models.toml is checked before anything runs: what is missing is named with what to write."""
    drawing.edit("experiments/models.toml", old, new)
    assert complaint in drawing.call("status", code=2).stderr


def test_a_model_that_may_change_is_named(drawing: Workshop) -> None:
    """By builds with --strict and by runs, with the command that prints the commit; one that is pinned is not."""
    line = (
        "experiments/models.toml: hubbed: someone/model at 'abc': what is published there may change; give the commit"
    )
    assert line in drawing.call("--strict", "--no-run", code=None).stderr
    assert line not in drawing.call("--no-run", code=None).stderr
    said = drawing.call("run", "part_z/drawn", "--model", "hubbed").stderr
    assert "someone/model at 'abc' may change; pin it to the commit that python -c" in said
    drawing.edit("experiments/models.toml", '"abc"', f'"{"0123456789" * 4}"')
    assert "may change" not in drawing.call("--strict", "--no-run", code=None).stderr
    assert "may change" not in drawing.call("run", "part_z/drawn", "--model", "hubbed").stderr


def test_a_role_that_no_model_has_is_told(drawing: Workshop) -> None:
    """The declaration that asks for it is named, with the nearest role."""
    drawing.edit("experiments/part_z/drawing.py", 'weights("stage_1")', 'weights("stage1")')
    message = drawing.call("status", code=2).stderr
    assert (
        "experiments/part_z/drawing.py:17:28: no model has weights named 'stage1'; did you mean 'stage_1'?" in message
    )


READS = '''"""Draws with what reads its prompts elsewhere."""

from darkroom.lab import Weights, experiment, weights


@experiment()
def read(first: Weights = weights("stage_1")) -> dict[str, object]:
    """What it is given."""
    text = f"{first.text.name}@{first.text.revision}" if first.text else "its own"
    return {"text": text, "embeddings": first.embeddings.read_text() if first.embeddings else "none"}
'''


def test_models_may_share_a_text_encoder(drawing: Workshop) -> None:
    """An experiment is handed it with the weights; which one it is counts, and where nothing is said nothing changes."""
    drawing.write("experiments/part_z/reads.py", READS)
    text = MODELS + 'text = { hub = "someone/larger", revision = "def" }\n'
    drawing.write("experiments/models.toml", text)
    drawing.call("run", "part_z/read", "--model", "hubbed")
    assert result(drawing, "part_z/read@hubbed")["text"] == "someone/larger@def"
    assert states(drawing)["part_z/read@hubbed"] == "fresh"
    drawing.write("experiments/models.toml", text.replace("def", "fed"))
    assert states(drawing)["part_z/read@hubbed"] == "stale"
    drawing.write("experiments/models.toml", MODELS)
    drawing.call("run", "part_z/read", "--model", "hubbed")
    assert result(drawing, "part_z/read@hubbed") == {"text": "its own", "embeddings": "none"}
    manifest = load(drawing.outputs / "part_z/read@hubbed")
    assert manifest and manifest.inputs == {"weights:stage_1": "someone/model@abc"}


def test_a_model_may_have_embeddings_of_its_prompts(drawing: Workshop) -> None:
    """A file of the project, whose content counts."""
    drawing.write("experiments/part_z/reads.py", READS)
    drawing.write("experiments/models.toml", MODELS + 'embeddings = "prompts.pth"\n')
    drawing.write("prompts.pth", "embedded")
    drawing.call("run", "part_z/read", "--model", "hubbed")
    assert result(drawing, "part_z/read@hubbed") == {"text": "its own", "embeddings": "embedded"}
    assert states(drawing)["part_z/read@hubbed"] == "fresh"
    drawing.write("prompts.pth", "embedded anew")
    assert states(drawing)["part_z/read@hubbed"] == "stale"


def test_a_model_s_folder_may_hold_what_reads_its_prompts(drawing: Workshop, tmp_path: Path) -> None:
    """A sub-folder of that name, or a file of embeddings."""
    drawing.write("experiments/part_z/reads.py", READS)
    (tmp_path / "mine/stage_1").mkdir(parents=True)
    (tmp_path / "mine/stage_1/config.json").write_text("{}")
    (tmp_path / "mine/text").mkdir()
    (tmp_path / "mine/embeddings.safetensors").write_text("embedded")
    drawing.call("run", "part_z/read", "--model", str(tmp_path / "mine"))
    found = result(drawing, "part_z/read@mine")
    assert found == {"text": f"{tmp_path / 'mine/text'}@", "embeddings": "embedded"}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ('text = "someone/larger"', "text of model 'hubbed' needs one of"),
        ('text = { hub = "someone/larger" }', "text of model 'hubbed' needs one of"),
        ('embeddings = "prompts.npz"', "embeddings of model 'hubbed' is not a file name"),
        ("embeddings = 3", "embeddings of model 'hubbed' is not a file name"),
        (
            'embeddings = "a.pth"\nnetwork = {}',
            "has embeddings and a network; remove embeddings, which only cascades use",
        ),
    ],
)
def test_a_text_encoder_that_is_none_is_told(drawing: Workshop, given: str, complaint: str) -> None:
    drawing.write("experiments/models.toml", MODELS + given + "\n")
    assert complaint in drawing.call("status", code=2).stderr


def test_what_an_experiment_trained_has_a_text_encoder_of_its_own(drawing: Workshop) -> None:
    drawing.write("experiments/models.toml", MODELS.replace('title = "Small"', 'title = "Small"\nembeddings = "a.pth"'))
    told = drawing.call("status", code=2).stderr
    assert "'small' has embeddings, but its weights come from an experiment" in told


def test_a_variant_survives_a_build_and_has_no_page_of_its_own(drawing: Workshop) -> None:
    """A plain status knows the variants that have outputs; those of a model that is gone are orphans."""
    drawing.call("run", "part_z/drawn", "--model", "hubbed")
    assert "part_z/drawn@hubbed" in states(drawing)
    drawing.edit("experiments/models.toml", "[hubbed]", "[renamed]")
    assert "part_z/drawn@hubbed has outputs but is not declared" in drawing.call("status").stderr


@pytest.mark.parametrize("name", ["models.toml", "data.toml"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pipe", "is not a file; put a plain file in its place"),
        ("link", "is a link; replace it by the file itself"),
        ("folder", "is a folder; put a plain file in its place"),
        ("latin", ":2:6: not UTF-8; save it in that encoding"),
        ("large", "has 1048577 bytes; the limit is 200000"),
    ],
)
def test_a_declaration_that_is_no_plain_text_is_refused(drawing: Workshop, name: str, kind: str, said: str) -> None:
    """At once, in one line with its place: no pipe is waited at, no link followed."""
    path = drawing.root / "experiments" / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes("# a\n# caf\xe9\n".encode("latin-1") if kind == "latin" else b"#" * ((1 << 20) + 1))
    message = drawing.call("status", code=2).stderr
    assert f"experiments/{name}" in message and said in message
