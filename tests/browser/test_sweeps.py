"""Sweeps and tables of runs, in a browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import stir

pytestmark = pytest.mark.browser


@pytest.fixture
def sweeps(page: Any, address: str) -> Any:
    """The page of the sweep."""
    page.goto(f"{address}sweeps.html")
    stir(page)
    return page


def seen(page: Any) -> list[str]:
    points = page.locator(".sweep > .point").all()
    return [each.locator(".setting").inner_text() for each in points if each.is_visible()]


def test_a_sweep_follows_its_slider_and_its_buttons(sweeps: Any) -> None:
    """With the keyboard too; the declared values come first, and the slider says what it stands at."""
    assert seen(sweeps) == ["gamma = 2.5; seed = 1:"]
    slider = sweeps.locator(".sweep [type=range]")
    slider.focus()
    sweeps.keyboard.press("ArrowRight")
    assert seen(sweeps) == ["gamma = 5; seed = 1:"]
    assert slider.get_attribute("aria-valuetext") == sweeps.locator(".sweep output").inner_text() == "5"
    sweeps.locator(".sweep [type=radio]").nth(1).check()
    assert seen(sweeps) == ["gamma = 5; seed = 2:"]
    assert not sweeps.locator(".sweep img[loading=lazy]").count()  # the others are fetched before they are chosen


def test_without_scripts_all_points_stand_in_a_grid(chromium: Any, address: str) -> None:
    """With their values above them, and no controls."""
    page = chromium.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"{address}sweeps.html")
    assert page.locator(".point .heading").first.inner_text() == "gamma = 0; seed = 1"
    boxes = [each.bounding_box() for each in page.locator(".sweep > .point").all()]
    assert len(boxes) == 10
    assert boxes[0]["y"] == boxes[1]["y"] < boxes[2]["y"]
    assert not page.locator(".sweep .controls").is_visible()
    page.context.close()


def test_runs_are_sorted_by_a_column(sweeps: Any) -> None:
    """By numbers up and down, and by words; the run under the pointer is marked in the plot."""
    table = sweeps.locator("table.sortable").first

    def column(number: int) -> list[str]:
        return table.locator(f"tbody tr > :nth-child({number})").all_inner_texts()

    table.get_by_role("button", name="gamma").click()
    assert column(2) == ["0", "0", "1", "1", "2.5", "2.5", "5", "5", "10", "10"]
    table.get_by_role("button", name="gamma").click()
    assert column(2) == ["10", "10", "5", "5", "2.5", "2.5", "1", "1", "0", "0"]
    assert table.locator("th[aria-sort=descending]").inner_text().startswith("gamma")
    table.get_by_role("button", name="Run").click()
    assert column(1)[:2] == ["as declared", "g0s1"]
    table.locator("tbody tr").first.hover()
    assert sweeps.locator(".runs-of").first.locator(".run.on.declared").count() == 1


@pytest.mark.parametrize("width", ["page", "middle", "screen"])
def test_a_sweep_is_as_wide_as_its_figures(sweeps: Any, width: str) -> None:
    """Where its figures are wider than the text, so are its controls; a figure alone would lie at the same place."""
    sweep = sweeps.locator(".sweep").first
    sweep.evaluate(
        """(sweep, width) => {
            for (const figure of sweep.querySelectorAll("figure")) figure.className = `kind-tiles ${width}`;
            sweep.insertAdjacentHTML("afterend", `<figure id="alone" class="${width}"></figure>`);
        }""",
        width,
    )
    here, alone = sweep.bounding_box(), sweeps.locator("#alone").bounding_box()
    assert (here["x"], here["width"]) == (alone["x"], alone["width"])
    figure = sweeps.locator(".sweep > .point.on > figure").bounding_box()
    assert (figure["x"], figure["width"]) == (here["x"], here["width"])
