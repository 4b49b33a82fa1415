"""The handle that a run receives: its device, its progress, its checkpoints."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkroom.lab.digests import write_atomically
from darkroom.lab.errors import ExperimentError
from darkroom.lab.store import as_array

if TYPE_CHECKING:
    import numpy as np

CHECKPOINT_VERSION = 1
_HEADER = "header"
_ARRAY = "$array"
_QUIET_S = 0.1


class Run:
    """What an experiment may do beside computing.

    Args:
        device: "cpu", "cuda" or "mps".
        key: the key of the run, which its checkpoints belong to.
        checkpoint: where they are kept.
        started_at: when the run began, UTC in ISO 8601.
        report: takes what progress there is.
    """

    def __init__(
        self, device: str, key: str, checkpoint: Path, started_at: str, report: Callable[[dict[str, Any]], None]
    ) -> None:
        self.device = device
        self.started_at = started_at
        self.resumed = 0
        self._key, self._checkpoint, self._report = key, checkpoint, report
        self._earlier_s = 0.0
        self._began = time.monotonic()
        self._told = -math.inf

    @property
    def elapsed_s(self) -> float:
        """Seconds spent on this run, over all its legs."""
        return self._earlier_s + time.monotonic() - self._began

    def progress(self, done: float, total: float, /, unit: str = "steps", **numbers: float) -> None:
        """Say how far the run is; cheap enough to be called at every step.

        Args:
            done: how many are done.
            total: how many there are.
            unit: of what.
            numbers: what to show beside it, such as ``loss=0.01``.
        """
        now = time.monotonic()
        if now - self._told < _QUIET_S and done < total:
            return
        self._told = now
        shown = {name: f"{float(value):.4g}" for name, value in numbers.items()}
        self._report({"event": "progress", "done": float(done), "total": float(total), "unit": unit, "numbers": shown})

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep *state* so that a run that is killed goes on from here; the checkpoint before it is replaced at once.

        Args:
            state: nested mappings with text keys; arrays, tensors, numbers, texts, None and lists of them.

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
            "state": _packed(state, arrays, "state"),
        }
        arrays[_HEADER] = _bytes_array(json.dumps(header))
        write_atomically(self._checkpoint, save(arrays))

    def load(self) -> dict[str, Any] | None:
        """The state that was kept last, or None; tensors come back as arrays."""
        found = _read(self._checkpoint, self._key)
        if found is None:
            return None
        header, arrays = found
        self._earlier_s, self._began = float(header["elapsed_s"]), time.monotonic()
        self.resumed = int(header["resumed"]) + 1
        self.started_at = str(header["started_at"])
        state: dict[str, Any] = _unpacked(header["state"], arrays)
        return state


def _read(path: Path, key: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """A checkpoint's header and arrays; None where there is none of this key, or it cannot be read."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(path.read_bytes())
        header = json.loads(arrays.pop(_HEADER).tobytes())
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    if header.get("version") != CHECKPOINT_VERSION or header.get("key") != key:
        return None
    return header, arrays


def _bytes_array(text: str) -> np.ndarray:
    import numpy as np

    return np.frombuffer(text.encode(), dtype=np.uint8)


def _packed(value: Any, arrays: dict[str, np.ndarray], where: str) -> Any:
    """The state as JSON, with its arrays taken out and numbered."""
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str) or key == _ARRAY), None)
        if wrong is not None:
            raise ExperimentError(f"checkpoint: {where} has the key {wrong!r}; use other texts as keys")
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
        f"checkpoint: {where} is a {type(value).__qualname__}; keep arrays, numbers, texts and lists or mappings of them"
    )


def _unpacked(value: Any, arrays: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_unpacked(inner, arrays) for inner in value]
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]].copy()  # writable, as what was saved
        return {key: _unpacked(inner, arrays) for key, inner in value.items()}
    return value
