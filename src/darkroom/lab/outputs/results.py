"""Results as files: arrays as safetensors, everything else as JSON, verified when read. Pickle is never read."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkroom.core.errors import DamagedOutputs, ExperimentError, nearest
from darkroom.core.git import restoring
from darkroom.core.manifest import ARRAYS, FIGURES, NAME, Manifest, StoredFile, is_temporary, load
from darkroom.core.paths import check_path, folded, links_among, read_plain, said_alike

if TYPE_CHECKING:
    import numpy as np

VALUES = "results.json"
_COMMON = {ARRAYS.removesuffix(".safetensors"), VALUES}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
PICTURES = frozenset({".png", ".gif", ".webp"})
FILMS = frozenset({".mp4"})
_DTYPES = frozenset(
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64".split()  # noqa: SIM905
)


def write_results(folder: Path, returned: object, identity: str, work: Path | None = None) -> list[StoredFile]:
    """Write what an experiment returned into *folder*.

    Args:
        folder: an empty folder.
        returned: a mapping of names to arrays, mappings of arrays, values of JSON, and folders that it wrote.
        identity: the experiment's id, for messages.
        work: where the experiment ran and wrote its folders.

    Raises:
        ExperimentError: it is not a mapping, or holds what cannot be stored: NaN, an object, an unknown dtype.
    """
    if not isinstance(returned, Mapping):
        raise ExperimentError(f"{identity}: returned {_kind(returned)}; return a dictionary of results by name")
    folders = {name: value for name, value in returned.items() if isinstance(value, Path)}
    arrays, values, groups = _sorted_out({n: v for n, v in returned.items() if n not in folders}, identity)
    names = [*folders, *([ARRAYS] if arrays else []), *([VALUES] if values else [])]
    _check_files([*names, *(f"{name}.safetensors" for name in groups)], identity)
    files = [each for name, path in folders.items() for each in _stored_folder(folder, name, path, identity, work)]
    if arrays:
        files.append(store_file(folder, ARRAYS, _safetensors(arrays)))
    if values:
        text = json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
        files.append(store_file(folder, VALUES, text.encode()))
    files += [store_file(folder, f"{name}.safetensors", _safetensors(group)) for name, group in groups.items()]
    return sorted(files, key=lambda each: each.path)


def check_declared(files: Iterable[StoredFile], folder: Path, declared: Iterable[str], identity: str) -> None:
    """Refuse results that are not those that are declared, if any are.

    Args:
        files: what was stored.
        folder: where.

    Raises:
        ExperimentError: some are missing, or there are more; the message lists all.
    """
    wanted = set(declared)
    if not wanted:
        return
    found = set(names_in(folder, list(files)))
    if fault := unlike(wanted, found):
        raise ExperimentError(f"{identity}: it returned other results than it declares: {fault}; change one of them")


def unlike(wanted: set[str], found: set[str]) -> str:
    """How the names that were found differ from those that are wanted, such as "missing: 'a'; not declared: 'b'"; or ""."""
    parts = [("missing", sorted(wanted - found)), ("not declared", sorted(found - wanted))]
    return "; ".join(f"{what}: {', '.join(map(repr, names))}" for what, names in parts if names)


def names_in(folder: Path, files: Sequence[StoredFile]) -> list[str]:
    """The names of the results in a folder that has been written, sorted."""
    names = {_name_of(each.path) for each in files} - _COMMON
    for each in files:
        if each.path == VALUES:
            names |= _values((folder / VALUES).read_bytes()).keys()
        elif each.path == ARRAYS:
            names |= _arrays((folder / ARRAYS).read_bytes()).keys()
    return sorted(names)


def _name_of(path: str) -> str:
    """The result that a file is, or is part of."""
    name, slash, _ = path.partition("/")
    if slash:
        return name
    stem, dot, suffix = name.rpartition(".")
    return stem if f"{dot}{suffix}" in {".safetensors", *PICTURES, *FILMS} else name


def check_temporary(files: Iterable[StoredFile], temporary: Iterable[str], identity: str) -> None:
    """Refuse a temporary result that has no file of its own.

    Raises:
        ExperimentError: one is not among what was returned, or is an array or value that shares a file with others.
    """
    own = {_name_of(each.path) for each in files} - _COMMON
    for name in temporary:
        if name not in own:
            offer = nearest(name, own) or f"; it has {', '.join(sorted(own)) or 'none'}"
            raise ExperimentError(
                f"{identity}: temporary={name!r} is not a folder or a group of arrays that it returned{offer}"
            )


def _stored_folder(folder: Path, name: str, path: Path, identity: str, work: Path | None) -> Iterator[StoredFile]:
    """Copy the folder *path*, which the experiment wrote where it ran, to *name*."""
    _check_name(name, identity)
    source = (work or Path()) / path
    if work is None or not source.is_dir() or not source.resolve().is_relative_to(work.resolve()):
        raise ExperimentError(
            f"{identity}: {name} is the path {path}, which is not a folder that the run wrote; write it into the working "
            "directory and return its relative path"
        )
    found = sorted(each for each in source.rglob("*") if each.is_file())
    if same := said_alike(each.relative_to(source).as_posix() for each in found):
        raise ExperimentError(
            f"{identity}: in the folder {path}, {same} have the same name on some systems; rename one"
        )
    if not found:
        raise ExperimentError(
            f"{identity}: the folder {path} of {name} is empty; write files into it, or do not return it"
        )
    for each in found:
        yield store_file(folder, f"{name}/{each.relative_to(source).as_posix()}", each.read_bytes())


def store_file(folder: Path, path: str, content: bytes) -> StoredFile:
    """Write one file durably, never over a file that others may be linked to, and describe it.

    Raises:
        ExperimentError: a manifest cannot have this path.
    """
    try:
        check_path(path)
    except ValueError as error:
        raise ExperimentError(f"cannot store {path!r}: {error}; give it another name") from None
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    with target.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return StoredFile(path, sha256(content).hexdigest(), len(content))


def results_digest(files: Iterable[StoredFile]) -> str:
    """The digest of results, which downstream keys hold: of their files' names and digests."""
    lines = sorted(f"{each.sha256}  {each.path}\n" for each in files)
    return sha256("".join(lines).encode()).hexdigest()


class Results(Mapping[str, Any]):
    """Stored results: read-only, loaded file by file on demand, and verified as they are read.

    ``results["loss"]`` is an array, ``results["epoch_20"]`` a mapping of arrays, ``results["steps"]`` a value of JSON,
    ``results["pipeline"]`` the path of a folder that the run wrote. A picture that was imported is an array of uint8, of
    shape (height, width) or (height, width, 3 or 4), with the frames before these if it moves; a film is a path.

    Args:
        folder: the experiment's outputs.
        manifest: what they are.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.id = manifest.experiment
        self.digest = manifest.results
        self.parameters: Mapping[str, Any] = {name: as_tuples(value) for name, value in manifest.parameters.items()}
        self._folder = folder
        self._files = {each.path: each for each in manifest.files}
        self._temporary = {each.path for each in manifest.files if is_temporary(manifest, each.path)}
        self._loaded: dict[str, dict[str, Any]] = {}
        self._again = "import it again" if manifest.imported_from else f"run {self.id} again with --force"

    def __getitem__(self, name: str) -> Any:
        """The value of that name.

        Raises:
            KeyError: there is none; the message offers the nearest name.
            DamagedOutputs: its file is missing or altered.
        """
        if f"{name}.safetensors" in self._files and f"{name}.safetensors" != ARRAYS:
            return self._group(f"{name}.safetensors")
        if within := [path for path in self._files if path.startswith(f"{name}/")]:
            for path in within:
                self._verified(path)
            return self._folder / name
        for suffix in (*PICTURES, *FILMS):
            if f"{name}{suffix}" in self._files:
                return self._picture(f"{name}{suffix}", suffix)
        for path in (ARRAYS, VALUES):
            if path in self._files and name in self._file(path):
                return self._file(path)[name]
        raise KeyError(f"{self.id} has no result {name!r}{nearest(name, self)}; it has {', '.join(self)}")

    def __iter__(self) -> Iterator[str]:
        names = list({_name_of(path) for path in self._files} - _COMMON)
        for path in (ARRAYS, VALUES):
            names.extend(self._file(path) if path in self._files else ())
        return iter(sorted(names))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return any(name == each for each in self)

    def __repr__(self) -> str:
        return f"Results({self.id!r}, {list(self)})"

    def _picture(self, path: str, suffix: str) -> Any:
        content = self._verified(path)
        if suffix in FILMS:
            return self._folder / path
        if path not in self._loaded:
            try:
                self._loaded[path] = {"": pixels_of(content)}
            except ValueError as error:
                raise DamagedOutputs(f"{self._folder / path}: {error}; {self._again}") from None
        return self._loaded[path][""]

    def _group(self, path: str) -> dict[str, Any]:
        arrays = self._file(path)
        if wrong := next((name for name in arrays for way in _ways(name) if way in arrays), ""):
            raise DamagedOutputs(f"{self._folder / path}: {wrong!r} is both an array and in one; {self._again}")
        return _nested(arrays)

    def _file(self, path: str) -> dict[str, Any]:
        if path not in self._loaded:
            content = self._verified(path)
            try:
                self._loaded[path] = _values(content) if path == VALUES else _arrays(content)
            except (ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
                raise DamagedOutputs(
                    f"{self._folder / path}: {error}; {restoring(self._folder / path)}, or {self._again}"
                ) from None
        return self._loaded[path]

    def _verified(self, path: str) -> bytes:
        where = self._folder / path
        advice = f"{restoring(where)}, or {self._again}"
        if path in self._temporary and not os.path.lexists(where):
            raise DamagedOutputs(f"{where}: temporary, and not here; run {self.id} with --force to make it again")
        if links_among(self._folder, [path]):
            raise DamagedOutputs(f"{where}: it is a link, or reached through one; {advice}")
        try:
            content = read_plain(where, self._files[path].bytes)
        except FileNotFoundError:
            raise DamagedOutputs(f"{where}: the file is missing; {advice}") from None
        except ValueError as error:
            raise DamagedOutputs(f"{where}: {error}; {advice}") from None
        if sha256(content).hexdigest() != self._files[path].sha256:
            raise DamagedOutputs(f"{where}: the content differs from its manifest; {advice}")
        return content


def open_results(outputs: Path, identity: str) -> Results:
    """The stored results of an experiment.

    Raises:
        DamagedOutputs: there are none, or their manifest is damaged.
    """
    folder = outputs / identity
    found = load(folder, drawable=True)
    if found is None:
        raise DamagedOutputs(f"{folder / NAME}: {identity} has no outputs; run {identity} first")
    return Results(folder, found)


MOST_PIXELS = 64_000_000  # of all frames together


def pixels_of(content: bytes) -> np.ndarray:
    """A picture's pixels: uint8, (height, width) if it is grey, else (height, width, 3 or 4), with frames before these.

    Raises:
        ValueError: it is no picture, is damaged, or has too many pixels.
    """
    import io
    import warnings

    import numpy as np
    from PIL import Image

    formats = ("PNG", "GIF", "WEBP")
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=formats) as picture:
            if picture.mode[0] in "IF":
                raise ValueError("it has more than 8 bits a channel; save it with 8, or its array as .npy")
            count = int(getattr(picture, "n_frames", 1))
            if picture.width * picture.height * count > MOST_PIXELS:
                size = f"{count} frames of {picture.width} x {picture.height}"
                raise ValueError(f"{size}: more than {MOST_PIXELS:,} pixels")
            frames = []
            for frame in range(count):
                picture.seek(frame)
                frames.append(picture.convert(_mode(picture)))
            same = "L" if all(each.mode == "L" for each in frames) else max((each.mode for each in frames), key=len)
            arrays = [np.asarray(each if each.mode == same else each.convert(same)) for each in frames]
    except ValueError:
        raise
    except Exception as error:  # whatever a decoder stumbles over
        raise ValueError(f"the picture cannot be decoded ({' '.join(str(error).split())[:100]})") from None
    return arrays[0] if count == 1 else np.stack(arrays)


def _mode(picture: Any) -> str:
    """The mode that shows all of a picture: grey, colour, or colour with transparency."""
    if picture.mode in {"1", "L"} and "transparency" not in picture.info:
        return "L"
    return "RGBA" if picture.has_transparency_data else "RGB"


def as_tuples(value: Any) -> Any:
    """A parameter as an experiment receives it: tuples for JSON's lists."""
    return tuple(as_tuples(each) for each in value) if isinstance(value, list) else value


def as_array(value: Any, *, widen: bool = False) -> np.ndarray | None:
    """An array or a tensor as a contiguous array; None for anything else.

    Args:
        value: anything.
        widen: turn bfloat16, which numpy does not know, into float32, which holds all its values.
    """
    import numpy as np

    if hasattr(value, "detach") and hasattr(value, "cpu") and hasattr(value, "dtype"):
        tensor = value.detach().cpu()
        value = tensor.float().numpy() if widen and str(tensor.dtype) == "torch.bfloat16" else tensor.numpy()
    if not isinstance(value, np.ndarray):
        return None
    little = value.astype(value.dtype.newbyteorder("<"), copy=False)
    return little if little.flags.c_contiguous else np.ascontiguousarray(little)


def faults_of(returned: Mapping[str, Any], identity: str) -> list[str]:
    """Why results could not be stored, a line for each that could not."""
    faults = []
    for name, value in returned.items():
        try:
            _check_name(name, identity)
            _, _, groups = _sorted_out({} if isinstance(value, Path) else {name: value}, identity)
            _check_files([name, *(f"{each}.safetensors" for each in groups)], identity)
            for group in groups.values():
                if way := next((way for each in group for way in _ways(each) if way in group), ""):
                    raise ExperimentError(f"{identity}: {name} has {way!r} as an array and as a group; rename one")
        except ExperimentError as error:
            faults.append(str(error))
    return faults


def _sorted_out(
    returned: Mapping[str, Any], identity: str
) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """What was returned, as arrays, values and groups of arrays."""
    arrays: dict[str, np.ndarray] = {}
    values: dict[str, Any] = {}
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, value in returned.items():
        _check_name(name, identity)
        leaves = dict(_leaves(value, name)) if isinstance(value, Mapping) else {}
        if leaves and all(_is_array(leaf) for leaf in leaves.values()):
            groups[name] = {
                path.removeprefix(f"{name}/"): _checked_array(leaf, path, identity) for path, leaf in leaves.items()
            }
        elif _is_array(value):
            arrays[name] = _checked_array(value, name, identity)
        else:
            values[name] = checked_value(value, name, identity)
    return arrays, values, groups


def _check_files(names: list[str], identity: str) -> None:
    """Refuse names of files and folders in the outputs that are taken, or the same on some systems."""
    if taken := next((name for name in names if folded(name) in {NAME, FIGURES}), ""):
        raise ExperimentError(f"{identity}: the result {taken!r} has a name that Darkroom uses; rename it")
    if len({folded(name) for name in names}) != len(names):
        same = said_alike(names) or next(repr(name) for name in names if names.count(name) > 1)
        raise ExperimentError(
            f"{identity}: the results {same} have the same file name, here or on some systems; rename one"
        )


def _check_name(name: object, identity: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in {"results", "manifest", FIGURES}:
        raise ExperimentError(
            f"{identity}: result name {name!r} cannot be stored; use letters, digits, _, . and -, and not 'results'"
        )


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if not isinstance(value, Mapping):
        yield path, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, f"{path}/{name}")


def _is_array(value: object) -> bool:
    import numpy as np

    return isinstance(value, np.ndarray) or (hasattr(value, "detach") and hasattr(value, "dtype"))


def _checked_array(value: object, name: str, identity: str) -> np.ndarray:
    import numpy as np

    try:
        array = as_array(value)
    except TypeError:  # a dtype that numpy does not know
        array = None
    if array is None or array.dtype.name not in _DTYPES:
        kind = str(getattr(value, "dtype", type(value).__name__))
        raise ExperimentError(f"{identity}: {name} has dtype {kind}, which cannot be stored; convert it, as to float16")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        index = tuple(int(each) for each in np.argwhere(~np.isfinite(array))[0])
        where = f"{name}[{', '.join(map(str, index))}]" if index else name
        raise ExperimentError(f"{identity}: {where} is {array[index]}; results must be finite: fix the run, or mask it")
    return array


def checked_value(value: object, name: str, identity: str) -> Any:
    """A value of JSON; numpy's numbers become Python's.

    Raises:
        ExperimentError: it holds what JSON cannot; *name* and the index say where.
    """
    if _is_array(value):
        raise ExperimentError(
            f"{identity}: {name} is an array in a list or dictionary of values; return it under a name of its own"
        )
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str)), None)
        if wrong is not None:
            raise ExperimentError(
                f"{identity}: {name} has the key {wrong!r}; keys of stored values are strings: use str()"
            )
        return {key: checked_value(inner, f"{name}[{key!r}]", identity) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [checked_value(inner, f"{name}[{index}]", identity) for index, inner in enumerate(value)]
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise ExperimentError(f"{identity}: {name} is {value}; results must be finite: fix the run, or store None")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ExperimentError(
        f"{identity}: {name} is {_kind(value)}, which cannot be stored; return arrays, numbers, strings"
    )


def _kind(value: object) -> str:
    kind = type(value)
    if value is None:
        return "None"
    return f"a {kind.__qualname__}" if kind.__module__ == "builtins" else f"a {kind.__module__}.{kind.__qualname__}"


def _safetensors(arrays: Mapping[str, np.ndarray]) -> bytes:
    from safetensors.numpy import save

    return save(dict(arrays))


def _arrays(content: bytes) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load as read

    try:
        return read(content)
    except SafetensorError as error:
        raise ValueError(f"not a safetensors file ({error})") from None


def _values(content: bytes) -> dict[str, Any]:
    values = json.loads(content)
    if not isinstance(values, dict):
        raise ValueError("not a mapping of names to values")
    return values


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Groups within a group, from names joined by ``/``."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *folders, name = path.split("/")
        inner = nested
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[name] = value
    return nested


def _ways(name: str) -> list[str]:
    """The groups that an array is in: ``a`` and ``a/b`` for ``a/b/c``."""
    return [name[:at] for at, letter in enumerate(name) if letter == "/"]


def copy_file(source: Path, target: Path) -> None:
    """Link a plain file, or copy it where the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        import shutil

        shutil.copy2(source, target, follow_symlinks=False)
