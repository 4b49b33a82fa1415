"""Every experiment of a project, read from source without importing any of it.

What is read is remembered under ``.darkroom/lab``: module records by content, and the whole project by the digests of
all its sources. A project that has not changed is known again without parsing, or even importing ``ast``.
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
from darkroom.core.paths import MOST_SOURCE, read_plain
from darkroom.lab.source.models import Model, WeightsSource
from darkroom.lab.source.models import declared as declared_models

if TYPE_CHECKING:
    from darkroom.lab.source.fingerprint import Fingerprints

EXPERIMENTS = "experiments"
DATA = f"{EXPERIMENTS}/data.toml"
MODELS = f"{EXPERIMENTS}/models.toml"
_OPAQUE = ("src/darkroom/lab/", "src/darkroom/core/")  # the machinery is no part of what an experiment computes
_LARGEST = 50_000_000  # bytes of a source outside of experiments; it is not parsed, but looked at for changes
_MOST_FILES = 20_000
_NOT_MODULES = frozenset({"outputs", "images", "__pycache__"})
_MACHINERY = ("canonical", "scan", "declarations", "fingerprint", "discover", "models")


class EdgeRecipe(msgspec.Struct, frozen=True):
    """What a positional parameter is bound to.

    ``target`` is an experiment's id, a data set, a path, a published model, or a role; ``source`` is where the weights of
    that role come from.
    """

    parameter: str
    kind: str
    target: str
    revision: str = ""
    source: WeightsSource | None = None

    @property
    def name(self) -> str:
        """How a manifest names the input, such as ``upstream:part_b/denoiser``."""
        return f"{self.kind}:{self.target}"

    @property
    def upstream(self) -> str:
        """The id of the experiment whose results it leads to, or empty."""
        if self.source is not None:
            return self.source.place if self.source.kind == "upstream" else ""
        return self.target if self.kind == "upstream" else ""


class ParameterRecipe(msgspec.Struct, frozen=True):
    """A keyword-only parameter: its literal default, tuples as lists, and its annotation as written."""

    name: str
    value: Any
    annotation: str


class DrawingRecipe(msgspec.Struct, frozen=True):
    """A figure or a metric: its code is every definition that its function reaches."""

    name: str
    line: int
    edges: list[EdgeRecipe]
    parameters: list[ParameterRecipe]
    caption: str
    alt: str
    code: dict[str, str]
    modules: list[str]


class ExperimentRecipe(msgspec.Struct, frozen=True):
    """An experiment as its source declares it.

    ``code`` is every definition that the function reaches, ``modules`` where they stand, ``packages`` what it imports
    from outside the project; ``handle`` names the parameter that takes the ``Run``, or is empty. ``model`` is what the
    model is called that it draws with, itself or through an upstream, or empty.
    """

    id: str
    module: str
    function: str
    path: str
    line: int
    summary: str
    device: str
    minutes: float
    gpu_minutes: float
    handle: str
    edges: list[EdgeRecipe]
    parameters: list[ParameterRecipe]
    figures: list[DrawingRecipe]
    metrics: list[DrawingRecipe]
    code: dict[str, str]
    modules: list[str]
    packages: list[str]
    model: str = ""

    @property
    def upstreams(self) -> list[str]:
        """The ids of the experiments whose results this one takes."""
        return [edge.upstream for edge in self.edges if edge.upstream]


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
        cache: where to remember what was read; by default ``.darkroom/lab`` of the project.

    Raises:
        DeclarationError: a source is not Python, or an experiment breaks a rule of declaration.
        UsageError: there is no ``experiments`` folder, or ``data.toml`` is at fault.
    """
    base = os.fspath(root)
    sources = {path: digests.of(f"{base}/{path}", most=_LARGEST) for path in source_files(base)}
    if wrong := [path for path, digest in sources.items() if digest is None or not _is_text(path)]:
        raise DeclarationError("\n".join(_unread(base, path) for path in wrong))
    sources |= {path: digests.of(f"{base}/{path}") for path in (DATA, MODELS)}
    whole = sha256(msgspec.json.encode([_machinery(digests), sorted(sources.items(), key=str)])).hexdigest()
    folder = cache or root / ".darkroom" / "lab"
    known = _read(folder / "project.json")
    if known is not None and known.digest == whole:
        return known
    project = _read_sources(root, {path: digest for path, digest in sources.items() if digest}, whole, folder)
    with suppress(OSError):  # read anew next time
        caches.write(folder / "project.json", msgspec.json.encode(project))
    return project


def _unread(base: str, path: str) -> str:
    """What is said of a source that is no file, too large to be one, or has a name that is no text."""
    if not _is_text(path):
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        return f"{shown}:1:1: has a name that is not UTF-8; rename the file"
    try:
        size = os.stat(f"{base}/{path}").st_size  # noqa: PTH116
    except OSError as error:
        return f"{path}:1:1: cannot be read: {error.strerror}; put a file there, or remove it"
    if size > _LARGEST:
        return (
            f"{path}:1:1: has {size:,} bytes; the most is {_LARGEST:,}: keep data in files of their own, not in Python"
        )
    return f"{path}:1:1: is no file; put one there, or remove it"


def _is_text(path: str) -> bool:
    """Whether a path is UTF-8."""
    try:
        return path.isascii() or bool(path.encode())
    except UnicodeEncodeError:
        return False


def source_files(base: str) -> list[str]:
    """Every Python file of the project, relative to *base*, sorted."""
    if not os.path.isdir(f"{base}/{EXPERIMENTS}"):  # noqa: PTH112
        raise UsageError(f"{base}: no folder 'experiments'; run from the folder that holds build.py and experiments/")
    found: list[str] = []
    for folder in (EXPERIMENTS, "src"):
        for path in _python_files(base, folder, (os.path.realpath(f"{base}/{folder}"),)):
            found.append(path)
            if len(found) > _MOST_FILES:
                raise UsageError(f"{base}: more than {_MOST_FILES:,} Python files, or links that multiply them")
    return sorted(found)


def module_name(path: str) -> str:
    """``experiments.part_b.denoiser`` for ``experiments/part_b/denoiser.py``; a package is named for its folder."""
    stem = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__")
    return stem.replace("/", ".")


def _python_files(base: str, folder: str, above: tuple[str, ...]) -> Iterator[str]:
    """Those in a folder and below it; *above* are the real paths of it and of those it lies in: no link leads back there."""
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


def _machinery(digests: Digests) -> list[str | None]:
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    return [digests.of(f"{here}/{name}.py") for name in _MACHINERY]


def _read(cache: Path) -> Project | None:
    try:
        return msgspec.json.decode(caches.read(cache), type=Project)
    except msgspec.DecodeError:
        return None


def _read_sources(root: Path, sources: dict[str, str], whole: str, cache: Path) -> Project:
    """Parse what has changed, then link everything."""
    from darkroom.lab.source.fingerprint import Fingerprints

    modules = {module_name(path): path for path in sources if path.endswith(".py") and not path.startswith(_OPAQUE)}
    records = _records(root, modules, sources, cache / "modules.json")
    datasets = _datasets(root)
    models = declared_models(root / MODELS)
    linker = _Linker(modules, records, datasets, models[0] if models else None, Fingerprints(records))
    return Project(whole, linker.recipes(), datasets, modules, sources, models)


def _records(root: Path, modules: dict[str, str], sources: dict[str, str], cache: Path) -> dict[str, dict[str, Any]]:
    machinery = "-".join(str(each) for each in _machinery(Digests(Path(os.devnull))))
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
    """A module's record; one outside ``experiments`` that cannot be parsed is taken whole, whatever it means."""
    from darkroom.lab.source.scan import module_record

    try:
        try:
            content = read_plain(root / path, MOST_SOURCE, links=True)
        except ValueError as error:
            raise DeclarationError(f"{path}:1:1: {error}; keep data in files of their own, not in Python") from None
        return module_record(content, module, path, package=path.endswith("/__init__.py"))
    except DeclarationError:
        if path.startswith(f"{EXPERIMENTS}/"):
            raise
        return {"whole": digest[:16]}


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
            (module, each)
            for module in sorted(self.modules, key=lambda name: self.modules[name])
            if self.modules[module].startswith(f"{EXPERIMENTS}/")
            for each in self.records[module].get("experiments", ())
        ]
        for module, each in found:
            self._name(module, each)
        recipes = {self.ids[module, each["name"]]: self._recipe(module, each) for module, each in found}
        self._refuse_lost(recipes)
        self._refuse_cycles(recipes)
        if self.faults:
            raise DeclarationError("\n".join(self.faults))
        return _named_by_model(recipes, self.model)

    def _name(self, module: str, each: dict[str, Any]) -> None:
        folder = self.modules[module].removeprefix(f"{EXPERIMENTS}/").rpartition("/")[0]
        identity = f"{folder}/{each['name']}" if folder else each["name"]
        taken = next((where for where, known in self.ids.items() if known == identity), None)
        if taken:
            other = self.modules[taken[0]]
            self._fault(module, each, f"experiment {identity!r} is declared in {other} too; rename one of the two")
        self.ids[module, each["name"]] = identity

    def _recipe(self, module: str, each: dict[str, Any]) -> ExperimentRecipe:
        reach = self.fingerprints.reach(module, each["name"])
        return ExperimentRecipe(
            id=self.ids[module, each["name"]],
            module=module,
            function=each["name"],
            path=self.modules[module],
            line=each["line"],
            summary=each["summary"],
            device=each["device"],
            minutes=each["minutes"],
            gpu_minutes=each["gpu_minutes"],
            handle=each["handle"],
            edges=[self._edge(module, edge) for edge in each["edges"]],
            parameters=_parameters(each),
            figures=[self._drawing(module, figure) for figure in each["figures"]],
            metrics=[self._drawing(module, metric) for metric in each["metrics"]],
            code=reach.code,
            modules=list(reach.modules),
            packages=list(reach.packages),
        )

    def _drawing(self, module: str, each: dict[str, Any]) -> DrawingRecipe:
        reach = self.fingerprints.reach(module, each["name"])
        edges = [self._edge(module, edge) for edge in each["edges"]]
        texts = (each["caption"], each["alt"])
        return DrawingRecipe(
            each["name"], each["line"], edges, _parameters(each), *texts, reach.code, list(reach.modules)
        )

    def _edge(self, module: str, edge: dict[str, Any]) -> EdgeRecipe:
        target = edge["target"]
        if edge["kind"] == "upstream":
            target = self._upstream(module, edge)
        elif edge["kind"] == "dataset" and target not in self.datasets:
            offer = nearest(target, self.datasets)
            self._fault(module, edge, f"no data set {target!r}{offer}; declare it in {DATA}")
        elif edge["kind"] == "weights" and not edge["revision"]:
            return EdgeRecipe(edge["parameter"], edge["kind"], target, source=self._weights(module, edge))
        return EdgeRecipe(edge["parameter"], edge["kind"], target, edge["revision"])

    def _weights(self, module: str, edge: dict[str, Any]) -> WeightsSource | None:
        """Where the default model's weights for a role come from."""
        roles = self.model.roles if self.model else {}
        if edge["target"] not in roles:
            offer = nearest(edge["target"], roles)
            self._fault(module, edge, f"no model has weights {edge['target']!r}{offer}; declare them in {MODELS}")
        return roles.get(edge["target"])

    def _upstream(self, module: str, edge: dict[str, Any]) -> str:
        defined = self.fingerprints.definition(module, edge["target"])
        identity = self.ids.get(defined) if defined else None
        if identity is None:
            offer = nearest(edge["target"], (name for _, name in self.ids))
            self._fault(module, edge, f"{edge['target']!r} is no experiment{offer}; import one and name it")
        return identity or ""

    def _refuse_lost(self, recipes: dict[str, ExperimentRecipe]) -> None:
        """Refuse a model whose weights come from no experiment."""
        for role, source in self.model.roles.items() if self.model else ():
            if source.kind == "upstream" and source.place not in recipes:
                offer = nearest(source.place, recipes)
                self.faults.append(f"{MODELS}:1:1: {role} comes from {source.place!r}, which is no experiment{offer}")

    def _refuse_cycles(self, recipes: dict[str, ExperimentRecipe]) -> None:
        from graphlib import CycleError, TopologicalSorter

        try:
            known = {name: [each for each in recipe.upstreams if each in recipes] for name, recipe in recipes.items()}
            TopologicalSorter(known).prepare()
        except CycleError as error:
            first = recipes[error.args[1][0]]
            chain = " -> ".join(reversed(error.args[1]))
            self.faults.append(f"{first.path}:{first.line}:1: experiments wait for each other: {chain}; drop one edge")

    def _fault(self, module: str, where: dict[str, Any], message: str) -> None:
        self.faults.append(f"{self.modules[module]}:{where['line']}:{where.get('column', 1)}: {message}")


def _named_by_model(recipes: dict[str, ExperimentRecipe], model: Model | None) -> dict[str, ExperimentRecipe]:
    """The recipes, those that draw with the default model saying so."""
    drawing: set[str] = set()
    grown = True
    while grown:
        found = {
            name
            for name, recipe in recipes.items()
            if any(edge.source is not None or edge.target in drawing for edge in recipe.edges)
        }
        grown, drawing = found != drawing, found
    title = model.title if model else ""
    return {
        name: msgspec.structs.replace(recipe, model=title) if name in drawing else recipe
        for name, recipe in recipes.items()
    }


def _parameters(each: dict[str, Any]) -> list[ParameterRecipe]:
    return [ParameterRecipe(**parameter) for parameter in each["parameters"]]
