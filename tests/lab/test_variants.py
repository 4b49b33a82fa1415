"""Variants: results with other parameters are kept beside the stored ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from darkroom.core.manifest import load
from darkroom.core.variant import Variant
from darkroom.lab.running.schedule import run
from darkroom.lab.running.selection import Options, choose
from darkroom.lab.source.variants import name_of, written

from .test_models import drawing  # noqa: F401  a fixture
from .workshop import Workshop


def _states(workshop: Workshop) -> dict[str, str]:
    """The state of everything that has outputs."""
    rows = json.loads(workshop.call("status", "--json").stdout)
    return {row["id"]: row["state"] for row in rows if row.get("key")}


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_trying_a_parameter_leaves_the_stored_results_alone(workshop: Workshop) -> None:
    """The variant has outputs, key, figures and metrics of its own, and is fresh; the original is as it was."""
    workshop.call("run", "part_x/base")
    before = _bytes(workshop.outputs / "part_x/base")

    workshop.call("run", "part_x/base", "--set", "steps=5")

    assert _bytes(workshop.outputs / "part_x/base") == before
    original, variant = (load(workshop.outputs / name) for name in ("part_x/base", "part_x/base@steps-5"))
    assert original and variant
    assert variant.variant == Variant("steps-5", {"steps": 5})
    assert variant.parameters == original.parameters | {"steps": 5}
    assert variant.key != original.key
    assert variant.figures.keys() == original.figures.keys() != set()
    assert variant.metrics.keys() == original.metrics.keys() != set()
    assert _states(workshop) == {"part_x/base": "fresh", "part_x/base@steps-5": "fresh"}


def test_status_says_what_is_set(workshop: Workshop) -> None:
    """In the table, in the details, and in the record for programs."""
    workshop.call("run", "part_x/base", "--set", "steps=5", "--set", "seed=2", "--as", "longer")

    row = next(line for line in workshop.call("status").stdout.splitlines() if "@longer" in line)
    assert row.split()[:4] == ["part_x/base@longer", "fresh", "seed=2,", "steps=5"]
    assert "variant   of part_x/base: seed=2, steps=5" in workshop.call("status", "part_x/base@longer").stdout
    records = json.loads(workshop.call("status", "--json").stdout)
    assert [record["variant"] for record in records if "variant" in record] == [{"steps": 5, "seed": 2}]


def test_a_variant_is_run_again_by_its_id_alone(workshop: Workshop) -> None:
    """With the parameters that it was stored with; defaults that change reach it, and settings stay."""
    workshop.call("run", "part_x/base", "--set", "steps=5", "--as", "longer")
    workshop.edit("experiments/part_x/base.py", "pause: float = 0.0", "pause: float = 0.001")

    assert _states(workshop) == {"part_x/base@longer": "stale"}
    workshop.call("run", "part_x/base@longer")

    manifest = load(workshop.outputs / "part_x/base@longer")
    assert manifest
    assert (manifest.parameters["steps"], manifest.parameters["pause"]) == (5, 0.001)
    assert _states(workshop) == {"part_x/base@longer": "fresh"}


def test_what_depends_on_a_variant_can_be_one_too(workshop: Workshop) -> None:
    """With --downstream all of it, from the variant's results; the originals and what they depend on stay."""
    workshop.call("run", "*")
    before = _bytes(workshop.outputs)

    workshop.call("run", "part_x/base", "--set", "seed=2", "--as", "other", "--downstream")

    after = _bytes(workshop.outputs)
    assert {path: after[path] for path in before if not path.startswith(".")} == {
        path: content for path, content in before.items() if not path.startswith(".")
    }
    derived, last = (load(workshop.outputs / name) for name in ("part_x/derived@other", "part_y/last@other"))
    assert derived and last
    assert derived.variant == Variant("other", {})
    assert set(derived.inputs) == {"upstream:part_x/base@other"}
    assert set(last.inputs) == {"upstream:part_x/derived@other"}
    assert derived.inputs["upstream:part_x/base@other"] == load(workshop.outputs / "part_x/base@other").results
    assert derived.inputs["upstream:part_x/base@other"] != load(workshop.outputs / "part_x/base").results
    assert set(_states(workshop).values()) == {"fresh"}


def test_a_variant_of_another_model_is_beside_that_model_s(drawing: Workshop) -> None:  # noqa: F811
    """It is a variant of the outputs with that model."""
    drawing.call("run", "part_z/drawn", "--model", "hubbed")
    drawing.call("run", "part_z/drawn", "--model", "hubbed", "--set", "steps=8")

    variant = load(drawing.outputs / "part_z/drawn@hubbed@steps-8")
    assert variant
    assert (variant.model, variant.parameters["steps"]) == ("Hubbed", 8)
    assert load(drawing.outputs / "part_z/drawn@hubbed").parameters["steps"] == 3
    assert _states(drawing) == {"part_z/drawn@hubbed": "fresh", "part_z/drawn@hubbed@steps-8": "fresh"}


def test_a_name_is_not_given_twice(workshop: Workshop) -> None:
    """Other settings under a name that is taken are refused, unless its results are to be replaced."""
    workshop.call("run", "part_x/base", "--set", "steps=5", "--as", "trial")

    refused = workshop.call("run", "part_x/base", "--set", "steps=6", "--as", "trial", code=2)
    assert "part_x/base@trial is there already, with steps=5" in refused.stderr
    assert load(workshop.outputs / "part_x/base@trial").parameters["steps"] == 5
    workshop.call("run", "part_x/base", "--set", "steps=6", "--as", "trial", "--replace")
    assert load(workshop.outputs / "part_x/base@trial").parameters["steps"] == 6


def test_results_are_replaced_only_when_told_and_it_is_shown(workshop: Workshop) -> None:
    """--replace makes it the original, and says from which value to which."""
    workshop.call("run", "part_x/base")

    done = workshop.call("run", "part_x/base", "--set", "steps=5", "--replace")

    assert "part_x/base  replaces its results: steps 3 -> 5" in done.stderr
    assert load(workshop.outputs / "part_x/base").parameters["steps"] == 5


REFUSED = {
    "a default": (["--set", "steps=3"], "steps=3 is what part_x/base declares"),
    "a name with a slash": (["--set", "steps=5", "--as", "a/b"], "not a name of a variant"),
    "a name with a dot before it": (["--set", "steps=5", "--as", ".hidden"], "not a name of a variant"),
    "a name without settings": (["--as", "trial"], "--as trial goes with --set"),
    "replacing without settings": (["--replace"], "--replace goes with --set"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_variant_is_refused(workshop: Workshop, case: str) -> None:
    """In one line, and nothing is run."""
    options, message = REFUSED[case]
    refused = workshop.call("run", "part_x/base", *options, code=2)
    assert message in refused.stderr
    assert workshop.calls() == {}


def test_a_variant_has_no_variants(workshop: Workshop) -> None:
    """Parameters are set for the original."""
    workshop.call("run", "part_x/base", "--set", "steps=5")
    refused = workshop.call("run", "part_x/base@steps-5", "--set", "seed=2", code=2)
    assert "run part_x/base --set" in refused.stderr


def test_a_model_s_name_is_no_variant_s(drawing: Workshop) -> None:  # noqa: F811
    """Its outputs would be taken for those with the model."""
    refused = drawing.call("run", "part_z/drawn", "--set", "steps=5", "--as", "Hubbed", code=2)
    assert "is a model" in refused.stderr


def test_a_damaged_variant_is_named(workshop: Workshop) -> None:
    """Its settings are in its manifest, so it cannot be run again; the rest goes on."""
    workshop.call("run", "part_x/base", "--set", "steps=5")
    (workshop.outputs / "part_x/base@steps-5/manifest.json").write_text("{")

    status = workshop.call("status")
    assert "part_x/base@steps-5 is a variant whose manifest cannot be read" in status.stderr
    workshop.call("run", "part_x/base")
    refused = workshop.call("run", "part_x/base", "--set", "steps=5", code=2)
    assert "part_x/base@steps-5 is there already, with a manifest that cannot be read" in refused.stderr


def test_settings_differ_where_types_do(workshop: Workshop) -> None:
    """1 and 1.0 are called the same, and the results of one are not replaced by those of the other."""
    workshop.edit("experiments/part_x/base.py", "seed: int = 1", "seed: int = 1, at: float | int | str = 0")
    workshop.call("run", "part_x/base", "--set", "at=1")
    for other in ("1.0", "'1'"):
        refused = workshop.call("run", "part_x/base", "--set", f"at={other}", code=2)
        assert "part_x/base@at-1 is there already, with at=1" in refused.stderr
    assert type(load(workshop.outputs / "part_x/base@at-1").parameters["at"]) is int


def test_names_that_differ_in_case_alone_are_refused(workshop: Workshop) -> None:
    """On some file systems one would replace the other."""
    workshop.call("run", "part_x/base", "--set", "steps=5", "--as", "wide")
    refused = workshop.call("run", "part_x/base", "--set", "steps=6", "--as", "Wide", "--replace", code=2)
    assert "part_x/base@wide is there already, and some file systems ignore case" in refused.stderr


def test_an_integer_is_the_float_that_is_declared(workshop: Workshop) -> None:
    """``pause: float = 1`` is 1.0."""
    workshop.edit("experiments/part_x/base.py", "pause: float = 0.0", "pause: float = 0")
    refused = workshop.call("run", "part_x/base", "--set", "pause=0.0", code=2)
    assert "pause=0.0 is what part_x/base declares" in refused.stderr


@pytest.mark.parametrize("value", ["1e999", "\ud800", "x" * 20_001])
def test_what_cannot_be_stored_is_refused_before_a_run(workshop: Workshop, value: str) -> None:
    """Its results would be lost at the end."""
    workshop.edit("experiments/part_x/base.py", "seed: int = 1", "seed: int = 1, at: float | str = 0.0")
    refused = workshop.call("run", "part_x/base", "--set", f"at={value}", "--as", "it", code=2)
    assert "cannot be stored" in refused.stderr
    assert workshop.calls() == {}


def test_a_variant_of_a_parameter_that_is_gone_is_kept(workshop: Workshop) -> None:
    """A run would give the declared results under its name."""
    workshop.call("run", "part_x/base", "--set", "steps=5")
    before = load(workshop.outputs / "part_x/base@steps-5")
    workshop.edit("experiments/part_x/base.py", "steps: int = 3", "count_of: int = 3")
    workshop.edit(
        "experiments/part_x/base.py", "    state = run.load()", "    steps = count_of\n    state = run.load()"
    )
    assert _states(workshop) == {"part_x/base@steps-5": "stale"}
    refused = workshop.call("run", "part_x/base@steps-5", code=2)
    assert "it was run with steps=5, and part_x/base has no parameter 'steps' any longer" in refused.stderr
    assert workshop.call("run", "part_x/base@steps-5", "--dry-run", code=2).stderr == refused.stderr
    workshop.call("build", "--rerun", code=1)  # there are no pages
    after = load(workshop.outputs / "part_x/base@steps-5")
    assert (after.key, after.provenance) == (before.key, before.provenance)


def test_a_variant_of_results_that_are_gone_is_kept(workshop: Workshop) -> None:
    """It would be made of the declared results, under its name."""
    workshop.call("run", "part_x/base", "--set", "seed=2", "--as", "other", "--downstream")
    before = _bytes(workshop.outputs / "part_x/derived@other")
    shutil.rmtree(workshop.outputs / "part_x/base@other")
    workshop.call("run", "part_x/base")
    refused = workshop.call("run", "part_x/derived@other", code=2)
    assert "it was run with results of part_x/base@other, which is not there any longer" in refused.stderr
    assert _bytes(workshop.outputs / "part_x/derived@other") == before
    workshop.call("run", "part_x/base", "--set", "seed=2", "--as", "other", "--downstream")
    assert _states(workshop)["part_x/derived@other"] == "fresh"


def test_what_depends_on_a_variant_is_not_replaced_by_one_of_its_name(workshop: Workshop) -> None:
    """It was run with other settings; nothing is run."""
    workshop.call("run", "part_x/derived", "--set", "factor=2", "--as", "trial")
    refused = workshop.call("run", "part_x/base", "--set", "seed=2", "--as", "trial", "--downstream", code=2)
    assert "part_x/derived@trial is there already, with factor=2.0" in refused.stderr
    assert "part_x/base@trial" not in _states(workshop)


def test_a_model_that_is_called_like_a_variant_leaves_its_results(drawing: Workshop) -> None:  # noqa: F811
    """They would become those of the model."""
    drawing.call("run", "part_z/drawn", "--set", "steps=8", "--as", "other")
    before = _bytes(drawing.outputs / "part_z/drawn@other")
    models = drawing.root / "experiments/models.toml"
    models.write_text(models.read_text().replace("[hubbed]", "[other]").replace("hubbed.", "other."))
    refused = drawing.call("run", "part_z/drawn", "--model", "other", code=2)
    assert "part_z/drawn@other is a variant, with steps=8, and 'other' has become a model" in refused.stderr
    assert _bytes(drawing.outputs / "part_z/drawn@other") == before


def test_two_runs_that_give_a_name_to_different_settings(workshop: Workshop) -> None:
    """The second one finds the results of the first when it may start, and leaves them."""
    chosen = choose(workshop.lab(), ["part_x/base"], Options(settings=("steps=6",), variant="trial"))
    workshop.call("run", "part_x/base", "--set", "steps=5", "--as", "trial")
    outcome = run(chosen.lab, chosen.named, Options())
    assert "part_x/base@trial is there already, with steps=5" in str(outcome.failed["part_x/base@trial"])
    assert load(workshop.outputs / "part_x/base@trial").parameters["steps"] == 5


NAMES = {
    "epochs-3": {"epochs": 3},
    "epochs-3_rate-0.001": {"epochs": 3, "rate": 0.001},
    "gammas-0-1-2.5": {"gammas": [0.0, 1.0, 2.5]},
    "seed--2": {"seed": -2},
    "prompt-a-photo-of-a-dog": {"prompt": "a photo of a dog"},
    "prompt-empty": {"prompt": ""},
    "fast-True": {"fast": True},
    "prompt-empty_at-empty": {"prompt": "...", "at": []},
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_made_of_the_settings(name: str) -> None:
    """It can be read, and is a plain name of a folder."""
    assert name_of(NAMES[name]) == name


def test_settings_are_shown_as_they_are_given() -> None:
    """In one line, and a text is told from a number."""
    settings = {"a": 1, "b": "1", "c": "none", "d": "DDIM", "e": "x\ny  fresh", "f": [0.5, 1], "g": None}
    assert written(settings) == "a=1, b='1', c='none', d=DDIM, e='x\\ny  fresh', f=0.5,1, g=None"


def test_long_names_differ_where_settings_do() -> None:
    """They end in a digest."""
    one, other = (name_of({"prompt": "a very long prompt about " * 5 + end}) for end in ("dogs", "cats"))
    assert one != other
    assert max(map(len, (one, other))) <= 60
