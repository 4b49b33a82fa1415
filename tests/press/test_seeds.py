"""Runs that differ in their seed alone: means of numbers, tables, curves with bands."""

from __future__ import annotations

import csv
import html
import io
import math
import random
import re
import shutil
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from darkroom.core.errors import ContentError
from darkroom.core.manifest import NAME, encode, load
from darkroom.figures import Series, line_plot, palette
from darkroom.press.content.estimates import Estimate, student_t
from darkroom.press.content.numbers import as_html, as_tex, show
from darkroom.press.typeset import plots, vetting
from tests.press.projects import Project
from tests.press.samples import Drawn, plot, tiles

GIVEN = {"seed": 180, "epochs": 5, "gamma": 1.0}
ACCURACIES = {180: 0.9931, 1: 0.9935, 2: 0.9927, 3: 0.9930, 10: 0.9933}


def curve(values: Mapping[str, Sequence[float]], *, x: Sequence[float] = (), log_y: bool = False) -> Drawn:
    """A plot of curves as the figures of experiments draw them."""
    series = [Series(name, x or range(1, 1 + len(each)), each) for name, each in values.items()]
    drawn = line_plot(series, x_label="epoch", y_label="error", log_y=log_y)
    return Drawn(drawn.kind, drawn.layout, drawn.files, "The error *falls*.", "A falling curve")  # type: ignore[arg-type]


def add(
    project: Project, seed: int, *, settings: Mapping[str, Any] | None = None, name: str = "", **given: Any
) -> None:
    """A run of the classifier with a seed, the original if it is the declared one."""
    given.setdefault("metrics", {"accuracy": ACCURACIES.get(seed, 0.99)})
    if seed == GIVEN["seed"] and settings is None:
        project.outputs.add("part_b/classifier", given.pop("figures", None), parameters=GIVEN, **given)
        return
    chosen = {"seed": seed} if settings is None else settings
    where = f"part_b/classifier@{name or f'seed-{seed}'}"
    project.outputs.add(where, given.pop("figures", None), parameters=GIVEN, settings=chosen, **given)


def add_all(project: Project, **given: Any) -> None:
    """The original and its four seeds."""
    for seed in ACCURACIES:
        add(project, seed, **given)


def text_of(project: Project, name: str = "index") -> str:
    """The text of a page."""
    return html.unescape(re.sub(r"<[^>]+>", "", project.html(name))).replace("\N{NO-BREAK SPACE}", " ")


METRIC = 'metric("part_b/classifier/accuracy", over="seed")'


def test_a_metric_over_seeds_is_its_mean_with_an_interval(project: Project) -> None:
    """Over the original and its seeds, each once, rounded where the interval is; a hint says what that is."""
    add_all(project)
    project.page(
        f"Accuracy is {{{{ {METRIC} }}}}, or $a = {{{{ {METRIC} }}}}$.\n\n| a |\n|---|\n| {{{{ {METRIC} }}}} |"
    )
    project.build()

    assert text_of(project).count("0.9931 ± 0.0004, 5 seeds") == 2
    assert "seed = 180, 1, 2, 3, 10" in project.html()
    assert "95% confidence interval of the mean by Student&#x27;s t" in project.html()
    assert r"a = {0.9931 ± 0.0004}\text{, 5 seeds}" in project.html()


def test_only_what_differs_in_the_seed_alone_counts(project: Project) -> None:
    """Not a variant that sets something else as well, unless to what is declared; the same seed once, the fresh one."""
    add_all(project)
    add(project, 0, settings={"seed": 4, "epochs": 9}, name="both", metrics={"accuracy": 0.1})
    add(project, 0, settings={"gamma": 5.0}, name="wide", metrics={"accuracy": 0.2})
    add(project, 0, settings={}, name="upstream", metrics={"accuracy": 0.3})
    add(project, 0, settings={"seed": 3}, name="again", metrics={"accuracy": 0.4}, state="stale")
    project.page(f"{{{{ {METRIC} }}}}")
    project.build()
    before = text_of(project)
    assert "5 seeds" in before
    assert "0.9931 ± 0.0004" in before

    add(project, 0, settings={"seed": 5, "gamma": 1.0}, name="declared", metrics={"accuracy": 0.9930})
    project.build()
    assert "0.9931 ± 0.0003, 6 seeds" in text_of(project)


def test_seeds_of_a_variant_are_those_that_share_its_other_settings(project: Project) -> None:
    """As in a sweep over a parameter and the seed."""
    add_all(project)
    add(project, 0, settings={"gamma": 5.0}, name="wide", metrics={"accuracy": 0.8})
    add(project, 0, settings={"gamma": 5.0, "seed": 2}, name="wide-2", metrics={"accuracy": 0.6})
    add(project, 0, settings={"gamma": 5.0, "seed": 2, "epochs": 9}, name="other", metrics={"accuracy": 0.1})
    project.page('{{ metric("part_b/classifier@wide/accuracy", over="seed") }}')
    project.build()
    assert "0.7 ± 1.3, 2 seeds" in text_of(project)

    project.page(
        '{{ metric("part_b/classifier@wide/accuracy", over="gamma") }}, '
        '{{ metric("part_b/classifier/accuracy", over="gamma") }}'
    )
    project.build()
    assert "0.9 ± 1.2, 2 values of gamma, 0.9 ± 1.2, 2 values of gamma" in text_of(project)


@pytest.mark.parametrize("kind", ["upstream", "weights"])
def test_evaluations_of_trainings_count_with_the_seeds_of_these(project: Project, kind: str) -> None:
    """A variant without settings of its own differs in what was set for those whose results, or weights, it takes."""

    def results_of(name: str) -> str:
        found = load(project.outputs.folder / name)
        return found.results if found else "0" * 64

    def evaluation(name: str, value: float, source: str, settings: Mapping[str, Any] | None) -> None:
        given: Any = {"metrics": {"distance": value}, "parameters": {"count": 100, "seed": 1}}
        folder = project.outputs.add(f"part_b/quality{name}", settings=settings, **given)
        manifest = load(folder)
        assert manifest is not None
        inputs = {f"upstream:{source}" if kind == "upstream" else "weights:network": results_of(source)}
        (folder / NAME).write_bytes(encode(msgspec.structs.replace(manifest, inputs=inputs)))

    add_all(project)
    add(project, 0, settings={"epochs": 9, "seed": 4}, name="long")
    evaluation("", 12.0, "part_b/classifier", None)
    evaluation("@seed-1", 14.0, "part_b/classifier@seed-1", {})
    evaluation("@seed-10", 13.0, "part_b/classifier@seed-10", {})
    evaluation("@long", 90.0, "part_b/classifier@long", {})
    if kind == "upstream":  # nobody knows what was set for what is gone
        evaluation("@gone", 95.0, "part_b/classifier@gone", {"seed": 9})
    project.outputs.add("part_b/other@seed-1", parameters=GIVEN, settings={"epochs": 7})
    project.page('{{ metric("part_b/quality/distance", over="seed") }}')
    project.build()

    assert "13 ± 2, 3 seeds" in text_of(project)
    assert "seed = 180, 1, 10" in project.html()


def test_seeds_of_another_model_are_its_own(project: Project) -> None:
    """Pages show the seeds of the model that they show."""
    for model, base in (("", 0.5), ("@big", 0.7)):
        name = f"part_a/draw{model}"
        given: Any = {"model": model.strip("@") or "small", "parameters": {"seed": 1}}
        project.outputs.add(name, metrics={"score": base}, **given)
        project.outputs.add(f"{name}@seed-2", metrics={"score": base + 0.1}, settings={"seed": 2}, **given)
    project.outputs.add("part_a/draw@big@seed-3", metrics={"score": 0.75}, settings={"seed": 3}, **given)
    project.page('{{ metric("part_a/draw/score", over="seed") }}; {{ metric("part_a/draw@big/score", over="seed") }}')
    project.build()
    assert "0.6 ± 0.6, 2 seeds; 0.75 ± 0.12, 3 seeds" in text_of(project)

    site = project.root / "templates/site.toml"
    site.write_text('model = "big"\n' + site.read_text())
    project.build()
    assert "0.75 ± 0.12, 3 seeds; 0.75 ± 0.12, 3 seeds" in text_of(project)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (METRIC, "one seed, so there is no interval; run more: python build.py run part_b/classifier --set seed=2, or"),
        ('metric("part_b/classifier@long/accuracy", over="seed")',
         "run more: python build.py run part_b/classifier --set epochs=9 --set seed=2, or a sweep"),
        ('seeds("part_b/classifier")', "python build.py run part_b/classifier --set seed=2"),
        ('figure("part_b/classifier/loss", over="seed")', "python build.py run part_b/classifier --set seed=2"),
        ('metric("part_b/classifier/accuracy", over="sed")', "has no parameter 'sed'; did you mean 'seed'?"),
        ('seeds("part_b/clasifier")', "unknown experiment 'part_b/clasifier'; did you mean 'part_b/classifier'?"),
        ('metric("part_b/classifier/acuracy", over="seed")', "unknown metric 'part_b/classifier/acuracy'; did you mean"),
        ('metric("part_b/classifier/accuracy", over=3)', "over=3 in metric(...) has the wrong type"),
        ('figure("part_b/classifier/loss", over="seed", variants="*")', "takes variants or over, not both"),
    ],
)  # fmt: skip
def test_what_has_no_mean_is_refused(project: Project, call: str, message: str) -> None:
    """In one line that says what to do."""
    add(project, 180, figures={"loss": curve({"test": [2.0, 1.0]})})
    add(project, 0, settings={"epochs": 9}, name="long")
    project.page(f"{{{{ {call} }}}}")
    with pytest.raises(ContentError, match=re.escape(message)):
        project.build()


def test_labels_and_texts(project: Project) -> None:
    """A metric by label has a mean for each label; a text has none, in whatever run; nor has one that a run lacks."""
    mse = {180: {"1": 0.2, "5": 0.1}, 1: {"1": 0.4, "5": 0.1}, 2: {"1": 0.3, "5": "none"}}
    for seed, values in mse.items():
        add(project, seed, metrics={"mse": values, "verdict": "good"} | ({} if seed == 1 else {"rare": 1}))
    project.page('{{ metric("part_b/classifier/mse", at=1, over="seed") }}')
    project.build()
    assert "0.3 ± 0.2, 3 seeds" in text_of(project)

    for call, message in (
        ("mse", "has a value for each of 1, 5; choose one with at="),
        ('mse", at="5', "part_b/classifier@seed-2/mse is text, 'none', which has no mean"),
        ("verdict", "part_b/classifier/verdict is text, 'good', which has no mean"),
        ("rare", "unknown metric 'part_b/classifier@seed-1/rare'"),
    ):
        project.page(f'{{{{ metric("part_b/classifier/{call}", over="seed") }}}}')
        with pytest.raises(ContentError, match=re.escape(message)):
            project.build()


def test_formats(project: Project) -> None:
    """A format with digits is for both numbers; ``%`` alone is rounded where the interval says; others are refused."""
    add_all(project)
    formats = [".5f", ".1%", "%"]
    project.page("; ".join(f"{{{{ {METRIC[:-1]}, format={each!r}) }}}}" for each in formats))
    project.build()
    assert "0.99312 ± 0.00038, 5 seeds; 99.3% ± 0.0%, 5 seeds; 99.31% ± 0.04%, 5 seeds" in text_of(project)

    project.page(f"{{{{ {METRIC[:-1]}, format='d') }}}}")
    with pytest.raises(ContentError, match="format='d' does not fit"):
        project.build()


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((1, 2), "2 ± 6"),
        ((99.0, 101.0), "100 ± 13"),
        ((123456, 125000, 121000), "123,000 ± 5,000"),
        ((-5.1, -5.2, -5.15), "-5.15 ± 0.12"),
        ((0.01, -0.02, 0.015), "0.00 ± 0.05"),
        ((1.2e-5, 1.25e-5, 1.22e-5), "(1.22 ± 0.06)e-5"),
        ((3e9, 3.1e9), "(3.0 ± 0.6)e9"),
        ((0.5, 0.5), "0.5 ± 0"),
        ((0.1, 0.1, 0.1), "0.1 ± 0"),  # whose sum is rounded
        ((0, 0, 0), "0 ± 0"),
        ((1170, 1170), "1170 ± 0"),
    ],
)
def test_an_interval_has_one_digit_or_two_that_begin_with_1(values: Sequence[float], shown: str) -> None:
    """The mean is rounded to the same place."""
    assert show(Estimate.of(values)) == f"{shown}, {len(values)} seeds"


@pytest.mark.parametrize(("half", "shown"), [(0.0962, "0.12 ± 0.10"), (0.0196, "0.123 ± 0.020"), (9.6, "0 ± 10")])
def test_an_interval_that_is_rounded_up_to_1(half: float, shown: str) -> None:
    """Has the digits that it had."""
    assert Estimate(0.123456, half, 3).rounded() == shown


def test_powers_of_ten_of_both() -> None:
    """Stand behind parentheses, in HTML and in TeX; what else has the sign is left alone."""
    assert as_html("(1.22 ± 0.06)e-5, 3 seeds") == "(1.22&nbsp;±&nbsp;0.06) × 10<sup>-5</sup>, 3 seeds".replace(
        "-", "−"
    )
    assert as_tex("(1.22 ± 0.06)e-5, 3 seeds") == r"{(1.22 ± 0.06) \times 10^{-5}}\text{, 3 seeds}"
    assert as_tex("99.3% ± 0.4%, 3 seeds") == r"{99.3\% ± 0.4\%}\text{, 3 seeds}"
    assert as_tex("3 ± 1") == "3 ± 1"


def test_student_s_t() -> None:
    """As in any table of the 97.5th percentile."""
    table = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 9: 2.262, 10: 2.228, 19: 2.093, 30: 2.042, 120: 1.980}
    assert {freedom: round(student_t(freedom), 3) for freedom in table} == table


def test_an_interval_of_normal_samples_holds_the_mean_as_often_as_it_says() -> None:
    """In 95% of 2,000 samples of three, to within four standard errors."""
    draw = random.Random(1)
    samples = [Estimate.of([draw.gauss(5, 2) for _ in range(3)]) for _ in range(2_000)]
    share = sum(abs(each - 5) <= each.half for each in samples) / len(samples)
    assert abs(share - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 2_000)


@pytest.mark.parametrize("values", [(1.7e308, 1.7e308), (1.7e308, -1.7e308), (1e200, 2e200), (10**18, -(10**308))])
def test_values_that_are_too_large_have_no_mean(project: Project, values: Sequence[float]) -> None:
    """They are said to be, and nothing fails otherwise."""
    for seed, value in zip((180, 1), values, strict=True):
        add(project, seed, metrics={"accuracy": value})
    project.page(f"{{{{ {METRIC} }}}}")
    with pytest.raises(ContentError, match="the values of part_b/classifier/accuracy are too large for a mean"):
        project.build()


def test_a_claim_compares_means(project: Project) -> None:
    """What it says where it does not hold has the intervals."""
    add_all(project)
    project.outputs.add("part_b/other", metrics={"accuracy": 0.9932}, parameters=GIVEN)
    project.page(f'{{% claim {METRIC} < metric("part_b/other/accuracy") %}}Better.{{% endclaim %}}')
    project.build()

    project.page(f'{{% claim {METRIC} > metric("part_b/other/accuracy") %}}Better.{{% endclaim %}}')
    with pytest.raises(ContentError, match=r"over='seed'\) = 0.9931 ± 0.0004, 5 seeds"):
        project.build()

    add(project, 4, metrics={"accuracy": 0.999})
    project.build()


def test_a_number_of_stale_seeds_is_marked(project: Project) -> None:
    """With how many of them are, and a link to the record of one."""
    add_all(project)
    project.page(f"{{{{ {METRIC} }}}}\n\n{{{{ seeds('part_b/classifier') }}}}")
    project.build()
    assert 'class="elsewhere outdated"' not in project.html()

    add(project, 2, state="stale", reasons=("code: train",))
    project.build()
    assert "stale: 1 of 5" in text_of(project)
    assert 'title="part_b/classifier@seed-2 is stale: code: train"' in project.html()
    assert re.search(r'<th scope="row">2 <span class="elsewhere outdated">stale</span>', project.html())
    with pytest.raises(ContentError, match="part_b/classifier@seed-2 is stale"):
        project.build(strict=True)


PAGES = {
    "metric": f"{{{{ {METRIC} }}}}",
    "formula": f"$a = {{{{ {METRIC} }}}}$",
    "claim": f"{{% claim {METRIC} < 0.999 %}}So it is: {{{{ {METRIC} }}}}{{% endclaim %}}",
    "seeds": "{{ seeds('part_b/classifier') }}",
    "figure": "{{ figure('part_b/classifier/loss', over='seed') }}",
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_made_again_when_any_of_its_seeds_changes(project: Project, page: str) -> None:
    """A new one, one with other results, one that is out of date, one that is gone, one that counts no longer."""
    for seed in (180, 1, 2):
        add(project, seed, figures={"loss": curve({"test": [2.0, 1.0 + seed / 1000]})})
    project.page("Nothing of it.", name="other")
    project.page(PAGES[page])
    shown = []

    def changes() -> None:
        project.build()
        shown.append(project.html())

    changes()
    add(project, 3, figures={"loss": curve({"test": [2.0, 1.5]})})
    changes()
    add(project, 3, figures={"loss": curve({"test": [2.5, 1.6]})}, metrics={"accuracy": 0.95})
    changes()
    add(project, 3, figures={"loss": curve({"test": [2.5, 1.6]})}, metrics={"accuracy": 0.95}, state="stale")
    changes()
    add(project, 3, settings={"seed": 3, "epochs": 7}, metrics={"accuracy": 0.95})
    changes()
    add(project, 2, figures={"loss": curve({"test": [2.0, 1.9]})}, metrics={"accuracy": 0.94})
    changes()
    shutil.rmtree(project.outputs.folder / "part_b/classifier@seed-2")
    project.outputs.statuses = [each for each in project.outputs.statuses if not each.id.endswith("seed-2")]
    changes()

    assert all(before != after for before, after in pairwise(shown))


@pytest.mark.parametrize("page", ["metric", "seeds", "figure"])
def test_a_page_is_made_again_when_what_its_runs_take_has_another_seed(project: Project, page: str) -> None:
    """Their own outputs are what they were."""

    def evaluate(name: str, source: str, settings: Mapping[str, Any] | None) -> None:
        given: Any = {"metrics": {"accuracy": 0.9}, "settings": settings, "parameters": {"count": 100}}
        folder = project.outputs.add(f"part_b/quality{name}", {"loss": curve({"test": [2.0, 1.0]})}, **given)
        manifest = load(folder)
        assert manifest is not None
        inputs = {f"upstream:{source}": "0" * 64}
        (folder / NAME).write_bytes(encode(msgspec.structs.replace(manifest, inputs=inputs)))

    add(project, 180)
    add(project, 0, settings={"seed": 5}, name="other")
    evaluate("", "part_b/classifier", None)
    evaluate("@other", "part_b/classifier@other", {})
    project.page(PAGES[page].replace("classifier", "quality"))
    project.build()
    before = project.html()

    add(project, 0, settings={"seed": 6}, name="other")
    project.build()
    assert project.html() != before


def rows_of(project: Project) -> list[list[str]]:
    """The cells of a page's first table."""
    table = re.search(r"<table>.*?</table>", project.html(), re.DOTALL)
    assert table
    rows = re.findall(r"<tr>(.*?)</tr>", table[0], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    return [[html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells]


def test_all_seeds_in_a_table(project: Project) -> None:
    """A row each, those of numbers in order, then the mean and the interval; a text, and what a run lacks, has none."""
    for seed, accuracy in ACCURACIES.items():
        metrics = {"accuracy": accuracy, "mse": {"1": seed / 1e6, "5": 2}, "verdict": "<good>"}
        add(project, seed, metrics=metrics | ({"rare": 1} if seed == 3 else {}))
    project.page("{{ seeds('part_b/classifier') }}\n\n{{ experiments('part_b/*') }}")
    project.build()

    assert rows_of(project) == [
        ["seed", "accuracy", "mse, 1", "mse, 5", "verdict", "rare"],
        ["180", "0.9931", "1.8 × 10-4".replace("-", "−"), "2", "<good>", ""],
        ["1", "0.9935", "10−6", "2", "<good>", ""],
        ["2", "0.9927", "2 × 10−6", "2", "<good>", ""],
        ["3", "0.993", "3 × 10−6", "2", "<good>", "1"],
        ["10", "0.9933", "10−5", "2", "<good>", ""],
        ["mean", "0.9931", "4 × 10−5", "2", "", ""],
        ["interval", "± 0.0004", "± 10 × 10−5", "± 0", "", ""],
    ]
    assert "<summary>part_b/classifier, 5 seeds</summary>" in project.html()
    assert '<th scope="row"><a href="#run-part_b-classifier">180</a></th>' in project.html()

    project.page("{{ seeds('part_b/classifier', metrics='rare, accuracy') }}")
    project.build()
    assert rows_of(project)[0] == ["seed", "rare", "accuracy"]

    project.page("{{ seeds('part_b/classifier', metrics='acuracy') }}")
    with pytest.raises(ContentError, match="part_b/classifier has no metric 'acuracy'; did you mean 'accuracy'"):
        project.build()


def test_a_table_has_columns_that_can_be_read(project: Project) -> None:
    """Of more, some have to be chosen."""
    for seed in (180, 1):
        add(project, seed, metrics={"loss": {str(number): number for number in range(61)}, "accuracy": 1.0})
    project.page("{{ seeds('part_b/classifier') }}")
    with pytest.raises(ContentError, match='would have 62 columns, at most 60: write metrics="accuracy, loss"'):
        project.build()


def test_what_has_not_been_run_is_said_to_be(project: Project) -> None:
    """A table and a number wait for it, with a warning; a variant that has been run changes nothing."""
    project.outputs.state("part_b/classifier", "missing")
    add(project, 1)
    project.page(f"{{{{ seeds('part_b/classifier') }}}}\n\n{{{{ {METRIC} }}}}")
    warnings = project.build().warnings
    assert any(
        "part_b/classifier has no outputs; run python build.py run part_b/classifier" in str(each) for each in warnings
    )
    assert "has not been run yet" in text_of(project)
    assert "not yet run" in text_of(project)


def drawing_of(project: Project) -> str:
    """The plot of a page, whose first figure it is."""
    found = re.search(r"<svg.*?</svg>", project.html(), re.DOTALL)
    assert found
    return found[0]


def values_of(project: Project) -> list[list[str]]:
    """The file of values that a page offers."""
    link = re.search(r'<a href="([^"]+\.csv)"', project.html())
    assert link
    return list(csv.reader(io.StringIO((project.site / link[1]).read_text(encoding="utf-8"))))


FIGURE = "{{ figure('part_b/classifier/loss', over='seed') }}"


def test_curves_over_seeds_are_their_mean_on_a_band(project: Project) -> None:
    """For each curve, from the least to the greatest value, as the caption says; with a table and a file of them."""
    for seed, first in ((180, 4.0), (1, 3.0), (2, 8.0)):
        add(project, seed, figures={"loss": curve({"test": [first, 2.0, 1.0], "training": [3.0, 2.5, 1.5]})})
    project.page(FIGURE)
    project.build()

    assert values_of(project) == [
        ["series", "epoch", "error, mean", "least", "greatest"],
        ["test", "1", "5", "3", "8"],
        ["test", "2", "2", "2", "2"],
        ["test", "3", "1", "1", "1"],
        ["training", "1", "3", "3", "3"],
        ["training", "2", "2.5", "2.5", "2.5"],
        ["training", "3", "1.5", "1.5", "1.5"],
    ]
    assert rows_of(project)[1] == ["test", "1", "5", "3", "8"]
    caption = "The error falls. Mean of 3 seeds; the band is from the least to the greatest value."
    assert caption in text_of(project)
    assert "seed = 180, 1, 2" in text_of(project)
    assert "A falling curve. Mean of 3 seeds" in project.html()
    assert '<figure class="kind-plot text" id="fig-part_b-classifier-loss">' in project.html()
    drawn = drawing_of(project)
    assert drawn.count("fill-opacity") == 4  # two bands, two swatches of the legend
    assert re.findall(r"<text[^>]*>([a-z]+)<", drawn)[-2:] == ["test", "training"]


def test_a_drawing_of_means_is_a_valid_one(project: Project) -> None:
    """It is published by the same rules as stored drawings: as a picture, and as what can be read off where that is seen."""
    for seed in (180, 1):
        add(project, seed, figures={"loss": curve({'a <b> & "c"': [2.0 + seed, 1.0]})})
    project.page(f"Text above.\n\n{FIGURE}")
    project.build()

    drawings = sorted((project.site / "figures/part_b/classifier").glob("*.svg"))
    assert len(drawings) == 2
    for each in drawings:
        assert vetting.fault_of(str(each)) == "" or "data-readings" in each.read_text(encoding="utf-8")
    read_off = next(each for each in drawings if "data-readings" in each.read_text(encoding="utf-8")).name
    assert f'data-plot="figures/part_b/classifier/{read_off}"' in project.html()
    assert "a &lt;b&gt; &amp; &quot;c&quot;" in (project.site / f"figures/part_b/classifier/{read_off}").read_text()


def test_scales_are_those_of_the_stored_plots(project: Project) -> None:
    """Equal steps along a logarithmic axis are equal factors."""
    for seed in (180, 1):
        add(
            project,
            seed,
            figures={
                "loss": curve({"test": [1000.0, 100.0, 10.0, 1.0]}, log_y=True),
                "linear": curve({"test": [1000.0, 100.0, 10.0, 1.0]}),
            },
        )
    for name, is_log in (("loss", True), ("linear", False)):
        project.page(FIGURE.replace("loss", name))
        project.build()
        heights = [float(each) for each in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', drawing_of(project))]
        steps = [after - before for before, after in pairwise(heights)]
        assert (max(steps) - min(steps) < 0.3) == is_log, (name, steps)


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"loss": tiles()}, "part_b/classifier@seed-1/loss has no curves over a common x, so it has no mean over runs"),
        ({"loss": plot()}, "part_b/classifier@seed-1/loss has no curves over a common x"),
        ({}, "part_b/classifier@seed-1/loss has not been drawn; build without --no-run"),
        ({"loss": curve({"test": [2.0]})}, "part_b/classifier@seed-1/loss has other curves, or other 'epoch', than"),
        ({"loss": curve({"test": [2.0, 1.0]}, x=[1, 3])}, "part_b/classifier@seed-1/loss has other curves, or other 'epoch'"),
        ({"loss": curve({"tests": [2.0, 1.0]})}, "part_b/classifier@seed-1/loss has other curves, or other 'epoch', than"),
    ],
)  # fmt: skip
def test_runs_that_have_no_mean_together_are_named(
    project: Project, figures: Mapping[str, Drawn], message: str
) -> None:
    """With what is the matter."""
    add(project, 180, figures={"loss": curve({"test": [2.0, 1.0]})})
    add(project, 1, figures=figures)
    project.page(FIGURE)
    with pytest.raises(ContentError, match=re.escape(message)):
        project.build()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"series,epoch,error\ntest,1,nan\n", "row 2 has a value that is not finite"),
        (b"series,epoch,error\ntest,1,1e999\n", "row 2 has a value that is not finite"),
        (b"series,epoch,error\ntest,1\n", "its file cannot be read"),
        (b"series,epoch,error\ntest,one,1\n", "could not convert string to float"),
        (b"series,epoch,error\n", "it has 0 curves; means are drawn of 1 to 5"),
        (b"series,epoch,error\n" + b"".join(b"%d,1,1\n" % number for number in range(6)), "it has 6 curves"),
        (b"\xff\xfe", "'utf-8' codec can't decode"),
        (b"", "its columns are not series, x and y"),
        (b"series,epoch,error\n" + b"test,1,1\n" * 20_001, "it has more than 20,000 points"),
    ],
)
def test_values_that_someone_has_altered_are_refused(project: Project, content: bytes, message: str) -> None:
    """A manifest vouches for the bytes of a file, not for what they say."""
    drawn = curve({"test": [2.0, 1.0]})
    hostile = Drawn(drawn.kind, drawn.layout, {**drawn.files, "data.csv": content}, drawn.caption, drawn.alt)
    for seed in (180, 1):
        add(project, seed, figures={"loss": hostile})
    project.page(FIGURE)
    with pytest.raises(ContentError, match=re.escape(message)):
        project.build()


def test_hostile_names_are_text(project: Project) -> None:
    """Of curves and axes; signs that XML does not know are left out."""
    drawn = curve({"test": [2.0, 1.0]})
    rows = 'series,"</text><script>x()</script>","a\x01b"\n"<b>\x02",1,2\n"<b>\x02",2,1\n'
    hostile = Drawn(drawn.kind, drawn.layout, {**drawn.files, "data.csv": rows.encode()}, drawn.caption, drawn.alt)
    for seed in (180, 1):
        add(project, seed, figures={"loss": hostile})
    project.page(f"Text above.\n\n{FIGURE}")
    project.build()

    assert "<script>x()" not in project.html()
    for each in (project.site / "figures").rglob("*.svg"):
        assert "\x01" not in each.read_text(encoding="utf-8")
        assert "<script" not in each.read_text(encoding="utf-8")


def test_a_damaged_figure_of_a_seed_is_named(project: Project) -> None:
    """No mean is drawn of what is not whole."""
    for seed in (180, 1):
        add(project, seed, figures={"loss": curve({"test": [2.0, 1.0]})})
    (project.outputs.folder / "part_b/classifier@seed-1/figures/loss/data.csv").write_bytes(
        b"series,epoch,error\ntest,1,9\n"
    )
    project.page(FIGURE)
    warnings = project.build().warnings
    assert any("part_b/classifier@seed-1/loss: figures/loss/data.csv is altered" in str(each) for each in warnings)
    assert "<svg" not in project.html().partition("<figure")[2]
    assert "part_b/classifier@seed-1" in project.html()


def test_a_damaged_manifest_of_a_seed_is_reported(project: Project) -> None:
    """Its settings are unknown, so it does not count; the build says that it is damaged."""
    add_all(project)
    folder = project.outputs.folder / "part_b/classifier@seed-10"
    (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes()[:100])
    project.page(f"{{{{ {METRIC} }}}}")
    assert any("part_b/classifier@seed-10/manifest.json" in str(each) for each in project.build().warnings)
    assert "4 seeds" in text_of(project)


def test_a_mean_of_stale_curves_has_a_badge(project: Project) -> None:
    """With how many of the runs are, and why."""
    for seed in (180, 1, 2):
        add(project, seed, figures={"loss": curve({"test": [2.0, 1.0]})})
    add(project, 2, figures={"loss": curve({"test": [2.0, 1.0]})}, state="stale", reasons=("code: train",))
    project.page(FIGURE)
    project.build()
    assert "stale 1 of 3 runs: part_b/classifier@seed-2: code: train" in text_of(project)


def test_the_record_of_a_mean_says_what_its_runs_have_in_common(project: Project) -> None:
    """The device, if it is the same; not how long one of them took, nor its seed."""
    for seed in (180, 1):
        add(project, seed, figures={"loss": curve({"test": [2.0, 1.0]})})
    project.page(FIGURE)
    project.build()
    made = "part_b/classifier · AMD EPYC, 2 cores · seed = 180, 1 · mnist"
    assert made in " ".join(text_of(project).split())
    assert "1 h 12 min" not in text_of(project)

    folder = project.outputs.folder / "part_b/classifier@seed-1"
    manifest = load(folder)
    assert manifest is not None
    other = msgspec.structs.replace(manifest.provenance, device="A GPU")
    (folder / NAME).write_bytes(encode(msgspec.structs.replace(manifest, provenance=other)))
    project.build()
    assert made.replace("AMD EPYC, 2 cores · ", "") in " ".join(text_of(project).split())


def test_means_are_drawn_in_the_colours_of_other_plots() -> None:
    """The press does not import what draws those."""
    assert tuple(map(tuple, palette.SERIES)) == plots.SERIES
    for name in ("TEXT", "MUTED", "AXIS", "GRID", "PAGE"):
        assert tuple(getattr(palette, name)) == getattr(plots, name)
    assert (palette.FONT_FAMILY, palette.FONT_SIZE) == (plots.FONT_FAMILY, plots.FONT_SIZE)


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize(
    "values", [(1.0,), (0.0, 0.0), (1e-12, 3e-12), (-5.0, 2.5, 1e9), (0.3, 0.31), (1e-8, 1.0, 1e8)]
)
def test_axes_hold_what_is_drawn(values: Sequence[float], log_y: bool) -> None:
    """With two ticks or more, one for one whole number, all within the plot, each with a text of its own."""
    if log_y and min(values) <= 0:
        return
    x = tuple(float(number) for number in range(len(values)))
    band = plots.Band("test", x, tuple(values), tuple(values), tuple(values))
    drawn = plots.plot_bands([band], x_label="x", y_label="y", log_y=log_y)
    assert all(0 <= across <= 640 and 30 <= down <= 314 for across, down in drawn.places[0])
    ticks = re.findall(r'text-anchor="end">([^<]+)<', drawn.svg.decode())
    assert 2 - (len(set(values)) == 1) <= len(set(ticks)) == len(ticks) <= 9
