"""Formulas: TeX to HTML and MathML by KaTeX at build time, every equation once.

What KaTeX made is kept by equation, KaTeX version and macros.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from darkroom.core.errors import UsageError
from darkroom.core.paths import remove
from darkroom.core.sealed import mark
from darkroom.press.files import MATH
from darkroom.press.inputs import Inputs
from darkroom.press.limits import processors
from darkroom.press.theme import LOCK, Theme
from darkroom.press.typeset.equations import BadTeX, Equation, Typeset
from darkroom.press.typeset.node import NodeTask, Stalled
from darkroom.press.typeset.npm import install, node, pinned_versions

FORM = 4  # of what is kept; with another number, or another script, everything is made anew
LONGEST = 10_000  # characters of a formula: KaTeX takes time that grows with their square
BATCH = 1500  # equations that are worth a second process


class Katex:
    """KaTeX as installed for a *theme*.

    Raises:
        UsageError: it cannot be installed, or there is no Node.
    """

    def __init__(self, theme: Theme, inputs: Inputs, cache: Path, macros: Mapping[str, str]) -> None:
        lock = theme.path(LOCK, inputs)
        folder = install(lock.parent, theme.packages) / "katex"
        self.command = theme.path("typeset.mjs", inputs), folder / "dist/katex.mjs"
        self.version = pinned_versions(lock.parent).get("katex", "")
        if not self.version:
            raise UsageError(f"{lock}: katex is not among the packages; restore the file, or run npm install katex")
        self.macros = dict(sorted(macros.items()))
        self._form = FORM, inputs.digest(self.command[0])
        self._store = cache / MATH

    def start(self, equations: Iterable[Equation]) -> Pending:
        """Look up what is known and set Node to work on the rest; ``finish`` of the result waits for it."""
        wanted = list(dict.fromkeys(equations))
        known: Typeset = {each: BadTeX(_TOO_LONG, None) for each in wanted if len(each.tex) > LONGEST}
        known |= self._known([each for each in wanted if each not in known])
        return Pending(self, known, [equation for equation in wanted if equation not in known])

    def _key(self, equation: Equation) -> str:
        record = json.dumps([*self._form, self.version, self.macros, equation.display, equation.tex, equation.macros])
        return hashlib.sha256(record.encode()).hexdigest()[:40]

    def _known(self, equations: list[Equation]) -> Typeset:
        if not equations:
            return {}
        by_key = {self._key(equation): equation for equation in equations}
        keys = list(by_key)
        found: Typeset = {}
        for rows in self._query(keys):
            found |= {by_key[key]: html for key, html, seal in rows if seal == mark(f"{key} {html}".encode())}
        return found

    def _query(self, keys: list[str]) -> Iterator[list[tuple[str, str, str]]]:
        import sqlite3

        if not self._store.is_file():
            return
        try:
            address = (
                f"file:{quote(os.fspath(self._store))}?immutable=1"  # which reads no journal, and so none of others
            )
            connection = sqlite3.connect(address, uri=True)
            connection.set_progress_handler(_Patience(), 100_000)
            try:
                for at in range(0, len(keys), 500):
                    chunk = keys[at : at + 500]
                    marks = ",".join("?" * len(chunk))
                    yield connection.execute(
                        f"SELECT key, html, seal FROM {_TABLE} WHERE key IN ({marks})", chunk
                    ).fetchall()
            finally:
                connection.close()
        except sqlite3.Error:  # a cache: what cannot be read is made again
            self._forget()

    def keep(self, made: Typeset) -> None:
        """Remember what KaTeX made; errors are not kept, and a cache that cannot be written is done without."""
        import sqlite3

        keyed = [(self._key(equation), html) for equation, html in made.items() if isinstance(html, str)]
        rows = [(key, html, mark(f"{key} {html}".encode())) for key, html in sorted(keyed)]  # in a third of the time
        if not rows:
            return
        try:
            self._store.parent.mkdir(parents=True, exist_ok=True)
            self._drop_journals()
            connection = sqlite3.connect(self._store, timeout=10)
            try:
                connection.execute("PRAGMA synchronous=OFF")
                columns = "key TEXT PRIMARY KEY, html TEXT, seal TEXT"
                connection.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} ({columns}) WITHOUT ROWID")
                connection.executemany(f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?, ?)", rows)
                connection.commit()
            finally:
                connection.close()
        except (sqlite3.Error, OSError):
            self._forget()

    def _drop_journals(self) -> None:
        """Delete journals that a killed process, or someone else, left beside the store: SQLite would apply them."""
        for suffix in ("-journal", "-wal", "-shm"):
            remove(f"{self._store}{suffix}")

    def _forget(self) -> None:
        with suppress(OSError):
            remove(self._store)
            self._drop_journals()


_TABLE = "formulas"


class _Patience:
    """Tells SQLite to give up on a query that takes a thousand times as many steps as any of ours."""

    def __init__(self) -> None:
        self._left = 1000

    def __call__(self) -> bool:
        self._left -= 1
        return self._left < 0


_TOO_LONG = f"a formula of more than {LONGEST:,} characters; split it"
_TOO_COSTLY = "KaTeX needs too much time or memory for this formula; split it"
_PROBES = [Equation("x", shown, ((r"\probe", ""),)) for shown in (False, True)]  # which are on no page
_STALLS = 6  # of all tasks of a build that follow from one another


class Pending:
    """Equations of which some are still with Node."""

    def __init__(self, katex: Katex, known: Typeset, missing: list[Equation]) -> None:
        self._katex, self._known = katex, known
        processes = min(2, processors()) if len(missing) > BATCH else 1
        shares = [missing[i::processes] for i in range(processes)] if missing else []
        self._running = [NodeTask(node(), katex.command, katex.macros, share) for share in shares]

    def finish(self) -> Typeset:
        """Every equation as HTML, or what is wrong with it.

        Raises:
            UsageError: Node fails, hangs, or does not answer all of them.
        """
        made: Typeset = {}
        try:
            for task in [*self._running]:
                made |= self._answers(task)
        finally:
            self.end()
        self._katex.keep(made)
        return self._known | made

    def end(self) -> None:
        """End Node, whether or not it has answered."""
        for task in self._running:
            task.end()

    def _answers(self, task: NodeTask, suspects: tuple[Equation, ...] = ()) -> Typeset:
        """What Node answers; a formula that it stalls at is asked again behind all others, and then is itself at fault.

        Raises:
            UsageError: Node fails, or stalls at any formula.
        """
        try:
            return task.answers()
        except Stalled as stall:
            if stall.formula in _PROBES or len(suspects) >= _STALLS:
                raise
            is_costly = stall.formula in suspects
            found = stall.found | ({stall.formula: BadTeX(_TOO_COSTLY, None)} if is_costly else {})
            left = [*stall.others, *(() if is_costly else (stall.formula,))]
            if left:
                again = NodeTask(node(), self._katex.command, self._katex.macros, [*_PROBES, *left])
                self._running.append(again)
                found |= self._answers(again, (*suspects, stall.formula))
            return {formula: html for formula, html in found.items() if formula not in _PROBES}
