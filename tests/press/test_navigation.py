"""The navigation: pages at the top, and parts of the site that have a folder of their own with an index."""

from __future__ import annotations

import re

import pytest

from darkroom.core.errors import ContentError, UsageError
from darkroom.press.published import pages_of
from tests.press.conftest import katex, project  # noqa: F401  # fixtures
from tests.press.projects import Project

pytestmark = pytest.mark.usefixtures("katex")


@pytest.fixture
def manual(project: Project) -> Project:  # noqa: F811
    """A report of two pages with a part of three, an inner part, and a folder that has no index."""
    project.page("Text.", order=1, nav="Start")
    project.page("Text.", "results", order=3, nav="Results")
    project.page('{{ pages("docs/*", by="order") }}', "docs/index", order=2, nav="Docs", toc=False)
    project.page("Text.\n\n## One\n\nText.", "docs/usage", order=2, nav="Usage", description="How to use it.")
    project.page("Text.", "docs/install", order=1, nav="Install", description="What it needs.")
    project.page("Text.", "docs/unlisted", nav="Unlisted")
    project.page("Text.", "docs/api/index", order=3, nav="API")
    project.page("Text.", "docs/api/calls", order=1, nav="Calls")
    project.page("Text.", "loose/page", order=4, nav="Loose")
    project.build()
    return project


def _navigation(html: str) -> list[str]:
    row = re.search(r'<nav aria-label="Pages">(.*?)</nav>', html, re.DOTALL)
    assert row
    return [name + (f" ({here})" if here else "") for here, name in _LINK.findall(row[1])]


def _part(html: str) -> list[str]:
    """What stands beside the page, under the name of the part, which is what phones unfold."""
    wide = re.search(r'aria-label="Contents">\s*<h2>(<a.*?</ol>)', html, re.DOTALL)
    narrow = re.search(r'<summary>[^<]*</summary>\s*<ol class="part">(.*?)</ol>', html, re.DOTALL)
    links = [_LINK.findall(found[1]) if found else [] for found in (wide, narrow)]
    assert links[0] == links[1]
    return [name + (f" ({here})" if here else "") for here, name in links[0]]


def _turn(html: str) -> list[str]:
    return re.findall(r'<a class="(?:previous|next)" rel="(?:prev|next)" href="([^"]+)">', html)


_LINK = re.compile(r'<a href="[^"]*"(?: aria-current="(\w+)")?>([^<]*)</a>')


def test_the_navigation_has_the_index_of_a_part_and_not_its_pages(manual: Project) -> None:
    """A page of a part marks it there; a folder without an index is no part."""
    assert _navigation(manual.html()) == ["Start (page)", "Docs", "Results", "Loose"]
    assert _navigation(manual.html("docs/index")) == ["Start", "Docs (page)", "Results", "Loose"]
    assert _navigation(manual.html("docs/usage")) == ["Start", "Docs (true)", "Results", "Loose"]
    assert _navigation(manual.html("docs/api/calls")) == ["Start", "Docs (true)", "Results", "Loose"]


def test_pages_of_a_part_list_each_other(manual: Project) -> None:
    """The index first, then those with an order; an inner part is one page of the outer one."""
    assert _part(manual.html("docs/usage")) == ["Docs", "Install", "Usage (page)", "API"]
    assert _part(manual.html("docs/unlisted")) == ["Docs", "Install", "Usage", "API"]
    assert _part(manual.html("docs/api/calls")) == ["API", "Calls (page)"]
    assert _part(manual.html("docs/api/index")) == ["API (page)", "Calls"]
    assert _part(manual.html()) == [] and _part(manual.html("loose/page")) == []


def test_the_previous_and_the_next_page_are_of_the_same_part(manual: Project) -> None:
    """The index leads into its part, and from the last page nothing leads on."""
    assert _turn(manual.html()) == ["docs/index.html"]
    assert _turn(manual.html("docs/index")) == ["../docs/install.html"]
    assert _turn(manual.html("docs/usage")) == ["../docs/install.html", "../docs/api/index.html"]
    assert _turn(manual.html("docs/unlisted")) == []
    assert _turn(manual.html("results")) == ["docs/index.html", "loose/page.html"]


def test_an_index_lists_its_part_with_a_sentence_each(manual: Project) -> None:
    """In order, without itself; a page that changes its description, or its place, is followed."""
    listed = r'<li><a href="([^"]+)">[^<]*</a><br>(.*?)</li>'
    usual = "A page of a test."
    wanted = [("install", "What it needs."), ("usage", "How to use it."), ("api/index", usual), ("api/calls", usual)]
    assert re.findall(listed, manual.html("docs/index")) == [(f"../docs/{name}.html", says) for name, says in wanted]
    manual.page("Text.", "docs/usage", order=0, nav="Usage", description="Otherwise.")
    manual.build()
    assert re.findall(listed, manual.html("docs/index"))[0] == ("../docs/usage.html", "Otherwise.")
    assert _part(manual.html("docs/install")) == ["Docs", "Usage", "Install (page)", "API"]


def test_a_list_by_order_needs_pages_that_have_one(manual: Project) -> None:
    """Each of its patterns; and what it may be sorted by is named."""
    manual.page('{{ pages("docs/*", "loos/*", by="order") }}\n\n{{ pages(by="name") }}\n\n{{ pages("docs/*") }}')
    with pytest.raises(ContentError) as error:
        manual.build()
    assert [str(each).partition("reference: ")[2] for each in error.value.faults] == [
        "no page with an order matches 'loos/*'; give one order = 1 in its front matter",
        "pages(...) lists pages by 'date' or by 'order', not by 'name'",
        "no page with a date matches 'docs/*'; give one date = \"2026-11-30\" in its front matter",
    ]


def test_other_formats_leave_parts_out_unless_they_are_named(manual: Project) -> None:
    """A part stands beside the report; a pattern names all of its pages, in order."""
    names = [page.url for page in pages_of(manual.request(), (), "pdf")]
    assert names == ["index.html", "results.html", "loose/page.html"]
    names = [page.url for page in pages_of(manual.request(), ("results", "docs/*"), "pdf")]
    assert names == [
        "results.html", "docs/index.html", "docs/install.html", "docs/usage.html", "docs/api/index.html",
        "docs/api/calls.html",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"pdf: no page 'dcs/\*'"):
        pages_of(manual.request(), ("dcs/*",), "pdf")
    manual.page("Text.")
    for name in ("results", "loose/page"):
        manual.page("Text.", name)
    manual.build()
    assert pages_of(manual.request(), (), "pdf")[0].url == "docs/index.html"


def test_a_part_that_gets_a_page_leaves_other_pages_as_they_were(manual: Project) -> None:
    """Only the pages of that part are written anew."""
    before = {path: path.stat().st_mtime_ns for path in manual.site.rglob("*.html")}
    manual.page("Text.", "docs/last", order=9, nav="Last")
    manual.build()
    changed = {path.relative_to(manual.site).as_posix() for path in before if path.stat().st_mtime_ns != before[path]}
    assert changed == {"docs/index.html", "docs/install.html", "docs/usage.html", "docs/unlisted.html"}
