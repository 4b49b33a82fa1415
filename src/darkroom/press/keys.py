"""A page's key: a digest of all that its HTML depends on. A page whose key is that of the last build stays as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

from darkroom.press.context import Context
from darkroom.press.listing import source_file
from darkroom.press.pages import Outline
from darkroom.press.references import Unknown
from darkroom.press.sources import Sources


def page_keys(sources: Sources, context: Context) -> dict[str, str]:
    """The key of every page by address."""
    shared = _digest(_shared(sources, context))
    return {
        url: _digest([shared, sources.digests[url], context.outputs, *_of_calls(outline, context, sources)])
        for url, outline in sources.outlines.items()
    }


def _shared(sources: Sources, context: Context) -> Iterator[str]:
    """What every page depends on: this program, settings, navigation, templates, static files and references."""
    digest, templates = sources.inputs.digest, sources.places.theme
    yield from (digest(path) for path in sorted(Path(__file__).parent.glob("*.py")))
    yield from (digest(path) for path in _libraries())
    for folder in ("layouts", "figures"):
        yield from (f"{path.name} {digest(path)}" for path in sources.inputs.walk(templates / folder))
    names = ("package-lock.json", "typeset.mjs", "node_modules/katex/package.json")
    yield from (digest(templates / name) for name in names)
    yield repr(sorted(context.index.bibliography.items()))
    yield from map(repr, (context.site, context.card, context.feed, context.navigation, sorted(context.assets.items())))
    yield context.index.record_url


def _of_calls(outline: Outline, context: Context, sources: Sources) -> Iterator[str]:
    """What a page calls for."""
    catalogue, index = context.index.catalogue, context.index
    for call in outline.calls:
        name = str(call.arguments[0]) if call.arguments else ""
        if call.name in {"figure", "metric"}:
            owner, _, figure = name.rpartition("/")
            for experiment in (catalogue.shown(owner), *catalogue.by_other_models(name)):
                yield experiment.record if experiment else ""
                yield context.damaged.get(f"{experiment.id}/{figure}", "") if experiment else ""
            yield repr(index.mentions_of(name, outline.url))
        elif call.name == "param":
            experiment = catalogue.shown(name)
            yield experiment.record if experiment else ""
        elif call.name == "picture":
            yield repr(index.mentions_of(name, outline.url))
        elif call.name == "code":
            path = source_file(name, sources.places.root)
            yield f"{context.commit} {sources.inputs.digest(path) if path else ''}"
        elif call.name == "ref":
            yield _of_reference(name, outline.url, context)
        elif call.name == "experiments":
            yield from _of_experiments(name or "*", context)


def _of_reference(name: str, url: str, context: Context) -> str:
    try:
        target = context.index.target(name, url)
        return repr((target, context.index.names.get(target[0])))
    except Unknown as problem:
        return str(problem)


def _of_experiments(pattern: str, context: Context) -> Iterator[str]:
    for experiment in context.index.catalogue.experiments.values():
        if fnmatchcase(experiment.id, pattern):
            yield experiment.record
            yield repr([context.index.spots.get(f"{experiment.id}/{name}") for name in experiment.figures])
    yield repr(sorted(context.raw.items()))


def _libraries() -> Iterator[str]:
    """Files that change when a library that has a say in the output does."""
    for name, file in (
        ("markdown", "__meta__.py"), ("markdown_it", "__init__.py"), ("mdit_py_plugins", "__init__.py"),
        ("pygments", "__init__.py"), ("jinja2", "__init__.py"),
    ):  # fmt: skip
        spec = find_spec(name)
        yield str(Path(str(spec.origin)).with_name(file)) if spec else ""


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
