"""Budgets of size in ``site.toml``: a warning of a build, a fault of ``check`` and ``--strict``."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from darkroom.core.errors import ContentError, Fault
from darkroom.core.manifest import NAME, encode, load
from darkroom.press.build import compare, current
from tests.press.projects import Project
from tests.press.samples import png, tiles

KB = b"x" * 1000


@pytest.fixture
def heavy(project: Project) -> Project:
    """A project with an experiment of 100 kB, three variants of it of 10, 20 and 30 kB, and a page with its figure."""
    figures = {"grid": tiles()}
    project.outputs.add("part_b/a", figures, results=KB * 100)
    for number in (1, 2, 3):
        project.outputs.add(f"part_b/a@s{number}", results=KB * 10 * number, settings={"seed": number})
    for number in range(5):
        project.outputs.add(f"part_a/other{number}", results=KB * number)
    project.page('{{ figure("part_b/a/grid") }}')
    return project


def allow(project: Project, **budgets: float) -> None:
    path = project.root / "templates/site.toml"
    lines = [line for line in path.read_text().splitlines() if "_mb" not in line and "sweep" not in line]
    path.write_text("\n".join([*(f"{name} = {value}" for name, value in budgets.items()), *lines]) + "\n")


def budget(project: Project) -> list[Fault]:
    """The warnings of a build that are about budgets."""
    return [each for each in project.build().warnings if each.rule == "budget"]


@pytest.mark.parametrize(
    ("name", "under", "over", "said"),
    [
        (
            "outputs_mb",
            0.18,
            0.16,
            "outputs weigh 0.18 MB, more than 0.16; the heaviest: part_b/a 0.11, part_b/a@s3 0.03, ",
        ),
        ("sweep_mb", 0.06, 0.059, "weigh more than 0.059 MB together: part_b/a 0.06 MB; return less from each"),
        ("sweep_points", 3, 2, "more than 2 variants of one experiment: part_b/a has 3; remove what"),
        ("page_mb", 1.5, 0.01, "1 page weighs more than 0.01 MB with all figures: index.html "),
    ],
)
def test_a_budget_is_one_line(heavy: Project, name: str, under: float, over: float, said: str) -> None:
    """At the line of its key, with the heaviest and what to do; nothing is said of one that is kept."""
    allow(heavy, **{name: under})
    assert budget(heavy) == []
    allow(heavy, sweep_points=99, **{name: over}) if name != "sweep_points" else allow(heavy, **{name: over})
    [found] = budget(heavy)
    line = 1 if name == "sweep_points" else 2
    assert (found.path, found.line, found.column) == ("templates/site.toml", line, 1)
    assert (
        found.message.startswith(f"{name}: ") and said in found.message and found.message.endswith("or raise the limit")
    )
    again = current(heavy.request())
    assert again is not None and found in again.warnings


def test_at_most_five_are_named(heavy: Project) -> None:
    """Of outputs the heaviest, in order."""
    allow(heavy, outputs_mb=0.01)
    [found] = budget(heavy)
    named = found.message.partition("the heaviest: ")[2].partition(";")[0]
    assert [each.split()[0] for each in named.split(", ")] == [
        "part_b/a", "part_b/a@s3", "part_b/a@s2", "part_b/a@s1", "part_a/other4",
    ]  # fmt: skip


def test_over_budget_is_refused_by_check_and_strict(heavy: Project) -> None:
    """All budgets at once; an ordinary build has published the site."""
    allow(heavy, outputs_mb=0.01, page_mb=0.001, sweep_mb=0.01, sweep_points=1)
    assert len(budget(heavy)) == 4 and heavy.html()
    for refused in (lambda: heavy.build(strict=True), lambda: compare(heavy.request())):
        with pytest.raises(ContentError) as caught:
            refused()
        assert len([each for each in caught.value.faults if each.rule == "budget"]) == 4


def test_temporary_results_weigh_nothing(heavy: Project) -> None:
    """Git does not keep them."""
    folder = heavy.outputs.folder / "part_b/a"
    manifest = load(folder)
    assert manifest
    (folder / NAME).write_bytes(encode(replace(manifest, temporary=["results"])))
    allow(heavy, outputs_mb=0.09)
    assert budget(heavy) == []


def test_a_page_weighs_all_that_it_loads(heavy: Project) -> None:
    """Pictures of figures and of its own, films that play on demand, style sheets; not what it only links."""
    static = heavy.root / "templates/static"
    (static / "film.webm").write_bytes(b"\x1a\x45\xdf\xa3" + KB * 300)
    (static / "big.zip").write_bytes(KB * 500)
    (static / "seen.png").write_bytes(png())
    heavy.page(
        '{{ figure("part_b/a/grid") }}\n\n<video src="film.webm" controls></video>\n\n[all](big.zip)\n\n![A](seen.png)'
    )
    allow(heavy, page_mb=0.5)
    assert budget(heavy) == []
    allow(heavy, page_mb=0.3)
    [found] = budget(heavy)
    parts = found.message.partition("the heaviest files of index.html: ")[2]
    assert parts.startswith("assets/film.") and "0.3" in parts and "site." not in parts.partition(";")[0].split(", ")[0]


@pytest.mark.parametrize(
    "given", ["outputs_mb = 0", "page_mb = -1", "sweep_mb = nan", "sweep_points = 0", "page_mb = inf"]
)
def test_a_budget_is_more_than_nothing(project: Project, given: str) -> None:
    project.page("Text.")
    path = project.root / "templates/site.toml"
    path.write_text(f"{given}\n{path.read_text()}")
    with pytest.raises(ContentError, match=rf"site.toml:1:1 site: '{given.partition(' ')[0]}' should be a number"):
        project.build()
