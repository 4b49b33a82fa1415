"""``darkroom clean --all``: take the report of a project away, and leave a new one in its place.

What is written is what ``darkroom new`` writes. Where Darkroom itself is in the project, as in a fork of it, its sources,
tests and documentation stay, and so do ``build.py``, ``pyproject.toml`` and ``.gitignore`` anywhere. Only what git can bring
back is removed: anything else is a reason to refuse.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from darkroom.core import locks
from darkroom.core.errors import Locked, UsageError
from darkroom.core.leftovers import known_to_git
from darkroom.core.paths import remove, write_atomically
from darkroom.new import REPORT, files_of

_REPORT = (
    "experiments", "templates", "tests/experiments", "tests/test_site.py", "tests/snapshots",
    "tests/__snapshots__/test_site.ambr",  # which new wrote before
)  # fmt: skip
_KEPT = {"templates/README.md"}
_KEPT_IF_THERE = {"build.py", "pyproject.toml", ".gitignore"}
_README, _LIBRARY_README = "README.md", "DARKROOM.md"
_DOCS = "templates/pages/docs"  # in a fork; it moves to docs/, as it is no part of another report
_NAMING_DOCS = ("CHANGELOG.md", "CONTRIBUTING.md", "templates/README.md")
_WORTHLESS = {
    "__pycache__", ".darkroom", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis", "node_modules", ".DS_Store",
    "Thumbs.db", "desktop.ini",
}  # fmt: skip
_OF_LOCKS = {"lock", "holder", "log.txt"}  # in experiments/outputs/.scratch
_SCRATCH = "experiments/outputs/.scratch/"
_SITE, _SITE_RECORD = "site", ".darkroom-files"
_MOST_SHOWN = 3


class Cleaning(msgspec.Struct, frozen=True):
    """What cleaning a project would do.

    Attributes:
        root: the project.
        removed: the files that go, with their sizes in bytes; those that are written anew are not among them.
        written: the files of the new report, by path, with their content.
        moved: the documentation of the library, in a fork, by its new path; it is written first.
        replaced: those of both that are there, with other content.
        is_in_git: whether the project is in a git repository.
        uncommitted: those of the files that go or are written over which git does not have as they are.
        ignored: those of them that git ignores, caches left out.
    """

    root: Path
    removed: Mapping[str, int]
    written: Mapping[str, bytes]
    moved: Mapping[str, bytes]
    replaced: Sequence[str]
    is_in_git: bool
    uncommitted: Sequence[str]
    ignored: Sequence[str]

    @property
    def lines(self) -> list[str]:
        """What goes, a line for each folder or file, with its number of files and its size; then what is written over."""
        groups: dict[str, list[int]] = {}
        for path, size in self.removed.items():
            groups.setdefault("/".join(path.split("/")[:2]), []).append(size)
        lines = [
            f"{name}{'' if name in self.removed else '/'}  {_counted(len(sizes))}, {sum(sizes) / 1e6:,.1f} MB"
            for name, sizes in sorted(groups.items())
        ]
        return [*lines, *([f"and writes anew {', '.join(self.replaced)}"] if self.replaced else [])]

    @property
    def total(self) -> str:
        """How much goes, such as ``1,234 files (130.1 MB)``."""
        return f"{_counted(len(self.removed))} ({sum(self.removed.values()) / 1e6:,.1f} MB)"


def examine(root: Path, scaffold: str = REPORT) -> Cleaning:
    """What cleaning would do to the project at *root*; nothing is changed.

    Raises:
        UsageError: it is no project of Darkroom, a folder of it is a link or a repository of its own, or git cannot say what
            it has.
        Locked: experiments are being run.
    """
    _check_project(root)
    written = {name: text.encode() for name, text in files_of(root, scaffold).items()}
    written = {name: text for name, text in written.items() if not (name in _KEPT_IF_THERE and (root / name).exists())}
    moved = _documentation(root, written) if _has_library(root) else {}
    for name in {*_REPORT, *written, *moved}:
        _check_links(root, name)
    _check_locks(root)
    found = {path: (root / path).lstat().st_size for path in _files(root)}
    new = {**written, **moved}
    replaced = sorted(name for name in new if os.path.lexists(root / name) and not _holds(root / name, new[name]))
    in_the_way = {*found, *replaced}
    at_risk = sorted(
        path for path in in_the_way if not _is_worthless(path, new) and not _holds(root / path, new.get(path))
    )
    is_in_git = any(os.path.lexists(folder / ".git") for folder in (root, *root.parents))
    committed, ignored = known_to_git(root, at_risk, "clean --all") if is_in_git else (set[str](), set[str]())
    lost = [path for path in at_risk if path not in committed] if is_in_git else []
    return Cleaning(
        root,
        {path: size for path, size in sorted(found.items()) if path not in new},
        written,
        moved,
        replaced,
        is_in_git,
        [path for path in lost if path not in ignored],
        [path for path in lost if path in ignored],
    )


def refuse_loss(cleaning: Cleaning, *, is_forced: bool) -> None:
    """Refuse to remove what git cannot bring back.

    Raises:
        UsageError: files are not committed or, unless *is_forced*, ignored by git.
    """
    if cleaning.uncommitted:
        raise UsageError(
            f"clean --all would lose what is not committed: {_shown(cleaning.uncommitted)}; commit it, stash it with "
            "git stash -u, or move it away"
        )
    if cleaning.ignored and not is_forced:
        raise UsageError(
            f"clean --all would lose what git ignores: {_shown(cleaning.ignored)}; move it away, or add --force"
        )


def carry_out(cleaning: Cleaning) -> None:
    """Remove and write; killed at any moment, it leaves a project that can be cleaned again.

    The documentation of a library is moved first, and the folders of a project and its settings are always there.
    """
    root = cleaning.root
    for left in _left_over(root, {*cleaning.written, *cleaning.moved}):
        remove(left)
    for name, content in cleaning.moved.items():
        write_atomically(root / name, content)
    for path in cleaning.removed:
        remove(root / path)
    for path in _REPORT:
        _remove_empty(root, root / path)
    _remove_site(root)
    for name, content in cleaning.written.items():
        write_atomically(root / name, content)


def _check_project(root: Path) -> None:
    """Refuse a folder that is no project of Darkroom, since others have folders of these names too."""
    settings, script = root / "templates/site.toml", root / "build.py"
    with suppress(OSError, ValueError):
        if settings.is_file() or "darkroom" in script.read_text(encoding="utf-8"):
            return
    raise UsageError(f"{root}: this is not a Darkroom project; run clean --all in one")


def _check_links(root: Path, name: str) -> None:
    """Refuse a link on the way to a file or folder: what is behind it is not the project's."""
    parts = name.split("/")
    for count in range(1, len(parts) + 1):
        place = "/".join(parts[:count])
        if (root / place).is_symlink():
            raise UsageError(
                f"clean --all: {place} is a link, and what it leads to is left alone; remove the link first"
            )


def _check_locks(root: Path) -> None:
    """Refuse while a run holds outputs."""
    for lock in sorted((root / "experiments/outputs/.scratch").rglob("lock")):
        if lock.is_file() and locks.is_held(lock):
            identity = lock.parent.relative_to(root / "experiments/outputs/.scratch").as_posix()
            raise Locked(f"clean --all: {identity} is being run; wait for it, or stop it")


def _has_library(root: Path) -> bool:
    return (root / "src/darkroom/__init__.py").is_file()


def _files(root: Path) -> Iterator[str]:
    """The files of the report, and links, by their paths in the project.

    Raises:
        UsageError: there is a repository among them.
    """
    for name in _REPORT:
        place = root / name
        if place.is_file():
            yield name
        for folder, folders, names in os.walk(place):
            inside = Path(folder).relative_to(root).as_posix()
            if ".git" in (*folders, *names):
                raise UsageError(f"clean --all: {inside} is a git repository of its own; move it away")
            links = [each for each in folders if (Path(folder) / each).is_symlink()]
            yield from (path for each in (*names, *links) if (path := f"{inside}/{each}") not in _KEPT)


def _is_worthless(path: str, written: Iterable[str]) -> bool:
    """Whether a file can be made again, or is left over: caches, locks, and what a killed process was about to write."""
    *folders, name = path.split("/")
    left = re.fullmatch(r"\.(.+)\.\d+", name)
    is_left_over = left and "/".join((*folders, left[1])) in written
    is_of_lock = path.startswith(_SCRATCH) and name in _OF_LOCKS
    is_lock = path == "experiments/outputs/.lock"
    is_of_npm = len(folders) > 1 and folders[0] == "templates" and folders[1].startswith(".npm-new-")
    return bool(not _WORTHLESS.isdisjoint((*folders, name)) or is_left_over or is_of_lock or is_lock or is_of_npm)


def _holds(path: Path, content: bytes | None) -> bool:
    """Whether a file is one of the new report already, as after a cleaning that was killed."""
    return content is not None and path.is_file() and not path.is_symlink() and path.read_bytes() == content


# Removing -------------------------------------------------------------------------------------------------------------


def _left_over(root: Path, written: Iterable[str]) -> list[Path]:
    """What a killed cleaning was writing, beside where it would have moved it."""
    found = []
    for place in (root / name for name in written):
        pattern = re.compile(rf"\.{re.escape(place.name)}\.\d+")
        beside = place.parent.iterdir() if place.parent.is_dir() else ()
        found += [each for each in beside if pattern.fullmatch(each.name)]
    return found


def _documentation(root: Path, written: Mapping[str, bytes]) -> dict[str, bytes]:
    """What is moved of a library's documentation, and the documents that name it, by path."""
    moved = {
        f"docs/{page.relative_to(root / _DOCS).as_posix()}": page.read_bytes() for page in (root / _DOCS).rglob("*.md")
    }
    readme = root / _README
    if not os.path.lexists(root / _LIBRARY_README) and readme.is_file() and not _holds(readme, written.get(_README)):
        text = readme.read_text(encoding="utf-8")
        if text.startswith("# Darkroom\n"):
            moved[_LIBRARY_README] = text.replace("# Darkroom\n", _HEAD, 1).replace(f"]({_DOCS}/", "](docs/").encode()
    for name in _NAMING_DOCS:
        if (root / name).is_file():
            text = (root / name).read_text(encoding="utf-8")
            moved[name] = text.replace(f"{_DOCS}/", "docs/").replace("](pages/docs/", "](../docs/").encode()
    return moved


_HEAD = """# Darkroom

> [!NOTE]
> The README of the Darkroom that this report was begun with. The site, the experiments and the results that it shows are
> those of Darkroom's own report.
"""


def _remove_empty(root: Path, folder: Path) -> None:
    """Remove folders without files, but for those that make a folder a project."""
    for each, _, _ in os.walk(folder, topdown=False):
        if Path(each) not in {root / "experiments", root / "templates", root / _SITE}:
            with suppress(OSError):
                Path(each).rmdir()


def _remove_site(root: Path) -> None:
    """Remove what Darkroom has built: the files that its record names, and the record last."""
    site = root / _SITE
    if site.is_symlink():
        return
    with suppress(OSError, ValueError, msgspec.DecodeError):
        for name in msgspec.json.decode((site / _SITE_RECORD).read_bytes(), type=dict[str, str]):
            if (path := (site / name).resolve()).is_relative_to(site.resolve()) and path.is_file():
                remove(site / name)
        remove(site / _SITE_RECORD)
    _remove_empty(root, site)


def _counted(number: int) -> str:
    return "1 file" if number == 1 else f"{number:,} files"


def _shown(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_SHOWN:,} more" if len(paths) > _MOST_SHOWN else ""
    return ", ".join(paths[:_MOST_SHOWN]) + more
