"""Pages in Chromium: what scripts add works by mouse and by keyboard, and without scripts everything is there."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from darkroom.figures.palette import SERIES
from tests.browser.conftest import stir

pytestmark = pytest.mark.browser

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
until = playwright.expect
PAPER = "getComputedStyle(document.documentElement).backgroundColor"
LIGHT, DARK = "rgb(253, 252, 250)", "rgb(21, 23, 26)"
LOADED = "[...document.querySelectorAll('.kind-plot img')].some((image) => image.complete && image.naturalWidth > 100)"
PIXELS = """canvas => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const image = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  return Array.from({length: image.length / 4}, (_, i) => image[4 * i]);
}"""


def test_the_theme_follows_the_system_until_it_is_switched_and_is_remembered(page: Any) -> None:
    """Light by preference; the switch makes it dark, also after a reload and on another page; switched back, it follows."""
    assert page.evaluate(PAPER) == LIGHT
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate(PAPER) == DARK
    page.reload()
    assert page.evaluate(PAPER) == DARK
    page.get_by_role("link", name="Other").first.click()
    page.wait_for_url("**/other.html")
    assert page.evaluate(PAPER) == DARK
    page.get_by_role("button", name="Light theme").press("Enter")
    assert page.evaluate(PAPER) == LIGHT
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(PAPER) == DARK


def test_a_plot_takes_the_theme_s_colours(page: Any) -> None:
    """Its lines and its text change with the switch; the text is the page's own and can be selected."""
    colour = "getComputedStyle(document.querySelector('.kind-plot svg text')).fill"
    before = page.evaluate(colour)
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate(colour) != before
    assert "Source Sans" in page.evaluate("getComputedStyle(document.querySelector('.kind-plot svg text')).fontFamily")
    page.get_by_text("loss", exact=True).first.dblclick()
    assert page.evaluate("getSelection().toString()") == "loss"
    assert page.get_by_role("img", name="A falling curve.").count() == 1


def test_a_film_is_still_until_it_is_played(page: Any) -> None:
    """At first the last frame; Play runs all panels in step from the first frame on; Pause stops them."""
    player = page.locator(".player")
    assert player.locator("img.still").count() == 2 and player.locator("canvas").count() == 0
    button = player.get_by_role("button")
    assert button.text_content() == "Play"
    button.click()
    player.locator("canvas").first.wait_for()
    until(page.locator(".player .controls output")).to_have_text("t = 3")
    button.click()
    assert button.text_content() == "Play"
    label = player.locator("output").text_content()
    page.wait_for_timeout(300)
    assert player.locator("output").text_content() == label


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_teaser_plays_once_unless_motion_is_unwanted(chromium: Any, address: str, motion: str) -> None:
    """A film that a page asks to play runs through once and rests at its end; with reduced motion it stays still."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion=motion)
    page = context.new_page()
    page.add_init_script("""
      window.told = [];
      const note = () => window.told.push(document.querySelector(".player .controls output")?.textContent);
      new MutationObserver(note).observe(document, { subtree: true, childList: true, characterData: true });
    """)
    page.goto(f"{address}other.html")
    told = page.locator(".controls output")
    if motion == "reduce":
        page.wait_for_timeout(300)
        assert page.locator("canvas").count() == 0
    else:
        page.get_by_role("button", name="Pause").wait_for()
        page.get_by_role("button", name="Play").wait_for()
        assert "t = 4" in page.evaluate("window.told")  # its first frame, over too soon to be waited for
    assert told.text_content() == "t = 0"
    context.close()


def test_a_film_is_scrubbed_frame_by_frame(page: Any, site: Path) -> None:
    """The slider shows any frame of every panel, and what it shows is the GIF's own frame, pixel by pixel."""
    from PIL import Image, ImageSequence

    slider = page.get_by_role("slider", name="Frame of Films of squares.")
    for _ in range(3):
        slider.press("ArrowLeft")
    page.locator("canvas").first.wait_for()
    until(page.locator(".player .controls output")).to_have_text("t = 3")
    assert slider.get_attribute("aria-valuetext") == "t = 3"
    for number, panel in enumerate(page.locator(".panel").all()):
        film = Image.open(site / str(panel.get_attribute("data-film")))
        frames = [frame.convert("L").tobytes() for frame in ImageSequence.Iterator(film)]
        for at in (2, 0, 5):
            slider.fill(str(at))
            page.wait_for_timeout(50)
            assert bytes(panel.locator("canvas").evaluate(PIXELS)) == frames[at], (number, at)


def test_a_plot_is_read_off(page: Any) -> None:
    """The value nearest to the pointer is told, and with the arrow keys one after another; Escape ends it."""
    svg, told = page.locator(".kind-plot svg"), page.locator(".kind-plot .reading")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    assert told.text_content()
    page.mouse.move(5, 5)
    plot = page.get_by_role("group", name="A falling curve. Arrow keys read off values.")
    plot.focus()
    page.keyboard.press("ArrowRight")
    assert told.text_content() == "1: 1"
    page.keyboard.press("ArrowRight")
    assert told.text_content() == "2: 0.5"
    dot = page.locator(".kind-plot .dot")
    assert dot.bounding_box()["x"] > box["x"]
    page.keyboard.press("Escape")
    assert told.text_content() == "" and dot.count() == 0


def _distance(picture: Any, colour: str) -> int:
    """How far the pixel of a picture, as it is on the screen, that is nearest to a colour is from it."""
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    with Image.open(io.BytesIO(picture.screenshot())) as shown:
        return int(np.abs(np.asarray(shown.convert("RGB"), int) - wanted).max(axis=2).min())


def test_a_plot_is_a_picture_until_it_is_drawn_and_stays_one_where_it_cannot_be(chromium: Any, address: str) -> None:
    """A picture in the colours of the theme that is chosen, as large as the drawing that takes its place."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    opened = context.new_page()
    opened.route("**/figures/**/plot.*.svg", lambda route: route.abort())
    opened.goto(f"{address}index.html")
    stir(opened)
    pictures = opened.locator(".kind-plot img")
    assert pictures.count() == 1 and pictures.is_visible()
    box = pictures.bounding_box()
    assert _distance(pictures, SERIES[0].light) < 20 < _distance(pictures, SERIES[0].dark)
    opened.get_by_role("button", name="Dark theme").click()
    assert _distance(pictures, SERIES[0].dark) < 20 < _distance(pictures, SERIES[0].light)
    opened.unroute_all()
    opened.reload()
    stir(opened)
    assert pictures.count() == 0
    assert opened.locator(".kind-plot svg").bounding_box() == box
    context.close()


def test_a_film_that_cannot_be_had_says_so_and_can_be_tried_again(chromium: Any, address: str) -> None:
    """Play tells that it failed; pressed again once the network is back, it plays."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.goto(f"{address}index.html")
    stir(opened)
    button = opened.locator(".player").get_by_role("button")
    context.set_offline(True)
    button.click()
    until(button).to_have_text("Cannot be loaded")
    context.set_offline(False)
    until(button).to_be_enabled()
    button.click()
    until(button).to_have_text("Pause")
    context.close()


def test_figures_work_where_their_script_comes_late(chromium: Any, address: str) -> None:
    """Long after the page has been seen, films still get their controls."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()

    def late(route: Any) -> None:
        time.sleep(1.5)
        route.continue_()

    opened.route("**/figures.*.js", late)
    opened.goto(f"{address}index.html")
    until(opened.locator(".player").get_by_role("button")).to_have_text("Play")
    context.close()


def test_slides_follow_their_slider(page: Any) -> None:
    """One slide at a time, the last at first; the slider names it."""
    slider = page.get_by_role("slider", name="Ramps.", exact=True)
    shown = page.locator(".slides img:visible")
    assert shown.count() == 1 and shown.get_attribute("alt") == "A ramp, z."
    slider.press("ArrowLeft")
    assert shown.get_attribute("alt") == "A ramp, y | z." and slider.get_attribute("aria-valuetext") == "y | z"


def test_a_figure_shows_the_drawing_of_the_model_that_is_chosen(page: Any, address: str) -> None:
    """One of two is seen, with a choice that works by keyboard; on paper both are."""
    page.goto(f"{address}/other.html")
    seen = page.locator(".models > figure:visible .provenance")
    until(seen).to_contain_text("Small")
    page.get_by_role("radio", name="Small").press("ArrowDown")
    until(page.get_by_role("radio", name="Large")).to_be_checked()
    until(seen).to_contain_text("Large")
    page.emulate_media(media="print")
    until(seen).to_have_count(2)


def test_on_paper_everything_stands_side_by_side(page: Any) -> None:
    """Slides that a screen shows one at a time, the sides of a comparison, and hybrids at all their distances."""
    slides = page.locator(".slides").first
    until(slides.locator(".slide:visible")).to_have_count(1)
    page.emulate_media(media="print")
    until(slides.locator(".slide:visible")).to_have_count(slides.locator(".slide").count())
    until(slides.locator(".heading:visible")).to_have_count(slides.locator(".slide").count())
    left, right = (page.locator(".compare .side").nth(n).bounding_box() for n in (0, 1))
    assert right["x"] >= left["x"] + left["width"] or right["y"] >= left["y"] + left["height"]
    sizes = page.locator(".distance .sizes").first.locator("img:visible")
    until(sizes).to_have_count(3)
    widths = [sizes.nth(n).bounding_box()["width"] for n in range(3)]
    assert widths == sorted(widths, reverse=True) and widths[2] < widths[0] / 4


def test_a_comparison_moves_its_edge(page: Any) -> None:
    """The second picture lies over the first as far as the slider says."""
    slider, over = page.get_by_role("slider", name="Two ramps."), page.locator(".compare .side").last
    sides = page.locator(".compare .side")
    assert sides.nth(0).bounding_box()["x"] == sides.nth(1).bounding_box()["x"]
    slider.press("Home")
    assert "100%" in over.evaluate("e => getComputedStyle(e).clipPath")
    slider.press("End")
    assert over.evaluate("e => getComputedStyle(e).clipPath").startswith("inset(0px")


def test_pictures_turn_by_their_true_view(page: Any) -> None:
    """A flip mirrors at the horizontal, on hover, with the space bar and by a click; other views fade into what is seen."""
    matrix = "e => getComputedStyle(e).transform"
    flip = page.locator(".view-flip .first")
    assert flip.evaluate(matrix) == "none"
    page.get_by_role("checkbox", name="Turn: A valley.").press("Space")
    page.wait_for_timeout(700)
    assert flip.evaluate(matrix) == "matrix(1, 0, 0, -1, 0, 0)"
    second = page.locator(".view-fade .second")
    page.locator(".view-fade").hover()
    page.wait_for_timeout(700)
    assert second.evaluate("e => getComputedStyle(e).opacity") == "1"


def test_one_steps_back_from_a_hybrid(page: Any) -> None:
    """The slider makes the picture smaller; without scripts it stands there in three sizes."""
    picture = page.locator(".distances img:visible")
    assert picture.count() == 1
    before = picture.bounding_box()["width"]
    page.get_by_role("slider", name="A ramp from afar.").press("Home")
    assert abs(picture.bounding_box()["width"] / before - 0.12) < 0.01


def test_tiles_are_one_stop_and_open_large(page: Any) -> None:
    """Tab reaches a grid once, arrows move within it, Enter opens the tile; arrows go on there; Escape comes back."""
    first = page.locator(".grid img").first
    assert page.locator(".grid img[tabindex='0']").count() == 1
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.alt") == "Square two b."
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.locator(".said").text_content() == "Square two b."
    shown = dialog.locator("img")
    assert shown.evaluate("image => image.width / image.naturalWidth") >= 8
    page.keyboard.press("ArrowLeft")
    assert dialog.locator(".said").text_content() == "Square two a."
    dialog.get_by_label("smooth").check()
    assert shown.evaluate("image => getComputedStyle(image).imageRendering") == "auto"
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    assert page.evaluate("document.activeElement.alt") == "Square two a."


def test_references_show_a_card(page: Any) -> None:
    """A figure, a citation and a note are shown beside the link, by mouse and by keyboard; Escape takes them away."""
    for name, text in (("Figure 1", "Squares."), ("Ho et al.", "Denoising diffusion"), ("1", "The note itself.")):
        link = page.locator("article p").first.get_by_role("link", name=name, exact=name == "1").first
        link.hover()
        page.locator(".card").wait_for()
        assert text.lower() in page.locator(".card").text_content().lower()
        page.keyboard.press("Escape")
        page.locator(".card").wait_for(state="detached")
    page.keyboard.press("Tab")
    page.locator("article p a").first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    page.locator(".card").wait_for()


def test_only_what_scrolls_is_a_stop_of_the_tab_key(page: Any) -> None:
    """A formula that fits is none; on a narrow window, where it scrolls within itself, it is one."""
    formula = page.locator(".equation").nth(1)
    until(formula).not_to_have_attribute("tabindex", "0")
    page.set_viewport_size({"width": 320, "height": 900})
    until(formula).to_have_attribute("tabindex", "0")
    formula.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert formula.evaluate("e => e.scrollLeft") > 0


def test_code_can_be_copied(page: Any) -> None:
    """The button copies the code without its own name."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("@misc{")


ABSENT = "[...document.querySelectorAll('article > *')].filter((element) => !element.checkVisibility()).length"
SHIFTED = """new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => { sum += value; }))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 200);
})"""
PHONE = {"viewport": {"width": 400, "height": 700}, "has_touch": True, "is_mobile": True}


def test_on_a_desk_everything_is_laid_out_at_once(chromium: Any, address: str) -> None:
    """Nothing waits where there is a mouse, so that a picture of the whole page shows all of it."""
    context = chromium.new_context(viewport={"width": 1280, "height": 400})
    page = context.new_page()
    page.goto(f"{address}index.html")
    assert page.evaluate(ABSENT) == 0
    context.close()


@pytest.fixture
def top(chromium: Any, address: str) -> Iterator[tuple[Any, Callable[[], None]]]:
    """The first page on a phone, its top seen, and what lets the fonts come on which the rest waits."""
    context = chromium.new_context(**PHONE)
    page, waiting, free = context.new_page(), [], []

    def come() -> None:
        free.append(True)
        for route in waiting:
            route.continue_()

    page.route("**/*.woff2", lambda route: route.continue_() if free else waiting.append(route))
    page.goto(f"{address}index.html", wait_until="domcontentloaded")
    page.locator("html.ready").wait_for()
    assert page.evaluate(ABSENT) > 0
    yield page, come
    context.close()


def test_on_a_phone_the_rest_follows_when_the_top_has_been_seen(top: tuple[Any, Callable[[], None]]) -> None:
    """It comes by itself, as soon as the fonts are there, and moves nothing that is seen."""
    page, come = top
    come()
    page.locator("html.complete").wait_for()
    assert page.evaluate(ABSENT) == 0
    for part in (".grid tbody tr img", "figcaption", ".turn", "footer.site"):
        found = page.locator(f"{part}:not(details *)").all()
        assert found
        assert [part for each in found if not each.is_visible()] == []
    assert page.evaluate(SHIFTED) <= 0.01


@pytest.mark.parametrize("stirs", ["scroll", "touch", "key", "jump"])
def test_on_a_phone_the_rest_is_there_at_the_first_stir(top: tuple[Any, Callable[[], None]], stirs: str) -> None:
    """Whoever moves does not wait for fonts; a jump leads to its place."""
    page, _ = top
    if stirs == "jump":
        page.evaluate("document.querySelector('.beside a[href=\"#two\"]').click()")
        assert abs(page.locator("#two").bounding_box()["y"]) < 100
    elif stirs == "scroll":
        page.evaluate("dispatchEvent(new Event('scroll'))")
    elif stirs == "touch":
        page.touchscreen.tap(5, 5)
    else:
        page.keyboard.press("Tab")
    until(page.locator("html.alone")).to_have_count(0)
    assert page.evaluate(ABSENT) == 0


def test_on_a_phone_the_rest_comes_without_its_script_too(chromium: Any, address: str) -> None:
    """Where ``reader.js`` fails to load, after three seconds; where one comes back to a page, at once."""
    context = chromium.new_context(**PHONE)
    page = context.new_page()
    page.route("**/reader.*.js", lambda route: route.abort())
    page.goto(f"{address}index.html")
    assert page.evaluate(ABSENT) > 0
    until(page.locator("html.alone")).to_have_count(0)
    assert page.evaluate(ABSENT) == 0
    page.reload()
    assert page.evaluate(ABSENT) == 0
    context.close()


def test_the_contents_mark_where_one_is(page: Any) -> None:
    """Scrolled to a section, its entry is the current one."""
    current = page.locator(".beside a[aria-current]")
    assert current.text_content().strip() == "One"
    page.locator("#two").scroll_into_view_if_needed()
    page.mouse.wheel(0, 4000)
    until(current).not_to_contain_text("One")
    assert current.count() == 1


def test_pages_lead_to_their_neighbours(page: Any, address: str) -> None:
    """At the end of a page stand the next and the previous one, in the order of the navigation."""
    turn = page.get_by_role("navigation", name="Previous and next page")
    assert turn.get_by_role("link").all_text_contents() == ["NextOther"]
    turn.get_by_role("link").click()
    page.wait_for_url("**/other.html")
    assert page.locator(".turn .previous").get_attribute("href") == "index.html"
    assert page.locator(".turn .next").get_attribute("href") == "reproduce.html"


@pytest.mark.parametrize("name", ["index.html", "other.html", "reproduce.html", "404.html"])
def test_nothing_is_wider_than_the_window(chromium: Any, address: str, name: str) -> None:
    """At every width the page scrolls down only; what is wide scrolls within itself."""
    context = chromium.new_context(viewport={"width": 1440, "height": 800})
    opened = context.new_page()
    opened.goto(address + name)
    wider = []
    for width in (1440, 1280, 1100, 768, 360, 320):
        opened.set_viewport_size({"width": width, "height": 800})
        wider += [width] if opened.evaluate("document.documentElement.scrollWidth") > width else []
    context.close()
    assert wider == []


def test_nothing_is_forbidden_by_the_policy(page: Any) -> None:
    """Formulas keep their shape under a policy without any unsafe source: what KaTeX gave a height has it."""
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    assert "unsafe" not in policy and "default-src 'self'" in policy
    struts = page.eval_on_selector_all(
        "[class*='k_height_']",
        """all => all.map(e => [
          parseFloat(getComputedStyle(e).height) / parseFloat(getComputedStyle(e).fontSize),
          parseFloat(e.className.match(/k_height_([0-9D]+)em/)[1].replace("D", "."))])""",
    )
    assert struts and all(abs(shown - wanted) < 0.05 for shown, wanted in struts)


def test_captions_stand_in_the_gutter_where_there_is_one(page: Any) -> None:
    """From 1180 px on the caption of a figure as wide as the text is beside it, else below; never under 13 px."""
    figure, caption = page.locator("figure.text").first, page.locator("figure.text figcaption").first
    beside = caption.bounding_box()
    assert beside["x"] > page.locator("article").bounding_box()["x"] + page.locator("article").bounding_box()["width"]
    assert beside["x"] + beside["width"] <= 1280
    page.set_viewport_size({"width": 1100, "height": 900})
    assert caption.bounding_box()["y"] > figure.locator(".scroll, .player").first.bounding_box()["y"] + 20
    sizes = page.eval_on_selector_all("figcaption *", "all => all.map(e => parseFloat(getComputedStyle(e).fontSize))")
    assert (
        min(size for size in sizes) >= 9
        and page.evaluate("parseFloat(getComputedStyle(document.querySelector('.provenance')).fontSize)") >= 13
    )


def test_without_scripts_everything_is_there(chromium: Any, address: str) -> None:
    """The page, its contents, a still of each film with a switch to its GIF, and the system's theme."""
    context = chromium.new_context(
        java_script_enabled=False, color_scheme="dark", viewport={"width": 1280, "height": 900}
    )
    opened = context.new_page()
    opened.goto(f"{address}index.html")
    assert opened.locator(".theme").count() == 0
    assert opened.locator(".panel img.still").first.is_visible()
    assert not opened.locator(".panel img.moving").first.is_visible()
    opened.get_by_text("Play").click()
    assert opened.locator(".panel img.moving").first.is_visible()
    assert opened.locator(".kind-plot img:visible").get_attribute("src").endswith(".svg")
    opened.locator(".kind-plot").scroll_into_view_if_needed()
    opened.wait_for_function(LOADED)
    assert opened.locator(".beside a").count() >= 2
    assert opened.locator(".slides img:visible").count() == 3
    assert opened.locator(".distances img:visible").count() == 3
    context.close()


def test_from_a_file_films_have_their_switch(chromium: Any, site: Path) -> None:
    """Opened from the disk, where nothing can be fetched, the page says nothing on the console and films still play."""
    context = chromium.new_context()
    opened = context.new_page()
    said: list[str] = []
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto((site / "index.html").as_uri())
    opened.locator(".switch").click()
    assert opened.locator(".panel img.moving").first.is_visible()
    opened.locator(".kind-plot").scroll_into_view_if_needed()
    opened.wait_for_function(LOADED)
    assert said == []
    context.close()


def test_on_paper_folds_are_open(page: Any, address: str) -> None:
    """What is folded away on a screen is printed; data of plots is not, which has files of its own."""
    page.goto(f"{address}other.html")
    folded = page.get_by_text("Folded away.")
    until(folded).to_be_hidden()
    page.emulate_media(media="print")
    until(folded).to_be_visible()
    assert folded.bounding_box()["height"] > 10


def test_on_paper_there_is_no_navigation(page: Any) -> None:
    """Printed, the contents, the header and all controls are gone; captions stand below their figures."""
    page.emulate_media(media="print")
    for gone in ("header.site", ".contents.beside", ".controls", ".turn", "footer.site", ".data", ".panel .still"):
        assert not page.locator(gone).first.is_visible(), gone
    assert page.locator(".panel .strip").first.is_visible()
    figure, caption = page.locator("figure.text").first.bounding_box(), page.locator("figcaption").first.bounding_box()
    assert caption["x"] < figure["x"] + 10
