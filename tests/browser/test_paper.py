"""The pages as one PDF: everything is on paper, links lead to sheets, and what is lost is named."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from darkroom import cli
from darkroom.core.errors import ContentError, UsageError
from darkroom.press import paper
from darkroom.press.published import pages_of
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import Project
from tests.press.samples import Drawn, animation, plot, table, tiles

pypdf = pytest.importorskip("pypdf")


@pytest.fixture(scope="module")
def browser() -> str:
    """A browser that prints."""
    try:
        return paper.find_browser()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
def site_of_one(katex: Path, tmp_path: Path) -> Project:  # noqa: F811
    """A project without pages."""
    return Project.make(tmp_path / "project")


def printed(project: Project, target: Path, address: str = "") -> paper.Printed:
    return paper.print_site(
        project.site,
        pages_of(project.request(), (), "pdf"),
        target,
        paper="a4",
        title="Book",
        authors=["A", "B"],
        address=address,
    )


@pytest.fixture(scope="module")
def book(browser: str, katex: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, paper.Printed, Any]:  # noqa: F811
    """Three pages of which two have a section of the same name, and refer to each other; with their PDF."""
    made = Project.make(tmp_path_factory.mktemp("paper"))
    made.outputs.add("a/b", {"grid": tiles(3, 2), "loss": plot()})
    made.outputs.add("a/c", {"film": animation(2)})
    filler = "\n\n".join(["Words to fill a sheet of paper with, and then some more."] * 60)
    made.page(
        f"## First {{#one}}\n\n[B](b.md#one), [self](#two), [out](https://example.org/x), [none](c.md)\n\n{filler}\n\n"
        '## Second {#two}\n\n{{ figure("a/b/grid") }}\n\n[up](#one)',
        "index",
        order=1,
        numbered=True,
    )
    made.page(
        f'{{{{ figure("a/b/loss") }}}}\n\n{filler}\n\n## Other first {{#one}}\n\n[own](#one)\n\n{{{{ figure("a/c/film") }}}}',
        "b",
        order=2,
        title="The other page",
    )
    made.page("Not in the navigation.", "c")
    made.build()
    target = made.root / "book.pdf"
    found = printed(made, target, "https://example.org/site/")
    return made, found, pypdf.PdfReader(target)


def test_every_page_of_the_navigation_is_printed_in_order(book: tuple[Project, paper.Printed, Any]) -> None:
    """With the texts and the number of every figure, on A4, under the title and authors of the site."""
    _, made, pdf = book
    assert len(pdf.pages) == made.sheets > 3
    text = "\n".join(sheet.extract_text() for sheet in pdf.pages)
    assert re.findall(r"Figure\s+(\d)", text)[:3] == ["1", "1", "2"]
    assert "The other page" in text and "Not in the navigation" not in text
    assert [round(float(side)) for side in pdf.pages[0].mediabox[2:]] == [595, 842]
    assert (pdf.metadata["/Title"], pdf.metadata["/Author"]) == ("Book", "A, B")


def test_pictures_that_pages_load_late_are_on_paper(book: tuple[Project, paper.Printed, Any]) -> None:
    """A grid far below the first screen: its six pictures are in the file."""
    _, made, pdf = book
    first = range(made.starts["index.html"] - 1, made.starts["b.html"] - 1)
    assert len({image.data for sheet in first for image in pdf.pages[sheet].images}) == 6


def _links(pdf: Any, sheets: range) -> list[Any]:
    """Where links lead: the sheet, from 1, or the address."""
    found = []
    for number in sheets:
        for each in pdf.pages[number].get("/Annots", ()):
            link = each.get_object()
            if "/Dest" in link:
                found.append(pdf.get_page_number(link["/Dest"][0].get_object()) + 1)
            else:
                found.append(link["/A"]["/URI"])
    return found


def test_links_lead_to_sheets(book: tuple[Project, paper.Printed, Any]) -> None:
    """To sections of the same name on their own page, to other pages, and to the site for what is not printed."""
    _, made, pdf = book
    second = made.starts["b.html"]
    first_links = _links(pdf, range(second - 1))
    assert made.starts["index.html#two"] in first_links and made.starts["index.html#one"] in first_links
    assert made.starts["b.html#one"] in first_links and made.starts["b.html#one"] > second
    assert "https://example.org/x" in first_links and "https://example.org/site/c.html" in first_links
    assert made.starts["b.html#one"] in _links(pdf, range(second - 1, made.sheets))
    everything = _links(pdf, range(made.sheets))
    assert not [each for each in everything if isinstance(each, str) and each.startswith("file:")]


def test_it_has_an_outline(book: tuple[Project, paper.Printed, Any]) -> None:
    """Pages, and below each its sections with their numbers."""
    _, made, pdf = book
    shown: list[Any] = []

    def walk(items: list[Any], level: int) -> None:
        for item in items:
            if isinstance(item, list):
                walk(item, level + 1)
            else:
                shown.append((level, item.title, pdf.get_destination_page_number(item) + 1))

    walk(pdf.outline, 0)
    starts: Mapping[str, int] = made.starts
    assert shown == [
        (0, "A page", 1),
        (1, "1 First", starts["index.html#one"]),
        (1, "2 Second", starts["index.html#two"]),
        (0, "The other page", starts["b.html"]),
        (1, "Other first", starts["b.html#one"]),
    ]


def test_what_is_not_on_paper_is_named(browser: str, site_of_one: Project, tmp_path: Path) -> None:
    """A picture that does not load and a figure that a style hides; the old file stays."""
    site_of_one.outputs.add("a/b", {"grid": tiles(2, 1), "loss": plot()})
    site_of_one.page('{{ figure("a/b/grid") }}\n\n{{ figure("a/b/loss") }}', order=1)
    style = "@media print { #fig-a-b-loss { display: none } }\n"
    (site_of_one.root / "templates/static/site.css").write_text(style)
    site_of_one.build()
    lost = next(path for path in site_of_one.site.rglob("*.png") if "r0c1" in path.name)
    lost.write_bytes(b"no picture")
    target = tmp_path / "report.pdf"
    target.write_bytes(b"old")
    with pytest.raises(ContentError) as error:
        printed(site_of_one, target)
    messages = [fault.message for fault in error.value.faults]
    assert len(messages) == 2 and target.read_bytes() == b"old"
    assert re.search(r"the picture \S*r0c1\S* is not on paper: the browser could not load it", messages[1])
    assert messages[0] == "Figure 2, a/b/loss, is not on paper"


def test_a_long_table_is_folded_on_paper(browser: str, site_of_one: Project, tmp_path: Path) -> None:
    """Its first forty rows, and how many more there are."""
    rows = [[f"run {number}", str(number)] for number in range(100)]
    layout = {"columns": ["run", "value"], "rows": rows, "heading_column": True}
    site_of_one.outputs.add("a/b", {"all": Drawn("table", layout, {}), "few": table()})
    site_of_one.page('{{ figure("a/b/all") }}\n\n{{ figure("a/b/few") }}', order=1)
    site_of_one.build()
    printed(site_of_one, tmp_path / "report.pdf")
    text = "\n".join(sheet.extract_text() for sheet in pypdf.PdfReader(tmp_path / "report.pdf").pages)
    assert "run 39" in text and "run 40" not in text
    assert re.findall(r"(\d+) more rows are on the site", text) == ["60"]


# Without a browser ----------------------------------------------------------------------------------------------------


def test_only_tags_are_changed_for_paper() -> None:
    """Not what a text says of them."""
    html = (
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">\n<pre>loading="lazy"</pre>\n'
        '<img src="a.png" alt="&lt;img loading=&quot;lazy&quot;&gt;" loading="lazy">'
        '<IMG loading=lazy src=b.png>é<img src="c.png">'
    )
    found = paper.for_paper(html, "letter")
    assert "Content-Security-Policy" not in found and "@page { size: letter;" in found
    assert '<pre>loading="lazy"</pre>' in found and "é" in found
    assert found.endswith(
        '<img src="a.png" alt="&lt;img loading=&quot;lazy&quot;&gt;"><IMG src=b.png>é<img src="c.png">'
    )


def test_a_missing_or_broken_browser_is_one_line(
    site_of_one: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each says what to do."""
    site_of_one.page("Text.", order=1)
    site_of_one.build()
    broken = tmp_path / "browser"
    for script, message in (
        ("echo first >&2; echo 'no display' >&2; exit 3", r"could not print index.html \(exit code 3\): no display"),
        ("exit 0", r"could not print index.html \(exit code 0\)"),
    ):
        broken.write_text(f"#!/bin/sh\n{script}\n")
        broken.chmod(0o755)
        monkeypatch.setenv(paper.VARIABLE, str(broken))
        with pytest.raises(UsageError, match=message):
            printed(site_of_one, tmp_path / "a.pdf")
    monkeypatch.setenv(paper.VARIABLE, str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match="nothing', which is not a program"):
        paper.find_browser()
    monkeypatch.delenv(paper.VARIABLE)
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.setattr(paper, "_ELSEWHERE", ())
    with pytest.raises(UsageError, match="no browser was found to print with; install Chromium or Chrome"):
        paper.find_browser()
    assert not (tmp_path / "a.pdf").exists()


def test_the_command_takes_names_of_pages(
    site_of_one: Project,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An unknown one is named with the nearest; a site without navigation has nothing to print."""
    site_of_one.page("Text.", order=1)
    assert cli.main(["pdf", "indx"], site_of_one.root) == 2
    assert "pdf: no page 'indx'; did you mean 'index'?" in capsys.readouterr().err
    site_of_one.page("Text.")
    assert cli.main(["pdf"], site_of_one.root) == 2
    assert "no page is in the navigation" in capsys.readouterr().err
