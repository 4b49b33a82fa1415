"""Provenance in published files: which carry it, what it says, when it is renewed, and that nothing else changes."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from darkroom.core import containers
from darkroom.core.manifest import NAME, encode, load
from darkroom.core.stamp import Stamp, read, written
from darkroom.figures import Series, line_plot
from darkroom.press.build import current
from darkroom.press.rendering.render import render_pages
from darkroom.press.site import checks, site
from darkroom.press.typeset.vetting import fault_of
from tests.press.projects import Project
from tests.press.samples import Drawn, animation, gif, plot, png, tiles

SITE = 'title = "T"\ndescription = "D"\n'
BASE = "https://example.org/report/"
COMMIT = "3f9ac2e14b7d5a6078c9d0e1f2a3b4c5d6e7f809"


def _webp() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(buffer, "WEBP")
    return buffer.getvalue()


def _tile(name: str, content: bytes) -> Drawn:
    cell = {"file": name, "alt": "A picture", "width": 28, "height": 28}
    layout = {"columns": [], "rows": [{"heading": "", "cells": [cell]}], "scale": 1}
    return Drawn("tiles", layout, {name: content})


def _values() -> Drawn:
    readings = [{"name": "loss", "points": [[1, 2, "1", "2"]]}]
    table = {"columns": ["epoch"], "rows": [[1]]}
    drawn = plot()
    layout = {**drawn.layout, "csv": "values.csv", "table": table, "readings": readings}
    return Drawn("plot", layout, {**drawn.files, "values.csv": b"epoch,loss\n1,2\n"}, "Loss.", "A curve.")


FIGURES = {"grid": tiles(), "film": animation(), "photo": _tile("photo.webp", _webp()), "loss": _values()}


@pytest.fixture
def published(project: Project) -> Project:
    """A site with figures of every format, and an address."""
    project.outputs.add("part_b/a", FIGURES)
    (project.root / "templates/site.toml").write_text(f'{SITE}base_url = "{BASE}"\npicture = "part_b/a/grid"\n')
    calls = "\n\n".join(f'{{{{ figure("part_b/a/{name}") }}}}' for name in FIGURES)
    project.page(f"Words.\n\n{calls}\n\n{{{{ experiments() }}}}", order=1)
    project.build()
    return project


def _files(project: Project) -> dict[str, bytes]:
    """The published files of figures, by address."""
    found = sorted(path for path in (project.site / "figures").rglob("*") if path.is_file())
    return {path.relative_to(project.site).as_posix(): path.read_bytes() for path in found}


def _outputs(project: Project) -> dict[str, str]:
    """The files of figures in the outputs, by their digests."""
    found = (project.root / "experiments/outputs").rglob("figures/*/*")
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in found}


def _stamp(content: bytes) -> Stamp:
    taken = containers.take(content)
    assert taken
    return read(taken.text)


def test_published_files_say_where_they_come_from(published: Project) -> None:
    """Pictures, films and drawings name experiment, figure, key, commit and address; without that they are the outputs."""
    manifest = load(published.root / "experiments/outputs/part_b/a")
    assert manifest
    outputs = _outputs(published)
    found = {name: content for name, content in _files(published).items() if _is_stamped(name, content)}
    assert {Path(name).suffix for name in found} == {".png", ".gif", ".webp", ".svg"}
    for name, content in found.items():
        stamp, taken = _stamp(content), containers.take(content)
        assert (stamp.experiment, stamp.key, stamp.commit) == ("part_b/a", manifest.key, COMMIT)
        assert stamp.page == f"{BASE}index.html#fig-part_b-a-{stamp.figure}"
        assert name.startswith(f"figures/part_b/a/{stamp.figure}")
        assert taken and taken.rest is not None
        digest = hashlib.sha256(taken.rest).hexdigest()
        assert digest in outputs and digest.startswith(stamp.file)


def _is_stamped(name: str, content: bytes) -> bool:
    """Whether it is a file of its own, not values or a plot that a page takes in when it is seen."""
    return not name.endswith(".csv") and b"data-readings" not in content


def test_published_files_are_valid_and_named_by_their_content(published: Project) -> None:
    """Names hold the digest of what is published, and everything published would pass as an output."""
    for name, content in _files(published).items():
        assert hashlib.sha256(content).hexdigest()[:10] == name.split(".")[-2]
        if _is_stamped(name, content):
            assert fault_of(name, content) == ""
        if not name.endswith((".svg", ".csv")):
            with Image.open(io.BytesIO(content)) as picture:
                picture.verify()


def test_values_and_raw_results_keep_their_bytes(published: Project) -> None:
    """CSV and raw results are, byte for byte, the outputs: programs read them, and pages show their digests."""
    outputs = published.root / "experiments/outputs/part_b/a"
    [values] = [content for name, content in _files(published).items() if name.endswith(".csv")]
    assert values == (outputs / "figures/loss/values.csv").read_bytes()
    [raw] = (published.site / "raw").rglob("*.safetensors")
    assert raw.read_bytes() == (outputs / "results.safetensors").read_bytes()


def test_the_card_says_where_it_comes_from(published: Project) -> None:
    """It is made of a figure, which it names."""
    [card] = (published.site / "assets").glob("card.*.png")
    assert _stamp(card.read_bytes()).figure == "grid"


def test_the_record_has_the_digests_of_both(published: Project) -> None:
    """Who fetches a file by its address in the record can verify it; of the outputs the record says what manifests do."""
    record = json.loads((published.site / "record.json").read_text())
    [experiment] = record["experiments"]
    files = [file for figure in experiment["figures"].values() for file in figure["files"] if "address" in file]
    assert len(files) == 13
    for file in [*files, *experiment["files"]]:
        content = (published.site / file["address"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.get("published_sha256", file["sha256"])
        assert len(content) == file.get("published_bytes", file["bytes"])
        taken = containers.take(content)
        assert hashlib.sha256(taken.rest if taken and taken.rest else content).hexdigest() == file["sha256"]


def test_the_same_sources_give_the_same_files(published: Project, tmp_path: Path) -> None:
    """A build without caches, and one in another folder, writes the same bytes; outputs are left alone."""
    first = _files(published)
    before = _outputs(published)
    shutil.rmtree(published.site)
    shutil.rmtree(published.root / ".darkroom")
    published.build()
    assert _files(published) == first and _outputs(published) == before

    shutil.copytree(published.root, tmp_path / "other", symlinks=True, ignore=shutil.ignore_patterns("site", "other"))
    other = Project(tmp_path / "other", published.outputs)
    other.build()
    assert _files(other) == first


def test_a_file_that_is_lost_is_published_again(published: Project) -> None:
    """A page that has not changed gets its files back, with the bytes that they had."""
    first = _files(published)
    for name in first:
        if not name.endswith(".svg"):
            (published.site / name).unlink()
    assert not current(published.request())
    published.build()
    assert _files(published) == first


def test_an_edit_stamps_nothing_anew(published: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a page whose words change are known from the last build, and are not read."""

    def put(*_: object) -> bytes:
        raise AssertionError

    first = _files(published)
    page = published.pages / "index.md"
    page.write_text(page.read_text().replace("Words.", "Other words.").replace('{{ figure("part_b/a/loss") }}', ""))
    monkeypatch.setattr(containers, "put", put)
    published.build()
    assert _files(published) == {name: content for name, content in first.items() if "/loss" not in name}


def _pages_named(project: Project) -> set[str]:
    return {_stamp(content).page for name, content in _files(project).items() if name.endswith(".png")}


def test_files_name_the_page_that_shows_them_first(project: Project) -> None:
    """When another page shows a figure first, files and the pages that use them are renewed."""
    project.outputs.add("part_b/a", {"grid": tiles(1, 1)})
    project.page("Words.", order=1)
    project.page("Words.", "deep/two", order=2)
    project.page('{{ figure("part_b/a/grid") }}', "last", order=3)
    project.build()
    assert _pages_named(project) == {"last.html#fig-part_b-a-grid"}

    project.page('{{ figure("part_b/a/grid") }}', "deep/two", order=2)
    project.build()
    assert _pages_named(project) == {"deep/two.html#fig-part_b-a-grid"}
    [name] = _files(project)
    assert name in project.html("last")


def test_what_a_stamp_says_is_renewed_when_it_changes(project: Project) -> None:
    """The site's address, and a run that gives the same picture under another commit or key, renew files and pages."""
    folder = project.outputs.add("part_b/a", {"grid": tiles(1, 1)})
    project.page('{{ figure("part_b/a/grid") }}')
    project.build()
    names = set(_files(project))

    (project.root / "templates/site.toml").write_text(f'{SITE}base_url = "{BASE}"\n')
    project.build()
    assert _pages_named(project) == {f"{BASE}index.html#fig-part_b-a-grid"}
    names |= set(_files(project))

    manifest = load(folder)
    assert manifest
    made = msgspec.structs.replace(manifest.provenance, commit="", clean=False)
    (folder / NAME).write_bytes(encode(msgspec.structs.replace(manifest, provenance=made, key="12ab")))
    project.build()
    [stamp] = [_stamp(content) for name, content in _files(project).items() if name.endswith(".png")]
    assert (stamp.commit, stamp.modified, stamp.key) == ("", True, "12ab")
    names |= set(_files(project))
    assert len(names) == 3


def test_a_picture_that_two_figures_share_is_fetched_once(project: Project) -> None:
    """A page names the file of the figure that it shows first."""
    project.outputs.add("part_b/a", {"one": tiles(1, 1), "two": tiles(1, 1)})
    project.page('{{ figure("part_b/a/one") }}\n\n{{ figure("part_b/a/two") }}')
    project.build()
    [content] = _files(project).values()
    assert _stamp(content).figure == "one"


def test_variants_name_themselves(project: Project) -> None:
    """The figure of a variant names the variant's experiment and key, and the address of the figure that it is shown in."""
    project.outputs.add("part_b/a", {"grid": tiles(1, 1)})
    project.outputs.add("part_b/a@few", {"grid": tiles(1, 1, shade=9)}, settings={"epochs": 1})
    project.page('{{ figure("part_b/a/grid", variants="few") }}')
    project.build()
    stamps = [_stamp(content) for content in _files(project).values()]
    assert {stamp.experiment for stamp in stamps} == {"part_b/a", "part_b/a@few"}
    assert {stamp.page for stamp in stamps} == {"index.html#fig-part_b-a-grid"}


def test_what_is_added_does_not_count_against_the_limit(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A film that is just as large as figures may draw it can be published."""
    film = gif()
    monkeypatch.setattr(checks, "IMAGE_LIMIT", len(film))
    project.outputs.add("part_b/a", {"film": _tile("film.gif", film)})
    project.page('{{ figure("part_b/a/film") }}')
    project.build(strict=True)
    [content] = _files(project).values()
    assert len(content) > len(film)


def test_a_stamp_is_safe_in_every_format() -> None:
    """It is ASCII, and has no characters that XML reads otherwise; it is read as it was written."""
    stamp = Stamp(
        darkroom=1, experiment="part_b/ä", figure="naïve", key="0f", page='https://a.org/?a=<b>&"c"\x7f\u202e#ä'
    )
    text = written(stamp)
    assert text.isascii() and text.isprintable() and not set("<>&") & set(text)
    assert msgspec.json.decode(text, type=Stamp) == stamp
    with pytest.raises(ValueError, match="control characters"):
        read(text)
    for content in (png(), gif(), plot().files["plot.svg"], _webp()):
        assert containers.take(containers.put(content, text)) == (text, content)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "missing required field"),
        ("[" * 100_000, "."),
        ('{"darkroom":2,"experiment":"a","figure":"b","key":""}', "of version 2"),
        ('{"darkroom":1,"experiment":"../a","figure":"b","key":""}', "."),
        ('{"darkroom":1,"experiment":"a","figure":"b c","key":""}', "not a name of a figure"),
        ('{"darkroom":1,"experiment":"a","figure":"b","key":"\\u001b[31m"}', "a digest in it is not valid"),
        ('{"darkroom":1,"experiment":"a","figure":"b","key":"","page":"\\u001b]0;x\\u0007"}', "control characters"),
        ('{"darkroom":1,"experiment":"a","figure":"b","key":"","page":"\\u202e"}', "control characters"),
        ('{"darkroom":1,"experiment":"a","figure":"b","key":7}', "Expected `str`"),
    ],
)
def test_what_is_no_stamp_is_refused(text: str, why: str) -> None:
    """Whatever stands in a file is checked before any of it is shown."""
    with pytest.raises(ValueError, match=why):
        read(text)


def test_means_over_runs_say_so(project: Project) -> None:
    """A plot of means is none of the outputs: it names the run that is declared, and the parameter."""
    for seed, name in ((180, "part_b/a"), (1, "part_b/a@one")):
        drawn = line_plot([Series("loss", [1, 2, 3], [3, 2, seed])], x_label="epoch", y_label="loss")
        figure = Drawn(drawn.kind, drawn.layout, drawn.files, "Loss.", "A curve.")  # type: ignore[arg-type]
        project.outputs.add(
            name, {"loss": figure}, parameters={"seed": 180}, settings={"seed": 1} if seed == 1 else None
        )
    project.page('Words.\n\n{{ figure("part_b/a/loss", over="seed") }}')
    project.build()
    [stamp] = {_stamp(content) for name, content in _files(project).items() if "means" in name and ".svg" in name}
    assert (stamp.experiment, stamp.figure, stamp.over, stamp.file) == ("part_b/a", "loss", "seed", "")
    manifest = load(project.root / "experiments/outputs/part_b/a")
    assert manifest and manifest.figures["loss"].key.startswith(stamp.drawing)


def test_pages_rendered_by_processes_of_their_own_have_the_same_files(
    published: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a process is started anew, everything that pages share reaches it pickled; files are written by the first."""
    first = _files(published)
    shutil.rmtree(published.site)
    shutil.rmtree(published.root / ".darkroom")
    monkeypatch.setattr(
        site,
        "render_pages",
        lambda *given: render_pages(*pickle.loads(pickle.dumps(given))),
    )
    published.build()
    assert _files(published) == first
