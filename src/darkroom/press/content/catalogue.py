"""What pages can show: every experiment's manifest, with its state from the plan."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import msgspec

from darkroom.core.errors import DamagedOutputs, nearest
from darkroom.core.manifest import NAME, Figure, Manifest, Status, advice, read
from darkroom.core.paths import check_id
from darkroom.core.variant import Variant
from darkroom.press.content.calls import NoExperiment, Unknown, listed

FRESH = "fresh"
DEEPEST = 8  # folders of an id


class StoredExperiment(msgspec.Struct, frozen=True, dict=True):
    """One experiment: its folder, the manifest's digest ("" where there is none), and its state.

    ``state`` and ``reasons`` are the plan's words; if the manifest cannot be read, it is damaged whatever the plan
    says. ``known`` says that this manifest was valid when it was last read, ``has_code`` that a run makes the outputs.
    """

    id: str
    folder: Path
    digest: str
    planned: str
    planned_reasons: tuple[str, ...]
    declared_figures: tuple[str, ...]
    known: bool = False
    has_code: bool = True

    @property
    def command(self) -> str:
        """What makes its outputs."""
        if self.has_code and not (self.manifest and self.manifest.imported_from):
            return f"python build.py run {self.id}"
        return f'python build.py import {self.id} PATH --device "..." --took "..." --source URL'

    @property
    def outputs(self) -> Path:
        """The folder that the outputs of all experiments are in."""
        return self.folder.parents[self.id.count("/")]

    @cached_property
    def loaded(self) -> tuple[Manifest | None, str]:
        """The manifest, or None and why it cannot be read."""
        if not self.digest:
            return None, ""
        try:
            check_id(self.id)
            return read(self.folder / NAME, self.id, known=self.known), ""
        except DamagedOutputs as error:
            return None, error.reason
        except ValueError as error:
            return None, f"{error}; {advice(self.folder / NAME)}"

    @property
    def manifest(self) -> Manifest | None:
        """What is known of the outputs."""
        return self.loaded[0]

    @property
    def variant(self) -> Variant | None:
        """What was set, if these are outputs with other parameters than those declared."""
        return self.manifest.variant if self.manifest else None

    @property
    def problem(self) -> str:
        """Why the manifest cannot be read, or ""."""
        return self.loaded[1]

    @property
    def state(self) -> str:
        """The state that the plan gives, or damaged."""
        return "damaged" if self.problem else self.planned

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is in that state."""
        return ("manifest.json cannot be read",) if self.problem else self.planned_reasons

    @cached_property
    def figures(self) -> tuple[str, ...]:
        """The names of its figures: those declared, then those that only the manifest knows."""
        drawn = tuple(self.manifest.figures) if self.manifest else ()
        return tuple(dict.fromkeys((*self.declared_figures, *drawn)))

    def may_have(self, name: str) -> bool:
        """Whether there is a figure called *name*; unknown, if the manifest cannot be read and there are no sources."""
        return name in self.figures or bool(self.problem and not self.declared_figures)

    def drawn(self, name: str) -> Figure | None:
        """The figure called *name*, if it has been drawn."""
        return self.manifest.figures.get(name) if self.manifest else None

    @cached_property
    def record(self) -> str:
        """The digest of everything that a page can show of it."""
        own = "" if self.has_code else " imported"
        shown = f"{self.id} {self.digest} {self.planned} {self.planned_reasons} {self.declared_figures}{own}"
        return sha256(shown.encode()).hexdigest()


class Catalogue(msgspec.Struct, frozen=True, dict=True):
    """Every experiment by id, sorted.

    ``model`` is the one whose outputs are shown: pages name ``part_a/guidance``, and where that model has drawn it
    they get ``part_a/guidance@model``.
    """

    experiments: Mapping[str, StoredExperiment] = {}
    model: str = ""

    def shown(self, identity: str) -> StoredExperiment | None:
        """The experiment that a page means by an id, or None."""
        variant = self.experiments.get(f"{identity}@{self.model}") if self.model else None
        return variant if variant and variant.digest else self.experiments.get(identity)

    def figure(self, name: str) -> tuple[StoredExperiment, str] | None:
        """The experiment and figure that ``part_b/denoiser/loss`` names, or None."""
        owner, _, figure = name.rpartition("/")
        experiment = self.shown(owner)
        if experiment is None or not experiment.may_have(figure):
            return None
        return experiment, figure

    def unknown(self, name: str, message: str) -> Unknown:
        """The error for a name of a figure, a number or an experiment that is not known."""
        part, slash, _ = name.partition("/")
        is_gone = slash and not Path(name).suffix and part not in self._parts  # a picture has a suffix
        return NoExperiment(name, part, message) if is_gone else Unknown(message)

    @cached_property
    def _parts(self) -> frozenset[str]:
        """The folders, below ``experiments``, that experiments are in."""
        return frozenset(identity.partition("/")[0] for identity in self.experiments)

    def by_other_models(self, name: str) -> tuple[StoredExperiment, ...]:
        """The experiments that have drawn the same figure with other models than the one shown."""
        if not self._by_model:
            return ()
        owner, _, figure = name.rpartition("/")
        shown = self.shown(owner)
        return tuple(each for each in self._by_model.get(owner, ()) if each is not shown and each.drawn(figure))

    def variants(self, identity: str, patterns: Sequence[str]) -> tuple[StoredExperiment, ...]:
        """The variants of an experiment with other parameters, whose names match one of the *patterns*, in their order.

        Raises:
            Unknown: a pattern matches none; the message has the nearest name.
        """
        shown = self.shown(identity)
        known = self._by_settings.get(shown.id if shown else identity, {})
        found: dict[str, StoredExperiment] = {}
        for pattern in patterns:
            matched = {name: each for name, each in known.items() if fnmatchcase(name, pattern)}
            if not matched:
                offer = nearest(pattern, known) or listed("; it has", known)
                raise Unknown(f"{identity} has no variant {pattern!r}{offer}")
            found |= matched
        return tuple(found.values())

    def variants_of(self, identity: str) -> tuple[StoredExperiment, ...]:
        """All variants of an experiment with other parameters."""
        return tuple(self._by_settings.get(identity, {}).values())

    def named(self, variant: str) -> tuple[StoredExperiment, ...]:
        """The variants of that name, of all experiments."""
        return tuple(known[variant] for known in self._by_settings.values() if variant in known)

    @cached_property
    def _by_model(self) -> Mapping[str, list[StoredExperiment]]:
        """Every experiment that has outputs of more models than one, by the id without a model."""
        found: dict[str, list[StoredExperiment]] = {}
        for identity, experiment in self.experiments.items():
            owner, at, _ = identity.partition("@")
            if at and experiment.digest and experiment.variant is None:
                found.setdefault(owner, [self.experiments[owner]] if owner in self.experiments else []).append(
                    experiment
                )
        return found

    @cached_property
    def _by_settings(self) -> Mapping[str, dict[str, StoredExperiment]]:
        """The variants of every experiment with other parameters, by the experiment's id and their names."""
        found: dict[str, dict[str, StoredExperiment]] = {}
        for identity, experiment in self.experiments.items():
            owner, at, name = identity.rpartition("@")
            if at and experiment.variant is not None:
                found.setdefault(owner, {})[name] = experiment
        return found

    @property
    def figure_names(self) -> Iterator[str]:
        """The full name of every figure, by which pages call for it."""
        for experiment in self.experiments.values():
            if "@" not in experiment.id:
                yield from (f"{experiment.id}/{name}" for name in experiment.figures)


def manifests(outputs: Path) -> Iterator[Path]:
    """Every manifest under *outputs*, sorted; figures, hidden folders and what links lead to are not searched."""
    for folder, folders, files in os.walk(outputs):
        is_deep = folder.count(os.sep) - os.fspath(outputs).count(os.sep) >= DEEPEST
        folders[:] = sorted(name for name in folders if not is_deep and not name.startswith(".") and name != "figures")
        if NAME in files or NAME in folders:  # a folder of that name is reported
            yield Path(folder) / NAME
        folders[:] = [name for name in folders if name != NAME]


def read_catalogue(
    outputs: Path,
    statuses: Sequence[Status],
    digests: Mapping[Path, str],
    model: str = "",
    known: Collection[Path] = (),
) -> Catalogue:
    """The experiments that the plan names and those that have outputs; *digests* is of every manifest.

    Those among *known* were whole when they were last read, and are the same.

    Pages show the outputs of *model* where there are any. Without any status, what has outputs counts as fresh.
    """
    whole = {_id_of(path, outputs) for path in known}
    found = {_id_of(path, outputs): (path.parent, digest) for path, digest in digests.items()}
    planned = {status.id: status for status in statuses}
    experiments = {}
    for name in sorted({*found, *planned}):
        status = planned.get(name)
        state = status.state if status else "orphan" if planned else FRESH
        figures = tuple(figure.removeprefix(f"{name}/") for figure in status.figures) if status else ()
        reasons = tuple(status.reasons) if status else ()
        folder, digest = found.get(name, (outputs / name, ""))
        has_code = status is None or status.has_code
        experiments[name] = StoredExperiment(name, folder, digest, state, reasons, figures, name in whole, has_code)
    return Catalogue(experiments, model)


def _id_of(manifest: Path, outputs: Path) -> str:
    """The id of the experiment of a manifest; bytes that are not UTF-8 are escaped, which makes it invalid."""
    name = manifest.parent.relative_to(outputs).as_posix()
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")
