"""Devices compute in what they are quick in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from darkroom.diffusion import arithmetic
from darkroom.diffusion.arithmetic import fitting, free_memory, has_bfloat16, sampling_dtype, training_dtype
from darkroom.diffusion.train import Denoising, Recipe, Trainer


class Seen(torch.nn.Module):
    """One convolution that remembers what it computed in."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        result = self.convolution(z)
        self.dtype = result.dtype
        return result


@pytest.fixture(autouse=True)
def _measured_anew():
    """What one test pretends of the processor, the next does not find remembered."""
    arithmetic._bfloat16_is_faster_here.cache_clear()
    yield
    arithmetic._bfloat16_is_faster_here.cache_clear()


@pytest.mark.parametrize(("has", "bfloat16_takes", "quick"), [(True, 1, True), (True, 4, False), (False, 1, False)])
def test_a_training_computes_in_bfloat16_where_that_is_quicker(monkeypatch, has, bfloat16_takes, quick):
    """Without the instructions it is emulated; on some processors that have them float32 is still twice as fast."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has)
    takes = {torch.bfloat16: bfloat16_takes, torch.float32: 2}
    monkeypatch.setattr(arithmetic, "_seconds_to_convolve", lambda images, weights: takes[weights.dtype])
    network, images = Seen(), np.zeros((4, 3, 8, 8), np.uint8)
    trainer = Trainer(network, Denoising(0.5), Recipe(1, 4, 1e-3), images, np.zeros(4, np.int64), device="cpu", seed=1)
    list(trainer.run())
    assert network.dtype == (torch.bfloat16 if quick else torch.float32)
    layout = torch.channels_last if quick else torch.contiguous_format
    assert network.convolution.weight.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(
    ("capability", "trains_in", "samples_in"),
    [
        ((9, 0), torch.bfloat16, torch.bfloat16),
        ((8, 0), torch.bfloat16, torch.bfloat16),
        ((7, 5), torch.float16, torch.float16),
        ((7, 0), torch.float16, torch.float16),
        ((6, 1), torch.float32, torch.float16),
    ],
)
def test_gpus_are_asked_for_their_capability(monkeypatch, capability, trains_in, samples_in):
    """Ampere and later have bfloat16. A T4 trains and samples in float16, whatever torch says of emulation."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert has_bfloat16("cuda") == (trains_in == torch.bfloat16)
    assert training_dtype("cuda") == trains_in
    assert sampling_dtype("cuda") == samples_in


def test_apple_s_gpu_computes_in_float32():
    """For training and sampling alike."""
    assert not has_bfloat16("mps") and training_dtype("mps") == sampling_dtype("mps") == torch.float32


@pytest.mark.parametrize(
    ("free", "kept", "rows"),
    [(100_000, 0, 50), (9_800, 0, 32), (6_000, 3_800, 32), (2_000, 0, 8), (6_400, 0, 32), (10, 0, 1)],
)
def test_what_goes_through_a_network_at_once_fits_into_half_of_what_is_free(monkeypatch, free, kept, rows):
    """As many as were asked for, or a power of 2; what torch keeps there and has not given out is free too."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, 10**6))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: kept + 7_000)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 7_000)
    assert fitting("cuda", 50, 100) == rows
    assert fitting("cpu", 50, 10**12) == 50
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: free + 7_000)
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 7_000 - kept)
    assert fitting("mps", 50, 100) == rows


def test_memory_that_only_caches_files_is_free(monkeypatch, tmp_path):
    """A model that has just been downloaded fills main memory with its files; they make room."""
    told = tmp_path / "meminfo"
    monkeypatch.setattr(arithmetic, "_MEMORY", told)
    assert free_memory("cpu") is None
    told.write_text("MemTotal:       8000 kB\nMemFree:         100 kB\nMemAvailable:   6000 kB\n")
    assert free_memory("cpu") == 6000 * 1024
    told.write_text("MemTotal:       8000 kB\n")
    assert free_memory("cpu") is None
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 900)
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 200)
    assert free_memory("mps") == 700


def test_what_is_called_float32_is_computed_in_float32():
    """NVIDIA's GPUs keep 10 bits of a convolution's inputs unless they are told not to; what was set before comes back."""
    from experiments.part_b.digits import probabilities, read

    flags = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [flag.allow_tf32 for flag in flags]
    seen = []

    class Watched(torch.nn.Module):
        def features(self, images: torch.Tensor) -> torch.Tensor:
            seen.extend(flag.allow_tf32 for flag in flags)
            return images.flatten(1)

        def head(self, features: torch.Tensor) -> torch.Tensor:
            return features

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.features(images)

    try:
        for flag in flags:
            flag.allow_tf32 = True
        read(Watched(), np.zeros((3, 28, 28), np.uint8), "cpu")
        probabilities(Watched(), np.zeros((3, 28, 28), np.uint8), "cpu")
        assert seen == [False] * 4 and [flag.allow_tf32 for flag in flags] == [True, True]
    finally:
        for flag, value in zip(flags, before, strict=True):
            flag.allow_tf32 = value
