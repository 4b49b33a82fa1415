"""Where the outputs of an experiment are, where they are made, and how they are moved into place atomically.

<outputs>/<id>/                  the last good outputs, see ``manifest``
<outputs>/.scratch/<id>/         next/ while a run writes, previous/ while it is put in place, its checkpoints and lock
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from darkroom.core import caches
from darkroom.core.exchange import exchange
from darkroom.core.paths import CANNOT_MOVE, refuse_links

SCRATCH = ".scratch"
MANIFEST = "manifest.json"
DEEPEST = 8  # folders of an id
_KEPT_S = 30 * 24 * 3600


class OutputFolder(msgspec.Struct, frozen=True):
    """Where the outputs of one experiment are, and where they are made."""

    outputs: Path
    id: str

    @property
    def folder(self) -> Path:
        """The last good outputs."""
        return self.outputs / self.id

    @property
    def scratch(self) -> Path:
        """Unfinished files of this experiment; on the file system of the outputs, so that a move is a rename."""
        return self.outputs / SCRATCH / self.id

    @property
    def next(self) -> Path:
        """The folder that will be the outputs."""
        return self.scratch / "next"

    @property
    def previous(self) -> Path:
        """The previous outputs, while the new ones are moved into place."""
        return self.scratch / "previous"

    @property
    def work(self) -> Path:
        """The working directory of a run."""
        return self.scratch / "work"

    def checkpoint(self, key: str) -> Path:
        """The checkpoint of the run with this key."""
        return self.scratch / f"checkpoint-{key[:16]}.safetensors"

    def refuse_links(self) -> None:
        """Refuse to work where a link would cause writing, moving or deleting elsewhere.

        Raises:
            DamagedOutputs: the outputs of the experiment, or its scratch folder, or what is written there, is a link.
        """
        scratch = f"{SCRATCH}/{self.id}"
        ours = ("lock", "holder", "log.txt", "next", "previous", "work")
        refuse_links(self.outputs, [f"{self.id}/{MANIFEST}", *(f"{scratch}/{name}" for name in ours)])

    def claim(self) -> None:
        """Remove anything, such as a pipe, that is in the place of a file or folder of Darkroom's.

        Raises:
            DamagedOutputs: it is a link, as in ``refuse_links``.
            OSError: it cannot be removed.
        """
        self.refuse_links()
        checkpoints = (path.name for path in self.scratch.glob("checkpoint-*"))
        caches.claim(self.outputs, self.scratch, ("lock", "holder", "log.txt", *checkpoints))
        for folder in (self.next, self.previous, self.work):
            caches.claim(self.outputs, folder)

    def drop_leftover(self, key: str) -> None:
        """Drop the checkpoint of a run that was killed after its outputs were moved into place."""
        checkpoint, manifest = self.checkpoint(key), self.folder / MANIFEST
        if checkpoint.exists() and manifest.exists() and manifest.stat().st_mtime_ns >= checkpoint.stat().st_mtime_ns:
            checkpoint.unlink()

    def drop_checkpoints(self, key: str) -> None:
        """Drop the checkpoint of the finished run *key*, and those unused for a month."""
        self.refuse_links()
        for path in self.scratch.glob("checkpoint-*.safetensors"):
            if path == self.checkpoint(key) or time.time() - path.stat().st_mtime > _KEPT_S:
                path.unlink(missing_ok=True)
        for path in self.scratch.glob(".checkpoint-*"):  # incomplete: a run was killed
            path.unlink(missing_ok=True)

    def fresh_next(self) -> Path:
        """An empty folder to write in."""
        self.refuse_links()
        _remove(self.next)
        self.next.mkdir(parents=True)
        return self.next

    def fresh_work(self) -> Path:
        """An empty folder to run in."""
        self.refuse_links()
        _remove(self.work)
        self.work.mkdir(parents=True)
        return self.work

    def drop_work(self) -> None:
        """Drop what the run left in its working directory."""
        self.refuse_links()
        _remove(self.work)

    def publish(self) -> None:
        """Move ``next`` into place; if killed at any moment, either the old outputs or the new ones are there.

        Raises:
            DamagedOutputs: a folder has become a link since ``claim``.
        """
        self.refuse_links()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        _remove(self.previous)
        if self.folder.exists():
            _exchange(self.folder, self.next, self.previous)
        else:
            _move(self.next, self.folder)
        _remove(self.previous)

    def recover(self) -> None:
        """Complete or undo an interrupted move, and clean up; call it with the lock held."""
        if (self.previous / MANIFEST).exists() and not (self.folder / MANIFEST).exists():
            _remove(self.folder)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            _move(self.previous, self.folder)
        _remove(self.previous)
        _remove(_staged(self.folder))
        for folder in (self.folder, self.scratch):
            for path in folder.glob(f".{MANIFEST}.*"):  # incomplete: an accept was killed
                path.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _exchange(folder: Path, new: Path, previous: Path) -> None:
    """Swap two folders atomically where the system can; else in steps which ``recover`` completes or undoes."""
    if exchange(folder, new):
        _move(new, previous)
        return
    try:
        folder.rename(previous)
    except OSError as error:
        if error.errno not in CANNOT_MOVE:
            raise
        _copy(folder, previous)
        (folder / MANIFEST).unlink()  # no longer outputs; the old ones are complete in the other place
        _remove(folder)
    _move(new, folder)


def _move(source: Path, target: Path) -> None:
    """Rename a folder, or copy it where that is impossible; *target* appears complete or not at all."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno not in CANNOT_MOVE:
            raise
        _copy(source, target)
        _remove(source)


def _copy(source: Path, target: Path) -> None:
    import shutil

    staged = _staged(target)
    _remove(staged)
    shutil.copytree(source, staged, symlinks=True)
    try:
        staged.rename(target)
    except OSError as error:
        if error.errno not in CANNOT_MOVE:
            raise
        _remove(target)  # on a file system without renaming; a folder without a manifest does not count
        shutil.copytree(staged, target, symlinks=True, ignore=shutil.ignore_patterns(MANIFEST))
        if (staged / MANIFEST).exists():
            shutil.copyfile(staged / MANIFEST, target / MANIFEST)
        _remove(staged)


def _staged(folder: Path) -> Path:
    """Where a folder is copied to before it is renamed; git ignores it."""
    return folder.with_name(f".{folder.name}.new")


def stored_ids(outputs: Path) -> Iterator[str]:
    """The ids of everything that has a manifest under *outputs*, sorted."""
    return _stored(os.fspath(outputs), "")


def _stored(base: str, folder: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(f"{base}/{folder}"), key=lambda entry: entry.name)
    except OSError:
        return
    if any(entry.name == MANIFEST for entry in entries):
        yield folder.rstrip("/")
        return
    for entry in entries if folder.count("/") < DEEPEST else ():
        if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            yield from _stored(base, f"{folder}{entry.name}/")


def interrupted(outputs: Path) -> list[str]:
    """The ids of experiments whose outputs are absent because a run was killed while moving them."""
    return [each for each in _moving(f"{os.fspath(outputs)}/{SCRATCH}", "") if not (outputs / each / MANIFEST).exists()]


def _moving(base: str, folder: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(f"{base}/{folder}"))
    except OSError:
        return
    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    is_moved = os.path.lexists(f"{base}/{folder}previous/{MANIFEST}")
    has_lock = any(entry.name == "lock" and entry.name not in names for entry in entries)
    if is_moved:
        yield folder.rstrip("/")
    is_scratch = is_moved or has_lock  # of one experiment, and so of no others below
    for name in names if folder.count("/") < DEEPEST and not is_scratch else ():
        yield from _moving(base, f"{folder}{name}/")
