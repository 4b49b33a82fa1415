"""The exceptions that Darkroom raises, and the exit code of each.

    DarkroomError
    ├── ContentError       1   faults in pages, templates or stored results; carries every fault found
    ├── UsageError         2   wrong usage or configuration
    │   ├── DeclarationError   an experiment breaks a rule of declarations
    │   ├── UnknownName        no experiment, figure or parameter of that name
    │   ├── LimitTooLow        the shell allows too little memory or too few open files
    │   ├── DataUnavailable    a data set is missing, damaged or cannot be fetched
    │   ├── DeviceUnavailable  the device or the package that a run needs is not available
    │   │   └── ImportedAtTop      a module imports that package before anything needs it
    │   └── Locked             another process is working on the same outputs
    ├── DamagedOutputs     1   a manifest or result file is truncated, altered or of another version
    └── ExperimentError    3   an experiment raised, or returned what cannot be stored

Each message is one line: what is wrong, where, and what to do next.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple


class Fault(NamedTuple):
    """A fault at a place in a file; ``str`` gives ``path:line:column rule: message``."""

    path: str
    line: int
    column: int
    rule: str
    message: str

    def __str__(self) -> str:
        path = self.path.replace("\n", "\\n").replace("\r", "\\r")  # a name must not read as another fault
        return f"{path}:{self.line}:{self.column} {self.rule}: {self.message}"


class DarkroomError(Exception):
    """Base of every error that the command line reports without a traceback."""

    exit_code = 1


class ContentError(DarkroomError):
    """Faults in pages, templates or stored results.

    Args:
        faults: every fault found, in any order; at least one.
        warnings: doubtful things that were found as well.
    """

    exit_code = 1

    def __init__(self, faults: Iterable[Fault], warnings: Iterable[Fault] = ()) -> None:
        self.faults = tuple(sorted(faults))
        self.warnings = tuple(sorted(dict.fromkeys(warnings)))
        super().__init__("\n".join(shown(self.faults)))


MOST_SHOWN = 100  # faults of a file


def shown(faults: Iterable[Fault]) -> list[str]:
    """Faults or warnings as lines; for a file with very many, only the first ones and the number of the others."""
    lines: list[str] = []
    counts: dict[str, int] = {}
    for fault in faults:
        counts[fault.path] = counts.get(fault.path, 0) + 1
        if counts[fault.path] <= MOST_SHOWN:
            lines.append(str(fault))
    more = {path: count - MOST_SHOWN for path, count in counts.items() if count > MOST_SHOWN}
    return [*lines, *(f"{path}: and {count} more" for path, count in more.items())]


class UsageError(DarkroomError):
    """Wrong usage or configuration."""

    exit_code = 2


class DeclarationError(UsageError):
    """An experiment breaks a rule of declarations; the message opens with ``path:line:column``."""


class UnknownName(UsageError):
    """No experiment, figure, metric or parameter of that name; the nearest name is offered."""


class LimitTooLow(UsageError):
    """The limits of the shell (``ulimit``) allow less memory, or fewer open files, than are needed."""


class DataUnavailable(UsageError):
    """A data set is missing, damaged or cannot be fetched."""


class DeviceUnavailable(UsageError):
    """The device, or the package that a run needs, is not available."""


class ImportedAtTop(DeviceUnavailable):
    """A module of an experiment imports a package as it is imported itself, so that nothing of it works without."""


class Locked(UsageError):
    """Another process is working on the same outputs."""


class DamagedOutputs(DarkroomError):
    """A manifest or a result file is truncated, altered or of another version.

    Args:
        reason: what is wrong, and what to do.
        place: the file, with which the message then begins.
    """

    exit_code = 1

    def __init__(self, reason: str, place: str = "") -> None:
        self.reason = reason
        super().__init__(f"{place}: {reason}" if place else reason)


class ExperimentError(DarkroomError):
    """An experiment raised, or returned what cannot be stored; its last good outputs are untouched."""

    exit_code = 3


def allowed_memory() -> int:
    """The bytes of address space that this process and its children may have, or 0 where that is not limited."""
    try:
        import resource
    except (ImportError, MemoryError):  # on Windows, or where there is too little to ask
        return 0
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return 0 if soft == resource.RLIM_INFINITY else soft


NO_MEMORY = "out of memory; close other programs, allow more with ulimit -v, or use a machine with more"


def explained(error: OSError) -> str:
    """A message with what to do: "cannot read pages/index.md: Permission denied; ...".

    The system does not say whether reading or writing failed; permissions are checked to find out.
    """
    path = error.filename2 or error.filename
    reason = error.strerror or str(error) or type(error).__name__
    write, choose = f"cannot write{_named(path)}: {reason};", "choose another place"
    if error.errno == errno.ENOMEM:
        said = NO_MEMORY
    elif error.filename2 is not None and error.errno in _UNMOVED:
        said = (
            f"cannot move{_named(error.filename)} to{_named(path)}: {reason}; use a file system that supports renaming"
        )
    elif error.errno in {errno.EMFILE, errno.ENFILE}:
        said = f"too many files are open: {reason}; allow more with ulimit -n"
    elif error.errno in {errno.ENOSPC, errno.EDQUOT}:
        said = f"{write} free some space, or {choose}"
    elif error.errno == errno.EFBIG:
        said = f"{write} allow larger files with ulimit -f, or {choose}"
    elif error.errno == errno.EROFS:
        said = f"{write} {choose}"
    elif error.errno in {errno.EACCES, errno.EPERM} and path is not None:
        verb = "read" if os.path.exists(path) and not os.access(path, os.R_OK) else "write"  # noqa: PTH110
        said = f"cannot {verb}{_named(path)}: {reason}; get permission to {verb} it, or {choose}"
    elif error.errno in _IN_THE_WAY:
        said = f"{write} move what is there, or {choose}"
    else:
        said = f"the system reported an error{_named(path)}: {reason}"
    return said


_UNMOVED = {errno.EXDEV, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}
_IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.EBUSY}


def _named(path: object) -> str:
    shown = os.fsdecode(path) if isinstance(path, (str, bytes)) else str(path)
    return (
        f" {shown!r}"
        if path is not None and ("\n" in shown or not shown.isprintable())
        else f" {shown}"
        if path
        else ""
    )


_FEW = 40  # names that are compared letter by letter, which takes up to a tenth of a millisecond each
_LONGEST_NAME = 200  # longer ones are no misspellings


def nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """A clause that offers the closest spelling, such as ``; did you mean 'epochs'?``, or nothing.

    *cutoff* is how alike the two are at least, from 0 to 1. Of many names those that share rare pairs of letters with
    *name* are compared, so that thousands of wrong names among thousands of known ones take seconds.
    """
    import difflib  # only needed once something is wrong

    if len(name) > _LONGEST_NAME:
        return ""
    names = tuple(each for each in known if len(each) <= 2 * _LONGEST_NAME)
    if len(names) > _FEW:
        names = tuple(_sharing_pairs(name, names))
    close = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    return f"; did you mean {close[0]!r}?" if close else ""


def _sharing_pairs(name: str, known: tuple[str, ...]) -> list[str]:
    """Those of *known* that share the most pairs of letters with *name*; each pair counts the more, the rarer it is."""
    having, shared = _pairs_of(known), dict[int, float]()
    for pair in sorted(_pairs(name), key=lambda pair: (len(having.get(pair, ())), pair)):
        holders = having.get(pair, ())
        if len(holders) > 10 * _FEW and len(shared) >= _FEW:
            break
        for index in holders:
            shared[index] = shared.get(index, 0.0) + 1 / len(holders)
    best = sorted(shared, key=lambda index: (-shared[index], abs(len(known[index]) - len(name)), index))
    return [known[index] for index in best[:_FEW]]


@lru_cache(maxsize=8)
def _pairs_of(known: tuple[str, ...]) -> dict[str, list[int]]:
    """By pair of letters, which of the names have it."""
    having: dict[str, list[int]] = {}
    for index, name in enumerate(known):
        for pair in _pairs(name):
            having.setdefault(pair, []).append(index)
    return having


def _pairs(name: str) -> set[str]:
    whole = f"\0{name.lower()}\0"
    return {whole[at : at + 2] for at in range(len(whole) - 1)}
