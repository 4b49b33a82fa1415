"""Edges: the inputs that positional parameters of experiments and figures are bound to, a class for each kind.

A kind defines how it is written, what it refers to, what represents that in a key, and what a run receives. Besides its
class, a new kind needs a function in ``declare`` that is written in signatures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import msgspec

from darkroom.core.errors import ExperimentError, UsageError, nearest
from darkroom.lab.source.weights import Model, Network, TextSource, Weights, WeightsSource, is_commit

if TYPE_CHECKING:
    from darkroom.lab.outputs.datasets import Dataset
    from darkroom.lab.outputs.results import Results

EXPERIMENTS = "experiments"
DATA = f"{EXPERIMENTS}/data.toml"
MODELS = f"{EXPERIMENTS}/models.toml"


class Unbound(Exception):
    """An edge has an unknown name; the message offers known ones."""


class Known(Protocol):
    """What the edges of a module can be bound to."""

    @property
    def datasets(self) -> Mapping[str, str]: ...
    @property
    def roles(self) -> Mapping[str, WeightsSource]: ...
    @property
    def experiments(self) -> Collection[str]: ...
    def experiment(self, name: str) -> str | None: ...


class State(Protocol):
    """The digests of what edges lead to: of a data set, a file and a folder of the project, an experiment's results.

    A file that is not there has a digest of its own; results that are not there have "".
    """

    def dataset(self, name: str) -> str: ...
    def file(self, path: str) -> str: ...
    def folder(self, path: str) -> str: ...
    def results(self, experiment: str) -> str: ...


class EdgeValues(Protocol):
    """The values that edges are bound to."""

    def dataset(self, name: str) -> Dataset: ...
    def path(self, path: str) -> Path: ...
    def results(self, experiment: str) -> Results: ...
    def class_named(self, network: Network | None) -> Any: ...


class InputEdge(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """A positional parameter and what it is bound to. ``target`` is as written until it is bound.

    Attributes:
        word: what it is called in signatures and in keys.
        example: how it is written, for messages.
        takes_name: whether it takes a name of the module, in place of a text.
        options: the keywords that it takes.
    """

    parameter: str
    target: str
    line: int = 0
    column: int = 0

    word: ClassVar[str]
    example: ClassVar[str]
    takes_name: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """How a manifest names the input, such as ``upstream:part_b/denoiser``."""
        return f"{self.word}:{self.target}"

    @property
    def upstream(self) -> str:
        """The id of the experiment whose results it leads to, or ""."""
        return ""

    @classmethod
    def refuse(cls, target: str) -> str:
        """What is wrong with a target as written, or ""."""
        return ""

    def bound(self, known: Known) -> Self:
        """The same, bound to what there is.

        Raises:
            Unbound: there is none of that name.
        """
        return self

    def digest(self, state: State) -> str:
        """What represents its value in a key; "" for an upstream without results."""
        raise NotImplementedError

    def value(self, values: EdgeValues) -> object:
        """What a run receives."""
        raise NotImplementedError

    def digest_of(self, value: Any, values: EdgeValues) -> str:
        """The digest of what a run has received, "" if it cannot have changed since the plan was made.

        Raises:
            UsageError: it does not exist.
        """
        return ""

    def draws(self, drawing: Collection[str]) -> bool:
        """Whether it leads to a model, or to one of the experiments that are *drawing* with one."""
        return self.target in drawing

    def lacks(self, model: Model, lacking: Collection[str]) -> bool:
        """Whether *model* cannot replace the default one here; *lacking* are experiments that it cannot run."""
        return self.target in lacking

    def drawn_with(self, model: Model, has_variant: Collection[str]) -> Self:
        """The same for a variant with *model*; *has_variant* are the experiments that have one."""
        return self

    def of_variant(self, name: str, members: Collection[str]) -> Self:
        """The same in the variant *name*, to which the experiments *members* belong."""
        return self

    @property
    def published(self) -> list[tuple[str, str]]:
        """What it takes from the hub, with the revision."""
        return []


class UpstreamEdge(InputEdge, frozen=True, kw_only=True, tag="upstream"):
    """The stored results of another experiment."""

    word = "upstream"
    example = "upstream(time_conditioned)"
    takes_name = True

    @property
    def upstream(self) -> str:
        return self.target

    def bound(self, known: Known) -> Self:
        identity = known.experiment(self.target)
        if identity is None:
            offer = nearest(self.target, known.experiments)
            raise Unbound(f"{self.target!r} is not an experiment{offer}; import one and name it")
        return msgspec.structs.replace(self, target=identity)

    def digest(self, state: State) -> str:
        return state.results(self.target)

    def value(self, values: EdgeValues) -> object:
        return values.results(self.target)

    def digest_of(self, value: Any, values: EdgeValues) -> str:
        return str(value.digest)

    def drawn_with(self, model: Model, has_variant: Collection[str]) -> Self:
        if self.target not in has_variant:
            return self
        return msgspec.structs.replace(self, target=f"{self.target}@{model.name}")

    def of_variant(self, name: str, members: Collection[str]) -> Self:
        return msgspec.structs.replace(self, target=f"{self.target}@{name}") if self.target in members else self


class DatasetEdge(InputEdge, frozen=True, kw_only=True, tag="dataset"):
    """A data set of ``experiments/data.toml``."""

    word = "dataset"
    example = 'dataset("mnist")'

    def bound(self, known: Known) -> Self:
        if self.target not in known.datasets:
            raise Unbound(f"no data set {self.target!r}{nearest(self.target, known.datasets)}; declare it in {DATA}")
        return self

    def digest(self, state: State) -> str:
        return state.dataset(self.target)

    def value(self, values: EdgeValues) -> object:
        return values.dataset(self.target)


class AssetEdge(InputEdge, frozen=True, kw_only=True, tag="asset"):
    """A file under ``experiments/``."""

    word = "asset"
    example = 'asset("images/cat.png")'

    @property
    def path(self) -> str:
        """From the root of the project."""
        return f"{EXPERIMENTS}/{self.target}"

    @classmethod
    def refuse(cls, target: str) -> str:
        leads_out = target.startswith(("/", "\\")) or ".." in target.split("/") or ":" in target
        return f"asset {target!r} must lie under experiments/; write {cls.example}" if leads_out else ""

    def digest(self, state: State) -> str:
        return state.file(self.path)

    def value(self, values: EdgeValues) -> object:
        return values.path(self.path)

    def digest_of(self, value: Any, values: EdgeValues) -> str:
        from hashlib import sha256

        if not value.is_file():
            raise UsageError(f"asset {self.target} was not found; put it at {self.path}")
        return sha256(value.read_bytes()).hexdigest()


class WeightsEdge(InputEdge, frozen=True, kw_only=True, tag="weights"):
    """Weights of a model: those of a role, from its ``source``, or published ones at a ``revision``."""

    revision: str = ""
    source: WeightsSource | None = None

    word = "weights"
    example = 'weights("stage_1"), or weights("deepfloyd/IF-I-M-v1.0", revision="...")'
    options = ("revision",)

    @property
    def upstream(self) -> str:
        return self.source.upstream if self.source is not None else ""

    def bound(self, known: Known) -> Self:
        if self.revision:
            return self
        if self.target not in known.roles:
            offer = nearest(self.target, known.roles)
            raise Unbound(f"no model has weights named {self.target!r}{offer}; declare them in {MODELS}")
        return msgspec.structs.replace(self, source=known.roles[self.target])

    def digest(self, state: State) -> str:
        if self.upstream:
            return state.results(self.upstream)
        return self.source.digest(state) if self.source is not None else self.revision

    def value(self, values: EdgeValues) -> object:
        source = self.source
        if source is None:
            return Weights(self.target, self.revision)
        code = values.class_named(source.network)
        if source.upstream:
            return Weights(str(values.results(source.upstream)[source.result]), "", source.network, code)
        text, embeddings = None, None
        if source.text is not None:
            text = Weights(_place(source.text, values), source.text.revision) if source.text.kind else None
            embeddings = values.path(source.text.embeddings) if source.text.embeddings else None
        return Weights(_place(source, values), source.revision, source.network, code, text, embeddings)

    def digest_of(self, value: Any, values: EdgeValues) -> str:
        return values.results(self.upstream).digest if self.upstream else ""

    def draws(self, drawing: Collection[str]) -> bool:
        return self.source is not None

    def lacks(self, model: Model, lacking: Collection[str]) -> bool:
        return self.source is not None and self.target not in model.roles

    def drawn_with(self, model: Model, has_variant: Collection[str]) -> Self:
        return msgspec.structs.replace(self, source=model.roles[self.target]) if self.source is not None else self

    def of_variant(self, name: str, members: Collection[str]) -> Self:
        if self.source is None or self.upstream not in members:
            return self
        return msgspec.structs.replace(self, source=self.source.of_variant(name))

    @property
    def published(self) -> list[tuple[str, str]]:
        if self.source is None:
            return [(self.target, self.revision)]
        both: list[WeightsSource | TextSource] = [self.source, *([self.source.text] if self.source.text else [])]
        return [(each.place, each.revision) for each in both if each.is_published]


def _place(source: WeightsSource | TextSource, values: EdgeValues) -> str:
    return source.place if source.is_published else str(values.path(source.place))


AnyEdge = UpstreamEdge | DatasetEdge | AssetEdge | WeightsEdge
KINDS: dict[str, type[AnyEdge]] = {kind.word: kind for kind in (UpstreamEdge, DatasetEdge, AssetEdge, WeightsEdge)}
"""Every kind by the word that signatures use."""


def unpinned(edges: Collection[AnyEdge]) -> list[tuple[str, str]]:
    """What edges take from the hub at a revision that its publisher may move, with that revision."""
    taken = dict.fromkeys(each for edge in edges for each in edge.published)
    return [(place, revision) for place, revision in taken if not is_commit(revision)]


def changed(identity: str, edge: AnyEdge) -> ExperimentError:
    """The error when an input has changed since the plan was made."""
    return ExperimentError(f"{identity}: {edge.target} changed while the run was starting; run it again")
