"""Pages as lines that can be compared: what counts, what is left out, and how a difference is shown."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from darkroom.cli import main
from darkroom.core.errors import UsageError
from darkroom.core.manifest import NAME, encode, load
from darkroom.new import create
from darkroom.press.snapshots import (
    MOST_LINES,
    PARTS,
    difference,
    differences,
    names_in,
    names_of,
    normalised,
    pages_in,
)
from tests.press.projects import Project
from tests.press.samples import png, tiles


@pytest.mark.parametrize(
    ("html", "lines"),
    [
        ("<p>One  <em>two</em>\n three</p><p>4</p>", ["<p>", " One", " <em>", "  two", " three", "<p>", " 4"]),
        ('<IMG width=3 src="a.png" alt><br>x', ['<img alt src="a.png" width="3">', "<br>", "x"]),
        ("<svg><path d='M0'/><g/></svg>x", ["<svg>", ' <path d="M0">', " <g>", "x"]),
        ("<pre>a\n  b\n</pre>a &lt; b", ["<pre>", " a", "   b", "a < b"]),
        ("<!-- no --><b>1</i>2</b></b>3", ["<b>", " 12", "3"]),
        ("<ul><li>a<li>b</ul>c", ["<ul>", " <li>", "  a", "  <li>", "   b", "c"]),
        ("<p class='provenance'>CPU <b>1</b><br></p>x", ["x"]),
        ("<td data-provenance>1 min</td><td>2</td>", ["<td>", " 2"]),
        ("<style>p{}</style><script>'<p>'</script>x", ["x"]),
        ('<a href="f/a-b.0123456789.png">x</a>', ['<a href="f/a-b.png">', " x"]),
        (
            f'<a href="https://h/o/r/blob/{"a" * 40}/e.py#L12">x</a>',
            ['<a href="https://h/o/r/blob/COMMIT/e.py">', " x"],
        ),
        ('<a href="https://h/o/r/blob/main/e.py#L12">x</a>', ['<a href="https://h/o/r/blob/main/e.py#L12">', " x"]),
    ],
)
def test_a_line_is_a_tag_or_a_text(html: str, lines: list[str]) -> None:
    """Indented by depth; what says when, where or by which version, and styles, are left out."""
    assert normalised(html).splitlines() == lines


def test_a_formula_is_its_tex() -> None:
    html = (
        '<p>a <span class="katex"><math><mi>x</mi><annotation encoding="application/x-tex">x &lt; 1</annotation></math>'
        '<span class="katex-html"><span>x</span></span></span> b</p>'
    )
    assert normalised(html).splitlines() == ["<p>", " a", " $x < 1$", " b"]
    assert ' <span class="katex">' in normalised(html, {"styles"}).splitlines()


def test_a_long_value_is_cut_and_still_counts() -> None:
    one, other = (normalised(f'<path d="{"M1 2 " * 300}{end}"/>') for end in (3, 4))
    assert one != other and max(len(one), len(other)) < 200


def test_lines_of_styles_are_short() -> None:
    assert normalised("<style>p{a:b}i{c:d}</style>", {"styles"}).splitlines() == ["<style>", " p{a:b}", " i{c:d}"]


def _built(project: Project) -> dict[str, str]:
    project.page('{{ figure("part_b/a/grid") }}\n\n$\\sigma$')
    project.page('{{ experiments("*") }}', "reproduce")
    project.build()
    return pages_in(project.site)


def test_what_only_says_how_it_was_made_is_left_out(project: Project) -> None:
    """Of figures and of the record; each of ``PARTS`` takes its own in again."""
    folder = project.outputs.add("part_b/a", {"grid": tiles()}, metrics={"mse": 0.5})
    before = _built(project)
    digests = names_of(project.site)
    manifest = load(folder)
    assert manifest
    made = msgspec.structs.replace(
        manifest.provenance,
        commit="c" * 40,
        clean=False,
        device="Tesla T4",
        duration_s=7.0,
        finished_at="2027-01-02T03:04:05Z",
        versions={"python": "3.14"},
        peak_memory_bytes=7,
        resumed=2,
    )
    manifest = msgspec.structs.replace(
        manifest, provenance=made, key="d" * 64, results="e" * 64, inputs=dict.fromkeys(manifest.inputs, "f" * 64)
    )
    (folder / NAME).write_bytes(encode(manifest))
    (project.pages.parent / "static/site.css").write_text("p { color: teal }")
    after = _built(project)

    assert before.keys() == after.keys() == {"index.html", "reproduce.html"}
    assert list(differences(before, after, ("before", "now"))) == []
    both = (digests, names_of(project.site))
    assert digests and both[0] != both[1] and sorted(digests.values()) == sorted(both[1].values())
    shown = {part: "\n".join(differences(before, after, ("before", "now"), {part}, both)) for part in PARTS}
    assert "Tesla T4" in shown["provenance"] and "teal" not in shown["provenance"]
    assert "2027-01-02" in shown["provenance"] and "with changes" in shown["provenance"]
    assert "teal" in shown["styles"] and "Tesla" not in shown["styles"]
    assert shown["digests"] == ""


@pytest.mark.parametrize(
    "record", [b"", b"[]", b"{}", b'{"experiments": [{"figures": []}]}', b'{"experiments": {"a": 1}}', b"[" * 100_000]
)
def test_a_record_that_cannot_be_read_names_nothing(record: bytes, tmp_path: Path) -> None:
    """A site may be of an earlier version, or not ours."""
    assert names_in(record) == names_of(tmp_path) == {}


def test_a_picture_that_was_drawn_anew_is_a_matter_of_digests(project: Project) -> None:
    project.outputs.add("part_b/a", {"grid": tiles()})
    before = _built(project)
    project.outputs.statuses.clear()
    project.outputs.add("part_b/a", {"grid": tiles(shade=1)})
    after = _built(project)
    assert png(shade=1) != png() and list(differences(before, after, ("a", "b"))) == []
    assert "grid-r0c0." in "\n".join(differences(before, after, ("a", "b"), {"digests"}))


def test_a_number_that_changed_is_shown(project: Project) -> None:
    """In the record, which for the rest is about how things were made."""
    project.outputs.add("part_b/a", {"grid": tiles()}, metrics={"mse": 0.5})
    before = _built(project)
    project.outputs.statuses.clear()
    project.outputs.add("part_b/a", {"grid": tiles()}, metrics={"mse": 0.25})
    [shown] = differences(before, _built(project), ("before", "now"))
    assert shown.startswith("--- before/reproduce.html\n+++ now/reproduce.html\n@@ ")
    assert [line[0] + line[1:].strip() for line in shown.splitlines()[3:] if line[0] != " "] == ["-0.5", "+0.25"]


def test_a_long_difference_is_cut() -> None:
    before, after = ("\n".join(f"{name} {n}" for n in range(100)) for name in "ab")
    lines = difference(before, after, ("a", "b")).splitlines()
    assert len(lines) == MOST_LINES + 1 and lines[-1] == "... and 163 more lines"


def test_the_pages_of_a_site_are_those_that_it_names(tmp_path: Path) -> None:
    """Its record says which; where that is missing, as in what was downloaded, all are."""
    (tmp_path / "docs").mkdir()
    for name in ("index.html", "docs/a.html", "own.html", "b.txt"):
        (tmp_path / name).write_text(name)
    assert pages_in(tmp_path) == {name: name for name in ("docs/a.html", "index.html", "own.html")}
    (tmp_path / ".darkroom-files").write_text('{"index.html": "", "docs/a.html": "", "b.txt": "", "c.html": ""}')
    assert pages_in(tmp_path) == {name: name for name in ("docs/a.html", "index.html")}
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="it has no pages"):
        pages_in(tmp_path / "empty")
    with pytest.raises(UsageError, match="no such folder"):
        pages_in(tmp_path / "nowhere")


@pytest.mark.usefixtures("katex")
def test_check_against_an_earlier_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shows what changed, a line for a page that is new or gone, and leaves the site alone."""
    root, old = tmp_path / "report", tmp_path / "old"
    create(root)
    assert main(["--no-run", "--site", str(old)], root) == 0
    capsys.readouterr()

    def check(*more: str) -> tuple[int, str, str]:
        code = main(["check", "--against", str(old), *more], root)
        said = capsys.readouterr()
        return code, said.out, said.err

    assert check()[:2] == (0, f"3 pages, as in {old}\n")
    page = root / "templates/pages/index.md"
    page.write_text(page.read_text().replace("take", "make"))
    (root / "templates/pages/more.md").write_text('+++\ntitle = "More"\ndescription = "M"\n+++\nMore.\n')
    (root / "templates/pages/method.md").rename(tmp_path / "method.md")
    page.write_text(page.read_text().replace("[How this was made](method.md)", "It"))
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    code, out, _ = check()
    lines = out.splitlines()
    assert code == 1 and "more.html: new" in lines and "method.html: gone" in lines
    assert "-     walkers take" in lines and "+     walkers make" in lines
    assert f"--- {old}/index.html" in lines and "+++ now/index.html" in lines
    assert not (root / "site").exists()
    assert before == {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}

    assert check("--also", "style")[0] == 2
    assert check("--verify")[0] == 2
    assert main(["check", "--also", "styles"], root) == 2
    assert "add --against DIR" in capsys.readouterr().err
    assert check("--also", "provenance,styles")[0] == 1
    page.write_text("+++\n")
    assert check()[:2] == (1, "")
