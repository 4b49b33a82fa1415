"""A small project to plan and run: numpy only, a second for everything, and a count of every function that was called."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from darkroom.cli import main
from darkroom.core.digests import Digests
from darkroom.lab.plan import Lab, Plan
from darkroom.lab.source.discover import discover

SOURCES = Path(__file__).parents[2] / "src"


@contextmanager
def heeding_interrupts() -> Iterator[None]:
    """Programs started meanwhile heed SIGINT, also where the shell that started the tests ignores it (``nohup``, ``&``)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


FILES = {
    "build.py": """
import sys
from pathlib import Path

from darkroom.cli import main

if __name__ == "__main__":
    sys.exit(main(root=Path(__file__).parent))
""",
    "src/helpers/__init__.py": """
from helpers.maths import twice as double
""",
    "src/helpers/maths.py": '''
"""Arithmetic that experiments share."""

SCALE = 2.0
UNUSED = 1


def _scaled(x):
    return SCALE * x


def twice(x):
    """Two times x."""
    return _scaled(x)


def thrice(x):
    return 3 * x
''',
    "src/helpers/shapes.py": """
class Shape:
    def area(self):
        return self.side() ** 2

    def side(self):
        raise NotImplementedError


class Square(Shape):
    def side(self):
        return 3


class Circle(Shape):
    def side(self):
        return 1
""",
    "src/helpers/drawing.py": '''
from dataclasses import dataclass


@dataclass(frozen=True)
class Drawing:
    kind: str
    layout: dict
    files: dict


def number(value):
    """A figure that shows one number."""
    layout = {"columns": ["value"], "rows": [[f"{value}"]], "heading_column": False}
    return Drawing("table", layout, {"number.txt": str(value).encode()})
''',
    "src/helpers/probe.py": '''
"""Counts calls: a line in a file for each."""

import os


def count(name):
    folder = os.environ.get("PROBE")
    if folder:
        with open(os.path.join(folder, name), "a") as file:
            file.write("called\\n")
''',
    "src/helpers/tables.py": """
TABLE = {}


def value():
    return TABLE["a"]


TABLE["a"] = 1
""",
    "src/helpers/stars.py": """
def shine():
    return bright()


def bright():
    return 1


def dim():
    return 0
""",
    "src/helpers/plug.py": """
def plugged():
    return 1


def other():
    return 2
""",
    "src/helpers/operations.py": """
def add(x):
    return x + 1


def subtract(x):
    return x - 1
""",
    "src/helpers/registry.py": """
KNOWN = {}


def register(function):
    KNOWN[function.__name__] = function
    return function


@register
def first():
    return 1


def call(name):
    return KNOWN[name]()
""",
    "experiments/data.toml": """
[tiny]
title = "Tiny"
source = "Nobody"
licence = "CC0"

[[tiny.files]]
name = "numbers"
bytes = 3
sha256 = "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81"
urls = []
""",
    "experiments/images/cat.txt": "a cat",
    "experiments/__init__.py": "",
    "experiments/part_x/__init__.py": "",
    "experiments/part_x/base.py": '''
"""Shows: a sum. Needs: nothing. Costs: nothing. Expect: a number."""

import time

import numpy as np

import helpers
from darkroom.lab import Results, Run, experiment
from helpers.drawing import number
from helpers.probe import count


@experiment(device="cpu", minutes=0.1)
def base(run: Run, *, steps: int = 3, pause: float = 0.0, seed: int = 1) -> dict[str, object]:
    """Adds numbers up.

    In several steps, each of which is kept.
    """
    count("base")
    state = run.load() or {"done": 0, "total": np.zeros(3)}
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(steps, 3))
    total = state["total"]
    for step in range(int(state["done"]), steps):
        total = total + helpers.double(noise[step])
        time.sleep(pause)
        run.save({"done": step + 1, "total": total})
        run.progress(step + 1, steps, unit="steps", total=total[0])
        count("base_steps")
    return {"total": total, "sign": np.sign(total), "info": {"steps": steps}}


@base.figure(caption="The *total*.", alt="A number.")
def curve(results: Results, *, digits: int = 2) -> object:
    count("curve")
    return number(round(float(results["total"][0]), digits))


@base.metric
def total(results: Results) -> float:
    count("total")
    return float(results["total"].sum())
''',
    "experiments/part_x/derived.py": '''
"""Shows: what follows from the sign of a sum."""

from darkroom.lab import Results, experiment, upstream
from experiments.part_x.base import base
from helpers.probe import count
from helpers.shapes import Square


@experiment()
def derived(one: Results = upstream(base), *, factor: float = 1.0) -> dict[str, object]:
    """Scales the signs of a sum."""
    count("derived")
    return {"scaled": one["sign"] * factor * Square().area()}


@derived.metric
def largest(results: Results, other: Results = upstream(base)) -> dict[str, float]:
    return {"scaled": float(results["scaled"].max()), "total": float(other["total"].max())}
''',
    "experiments/part_x/alone.py": '''
"""Shows: that data and files are read."""

from pathlib import Path

import numpy as np

from darkroom.lab import Dataset, asset, dataset, experiment


@experiment()
def alone(
    numbers: Dataset = dataset("tiny"), cat: Path = asset("images/cat.txt"), *, names: tuple[str, ...] = ("a", "b")
) -> dict[str, object]:
    """Reads a data set and a file."""
    from helpers import maths
    from helpers.probe import count

    count("alone")
    content = np.frombuffer(numbers.read("numbers"), dtype=np.uint8)
    return {"thrice": maths.thrice(content), "cat": cat.read_text(), "names": list(names)}
''',
    "experiments/part_y/last.py": '''
"""Shows: the end of a chain."""

from darkroom.lab import Results, experiment, upstream
from experiments.part_x.derived import derived
from helpers.probe import count


@experiment()
def last(one: Results = upstream(derived)) -> dict[str, object]:
    """Passes on what it gets."""
    count("last")
    return {"value": one["scaled"] + 1}
''',
    "experiments/part_y/odd.py": '''
"""Shows: code that names cannot follow."""

import importlib

import helpers.tables
from darkroom.lab import experiment
from helpers import operations, registry
from helpers.stars import *


@experiment()
def computed(*, name: str = "add") -> dict[str, object]:
    """Calls a function by a computed name."""
    return {"value": getattr(operations, name)(1), "known": registry.call("first")}


@experiment()
def plugged() -> dict[str, object]:
    """Imports by a literal name, and reads a table that its module fills."""
    return {"value": importlib.import_module("helpers.plug").plugged() + helpers.tables.value() + shine()}
''',
}

_RECORDS: dict[str, bytes] = {}  # by the way from a project to Darkroom's sources
EVERYTHING = frozenset(
    {"part_x/base", "part_x/derived", "part_x/alone", "part_y/last", "part_y/computed", "part_y/plugged"}
)


@dataclass(frozen=True)
class Workshop:
    """A project in a folder; ``probe`` is where its functions count their calls."""

    root: Path
    probe: Path

    @property
    def outputs(self) -> Path:
        return self.root / "experiments" / "outputs"

    def write(self, path: str, content: str) -> Path:
        """Write a file of the project."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        return target

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a piece of text that stands exactly once."""
        content = (self.root / path).read_text(encoding="utf-8")
        assert content.count(old) == 1, f"{old!r} stands {content.count(old)} times in {path}"
        self.write(path, content.replace(old, new))

    def lab(self) -> Lab:
        """The project as it is now, read anew."""
        digests = Digests(self.root / ".darkroom" / "lab" / "digests.json")
        return Lab(self.root, self.outputs, discover(self.root, digests), digests, self.root / "data")

    def plan(self) -> Plan:
        """The plan as it is now."""
        return self.lab().planner().plan()

    def states(self) -> dict[str, str]:
        """The state of each experiment that is not fresh, with its reasons, in words."""
        verdicts = self.plan().verdicts
        return {
            name: f"{each.state} ({', '.join(map(str, each.reasons))})" if each.reasons else each.state
            for name, each in verdicts.items()
            if each.must_run
        }

    def command(self, *arguments: str) -> list[str]:
        """The command line of a build."""
        return [sys.executable, str(self.root / "build.py"), *arguments]

    def environment(self, **variables: str) -> dict[str, str]:
        """The environment of a build."""
        places = [str(SOURCES), variables.pop("PYTHONPATH", "")]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM")}
        paths = {"PYTHONPATH": os.pathsep.join(each for each in places if each), "PROBE": str(self.probe)}
        return {**kept, "DARKROOM_DATA": str(self.root / "data"), "COLUMNS": "120", **paths, **variables}

    def call(
        self, *arguments: str, code: int | None = 0, here: bool | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a build and see that it ends with *code*.

        It is run in this process: starting an interpreter takes longer than most builds, and workers are processes
        anyway. With *variables* it has a process of its own, unless they only matter *here* to its workers.
        """
        is_here = not variables if here is None else here
        done = (self._done_here if is_here else self._started)(arguments, variables)
        assert code is None or done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def _started(self, arguments: tuple[str, ...], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _done_here(self, arguments: tuple[str, ...], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        printed, warned = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        environment = self.environment(**variables)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(warned):
            for name in os.environ.keys() - environment.keys():
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.chdir(self.root)
            try:
                code: Any = main(arguments, self.root)
            except SystemExit as ended:
                code = ended.code
        texts = [each.buffer.getvalue().decode() for each in (printed, warned)]  # type: ignore[attr-defined]
        return subprocess.CompletedProcess(self.command(*arguments), code, *texts)

    def copied(self, root: Path) -> Workshop:
        """A copy of the project and its outputs in another folder, without caches."""
        copy = Workshop(root / "project", root / "probe")
        shutil.copytree(self.root, copy.root, ignore=shutil.ignore_patterns(".darkroom", ".scratch", "__pycache__"))
        copy.probe.mkdir()
        copy.give_records()
        return copy

    def give_records(self) -> None:
        """Write the cache of what was read of Darkroom's own sources, which count in every project: it takes 0.3 s.

        All of it is found by path and content, so that the project's own sources are read anew.
        """
        cache, where = self.root / ".darkroom/lab/modules.json", os.path.relpath(SOURCES, self.root)
        if where not in _RECORDS:
            discover(self.root, Digests(), self.root / ".read")
            _RECORDS[where] = (self.root / ".read/modules.json").read_bytes()
            shutil.rmtree(self.root / ".read")
        cache.parent.mkdir(parents=True)
        cache.write_bytes(_RECORDS[where])

    def calls(self) -> dict[str, int]:
        """How often each counted function was called since the last time."""
        counted = {path.name: len(path.read_text().splitlines()) for path in self.probe.iterdir()}
        for path in self.probe.iterdir():
            path.unlink()
        return counted


def make(root: Path) -> Workshop:
    """The project, in a new folder."""
    workshop = Workshop(root / "project", root / "probe")
    workshop.probe.mkdir(parents=True)
    for path, content in FILES.items():
        workshop.write(path, content.removeprefix("\n"))
    workshop.write("data/numbers", "\1\2\3")
    workshop.give_records()
    return workshop
