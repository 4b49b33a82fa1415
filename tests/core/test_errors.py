"""The spellings that messages offer: the closest known name, found quickly among thousands."""

from __future__ import annotations

import difflib
import random
import time

import pytest

from darkroom.core.errors import nearest

KNOWN = [
    f"{part}/{name}{number}"
    for part in ("part_a", "part_b", "flow")
    for name in ("loss", "grid", "samples", "noise")
    for number in range(40)
]


def _misspelt(name: str, draw: random.Random) -> str:
    """A letter more, less or exchanged."""
    at = draw.randrange(1, len(name))
    return draw.choice(
        (
            name[:at] + name[at + 1 :],
            name[:at] + "x" + name[at:],
            name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :],
        )
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_offer_is_as_close_as_any(seed: int) -> None:
    """As a comparison with every name would find it, whatever the order of the names."""
    draw = random.Random(seed)
    name = _misspelt(draw.choice(KNOWN), draw)
    offer = nearest(name, draw.sample(KNOWN, len(KNOWN))).removeprefix("; did you mean ").strip("?'")
    best = max(difflib.SequenceMatcher(None, each, name).ratio() for each in KNOWN)
    assert difflib.SequenceMatcher(None, offer, name).ratio() == pytest.approx(best)


def test_what_is_like_nothing_gets_no_offer() -> None:
    """Nor does a name that is far too long."""
    assert nearest("zzz", KNOWN) == nearest("zzz", ["abc"]) == nearest("", KNOWN) == nearest("a" * 5000, KNOWN) == ""
    assert nearest("los", ["loss"]) == "; did you mean 'loss'?"


def test_offers_for_a_thousand_names_take_seconds() -> None:
    """Also among thousands that are all alike."""
    known = [f"author{number}2020title" for number in range(3000)]
    began = time.process_time()
    found = [nearest(f"auther{number}2020titel", known) for number in range(1000)]
    assert time.process_time() - began < 10
    assert found == [f"; did you mean 'author{number}2020title'?" for number in range(1000)]
