"""What commands share: the call of a plain build, the project that a call is about, and what is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TextIO

from darkroom.core.errors import DataUnavailable, Locked, UsageError

if TYPE_CHECKING:
    from darkroom.lab.plan import Lab
    from darkroom.lab.source.discover import Project
    from darkroom.lab.source.weights import Model
FOLDERS = {"site": "folder for the site", "outputs": "folder with the outputs", "data": "folder with the data sets"}
SWITCHES = {
    "strict": "fail if anything on the site is stale, missing or damaged",
    "no-run": "do not import the project's code: run no experiment, draw no figure; show what is missing as missing",
    "rerun": "also run what is out of date and takes a few minutes",
}
BUILD = {
    "command": "build",
    "untrusted": None,
    "model": "",
    **{name.replace("-", "_"): False for name in SWITCHES},
    **dict.fromkeys(FOLDERS),
}


def plain_build(given: list[str]) -> SimpleNamespace | None:
    """The call if it is a build with only switches and folders; else None."""
    call: dict[str, Any] = dict(BUILD)
    words = iter(given)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and word[2:] in SWITCHES:
            call[name.replace("-", "_")] = True
        elif word.startswith("--") and name in FOLDERS:
            call[name] = value if equals else next(words, "")
            if not call[name] or call[name].startswith("-"):
                return None
        else:
            return None
    return SimpleNamespace(**call)


def lab_of(call: SimpleNamespace, root: Path) -> Lab:
    """The project's experiments, with the outputs, data sets and caches that a call names."""
    from darkroom.core import caches
    from darkroom.core.digests import Digests
    from darkroom.lab.outputs.folders import stored_ids
    from darkroom.lab.plan import Lab
    from darkroom.lab.source.discover import discover
    from darkroom.lab.source.models import with_variants
    from darkroom.lab.source.variants import stored_variations, with_variations

    outputs = Path(call.outputs).absolute() if call.outputs else root / "experiments" / "outputs"
    is_only_read = call.command in {"status", "check", "trace"} or call.no_run
    if not outputs.is_dir() and (os.path.lexists(outputs) or (call.outputs and is_only_read)):
        advice = "choose one with --outputs" if call.outputs else "put a folder there"
        if call.command == "import" and call.outputs:
            advice = f"import what another clone has made with --runs {call.outputs}"
        raise UsageError(f"{outputs}: the outputs are expected here, but this is not a folder; {advice}")
    cache = cache_of(call, root)
    for folder in ("lab", "press"):
        caches.claim(cache.parent.parent if call.untrusted else root, cache / folder)
    digests = Digests(cache / "lab" / "digests.json")
    if not call.untrusted:
        _recover(outputs)
    given = call.data or os.environ.get("DARKROOM_DATA")
    data = Path(given).expanduser().absolute() if given else None
    if call.data and not Path(call.data).expanduser().is_dir():
        raise DataUnavailable(f"--data {call.data}: no such folder; give the folder with the data sets")
    if call.command in {None, "build", "status", "check"}:
        digests.look_once()  # until something is run or written
    project = discover(root, digests, cache / "lab")
    stored = [identity for identity in stored_ids(outputs) if "@" in identity]
    models = _models(call, project, stored)
    variations = stored_variations(outputs, stored, [model.name for model in project.models]) if stored else ()
    project = with_variations(with_variants(project, models), variations)
    return Lab(root, outputs, project, digests, data, models, cache / "lab", variations)


def cache_of(call: SimpleNamespace, root: Path) -> Path:
    """The folder of caches: in the project, or in the user's cache if the project is untrusted."""
    if not call.untrusted:
        return root / ".darkroom"
    from hashlib import sha256

    from darkroom.core.sealed import user_folder

    return Path(user_folder()) / "untrusted" / sha256(os.fsencode(root)).hexdigest()[:16]


def _models(call: SimpleNamespace, project: Project, stored: Iterable[str]) -> tuple[Model, ...]:
    """The models, besides the default one, that have outputs or that the call asks for."""
    from darkroom.lab.source.models import chosen

    if not project.models:
        if call.model:
            raise UsageError(f"--model {call.model}: no models are declared; declare them in experiments/models.toml")
        return ()
    requested = [chosen(call.model, project.models)] if call.model else []
    kept = {name for identity in stored for name in identity.split("@")[1:]}
    known = [model for model in project.models[1:] if model.name in kept and model not in requested]
    return (*requested, *known)


def _recover(outputs: Path) -> None:
    """Complete or undo the moves of killed processes."""
    from darkroom.lab.outputs.folders import OutputFolder, interrupted

    for identity in interrupted(outputs):
        from darkroom.lab.outputs.locking import locked

        try:
            with locked(OutputFolder(outputs, identity)):
                pass
        except Locked:  # another process is working on it
            continue


def from_here(path: Path) -> str:
    """A path as seen from the current folder, if it is in there."""
    here = Path.cwd()
    return f"{path.relative_to(here)}" if path.is_relative_to(here) else f"{path}"


def print_line(text: str) -> None:
    """Print on standard output, at once."""
    if sys.stdout is None:  # closed by the caller
        return
    _write(sys.stdout, f"{text}\n")
    sys.stdout.flush()


def can_ask() -> bool:
    """Whether somebody at a terminal can answer."""
    return bool(sys.stdin and sys.stdin.isatty())


def answer_to(question: str) -> str:
    """What is answered at the terminal."""
    print(question, end="", flush=True)  # noqa: T201
    return sys.stdin.readline().strip()


def warn(line: str) -> None:
    """Print on standard error, if that is possible."""
    if sys.stderr is None:
        return
    try:
        _write(sys.stderr, f"{line}\n")
    except OSError:  # the stream is full or closed, and there is nowhere else to report
        return


def _write(stream: TextIO, text: str) -> None:
    """Write *text*; control characters, and characters that the stream cannot encode, are escaped."""
    if not text.isprintable():
        text = "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
