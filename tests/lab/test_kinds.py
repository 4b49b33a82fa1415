"""Layouts of figures, as manifests of somebody else's outputs may give them."""

from __future__ import annotations

import pytest

from darkroom.core.figure_layouts import read_layout


@pytest.mark.parametrize("kind", ["absent", "frame", "models", "picture"])
def test_a_template_that_draws_no_figure_is_no_kind(kind: str) -> None:
    """It stands beside those of figures, and a manifest that names it is damaged."""
    with pytest.raises(ValueError, match=f"'{kind}' is not a kind of figure"):
        read_layout(kind, {}, frozenset())


def test_a_kind_of_one_s_own_has_plain_values() -> None:
    """A project may have a template for it."""
    assert read_layout("gallery", {"rows": [1, "two"]}, frozenset()) == {"rows": [1, "two"]}
