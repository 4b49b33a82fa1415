r"""Formulas in texts of somebody's outputs, in Chromium: whatever they are made of, they paint in their own place."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darkroom.figures import tiles
from tests.browser.conftest import drawn, serve, stir
from tests.hostile import spoil
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import Project

pytestmark = pytest.mark.browser

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

INK = r"\textcolor{INK}{\rule{3em}{3em}}"
FORMULAS = {
    "raised": rf"\smash{{\raisebox{{15em}}{{${INK}$}}}}",
    "lowered": rf"\smash{{\raisebox{{-15em}}{{${INK}$}}}}",
    "rule raised": r"\smash{\textcolor{INK}{\rule[12em]{5em}{5em}}}",
    "kern": rf"\kern-15em\kern-15em{INK}",
    "hskip": rf"\hskip-18em{INK}",
    "hspace": rf"\hspace{{-18em}}{INK}\hspace{{-19em}}",
    "mskip": rf"\mskip-300mu{INK}",
    "many kerns": r"\kern-2em" * 20 + INK,
    "far to the right": r"\rlap{" + r"\kern19em" * 4 + INK + "}",
    "llap": rf"\llap{{{INK * 12}}}",
    "rlap": rf"\mathrlap{{{INK * 12}}}",
    "clap": rf"\mathclap{{{INK * 24}}}",
    "rows": rf"\smash{{\begin{{array}}{{c}}x\\[-15em]{INK}\end{{array}}}}",
    "wide": r"\textcolor{INK}{\rule{19em}{1em}\rule{19em}{1em}\rule{19em}{1em}}",
    "long": rf"{INK * 40}",
    "tall": r"\textcolor{INK}{\rule{1em}{19em}}",
    "bar": r"\smash{\textcolor{INK}{\genfrac{}{}{9em}{}{a}{b}}}",
    "shown": rf"$\kern-15em\smash{{\raisebox{{-15em}}{{${INK}$}}}}$",
    "stretched": rf"\def\arraystretch{{6}}\smash{{\begin{{matrix}}{INK}\\{INK}\end{{matrix}}}}",
}
COLOURS = {
    name: (0, 60 + 9 * number, 255) for number, name in enumerate(FORMULAS)
}  # of each one's ink; no other has them
WIDTHS = {"wide": 1280, "phone": 390}


def _formula(name: str) -> str:
    return FORMULAS[name].replace("INK", f"#{bytes(COLOURS[name]).hex()}")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, katex: Path) -> Iterator[str]:  # noqa: F811
    """Where a site is served that has each formula in a caption, in the headings of tiles, and in a summary."""
    project = Project.make(tmp_path_factory.mktemp("hostile"))
    square = np.zeros((24, 24))
    pages: dict[str, list[str]] = {"captions": [], "headings": []}
    for number, name in enumerate(FORMULAS):
        tex = _formula(name)
        headed = tiles([[square] * 2], columns=[f"${tex}$", "x"], rows=[f"${tex}$"], alt="Black {column}.", scale=2)
        captioned = tiles([[square]], alt="Black.", scale=4)
        figures = {
            "captions": drawn(captioned, f"A ${tex}$ caption.", "A square."),
            "headings": drawn(headed, "Headings.", "Squares."),
        }
        folder = project.outputs.add(f"part_b/n{number}", figures)
        spoil(folder, lambda manifest, tex=tex: manifest.update(summary=f"A summary with ${tex}$ in it."))
        for kind, shown in pages.items():
            shown.append(f'{{{{ figure("part_b/n{number}/{kind}") }}}}')
    for kind, shown in pages.items():
        project.page("\n\n".join(f"{'Text. ' * 60}\n\n{figure}" for figure in shown) + "\n\nText.", kind)
    project.page("Text.\n\n{{ experiments() }}\n\nText.", "records")
    project.page("Text.")
    project.build()
    yield from serve(project.site)


@pytest.fixture(scope="module", params=WIDTHS)
def opened(request: pytest.FixtureRequest, chromium: Any) -> Iterator[Any]:
    """A page, wide or narrow."""
    context = chromium.new_context(viewport={"width": WIDTHS[request.param], "height": 900}, color_scheme="light")
    yield context.new_page()
    context.close()


BOXES = """(kind) => [...document.querySelectorAll(kind === "records" ? ".record" : "figure")].map((each) =>
  [each, ...each.querySelectorAll("figcaption")].map((part) => {
    const box = part.getBoundingClientRect();
    return [box.top + scrollY, box.bottom + scrollY, box.left, box.right];
  }))"""


@pytest.mark.parametrize("kind", ["captions", "headings", "records"])
def test_formulas_of_outputs_paint_in_their_place(kind: str, hostile: str, opened: Any) -> None:
    """Each in its own figure or record, and the page becomes neither wider nor much longer."""
    from PIL import Image

    opened.goto(f"{hostile}{kind}.html")
    stir(opened)
    places = opened.evaluate(BOXES, kind)
    order = sorted(range(len(FORMULAS)), key=str) if kind == "records" else range(len(FORMULAS))
    picture = np.asarray(Image.open(io.BytesIO(opened.screenshot(full_page=True))).convert("RGB"))
    outside, shown = [], []
    for place, number in zip(places, order, strict=True):
        name = list(FORMULAS)[number]
        painted = np.argwhere((picture == COLOURS[name]).all(axis=2))
        boxes = np.array(place)
        inside = (painted[:, :1] >= boxes[:, 0] - 9) & (painted[:, :1] <= boxes[:, 1] + 9)
        inside &= (painted[:, 1:] >= boxes[:, 2] - 9) & (painted[:, 1:] <= boxes[:, 3] + 9)
        outside += [name] if not inside.any(axis=1).all() else []
        shown += [name] if painted.size else []
    width, height = opened.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert outside == [] and len(shown) > 3
    assert width <= opened.viewport_size["width"]
    assert height < 1500 * len(FORMULAS)
