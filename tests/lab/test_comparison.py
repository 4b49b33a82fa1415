"""Comparing stored experiments: what differs, as data, text, Markdown and a page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from darkroom.core.errors import DarkroomError, UnknownName, UsageError
from darkroom.core.manifest import NAME
from darkroom.lab.comparing.differences import ComparedOutputs, Comparison, MetricDifference, compared
from darkroom.lab.comparing.page import as_page
from darkroom.lab.comparing.pictures import difference
from darkroom.lab.comparing.sides import given
from darkroom.lab.comparing.texts import as_markdown, as_text, code
from darkroom.press.typeset.vetting import fault_of
from tests.press.samples import Outputs, plot, png, tiles

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
METRICS = {"loss": {"1": 0.5, "2": 0.25, "10": 0.125}, "best": 4, "chosen": "wide"}


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A folder of outputs with an experiment, and a variant of it."""
    folder = tmp_path / "experiments/outputs"
    stored = Outputs(folder)
    stored.add("part_b/a", {"grid": tiles(), "loss": plot()}, metrics=METRICS)
    metrics = METRICS | {"loss": {"1": 0.5, "2": 0.2, "12": 0.1}, "best": 5, "chosen": "narrow"}
    stored.add(
        "part_b/a@few", {"grid": tiles(shade=7), "table": plot()}, metrics=metrics, settings={"epochs": 2, "new": [1]}
    )
    stored.add("part_b/other")
    return folder


def _edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / NAME).read_text())
    change(manifest)
    (folder / NAME).write_text(json.dumps(manifest))


def _put(folder: Path, path: str, content: bytes) -> None:
    """Replace a file of the figure *path* is of, in the manifest as well."""
    (folder / path).write_bytes(content)
    figure = path.split("/")[1]

    def change(manifest: dict[str, Any]) -> None:
        [file] = [each for each in manifest["figures"][figure]["files"] if each["path"] == path]
        file.update(sha256=sha256(content).hexdigest(), bytes=len(content))

    _edit(folder, change)


def _report(outputs: Path, a: str, b: str) -> ComparedOutputs:
    root = outputs.parents[1]
    return compared(given(a, outputs, root), given(b, outputs, root))


def _compare(outputs: Path, a: str, b: str) -> Comparison:
    [found] = _report(outputs, a, b).comparisons
    return found


def _call(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    command = [sys.executable, "-m", "darkroom", *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=120)


# As data ------------------------------------------------------------------------------------------------------------------


def test_parameters_and_metrics_that_differ_are_listed_and_no_others(outputs: Path) -> None:
    """With the difference of numbers, in the order of numbers; what one side lacks has no difference."""
    found = _compare(outputs, "part_b/a", "part_b/a@few")

    assert [(each.name, each.a) for each in found.parameters] == [("epochs", 5), ("new", found.parameters[1].a)]
    rows = [(each.name, each.label, each.absolute, each.relative) for each in found.metrics]
    assert rows == [
        ("best", "", 1.0, 0.25),
        ("chosen", "", None, None),
        ("loss", "2", pytest.approx(-0.05), pytest.approx(-0.2)),
        ("loss", "10", None, None),
        ("loss", "12", None, None),
    ]


def test_numbers_of_other_types_and_without_a_ratio(outputs: Path) -> None:
    """1 and 1.0 are different parameters; from 0 there is no relative difference, from a huge number no absolute one."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["parameters"]["epochs"] = 5.0
        manifest["metrics"]["best"]["value"] = 0
        manifest["metrics"]["loss"]["value"] = {"1": 10**400}

    shutil.copytree(outputs / "part_b/a", outputs.parent / "copy/part_b/a")
    _edit(outputs.parent / "copy/part_b/a", change)
    found = _compare(outputs, str(outputs.parent / "copy/part_b/a"), "part_b/a")
    assert [(each.a, each.b) for each in found.parameters] == [(5.0, 5)]
    best = found.metrics[0]
    assert (best.absolute, best.relative) == (4.0, None)
    assert all(each.absolute is None for each in found.metrics[1:])
    close = MetricDifference("huge", "", 10**400, 10**400 + 1)
    assert (close.absolute, close.relative) == (1.0, None)
    assert "5.0 -> 5" in as_text(_report(outputs, str(outputs.parent / "copy/part_b/a"), "part_b/a"))


def test_code_inputs_environment_and_duration(outputs: Path) -> None:
    """Definitions by name, inputs by digest, versions and devices, and both durations."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["code"] = {"helpers.shared": "1", "helpers.new": "2"}
        manifest["inputs"]["dataset:mnist"] = "f" * 64
        manifest["provenance"]["versions"]["numpy"] = "2.5.0"
        manifest["provenance"]["duration_s"] = 2160.0
        manifest["provenance"]["device"] = "Tesla T4"

    _edit(outputs / "part_b/other", lambda manifest: manifest["code"].update({"helpers.shared": "0"}))
    _edit(outputs / "part_b/a", change)
    text = as_text(_report(outputs, "part_b/other", "part_b/a"))

    assert [line.split() for line in text.splitlines() if "helpers." in line or "experiments.part_b" in line] == [
        ["experiments.part_b.other", "only", "in", "A"],
        ["helpers.shared", "changed"],
        ["helpers.new", "only", "in", "B"],
    ]
    assert f"{sha256(b'mnist').hexdigest()[:12]}... -> {'f' * 12}..." in text
    assert "numpy   2.4.6 -> 2.5.0" in text and "AMD EPYC, 2 cores -> Tesla T4" in text
    assert "run  1 h 12 min -> 36 min  -50.0%" in text
    assert "equal: parameters, results" in text


def test_figures_differ_by_files_layout_caption_and_alternative_text(outputs: Path) -> None:
    """Each is named; equal figures are not."""
    shutil.copytree(outputs / "part_b/a", outputs.parent / "copy/part_b/a")
    copy = outputs.parent / "copy/part_b/a"
    assert not _compare(outputs, str(copy), "part_b/a").differs
    _edit(copy, lambda manifest: manifest["figures"]["loss"].update(caption="Other", alt="Other"))
    _edit(copy, lambda manifest: manifest["figures"]["grid"]["layout"].update(scale=3))
    _put(copy, "figures/grid/r0c1.png", png(shade=9))

    found = {each.name: each for each in _compare(outputs, str(copy), "part_b/a").figures}

    assert found["loss"].what == ("caption", "alternative text") and found["loss"].files == ()
    assert found["grid"].what == ("layout (scale)",) and found["grid"].count == 6
    assert [each.path for each in found["grid"].files] == ["figures/grid/r0c1.png"]
    only = {
        each.name: (each.a is None, each.b is None) for each in _compare(outputs, "part_b/a", "part_b/a@few").figures
    }
    assert only == {"grid": (False, False), "loss": (False, True), "table": (True, False)}


def test_layouts_of_other_versions_are_compared(outputs: Path) -> None:
    """A figure whose layout is not that of its kind any longer differs, and is neither left out nor damage."""
    shutil.copytree(outputs / "part_b/a", outputs.parent / "copy/part_b/a")
    copy = outputs.parent / "copy/part_b/a"
    _edit(copy, lambda manifest: manifest["figures"]["loss"].update(layout={"light": "a.svg", "dark": "b.svg"}))
    [found] = _compare(outputs, str(copy), "part_b/a").figures
    assert found.what == ("layout (light, dark, file, height, table, width)",)


# What can be named --------------------------------------------------------------------------------------------------------


def test_two_folders_are_compared_in_what_both_have(outputs: Path, tmp_path: Path) -> None:
    """The others are named, and those in which nothing differs are counted."""
    whole = tmp_path / "whole"
    shutil.copytree(outputs, whole)
    shutil.rmtree(whole / "part_b/a@few")
    Outputs(whole).add("part_c/new")
    _edit(whole / "part_b/a", lambda manifest: manifest["parameters"].update(epochs=6))

    found = _report(outputs, str(outputs), str(whole))

    assert [each.a.manifest.experiment for each in found.comparisons if each.differs] == ["part_b/a"]
    assert (found.only_a, found.only_b) == (("part_b/a@few",), ("part_c/new",))
    assert "1 of 2 experiments that both have: nothing differs" in as_text(found)
    assert "only in A: `part_b/a@few`" in as_markdown(found)
    [one] = _report(outputs, "part_b/a", str(whole)).comparisons
    assert [each.name for each in one.parameters] == ["epochs"]
    with pytest.raises(UsageError, match="has no outputs of 'part_b/a@few', which it is compared with"):
        _report(outputs, str(whole), "part_b/a@few")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("part_b/b", "no outputs of 'part_b/b' in .*; did you mean"),
        (".", "no outputs in this folder"),
        ("../x", "no folder of that name"),
        ("HEAD:part_b/a", "not a git repository"),
    ],
)
def test_what_is_not_there_is_named(name: str, said: str, outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    empty = outputs.parent / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(outputs.parents[2]))
    with pytest.raises(UsageError, match=said) as caught:
        given(name, outputs, outputs.parents[1])
    assert "\n" not in str(caught.value)


def test_a_link_is_not_followed(outputs: Path, tmp_path: Path) -> None:
    """Neither to a manifest of elsewhere nor to a file of a figure."""
    shutil.move(outputs / "part_b/a", tmp_path / "elsewhere")
    (outputs / "part_b/a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DarkroomError, match="is a link"):
        given("part_b/a", outputs, tmp_path)

    copy = outputs / "part_b/a@few"
    (tmp_path / "secret.png").write_bytes(png(shade=7))
    (copy / "figures/grid/r0c0.png").unlink()
    (copy / "figures/grid/r0c0.png").symlink_to(tmp_path / "secret.png")
    [side] = given("part_b/a@few", outputs, tmp_path).by_id.values()
    [file] = [each for each in side.manifest.figures["grid"].files if each.path.endswith("r0c0.png")]
    assert file.sha256 == sha256((tmp_path / "secret.png").read_bytes()).hexdigest()
    with pytest.raises(ValueError, match="leads out of the folder"):
        side.content(file)


# Commits ------------------------------------------------------------------------------------------------------------------


def _git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def committed(outputs: Path) -> Path:
    """The outputs, committed and then changed."""
    root = outputs.parents[1]
    _git(root, "init", "-q")
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", "All")
    _edit(outputs / "part_b/a", lambda manifest: manifest["parameters"].update(epochs=6))
    _put(outputs / "part_b/a", "figures/grid/r0c0.png", png(shade=3))
    return outputs


def test_outputs_at_a_commit(committed: Path) -> None:
    """One experiment, a variant of one, or all of them; what is unknown is named."""
    found = _compare(committed, "HEAD:part_b/a", "part_b/a")
    assert [(each.a, each.b) for each in found.parameters] == [(5, 6)]
    [file] = found.figures[0].files
    assert file.a and file.b
    assert found.a.content(file.a) == png(shade=0) and found.b.content(file.b) == png(shade=3)
    assert not _compare(committed, "HEAD:part_b/a@few", "part_b/a@few").differs
    whole = _report(committed, "HEAD:", str(committed))
    assert [each.a.manifest.experiment for each in whole.comparisons if each.differs] == ["part_b/a"]
    assert len(whole.comparisons) == 3
    root = committed.parents[1]
    with pytest.raises(UnknownName, match="no outputs of 'part_b/b' in HEAD; did you mean"):
        given("HEAD:part_b/b", committed, root)
    for name in ("nowhere", "--help", ""):
        with pytest.raises(UsageError, match=f"no commit '{name}' here"):
            given(f"{name}:part_b/a", committed, root)


def test_no_program_that_a_repository_names_is_run(committed: Path, tmp_path: Path) -> None:
    """Not even to fetch what a partial clone lacks, which git would do as it reads a file."""
    root, pwned = committed.parents[1], tmp_path / "pwned"
    blob = _git(root, "rev-parse", "HEAD:experiments/outputs/part_b/a/manifest.json")
    (root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::touch {pwned}",
        "protocol.ext.allow": "always",
        "core.fsmonitor": f"touch {pwned}",
    }.items():
        _git(root, "config", name, value)

    with pytest.raises(UsageError, match=r"git cat-file -e [0-9a-f]+ fetches it"):
        given("HEAD:part_b/a", committed, root)

    assert not pwned.exists()
    subprocess.run(["git", "cat-file", "-e", blob], cwd=root, capture_output=True, check=False)
    assert pwned.exists()  # so it would have been run


# Text, Markdown and HTML --------------------------------------------------------------------------------------------------


def test_text_on_one_line(outputs: Path) -> None:
    """What a manifest says cannot look like another line, or turn the direction of text."""
    _edit(
        outputs / "part_b/a", lambda manifest: manifest["provenance"].update(device="GPU\n  metrics\n    best 1\u202e")
    )
    text = as_text(_report(outputs, "part_b/a", "part_b/other"))
    assert "GPU metrics best 1\\u202e -> AMD EPYC, 2 cores" in text


def test_long_values_are_shown_where_they_differ(outputs: Path) -> None:
    """Around the first difference."""
    _edit(outputs / "part_b/a", lambda manifest: manifest["parameters"].update(sigmas=[*range(500)]))
    _edit(outputs / "part_b/other", lambda manifest: manifest["parameters"].update(sigmas=[*range(499), 7]))
    [line] = [line for line in as_text(_report(outputs, "part_b/a", "part_b/other")).splitlines() if "sigmas" in line]
    assert line.split(None, 1)[1] == "...497, 498, 499] -> ...497, 498, 7]"


@pytest.mark.parametrize("text", ["a|b", "`x`", "a\\|b", "<b>x</b>|", "``@octocat #1|"])
def test_code_in_markdown_ends_where_it_should(text: str) -> None:
    """Nothing in it is markup, ends its cell, or is read as a mention."""
    shown = code(text)
    assert shown.startswith("<code>") and shown.endswith("</code>")
    inner = shown.removeprefix("<code>").removesuffix("</code>")
    assert not set("|`\\<>@*_[") & set(inner)
    from html import unescape

    assert unescape(inner) == text


def test_markdown_is_a_table(outputs: Path) -> None:
    """Of four cells a row, whatever is in them."""
    _edit(outputs / "part_b/a", lambda manifest: manifest["parameters"].update({"a|b": "<img src=x onerror=y>"}))
    shown = as_markdown(_report(outputs, "part_b/a", "part_b/a@few"))
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {5}
    assert "| metrics `best` | `4` | `5` | +1 (+25.00%) |" in rows
    assert '| parameters <code>a&#124;b</code> | `"<img src=x onerror=y>"` |  | only in A |' in rows


def test_the_page_escapes_what_outputs_say(outputs: Path) -> None:
    """A script in a caption, in an alternative text or in a parameter is text."""
    planted = '<script>alert("1")</script>'
    _edit(
        outputs / "part_b/a", lambda manifest: manifest["figures"]["grid"].update(caption=planted, alt=f'">{planted}')
    )
    _edit(outputs / "part_b/a", lambda manifest: manifest["parameters"].update({planted: planted}))
    page = as_page(_report(outputs, "part_b/a", "part_b/a@few"), fault_of)
    assert "<script" not in page and 'alt="A: &quot;&gt;&lt;script&gt;' in page
    assert "Caption of A: &lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;" in page
    assert "default-src &#x27;none&#x27;; img-src data:;" in page
    assert "http" not in page.replace('http-equiv="', "")


def test_the_page_has_pictures_side_by_side_with_their_difference(outputs: Path) -> None:
    """Of those that differ: as they are stored, and the difference with its largest value."""
    shutil.copytree(outputs / "part_b/a", outputs.parent / "copy/part_b/a")
    copy = outputs.parent / "copy/part_b/a"
    _put(copy, "figures/grid/r0c0.png", png(shade=3))
    page = as_page(_report(outputs, "part_b/a", str(copy)), fault_of)
    shown = [b64decode(part.partition('"')[0]) for part in page.split("data:image/png;base64,")[1:]]
    assert shown[:2] == [png(shade=0), png(shade=3)] and len(shown) == 3
    apart = difference(png(shade=0), png(shade=3))
    assert apart and shown[2] == apart.png
    assert f"absolute difference, at most {apart.largest} of 255" in page


@pytest.mark.parametrize("how", ["changed", "absent", "script", "none"])
def test_the_page_shows_no_picture_that_is_not_fit(how: str, outputs: Path) -> None:
    """One that differs from its manifest, is missing, is a drawing with a script, or is no picture: it is said instead."""
    folder = outputs / "part_b/a@few"
    path = "figures/table/plot.svg"
    script = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    if how == "changed":
        (folder / path).write_bytes(b"<svg/>")
    elif how == "absent":
        (folder / path).unlink()
    else:
        _put(folder, path, script if how == "script" else b"no picture")
    page = as_page(_report(outputs, "part_b/a", "part_b/a@few"), fault_of)
    said = {
        "changed": "not shown: differs from its manifest",
        "absent": "not shown: cannot be read",
        "script": "not shown: a drawing that is not published: it holds &lt;script&gt;",
        "none": "not shown: a drawing that is not published: it is not valid XML",
    }
    assert f"B: {said[how]}" in page
    assert page.count("data:image/svg+xml") == 1  # that of the figure which only A has


def test_the_difference_of_pictures() -> None:
    """Absolute and scaled; none of other sizes, of films, or of what cannot be decoded."""
    import numpy as np
    from PIL import Image

    def encoded(array: np.ndarray) -> bytes:
        file = BytesIO()
        Image.fromarray(array).save(file, format="PNG")
        return file.getvalue()

    a = np.full((4, 5, 3), 100, dtype=np.uint8)
    b = a.copy()
    b[1, 2], b[3, 4] = (90, 100, 100), (100, 100, 105)
    found = difference(encoded(a), encoded(b))
    assert found and (found.largest, found.top, found.share) == (10, 255, 0.1)
    with Image.open(BytesIO(found.png)) as picture:
        shown = np.asarray(picture)
    assert shown[1, 2].tolist() == [255, 0, 0] and shown[3, 4].tolist() == [0, 0, 128] and shown.sum() == 255 + 128
    deep = [np.full((2, 2), value, dtype=np.uint16) for value in (1, 40001)]
    found = difference(*map(encoded, deep))
    assert found and (found.largest, found.top, found.share) == (40000, 65535, 1.0)
    same = difference(encoded(a), encoded(a))
    assert same and same.largest == 0
    assert difference(encoded(a), encoded(a[:3])) is None
    assert difference(encoded(a), b"no picture") is None
    assert difference(encoded(a[..., 0]), encoded(deep[0])) is None


# The command --------------------------------------------------------------------------------------------------------------


def test_the_command_reads_and_runs_nothing(outputs: Path, tmp_path: Path) -> None:
    """Sources that would fail are not looked at; exit 0 with differences, 2 and one line where something cannot be read."""
    for path in ("experiments/part_b/a.py", "build.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("raise SystemExit(7)")
    (tmp_path / "templates").mkdir()
    done = _call(tmp_path, "compare", "part_b/a", "part_b/a@few", "--markdown", "--html", "page.html")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("A: `part_b/a`, B: `part_b/a@few`")
    assert "<h1>part_b/a and part_b/a@few</h1>" in (tmp_path / "page.html").read_text()
    assert not (tmp_path / ".darkroom").exists()

    (outputs / "part_b/a" / NAME).write_text("{")
    done = _call(tmp_path, "compare", "part_b/a", "part_b/a@few")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "not valid JSON" in done.stderr


def test_an_untrusted_project_is_compared_without_git_and_without_a_trace(committed: Path, tmp_path: Path) -> None:
    """Its settings of git are not used, and no page is written into it."""
    done = _call(tmp_path, "--untrusted", ".", "compare", "part_b/a", "part_b/other")
    assert done.returncode == 0 and "6 -> 5" in done.stdout
    done = _call(tmp_path, "--untrusted", ".", "compare", "HEAD:part_b/a", "part_b/a")
    assert done.returncode == 2 and "git is not run in an untrusted project" in done.stderr
    done = _call(tmp_path, "--untrusted", ".", "compare", "part_b/a", "part_b/other", "--html", "page.html")
    assert done.returncode == 2 and "inside the untrusted project" in done.stderr
    assert not (tmp_path / "page.html").exists()
