"""A run of all tests is shared out: three workers for two cores, up to four in all, and a file's tests to one of them.

What is chosen (``-k``, ``-m``, a folder or file), what prints (``-s``) and what renews snapshots runs in one process.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests import report

HERE = Path(__file__).parent
MOST = 4  # a worker with torch takes a gigabyte
SECONDS = "darkroom/seconds"  # of each file in the last run of all, in pytest's cache
ROUGHLY = {  # the same, where no run was timed yet
    "press/test_limits": 60, "browser/test_audit": 60, "browser/test_pages": 50, "press/test_hostile": 25,
    "lab/test_run": 25, "experiments/test_pocket_if": 25, "test_new": 20, "press/test_publish": 15, "test_caches": 15,
    "press/test_node": 15, "experiments/test_part_a_sections": 13, "devices/test_paths": 13, "test_surroundings": 13,
    "devices/test_cascades": 12, "lab/test_gpus": 12, "diffusion/test_train": 11, "experiments/test_part_b": 11,
}  # fmt: skip


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _runs_all(config: pytest.Config) -> bool:
    """Whether nothing less than all tests of the default run was asked for."""
    option = config.option
    chosen = [Path(name).absolute() for name in config.args] != [HERE] or option.keyword or getattr(option, "lf", False)
    return not chosen and option.markexpr.startswith("not slow")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Workers of ``-n auto``, which pyproject.toml asks for."""
    option = config.option
    if not _runs_all(config) or option.capture == "no" or getattr(option, "update_snapshots", False):
        return 0
    return min(_cores() * 3 // 2, MOST) if _cores() > 1 else 0  # some wait for browsers and servers


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """npm's packages are installed, and parts of fonts are made, once: before there are workers."""
    from darkroom.core.digests import Digests
    from darkroom.core.errors import UsageError
    from darkroom.press.inputs import Inputs
    from darkroom.press.theme import theme_of
    from darkroom.press.typeset.npm import install
    from darkroom.press.typeset.static_files import read_static

    theme, tools = theme_of(None, HERE.parent / ".darkroom", Digests()), HERE / "browser/tools"
    for folder, place in ((theme.base, theme.packages), (tools, tools)):
        with suppress(UsageError):  # then what needs them is skipped
            install(folder, place)
    with suppress(UsageError):
        read_static(theme, Inputs(Digests()), HERE.parent / ".darkroom/press", str)


class _Stopwatch:
    """Remembers how long each file took, for the order of the next run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0]
        self.seconds[file] = self.seconds.get(file, 0.0) + report.duration

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            took = {file: round(seconds, 1) for file, seconds in self.seconds.items()}
            self.config.cache.set(SECONDS, self.config.cache.get(SECONDS, {}) | took)


def pytest_configure(config: pytest.Config) -> None:
    """A worker has one core, and so have the programs that it starts."""
    report.install()
    if hasattr(config, "workerinput"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    elif _runs_all(config) and hasattr(config, "cache"):
        config.pluginmanager.register(_Stopwatch(config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of what was deleted are skipped; workers begin with the files that took longest, so that none is left alone."""
    for item in items:
        if reason := report.skip_reason(item):
            item.add_marker(pytest.mark.skip(reason=reason))
    if not hasattr(config, "workerinput"):
        return
    took = config.cache.get(SECONDS, {}) if hasattr(config, "cache") else {}

    def seconds(item: pytest.Item) -> float:
        roughly = ROUGHLY.get(item.path.relative_to(HERE).with_suffix("").as_posix(), 5)
        return float(took.get(item.nodeid.partition("::")[0], roughly))

    items.sort(key=seconds, reverse=True)
