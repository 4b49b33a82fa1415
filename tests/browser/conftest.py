"""A site with a figure of each kind, served on localhost, and Chromium to open it in."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darkroom.figures import Panel, Series, Turning, animation, compare, distances, line_plot, slides, tiles, turning
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import Project
from tests.press.samples import Drawn

# Every plot comes near once, so that all are drawn; then the page is at its top again.
DRAWN = """async () => {
  for (let plot; (plot = document.querySelector("details[open] [data-plot], :not(details) > figure [data-plot]"));) {
    plot.scrollIntoView();
    await new Promise((done) => setTimeout(done, 30));
  }
  scrollTo(0, 0);
}"""
LONG = " + ".join(f"x_{{{n}}}" for n in range(14))  # fits a wide window, not a narrow one
PLACES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def frames(seed: int, count: int = 6) -> np.ndarray:
    """A film of noise that settles into a bright square."""
    rng = np.random.default_rng(seed)
    square = np.zeros((20, 30))
    square[5:15, 5 + seed : 15 + seed] = 1
    share = np.linspace(0, 1, count)[:, None, None]
    return np.clip(share * square + (1 - share) * rng.random((count, 20, 30)), 0, 1)


def drawn(drawing: Any, caption: str, alt: str) -> Drawn:
    return Drawn(drawing.kind, drawing.layout, dict(drawing.files), caption, alt)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, katex: Path) -> Path:  # noqa: F811
    """The published site."""
    project = Project.make(tmp_path_factory.mktemp("browser"))
    panels = [Panel(f"epoch {n}", f"Noise becomes a square, epoch {n}.", frames(n)) for n in (1, 5)]
    film = animation(panels, fps=4, hold_last_s=0.1, labels=[f"t = {t}" for t in (5, 4, 3, 2, 1, 0)])
    grid = tiles(
        [[frames(r + c)[-1] for c in range(3)] for r in range(2)],
        rows=["one", "two"], columns=["$a$", "$b$", "$c$"], alt="Square {row} {column}.", scale=2,
    )  # fmt: skip
    steps = np.arange(1, 50)
    plot = line_plot([Series("training", steps, 1 / steps)], x_label="step", y_label="loss")
    ramp = np.linspace(0, 1, 24 * 24).reshape(24, 24)
    views = [Turning("flip", ramp, ramp[::-1], "flip", "A hill.", "A valley.")]
    views.append(Turning("fade", ramp, ramp.T, "", "A hill.", "A slope."))
    handled = {
        "slides": drawn(
            slides([ramp, ramp.T, 1 - ramp], labels=["x", "y | z", "z"], alt="A ramp, {label}."), "S.", "Ramps."
        ),
        "compare": drawn(compare(ramp, ramp.T, labels=("a", "b"), alt=("One.", "Other.")), "C.", "Two ramps."),
        "turning": drawn(turning(views), "T.", "Ramps that turn."),
        "distances": drawn(distances([ramp], headings=["h"], alts=["A ramp."]), "D.", "A ramp from afar."),
    }
    figures = handled | {
        "film": drawn(film, "Sampling.", "Films of squares."),
        "grid": drawn(grid, "Squares.", "A grid of squares."),
        "plot": drawn(plot, "Loss.", "A falling curve."),
    }
    project.outputs.add("part_b/a", figures)
    for name, model, picture in (("part_b/both", "Small", ramp), ("part_b/both@large", "Large", ramp.T)):
        one = drawn(tiles([[picture]], alt=f"A ramp by {model}.", scale=4), "By whom?", "A ramp.")
        project.outputs.add(name, {"it": one}, model=model)
    names = ("grid", "film", "plot", *handled)
    shown = "\n\n".join(f'{{{{ figure("part_b/a/{name}") }}}}\n\n' + "Text. " * 120 for name in names)
    words = 'See {{ ref("part_b/a/grid") }}, {{ cite("ho2020") }} and a note.[^n]\n\n## One\n\n$$x = \\frac{a}{b}$$\n\n'
    more = f"## Two\n\n{'More text. ' * 200}\n\n$${LONG}$$\n\n{{{{ citation() }}}}\n\n[^n]: The note itself."
    project.page(f"{words}{shown}\n\n{more}", nav="Start", order=1)
    project.page(
        '{{ figure("part_b/a/film", play=True) }}\n\n## Only\n\nShort.\n\n'
        "<details><summary>More of it</summary>\n\n<p>Folded away.</p>\n\n</details>\n\n"
        '{{ figure("part_b/both/it") }}\n\n'
        "> [!NOTE]\n> A callout.\n\n??? tip\n    Folded.\n\n- [x] done\n- [ ] open\n\n"
        "```python {2}\nx = 1\ny = 'a'  # why\n```\n\n"
        "\\begin{equation}\\label{e}a = b\\end{equation}\n\nBy \\eqref{e}.",
        "other",
        nav="Other",
        order=2,
    )
    project.page("## Runs\n\n{{ experiments() }}", "reproduce", nav="Runs", order=3)
    project.page("Gone.", "404")
    for gamma in (0.0, 1.0, 2.5, 5.0, 10.0):
        for seed in (1, 2):
            settings = {key: value for key, value, own in (("gamma", gamma, 2.5), ("seed", seed, 1)) if value != own}
            one = drawn(tiles([[ramp]], alt=f"A ramp at {gamma}.", scale=4), "A sample.", "A ramp.")
            project.outputs.add(
                f"part_b/swept@g{gamma:g}s{seed}" if settings else "part_b/swept",
                {"it": one},
                parameters={"gamma": 2.5, "seed": 1},
                metrics={"psnr": 20 - gamma, "bits": gamma * seed},
                **({"settings": settings} if settings else {}),
            )
    project.page(
        '## One\n\n{{ sweep("part_b/swept/it", over="gamma, seed") }}\n\n## Two\n\n{{ runs("part_b/swept") }}\n\n'
        '{{ runs("part_b/swept", metrics="psnr", x="gamma", y="psnr") }}',
        "sweeps",
    )
    for seed in range(1, 4):
        losses = {"training": seed / (steps + seed), "test": 1 / (seed + steps)}
        curves = line_plot([Series(name, steps, each) for name, each in losses.items()], x_label="step", y_label="loss")
        project.outputs.add(
            "part_b/seeded" if seed == 1 else f"part_b/seeded@seed-{seed}",
            {"loss": drawn(curves, "The loss.", "Two falling curves.")},
            parameters={"seed": 1},
            metrics={"loss": {str(epoch): seed / epoch for epoch in range(1, 13)}, "accuracy": 0.99 + seed / 1000},
            state="stale" if seed == 3 else "fresh",
            **({} if seed == 1 else {"settings": {"seed": seed}}),
        )
    project.page(
        'It is {{ metric("part_b/seeded/accuracy", over="seed") }}.\n\n## One\n\n'
        '{{ figure("part_b/seeded/loss", over="seed") }}\n\n## Two\n\n{{ seeds("part_b/seeded") }}',
        "seeds",
    )
    project.build()
    return project.site


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the site is served, under a sub-path as on GitHub Pages."""
    root = site.parent / "served"
    shutil.copytree(site, root / "darkroom")
    for base in serve(root):
        yield f"{base}darkroom/"


def serve(folder: Path) -> Iterator[str]:
    """Serve *folder* on localhost for as long as the iterator is open; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def stir(page: Any, act: Callable[[int], object] | None = None) -> None:
    """Do what a reader does first, until scripts have done their work; before its first paint a page takes no notice."""
    if not page.locator("script[src]").count():
        return  # 404.html has none
    act = act or (lambda number: page.mouse.move(1, 1 + number % 2))
    for number in range(300):
        act(number)
        if page.locator("html.ready.complete").count():
            page.evaluate(DRAWN)
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            return
        page.wait_for_timeout(100)
    raise AssertionError("nothing far down was laid out in 30 s")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Chromium without a window; what needs it is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = next(filter(None, map(shutil.which, PLACES)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(PLACES)} is on the path")
    options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=[*options, "--disable-component-update"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tab(chromium: Any) -> Iterator[tuple[Any, list[str]]]:
    """A tab that tests share, each of which opens the first page in it anew; and what is said on its console."""
    context = chromium.new_context()
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened, said
    context.close()


@pytest.fixture
def page(tab: tuple[Any, list[str]], address: str) -> Iterator[Any]:
    """The first page, wide, in the light theme; a message on the console fails the test."""
    opened, said = tab
    opened.set_viewport_size({"width": 1280, "height": 900})
    opened.emulate_media(color_scheme="light", media="screen", reduced_motion="no-preference")
    opened.mouse.move(0, 0)
    said.clear()
    opened.goto(f"{address}index.html")
    if opened.evaluate("localStorage.length"):
        opened.evaluate("localStorage.clear()")
        opened.goto(f"{address}index.html")
    stir(opened)
    yield opened
    assert said == []
