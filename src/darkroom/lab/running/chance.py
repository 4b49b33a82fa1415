"""Whether a run drew random numbers that nothing seeded.

The generators that all code of a process shares, those of ``random``, ``numpy.random`` and torch (CPU and CUDA), are looked
at before a run and after it: if one has moved on and was not seeded meanwhile, something was drawn from it. A
``numpy.random.default_rng()`` without a seed is noticed as it is made. Draws of other generators and of other processes,
such as workers that load data, are not seen.

Whether the results depend on what was drawn is another question: a network whose weights are replaced after it was built
has drawn the first ones. ``run --twice`` answers it.
"""

from __future__ import annotations

import functools
import importlib
import pickle
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

_seeded: set[str] = set()  # since the last ``Watch`` began
_made: set[str] = set()  # generators that were made without a seed


def notice_seeding() -> None:
    """From now on calls are noticed that seed generators, or make one without a seed; call it before others import them."""

    def noticed(function: Callable[..., Any], with_seed: set[str], without: set[str], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            has_seed = any(each is not None for each in (*arguments, *named.values()))
            (with_seed if has_seed else without).add(name)
            return function(*arguments, **named)

        return call

    random.seed = noticed(random.seed, _seeded, set(), "random")
    np.random.seed = noticed(np.random.seed, _seeded, set(), "numpy")
    np.random.default_rng = noticed(np.random.default_rng, set(), _made, "numpy")


class Watch:
    """Looks at the shared generators from the beginning of a run on *device*.

    They begin anywhere, as in a new process, whatever an earlier run in this one has seeded.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        random.seed()
        np.random.seed()
        torch = sys.modules.get("torch")
        self._torch_seed = torch.seed() if torch else None
        _seeded.clear()
        _made.clear()
        self._before = self._states()

    def unseeded(self) -> list[str]:
        """The modules from whose generators something was drawn since, and that were not seeded."""
        after, drawn = self._states(), set(_made)
        drawn |= {name for name in ("random", "numpy") if name not in _seeded and self._before[name] != after[name]}
        if torch := sys.modules.get("torch"):
            known = (
                self._torch_seed is not None
            )  # else it was imported during the run, and nothing is known of it before
            if known and torch.initial_seed() == self._torch_seed and self._before["torch"] != after["torch"]:
                drawn.add("torch")
        return [name for name in ("random", "numpy", "torch") if name in drawn]

    def _states(self) -> dict[str, Any]:
        found: dict[str, Any] = {"random": random.getstate(), "numpy": pickle.dumps(np.random.get_state(legacy=False))}
        if torch := sys.modules.get("torch"):
            states = [torch.get_rng_state()]
            if self._device == "cuda":
                states.append(importlib.import_module("torch.cuda").get_rng_state())
            found["torch"] = [state.numpy().tobytes() for state in states]
        return found
