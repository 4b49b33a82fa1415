"""Sweeps and runs on pages: one figure over parameters, and the runs of an experiment as a table and a plot."""

from __future__ import annotations

import re

import pytest

from darkroom.core.errors import ContentError
from darkroom.press.content.run_tables import round_values
from tests.press.projects import Project
from tests.press.samples import plot

GAMMAS = (0.0, 1.0, 2.5, 5.0, 10.0)


@pytest.fixture
def swept(project: Project) -> Project:
    """``part_a/draw`` at five values of gamma, of which 2.5 is declared, and at two of them with another seed."""
    for gamma in GAMMAS:
        _add(project, gamma, 1)
    for gamma in (0.0, 2.5):
        _add(project, gamma, 2)
    return project


def _add(project: Project, gamma: float, seed: int) -> None:
    settings = {name: value for name, value, own in (("gamma", gamma, 2.5), ("seed", seed, 1)) if value != own}
    name = "-".join(f"{key}={value}" for key, value in settings.items())
    project.outputs.add(
        f"part_a/draw@{name}" if settings else "part_a/draw",
        {"it": plot()},
        metrics={"psnr": 20.0 - gamma, "agreement": {"Euler": 0.9, "Heun": 0.95}},
        parameters={"gamma": 2.5, "seed": 1, "steps": 30},
        **({"settings": settings} if settings else {}),
    )


def test_a_figure_is_shown_over_one_parameter(swept: Project) -> None:
    """The runs that differ in it alone, in ascending order, the declared one first to be seen."""
    swept.page('{{ sweep("part_a/draw/it", over="gamma") }}')
    swept.build()
    html = swept.html()
    assert re.findall(r'<p class="heading">([^<]*)</p>\n<figure', html) == [
        "gamma = 0", "gamma = 1", "gamma = 2.5", "gamma = 5", "gamma = 10",
    ]  # fmt: skip
    assert re.findall(r'<div class="point( on)?">', html) == ["", "", " on", "", ""]
    assert 'data-sweep="0 1 2 3 4"' in html
    assert '<input type="range" min="0" max="4" step="1" value="2" aria-valuetext="2.5"' in html
    assert len(re.findall(r'<figure [^>]*id="fig-part_a-draw-it[^"]*"', html)) == 5
    captions = re.findall(r'<span class="setting">([^<]*)</span>', html)
    assert captions == ["gamma = 0:", "gamma = 1:", "gamma = 2.5:", "gamma = 5:", "gamma = 10:"]
    assert len(set(re.findall(r'id="([^"]+)"', html))) == len(re.findall(r'id="([^"]+)"', html))


def test_a_figure_is_shown_over_two_parameters(swept: Project) -> None:
    """A slider for more than three numbers, buttons for fewer values; what was not run has no point."""
    swept.page('{{ sweep("part_a/draw/it", over="gamma, seed") }}')
    swept.build()
    html = swept.html()
    assert 'data-sweep="0,0 0,1 1,0 2,0 2,1 3,0 4,0"' in html
    assert html.count('type="range"') == 1
    assert re.findall(r'<input type="radio"[^>]*value="(\d)"( checked)?>', html) == [("0", " checked"), ("1", "")]
    assert "No run has these values." in html


def test_the_parameters_of_a_sweep_need_not_be_named(project: Project) -> None:
    """Where the runs differ in one or two."""
    for gamma in GAMMAS[:3]:
        _add(project, gamma, 1)
    project.page('{{ sweep("part_a/draw/it") }}')
    project.build()
    assert re.findall(r'<p class="heading">(.*?)</p>', project.html()) == ["gamma = 0", "gamma = 1", "gamma = 2.5"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('sweep("part_a/draw/it", over="gama")', "no parameter 'gama'; did you mean 'gamma'"),
        ('sweep("part_a/draw/it", over="gamma, seed, steps")', "over one or two parameters, not 3; leave out steps"),
        ('sweep("part_a/draw/at", over="gamma")', "unknown figure 'part_a/draw/at'"),
        ('sweep("part_a/draw/it", over="steps")', "has been drawn with only one value of steps"),
        ('sweep("part_a/draw/it", by="gamma")', "has no option 'by'"),
        ('runs("part_a/drew")', "unknown experiment 'part_a/drew'"),
        ('runs("part_a/draw", metrics="loss")', "no run has a metric 'loss'"),
        ('runs("part_a/draw", x="gamma")', 'write both, x="gamma", y="psnr"'),
        ('runs("part_a/draw", x="gamma", y="steps")', "the runs do not differ in 'steps'"),
    ],
)
def test_a_wrong_call_is_named(swept: Project, call: str, message: str) -> None:
    """At its place, with what would be right."""
    swept.page(f"{{{{ {call} }}}}")
    with pytest.raises(ContentError, match=re.escape(message)):
        swept.build(strict=True)


def test_a_page_is_written_anew_when_a_point_changes(swept: Project) -> None:
    """Also one that is new."""
    swept.page('{{ sweep("part_a/draw/it", over="gamma") }}\n\n{{ runs("part_a/draw") }}')
    swept.build()
    _add(swept, 7.5, 1)
    assert swept.build().written
    assert "gamma = 7.5" in swept.html()
    assert swept.html().count("<tr data-run=") == 8


def test_a_damaged_point_is_left_out(swept: Project) -> None:
    """And reported."""
    swept.page('{{ sweep("part_a/draw/it", over="gamma") }}')
    next((swept.outputs.folder / "part_a/draw@gamma=5.0/figures").rglob("*.svg")).write_text("<svg/>")
    assert any("part_a/draw@gamma=5.0/it" in each.message for each in swept.build().warnings if each.rule == "damaged")
    assert "gamma = 5<" not in swept.html()


def test_runs_are_listed_with_what_differs(swept: Project) -> None:
    """Parameters, single numbers, or the metrics that are named, by label where they have labels."""
    swept.page('{{ runs("part_a/draw") }}')
    swept.build()
    assert re.findall(r'<th scope="col">(.*?)</th>', swept.html()) == ["Run", "gamma", "seed", "psnr", "Took"]
    assert re.findall(r'<th scope="row">([^<]+)</th><td data-value="([\d.]+)"', swept.html())[:4] == [
        ("gamma=0.0", "0.0"), ("gamma=0.0-seed=2", "0.0"), ("gamma=1.0", "1.0"), ("as declared", "2.5"),
    ]  # fmt: skip
    assert swept.html().count('<g class="run') == 7
    assert swept.html().count('<g class="run declared"') == 1
    swept.page('{{ runs("part_a/draw", metrics="agreement") }}')
    swept.build()
    heads = re.findall(r'<th scope="col">(.*?)</th>', swept.html())
    assert heads == ["Run", "gamma", "seed", "agreement: Euler", "agreement: Heun", "Took"]


def test_a_column_is_plotted_over_another(swept: Project) -> None:
    """A point for each run, higher values higher up and further right."""
    swept.page('{{ runs("part_a/draw", x="gamma", y="psnr") }}')
    swept.build()
    points = re.findall(
        r'<circle class="run[^"]*" data-run="\d+" cx="([\d.]+)" cy="([\d.]+)" r="5"><title>([^<]*)', swept.html()
    )
    assert len(points) == 7
    across = {title: float(x) for x, _, title in points}
    down = {title: float(y) for _, y, title in points}
    names = [f"gamma = {gamma:g}, seed = 1: psnr = {20 - gamma:g}" for gamma in GAMMAS]
    assert sorted(names, key=across.__getitem__) == names
    assert sorted(names, key=down.__getitem__) == names  # psnr falls, so it stands lower


@pytest.mark.parametrize(
    ("least", "most", "values"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]), (-0.4, 10.4, [0, 2, 4, 6, 8, 10]), (1e-9, 4e-9, [1e-9, 2e-9, 3e-9, 4e-9]), (5, 5, [5]),
        (0.981, 0.993, [0.982, 0.984, 0.986, 0.988, 0.99, 0.992]),
    ],
)  # fmt: skip
def test_ticks_stand_at_round_values(least: float, most: float, values: list[float]) -> None:
    """At most six, within the range."""
    assert round_values(least, most) == pytest.approx(values)


def _runs(project: Project, values: list[object], **metrics: object) -> None:
    for number, value in enumerate(values):
        project.outputs.add(
            f"part_a/draw@v{number}" if number else "part_a/draw",
            {"it": plot()},
            metrics={"psnr": 20.0, **{name: found[number] for name, found in metrics.items()}},
            parameters={"at": value, "seed": 1},
            **({"settings": {"at": value}} if number else {}),
        )


HOSTILE = "\"'><script>alert(1)</script>{{ 1 }}&amp;"


def test_values_that_differ_look_different(project: Project) -> None:
    """More digits, quotes or numbers where the usual text is the same; long ones are cut; nothing is markup."""
    values = [0.12341, 0.12342, -1e-4, 1, "1", True, "yes", None, "none", "x" * 300 + "a", "x" * 300 + "b", HOSTILE]
    _runs(project, values)
    project.page('{{ sweep("part_a/draw/it", over="at") }}\n\n{{ runs("part_a/draw") }}')
    project.build()
    html = project.html()
    labels = re.findall(r'<input type="radio"[^>]*> ([^<]*)</label>', html)
    assert len(labels) == len(set(labels)) == len(values)
    assert {"−10⁻⁴", "0.12341", "0.12342", "1", "&#34;1&#34;", "true", "&#34;yes&#34;", "null", "&#34;none&#34;"} <= {
        *labels
    }
    assert all(len(label) < 200 for label in labels)
    titles = re.findall(r'<g class="run[^"]*" data-run="\d+"><title>([^<]*)', html)
    assert len(set(titles)) == len(values)
    assert "<script>alert" not in html
    assert len(re.findall(r"<polyline", html)) == len(values)


def test_runs_with_the_same_values_stand_once_in_a_sweep(project: Project) -> None:
    """Such as 5 and 5.0, or two variants that differ in nothing."""
    _runs(project, [5, 5.0, 6, 6])
    project.page('{{ sweep("part_a/draw/it", over="at") }}')
    project.build()
    assert 'data-sweep="0 1"' in project.html()


def test_extreme_numbers_are_listed_and_have_places(project: Project) -> None:
    """Numbers that a plot has no scale for are words in it; close ones have as many digits as they need."""
    _runs(
        project,
        [0.9, -1e-320, 1e-320],
        huge=[10**400, 1.7e308, -1.7e308],
        close=[1000.01, 1000.02, 1000.03],
        large=[123456.7, 2e6, -1.0],
    )
    project.page('{{ runs("part_a/draw") }}')
    project.build()
    svg = project.html().partition('<svg class="runs-plot"')[2].partition("</svg>")[0]
    assert "nan" not in svg
    assert "inf" not in svg
    assert {"1000.01", "1000.03", "−1", "2 × 10⁶"} <= set(re.findall(r'text-anchor="middle">([^<]*)</text>', svg))
    project.page('{{ runs("part_a/draw", x="at", y="close") }}')
    project.build()
    svg = project.html().partition('<svg class="runs-plot"')[2].partition("</svg>")[0]
    ticks = re.findall(r'text-anchor="end">([^<]*)</text>', svg)[:-1]
    assert len(set(ticks)) == len(ticks) > 2


def test_a_sweep_over_what_differs_follows_runs_that_have_not_drawn_it(project: Project) -> None:
    """They say over what it goes."""
    _runs(project, [1, 2])
    project.page('{{ sweep("part_a/draw/it") }}')
    project.build()
    project.outputs.add("part_a/draw@more", {}, parameters={"at": 1, "seed": 2}, settings={"seed": 2})
    project.build()
    assert re.findall(r'<p class="heading">([^<]*)</p>\n<figure', project.html()) == [
        "at = 1; seed = 1",
        "at = 2; seed = 1",
    ]
