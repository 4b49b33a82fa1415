"""What the lab hands an experiment, in memory: a handle, and stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch


class Handle:
    """A run on the CPU that keeps its checkpoint in memory and counts what it is told."""

    device = "cpu"

    def __init__(self) -> None:
        self.kept: Mapping[str, Any] | None = None
        self.told: list[tuple[float, float]] = []

    def progress(self, done: float, total: float, unit: str = "steps", **numbers: float) -> None:
        self.told.append((done, total))

    def save(self, state: Mapping[str, Any]) -> None:
        self.kept = state

    def load(self) -> Mapping[str, Any] | None:
        return self.kept


class Stored(dict):
    """Results as the lab would hand them on: arrays, with the parameters that made them."""

    def __init__(self, results: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        super().__init__({name: as_stored(value) for name, value in results.items()})
        self.parameters = parameters


def as_stored(value: Any) -> Any:
    return value.cpu().numpy() if isinstance(value, torch.Tensor) else value


class Killed(Handle):
    """A run that is interrupted as soon as it has kept a checkpoint."""

    def save(self, state: Mapping[str, Any]) -> None:
        super().save(detached(state))
        raise KeyboardInterrupt


def detached(state: Any) -> Any:
    """A copy of *state* that later steps do not change, as a checkpoint on disk would be."""
    if isinstance(state, Mapping):
        return {name: detached(value) for name, value in state.items()}
    if isinstance(state, torch.Tensor):
        return state.detach().cpu().numpy().copy()
    return state.copy() if isinstance(state, np.ndarray) else state


def in_steps(patch: pytest.MonkeyPatch, times: Sequence[int]) -> None:
    """Have experiments make pipelines that go along *times*."""
    from experiments.cascade import Pipeline

    patch.setattr("experiments.cascade.Pipeline", partial(Pipeline, times=times))
