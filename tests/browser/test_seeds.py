"""Means over seeds, in a browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import stir

pytestmark = pytest.mark.browser


def test_a_mean_is_read_off_with_its_range(page: Any, address: str) -> None:
    """As the values of any plot."""
    page.goto(f"{address}seeds.html")
    stir(page)
    plot = page.locator(".kind-plot .scroll")
    plot.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".kind-plot .reading").inner_text() == "training, 1: 0.6389 (0.5 to 0.75)"


def test_on_a_phone_without_scripts_all_seeds_can_be_unfolded(chromium: Any, address: str) -> None:
    """The table scrolls within itself; the page is no wider than the screen."""
    context = chromium.new_context(
        java_script_enabled=False, viewport={"width": 360, "height": 740}, color_scheme="dark"
    )
    page = context.new_page()
    page.goto(f"{address}seeds.html")
    table = page.locator("details.seeds table")
    assert not table.is_visible()
    page.locator("details.seeds summary").click()
    assert table.is_visible()
    assert table.locator("tr").count() == 6
    assert page.locator(".kind-plot img").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box = page.locator("details.seeds .table")
    assert box.evaluate("each => each.scrollWidth > each.clientWidth")
    context.close()
