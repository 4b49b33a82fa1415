"""The command line: what it prints, what it does, what it exits with."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion

from darkroom import __version__, cli
from darkroom.core.record import ExperimentRecord
from tests.lab.workshop import Workshop, make
from tests.press.projects import ROOT, copy_templates

BASE = "experiments/part_x/base.py"
PAGE = """+++
title = "A page"
description = "A page of a test."
+++
## Numbers

{{ figure("part_x/base/curve") }}

It is {{ metric("part_x/base/total") }}, made by {{ param("part_x/base", "steps") }} steps.
"""
# What differs from run to run.
VARIABLE = [
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\dZ)?"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? s\b"), "SECONDS"),
    (re.compile(r"(?m)(TIME +).*?( +SECONDS)$"), r"\1DEVICE\2"),
    (re.compile(r"on .*, SECONDS"), "on DEVICE, SECONDS"),
    (re.compile(r" {2,}"), "  "),
]


def _masked(text: str, workshop: Workshop) -> str:
    text = text.replace(str(workshop.root), "ROOT")
    for pattern, shown in VARIABLE:
        text = pattern.sub(shown, text)
    return text


@pytest.fixture(scope="module")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    workshop = make(tmp_path_factory.mktemp("cli"))
    copy_templates(workshop.root)
    (workshop.root / "templates/site.toml").write_text('title = "T"\ndescription = "D"\n', encoding="utf-8")
    workshop.write("templates/pages/index.md", PAGE)
    workshop.call()
    return workshop


@pytest.fixture
def project(_built: Workshop, tmp_path: Path) -> Workshop:
    """A project whose site is built and whose outputs are fresh."""
    copy = Workshop(tmp_path / "project", tmp_path / "probe")
    shutil.copytree(_built.root, copy.root, symlinks=True, ignore=shutil.ignore_patterns(".scratch", "__pycache__"))
    copy.probe.mkdir()
    return copy


def _text(workshop: Workshop) -> str:
    """What a reader sees of the page."""
    page = (workshop.root / "site/index.html").read_text(encoding="utf-8")
    return " ".join(re.sub(r"<[^>]*>", "", page).split())


def _site(workshop: Workshop) -> dict[str, tuple[bytes, int]]:
    files = [path for path in (workshop.root / "site").rglob("*") if path.is_file()]
    return {str(path.relative_to(workshop.root)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


# Building -----------------------------------------------------------------------------------------------------------------


def test_a_first_build_runs_what_is_missing_and_publishes(_built: Workshop) -> None:
    """A build of a project without outputs runs every experiment, then writes the site with their numbers."""
    assert _built.states() == {}
    assert "The total." in _text(_built)
    assert "made by 3 steps" in _text(_built)


def test_a_build_that_changes_nothing_writes_nothing(project: Workshop) -> None:
    """A second build runs nothing, draws nothing and writes nothing, and says so in one line."""
    project.call()
    before = _site(project)
    project.calls()

    done = project.call()

    assert (done.stdout, done.stderr) == (
        "6 experiments: 6 fresh; site: 1 pages, nothing to write\n",
        "",
    )
    assert _site(project) == before
    assert project.calls() == {}


def test_what_is_stale_is_kept_and_named(project: Workshop) -> None:
    """A stale experiment is not rerun by a build; its page keeps the figure, and the build names it."""
    project.edit(BASE, "steps: int = 3", "steps: int = 4")

    done = project.call()

    assert project.calls() == {}
    assert "part_x/base is stale (params: steps)" in done.stderr
    assert "6 experiments: " in done.stdout
    assert "1 stale" in done.stdout
    assert "stale" in _text(project)


def test_strict_fails_on_what_is_stale_and_leaves_the_site(project: Workshop) -> None:
    """--strict makes a fault of a stale experiment: exit 1, and the old site untouched."""
    before = _site(project)
    project.edit(BASE, "steps: int = 3", "steps: int = 4")

    done = project.call("--strict", code=1)

    assert "stale" in done.stderr
    assert _site(project) == before


def test_a_changed_caption_redraws_one_figure_and_runs_nothing(project: Workshop) -> None:
    """A caption is redrawn and published without running its experiment or drawing another figure."""
    project.edit(BASE, "The *total*.", "The *whole* total.")

    done = project.call()

    assert project.calls() == {"curve": 1}
    assert "part_x/base  drew curve" in done.stderr
    assert "The whole total." in _text(project)


def test_a_metric_is_computed_anew_without_a_run(project: Workshop) -> None:
    """A changed metric is computed from stored results alone."""
    project.edit(BASE, 'count("total")\n', 'count("total")\n    return 7.5\n')

    project.call()

    assert project.calls() == {"total": 1}
    assert "It is 7.5" in _text(project)


def test_a_figure_that_fails_ends_the_build_and_leaves_the_site(project: Workshop) -> None:
    """A drawing function that raises ends the build with one line and 3; the old figure and the old site stay."""
    before = _site(project)
    project.edit(BASE, 'count("curve")', "1 / 0")

    done = project.call(code=3)

    assert (
        done.stderr.strip() == "part_x/base/curve: ZeroDivisionError: division by zero (experiments/part_x/base.py:35)"
    )
    assert _site(project) == before
    assert (project.outputs / "part_x/base/figures/curve/number.txt").exists()


def test_a_figure_that_old_results_cannot_give_waits_for_the_run(project: Workshop) -> None:
    """Where the experiment itself has changed, the old figure stays, the site is built, and one line says what to run."""
    project.edit("src/helpers/maths.py", "SCALE = 2.0", "SCALE = 3.0")
    project.edit(BASE, 'count("curve")', "results['new']")

    done = project.call()

    told = next(line for line in done.stderr.splitlines() if line.startswith("part_x/base/curve: KeyError"))
    assert told.endswith("its results are older than its code: run python build.py run part_x/base")
    assert "The total." in _text(project)
    assert (project.outputs / "part_x/base/figures/curve/number.txt").exists()


def test_only_figures_can_be_drawn_without_torch_or_data(project: Workshop) -> None:
    """Redrawing needs neither the data set nor torch: what is stored is enough."""
    (project.root / "data/numbers").unlink()
    project.edit("src/helpers/drawing.py", '"value"', '"the value"')

    project.call()

    assert project.calls() == {"curve": 1}


@pytest.mark.parametrize("words", [["--no-run"], ["build", "--no-run"]])
def test_a_build_may_be_told_to_run_nothing(project: Workshop, words: list[str]) -> None:
    """With --no-run the site is built from what is there, and what is missing is named, even where it could be run."""
    shutil.rmtree(project.outputs / "part_x/base")
    done = project.call(*words)
    assert project.calls() == {}
    assert "1 missing" in done.stdout


@pytest.mark.parametrize("words", [["--rerun"], ["build", "--rerun"]])
def test_a_build_runs_what_is_out_of_date_if_asked(project: Workshop, words: list[str]) -> None:
    """Only then, and only what is quick; what takes long is named."""
    project.edit("src/helpers/maths.py", "SCALE = 2.0", "SCALE = 3.0")
    assert "stale" in project.call().stdout
    assert "base" not in project.calls()

    done = project.call(*words)

    assert project.calls()["base"] == 1
    assert "stale" not in done.stdout
    project.edit("src/helpers/maths.py", "SCALE = 3.0", "SCALE = 4.0")
    project.edit(BASE, "minutes=0.1", "minutes=95")
    done = project.call(*words)
    assert "part_x/base takes about 95 minutes, so a build does not start it" in done.stderr
    assert "base" not in project.calls()
    assert "leave out --no-run" in project.call("--rerun", "--no-run", code=2).stderr


def test_what_takes_long_is_not_started_unasked(project: Workshop) -> None:
    """A missing experiment that declares more than a quarter of an hour is named with what would run it."""
    project.edit(BASE, "minutes=0.1", "minutes=95")
    shutil.rmtree(project.outputs / "part_x/base")

    done = project.call()

    assert project.calls() == {}
    said = "part_x/base takes about 95 minutes, so a build does not start it; run python build.py run part_x/base"
    assert said in done.stderr
    assert "1 missing" in done.stdout
    project.call("run", "part_x/base")
    assert project.calls()["base"] == 1


def test_what_is_missing_and_cannot_be_run_is_named(project: Workshop) -> None:
    """Without its data set a missing experiment is named with what to do; the rest of the site is built."""
    (project.root / "data/numbers").unlink()
    shutil.rmtree(project.outputs / "part_x/alone")

    done = project.call()

    assert "data set 'tiny': numbers was not found" in done.stderr
    assert "no outputs, and no page that shows them: part_x/alone;" in done.stderr
    assert "1 missing" in done.stdout


def test_other_places_can_be_named(project: Workshop, tmp_path: Path) -> None:
    """--site and --outputs lead elsewhere, and leave the usual places alone."""
    before = _site(project)
    shutil.copytree(project.outputs, tmp_path / "outputs")

    project.call("--site", str(tmp_path / "elsewhere"), f"--outputs={tmp_path / 'outputs'}")

    assert (tmp_path / "elsewhere/index.html").exists()
    assert _site(project) == before
    assert project.calls() == {}


def test_check_changes_nothing(project: Workshop) -> None:
    """check passes on what is built, fails with 1 on what is not, and writes neither outputs nor site."""
    project.call("check")
    before = _site(project)
    project.edit("templates/pages/index.md", "## Numbers", "## Other numbers")

    done = project.call("check", code=1)

    assert "is out of date; run python build.py" in done.stderr
    assert _site(project) == before


def test_a_build_that_fails_tells_its_warnings_as_well(project: Workshop) -> None:
    """Faults come last, each thing on its line."""
    project.edit("templates/pages/index.md", "## Numbers", "Let $$x$$ be ==y==.\n\n## Numbers")

    done = project.call(code=1)

    told = [line.partition(" ")[2] for line in done.stderr.splitlines() if "index.md" in line]
    assert [line.partition(": ")[0].rpartition(" ")[2] for line in told] == ["math", "markdown"]
    assert "warning: templates/pages/index.md" in done.stderr


def test_serving_draws_and_publishes_what_changes(project: Workshop) -> None:
    """serve answers with the site, and shows a changed caption without being asked again; errors do not end it."""
    process = subprocess.Popen(
        project.command("serve", "--port", "0"), cwd=project.root, env=project.environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert process.stdout
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+/", line)))
        assert "The <em>total</em>." in _page(address)
        project.edit(BASE, "The *total*.", "The *total* (")
        _until(address, "The <em>total</em> (", project.root / BASE)
        project.edit(BASE, "@base.metric", "@bas.metric")
        _until(address, "is not an experiment of this file", project.root / BASE)
        project.edit(BASE, "@bas.metric", "@base.metric")
        project.edit(BASE, "The *total* (", "The *total* again")
        _until(address, "The <em>total</em> again", project.root / BASE)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _page(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read().decode()


def _until(address: str, text: str, touched: Path) -> None:
    """Wait until the page holds *text*; the file is touched now and then, for watching begins some time after serving."""
    end = time.monotonic() + 20
    while text not in (page := _page(address)):
        assert time.monotonic() < end, page
        time.sleep(0.4)
        touched.touch()


# Saying -------------------------------------------------------------------------------------------------------------------


def test_the_status_table(project: Workshop, snapshot: SnapshotAssertion) -> None:
    """status prints a line an experiment, and one for each figure that is not fresh."""
    project.edit(BASE, "seed: int = 1", "seed: int = 2")
    project.edit("src/helpers/drawing.py", '"value"', '"the value"')
    project.edit("experiments/part_x/derived.py", "factor: float = 1.0", "factor: float = 2.0")
    (project.outputs / "part_x/alone/results.json").unlink()
    shutil.rmtree(project.outputs / "part_y/plugged")

    assert _masked(project.call("status").stdout, project) == snapshot


def test_the_status_of_one_experiment(project: Workshop, snapshot: SnapshotAssertion) -> None:
    """status ID says everything of one experiment."""
    project.edit(BASE, "seed: int = 1", "seed: int = 2")

    assert _masked(project.call("status", "part_x/base").stdout, project) == snapshot


def test_the_status_as_json(project: Workshop, snapshot: SnapshotAssertion) -> None:
    """status --json is a list of experiments as they stand in record.json, with the states of what they draw."""
    project.edit(BASE, "seed: int = 1", "seed: int = 2")

    rows = json.loads(project.call("status", "--json").stdout)

    for row in rows:
        assert msgspec.convert({**row, "drawings": None}, ExperimentRecord).id == row["id"]
        assert row["run"]["device"] and row["run"]["duration_s"] >= 0 and row["run"]["finished_at"].endswith("Z")
    told = ("id", "state", "reasons", "parameters", "drawings")
    assert [{name: row[name] for name in told} for row in rows] == snapshot
    assert [row["id"] for row in json.loads(project.call("status", "--json", "part_y/*").stdout)] == [
        "part_y/last", "part_y/computed", "part_y/plugged",
    ]  # fmt: skip


def test_status_can_be_strict(project: Workshop) -> None:
    """status --strict exits 1 where anything must run, 0 where all is fresh."""
    project.call("status", "--strict")
    project.edit(BASE, "seed: int = 1", "seed: int = 2")

    project.call("--strict", "status", code=1)
    project.call("status", "part_x/alone", "--strict")


WRONG = {
    "an unknown command": ["biuld"],
    "an unknown option": ["--stirct"],
    "an option without value": ["--site"],
    "nothing to run": ["run"],
    "an unknown experiment": ["run", "part_x/bse"],
    "the last part of an id": ["run", "base"],
    "a glob that matches nothing": ["run", "part_z/*"],
    "an unknown device": ["run", "part_x/base", "--device", "tpu"],
    "no number of jobs": ["run", "part_x/base", "--jobs", "0"],
    "an unknown parameter": ["run", "part_x/base", "--set", "sted=1"],
    "a value of another type": ["run", "part_x/base", "--set", "steps=few"],
    "a setting without value": ["run", "part_x/base", "--set", "steps"],
    "an unknown status": ["status", "part_x/bsae"],
    "no reason": ["accept", "part_x/base"],
    "an empty reason": ["accept", "part_x/base", "--reason", " "],
    "nothing to accept": ["accept", "part_x/base", "--reason", "because"],
    "an unknown experiment to accept": ["accept", "part_x/bas", "--reason", "because"],
    "a glob of nothing to accept": ["accept", "part_q/*", "--reason", "because"],
    "no such data folder": ["--data", "nowhere"],
    "a site that is a file": ["--site", "build.py"],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_is_one_line_and_2(_built: Workshop, name: str, snapshot: SnapshotAssertion) -> None:
    """A wrong call prints one line, which offers what was meant where that can be told, and exits 2."""
    done = _built.call(*WRONG[name], code=2)

    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert (done.stdout, len(lines)) == ("", 1)
    assert _masked(lines[0], _built) == snapshot


def test_a_folder_that_is_no_project_is_told(tmp_path: Path, _built: Workshop) -> None:
    """Outside a project, every command says where to run it, and exits 2."""
    shutil.copy(_built.root / "build.py", tmp_path)
    lost = Workshop(tmp_path, tmp_path / "probe")

    done = lost.call(code=2)

    assert (
        done.stderr
        == f"{tmp_path}: there is no folder 'experiments'; run it in a project, or write one with: darkroom new DIR\n"
    )


def test_help_names_every_command_and_option(project: Workshop) -> None:
    """--help lists the commands and what the exit codes mean; a command's own help lists its options."""
    told = project.call("--help").stdout
    assert all(f"    {command} " in told for command in ("build", "run", "status", "accept", "serve", "check"))
    assert "2 wrong usage" in " ".join(told.split())
    told = project.call("run", "--help").stdout
    assert all(f"--{option}" in told for option in ("downstream", "force", "device", "set", "jobs", "strict", "data"))


def test_a_reader_that_leaves_early_is_no_error(project: Workshop) -> None:
    """A pipe closed before everything is printed ends quietly."""
    command = " ".join(project.command("status", "--json"))

    done = subprocess.run(
        f"{command} | head -c 1",
        shell=True,
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == (b"[", b"")


# Accepting ----------------------------------------------------------------------------------------------------------------


def test_accepted_outputs_are_fresh_and_say_why(project: Workshop) -> None:
    """accept makes a stale experiment fresh without running it, and keeps the reason; the next change makes it stale."""
    project.edit("src/helpers/maths.py", "return SCALE * x", "return x * SCALE")
    before = json.loads((project.outputs / "part_x/base/manifest.json").read_text())

    done = project.call("accept", "part_x/base", "--reason", "a product commutes")

    after = json.loads((project.outputs / "part_x/base/manifest.json").read_text())
    assert done.stdout == "part_x/base  accepted: a product commutes\n"
    assert project.states() == {}
    assert project.calls() == {}
    assert [(each["reason"], each["previous_key"]) for each in after["accepted"]] == [
        ("a product commutes", before["key"])
    ]
    same = ("results", "files", "provenance", "parameters", "inputs", "metrics", "figures")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    project.edit("src/helpers/maths.py", "return x * SCALE", "return x * SCALE * 1")
    assert project.states()["part_x/base"] == "stale (code: helpers.maths._scaled)"


def test_a_glob_accepts_what_can_be_accepted_upstreams_first(project: Workshop) -> None:
    """What waits for an accepted experiment follows it; what is fresh, or has changed otherwise, is left as it is."""
    project.edit("src/helpers/maths.py", "return SCALE * x", "return x * SCALE")
    project.edit("experiments/images/cat.txt", "a cat", "a dog")
    before = project.states()

    done = project.call("accept", "part_*", "--reason", "a product commutes")

    assert done.stdout == "part_x/base  accepted: a product commutes\n"
    assert {"part_x/base", "part_x/derived", "part_x/alone"} <= before.keys()
    assert project.states() == {"part_x/alone": "stale (input: images/cat.txt)"}
    assert project.calls() == {}


def test_of_several_experiments_all_that_cannot_be_accepted_are_told(project: Workshop) -> None:
    """One line each; those that can be are accepted all the same."""
    project.edit("src/helpers/maths.py", "return SCALE * x", "return x * SCALE")
    project.edit("experiments/images/cat.txt", "a cat", "a dog")

    done = project.call("accept", "part_x/alone", "part_y/computed", "part_x/base", "--reason", "because", code=2)

    assert done.stdout == "part_x/base  accepted: because\n"
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "accept part_x/alone", "accept part_y/computed",
    ]  # fmt: skip


REFUSED = {
    "parameters": (BASE, "seed: int = 1", "seed: int = 2", "part_x/base", "more than code has changed (params: seed)"),
    "inputs": (
        "experiments/images/cat.txt", "a cat", "a dog",
        "part_x/alone", "more than code has changed (input: images/cat.txt)",
    ),
    "upstreams": (
        BASE, "seed: int = 1", "seed: int = 2",
        "part_x/derived", "it waits for part_x/base; accept or run that first",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_only_a_change_of_code_can_be_accepted(project: Workshop, name: str) -> None:
    """A change of parameters or inputs cannot be accepted, nor can what waits for another."""
    path, old, new, identity, message = REFUSED[name]
    project.edit(path, old, new)

    done = project.call("accept", identity, "--reason", "because", code=2)

    assert done.stderr == f"accept {identity}: {message}" + ("; run it again\n" if "more than" in message else "\n")


def test_damaged_or_missing_outputs_cannot_be_accepted(project: Workshop) -> None:
    """There must be whole outputs to accept."""
    (project.outputs / "part_x/base/results.json").unlink()
    shutil.rmtree(project.outputs / "part_x/alone")

    damaged = project.call("accept", "part_x/base", "--reason", "because", code=2)
    missing = project.call("accept", "part_x/alone", "--reason", "because", code=2)

    assert "its outputs are damaged (results.json); restore the file, or run it again" in damaged.stderr
    assert "it has no outputs; run it" in missing.stderr


# What is not installed ----------------------------------------------------------------------------------------------------


def _without(root: Path, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """``build.py`` in a Python that lacks a module, or (with "") everything that pip installs."""
    blocked = f"sys.modules[{module!r}] = None" if module else "pass"
    script = f"import runpy, sys; {blocked}; sys.argv = ['build.py', *{words!r}]; "
    script += f"runpy.run_path({os.fspath(root / 'build.py')!r}, run_name='__main__')"
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT / "src")}
    command = [sys.executable, *([] if module else ["-S"]), "-c", script]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [[], ["status"], ["check"], ["serve"], ["--strict"], ["run", "part_b/denoiser"]])
def test_a_bare_python_is_told_what_to_install(words: list[str]) -> None:
    """Without a single package every command is one line with the command that installs them."""
    done = _without(ROOT, "", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"msgspec is not installed; run {sys.executable} -m pip install -e .\n"
    assert _without(ROOT, "", "--help").returncode == 0


@pytest.mark.parametrize("module", ["jinja2", "markdown", "markupsafe", "PIL"])
def test_a_package_that_is_missing_is_named(module: str, project: Workshop, tmp_path: Path) -> None:
    """One at a time, wherever it is first needed; in a project without a copy of Darkroom, Darkroom is installed."""
    shutil.copy(ROOT / ".github/screenshot.png", project.root / "templates/static")
    done = _without(project.root, module, "--no-run", "--site", str(tmp_path / "site"))
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert done.returncode == 2
    assert lines == [f"{module} is not installed; run {sys.executable} -m pip install darkroom=={__version__}"]


def test_every_dependency_is_known() -> None:
    """Those that pyproject.toml names, by the names that they are imported by."""
    import tomllib
    from importlib.metadata import packages_distributions

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    names = {re.match(r"[\w-]+", line)[0].lower() for line in declared}
    modules = {module for module, owners in packages_distributions().items() if {o.lower() for o in owners} & names}
    assert {module for module in modules if not module.startswith("_") and module.isidentifier()} <= cli.NEEDED | {
        "pylab",
        "mpl_toolkits",
        "main",
        "fontTools",
    }


def test_an_old_python_is_told_so() -> None:
    """The line stands where even an old Python reads it, before anything is imported that it cannot read."""
    script = (
        "import runpy, sys; from collections import namedtuple\n"
        "sys.version_info = (3, 9, 2, 'final', 0); sys.version = '3.9.2 (x)'; runpy.run_path('build.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Darkroom needs Python 3.11 or newer; this is 3.9.2: {sys.executable}\n"
