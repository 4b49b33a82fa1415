"""Rules of declaration: what breaks one is told at once, with file, line, column and what to write."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom.core.errors import DeclarationError, UsageError
from darkroom.core.paths import remove
from darkroom.lab import Experiment
from darkroom.lab.declare import Bound
from darkroom.lab.outputs.results import as_tuples
from darkroom.lab.source.declared import ExperimentRecipe
from darkroom.lab.source.scan import module_record

from .workshop import EVERYTHING, Workshop

HEAD = """from pathlib import Path
from darkroom.lab import Dataset, Results, Run, asset, dataset, experiment, upstream, weights
import numpy as np
SEED = 3
"""
GOOD = (
    HEAD
    + '''
@experiment(device="gpu", minutes=2)
def good(run: Run, *, epochs: int = 2) -> dict[str, object]:
    """Does well."""

@good.figure(caption="c", alt="a")
def shown(results: Results): ...
'''
)


def _declared(signature: str, body: str = '"""Says what."""', decorator: str = "@experiment()") -> str:
    return f"{HEAD}{decorator}\ndef bad({signature}):\n    {body}\n"


BROKEN = {
    "an unknown edge": (
        _declared("x: int = load('y')"),
        "6:18", "unknown input 'load'; write x = upstream(experiment), dat",
    ),
    "a misspelt edge": (
        _declared("x: Dataset = datset('y')"),
        "6:22", "unknown input 'datset'; did you mean 'dataset'?",
    ),
    "a positional parameter": (
        _declared("epochs: int = 3"),
        "6:23", "'epochs' is not an input; write parameters after a *, as in (*, epochs: int",
    ),
    "no default": (
        _declared("run: Run, other: Results"),
        "6:19", "parameter 'other' has no default (only the first, 'run', may",
    ),
    "an edge after the star": (
        _declared("*, d: Dataset = dataset('mnist')"),
        "6:25", "'d' is an input; move it before",
    ),
    "a parameter without default": (
        _declared("*, epochs: int"),
        "6:12", "'epochs' has no default; write a literal such as",
    ),
    "a parameter without annotation": (
        _declared("*, rates=(1.0, 2.0)"),
        "6:12", "'rates' has no annotation; write rates: tuple[float, ...]",
    ),
    "a list as default": (
        _declared("*, rates: list = [1.0]"),
        "6:26", "the default of 'rates' is mutable; write a tuple",
    ),
    "a name as default": (
        _declared("*, seed: int = SEED"),
        "6:24", "'seed' is not a literal; write the value itself, such as seed = 20",
    ),
    "a sum as default": (_declared("*, size: int = 2 * 3"), "6:24", "'size' is not a literal"),
    "an infinite default": (_declared("*, size: float = 1e999"), "6:26", "'size' is not finite"),
    "a default of another type": (
        _declared("*, size: int = 2.5"),
        "6:24", "the default of 'size' does not fit int; change",
    ),
    "a strange annotation": (
        _declared("*, size: np.ndarray = 2"),
        "6:18", "parameters cannot have the annotation 'np.ndarray'; write int",
    ),
    "any number of arguments": (_declared("*edges"), "6:1", "takes *args, **kwargs or /; name every input"),
    "an upstream by text": (
        _declared("x: Results = upstream('part_b/x')"),
        "6:31", "takes the experiment itself; write upstream(",
    ),
    "an asset elsewhere": (_declared("x: Path = asset('../x')"), "6:25", "asset '../x' must lie under experiments/"),
    "an asset by name": (_declared("x: Path = asset(SEED)"), "6:25", "asset takes a literal text; write asset("),
    "weights of an empty revision": (
        _declared("x: str = weights('a/b', revision='')"),
        "6:18", "the revision of weights must be a literal text; write weights(",
    ),
    "an unknown device": (
        _declared("", decorator='@experiment(device="tpu")'),
        "5:20", 'unknown device=\'tpu\'; write device="cpu" or',
    ),
    "an unknown option": (
        _declared("", decorator="@experiment(minuts=3)"),
        "5:20", "unknown option 'minuts'; did you mean 'minutes'?",
    ),
    "an option by place": (_declared("", decorator='@experiment("cpu")'), "5:13", "an option needs its name; write device="),
    "an option that is no literal": (
        _declared("", decorator="@experiment(minutes=SEED)"),
        "5:21", "minutes must be a literal",
    ),
    "minutes that are no number": (
        _declared("", decorator='@experiment(minutes="2")'),
        "5:21", "minutes must be a number",
    ),
    "no docstring": (
        _declared("", body="return {}"),
        "6:1", 'experiment \'bad\' has no docstring; begin it with """What',
    ),
    "a figure without alt": (
        GOOD + '@good.figure(caption="c")\ndef b(results): ...',
        "12:2", "figure 'b' has no alt text; write alt=",
    ),
    "an empty caption": (
        GOOD + '@good.figure(caption=" ", alt="a")\ndef b(results): ...',
        "12:22", "figure 'b' has no caption text",
    ),
    "a computed caption": (
        GOOD + '@good.figure(caption="a" + "b", alt="a")\ndef b(results): ...',
        "12:22", "caption must be a literal",
    ),
    "a figure without results": (
        GOOD + '@good.figure(caption="c", alt="a")\ndef b(): ...',
        "13:1", "write def b(results: Results)",
    ),
    "two figures of one name": (
        GOOD + '@good.figure(caption="c", alt="a")\ndef shown(results): ...',
        "13:1", "the name 'shown' is already used",
    ),
    "a figure of one experiment twice": (
        GOOD + '@good.figure(caption="c", alt="a")\n@good.figure(caption="d", alt="a")\ndef b(results): ...',
        "13:2", "'b' is declared for 'good' twice; remove one",
    ),
    "a decorator between two of declaration": (
        GOOD + "@good.metric\n@np.vectorize\n@good.metric\ndef b(results): ...",
        "14:2", "@metric must be the first decorator of 'b'; move it up",
    ),
    "a metric with options": (
        GOOD + "@good.metric(unit='s')\ndef b(results): ...",
        "12:2", "takes no options; write @good.metric",
    ),
    "a figure of nothing": (
        GOOD + '@goood.figure(caption="c", alt="a")\ndef b(results): ...',
        "12:2", "'goood' is not an experiment of this file; did you mean 'good'?",
    ),
    "two experiments of one name": (
        GOOD + _declared("").removeprefix(HEAD).replace("bad", "good"),
        "13:1", "there are two experiments named 'good'",
    ),
    "an experiment in a function": (
        HEAD + 'def f():\n    @experiment()\n    def g():\n        """X."""',
        "7:5", "must be a plain function at the top level",
    ),
    "a decorator above": (
        HEAD + '@np.vectorize\n@experiment()\ndef g():\n    """X."""',
        "6:2", "@experiment must be the first decorator of 'g'",
    ),
    "no Python": (HEAD + "def x(:", "5:7", "not valid Python"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_told_with_its_place_and_what_to_write(name: str) -> None:
    """Each broken rule is one line that opens with path:line:column and says what to write instead."""
    source, place, message = BROKEN[name]

    with pytest.raises(DeclarationError) as caught:
        module_record(source, "experiments.part_x.bad", "experiments/part_x/bad.py")

    line = str(caught.value)
    assert line.startswith(f"experiments/part_x/bad.py:{place}: ")
    assert message in line
    assert "\n" not in line


def test_a_good_file_breaks_no_rule() -> None:
    """The file that the broken ones grow from is accepted."""
    assert [each["name"] for each in module_record(GOOD, "a.b", "b.py")["experiments"]] == ["good"]


SHARED = (
    GOOD
    + '''
@experiment()
def other() -> dict[str, object]:
    """Does as well."""

@good.figure(caption="of good", alt="a")
@other.figure(caption="of other", alt="b")
@np.vectorize
def loss(results: Results): ...
'''
)


def test_a_function_may_draw_a_figure_of_several_experiments() -> None:
    """Each has it with a caption of its own; of the decorators only those that declare nothing are code."""
    record = module_record(SHARED, "a.b", "b.py")

    captions = {each["name"]: [figure["caption"] for figure in each["figures"]] for each in record["experiments"]}
    assert captions == {"good": ["c", "of good"], "other": ["of other"]}
    lines = [each["figures"][-1]["line"] for each in record["experiments"]]
    assert [SHARED.splitlines()[line - 1].partition("(")[0] for line in lines] == ["@good.figure", "@other.figure"]

    def code(old: str = "", new: str = "") -> object:
        return module_record(SHARED.replace(old, new), "a.b", "b.py")["bodies"]["loss"]["digest"]

    assert code() == code('"of other"', '"another"') == code('@other.figure(caption="of other", alt="b")\n', "")
    assert len({code(), code("@np.vectorize\n", ""), code("@np.vectorize", "@np.figure")}) == 3


def test_every_fault_of_a_file_is_told_at_once() -> None:
    """Two broken experiments in one file give two lines."""
    source = _declared("epochs: int = 3") + _declared("*, n: int").removeprefix(HEAD).replace("bad", "worse")

    with pytest.raises(DeclarationError, match=r"(?s)b\.py:6:23: .*\nb\.py:9:14: "):
        module_record(source, "a.b", "b.py")


def test_every_fault_of_an_experiment_is_told_at_once() -> None:
    """Options, parameters, edges and texts of figures, each at its place; no fault is only a consequence of another."""
    source = (
        "from darkroom.lab import Dataset, Results, dataset, experiment\n"
        '@experiment(device="tpu", minutes=-1, results=("a b",), wrong=1)\n'
        "def bad(data: Dataset = dataset(3), *, n: int, m=2, k: list = 1) -> dict[str, object]:\n    return {}\n"
        "@bad.figure(caption=CAPTION)\ndef figure(results: Results) -> object: ...\n"
        "@bad.metric(1)\ndef metric(*, digits: float = 'x') -> object: ...\n"
    )

    with pytest.raises(DeclarationError) as caught:
        module_record(source, "a.b", "b.py")

    assert [line.split(": ", 1)[1].partition(";")[0] for line in str(caught.value).splitlines()] == [
        "unknown option 'wrong'",
        "unknown device='tpu'",
        "minutes must be a number, the rough cost in minutes",
        "dataset takes a literal text",
        "parameter 'n' has no default",
        "parameter 'm' has no annotation",
        "parameters cannot have the annotation 'list'",
        "experiment 'bad' has no docstring",
        "results must be a tuple of names of results",
        "caption must be a literal, since it is read without running the file",
        "figure 'figure' has no alt text",
        "the default of 'digits' does not fit float",
        "metric 'metric' takes no results",
        "a metric takes no options",
    ]


PROJECT_FAULTS = {
    "an upstream that is none": (
        (
            "from helpers import maths\nfrom darkroom.lab import Results, experiment, upstream\n"
            '@experiment()\ndef bad(x: Results = upstream(maths.twice)):\n    """X."""\n'
        ),
        "experiments/part_x/bad.py:4:22: 'maths.twice' is not an experiment; import one and name it",
    ),
    "an unknown data set": (
        (
            "from darkroom.lab import Dataset, experiment, dataset\n"
            '@experiment()\ndef bad(x: Dataset = dataset("tinny")):\n    """X."""\n'
        ),
        "experiments/part_x/bad.py:3:22: no data set 'tinny'; did you mean 'tiny'?; declare it in experiments/data.toml",
    ),
    "a name that another file has": (
        'from darkroom.lab import experiment\n@experiment()\ndef alone():\n    """X."""\n',
        "experiments/part_x/bad.py:3:1: experiment 'part_x/alone' is declared in experiments/part_x/alone.py too",
    ),
    "a name that another has in another case": (
        'from darkroom.lab import experiment\n@experiment()\ndef Alone():\n    """X."""\n',
        "experiments/part_x/bad.py:3:1: experiment 'part_x/Alone': 'part_x/alone' and 'part_x/Alone' have the same name",
    ),
    "a name that is a part of another": (
        'from darkroom.lab import experiment\n@experiment()\ndef part_x():\n    """X."""\n',
        "experiment 'part_x/alone' would be stored among the outputs of 'part_x'; rename one of the two",
    ),
    "a name that is a device of Windows": (
        'from darkroom.lab import experiment\n@experiment()\ndef aux():\n    """X."""\n',
        "experiments/part_x/bad.py:3:1: 'part_x/aux' is a path that some file systems cannot store; rename it",
    ),
    "the name of the folder of figures": (
        'from darkroom.lab import experiment\n@experiment()\ndef figures():\n    """X."""\n',
        "bad.py:3:1: experiment 'part_x/figures': 'figures' is where figures are stored; rename it",
    ),
    "figures that differ in case": (
        (
            "from darkroom.lab import experiment\n"
            '@experiment()\ndef bad():\n    """X."""\n'
            '@bad.figure(caption="c", alt="a")\ndef loss(results): ...\n'
            '@bad.figure(caption="c", alt="a")\ndef Loss(results): ...\n'
        ),
        "experiments/part_x/bad.py:8:1: figure 'Loss': 'loss' and 'Loss' have the same name on some systems",
    ),
    "a text that is half a character": (
        (
            'from darkroom.lab import experiment\n@experiment()\ndef bad():\n    """X."""\n'
            '@bad.figure(caption="c\\udfff", alt="a")\ndef loss(results): ...\n'
        ),
        "experiments/part_x/bad.py:5:21: half a surrogate pair is not text; write the character",
    ),
    "experiments that wait for each other": (
        (
            "from darkroom.lab import Results, experiment, upstream\n"
            '@experiment()\ndef one(x: Results = upstream(two)):\n    """X."""\n'
            '@experiment()\ndef two(x: Results = upstream(one)):\n    """X."""\n'
        ),
        "experiments depend on each other: part_x/",
    ),
}


@pytest.mark.parametrize("name", PROJECT_FAULTS)
def test_what_one_file_cannot_show_is_told_by_the_project(workshop: Workshop, name: str) -> None:
    """Rules between files are kept too: upstreams, data sets, ids and cycles."""
    source, message = PROJECT_FAULTS[name]
    workshop.write("experiments/bad.py" if "def part_x" in source else "experiments/part_x/bad.py", source)

    with pytest.raises(DeclarationError) as caught:
        workshop.lab()

    assert message in str(caught.value)
    assert workshop.call("status", code=2).stderr.strip() == str(caught.value)


def test_folders_of_experiments_that_differ_in_case_are_told_at_each(workshop: Workshop) -> None:
    """All of them at once, also where no two experiments have the same name."""
    one = 'from darkroom.lab import experiment\n@experiment()\ndef {}():\n    """X."""\n'
    workshop.write("experiments/Part_X/other.py", one.format("first") + one.format("second"))
    with pytest.raises(DeclarationError) as caught:
        workshop.lab()
    assert len(str(caught.value).splitlines()) >= 2
    assert all("'Part_X' and 'part_x' have the same name" in line for line in str(caught.value).splitlines())


@pytest.fixture
def imported(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """The project on the import path, forgotten afterwards."""
    monkeypatch.syspath_prepend(workshop.root / "src")
    monkeypatch.syspath_prepend(workshop.root)
    saved = {name: sys.modules.pop(name) for name in _of_projects()}
    yield workshop
    for name in _of_projects():
        del sys.modules[name]
    sys.modules.update(saved)


def _of_projects() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in {"experiments", "helpers"}]


def test_the_decorator_and_the_plan_read_the_same_declaration(imported: Workshop) -> None:
    """What a plan reads from source is what the decorators find when the file is run."""
    for recipe in imported.lab().project.experiments.values():
        declared: Experiment = getattr(importlib.import_module(recipe.module), recipe.name)
        assert (declared.id, declared.device, declared.minutes) == (recipe.id, recipe.device, recipe.minutes)
        assert list(declared.figures) == [each.name for each in recipe.figures]
        assert list(declared.metrics) == [each.name for each in recipe.metrics]
        assert inspect.getdoc(declared.function).startswith(recipe.summary)  # type: ignore[union-attr]
        _see_signature(declared, recipe)


def _see_signature(declared: Experiment, recipe: ExperimentRecipe) -> None:
    signature = inspect.signature(declared.function).parameters.values()
    named = {each.name: each.default for each in signature if each.kind is each.KEYWORD_ONLY}
    edges = {each.name: each.default for each in signature if isinstance(each.default, Bound)}
    assert named == {each.name: as_tuples(each.value) for each in recipe.parameters}
    assert {name: bound.kind for name, bound in edges.items()} == {each.parameter: each.word for each in recipe.edges}
    for edge in recipe.edges:
        target = edges[edge.parameter].target
        assert edge.target == (target.id if isinstance(target, Experiment) else target)


def test_a_broken_rule_fails_the_import_too(imported: Workshop) -> None:
    """Importing a file that breaks a rule fails with the line that a plan gives."""
    imported.write("experiments/part_x/bad.py", _declared("epochs: int = 3"))

    with pytest.raises(DeclarationError, match=r"^experiments/part_x/bad\.py:6:23: "):
        importlib.import_module("experiments.part_x.bad")


def test_a_declared_experiment_can_be_called(imported: Workshop) -> None:
    """An experiment called as a function is its function."""
    plugged = importlib.import_module("experiments.part_y.odd").plugged

    assert plugged() == {"value": 3}


def test_a_project_without_experiments_says_where_to_run(tmp_path: Path) -> None:
    """A folder that is no project is told in one line."""
    from darkroom.core.digests import Digests
    from darkroom.lab.source.discover import discover

    with pytest.raises(UsageError, match=r"there is no folder 'experiments'; run it in a project"):
        discover(tmp_path, Digests(tmp_path / "cache"))


def test_a_source_outside_experiments_that_is_no_python_counts_whole(workshop: Workshop) -> None:
    """A helper that cannot be parsed makes what imports it stale, and fails nothing else."""
    before = workshop.plan().verdicts
    workshop.write("src/helpers/maths.py", "def twice(x:\n")

    after = workshop.plan().verdicts

    assert {name for name in before if after[name].key != before[name].key} == {"part_x/base", "part_x/alone"}


def _sparse(path: Path, size: int) -> None:
    """A file of that size which takes no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


@pytest.mark.parametrize("size", [3_000_000, 50_000_000, 1 << 40])
def test_a_source_that_is_too_large_is_told(size: int, workshop: Workshop) -> None:
    """At once, by its size and with what to do; it is neither parsed nor, beyond some size, read."""
    _sparse(workshop.root / "experiments/part_x/large.py", size)
    said = workshop.call("status", code=2).stderr
    assert re.fullmatch(r"experiments/part_x/large\.py:1:1: has [\d,]+ bytes; .*data in data files.*\n", said), said


def test_a_large_source_elsewhere_counts_as_a_whole(workshop: Workshop) -> None:
    """One that nobody imports is no matter."""
    _sparse(workshop.root / "src/helpers/table.py", 3_000_000)
    workshop.call("status")
    _sparse(workshop.root / "src/helpers/table.py", 1 << 40)
    assert "src/helpers/table.py:1:1: has" in workshop.call("status", code=2).stderr


@pytest.mark.parametrize("kind", ["pipe", "folder", "dangling", "loop"])
def test_a_source_that_is_none_is_told(kind: str, workshop: Workshop) -> None:
    """A pipe is not waited for, and an editor's hidden link is no source."""
    path = workshop.root / "experiments/part_x/odd.py"
    {
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "dangling": lambda: path.symlink_to("nowhere"),
        "loop": lambda: path.symlink_to(path.name),
    }[kind]()
    said = workshop.call("status", code=2).stderr
    assert said.startswith("experiments/part_x/odd.py:1:1: ") and said.count("\n") == 1
    remove(path)
    (workshop.root / "experiments/part_x/.#odd.py").symlink_to("somebody@somewhere")
    workshop.call("status")


def test_links_that_multiply_files_end(workshop: Workshop) -> None:
    """One that leads back to where it lies is not followed, and those that double folders are counted."""
    (workshop.root / "experiments/part_x/back").symlink_to("..")
    (workshop.root / "experiments/part_x/again").symlink_to(".")
    assert len(workshop.plan().verdicts) == len(EVERYTHING)
    place = workshop.root / "src/deep"
    for _ in range(25):
        place.mkdir()
        (place.parent / "twin").symlink_to(place.name)
        (place / "a.py").write_text("")
        place = place / "deep"
    said = workshop.call("status", code=2).stderr
    assert "more than 20,000 Python files, or links that multiply them" in said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"# coding: rot13\nx = 1\n", "experiments/a.py:1:1: not valid Python: "),
        (b"x = " + b"9" * 10_000, "experiments/a.py:1:1: a number has more digits than Python can read; compute it"),
    ],
)
def test_what_python_does_not_read_is_told_at_its_place(source: bytes, said: str) -> None:
    """Also where it is not the syntax."""
    with pytest.raises(DeclarationError) as caught:
        module_record(source, module="experiments.a", path="experiments/a.py")
    assert str(caught.value).startswith(said) and "sys.set_int" not in str(caught.value)


def test_a_source_whose_name_is_no_text_is_told(workshop: Workshop) -> None:
    """With what bytes it has."""
    (workshop.root / "experiments" / os.fsdecode(b"\xff.py")).write_text("x = 1\n")
    done = workshop.call("status", code=2)
    assert done.stderr.splitlines() == ["experiments/\\xff.py:1:1: its name is not UTF-8; rename the file"]
