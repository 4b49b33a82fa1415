"""Killed at any of its writes, a build, a run, a redraw and an accept leave the old state or the new one, whole.

Called again they come to the new one, and nothing that git would see is left over.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.workshop import Workshop, make
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import ROOT, copy_templates

pytestmark = pytest.mark.usefixtures("katex")

HOOK = str(Path(__file__).parent / "killed")
PAGE = '+++\ntitle = "A"\ndescription = "b"\n+++\nText $x$.\n\n{{ figure("part_x/base/curve") }}\n\n{{ experiments("*") }}\n'
POINTS = 2  # of each, in the default run; the first write is one of them

COMMANDS = {
    "build": ("main", ["--no-run"]),
    "run": ("worker", ["run", "part_x/base"]),
    "redraw": ("worker", ["build"]),
    "accept": ("main", ["accept", "part_x/derived", "--reason", "no matter"]),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A project that has been run and built."""
    workshop = make(tmp_path_factory.mktemp("killed"))
    copy_templates(workshop.root)
    (workshop.root / "templates/pages/index.md").write_text(PAGE)
    shutil.copy(ROOT / ".gitignore", workshop.root)
    for experiment in ("part_x/base", "part_x/derived"):
        workshop.call("run", experiment)
    for name in ("alone", "odd", "last"):
        for path in (workshop.root / "experiments").rglob(f"{name}.py"):
            path.unlink()
    workshop.call("--no-run")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=workshop.root, check=True)
    return workshop


def _prepared(built: Workshop, command: str, root: Path) -> Workshop:
    """A copy in which *command* has something to do."""
    shutil.copytree(built.root, root / "project", symlinks=True)
    (root / "probe").mkdir()
    workshop = Workshop(root / "project", root / "probe")
    if command == "build":
        page = workshop.root / "templates/pages/index.md"
        page.write_text(page.read_text().replace("Text", "Other text, and $y$"))
    elif command == "run":
        workshop.edit("experiments/part_x/base.py", "seed: int = 1", "seed: int = 2")
    elif command == "redraw":
        workshop.edit("experiments/part_x/base.py", 'caption="The *total*."', 'caption="The sum."')
    else:
        workshop.edit("experiments/part_x/derived.py", "factor * Square", "factor * 1 * Square")
    return workshop


def _state(workshop: Workshop) -> tuple[object, ...]:
    """What is published, apart from when it was made, and the site."""
    outputs = []
    for path in sorted(workshop.outputs.glob("part_*/*/manifest.json")):
        manifest = json.loads(path.read_bytes())
        figures = {name: figure["caption"] for name, figure in manifest["figures"].items()}
        accepted = len(manifest["accepted"])
        outputs.append((manifest["experiment"], manifest["key"], manifest["results"], str(figures), accepted))
    return tuple(outputs)


def _site(workshop: Workshop) -> str:
    """The digest of the site but for its record of times."""
    files = sorted(path for path in (workshop.root / "site").rglob("*") if path.is_file())
    names = [path.relative_to(workshop.root).as_posix().encode() for path in files]
    parts = [name + path.read_bytes() for name, path in zip(names, files, strict=True)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _checked(
    workshop: Workshop, command: str, before: tuple[object, ...], after: tuple[object, ...], site: str
) -> None:
    """The state after a kill, and the one after another call."""
    sees = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=workshop.root, capture_output=True, text=True, check=True
    ).stdout
    for line in sees.splitlines():
        place, _, name = line[3:].rpartition("/")
        assert not line.startswith("??") or (place.startswith("site") and not name.startswith(".")), sees
    workshop.call("status")  # which puts back what was being moved
    verdicts = workshop.plan().verdicts
    assert not [name for name, verdict in verdicts.items() if verdict.state == "damaged"]
    state = _state(workshop)
    drawn = {each[:3] for each in after}
    assert state in (before, after) or {each[:3] for each in state} == drawn  # results come before their figures
    if command == "build":
        pages = (workshop.root / "site/index.html").read_text()
        assert _site(workshop) == site or "Other text" in pages
    workshop.call(*COMMANDS[command][1], code=None)
    assert _state(workshop) == after
    if command == "build":
        assert "Other text" in (workshop.root / "site/index.html").read_text()
    assert not [path for path in workshop.outputs.rglob("*") if ".new" in path.name or ".manifest" in path.name]


def _killed_everywhere(built: Workshop, command: str, tmp_path: Path, points: int) -> None:
    role, arguments = COMMANDS[command]
    whole = _prepared(built, command, tmp_path / "whole")
    before, site = _state(whole), _site(whole)
    count = tmp_path / "count"
    hooked = {"PYTHONPATH": HOOK, "KILL_COUNT": str(count), "KILL_PROGRAM": "build.py"}
    whole.call(*arguments, KILL_AT=f"{role}:0", KILL_ROOT=str(whole.root), **hooked)
    after, total = _state(whole), int(count.read_text())
    assert total >= 3 and (after != before or command == "build")
    step = max(1, total // points) if points else 1
    for at in range(1, total + 1, step):
        workshop = _prepared(built, command, tmp_path / f"at_{at}")
        workshop.call(*arguments, code=None, KILL_AT=f"{role}:{at}", KILL_ROOT=str(workshop.root), **hooked)
        _checked(workshop, command, before, after, site)
        shutil.rmtree(tmp_path / f"at_{at}")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_kill_at_some_writes(command: str, built: Workshop, tmp_path: Path) -> None:
    """A few of them."""
    _killed_everywhere(built, command, tmp_path, POINTS)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_kill_at_every_write(command: str, built: Workshop, tmp_path: Path) -> None:
    """Each of them."""
    _killed_everywhere(built, command, tmp_path, 0)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_kill_at_random_moments(command: str, built: Workshop, tmp_path: Path) -> None:
    """Of the program, of its worker, or of both at once; ``DARKROOM_FUZZ_SEED`` picks other moments."""
    rng = random.Random(f"{os.environ.get('DARKROOM_FUZZ_SEED', '20')} {command}")
    whole = _prepared(built, command, tmp_path / "whole")
    before, site = _state(whole), _site(whole)
    began = time.monotonic()
    whole.call(*COMMANDS[command][1])
    after, longest = _state(whole), time.monotonic() - began
    for number in range(25):
        workshop = _prepared(built, command, tmp_path / f"at_{number}")
        process = subprocess.Popen(
            workshop.command(*COMMANDS[command][1]),
            cwd=workshop.root,
            env=workshop.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(rng.uniform(0, longest))
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        workers = [int(each) for each in children.read_text().split()] if children.exists() else []
        for victim in rng.choice(([process.pid], workers, [process.pid, *workers])):
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        process.wait(timeout=60)
        time.sleep(0.3)  # for a worker that ends with its parent
        _checked(workshop, command, before, after, site)
        shutil.rmtree(tmp_path / f"at_{number}")
