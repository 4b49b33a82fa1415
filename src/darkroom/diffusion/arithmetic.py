"""What a device computes quickly in."""

from __future__ import annotations

import torch


def has_bfloat16(device: str) -> bool:
    """Whether *device* has instructions for bfloat16; others emulate it, ten times slower than float32.

    CPUs with AVX-512 bf16 or AMX have, and NVIDIA's GPUs from Ampere on (compute capability 8). A T4 has not, though
    ``torch.cuda.is_bf16_supported`` says yes of it, which counts emulation.
    """
    if device == "cpu":
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
    return device == "cuda" and torch.cuda.get_device_capability()[0] >= 8


def sampling_dtype(device: str) -> torch.dtype:
    """The type that networks are run in, under autocast, where no gradients are wanted; float32 for none.

    bfloat16 where the device has it; float16 on older NVIDIA GPUs, whose range is enough for activations, not for gradients.
    """
    if has_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if device == "cuda" else torch.float32
