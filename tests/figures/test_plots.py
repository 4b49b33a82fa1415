import csv
import io
import re
from itertools import pairwise
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.figures import (
    Bars,
    Density,
    Drawing,
    FigureError,
    Paint,
    Reference,
    Sample,
    Series,
    bar_plot,
    heat_map,
    histogram,
    line_plot,
    matplotlib_plot,
)
from darkroom.figures.axes import LINE_HEIGHT, axis, spread, tick_texts
from darkroom.figures.curves import bin_starts, means, moving_mean, round_window
from darkroom.figures.palette import AXIS, GRID, MUTED, PAGE, SERIES, TEXT, contrast, over, ramp
from darkroom.press.typeset.vetting import is_plain
from tests.figures import svg

STEPS = np.arange(1, 2001)
LOSS = (0.01 + np.exp(-STEPS / 50)) * np.random.default_rng(0).lognormal(0, 0.1, 2000)
SIGMAS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)
DIGITS = [str(digit) for digit in range(10)]


def loss() -> Drawing:
    training = Series("training", STEPS, LOSS, style="noisy")
    test = Series("test", [1000, 2000], [0.02, 0.012], style="points")
    return line_plot([training, test], x_label="step", y_label="loss", log_y=True)


def psnr() -> Drawing:
    curves = [Series(name, SIGMAS, np.linspace(30, low, 7)) for name, low in (("UNet", 11), ("blur", 12), ("best", 16))]
    return line_plot(curves, x_label="noise level σ", y_label="PSNR (dB)", x_ticks=SIGMAS, format=".1f")


def agreement() -> Drawing:
    share = np.array([0.1, 0.95, 0.99])
    curve = Series("epoch 20", [0, 1, 5], share, low=share - 0.02, high=share + 0.005)
    return line_plot(
        [curve], x_label="γ", y_label="agreement", references=[Reference("chance", 0.1)], format=".1%", y_range=(0, 1)
    )


def distances() -> Drawing:
    kinds = [Bars("time", [40, 20, 11]), Bars("class", [30, 9, 5.5])]
    return bar_plot(["1", "5", "20"], kinds, x_label="epoch", y_label="distance", references=[Reference("floor", 1)])


def distribution() -> Drawing:
    rng = np.random.default_rng(0)
    x = np.linspace(-3, 3, 50)
    normal = Density("N(0, 1)", x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))
    samples = [Sample("true", rng.normal(size=500)), Sample("ours", rng.normal(size=(20, 20)))]
    return histogram(samples, x_label="pixel value", densities=[normal], bins=20)


def confusion() -> Drawing:
    matrix = np.diag(np.arange(1090, 1100))
    matrix[3, 5] = 7
    return heat_map(matrix, row_labels=DIGITS, column_labels=DIGITS, x_label="read as", y_label="asked for")


ALL = {f.__name__: f for f in (loss, psnr, agreement, distances, distribution, confusion)}


@pytest.fixture(params=ALL)
def drawing(request) -> Drawing:
    return ALL[request.param]()


def test_a_plot_is_an_svg_of_its_size_and_a_table(drawing):
    """The size that the layout states, and rows as wide as their headings."""
    layout = drawing.layout
    assert drawing.kind == "plot"
    assert sorted(drawing.files) == sorted([layout["csv"], layout["file"]])
    element = svg.root(drawing)
    assert (element.get("width"), element.get("height")) == (str(layout["width"]), str(layout["height"]))
    assert element.get("viewBox") == f"0 0 {layout['width']} {layout['height']}"
    assert element.find(f"{svg.NS}title").text
    assert layout["table"]["rows"]
    assert {len(row) for row in layout["table"]["rows"]} == {len(layout["table"]["columns"])}
    assert all(isinstance(cell, str) for row in layout["table"]["rows"] for cell in row)


def values(drawing: Drawing) -> list[list[str]]:
    return list(csv.reader(io.StringIO(drawing.files[drawing.layout["csv"]].decode())))


def test_all_values_can_be_had_as_csv():
    """Every point of every curve with its interval, every bar, every bin, every cell; numbers in plain ASCII."""
    head, *rows = values(loss())
    assert head == ["series", "step", "loss", "low", "high"]
    runs = np.array([row[1:] for row in rows[:-2]], float)
    assert len(runs) == 160 < len(LOSS) and rows[-1][3:] == ["", ""]
    assert runs[:, 1].mean() == pytest.approx(np.mean(LOSS), rel=0.01)
    assert (runs[:, 2].min(), runs[:, 3].max()) == pytest.approx((np.min(LOSS), np.max(LOSS)), rel=1e-4)
    assert values(agreement())[:2] == [
        ["series", "γ", "agreement", "low", "high"],
        ["epoch 20", "0", "0.1", "0.08", "0.105"],
    ]
    assert values(distances())[1:] == [["1", "40", "30"], ["5", "20", "9"], ["20", "11", "5.5"]]
    head, *bins = values(distribution())
    assert head == ["sample", "pixel value, from", "to", "density"] and len(bins) == 2 * 20
    assert sum(float(d) * (float(b) - float(a)) for n, a, b, d in bins if n == "true") == pytest.approx(1, abs=1e-5)
    assert values(confusion())[4][6] == "7"


@pytest.mark.parametrize("aim", [0.3, 0.72, 0.9])
def test_no_line_crosses_the_number_above_a_bar(aim):
    """Wherever the bar ends below it; elsewhere the number stands close above its bar."""
    shares = [aim - 0.1, aim - 0.05, aim - 0.02, aim - 0.001, aim, aim + 0.001, aim + 0.03]
    groups = list("abcdefg")
    drawn = bar_plot(groups, [Bars("b", shares)], y_label="share", references=[Reference("aim", aim)], format=".3f")
    tops = [point[1] for point in drawn.layout["readings"][0]["points"]]
    line = tops[4]
    numbers = {text.text: text for text in svg.texts(drawn)}
    for share, top in zip(shares, tops, strict=True):
        number = numbers[f"{share:.3f}"]
        assert not number.baseline - 0.7 * number.size - 1 < line < number.baseline + 1
        assert top - number.baseline < 25
    far = numbers[f"{shares[0]:.3f}"]
    assert tops[0] - far.baseline < 6


def test_bars_and_bins_can_be_read_off(drawing):
    """What is told lies within the drawing, and has as many points as there are bars or bins."""
    series = drawing.layout["readings"]
    assert series or drawing.layout["table"]["columns"][0].startswith("asked for")
    for each in series:
        for x, y, of, value in each["points"]:
            assert 0 <= x <= drawing.layout["width"] and 0 <= y <= drawing.layout["height"] and of and value


def test_every_colour_is_that_of_the_page(drawing):
    """Two palettes, no stand-in is left, and a file by itself follows the reader's colour scheme."""
    assert "color-scheme:light dark" in svg.root(drawing).get("style")
    palette = {colour for paint in (TEXT, MUTED, AXIS, GRID, PAGE, *SERIES) for colour in paint}
    palette |= {colour for n in range(1101) for s in [ramp((n / 1099) ** 0.5)] for colour in (*s, *over(s))}
    assert svg.colours(drawing, "light") | svg.colours(drawing, "dark") <= palette | {"#000000"}
    assert svg.colours(drawing, "light") != svg.colours(drawing, "dark")


def test_the_page_shows_through(drawing):
    """No rectangle of the drawing's own size stands behind it, and nothing is loaded from elsewhere."""
    content = svg.content(drawing)
    width, height = drawing.layout["width"], drawing.layout["height"]
    corners = {(0, height), (width, height)}
    assert not [path for path in svg.paths(drawing) if corners <= {(x, y) for _, x, y in path}]
    assert "<image" not in content
    assert content.count("http") == 1 == content.count("http://www.w3.org/")


def test_text_stays_text_and_can_be_read_at_full_size(drawing):
    """Every text is at least 12 px high, in a family that the reader's system has."""
    assert "system-ui" in svg.root(drawing).get("font-family")
    assert "DejaVu" not in svg.content(drawing)
    assert min(text.size for text in svg.texts(drawing)) >= 12


def test_no_text_leaves_the_drawing_or_covers_another(drawing):
    """Boxes estimated for a wide font stay inside and apart."""
    shown = svg.texts(drawing)
    for i, text in enumerate(shown):
        assert text.left >= -1, text
        assert text.right <= drawing.layout["width"] + 1, text
        assert text.size - 2 <= text.baseline <= drawing.layout["height"] - 2, text
        assert not [other for other in shown[:i] if text.overlaps(other)], text


@pytest.mark.parametrize("page", ["light", "dark"])
def test_colours_stand_out_from_every_page(page):
    """Text and series reach 4.5 : 1, axes 3 : 1, on white and off-white, on black and dark grey."""
    pages = {"light": ("#ffffff", "#f6f5f1", PAGE.light), "dark": ("#000000", "#22262c", PAGE.dark)}[page]
    for background in pages:
        for paint in (TEXT, MUTED, *SERIES):
            assert contrast(getattr(paint, page), background) >= 4.5, paint
        assert contrast(getattr(AXIS, page), background) >= 3


def test_contrast_is_that_of_wcag():
    """Black on white is 21, a colour on itself 1, and grey 118 on white the well-known 4.54."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#123456", "#123456") == 1
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


SEEN_BY = {  # linear RGB as seen without one kind of cone: Machado et al. 2009, table 1, severity 1
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def oklab(linear: np.ndarray) -> np.ndarray:
    to_cones = np.array([[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]])
    to_lab = np.array([[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]])
    return to_lab @ np.cbrt(to_cones @ np.clip(linear, 0, 1))


@pytest.mark.parametrize("page", ["light", "dark"])
@pytest.mark.parametrize("eyes", SEEN_BY)
def test_series_are_told_apart_by_every_kind_of_eye(page, eyes):
    """Any two colours stay apart in OKLab when one kind of cone is missing."""
    channels = [[int(getattr(paint, page)[i : i + 2], 16) / 255 for i in (1, 3, 5)] for paint in SERIES]
    seen = [oklab(np.array(SEEN_BY[eyes]) @ np.array(c) ** 2.2) for c in channels]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(apart) > 0.07


def test_numbers_in_cells_are_readable_on_their_colour():
    """The ink over a cell reaches 4.5 : 1 at every share, on both pages."""
    for share in np.linspace(0, 1, 101):
        cell = ramp(share)
        assert contrast(over(cell).light, cell.light) >= 4.5
        assert contrast(over(cell).dark, cell.dark) >= 4.5


def test_curves_are_named_at_their_ends_where_that_fits():
    """Names stand right of the axes, one line apart at least, nearest to where their curves end."""
    names = {text.text: text for text in svg.texts(psnr()) if text.text in ("UNet", "blur", "best")}
    assert len({text.left for text in names.values()}) == 1
    assert names["best"].left > 500
    heights = sorted(text.baseline for text in names.values())
    assert min(np.diff(heights)) >= LINE_HEIGHT - 0.01
    assert names["best"].baseline < names["blur"].baseline < names["UNet"].baseline


@pytest.mark.parametrize(
    "curves",
    [
        [Series("stops early", [0, 1], [0, 0.5]), Series("goes on", [0, 9], [0, 0.1])],
        [Series("a name that is much too long to stand at the right of its curve", [0, 9], [0, 1])],
        [Series(f"run {i}", [0, 9], [0, 1 + i / 1000]) for i in range(5)],
    ],
    ids=["ends elsewhere", "too long", "one spot"],
)
def test_a_legend_takes_over_where_names_do_not_fit(curves):
    """Then the names stand above the axes, each beside its swatch."""
    plot = line_plot(curves, x_label="x", y_label="y", height=160 if len(curves) == 5 else 360)
    names = [text for text in svg.texts(plot) if text.text in {curve.label for curve in curves}]
    assert len(names) == len(curves)
    assert max(text.baseline for text in names) < 80


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 300), st.sampled_from([16.0, 32.0, 48.0])), min_size=1, max_size=6))
def test_labels_are_spread_without_overlap_and_no_further_than_needed(boxes):
    """Boxes stay in order and inside; those with room of their own do not move."""
    wanted, sizes = [b[0] for b in boxes], [b[1] for b in boxes]
    placed = spread(wanted, sizes, 300)
    order = sorted(range(len(boxes)), key=lambda i: placed[i])
    for a, b in pairwise(order):
        assert placed[b] - placed[a] >= (sizes[a] + sizes[b]) / 2 - 1e-6
    assert placed[order[0]] - sizes[order[0]] / 2 >= -8 - 1e-6
    assert placed[order[-1]] + sizes[order[-1]] / 2 <= 308 + 1e-6
    for i, (at, size) in enumerate(boxes):
        alone = all(abs(at - w) >= (size + s) / 2 + 60 for j, (w, s) in enumerate(boxes) if j != i)
        if alone and 60 <= at <= 240 and len(boxes) <= 2:
            assert placed[i] == pytest.approx(at)


def test_labels_that_cannot_fit_are_not_spread():
    """More text than room gives None."""
    assert spread([10.0, 20.0], [48.0, 48.0], 50) is None


def test_the_moving_mean_is_that_of_its_window_and_makes_nothing_up():
    """It equals a valid convolution, and the default window is 1, 2 or 5 times a power of ten."""
    values = np.random.default_rng(0).random(100)
    assert moving_mean(values, 7) == pytest.approx(np.convolve(values, np.ones(7) / 7, "valid"))
    assert moving_mean(values, 1) == pytest.approx(values)
    assert [round_window(n) for n in (1, 60, 120, 1175, 9380)] == [1, 1, 2, 20, 200]
    assert all(1 <= round_window(n) <= n for n in range(1, 3000))


@given(st.integers(1, 500), st.integers(1, 50))
def test_bins_hold_every_point_once_and_nearly_equally_many(points, bins):
    """Runs start at 0, ascend, and differ in length by one at most."""
    starts = bin_starts(points, bins)
    lengths = np.diff(np.append(starts, points))
    assert starts[0] == 0
    assert len(starts) == min(points, bins)
    assert lengths.max() - lengths.min() <= 1
    assert (means(np.arange(points, dtype=float), starts) * lengths).sum() == pytest.approx(points * (points - 1) / 2)


def test_a_single_spike_among_thousands_of_points_is_still_seen():
    """The band reaches every extreme: thinning hides nothing."""
    flat = np.full(5000, 1.0)
    spiked = flat.copy()
    spiked[3217] = 2.0
    band = [
        _highest(line_plot([Series("a", np.arange(5000), y, style="noisy")], x_label="x", y_label="y", y_range=(0, 3)))
        for y in (flat, spiked)
    ]
    assert band[0] - band[1] == pytest.approx((360 - 46 - 30) / 3, abs=0.1)


def _highest(plot: Drawing) -> float:
    """The y of the highest point of the band, in CSS pixels from the top."""
    band = next(element for element in svg.root(plot).iter(f"{svg.NS}use"))
    [shape] = [each for each in svg.root(plot).iter() if each.get("id") == band.get("href").removeprefix("#")]
    return float(band.get("y")) + min(y for *_, y in svg.points(shape.get("d")))


def test_the_window_of_a_smoothed_curve_is_named():
    """A reader learns what the line and the band are."""
    curve = Series("training", STEPS, LOSS, style="noisy", window=25, unit="batches")
    shown = svg.words(line_plot([curve], x_label="step", y_label="loss"))
    assert "mean of 25 batches" in shown
    assert "band: least to greatest" in shown


def test_the_table_of_curves_with_one_x_is_wide_and_complete():
    """One row an x, one column a curve, with the format asked for."""
    table = psnr().layout["table"]
    assert table["columns"] == ["noise level σ", "UNet", "blur", "best"]
    assert table["rows"][0] == ["0", "30.0", "30.0", "30.0"]
    assert table["rows"][-1] == ["1", "11.0", "12.0", "16.0"]
    assert len(table["rows"]) == 7


def test_the_table_of_noisy_curves_gives_means_over_spans():
    """Twenty spans that cover all points, then the points of the other curve."""
    rows = loss().layout["table"]["rows"]
    assert rows[0][:2] == ["training, mean", "1 to 100"]
    assert float(rows[0][2]) == pytest.approx(LOSS[:100].mean(), rel=1e-3)
    assert rows[19][1] == "1,901 to 2,000"
    assert rows[20:] == [["test", "1,000", "0.02"], ["test", "2,000", "0.012"]]


def test_intervals_stand_beside_their_values_in_the_table():
    """A value is followed by its interval."""
    assert agreement().layout["table"]["rows"][1] == ["1", "95.0% (93.0% to 95.5%)"]


@pytest.mark.parametrize(
    ("ticks", "log", "texts"),
    [
        ([0, 0.2, 1], False, ("0.0", "0.2", "1.0")),
        ([-2, 0, 2], False, ("−2", "0", "2")),
        ([0, 5000, 10000], False, ("0", "5,000", "10,000")),
        ([0.01, 0.03, 1, 1000], True, ("0.01", "0.03", "1", "1,000")),
        ([1e-5, 3e-5, 1e7], True, ("10⁻⁵", "3·10⁻⁵", "10⁷")),
    ],
)
def test_ticks_are_written_as_people_write_them(ticks, log, texts):
    """Equal decimals on linear axes, real minus signs, powers of ten only for very long numbers."""
    assert tick_texts(ticks, log) == texts


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.booleans())
def test_an_axis_holds_its_data_and_has_ticks_inside(start, extent, log):
    """At least two ticks, all within the axis, which holds all values."""
    low = abs(start) + 1e-3 if log else start
    made = axis("x", [low, low + extent], log=log)
    assert made.low <= low
    assert made.high >= low + extent
    assert len(made.ticks) >= 2
    assert all(0 <= made.share(tick) <= 1 for tick in made.ticks)
    assert len(set(made.texts)) == len(made.texts)


def test_tick_labels_that_would_touch_are_left_out():
    """Every tick keeps its mark, and the labels that stand keep apart."""
    ticks = [0, 0.001, 0.002, 0.5, 1]
    plot = line_plot([Series("a", [0, 1], [7, 9])], x_label="x", y_label="y", x_ticks=ticks)
    shown = svg.words(plot)
    assert [text in shown for text in ("0.000", "0.001", "0.002", "0.500", "1.000")] == [True, False, False, True, True]


def test_what_lies_outside_the_range_asked_for_is_cut_off():
    """Markers may reach over the edge of the axes, but not where data goes on beyond it."""
    whole, cut = (
        line_plot([Series("a", [0, 1, 2], [0, 5, 1])], x_label="x", y_label="y", y_range=y_range)
        for y_range in ((0, 5), (0, 4))
    )
    clipped = [svg.content(plot).count("clip-path=") for plot in (whole, cut)]
    assert clipped == [6, 5 + 2]  # grid lines; and the curve with its markers


def test_zero_cells_of_a_matrix_are_quiet():
    """A dot on the bare page, while every other cell has its number and its colour."""
    plot = confusion()
    shown = svg.words(plot)
    assert shown.count("·") == 100 - 11
    assert {"1,090", "1,099", "7"} <= set(shown)
    assert svg.content(plot).count("<path") == 11
    assert plot.layout["table"]["rows"][3][6] == "7"


def test_small_errors_in_a_matrix_show_beside_large_counts():
    """Colour follows the square root: 7 of 1,099 already stands out from the page's neighbour."""
    assert ramp((7 / 1099) ** 0.5) != ramp(0)
    levels = [contrast(ramp(s).light, "#ffffff") for s in np.linspace(0, 1, 20)]
    assert levels == sorted(levels)


def test_densities_integrate_to_one_whatever_the_sample_size():
    """The table states sizes and moments; the heights are densities."""
    rows = distribution().layout["table"]["rows"]
    assert [row[:2] for row in rows] == [["true", "500"], ["ours", "400"]]
    sample = np.repeat([0.0, 1.0], [1, 3])
    plot = histogram([Sample("a", sample)], x_label="x", bins=2, x_range=(0, 1))
    assert "1.5" in svg.words(plot)


def test_a_users_settings_do_not_leak_in_or_out():
    """Settings of rcParams change nothing in a drawing, and a drawing changes nothing in them."""
    import matplotlib as mpl

    before = psnr().files
    with mpl.rc_context(
        {"lines.linewidth": 9, "svg.fonttype": "path", "axes.facecolor": "red", "lines.solid_capstyle": "butt"}
    ):
        inside = psnr().files
        assert mpl.rcParams["lines.linewidth"] == 9
    assert inside == before


@pytest.mark.parametrize(
    ("series", "options", "message"),
    [
        ([], {}, "0 series; draw 1 to 5"),
        ([Series(str(i), [0], [0]) for i in range(6)], {}, "6 series; draw 1 to 5"),
        ([Series("a", [0, 1], [0])], {}, "series 'a': 2 x, 1 y"),
        ([Series("a", [], [])], {}, "series 'a': 0 x, 0 y"),
        ([Series("a", [[0]], [0])], {}, r"series 'a': x: shape \(1, 1\)"),
        ([Series("a", [0, 1, 2], [0, np.nan, 1])], {}, "series 'a': y: value 2 of 3 is NaN"),
        ([Series("a", [1, 0], [0, 1])], {}, "x goes back"),
        ([Series("a", [0, 1], [0, 1])], {"log_y": True}, "a value is 0 or less"),
        ([Series("a", [0, 1], [1, 1])], {"log_x": True}, "a value is 0 or less"),
        ([Series("a", [1, 2], [1, 1], low=[1, 1])], {}, "an interval has two ends"),
        ([Series("a", [1, 2], [1, 1], low=[1], high=[1])], {}, "equally many"),
        ([Series("a", range(3000), range(3000))], {}, "3,000 points; draw at most 2,000, or use style='noisy'"),
        ([Series("a", [1, 2], [1, 1], style="noisy", window=3)], {}, "window=3 for 2 points"),
        ([Series("a", [1, 2], [1, 2])], {"y_range": (2, 1)}, "from 2 to 1 is no range"),
        (
            [Series("a", [1, 2], [1, 2])],
            {"log_y": True, "references": [Reference("r", 0)]},
            "no place on a logarithmic",
        ),
        ([Series(r"$\sigma$", [1, 2], [1, 2])], {}, "plain text"),
        ([Series("a", [1, 2], [1, 2])], {"format": "x"}, "format 'x' does not fit"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(series, options, message):
    """Each mistake names the series and what to do."""
    with pytest.raises(FigureError, match=message) as caught:
        line_plot(series, **{"x_label": "x", "y_label": "y", **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda f: f.bars(["a"], [Bars("k", [-1])], y_label="y"), "bars stand on zero"),
        (lambda f: f.bars(["a"], [Bars("k", [1, 2])], y_label="y"), "2 heights for 1 groups"),
        (lambda f: f.bars([], [Bars("k", [])], y_label="y"), "0 heights for 0 groups"),
        (lambda f: f.bars(["a"], [], y_label="y"), "0 kinds of bars"),
        (lambda f: f.bars(["a" * 99, "b"], [Bars("k", [1, 2])], y_label="y"), "names of 2 groups do not fit"),
        (lambda f: f.hist([Sample("s", [])], x_label="x"), "a value at least in each"),
        (lambda f: f.hist([Sample("s", [np.inf])], x_label="x"), "'s': value 1 of 1 is NaN or infinite"),
        (lambda f: f.hist([Sample("s", [1])], x_label="x", bins=1), "bins=1"),
        (lambda f: f.hist([Sample("s", [1])], x_label="x", x_range=(3, 2)), "x_range from 3 to 2"),
        (lambda f: f.hist([Sample("s", [1])], x_label="x", x_range=(2, 3)), "no value lies from 2 to 3"),
        (lambda f: f.map(np.ones(3), ["a"], ["b"]), r"shape \(3,\)"),
        (lambda f: f.map(np.ones((2, 1)), ["a"], ["b"]), "1 row and 1 column labels"),
        (lambda f: f.map(np.full((1, 1), np.nan), ["a"], ["b"]), "NaN or infinite"),
        (lambda f: f.map(np.ones((1, 30)), ["a"], ["label"] * 30), "do not fit 30 times"),
    ],
)
def test_bars_distributions_and_matrices_refuse_what_they_cannot_show(draw, message):
    """Wrong numbers, shapes and sizes are one line each."""

    def heat(matrix, rows, columns):
        return heat_map(matrix, row_labels=rows, column_labels=columns, x_label="x", y_label="y")

    with pytest.raises(FigureError, match=message) as caught:
        draw(SimpleNamespace(bars=bar_plot, hist=histogram, map=heat))
    assert "\n" not in str(caught.value)


def test_differences_have_two_colours_on_one_scale():
    """Equal sizes stand out about equally, whatever their sign; every text on them can be read."""
    for share in np.linspace(0.05, 1, 20):
        below, above = ramp(-share), ramp(share)
        for page in ("light", "dark"):
            seen = [contrast(getattr(each, page), getattr(PAGE, page)) for each in (below, above)]
            assert max(seen) / min(seen) < 1.25
            for each in (below, above):
                assert contrast(getattr(each, page), getattr(over(each), page)) >= 4.5
    drawing = heat_map([[4.0, -4.0], [0.0, -1.0]], row_labels="ab", column_labels="cd", x_label="x", y_label="y")
    text = drawing.files["plot.svg"].decode()
    assert text.count(ramp(1).css) == 1 and text.count(ramp(-1).css) == 1 and text.count(ramp(-0.5).css) == 1


def test_what_is_read_off_lies_on_the_curve():
    """Every reading stands where its curve is drawn, with the numbers that were plotted."""
    drawing = psnr()
    drawn = [(x, y) for path in svg.paths(drawing) for _, x, y in path]
    for series, low in zip(drawing.layout["readings"], (11, 12, 16), strict=True):
        assert [x for *_, x, _ in series["points"]] == ["0", "0.2", "0.4", "0.5", "0.6", "0.8", "1"]
        assert [y for *_, y in series["points"]] == [f"{value:.1f}" for value in np.linspace(30, low, 7)]
        for across, down, *_ in series["points"]:
            assert any(abs(across - x) < 0.11 and abs(down - y) < 0.11 for x, y in drawn)  # both to a tenth


def test_a_noisy_curve_is_read_off_its_mean():
    """At most sixty readings, of the smoothed line, none of them outside the plot."""
    training, test = loss().layout["readings"]
    assert training["name"] == "training" and 2 <= len(training["points"]) <= 60
    assert len(test["points"]) == 2
    assert all(0 <= x <= 640 and 0 <= y <= 360 for x, y, *_ in training["points"])


# A project's own plots ------------------------------------------------------------------------------------------------


def own(draw, **options) -> Drawing:
    return matplotlib_plot(draw, title="A plot of one's own", **options)


def test_a_plot_of_ones_own_has_the_colours_of_both_pages():
    """Axes, texts, cycles, legends, and what it names itself; nothing is left of matplotlib's or of the user's style."""
    special = Paint("#7a1fa2", "#d9a6f5")

    def draw(figure, colour):
        axes = figure.subplots()
        for number in range(5):
            axes.plot([0, 1], [number, number + 1], label=f"curve {number}")
        axes.bar([0, 1], [1, 2], color=colour(special))
        axes.grid()
        axes.set(xlabel="x", ylabel="y", title="title")
        axes.legend()

    with matplotlib.rc_context({"text.color": "red", "axes.prop_cycle": matplotlib.cycler(color=["red"])}):
        before = dict(matplotlib.rcParams)
        text = own(draw).files["plot.svg"].decode()
        assert dict(matplotlib.rcParams) == before
    found = set(re.findall(r"(?:light-dark\([^)]*\)|#[0-9a-f]{3,6}\b)", text))
    assert {paint.css for paint in (*SERIES, special, TEXT, MUTED, AXIS, GRID)} <= found
    assert {each for each in found if not each.startswith("light-dark")} == set()
    assert is_plain(text) and 'width="640" height="360"' in text and ">title</text>" in text


def test_logarithmic_axes_of_ones_own_plots_have_plain_labels():
    """Powers as everywhere else, and no TeX, which an SVG would show as it is written."""

    def draw(figure, colour):
        figure.subplots().plot([1e-3, 1, 1e6], [1, 2, 3])
        figure.axes[0].set_xscale("log")

    text = own(draw).files["plot.svg"].decode()
    labels = re.findall(r">([^<]*)</text>", text)
    assert "0.01" in labels and "10⁶" in labels and "$" not in text


def test_values_of_ones_own_plots_are_a_table_and_a_file():
    """The first twenty as a table, all as CSV; without columns there is neither."""
    drawing = own(lambda figure, colour: figure.subplots(), columns=["x", "y"], rows=[[i, i / 3] for i in range(30)])
    assert len(drawing.layout.table.rows) == 20 and drawing.layout.table.rows[1] == ["1", "0.3333"]
    assert drawing.files["data.csv"].decode().count("\n") == 31
    bare = own(lambda figure, colour: figure.subplots())
    assert bare.layout.table is None and set(bare.files) == {"plot.svg"}


def test_what_ones_own_plots_cannot_show_is_refused():
    """TeX in labels, several lines, rows of another length."""
    for label in (r"$\sigma$", "two\nlines"):
        with pytest.raises(FigureError, match="labels in drawings are one line of plain text"):
            own(lambda figure, colour, label=label: figure.subplots().set_xlabel(label))
    with pytest.raises(FigureError, match="row 1 has 1 cells, but there are 2 columns"):
        own(lambda figure, colour: None, columns=["x", "y"], rows=[[1]])
