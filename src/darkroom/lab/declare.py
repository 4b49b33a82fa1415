r"""Declaring an experiment: the decorator, and the edges that its positional parameters are bound to.

    @experiment(device="gpu", minutes=2)
    def guidance_sweep(
        run: Run,                                        # optional
        unet: Results = upstream(class_conditioned),     # an input: another experiment, a data set, a file, weights
        *,
        gammas: tuple[float, ...] = (0.0, 1.0, 5.0),     # a parameter: literal, hashed, shown
    ) -> dict[str, object]:
        '''Class samples for each gamma.'''

    @guidance_sweep.figure(caption=r"One row per $\gamma$.", alt="Digits in columns.")
    def sweep(results: Results) -> Drawing: ...

    @guidance_sweep.metric
    def accuracy(results: Results) -> float: ...

A figure or metric may belong to several experiments: one function, with a decorator for each.

A plan reads declarations from source (``declarations``) and never runs this module; these decorators apply the same
rules when the file is imported, so that a broken rule is reported with its place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from darkroom.lab.source.weights import Weights

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


@dataclass(frozen=True)
class Bound:
    """An edge in a signature, which a run replaces by its value."""

    kind: str
    target: object


@dataclass(frozen=True, eq=False)
class Experiment:
    """A declared experiment; calling it calls its function."""

    id: str
    function: Function
    device: str
    minutes: float
    gpu_minutes: float
    results: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()
    figures: dict[str, Function] = field(default_factory=dict)
    metrics: dict[str, Function] = field(default_factory=dict)

    def __call__(self, *edges: Any, **parameters: Any) -> Any:
        """Call the plain function, outside the build."""
        return self.function(*edges, **parameters)

    def figure(self, *, caption: str, alt: str) -> Callable[[F], F]:
        """Declare a figure, drawn from stored results; its function is returned unchanged.

        Args:
            caption: Markdown with ``$math$``, a literal.
            alt: plain text for readers who cannot see the figure, a literal.
        """

        def declare(function: F) -> F:
            self.figures[function.__name__] = function
            return function

        return declare

    def metric(self, function: F) -> F:
        """Declare a metric: a number, a text, or numbers by label, computed from stored results."""
        self.metrics[function.__name__] = function
        return function


def experiment(
    *,
    device: str = "cpu",
    minutes: float = 1.0,
    gpu_minutes: float | None = None,
    results: tuple[str, ...] = (),
    temporary: tuple[str, ...] = (),
) -> Callable[[Function], Experiment]:
    """Declare an experiment.

    Args:
        device: "cpu" never uses a GPU; "gpu" uses one if there is one, else the CPU.
        minutes: rough cost on two CPU cores.
        gpu_minutes: rough cost on a small GPU, such as a T4; by default the same.
        results: names of all results. A run has to return these, and results that another program computed can be imported
            under them. A function that has nothing but a docstring declares results that are always imported.
        temporary: names of results, folders or groups of arrays, that only other experiments read, such as the weights
            of a phase of a training. Git ignores their files; where they are absent, the outputs are whole, and a run
            that reads them makes them again first.

    Raises:
        DeclarationError: its file breaks a rule of declarations; one line per fault, with path:line:column.
    """

    def declare(function: Function) -> Experiment:
        _validate(function)
        return Experiment(
            _identity(function),
            function,
            device,
            minutes,
            minutes if gpu_minutes is None else gpu_minutes,
            results,
            temporary,
        )

    return declare


def upstream(target: Experiment) -> Any:
    """The stored results of another experiment, as ``Results``."""
    return Bound("upstream", target)


def dataset(name: str) -> Any:
    """A data set of ``experiments/data.toml``, as ``Dataset``."""
    return Bound("dataset", name)


def asset(path: str) -> Any:
    """A file under ``experiments/``, such as ``images/cat.png``, as ``Path``; its content is hashed."""
    return Bound("asset", path)


def weights(name: str, *, revision: str = "") -> Any:
    """Weights, as ``Weights``.

    Args:
        name: a role that the models of ``experiments/models.toml`` have weights for, such as ``"stage_1"``: those of
            the model that is chosen. With a revision, the name of one published model.
        revision: hashed.
    """
    return Bound("weights", Weights(name, revision))


def _identity(function: Function) -> str:
    """``part_b/denoiser`` for a function of ``experiments.part_b.<any module>``."""
    folders = function.__module__.split(".")[1:-1]
    return "/".join([*folders, function.__name__])


def _validate(function: Function) -> None:
    path = Path(function.__code__.co_filename)
    try:
        content = path.read_bytes()
    except OSError:  # typed in an interactive session
        return
    _validated(content, function.__module__, _shown(path))


@cache
def _validated(content: bytes, module: str, path: str) -> None:
    from darkroom.lab.source.scan import module_record

    module_record(content, module, path, package=path.endswith("__init__.py"))


def _shown(path: Path) -> str:
    """The path as messages name it: relative to the project, where it is on the import path."""
    for place in sys.path:
        if place and path.is_relative_to(place):
            return path.relative_to(place).as_posix()
    return path.as_posix()
