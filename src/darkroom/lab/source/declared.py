"""Declarations of experiments, figures and metrics, as they are read, cached and sent to workers."""

from __future__ import annotations

from typing import Any

import msgspec

from darkroom.core.variant import Variant
from darkroom.lab.source.edges import AnyEdge


class Parameter(msgspec.Struct, frozen=True):
    """A keyword-only parameter: its literal default, tuples as lists, and its annotation as written."""

    name: str
    value: Any
    annotation: str


class DeclaredDrawing(msgspec.Struct, frozen=True, kw_only=True):
    """A figure or a metric, as its source declares it; faults of its texts are reported at ``line``."""

    name: str
    line: int
    edges: list[AnyEdge]
    parameters: list[Parameter]
    caption: str = ""
    alt: str = ""


class DeclaredExperiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment as its source declares it.

    ``name`` is that of its function, ``results`` are the names of what it returns, if they are declared, ``temporary`` are
    results that only other experiments read, and ``run_parameter`` is the name of the parameter that takes the ``Run``, or
    "". ``has_code`` is whether its function does more than to raise NotImplementedError, if that: the results of one that
    does not are imported, or it is yet to be written.
    """

    name: str
    line: int
    summary: str
    device: str
    minutes: float
    gpu_minutes: float
    results: list[str] = []
    temporary: list[str] = []
    has_code: bool = True
    run_parameter: str
    edges: list[AnyEdge]
    parameters: list[Parameter]
    figures: list[DeclaredDrawing] = []
    metrics: list[DeclaredDrawing] = []


class DrawingRecipe(DeclaredDrawing, frozen=True, kw_only=True):
    """A figure or a metric that is bound to what it names.

    ``code`` is every definition that its function reaches, by name, and ``modules`` where they stand.
    """

    code: dict[str, str]
    modules: list[str]


class ExperimentRecipe(DeclaredExperiment, frozen=True, kw_only=True):
    """An experiment that is bound to what it names.

    ``code`` is every definition that the function reaches, ``modules`` where they stand, ``packages`` what it imports
    from outside the project. ``model`` is the name of the model that it uses, itself or through an upstream, or "".
    ``variant`` says what is set, if it is a variant of the declared experiment.
    """

    id: str
    module: str
    path: str
    figures: list[DrawingRecipe]  # type: ignore[assignment]
    metrics: list[DrawingRecipe]  # type: ignore[assignment]
    code: dict[str, str]
    modules: list[str]
    packages: list[str]
    model: str = ""
    variant: Variant | None = None

    @property
    def upstreams(self) -> list[str]:
        """The ids of the experiments whose results this one takes."""
        return [edge.upstream for edge in self.edges if edge.upstream]
