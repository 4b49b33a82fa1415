"""Fonts in parts: every character in one of them, each part with its own and no others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.core.digests import Digests
from darkroom.core.errors import ContentError
from darkroom.press.inputs import Inputs
from darkroom.press.typeset import fonts
from darkroom.press.typeset.fonts import LAST, complement, part, read_ranges, written
from tests.press.projects import PACKAGES, Project

SERIF = "@fontsource/source-serif-4/files/source-serif-4-latin-400-normal.woff2"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the user's caches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "home/darkroom"


def characters(font: Path) -> set[int]:
    """What a font can draw."""
    return set(TTFont(font).getBestCmap())


def test_ranges_are_read_as_css_writes_them() -> None:
    """Single characters, ranges and wildcards, in either case."""
    assert read_ranges("U+20-7e, u+A0,U+4??, U+??") == [(0x20, 0x7E), (0xA0, 0xA0), (0x400, 0x4FF), (0, 0xFF)]


@pytest.mark.parametrize("wrong", ["20-7E", "U+", "U+7E-20", "U+110000", "U+20-7E,", "U+4??-4FF-5", ""])
def test_what_is_no_range_is_refused(wrong: str) -> None:
    """Whatever CSS would not take either."""
    with pytest.raises(ValueError):
        read_ranges(wrong)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)).map(lambda pair: (pair[0], sum(pair)))))
def test_a_character_is_in_a_list_of_ranges_or_in_its_complement(ranges: list[tuple[int, int]]) -> None:
    """In one of the two and never in both; and what is written is read again."""
    rest = complement(ranges)
    for point in [*range(350), LAST]:
        assert any(low <= point <= high for low, high in ranges) != any(low <= point <= high for low, high in rest)
    assert read_ranges(written(rest)) == rest


@pytest.mark.usefixtures("home")
def test_two_parts_of_a_font_have_its_characters_between_them(tmp_path: Path) -> None:
    """None is lost, none is in both, and an advance stays what it was."""
    font, inputs = PACKAGES / SERIF, Inputs(Digests())
    often = read_ranges("U+20-7E,U+2013")
    parts = [part(font, ranges, inputs, tmp_path) for ranges in (often, complement(often))]
    first, second = map(characters, parts)
    assert first | second == characters(font)
    assert first == {*range(0x20, 0x7F), 0x2013}
    assert not first & second
    assert sum(each.stat().st_size for each in parts) < 1.3 * font.stat().st_size
    whole, piece = TTFont(font), TTFont(parts[0])
    for point in first:
        assert piece["hmtx"][piece.getBestCmap()[point]] == whole["hmtx"][whole.getBestCmap()[point]]


@pytest.mark.usefixtures("home")
def test_a_part_is_made_once_and_again_where_its_range_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whichever project is first: all projects of a user share what is made of a font and a range."""
    made, make = [], fonts._part_of
    monkeypatch.setattr(fonts, "_part_of", lambda *arguments: (made.append(arguments), make(*arguments))[1])
    font, inputs = PACKAGES / SERIF, Inputs(Digests())
    first = part(font, [(65, 90)], inputs, tmp_path / "one")
    assert part(font, [(65, 90)], Inputs(Digests()), tmp_path / "two") == first and len(made) == 1
    assert characters(part(font, [(65, 70)], inputs, tmp_path / "one")) == set(range(65, 71)) and len(made) == 2


@pytest.mark.usefixtures("home")
def test_a_part_that_is_not_what_was_made_is_made_anew(tmp_path: Path) -> None:
    """Bytes that someone else put into the cache are not published."""
    font, inputs = PACKAGES / SERIF, Inputs(Digests())
    made = part(font, [(65, 90)], inputs, tmp_path)
    content = made.read_bytes()
    made.write_bytes(b"another")
    assert part(font, [(65, 90)], inputs, tmp_path).read_bytes() == content


def test_without_a_folder_of_the_user_a_part_is_kept_in_the_project(tmp_path: Path, home: Path) -> None:
    """As where the home folder cannot be written."""
    home.parent.mkdir()
    home.write_text("a file")
    font = PACKAGES / SERIF
    made = part(font, [(65, 66)], Inputs(Digests()), tmp_path / "own")
    assert made.is_relative_to(tmp_path / "own") and characters(made) == {65, 66}
    assert part(font, [(65, 66)], Inputs(Digests()), tmp_path / "own") == made


def test_parts_that_were_made_long_ago_are_removed(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the user does not grow without end."""
    monkeypatch.setattr(fonts, "_MOST_KEPT", 4)
    (home / "fonts").mkdir(parents=True)
    for number in range(6):
        path = home / f"fonts/{number}"
        path.write_text("old")
        os.utime(path, (number, number))
    made = part(PACKAGES / SERIF, [(65, 66)], Inputs(Digests()), tmp_path)
    assert sorted(path.name for path in (home / "fonts").iterdir()) == sorted(
        ["4", "5", made.name, f"{made.name}.seal"]
    )


def test_a_face_with_a_range_is_published_with_those_characters(project: Project) -> None:
    """Two faces of one font become two files, and the style sheet leads to each."""
    project.page("Text.")
    style = project.root / "templates/static/two.css"
    style.write_text(
        f"@font-face {{ src: url(../node_modules/{SERIF}); unicode-range: U+41-5A }}\n"
        f"@font-face {{ src: url(../node_modules/{SERIF}); unicode-range: U+61-7A }}\n"
    )
    project.build()
    css = next((project.site / "assets").glob("two.*.css"))
    addresses = [piece.split(")")[0] for piece in css.read_text().split("url(")[1:]]
    assert [characters(css.parent / address) for address in addresses] == [set(range(65, 91)), set(range(97, 123))]


def test_a_face_with_a_wrong_range_is_named(project: Project) -> None:
    """With the line of its face; nothing is published."""
    project.page("Text.")
    style = project.root / "templates/static/two.css"
    style.write_text(f"\n@font-face {{ src: url(../node_modules/{SERIF}); unicode-range: 41-5A }}\n")
    with pytest.raises(ContentError, match=r"two\.css:2:1 font: unicode-range: 41-5A is not a list of ranges"):
        project.build()
    assert not project.site.exists()
