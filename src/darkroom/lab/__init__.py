"""Experiments as a build: declared as functions, keyed by what they depend on, run once, stored as files.

Experiment modules import everything that declarations need from here. It must be importable without torch: what needs
torch is imported inside the functions that use it, so that figures are drawn on machines without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from darkroom.lab.declare import Experiment, asset, dataset, experiment, upstream, weights
    from darkroom.lab.outputs.datasets import Dataset
    from darkroom.lab.outputs.results import Results
    from darkroom.lab.running.run import Run
    from darkroom.lab.source.weights import Weights

_HOMES = {
    "Dataset": "outputs.datasets",
    "Experiment": "declare",
    "Results": "outputs.results",
    "Run": "running.run",
    "Weights": "source.weights",
    "asset": "declare",
    "dataset": "declare",
    "experiment": "declare",
    "upstream": "declare",
    "weights": "declare",
}

__all__ = [
    "Dataset",
    "Experiment",
    "Results",
    "Run",
    "Weights",
    "asset",
    "dataset",
    "experiment",
    "upstream",
    "weights",
]


def __getattr__(name: str) -> object:
    """Import only what is asked for: a warm plan must not pay for declarations."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
