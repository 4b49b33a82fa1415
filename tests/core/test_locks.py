"""Locks on files: one holder at a time, until it is done or ends."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from darkroom.core.locks import hold, is_held

HOLD = """
import sys, time
from pathlib import Path
from darkroom.core.locks import hold
with hold(Path(sys.argv[1]), TimeoutError):
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file to lock."""
    return tmp_path / "lock"


def test_a_lock_is_free_again_once_it_is_given_up(path: Path) -> None:
    """It can be taken again and again, also after an error within."""
    with hold(path, TimeoutError):
        pass
    with pytest.raises(ZeroDivisionError), hold(path, TimeoutError):
        _ = 1 / 0
    with hold(path, TimeoutError):
        pass


def test_a_lock_that_another_process_holds_is_waited_for_no_longer_than_told(path: Path) -> None:
    """At once, and after a while, it is still held; when its holder is killed it is free."""
    holder = _holder(path)
    for wait_s in (0.0, 0.3):
        start = time.monotonic()
        with pytest.raises(TimeoutError), hold(path, TimeoutError, wait_s):
            raise AssertionError("two hold it")
        assert time.monotonic() - start >= wait_s
    assert is_held(path)
    holder.kill()
    holder.wait()
    assert not is_held(path)
    with hold(path, TimeoutError):
        pass


def test_a_lock_is_had_as_soon_as_it_is_given_up(path: Path) -> None:
    """Who waits goes on when the holder is done, not when its own time is over."""
    holder = _holder(path)
    assert holder.stdin
    holder.stdin.close()
    start = time.monotonic()
    with hold(path, TimeoutError, 30):
        assert time.monotonic() - start < 15
    assert holder.wait() == 0


def test_a_process_that_was_started_meanwhile_does_not_keep_a_lock(path: Path) -> None:
    """A child that goes on when its parent has given the lock up holds nothing."""
    with hold(path, TimeoutError):
        child = os.fork()
        if child == 0:
            time.sleep(20)
            os._exit(0)
    try:
        with hold(path, TimeoutError):
            pass
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    """It is not followed: where it leads nothing is made."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="lock"), hold(tmp_path / "lock", TimeoutError):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_is_held_where_a_file_system_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There another kind of lock is taken, not none."""

    def refused(file: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, "not implemented")

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.warns(UserWarning, match="not supported"), hold(tmp_path / "lock", TimeoutError):
        assert is_held(tmp_path / "lock")
    assert not is_held(tmp_path / "lock")
