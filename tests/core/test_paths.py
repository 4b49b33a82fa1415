"""Names of files that are one and the same on some file systems."""

from __future__ import annotations

from unicodedata import normalize

import pytest

from darkroom.core.paths import alike, folded, said_alike

SAME = [
    ("a", "A"),
    ("bär", "BÄR"),
    (normalize("NFC", "bär"), normalize("NFD", "bär")),
    (normalize("NFC", "Ünder/É"), normalize("NFD", "ünder/é")),
    ("straße", "STRASSE"),
    ("σας", "ΣΑΣ"),
    ("\u1fb3", "\u0391\u0399"),  # alpha with a iota below it, which capitals have beside it
    ("\u212a", "k"),  # the sign of the kelvin
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_are_compared_as_file_systems_do(one: str, other: str) -> None:
    """Without regard to case, nor to whether an accent is a character of its own."""
    assert folded(one) == folded(other)
    assert said_alike([one, other]).startswith(f"{one.partition('/')[0]!r} and {other.partition('/')[0]!r}")


@pytest.mark.parametrize(("one", "other"), [("a", "á"), ("o", "ø"), ("a b", "a_b"), ("①", "1"), ("ﬁ", "f")])
def test_other_letters_are_other_names(one: str, other: str) -> None:
    """No file system takes one for the other."""
    assert folded(one) != folded(other)
    assert not alike([one, other])


def test_folders_are_compared_as_well() -> None:
    """The first name that differs is the one to change; equal folders hold many files."""
    assert alike(["a/x", "a/y", "A/x", "A/Y", "b/x", "b/X/1", "B"]) == {"A": "a", "A/Y": "a/y", "b/X": "b/x", "B": "b"}
    assert alike(["a/b", "a/b/c", "a"]) == {}
