"""What a run is asked for: which experiments, with which parameters, as which variants."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from darkroom.core.errors import UnknownName, UsageError, nearest
from darkroom.core.git import restoring
from darkroom.core.manifest import NAME
from darkroom.core.paths import folded
from darkroom.core.variant import Variant
from darkroom.lab.plan import Lab, order
from darkroom.lab.source.declared import ExperimentRecipe
from darkroom.lab.source.discover import Project
from darkroom.lab.source.sweeps import declared_sweep
from darkroom.lab.source.variants import Variation, are_same, check_name, is_declared, merged, name_of, written


@dataclass(frozen=True)
class Options:
    """How to run.

    ``settings`` are ``key=value`` texts that replace defaults of the named experiments; ``model`` is the model to use
    instead of the default one, or empty. ``gpus`` are the only ones to use, counted from 0; ``jobs`` is how many
    experiments run at a time, 0 for one on each GPU. ``wait`` is to wait for what another process is working on.

    With ``settings`` the results are kept beside the stored ones, as those of a ``variant``, by default named for its
    settings; ``replace`` replaces the stored results instead, those of the variant if one is named. ``sweep`` is the name of
    a declared sweep, whose points are run as well.
    """

    device: str = "auto"
    jobs: int = 0
    force: bool = False
    downstream: bool = False
    settings: tuple[str, ...] = ()
    model: str = ""
    gpus: tuple[int, ...] = ()
    wait: bool = False
    variant: str = ""
    replace: bool = False
    sweep: str = ""


class Choice(msgspec.Struct, frozen=True):
    """What is to run: the *named* experiments, and *all*, with those that depend on them if that was asked for.

    The *lab* has the variants that are asked for; *overrides* are parameters that replace defaults, by experiment.
    """

    lab: Lab
    named: frozenset[str]
    all: frozenset[str]
    overrides: Mapping[str, Mapping[str, Any]]

    @property
    def needed(self) -> set[str]:
        """All, and everything that they depend on."""
        return {*self.all} | upstream_of(self.lab.project, self.all)


def choose(lab: Lab, patterns: Iterable[str], options: Options) -> Choice:
    """What *patterns* and *options* ask for.

    Raises:
        UnknownName: a pattern matches nothing, or no experiment has a parameter that is set.
        UsageError: a value is not of its parameter's type, or a variant of that name has other settings.
    """
    if not options.settings and (options.variant or options.replace):
        option = f"--as {options.variant}" if options.variant else "--replace"
        raise UsageError(f"{option} goes with --set: say what is different, such as --set seed=2")
    if options.sweep:
        return _of_sweep(lab, patterns, options)
    named = _drawn_with(options.model, lab.project, matching(lab.project, patterns))
    overrides = _overrides(lab.project, named, options.settings)
    if options.settings and (options.variant or not options.replace):
        lab, named = _with_variants_of(lab, named, overrides, options)
        overrides = {}
    chosen = set(named) | (_downstream(lab.project, named) if options.downstream else set())
    return Choice(lab, frozenset(named), frozenset(chosen), overrides)


def _of_sweep(lab: Lab, patterns: Iterable[str], options: Options) -> Choice:
    """The points of a sweep, each a variant."""
    if options.settings or options.downstream or options.model or list(patterns):
        raise UsageError(
            "--sweep runs what experiments/sweeps.toml declares; leave out IDs, --set, --downstream and --model"
        )
    sweep = declared_sweep(lab.root, _originals(lab.project), options.sweep)
    recipe = lab.project.experiments[sweep.experiment]
    settings, variations = sweep.variants(recipe), lab.variations
    for name, point in settings.items():
        check_name(name, [model.name for model in lab.project.models])
        refuse_other(lab, f"{recipe.id}@{name}", point, replace=options.replace)
        variations = merged(variations, Variation(name, {recipe.id: point}))
    named = [f"{recipe.id}@{name}" for name in settings]
    if len(settings) < len(sweep.points):
        named.append(recipe.id)
    varied = msgspec.structs.replace(lab, variations=variations).read_anew()
    return Choice(varied, frozenset(named), frozenset(named), {})


def matching(project: Project, patterns: Iterable[str]) -> list[str]:
    """The ids that globs match, in the order of the plan.

    Raises:
        UnknownName: one matches nothing; the message offers the nearest id.
    """
    found: set[str] = set()
    for pattern in patterns:
        known = [identity for identity in project.experiments if "@" in pattern or "@" not in identity]
        matched = {identity for identity in known if fnmatchcase(identity, pattern)}
        if not matched:
            offer = _offer(pattern, project) or f"; known: {', '.join(project.experiments) or 'none'}"
            raise UnknownName(f"no experiment {pattern!r}{offer}")
        found |= matched
    return [identity for identity in order(project) if identity in found]


def _drawn_with(model: str, project: Project, named: list[str]) -> list[str]:
    """The variants of the named experiments for a model; the experiments themselves if they use no model."""
    variants = [f"{identity}@{model}" for identity in named]
    return [variant if variant in project.experiments else name for name, variant in zip(named, variants, strict=True)]


def _offer(pattern: str, project: Project) -> str:
    """The nearest id, also where only its last part was written."""
    short = {identity.rpartition("/")[2]: identity for identity in project.experiments}
    return f"; did you mean {short[pattern]!r}?" if pattern in short else nearest(pattern, project.experiments)


def upstream_of(project: Project, chosen: Iterable[str]) -> set[str]:
    """Everything that the chosen experiments depend on, directly or not."""
    found: set[str] = set()
    waiting = list(chosen)
    while waiting:
        for each in project.experiments[waiting.pop()].upstreams:
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found


def _downstream(project: Project, named: Iterable[str]) -> set[str]:
    """Everything that depends on the named experiments, directly or not."""
    found = set(named)
    for identity in order(project):
        if found & set(project.experiments[identity].upstreams):
            found.add(identity)
    return found


def _overrides(project: Project, named: list[str], settings: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Parameters given on the command line, for each named experiment."""
    found: dict[str, dict[str, Any]] = {identity: {} for identity in named}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting!r}: write --set name=value")
        for identity in named:
            found[identity][name] = _setting(project.experiments[identity], name, text)
    return found


def _with_variants_of(
    lab: Lab, named: list[str], overrides: Mapping[str, Mapping[str, Any]], options: Options
) -> tuple[Lab, list[str]]:
    """The project with a variant of the named experiments, and the ids of those."""
    declared = lab.project.experiments
    for identity in named:
        if declared[identity].variant is not None:
            base = identity.rpartition("@")[0]
            raise UsageError(f"{identity} is a variant; set parameters of the original instead: run {base} --set ...")
        if is_declared(declared[identity], overrides[identity]):
            raise UsageError(f"{written(overrides[identity])} is what {identity} declares; run it without --set")
    name = options.variant or name_of(overrides[named[0]])
    check_name(name, [model.name for model in lab.project.models])
    settings: dict[str, Mapping[str, Any]] = {identity: overrides[identity] for identity in named}
    if options.downstream:
        settings = {
            each: {} for each in order(lab.project) if each in _downstream(_originals(lab.project), named)
        } | settings
    for identity, given in settings.items():
        refuse_other(lab, f"{identity}@{name}", given, replace=options.replace)
    varied = msgspec.structs.replace(lab, variations=merged(lab.variations, Variation(name, settings)))
    return varied.read_anew(), [f"{identity}@{name}" for identity in named]


def refuse_other(lab: Lab, identity: str, settings: Mapping[str, Any], *, replace: bool) -> None:
    """Refuse to replace the results of a variant that has other settings, or unknown ones.

    Raises:
        UsageError: it would, and was not told to.
    """
    known = lab.project.experiments
    if identity in known and not replace:
        refuse_to_replace(identity, known[identity].variant, settings)
    elif os.path.lexists(lab.outputs / identity / NAME) and not replace:
        raise UsageError(
            f"{identity} is there already, with a manifest that cannot be read; {restoring(lab.outputs / identity / NAME)}, "
            "choose another name with --as, or replace its results with --replace"
        )
    if same := next((each for each in known if each != identity and folded(each) == folded(identity)), ""):
        raise UsageError(
            f"{identity}: {same} is there already, and some file systems ignore case; choose another name with --as"
        )


def refuse_to_replace(identity: str, stored: Variant | None, settings: Mapping[str, Any]) -> None:
    """Refuse to replace the results of a variant that has other *settings*.

    Raises:
        UsageError: *stored* has.
    """
    if stored and not are_same(stored.settings, settings):
        raise UsageError(
            f"{identity} is there already, with {written(stored.settings)}; choose another name with --as, or "
            "replace its results with --replace"
        )


def _originals(project: Project) -> Project:
    """The project without variants."""
    kept = {identity: each for identity, each in project.experiments.items() if each.variant is None}
    return msgspec.structs.replace(project, experiments=kept)


def _setting(recipe: ExperimentRecipe, name: str, text: str) -> Any:
    from darkroom.lab.source.values import parsed

    known = {each.name: each for each in recipe.parameters}
    if name not in known:
        offer = nearest(name, known) or f"; it has {', '.join(known) or 'none'}"
        raise UnknownName(f"--set {name}: {recipe.id} has no parameter {name!r}{offer}")
    return parsed(f"--set {name}={text}", text, known[name].annotation)
