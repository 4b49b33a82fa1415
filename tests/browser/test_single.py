"""Pages as single files: everything is in them, and nothing is asked of the network or of another file."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.core.errors import ContentError, UsageError
from darkroom.press.single import write_single
from darkroom.press.tags import tags_of, with_attribute
from tests.browser.conftest import stir
from tests.press.projects import Project
from tests.press.samples import Outputs

pytestmark = pytest.mark.browser
SEEN = """() => [...document.images].filter((each) => each.checkVisibility() && !each.naturalWidth).map((each) => each.alt)"""


def project_of(site: Path) -> Project:
    """The project of a published site."""
    return Project(site.parent, Outputs(site.parent / "experiments/outputs"))


@pytest.fixture(scope="module")
def singles(site: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every page of the navigation, alone in a folder of its own."""
    made = write_single(project_of(site).request(), (), tmp_path_factory.mktemp("single"))
    moved = []
    for path in made:
        folder = path.parent / path.stem
        folder.mkdir()
        moved.append(path.rename(folder / path.name))
    return moved


@pytest.fixture
def opened(chromium: Any) -> Iterator[tuple[Any, list[str], list[str]]]:
    """A window, with what it complains of and what it asks for beside data."""
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url) if not request.url.startswith("data:") else None)
    yield page, complaints, asked
    page.context.close()


@pytest.mark.parametrize("number", range(3))
def test_a_page_is_whole_by_itself(number: int, singles: list[Path], opened: tuple[Any, list[str], list[str]]) -> None:
    """Its pictures are seen, its fonts loaded, its scripts have run, and nothing but itself was asked for."""
    page, complaints, asked = opened
    address = singles[number].as_uri()
    page.goto(address)
    stir(page)
    for top in range(0, page.evaluate("document.documentElement.scrollHeight"), 700):
        page.evaluate(f"scrollTo(0, {top})")
        page.wait_for_timeout(60)
    assert page.evaluate(SEEN) == []
    assert page.evaluate("[...document.fonts].every((font) => font.status !== 'error')")
    assert page.locator("[data-plot]").count() == 0 or page.locator("[data-plot] svg").count()
    assert asked == [address] and complaints == []


def test_a_film_is_played_by_its_script(singles: list[Path], opened: tuple[Any, list[str], list[str]]) -> None:
    """The worker that decodes it comes from the page, too: the slider moves through its frames."""
    page, complaints, _ = opened
    page.goto(singles[0].as_uri())
    stir(page)
    film = page.locator("[data-film]").first
    film.scroll_into_view_if_needed()
    slider = page.locator("figure:has([data-film]) input[type=range]").first
    slider.fill("2")
    page.wait_for_selector("[data-film] canvas", timeout=10_000)
    assert complaints == []


def test_links_lead_to_the_other_pages_or_to_the_site(site: Path, tmp_path: Path) -> None:
    """To what is beside it as before; to what is not, at the site's address or, without one, nowhere."""
    [path] = write_single(project_of(site).request(), ["index"], tmp_path)
    links = {tag.attributes.get("href") for tag in tags_of(path.read_text(encoding="utf-8")) if tag.name == "a"}
    assert None in links  # to pages that were not written
    assert not {link for link in links if link and re.match(r"(?![a-z]+:|#|index\.html)", link)}
    [first, *_] = write_single(project_of(site).request(), (), tmp_path)
    links = {tag.attributes.get("href") for tag in tags_of(first.read_text(encoding="utf-8")) if tag.name == "a"}
    assert "other.html" in links


def test_a_page_that_lacks_a_file_is_not_written(site: Path, tmp_path: Path) -> None:
    """What is lost is named, and nothing is replaced."""
    shutil.copytree(site.parent, tmp_path / "project", symlinks=True)
    project = project_of(tmp_path / "project/site")
    project.build()
    for path in (project.site / "figures").rglob("*.gif"):
        path.unlink()
    with pytest.raises(
        ContentError, match=r"pages/index.md:1:1 single: figures/\S+\.gif is not in the site; build it again"
    ):
        write_single(project.request(), (), tmp_path / "single")
    assert not (tmp_path / "single").exists()
    with pytest.raises(UsageError, match="single: no page 'indx'; did you mean 'index'"):
        write_single(project.request(), ["indx"], tmp_path / "single")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<img src="a" alt="x">', '<img src="n&amp;" alt="x">'),
        ("<img alt=' src=\"b\"' SRC=a>", '<img alt=\' src="b"\' src="n&amp;">'),
        ("<video data-src='b' src>", "<video data-src='b' src=\"n&amp;\">"),
        ('<img srcset="b"/>', '<img srcset="b"/>'),
        ('<img\n  src = "a"\n/>', '<img src="n&amp;"\n/>'),
    ],
)
def test_one_attribute_is_changed(text: str, expected: str) -> None:
    """By its whole name, not in the values of others."""
    assert with_attribute(text, "src", "n&") == expected


def test_the_record_of_tags_has_places() -> None:
    """Also behind other letters, in several lines; scripts and styles have their content."""
    html = '<p>é\n<b>x</b><style>a{}</style>\n<script>"<i>"</script><br/>'
    found = [(html[tag.start : tag.stop], tag.content) for tag in tags_of(html)]
    assert found == [("<p>", ""), ("<b>", ""), ("<style>", "a{}"), ("<script>", '"<i>"'), ("<br/>", "")]
    assert json.dumps(tags_of('<a href="x&amp;y" download>')[0].attributes) == '{"download": "", "href": "x&y"}'
