"""Traces files: which experiment and figure each shows, and whether the project still has the same.

Metadata may be written by anybody, so what a file says of itself is said to be that, and compared with what the project
has. Only a digest proves that a file is, byte for byte, one of the outputs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha1, sha256
from pathlib import Path, PurePosixPath

import msgspec

from darkroom.core import containers
from darkroom.core.errors import UsageError
from darkroom.core.manifest import NAME, Figure, Manifest, Value
from darkroom.core.paths import read_plain
from darkroom.core.patterns import lazy_pattern
from darkroom.core.stamp import Stamp
from darkroom.core.stamp import read as read_stamp
from darkroom.lab.comparing.commits import commits_of_blob, commits_with_text, committed
from darkroom.lab.comparing.differences import compare
from darkroom.lab.comparing.rows import plain, rows_of
from darkroom.lab.comparing.sides import Side, given
from darkroom.lab.tracing.stored import Place, Stored

CURRENT, SUPERSEDED, UNKNOWN, UNREADABLE = "current", "superseded", "unknown", "unreadable"
LARGEST = 50_000_000  # bytes of a file
_MOST_CHANGES = 12
_NAMED_DIGEST = lazy_pattern(r"\.[0-9a-f]{10}(?=$|[\s._(-])")
_COPY = lazy_pattern(r"\s*(?:\(\d+\)|- copy|copy)\s*$")
_SUFFIXES = {
    "png": "a PNG", "gif": "a GIF", "jpeg": "a JPEG", "webp": "a WebP picture", "svg": "an SVG", "mp4": "a film",
}  # fmt: skip


class TracedRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run.

    Attributes:
        key: the digest of all that its results depend on.
        commit: of the sources.
        modified: whether they differed from it.
        parameters: None where they are not known here.
        device: what it ran on.
        duration_s: how long.
        finished_at: when it was done.
    """

    key: str
    commit: str = ""
    modified: bool = False
    parameters: Mapping[str, Value] | None = None
    device: str = ""
    duration_s: float | None = None
    finished_at: str = ""


class Traced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a file comes from.

    Attributes:
        file: as it was given.
        state: current, superseded, unknown, or unreadable.
        why: what that is concluded from, in a sentence.
        found_by: metadata, content or history; "" for nothing.
        experiment: the id.
        figure: its name, "" for a file of results.
        path: of the file within the experiment's outputs, where that is certain.
        page: the address of the figure.
        intact: whether the file is, byte for byte, what was published or stored; None where that cannot be said.
        run: that it is of.
        outputs: the state of the experiment's outputs, such as "stale (params: gammas)".
        now: the run whose outputs the project has, where they have taken its place.
        changes: what has changed since, a line each.
        nearest: names of figures that it may be, where it is unknown.
    """

    file: str
    state: str
    why: str
    found_by: str = ""
    experiment: str = ""
    figure: str = ""
    path: str = ""
    page: str = ""
    intact: bool | None = None
    run: TracedRun | None = None
    outputs: str = ""
    now: TracedRun | None = None
    changes: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()


class Tracer:
    """Traces files in one project.

    Args:
        root: the project's folder.
        stored: its outputs.
        states: of its experiments, in words, by id.
        is_trusted: whether git may be run in it.
    """

    def __init__(self, root: Path, stored: Stored, states: Mapping[str, str], *, is_trusted: bool = True) -> None:
        self._root, self._stored, self._states = root, stored, states
        self._has_history = is_trusted and stored.outputs is not None

    def trace(self, file: str) -> Traced:
        """What is known of a file."""
        try:
            content = read_plain(file, LARGEST, links=True)
        except FileNotFoundError:
            return Traced(file=file, state=UNREADABLE, why="no such file")
        except OSError as error:
            return Traced(file=file, state=UNREADABLE, why=f"cannot be read: {error.strerror or error}")
        except ValueError as error:  # a folder or a device, or too large
            return Traced(file=file, state=UNREADABLE, why=f"cannot be traced: it {error}")
        return self._traced(file, content)

    def _traced(self, file: str, content: bytes) -> Traced:
        kind, damage, taken, doubt = containers.kind_of(content), "", None, ""
        try:
            taken = containers.take(content)
        except ValueError as error:
            damage = str(error)
        bare = taken.rest if taken and taken.rest is not None else content
        stamp = None
        if taken:
            try:
                stamp = read_stamp(taken.text)
            except ValueError as error:
                doubt = f"its metadata are not valid: {plain(str(error), 200)}"
        place = self._stored.by_digest.get(sha256(bare).hexdigest())
        if place:
            return self._stored_file(file, place, stamp)
        if stamp:
            return self._stamped(file, stamp, _is_intact(stamp, taken.rest if taken else None))
        if old := self._earlier_file(bare):
            return self._superseded_file(file, *old)
        if damage and not doubt:
            return Traced(file=file, state=UNREADABLE, why=f"{_SUFFIXES[kind]} that is damaged: {damage}")
        return self._unknown(file, kind, doubt)

    def _stored_file(self, file: str, place: Place, stamp: Stamp | None) -> Traced:
        """A file that is one of the outputs as they are now."""
        if stamp and f"{stamp.experiment}/{stamp.figure}" != place.name and stamp.experiment in self._stored.manifests:
            same = [  # the same picture may be in several figures
                Place(stamp.experiment, stamp.figure, each.path)
                for figure in (self._stored.manifests[stamp.experiment].figures.get(stamp.figure),)
                for each in (figure.files if figure else ())
                if each.sha256.startswith(stamp.file or "-")
            ]
            place = same[0] if same else place
        return Traced(
            file=file,
            state=CURRENT,
            why=f"the outputs have the same file, {place.path}",
            found_by="metadata" if stamp else "content",
            experiment=place.experiment,
            figure=place.figure,
            path=place.path,
            page=(stamp.page if stamp else "") or self._stored.page(place),
            intact=True,
            run=_run_of(self._stored.manifests[place.experiment]),
            outputs=self._states.get(place.experiment, ""),
        )

    def _stamped(self, file: str, stamp: Stamp, intact: bool | None) -> Traced:
        """A file that says where it comes from, and is none of the outputs as they are now."""
        manifest = self._stored.manifests.get(stamp.experiment)
        here = (
            "this project has no outputs of it"
            if self._stored.outputs
            else "there is no project here to compare it with"
        )
        said = Traced(
            file=file,
            state=UNKNOWN,
            why=f"this is what its metadata say; {here}",
            found_by="metadata",
            experiment=stamp.experiment,
            figure=stamp.figure,
            page=stamp.page,
            intact=intact,
            run=TracedRun(stamp.key, stamp.commit, stamp.modified),
            outputs=self._states.get(stamp.experiment, ""),
        )
        if manifest is None:
            return said
        if stamp.key in {manifest.key, *(each.previous_key for each in manifest.accepted)}:
            return _of_these_results(said, stamp, manifest)
        old = self._earlier_run(stamp.experiment, stamp.key)
        why = "another run has taken its place"
        why += "" if stamp.figure in manifest.figures else ", and has no such figure"
        why += "" if old else "; what has changed is not known, since git's history here has no outputs with its key"
        return msgspec.structs.replace(
            said,
            state=SUPERSEDED,
            why=why,
            run=_as_stamped(old.manifest, stamp) if old else said.run,
            now=_run_of(manifest),
            changes=_changes(old, manifest, stamp.figure) if old else (),
        )

    def _superseded_file(self, file: str, place: Place, side: Side) -> Traced:
        """A file of earlier outputs."""
        manifest = self._stored.manifests.get(place.experiment)
        now = "the outputs have another now" if manifest else "the outputs of the experiment were removed since"
        return Traced(
            file=file,
            state=SUPERSEDED,
            why=f"git's history has it as {place.path}, and {now}",
            found_by="history",
            experiment=place.experiment,
            figure=place.figure,
            path=place.path,
            page=self._stored.page(place),
            intact=True,
            run=_run_of(side.manifest),
            outputs=self._states.get(place.experiment, ""),
            now=_run_of(manifest) if manifest else None,
            changes=_changes(side, manifest, place.figure) if manifest else (),
        )

    def _unknown(self, file: str, kind: str, doubt: str) -> Traced:
        name = PurePosixPath(file.replace(os.sep, "/")).name
        stem = _COPY.sub("", _NAMED_DIGEST.sub("", name.rpartition(".")[0] or name))
        nearest = tuple(dict.fromkeys(place.name for place in self._stored.named_like(stem)))
        missing = doubt or (
            "it has no metadata of Darkroom, as after a screenshot or when a program has saved it again"
            if kind
            else "it is not a picture, and has no metadata"
        )
        here = (
            "none of these outputs is the same file"
            if self._stored.outputs
            else "there is no project here to compare it with"
        )
        return Traced(file=file, state=UNKNOWN, why=f"{missing}, and {here}", nearest=nearest)

    def _earlier_run(self, identity: str, key: str) -> Side | None:
        """The outputs with that key, as git's history has them."""
        outputs = self._stored.outputs
        if not self._has_history or outputs is None or not key:
            return None
        try:
            for commit in commits_with_text(self._root, outputs / identity / NAME, key):
                side = given(f"{commit}:{identity}", outputs, self._root).by_id[identity]
                if side.manifest.key == key:
                    return side
        except UsageError:
            return None
        return None

    def _earlier_file(self, content: bytes) -> tuple[Place, Side] | None:
        """The file of earlier outputs with this content, as git's history has it."""
        outputs = self._stored.outputs
        if not self._has_history or outputs is None:
            return None
        blob = sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        try:
            for commit in commits_of_blob(self._root, outputs, blob):
                found = committed(self._root, outputs, commit)
                for path in (path for path, each in found.blobs.items() if each == blob):
                    identity = next((each for each in found.ids() if path.startswith(f"{each}/")), "")
                    if identity:
                        within = path.removeprefix(f"{identity}/")
                        figure = within.split("/")[1] if within.startswith("figures/") else ""
                        side = given(f"{commit}:{identity}", outputs, self._root).by_id[identity]
                        return Place(identity, figure, within), side
        except UsageError:
            return None
        return None


def _of_these_results(said: Traced, stamp: Stamp, manifest: Manifest) -> Traced:
    """A file of the results that the outputs have: the figure may have been drawn anew from them."""
    figure = manifest.figures.get(stamp.figure)
    said = msgspec.structs.replace(said, run=_as_stamped(manifest, stamp))
    if figure is None:
        why = "the figure is no longer drawn; the results are the same"
    elif not _has(figure, stamp):
        why = "the figure was drawn again from the same results"
    else:
        what = (
            f"drawing that its means over {stamp.over} begin with" if stamp.over else "picture that its metadata name"
        )
        altered = "; the file itself was changed since it was published" if said.intact is False else ""
        return msgspec.structs.replace(said, state=CURRENT, why=f"the outputs have the {what}{altered}")
    return msgspec.structs.replace(said, state=SUPERSEDED, why=why, now=_run_of(manifest))


def _is_intact(stamp: Stamp, rest: bytes | None) -> bool | None:
    """Whether the *rest* of a file is what a stamp names; None where it names a drawing, of which no digest is known."""
    if not stamp.file:
        return None
    return rest is not None and sha256(rest).hexdigest().startswith(stamp.file)


def _has(figure: Figure, stamp: Stamp) -> bool:
    """Whether a figure is drawn as a stamp says."""
    if stamp.file:
        return any(file.sha256.startswith(stamp.file) for file in figure.files)
    return bool(stamp.drawing) and figure.key.startswith(stamp.drawing)


def _changes(old: Side, manifest: Manifest, figure: str) -> tuple[str, ...]:
    """What has changed between earlier outputs and those of now, a line each."""
    now = Side(manifest.experiment, manifest, old.reader)
    lines = []
    for row in rows_of(compare(old, now)):
        of_run = row.group in {"parameters", "code", "inputs"} or (row.group, row.name) == ("environment", "device")
        if of_run or (row.group == "figures" and row.name == figure):
            values = f"{row.a} -> {row.b}" if row.a and row.b else row.a or row.b
            note = row.note.replace("only in B", "new").replace("only in A", "gone")
            lines.append(" ".join(part for part in (row.group, row.name, values, note) if part))
    more = len(lines) - _MOST_CHANGES
    return (*lines[:_MOST_CHANGES], *([f"and {more} more"] if more > 0 else []))


def _run_of(manifest: Manifest) -> TracedRun:
    made = manifest.provenance
    return TracedRun(
        manifest.key,
        made.commit,
        not made.clean,
        manifest.parameters,
        made.device,
        made.duration_s,
        made.finished_at,
    )


def _as_stamped(manifest: Manifest, stamp: Stamp) -> TracedRun:
    """The run, with what the file itself says of it."""
    return msgspec.structs.replace(_run_of(manifest), key=stamp.key, commit=stamp.commit, modified=stamp.modified)
