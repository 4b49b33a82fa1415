"""The examples of the page on themes, in a browser: a colour, a layout, and a script that the page's policy allows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.new import create
from tests.browser.conftest import serve
from tests.documentation import called, save

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def themed(tmp_path_factory: pytest.TempPathFactory, katex: Path) -> Iterator[str]:
    """Where a report with all of them is served."""
    project = tmp_path_factory.mktemp("themed")
    create(project)
    assert len(save("theme", project)) == 4
    done = called(project, "build.py", "--strict")
    assert done.returncode == 0, done.stderr
    yield from serve(project / "site")


@pytest.fixture
def opened(chromium: Any) -> Iterator[tuple[Any, list[str]]]:
    """A window, and what it complains of."""
    page = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light").new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page, said
    page.context.close()


def test_an_own_colour_is_seen_in_both_themes(themed: str, opened: tuple[Any, list[str]]) -> None:
    """Links have it, by the system's theme and by the switch of the page."""
    page, said = opened
    page.goto(f"{themed}index.html")
    colour = "getComputedStyle(document.querySelector('article a[href=\"method.html\"]')).color"
    assert page.evaluate(colour) == "rgb(11, 90, 138)"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(colour) == "rgb(124, 196, 242)"
    page.locator("button.theme").click()
    assert page.evaluate(colour) == "rgb(11, 90, 138)"
    assert said == []


def test_an_own_script_runs_and_nothing_is_refused(themed: str, opened: tuple[Any, list[str]]) -> None:
    """A click on a label does what it says."""
    page, said = opened
    page.goto(f"{themed}index.html")
    page.wait_for_selector("html.ready")
    page.locator("figcaption a.label").first.click()
    page.wait_for_function("document.documentElement.dataset.copied === '#fig-walks-walks-cloud'")
    assert [each for each in said if "ermission" not in each] == []  # the clipboard may be closed to tests


def test_an_own_layout_has_its_style_and_formulas(themed: str, opened: tuple[Any, list[str]]) -> None:
    """No navigation, larger text, a formula and a figure, and no complaint of its policy."""
    page, said = opened
    page.goto(f"{themed}poster.html")
    assert page.locator("nav").count() == 0 and page.locator(".katex").count() >= 1
    assert page.locator("figure svg, figure img").count() >= 1
    size = "parseFloat(getComputedStyle(document.querySelector('main')).fontSize)"
    assert page.evaluate(size) > 1.25 * page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
    assert said == []
