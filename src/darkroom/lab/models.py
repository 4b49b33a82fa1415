"""Models that experiments may draw with: declared in ``experiments/models.toml``, and chosen with ``--model``.

    [pocket]                                  the first is the default
    title = "Pocket IF"
    stage_1.upstream = "pocket_if/stage_1"    a folder that another experiment wrote: its result "pipeline"
    stage_1.result = "pipeline"

    [deepfloyd-m]
    title = "DeepFloyd IF (M)"
    stage_1.hub = "DeepFloyd/IF-I-M-v1.0"     a name on the hub, at a revision
    stage_1.revision = "main"
    parameters = { gamma = 7.0 }              what its variants have in place of the experiments' own defaults

An experiment asks for ``weights("stage_1")``, whatever the model. With the default model it is ``part_a/guidance``;
with another it is a variant of its own, ``part_a/guidance@deepfloyd-m``, with outputs, key and state of its own, and so
is everything that takes results from it. Variants are there where they have outputs, or are asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from darkroom.lab.errors import UnknownName, UsageError, nearest

KINDS = ("upstream", "hub", "folder")


class WeightsSource(msgspec.Struct, frozen=True):
    """Where weights come from: an experiment's result, a name on the hub, or a folder."""

    kind: str
    place: str
    result: str = ""
    revision: str = ""


class Model(msgspec.Struct, frozen=True):
    """A model: what it is called, its weights by role, and parameters that suit it better than the defaults."""

    name: str
    title: str
    roles: dict[str, WeightsSource]
    parameters: dict[str, Any] = {}


def declared(path: Path) -> list[Model]:
    """The models that *path* declares, the default first; none where there is no such file.

    Raises:
        UsageError: it is not TOML, or a model lacks something.
    """
    import tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    models = [_model(path, name, table) for name, table in content.items()]
    if models and models[0].parameters:
        raise UsageError(f"{path}: {models[0].name!r} is the default model; give its parameters in the experiments")
    for model in models[1:]:
        if lacking := models[0].roles.keys() - model.roles.keys():
            raise UsageError(f"{path}: model {model.name!r} has no {sorted(lacking)[0]}, which {models[0].name!r} has")
    return models


def of_folder(given: str, models: list[Model]) -> Model:
    """A model named for its folder, with a sub-folder for each role that the default model has.

    Raises:
        UsageError: there is no such folder, or a role's sub-folder is missing.
    """
    folder = Path(given).expanduser().absolute()
    if not folder.is_dir():
        known = ", ".join(model.name for model in models) or "none"
        offer = nearest(given, [model.name for model in models])
        raise UnknownName(f"--model {given}: no such model or folder{offer or f'; models: {known}'}")
    roles = models[0].roles if models else {}
    for role in roles:
        if not (folder / role).is_dir():
            raise UsageError(
                f"--model {given}: no {role}/ in that folder; put a pipeline there, as save_pretrained writes it"
            )
    return Model(folder.name, folder.name, {role: WeightsSource("folder", str(folder / role)) for role in roles})


def chosen(given: str, models: list[Model]) -> Model:
    """The model that ``--model`` names, or the one in the folder that it names."""
    named = next((model for model in models if model.name == given), None)
    return named or of_folder(given, models)


def stored(outputs: Path) -> list[str]:
    """The names of models that variants under *outputs* were made with."""
    names = {entry.rpartition("@")[2] for entry in _folders(os.fspath(outputs)) if "@" in entry}
    return sorted(names)


def _folders(base: str, depth: int = 2) -> Iterator[str]:
    try:
        entries = [entry for entry in os.scandir(base) if not entry.name.startswith(".")]
    except OSError:
        return
    for entry in (each for each in entries if each.is_dir(follow_symlinks=False)):
        yield entry.name
        if depth > 1:
            yield from _folders(entry.path, depth - 1)


def with_variants(project: Any, models: Iterable[Model]) -> Any:
    """*project* with a variant, for each of *models*, of everything that draws with the default one.

    Raises:
        UsageError: a model has a parameter that none of these experiments has, or a value that does not fit it.
    """
    experiments = dict(project.experiments)
    drawing = [recipe for recipe in project.experiments.values() if recipe.model]
    for model in models:
        if project.models and model.name != project.models[0].name:
            known = {each.name for recipe in drawing for each in recipe.parameters}
            if unknown := sorted(model.parameters.keys() - known):
                offer = nearest(unknown[0], sorted(known))
                raise UnknownName(f"model {model.name!r}: no experiment has a parameter {unknown[0]!r}{offer}")
            for recipe in drawing:
                variant = _variant(recipe, model, project.experiments)
                experiments[variant.id] = variant
    return msgspec.structs.replace(project, experiments=experiments)


def _variant(recipe: Any, model: Model, experiments: Mapping[str, Any]) -> Any:
    def bound(edges: list[Any]) -> list[Any]:
        return [_bound(edge, model, experiments) for edge in edges]

    return msgspec.structs.replace(
        recipe,
        id=f"{recipe.id}@{model.name}",
        model=model.title,
        edges=bound(recipe.edges),
        parameters=[_parameter(each, model) for each in recipe.parameters],
        figures=[msgspec.structs.replace(each, edges=bound(each.edges)) for each in recipe.figures],
        metrics=[msgspec.structs.replace(each, edges=bound(each.edges)) for each in recipe.metrics],
    )


def _parameter(declared: Any, model: Model) -> Any:
    from darkroom.lab.settings import parsed

    if declared.name not in model.parameters:
        return declared
    given = model.parameters[declared.name]
    setting = f"model {model.name!r}: {declared.name} = {given!r}"
    value = parsed(setting, given if isinstance(given, str) else repr(given), declared.annotation)
    return msgspec.structs.replace(declared, value=value)


def _bound(edge: Any, model: Model, experiments: Mapping[str, Any]) -> Any:
    if edge.source is not None:
        return msgspec.structs.replace(edge, source=model.roles[edge.target])
    if edge.kind == "upstream" and experiments[edge.target].model:
        return msgspec.structs.replace(edge, target=f"{edge.target}@{model.name}")
    return edge


def _model(path: Path, name: str, table: Any) -> Model:
    if not isinstance(table, dict) or not isinstance(table.get("title"), str):
        raise UsageError(f'{path}: model {name!r} has no title; write title = "..." under [{name}]')
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"{path}: model name {name!r}; use letters, digits, _ and -")
    parameters = table.get("parameters", {})
    if not isinstance(parameters, dict):
        raise UsageError(f"{path}: parameters of model {name!r} is no table; write parameters = {{ name = value }}")
    roles = {
        role: _source(path, name, role, given) for role, given in table.items() if role not in {"title", "parameters"}
    }
    return Model(name, table["title"], roles, parameters)


def _source(path: Path, model: str, role: str, given: Any) -> WeightsSource:
    kinds = [kind for kind in KINDS if isinstance(given, dict) and isinstance(given.get(kind), str)]
    needed = {"upstream": {"result"}, "hub": {"revision"}, "folder": set()}
    if len(kinds) != 1 or set(given) != {kinds[0], *needed[kinds[0]]}:
        raise UsageError(
            f'{path}: {role} of model {model!r} needs one of upstream = "..." and result = "..."; '
            'hub = "owner/name" and revision = "..."; or folder = "..."'
        )
    return WeightsSource(kinds[0], given[kinds[0]], given.get("result", ""), given.get("revision", ""))
