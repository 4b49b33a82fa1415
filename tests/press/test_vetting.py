"""Drawings of somebody else's outputs: what may stand in a page, read as HTML reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from darkroom.press import svg
from darkroom.press.vetting import fault_of, is_plain


def fault(folder: Path, drawing: str) -> str:
    """What is said of *drawing* as a file of a figure."""
    path = folder / "light.svg"
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


def test_styles_become_attributes_of_their_own_kind_alone() -> None:
    """A declaration that names a handler or a link is dropped."""
    made = svg._attributes("fill: red; onclick: alert(1); href: //e.example; stroke-width:2; src:x; id: y")
    assert made == ' fill="red" stroke-width="2"'
