"""Patterns that are compiled when they are first used."""

from __future__ import annotations

import re

import pytest

from darkroom.core.patterns import lazy_pattern


def test_a_lazy_pattern_is_used_as_a_compiled_one() -> None:
    """Its methods and attributes are those of the pattern."""
    lazy, compiled = lazy_pattern(r"(?P<a>\w)B", re.IGNORECASE), re.compile(r"(?P<a>\w)B", re.IGNORECASE)
    assert lazy.findall("xb yB") == compiled.findall("xb yB") == ["x", "y"]
    assert (lazy.pattern, lazy.flags, lazy.groupindex) == (compiled.pattern, compiled.flags, compiled.groupindex)
    assert lazy.sub("-", "xb yB") == "- -"


def test_nothing_is_compiled_before_the_first_use() -> None:
    """A wrong pattern is told when it is used, so declaring one costs nothing."""
    wrong = lazy_pattern("(")
    with pytest.raises(re.error):
        wrong.search("")
