"""Exchanging two paths atomically, so that both are complete at every moment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_CALLS = {"linux": ("renameat2", -100), "darwin": ("renameatx_np", -2)}  # with AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE, RENAME_SWAP


def exchange(one: Path, other: Path) -> bool:
    """Exchange two files or folders; False where the system, or the file system, cannot."""
    if sys.platform not in _CALLS:
        return False
    import ctypes

    name, here = _CALLS[sys.platform]
    try:
        call = getattr(ctypes.CDLL(None, use_errno=True), name)
        done = call(here, os.fsencode(one), here, os.fsencode(other), ctypes.c_uint(_EXCHANGE))
    except (AttributeError, OSError, TypeError):
        return False
    return bool(done == 0)
