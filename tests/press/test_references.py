"""References by name: numbers, figures, sections and works; unknown names with the nearest that would do."""

# ruff: noqa: E501  # messages stand in one piece

from __future__ import annotations

import re
from functools import partial

import pytest

from darkroom.core.errors import ContentError
from darkroom.press.content.calls import Unknown
from darkroom.press.content.numbers import as_html, as_tex, show
from tests.press.projects import Project
from tests.press.samples import plot, tiles


@pytest.fixture
def stocked(project: Project) -> Project:
    """A project with one experiment that has run and one that has not."""
    metrics = {"test_mse": {"1": 0.0118, "5": 0.00824}, "weights": 7891073}
    project.outputs.add("part_b/denoiser", {"loss": plot(), "digits": tiles()}, metrics=metrics)
    project.outputs.state("part_b/quality", "missing", figures=("confusion",))
    return project


def faults(project: Project) -> list[str]:
    """What is wrong, without the page's path."""
    with pytest.raises(ContentError) as caught:
        project.build()
    return [str(fault).removeprefix("templates/pages/index.md:") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('figure("part_b/denoiser/los")', "unknown figure 'part_b/denoiser/los'; did you mean 'part_b/denoiser/loss'?"),
        ('figure("part_b/denoiser/loss", width="wide")', "unknown width 'wide'; did you mean 'middle'?"),
        ('figure("part_b/denoiser/loss", size=3)', "figure(...) has no option 'size'; it takes width, play, variants, over"),
        ('metric("part_b/denoiser/test_mes", at=5)', "unknown metric 'part_b/denoiser/test_mes'; did you mean 'part_b/denoiser/test_mse'?"),
        ('metric("part_b/denoser/test_mse")', "unknown experiment 'part_b/denoser' in 'part_b/denoser/test_mse'; did you mean 'part_b/denoiser'?"),
        ('metric("part_b/denoiser/test_mse")', "'part_b/denoiser/test_mse' has a value for each of 1, 5; choose one with at=..."),
        ('metric("part_b/denoiser/test_mse", at=7)', "'part_b/denoiser/test_mse' has no value at 7; it has 1, 5"),
        ('metric("part_b/denoiser/weights", at=1)', "'part_b/denoiser/weights' is a single number; leave out at=1"),
        ('metric("part_b/denoiser/weights", format="q")', "format='q' does not fit 7891073 (Unknown format code 'q' for object of type 'int')"),
        ('param("part_b/denoiser", "epoch")', "'part_b/denoiser' has no parameter 'epoch'; did you mean 'epochs'?"),
        ('param("part_b/denoiser")', "param(...) takes an experiment and a name, not 1 arguments"),
        ('ref("part_b/denoiser/digits")', "no page shows 'part_b/denoiser/digits'; show it with figure('part_b/denoiser/digits')"),
        ('ref("part_b/denoiser/digit")', "unknown figure 'part_b/denoiser/digit'; did you mean 'part_b/denoiser/digits'?"),
        ('ref("#secton")', "no section '#secton' on page 'index'; did you mean 'section'?"),
        ('ref("indx#section")', "unknown page 'indx'; did you mean 'index'?"),
        ('cite("lecun98")', "'lecun98' is not in references.bib; did you mean 'lecun1998'?"),
        ('experiments("part_c/*")', "no experiment matches 'part_c/*'; there are part_b/denoiser, part_b/quality"),
        ('citation("x")', "citation(...) takes nothing, not 1 arguments"),
        ("figure(3)", "figure(...) takes names as text in quotes, not 3"),
    ],
)  # fmt: skip
def test_a_name_that_leads_nowhere_is_a_fault_with_the_nearest_one(stocked: Project, call: str, message: str) -> None:
    """Each kind of reference that cannot be resolved is named at its line and column, before anything is rendered."""
    stocked.page(f"## Section\n\n{{{{ {call} }}}}")
    assert faults(stocked) == [f"7:4 reference: {message}"]
    assert not stocked.site.exists()


def test_every_fault_of_every_page_is_listed_at_once(stocked: Project) -> None:
    """Faults are collected over pages, not told one a build."""
    stocked.page('{{ cite("nobody") }} {{ cite("noone") }}')
    stocked.page('{{ metric("part_b/denoiser/weight") }}', "other")
    assert len(faults(stocked)) == 3


def test_a_figure_is_shown_once_a_page(stocked: Project) -> None:
    """A second showing on the same page is refused, since its number and anchor are taken."""
    stocked.page('{{ figure("part_b/denoiser/loss") }}\n\n{{ figure("part_b/denoiser/loss") }}')
    assert faults(stocked) == [
        "7:4 reference: 'part_b/denoiser/loss' is shown twice on this page; refer to it with ref(...)"
    ]


def test_numbers_come_from_the_runs(stocked: Project) -> None:
    """Metrics and parameters stand in the text, formatted; in a formula as TeX."""
    stocked.page(
        '{{ metric("part_b/denoiser/test_mse", at=5, format=".4f") }}, {{ metric("part_b/denoiser/weights") }}, '
        '{{ param("part_b/denoiser", "learning_rate") }}, {{ param("part_b/denoiser", "sigmas") }}, '
        '$D = {{ metric("part_b/denoiser/weights") }}$'
    )
    stocked.build()
    html = stocked.html()
    for number in ("0.0082", "7,891,073", "10<sup>−4</sup>"):
        assert f'<span class="number">{number}</span>' in html
    assert "</span>, 0, 0.5, 1, " in html  # a list is no one number: its line may end in it
    assert "D = 7{,}891{,}073</annotation>" in html


def test_what_has_not_run_is_said_and_is_no_error(stocked: Project) -> None:
    """A number of an experiment without outputs is marked in the text and named in a warning; strict makes it a fault."""
    stocked.page('It is {{ metric("part_b/quality/accuracy") }}.')
    report = stocked.build()
    assert "not yet run" in stocked.html()
    warning = (
        "templates/pages/index.md:5:10 missing: part_b/quality has no outputs; run python build.py run part_b/quality"
    )
    assert [each for each in map(str, report.warnings) if "part_b/quality has" in each or " missing:" in each] == [
        warning
    ]
    with pytest.raises(ContentError, match="part_b/quality has no outputs"):
        stocked.build(strict=True)


def test_pages_show_the_model_that_the_site_chooses(stocked: Project) -> None:
    """Pages name the experiment alone; site.toml says whose outputs they get, and each figure says who made it."""
    stocked.outputs.add("part_a/draw", {"it": plot()}, metrics={"psnr": 1.5}, model="Pocket IF")
    stocked.outputs.add("part_a/draw@big", {"it": plot()}, metrics={"psnr": 2.5}, model="DeepFloyd IF")
    stocked.outputs.add("part_a/other", {"it": plot()}, model="Pocket IF")
    calls = ['figure("part_a/draw/it")', 'figure("part_a/other/it")', 'metric("part_a/draw/psnr")']
    stocked.page("\n\n".join(f"{{{{ {call} }}}}" for call in calls))
    unshown = [each for each in stocked.build().warnings if each.rule == "unshown" and "draw" in each.message]
    assert unshown == []
    assert stocked.html().count("<span>Pocket IF</span>") == 2
    assert "1.5" in stocked.html()

    site = stocked.root / "templates/site.toml"
    site.write_text('model = "big"\n' + site.read_text())
    stocked.build()
    assert stocked.html().count("<span>Pocket IF</span>") == 2
    assert "2.5" in stocked.html() and 'id="fig-part_a-draw-it"' in stocked.html()


def test_a_figure_that_several_models_have_drawn_can_be_switched(stocked: Project) -> None:
    """All of its drawings are on the page, each with the name of its model, that of the site's own first."""
    stocked.outputs.add("part_a/draw", {"it": plot()}, model="Pocket IF")
    stocked.outputs.add("part_a/draw@big", {"it": plot()}, model="DeepFloyd IF")
    stocked.page('{{ figure("part_a/draw/it") }}')
    stocked.build()

    def order() -> list[str]:
        return re.findall(r'<input type="radio" name="model-fig-part_a-draw-it"( checked)?> ([\w ]+)<', stocked.html())

    assert order() == [(" checked", "Pocket IF"), ("", "DeepFloyd IF")]
    assert re.findall(r'<figure [^>]*id="([^"]+)"', stocked.html()) == ["fig-part_a-draw-it", "fig-part_a-draw-it--big"]
    site = stocked.root / "templates/site.toml"
    site.write_text('model = "big"\n' + site.read_text())
    stocked.build()
    assert order() == [(" checked", "DeepFloyd IF"), ("", "Pocket IF")]

    altered = next((stocked.outputs.folder / "part_a/draw/figures").rglob("*.svg"))
    altered.write_text("<svg/>")
    assert any("part_a/draw/it" in warning.message for warning in stocked.build().warnings if warning.rule == "damaged")
    assert order() == []


def _variants(stocked: Project) -> None:
    given = {"gamma": 7.0, "steps": 30}
    add = stocked.outputs.add
    add("part_a/draw", {"it": plot()}, metrics={"psnr": 1.5}, parameters=given)
    add("part_a/draw@wide", {"it": plot()}, metrics={"psnr": 2.5}, parameters=given, settings={"gamma": 9.0})
    add("part_a/draw@narrow", {"it": plot()}, parameters=given, settings={"gamma": 1.0, "steps": 10}, state="stale")


def test_a_variant_changes_no_page_that_does_not_name_it(stocked: Project) -> None:
    """Trying a parameter leaves figures, records, warnings and --strict as they are."""
    stocked.outputs.add("part_a/draw", {"it": plot()}, metrics={"psnr": 1.5}, parameters={"gamma": 7.0, "steps": 30})
    stocked.page('{{ figure("part_a/draw/it") }}\n\n{{ experiments("part_a/*") }}')
    warnings = stocked.build().warnings
    before = stocked.html()

    _variants(stocked)

    assert stocked.build().warnings == warnings
    assert stocked.html() == before


def test_a_figure_can_be_switched_between_variants(stocked: Project) -> None:
    """Those that are named, in that order, each with the parameters in which they differ."""
    _variants(stocked)
    stocked.page('{{ figure("part_a/draw/it", variants="wide, n*") }}')
    stocked.build()

    radios = re.findall(r'<input type="radio" name="model-fig-part_a-draw-it"( checked)?> ([^<]+)<', stocked.html())
    assert radios == [
        (" checked", "gamma = 7; steps = 30"), ("", "gamma = 9; steps = 30"), ("", "gamma = 1; steps = 10"),
    ]  # fmt: skip
    assert re.findall(r'<figure [^>]*id="([^"]+)"', stocked.html()) == [
        f"fig-part_a-draw-it{suffix}" for suffix in ("", "--wide", "--narrow")
    ]
    assert 'aria-label="Parameters"' in stocked.html()
    assert '<p class="badge variant"><strong>variant</strong> gamma = 9</p>' in stocked.html()
    with pytest.raises(ContentError, match="part_a/draw@narrow is stale"):
        stocked.build(strict=True)


def test_a_page_names_a_variant_like_an_experiment(stocked: Project) -> None:
    """Its figures, numbers and records, under anchors of their own."""
    _variants(stocked)
    calls = ['figure("part_a/draw@wide/it")', 'metric("part_a/draw@wide/psnr")', 'param("part_a/draw@wide", "gamma")']
    stocked.page("\n\n".join(f"{{{{ {call} }}}}" for call in [*calls, 'experiments("part_a/draw@wide")']))
    stocked.build()

    html = stocked.html()
    assert 'id="fig-part_a-draw--wide-it"' in html
    assert '<span class="number">2.5</span>' in html
    assert '<span class="number">9</span>' in html
    assert 'id="run-part_a-draw--wide"' in html
    assert "variant: gamma = 9" in html


def test_an_unknown_variant_is_named_with_the_nearest(stocked: Project) -> None:
    """At its place."""
    _variants(stocked)
    stocked.page('{{ figure("part_a/draw/it", variants="wild") }}')
    with pytest.raises(ContentError, match=r"part_a/draw has no variant 'wild'; did you mean 'wide'\?"):
        stocked.build()


def test_more_variants_than_can_be_switched_are_refused(stocked: Project) -> None:
    """The style of the theme hides all but one of twelve."""
    for number in range(12):
        settings = {"gamma": float(number)}
        stocked.outputs.add(f"part_a/draw@g{number:02}", {"it": plot()}, parameters={"gamma": 7.0}, settings=settings)
    stocked.outputs.add("part_a/draw", {"it": plot()}, parameters={"gamma": 7.0})
    stocked.page('{{ figure("part_a/draw/it", variants="*") }}')
    with pytest.raises(ContentError, match="would have 13 versions to switch between; at most 12 are possible"):
        stocked.build()
    stocked.page('{{ figure("part_a/draw/it", variants="g0*, g10") }}')
    stocked.build()
    assert stocked.html().count('type="radio"') == 12


def test_a_damaged_figure_of_a_variant_is_left_out(stocked: Project) -> None:
    """As that of another model is."""
    _variants(stocked)
    stocked.page('{{ figure("part_a/draw/it", variants="wide") }}')
    next((stocked.outputs.folder / "part_a/draw@wide/figures").rglob("*.svg")).write_text("<svg/>")
    assert any("part_a/draw@wide/it" in each.message for each in stocked.build().warnings if each.rule == "damaged")
    assert 'type="radio"' not in stocked.html()


def test_figures_are_numbered_by_first_appearance_and_referred_to(stocked: Project) -> None:
    """Figures count from 1 on each page; a reference from another page says of which."""
    stocked.page(
        '{{ ref("part_b/denoiser/loss") }}\n\n{{ figure("part_b/denoiser/digits") }}\n\n{{ figure("part_b/denoiser/loss") }}',
        nav="Home",
    )
    stocked.page(
        '{{ ref("part_b/denoiser/loss") }} {{ ref("index#x") }} {{ ref("#y") }}\n\n## A "y" {#y}',
        "deep/other",
        numbered=True,
    )
    stocked.page(
        '{{ ref("part_b/denoiser/loss") }}\n\n{{ figure("part_b/denoiser/digits") }}\n\n{{ figure("part_b/denoiser/loss") }}\n\n## X',
        nav="Home",
    )
    stocked.build()
    assert '<a class="ref" href="#fig-part_b-denoiser-loss">Figure&nbsp;2</a>' in stocked.html()
    other = stocked.html("deep/other")
    assert '<a class="ref" href="../index.html#fig-part_b-denoiser-loss">Figure&nbsp;2 of Home</a>' in other
    assert '<a class="ref" href="../index.html#x">“X”</a>' in other
    assert '<a class="ref" href="#y">Section&nbsp;1</a>' in other


def test_citations_gather_a_list_of_works(stocked: Project) -> None:
    """What is cited is listed once, by author; what is not cited is not listed."""
    stocked.page('{{ cite("lecun1998", "ho2020") }} and {{ cite("ho2020", text=True) }}')
    stocked.build()
    html = stocked.html()
    assert '>LeCun et al., 1998</a>; <a class="cite" href="#ref-ho2020"' in html
    assert ">Ho et al. (2020)</a>" in html
    assert html.index('id="ref-ho2020"') < html.index('id="ref-lecun1998"')
    assert 'id="ref-ho2022"' not in html


@pytest.mark.parametrize(
    ("value", "spec", "shown"),
    [
        (7891073, None, "7,891,073"), (128, None, "128"), (0.00824, None, "0.00824"), (1e-4, None, "1e-4"), (2.5e-7, None, "2.5e-7"),
        (5.0, None, "5"), (0.993, ".1%", "99.3%"), (True, None, "yes"), ("gelu", None, "gelu"), ([0.0, 0.5], None, "0, 0.5"),
        (1234.567, None, "1235"), (-0.25, None, "-0.25"), (None, None, "none"), ([1, 2], ".1f", "1.0, 2.0"),
        ([["flip", "a skull"], ["half turn", "a lion"]], None, "flip, a skull; half turn, a lion"),
    ],
)  # fmt: skip
def test_values_are_shown_as_one_would_write_them(value: object, spec: str | None, shown: str) -> None:
    """Four significant digits, thousands grouped, powers of ten for what is small, or as the format says."""
    assert show(value, spec) == shown


def test_small_numbers_are_powers_of_ten_with_a_true_minus() -> None:
    """HTML and TeX each have their own way to write them."""
    assert as_html("1e-4") == "10<sup>−4</sup>"
    assert as_html("2.5e-7, -3") == "2.5 × 10<sup>−7</sup>, −3"
    assert as_tex("2.5e-7") == r"2.5 \times 10^{-7}"
    assert as_tex("99%") == r"99\%"


def test_a_format_that_does_not_fit_is_refused() -> None:
    """The message names the format and the value."""
    with pytest.raises(Unknown, match="format='d' does not fit 'gelu'"):
        show("gelu", "d")


def test_a_figure_says_which_sections_mention_it(stocked: Project) -> None:
    """Those that refer to it, of its own page and of others, once each; not the section that shows it."""
    loss, digits = "part_b/denoiser/loss", "part_b/denoiser/digits"
    here = f'## One\n\n{{{{ figure("{loss}") }}}}\n\n{{{{ ref("{loss}") }}}}\n\n{{{{ figure("{digits}") }}}}'
    there = f'## Two\n\n{{{{ ref("{loss}") }}}} and {{{{ ref("{loss}") }}}}'
    stocked.page(f"{here}\n\n{there}", numbered=True, order=1)
    stocked.page(f'## Beyond\n\n{{{{ ref("{loss}") }}}}', "other", order=2)
    stocked.build()
    html = stocked.html("index")
    assert 'Mentioned in <a href="#two">2</a>, <a href="other.html#beyond">Beyond</a></p>' in html
    assert html.count("Mentioned in") == 1


def test_links_to_other_sites_are_listed_for_paper(stocked: Project) -> None:
    """One number an address, beside each link, and the addresses at the end; links within the site have none."""
    stocked.page(
        "[a](https://x.org/a) [b](https://x.org/b) [a](https://x.org/a) [s](#s) `<a href='https://no.org'>`\n\n## S"
    )
    stocked.build()
    html = stocked.html("index")
    assert [part[0] for part in html.split('<sup class="on-paper">[')[1:]] == ["1", "2", "1"]
    assert '<section class="on-paper"><h2>Links</h2><ol><li>https://x.org/a</li><li>https://x.org/b</li></ol>' in html


def test_what_no_page_shows_may_be_missing(stocked: Project) -> None:
    """In strict mode too: nothing that is published lacks it. As soon as a page calls for it, it is a fault."""
    stocked.page("Text.")
    stocked.outputs.state("part_b/late", "missing", figures=())
    never_run = [str(each) for each in stocked.build(strict=True).warnings if each.rule == "missing"]
    told = "no outputs, and no page that shows them: part_b/late, part_b/quality; run python build.py run ID"
    assert never_run == [f"experiments/outputs:1:1 missing: {told}"]
    stocked.page('{{ figure("part_b/quality/confusion") }}')
    with pytest.raises(ContentError, match="part_b/quality is missing"):
        stocked.build(strict=True)


def test_a_figure_leads_to_the_page_that_lists_its_experiment(project: Project) -> None:
    """Two pages may list a part of the experiments each."""
    for name in ("a", "b", "c"):
        project.outputs.add(f"part_{name}/x", {"loss": plot()})
    calls = "".join(f'\n\n{{{{ figure("part_{name}/x/loss") }}}}' for name in "abc")
    project.page(f"Text.{calls}", order=1)
    project.page('{{ experiments("part_a/*") }}', "first", order=2)
    project.page('{{ experiments("part_b/*") }}', "second", order=3)
    project.build()
    links = re.findall(r'<p class="provenance">\s*<a href="([^"]*)"', project.html())
    assert links == ["first.html#run-part_a-x", "second.html#run-part_b-x", "#fig-part_c-x-loss"]


# Pages with a date ----------------------------------------------------------------------------------------------------


def test_pages_with_a_date_are_listed_the_latest_first(project: Project) -> None:
    """By a pattern of addresses; a page that changes its title, or comes along, is followed."""
    project.page('{{ pages() }}\n\n{{ pages("notes/b*") }}')
    project.page("One.", "notes/a", title="The $x$ first", date="2026-11-02", description="Of *a*.")
    project.page("Two.", "notes/b", title="The second", date="2026-11-30")
    project.page("Three.", "c", title="Without")
    project.build()
    html = project.html()
    found = re.findall(r'<li><a href="([^"]+)">.*?</a> <time datetime="([^"]+)">', html)
    assert found == [("notes/b.html", "2026-11-30"), ("notes/a.html", "2026-11-02"), ("notes/b.html", "2026-11-30")]
    project.page("Three.", "c", title="Now", date="2026-12-01")
    project.build()
    assert '<a href="c.html">Now</a> <time datetime="2026-12-01">' in project.html()


def test_a_page_has_its_own_date_and_authors(project: Project) -> None:
    """Below its title and for machines; without them, the site's."""
    path = project.page("Text.", date="2026-11")
    path.write_text(path.read_text().replace("date =", 'authors = ["Ada <A>", "Bob"]\ndate ='))
    project.page("Text.", "other")
    settings = project.root / "templates/site.toml"
    settings.write_text(settings.read_text().replace("[macros]", 'authors = ["Eve"]\npublished = "2025"\n[macros]'))
    project.build()
    html, other = project.html(), project.html("other")
    assert '<p class="byline">Ada &lt;A&gt;, Bob · <time datetime="2026-11">2026-11</time></p>' in html
    assert '<meta name="citation_author" content="Bob">' in html and '<meta name="author" content="Eve">' not in html
    assert '"datePublished": "2026-11"' in html and 'citation_publication_date" content="2026/11"' in html
    assert "byline" not in other.partition("<body>")[2] and '<meta name="author" content="Eve">' in other
    assert 'citation_publication_date" content="2025"' in other


def test_a_date_is_a_day_and_pages_need_one(project: Project) -> None:
    """Both at their places."""
    project.page("Text.", date="last week")
    with pytest.raises(ContentError) as error:
        project.build()
    fault = "4:9 front-matter: 'date' should be a day such as \"2026-11-21\", not 'last week'"
    assert [str(each) for each in error.value.faults] == [f"templates/pages/index.md:{fault}"]
    path = project.page("Text.", date="x")
    path.write_text(path.read_text().replace('"x"', "2026-11-30"))
    assert faults(project) == ["4:1 front-matter: 'date' should be a string in quotes, not 2026-11-30"]
    project.page("{{ pages() }}")
    assert faults(project) == ['5:4 reference: no page has a date; give one date = "2026-11-30" in its front matter']


# Claims -----------------------------------------------------------------------------------------------------------------


def _measured(stocked: Project, ours: float = 0.0081, other: float = 0.0165) -> None:
    stocked.outputs.add(
        "part_b/ours", metrics={"mse": ours, "by_epoch": {"1": 0.5, "5": 0.1}}, parameters={"epochs": 5}
    )
    stocked.outputs.add("part_b/other", metrics={"mse": other})


HOLD = {
    "two metrics": 'metric("part_b/ours/mse") < metric("part_b/other/mse")',
    "a chain": '0.008 < metric("part_b/ours/mse") <= 0.0081',
    "a label": 'metric("part_b/ours/by_epoch", at=5) < metric("part_b/ours/by_epoch", at=1)',
    "arithmetic": 'metric("part_b/other/mse") / metric("part_b/ours/mse") > 2 and not metric("part_b/ours/mse") > 1',
    "a parameter": 'param("part_b/ours", "epochs") == 5',
    "a function": 'abs(metric("part_b/ours/mse") - 0.0081) < 1e-9',
    "either": "metric('part_b/ours/mse') > 1 or metric('part_b/ours/mse') < 1",
}


@pytest.mark.parametrize("case", HOLD)
def test_a_claim_that_holds_shows_nothing(stocked: Project, case: str) -> None:
    """The sentence is as it would be without it."""
    _measured(stocked)
    stocked.page(f"Before. {{% claim {HOLD[case]} %}}Ours is *better*.{{% endclaim %}} After.")
    stocked.build()
    assert "<p>Before. Ours is <em>better</em>. After.</p>" in stocked.html()


def test_a_claim_may_be_about_several_paragraphs(stocked: Project) -> None:
    """Its tags stand on lines of their own then, and leave none."""
    _measured(stocked)
    stocked.page(f"{{% claim {HOLD['two metrics']} %}}\n\nOne.\n\n- Two.\n\n{{% endclaim %}}\n\nThree.")
    stocked.build()
    assert re.findall(r"<(?:p|li)>.*", stocked.html().partition("<main")[2].partition("</main")[0])[-3:] == [
        "<p>One.</p>", "<li>Two.</li>", "<p>Three.</p>",
    ]  # fmt: skip
    assert "<p></p>" not in stocked.html()


def test_a_claim_that_a_rerun_reverses_fails_at_its_line(stocked: Project) -> None:
    """With the numbers; the old site stays, also where nothing else of the page has changed."""
    _measured(stocked)
    stocked.page(f"One.\n\n{{% claim {HOLD['two metrics']} %}}Ours is better.{{% endclaim %}}")
    stocked.build()
    before = stocked.html()

    _measured(stocked, ours=0.02)

    said = (
        'templates/pages/index.md:7:1 claim: metric("part_b/ours/mse") < metric("part_b/other/mse") does not hold: '
        "metric('part_b/ours/mse') = 0.02, metric('part_b/other/mse') = 0.0165; rewrite the sentence, or look at what has "
        "changed"
    )
    with pytest.raises(ContentError) as caught:
        stocked.build()
    assert str(caught.value) == said
    assert stocked.html() == before


UNREAD = {
    'metric("part_b/ours/mse")': "is not a condition",
    "1 < 2": "has no metric(...) or param(...)",
    'metric("part_b/ours/mse") <': "cannot be read",
    '__import__("os").system("true") == metric("part_b/ours/mse")': "cannot be used in a claim",
    'metric("part_b/ours/mse").real > 1': "cannot be used in a claim",
    '[x for x in (1,)] == metric("part_b/ours/mse")': "cannot be used in a claim",
    'metric("part_b/ours/mse") > 10 ** 10 ** 10': "cannot be used in a claim",
    'metric("part_b/ours/mes") > 1': "did you mean",
    'metric("part_b/ours/mse") > "a"': "a claim compares numbers",
    'metric("part_b/ours/mse") / 0 > 1': "a claim compares numbers",
    'metric("part_b/ours/by_epoch") > 1': "by_epoch",
    'metric("part_b/ours/mse") and metric("part_b/other/mse") < 1': "is not a condition",
    'metric("part_b/ours/mse") > 1 or 1': "is not a condition",
    'metric("part_b/ours/mse") > 1 or 2 > 1': "'2 > 1' has no metric(...) or param(...), so no run can change it",
    '(metric("part_b/ours/mse") > 1) >= 0': "compares a condition with something",
    'metric("part_b/ours/mse") == metric("part_b/ours/mse")': "with itself, so no run can change it",
    'metric("part_b/ours/mse") != "0.0081"': "'0.0081' and '0.0081' are not of one kind",
    '"a" * 5_000_000_000_000 != metric("part_b/ours/mse")': "'a' is no number",
    "": "cannot be read",
}


@pytest.mark.parametrize("condition", UNREAD)
def test_what_is_no_condition_is_a_fault(stocked: Project, condition: str) -> None:
    """Nothing but comparisons of numbers is evaluated."""
    _measured(stocked)
    stocked.page(f"One {{% claim {condition} %}}two{{% endclaim %}}.")
    with pytest.raises(ContentError) as caught:
        stocked.build()
    assert condition == "" or UNREAD[condition] in str(caught.value)
    assert "templates/pages/index.md:5:" in str(caught.value)


UNPAIRED = {
    "{% claim metric('part_b/ours/mse') < 1 %}one.": "5:1 claim: this claim is not closed",
    "One.{% endclaim %}": "5:5 claim: {% endclaim %} ends nothing",
    "{% claim metric('part_b/ours/mse') < 1 %}a {% claim metric('part_b/ours/mse') < 1 %}b{% endclaim %}": "5:44 claim: a claim "
    "begins within another",
}


@pytest.mark.parametrize("text", UNPAIRED)
def test_claims_begin_and_end(stocked: Project, text: str) -> None:
    """One after the other."""
    _measured(stocked)
    stocked.page(text)
    with pytest.raises(ContentError) as caught:
        stocked.build()
    assert UNPAIRED[text] in str(caught.value)


def test_a_claim_waits_for_a_run(stocked: Project) -> None:
    """A warning, as for a number that is not there yet; a fault in strict mode."""
    stocked.outputs.state("part_b/ours", "missing")
    stocked.page('{% claim metric("part_b/ours/mse") < 1 %}Ours is good.{% endclaim %}')
    assert any("part_b/ours has no outputs" in str(each) for each in stocked.build().warnings)


def test_claims_in_code_are_text_and_loops_may_stand_beside(stocked: Project) -> None:
    """Jinja's own tags go on working."""
    _measured(stocked)
    stocked.page(
        "`{% claim x %}`\n\n{% for n in (1, 2) %}{{ n }} {% endfor %}\n\n"
        f"{{% claim {HOLD['a chain']} %}}Good.{{% endclaim %}}"
    )
    stocked.build()
    assert "<code>{% claim x %}</code>" in stocked.html()
    assert "<p>1 2</p>" in stocked.html() and "<p>Good.</p>" in stocked.html()


def test_numbers_of_a_run_that_is_out_of_date_are_marked(stocked: Project) -> None:
    """As its figures are: metrics and parameters in prose, and once behind a formula; gone once it is fresh."""
    add = partial(stocked.outputs.add, "part_b/ours", metrics={"mse": 0.5}, parameters={"epochs": 5})
    add(state="stale", reasons=("code: part_b.ours.helper",))
    stocked.page(
        'It is {{ metric("part_b/ours/mse") }} after {{ param("part_b/ours", "epochs") }}.\n\n'
        '$x = {{ metric("part_b/ours/mse") }} + {{ metric("part_b/ours/mse") }}$'
    )
    stocked.build()
    badge = '&nbsp;<span class="elsewhere outdated" title="part_b/ours is stale: code: part_b.ours.helper">stale</span>'
    assert f'<span class="number">0.5</span>{badge} after <span class="number">5</span>{badge}.' in stocked.html()
    assert stocked.html().count(badge) == 3
    add()
    stocked.build()
    assert 'class="elsewhere outdated"' not in stocked.html()
