"""What a run receives: its device, its progress, its checkpoints."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from darkroom.core.errors import ExperimentError
from darkroom.core.paths import read_plain, write_atomically
from darkroom.lab.outputs.results import as_array
from darkroom.lab.running.events import Progress

if TYPE_CHECKING:
    import numpy as np

CHECKPOINT_VERSION = 2
_WITHOUT_DIGEST = 1
_HEADER = "header"
_ARRAY = "$array"
_QUIET_S = 0.1
_LARGEST = 1 << 40  # bytes


class Run:
    """What an experiment can use besides its inputs and parameters.

    Args:
        device: "cpu", "cuda" or "mps".
        key: the key of the run, which its checkpoints belong to.
        checkpoint: the file for it.
        started_at: when the run began, UTC in ISO 8601.
        report: called with progress.
        device_name: the device's product name.
        check: called before a checkpoint is written; raises what says that it may not be.

    Attributes:
        devices: the names of all devices that the run has been on, the first one first.
    """

    def __init__(
        self,
        device: str,
        key: str,
        checkpoint: Path,
        started_at: str,
        report: Callable[[Progress], None],
        device_name: str = "",
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.device = device
        self.devices = [device_name]
        self.started_at = started_at
        self.resumed = 0
        self._key, self._checkpoint, self._report, self._check = key, checkpoint, report, check
        self._earlier_s = 0.0
        self._began = time.monotonic()
        self._told = -math.inf

    @property
    def elapsed_s(self) -> float:
        """Seconds spent on this run, including those before it was resumed."""
        return self._earlier_s + time.monotonic() - self._began

    def progress(self, done: float, total: float, /, unit: str = "steps", **numbers: float) -> None:
        """Report progress; cheap enough to be called at every step.

        Args:
            done: how many are done.
            total: how many there are.
            unit: of what.
            numbers: what to show next to it, such as ``loss=0.01``.
        """
        now = time.monotonic()
        if now - self._told < _QUIET_S and done < total:
            return
        self._told = now
        shown = {name: f"{float(value):.4g}" for name, value in numbers.items()}
        self._report(Progress(float(done), float(total), unit, shown))

    def save(self, state: Mapping[str, Any]) -> None:
        """Save *state*, from which a killed run is resumed; the previous checkpoint is replaced atomically.

        Args:
            state: nested mappings with text keys; arrays, tensors, numbers, strings, None and lists of them.

        Raises:
            ExperimentError: it holds something else.
        """
        from safetensors.numpy import save

        arrays: dict[str, np.ndarray] = {}
        header = {
            "version": CHECKPOINT_VERSION,
            "key": self._key,
            "elapsed_s": self.elapsed_s,
            "resumed": self.resumed,
            "started_at": self.started_at,
            "devices": self.devices,
            "state": _packed(state, arrays, "state"),
        }
        header["sha256"] = _digest(header, arrays)
        arrays[_HEADER] = _bytes_array(json.dumps(header))
        content = save(arrays)
        self._check()
        write_atomically(self._checkpoint, content)

    def load(self) -> dict[str, Any] | None:
        """The state that was saved last, or None; tensors come back as arrays.

        A damaged checkpoint is reported, and the run starts again.
        """
        try:
            found = _read(self._checkpoint, self._key)
        except FileNotFoundError:
            return None
        except _UNREADABLE as error:
            said = " ".join(str(error).split()) or type(error).__name__
            sys.stderr.write(f"the checkpoint {self._checkpoint} cannot be read ({said}); the run starts again\n")
            return None
        if found is None:
            return None
        header, state = found
        self._earlier_s, self._began = header.elapsed_s, time.monotonic()
        self.resumed = header.resumed + 1
        self.started_at = header.started_at
        self.devices = list(dict.fromkeys([*header.devices, *self.devices]))
        return state


class _Header(msgspec.Struct, frozen=True):
    version: int
    key: str
    elapsed_s: Annotated[float, msgspec.Meta(ge=0, le=1e10)]
    resumed: Annotated[int, msgspec.Meta(ge=0, le=10**6)]
    started_at: str
    state: dict[str, Any]
    devices: list[str] = []
    sha256: str = ""


_UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, MemoryError)


def _read(path: Path, key: str) -> tuple[_Header, dict[str, Any]] | None:
    """A checkpoint's header and state; None if it is of another key or version.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged; some damage raises another of ``_UNREADABLE``.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content = read_plain(path, _LARGEST)
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    plain = json.loads(arrays.pop(_HEADER).tobytes())
    header = msgspec.convert(plain, _Header)
    if header.version not in {CHECKPOINT_VERSION, _WITHOUT_DIGEST} or header.key != key:
        return None
    if header.version == CHECKPOINT_VERSION and plain.pop("sha256", "") != _digest(plain, arrays):
        raise ValueError("its content has changed")
    state: dict[str, Any] = _unpacked(header.state, arrays)
    return header, state


def _digest(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """The sha256 of everything that a checkpoint holds."""
    digest = sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _bytes_array(text: str) -> np.ndarray:
    import numpy as np

    return np.frombuffer(text.encode(), dtype=np.uint8)


def _packed(value: Any, arrays: dict[str, np.ndarray], where: str) -> Any:
    """The state as JSON, with its arrays taken out and numbered."""
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str) or key == _ARRAY), None)
        if wrong is not None:
            raise ExperimentError(f"checkpoint: {where} has the key {wrong!r}; use other strings as keys")
        return {key: _packed(inner, arrays, f"{where}[{key!r}]") for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_packed(inner, arrays, f"{where}[{index}]") for index, inner in enumerate(value)]
    array = as_array(value, widen=True)
    if array is not None:
        name = str(len(arrays))
        arrays[name] = array
        return {_ARRAY: name}
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ExperimentError(
        f"checkpoint: {where} is a {type(value).__qualname__}; save arrays, numbers, strings and lists or mappings of them"
    )


def _unpacked(value: Any, arrays: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_unpacked(inner, arrays) for inner in value]
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]].copy()  # writable, like what was saved
        return {key: _unpacked(inner, arrays) for key, inner in value.items()}
    return value
