"""What a device computes quickly in."""

from __future__ import annotations

import torch


def has_bfloat16(device: str) -> bool:
    """Whether *device* has instructions for bfloat16: CPUs without them emulate it, ten times slower than float32."""
    if device == "cpu":
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
    return device == "cuda"
