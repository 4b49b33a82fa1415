"""How a run shows itself."""

from __future__ import annotations

import io

import pytest

from darkroom.core.units import duration
from darkroom.lab.running import display
from darkroom.lab.running.display import Plain, ProgressBars
from darkroom.lab.running.events import Progress


class Clock:
    """A clock that tests turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(display.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The display's clock."""
    return Clock(monkeypatch)


def _event(done: float, total: float = 20, **numbers: str) -> Progress:
    return Progress(done, total, "epochs", numbers)


def test_a_log_gets_a_line_in_ten_seconds_with_rate_and_time_left(clock: Clock) -> None:
    """Into a file go plain lines, at most one in ten seconds for each run, with the rate of this leg and the time left."""
    stream = io.StringIO()
    with Plain(stream) as shown:
        for second in range(25):
            clock.now = 1000.0 + second
            shown.progress("a", _event(4 + second / 5, loss="0.5"))
            shown.progress("b", _event(second, total=0))

    assert stream.getvalue().splitlines() == [
        "a  4/20 epochs  loss 0.5",
        "b  0 epochs",
        "a  6/20 epochs  12/min  1 min 10 s left  loss 0.5",
        "b  10 epochs  1/s",
        "a  8/20 epochs  12/min  1 min left  loss 0.5",
        "b  20 epochs  1/s",
    ]


def test_a_terminal_gets_bars_that_leave_nothing_behind() -> None:
    """On a terminal a run has a bar with its numbers while it runs, and lines stay above it."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with display.display(stream) as shown:
        assert isinstance(shown, ProgressBars)
        shown.progress("part_x/a", _event(5, loss="0.25"))
        shown.line("a [line] that stays")
        shown._bars.refresh()
        shown.finished("part_x/a")

    assert "5/20 epochs  loss 0.25" in stream.getvalue()
    assert "a [line] that stays" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (60, "1 min"), (200, "3 min 20 s"), (5100, "1 h 25 min")],
)
def test_seconds_in_words(seconds: float, words: str) -> None:
    """Times are told as precisely as one cares."""
    assert duration(seconds) == words
