"""Runs: what is run and what is not, what survives a kill, and what a wrong machine is told."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from darkroom.core.manifest import Manifest, load

from .workshop import Workshop, heeding_interrupts

BASE, DERIVED = "experiments/part_x/base.py", "experiments/part_x/derived.py"
DYING = str(Path(__file__).parent / "dying")


def _manifest(workshop: Workshop, identity: str) -> Manifest:
    found = load(workshop.outputs / identity)
    assert found is not None
    return found


def _wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def test_everything_is_run_once_and_then_nothing(workshop: Workshop) -> None:
    """A run of everything calls each experiment, figure and metric once; a second run calls none."""
    workshop.call("run", "*")

    assert workshop.calls() == {
        "base": 1, "base_steps": 3, "derived": 1, "last": 1, "alone": 1, "curve": 1, "total": 1,
    }  # fmt: skip
    again = workshop.call("run", "*")
    assert workshop.calls() == {}
    assert "part_x/base  fresh; --force runs it anyway" in again.stderr


def test_a_rerun_that_changes_nothing_stops_there(fresh: Workshop) -> None:
    """A helper changed without effect on results reruns its experiment, and nothing downstream."""
    fresh.edit("src/helpers/maths.py", "return SCALE * x", "return x * SCALE")

    fresh.call("run", "part_x/base", "--downstream")

    assert fresh.calls() == {"base": 1, "base_steps": 3, "curve": 1, "total": 1}
    assert fresh.states() == {}


def test_a_change_of_results_goes_as_far_as_they_differ(fresh: Workshop) -> None:
    """Twice the scale changes the sum but not the signs: nothing else than the arrays decides how far a change goes."""
    fresh.edit("experiments/part_x/derived.py", "* factor *", "* abs(factor) *")

    fresh.call("run", "*")

    assert fresh.calls() == {"derived": 1}
    fresh.edit("src/helpers/maths.py", "SCALE = 2.0", "SCALE = 4.0")
    fresh.call("run", "*")
    assert fresh.calls() == {"base": 1, "base_steps": 3, "curve": 1, "total": 1, "derived": 1}


def test_what_is_waited_for_runs_first(workshop: Workshop) -> None:
    """Asking for the end of a chain runs the chain, and nothing else."""
    workshop.call("run", "part_y/last")

    assert workshop.calls() == {"base": 1, "base_steps": 3, "derived": 1, "last": 1, "curve": 1, "total": 1}


def test_a_folder_that_a_run_writes_reaches_what_follows(workshop: Workshop) -> None:
    """Files written into the working directory are stored, given downstream as a folder, and count in the digest."""
    workshop.write("experiments/part_x/files.py", FILES)

    workshop.call("run", "part_x/reading")
    assert json.loads((workshop.outputs / "part_x/reading/results.json").read_text()) == {"text": "hello"}
    assert [each.path for each in _manifest(workshop, "part_x/writing").files] == ["model/deep/text.txt"]
    assert not (workshop.outputs / ".scratch/part_x/writing/work").exists()
    workshop.edit("experiments/part_x/files.py", "hello", "world")
    workshop.call("run", "part_x/writing", "--downstream")
    assert json.loads((workshop.outputs / "part_x/reading/results.json").read_text()) == {"text": "world"}


FILES = '''
from pathlib import Path

from darkroom.lab import Results, experiment, upstream


@experiment()
def writing() -> dict[str, object]:
    """Writes."""
    Path("model/deep").mkdir(parents=True)
    Path("model/deep/text.txt").write_text("hello")
    return {"model": Path("model")}


@experiment()
def reading(written: Results = upstream(writing)) -> dict[str, object]:
    """Reads."""
    return {"text": (written["model"] / "deep" / "text.txt").read_text()}
'''


def test_force_runs_what_is_named_and_no_more(fresh: Workshop) -> None:
    """--force reruns a fresh experiment, not the ones before it."""
    fresh.call("run", "part_x/derived", "--force")

    assert fresh.calls() == {"derived": 1}


def test_a_glob_names_several(fresh: Workshop) -> None:
    """A glob runs everything that it matches."""
    fresh.call("run", "part_x/*", "--force", "--jobs", "3")

    assert set(fresh.calls()) == {"base", "base_steps", "derived", "alone", "curve", "total"}
    assert fresh.states() == {}


def test_a_failure_keeps_the_old_outputs_and_holds_up_what_follows(fresh: Workshop) -> None:
    """An experiment that raises keeps its outputs, is told in one line with its place, and exits 3; others still run."""
    before = (fresh.outputs / "part_x/base/manifest.json").read_bytes()
    fresh.edit(BASE, "state = run.load()", 'raise ValueError("two\\nlines")\n    state = run.load()')
    fresh.edit("src/helpers/maths.py", "return 3 * x", "return x * 3")

    done = fresh.call("run", "*", code=3)

    assert (fresh.outputs / "part_x/base/manifest.json").read_bytes() == before
    line = next(line for line in done.stderr.splitlines() if line.startswith("part_x/base: "))
    log = fresh.outputs / ".scratch/part_x/base/log.txt"
    assert line == (f"part_x/base: ValueError: two lines (experiments/part_x/base.py:20); its traceback is in {log}")
    assert "Traceback" in log.read_text()
    assert "Traceback" not in done.stderr
    assert "part_x/derived  not run: part_x/base failed" in done.stderr
    assert fresh.calls() == {"base": 1, "alone": 1}


def test_results_that_cannot_be_stored_leave_the_old_ones(fresh: Workshop) -> None:
    """A NaN among the results is named with its index, and the last good outputs stay."""
    before = (fresh.outputs / "part_x/base/manifest.json").read_bytes()
    fresh.edit(BASE, '{"total": total,', '{"total": total * [1, float("nan"), 1],')

    done = fresh.call("run", "part_x/base", code=3)

    assert "part_x/base: total[1] is nan; results must be finite" in done.stderr
    assert (fresh.outputs / "part_x/base/manifest.json").read_bytes() == before


def test_a_figure_that_fails_costs_no_results(workshop: Workshop) -> None:
    """Results are in place before figures are drawn; a figure that fails is told, and drawn once it is mended."""
    workshop.edit(BASE, 'count("curve")', "1 / 0")

    done = workshop.call("run", "part_x/base", code=3)

    assert "part_x/base/curve: ZeroDivisionError: division by zero (experiments/part_x/base.py:35)" in done.stderr
    assert set(_manifest(workshop, "part_x/base").metrics) == {"total"}
    workshop.calls()
    workshop.edit(BASE, "1 / 0", 'count("curve")')
    assert "part_x/base" not in workshop.states()
    assert workshop.plan().verdicts["part_x/base"].to_draw == ["curve"]


def test_a_figure_that_another_version_drew_is_drawn_again(fresh: Workshop) -> None:
    """Where its layout is no longer that of its kind: nothing is run, and the results are what they were."""
    path = fresh.outputs / "part_x/base/manifest.json"
    before = json.loads(path.read_bytes())
    older = json.loads(path.read_bytes())
    layout = older["figures"]["curve"]["layout"]
    layout["headings"] = layout.pop("columns")
    path.write_text(json.dumps(older), "utf-8")
    fresh.calls()

    assert fresh.states() == {} and fresh.plan().verdicts["part_x/base"].to_draw == ["curve"]
    fresh.call(code=1)  # there are no pages

    assert fresh.calls() == {"curve": 1}
    assert json.loads(path.read_bytes()) == before


def test_a_run_records_where_it_comes_from(fresh: Workshop) -> None:
    """A manifest holds seed, versions, device, times, memory, parameters, inputs and the digest of every file."""
    manifest = _manifest(fresh, "part_x/base")
    made = manifest.provenance

    assert made.seed == 1
    assert set(made.versions) == {"python", "darkroom", "numpy", "matplotlib", "pillow", "imageio"}
    assert made.device
    assert made.peak_memory_bytes > 10_000_000
    assert made.started_at <= made.finished_at
    assert (made.commit, made.clean, made.resumed) == ("", False, 0)
    assert manifest.parameters == {"steps": 3, "pause": 0.0, "seed": 1}
    assert set(_manifest(fresh, "part_x/alone").inputs) == {"dataset:tiny", "asset:images/cat.txt"}
    assert _manifest(fresh, "part_x/derived").inputs == {"upstream:part_x/base": manifest.results}
    assert [each.path for each in manifest.files] == ["results.json", "results.safetensors"]
    assert manifest.figures["curve"].layout["columns"] == ["value"]
    assert [each.path for each in manifest.figures["curve"].files] == ["figures/curve/number.txt"]


def test_the_commit_and_whether_the_tree_equals_it_are_recorded(fresh: Workshop) -> None:
    """In a repository, a run records the commit; outputs and site do not make a tree unclean, a source does."""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=fresh.root, check=True, capture_output=True, text=True
        ).stdout

    fresh.write(".gitignore", "__pycache__/\n.darkroom/\n.scratch/\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    fresh.call("run", "part_x/base", "part_x/alone", "--force")
    head = git("rev-parse", "HEAD").strip()

    assert (_manifest(fresh, "part_x/alone").provenance.commit, _manifest(fresh, "part_x/alone").provenance.clean) == (
        head,
        True,
    )
    fresh.write("src/helpers/new.py", "")
    fresh.call("run", "part_x/alone", "--force")
    assert not _manifest(fresh, "part_x/alone").provenance.clean


# Settings -----------------------------------------------------------------------------------------------------------------


def test_a_parameter_can_be_set(fresh: Workshop) -> None:
    """With --replace, the stored results are those of another value, which the state then tells."""
    fresh.call("run", "part_x/base", "--set", "steps=5", "--set", "pause=0", "--replace")

    assert _manifest(fresh, "part_x/base").parameters == {"steps": 5, "pause": 0.0, "seed": 1}
    assert fresh.states()["part_x/base"] == "stale (params: steps)"


SETTINGS = {
    "int": [("5", 5), ("-5", -5)],
    "float": [("5", 5.0), ("1e-4", 1e-4), ("-0.5", -0.5)],
    "bool": [("true", True), ("False", False)],
    "str": [("5", "5"), ("a b", "a b"), ("'a'", "a")],
    "tuple[float, ...]": [("0,1,2.5", [0.0, 1.0, 2.5]), ("(0, 1)", [0.0, 1.0]), ("3", [3.0]), ("()", [])],
    "tuple[int, str]": [("(1, 'a')", [1, "a"])],
    "tuple[tuple[int, int], ...]": [("((1, 2), (3, 4))", [[1, 2], [3, 4]])],
    "int | None": [("3", 3), ("None", None), ("none", None)],
    "Literal['a', 'b']": [("a", "a")],
}


@pytest.mark.parametrize("annotation", SETTINGS)
def test_a_setting_is_read_by_its_annotation(annotation: str) -> None:
    """The text of --set becomes a value of the parameter's type, and the type that was meant."""
    from darkroom.lab.source.values import parsed

    for text, value in SETTINGS[annotation]:
        found = parsed("--set x", text, annotation)
        assert (found, repr(found)) == (value, repr(value))


@pytest.mark.parametrize(
    ("annotation", "text"), [("int", "2.5"), ("int", "x"), ("float", "nan"), ("bool", "2"), ("tuple[int, int]", "1")]
)
def test_a_setting_of_another_type_is_refused(annotation: str, text: str) -> None:
    """A text that is no value of the annotation is refused, with both."""
    from darkroom.core.errors import UsageError
    from darkroom.lab.source.values import parsed

    with pytest.raises(UsageError, match=r"--set x: not a value of the type "):
        parsed("--set x", text, annotation)


# Kills --------------------------------------------------------------------------------------------------------------------

MOMENTS = [
    "starting:1", "saving:2", "saved:1", "saved:2", "writing:1", "writing:2", "writing:3", "written:1", "moving:1",
    "moved:1", "writing:4", "written:2", "moving:3", "moved:2",
]  # fmt: skip


# Until outputs are moved a run does not know whether there are old ones, so these moments are slow without.
LIKE_OTHERS = {"saving:2", "saved:1", "saved:2", "writing:2", "writing:3", "writing:4", "written:2"}


@pytest.mark.parametrize(
    ("before", "moment"),
    [
        *(("old outputs", moment) for moment in MOMENTS),
        *(
            pytest.param("none", moment, marks=pytest.mark.slow if moment in LIKE_OTHERS else ())
            for moment in MOMENTS
            if not moment.startswith("mov") or moment == "moved:1"  # nothing else is moved out of place
        ),
    ],
)
def test_a_run_killed_at_any_moment_leaves_whole_outputs_and_goes_on(
    fresh: Workshop, moment: str, before: str, straight: Manifest
) -> None:
    """Killed with SIGKILL, a run leaves the old outputs or the new ones, whole; run again, it gives the same bits."""
    if before == "none":
        subprocess.run(["rm", "-r", str(fresh.outputs / "part_x/base")], check=True)
    old = load(fresh.outputs / "part_x/base")
    fresh.edit("src/helpers/maths.py", "SCALE = 2.0", "SCALE = 4.0")

    killed = fresh.call("run", "part_x/base", code=3, here=True, PYTHONPATH=DYING, DIE_AT=moment)

    assert "its process ended by signal 9" in killed.stderr
    fresh.call("status")  # any command puts back what was being moved
    found = load(fresh.outputs / "part_x/base")
    state = fresh.plan().verdicts["part_x/base"].state
    assert (found, state) == (old, "stale" if old else "missing") or (
        found and found.results == straight.results and state == "fresh"
    )
    fresh.calls()
    fresh.call("run", "part_x/base")
    calls = fresh.calls()
    assert _manifest(fresh, "part_x/base").results == straight.results
    assert calls.get("base_steps", 0) == {"saved:1": 2, "saved:2": 1, "saving:2": 2, "starting:1": 3}.get(moment, 0)
    if state == "fresh" or moment.startswith("sav"):  # there was a checkpoint, which another run does not take up
        fresh.call("run", "part_x/base", "--force")
        assert fresh.calls()["base_steps"] == 3
    left = {path.name for path in (fresh.outputs / ".scratch/part_x/base").iterdir()}
    assert left <= {"lock", "holder", "log.txt"}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The outputs of a run that nobody killed."""
    from .workshop import make

    workshop = make(tmp_path_factory.mktemp("straight"))
    workshop.edit("src/helpers/maths.py", "SCALE = 2.0", "SCALE = 4.0")
    workshop.call("run", "part_x/base")
    return _manifest(workshop, "part_x/base")


def _slow(workshop: Workshop, identity: str = "part_x/base") -> subprocess.Popen[str]:
    """A run that takes a minute, once it has made a step."""
    with heeding_interrupts():
        process = subprocess.Popen(
            workshop.command("run", identity, "--set", "pause=0.3", "--set", "steps=200", "--replace"),
            cwd=workshop.root, env=workshop.environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
    _wait_for((workshop.probe / "base_steps").exists)
    return process


def _worker_of(workshop: Workshop) -> int:
    return int((workshop.outputs / ".scratch/part_x/base/holder").read_text().split()[0])


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] == "Z"
    except OSError:
        return True


def test_an_interrupt_ends_the_run_and_keeps_its_checkpoint(workshop: Workshop) -> None:
    """Ctrl-C exits 130, ends the worker, tells so in one line, and keeps the checkpoint."""
    process = _slow(workshop)
    worker = _worker_of(workshop)

    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=30)

    assert process.returncode == 130
    assert told.splitlines()[-1].startswith("interrupted; outputs are unchanged")
    assert "Traceback" not in told
    _wait_for(lambda: _is_gone(worker))
    assert list((workshop.outputs / ".scratch/part_x/base").glob("checkpoint-*.safetensors"))


def test_a_killed_build_takes_its_worker_along(workshop: Workshop) -> None:
    """When the build itself is killed, the worker ends, also one that tells no progress; the run can be taken up at once."""
    workshop.edit(BASE, '        run.progress(step + 1, steps, unit="steps", total=total[0])\n', "")
    process = _slow(workshop)
    worker = _worker_of(workshop)

    process.kill()
    process.communicate(timeout=30)

    _wait_for(lambda: _is_gone(worker))
    steps = workshop.calls()["base_steps"]
    assert steps < 200
    again = _slow(workshop)
    again.kill()
    again.communicate(timeout=30)
    _wait_for(lambda: _is_gone(_worker_of(workshop)))


def test_two_builds_at_once_do_not_meet(workshop: Workshop) -> None:
    """A second run of what is running is told who runs it, and exits 2; the first goes on."""
    process = _slow(workshop)

    second = workshop.call("run", "part_x/base", code=2)

    who = f"process {_worker_of(workshop)} on {platform.node()}"
    assert f"part_x/base: {who} is working on it; wait with --wait, or stop that process" in second.stderr
    assert process.poll() is None
    workshop.call("run", "part_x/alone")
    assert "part_x/base" in workshop.states()
    accepted = workshop.call("accept", "part_x/base", "--reason", "x", code=2)
    assert "is working on it" in accepted.stderr
    process.kill()
    process.communicate(timeout=30)


def test_a_source_edited_as_the_run_starts_is_refused(fresh: Workshop) -> None:
    """A run whose sources changed between plan and import does not file results under the wrong key."""
    fresh.edit(
        "src/helpers/maths.py",
        "SCALE = 2.0",
        'from pathlib import Path\n\nSCALE = 4.0\nPath(__file__).open("a").write("# more\\n")',
    )

    done = fresh.call("run", "part_x/base", code=3)

    assert "part_x/base: src/helpers/maths.py changed while the run was starting; run it again" in done.stderr


# Other machines -----------------------------------------------------------------------------------------------------------

TORCH = '''
from darkroom.lab import Run, experiment

@experiment(device="gpu")
def {name}(run: Run) -> dict[str, object]:
    """Uses torch."""
    import torch
    return {{"device": run.device, "one": torch.ones(1)}}
'''
NO_TORCH = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "diffusers", "transformers"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
"""


def test_a_machine_without_torch_is_told_what_to_install(workshop: Workshop, tmp_path: Path) -> None:
    """Where torch is not installed, a run that needs it says what to install, and exits 2."""
    workshop.write("experiments/part_x/net.py", TORCH.format(name="net"))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/sitecustomize.py").write_text(NO_TORCH)

    done = workshop.call("run", "part_x/net", code=2, PYTHONPATH=str(tmp_path / "bare"))

    assert "part_x/net needs torch, which is not installed; run pip install 'darkroom[experiments]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_experiment_that_only_finds_out_late_is_told_too(workshop: Workshop, tmp_path: Path) -> None:
    """An import of torch that no name leads to is told the same way."""
    source = (
        TORCH.format(name="net").replace("import torch", 'torch = __import__("tor" + "ch")').replace('"gpu"', '"cpu"')
    )
    workshop.write("experiments/part_x/net.py", source)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/sitecustomize.py").write_text(NO_TORCH)

    done = workshop.call("run", "part_x/net", code=2, PYTHONPATH=str(tmp_path / "bare"))

    assert "part_x/net needs torch, which is not installed" in done.stderr


def test_cuda_asked_for_and_absent_is_told(workshop: Workshop) -> None:
    """--device cuda where there is none says so and exits 2; auto takes the CPU."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    workshop.write("experiments/part_x/net.py", TORCH.format(name="net"))

    done = workshop.call("run", "part_x/net", "--device", "cuda", code=2)
    assert "part_x/net: --device cuda, but torch " in done.stderr
    assert "use --device auto" in done.stderr
    workshop.call("run", "part_x/net")
    stored = json.loads((workshop.outputs / "part_x/net/results.json").read_text())
    assert stored == {"device": "cpu"}


def test_a_missing_data_set_says_where_to_put_it(workshop: Workshop) -> None:
    """A data set that is nowhere to be had exits 2 and says where to put it."""
    (workshop.root / "data/numbers").unlink()

    done = workshop.call("run", "part_x/alone", code=2)

    assert "data set 'tiny': numbers was not found (it has no urls); put it, plain or as .gz, into" in done.stderr


def test_a_missing_asset_says_where_to_put_it(workshop: Workshop) -> None:
    """A declared file that is not there exits 2 and says where it belongs."""
    (workshop.root / "experiments/images/cat.txt").unlink()

    done = workshop.call("run", "part_x/alone", code=2)

    assert "part_x/alone: asset images/cat.txt was not found; put it at experiments/images/cat.txt" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists() or os.geteuid() != 0, reason="wants to mount a small file system")
def test_a_full_disk_is_told_in_one_line(workshop: Workshop, tmp_path: Path) -> None:
    """A disk that is full ends a run with one line and exit 2, and the site of old outputs stays."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(small)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        done = workshop.call("run", "part_x/base", "--outputs", str(small), code=2)
        assert "part_x/base: cannot write" in done.stderr
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_what_an_experiment_prints_is_shown_and_kept(workshop: Workshop) -> None:
    """Lines that an experiment prints come through, and are kept in its log."""
    workshop.edit(BASE, 'count("base")\n', 'count("base")\n    print("hello")\n')

    done = workshop.call("run", "part_x/base")

    assert "hello" in done.stderr.splitlines()
    assert (workshop.outputs / ".scratch/part_x/base/log.txt").read_text() == "hello\n"


def test_a_process_that_is_killed_from_outside_is_told(workshop: Workshop) -> None:
    """A worker that dies of a signal is told with the signal and the likely cause."""
    workshop.edit(BASE, "time.sleep(pause)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    done = workshop.call("run", "part_x/base", code=3)

    assert "part_x/base: its process ended by signal 9, possibly out of memory" in done.stderr


def test_a_source_edited_while_others_run_is_read_as_it_is_then(workshop: Workshop) -> None:
    """What starts after an edit runs, and is filed, as the edited code: it is fresh at the end, and what ran before stale."""
    workshop.edit("src/helpers/probe.py", '    folder = os.environ.get("PROBE")\n', EDITING)

    workshop.call("run", "part_y/last")

    assert workshop.states() == {
        "part_x/base": "stale (code: helpers.maths.SCALE)",
        "part_x/derived": "waiting (part_x/base)",
        "part_y/last": "waiting (part_x/derived)",
        "part_x/alone": "missing",
        "part_y/computed": "missing",
        "part_y/plugged": "missing",
    }
    workshop.call("accept", "part_x/base", "--reason", "a test")
    assert not {"part_x/derived", "part_y/last"} & workshop.states().keys()
    assert (
        _manifest(workshop, "part_x/derived").code["helpers.shapes.Square"]
        == (workshop.plan().verdicts["part_x/derived"].recipe.code["helpers.shapes.Square"])
    )


EDITING = """    folder = os.environ.get("PROBE")
    if name == "base":
        for path, old, new in (("maths", "SCALE = 2.0", "SCALE = 4.0"), ("shapes", "return 3", "return 4")):
            file = os.path.join(os.path.dirname(__file__), path + ".py")
            text = open(file).read()
            open(file, "w").write(text.replace(old, new))
"""


def test_an_upstream_that_appears_while_others_run_is_told(workshop: Workshop) -> None:
    """An experiment that takes another's results by the time it would start, when those were never run, is not run."""
    edit = """    if name == "base":
        file = os.path.join(os.path.dirname(__file__), "../../experiments/part_y/last.py")
        text = open(file).read()
        text = text.replace(" experiments.part_x.d", " experiments.part_x.alone import alone\\nfrom experiments.part_x.d")
        open(file, "w").write(text.replace("upstream(derived)", "upstream(derived), two: Results = upstream(alone)"))
"""
    workshop.edit(
        "src/helpers/probe.py",
        '    folder = os.environ.get("PROBE")\n',
        f'    folder = os.environ.get("PROBE")\n{edit}',
    )

    done = workshop.call("run", "part_y/last", code=3)

    assert "part_y/last: its declaration changed during the run; run it again" in done.stderr
    assert set(workshop.calls()) == {"base", "base_steps", "derived", "curve", "total"}
    workshop.call("run", "part_y/last")
    assert workshop.calls() == {"alone": 1, "last": 1}


KILLED = '''
import os
import signal
from darkroom.figures import Drawing, tiles
from darkroom.lab import Results, experiment


@experiment()
def made() -> dict[str, object]:
    """A number."""
    return {"number": 1}


@made.figure(caption="It.", alt="It.")
def shown(results: Results) -> Drawing:
    """It."""
    return tiles([[[[0.0, 1.0], [1.0, 0.0]]]], alt="It.")
'''


def test_a_run_that_is_killed_while_it_draws_deletes_nothing(workshop: Workshop) -> None:
    """Its results are there, and the files of the last figures, until a build draws them."""
    workshop.write("experiments/part_k/killed.py", KILLED)
    workshop.call("run", "part_k/made")
    git = partial(subprocess.run, cwd=workshop.root, check=True, capture_output=True, text=True)
    for command in (["init", "-q"], ["add", "experiments/outputs/part_k"]):
        git(["git", *command])
    killing = KILLED.replace('"number": 1', '"number": 2')
    killing = killing.replace("return tiles", "os.kill(os.getpid(), signal.SIGKILL)\n    return tiles")
    workshop.write("experiments/part_k/killed.py", killing)
    assert workshop.call("run", "part_k/made", code=None).returncode != 0
    assert not git(["git", "ls-files", "--deleted"]).stdout
    assert set(git(["git", "ls-files", "--modified"]).stdout.split()) == {
        "experiments/outputs/part_k/made/manifest.json",
        "experiments/outputs/part_k/made/results.json",
    }
    workshop.write("experiments/part_k/killed.py", KILLED.replace('"number": 1', '"number": 2'))
    workshop.call("run", "part_k/made")
    manifest = load(workshop.outputs / "part_k/made")
    assert manifest and list(manifest.figures) == ["shown"]
