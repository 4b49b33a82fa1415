"""What a worker tells while it does a job: one line of JSON for each event."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True, tag_field="event", tag=str.lower):
    """Something that happened."""


class Progress(Event, frozen=True):
    """How far a run is: *done* of *total* (0: nobody knows), in *unit*, with *numbers* to be shown beside it."""

    done: float
    total: float
    unit: str
    numbers: dict[str, str] = {}


class Device(Event, frozen=True):
    """The device that a run has begun on."""

    device: str


class Done(Event, frozen=True):
    """A run's results are in place; *faults* are of its figures, *resumed* says how often it went on from a checkpoint."""

    duration_s: float
    results: str
    faults: list[str]
    resumed: int


class Drawn(Event, frozen=True):
    """Figures and metrics of an experiment were drawn, but for those that *faults* tell of."""

    experiment: str
    names: list[str]
    faults: list[str]


class Skipped(Event, frozen=True):
    """Another process holds the outputs whose figures were to be drawn."""

    experiment: str
    message: str


class Trace(Event, frozen=True):
    """The traceback of what is going to be told as a failure."""

    text: str


class Failed(Event, frozen=True):
    """The job failed: the name of the error's class, and what it says."""

    kind: str
    message: str


class End(Event, frozen=True):
    """The job is done."""


AnyEvent = Progress | Device | Done | Drawn | Skipped | Trace | Failed | End


def encoded(event: Event) -> bytes:
    """An event as a line."""
    return msgspec.json.encode(event) + b"\n"


_decoder = msgspec.json.Decoder(AnyEvent)


def decoded(line: bytes) -> AnyEvent:
    """The event of a line.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return _decoder.decode(line)
