"""A job for a worker process."""

from __future__ import annotations

from typing import Any

import msgspec

from darkroom.lab.source.discover import Project

END_OF_PRINTING = b"\0\n"  # on stderr, after what a job has printed


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Run ``experiment``, draw what ``drawings`` names by experiment, or make once more and compare what ``compared`` names.

    ``sources`` holds the digest of each file that the plan has read the experiment's code from; ``device`` is what was
    asked for, ``threads`` how many an experiment may use, 0 for all; ``data`` is the user's data folder, or empty.
    """

    root: str
    outputs: str
    project: Project
    data: str = ""
    experiment: str = ""
    key: str = ""
    parameters: dict[str, Any] = {}
    inputs: dict[str, str] = {}
    device: str = "auto"
    threads: int = 0
    sources: dict[str, str] = {}
    drawings: dict[str, list[str]] = {}
    compared: dict[str, list[str]] = {}
