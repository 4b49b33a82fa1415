"""The progress of runs: bars with rate and time left on a terminal, else plain lines, at most one in ten seconds."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from darkroom.core.units import duration

if TYPE_CHECKING:
    from rich import progress

    from darkroom.lab.running.events import Progress

PLAIN_EVERY_S = 10.0


class Display(Protocol):
    """Receives the events of runs, from several threads."""

    def __enter__(self) -> Display: ...

    def __exit__(self, *error: object) -> None: ...

    def line(self, text: str) -> None:
        """Print a line."""

    def progress(self, identity: str, event: Progress) -> None:
        """Show how far a run is."""

    def finished(self, identity: str) -> None:
        """Remove a run's progress."""


def display(stream: TextIO | None = None) -> Display:
    """The display that suits the stream."""
    target = stream or sys.stderr
    return ProgressBars(target) if target.isatty() else Plain(target)


class Rate:
    """The speed of a run, from its progress since it was last started."""

    def __init__(self, done: float) -> None:
        self._first, self._since = done, time.monotonic()

    def text(self, done: float, total: float, unit: str) -> str:
        """Such as ``3/20 epochs  0.2/min  1 h 25 min left``."""
        shown = f"{done:.4g}/{total:.4g} {unit}" if total else f"{done:.4g} {unit}"
        elapsed = time.monotonic() - self._since
        if done <= self._first or elapsed <= 0:
            return shown
        rate = (done - self._first) / elapsed
        speed = f"{rate:.3g}/s" if rate >= 1 else f"{rate * 60:.3g}/min"
        return f"{shown}  {speed}  {duration((total - done) / rate)} left" if total else f"{shown}  {speed}"


class Plain:
    """Lines for a log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, threading.Lock()
        self._told: dict[str, float] = {}
        self._rates: dict[tuple[str, str], Rate] = {}

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to clean up."""

    def line(self, text: str) -> None:
        with self._lock:
            self._stream.write(f"{text}\n")
            self._stream.flush()

    def progress(self, identity: str, event: Progress) -> None:
        rate = self._rates.setdefault((identity, event.unit), Rate(event.done))
        now = time.monotonic()
        if now - self._told.get(identity, now - PLAIN_EVERY_S) < PLAIN_EVERY_S:
            return
        self._told[identity] = now
        self.line(f"{identity}  {rate.text(event.done, event.total, event.unit)}{numbers(event)}")

    def finished(self, identity: str) -> None:
        self._told.pop(identity, None)


class ProgressBars:
    """Bars for a terminal, by rich."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[text]}"))
        self._bars: progress.Progress = Progress(
            *columns, console=Console(file=stream, highlight=False), transient=True
        )
        self._tasks: dict[str, progress.TaskID] = {}
        self._rates: dict[tuple[str, str], Rate] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> ProgressBars:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def line(self, text: str) -> None:
        self._bars.console.print(text, markup=False, soft_wrap=True)

    def progress(self, identity: str, event: Progress) -> None:
        done, total, unit = event.done, event.total, event.unit
        with self._lock:
            if identity not in self._tasks:
                self._tasks[identity] = self._bars.add_task(identity, total=None, text="")
            rate = self._rates.setdefault((identity, unit), Rate(done))
            text = rate.text(done, total, unit) + numbers(event)
            self._bars.update(self._tasks[identity], completed=done, total=total or None, text=text)

    def finished(self, identity: str) -> None:
        with self._lock:
            if identity in self._tasks:
                self._bars.remove_task(self._tasks.pop(identity))


def numbers(event: Progress) -> str:
    """Such as ``  loss 0.0123``."""
    return "".join(f"  {name} {value}" for name, value in event.numbers.items())
