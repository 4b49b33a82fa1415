"""Runs of two times."""

from __future__ import annotations

import msgspec

from darkroom.core.manifest import NAME, Import, encode, load

from .workshop import Workshop


def test_a_run_that_can_be_repeated_is_said_to_be(fresh: Workshop) -> None:
    """It is run two times, though it is fresh; nothing else is."""
    done = fresh.call("run", "part_x/base", "--twice")
    assert done.stdout == "part_x/base  gave the same results twice\n"
    assert fresh.calls()["base"] == 2
    assert "derived" not in fresh.calls()


def test_what_differs_is_named(fresh: Workshop) -> None:
    """An experiment that draws without a seed gives other results each time, and the exit code says so."""
    fresh.edit(
        "experiments/part_x/base.py", 'count("base")', 'count("base")\n    import random\n    chance = random.random()'
    )
    fresh.edit("experiments/part_x/base.py", "return {", 'return {"chance": chance, ')
    done = fresh.call("run", "part_x/base", "--twice", code=3)
    assert (
        done.stdout
        == "part_x/base  gave different chance the second time; does it draw random numbers without a seed?\n"
    )


def test_a_failure_is_reported_once(fresh: Workshop) -> None:
    """There is no second run after it."""
    fresh.edit("experiments/part_x/base.py", 'count("base")', 'count("base")\n    raise ValueError("no")')
    done = fresh.call("run", "part_x/base", "--twice", code=3)
    assert done.stderr.count("ValueError: no") == 1
    assert fresh.calls()["base"] == 1


def test_what_was_imported_is_not_replaced(fresh: Workshop) -> None:
    """Unless that is asked for."""
    path = fresh.outputs / "part_x/base"
    manifest = load(path)
    assert manifest
    imported = Import("https://example.org/notebook", manifest.provenance.finished_at, [], ["info", "sign", "total"])
    (path / NAME).write_bytes(encode(msgspec.structs.replace(manifest, imported_from=imported, code={})))
    before = (path / NAME).read_bytes()
    refused = fresh.call("run", "part_x/base", "--twice", code=2)
    assert "part_x/base: its results were imported, and runs would replace them" in refused.stderr
    assert (path / NAME).read_bytes() == before
    fresh.call("run", "part_x/base", "--twice", "--force")
    assert load(path).imported_from is None
