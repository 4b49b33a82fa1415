"""Models that experiments may use: declared in ``experiments/models.toml``, and chosen with ``--model``.

    [pocket]                                  the first is the default
    title = "Pocket IF"
    stage_1.upstream = "pocket_if/stage_1"    a folder that another experiment wrote: its result "pipeline"
    stage_1.result = "pipeline"

    [deepfloyd-m]
    title = "DeepFloyd IF (M)"
    stage_1.hub = "DeepFloyd/IF-I-M-v1.0"     a name on the hub, at a revision
    stage_1.revision = "<commit>"             a commit; "main" may change at any time
    parameters = { gamma = 7.0 }              replace the experiments' defaults in its variants
    text = { hub = "DeepFloyd/IF-I-XL-v1.0", revision = "<commit>" }    what reads prompts; by default the stage's own
    embeddings = "prompt_embeds_dict.pth"     or embeddings of prompts, made elsewhere

    [pixels]                                  a flow-matching network in pixel space declares its convention
    title = "Pixels"
    stage_1 = { hub = "owner/pixels", revision = "..." }
    network = { prediction = "velocity", times = [0.0, 1.0], side = 512, tokens = 128, guidance = "w" }
    parameters = { gamma = 7.0 }              in that convention: v_c + w (v_c - v_u), so gamma = w + 1 = 8 here
    only = ["part_a/flow"]                    experiments with variants; by default all that use its roles

An experiment declares ``weights("stage_1")``, whatever the model. With the default model it is ``part_a/guidance``;
with another it is a variant of its own, ``part_a/guidance@deepfloyd-m``, with outputs, key and state of its own, and so
is everything that takes results from it. A variant exists if it has outputs or is requested. A model that
lacks a role has no variants of experiments that use that role.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from darkroom.core.errors import UnknownName, UsageError, nearest
from darkroom.core.paths import PART_BYTES, folded, read_toml, said_alike
from darkroom.lab.source.weights import HEX, Model, Network, TextSource, WeightsSource, is_commit

KINDS = ("upstream", "hub", "folder")
_NOT_ROLES = frozenset({"title", "parameters", "network", "only", "text", "embeddings"})
_EMBEDDINGS = (".safetensors", ".pth", ".pt")


def declared(path: Path) -> list[Model]:
    """The models that *path* declares, the default first; none where there is no such file.

    Raises:
        UsageError: it is not TOML, or a model is incomplete or invalid.
    """
    content = read_toml(path) or {}
    models = [_model(path, name, table) for name, table in content.items()]
    if models and models[0].parameters:
        raise UsageError(f"{path}: {models[0].name!r} is the default model; set its parameters in the experiments")
    if same := said_alike(content):
        raise UsageError(f"{path}: models {same} have the same name on some systems; rename one of each two")
    for model in models[1:]:
        _check_roles(path, model, models[0])
    return models


def _check_roles(path: Path, model: Model, default: Model) -> None:
    """Refuse a model with a role that the default one lacks, or with none of its roles."""
    if unknown := sorted(model.roles.keys() - default.roles.keys()):
        offer = nearest(unknown[0], default.roles)
        raise UsageError(
            f"{path}: model {model.name!r} has weights {unknown[0]!r}, which the default model {default.name!r} "
            f"does not have{offer}"
        )
    if default.roles and not model.roles:
        lacks = sorted(default.roles)[0]
        raise UsageError(
            f"{path}: model {model.name!r} has no weights {lacks!r}, which the default model {default.name!r} has"
        )


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
                f"--model {given}: no {role}/ in that folder; put a pipeline there, written by save_pretrained"
            )
    name = folder.name
    if not _is_name(name):
        raise UsageError(f"--model {given}: the folder is named {name!r}; use letters, digits, _ and - only")
    if taken := next((each.name for each in models if folded(each.name) == folded(name)), ""):
        raise UsageError(f"--model {given}: experiments/models.toml has a model {taken!r}; rename the folder")
    text = _text_in(folder)
    sources = {role: WeightsSource("folder", str(folder / role), text=text) for role in roles}
    return Model(name, name, sources)


def _text_in(folder: Path) -> TextSource | None:
    """A model folder's own text encoder or embeddings: ``text/``, ``embeddings.safetensors`` or ``.pth``."""
    encoder = ("folder", str(folder / "text")) if (folder / "text").is_dir() else ("", "")
    files = [str(folder / f"embeddings{ending}") for ending in _EMBEDDINGS]
    embeddings = next((path for path in files if Path(path).is_file()), "")
    return TextSource(*encoder, embeddings=embeddings) if encoder[0] or embeddings else None


def chosen(given: str, models: list[Model]) -> Model:
    """The model that ``--model`` names, or the one in the folder that it names."""
    named = next((model for model in models if model.name == given), None)
    return named or of_folder(given, models)


def with_variants(project: Any, models: Iterable[Model]) -> Any:
    """*project* with a variant, for each of *models*, of everything that uses the default one.

    Raises:
        UsageError: a model has a parameter that none of these experiments has, or a value that does not fit it.
    """
    experiments = dict(project.experiments)
    for model in models:
        drawing = _drawn_with(model, project.experiments)
        if project.models and model.name != project.models[0].name:
            known = {each.name for recipe in drawing for each in recipe.parameters}
            if unknown := sorted(model.parameters.keys() - known):
                offer = nearest(unknown[0], sorted(known))
                raise UnknownName(f"model {model.name!r}: no experiment has a parameter {unknown[0]!r}{offer}")
            for recipe in drawing:
                variant = _variant(recipe, model, project.experiments)
                experiments[variant.id] = variant
    return msgspec.structs.replace(project, experiments=experiments)


def _drawn_with(model: Model, experiments: Mapping[str, Any]) -> list[Any]:
    """The experiments that use a model, and depend on no role that *model* lacks."""
    drawing = [recipe for recipe in experiments.values() if recipe.model]
    if unknown := [name for name in model.only if name not in {recipe.id for recipe in drawing}]:
        offer = nearest(unknown[0], [recipe.id for recipe in drawing])
        raise UnknownName(f"model {model.name!r}: 'only' has {unknown[0]!r}, which uses no model{offer}")
    left = [recipe for recipe in drawing if not model.only or recipe.id in model.only]
    lacking = {recipe.id for recipe in drawing} - {recipe.id for recipe in left}
    while True:
        fitting = [recipe for recipe in left if not any(edge.lacks(model, lacking) for edge in recipe.edges)]
        if len(fitting) == len(left):
            return left
        lacking |= {recipe.id for recipe in left} - {recipe.id for recipe in fitting}
        left = fitting


def _variant(recipe: Any, model: Model, experiments: Mapping[str, Any]) -> Any:
    varied = {each.id for each in experiments.values() if each.model}

    def bound(edges: list[Any]) -> list[Any]:
        return [edge.drawn_with(model, varied) for edge in edges]

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
    from darkroom.lab.source.values import parsed

    if declared.name not in model.parameters:
        return declared
    given = model.parameters[declared.name]
    setting = f"model {model.name!r}: {declared.name} = {given!r}"
    value = parsed(setting, given if isinstance(given, str) else repr(given), declared.annotation)
    network = next((source.network for source in model.roles.values() if source.network), None)
    if network and network.guidance == "w" and "gamma" in declared.name:
        value = [each + 1 for each in value] if isinstance(value, list | tuple) else value + 1
    return msgspec.structs.replace(declared, value=value)


def _model(path: Path, name: str, table: Any) -> Model:
    if not isinstance(table, dict) or not isinstance(table.get("title"), str):
        raise UsageError(f'{path}: model {name!r} has no title; write title = "..." under [{name}]')
    if not _is_name(name):
        raise UsageError(f"{path}: model name {name!r}; use letters, digits, _ and -")
    parameters = table.get("parameters", {})
    if not isinstance(parameters, dict):
        raise UsageError(
            f"{path}: 'parameters' of model {name!r} is not a table; write parameters = {{ name = value }}"
        )
    network = _network(path, name, table["network"]) if "network" in table else None
    text = _text(path, name, table)
    given = {role: value for role, value in table.items() if role not in _NOT_ROLES}
    roles = {role: _source(path, name, role, value, network, text) for role, value in given.items()}
    only = table.get("only", [])
    if not isinstance(only, list) or not all(isinstance(each, str) for each in only):
        raise UsageError(
            f"{path}: 'only' of model {name!r} is not a list of experiments; write only = [\"part_a/flow\"]"
        )
    return Model(name, table["title"], roles, parameters, only)


def _is_name(name: str) -> bool:
    """Whether *name* can be a model's: it is part of ids, and so of paths."""
    return name.replace("-", "").replace("_", "").isalnum() and len(name.encode()) <= PART_BYTES // 2


def _network(path: Path, model: str, given: Any) -> Network:
    where = f"{path}: network of model {model!r}"
    if not isinstance(given, dict):
        raise UsageError(f"{where} is not a table; write network = {{ prediction = ..., times = [..., ...] }}")
    known = [field.name for field in msgspec.structs.fields(Network)]
    if unknown := sorted(given.keys() - set(known)):
        raise UsageError(
            f"{where}: unknown field {unknown[0]!r}{nearest(unknown[0], known)}; known are {', '.join(known)}"
        )
    try:
        network = msgspec.convert(given, Network)
    except msgspec.ValidationError as error:
        field = str(error).rpartition("$.")[2].strip("`")
        choices = {"prediction": "velocity, data or noise", "guidance": "gamma or w"}.get(field.partition("[")[0])
        raise UsageError(f"{where}: {field}: {f'choose {choices}' if choices else error}") from None
    wrong = {
        "times": not all(map(math.isfinite, network.times)) or network.times[0] == network.times[1],
        "noise_scale": not (math.isfinite(network.noise_scale) and network.noise_scale > 0),
        "side": network.side < 0,
        "tokens": network.tokens < 1,
    }
    if found := [field for field, is_wrong in wrong.items() if is_wrong]:
        said = {"times": "give two different times, for noise and for data", "side": "give pixels, or 0"}
        advice = said.get(found[0], "give a number greater than 0")
        raise UsageError(f"{where}: {found[0]} = {getattr(network, found[0])!r}; {advice}")
    return network


def _text(path: Path, model: str, table: Mapping[str, Any]) -> TextSource | None:
    """The source of prompt embeddings that the table gives, or None."""
    found = {"kind": "", "place": "", "revision": ""}
    if "text" in table:
        source = _source(path, model, "text", table["text"], None)
        found = {"kind": source.kind, "place": source.place, "revision": source.revision}
    embeddings = table.get("embeddings", "")
    if not isinstance(embeddings, str) or ("embeddings" in table and not embeddings.endswith(_EMBEDDINGS)):
        raise UsageError(
            f'{path}: embeddings of model {model!r} is not a file name; write embeddings = "..." with a file that ends in '
            f"{', '.join(_EMBEDDINGS)}"
        )
    if embeddings and "network" in table:
        raise UsageError(
            f"{path}: model {model!r} has embeddings and a network; remove embeddings, which only cascades use"
        )
    used = [name for name in ("text", "embeddings") if name in table]
    if used and any(isinstance(given, dict) and "upstream" in given for given in table.values()):
        raise UsageError(
            f"{path}: model {model!r} has {used[0]}, but its weights come from an experiment and have their own; remove it"
        )
    return TextSource(**found, embeddings=embeddings) if used else None


def _source(
    path: Path, model: str, role: str, given: Any, network: Network | None, text: TextSource | None = None
) -> WeightsSource:
    kinds = [kind for kind in KINDS if isinstance(given, dict) and isinstance(given.get(kind), str)]
    needed = {"upstream": {"result"}, "hub": {"revision"}, "folder": set()}
    if len(kinds) != 1 or set(given) != {kinds[0], *needed[kinds[0]]}:
        raise UsageError(
            f'{path}: {role} of model {model!r} needs one of upstream = "..." and result = "..."; '
            'hub = "owner/name" and revision = "..."; or folder = "..."'
        )
    if kinds[0] == "hub":
        _check_revision(f"{path}: {role} of model {model!r}", given["revision"])
    return WeightsSource(kinds[0], given[kinds[0]], given.get("result", ""), given.get("revision", ""), network, text)


TELL_COMMIT = "python -c \"from huggingface_hub import model_info; print(model_info('OWNER/NAME').sha)\""


def _check_revision(where: str, revision: Any) -> None:
    """Refuse a revision that is neither a commit nor the name of a branch or tag, such as a shortened commit.

    Raises:
        UsageError: it is.
    """
    if not isinstance(revision, str) or not revision.strip():
        raise UsageError(f"{where}: its revision is empty; use the commit that {TELL_COMMIT} prints")
    if not is_commit(revision) and len(revision) >= 7 and HEX.issuperset(revision.strip().lower()):
        raise UsageError(
            f"{where}: revision {revision!r} is not a commit of 40 lower-case hex digits; {TELL_COMMIT} prints one"
        )


def unpinned(models: Iterable[Model]) -> list[str]:
    """What models take from the hub at a revision that its publisher may move, such as "deepfloyd-m: OWNER/NAME at main"."""
    found: dict[str, None] = {}
    for model in models:
        for source in model.roles.values():
            for each in (source, source.text):
                if each is not None and each.is_published and not is_commit(each.revision):
                    found[f"{model.name}: {each.place} at {each.revision!r}"] = None
    return list(found)
