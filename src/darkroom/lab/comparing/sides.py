"""What is compared: the outputs of an experiment, or of several, in a folder or at a commit.

Outputs may come from someone else: manifests are read as ever, and a file counts if it has the digest that is declared.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

from darkroom.core.errors import DamagedOutputs, UnknownName, UsageError, nearest
from darkroom.core.manifest import LARGEST, NAME, Manifest, StoredFile, decode, read
from darkroom.core.paths import check_id, open_within, read_whole, refuse_links
from darkroom.lab.comparing.commits import CommittedOutputs, committed
from darkroom.lab.outputs.folders import stored_ids

MOST = 50_000_000  # bytes of a file that is shown


class Side(msgspec.Struct, frozen=True):
    """The outputs of one experiment.

    Attributes:
        name: what they were asked for by, or the experiment's id where a folder of several was.
        manifest: of them.
        reader: gives the content of a file by its path, if it has no more bytes than it is told.
    """

    name: str
    manifest: Manifest
    reader: Callable[[str, int], bytes]

    def content(self, file: StoredFile) -> bytes:
        """The content of a file of the manifest, verified.

        Raises:
            ValueError: it is missing, too large, or not the one that was stored; the message begins with a verb.
        """
        try:
            found = self.reader(file.path, MOST)
        except OSError as error:
            raise ValueError(f"cannot be read ({error.strerror or 'it is missing'})") from None
        if sha256(found).hexdigest() != file.sha256:
            raise ValueError("differs from its manifest")
        return found


class Sides(msgspec.Struct, frozen=True):
    """One argument: a side, or several by their ids where it *is_folder* of outputs."""

    name: str
    by_id: Mapping[str, Side]
    is_folder: bool = False


def given(text: str, outputs: Path, root: Path, *, is_trusted: bool = True) -> Sides:
    """What *text* names: an id, ``COMMIT:ID``, ``COMMIT:`` for all outputs of a commit, or a folder.

    Args:
        text: an argument of the command line.
        outputs: the project's folder of outputs, which ids and commits refer to.
        root: the project's folder.
        is_trusted: whether git may be run in it.

    Raises:
        UsageError: there is nothing of that name.
        DamagedOutputs: it cannot be read.
    """
    commit, colon, identity = text.rpartition(":")
    if colon and not Path(text).is_dir():  # as C:\outputs may be
        if not is_trusted:
            raise UsageError(f"{text}: git is not run in an untrusted project; clone it, and compare folders")
        return _of_commit(text, committed(root, outputs, commit), identity)
    if _is_stored(outputs, text):
        return Sides(text, {text: _of_folder(text, outputs / text, text, outputs)})
    return _of_path(text, outputs)


def _is_stored(outputs: Path, text: str) -> bool:
    try:
        check_id(text)
    except ValueError:
        return False
    return os.path.lexists(outputs / text / NAME)


def _of_path(text: str, outputs: Path) -> Sides:
    folder = Path(text)
    if not folder.is_dir():
        known = list(stored_ids(outputs))
        raise UnknownName(f"no outputs of {text!r} in {outputs}, and no folder of that name{nearest(text, known)}")
    if os.path.lexists(folder / NAME):
        side = _of_folder(text, folder, None, folder)
        return Sides(text, {side.manifest.experiment: side})
    sides = {each: _of_folder(each, folder / each, each, folder) for each in stored_ids(folder)}
    if not sides:
        raise UsageError(f"{text}: no outputs in this folder; give one with a {NAME}, or one of several such folders")
    return Sides(text, sides, is_folder=True)


def _of_folder(name: str, folder: Path, owner: str | None, base: Path) -> Side:
    """The outputs in *folder*, of *owner* if that is known; no link leads from *base* to them."""
    refuse_links(base, [(folder / NAME).relative_to(base).as_posix()])
    manifest = read(folder / NAME, owner, known=True)
    if manifest is None:
        raise UsageError(f"{folder / NAME}: no such file any longer")

    def content(path: str, most: int) -> bytes:
        with open_within(folder / path, [folder]) as file:
            return read_whole(file, most)

    return Side(name, manifest, content)


def _of_commit(text: str, outputs: CommittedOutputs, identity: str) -> Sides:
    known = list(outputs.ids())
    if identity and identity not in known:
        raise UnknownName(f"no outputs of {identity!r} in {outputs.name}{nearest(identity, known)}")
    if not known:
        raise UsageError(f"{text}: no outputs in this commit")
    if identity:
        return Sides(text, {identity: _committed_side(text, outputs, identity)})
    return Sides(text, {each: _committed_side(each, outputs, each) for each in known}, is_folder=True)


def _committed_side(name: str, outputs: CommittedOutputs, identity: str) -> Side:
    place = f"{outputs.name}:{identity}/{NAME}"
    try:
        manifest = decode(outputs.content(f"{identity}/{NAME}", LARGEST), place, known=True)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from None
    except DamagedOutputs as error:
        raise UsageError(f"{place}: {error.reason.rpartition('; ')[0]}") from None
    if manifest.experiment != identity:
        raise UsageError(f"{place}: this manifest is for {manifest.experiment!r}, not for this folder")
    return Side(name, manifest, lambda path, most: outputs.content(f"{identity}/{path}", most))
