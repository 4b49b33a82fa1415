"""What went wrong in an experiment, in one line."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

from darkroom.core.errors import DarkroomError, DeviceUnavailable, ExperimentError, ImportedAtTop, UsageError, explained
from darkroom.lab.source.declared import ExperimentRecipe

EXTRAS = ("torch", "diffusers", "transformers", "accelerate")
INSTALL = "pip install 'darkroom[experiments]', or pip install -e '.[experiments]' in a clone"
_OF_MEMORY = ("out of memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}


def described(error: BaseException, root: Path) -> str:
    """``ValueError: message (experiments/part_b/denoiser.py:41)``: the innermost line of the project."""
    said = " ".join(str(error).split())
    place, _ = _place(error, root)
    return f"{type(error).__name__}{': ' if said else ''}{said}{f' ({place})' if place else ''}"


def _place(error: BaseException, root: Path) -> tuple[str, str]:
    """The innermost line of the project, as ``path:line``, and the function that it is in; "" without one."""
    found = ("", "")
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(root):
            found = (f"{path.relative_to(root).as_posix()}:{frame.lineno}", frame.name)
    return found


def translated(error: BaseException, identity: str, root: Path) -> DarkroomError:
    """An exception from a run as the error that the command line reports."""
    if isinstance(error, DarkroomError):
        return error
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in EXTRAS:
        package = str(error.name).partition(".")[0]
        place, function = _place(error, root)
        if function == "<module>":
            return ImportedAtTop(
                f"{identity}: {place} imports {package} at the top of its file, and {package} is not installed; import it "
                f"within the functions that compute, so that figures are drawn without it, or run {INSTALL}"
            )
        return no_package(identity, [package])
    if isinstance(error, OSError) and error.errno in _DISK:
        return UsageError(f"{identity}: {explained(error)}")
    if _is_of_memory(error):
        return ExperimentError(
            f"{identity}: out of memory{_said(error)}; free some, or use smaller parameters with --set"
        )
    return ExperimentError(f"{identity}: {described(error, root)}")


def _is_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, in Python or on one of torch's devices, not all of which have a class for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in _OF_MEMORY)


def _said(error: BaseException) -> str:
    said = " ".join(str(error).split())
    return f" ({said[:200]})" if said else ""


def how_to_import(identity: str) -> str:
    """The call that imports the results of an experiment."""
    return f'python build.py import {identity} PATH --device "Tesla T4" --took "7 min" --source URL'


def no_code(recipe: ExperimentRecipe) -> UsageError:
    """The error for an experiment whose function has no code."""
    return UsageError(
        f"{recipe.id} has no code to run; write it, at {recipe.path}:{recipe.line}, or import its results: "
        f"{how_to_import(recipe.id)}"
    )


def no_package(identity: str, names: list[str]) -> DeviceUnavailable:
    """The error for a run that needs what is not installed."""
    return DeviceUnavailable(f"{identity} needs {' and '.join(names)}, which is not installed; run {INSTALL}")
