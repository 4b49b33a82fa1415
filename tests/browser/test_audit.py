"""What instruments say of every page: axe, html-validate, the Nu validator, and a walk with the Tab key.

The tools are npm packages of the tests' own, pinned in ``tools/package-lock.json`` and installed on first use.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from darkroom.core.errors import UsageError
from darkroom.press.typeset.npm import install, node
from tests import report
from tests.browser.conftest import serve, stir
from tests.press.projects import ROOT

pytestmark = pytest.mark.browser

OWN = (
    "index",
    "part-a",
    "part-b",
    "pocket-if",
    "reproduce",
    "404",
    "docs/index",
    "docs/first-report",
    "docs/command-line",
)
OWN += ("docs/reference-diffusion", "docs/theme")
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
OF_COLOUR = ("color-contrast", "link-in-text-block")  # nothing else can be otherwise in the dark
AXE = "axe.run({{runOnly: {}, resultTypes: ['violations']}}).then((found) => found.violations)"


@pytest.fixture(scope="session")
def tools() -> Path:
    """The installed packages; where npm cannot be reached, what needs them is skipped."""
    try:
        return install(Path(__file__).parent / "tools")
    except UsageError as error:
        pytest.skip(f"the audit's tools are not installed and npm is out of reach: {error}")


@pytest.fixture(scope="session")
def own_site(tmp_path_factory: pytest.TempPathFactory, katex: Path) -> Path:
    """Our own site, built from a copy of its outputs."""
    report.need()
    root = tmp_path_factory.mktemp("own")
    shutil.copytree(ROOT / "experiments/outputs", root / "outputs", ignore=shutil.ignore_patterns(".*"))
    command = [sys.executable, "build.py", "--no-run", "--site", root / "site", "--outputs", root / "outputs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "site"


@pytest.fixture(scope="session")
def own(own_site: Path) -> Iterator[str]:
    """Where it is served."""
    yield from serve(own_site)


def opened(chromium: Any, address: str, **options: Any) -> Any:
    """A page in a context of its own, in the light; *options* are the context's."""
    size = {"width": 1280, "height": 900}
    page = chromium.new_context(color_scheme="light", **{"viewport": size} | options).new_page()
    page.goto(address)
    return page


def violations(page: Any, tools: Path, audits: Audits) -> list[str]:
    """What axe finds on a page, and that it is wider than its window, at any of the widths."""
    page.evaluate((tools / "axe-core/axe.min.js").read_text("utf-8"))
    broken = []
    for width, by_theme in audits:
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        broken += [f"{width}: the page is {wide} pixels wider than its window"] if wide > 0 else []
        for theme, rules in by_theme.items():
            page.emulate_media(color_scheme=theme)
            found = page.evaluate(
                AXE.format(json.dumps(rules))
            )  # all that is right, sent too, would take twice as long
            broken += [
                f"{width} {theme}: {each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]
            ]
    return broken


Audits = Sequence[tuple[int, Mapping[str, Sequence[str]]]]  # widths, and rules by theme
DESK: Audits = [(1280, {"light": RULES, "dark": OF_COLOUR})]  # colours are the same at every width


@pytest.fixture(scope="module", params=OWN)
def visited(request: pytest.FixtureRequest, chromium: Any, own: str) -> Iterator[tuple[Any, list[str]]]:
    """A page of this site that has been scrolled to its end and back and seen in the light and the dark; what it said."""
    page = opened(chromium, "about:blank")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("response", lambda answer: said.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{own}{request.param}.html")
    page.mouse.wheel(0, 100_000)
    page.wait_for_load_state("networkidle")
    page.emulate_media(color_scheme="dark")
    page.mouse.wheel(0, -100_000)
    page.wait_for_load_state("networkidle")
    yield page, said.copy()
    page.context.close()


def test_nothing_is_said_on_the_console(visited: tuple[Any, list[str]]) -> None:
    """No error, no warning, nothing that the policy refuses, and nothing that is not there, in the light and the dark."""
    _, said = visited
    assert said == []


def test_axe_finds_nothing(visited: tuple[Any, list[str]], tools: Path) -> None:
    """No page of this site breaks a rule of WCAG 2.2 AA or a best practice, nor one of colour in the dark; none scrolls
    sideways.
    """
    page, _ = visited
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    stir(page)
    assert violations(page, tools, [*DESK, (768, {}), (320, {"light": RULES})]) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_axe_finds_nothing_at_any_width(chromium: Any, tools: Path, own: str, name: str) -> None:
    """Every rule in the light and of colour in the dark, opened at each width anew."""
    for width in (320, 768, 1280):
        page = opened(chromium, f"{own}{name}.html", viewport={"width": width, "height": 900}, reduced_motion="reduce")
        stir(page)
        assert violations(page, tools, [(width, {"light": RULES, "dark": OF_COLOUR})]) == []
        page.context.close()


@pytest.mark.parametrize("name", ["index", "other", "sweeps", "seeds"])
def test_axe_finds_nothing_in_any_kind_of_figure(chromium: Any, tools: Path, address: str, name: str) -> None:
    """The same for a page with a figure of every kind, and one with callouts, tasks, code and formulas, one with
    sweeps, and one with seeds.
    """
    page = opened(chromium, f"{address}{name}.html", reduced_motion="reduce")
    stir(page)
    assert violations(page, tools, DESK) == []
    page.context.close()


def pages(*sites: Path) -> list[str]:
    return [str(path) for site in sites for path in sorted(site.rglob("*.html"))]


def test_html_validate_finds_nothing(tools: Path, own_site: Path, site: Path, tmp_path: Path) -> None:
    """Its recommended rules, on this site and on the one with a figure of every kind."""
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"extends": ["html-validate:recommended"], "root": True}))
    command = [node(), tools / "html-validate/bin/html-validate.mjs", "--config", settings, "-f", "json"]
    told = tmp_path / "told.json"
    with told.open("w") as output:  # into a pipe it writes no more than fits
        subprocess.run([*command, *pages(own_site, site)], stdout=output, check=False)
    files = json.loads(told.read_text())
    assert [(Path(file["filePath"]).name, fault["message"]) for file in files for fault in file["messages"]] == []


def test_the_nu_validator_finds_no_error(tools: Path, own_site: Path, site: Path) -> None:
    """HTML, SVG and MathML of every page."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("no Java to run the Nu validator with")
    jar = tools / "vnu-jar/build/dist/vnu.jar"
    unknown = "CSS: “animation-timeline”.*"  # its list of CSS is older than scroll-driven animations
    quick = ["-Xss16m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]  # it runs for seconds: to optimise takes longer
    command = [java, *quick, "-jar", str(jar), "--errors-only", "--filterpattern", unknown, *pages(own_site, site)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == "" and done.returncode == 0


FOCUS = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, summary, [tabindex='0']")];
  const shown = all.filter((e) => e.checkVisibility({ visibilityProperty: true }) && e.tabIndex >= 0 && !e.disabled);
  window.stops = shown.filter((e) => e.type !== "radio");
  return window.stops.length;
}"""
NOW = """() => {
  const e = document.activeElement, style = getComputedStyle(e);
  const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return [window.stops.indexOf(e), seen, e.outerHTML.slice(0, 120)];
}"""


@pytest.mark.parametrize("width", [360, 1280])
def test_the_tab_key_reaches_everything_in_order_and_shows_where_it_is(chromium: Any, address: str, width: int) -> None:
    """Every link and control once, from top to bottom, with an outline of two pixels at least."""
    context = chromium.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(f"{address}index.html")
    stir(page)
    count = page.evaluate(FOCUS)
    reached = []
    for _ in range(count):
        page.keyboard.press("Tab")
        place, seen, html = page.evaluate(NOW)
        assert seen, html
        reached.append(place)
    context.close()
    assert reached == list(range(count))
