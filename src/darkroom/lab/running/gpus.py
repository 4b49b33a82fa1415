"""The GPUs of this machine, one for each experiment.

A GPU is named as CUDA_VISIBLE_DEVICES names it: by its number, or by NVIDIA's names for it and its parts (UUIDs, MIG).
Only its own is visible to a worker, under the name "cuda".
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from darkroom.core.errors import DeviceUnavailable

ANY = ""  # the only one, or torch's choice
VISIBLE = "CUDA_VISIBLE_DEVICES"
_PROBE = """
import torch
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
print(count or ("mps" if torch.backends.mps.is_available() else 0))
"""


def likely() -> int:
    """How many GPUs there seem to be, without starting torch: as many as the driver or the environment lists."""
    if VISIBLE in os.environ:
        return len(_listed(os.environ[VISIBLE]))
    try:
        return len(list(Path("/proc/driver/nvidia/gpus").iterdir()))
    except OSError:
        return 1


def possible() -> bool:
    """Whether torch may find a GPU: on Linux there are device files of its driver, or the environment lists some."""
    if not sys.platform.startswith("linux"):
        return True
    return VISIBLE in os.environ or any(os.path.exists(path) for path in _DEVICE_FILES)  # noqa: PTH110


_DEVICE_FILES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")  # NVIDIA's, of WSL, AMD's


def present() -> list[str]:
    """The GPUs that torch finds, in its order; found by another process, since it takes seconds."""
    command = [sys.executable, "-P", "-c", _PROBE]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | _ordered())
    found = done.stdout.split()
    if done.returncode or not found:
        return []
    if found[-1] == "mps":
        return [ANY]
    count = int(found[-1])
    listed = _listed(os.environ[VISIBLE]) if VISIBLE in os.environ else [str(number) for number in range(count)]
    parts = [each for each in listed if each.startswith("MIG-")]
    return parts if count and parts else listed[:count]  # of parts, a process sees one, however many are listed


def chosen(numbers: tuple[int, ...], there: list[str]) -> list[str]:
    """Those of the GPUs *there* that *numbers* name, counted from 0.

    Raises:
        DeviceUnavailable: there are fewer.
    """
    if lost := [number for number in numbers if number >= len(there) or there[number] == ANY]:
        count = len([each for each in there if each != ANY])
        seen = f"{count} NVIDIA GPU{'s' * (count != 1)}" if count else "no NVIDIA GPU"
        raise DeviceUnavailable(
            f"no GPU {', '.join(map(str, lost))}: torch finds {seen} on this machine, counted from 0"
        )
    return [there[number] for number in numbers]


def environment(gpu: str) -> Mapping[str, str]:
    """The environment variables that make *gpu* alone visible to a worker."""
    return {} if gpu == ANY else {VISIBLE: gpu, **_ordered()}


def _ordered() -> dict[str, str]:
    """Numbers are those of ``nvidia-smi``, unless the environment has already chosen and ordered the GPUs."""
    return {} if VISIBLE in os.environ else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]
