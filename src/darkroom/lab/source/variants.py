"""Variants: experiments with other parameters than those declared, kept beside the originals.

``run part_b/guidance --set gammas=0,1`` stores ``part_b/guidance@gammas-0-1``, with outputs, key, state and figures of its
own. What else of the same variant takes results from it takes them from the variant: ``--downstream`` makes variants of
all that depends on it. A variant exists if it has outputs, or is asked for; its settings are in its manifest.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from darkroom.core.errors import DamagedOutputs, UsageError
from darkroom.core.manifest import NAME, read
from darkroom.core.paths import PART_BYTES, folded
from darkroom.core.variant import Variant
from darkroom.lab.source.discover import Project

_LONGEST = 60  # characters of a name that is made of settings
_IN_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")

Settings = Mapping[str, Any]


class Variation(msgspec.Struct, frozen=True):
    """A variant's name, and what is set for each experiment of it, by the experiment's id without that name."""

    name: str
    settings: Mapping[str, Settings]


def stored_variations(outputs: Path, stored: Iterable[str], models: Collection[str]) -> tuple[Variation, ...]:
    """The variants that *outputs* holds.

    Args:
        outputs: the folder of outputs.
        stored: the ids of everything that has outputs there.
        models: the names of models, whose variants have no settings.
    """
    found: dict[str, dict[str, Settings]] = {}
    for identity in stored:
        base, _, name = identity.rpartition("@")
        if not base or name in models:
            continue
        try:
            manifest = read(outputs / identity / NAME, identity, drawable=True)
        except DamagedOutputs:  # its settings are unknown
            continue
        if manifest is not None and manifest.variant is not None:
            found.setdefault(name, {})[base] = manifest.variant.settings
    return tuple(Variation(name, settings) for name, settings in sorted(found.items()))


def merged(known: Iterable[Variation], new: Variation) -> tuple[Variation, ...]:
    """*known* with the experiments of *new*, whose settings replace those of the same experiment and name."""
    by_name = {each.name: each for each in known}
    settings = {**(by_name[new.name].settings if new.name in by_name else {}), **new.settings}
    return tuple((by_name | {new.name: Variation(new.name, settings)}).values())


def with_variations(project: Project, variations: Iterable[Variation]) -> Project:
    """*project* with an experiment for every variant of one that it declares."""
    experiments = dict(project.experiments)
    for each in variations:
        members = {base for base in each.settings if base in project.experiments}
        for base in members:
            recipe = _varied(project.experiments[base], each.name, each.settings[base], members)
            experiments[recipe.id] = recipe
    return msgspec.structs.replace(project, experiments=experiments)


def _varied(recipe: Any, name: str, settings: Settings, members: Collection[str]) -> Any:
    """*recipe* with *settings*; what *members* have computed is taken from their variants."""

    def bound(edges: list[Any]) -> list[Any]:
        return [edge.of_variant(name, members) for edge in edges]

    parameters = [
        msgspec.structs.replace(each, value=settings[each.name]) if each.name in settings else each
        for each in recipe.parameters
    ]
    return msgspec.structs.replace(
        recipe,
        id=f"{recipe.id}@{name}",
        variant=Variant(name, dict(settings)),
        edges=bound(recipe.edges),
        parameters=parameters,
        figures=[msgspec.structs.replace(each, edges=bound(each.edges)) for each in recipe.figures],
        metrics=[msgspec.structs.replace(each, edges=bound(each.edges)) for each in recipe.metrics],
    )


def is_declared(recipe: Any, settings: Settings) -> bool:
    """Whether an experiment has these parameters as it is declared; 5 is 5.0 where only a float is meant."""
    import ast

    from darkroom.lab.source.values import as_float

    declared = {
        each.name: as_float(each.value, ast.parse(each.annotation, mode="eval").body) for each in recipe.parameters
    }
    return are_same({name: declared[name] for name in settings}, settings)


def are_same(one: Settings, other: Settings) -> bool:
    """Whether settings are equal, in value and in type: 1 is neither 1.0 nor True."""
    return told_apart(one) == told_apart(other)


def told_apart(settings: Settings) -> str:
    """Settings as a text that differs where they do."""
    return json.dumps(settings, sort_keys=True)


KEPT = "{}: it was run with {}; its results stay, and run --set makes others"


def lost(recipe: Any, inputs: Collection[str], known: Collection[str]) -> str:
    """What a variant was made with and is no longer there, so that a run would make something else; "" if there is nothing.

    Args:
        recipe: the variant as it would be run now.
        inputs: of its stored results.
        known: the ids of all experiments and variants.
    """
    if recipe.variant is None:
        return ""
    base = recipe.id.removesuffix(f"@{recipe.variant.name}")
    if gone := sorted(recipe.variant.settings.keys() - {each.name for each in recipe.parameters}):
        return f"{written(recipe.variant.settings)}, and {base} has no parameter {gone[0]!r} any longer"
    upstreams = (each.partition(":")[2] for each in inputs)
    if gone := sorted(each for each in upstreams if each.endswith(f"@{recipe.variant.name}") and each not in known):
        return f"results of {gone[0]}, which is not there any longer"
    if not recipe.variant.settings and not any(each.endswith(f"@{recipe.variant.name}") for each in recipe.upstreams):
        return "results of another variant, which is not there any longer"
    return ""


def name_of(settings: Settings) -> str:
    """A name for a variant with *settings*, such as ``epochs-3_rate-0.001``; a long one ends in a digest."""
    name = "_".join(f"{_in_name(key)}-{_in_name(value)}" for key, value in settings.items())
    return name if len(name) <= _LONGEST else _with_digest(name, settings)


def names_of(points: Iterable[Settings]) -> dict[str, Settings]:
    """Variants with different settings by their names; of those that would be called alike, each ends in a digest.

    Some file systems ignore case.
    """
    points = list(points)
    names = [name_of(point) for point in points]
    count = Counter(map(folded, names))
    return {
        name if count[folded(name)] == 1 else _with_digest(name, point): point
        for name, point in zip(names, points, strict=True)
    }


def _with_digest(name: str, settings: Settings) -> str:
    return f"{name[: _LONGEST - 9].rstrip('-_.')}-{sha256(repr(sorted(settings.items())).encode()).hexdigest()[:8]}"


def _in_name(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "-".join(map(_in_name, value)) or "empty"
    if isinstance(value, int | float):
        short = f"{value:g}"
        return (short if isinstance(value, float) and float(short) == value else str(value)).replace("+", "")
    plain = str(value)
    return "".join(sign if sign in _IN_NAMES else "-" for sign in plain).strip("-.") or "empty"


def written(settings: Settings) -> str:
    """Settings as they are given on a command line: ``gammas=0,1, rate=0.001``."""
    return ", ".join(f"{name}={as_given(value)}" for name, value in settings.items())


def as_given(value: Any) -> str:
    """A parameter's value as it is given after ``--set name=``; a text in quotes where it would be read as something else."""
    if isinstance(value, str):
        return value if value.isprintable() and not _is_literal(value) else repr(value)
    return ",".join(map(as_given, value)) if isinstance(value, list | tuple) else str(value)


def _is_literal(text: str) -> bool:
    """Whether a text is that of a number, a truth value or nothing."""
    try:
        float(text)
    except ValueError:
        return text.capitalize() in {"True", "False", "None"}
    return True


def check_name(name: str, models: Iterable[str]) -> None:
    """Refuse what cannot be the name of a variant.

    Raises:
        UsageError: it is empty or too long, has other signs than letters, digits, ``_``, ``.`` and ``-``, begins with a dot
            or a hyphen, or is the name of a model.
    """
    if (
        not name
        or name[0] in ".-"
        or not _IN_NAMES.issuperset(name)
        or name.endswith(".")
        or len(name) > PART_BYTES // 2
    ):
        raise UsageError(f"--as {name!r}: not a name of a variant; use letters, digits, _, . and -, such as --as wide")
    if same := next((each for each in models if folded(each) == folded(name)), ""):
        raise UsageError(f"--as {name}: {same!r} is a model of experiments/models.toml; choose another name")
