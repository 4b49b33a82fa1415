"""Formulas as they are written, what KaTeX makes of them, and how they read as plain text."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec


class Equation(NamedTuple):
    """TeX without its delimiters, whether it stands on its own line, and the macros of its page that it uses."""

    tex: str
    display: bool
    macros: tuple[tuple[str, str], ...] = ()


class BadTeX(msgspec.Struct, frozen=True):
    """Why KaTeX refused an equation, and how many characters into it (None: not known)."""

    message: str
    position: int | None


Typeset = dict[Equation, str | BadTeX]

_LETTERS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho varsigma sigma tau "
    "upsilon phi chi psi omega"
)
_SIGNS = (
    "Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Phi Φ Psi Ψ Omega Ω varepsilon ε vartheta ϑ varphi φ "
    "times × cdot · leq ≤ le ≤ geq ≥ ge ≥ neq ≠ approx ≈ sim ∼ in ∈ to → infty ∞ ldots … dots … pm ± sqrt √ lVert ‖ "
    "rVert ‖ lvert | rvert |"
)
_SPACES = {"quad": " ", ";": " ", " ": " ", ",": "", "!": "", "left": "", "right": ""}
_WORDS = {
    **{name: chr(ord("α") + place) for place, name in enumerate(_LETTERS.split())},
    **dict(zip(_SIGNS.split()[::2], _SIGNS.split()[1::2], strict=True)),
    **_SPACES,
}
_SILENT = frozenset({"mathrm", "text", "mathbf", "mathcal", "mathbb", "mathit", "operatorname", "bar", "hat", "tilde"})


def plain(tex: str) -> str:
    r"""TeX as a reader would type it, for titles and anchors: ``\gamma = 5`` becomes "γ = 5"."""

    def word(found: re.Match[str]) -> str:
        name = found[1]
        return "" if name in _SILENT else _WORDS.get(name, name)

    shown = re.sub(r"\\([A-Za-z]+|.)", word, tex)
    return re.sub(r"\s+", " ", re.sub(r"[{}$]", "", shown)).strip()
