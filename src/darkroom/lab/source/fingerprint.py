"""Digests of code, symbol by symbol: everything that a function can reach by name in the project's own sources.

There are four kinds of nodes, with these names in a manifest:

    package.module.name     a definition at the top level of a module; methods belong to their class
    package.module          statements of a module that do more than define; they count for whatever is used of it
    package.module.*        a whole module, if it is unknown which of its names are used
    *                       every module, where code imports by a computed name

Names that lead out of the project (numpy, torch, ``darkroom.lab``) end the search; only their names are hashed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from darkroom.lab.source import canonical
from darkroom.lab.source.scan import LAB

Record = Mapping[str, Any]

# Importing by a computed name, or reading the table of modules: what is reached is unknown.
_COMPUTED = (
    "importlib.import_module",
    "importlib.util.module_from_spec",
    "sys.modules",
    "runpy.",
    "pkgutil.",
    "builtins.__import__",
)
# What an effect may change globally, even for code that does not name it.
_EVERYWHERE = frozenset({"os", "random"})


Kind = Literal["symbol", "body", "effects", "whole", "all", "outside"]


@dataclass(frozen=True, order=True)
class Node:
    """Something with a digest of code, or a name from outside the project."""

    kind: Kind
    module: str
    name: str = ""

    def __str__(self) -> str:
        if self.kind == "all":
            return "*"
        if self.kind == "whole":
            return f"{self.module}.*"
        return f"{self.module}.{self.name}" if self.name else self.module


@dataclass(frozen=True)
class Reach:
    """What a function reaches: the digest of each definition, the modules they stand in, the packages outside."""

    code: dict[str, str]
    modules: tuple[str, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True)
class _Links:
    digest: str
    nodes: frozenset[Node]
    modules: frozenset[str]
    outside: frozenset[str]


class Fingerprints:
    """Digests of code over the records of every module of a project, as ``scan`` makes them."""

    def __init__(self, records: Mapping[str, Record]) -> None:
        self._records = {**_namespaces(records), **records}
        self._links: dict[Node, _Links] = {}
        self._loaded: dict[str, frozenset[str]] = {}

    def reach(self, module: str, name: str) -> Reach:
        """Everything that the declared function *name* of *module* reaches."""
        seen: dict[Node, _Links] = {}
        self._walk([Node("body", module, name)], seen)
        while more := self._effects_that_matter(seen):
            self._walk(more, seen)
        modules = {each for links in seen.values() for each in links.modules}
        return Reach(
            code={str(node): seen[node].digest for node in sorted(seen, key=str)},
            modules=tuple(sorted(each for each in modules if self._records[each])),
            packages=tuple(sorted({each for links in seen.values() for each in links.outside})),
        )

    def _walk(self, nodes: list[Node], seen: dict[Node, _Links]) -> None:
        while nodes:
            node = nodes.pop()
            if node not in seen:
                seen[node] = self._linked(node)
                nodes.extend(seen[node].nodes)

    def _effects_that_matter(self, seen: Mapping[Node, _Links]) -> list[Node]:
        """Effects of modules that are only imported along the way, where they touch something that is reached.

        A figure module that restyles plots on import does not affect a training; one that seeds a generator does.
        """
        outside = {each for links in seen.values() for each in links.outside} | _EVERYWHERE
        loaded = {each for links in seen.values() for each in links.modules if self._records[each].get("effects")}
        candidates = [node for node in (Node("effects", each) for each in sorted(loaded)) if node not in seen]
        return [node for node in candidates if self._touches(node, outside, seen)]

    def _touches(self, effects: Node, outside: set[str], seen: Mapping[Node, _Links]) -> bool:
        links = self._linked(effects)
        return bool(links.outside & outside) or any(node in seen for node in links.nodes)

    def definition(self, module: str, dotted: str) -> tuple[str, str] | None:
        """The (module, name) where what *module* calls *dotted* is defined, or None."""
        found = [node for node in self._global(module, dotted) if node.kind == "symbol"]
        return (found[0].module, found[0].name) if len(found) == 1 else None

    def _linked(self, node: Node) -> _Links:
        if node not in self._links:
            self._links[node] = self._link(node)
        return self._links[node]

    def _link(self, node: Node) -> _Links:
        if node.kind == "all":
            return self._everything()
        record = self._records[node.module]
        if node.kind == "whole":
            parts = [*record.get("symbols", {}).values(), record.get("effects", {})]
            return self._follow(node, record.get("whole", ""), parts)
        if node.kind == "effects":
            return self._follow(node, record["effects"]["digest"], [record["effects"]])
        part = record["bodies" if node.kind == "body" else "symbols"][node.name]
        return self._follow(node, part["digest"], [part])

    def _everything(self) -> _Links:
        wholes = {module: record.get("whole", "") for module, record in self._records.items() if not _is_lab(module)}
        return _Links(_digest(sorted(wholes.items())), frozenset(), frozenset(), frozenset())

    def _follow(self, node: Node, own: str, parts: Iterable[Record]) -> _Links:
        """The digest of a node, which holds what each imported name stands for, and the nodes that it leads to."""
        found: set[Node] = set()
        meaning: dict[str, list[str]] = {}
        modules = set(self._load(node.module))
        for part in parts:
            for chain in part.get("names", ()):
                reached = self._global(node.module, chain)
                found |= reached
                if chain.partition(".")[0] in self._records[node.module].get("imports", {}):
                    meaning[chain] = sorted(str(each) for each in reached)
            for target in part.get("targets", ()):
                found |= self._target(target, [])
            for module in part.get("loads", ()):
                modules |= self._load(module)
            found |= _flagged(part, node.module)
        modules |= {loaded for each in found if each.kind != "outside" for loaded in self._load(each.module)}
        found |= self._of_whole_module(node.module)
        if any(_is_computed(each) for each in found):
            found.add(Node("all", ""))
        outside = {each.module.partition(".")[0] for each in found if each.kind == "outside"}
        inside = frozenset(each for each in found if each.kind != "outside" and each != node)
        return _Links(_digest([own, sorted(meaning.items())]), inside, frozenset(modules), frozenset(outside))

    def _of_whole_module(self, module: str) -> set[Node]:
        """What counts for every use of a module: its statements with effects, and its star imports."""
        record = self._records[module]
        found = {Node("effects", module)} if record.get("effects") else set()
        return found | {Node("whole", star) for star in record.get("stars", ()) if self._is_inside(star)}

    def _global(self, module: str, chain: str) -> set[Node]:
        """What a dotted name means at the top level of a module; nothing for a builtin."""
        root, *rest = chain.split(".")
        record = self._records[module]
        found = {Node("symbol", module, root)} if root in record.get("symbols", {}) else set()
        for target in record.get("imports", {}).get(root, ()):
            found |= self._target(target, rest)
        return found

    def _target(self, target: str, rest: list[str], depth: int = 0) -> set[Node]:
        module, _, name = target.partition(":")
        return self._attribute(module, [*(name.split(".") if name else []), *rest], depth)

    def _attribute(self, module: str, names: list[str], depth: int = 0) -> set[Node]:
        """What ``module.a.b`` means: the definition of ``a``, wherever it is imported from, or a module within."""
        if not self._is_inside(module) or depth > 50:
            return {Node("outside", ".".join([module, *names]))}
        if not names:
            return {Node("whole", module)}
        name, *rest = names
        record = self._records[module]
        found = {Node("symbol", module, name)} if name in record.get("symbols", {}) else set()
        for target in record.get("imports", {}).get(name, ()):
            if target != f"{module}:{name}":  # a package that imports its own module of that name
                found |= self._target(target, rest, depth + 1)
        if found:
            return found
        inner = f"{module}.{name}"
        if inner in self._records:
            return self._attribute(inner, rest, depth + 1)
        return set() if name.startswith("__") else {Node("whole", module)}

    def _load(self, module: str) -> frozenset[str]:
        """The project's modules that importing *module* imports: itself, its packages, and theirs in turn."""
        if module not in self._loaded:
            found: set[str] = set()
            waiting = [module]
            while waiting:
                each = waiting.pop()
                if each in found or not self._is_inside(each):
                    continue
                found.add(each)
                waiting.extend(self._imported_by(each))
            self._loaded[module] = frozenset(found)
        return self._loaded[module]

    def _imported_by(self, module: str) -> Iterable[str]:
        yield module.rpartition(".")[0]
        record = self._records[module]
        yield from record.get("loads", ())
        for targets in record.get("imports", {}).values():
            yield from (target.replace(":", ".").rstrip(".") for target in targets)

    def _is_inside(self, module: str) -> bool:
        return module in self._records and not _is_lab(module)


def _is_lab(module: str) -> bool:
    return module == LAB or module.startswith(f"{LAB}.")


def _is_computed(node: Node) -> bool:
    return node.kind == "outside" and f"{node.module}.".startswith(_COMPUTED)


def _flagged(part: Record, module: str) -> set[Node]:
    flags = part.get("flags", ())
    found = {Node("whole", module)} if "module" in flags else set()
    return found | ({Node("all", "")} if "all" in flags else set())


def _namespaces(records: Iterable[str]) -> dict[str, Record]:
    """Empty records for folders of modules that have no ``__init__``."""
    found: dict[str, Record] = {}
    for module in records:
        parts = module.split(".")
        for length in range(1, len(parts)):
            found[".".join(parts[:length])] = {}
    return found


def _digest(value: object) -> str:
    return canonical.digest(msgspec.json.encode(value).decode())
