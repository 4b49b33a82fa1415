"""Files to values: arrays, tables, JSON and pictures. Nothing is unpickled.

A reader gives one value, or the values of a file that holds several by name.
"""

from __future__ import annotations

import csv
import io
import json
import math
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from darkroom.lab.importing.files import Given
from darkroom.lab.outputs.results import FILMS, PICTURES, pixels_of

MOST_BYTES = 2_000_000_000  # of the arrays of one file
MOST_CELLS = 10_000_000
MOST_DEPTH = 100
PICKLES = frozenset({".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib"})
CONVERT = {
    ".pt": (
        "from safetensors.torch import save_file; "
        "save_file(torch.load(FILE, map_location='cpu', weights_only=True), 'NAME.safetensors')"
    ),
    "": "np.savez('NAME.npz', **arrays)",
}
Value = Any


class Held(dict[str, Value]):
    """The values that a file holds, by name."""


class Unreadable(ValueError):
    """A file is not what its suffix says, or holds what is not imported; the message says what, and what to do."""


def read(given: Given) -> Value:
    """What a file holds: ``Held`` where it has several values by name, else one value.

    Raises:
        Unreadable: it cannot be read.
    """
    reader = READERS.get(given.suffix)
    if reader is None:
        raise Unreadable(refusal(given))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, of a file that an older version wrote
            return reader(given.content)
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("holds more than fits into memory; import a part of it") from None
    except Exception as error:  # whatever a decoder stumbles over
        raise Unreadable(f"is not a valid {given.suffix} file ({_said(error)}); save it again") from None


def refusal(given: Given) -> str:
    """Why a file of its type is not imported."""
    if given.suffix in PICKLES:
        form = CONVERT[".pt"] if given.suffix in {".pt", ".pth", ".ckpt", ".bin"} else CONVERT[""]
        form = form.replace("FILE", repr(given.name)).replace("NAME", given.stem)
        return f"a pickle may run code when it is read, so none is; where it was made, run: {form}"
    known = ", ".join(each[1:] for each in READERS)
    return f"is of a type that is not imported; leave it out, or save it as one of {known}"


# Arrays ---------------------------------------------------------------------------------------------------------------


def _npy(content: bytes) -> np.ndarray:
    """The array of an .npy file (NEP 1), whose header is checked against the size before anything is made of it."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(file)
    except (ValueError, EOFError, TypeError, SyntaxError, RecursionError) as error:
        raise Unreadable(f"is not an .npy file ({_said(error)}); save it with np.save") from None
    if dtype.hasobject:
        raise Unreadable("holds Python objects, which are pickled; save an array of numbers, or values as .json")
    rest = content[file.tell() :]
    if math.prod(shape) * dtype.itemsize != len(rest):
        raise Unreadable("is truncated, or not an .npy file; save it again")
    if dtype.itemsize == 0 or dtype.names or dtype.subdtype:
        raise Unreadable(f"has the dtype {dtype}, which is not stored; save each of its fields as an array of its own")
    flat = np.frombuffer(rest, dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _npz(content: bytes) -> Held:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(each.file_size for each in members) > MOST_BYTES:
                raise Unreadable(f"holds more than {MOST_BYTES:,} bytes; import a part of it")
            held = Held()
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name in held:
                    raise Unreadable(f"has two arrays {name!r}; save it again")
                with archive.open(member) as file:
                    array = file.read(member.file_size + 1)
                try:
                    held[name] = _npy(array)
                except Unreadable as error:
                    raise Unreadable(f"{name!r} {error}") from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Unreadable(f"is not an .npz file ({_said(error)}); save it with np.savez") from None
    return held


def _safetensors(content: bytes) -> Held:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return Held(load(content))
    except SafetensorError as error:
        raise Unreadable(f"is not a safetensors file ({_said(error)}); save it again") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # a dtype that numpy does not know
        raise Unreadable(f"holds a dtype that is not stored ({_said(error)}); convert it, as to float32") from None


# Text -----------------------------------------------------------------------------------------------------------------


def text_of(content: bytes) -> str:
    """The text of a file, without the mark that some programs put before it.

    Raises:
        Unreadable: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Unreadable(f"line {line} is not UTF-8; save it in that encoding") from None


def json_of(text: str) -> Value:
    """A value of JSON; NaN and the like, and two of one name in an object, are refused.

    Raises:
        Unreadable: it is not JSON.
    """

    def pairs(found: Sequence[tuple[str, Value]]) -> dict[str, Value]:
        names = [name for name, _ in found]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise Unreadable(f"has two values {twice!r} in one object; rename one")
        return dict(found)

    def constant(name: str) -> Value:
        raise Unreadable(f"holds {name}; results must be finite: write null where there is no value")

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise Unreadable(f"line {error.lineno}, column {error.colno}: {error.msg}; it is not JSON") from None
    except RecursionError:
        raise Unreadable("is nested too deeply") from None
    except ValueError as error:
        raise error if isinstance(error, Unreadable) else Unreadable(f"{_said(error)}; it is not JSON") from None


def _json(content: bytes) -> Value:
    value = json_of(text_of(content))
    return Held(value) if isinstance(value, dict) else value


def lines_of(content: bytes) -> list[Value]:
    """The values of a file that has one of JSON on each line.

    Raises:
        Unreadable: a line is not JSON.
    """
    found = []
    for number, line in enumerate(text_of(content).splitlines(), 1):
        try:
            found += [json_of(line)] if line.strip() else []
        except Unreadable as error:
            raise Unreadable(f"line {number}: {error}") from None
    return found


def rows_of(content: bytes, delimiter: str = ",") -> list[list[str]]:
    """The rows of a table of text, the first of them its header; empty rows are left out.

    Raises:
        Unreadable: it is not such a table; the message names the line.
    """
    reader = csv.reader(io.StringIO(text_of(content), newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    cells = 0
    try:
        for row in reader:
            if row:
                rows.append(row)
                cells += len(row)
            if rows and row and len(row) != len(rows[0]):
                raise Unreadable(f"line {reader.line_num} has {len(row)} cells; the header has {len(rows[0])}")
            if cells > MOST_CELLS:
                raise Unreadable(f"has more than {MOST_CELLS:,} cells; save it as .npz")
    except csv.Error as error:
        raise Unreadable(f"line {reader.line_num}: {error}") from None
    if not rows:
        raise Unreadable("has no header; write the names of the columns into the first line")
    header = [name.strip() for name in rows[0]]
    if "" in header or len(set(header)) != len(header):
        problem = "a column without a name" if "" in header else "two columns of one name"
        raise Unreadable(f"has {problem} in its header ({', '.join(map(repr, header))[:200]}); name each column once")
    return [header, *rows[1:]]


def number_of(cell: str) -> int | float | None:
    """The number that a cell of text holds, or None.

    Raises:
        Unreadable: it is not finite.
    """
    text = cell.strip()
    try:
        return int(text) if text.lstrip("+-").isdecimal() and len(text) < 19 else _finite(float(text), text)
    except ValueError as error:
        if isinstance(error, Unreadable):
            raise
        return None


def _finite(number: float, text: str) -> float:
    if not math.isfinite(number):
        raise Unreadable(f"{text}; results must be finite: leave the cell empty where there is no value")
    return number


def _table(content: bytes, delimiter: str = ",") -> dict[str, Value]:
    """A column by name: an array if it has only numbers, and all others do, else lists with None for empty cells."""
    header, *rows = rows_of(content, delimiter)
    columns: dict[str, list[Value]] = {name: [] for name in header}
    for number, row in enumerate(rows, 2):
        for name, cell in zip(header, row, strict=True):
            try:
                value = number_of(cell)
            except Unreadable as error:
                raise Unreadable(f"row {number}, column {name!r} is {error}") from None
            columns[name].append(cell if value is None and cell.strip() else value)
    for index, (name, cells) in enumerate(columns.items()):
        if any(isinstance(each, str) for each in cells):  # a column of text is text in all of its cells
            columns[name] = [row[index] or None for row in rows]
    if rows and all(isinstance(each, int | float) for cells in columns.values() for each in cells):
        return {name: as_column(cells) for name, cells in columns.items()}
    return dict(columns)


def as_column(cells: Sequence[int | float]) -> np.ndarray:
    """Numbers as an array: int64 if all are whole numbers that were written as such, else float64."""
    whole = all(isinstance(each, int) for each in cells)
    return np.array(cells, dtype=np.int64 if whole else np.float64)


# Pictures -------------------------------------------------------------------------------------------------------------


class KeptBytes(bytes):
    """A file that is stored as it is: a picture or a film."""


def _picture(content: bytes) -> KeptBytes:
    try:
        pixels_of(content)
    except ValueError as error:
        raise Unreadable(str(error)) from None
    return KeptBytes(content)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


READERS: Mapping[str, Callable[[bytes], Value]] = {
    ".npz": _npz,
    ".npy": _npy,
    ".safetensors": _safetensors,
    ".csv": _table,
    ".tsv": lambda content: _table(content, "\t"),
    ".json": _json,
    ".jsonl": lines_of,
    **dict.fromkeys(sorted(PICTURES), _picture),
    **dict.fromkeys(sorted(FILMS), KeptBytes),
}
