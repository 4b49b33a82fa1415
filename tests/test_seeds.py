"""Seeds, from the command that runs them to the page that shows them together."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

from darkroom.core.manifest import load
from tests.lab.workshop import make
from tests.press.projects import copy_templates

PAGE = """+++
title = "A page"
description = "A page of a test."
+++
It is {{ metric("part_x/base/total", over="seed") }}, and of what follows
{{ metric("part_x/derived/largest", at="total", over="seed") }}.

{{ figure("part_x/base/walk", over="seed") }}

{{ seeds("part_x/base") }}
"""
WALK = """

@base.figure(caption="A walk.", alt="A curve.")
def walk(results: Results) -> object:
    from darkroom.figures import Series, line_plot

    return line_plot([Series("total", [1, 2, 3], results["total"])], x_label="part", y_label="sum")
"""
SWEEPS = '[seeds]\nexperiment = "part_x/base"\ngrid = { seed = [1, 2, 3] }\n'


def test_a_sweep_over_seeds_and_what_depends_on_them(tmp_path: Path) -> None:
    """Three runs of the experiment; two of what takes its results, since a variant of that takes those of a variant."""
    workshop = make(tmp_path)
    copy_templates(workshop.root)
    workshop.write("templates/site.toml", 'title = "T"\ndescription = "D"\n')
    workshop.write("templates/pages/index.md", PAGE)
    workshop.write("experiments/sweeps.toml", SWEEPS)
    path = workshop.root / "experiments/part_x/base.py"
    path.write_text(path.read_text(encoding="utf-8") + WALK, encoding="utf-8")

    workshop.call("run", "part_x/derived")
    assert "run with only one seed" in workshop.call(code=1).stderr
    workshop.call("run", "--sweep", "seeds")
    workshop.call("run", "part_x/base", "--set", "seed=2", "--downstream")
    workshop.call()

    text = " ".join(re.sub(r"<[^>]*>", "", (workshop.root / "site/index.html").read_text("utf-8")).split())
    values = []
    for seed in ("", "@seed-2", "@seed-3"):
        manifest = load(workshop.outputs / f"part_x/base{seed}")
        assert manifest is not None
        values.append(manifest.metrics["total"].value)
    mean, half = statistics.fmean(values), 4.302653 * statistics.stdev(values) / 3**0.5  # type: ignore[type-var]
    shown = re.search(r"It is (−?[\d.]+)&nbsp;±&nbsp;([\d.]+), 3&nbsp;seeds", text)
    assert shown
    assert abs(float(shown[1].replace("−", "-")) - mean) <= half
    assert abs(float(shown[2]) / half - 1) < 0.35  # it is rounded to one digit
    assert re.search(r"of what follows −?[\d.]+&nbsp;±&nbsp;[\d.]+, 2&nbsp;seeds", text)
    assert "Mean of 3 seeds; the band is from the least to the greatest value." in text
    assert "part_x/base, 3 seeds" in text
