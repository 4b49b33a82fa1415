"""A page's key: a digest of all that its HTML depends on.

A page with the key of the last build is not rendered again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from darkroom.press.content.navigation import part_of
from darkroom.press.content.outlines import Outline
from darkroom.press.content.page_calls import kinds_in
from darkroom.press.rendering.context import Context
from darkroom.press.site.sources import Sources
from darkroom.press.theme import LOCK


def page_keys(sources: Sources, context: Context) -> dict[str, str]:
    """The key of every page by address."""
    shared = _digest(_shared(sources, context))

    def parts(url: str, outline: Outline) -> Iterator[str]:
        yield from (shared, sources.digests[url], context.outputs, repr(part_of(url, context.parts)))
        for kind in kinds_in(outline):
            yield from kind.depends(url, context, sources.inputs.digest)

    return {url: _digest(parts(url, outline)) for url, outline in sources.outlines.items()}


def _shared(sources: Sources, context: Context) -> Iterator[str]:
    """What every page depends on: this program, settings, navigation, templates, static files and references."""
    digest, theme = sources.inputs.digest, sources.places.theme
    for ours in ("core", "press"):
        yield from map(digest, sorted(_modules(f"{Path(__file__).parents[2]}/{ours}")))
    yield from (digest(path) for path in _libraries())
    for folder in ("layouts", "figures"):
        yield from (f"{name} {digest(path)}" for name, path in theme.files(folder, sources.inputs).items())
    yield from (digest(theme.path(name, sources.inputs)) for name in (LOCK, "typeset.mjs"))
    yield digest(theme.katex / "package.json")
    yield repr(sorted(context.index.bibliography.items()))
    yield from map(repr, (context.site, context.card, context.feed, context.navigation, sorted(context.assets.items())))
    yield repr(sorted(context.index.records.items()))


def _modules(folder: str) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        yield from (f"{place}/{name}" for name in names if name.endswith(".py"))


def _libraries() -> Iterator[str]:
    """Files that change when a library that affects the output does."""
    for name, file in (
        ("markdown", "__meta__.py"), ("markdown_it", "__init__.py"), ("mdit_py_plugins", "__init__.py"),
        ("pygments", "__init__.py"), ("jinja2", "__init__.py"),
    ):  # fmt: skip
        spec = find_spec(name)
        yield str(Path(str(spec.origin)).with_name(file)) if spec else ""


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
