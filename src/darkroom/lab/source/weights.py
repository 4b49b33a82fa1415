"""Weights of models: where they come from, how their network is called, and what a run receives."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

HEX = frozenset("0123456789abcdef")


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a network of flow matching is called and read: the fields of ``darkroom.diffusion.pretrained.Convention``.

    ``null`` is its null prompt. ``guidance`` is the convention in which the model's parameter ``gamma`` is given: "gamma" is
    ours, v_u + gamma (v_c - v_u); "w" is v_c + w (v_c - v_u).
    """

    prediction: Literal["velocity", "data", "noise"] = "velocity"
    times: tuple[float, float] = (0.0, 1.0)
    noise_scale: float = 1.0
    side: int = 0
    tokens: int = 77
    lower: bool = False
    masked: bool = True
    code: str = ""
    null: str = ""
    guidance: Literal["gamma", "w"] = "gamma"


class TextSource(msgspec.Struct, frozen=True):
    """The encoder of a model's prompts: a pipeline's text encoder, on the hub or in a folder, or a file of embeddings.

    ``kind`` is empty for the text encoder that is beside the weights, ``embeddings`` for none.
    """

    kind: str = ""
    place: str = ""
    revision: str = ""
    embeddings: str = ""

    @property
    def is_published(self) -> bool:
        """Whether the encoder is on the hub."""
        return self.kind == "hub"

    def digest(self, state: Any) -> str:
        """What represents it in a key."""
        encoder = f" text {_of_source(self, state)}" if self.kind else ""
        return f"{encoder} embeddings {state.file(self.embeddings)}" if self.embeddings else encoder


class WeightsSource(msgspec.Struct, frozen=True):
    """Where weights come from: an experiment's result, a name on the hub, or a folder; and how their network is called.

    ``text`` is None where prompts are read by the text encoder that is beside the weights.
    """

    kind: str
    place: str
    result: str = ""
    revision: str = ""
    network: Network | None = None
    text: TextSource | None = None

    @property
    def upstream(self) -> str:
        """The experiment whose result they are, or ""."""
        return self.place if self.kind == "upstream" else ""

    def of_variant(self, name: str) -> WeightsSource:
        """The same result of a variant of that experiment."""
        return msgspec.structs.replace(self, place=f"{self.place}@{name}")

    @property
    def is_published(self) -> bool:
        """Whether they are on the hub."""
        return self.kind == "hub"

    def digest(self, state: Any) -> str:
        """What represents weights from outside the project in a key: their place, network and text."""
        network = f" {msgspec.json.encode(self.network).decode()}" if self.network else ""
        return f"{_of_source(self, state)}{network}{self.text.digest(state) if self.text else ''}"


def _of_source(source: WeightsSource | TextSource, state: Any) -> str:
    return f"{source.place}@{source.revision}" if source.is_published else str(state.folder(source.place))


class Model(msgspec.Struct, frozen=True):
    """A model: what it is called, its weights by role, and parameters that suit it better than the defaults."""

    name: str
    title: str
    roles: dict[str, WeightsSource]
    parameters: dict[str, Any] = {}
    only: list[str] = []


class Weights(msgspec.Struct, frozen=True):
    """Weights of a model, as an experiment receives them.

    Args:
        name: a folder, or a name on the hub.
        revision: on the hub.
        network: how a network of flow matching is called and read; None for a cascade, whose files say it.
        code: the class that it names, if it names one.
        text: where its text encoder is; None for beside the weights.
        embeddings: a file of embeddings of prompts that takes the place of a text encoder, or None.
    """

    name: str
    revision: str = ""
    network: Network | None = None
    code: Any = None
    text: Weights | None = None
    embeddings: Path | None = None


def is_commit(revision: str) -> bool:
    """Whether a revision is a full commit hash, 40 hex digits, which cannot move."""
    return len(revision) == 40 and HEX.issuperset(revision)
