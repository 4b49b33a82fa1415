"""Looping GIFs of small pictures, with their last frame as a still."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from darkroom.core.figure_layouts import Animation, FilmPanel
from darkroom.figures.drawing import Drawing, FigureError
from darkroom.figures.pixels import as_pixels, is_grey, png

if TYPE_CHECKING:
    import numpy.typing as npt

    from darkroom.figures.pixels import Pixels

LIMIT_BYTES = 800_000
STRIP = 5  # frames on paper
GREY_LEVELS = (64, 48, 32, 24, 16)


class Panel(NamedTuple):
    """One film: its heading (inline ``$math$`` allowed), what it shows, and its frames.

    ``frames`` has shape (F, H, W) or (F, H, W, 3), uint8 or floats in [0, 1].
    """

    heading: str
    alt: str
    frames: npt.ArrayLike


def animation(
    panels: Sequence[Panel],
    *,
    scale: int = 2,
    hold_last_s: float = 2.0,
    fps: float = 20.0,
    labels: Sequence[str] = (),
) -> Drawing:
    """Looping GIFs side by side, each with its last frame as a PNG for reduced motion, and a strip for paper.

    Every frame stays a frame of its own, equal neighbours too, so that frames and time are in step. The last frame
    keeps all its grey levels (255 of 256, where frames are equal); those before it are drawn with 64, or as many fewer
    as the size asks for, down to 16.

    Args:
        panels: at least one.
        scale: CSS pixels a pixel, >= 1.
        hold_last_s: how long the last frame stands, in seconds, 0.02 to 600.
        fps: frames a second, more than 0 and at most 50, the most that browsers keep to.
        labels: what each frame is called beside its slider, such as "t = 300"; plain text without ``|``.

    Raises:
        FigureError: a film of more than 0.8 MB, a shape, dtype or range that is no film's, a missing alternative text,
            labels of another number than the frames.
    """
    if not panels or scale < 1 or not 0 < fps <= 50 or not 0.02 <= hold_last_s <= 600:
        raise FigureError(
            f"animation: {len(panels)} panels, scale={scale}, fps={fps}, hold_last_s={hold_last_s}; "
            "give a panel or more, scale >= 1, fps above 0 up to 50, hold_last_s from 0.02 to 600"
        )
    files: dict[str, bytes] = {}
    shown = [_shown(panel, number, fps, hold_last_s, files) for number, panel in enumerate(panels, 1)]
    longest = max(panel.frames for panel in shown)
    if labels and len(labels) != longest:
        raise FigureError(f"animation: {len(labels)} labels for {longest} frames; give one a frame")
    return Drawing("animation", Animation(panels=shown, scale=scale, labels=list(labels)), files)


def _shown(panel: Panel, number: int, fps: float, hold_last_s: float, files: dict[str, bytes]) -> FilmPanel:
    where = f"animation: panel {number} ({panel.heading!r})"
    frames = _film(panel, where)
    delays = delays_cs(len(frames), fps, hold_last_s)
    name = _unused(re.sub(r"[^a-z0-9]+", "_", panel.heading.lower()).strip("_") or f"panel_{number}", files)
    files[f"{name}.gif"] = _small_enough(frames, delays, where)
    files[f"{name}.png"] = png(frames[-1], where)
    strip = _strip(frames)
    files[f"{name}_strip.png"] = png(strip, where)
    return FilmPanel(
        heading=panel.heading,
        alt=panel.alt.strip(),
        animation=f"{name}.gif",
        still=f"{name}.png",
        strip=f"{name}_strip.png",
        strip_width=strip.shape[1],
        width=frames.shape[2],
        height=frames.shape[1],
        frames=len(frames),
        duration_s=sum(delays) / 100,
    )


def _film(panel: Panel, where: str) -> Pixels:
    frames = as_pixels(panel.frames, where)
    if not (frames.ndim == 3 or (frames.ndim == 4 and frames.shape[3] == 3)) or 0 in frames.shape:
        raise FigureError(f"{where}: shape {frames.shape}; frames are (F, H, W) or (F, H, W, 3), F >= 1")
    if not panel.alt.strip():
        raise FigureError(f"{where}: no alternative text; say what the film shows")
    return frames[..., 0] if frames.ndim == 4 and is_grey(frames) else frames


def _strip(frames: Pixels) -> Pixels:
    """At most five frames from the first to the last side by side, with white between them."""
    chosen = sorted({round(i) for i in np.linspace(0, len(frames) - 1, min(len(frames), STRIP))})
    margin = np.full_like(frames[0][:, : max(2, frames.shape[2] // 20)], 255)
    parts = [part for i in chosen for part in (margin, frames[i])][1:]
    return np.concatenate(parts, axis=1)


def _unused(name: str, files: dict[str, bytes]) -> str:
    count = 1
    candidate = name
    while f"{candidate}.gif" in files:
        count += 1
        candidate = f"{name}_{count}"
    return candidate


def delays_cs(frames: int, fps: float, hold_last_s: float) -> list[int]:
    """How long each frame stands, in hundredths of a second, rounded so that the film as a whole keeps *fps*."""
    starts = [round(100 * index / fps) for index in range(frames)]
    return [after - before for before, after in pairwise(starts)] + [round(100 * hold_last_s)]


def _small_enough(frames: Pixels, delays: Sequence[int], where: str) -> bytes:
    content = b""
    for levels in GREY_LEVELS if frames.ndim == 3 else (0,):
        content = _grey_gif(frames, delays, levels) if levels else _colour_gif(frames, delays)
        if len(content) <= LIMIT_BYTES:
            return content
    share = LIMIT_BYTES / len(content)
    raise FigureError(
        f"{where}: {len(content):,} bytes as a GIF, {len(content) - LIMIT_BYTES:,} over the {LIMIT_BYTES:,} allowed; "
        f"pass {max(1, int(len(frames) * share * 0.95))} frames instead of {len(frames)}, or fewer pictures a frame"
    )


def _grey_gif(frames: Pixels, delays: Sequence[int], levels: int) -> bytes:
    """The film with *levels* evenly spaced greys in all frames but the last."""
    steps = np.rint(np.rint(np.arange(256) * (levels - 1) / 255) * 255 / (levels - 1)).astype(np.uint8)
    indices = np.concatenate([steps[frames[:-1]], frames[-1:]])
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    return gif(indices, ramp, delays)


def _colour_gif(frames: Pixels, delays: Sequence[int]) -> bytes:
    """The film with the 255 colours that suit all its frames together."""
    from PIL import Image

    count, height, width = frames.shape[:3]
    strip = Image.fromarray(np.ascontiguousarray(frames).reshape(count * height, width, 3))
    reduced = strip.quantize(255, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    used = np.array(reduced.getpalette(), np.uint8).reshape(-1, 3)
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(used)] = used
    return gif(np.asarray(reduced).reshape(count, height, width), palette, delays)


def gif(indices: Pixels, palette: Pixels, delays: Sequence[int]) -> bytes:
    """A GIF89a that loops for ever, each frame of *indices* a frame of its own.

    Args:
        indices: into *palette*, shape (F, H, W).
        palette: RGB, shape (256, 3).
        delays: hundredths of a second, one a frame.
    """
    import imageio.v3 as iio

    used, compact = np.unique(indices, return_inverse=True)
    frames, colours = _told_apart(compact.reshape(indices.shape).astype(np.uint8), palette[used])
    milliseconds = [10 * delay for delay in delays]
    return iio.imwrite(
        "<bytes>",
        frames,
        extension=".gif",
        plugin="pillow",
        is_batch=True,
        palette=colours.tobytes(),
        duration=milliseconds if len(frames) > 1 else milliseconds[0],
        loop=0,
        optimize=True,
    )


def _told_apart(frames: Pixels, colours: Pixels) -> tuple[Pixels, Pixels]:
    """The same film, with one pixel of a frame that equals the one before in a second entry of the same colour.

    Pillow, through which imageio writes, would make one frame of the two: it compares entries, not colours. Where there
    is no entry left, the two colours that are most alike become one.
    """
    frames = frames.copy()
    doubles: dict[int, int] = {}
    for before, frame in pairwise(frames):
        if (before == frame).all():
            index = next((index for index in doubles if (frame == index).any()), -1)
            if index < 0:
                colours = _with_room(frames, colours)
                index = int(frame[0, 0])
                doubles[index] = len(colours)
                colours = np.concatenate([colours, colours[index : index + 1]])
            frame.flat[np.flatnonzero(frame == index)[0]] = doubles[index]
    return frames, colours


def _with_room(frames: Pixels, colours: Pixels) -> Pixels:
    """*colours*, at most 255 of them; where there were more, *frames* lose the one that is most like its neighbour."""
    if len(colours) < 256:
        return colours
    steps = np.abs(np.diff(colours.astype(int), axis=0)).sum(axis=1)
    counts = np.bincount(frames.ravel(), minlength=256)
    lost = int(np.lexsort((counts[1:], steps))[0]) + 1
    frames[frames == lost] = lost - 1
    frames[frames > lost] -= 1
    return np.delete(colours, lost, axis=0)
