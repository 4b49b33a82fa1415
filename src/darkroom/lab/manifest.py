"""The boundary between the lab, which makes results, and the press, which publishes them: files and their manifest.

One folder an experiment, ``experiments/outputs/<part>/<name>/``:

    manifest.json              what made the outputs, what they are, and the sha256 of every file
    results.safetensors        arrays
    results.json               values that are not arrays, if there are any
    <group>.safetensors        one file for each group of arrays, such as the weights after an epoch
    figures/<figure>/<file>    what each figure is made of: PNG tiles, GIF, SVG

``manifest.json`` is sorted, indented and ends in a newline, so that a diff of it can be read.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from darkroom.lab.errors import DamagedOutputs

VERSION = 1
NAME = "manifest.json"
ARRAYS = "results.safetensors"

Json = None | bool | int | float | str | list[Any] | dict[str, Any]


class StoredFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file beside the manifest: its path relative to it (with ``/``), its sha256 in hex and its size."""

    path: str
    sha256: str
    bytes: int


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A drawn figure.

    ``kind`` names the template that shows it, ``layout`` is what that template needs (file names in it are relative to
    ``figures/<figure>/``), ``key`` is the digest of everything that the drawing depends on, ``code`` the digest of every
    definition among that. ``line`` is where the figure's function stands in the experiment's source.
    """

    key: str
    kind: str
    caption: str
    alt: str
    layout: dict[str, Any]
    files: list[StoredFile]
    code: dict[str, str]
    line: int


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number (or a table of numbers by label, such as an epoch) computed from stored results."""

    key: str
    value: float | int | str | dict[str, float | int | str]
    code: dict[str, str]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the experiment is declared, relative to the project's root."""

    path: str
    line: int


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the results came to be. Recorded, never hashed.

    ``clean`` says whether the working tree equalled ``commit``; times are UTC, ISO 8601; ``resumed`` counts how often the
    run was taken up again from a checkpoint, and ``duration_s`` adds up all its legs.
    """

    commit: str
    clean: bool
    seed: int | None
    device: str
    versions: dict[str, str]
    started_at: str
    finished_at: str
    duration_s: float
    peak_memory_bytes: int
    resumed: int = 0


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody's word that results still hold after a change of code."""

    reason: str
    at: str
    commit: str
    previous_key: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that is known of one experiment's outputs.

    ``inputs`` maps each edge, such as ``dataset:mnist`` or ``upstream:part_b/denoiser``, to its digest; ``code`` maps each
    first-party definition that the experiment reaches to its own; ``results`` is the digest that downstream keys use;
    ``model`` is what the model is called that it draws with, or empty.
    """

    version: int
    experiment: str
    summary: str
    source: Source
    key: str
    results: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    code: dict[str, str]
    files: list[StoredFile]
    metrics: dict[str, Metric]
    figures: dict[str, Figure]
    provenance: Provenance
    accepted: list[Acceptance] = []
    model: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan says of one experiment; ``status --json`` prints a list of these."""

    id: str
    state: str
    reasons: list[str]
    figures: list[str]
    device: str | None
    duration_s: float | None
    finished_at: str | None


def encode(manifest: Manifest) -> bytes:
    """The manifest as sorted, indented JSON with a final newline."""
    plain = msgspec.to_builtins(manifest)
    return (json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def load(folder: Path) -> Manifest | None:
    """The manifest in *folder*, or None where there is none.

    Raises:
        DamagedOutputs: it is truncated, of another version, or does not fit the schema.
    """
    path = folder / NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return decode(content, path)


def decode(content: bytes, path: Path | str) -> Manifest:
    """The manifest that *content* holds; *path* is for the message.

    Raises:
        DamagedOutputs: it is truncated, of another version, or does not fit the schema.
    """
    advice = "restore the file or rerun the experiment with --force"
    try:
        version = msgspec.json.decode(content, type=_Versioned).version
        if version == VERSION:
            return msgspec.json.decode(content, type=Manifest)
    except msgspec.ValidationError as error:
        raise DamagedOutputs(f"{os.fspath(path)}: does not fit manifest version {VERSION}: {error}; {advice}") from None
    except msgspec.DecodeError as error:
        raise DamagedOutputs(f"{os.fspath(path)}: not valid JSON ({error}); {advice}") from None
    raise DamagedOutputs(
        f"{os.fspath(path)}: manifest version {version}, but this Darkroom reads version {VERSION}; "
        "use the Darkroom that wrote it or rerun the experiment with --force"
    )


class _Versioned(msgspec.Struct):
    version: int
