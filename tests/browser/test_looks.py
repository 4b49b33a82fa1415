"""How a few components look, beside pictures of how they looked: a change of style is seen, and meant.

After a change that is meant, run once with ``DARKROOM_UPDATE_LOOKS=1`` and look at the pictures in ``looks/``.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import stir

pytestmark = pytest.mark.browser

LOOKS = Path(__file__).parent / "looks"
UPDATE = "DARKROOM_UPDATE_LOOKS" in os.environ
VISIBLE = 48  # of 255: letters' edges differ by less from one Chromium to the next, as a rule
TOLERATED = 0.015  # of all pixels
COMPONENTS = {
    "head": "header.site",
    "opening": "header.opening",
    "grid": ".kind-tiles",
    "film": ".kind-animation",
    "plot": ".kind-plot",
    "formula": ".equation",
    "contents": ".contents.beside",
}


@pytest.fixture(scope="module", params=["light", "dark"])
def themed(request: pytest.FixtureRequest, chromium: Any, address: str) -> Iterator[tuple[str, Any]]:
    """A theme, and the first page in it."""
    theme = request.param
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{address}index.html")
    stir(page)
    page.evaluate("document.fonts.ready")
    yield theme, page
    context.close()


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_looks_as_it_did(themed: tuple[str, Any], name: str) -> None:
    """At most a few pixels in a hundred differ visibly, and its size not at all."""
    theme, page = themed
    page.evaluate("scrollTo(0, 0)")
    shown = Image.open(io.BytesIO(page.locator(COMPONENTS[name]).first.screenshot())).convert("RGB")
    kept = LOOKS / f"{name}-{theme}.png"
    if UPDATE:
        kept.parent.mkdir(exist_ok=True)
        shown.save(kept, optimize=True)
    expected = Image.open(kept).convert("RGB")
    assert shown.size == expected.size
    difference = np.abs(np.asarray(shown, np.int16) - np.asarray(expected, np.int16)).max(2)
    assert (difference > VISIBLE).mean() <= TOLERATED
