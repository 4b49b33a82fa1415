"""Every experiment of a project, read from source without importing any of it.

What an installed Darkroom computes and draws with, its ``diffusion`` and ``figures``, counts like the project's own code.

What is read is remembered under ``.darkroom/lab``: module records by content, and the whole project by the digests of
all its sources. A project that has not changed is recognised without parsing, or even importing ``ast``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from darkroom.core import caches
from darkroom.core.digests import Digests
from darkroom.core.errors import DeclarationError, UsageError, nearest
from darkroom.core.manifest import FIGURES
from darkroom.core.paths import MOST_SOURCE, alike, check_id, is_text, read_plain
from darkroom.lab.source.declared import DeclaredDrawing, DeclaredExperiment, DrawingRecipe, ExperimentRecipe
from darkroom.lab.source.edges import DATA, EXPERIMENTS, MODELS, AnyEdge, Unbound
from darkroom.lab.source.models import declared as declared_models
from darkroom.lab.source.weights import Model

if TYPE_CHECKING:
    from darkroom.lab.source.fingerprint import Fingerprints

_OPAQUE = ("src/darkroom/lab/", "src/darkroom/core/")  # the machinery does not affect what an experiment computes
_LARGEST = 50_000_000  # bytes of a source outside of experiments; a larger one is not parsed, only checked for changes
_MOST_FILES = 20_000
_NOT_MODULES = frozenset({"outputs", "images", "__pycache__"})
_LIBRARY = Path(__file__).parents[2]
_COUNTED = ("diffusion", "figures")  # of an installed Darkroom
_MACHINERY = ("canonical", "scan", "declarations", "declared", "edges", "fingerprint", "discover", "models", "weights")


class Project(msgspec.Struct, frozen=True):
    """All experiments by id in the order of their files, the digest of each data set, and of each source as it was read.

    ``modules`` maps each module to its source's path, ``sources`` each path to its sha256.
    """

    digest: str
    experiments: dict[str, ExperimentRecipe]
    datasets: dict[str, str]
    modules: dict[str, str]
    sources: dict[str, str]
    models: list[Model] = []


def discover(root: Path, digests: Digests, cache: Path | None = None) -> Project:
    """The project under *root*.

    Args:
        root: the folder that holds ``experiments`` and ``src``.
        digests: the digests of its files.
        cache: where to store what was read; by default ``.darkroom/lab`` of the project.

    Raises:
        DeclarationError: a source is not Python, or an experiment breaks a rule of declarations.
        UsageError: there is no ``experiments`` folder, or ``data.toml`` is at fault.
    """
    base = os.fspath(root)
    sources = {
        path: digests.of(f"{base}/{path}", most=_LARGEST) for path in [*source_files(base), *library_files(base)]
    }
    if wrong := [path for path, digest in sources.items() if digest is None or not is_text(path)]:
        raise DeclarationError("\n".join(_unread(base, path) for path in wrong))
    sources |= {path: digests.of(f"{base}/{path}") for path in (DATA, MODELS)}
    machinery = _machinery(digests)
    whole = sha256(msgspec.json.encode([machinery, sorted(sources.items(), key=str)])).hexdigest()
    folder = cache or root / ".darkroom" / "lab"
    known = _read(folder / "project.json")
    if known is not None and known.digest == whole:
        return known
    project = _read_sources(
        root, {path: digest for path, digest in sources.items() if digest}, whole, machinery, folder
    )
    with suppress(OSError):  # read anew next time
        caches.write(folder / "project.json", msgspec.json.encode(project))
    return project


def _unread(base: str, path: str) -> str:
    """The fault of a source that is not a file, is too large, or has a name that is not UTF-8."""
    if not is_text(path):
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        return f"{shown}:1:1: its name is not UTF-8; rename the file"
    try:
        size = os.stat(f"{base}/{path}").st_size  # noqa: PTH116
    except OSError as error:
        return f"{path}:1:1: cannot be read: {error.strerror}; replace it by a file, or remove it"
    if size > _LARGEST:
        return f"{path}:1:1: has {size:,} bytes; the limit is {_LARGEST:,}: keep data in data files, not in Python"
    return f"{path}:1:1: is not a file; replace it by one, or remove it"


def source_files(base: str) -> list[str]:
    """Every Python file of the project, relative to *base*, sorted."""
    if not os.path.isdir(f"{base}/{EXPERIMENTS}"):  # noqa: PTH112
        raise UsageError(
            f"{base}: there is no folder 'experiments'; run it in a project, or write one with: darkroom new DIR"
        )
    found: list[str] = []
    for folder in (EXPERIMENTS, "src"):
        for path in _python_files(base, folder, (os.path.realpath(f"{base}/{folder}"),)):
            found.append(path)
            if len(found) > _MOST_FILES:
                raise UsageError(f"{base}: more than {_MOST_FILES:,} Python files, or links that multiply them")
    return sorted(found)


def library_files(base: str) -> list[str]:
    """Every Python file of an installed Darkroom that counts, relative to *base*, sorted; none for a clone of Darkroom."""
    if os.path.isdir(f"{base}/src/darkroom"):  # noqa: PTH112
        return []
    try:
        library = os.path.relpath(_LIBRARY, base)
    except ValueError:  # on another drive of Windows, to which no relative path leads
        return []
    found = [
        path for name in _COUNTED for path in _python_files(base, f"{library}/{name}", (os.fspath(_LIBRARY / name),))
    ]
    return sorted([f"{library}/__init__.py", *found])


def module_name(path: str, base: str = "") -> str:
    """``experiments.part_b.denoiser`` for ``experiments/part_b/denoiser.py``; a package is named for its folder.

    A path of the installed Darkroom may lead out of *base*, or into an environment that lies in it, such as ``.venv``.
    """
    if base and os.path.isabs(base):  # noqa: PTH117
        with suppress(ValueError):  # on another drive of Windows
            inside = os.path.relpath(f"{base}/{path}", _LIBRARY.parent)
            if inside.startswith(f"{_LIBRARY.name}{os.sep}"):
                path = inside.replace(os.sep, "/")
    stem = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__")
    return stem.replace("/", ".")


def _python_files(base: str, folder: str, above: tuple[str, ...]) -> Iterator[str]:
    """Those in a folder and below it; links back to *above*, the real paths of it and its parents, are not followed."""
    try:
        entries = list(os.scandir(f"{base}/{folder}"))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.name.startswith("."):  # such as an editor's
            continue
        if entry.name.endswith(".py"):
            yield f"{folder}/{entry.name}"
        elif entry.name.isidentifier() and entry.name not in _NOT_MODULES and entry.is_dir():
            real = os.path.realpath(entry.path) if entry.is_symlink() else f"{above[-1]}/{entry.name}"
            if real not in above and not any(each.startswith(f"{real}/") for each in above):
                yield from _python_files(base, f"{folder}/{entry.name}", (*above, real))


def _machinery(digests: Digests) -> str:
    """The digests of what reads declarations: what it has read is only used as long as it is the same."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    return "-".join(str(digests.of(f"{here}/{name}.py")) for name in _MACHINERY)


def _read(cache: Path) -> Project | None:
    try:
        return msgspec.json.decode(caches.read(cache), type=Project)
    except msgspec.DecodeError:
        return None


def _read_sources(root: Path, sources: dict[str, str], whole: str, machinery: str, cache: Path) -> Project:
    """Parse what has changed, then link everything."""
    from darkroom.lab.source.fingerprint import Fingerprints

    base = os.fspath(root)
    own = [path for path in sources if path.endswith(".py") and not path.startswith(_OPAQUE)]
    modules = {module_name(path, base): path for path in own}
    records = _records(root, modules, sources, machinery, cache / "modules.json")
    datasets = _datasets(root)
    models = declared_models(root / MODELS)
    linker = _Linker(modules, records, datasets, models[0] if models else None, Fingerprints(records))
    return Project(whole, linker.recipes(), datasets, modules, sources, models)


def _records(
    root: Path, modules: dict[str, str], sources: dict[str, str], machinery: str, cache: Path
) -> dict[str, dict[str, Any]]:
    known = _read_records(cache, machinery)
    kept, faults = {}, []
    for module, path in modules.items():
        name = f"{path}@{sources[path]}"
        try:
            kept[name] = known.get(name) or _record(root, module, path, sources[path])
        except DeclarationError as error:
            faults.append(str(error))
    if faults:
        raise DeclarationError("\n".join(faults))
    with suppress(OSError):
        caches.write(cache, msgspec.json.encode([machinery, kept]))
    return {module: kept[f"{path}@{sources[path]}"] for module, path in modules.items()}


def _record(root: Path, module: str, path: str, digest: str) -> dict[str, Any]:
    """A module's record; one outside ``experiments`` that cannot be parsed counts as a whole."""
    from darkroom.lab.source.scan import module_record

    try:
        try:
            content = read_plain(root / path, MOST_SOURCE, links=True)
        except ValueError as error:
            raise DeclarationError(f"{path}:1:1: {error}; keep data in data files, not in Python") from None
        record = module_record(content, module, path, package=path.endswith("/__init__.py"))
        _check_text(record, content, path)
        return record
    except DeclarationError:
        if path.startswith(f"{EXPERIMENTS}/"):
            raise
        return {"whole": digest[:16]}


def _check_text(record: dict[str, Any], content: bytes, path: str) -> None:
    r"""Refuse declarations with a text that UTF-8 cannot encode, such as ``"\ud800"``, half a surrogate pair.

    Raises:
        DeclarationError: there are some; a line for each, at its place.
    """
    try:
        msgspec.json.encode(record)
    except UnicodeEncodeError:
        import ast

        texts = [each for each in ast.walk(ast.parse(content)) if isinstance(each, ast.Constant)]
        halves = [each for each in texts if isinstance(each.value, str) and not is_text(each.value)]
        places = [f"{path}:{each.lineno}:{each.col_offset + 1}" for each in halves] or [f"{path}:1:1"]
        message = "half a surrogate pair is not text; write the character"
        raise DeclarationError("\n".join(f"{place}: {message}" for place in places)) from None


def _read_records(cache: Path, machinery: str) -> dict[str, dict[str, Any]]:
    try:
        made_by, known = msgspec.json.decode(caches.read(cache), type=tuple[str, dict[str, dict[str, Any]]])
    except msgspec.DecodeError:
        return {}
    return known if made_by == machinery else {}


def _datasets(root: Path) -> dict[str, str]:
    """The digest of each declared data set: of its files' names and digests, not of where they are fetched from."""
    from darkroom.lab.outputs.datasets import declared

    return {name: each.digest for name, each in declared(root / DATA).items()}


class _Linker:
    """Binds what declarations name: upstreams to ids, data sets to digests, functions to the code that they reach."""

    def __init__(
        self,
        modules: dict[str, str],
        records: dict[str, dict[str, Any]],
        datasets: dict[str, str],
        model: Model | None,
        fingerprints: Fingerprints,
    ) -> None:
        self.modules, self.records, self.datasets, self.fingerprints = modules, records, datasets, fingerprints
        self.model = model
        self.ids: dict[tuple[str, str], str] = {}
        self.faults: list[str] = []

    def recipes(self) -> dict[str, ExperimentRecipe]:
        found = [
            (module, msgspec.convert(each, DeclaredExperiment))
            for module in sorted(self.modules, key=lambda name: self.modules[name])
            if self.modules[module].startswith(f"{EXPERIMENTS}/")
            for each in self.records[module].get("experiments", ())
        ]
        for module, each in found:
            self._name(module, each)
        self._refuse_unfit(found)
        recipes = {self.ids[module, each.name]: self._recipe(module, each) for module, each in found}
        self._refuse_lost(recipes)
        self._refuse_cycles(recipes)
        if self.faults:
            raise DeclarationError("\n".join(self.faults))
        return _named_by_model(recipes, self.model)

    def _name(self, module: str, each: DeclaredExperiment) -> None:
        folder = self.modules[module].removeprefix(f"{EXPERIMENTS}/").rpartition("/")[0]
        identity = f"{folder}/{each.name}" if folder else each.name
        taken = next((where for where, known in self.ids.items() if known == identity), None)
        if taken:
            other = self.modules[taken[0]]
            self._fault(
                module, each.line, 1, f"experiment {identity!r} is declared in {other} too; rename one of the two"
            )
        self.ids[module, each.name] = identity

    def _refuse_unfit(self, found: list[tuple[str, DeclaredExperiment]]) -> None:
        """Refuse experiments and figures whose outputs could not be stored, or would lie in the place of others."""
        ids = {self.ids[module, each.name]: (module, each.line) for module, each in found}
        same = alike(ids)
        for identity, where in ids.items():
            parts = identity.split("/")
            cut = ["/".join(parts[: end + 1]) for end in range(len(parts))]
            try:
                check_id(identity)
            except ValueError as error:
                self._fault(*where, 1, f"{error}; rename it")
            if FIGURES in parts:
                self._fault(*where, 1, f"experiment {identity!r}: {FIGURES!r} is where figures are stored; rename it")
            for way in (each for each in cut if each in same):
                self._fault(*where, 1, _same_names(f"experiment {identity!r}", way, same[way]))
            for way in (each for each in cut[:-1] if each in ids):
                message = f"experiment {identity!r} would be stored among the outputs of {way!r}; rename one of the two"
                self._fault(*where, 1, message)
        for module, each in found:
            lines = {figure.name: figure.line for figure in each.figures}
            for name, first in alike(lines).items():
                self._fault(module, lines[name], 1, _same_names(f"figure {name!r}", name, first))

    def _recipe(self, module: str, each: DeclaredExperiment) -> ExperimentRecipe:
        reach = self.fingerprints.reach(module, each.name)
        changed = {
            "edges": self._bound(module, each.edges),
            "figures": [self._drawing(module, figure) for figure in each.figures],
            "metrics": [self._drawing(module, metric) for metric in each.metrics],
        }
        return ExperimentRecipe(
            **{**msgspec.structs.asdict(each), **changed},
            id=self.ids[module, each.name],
            module=module,
            path=self.modules[module],
            code=reach.code,
            modules=list(reach.modules),
            packages=list(reach.packages),
        )

    def _drawing(self, module: str, each: DeclaredDrawing) -> DrawingRecipe:
        reach = self.fingerprints.reach(module, each.name)
        known = {**msgspec.structs.asdict(each), "edges": self._bound(module, each.edges)}
        return DrawingRecipe(**known, code=reach.code, modules=list(reach.modules))

    def _bound(self, module: str, edges: list[AnyEdge]) -> list[AnyEdge]:
        """Edges bound to what they name; an unknown name is a fault, and stays as written."""
        found: list[AnyEdge] = []
        for edge in edges:
            try:
                found.append(edge.bound(_Names(self, module)))
            except Unbound as problem:
                self._fault(module, edge.line, edge.column, str(problem))
                found.append(edge)
        return found

    def _refuse_lost(self, recipes: dict[str, ExperimentRecipe]) -> None:
        """Refuse a model whose weights come from no experiment."""
        roles = self.model.roles if self.model else {}
        lost = {role: source.upstream for role, source in roles.items() if source.upstream not in {"", *recipes}}
        if not self.model or not lost:
            return
        if len(lost) == 1:
            [(role, name)] = lost.items()
            self.faults.append(
                f"{MODELS}:1:1: {role} comes from {name!r}, which is not an experiment{nearest(name, recipes)}"
            )
            return
        named = " and ".join(f"{role} from {name!r}" for role, name in lost.items())
        self.faults.append(
            f"{MODELS}:1:1: model {self.model.name!r} takes {named}, which are not experiments; restore them, "
            "or remove the model"
        )

    def _refuse_cycles(self, recipes: dict[str, ExperimentRecipe]) -> None:
        from graphlib import CycleError, TopologicalSorter

        try:
            known = {name: [each for each in recipe.upstreams if each in recipes] for name, recipe in recipes.items()}
            TopologicalSorter(known).prepare()
        except CycleError as error:
            first = recipes[error.args[1][0]]
            chain = " -> ".join(reversed(error.args[1]))
            self.faults.append(
                f"{first.path}:{first.line}:1: experiments depend on each other: {chain}; remove one of these inputs"
            )

    def _fault(self, module: str, line: int, column: int, message: str) -> None:
        self.faults.append(f"{self.modules[module]}:{line}:{column}: {message}")


def _same_names(what: str, name: str, other: str) -> str:
    return f"{what}: {other!r} and {name!r} have the same name on some systems, such as macOS; rename one of the two"


class _Names:
    """The names that edges of one module can be bound to."""

    def __init__(self, linker: _Linker, module: str) -> None:
        self._linker, self._module = linker, module
        self.datasets = linker.datasets
        self.roles = linker.model.roles if linker.model else {}
        self.experiments = [name for _, name in linker.ids]

    def experiment(self, name: str) -> str | None:
        """The id of the experiment that the module knows by a name."""
        defined = self._linker.fingerprints.definition(self._module, name)
        return self._linker.ids.get(defined) if defined else None


def _named_by_model(recipes: dict[str, ExperimentRecipe], model: Model | None) -> dict[str, ExperimentRecipe]:
    """The recipes, with the default model's name in those that use it."""
    drawing: set[str] = set()
    grown = True
    while grown:
        found = {name for name, recipe in recipes.items() if any(edge.draws(drawing) for edge in recipe.edges)}
        grown, drawing = found != drawing, found
    title = model.title if model else ""
    return {
        name: msgspec.structs.replace(recipe, model=title) if name in drawing else recipe
        for name, recipe in recipes.items()
    }
