"""Publishing: what is written and when, what survives a failure, and that the same sources give the same bytes."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from darkroom.core.errors import ContentError, UsageError
from darkroom.figures import Series, line_plot
from darkroom.press import build
from darkroom.press.build import current
from darkroom.press.theme import BASE
from darkroom.press.typeset.static_files import brief_script
from tests.press.projects import ROOT, Project
from tests.press.samples import Drawn, animation, plot, table, tiles

PYTHON_PATH = f"{ROOT / 'src'}{os.pathsep}{ROOT}"


def fill(project: Project) -> Project:
    """A project with pages that use everything."""
    figures = {"loss": plot(), "grid": tiles(), "film": animation(), "table": table()}
    project.outputs.add("part_b/a", figures, metrics={"mse": 0.0082})
    shown = "\n\n".join(f'{{{{ figure("part_b/a/{name}") }}}}' for name in figures)
    project.page(
        f"## One\n\n$x$ and {{{{ metric('part_b/a/mse') }}}}.\n\n{shown}\n\n[^1]: N\n\nNote.[^1]", order=1, nav="A"
    )
    project.page('$$\\mathcal{L}$$ {{ cite("ho2020") }} {{ ref("part_b/a/loss") }}', "deep/two", order=2)
    project.page("{{ experiments() }}", "reproduce", order=3)
    return project


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_a_second_build_writes_nothing(project: Project) -> None:
    """A site that is up to date is recognised without building; building all the same leaves every file alone."""
    fill(project)
    assert not current(project.request())
    first = project.build()
    assert first.written == first.files
    times = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in project.site.rglob("*") if path.is_file()}
    assert current(project.request()) == build.BuildReport(first.pages, first.files, 0, first.warnings)
    assert project.build().written == 0
    assert times == {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in times}


@pytest.mark.parametrize(
    "change",
    [
        "page",
        "new page",
        "layout",
        "style",
        "site.toml",
        "manifest",
        "figure",
        "status",
        "site file",
        "site gone",
        "references",
    ],
)
def test_whatever_changes_is_noticed(project: Project, change: str) -> None:
    """A change of any source, of the plan's word or of the site itself makes the site out of date."""
    fill(project).build()
    templates = project.root / "templates"
    edits = {
        "page": templates / "pages/index.md",
        "layout": templates / "layouts/page.html",
        "style": templates / "static/style.css",
        "site.toml": templates / "site.toml",
        "references": templates / "references.bib",
        "manifest": project.root / "experiments/outputs/part_b/a/manifest.json",
        "figure": project.root / "experiments/outputs/part_b/a/figures/loss/plot.svg",
        "site file": project.site / "index.html",
    }
    if change in edits:
        edits[change].write_text(edits[change].read_text() + "\n")
    elif change == "new page":
        project.page("New.", "new")
    elif change == "status":
        project.outputs.state("part_b/a", "stale", ("code: a.b",), ("loss",))
    else:
        shutil.rmtree(project.site)
    assert not current(project.request())


def test_touching_a_file_changes_nothing(project: Project) -> None:
    """A new time on the same content, as after a checkout, is no change."""
    fill(project).build()
    for path in (project.root / "templates").rglob("*.md"):
        os.utime(path, (1, 1))
    assert current(project.request())


def test_an_edited_page_is_written_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The edit of one page renders that page and writes that file; all others are kept, and the spare site too."""
    fill(project).build()
    from darkroom.press.rendering import render

    rendered: list[str] = []
    original = render.Renderer.page
    monkeypatch.setattr(
        render.Renderer, "page", lambda self, page: (rendered.append(page.url), original(self, page))[1]
    )
    for text in ("More.", "And more.", "And $y$ more."):
        page = project.pages / "deep/two.md"
        page.write_text(page.read_text() + f"\n\n{text}\n")
        assert project.build().written == 1
    assert rendered == ["deep/two.html"] * 3
    assert "And more." in project.html("deep/two")
    again = Project(project.root, project.outputs)
    shutil.rmtree(project.root / ".darkroom")
    kept = snapshot(project.site)
    assert again.build().written == 0
    assert snapshot(project.site) == kept


def test_a_drawing_belongs_to_its_page(project: Project) -> None:
    """A plot below the top is a file of its own, which is kept with its page, made again when it was touched, and goes
    with its page's last use of it.
    """
    curve = line_plot([Series("loss", [1, 2, 3], [3, 2, 1])], x_label="x", y_label="y")
    loss = Drawn(curve.kind, curve.layout, dict(curve.files))
    project.outputs.add("part_b/a", {"loss": loss})
    project.page('Text.\n\n{{ figure("part_b/a/loss") }}')
    project.page("Text.", "other")
    project.build()
    address = re.search(r'data-plot="([^"]+)"', project.html())[1]
    drawing = project.site / address
    whole = drawing.read_bytes()
    assert whole.startswith(b'<svg xmlns="http://www.w3.org/2000/svg"') and "<svg width" not in project.html()
    project.page("Edited.", "other")
    assert project.build().written == 1 and drawing.read_bytes() == whole
    drawing.write_bytes(b"<svg/>")  # in place: on the spare site too
    project.build()
    assert drawing.read_bytes() == whole
    project.page("Text.")
    project.build()
    assert not drawing.exists()


def test_a_page_brings_the_rules_and_fonts_of_its_own_formulas(project: Project) -> None:
    """Another page's formula with another font leaves it alone; the fonts of both are published, and no other."""
    project.page("$x$")
    project.page("Text.", "other")
    project.build()
    before = snapshot(project.site)
    project.page("$\\mathcal{L}$", "other")
    project.build()
    after = snapshot(project.site)
    assert after["index.html"] == before["index.html"]
    assert b"KaTeX_Caligraphic" in after["other.html"] and b"KaTeX_Caligraphic" not in after["index.html"]
    assert b".mathcal" in after["other.html"] and b".mathcal" not in after["index.html"]
    fonts = {name.split("/")[-1].split(".")[0] for name in after if name.endswith(".woff2") and "KaTeX" in name}
    assert fonts == {"KaTeX_Main-Regular", "KaTeX_Math-Italic", "KaTeX_Caligraphic-Regular"}


def test_fonts_come_from_pinned_packages(project: Project) -> None:
    """A font that the style sheet takes from npm is published under a hashed name; pages in folders too."""
    project.page("Text.")
    project.page("Text.", "deep/two")
    project.build()
    for page, root in (("index", ""), ("deep/two", "../")):
        named = re.findall(rf'url\("?({root}assets/fonts/source-[^")]+)', project.html(page))
        assert len(named) == 9  # five faces, each in two parts, but for the one that comes with the page
        assert all((project.site / name.removeprefix(root)).read_bytes()[:4] == b"wOF2" for name in named)


def test_the_face_that_is_read_comes_with_the_page(project: Project) -> None:
    """What is named with ``#inline`` stands in the page, is allowed there, and is not published beside it."""
    project.page("Text.")
    project.build()
    html = project.html("index")
    (font,) = re.findall(r"url\(data:font/woff2;base64,([^)]+)\)", html)
    assert base64.b64decode(font)[:4] == b"wOF2"
    assert "font-src 'self' data:;" in html
    published = {path.name.split(".")[0] for path in project.site.rglob("source-serif-4-*.woff2")}
    assert "source-serif-4-latin-400-italic" in published and "source-serif-4-latin-400-normal" not in published
    assert 'rel="preload"' not in html  # in the head it holds back Chromium's first frame by up to a second


def test_scripts_weigh_24_kilobytes_at_most() -> None:
    """All of them together, as they are published."""
    scripts = [path.read_text("utf-8") for path in (BASE / "static").glob("*.js")]
    assert sum(len(brief_script(script).encode()) for script in scripts) <= 24 * 1024


def test_scripts_are_published_without_comments() -> None:
    """Lines that say something to a machine stay, in their order; what might be text is left alone."""
    script = "// What it does.\n\nf(`a`, () => {\n  g(); // why\n});\n"
    assert brief_script(script) == "f(`a`, () => {\ng(); // why\n});\n"
    for text in ("f(`a\n  // b`);\n", 'f("a \\\n  b");\n'):
        assert brief_script(text) == text


def test_what_stands_in_the_page_is_what_its_policy_allows(project: Project) -> None:
    """Every inline style and script has its digest in the policy, and the policy has no unsafe source."""
    project.page("$x$")
    project.build()
    html = project.html()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert "unsafe" not in policy
    inline = re.findall(r"<style>(.*?)</style>", html, re.DOTALL) + re.findall(
        r"<script>(.*?)</script>", html, re.DOTALL
    )
    assert len(inline) == 3
    for text in inline:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_a_font_that_no_package_has_is_a_fault(project: Project) -> None:
    """It is named where the style sheet asks for it."""
    style = project.root / "templates/static/style.css"
    style.write_text("\n@font-face { src: url(../node_modules/nowhere/a.woff2); }\n" + style.read_text())
    project.page("Text.")
    with pytest.raises(ContentError, match=r"style\.css:2:19 link: \.\./node_modules/nowhere/a\.woff2 is not in"):
        project.build()


def test_edits_in_turn_are_all_published(project: Project) -> None:
    """The spare site, two builds old, is brought up to date in everything that has changed since."""
    for name in ("index", "other", "index", "other", "other", "index"):
        project.page(f"Edit {len(list(project.root.glob('edit*')))} of {name}.", name)
        project.build()
        current_pages = {
            page: project.html(page) for page in ("index", "other") if (project.site / f"{page}.html").exists()
        }
        shutil.rmtree(project.root / "alone", ignore_errors=True)
        alone = Project.make(project.root / "alone")
        for page in current_pages:
            shutil.copy(project.pages / f"{page}.md", alone.pages)
        alone.build()
        assert current_pages == {page: alone.html(page) for page in current_pages}
        (project.root / f"edit{time.monotonic_ns()}").touch()


def test_writing_never_touches_the_site_that_stands(project: Project) -> None:
    """Files of the spare site may be linked to the standing one; a build that fails at the swap has not changed them."""
    for name in ("index", "other", "third"):
        project.page("One.", name)
    project.build()
    project.page("Two.", "other")
    project.build()
    before = snapshot(project.site)
    project.page("Three.", "index")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "swap", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device", "site")))
        with pytest.raises(UsageError, match="No space left"):
            project.build()
    assert snapshot(project.site) == before


@pytest.mark.parametrize("change", ["number", "metric", "state", "section", "mention"])
def test_pages_follow_what_they_refer_to(project: Project, change: str) -> None:
    """A page that was not edited is rendered again when a number, a figure's place, a section or a state changes."""
    figures = {"one": plot(), "two": tiles()}
    project.outputs.add("part_b/a", figures, metrics={"mse": 0.5})
    shown = '## First {#s}\n\n{{ figure("part_b/a/one") }}\n\n{{ figure("part_b/a/two") }}'
    project.page(shown, "index", numbered=True)
    project.page(
        '{{ ref("part_b/a/two") }} {{ metric("part_b/a/mse") }} {{ ref("index#s") }} {{ ref("index#s") }}', "other"
    )
    project.page("{{ experiments() }}", "runs")
    project.build()
    assert "Figure&nbsp;2" in project.html("other")
    if change == "number":
        project.page(
            '## First {#s}\n\n{{ figure("part_b/a/two") }}\n\n{{ figure("part_b/a/one") }}', "index", numbered=True
        )
        page, expected = "other", "Figure&nbsp;1"
    elif change == "section":
        project.page(f"## Nought\n\n{shown}", "index", numbered=True)
        page, expected = "other", "Section&nbsp;2"
    elif change == "mention":
        project.page('## Later\n\n{{ ref("part_b/a/two") }}', "later", order=9)
        page, expected = "index", 'Mentioned in <a href="later.html#later">Later</a>'
    elif change == "metric":
        project.outputs.add("part_b/a", figures, metrics={"mse": 0.25})
        page, expected = "other", '<span class="number">0.25</span>'
    else:
        project.outputs.state("part_b/a", "stale", ("code: a.b",), ("one", "two"))
        page, expected = "runs", "code: a.b"
    assert expected not in project.html(page)
    project.build()
    assert expected in project.html(page)


def test_a_draft_is_not_published(project: Project) -> None:
    """It may call for what is not there yet, no page leads to it, and it is there as soon as it is no draft."""
    project.page("Text.", order=1)
    project.page('{{ figure("part_a/a/none") }}', "part-a", order=2, nav="A", draft=True)
    project.build()
    assert not (project.site / "part-a.html").exists() and "part-a" not in project.html()
    assert project.build().written == 0
    project.page("Text.", "part-a", order=2, nav="A")
    project.build()
    assert "part-a.html" in project.html()
    project.page("Text.", "part-a", order=2, nav="A", draft=True)
    project.build()
    assert not (project.site / "part-a.html").exists()


def test_what_is_no_longer_wanted_goes(project: Project) -> None:
    """Files of a page and figure that are gone leave the site; its .gitignore stays."""
    fill(project)
    project.site.mkdir()
    (project.site / ".gitignore").write_text("*\n")
    project.build()
    (project.pages / "deep/two.md").unlink()
    project.page("Alone.", "index")
    project.build()
    names = set(snapshot(project.site))
    assert not [name for name in names if name.startswith(("deep/", "figures/"))]
    assert {".gitignore", ".nojekyll", "index.html", "reproduce.html"} <= names


def test_a_failing_build_leaves_the_site_alone(project: Project) -> None:
    """A fault anywhere changes nothing, and the next good build goes on from there."""
    fill(project).build()
    before = snapshot(project.site)
    project.page("$\\nope$", "deep/two", order=2)
    with pytest.raises(ContentError):
        project.build()
    assert snapshot(project.site) == before
    project.page("$\\mathcal{L}$", "deep/two", order=2)
    assert project.build().written == 1


@pytest.mark.parametrize("step", ["_write_file", "swap"])
def test_an_error_while_writing_leaves_the_site_alone(
    project: Project, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is one line, and the old site stands."""
    fill(project).build()
    before = snapshot(project.site)
    project.page("Changed.", "deep/two")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device", str(arguments[0]))

    with monkeypatch.context() as patch:
        patch.setattr(build, step, full)
        said = r"^cannot write .*: No space left on device; the old site is untouched$"
        with pytest.raises(UsageError, match=said):
            project.build()
    assert snapshot(project.site) == before
    project.build()
    assert "Changed." in project.html("deep/two")


def test_a_full_disk_that_does_not_say_which_file_is_told_where(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one of the site's or of the caches'."""

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    project.page("Text.")
    monkeypatch.setattr(build, "swap", full)
    place = rf"{re.escape(str(project.site))} or {re.escape(str(project.root))}\S+"
    with pytest.raises(
        UsageError, match=rf"^cannot write {place}: No space left on device; the old site is untouched$"
    ):
        project.build()


def test_a_folder_that_cannot_be_written_is_one_line(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A read-only place is named (as root nothing is read-only, so a file stands in the way here)."""
    project.page("Text.")
    file = tmp_path_factory.mktemp("elsewhere") / "in_the_way"
    file.write_text("a file")
    with pytest.raises(UsageError, match=r"^cannot write .*in_the_way.*: .*; the old site is untouched$"):
        build.build(msgspec.structs.replace(project.request(), cache=file / "press"))


KILLED = """
import os, sys
from pathlib import Path
from darkroom.press import build as publish
from tests.press.projects import Project
from tests.press.samples import Outputs
root = Path(sys.argv[1])
step, count = sys.argv[2], int(sys.argv[3])
original = getattr(publish, step)
calls = 0
def killed(*arguments):
    global calls
    calls += 1
    if calls == count:
        os.kill(os.getpid(), 9)
    return original(*arguments)
setattr(publish, step, killed)
Project(root, Outputs(root / "experiments/outputs")).build()
"""


@pytest.mark.parametrize(("step", "count"), [("_write_file", 1), ("_write_file", 5), ("swap", 1), ("_remember", 1)])
def test_a_build_that_is_killed_leaves_a_whole_site(project: Project, step: str, count: int) -> None:
    """Killed while writing or just before the swap the old site stands, just after it the new one; the next build mends."""
    fill(project)
    project.outputs.statuses.clear()
    project.build()
    old = snapshot(project.site)
    for name in ("index", "deep/two", "reproduce", "six"):
        project.page("Changed.", name)
    style = project.root / "templates/static/style.css"
    style.write_text(style.read_text() + "\n.new { color: red }\n")
    command = [sys.executable, "-c", KILLED, str(project.root), step, str(count)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": PYTHON_PATH}, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = snapshot(project.site)
    project.build()
    new = snapshot(project.site)
    assert left == (new if step == "_remember" else old)
    assert "Changed." in project.html()


BUILD = """
import sys
from pathlib import Path
from tests.press.projects import Project
from tests.press.samples import Outputs
root = Path(sys.argv[1])
Project(root, Outputs(root / "experiments/outputs")).build()
"""


def test_the_same_sources_give_the_same_bytes(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another folder, locale, time zone and hash seed change no byte of the site."""
    fill(project)
    project.outputs.statuses.clear()
    project.build()
    other = tmp_path_factory.mktemp("another place") / "ünïcode"
    shutil.copytree(project.root, other, ignore=shutil.ignore_patterns("site", ".darkroom"), symlinks=True)
    environment = os.environ | {
        "PYTHONPATH": PYTHON_PATH, "PYTHONHASHSEED": "7", "TZ": "Pacific/Kiritimati", "LANG": "de_DE.UTF-8", "LC_ALL": "C",
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", BUILD, str(other)], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert snapshot(other / "site") == snapshot(project.site)
    assert str(project.root).encode() not in b"".join(snapshot(project.site).values())


def test_pages_rendered_in_two_processes_are_the_same(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many processes share the work shows nowhere."""
    project.outputs.add("part_b/a", {"loss": plot()})
    for number in range(6):
        text = f'## S\n\n$x_{number}$\n\n{{{{ figure("part_b/a/loss") }}}}'
        project.page(text, f"page-{number}" if number else "index")
    project.build()
    one = snapshot(project.site)
    from darkroom.press.rendering import render

    monkeypatch.setattr(render, "PARALLEL", 2)
    monkeypatch.setattr(render, "processors", lambda: 2)
    for name in ("site", ".darkroom"):
        shutil.rmtree(project.root / name)
    project.build()
    assert snapshot(project.site) == one


def test_addresses_are_relative_and_the_base_is_only_where_it_must_be(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a base, the sitemap and canonical links name it; no page loads anything by it. Without, there is no sitemap."""
    fill(project).build()
    assert not (project.site / "sitemap.xml").exists()
    monkeypatch.setenv("DARKROOM_BASE_URL", "https://someone.example/room")
    project.build()
    sitemap = (project.site / "sitemap.xml").read_text()
    assert "<loc>https://someone.example/room/</loc>" in sitemap
    assert "<loc>https://someone.example/room/deep/two.html</loc>" in sitemap
    html = project.html("deep/two")
    assert len(re.findall(r'(?:href|src)="[^"]*someone\.example', html)) == 1
    assert html.count("someone.example") == 4  # and in what is told to machines
    assert '<link rel="canonical" href="https://someone.example/room/deep/two.html">' in html


def test_a_warm_check_is_quick_and_imports_nothing_heavy(project: Project) -> None:
    """Whether there is anything to do is found out in milliseconds, without Jinja, Markdown, NumPy or Node."""
    fill(project)
    project.outputs.statuses.clear()
    project.build()
    script = (
        "import sys\nfrom pathlib import Path\nfrom darkroom.press.build import SiteRequest, current\n"
        f"root = Path({str(project.root)!r})\n"
        "outputs, cache = root / 'experiments/outputs', root / '.darkroom'\n"
        "request = SiteRequest(root, root / 'templates', outputs, root / 'site', cache, ())\n"
        "assert current(request)\n"
        "print(sorted({'jinja2', 'markdown', 'numpy', 'PIL', 'sqlite3', 'torch', 'subprocess'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": PYTHON_PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr
    start = time.perf_counter()
    assert current(project.request())
    assert time.perf_counter() - start < 0.05


@pytest.mark.parametrize(
    "call",
    ['{{ figure("part_b/a/loss") }}', 'It is {{ metric("part_b/a/mse") }}.', '{{ experiments("part_b/a") }}'],
    ids=["figure", "metric", "experiments"],
)
def test_a_page_follows_the_outputs_that_it_calls_for(call: str, project: Project) -> None:
    """Each kind of call by itself makes its page anew when what it shows has changed."""
    project.page(call)
    project.outputs.add("part_b/a", {"loss": plot()}, metrics={"mse": 0.5})
    project.build()
    before = project.html()
    project.outputs.add("part_b/a", {"loss": plot()}, metrics={"mse": 0.25})
    manifest = project.outputs.folder / "part_b/a/manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 180', '"seed": 7').replace("AMD EPYC", "Another"))
    project.build()
    assert project.html() != before
