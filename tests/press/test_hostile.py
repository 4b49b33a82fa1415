"""Somebody else's outputs: whatever they hold, a build refuses it by name, writes its own site alone, and runs nothing."""

from __future__ import annotations

import hashlib
import html
import marshal
import os
import re
import shutil
from pathlib import Path

import pytest

from darkroom.core.errors import ContentError, DamagedOutputs
from darkroom.core.manifest import load
from darkroom.press.typeset.vetting import is_plain
from tests.hostile import DRAWINGS, EVIL, FOLDERS, MANIFESTS, PICTURES, rewritten, sound, spoil
from tests.press.projects import Project

pytestmark = pytest.mark.usefixtures("katex")

PAGE = "\n\n".join(f'{{{{ figure("part_b/a/{name}") }}}}' for name in ("loss", "grid", "film", "numbers")) + (
    '\n\n{{ experiments("*") }}'
)


def _tree(root: Path) -> dict[str, str]:
    """Every file but those of the site and the cache, by its digest; links by where they lead."""
    found = {}
    for place, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in {"site", ".darkroom", "node_modules"}]
        for name in names:
            path = Path(place) / name
            key = path.relative_to(root).as_posix()
            if path.is_symlink():
                found[key] = str(path.readlink())
            elif path.is_file():
                found[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_is_off_is_damaged(name: str, project: Project) -> None:
    """It is refused when it is read, by one line."""
    folder = sound(project.outputs)
    spoil(folder, MANIFESTS[name])
    with pytest.raises(DamagedOutputs) as refused:
        load(folder)
    assert "\n" not in str(refused.value)
    assert "restore" in str(refused.value) or "rerun" in str(refused.value)


def test_a_sound_one_is_not(project: Project) -> None:
    """What the others are made from is whole, and its layouts are of the types of their kinds."""
    manifest = load(sound(project.outputs))
    assert manifest is not None
    kinds = {"Plot", "Tiles", "Animation", "Grid", "Slides", "Compare", "TurningLayout", "Distances"}
    assert {type(each.layout).__name__ for each in manifest.figures.values()} == kinds


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_is_off_is_damaged_and_nothing_else_is_touched(name: str, project: Project) -> None:
    """The build goes through with a warning that says so; nothing but the site is written, nothing of it published."""
    folder = sound(project.outputs)
    project.page(PAGE)
    FOLDERS[name](folder)
    before = _tree(project.root)
    try:
        report = project.build()
        said = [str(warning) for warning in report.warnings if warning.rule == "damaged"]
    except ContentError as error:  # figures of a manifest that cannot be read are not known to the page
        said = [str(fault) for fault in error.faults]
    assert said
    assert all("\n" not in line for line in said)
    assert _tree(project.root) == before
    for path in project.site.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert b"alert(1)" not in content
        assert b"example.org" not in content or path.suffix == ".html"  # where the badge says what was refused
        assert b'="https://example.org' not in content


@pytest.mark.parametrize("name", ["path_up", "path_site_packages", "path_absolute"])
def test_nothing_is_written_outside_the_site(name: str, project: Project) -> None:
    """A raw result whose path leads out is not published anywhere."""
    folder = sound(project.outputs)
    spoil(folder, MANIFESTS[name])
    path = folder / "../../../../build.py"
    path.resolve().write_bytes(EVIL)
    project.page('{{ experiments("*") }}')
    before = _tree(project.root)
    report = project.build()
    assert any(each.rule == "damaged" for each in report.warnings)
    assert _tree(project.root) == before
    assert not any(each.read_bytes() == EVIL for each in project.site.rglob("*") if each.is_file())


@pytest.mark.parametrize(
    ("caption", "shown"),
    [
        ("<script src='raw/x.js'></script>", "&lt;script"),
        ("a <img src=x onerror=alert(1)> b", "&lt;img"),
        (
            "**bold** and *thin* and `code <b>`",
            "<strong>bold</strong> and <em>thin</em> and <code>code &lt;b&gt;</code>",
        ),
        ("[here](javascript:alert(1))", ">here</a>"),
        ("[here](java&#10;script:alert(1))", "here"),
        ("[here](data:text/html,<script>alert(1)</script>)", "here"),
        ("[here](//evil.example)", ">here</a>"),
        ("[here](https://example.com/a)", 'href="https://example.com/a"'),
        ("![seen](https://evil.example/a.png)", ""),
        ("# no heading", "# no heading"),
        ("- no list", "- no list"),
        ("</p></figcaption></figure><h1>x</h1>", "&lt;/p&gt;"),
        ("<!-- hidden --> seen", "&lt;!– hidden --&gt; seen"),
        ("one\n\ntwo", "one two"),
    ],
)
def test_a_caption_is_text(caption: str, shown: str, project: Project) -> None:
    """Markdown's marks within a line and formulas; no HTML, no block, and no link but to pages."""
    spoil(sound(project.outputs), lambda m: m["figures"]["loss"].update(caption=caption))
    project.page('{{ figure("part_b/a/loss") }}')
    project.build()
    text = re.search(r"<figcaption>(.*?)</figcaption>", project.html(), re.DOTALL)[1]
    assert shown in text
    assert not re.search(r"<(script|img|h1|ul|li|iframe|p)\b(?![^>]*provenance)", text.replace("<p><a", "<a"))
    for address in map(html.unescape, re.findall(r'(?:href|src)="([^"]*)"', text)):
        assert address.startswith(("#", "https://example.com/", "https://github.com/")), address


@pytest.mark.parametrize("target", ["nowhere.md", "../other.html", "other.html?x", "a b", "", "%00", "assets/x.css"])
def test_a_link_of_a_caption_that_leads_nowhere_is_text(target: str, project: Project) -> None:
    """It is told at the manifest, and the site is built; one that leads to a page is a link."""
    caption = f"See [here](<{target}>) and [there](other.md)."
    spoil(sound(project.outputs), lambda m: m["figures"]["loss"].update(caption=caption))
    project.page('{{ figure("part_b/a/loss") }}')
    project.page("Text.", "other")
    report = project.build()
    told = [each.path for each in report.warnings if each.rule == "link" and "does not exist" in each.message]
    known = target == "other.html?x"
    assert told == ([] if known else ["experiments/outputs/part_b/a/manifest.json"])
    text = re.search(r"<figcaption>(.*?)</figcaption>", project.html(), re.DOTALL)[1]
    assert 'href="other.html">there</a>' in text and (known or ">here</a>" not in text.replace("<a>here</a>", ""))


def test_a_formula_in_a_caption_leads_nowhere(project: Project) -> None:
    """A link in a formula is damage: the figure is absent."""
    spoil(sound(project.outputs), lambda m: m["figures"]["loss"].update(caption=r"$\href{javascript:alert(1)}{x}$ y"))
    project.page('{{ figure("part_b/a/loss") }}')
    report = project.build()
    assert [each.path for each in report.warnings if "href is not for formulas" in each.message] == [
        "experiments/outputs/part_b/a/manifest.json"
    ]
    assert 'href="javascript' not in project.html() and '<figure class="absent' in project.html()


@pytest.mark.parametrize(
    "tex",
    [
        r"\smash{\raisebox{-4000em}{x}}",
        r"\kern-30em x",
        r"\hspace{-30em}x",
        r"\rule{30em}{1em}",
        r"\rule{1em}{600pt}",
        r"\mskip-9999mu x",
        r"\genfrac{}{}{30em}{}{a}{b}",
        r"\begin{array}{c}a\\[-30em]b\end{array}",
        r"\def\arraystretch{90}\begin{matrix}a\\b\end{matrix}",
        r"\begin{matrix}" + r"x\\" * 40 + r"\end{matrix}",
    ],
)
def test_a_formula_of_outputs_has_the_size_of_one(tex: str, project: Project) -> None:
    """Larger than 20 em, or moved further, it is damage; in a page's own text it is the author's business."""
    folder = sound(project.outputs)
    spoil(folder, lambda m: (m["figures"]["loss"].update(caption=f"A ${tex}$"), m.update(summary=f"A ${tex}$")))
    project.page(f'Text ${tex}$.\n\n{{{{ figure("part_b/a/loss") }}}}\n\n{{{{ experiments("*") }}}}')
    told = [each.message for each in project.build().warnings if "than 20 em in" in each.message]
    assert len(told) == 2
    assert '<figure class="absent' in project.html() and 'class="state damaged"' in project.html()
    sizes = {
        r"x_{i_j}",
        r"\frac{\sum_i^n x}{\sqrt{\frac ab}}",
        r"\underbrace{a+b}_{c}",
        r"\left(\begin{matrix}a\\b\\c\end{matrix}\right)",
    }
    spoil(folder, lambda m: m["figures"]["loss"].update(caption=" ".join(f"${each}$" for each in sorted(sizes))))
    assert not [
        each for each in project.build().warnings if "than 20 em in '" in each.message and "loss" in each.message
    ]


def test_results_are_published_by_what_they_are(project: Project) -> None:
    """Arrays and data are; what a browser would run is not, and is named all the same."""
    folder = sound(project.outputs)
    names = ["page.html", "run.js", "drawing.svg", "style.css", "a.xhtml", ".hidden.json", "none", "a.json", "b.csv"]

    def add(manifest: dict) -> None:
        for name in names:
            (folder / name).write_bytes(EVIL)
            manifest["files"].append({"path": name, "sha256": hashlib.sha256(EVIL).hexdigest(), "bytes": len(EVIL)})

    spoil(folder, add)
    project.page('{{ experiments("*") }}')
    project.build()
    raw = {re.sub(r"\.[0-9a-f]{10}", "", each.name) for each in (project.site / "raw").rglob("*") if each.is_file()}
    assert raw == {"a.json", "b.csv", "results.safetensors"}
    assert all(name in project.html() for name in names)


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_that_is_not_harmless_is_not_published(name: str, project: Project) -> None:
    """Neither in the page nor as a file."""
    folder = sound(project.outputs)
    FOLDERS[f"drawing_{name}"](folder)
    project.page('Text.\n\n{{ figure("part_b/a/loss") }}')
    report = project.build()
    assert [each.rule for each in report.warnings if "plot.svg" in str(each)] == ["damaged"]
    assert "<svg" not in project.html()
    assert not list(project.site.rglob("*plot*.svg"))


def test_a_harmless_drawing_that_html_reads_otherwise_is_a_picture(project: Project) -> None:
    """Comments and sections of text do not come into the page itself."""
    harmless = (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><!-- <title> --><g/><!-- </title> --></svg>'
    )
    assert not is_plain(harmless.decode())
    folder = sound(project.outputs)
    rewritten(folder, "figures/loss/plot.svg", harmless)
    project.page('Text.\n\n{{ figure("part_b/a/loss") }}')
    report = project.build()
    assert not [each for each in report.warnings if each.rule == "damaged"]
    assert 'src="figures/part_b/a/loss-plot.' in project.html() and "<title> --" not in project.html()


@pytest.mark.parametrize("name", PICTURES)
def test_the_card_is_composed_of_pictures(name: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one of them is none there is no card, and no traceback."""
    monkeypatch.setenv("DARKROOM_BASE_URL", "https://example.net/")
    folder = sound(project.outputs)
    FOLDERS[f"picture_{name}"](folder)
    settings = project.root / "templates/site.toml"
    settings.write_text(settings.read_text().replace("raw_limit_mb", 'picture = "part_b/a/grid"\nraw_limit_mb', 1))
    project.page("Text.")
    project.build()
    assert not list(project.site.glob("assets/card*"))


def test_a_cut_picture_makes_no_card(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What begins like a picture and ends early is found when the card is composed."""
    monkeypatch.setenv("DARKROOM_BASE_URL", "https://example.net/")
    folder = sound(project.outputs)
    whole = (folder / "figures/grid/r0c0.png").read_bytes()
    rewritten(folder, "figures/grid/r0c0.png", whole[:60])
    settings = project.root / "templates/site.toml"
    settings.write_text(settings.read_text().replace("raw_limit_mb", 'picture = "part_b/a/grid"\nraw_limit_mb', 1))
    project.page("Text.")
    report = project.build()
    assert [each.rule for each in report.warnings if "r0c0.png" in each.message] == ["damaged"]
    assert "og:image" not in project.html()


def test_every_page_has_a_policy(project: Project) -> None:
    """It lets no script run but those that it names, also on the page for addresses that lead nowhere."""
    project.page("Text.")
    project.page("Nothing here.", "404", layout="missing", toc=False)
    project.build()
    for name in ("index", "404"):
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', project.html(name))[1]
        scripts = re.search(r"script-src ([^;]*)", policy)
        allowed = scripts[1].split() if scripts else []
        assert all(each == "'strict-dynamic'" or each.startswith("'sha256-") for each in allowed)
        assert scripts or "default-src 'none'" in policy


def test_a_layout_without_a_policy_is_told_of(project: Project) -> None:
    """By a warning, at its file."""
    path = project.root / "templates/layouts/bare.html"
    path.write_text("<!doctype html><title>{{ plain_title }}</title>{{ content }}")
    project.page("Text.")
    project.page("Text.", "other", layout="bare")
    report = project.build()
    assert [each.path for each in report.warnings if each.rule == "policy"] == ["templates/layouts/bare.html"]


def test_a_layout_that_has_lost_its_policy_is_told_of(project: Project) -> None:
    """Also where it includes others: none of these has one. A layout that extends one with a policy has it."""
    layouts = project.root / "templates/layouts"
    page = layouts / "page.html"
    whole = page.read_text("utf-8")
    lines = [line for line in whole.splitlines() if "Content-Security-Policy" not in line]
    page.write_text("\n".join(lines) + '{% include "layouts/aside.html" %}', "utf-8")
    (layouts / "aside.html").write_text("<p>Aside.</p>", "utf-8")
    project.page("Text.")
    assert [each.path for each in project.build().warnings if each.rule == "policy"] == ["templates/layouts/page.html"]
    (layouts / "aside.html").write_text(whole[whole.index("<meta http-equiv") :].split(">")[0] + ">", "utf-8")
    assert not [each for each in project.build().warnings if each.rule == "policy"]


def test_a_compiled_layout_from_elsewhere_does_not_run(project: Project, tmp_path: Path) -> None:
    """What is kept of layouts is code; without this user's seal it is made anew."""
    project.page("Text.")
    project.build()
    first = project.html()
    kept = list((project.root / ".darkroom/jinja").glob("*.cache"))
    assert kept
    evil = compile(f"open({str(tmp_path / 'pwned')!r}, 'w')", "x", "exec")
    for path in kept:
        head = path.read_bytes().split(b"\n", 1)[1]
        path.write_bytes(head[: head.index(b"\xe3") if b"\xe3" in head else 60] + marshal.dumps(evil))
    project.page("Text, once more.")
    project.build()
    assert not (tmp_path / "pwned").exists()
    assert project.html().replace(", once more", "") == first


def test_a_cache_from_elsewhere_is_not_believed(project: Project) -> None:
    """A record that says that a page stands as it is counts for nothing where this user did not write it."""
    project.page("Text.")
    project.build()
    cache = project.root / ".darkroom"
    for path in cache.glob("press-*.json"):
        content = path.read_bytes().split(b"\n", 1)[1]
        path.write_bytes(hashlib.blake2b(content, digest_size=32).hexdigest().encode() + b"\n" + content)
    page = project.site / "index.html"
    stat = page.stat()
    page.write_text(page.read_text().replace("Text.", "Evil!"))
    os.utime(page, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    project.build()
    assert "Text." in project.html()


@pytest.mark.parametrize(
    "body",
    [
        "<script>alert(1)</script>",
        "<script src='reader.js'></script>",
        '<a href="javascript:alert(1)">x</a>',
        '<a href=" java\nscript:alert(1)">x</a>',
        '<a href="data:text/html,x">x</a>',
        "[x](//evil.example)",
        "[x](javascript:alert(1))",
        '<iframe src="https://evil.example"></iframe>',
        '<meta http-equiv="refresh" content="0;url=https://evil.example">',
        '<form action="https://evil.example"></form>',
        '<img src="x" onerror="alert(1)" alt="a">',
        '<base href="https://evil.example/">',
        "<style>*{display:none}</style>",
        "<svg><script>alert(1)</script></svg>",
        '<object data="https://evil.example"></object>',
        '<b onclick="x()">b</b>',
        "</main></body>",
        '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
        '<svg><use href="data:image/svg+xml,x"/></svg>',
        '<svg><set attributeName="href" to="java&#10;script:alert(1)"/></svg>',
        '<button formaction="javascript:alert(1)">x</button>',
        "<!-- --!><img src=x onerror=alert(1)> -->",
        "a <!-- --!><img src=x onerror=alert(1)> -->",
        '{% include "page.html" %}',
        '{% from "page.html" import a %}',
        "{{ lipsum() }}",
    ],
)
def test_a_page_is_text(body: str, project: Project) -> None:
    """What would do more than be read is a fault at its place."""
    project.page(f"Before.\n\n{body}")
    with pytest.raises(ContentError, match=r"^templates/pages/index\.md:7:\d+ \w+: "):
        project.build()


@pytest.mark.parametrize("around", ["<div>\n%s\n</div>", "<pre>\n%s\n</pre>", "<div>\n\nx\n\n<p>%s\n</div>"])
@pytest.mark.parametrize(
    "begun",
    [
        "<img src=x onerror=alert(1)//",
        '<img src=x onerror=alert(1) "',
        '<iframe src="https://a.b"a"',
        '</form a="',
        "<x<img src",
    ],
)
def test_what_browsers_take_for_a_tag_is_one_or_a_fault(begun: str, around: str, project: Project) -> None:
    """HTML is set into a page as it is written, so nothing in it may be text here and a tag there."""
    project.page(f"Before.\n\n{around % begun}")
    with pytest.raises(ContentError, match=r"templates/pages/index\.md:\d+:\d+ html: <\S+ is not a valid tag"):
        project.build()


@pytest.mark.parametrize("mark", ["<!--0-->", "<!--999999-->", "<!--style-->", "<!--policy-->"])
def test_an_attribute_holds_no_mark_of_ours(mark: str, project: Project) -> None:
    """What stands for a formula, or for its style, until it is put in stands for nothing where a page has written it."""
    project.page(f"<div title=\"{mark}\">\n\n$x$ and <span title='{mark}'>y</span>\n\n</div>")
    project.build()
    shown = mark.replace("<", "&lt;")
    assert f'<div title="{shown}">' in project.html() and f"<span title='{shown}'>" in project.html()
    assert project.html().count('<span class="katex-html"') == 1


def test_a_name_with_a_line_break_is_one_line(project: Project) -> None:
    """What comes behind it does not read as a fault of another file."""
    (project.pages / "a\nb.md:1:1 all is well").mkdir(parents=True)
    (project.pages / "a\nb.md:1:1 all is well/x.md").write_text("none")
    project.page("Text.")
    with pytest.raises(ContentError) as caught:
        project.build()
    assert len(str(caught.value).splitlines()) == len(caught.value.faults)


def test_less_than_is_text_in_html(project: Project) -> None:
    """Before a space, a digit, and in formulas."""
    project.page("<div>\n1 < 2 and 3 <4 and $a<b$\n</div>\n\n<pre>\nx < y\n</pre>")
    project.build()


@pytest.mark.parametrize("folder", ["index.html", "Index.HTML", "record.JSON"])
def test_a_page_lies_in_no_file(folder: str, project: Project) -> None:
    """A folder that is called as a file of the site, here or on other systems, is told at the page in it."""
    project.page("Text.")
    project.page("Text.", f"{folder}/x")
    with pytest.raises(ContentError, match=rf"pages/{folder}/x\.md:1:1 page: the page would be in a folder {folder}"):
        project.build()


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://a.b/\n<script>", "a.b", "https://a.b/?c"])
def test_the_address_of_the_environment_is_one(address: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in every page's head."""
    project.page("Text.")
    monkeypatch.setenv("DARKROOM_BASE_URL", address)
    with pytest.raises(
        ContentError, match=r"^templates/site\.toml:1:1 site: DARKROOM_BASE_URL is .*; it should be an addr"
    ):
        project.build()


def test_a_figure_of_an_unknown_kind_is_one_fault(project: Project) -> None:
    """At the call, which says what template is missing."""
    spoil(sound(project.outputs), lambda m: m["figures"]["loss"].update(kind="own"))
    project.page('{{ figure("part_b/a/loss") }}')
    with pytest.raises(ContentError) as caught:
        project.build()
    assert [str(fault) for fault in caught.value.faults] == [
        "templates/pages/index.md:5:4 template: part_b/a/loss is of kind 'own', but templates/figures/own.html does not exist"
    ]


def test_outputs_that_differ_in_case_are_told(project: Project) -> None:
    """Once for each folder that would be another; a warning, and a fault in strict mode."""
    sound(project.outputs)
    outputs = project.root / "experiments/outputs"
    for name in ("part_b/A", "Part_B/x", "Part_B/y"):
        shutil.copytree(outputs / "part_b/a", outputs / name)
        spoil(outputs / name, lambda m, name=name: m.update(experiment=name))
    project.page("Text.")
    told = [(w.path, w.message) for w in project.build().warnings if w.rule == "file"]
    end = "have the same name on some systems, such as macOS; rename or delete one of the two"
    assert told == [
        ("experiments/outputs/part_b", f"'Part_B' and 'part_b' {end}"),
        ("experiments/outputs/part_b/a", f"'part_b/A' and 'part_b/a' {end}"),
    ]
    with pytest.raises(ContentError, match="'Part_B' and 'part_b' have the same name"):
        project.build(strict=True)


def test_a_folder_of_outputs_whose_name_is_no_text_is_damaged(project: Project) -> None:
    """It is told of once, and the site is built."""
    folder = project.root / "experiments/outputs/part_b" / os.fsdecode(b"\xff")
    sound(project.outputs)
    shutil.copytree(project.root / "experiments/outputs/part_b/a", folder)
    project.page("Text.")
    report = project.build()
    assert [w.rule for w in report.warnings if "xff" in w.message] == ["damaged"]
    assert "Text." in project.html()


@pytest.mark.parametrize("characters", ["\uf8fe", "\uf8ff", "\U000f0000", "\U00100000", "\U0010fffd", "\ue000"])
def test_characters_are_characters(characters: str, project: Project) -> None:
    """Those of the private planes too, in text, headings, formulas beside them, and captions of somebody's outputs."""
    spoil(sound(project.outputs), lambda m: m["figures"]["loss"].update(caption=f"Of {characters} and $x$."))
    project.page(f"One {characters} and $y$.\n\n## Heading {characters}\n\n" + '{{ figure("part_b/a/loss") }}')
    project.build()
    assert project.html().count(characters) >= 3
    assert f"Of {characters} and" in project.html() and f"One {characters} and" in project.html()
