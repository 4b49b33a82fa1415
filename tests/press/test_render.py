"""Rendering: what becomes of prose, figures and records, as snapshots of the fragments that matter."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from darkroom.core.errors import ContentError
from tests.hostile import spoil
from tests.press.projects import Project
from tests.press.samples import animation, plot, table, tiles

FIGURES = {"tiles": tiles, "plot": plot, "animation": animation, "table": table}


def article(html: str) -> str:
    """The text of a page, formulas and digests cut short."""
    content = html.partition("<article>")[2].partition("</article>")[0].strip()
    return tidy(content)


def tidy(html: str) -> str:
    """HTML in which each formula is its TeX in brackets, so that a snapshot shows the page and not KaTeX."""
    while opening := re.search(r'<span class="katex(?:-display)?">', html):
        depth, end = 0, opening.start()
        for tag in re.compile(r"</?span\b[^>]*>").finditer(html, opening.start()):
            depth += -1 if tag[0].startswith("</") else 1
            end = tag.end()
            if depth == 0:
                break
        tex = re.search(r"<annotation[^>]*>(.*?)</annotation>", html[opening.start() : end], re.DOTALL)
        html = f"{html[: opening.start()]}[{tex[1] if tex else ''}]{html[end:]}"
    return html


@pytest.mark.parametrize("kind", FIGURES)
def test_each_kind_of_figure(project: Project, kind: str, snapshot: SnapshotAssertion) -> None:
    """Every kind has number, caption, alt texts, sizes and a line that says what made it."""
    project.outputs.add("part_b/denoiser", {kind: FIGURES[kind]()})
    project.page(f'{{{{ figure("part_b/denoiser/{kind}") }}}}')
    project.page("{{ experiments() }}", "reproduce")
    project.build()
    assert article(project.html()) == snapshot


def test_prose(project: Project, snapshot: SnapshotAssertion) -> None:
    """Markdown, math, code, quotes, lists, notes and tables come out as one would set them."""
    project.page(
        r"""It's "quoted" -- and *stressed*, with $\sigma < 1$ & `a < b "c"`... [Next](#next).[^1]

$$
x = 1
$$
and then
\begin{align*}
a &= b
\end{align*}

## Next: $\gamma$ {#next}

- One
- Two

1. First
2. Second

> A quote with $$y$$ in it.

```python
print("$x$ -- {{ figure }}")
```

| $\lvert x \rvert$ | b |
|---|---:|
| `a|b` | $|y|$ |

![A "digit"](favicon.svg) costs \$5. <!-- gone -->

[^1]: A note with $z$.
"""
    )
    project.build()
    assert article(project.html()) == snapshot


def test_the_page_around_the_text(project: Project, snapshot: SnapshotAssertion) -> None:
    """Head, navigation, contents and footer are those of the layout; math in titles is text where only text will do."""
    project.page(
        "## A $\\sigma$\n\n### B", "index", title="On $\\\\sigma$", order=1, numbered=True, lede="Why $x$ *matters*."
    )
    project.page("Else.", "deep/other", order=2, nav="Other", toc=False)
    project.build()
    for page in ("index", "deep/other"):
        html = re.sub(r"\.[0-9a-f]{10}\.", ".HASH.", tidy(project.html(page)))
        html = re.sub(r"<style>.*?</style>", "<style>RULES</style>", html, flags=re.DOTALL)
        html = re.sub(r"sha256-[\w+/]{43}=", "sha256-DIGEST", html)
        assert html.partition("<article>")[0] == snapshot


def test_the_record_of_experiments(project: Project, snapshot: SnapshotAssertion) -> None:
    """The record has state, parameters, device, duration, seed, commit, digests, figures, source and raw results."""
    project.outputs.add("part_b/denoiser", {"loss": plot()}, metrics={"mse": {"1": 0.0118, "5": 0.0082}, "n": 12345})
    project.outputs.add("part_b/old", {}, state="stale", reasons=("code: darkroom.diffusion.train.step",))
    project.outputs.add("part_b/big", {}, results=bytes(2_100_000))
    project.outputs.state("part_b/quality", "missing", figures=("confusion",))
    project.page('{{ figure("part_b/denoiser/loss") }}')
    project.page("{{ experiments() }}", "reproduce")
    project.build()
    assert article(project.html("reproduce")) == snapshot


def test_a_figure_that_is_not_fresh_says_so(project: Project) -> None:
    """Stale figures are shown with the state and the reason; missing ones as a note with the command to run."""
    project.outputs.add("part_b/a", {"loss": plot()}, state="stale", reasons=("params: gammas",))
    project.outputs.state("part_b/b", "missing", figures=("loss",))
    project.page('{{ figure("part_b/a/loss") }}\n\n{{ figure("part_b/b/loss") }}')
    report = project.build()
    html = project.html()
    assert '<p class="badge stale"><strong>stale</strong> params: gammas</p>' in html
    assert "<code>python build.py run part_b/b</code>" in html
    assert [warning.rule for warning in report.warnings] == ["stale", "missing"]


def test_a_damaged_figure_is_not_shown(project: Project) -> None:
    """A file that is not what the manifest says is replaced by a note; strict makes it a fault."""
    folder = project.outputs.add("part_b/a", {"loss": plot()})
    (folder / "figures/loss/plot.svg").write_text("<svg/>")
    project.page('{{ figure("part_b/a/loss") }}')
    report = project.build()
    assert "<svg" not in project.html()
    assert "figures/loss/plot.svg is altered" in project.html()
    path = "experiments/outputs/part_b/a/figures/loss/plot.svg"
    message = "part_b/a/loss: figures/loss/plot.svg is altered; restore the file or rerun the experiment with --force"
    assert [str(warning) for warning in report.warnings] == [f"{path}:1:1 damaged: {message}"]
    with pytest.raises(ContentError, match="is altered"):
        project.build(strict=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"version": 1, "exp', "not valid JSON (Input data was truncated)"),
        (b'{"version": 7}', "manifest version 7, but this Darkroom reads version 1; use the Darkroom that wrote it or"),
        (b'{"version": 1}', "does not fit manifest version 1: Object missing required field `experiment`"),
    ],
)
def test_a_damaged_manifest_is_a_note_on_the_page_and_one_line(project: Project, content: bytes, message: str) -> None:
    """A manifest that cannot be read is named, with what to do; the page shows a note; strict makes it a fault."""
    folder = project.outputs.add("part_b/a", {"loss": plot()})
    (folder / "manifest.json").write_bytes(content)
    project.page('{{ figure("part_b/a/loss") }}')
    report = project.build()
    (line,) = map(str, report.warnings)
    assert line.startswith(f"experiments/outputs/part_b/a/manifest.json:1:1 damaged: {message}")
    assert '<p class="badge damaged">' in project.html()
    with pytest.raises(ContentError, match=r"manifest\.json:1:1 damaged"):
        project.build(strict=True)


def test_a_picture_without_alt_text_is_a_fault(project: Project) -> None:
    """Alternative text is required of figures, of tiles and of pictures in prose."""
    bare = tiles()
    bare.layout["rows"][0]["cells"][0]["alt"] = ""
    project.outputs.add("part_b/a", {"loss": replace(plot(), alt=" "), "grid": bare})
    project.page('{{ figure("part_b/a/loss") }}\n\n{{ figure("part_b/a/grid") }}\n\n![](favicon.svg)')
    with pytest.raises(ContentError) as caught:
        project.build()
    assert [str(fault) for fault in caught.value.faults] == [
        "experiments/part_b/a.py:40:1 alt: a picture of part_b/a/grid has no alt text; describe what it shows",
        "experiments/part_b/a.py:40:1 alt: a picture of part_b/a/loss has no alt text; describe what it shows",
        "templates/pages/index.md:9:5 alt: favicon.svg has no alt text; write ![what it shows](favicon.svg)",
    ]


BAD = {
    "caption": lambda m: m["figures"]["grid"].update(caption=r"A $\nope$."),
    "heading of a column": lambda m: m["figures"]["grid"]["layout"].update(columns=[r"$\nope$", "b"]),
    "heading of a row": lambda m: m["figures"]["grid"]["layout"]["rows"][0].update(heading=r"$\nope$"),
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_formula_in_a_text_of_a_figure_is_damage(text: str, project: Project) -> None:
    """It is told at the manifest and names the source; the figure is absent, the rest is built, and told again later."""
    folder = project.outputs.add("part_b/a", {"grid": tiles(), "loss": plot()})
    spoil(folder, BAD[text])
    project.page('{{ figure("part_b/a/loss") }}\n\nSee {{ ref("part_b/a/grid") }}.\n\n{{ figure("part_b/a/grid") }}')
    project.page('Text.\n\n{{ figure("part_b/a/grid") }}', "other")
    expected = (
        "experiments/outputs/part_b/a/manifest.json:1:1 damaged: part_b/a/grid: Undefined control sequence: \\nope in "
        r"'\\nope', a text from experiments/part_b/a.py:40; fix it there and build again"
    )
    assert [str(each) for each in project.build().warnings] == [expected]
    assert "r0c0" not in project.html() and 'aria-label="A falling curve."' in project.html()
    assert '<figure class="absent' in project.html() and '<figure class="absent' in project.html("other")
    project.page("Text of another page.", "third")
    assert [str(each) for each in project.build().warnings] == [expected]
    with pytest.raises(ContentError) as caught:
        project.build(strict=True)
    assert str(caught.value) == expected


def test_a_bad_formula_in_a_summary_is_damage(project: Project) -> None:
    """The record says so in place of the run, and the others are shown; each is told at its own manifest."""
    for name in ("a", "b", "c"):
        folder = project.outputs.add(f"part_b/{name}", {"loss": plot()})
        if name != "c":
            spoil(folder, lambda m, name=name: m.update(summary=rf"Of ${chr(92)}nope{name}$."))
    project.page('{{ figure("part_b/a/loss") }}\n\n{{ figure("part_b/c/loss") }}\n\n{{ experiments("*") }}')
    said = [str(each) for each in project.build().warnings if each.rule == "damaged"]
    assert [line.partition(" in ")[0] for line in said] == [
        r"experiments/outputs/part_b/a/manifest.json:1:1 damaged: part_b/a: Undefined control sequence: \nopea",
        r"experiments/outputs/part_b/b/manifest.json:1:1 damaged: part_b/b: Undefined control sequence: \nopeb",
    ]
    assert project.html().count('class="state damaged"') == 2
    assert project.html().count("<dt>Run</dt>") == 1


def test_a_text_that_a_formula_calls_is_no_tex(project: Project) -> None:
    """A metric or a parameter of somebody's that is a text stands in a formula as it is."""
    project.outputs.add("part_b/a", metrics={"best": r"\nope{#$_^~&}%"})
    project.page('It is $x = {{ metric("part_b/a/best") }}$.')
    project.build()
    text = re.sub(r"<annotation.*?</annotation>", "", project.html())
    assert re.search(r"<mtext>\\nope\{#\$_\^~&amp;\}%</mtext>", text.replace("\u2061", "")), text


def test_jinja_can_repeat_what_is_checked(project: Project) -> None:
    """A loop over labels shows each number; an undefined name is a fault at its line."""
    project.outputs.add("part_b/a", metrics={"mse": {"1": 0.5, "5": 0.25}})
    project.page("{% for n in [1, 5] %}{{ metric('part_b/a/mse', at=n) }};{% endfor %}")
    project.build()
    assert re.findall(r'<span class="number">([\d.]+)</span>;', project.html()) == ["0.5", "0.25"]
    project.page("Line\n\n{{ nobody }}")
    with pytest.raises(ContentError, match=r"index\.md:7:1 jinja: 'nobody' is undefined"):
        project.build()


def test_headings_in_quotes_and_lists_are_none_of_the_contents(project: Project) -> None:
    """Underlined ones are sections like any other; what stands within something else has no number and no anchor."""
    project.page("Title\n-----\n\n> ## Quoted\n\n- ### Listed\n\n### More", numbered=True)
    project.build()
    html = project.html()
    assert re.findall(r'<li class="level-\d"><a href="#([^"]+)">', html) == ["title", "more"] * 2
    assert "<h2>Quoted</h2>" in html and "<h3>Listed</h3>" in html and 'id="more"><span class="section">1.1' in html


def test_only_the_first_figure_is_loaded_at_once(project: Project) -> None:
    """Pictures below the first figure are lazy, and every picture has its size."""
    project.outputs.add("part_b/a", {"one": tiles(), "two": tiles(shade=9), "film": animation()})
    project.page("\n\n".join(f'{{{{ figure("part_b/a/{name}") }}}}' for name in ("one", "two", "film")))
    project.build()
    images = re.findall(r"<img [^>]*>", project.html())
    assert [("lazy" in image) for image in images] == [False] * 6 + [True] * 10
    assert all(re.search(r' width="\d+" height="\d+"', image) for image in images)


def test_what_a_page_shows_twice_is_fetched_once(project: Project) -> None:
    """The same picture in two figures has one address on a page, and another page does not lean on it."""
    project.outputs.add("part_b/a", {"one": tiles(), "two": tiles(shade=90)})  # its first row is the other's second
    project.page('{{ figure("part_b/a/one") }}\n\n{{ figure("part_b/a/two") }}')
    project.page('{{ figure("part_b/a/two") }}', "other")
    project.build()
    shown, alone = (re.findall(r'<img [^>]*src="([^"]*)"', project.html(page)) for page in ("index", "other"))
    assert len(shown) == 12 and shown[6:9] == shown[3:6] and len(set(shown)) == 9
    assert all("/two/" in source or "two-" in source for source in alone)
    assert all((project.site / source).is_file() for source in [*shown, *alone])


def test_machines_are_told_what_the_page_is(project: Project) -> None:
    """Title, description, authors and day stand in the head for search engines, cards and citation managers."""
    site = project.root / "templates/site.toml"
    told = 'published = "2026-11-21"\nauthors = ["A. Author", "B. Other"]\nbase_url = "https://you.github.io/x"\n'
    site.write_text(told + site.read_text().replace('base_url = ""', "").replace("authors", "# authors"))
    project.page("Text.", title="On $x$ </script>")
    project.build()
    (data,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', project.html())
    known = json.loads(data)
    assert known["headline"] == "On x </script>" and known["@type"] == "ScholarlyArticle"
    assert [author["name"] for author in known["author"]] == ["A. Author", "B. Other"]
    assert known["url"] == "https://you.github.io/x/" and known["datePublished"] == "2026-11-21"
    meta = dict(re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', project.html()))
    assert meta["og:title"] == "On x &lt;/script&gt;" and meta["og:url"] == known["url"]
    assert meta["citation_author"] == "B. Other" and meta["citation_publication_date"] == "2026/11/21"
