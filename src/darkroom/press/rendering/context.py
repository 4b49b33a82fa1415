"""Inputs and results of rendering: the context that all pages share, and a page as HTML with what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from darkroom.core.errors import Fault
from darkroom.press.content.command_line import CommandLine
from darkroom.press.content.links import LinkUse
from darkroom.press.content.mathtext import Formula
from darkroom.press.content.navigation import Link, Part
from darkroom.press.content.references import Index
from darkroom.press.content.settings import SiteSettings
from darkroom.press.rendering.captions import FileUse
from darkroom.press.rendering.social_card import Card
from darkroom.press.rendering.stamps import Stamps
from darkroom.press.theme import Theme
from darkroom.press.typeset.equations import Equation

if TYPE_CHECKING:
    from darkroom.press.content.deliverables import AssessedList

MATH_POLICY = "<!--policy-->"  # placeholder for the hash of a page's own style rules, which depend on its formulas
MATH_STYLE = "<!--style-->"  # placeholder for the style rules themselves; pages have no comments of their own


class Context(msgspec.Struct, frozen=True):
    """What rendering needs beside the page itself.

    ``assets`` maps the name of a static file to its address, ``texts`` that of a script or style sheet to its content,
    ``images`` that of a picture to its size in pixels, ``damaged`` a figure's name to what is wrong with its files or
    texts, and an experiment's to what is wrong with the texts of its record,
    ``raw`` a result file, such as "part_b/denoiser/results.safetensors", to its address. ``outputs`` and ``references``
    are the folder of outputs and the bibliography as messages name them; ``stamps`` are those of files; ``commit`` is that
    of the project, "" where no listing needs it; ``deliverables`` are those of every list; ``parts`` are those of the site,
    by the address of their index; ``command_line`` is empty where no page shows it.
    """

    site: SiteSettings
    index: Index
    navigation: tuple[Link, ...]
    assets: Mapping[str, str]
    texts: Mapping[str, str]
    images: Mapping[str, tuple[int, int]]
    damaged: Mapping[str, str]
    raw: Mapping[str, str]
    outputs: str
    results: Path
    stamps: Stamps
    theme: Theme
    cache: Path
    references: str = "templates/references.bib"
    card: Card | None = None
    feed: str = ""
    commit: str = ""
    deliverables: tuple[AssessedList, ...] = ()
    parts: Mapping[str, Part] = {}
    command_line: CommandLine = CommandLine()


class Use(NamedTuple):
    """An equation, and where it stands: at *line* of *path*, or where *formula* does on the page.

    ``pieces`` map its TeX to that of the formula, as in ``mathtext.Rewritten``. ``owner`` is the figure or the experiment
    whose manifest has the text, or "".
    """

    equation: Equation
    path: str
    line: int
    formula: Formula | None = None
    pieces: tuple[tuple[int, int], ...] = ()
    owner: str = ""


class Rendered(msgspec.Struct, frozen=True):
    """A page as HTML with a mark for each formula, ``uses`` by number, and what it needs.

    ``files`` are copied from the outputs; ``drawings`` are made along with the page, by address; ``links`` are those of
    its text, with their places.
    """

    url: str
    html: str
    uses: tuple[Use, ...]
    files: tuple[FileUse, ...]
    drawings: Mapping[str, bytes]
    eager_bytes: int
    links: tuple[LinkUse, ...] = ()
    faults: tuple[Fault, ...] = field(default=())
    warnings: tuple[Fault, ...] = ()
