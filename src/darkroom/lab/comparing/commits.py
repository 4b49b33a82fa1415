"""Outputs as a commit has them. Git is asked for listings and contents, with what could run other programs switched off."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from darkroom.core.errors import UsageError
from darkroom.core.manifest import NAME
from darkroom.core.paths import check_id

_OF_ANOTHER = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}  # set within a hook of another repository
_OFF = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "protocol.allow=never", "credential.helper=")
_ENVIRONMENT = {
    "GIT_NO_LAZY_FETCH": "1",  # a partial clone runs programs to fetch what it lacks
    "GIT_ALLOW_PROTOCOL": "none",  # the same, for versions of git that do not know the former
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_SECONDS = 60
_PLAIN = frozenset({"100644", "100755"})  # modes of plain files; links have another


class CommittedOutputs(msgspec.Struct, frozen=True):
    """A folder of outputs at a commit.

    Attributes:
        root: a folder in the repository.
        name: of the commit, as it was given.
        blobs: by path within the outputs, the object that holds each plain file.
    """

    root: Path
    name: str
    blobs: dict[str, str]

    def ids(self) -> Iterator[str]:
        """The ids of everything that has a manifest, sorted."""
        last = ""
        for path in sorted(self.blobs):
            identity, _, name = path.rpartition("/")
            if name == NAME and _is_id(identity) and not (last and identity.startswith(f"{last}/")):
                last = identity
                yield identity

    def content(self, path: str, most: int) -> bytes:
        """The content of a file of at most *most* bytes.

        Raises:
            FileNotFoundError: the commit has no such file.
            ValueError: it is larger, or git has the commit and not the file.
        """
        blob = self.blobs.get(path)
        if blob is None:
            raise FileNotFoundError(path)
        size = _git(self.root, "cat-file", "-s", blob)
        if size.returncode:
            raise ValueError(
                f"git has no content of this file here; git cat-file -e {blob} fetches it in a partial clone"
            )
        if int(size.stdout) > most:
            raise ValueError(f"has {int(size.stdout)} bytes; the limit is {most}")
        return _git(self.root, "cat-file", "blob", blob).stdout


def committed(root: Path, outputs: Path, name: str) -> CommittedOutputs:
    """What the commit *name* of the repository that *root* is in has in the folder *outputs*.

    Raises:
        UsageError: there is no git, no repository or no such commit.
    """
    found = None if name.startswith("-") else _git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if found is None or found.returncode:
        said = found and found.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        if said:
            raise UsageError(f"{name}: git cannot read the commit: {said}")
        raise UsageError(f"no commit {name!r} here; git log lists them, and git fetch --unshallow completes a clone")
    folder = os.path.relpath(outputs, root).replace(os.sep, "/")
    listed = _git(root, "ls-tree", "-r", "-z", found.stdout.decode().strip(), "--", f"{folder}/")
    blobs = {}
    for line in listed.stdout.decode("utf-8", "replace").split("\0"):
        about, _, path = line.partition("\t")
        mode, _, blob = about.partition(" blob ")
        if mode in _PLAIN and path.startswith(f"{folder}/"):
            blobs[path.removeprefix(f"{folder}/")] = blob
    return CommittedOutputs(root, name, blobs)


def commits_with_text(root: Path, path: Path, text: str) -> list[str]:
    """The commits that lead here and brought *text* into the file at *path*, or took it away, the latest first.

    Raises:
        UsageError: git is not installed, or does not answer.
    """
    found = _git(root, "log", "--format=%H", "--no-textconv", "--no-ext-diff", f"-S{text}", "--", os.fspath(path))
    return found.stdout.decode().split()


def commits_of_blob(root: Path, outputs: Path, blob: str) -> list[str]:
    """The commits that lead here and brought an object into the folder *outputs*, or took it away, the latest first.

    Raises:
        UsageError: git is not installed, or does not answer.
    """
    if _git(root, "cat-file", "-e", blob).returncode:
        return []
    found = _git(root, "log", "--format=%H", f"--find-object={blob}", "--", os.fspath(outputs))
    return found.stdout.decode().split()


def _is_id(identity: str) -> bool:
    try:
        check_id(identity)
    except ValueError:
        return False
    return True


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """What git answers.

    Raises:
        UsageError: it is not installed, or does not answer.
    """
    settings = [word for setting in _OFF for word in ("-c", setting)]
    environment = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    try:
        return subprocess.run(
            ["git", "--no-pager", *settings, *arguments],
            cwd=root,
            env={**environment, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except OSError as error:
        raise UsageError(f"commits are read by git, which cannot be run ({error.strerror}); install git") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"git {arguments[0]} did not answer within {_SECONDS} seconds; try it again") from None
