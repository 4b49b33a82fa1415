"""A run of all tests is shared out: a worker for each core, up to four, and a file's tests to one of them.

What is chosen (``-k``, ``-m``, a folder or file), what prints (``-s``) and what renews snapshots runs in one process.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MOST = 4  # a worker with torch takes a gigabyte
LONGEST = (  # begun first, so that no worker is left alone with one of them
    "browser/test_audit.py",
    "browser/test_pages.py",
    "test_cli.py",
    "lab/test_run.py",
    "test_fuzz.py",
    "test_caches.py",
    "press/test_hostile.py",
    "test_surroundings.py",
    "test_killed.py",
    "experiments/test_pocket_if.py",
    "golden/test_golden.py",
    "experiments/test_part_a_sections.py",
    "experiments/test_shipped.py",
    "experiments/test_part_b.py",
)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Workers of ``-n auto``, which pyproject.toml asks for."""
    option = config.option
    chosen = [Path(name).absolute() for name in config.args] != [HERE] or option.keyword
    marked = not option.markexpr.startswith("not slow")
    if chosen or marked or option.capture == "no" or getattr(option, "update_snapshots", False):
        return 0
    return min(_cores(), MOST) if _cores() > 1 else 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """npm's packages are installed once, before there are workers."""
    from darkroom.core.errors import UsageError
    from darkroom.press.typeset.npm import install

    for folder in (HERE.parent / "templates", HERE / "browser/tools"):
        with suppress(UsageError):  # then what needs them is skipped
            install(folder)


def pytest_configure(config: pytest.Config) -> None:
    """A worker has one core, and so have the programs that it starts."""
    if hasattr(config, "workerinput"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers begin with the longest files."""
    if hasattr(config, "workerinput"):
        place = {HERE / name: number for number, name in enumerate(LONGEST)}
        items.sort(key=lambda item: place.get(item.path, len(LONGEST)))
