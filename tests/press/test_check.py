"""What a site must hold to: links, anchors, weights, and nothing from elsewhere."""

# ruff: noqa: E501  # messages stand in one piece

from __future__ import annotations

import pytest

from darkroom.core.errors import ContentError
from darkroom.press.build import compare
from tests.press.projects import Project
from tests.press.samples import Drawn, plot, png


def faults(project: Project) -> list[str]:
    """What is wrong, without the folder of the pages."""
    with pytest.raises(ContentError) as caught:
        project.build()
    return [str(fault).removeprefix("templates/pages/") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("[a](#nowhere)", "7:5 link: no anchor '#nowhere' on index.html"),
        ("[a](#abowe)", "7:5 link: no anchor '#abowe' on index.html; did you mean 'above'?"),
        ("[a](othr.md)", "7:5 link: othr.html leads nowhere; did you mean 'other.html'?"),
        ("[a](other.md#no)", "7:5 link: no anchor '#no' on other.html"),
        ("[a](/other.html)", "7:5 link: /other.html is not relative; write a relative address, since the site may be under any path"),
        ("![a](digit.png)", "7:6 link: no picture 'digit.png' in templates/static"),
        ("![a](https://x.org/digit.png)", "7:6 link: https://x.org/digit.png is loaded from another host; put it in templates/static"),
        ('<script src="https://x.org/a.js"></script>', "7:14 link: https://x.org/a.js is loaded from another host; put it in templates/static"),
    ],
)  # fmt: skip
def test_a_link_that_leads_nowhere_is_a_fault_where_it_is_written(project: Project, link: str, message: str) -> None:
    """Links, anchors, pictures and scripts are followed; what is not there is named, with the nearest that is."""
    project.page(f"## Above\n\n{link}")
    project.page("Other.", "other")
    assert any(fault.startswith(f"index.md:{message}") for fault in faults(project))


def test_links_that_lead_somewhere_are_none(project: Project) -> None:
    """Pages, anchors, static files, mail and other sites may all be linked to."""
    project.page("## A\n\n[a](#a) [b](deep/b.md#c) [d](https://x.org/) [e](mailto:a@b.c) [f](favicon.svg)")
    project.page("## C\n\n[a](../index.md#a) [b](../index.md)", "deep/b")
    project.build()
    assert 'href="deep/b.html#c"' in project.html()


def test_an_anchor_twice_is_a_fault(project: Project) -> None:
    """Two headings that are given the same name cannot both be linked to; those that are not get numbers."""
    project.page('## A {#a}\n\n<p id="a">B</p>')
    assert faults(project) == [
        "index.md:7:4 anchor: the anchor 'a' is used twice, on line 5 first; name one heading with {#...}, or change an id"
    ]


def test_a_heavy_picture_is_a_fault(project: Project) -> None:
    """A picture weighs 0.8 MB at most."""
    cell = {"file": "big.png", "alt": "Big", "width": 1000, "height": 801}
    layout = {"columns": [], "rows": [{"heading": "", "cells": [cell]}], "scale": 1}
    project.outputs.add("part_b/a", {"big": Drawn("tiles", layout, {"big.png": png(1000, 801)})})
    project.page('{{ figure("part_b/a/big") }}')
    expected = "experiments/outputs/part_b/a/figures/big/big.png:1:1 size: the picture has 0.80 MB; the limit is 0.8 MB"
    assert faults(project) == [expected]


def test_a_heavy_page_is_a_fault(project: Project) -> None:
    """A page weighs 1.5 MB at most before lazy pictures."""
    project.page("\n\n".join(["word " * 3_000] * 105))
    (fault,) = faults(project)
    assert fault.startswith("index.md:1:1 size: the page loads 1.6")


def test_pictures_weigh_on_a_page_unless_they_are_lazy(project: Project) -> None:
    """The pictures of the first figure load with the page and count; those of the second do not."""
    cells = [{"file": f"{n}.png", "alt": "Big", "width": 880, "height": 880} for n in range(2)]
    layout = {"columns": [], "rows": [{"heading": "", "cells": cells}], "scale": 1}
    big = Drawn("tiles", layout, {f"{n}.png": png(880, 880, n) for n in range(2)})
    project.outputs.add("part_b/a", {"big": big, "small": plot()})
    project.page('{{ figure("part_b/a/big") }}\n\n{{ figure("part_b/a/small") }}')
    (fault,) = faults(project)
    assert fault.startswith("index.md:1:1 size: the page loads 1.6")
    project.page('{{ figure("part_b/a/small") }}\n\n{{ figure("part_b/a/big") }}')
    project.build()


def test_a_figure_that_nobody_shows_is_a_warning(project: Project) -> None:
    """A figure that is drawn and not shown is named, and is no error even in strict mode."""
    project.outputs.add("part_b/a", {"loss": plot()})
    project.page("Nothing.")
    (warning,) = project.build(strict=True).warnings
    assert str(warning) == (
        "experiments/outputs/part_b/a/manifest.json:1:1 unshown: "
        "no page shows part_b/a/loss; show it with figure('part_b/a/loss'), or remove it"
    )


def test_outputs_that_no_experiment_declares_are_a_warning(project: Project) -> None:
    """Orphans are named."""
    project.outputs.add("part_b/gone", {"loss": plot()})
    project.outputs.statuses.clear()
    project.outputs.add("part_b/a")
    project.page("Nothing.")
    (warning,) = project.build().warnings
    assert str(warning) == (
        "experiments/outputs/part_b/gone/manifest.json:1:1 orphan: "
        "part_b/gone has outputs but is not declared; delete its outputs or restore the code"
    )


def test_outputs_of_a_part_that_no_experiment_declares_are_one_warning(project: Project) -> None:
    """Where the sources of a part were deleted; each part has its line."""
    for name in ("part_a/one", "part_a/two", "part_b/gone"):
        project.outputs.add(name, {"loss": plot()})
    project.outputs.statuses.clear()
    project.outputs.add("part_b/a")
    project.page("Nothing.")
    first, second = project.build().warnings
    assert str(first) == (
        "experiments/outputs/part_a:1:1 orphan: outputs of 2 experiments that are not declared; delete them or restore the "
        "code: part_a/one, part_a/two"
    )
    assert second.path == "experiments/outputs/part_b/gone/manifest.json"


def test_a_page_that_names_a_deleted_part_has_one_fault(project: Project) -> None:
    """Its figures, numbers, parameters and references are counted, also in formulas; a page that names one keeps its line."""
    project.outputs.add("part_b/a", {"loss": plot()})
    project.page('{{ figure("part_b/a/loss") }}\n\n' + "{{ metric('part_a/x/mse') }}", "one", order=2)
    project.page(
        '{{ figure("part_a/x/loss") }}\n\n$x = {{ metric("part_a/x/mse") }}$, {{ param("part_a/y", "seed") }} and '
        '{{ ref("part_a/x/loss") }}, {{ ref("part_a/z/loss") }}, {{ metric("part_b/b/mse") }}.'
    )
    counted = "no experiment is in part_a, which this page names in 4 places: part_a/x/loss, part_a/x/mse, part_a/y and 1 more"
    assert faults(project) == [
        f"index.md:5:4 reference: {counted}; restore experiments/part_a, or remove what names it",
        "index.md:7:132 reference: unknown experiment 'part_b/b' in 'part_b/b/mse'; did you mean 'part_b/a'?",
        "one.md:8:4 reference: unknown experiment 'part_a/x' in 'part_a/x/mse'; did you mean 'part_b/a'?",
    ]


def test_check_compares_the_site_and_changes_nothing(project: Project) -> None:
    """A file of the site that is altered or missing is a fault; a site that is right is none."""
    page = project.page("Text.")
    project.build()
    before = {path: path.stat().st_mtime_ns for path in project.site.rglob("*")}
    assert compare(project.request()).pages == 1
    (project.site / "index.html").write_text("Other.")
    (project.site / ".nojekyll").unlink()
    with pytest.raises(ContentError) as caught:
        compare(project.request())
    assert str(caught.value).splitlines() == [
        "site/.nojekyll:1:1 site: is missing; run python build.py",
        "site/index.html:1:1 site: is out of date; run python build.py",
    ]
    assert page.exists()
    assert all(path.stat().st_mtime_ns == time for path, time in before.items() if path.name.startswith("style"))
