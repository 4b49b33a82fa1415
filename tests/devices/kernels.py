"""Which operations a device has kernels for, by the table that torch is generated from and brings along."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torchgen
import yaml

TABLE = Path(torchgen.__file__).parent / "packaged/ATen/native/native_functions.yaml"


def lacking(operations: Iterable[str], kind: str) -> set[str]:
    """Those of *operations*, such as ``aten::add.Tensor``, that a device of *kind* cannot compute.

    Attention is left out where torch has chosen the CPU's kernel for it: each device has its own, and all can do without.
    """
    asked = {name for name in operations if name.startswith("aten::") and "_for_cpu" not in name}
    return {name for name in asked if not _has_kernel(name.removeprefix("aten::"), kind.upper())}


def _has_kernel(name: str, backend: str) -> bool:
    entry = _table().get(name, {})  # what is not in it is composed of what is
    if "structured_delegate" in entry:
        return _has_kernel(entry["structured_delegate"], backend)
    keys = {key.strip() for keys in entry.get("dispatch", {"Composite": ""}) for key in keys.split(",")}
    if "ufunc_inner_loop" in entry and backend == "CUDA":
        return True
    return backend in keys or any(key.startswith("Composite") for key in keys)


@cache
def _table() -> dict[str, dict[str, Any]]:
    """Each operation's entry, also of those that are generated of it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries = yaml.load(TABLE.read_text(encoding="utf-8"), Loader=loader)
    found = {entry["func"].partition("(")[0]: entry for entry in entries}
    generated = {name.strip(): {} for entry in entries for name in entry.get("autogen", "").split(",") if name}
    return generated | found
