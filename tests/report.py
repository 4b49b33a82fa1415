"""Which tests are about the report in this repository, and are skipped where a part of that was deleted.

A fork may have other experiments. A test is skipped if a part that it needs is not there: one whose modules it imports, or
that it names, as in ``@pytest.mark.report("part_b")``; without a name, all of ``PARTS``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("cascade", "part_a", "part_b", "pocket_if")


def is_here(part: str) -> bool:
    """Whether there is any code of a part: ``experiments/part_b``, or ``experiments/cascade.py``."""
    place = ROOT / "experiments" / part
    return place.with_suffix(".py").is_file() or next(place.rglob("*.py"), None) is not None


def missing(parts: Sequence[str] = ()) -> str:
    """Why a test that needs these *parts* is skipped, or ""."""
    gone = [f"experiments/{part}" for part in parts or PARTS if not is_here(part)]
    return f"about this repository's own report, of which {', '.join(gone)} was deleted" if gone else ""


def need(*parts: str) -> None:
    """Skip what needs these parts, in a fixture."""
    if reason := missing(parts):
        pytest.skip(reason)


class Deleted:
    """Skips what imports a deleted part: the last finder of modules, which is asked for those that are nowhere."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """None: it finds nothing.

        Raises:
            pytest.skip.Exception: the module is of a part that is not there.
        """
        package, _, rest = name.partition(".")
        if package == "tests" and name.startswith("tests.experiments") and not (ROOT / "tests/experiments").is_dir():
            raise pytest.skip.Exception("tests/experiments was deleted", allow_module_level=True)
        part = rest.partition(".")[0]
        is_ours = package == "experiments" and (path is None or any(Path(each).is_relative_to(ROOT) for each in path))
        if is_ours and (reason := missing([part] if part else ())):
            raise pytest.skip.Exception(reason, allow_module_level=True)
        return None


def install() -> None:
    """Ask for modules that are nowhere whether they were deleted."""
    if not any(isinstance(each, Deleted) for each in sys.meta_path):
        sys.meta_path.append(Deleted())


def skip_reason(item: pytest.Item) -> str:
    """Why a marked test is skipped, or ""."""
    marks = [str(part) for mark in item.iter_markers("report") for part in mark.args or PARTS]
    return missing(marks) if marks else ""
