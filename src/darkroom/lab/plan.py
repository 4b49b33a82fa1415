"""Finds the state of every experiment and figure, with reasons. Runs nothing and writes nothing.

An experiment's key is the sha256 of canonical JSON over its name, code, parameters, edges and the digests of its
inputs; an upstream counts by the digest of its *results*, so that a rerun with equal results makes nothing else stale.
States:

    fresh      the outputs agree with the sources
    stale      the outputs were made with other code, parameters or inputs
    missing    there are no outputs
    waiting    an upstream must run first
    damaged    a file is missing, altered, or of another version

An absent temporary result is not damage: a run that reads it makes it again first.

Results that were imported were made by other code, so the code of the experiment's function does not count for them: they
are fresh as long as the name, the parameters, the inputs and the declared results of the experiment are what they were.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from darkroom.core.digests import Digests
from darkroom.core.errors import DamagedOutputs
from darkroom.core.manifest import (
    NAME,
    NO_CODE,
    Manifest,
    SourcePlace,
    Status,
    StoredFile,
    checks,
    is_temporary,
    read,
)
from darkroom.core.paths import links_among
from darkroom.lab.outputs.folders import stored_ids
from darkroom.lab.source.declared import DrawingRecipe, ExperimentRecipe
from darkroom.lab.source.discover import Project, discover
from darkroom.lab.source.models import with_variants
from darkroom.lab.source.variants import Variation, with_variations
from darkroom.lab.source.weights import Model

SCHEMA = 1
FRESH, STALE, MISSING, WAITING, DAMAGED = "fresh", "stale", "missing", "waiting", "damaged"
ABSENT = "absent"


class Reason(NamedTuple):
    """Why something is not fresh.

    ``kind`` is "params", "input", "results", "code", "text" or "inputs", or "" where ``name`` is a damaged file, an
    experiment that has to run first, or says that its function has no code and nothing was imported.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        """Such as "params: gammas", or "part_b/denoiser"."""
        return ": ".join(part for part in self if part)


class DrawingVerdict(msgspec.Struct, frozen=True):
    """The state of a figure or a metric of stored results; ``key`` is what it would be drawn under."""

    recipe: DrawingRecipe
    state: str
    reasons: tuple[Reason, ...]
    key: str


class Verdict(msgspec.Struct, frozen=True):
    """The state of an experiment; ``key`` is that of a run, empty where an upstream has no results yet.

    ``absent`` are its temporary results that are not here.
    """

    recipe: ExperimentRecipe
    state: str
    reasons: tuple[Reason, ...]
    key: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]
    manifest: Manifest | None
    figures: Mapping[str, DrawingVerdict] = {}
    metrics: Mapping[str, DrawingVerdict] = {}
    absent: tuple[str, ...] = ()

    @property
    def must_run(self) -> bool:
        """Whether the outputs are not those of the current sources."""
        return self.state != FRESH

    @property
    def is_imported(self) -> bool:
        """Whether the results were computed by another program."""
        return self.manifest is not None and self.manifest.imported_from is not None

    @property
    def usable(self) -> bool:
        """Whether there are results that figures can be drawn from."""
        return self.manifest is not None and self.state != DAMAGED

    @property
    def to_draw(self) -> list[str]:
        """The figures and metrics that are out of date and can be drawn from stored results."""
        drawings = [*self.figures.values(), *self.metrics.values()]
        return [each.recipe.name for each in drawings if each.state in {STALE, MISSING, DAMAGED}] if self.usable else []

    @property
    def is_behind(self) -> bool:
        """Whether figures, metrics or descriptions in the manifest are out of date and can be renewed."""
        return self.usable and bool(self.to_draw or (self.manifest and not is_described(self.manifest, self.recipe)))


class Plan(msgspec.Struct, frozen=True):
    """A verdict for each experiment, upstreams first, and folders of outputs that no experiment declares."""

    verdicts: Mapping[str, Verdict]
    orphans: tuple[str, ...]


class Lab(msgspec.Struct, frozen=True):
    """A project, where its outputs are, and where the user keeps data; *models* are those it has variants for.

    *variations* are its variants with other parameters. *cache* is where to store what was read of a project that must not
    be written into.
    """

    root: Path
    outputs: Path
    project: Project
    digests: Digests
    data: Path | None = None
    models: tuple[Model, ...] = ()
    cache: Path | None = None
    variations: tuple[Variation, ...] = ()

    def read_anew(self) -> Lab:
        """The same with the project read again from its current sources."""
        project = with_variants(discover(self.root, self.digests, self.cache), self.models)
        return msgspec.structs.replace(self, project=with_variations(project, self.variations))

    def planner(self, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Planner:
        """A planner of this project; *overrides* are parameters that replace defaults, by experiment."""
        return Planner(self.root, self.project, self.outputs, self.digests, overrides)


class Planner:
    """Finds the states of a project's experiments, given one folder of outputs.

    Args:
        root: the project.
        project: its experiments.
        outputs: where their outputs are.
        digests: digests of files.
        overrides: parameters that replace defaults, by experiment.
    """

    def __init__(
        self,
        root: Path,
        project: Project,
        outputs: Path,
        digests: Digests,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.root, self.project, self.outputs, self.digests = root, project, outputs, digests
        self.overrides = overrides or {}
        self._manifests: dict[str, Manifest | DamagedOutputs | None] = {}
        self._rule = checks(digests.of)

    def plan(self) -> Plan:
        """The state of everything."""
        verdicts: dict[str, Verdict] = {}
        for identity in order(self.project):
            verdicts[identity] = self.judge(self.project.experiments[identity], verdicts)
        return Plan(verdicts, tuple(self._orphans()))

    def judge(self, recipe: ExperimentRecipe, upstreams: Mapping[str, Verdict]) -> Verdict:
        """The state of one experiment, given those of its upstreams."""
        manifest, faults, absent = self._outputs(recipe)
        parameters = {each.name: each.value for each in recipe.parameters} | dict(self.overrides.get(recipe.id, {}))
        inputs = {edge.name: edge.digest(self) for edge in recipe.edges}
        key = "" if "" in inputs.values() else experiment_key(recipe, parameters, inputs)
        waits = [each for each in dict.fromkeys(recipe.upstreams) if upstreams[each].must_run]
        is_imported = manifest is not None and manifest.imported_from is not None
        wanted = imported_key(recipe, parameters, inputs) if is_imported and key else key
        state, reasons = _state(recipe, manifest, faults, waits, wanted, parameters, inputs)
        if not recipe.has_code and manifest is None and state != DAMAGED:
            state, reasons = MISSING, [Reason("", NO_CODE)]
        verdict = Verdict(recipe, state, tuple(reasons), key, parameters, inputs, manifest)
        if not verdict.usable:
            return verdict
        figures = {each.name: self._judge_figure(verdict, each) for each in recipe.figures}
        metrics = {each.name: self._judge_metric(verdict, each) for each in recipe.metrics}
        return Verdict(recipe, state, tuple(reasons), key, parameters, inputs, manifest, figures, metrics, absent)

    def suppose(self, manifests: Mapping[str, Manifest]) -> None:
        """Count *manifests* as those of the experiments that they are of, whatever is stored."""
        self._manifests.update(manifests)

    def changes(self, recipe: ExperimentRecipe, manifest: Manifest) -> list[Reason] | None:
        """Why *manifest* is not that of the current sources, as far as its key says; None if an upstream has no results."""
        parameters = {each.name: each.value for each in recipe.parameters}
        inputs = {edge.name: edge.digest(self) for edge in recipe.edges}
        if "" in inputs.values():
            return None
        key = (imported_key if manifest.imported_from else experiment_key)(recipe, parameters, inputs)
        if manifest.key == key:
            return []
        return recorded_otherwise(recipe, manifest, parameters, inputs) or [Reason("inputs", "")]

    def forget(self, identity: str) -> None:
        """Forget what is known of an experiment's outputs, so that they are read again."""
        self._manifests.pop(identity, None)

    def drawing_key(self, recipe: ExperimentRecipe, drawing: DrawingRecipe, manifest: Manifest) -> str:
        """The key of a figure or metric of stored results; empty where one of its own inputs has no results."""
        inputs = {edge.name: edge.digest(self) for edge in drawing.edges}
        if "" in inputs.values():
            return ""
        return _digest(
            {
                "schema": SCHEMA,
                "drawing": f"{recipe.id}/{drawing.name}",
                "code": drawing.code,
                "caption": drawing.caption,
                "alt": drawing.alt,
                "parameters": {each.name: each.value for each in drawing.parameters},
                "edges": {edge.parameter: edge.name for edge in drawing.edges},
                "inputs": inputs,
                "results": manifest.results,
                "of": manifest.parameters,
            }
        )

    def _judge_figure(self, verdict: Verdict, drawing: DrawingRecipe) -> DrawingVerdict:
        manifest = verdict.manifest
        assert manifest is not None
        stored = manifest.figures.get(drawing.name)
        key = self.drawing_key(verdict.recipe, drawing, manifest)
        if not key:
            return DrawingVerdict(drawing, WAITING, tuple(self._lacking(drawing)), key)
        if stored is None:
            return DrawingVerdict(drawing, MISSING, (), key)
        if stored.key != key:
            texts = [name for name in ("caption", "alt") if getattr(stored, name) != getattr(drawing, name)]
            reasons = [Reason("text", name) for name in texts] + _code_reasons(stored.code, drawing.code)
            return DrawingVerdict(drawing, STALE, tuple(reasons or [_OTHER_RESULTS]), key)
        altered = self._altered(verdict.recipe.id, stored.files)
        faults = tuple(Reason("", each) for each in altered)
        return DrawingVerdict(drawing, DAMAGED if altered else FRESH, faults, key)

    def _judge_metric(self, verdict: Verdict, drawing: DrawingRecipe) -> DrawingVerdict:
        manifest = verdict.manifest
        assert manifest is not None
        stored = manifest.metrics.get(drawing.name)
        key = self.drawing_key(verdict.recipe, drawing, manifest)
        if not key:
            return DrawingVerdict(drawing, WAITING, tuple(self._lacking(drawing)), key)
        if stored is None:
            return DrawingVerdict(drawing, MISSING, (), key)
        if stored.key == key:
            return DrawingVerdict(drawing, FRESH, (), key)
        reasons = _code_reasons(stored.code, drawing.code) or [_OTHER_RESULTS]
        return DrawingVerdict(drawing, STALE, tuple(reasons), key)

    def _lacking(self, drawing: DrawingRecipe) -> list[Reason]:
        return [Reason("", edge.upstream) for edge in drawing.edges if not edge.digest(self)]

    def _manifest(self, identity: str) -> Manifest | DamagedOutputs | None:
        if identity not in self._manifests:
            try:
                self._manifests[identity] = self._read(f"{os.fspath(self.outputs)}/{identity}/{NAME}", identity)
            except DamagedOutputs as error:
                self._manifests[identity] = error
        return self._manifests[identity]

    def _read(self, path: str, identity: str) -> Manifest | None:
        """A manifest, without the figures that another version has drawn and this one draws again."""
        digest = self.digests.of(path, links=False)
        known = digest is not None and self.digests.is_verified(path, self._rule)
        try:
            manifest = read(Path(path), identity, known=known)
        except DamagedOutputs:
            return read(Path(path), identity, drawable=True)
        if digest is not None:
            self.digests.verify(path, self._rule)
        return manifest

    def _outputs(self, recipe: ExperimentRecipe) -> tuple[Manifest | None, list[str], tuple[str, ...]]:
        """The manifest of an experiment, which of its files are damaged, and which temporary results are absent."""
        manifest = self._manifest(recipe.id)
        if isinstance(manifest, DamagedOutputs):
            return None, [NAME], ()
        if manifest is None:
            return None, [], ()
        faults = self._altered(recipe.id, manifest.files)
        gone = [path for path in faults if is_temporary(manifest, path) and not self._exists(recipe.id, path)]
        absent = dict.fromkeys(path.partition("/")[0].removesuffix(".safetensors") for path in gone)
        return manifest, [path for path in faults if path not in gone], tuple(absent)

    def _exists(self, identity: str, path: str) -> bool:
        return os.path.lexists(f"{os.fspath(self.outputs)}/{identity}/{path}")

    def _altered(self, identity: str, files: Sequence[StoredFile]) -> list[str]:
        """The files of an experiment that are not what its manifest says, or only linked to."""
        folder, of = f"{os.fspath(self.outputs)}/{identity}", self.digests.of
        links = links_among(self.outputs, {f"{identity}/{each.path}".rpartition("/")[0] for each in files})
        if links:
            return [f"{links[0]} is a link"]
        return [each.path for each in files if of(f"{folder}/{each.path}", links=False, size=each.bytes) != each.sha256]

    # Digests of inputs ------------------------------------------------------------------------------------------------

    def dataset(self, name: str) -> str:
        """The digest of a data set."""
        return self.project.datasets[name]

    def file(self, path: str) -> str:
        """The digest of a file of the project, or a placeholder for a missing one."""
        return self.digests.of(os.fspath(self.root / path)) or ABSENT

    def folder(self, path: str) -> str:
        """The digest of a pipeline's folder, or a placeholder for a missing one."""
        return _folder_digest(os.fspath(self.root / path), self.digests)

    def results(self, experiment: str) -> str:
        """The digest of an experiment's results, "" where it has none."""
        manifest = self._manifest(experiment)
        return manifest.results if isinstance(manifest, Manifest) else ""

    def _orphans(self) -> Iterator[str]:
        for identity in stored_ids(self.outputs):
            if identity not in self.project.experiments:
                yield identity


def order(project: Project) -> list[str]:
    """The ids of all experiments, upstreams before what uses them, else in the order of their files."""
    sorted_ids: dict[str, None] = {}

    def visit(identity: str) -> None:
        if identity not in sorted_ids:
            for upstream in project.experiments[identity].upstreams:
                visit(upstream)
            sorted_ids[identity] = None

    for identity in project.experiments:
        visit(identity)
    return list(sorted_ids)


def experiment_key(recipe: ExperimentRecipe, parameters: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """The key of an experiment: sha256 in hex over canonical JSON of everything that its results depend on."""
    return _digest(
        {
            "schema": SCHEMA,
            "experiment": recipe.id,
            "code": recipe.code,
            "parameters": dict(parameters),
            "edges": {edge.parameter: edge.name for edge in recipe.edges},
            "inputs": dict(inputs),
        }
    )


def imported_key(recipe: ExperimentRecipe, parameters: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """The key of imported results: everything that the declaration says of them, but no code, since that did not run."""
    return _digest(
        {
            "schema": SCHEMA,
            "experiment": recipe.id,
            "imported": sorted(recipe.results),
            "parameters": dict(parameters),
            "edges": {edge.parameter: edge.name for edge in recipe.edges},
            "inputs": dict(inputs),
        }
    )


def temporary_of(manifest: Manifest, recipe: ExperimentRecipe) -> list[str]:
    """The results that git is to ignore; none of those that were imported, since nothing here can make them again."""
    return [] if manifest.imported_from else recipe.temporary


def is_described(manifest: Manifest, recipe: ExperimentRecipe) -> bool:
    """Whether the manifest agrees with the current sources."""
    if manifest.temporary != temporary_of(manifest, recipe) or not manifest.sha256:
        return False
    if manifest.summary != recipe.summary or manifest.source != SourcePlace(recipe.path, recipe.line):
        return False
    lines = {each.name: each.line for each in recipe.figures}
    if manifest.figures.keys() - lines.keys() or manifest.metrics.keys() - {each.name for each in recipe.metrics}:
        return False
    return all(each.line == lines[name] for name, each in manifest.figures.items())


def status(verdict: Verdict) -> Status:
    """A verdict as the press receives it."""
    made = verdict.manifest.provenance if verdict.manifest else None
    return Status(
        id=verdict.recipe.id,
        state=verdict.state,
        reasons=[str(each) for each in verdict.reasons],
        figures=[f"{verdict.recipe.id}/{each.name}" for each in verdict.recipe.figures],
        device=made.device if made else None,
        duration_s=made.duration_s if made else None,
        finished_at=made.finished_at if made else None,
        has_code=verdict.recipe.has_code,
    )


def _state(
    recipe: ExperimentRecipe,
    manifest: Manifest | None,
    faults: list[str],
    waits: list[str],
    key: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, str],
) -> tuple[str, list[Reason]]:
    if faults:
        return DAMAGED, [Reason("", each) for each in faults]
    changes = recorded_otherwise(recipe, manifest, parameters, inputs) if manifest and manifest.key != key else []
    if waits:
        first = [Reason("", each) for each in waits]
        return WAITING, first + [each for each in changes if each.kind != "input" or each.name not in waits]
    if manifest is None:
        return MISSING, []
    return (FRESH, []) if manifest.key == key else (STALE, changes or [Reason("inputs", "")])


def recorded_otherwise(
    recipe: ExperimentRecipe, manifest: Manifest, parameters: Mapping[str, Any], inputs: Mapping[str, str]
) -> list[Reason]:
    """What a manifest records otherwise than it is now: why the key of stored results is another."""
    names = sorted(parameters.keys() | manifest.parameters.keys())
    changed = [name for name in names if _differ(parameters, manifest.parameters, name)]
    edges = sorted(
        name for name in inputs.keys() | manifest.inputs.keys() if inputs.get(name) != manifest.inputs.get(name)
    )
    imported = manifest.imported_from
    results = sorted({*imported.results} ^ {*recipe.results}) if imported else []
    return [
        *(Reason("params", name) for name in changed),
        *(Reason("input", _without_kind(name)) for name in edges),
        *(Reason("results", name) for name in results),
        *([] if imported else _code_reasons(manifest.code, recipe.code)),
    ]


def _differ(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    """Whether a parameter differs, in value or in type: 1 is not 1.0."""
    return name not in one or name not in other or _canonical(one[name]) != _canonical(other[name])


def _code_reasons(stored: Mapping[str, str], now: Mapping[str, str]) -> list[Reason]:
    """The definitions that changed; where none did, those that were added or removed."""
    changed = sorted(name for name in stored.keys() & now.keys() if stored[name] != now[name])
    return [Reason("code", name) for name in changed or sorted(stored.keys() ^ now.keys())]


def _folder_digest(folder: str, digests: Digests) -> str:
    """The digest of a pipeline's folder: of the paths and digests of its configurations and weights.

    A folder of more than 10,000 files does not count as a pipeline, and nothing in it is read.
    """
    found: list[Path] = []
    for place, _, names in os.walk(folder):
        found += [Path(place, name) for name in names]
        if len(found) > _MOST_FILES:
            return ABSENT
    files = sorted(path for path in found if path.suffix in {".json", ".safetensors", ".model"})
    lines = [f"{digests.of(os.fspath(path))}  {path.relative_to(folder).as_posix()}\n" for path in files]
    return sha256("".join(lines).encode()).hexdigest() if lines else ABSENT


_MOST_FILES = 10_000
_OTHER_RESULTS = Reason("input", "results or parameters")


def _without_kind(name: str) -> str:
    return name.partition(":")[2]


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _digest(record: Mapping[str, Any]) -> str:
    return sha256(b"darkroom\n" + _canonical(record)).hexdigest()
