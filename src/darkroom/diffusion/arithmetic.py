"""Which number types are fast on a device, and how much fits into its memory at once."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn


def has_bfloat16(device: str) -> bool:
    """Whether *device* computes faster in bfloat16 than in float32.

    A CPU does if it has the instructions (others emulate bfloat16, ten times slower than float32) and if they are the
    faster ones: on AMD's Zen 4 they are twice as fast as float32, with AMX more, on Intel's CPUs without AMX half as
    fast. NVIDIA's GPUs do from Ampere on (compute capability 8). A T4 does not, though ``torch.cuda.is_bf16_supported``
    returns True for it, since it counts emulation.
    """
    if device == "cpu":
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()) and _bfloat16_is_faster_here()
    return device == "cuda" and torch.cuda.get_device_capability()[0] >= 8


@cache
def _bfloat16_is_faster_here() -> bool:
    """Time one convolution of a U-Net both ways, in turns; the best of each, so that other work does not decide."""
    weights, images = torch.ones(64, 64, 3, 3), torch.ones(16, 64, 28, 28)
    best = {torch.bfloat16: float("inf"), torch.float32: float("inf")}
    with torch.inference_mode():
        for _ in range(6):
            for dtype, least in best.items():
                best[dtype] = min(least, _seconds_to_convolve(images.to(dtype), weights.to(dtype)))
    return best[torch.bfloat16] < best[torch.float32]


def _seconds_to_convolve(images: Tensor, weights: Tensor) -> float:
    images = images.to(memory_format=torch.channels_last)
    begun = time.perf_counter()
    torch.conv2d(images, weights, padding=1)
    return time.perf_counter() - begun


@contextmanager
def exact_float32() -> Iterator[None]:
    """Compute float32 in full precision on NVIDIA's GPUs too, whose convolutions otherwise use TF32 (10 bits)."""
    kept = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = kept


def cast_once(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """*network*, or a copy for autocast to *dtype* whose weights need not be cast at every call; with the same results."""
    if dtype == torch.float32:
        return network
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            module.to(dtype)
    return network


def training_dtype(device: str) -> torch.dtype:
    """The type that networks are trained in, under autocast; float32 for none.

    bfloat16 where the device has it; float16 on NVIDIA's GPUs before Ampere whose tensor cores multiply in it (compute
    capability 7: Volta, Turing), many times faster than in float32. Its range is too small for gradients, so their loss is
    scaled (Micikevicius et al. 2018, section 3.2).
    """
    if has_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if device == "cuda" and torch.cuda.get_device_capability()[0] == 7 else torch.float32


def sampling_dtype(device: str) -> torch.dtype:
    """The type that networks are run in, under autocast, where no gradients are wanted; float32 for none.

    bfloat16 where the device has it; float16 on older NVIDIA GPUs, whose range is enough for activations, not for gradients.
    """
    if has_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if device == "cuda" else torch.float32


def fitting(device: str, most: int, bytes_each: float) -> int:
    """How many rows go through a network at once: *most*, or fewer where a GPU's memory is short.

    Half of what is free there holds them; fewer are a power of 2, so that a little more or less free memory changes nothing.
    On a CPU it is *most*: the caller decides what fits its caches.

    Args:
        bytes_each: how much memory the device needs for one row, at the peak.
    """
    if device == "cpu":
        return most
    room = max(1, int(_free_bytes(device) / 2 / bytes_each))
    return most if room >= most else 1 << (room.bit_length() - 1)


def _free_bytes(device: str) -> int:
    """The free memory of a GPU, including what torch has reserved and not allocated."""
    if device == "cuda":
        kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0] + kept)
    return int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())


def free_memory(device: str) -> int | None:
    """The free memory of *device* in bytes; of a CPU with what the system would give up its caches of files for.

    None where the system does not tell.
    """
    if device != "cpu":
        return _free_bytes(device)
    try:
        lines = _MEMORY.read_text("ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


_MEMORY = Path("/proc/meminfo")
