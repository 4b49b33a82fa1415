"""The world that Pocket IF knows: small pictures of things, drawn, composed, restyled, and described in words.

A picture is chosen by a seed and an index, and by nothing else: its subject, one of several people's drawings of it, how
that is turned and stretched, the style, the background, and the words. Styles are image processing, so that a word such as
"lithograph" means the same for every subject. Everything is drawn at 128 x 128 and made smaller from there.

Needs numpy, Pillow and resvg; no torch.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from darkroom.lab import Dataset

SIDE = 128
SHEET = 192  # drawings are rasterised somewhat larger than they are shown
SETS = ("noto", "noto-v1", "twemoji", "fluent-emoji-flat", "fxemoji", "emojione")
GENERIC = "a high quality photo"
POSE = {"turn": 10.0, "stretch": 0.08, "low": 0.8, "high": 0.98, "shift": 0.04}
FRAMED_POSE = {"turn": 2.0, "stretch": 0.03, "low": 1.12, "high": 1.2, "shift": 0.02}
FRAMED = ("snowy mountain village", "people around a campfire", "waterfalls", "amalfi coast")
Rng = np.random.Generator
Scene = Callable[["World", Rng, str], Image.Image]


@dataclass(frozen=True, eq=False)
class CaptionedPicture:
    """A picture, (128, 128, 3) uint8, and what is said of it."""

    pixels: np.ndarray
    caption: str
    subject: str
    style: str
    drawing: str


@dataclass(frozen=True)
class Style:
    """How often a style is used, what it is called, and what it does to a drawing on its background."""

    share: float
    captions: tuple[str, ...]
    render: Callable[[Image.Image, Rng], tuple[Image.Image, str]]


class World:
    """Everything that can be drawn.

    Args:
        emoji: the drawings: one JSON file of SVG bodies a set.
        subjects: the table of subjects: name, wordings with their articles, and the name of the drawing in each set.
        sets: which sets to draw from.
        mirrored: the share of pictures whose drawing is mirrored, in [0, 1].
    """

    def __init__(self, emoji: Dataset, subjects: Path, sets: tuple[str, ...] = SETS, mirrored: float = 0.5) -> None:
        self.sets, self._mirrored = sets, mirrored
        self._icons = {name: json.loads(emoji.read(f"{name}.json")) for name in sets}
        with subjects.open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
        self._names = {row["subject"]: {name: row[name] for name in sets if row[name]} for row in table}
        drawn = {row["subject"]: tuple(row["wordings"].split(";")) for row in table if row["wordings"]}
        self.wordings: Mapping[str, tuple[str, ...]] = drawn | {name: scene[1] for name, scene in SCENES.items()}
        self.subjects = tuple(self.wordings)
        self._rasterised: dict[tuple[str, str], Image.Image] = {}

    def picture(
        self, seed: int, index: int, *, subject: str | None = None, style: str | None = None, drawing: str | None = None
    ) -> CaptionedPicture:
        """Picture *index* of *seed*; subject, style and drawing are chosen by them where they are not given."""
        rng = np.random.default_rng((seed, index))
        subject = subject or self.subjects[int(rng.integers(len(self.subjects)))]
        style = style or str(rng.choice(list(STYLES), p=[each.share for each in STYLES.values()]))
        style = "emoji" if style == "silhouette" and subject in FRAMED else style  # nothing would be left but black
        own = self.drawings(subject)
        drawing = drawing or own[int(rng.integers(len(own)))]
        image, setting = STYLES[style].render(self._posed(subject, drawing, rng), rng)
        words = self.wordings[subject]
        named = words[0] if rng.random() < 0.6 else str(rng.choice(words))
        caption = str(rng.choice(STYLES[style].captions)).format(named)
        if setting and subject not in SCENES and rng.random() < 0.6:
            caption += setting
        return CaptionedPicture(np.asarray(image), caption, subject, style, drawing)

    def drawings(self, subject: str) -> tuple[str, ...]:
        """The sets that can draw *subject*."""
        needed = SCENES[subject][2] if subject in SCENES else (subject,)
        return tuple(name for name in self.sets if all(name in self._names[part] for part in needed))

    def part(self, subject: str, drawing: str) -> Image.Image:
        """The drawing of *subject* in a set, cut to its bounds and fitted into SHEET x SHEET, RGBA."""
        if (subject, drawing) not in self._rasterised:
            self._rasterised[subject, drawing] = _rasterised(self._icons[drawing], self._names[subject][drawing])
        return self._rasterised[subject, drawing]

    def _posed(self, subject: str, drawing: str, rng: Rng) -> Image.Image:
        if subject in SCENES:
            scene = SCENES[subject][0](self, rng, drawing)
            pose = FRAMED_POSE if subject in FRAMED else POSE
            return _recoloured(_placed(scene, rng, mirrored=self._mirrored, **pose), rng, 0.02)
        image = self.part(subject, drawing)
        return _recoloured(_placed(image, rng, mirrored=self._mirrored, **POSE), rng, 0.04)


def _rasterised(icons: Mapping[str, object], key: str) -> Image.Image:
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=_svg(icons, key), width=2 * SHEET, height=2 * SHEET, skip_system_fonts=True)
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    seen = image.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox()  # the sets leave different margins
    image = image.crop(seen).convert("RGBa")
    scale = SHEET / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    fitted = Image.new("RGBa", (SHEET, SHEET))
    fitted.paste(image.resize((width, height), Image.Resampling.LANCZOS), ((SHEET - width) // 2, (SHEET - height) // 2))
    return fitted.convert("RGBA")


def _svg(icons: Mapping[str, object], key: str) -> str:
    """The whole SVG of an icon of an Iconify set."""
    drawn: dict[str, dict[str, object]] = icons["icons"]  # type: ignore[assignment]
    while key not in drawn:
        key = icons["aliases"][key]["parent"]  # type: ignore[index]
    icon = drawn[key]
    left, top = (icon.get(name, icons.get(name, 0)) for name in ("left", "top"))
    width, height = (icon.get(name, icons.get(name, 16)) for name in ("width", "height"))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}">{icon["body"]}</svg>'
    )


def _placed(
    image: Image.Image,
    rng: Rng,
    *,
    mirrored: float,
    turn: float,
    stretch: float,
    low: float,
    high: float,
    shift: float,
) -> Image.Image:
    """The drawing in a frame of SIDE, mirrored at times, turned, stretched, scaled and moved by chance."""
    angle = np.deg2rad(rng.uniform(-turn, turn))
    size = rng.uniform(low, high) * SIDE / SHEET
    wide = size * (1 + rng.uniform(-stretch, stretch)) * (-1 if rng.random() < mirrored else 1)
    high_ = size * (1 + rng.uniform(-stretch, stretch))
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * (wide, high_)
    back = np.linalg.inv(turned)
    centre = SIDE / 2 + rng.uniform(-shift, shift, 2) * SIDE
    offset = SHEET / 2 - back @ centre
    matrix = (*back[0], offset[0], *back[1], offset[1])
    moved = image.convert("RGBa").transform(
        (SIDE, SIDE), Image.Transform.AFFINE, tuple(map(float, matrix)), Image.Resampling.BICUBIC
    )
    return moved.convert("RGBA")


def _recoloured(image: Image.Image, rng: Rng, hue: float) -> Image.Image:
    """Hue, saturation and brightness a little otherwise."""
    alpha = image.getchannel("A")
    h, s, v = image.convert("RGB").convert("HSV").split()
    turn = round(255 * rng.uniform(-hue, hue))
    h = h.point(lambda value: (value + turn) % 256)
    rgb = Image.merge("HSV", (h, s, v)).convert("RGB")
    rgb = ImageEnhance.Color(rgb).enhance(rng.uniform(0.85, 1.15))
    rgb = ImageEnhance.Brightness(rgb).enhance(rng.uniform(0.92, 1.08))
    return Image.merge("RGBA", (*rgb.split(), alpha))


# Backgrounds

PLAIN = {
    "white": (255, 255, 255),
    "blue": (158, 202, 240),
    "yellow": (250, 226, 138),
    "pink": (248, 196, 208),
    "green": (178, 222, 170),
    "gray": (206, 208, 212),
}
SETTINGS = {  # from the top of the sky down to the horizon, then the ground
    " in a meadow": ((120, 180, 235), (205, 230, 245), (96, 160, 72)),
    " by the sea": ((130, 190, 240), (225, 240, 248), (40, 110, 170)),
    " in the snow": ((170, 195, 220), (225, 232, 240), (244, 247, 250)),
    " at night": ((12, 16, 48), (40, 48, 96), (24, 28, 44)),
    " at sunset": ((90, 70, 130), (250, 160, 90), (80, 60, 66)),
}


def _plain(rng: Rng, white: float = 0.5) -> tuple[Image.Image, str]:
    name = "white" if rng.random() < white else str(rng.choice(list(PLAIN)))
    return Image.new("RGB", (SIDE, SIDE), PLAIN[name]), f" on a {name} background"


def _setting(rng: Rng) -> tuple[Image.Image, str]:
    """Sky and ground, with a horizon somewhere below the middle."""
    phrase = str(rng.choice(list(SETTINGS)))
    top, low, ground = (np.array(colour, np.float64) for colour in SETTINGS[phrase])
    horizon = rng.uniform(0.58, 0.8) * SIDE
    y = np.arange(SIDE)[:, None]
    sky = top + (low - top) * np.clip(y / horizon, 0, 1)
    land = ground * (1.06 - 0.18 * np.clip((y - horizon) / (SIDE - horizon), 0, 1))
    rows = np.where(y < horizon, sky, np.clip(land, 0, 255))
    return Image.fromarray(np.repeat(rows[:, None], SIDE, 1).round().astype(np.uint8)), phrase


def _over(drawing: Image.Image, background: Image.Image) -> Image.Image:
    return Image.alpha_composite(background.convert("RGBA"), drawing).convert("RGB")


# Styles


def _emoji(drawing: Image.Image, rng: Rng) -> tuple[Image.Image, str]:
    background, phrase = _plain(rng)
    return _over(drawing, background), phrase


def _photo(drawing: Image.Image, rng: Rng) -> tuple[Image.Image, str]:
    """On a scenic background, with a soft shadow, light from one side, and a lens that darkens corners."""
    background, phrase = _setting(rng)
    shadow = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    shade = drawing.getchannel("A").filter(ImageFilter.GaussianBlur(4)).point(lambda alpha: alpha * 0.35)
    shadow.paste((10, 10, 20, 255), (4, 6), shade)
    shadow.putalpha(_shifted(shade, 4, 6))
    image = np.asarray(_over(drawing, _over(shadow, background)), np.float64)
    across = np.linspace(1.08, 0.92, SIDE) if rng.random() < 0.5 else np.linspace(0.92, 1.08, SIDE)
    away = (np.linspace(-1, 1, SIDE)[:, None] ** 2 + np.linspace(-1, 1, SIDE) ** 2) / 2
    lit = image * across[None, :, None] * (1 - 0.18 * away)[:, :, None]
    return _image(lit), phrase


def _oil_painting(drawing: Image.Image, rng: Rng) -> tuple[Image.Image, str]:
    """Patches of even colour with sharp borders (Kuwahara et al. 1976), on a mottled ground."""
    hue = np.array([[150, 120, 84], [92, 112, 120], [120, 104, 128], [120, 132, 92]][int(rng.integers(4))], np.float64)
    mottle = _mottle(rng, 10)[:, :, None] * 20 + _mottle(rng, 24)[:, :, None] * 30
    ground = _image(hue + mottle)
    return _image(_kuwahara(np.asarray(_over(drawing, ground), np.float64) + _mottle(rng, 4)[:, :, None] * 24, 4)), ""


def _pencil_sketch(drawing: Image.Image, rng: Rng) -> tuple[Image.Image, str]:
    """Lines by colour dodge, gray with a little of its shading, on paper."""
    gray = np.asarray(_over(drawing, Image.new("RGB", (SIDE, SIDE), (255, 255, 255))).convert("L"), np.float64)
    blurred = np.asarray(_image(255 - gray).filter(ImageFilter.GaussianBlur(rng.uniform(3, 4.5))), np.float64)
    dodged = np.clip(gray * 255 / np.maximum(255 - blurred, 1), 0, 255)
    drawn = np.clip(dodged, 0, 255) ** 2 / 255
    toned = drawn * (0.72 + 0.28 * gray / 255)
    return _tinted(toned + _mottle(rng, 1) * 4, (44, 44, 50), (250, 248, 242)), ""


def _lithograph(drawing: Image.Image, rng: Rng) -> tuple[Image.Image, str]:
    """Ink on cream paper: outlines, and hatching that grows denser where it is darker."""
    flat = _over(drawing, Image.new("RGB", (SIDE, SIDE), (232, 232, 232))).convert("L")
    gray = np.asarray(flat.filter(ImageFilter.UnsharpMask(6, 120, 0)), np.float64) / 255
    y, x = np.indices((SIDE, SIDE))
    one, other = (0.5 + 0.5 * np.sin((x + sign * y) * 2 * np.pi / 10) for sign in (1, -1))
    hatched = np.clip((0.8 - gray - 0.34 * one) * 3, 0, 1) * 0.5 + np.clip((0.5 - gray - 0.3 * other) * 3, 0, 1) * 0.5
    ink = np.clip(hatched + _outlines(flat) + _outlines(drawing.getchannel("A")), 0, 1)
    return _tinted(255 * (1 - ink) + _mottle(rng, 1) * 5, (30, 26, 28), (240, 231, 212)), ""


def _outlines(channel: Image.Image) -> np.ndarray:
    """How sharply a channel changes, 0 to 1."""
    soft = np.asarray(channel.filter(ImageFilter.GaussianBlur(1.2)), np.float64)
    down, across = np.gradient(soft)
    return np.clip((np.hypot(down, across) - 8) / 30, 0, 1)


def _silhouette(drawing: Image.Image, rng: Rng) -> tuple[Image.Image, str]:
    """The outline alone, filled with black."""
    background, phrase = _plain(rng, white=0.3)
    black = Image.new("RGBA", (SIDE, SIDE), (16, 16, 20, 255))
    black.putalpha(drawing.getchannel("A"))
    return _over(black, background), phrase


STYLES: Mapping[str, Style] = {
    "emoji": Style(0.30, ("{}", "an emoji of {}", "a picture of {}"), _emoji),
    "photo": Style(0.20, ("a photo of {}", "a high quality photo of {}"), _photo),
    "oil painting": Style(0.18, ("an oil painting of {}",), _oil_painting),
    "pencil sketch": Style(0.12, ("a pencil sketch of {}",), _pencil_sketch),
    "lithograph": Style(0.12, ("a lithograph of {}",), _lithograph),
    "silhouette": Style(0.08, ("a silhouette of {}",), _silhouette),
}


def _image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _tinted(gray: np.ndarray, dark: tuple[int, int, int], light: tuple[int, int, int]) -> Image.Image:
    share = np.clip(gray, 0, 255)[:, :, None] / 255
    return _image(np.array(dark) + (np.array(light) - np.array(dark)) * share)


def _shifted(channel: Image.Image, right: int, down: int) -> Image.Image:
    moved = Image.new("L", channel.size)
    moved.paste(channel, (right, down))
    return moved


def _mottle(rng: Rng, grain: int) -> np.ndarray:
    """Smooth noise with features of *grain* pixels, about -1 to 1, (SIDE, SIDE)."""
    across = -(-SIDE // grain) + 1
    coarse = Image.fromarray(rng.normal(0, 0.5, (across, across)).astype(np.float32))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float64)


def _kuwahara(image: np.ndarray, radius: int) -> np.ndarray:
    """Each pixel becomes the mean of that of its four quadrants, (radius + 1)^2 pixels each, which varies least."""
    padded = np.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode="edge")
    gray = padded.mean(2)
    means, deviations = _box(padded, radius + 1), _box(gray**2, radius + 1) - _box(gray, radius + 1) ** 2
    corners = [(0, 0), (0, radius), (radius, 0), (radius, radius)]
    height, width = image.shape[:2]
    choices = np.stack([deviations[y : y + height, x : x + width] for y, x in corners])
    candidates = np.stack([means[y : y + height, x : x + width] for y, x in corners])
    return np.take_along_axis(candidates, choices.argmin(0)[None, :, :, None], 0)[0]


def _box(values: np.ndarray, size: int) -> np.ndarray:
    """Means over windows of *size* x *size*, by running sums."""
    total = np.pad(values, ((1, 0), (1, 0)) + ((0, 0),) * (values.ndim - 2)).cumsum(0).cumsum(1)
    return (total[size:, size:] - total[:-size, size:] - total[size:, :-size] + total[:-size, :-size]) / size**2


# Scenes: what the course's prompts ask for and no emoji shows


def _snowy_mountain_village(world: World, rng: Rng, drawing: str) -> Image.Image:
    sheet = _sky(rng, (150, 190, 230), (228, 238, 246))
    for _ in range(int(rng.integers(1, 3))):
        _put(sheet, world.part("snowy mountain", drawing), rng.uniform(0.2, 0.8), 0.46, rng.uniform(0.75, 1.0))
    _band(sheet, 0.62, (240, 245, 250))
    spots = rng.permutation(np.linspace(0.14, 0.86, 5))[: int(rng.integers(3, 5))]
    for x in spots:
        _put(sheet, world.part("house", drawing), x, rng.uniform(0.66, 0.84), rng.uniform(0.24, 0.34))
    for _ in range(int(rng.integers(1, 4))):
        _put(
            sheet,
            world.part("pine tree", drawing),
            rng.uniform(0.05, 0.95),
            rng.uniform(0.64, 0.86),
            rng.uniform(0.2, 0.3),
        )
    return sheet


def _people_around_a_campfire(world: World, rng: Rng, drawing: str) -> Image.Image:
    sheet = _sky(rng, (14, 18, 52), (52, 44, 80))
    _band(sheet, 0.6, (58, 46, 44))
    people = ["man", "old man", "old woman", "man"]
    for x in rng.permutation([0.16, 0.36, 0.64, 0.84])[: int(rng.integers(3, 5))]:
        who = people[int(rng.integers(len(people)))]
        _put(sheet, world.part(who, drawing), x, 0.52 + 0.1 * abs(x - 0.5), rng.uniform(0.27, 0.33))
    _put(sheet, _glow(), 0.5, 0.72, 1.0)
    _put(sheet, world.part("fire", drawing), 0.5, 0.7, rng.uniform(0.36, 0.46))
    return sheet


def _man_wearing_a_hat(world: World, rng: Rng, drawing: str) -> Image.Image:
    sheet = Image.new("RGBA", (SHEET, SHEET), (0, 0, 0, 0))
    _put(sheet, world.part("man", drawing), 0.5, 0.64, 0.7)
    _put(sheet, world.part("top hat", drawing), 0.5, 0.24, rng.uniform(0.5, 0.58))
    return sheet


def _waterfalls(world: World, rng: Rng, drawing: str) -> Image.Image:
    """Cliffs, falling water in streaks, a pool with foam."""
    sheet = _sky(rng, (140, 190, 230), (214, 232, 240))
    pixels = np.asarray(sheet).astype(np.float64)
    y, x = np.indices((SHEET, SHEET)) / SHEET
    top = rng.uniform(0.16, 0.26) + 0.05 * np.sin(x * rng.uniform(6, 12) + rng.uniform(0, 6))
    rock = np.where((y * 14 + 1.2 * np.sin(x * 22)).astype(int) % 2, 1.0, 0.82)[:, :, None] * (112, 96, 84)
    pixels[..., :3] = np.where((y > top)[..., None], rock, pixels[..., :3])
    for centre in rng.permutation([0.24, 0.5, 0.76])[: int(rng.integers(2, 4))]:
        width = rng.uniform(0.07, 0.12)
        inside = (np.abs(x - centre) < width * (0.8 + 0.3 * y)) & (y > top + 0.02)
        streak = 0.86 + 0.14 * np.sin((x - centre) * 150 + rng.uniform(0, 6))
        pixels[..., :3] = np.where(inside[..., None], streak[..., None] * (206, 232, 250), pixels[..., :3])
    pool = 0.8 + 0.015 * np.sin(x * 40)
    pixels[..., :3] = np.where((y > pool)[..., None], (64, 140, 190), pixels[..., :3])
    foam = np.abs(y - pool - 0.02) < 0.025
    pixels[..., :3] = np.where(foam[..., None], (236, 246, 252), pixels[..., :3])
    sheet = Image.fromarray(pixels.round().astype(np.uint8))
    for at in (0.08, 0.92):
        _put(sheet, world.part("pine tree", drawing), at, rng.uniform(0.2, 0.3), rng.uniform(0.22, 0.32))
    return sheet


def _amalfi_coast(world: World, rng: Rng, drawing: str) -> Image.Image:
    """A steep slope with stacked houses in warm colours above a blue bay."""
    sheet = _sky(rng, (110, 180, 240), (220, 236, 246))
    pixels = np.asarray(sheet).astype(np.float64)
    y, x = np.indices((SHEET, SHEET)) / SHEET
    pixels[..., :3] = np.where((y > 0.66)[..., None], (36, 116, 190), pixels[..., :3])
    slope = y > 0.12 + 0.8 * x + 0.03 * np.sin(18 * x)
    pixels[..., :3] = np.where((slope & (y < 0.95 - 0.3 * x))[..., None], (112, 132, 78), pixels[..., :3])
    colours = [(240, 208, 150), (236, 168, 130), (244, 232, 214), (226, 140, 120), (250, 220, 180)]
    for _ in range(26):
        left, above = rng.uniform(0, 0.62), rng.uniform(0.14, 0.84)
        if above < 0.18 + 0.8 * left or above > 0.86 - 0.3 * left:
            continue
        wall = (np.abs(x - left) < 0.045) & (np.abs(y - above) < 0.05)
        roof = (np.abs(x - left) < 0.052) & (np.abs(y - above + 0.058) < 0.014)
        pixels[..., :3] = np.where(wall[..., None], colours[int(rng.integers(5))], pixels[..., :3])
        pixels[..., :3] = np.where(roof[..., None], (178, 84, 62), pixels[..., :3])
    sheet = Image.fromarray(pixels.round().astype(np.uint8))
    _put(sheet, world.part("sailboat", drawing), 0.78, 0.72, rng.uniform(0.2, 0.3))
    return sheet


def _hipster_barista(world: World, rng: Rng, drawing: str) -> Image.Image:
    sheet = Image.new("RGBA", (SHEET, SHEET), (0, 0, 0, 0))
    _put(sheet, world.part("bearded man", drawing), 0.42, 0.42, rng.uniform(0.74, 0.82))
    _put(sheet, world.part("cup", drawing), 0.7, 0.78, rng.uniform(0.4, 0.46))
    return sheet


SCENES: Mapping[str, tuple[Scene, tuple[str, ...], tuple[str, ...]]] = {
    "snowy mountain village": (
        _snowy_mountain_village,
        ("a snowy mountain village", "a village in the mountains"),
        ("snowy mountain", "house", "pine tree"),
    ),
    "people around a campfire": (
        _people_around_a_campfire,
        ("people around a campfire", "a campfire"),
        ("man", "old man", "old woman", "fire"),
    ),
    "man wearing a hat": (_man_wearing_a_hat, ("a man wearing a hat", "a man in a top hat"), ("man", "top hat")),
    "waterfalls": (_waterfalls, ("waterfalls", "a waterfall"), ("pine tree",)),
    "amalfi coast": (_amalfi_coast, ("the amalfi coast", "a village by the sea"), ("sailboat",)),
    "hipster barista": (_hipster_barista, ("a hipster barista", "a bearded man with coffee"), ("bearded man", "cup")),
}


def _sky(rng: Rng, top: tuple[int, int, int], low: tuple[int, int, int]) -> Image.Image:
    share = np.linspace(0, 1, SHEET)[:, None, None] ** rng.uniform(0.7, 1.3)
    rows = np.array(top) + (np.array(low) - np.array(top)) * share
    opaque = np.concatenate([np.broadcast_to(rows, (SHEET, SHEET, 3)), np.full((SHEET, SHEET, 1), 255)], 2)
    return Image.fromarray(opaque.round().astype(np.uint8))


def _band(sheet: Image.Image, top: float, colour: tuple[int, int, int]) -> None:
    sheet.paste((*colour, 255), (0, round(top * SHEET), SHEET, SHEET))


def _put(sheet: Image.Image, part: Image.Image, x: float, y: float, size: float) -> None:
    """*part* over *sheet*, its centre at (x, y), all in shares of the sheet."""
    side = max(1, round(size * SHEET))
    small = (
        part.convert("RGBa").resize((side, side), Image.Resampling.BOX if side < SHEET // 2 else None).convert("RGBA")
    )
    layer = Image.new("RGBA", sheet.size, (0, 0, 0, 0))
    layer.paste(small, (round(x * SHEET - side / 2), round(y * SHEET - side / 2)))
    sheet.alpha_composite(layer)


@cache
def _glow() -> Image.Image:
    y, x = np.indices((SHEET, SHEET)) / SHEET - 0.5
    strength = np.exp(-(x**2 + (1.4 * y) ** 2) / 0.05) * 130
    warm = np.broadcast_to(np.array([255, 170, 80]), (SHEET, SHEET, 3))
    return Image.fromarray(np.concatenate([warm, strength[:, :, None]], 2).round().astype(np.uint8))
