"""What a worker reports while it does a job: one line of JSON per event."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True, tag_field="event", tag=str.lower):
    """Something that happened."""


class Progress(Event, frozen=True):
    """How far a run is: *done* of *total* (0: not known), in *unit*, with *numbers* to show next to it."""

    done: float
    total: float
    unit: str
    numbers: dict[str, str] = {}


class Device(Event, frozen=True):
    """The device that a run has begun on."""

    device: str


class Done(Event, frozen=True):
    """A run's results are stored; *faults* are of its figures, *resumed* counts how often it was resumed."""

    duration_s: float
    results: str
    faults: list[str]
    resumed: int


class Drawn(Event, frozen=True):
    """Figures and metrics of an experiment were drawn, except for those that *faults* report."""

    experiment: str
    names: list[str]
    faults: list[str]


class Compared(Event, frozen=True):
    """Figures and metrics of an experiment were made again; *faults* say which are not those that are stored."""

    experiment: str
    faults: list[str]


class Skipped(Event, frozen=True):
    """Another process holds the outputs whose figures were to be drawn."""

    experiment: str
    message: str


class Trace(Event, frozen=True):
    """The traceback of the failure that is about to be reported."""

    text: str


class Failed(Event, frozen=True):
    """The job failed: the name of the error's class, and its message."""

    kind: str
    message: str


class End(Event, frozen=True):
    """The job is done."""


AnyEvent = Progress | Device | Done | Drawn | Compared | Skipped | Trace | Failed | End


def encoded(event: Event) -> bytes:
    """An event as a line."""
    return msgspec.json.encode(event) + b"\n"


_decoder = msgspec.json.Decoder(AnyEvent)


def decoded(line: bytes) -> AnyEvent:
    """The event of a line.

    Raises:
        msgspec.MsgspecError: it is not an event.
    """
    return _decoder.decode(line)
