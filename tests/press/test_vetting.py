"""Drawings of somebody else's outputs: what may stand in a page, read as HTML reads it."""

from __future__ import annotations

import random
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from darkroom.core.sealed import user_folder
from darkroom.press.typeset import vetted, vetting
from darkroom.press.typeset.pictures import judge
from darkroom.press.typeset.vetted import Vetted
from darkroom.press.typeset.vetting import fault_of, is_plain
from tests.hostile import FILMS
from tests.press.projects import Project, copy_fonts
from tests.press.samples import plot, png


def fault(folder: Path, drawing: str) -> str:
    """What is said of *drawing* as a file of a figure."""
    path = folder / "plot.svg"
    path.write_text(drawing, encoding="utf-8")
    return fault_of(str(path))


HEAD = '<svg xmlns="http://www.w3.org/2000/svg" width="6" height="3" viewBox="0 0 6 3">'
DUBLIN = "http://purl.org/dc/elements/1.1/"


@pytest.mark.parametrize("name", ["meta", "script", "h1", "img", "plaintext", "iframe", "base", "link", "form"])
@pytest.mark.parametrize("where", ["<metadata>{}</metadata>", "{}"])
def test_what_is_no_description_is_refused_whatever_its_namespace(name: str, where: str, tmp_path: Path) -> None:
    """HTML has no namespaces: an element is what its name says."""
    element = f'<{name} xmlns="{DUBLIN}" http-equiv="refresh" content="0;url=https://e.example/"/>'
    drawing = f"{HEAD}{where.format(element)}<path d='M 1 2 L 3 4'/></svg>"
    assert fault(tmp_path, drawing)
    assert not is_plain(drawing)


def test_a_description_is_published_and_never_set_into_a_page(tmp_path: Path) -> None:
    """What a drawing program says of its drawing stays in the file."""
    said = '<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></metadata>'
    drawing = f'{HEAD}{said}<path d="M 1 2 L 3 4"/></svg>'
    assert not fault(tmp_path, drawing)
    assert not is_plain(drawing) and is_plain(drawing.replace(said, ""))


@pytest.mark.parametrize(
    "body",
    [
        "<style>path { fill: red }</style><path d='M 1 2 L 3 4'/>",
        '<path style="fill: red" d="M 1 2 L 3 4"/>',
        '<path STYLE = "fill: red" d="M 1 2 L 3 4"/>',
        '<g xmlns:dc="http://purl.org/dc/elements/1.1/" fill="red"><path d="M 1 2 L 3 4"/></g>',
        '<g dc:title="a"><path d="M 1 2 L 3 4"/></g>',
    ],
)
def test_a_drawing_with_styles_or_names_of_its_own_is_a_picture(body: str, tmp_path: Path) -> None:
    """The page's policy forbids styles, and a drawing in a page has no namespaces: it is published as a file."""
    drawing = f"{HEAD.replace('<svg', f'<svg xmlns:dc={chr(34)}{DUBLIN}{chr(34)}')}{body}</svg>"
    assert not fault(tmp_path, drawing)
    assert not is_plain(drawing)


@pytest.mark.parametrize(
    "attribute",
    [
        "class",
        "role",
        "aria-live",
        "tabindex",
        "autofocus",
        "contenteditable",
        "accesskey",
        "data-film",
        "popover",
        "DATA-x",
    ],
)
def test_a_drawing_that_speaks_to_the_page_is_a_picture(attribute: str, tmp_path: Path) -> None:
    """To its styles, its scripts or its readers: there, it would have what the page means for its own elements."""
    drawing = f'{HEAD}<g fill="red"><path d="M 1 2 L 3 4" {attribute}="card"/></g></svg>'
    assert not fault(tmp_path, drawing)
    assert not is_plain(drawing) and is_plain(drawing.replace(f'{attribute}="card"', 'opacity="1"'))


@pytest.mark.parametrize(
    "encoding", ["utf-7", "rot13", "unicode_escape", "no-such", "utf-32", "idna", "base64", "x" * 300]
)
def test_a_drawing_in_an_encoding_of_its_own_is_refused(encoding: str, tmp_path: Path) -> None:
    """Whether Python knows it or not."""
    assert "save it as UTF-8" in fault(tmp_path, f'<?xml version="1.0" encoding="{encoding}"?>{HEAD}</svg>')


def test_what_its_first_tag_has_and_what_it_says_do_not_matter(tmp_path: Path) -> None:
    """The page writes the tag anew, and text is no attribute."""
    first = HEAD.replace("<svg", '<svg style="color-scheme:light dark" xmlns:xlink="http://www.w3.org/1999/xlink"')
    drawing = f'{first}<text xml:space="preserve">the style = a:b="c"</text><use xlink:href="#a"/></svg>'
    assert not fault(tmp_path, drawing)
    assert is_plain(drawing)


def _saved(kind: str, **options: object) -> bytes:
    """A picture with structure and noise in it."""
    import io

    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(4)
    content = io.BytesIO()
    pixels = (rng.random((40, 60, 3)) * 60 + np.linspace(0, 190, 60)[None, :, None]).astype("uint8")
    Image.fromarray(pixels).save(content, kind, **options)
    return content.getvalue()


SAVED = {
    "a.png": _saved("PNG"),
    "a.jpg": _saved("JPEG"),
    "progressive.jpg": _saved("JPEG", progressive=True),
    "a.gif": _saved("GIF"),
    "lossy.webp": _saved("WEBP"),
    "lossless.webp": _saved("WEBP", lossless=True),
}


@pytest.mark.parametrize("name", SAVED)
def test_a_picture_that_ends_early_is_none(name: str, tmp_path: Path) -> None:
    """Wherever it is cut."""
    path = tmp_path / name
    path.write_bytes(SAVED[name])
    assert not fault_of(str(path))
    for at in range(20, len(SAVED[name]) - 2, 97):
        path.write_bytes(SAVED[name][:at])
        assert fault_of(str(path)), at


@pytest.mark.parametrize("name", [each for each in SAVED if each != "lossy.webp"])  # in which any bits are pixels
def test_a_picture_with_garbage_behind_its_head_is_none(name: str, tmp_path: Path) -> None:
    """A sound beginning is not enough."""
    content = SAVED[name]
    head = {".jpg": content.find(b"\xff\xda") + 14, ".gif": 800}.get(Path(name).suffix, 60)
    rng = random.Random(5)
    for made in (rng.randbytes(len(content) - head), bytes(len(content) - head), b"<script>" * 99):
        (tmp_path / name).write_bytes(content[:head] + made)
        assert fault_of(str(tmp_path / name))


def test_interlaced_and_moving_pngs_are_pictures(tmp_path: Path) -> None:
    """What is of no common kind is decoded by Pillow."""
    import io

    from PIL import Image

    frames = [Image.new("L", (9, 9), shade) for shade in (0, 100, 200)]
    content = io.BytesIO()
    frames[0].save(content, "PNG", save_all=True, append_images=frames[1:])
    (tmp_path / "a.png").write_bytes(content.getvalue())
    assert not fault_of(str(tmp_path / "a.png"))
    (tmp_path / "a.png").write_bytes(content.getvalue()[:-20])
    assert fault_of(str(tmp_path / "a.png"))


def test_a_film_whose_canvas_grows_takes_no_memory(tmp_path: Path) -> None:
    """A last frame of a few bytes that would make every frame of four gigapixels."""
    path = tmp_path / "a.gif"
    path.write_bytes(FILMS["grown"])
    assert "has more than" in fault_of(str(path))
    assert "has more than" in judge(FILMS["grown"], "a.gif").fault


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.mp3"])
def test_a_film_or_a_sound_is_one(name: str, tmp_path: Path) -> None:
    """By how it opens."""
    (tmp_path / name).write_bytes(b"<!doctype html><script>alert(1)</script>")
    assert fault_of(str(tmp_path / name))


def test_common_pictures_are_looked_at_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site may have thousands; a PNG of a common kind is known to be whole by its chunks and its inflated size."""
    monkeypatch.setattr(vetting, "judge", lambda content, name: pytest.fail(f"{name} was decoded"))
    (tmp_path / "a.png").write_bytes(png())
    assert fault_of(str(tmp_path / "a.png")) == ""


def test_what_was_found_fit_is_remembered_across_projects(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By what is in a file and by its suffix, for this user, and no longer than the rules that it was found fit by."""
    home = tmp_path_factory.mktemp("cache")
    copy_fonts(home / "darkroom/fonts")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    asked: list[str] = []
    monkeypatch.setattr(
        vetting, "fault_of", lambda path, content: asked.append(Path(path).name) or fault_of(path, content)
    )
    project.outputs.add("part_b/a", {"loss": plot(), "drawn": plot()})
    project.page('{{ figure("part_b/a/loss") }}')

    def judged() -> list[str]:
        """The files that are looked at when nothing is left of the project's own caches."""
        shutil.rmtree(project.root / "site", ignore_errors=True)
        shutil.rmtree(project.root / ".darkroom", ignore_errors=True)
        asked.clear()
        project.build()
        return sorted(asked)

    first = judged()
    assert first and judged() == []
    memory = Path(user_folder()) / "vetted.json"
    memory.write_bytes(memory.read_bytes() + b" ")  # somebody else's
    assert judged() == first and judged() == []
    monkeypatch.setattr(vetted, "_judges", lambda: "stricter")
    assert judged() == first and judged() == []


def test_what_was_found_unfit_is_not_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nor is a file fit under another suffix, or in another state; those asked for last are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(vetted, "MOST", 2)
    for name, content in {
        "a.png": png(),
        "b.png": png(2),
        "c.png": png(3),
        "a.gif": png(),
        "d.png": png(4)[:-9],
    }.items():
        (tmp_path / name).write_bytes(content)

    def faults(*names: str) -> list[bool]:
        known = Vetted()
        paths = [tmp_path / name for name in names]
        found = [known.fault_of(str(path), None, sha256(path.read_bytes()).hexdigest()) for path in paths]
        known.keep()
        return [bool(fault) for fault in found]

    assert faults("a.png", "a.gif", "d.png") == [False, True, True] == faults("a.png", "a.gif", "d.png")
    assert faults("b.png", "a.png", "c.png") == [False] * 3
    monkeypatch.setattr(vetting, "fault_of", lambda *_: "asked")
    assert faults("a.png", "c.png", "b.png", "a.gif") == [False, False, True, True]
