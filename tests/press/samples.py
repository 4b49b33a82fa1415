"""Sample outputs for the tests of the press: valid manifests with figures of every kind, drawn here from nothing."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darkroom.core.manifest import (
    NAME,
    VERSION,
    Figure,
    Manifest,
    Metric,
    Provenance,
    SourcePlace,
    Status,
    StoredFile,
    encode,
)
from darkroom.core.variant import Variant


@dataclass(frozen=True)
class Drawn:
    """A figure to be stored: as `darkroom.figures.Drawing`, with its caption and alternative text."""

    kind: str
    layout: dict[str, Any]
    files: Mapping[str, bytes]
    caption: str = "A caption with $\\sigma = 0.5$."
    alt: str = "What is to be seen."


def png(width: int = 28, height: int = 28, shade: int = 0) -> bytes:
    """A grey PNG with a ramp, written without zlib's compression so that its bytes are the same everywhere."""
    rows = b"".join(
        b"\0" + bytes((shade + 7 * x + 3 * y) % 256 for x in range(width)) for y in range(height)
    )  # fmt: skip

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", _stored(rows)) + chunk(b"IEND", b"")


def _stored(data: bytes) -> bytes:
    blocks = [data[i : i + 65535] for i in range(0, len(data), 65535)] or [b""]
    body = b"".join(
        struct.pack("<BHH", i == len(blocks) - 1, len(block), 0xFFFF ^ len(block)) + block
        for i, block in enumerate(blocks)
    )
    return b"\x78\x01" + body + struct.pack(">I", zlib.adler32(data))


def gif(size: int = 28, frames: int = 4) -> bytes:
    """A looping grey GIF, written without compression so that its bytes are the same everywhere."""
    palette = bytes(channel for shade in range(128) for channel in [2 * shade] * 3)
    screen = struct.pack("<HHBBB", size, size, 0b11110110, 0, 0)
    loop = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
    body = b"".join(_frame(size, frame) for frame in range(1, frames + 1))
    return b"GIF89a" + screen + palette + loop + body + b"\x3b"


def _frame(size: int, number: int) -> bytes:
    clear, end = b"\x80", b"\x81"
    pixels = bytes((place * number) % 128 for place in range(size * size))
    codes = b"".join(clear + pixels[at : at + 100] for at in range(0, len(pixels), 100)) + end
    blocks = b"".join(bytes([len(codes[at : at + 255])]) + codes[at : at + 255] for at in range(0, len(codes), 255))
    control = b"\x21\xf9\x04\x04\x08\x00\x00\x00"
    return control + b"\x2c" + struct.pack("<HHHHB", 0, 0, size, size, 0) + b"\x07" + blocks + b"\x00"


def svg(colour: str, width: int = 480, height: int = 240) -> bytes:
    """A line on a transparent ground."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<path d="M20 20 C 120 200 240 210 {width - 20} {height - 20}" fill="none" stroke="{colour}"/></svg>'
    ).encode()


def tiles(columns: int = 3, rows: int = 2, shade: int = 0, scale: int = 2) -> Drawn:
    """A grid of pictures with headings that hold math."""
    files = {f"r{r}c{c}.png": png(shade=shade + 40 * c + 90 * r) for r in range(rows) for c in range(columns)}
    cells = [
        [{"file": f"r{r}c{c}.png", "alt": f"Digit {c}, row {r}", "width": 28, "height": 28} for c in range(columns)]
        for r in range(rows)
    ]
    layout = {
        "columns": [f"$\\sigma = {c / 10}$" for c in range(columns)],
        "rows": [{"heading": f"epoch {r + 1}", "cells": cells[r]} for r in range(rows)],
        "scale": scale,
    }
    return Drawn("tiles", layout, files, "Digits at **rising** noise, $z = x + \\sigma\\epsilon$.", "Digits in a grid.")


def plot() -> Drawn:
    """A plot in the colours of both themes, with its data."""
    table = {"columns": ["epoch", "loss $\\mathcal{L}$"], "rows": [[1, 0.0118], [5, "0.0083"]]}
    layout = {"file": "plot.svg", "width": 480, "height": 240, "table": table}
    return Drawn("plot", layout, {"plot.svg": svg("light-dark(#333,#ddd)")}, "Loss.", "A falling curve.")


def animation(panels: int = 2) -> Drawn:
    """Animations side by side."""
    files: dict[str, bytes] = {}
    shown = []
    for number in range(1, panels + 1):
        files |= {f"epoch_{number}.gif": gif(frames=3 + number), f"epoch_{number}.png": png(shade=30 * number)}
        panel = {
            "heading": f"Epoch {number}",
            "alt": f"Noise turns into digits, epoch {number}",
            "width": 28,
            "height": 28,
        }
        panel |= {"animation": f"epoch_{number}.gif", "still": f"epoch_{number}.png", "frames": 4, "duration_s": 0.3}
        shown.append(panel)
    return Drawn("animation", {"panels": shown, "scale": 2}, files, "Sampling.", "Noise turns into digits.")


def table() -> Drawn:
    """A table of numbers."""
    layout = {
        "columns": ["method", "MSE $\\lvert x \\rvert$"],
        "rows": [["blur", 0.0312], ["network", "0.0082"]],
        "heading_column": True,
    }
    return Drawn("table", layout, {}, "Errors.", "Two methods and their errors.")


@dataclass
class Outputs:
    """A folder of outputs that grows by `add`, with a status for each experiment."""

    folder: Path
    statuses: list[Status] = field(default_factory=list)

    def add(
        self,
        name: str,
        figures: Mapping[str, Drawn] | None = None,
        *,
        metrics: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        state: str = "fresh",
        reasons: tuple[str, ...] = (),
        results: bytes = b"results",
        model: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> Path:
        """Store an experiment, a variant if it has *settings*; gives its folder."""
        figures = figures or {}
        place = self.folder / name
        stored = {short: _store(place, f"figures/{short}", drawn.files) for short, drawn in figures.items()}
        manifest = Manifest(
            version=VERSION,
            experiment=name,
            summary="What it shows, in a line with $\\sigma$.",
            source=SourcePlace(f"experiments/{name}.py", 12),
            key=_digest(f"key {name}".encode()),
            results=_digest(f"results {name}".encode()),
            parameters={
                **(parameters or {"epochs": 5, "learning_rate": 1e-4, "seed": 180, "sigmas": [0.0, 0.5, 1.0]}),
                **(settings or {}),
            },
            inputs={"dataset:mnist": _digest(b"mnist")},
            code={f"experiments.{name.replace('/', '.')}": _digest(b"code")},
            files=_store(place, "", {"results.safetensors": results}),
            metrics={short: Metric(_digest(short.encode()), value, {}) for short, value in (metrics or {}).items()},
            figures={
                short: Figure(
                    _digest(short.encode()), drawn.kind, drawn.caption, drawn.alt, drawn.layout, stored[short], {}, 40
                )
                for short, drawn in figures.items()
            },
            provenance=Provenance(
                commit="3f9ac2e14b7d5a6078c9d0e1f2a3b4c5d6e7f809",
                clean=True,
                seed=180,
                device="AMD EPYC, 2 cores",
                versions={"python": "3.11.7", "numpy": "2.4.6"},
                started_at="2026-11-20T10:00:00Z",
                finished_at="2026-11-20T11:12:00Z",
                duration_s=4320.0,
                peak_memory_bytes=1_300_000_000,
            ),
            model=model,
            variant=None if settings is None else Variant(name.rpartition("@")[2], dict(settings)),
        )
        (place / NAME).write_bytes(encode(manifest))
        self.state(name, state, reasons, tuple(figures))
        return place

    def state(self, name: str, state: str, reasons: tuple[str, ...] = (), figures: tuple[str, ...] = ()) -> None:
        """What the plan says of an experiment, with or without outputs."""
        self.statuses = [status for status in self.statuses if status.id != name]
        self.statuses.append(
            Status(
                id=name,
                state=state,
                reasons=list(reasons),
                figures=list(figures),
                device="cpu",
                duration_s=4320.0,
                finished_at=None,
            )
        )


def _store(place: Path, folder: str, files: Mapping[str, bytes]) -> list[StoredFile]:
    target = place / folder
    target.mkdir(parents=True, exist_ok=True)
    stored = []
    for name, content in sorted(files.items()):
        (target / name).write_bytes(content)
        path = f"{folder}/{name}".lstrip("/")
        stored.append(StoredFile(path, _digest(content), len(content)))
    return stored


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
