"""The boundary between the lab, which makes results, and the press, which publishes them: files and their manifest.

One folder an experiment, ``experiments/outputs/<part>/<name>/``:

    manifest.json              what made the outputs, what they are, and the sha256 of every file
    results.safetensors        arrays
    results.json               values that are not arrays, if there are any
    <group>.safetensors        one file for each group of arrays, such as the weights after an epoch
    <name>.png, .gif, ...      one file for each picture or film that was imported
    figures/<figure>/<file>    what each figure is made of: PNG tiles, GIF, SVG

``manifest.json`` is sorted, indented and ends in a newline, so that a diff of it can be read.

Outputs may come from someone else, so a manifest is decoded into types that hold nothing harmful: its paths stay
within the experiment's folder, its figures have the layouts of their kinds, its numbers can be shown.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from darkroom.core.errors import DamagedOutputs
from darkroom.core.git import restoring
from darkroom.core.paths import check_address, check_id, check_name, check_path, folded, read_plain, said_alike
from darkroom.core.variant import Variant

if TYPE_CHECKING:
    from darkroom.core.figure_layouts import Layout

VERSION = 1
NAME = "manifest.json"
ARRAYS = "results.safetensors"
FIGURES = "figures"
LARGEST = 64_000_000  # bytes of a manifest
READERS = tuple(Path(__file__).with_name(f"{name}.py") for name in ("manifest", "figure_layouts", "paths"))
"""What decides whether a manifest is whole."""

MOST = 2_000  # files, parameters, figures or versions of one experiment

Text = Annotated[str, Meta(max_length=20_000)]
Sha256 = Annotated[str, Meta(max_length=64)]
Line = Annotated[int, Meta(ge=0, le=100_000_000)]
Size = Annotated[int, Meta(ge=0, le=2**53)]
FileSize = Annotated[int, Meta(ge=0, le=2**33)]  # 8 GiB, which take seconds to be verified
Seconds = Annotated[int, Meta(ge=0, le=10**10)] | Annotated[float, Meta(ge=0, le=1e10)]
Scalar = None | bool | int | float | Text
Value = Scalar | list[Scalar | list[Scalar | list[Scalar | list[Scalar]]]]  # of a parameter: tuples are lists
Measured = float | int | Text
Few = Meta(max_length=MOST)


class StoredFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file beside the manifest: its path relative to it (with ``/``), its sha256 in hex and its size."""

    path: str
    sha256: Sha256
    bytes: FileSize

    def __post_init__(self) -> None:
        check_path(self.path)


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A drawn figure.

    ``kind`` names the template that shows it, ``stored`` is what that template needs, as it was drawn or as it stands
    in the manifest (file names in it are relative to ``figures/<figure>/``), ``key`` is the digest of everything that
    the drawing depends on, ``code`` the digest of every definition among that. ``line`` is where the figure's function
    stands in the experiment's source.
    """

    key: str
    kind: str
    caption: Text
    alt: Text
    stored: msgspec.Raw = msgspec.field(name="layout")
    files: Annotated[list[StoredFile], Few]
    code: dict[str, str]
    line: Line

    def __post_init__(self) -> None:
        check_name(self.kind)

    @cached_property
    def layout(self) -> Layout | dict[str, Any]:
        """What the template needs, of the type of its kind; of a kind that a project has of its own, plain values.

        Raises:
            ValueError: it is not of that type, or names a file that the figure does not have.
        """
        from darkroom.core.figure_layouts import read_layout

        names = frozenset(file.path.rpartition("/")[2] for file in self.files)
        return read_layout(self.kind, self.stored, names)


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number (or a table of numbers by label, such as an epoch) computed from stored results."""

    key: str
    value: Measured | Annotated[dict[str, Measured], Few]
    code: dict[str, str]


class SourcePlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the experiment is declared, relative to the project's root."""

    path: str
    line: Line

    def __post_init__(self) -> None:
        check_path(self.path)


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the results came to be. Recorded, never hashed.

    ``clean`` says whether the working tree equalled ``commit``; times are UTC, ISO 8601; ``resumed`` counts how often
    the run was resumed from a checkpoint, and ``duration_s`` is the sum over all its parts. ``unseeded`` are the modules
    from whose generators a run without a seed among its parameters drew random numbers, though nothing had seeded them.
    """

    commit: str
    clean: bool
    seed: int | None
    device: Text
    versions: Annotated[dict[str, Text], Few]
    started_at: str
    finished_at: str
    duration_s: Seconds
    peak_memory_bytes: Size
    resumed: Line = 0
    unseeded: Annotated[list[Text], Few] = []

    def __post_init__(self) -> None:
        _check_commit(self.commit)
        _check_moments(self.started_at, self.finished_at)


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A statement that results are still valid after a code change."""

    reason: Text
    at: str
    commit: str
    previous_key: str

    def __post_init__(self) -> None:
        _check_commit(self.commit)
        _check_moments(self.at)


class Import(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where results come from that another program computed, as whoever imported them stated it.

    ``source`` is the address of that program, ``at`` when the results were imported, ``files`` are the files that they
    were read from, by their paths within what was given, and ``results`` the names that were declared then.
    """

    source: Text
    at: str
    files: Annotated[list[StoredFile], Few]
    results: Annotated[list[Text], Few]

    def __post_init__(self) -> None:
        check_address(self.source)
        _check_moments(self.at)


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything known about one experiment's outputs.

    ``inputs`` maps each edge, such as ``dataset:mnist`` or ``upstream:part_b/denoiser``, to its digest; ``code`` maps
    each first-party definition that the experiment reaches to its own; ``results`` is the digest that downstream keys
    use; ``model`` is the name of the model that it uses, or empty. ``temporary`` names the results that only other
    experiments read: git ignores their files, and outputs are whole without them. ``imported_from`` says where results
    come from that were not computed here; ``provenance`` then has the device and the duration as they were stated, and
    ``code`` is empty. ``variant`` says what was set, if the experiment is kept beside the declared one.
    ``sha256`` is that of the file without its line, "" in those of earlier versions.
    """

    version: int
    experiment: str
    summary: Text
    source: SourcePlace
    key: str
    results: str
    parameters: Annotated[dict[str, Value], Few]
    inputs: Annotated[dict[str, str], Few]
    code: dict[str, str]
    files: Annotated[list[StoredFile], Few]
    metrics: Annotated[dict[str, Metric], Few]
    figures: Annotated[dict[str, Figure], Few]
    provenance: Provenance
    accepted: Annotated[list[Acceptance], Few] = []
    model: Text = ""
    temporary: Annotated[list[Text], Few] = []
    imported_from: Import | None = None
    variant: Variant | None = None
    sha256: Sha256 = ""

    def __post_init__(self) -> None:
        check_id(self.experiment)
        if self.variant is not None and not self.experiment.endswith(f"@{self.variant.name}"):
            raise ValueError(f"{self.experiment!r} is not the variant {self.variant.name[:40]!r}")
        if self.variant is not None:
            msgspec.convert(self.variant.settings, Annotated[dict[str, Value], Few])
        for name in (*self.figures, *self.metrics):
            check_name(name)
        for name in self.temporary:
            check_path(name)
        if len({*map(folded, self.figures)}) != len(self.figures) and (same := said_alike(self.figures)):
            raise ValueError(f"the figures {same} have the same name on some systems")
        _check_places(list(_placed(self)))


def is_temporary(manifest: Manifest, path: str) -> bool:
    """Whether the file at *path* is of a temporary result."""
    return any(path == f"{name}.safetensors" or path.startswith(f"{name}/") for name in manifest.temporary)


NO_CODE = "neither written nor imported"
"""The reason why an experiment is missing whose function has no code."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan says of one experiment; *has_code* is whether it has code that makes its results."""

    id: str
    state: str
    reasons: list[str]
    figures: list[str]
    device: str | None
    duration_s: float | None
    finished_at: str | None
    has_code: bool = True


def encode(manifest: Manifest, digest: str = "") -> bytes:
    """The manifest as sorted, indented JSON with a final newline, with its own digest if no other *digest* is given."""
    layouts = {name: msgspec.to_builtins(figure.layout) for name, figure in manifest.figures.items()}
    plain = msgspec.to_builtins(
        msgspec.structs.replace(
            manifest,
            figures={
                name: msgspec.structs.replace(each, stored=layouts[name]) for name, each in manifest.figures.items()
            },
        )
    )
    for name in ("temporary", "imported_from", "variant"):
        if not plain[name]:  # older versions of this program refuse fields that they do not know
            del plain[name]
    if not plain["provenance"]["unseeded"]:
        del plain["provenance"]["unseeded"]
    del plain["sha256"]
    return _written(plain | {"sha256": digest or sha256(_written(plain)).hexdigest()})


def _written(plain: Mapping[str, Any]) -> bytes:
    return (json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


_OWN_DIGEST = re.compile(rb'\n  "sha256": "([^"]*)",')


def is_as_written(content: bytes) -> bool | None:
    """Whether a manifest's file is as this program wrote it, by the digest in it; None if it has none.

    Whoever edits a manifest can renew its digest. This finds what was edited in passing, merged or damaged.
    """
    found = _OWN_DIGEST.search(content)
    if found is None:  # or not where this program writes it
        return False if msgspec.json.decode(content, type=_Digested).sha256 else None
    rest = content[: found.start()] + content[found.end() :]
    return sha256(rest).hexdigest().encode() == found[1]


def foreign_digest(folder: Path) -> str:
    """The digest in the manifest of *folder* where it is not that of the file, else "".

    What is written from such a manifest keeps it, so that an edit does not become part of a record that looks whole.
    """
    try:
        return digest_of_others(read_plain(folder / NAME, LARGEST))
    except (OSError, ValueError):  # reported by those who read it
        return ""


def digest_of_others(content: bytes) -> str:
    """The same of a manifest's *content*.

    Raises:
        ValueError: it is not JSON.
    """
    if is_as_written(content) is not False:
        return ""
    return msgspec.json.decode(content, type=_Digested).sha256 or _NO_DIGEST


_NO_DIGEST = "0" * 64


def load(folder: Path, *, drawable: bool = False) -> Manifest | None:
    """The manifest in *folder*, or None where there is none; *drawable* as in :func:`read`.

    Raises:
        DamagedOutputs: it is truncated, of another version, or does not fit the schema.
    """
    return read(folder / NAME, folder.as_posix(), drawable=drawable)


def read(path: Path, owner: str | None, *, known: bool = False, drawable: bool = False) -> Manifest | None:
    """The manifest at *path*, or None where there is none.

    Args:
        path: the file.
        owner: an id, or a path that ends in one: what the manifest has to be of; None for any.
        known: that it was valid when last read, and has not changed.
        drawable: that figures can be drawn again, so those whose layout does not fit their kind are left out.

    Raises:
        DamagedOutputs: it is truncated, of another version or experiment, does not fit the schema, or is no plain file.
    """
    try:
        manifest = decode(read_plain(path, LARGEST), path, known=known, drawable=drawable)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DamagedOutputs(f"{reason}; {advice(path)}", os.fspath(path)) from None
    except DamagedOutputs as error:
        raise DamagedOutputs(error.reason.replace("restore the file", restoring(path)), os.fspath(path)) from None
    if owner is not None and not f"/{owner}".endswith(f"/{manifest.experiment}"):
        reason = f"this manifest is for {manifest.experiment!r}, not for this folder; {advice(path)}"
        raise DamagedOutputs(reason, os.fspath(path))
    return manifest


def checks(digest: Callable[[str], str | None]) -> str:
    """A short digest of what checks manifests: one that was found valid counts as long as that is the same.

    *digest* gives the sha256 of a file.
    """
    return sha256(repr([digest(os.fspath(path)) for path in READERS]).encode()).hexdigest()[:16]


ADVICE = "restore the file or rerun the experiment with --force"


def advice(path: Path | str) -> str:
    """What to do about a damaged file of outputs."""
    return ADVICE.replace("restore the file", restoring(path))


DRAW_ADVICE = "restore the file, or build without --no-run, which draws the figure again"


def decode(content: bytes, path: Path | str, *, known: bool = False, drawable: bool = False) -> Manifest:
    """The manifest that *content* holds; *path* is for the message. If it is *known* to be valid, layouts are read later.

    If its figures are *drawable*, those whose layout does not fit their kind are left out: another version drew them.

    Raises:
        DamagedOutputs: it is truncated, of another version, or does not fit the schema.
    """
    place = os.fspath(path)
    try:
        manifest, version = _decoded(content)
        if manifest and version == VERSION:
            if known:
                return manifest
            if drawable:
                return _with_fitting_figures(manifest)
            for name, figure in manifest.figures.items():
                _check_layout(name, figure)
            return manifest
    except RecursionError:
        raise DamagedOutputs(f"lists or objects are nested too deeply; {ADVICE}", place) from None
    except msgspec.ValidationError as error:
        advice = DRAW_ADVICE if isinstance(error, UnfitLayout) else ADVICE
        raise DamagedOutputs(f"does not fit manifest version {VERSION}: {error}; {advice}", place) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedOutputs(f"not valid JSON ({error}); {ADVICE}", place) from None
    raise DamagedOutputs(
        f"manifest version {version}, but this Darkroom reads version {VERSION}; "
        "use the Darkroom that wrote it or rerun the experiment with --force",
        place,
    )


def _decoded(content: bytes) -> tuple[Manifest | None, int]:
    """The manifest and its version; no manifest where that is not ours and it does not fit."""
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.ValidationError:
        version = msgspec.json.decode(content, type=_Versioned).version
        if version == VERSION:
            raise
        return None, version
    return manifest, manifest.version


def _check_layout(name: str, figure: Figure) -> None:
    try:
        _ = figure.layout
    except ValueError as error:
        raise UnfitLayout(f"figure {name!r}, a {figure.kind!r}: {error}") from None


def _with_fitting_figures(manifest: Manifest) -> Manifest:
    fitting = {}
    for name, figure in manifest.figures.items():
        with suppress(UnfitLayout):
            _check_layout(name, figure)
            fitting[name] = figure
    return manifest if len(fitting) == len(manifest.figures) else msgspec.structs.replace(manifest, figures=fitting)


class UnfitLayout(msgspec.ValidationError):
    """A layout that is not that of its kind."""


class _Versioned(msgspec.Struct):
    version: int


class _Digested(msgspec.Struct):
    sha256: str = ""


def _placed(manifest: Manifest) -> Iterator[str]:
    """The path of every file, results and figures; each is where its kind belongs.

    Raises:
        ValueError: one is not.
    """
    for file in manifest.files:
        if file.path.partition("/")[0].casefold() in {NAME, FIGURES}:
            raise ValueError(f"{file.path!r} is not a valid path for a result")
        yield file.path
    for name, figure in manifest.figures.items():
        for file in figure.files:
            folder, _, own = file.path.rpartition("/")
            if folder != f"{FIGURES}/{name}" or own.startswith(".") or not _FILE_NAME.issuperset(own):
                raise ValueError(f"{file.path!r} is not a file of figure {name!r}")
            yield file.path


_FILE_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")
_DIGITS = str.maketrans("123456789", "000000000")


def _check_commit(commit: str) -> None:
    if len(commit) > 64 or not frozenset("0123456789abcdef").issuperset(commit):
        raise ValueError(f"{commit[:40]!r} is not a commit")


def _check_moments(*moments: str) -> None:
    for moment in moments:
        if moment.translate(_DIGITS) != "0000-00-00T00:00:00Z":
            raise ValueError(f"{moment[:40]!r} is not a time such as 2026-11-27T12:00:00Z")


def _check_places(paths: list[str]) -> None:
    """Refuse files that would overwrite each other, also on file systems that ignore case.

    Raises:
        ValueError: two do.
    """
    files = {folded(path) for path in paths}
    if len(files) != len(paths):
        raise ValueError("two files have the same path")
    folders = {path.rpartition("/")[0] for path in paths} - {""}
    while folders:
        same = {folded(path) for path in folders}
        if wrong := same & files:
            raise ValueError(f"{min(wrong)!r} is a file and a folder")
        if len(same) != len(folders):
            raise ValueError(f"the folders {said_alike(sorted(folders))} have the same name on some systems")
        folders = {path.rpartition("/")[0] for path in folders} - {""}
