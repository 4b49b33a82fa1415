"""Workers: quick experiments follow each other in one process, and are what they would be in processes of their own."""

from __future__ import annotations

import json
import os
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import pytest

from darkroom.core.manifest import load

from .workshop import Workshop

SOURCE = '''
import os

from darkroom.lab import Results, experiment, upstream

SEEN = []


@experiment(minutes=1)
def first() -> dict[str, object]:
    """Leaves much behind."""
    print("printed by first, without an end", end="")
    SEEN.append(bytearray(300_000_000))
    os.environ["LEFT"] = "behind"
    return {"pid": os.getpid()}


@experiment(minutes=1)
def second(before: Results = upstream(first)) -> dict[str, object]:
    """Follows."""
    print("printed by second")
    SEEN.clear()
    return {"pid": os.getpid()}


@experiment(minutes=30)
def long(before: Results = upstream(second)) -> dict[str, object]:
    """Takes long."""
    return {"pid": os.getpid()}


@experiment(minutes=1)
def last(before: Results = upstream(long)) -> dict[str, object]:
    """Follows."""
    return {"pid": os.getpid()}
'''
THREADS = '''
import os

from darkroom.lab import Results, experiment, upstream


@experiment()
def one() -> dict[str, object]:
    """Changes torch."""
    import torch
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 3)
    return {"pid": os.getpid(), "threads": threads}


@experiment()
def other(before: Results = upstream(one)) -> dict[str, object]:
    """Counts."""
    import torch
    return {"pid": os.getpid(), "threads": torch.get_num_threads()}
'''


def stored(workshop: Workshop, identity: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((workshop.outputs / identity / "results.json").read_text())
    return found


def log(workshop: Workshop, identity: str) -> str:
    return (workshop.outputs / f".scratch/{identity}/log.txt").read_text()


def test_quick_experiments_share_a_process(workshop: Workshop) -> None:
    """A long one has its own; each has its own log, and its own peak of memory."""
    workshop.write("experiments/part_w/shared.py", SOURCE)
    done = workshop.call("run", "part_w/*", here=False)  # a peak of memory is never less than that of who starts it
    first, second, long, last = (
        stored(workshop, f"part_w/{name}")["pid"] for name in ("first", "second", "long", "last")
    )
    assert first == second and len({first, long, last}) == 3
    assert log(workshop, "part_w/first") == "printed by first, without an end"
    assert log(workshop, "part_w/second") == "printed by second\n"
    assert done.stderr.index("printed by first") < done.stderr.index("part_w/first  done")
    peaks = [load(workshop.outputs / f"part_w/{name}").provenance.peak_memory_bytes for name in ("first", "long")]
    assert peaks[0] > peaks[1] + 200e6


def test_a_job_has_as_many_threads_as_in_a_process_of_its_own(workshop: Workshop) -> None:
    """Whatever the job before has done with them: results may depend on their number."""
    pytest.importorskip("torch")
    workshop.write("experiments/part_w/threads.py", THREADS)
    workshop.call("run", "part_w/*")
    one, other = (stored(workshop, f"part_w/{name}") for name in ("one", "other"))
    assert one["pid"] == other["pid"] and one["threads"] == other["threads"]


def test_sources_that_were_edited_are_imported_anew(workshop: Workshop) -> None:
    """A process that has imported what is no longer there is not used again."""
    edit = 'from pathlib import Path\n    Path(__file__).with_name("helping.py").write_text("VALUE = 2\\n")\n'
    workshop.write("experiments/part_w/helping.py", "VALUE = 1\n")
    workshop.write(
        "experiments/part_w/editing.py",
        "import os\n\nfrom darkroom.lab import Results, experiment, upstream\nfrom experiments.part_w import helping\n\n\n"
        "@experiment()\ndef one() -> dict[str, object]:\n"
        f'    """Edits."""\n    {edit}    return {{"pid": os.getpid(), "value": 0}}\n\n\n'
        "@experiment()\ndef other(before: Results = upstream(one)) -> dict[str, object]:\n"
        '    """Reads."""\n    return {"pid": os.getpid(), "value": helping.VALUE}\n',
    )
    workshop.call("run", "part_w/other")
    one, other = (stored(workshop, f"part_w/{name}") for name in ("one", "other"))
    assert other["value"] == 2 and one["pid"] != other["pid"]
    assert workshop.states().get("part_w/other", "fresh") == "fresh"


def test_a_failure_ends_the_process_and_no_other_run(workshop: Workshop) -> None:
    """What comes after it has a new one."""
    workshop.write("experiments/part_w/shared.py", SOURCE.replace("SEEN.clear()", 'raise ValueError("no")'))
    workshop.write("experiments/part_v/after.py", SOURCE.replace("300_000_000", "3"))
    done = workshop.call("run", "part_w/second", "part_v/second", code=3)
    assert "part_w/second: ValueError: no" in done.stderr
    assert stored(workshop, "part_v/second")["pid"] == stored(workshop, "part_v/first")["pid"]


def test_a_source_edited_within_a_second_is_not_run_as_it_was_compiled_before(workshop: Workshop) -> None:
    """Python takes a compiled module for current if the source has its size and was changed in the same second."""
    path = workshop.root / "experiments/part_x/within.py"
    path.write_text(WITHIN)
    os.utime(path, ns=(SECOND, SECOND + 100))
    workshop.call("run", "part_x/within", PYTHONDONTWRITEBYTECODE="")
    compiled = Path(cache_from_source(str(path)))
    os.utime(compiled, ns=(SECOND, SECOND + 500))
    path.write_text(WITHIN.replace('"one"', '"two"'))
    os.utime(path, ns=(SECOND, SECOND + 900))

    workshop.call("run", "part_x/within", PYTHONDONTWRITEBYTECODE="")

    assert json.loads((workshop.outputs / "part_x/within/results.json").read_text()) == {"value": "two"}


SECOND = 1_700_000_000 * 10**9
WITHIN = '''
from darkroom.lab import experiment


@experiment()
def within() -> dict[str, object]:
    """Says one word."""
    return {"value": "one"}
'''
