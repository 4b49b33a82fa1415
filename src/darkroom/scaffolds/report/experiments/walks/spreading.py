"""How far random walkers get, and how fast that grows.

Replace this module by experiments of your own; it shows one of each kind of figure that you are likely to need.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Drawing, Panel, Series, animation, line_plot, table
from darkroom.lab import Results, experiment, upstream


@experiment(minutes=0.1)
def walks(*, walkers: int = 500, steps: int = 200, seed: int = 1) -> dict[str, object]:
    """Walkers that start at one point and take a step to a random side at every time.

    Results: ``places`` (steps + 1, walkers, 2), where each walker is at each time.
    """
    rng = np.random.default_rng(seed)
    sides = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], dtype=np.int16)
    taken = sides[rng.integers(4, size=(steps, walkers))]
    start = np.zeros((1, walkers, 2), dtype=np.int16)
    return {"places": np.concatenate([start, np.cumsum(taken, axis=0, dtype=np.int16)])}


@walks.figure(
    caption="Walkers spread from one point; a frame for every five steps.",
    alt="A dot that grows into a round cloud, dense in the middle.",
)
def cloud(results: Results) -> Drawing:
    """A film of how many walkers are at each place."""
    side, frames = 41, []
    for places in results["places"][::5]:
        counts, _, _ = np.histogram2d(*places.T, bins=side, range=[[-side, side]] * 2)
        frames.append(np.sqrt(counts / max(1, counts.max())))
    labels = [f"t = {5 * number}" for number in range(len(frames))]
    return animation([Panel("", "A cloud that grows.", np.array(frames))], scale=6, fps=10, labels=labels)


@experiment(minutes=0.1)
def exponent(walked: Results = upstream(walks), *, shortest: int = 5) -> dict[str, object]:
    r"""The exponent $a$ in $\langle x^2 \rangle \sim t^a$, from a straight line through the logarithms.

    Results: ``time`` and ``distance`` (times,), the mean squared distance from the start; ``slope`` and ``intercept``.
    """
    squared = (walked["places"].astype(np.float64) ** 2).sum(axis=2).mean(axis=1)
    time = np.arange(len(squared))[shortest:]
    slope, intercept = np.polyfit(np.log(time), np.log(squared[shortest:]), 1)
    return {"time": time, "distance": squared[shortest:], "slope": float(slope), "intercept": float(intercept)}


@exponent.metric
def slope(results: Results) -> float:
    """The exponent."""
    return float(results["slope"])


@exponent.figure(
    caption="The mean squared distance from the start, and the power law that fits best.",
    alt="Two curves that lie on each other, a straight line on logarithmic axes.",
)
def law(results: Results) -> Drawing:
    """Both against time."""
    time, fitted = results["time"], np.exp(results["intercept"]) * results["time"] ** results["slope"]
    curves = [Series("walkers", time, results["distance"]), Series("power law", time, fitted)]
    return line_plot(curves, x_label="steps", y_label="mean squared distance", log_x=True, log_y=True)


@exponent.figure(
    caption="The mean squared distance after some steps, beside what theory says.",
    alt="A table of three columns whose last two agree within a few per cent.",
)
def distances(results: Results) -> Drawing:
    """A row for some times; a walker's mean squared distance is the number of its steps."""
    chosen = [index for index, time in enumerate(results["time"]) if time in {10, 50, 100, 200}]
    rows = [[f"{results['time'][i]}", float(results["distance"][i]), float(results["time"][i])] for i in chosen]
    return table(["steps", "measured", "theory"], rows, formats=["", ".1f", ".1f"])
