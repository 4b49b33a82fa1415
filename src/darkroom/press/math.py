"""Formulas: TeX to HTML and MathML by KaTeX at build time, every equation once.

What KaTeX made is kept by equation, KaTeX version and macros.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from darkroom.lab.errors import UsageError
from darkroom.press.packages import install, node, pinned_versions

FORM = 4  # of what is kept; another number, and everything is made anew
BATCH = 1500  # equations that are worth a second process


class Equation(NamedTuple):
    """TeX without its delimiters, whether it stands on its own line, and the macros of its page that it uses."""

    tex: str
    display: bool
    macros: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class BadTeX:
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


class Katex:
    """KaTeX as installed for *templates*.

    Raises:
        UsageError: it cannot be installed, or there is no Node.
    """

    def __init__(self, templates: Path, cache: Path, macros: Mapping[str, str]) -> None:
        self.script = templates / "typeset.mjs"
        self.folder = install(templates) / "katex"
        self.version = pinned_versions(templates)["katex"]
        self.macros = dict(sorted(macros.items()))
        self._store = cache / "math.sqlite"

    def start(self, equations: Iterable[Equation]) -> Pending:
        """Look up what is known and set Node to work on the rest; ``finish`` of the result waits for it."""
        wanted = list(dict.fromkeys(equations))
        known = self._known(wanted) if wanted else {}
        return Pending(self, known, [equation for equation in wanted if equation not in known])

    def _key(self, equation: Equation) -> str:
        record = json.dumps([FORM, self.version, self.macros, equation.display, equation.tex, equation.macros])
        return hashlib.sha256(record.encode()).hexdigest()[:40]

    def _known(self, equations: list[Equation]) -> Typeset:
        by_key = {self._key(equation): equation for equation in equations}
        keys = list(by_key)
        found: Typeset = {}
        for rows in self._query(keys):
            found |= {by_key[key]: html for key, html in rows}
        return found

    def _query(self, keys: list[str]) -> Iterator[list[tuple[str, str]]]:
        import sqlite3

        if not self._store.exists():
            return
        try:
            connection = sqlite3.connect(self._store)
            try:
                for at in range(0, len(keys), 500):
                    chunk = keys[at : at + 500]
                    marks = ",".join("?" * len(chunk))
                    yield connection.execute(f"SELECT key, html FROM math WHERE key IN ({marks})", chunk).fetchall()
            finally:
                connection.close()
        except sqlite3.DatabaseError:  # a cache: what cannot be read is made again
            self._store.unlink(missing_ok=True)

    def keep(self, made: Typeset) -> None:
        """Remember what KaTeX made; errors are not kept."""
        import sqlite3

        rows = [(self._key(equation), html) for equation, html in made.items() if isinstance(html, str)]
        if not rows:
            return
        self._store.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._store, timeout=10)
        try:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("CREATE TABLE IF NOT EXISTS math (key TEXT PRIMARY KEY, html TEXT) WITHOUT ROWID")
            connection.executemany("INSERT OR REPLACE INTO math VALUES (?, ?)", rows)
            connection.commit()
        except sqlite3.DatabaseError:
            self._store.unlink(missing_ok=True)
        finally:
            connection.close()


class Pending:
    """Equations of which some are still with Node."""

    def __init__(self, katex: Katex, known: Typeset, missing: list[Equation]) -> None:
        self._katex, self._known, self._missing = katex, known, missing
        processes = min(2, os.cpu_count() or 1) if len(missing) > BATCH else 1
        shares = [missing[i::processes] for i in range(processes)] if missing else []
        self._running = [(_launch(katex, share), share) for share in shares]

    def finish(self) -> Typeset:
        """Every equation as HTML, or what is wrong with it."""
        made: Typeset = {}
        for (process, output), share in self._running:
            if process.wait() != 0:
                output.seek(0)
                raise UsageError(f"node failed on {self._katex.script}: {_last_line(output.read())}; reinstall KaTeX")
            output.seek(0)
            made |= dict(zip(share, map(_reply, output), strict=True))
            output.close()
        self._katex.keep(made)
        return self._known | made


def _launch(katex: Katex, equations: list[Equation]) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Node at work; files, not pipes, so that nobody has to listen while pages are rendered."""
    task = tempfile.TemporaryFile()  # noqa: SIM115  # Node reads it, and writes the other, while we go on
    task.write((json.dumps({"macros": katex.macros}) + "\n").encode())
    task.writelines((json.dumps(equation) + "\n").encode() for equation in equations)
    task.seek(0)
    output = tempfile.TemporaryFile()  # noqa: SIM115
    command = [str(node()), str(katex.script)]
    process = subprocess.Popen(command, stdin=task, stdout=output, stderr=subprocess.STDOUT)
    task.close()
    return process, output


def _reply(line: bytes) -> str | BadTeX:
    reply = json.loads(line)
    return unstyled(_valid(reply)) if isinstance(reply, str) else BadTeX(reply["message"], reply["position"])


def _valid(html: str) -> str:
    """KaTeX's HTML without what a validator objects to in the cells of its MathML: widths, and a space before ``=``."""
    return html.replace('<mtd width="50%">', "<mtd>").replace('<mtd class ="', '<mtd class="')


def unstyled(content: str) -> str:
    """KaTeX's HTML with a class for each declaration of its style attributes, which a strict policy would not allow.

    ``style="height:2.7em;"`` becomes the class ``k_height_2D7em``, from which :func:`rules` makes the rule again; a
    declaration with capitals or other signs is spelt in hexadecimal digits after ``kx_``.
    """
    head, *rest = content.split(' style="')
    made = [head]
    for part in rest:
        style, _, after = part.partition('"')
        made[-1:] = [*_with_classes(made[-1], style), after]
    return "".join(made)


def classes_of(html: str) -> set[str]:
    """Every class in *html*."""
    return {name for names in set(_CLASSES.findall(html)) for name in names.split()}


def rules(classes: Iterable[str]) -> str:
    """The style rules for those of *classes* that :func:`unstyled` made, sorted."""
    names = sorted(name for name in classes if name.startswith(("k_", "kx_")))
    return "".join(f".{name}{{{_declaration(name)}!important}}" for name in names)


_CLASSES = re.compile(r'class="([^"]*)"')
_NAMED = re.compile(r"[a-z-]+_[A-Za-z0-9-]+")
_AS_NAME = str.maketrans({":": "_", ".": "D", "%": "P", "#": "H", " ": "S"})
_AS_VALUE = str.maketrans({"_": ":", "D": ".", "P": "%", "H": "#", "S": " "})


def _with_classes(before: str, style: str) -> tuple[str, str]:
    """What stands before a style attribute, a class of which takes up its declarations, and what takes its place."""
    added = " ".join(_class_name(each.strip()) for each in html.unescape(style).split(";") if each.strip())
    if before.endswith('"') and before.rfind(' class="') == before.rfind("=") - 6:
        return f'{before[:-1]} {added}"', ""
    return before, f' class="{added}"'


def _class_name(declaration: str) -> str:
    name = declaration.translate(_AS_NAME)
    plainly = declaration == declaration.lower() and _NAMED.fullmatch(name)
    return f"k_{name}" if plainly else f"kx_{declaration.encode().hex()}"


def _declaration(name: str) -> str:
    kind, _, rest = name.partition("_")
    return rest.translate(_AS_VALUE) if kind == "k" else bytes.fromhex(rest).decode()


def _last_line(output: bytes) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if "Error" in line]
    return lines[0] if lines else "no message"
