"""What the site tells machines: a feed of its pages, how to cite it, and a picture for shared links."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from darkroom.core.containers import take
from darkroom.core.errors import ContentError
from darkroom.press.bibliography.reader import read_bibliography
from darkroom.press.content.settings import SiteSettings
from darkroom.press.content.works import bibtex
from darkroom.press.rendering.feeds import FeedEntry, feed
from darkroom.press.rendering.social_card import SIZE, compose
from tests import documentation
from tests.press.projects import Project
from tests.press.samples import animation, plot, tiles

ATOM = "{http://www.w3.org/2005/Atom}"
BASE = "https://someone.example/room/"


def configure(project: Project, **settings: str) -> None:
    """Add settings to the project's site.toml."""
    path = project.root / "templates/site.toml"
    lines = [f'{name} = "{value}"\n' for name, value in settings.items()]
    text = path.read_text()
    for name in settings:
        text = "".join(line for line in text.splitlines(True) if not line.startswith(f"{name} ="))
    path.write_text("".join(lines) + text)


def test_the_feed_has_the_latest_page_first() -> None:
    """Addresses in full, text escaped; where nobody is named as author, the site is."""
    entries = [
        FeedEntry("index.html", "Start & more", "S", "2026-01-01T00:00:00Z"),
        FeedEntry("part-b.html", "B", "<b>", "2026-02-01T00:00:00Z"),
    ]
    root = ElementTree.fromstring(feed(SiteSettings("T", "D", base_url=BASE), entries))
    assert root.findtext(f"{ATOM}updated") == "2026-02-01T00:00:00Z"
    found = root.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in found] == ["B", "Start & more"]
    assert [entry.findtext(f"{ATOM}id") for entry in found] == [f"{BASE}part-b.html", BASE]
    assert found[0].findtext(f"{ATOM}summary") == "<b>"
    assert root.findtext(f"{ATOM}author/{ATOM}name") == "T"


def test_the_feed_is_published_where_the_site_has_an_address(project: Project) -> None:
    """With the time of the latest run that a page shows; without an address there is none."""
    project.outputs.add("part_b/a", {"loss": plot()})
    project.page('{{ figure("part_b/a/loss") }}', order=1)
    project.page("Nothing that was run.", "about", order=2)
    project.build()
    assert not (project.site / "feed.xml").exists()
    configure(project, base_url=BASE)
    project.build()
    (entry,) = ElementTree.fromstring((project.site / "feed.xml").read_bytes()).findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}updated").startswith("20")
    assert 'type="application/atom+xml"' in project.html("index")


def test_a_site_says_how_to_cite_it(project: Project) -> None:
    """What is shown is BibTeX that our own reader takes, with what site.toml knows."""
    site = SiteSettings("On Noise", "D", ("Ada Byron", "Max Mut"), base_url=BASE, published="2026-11-21")
    (entry,) = read_bibliography(bibtex(site), "x").values()
    assert (entry.key, entry.title, entry.year) == ("byron2026noise", "On Noise", "2026")
    assert entry.authors == (("Ada", "Byron"), ("Max", "Mut"))
    project.page("{{ citation() }}")
    project.build()
    assert "@misc{" in project.html("index")


def test_the_card_is_composed_of_a_figure_s_pictures(project: Project) -> None:
    """A PNG of 1200 x 630 that pages name in full; it is composed again when the pictures change, and only then."""
    project.outputs.add("part_b/a", {"digits": tiles()})
    project.page('{{ figure("part_b/a/digits") }}')
    configure(project, base_url=BASE, picture="part_b/a/digits")
    project.build()
    (card,) = (project.site / "assets").glob("card.*.png")
    assert Image.open(card).size == SIZE
    html = project.html("index")
    assert f'<meta property="og:image" content="{BASE}assets/{card.name}">' in html and "summary_large_image" in html
    project.page('Edited.\n\n{{ figure("part_b/a/digits") }}')
    assert project.build().written == 1
    project.outputs.add("part_b/a", {"digits": tiles(shade=90)})
    project.build()
    assert card.name not in {path.name for path in (project.site / "assets").glob("card.*.png")}


@pytest.mark.parametrize("drawn", [plot(), None])
def test_without_pictures_there_is_no_card(project: Project, drawn: object) -> None:
    """A plot has none, and a figure that is not drawn yet neither."""
    project.outputs.add("part_b/a", {"loss": plot()})
    project.outputs.state("part_b/b", "missing", figures=("films",))
    project.page("Text.")
    configure(project, base_url=BASE, picture="part_b/a/loss" if drawn else "part_b/b/films")
    project.build()
    assert not list((project.site / "assets").glob("card.*"))
    assert "og:image" not in project.html("index")


def test_an_unknown_picture_is_a_fault(project: Project) -> None:
    """The nearest name is offered."""
    project.outputs.add("part_b/a", {"films": animation()})
    project.page("Text.")
    configure(project, picture="part_b/a/film")
    with pytest.raises(ContentError, match="unknown figure 'part_b/a/film'; did you mean 'part_b/a/films'"):
        project.build()


@pytest.mark.parametrize(
    ("size", "count", "filled"), [((28, 28), 2, (2 * 28 * 19 + 4, 28 * 19)), ((2000, 100), 1, (1104, 55))]
)
def test_pictures_are_as_large_as_fits(
    tmp_path: Path, size: tuple[int, int], count: int, filled: tuple[int, int]
) -> None:
    """Small ones are enlarged by a whole factor, large ones reduced; all stay within the margins, in the middle."""
    path = tmp_path / "a.png"
    Image.new("RGB", size, "#ffffff").save(path)
    card = Image.open(io.BytesIO(compose([[path] * count])))
    left, top, right, bottom = card.convert("L").point(lambda v: 255 * (v > 200)).getbbox()
    assert (right - left, bottom - top) == filled
    assert abs(left - (SIZE[0] - right)) <= 1 and abs(top - (SIZE[1] - bottom)) <= 1


def record_of(project: Project) -> dict[str, object]:
    """What the site tells programs, checked against the schema beside it."""
    record = json.loads((project.site / "record.json").read_text())
    schema = json.loads((project.site / record["$schema"]).read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(record)
    return record


def test_the_record_tells_of_every_experiment(project: Project) -> None:
    """Parameters, run, digests, metrics and figures; addresses of what is published, and of where figures stand."""
    folder = project.outputs.add(
        "part_b/a", {"loss": plot(), "grid": tiles()}, metrics={"mse": {"1": 0.5}}, results=b"0"
    )
    project.outputs.add("part_b/b", {"loss": plot()}, state="stale", reasons=("params: epochs",))
    project.outputs.state("part_b/c", "missing", figures=("loss",))
    project.page(
        '## One {#one}\n\n{{ figure("part_b/a/grid") }}\n\n{{ figure("part_b/a/loss") }}\n\n{{ experiments() }}'
    )
    project.build()
    record = record_of(project)
    assert record["pages"][0]["sections"] == [{"anchor": "one", "text": "One"}]
    a, b, c = record["experiments"]
    made = json.loads((folder / "manifest.json").read_text())
    assert (a["id"], a["state"], a["metrics"], a["parameters"]) == (
        "part_b/a",
        "fresh",
        {"mse": {"1": 0.5}},
        made["parameters"],
    )
    assert a["run"] == {"resumed": 0, **made["provenance"]} and a["key"] == made["key"]
    assert a["figures"]["loss"]["shown"] == [{"address": "index.html#fig-part_b-a-loss", "number": 2}]
    assert f'id="{a["figures"]["loss"]["shown"][0]["address"].partition("#")[2]}"' in project.html()
    for file in (*a["files"], *a["figures"]["grid"]["files"]):
        published = (project.site / file["address"]).read_bytes()
        found = take(published)
        assert (found.rest if found else published) == (folder / file["path"]).read_bytes()
    assert (b["state"], b["reasons"], b["figures"]["loss"].get("shown")) == ("stale", ["params: epochs"], None)
    assert (c["state"], c["run"], c["figures"]) == ("missing", None, {})


def test_the_record_follows_what_it_tells(project: Project) -> None:
    """A page that changes leaves it as it is; a state, or the place of a figure, does not."""
    project.outputs.add("part_b/a", {"loss": plot()})
    project.page('{{ figure("part_b/a/loss") }}')
    project.build()
    path = project.site / "record.json"
    first, written = path.read_bytes(), path.stat().st_ino
    project.page('{{ figure("part_b/a/loss") }}\n\nSome words more. {{ "" }}')
    project.build()
    assert path.stat().st_ino == written
    project.page('{{ figure("part_b/a/loss") }}', "other")
    project.build()
    assert path.read_bytes() != first and len(record_of(project)["experiments"][0]["figures"]["loss"]["shown"]) == 2
    project.outputs.add("part_b/a", {"loss": plot()}, state="stale", reasons=("code: f",))
    project.build()
    assert record_of(project)["experiments"][0]["state"] == "stale"


def test_the_script_of_the_docs_makes_a_table(project: Project) -> None:
    """A row for each site, from its record alone."""
    project.outputs.add("part_b/denoiser", {"loss": plot()}, metrics={"test_mse": {"5": 0.0081}})
    project.outputs.state("part_b/other", "missing")
    project.page('{{ figure("part_b/denoiser/loss") }}')
    wanted = '[[deliverable]]\nid = "{}"\ntitle = "T"\nsection = "index"\nwords = {}\n'
    (project.root / "templates/deliverables.toml").write_text(wanted.format("A", 0) + wanted.format("B", 9))
    project.build()
    text = (documentation.PAGES / "record.md").read_text().partition("<!-- script -->\n```python\n")[2]
    script = text.partition("```")[0]
    command = [sys.executable, "-c", script, str(project.site), str(project.site)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 3 and lines[1] == lines[2]
    assert lines[1].split("\t")[1:4] == ["2", "1", "1"] and lines[1].endswith("\t0.0081\tB")
