"""Which result each file is.

1. ``--as NAME=FILE``: the file, or the folder, is that result.
2. Event files of TensorBoard, and the folder of dvclive, are a result that is called like the folder they are in.
3. A folder that is called like a declared result is that result: its files are stored as they are.
4. An .npz, .safetensors or JSON object whose names are all declared gives those results.
5. Any other file is the result that is called like it, without its suffix. If that is not declared, an .npz, .safetensors
   or JSON object gives what it holds by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from darkroom.lab.importing import readers, trackers
from darkroom.lab.importing.files import Faults, Given
from darkroom.lab.importing.readers import Held, Unreadable

_ALONE = frozenset({"arr_0"})  # what numpy calls an array without a name


class Folder(NamedTuple):
    """The files of a result that is a folder."""

    files: list[tuple[str, bytes]]


class Named(NamedTuple):
    """A result: its name, its value, and the file that it comes from."""

    name: str
    value: Any
    path: str


def results_of(
    given: Sequence[Given], declared: Iterable[str], chosen: Mapping[str, str], faults: Faults
) -> list[Named]:
    """The results that files hold, in order.

    Args:
        given: the files.
        declared: names of results; without any, files are named by the same rules.
        chosen: names that were given, by path of a file or folder.
        faults: what cannot be read is added.
    """
    namer = _Namer(set(declared), faults)
    rest = list(given)
    for path, name in chosen.items():
        exact = [each for each in rest if each.path == path or each.path.startswith(f"{path.rstrip('/')}/")]
        taken = exact or [each for each in rest if _is_called(each, path)]
        if not taken:
            known = ", ".join(each.path for each in given[:10])
            faults.add(
                f"--as {name}={path}", f"there is no such file or folder among what is imported; there are {known}"
            )
        rest = [each for each in rest if each not in taken]
        namer.take(taken, name, path)
    namer.sort_out(rest)
    return namer.found


def _is_called(given: Given, path: str) -> bool:
    """Whether *path*, as a call gives it, ends in the path of a file, or is the folder or archive that it comes from."""
    last = path.rstrip("/").rpartition("/")[2]
    return f"/{path}".endswith(f"/{given.path}") or (
        bool(given.within) and last in {given.within, f"{given.within}.zip"}
    )


class _Namer:
    def __init__(self, declared: set[str], faults: Faults) -> None:
        self.declared, self.faults = declared, faults
        self.found: list[Named] = []

    def take(self, files: Sequence[Given], name: str, path: str) -> None:
        """Take files that were named as one result."""
        if not files:
            return
        if len(files) == 1 and f"/{path}".endswith(f"/{files[0].path}") and not trackers.is_events(files[0]):
            self._file(files[0], name)
        elif all(map(trackers.is_events, files)):
            self._run(name, files, trackers.read_events)
        elif tables := [each for each in files if trackers.dvclive_folder(each) is not None]:
            self._run(name, tables, trackers.read_dvclive)
        else:
            self._folder(name, files, path)

    def sort_out(self, files: Sequence[Given]) -> None:
        """Name files by what they are called and where they lie."""
        events: dict[tuple[str, str], list[Given]] = {}
        lives: dict[tuple[str, str], list[Given]] = {}
        folders: dict[str, list[Given]] = {}
        plain: list[Given] = []
        for each in files:
            if (live := trackers.dvclive_folder(each)) is not None:
                lives.setdefault((each.within, live), []).append(each)
        for each in files:
            folder = next((part for part in each.folders if part in self.declared), "")
            if trackers.is_events(each):
                events.setdefault((each.within, "/".join(each.folders)), []).append(each)
            elif any(each.within == within and _is_beside(each, path) for within, path in lives):
                if trackers.dvclive_folder(each) is None and self._is_wanted(each):
                    plain.append(each)
            elif folder:
                folders.setdefault(each.path.partition(f"{folder}/")[0] + folder, []).append(each)
            else:
                plain.append(each)
        for (within, path), found in events.items():
            self._run(path.rpartition("/")[2] or within or found[0].stem, found, trackers.read_events)
        for (within, path), found in lives.items():
            self._run(path.rpartition("/")[2] or within or "dvclive", found, trackers.read_dvclive)
        for path, found in folders.items():
            self._folder(path.rpartition("/")[2], found, path)
        for each in plain:
            self._file(each, "")

    def _is_wanted(self, given: Given) -> bool:
        """Whether a file that dvclive wrote beside its tables is declared."""
        return given.stem in self.declared

    def _run(self, name: str, files: Sequence[Given], read: Any) -> None:
        try:
            self.found.append(Named(name, read(files), files[0].path))
        except Unreadable as error:
            self.faults.add(files[0].path, str(error))

    def _folder(self, name: str, files: Sequence[Given], path: str) -> None:
        for each in files:
            if each.suffix not in readers.READERS:
                self.faults.add(each.path, readers.refusal(each))
        start = len(path.rstrip("/")) + 1 if files[0].path.startswith(f"{path.rstrip('/')}/") else 0
        self.found.append(Named(name, Folder([(each.path[start:], each.content) for each in files]), files[0].path))

    def _file(self, given: Given, name: str) -> None:
        """Take one file, under *name* where that was given."""
        try:
            history = trackers.read_history(given)
            value = readers.read(given) if history is None else history
        except Unreadable as error:
            self.faults.add(given.path, str(error))
            return
        if isinstance(value, Held) and not value and given.suffix != ".json":
            self.faults.add(given.path, "holds no arrays; leave it out")
        elif not name and isinstance(value, Held) and value.keys() <= self.declared and value:
            self._each(value, given)
        elif name or given.stem in self.declared or not isinstance(value, Held):
            self.found.append(Named(name or given.stem, _whole(value, name or given.stem, given), given.path))
        else:
            self._each(value, given)

    def _each(self, held: Held, given: Given) -> None:
        """The values of a file by name; of arrays called "group/array" those of a group together."""
        groups: dict[str, dict[str, Any]] = {}
        for key, value in held.items():
            name, slash, inner = key.partition("/")
            if slash and given.suffix != ".json":
                groups.setdefault(name, {})[inner] = value
            else:
                self.found.append(Named(key, value, given.path))
        self.found += [Named(name, group, given.path) for name, group in groups.items()]


def _is_beside(given: Given, live: str) -> bool:
    """Whether a file lies in dvclive's folder."""
    return not live or given.path.startswith(f"{live}/")


def _whole(value: Any, name: str, given: Given) -> Any:
    """A file as one value: its only array if that has no other name, else all that it holds."""
    if not isinstance(value, Held):
        return value
    is_alone = len(value) == 1 and given.suffix != ".json" and next(iter(value)) in {*_ALONE, name}
    return next(iter(value.values())) if is_alone else dict(value)
