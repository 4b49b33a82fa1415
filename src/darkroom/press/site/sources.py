"""Everything that the site is made of, read once: settings, bibliography, static files, experiments and pages."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from darkroom.core import caches
from darkroom.core.digests import sha256
from darkroom.core.errors import ContentError, Fault
from darkroom.core.manifest import Status, checks
from darkroom.core.sealed import user_folder
from darkroom.press.content.catalogue import Catalogue, manifests, read_catalogue
from darkroom.press.content.outlines import Outline, Page
from darkroom.press.content.settings import SiteSettings, read_site
from darkroom.press.content.works import Entry, bibliography_readers
from darkroom.press.faults import fault
from darkroom.press.files import Places
from darkroom.press.inputs import Inputs
from darkroom.press.limits import TooCostly, bounded
from darkroom.press.markdown.pages import read_page, url_of
from darkroom.press.markdown.stuck import message_of, offset_of
from darkroom.press.site.cache import SiteCache
from darkroom.press.typeset import pictures, tree
from darkroom.press.typeset.static_files import Asset, hashed, read_static
from darkroom.press.typeset.typography import composed
from darkroom.press.typeset.vetting import fault_of

if TYPE_CHECKING:
    from darkroom.press.content.deliverables import Deliverables


class Findings:
    """Faults and warnings as they are found; in strict mode a problem is a fault, else a warning.

    With *all_missing* every deliverable that lacks something is a problem of its own.
    """

    def __init__(self, strict: bool, all_missing: bool = False) -> None:
        self.strict, self.all_missing = strict, all_missing
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []

    @property
    def problems(self) -> list[Fault]:
        """The list for problems that are faults in strict mode only."""
        return self.faults if self.strict else self.warnings

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Take in the faults of a reader that gives up."""
        try:
            yield
        except ContentError as error:
            self.faults += error.faults

    def stop(self) -> None:
        """Go no further if there are faults.

        Raises:
            ContentError: with every fault, each once.
        """
        if self.faults:
            raise ContentError(dict.fromkeys(self.faults), set(self.warnings) - set(self.faults))


class Sources(msgspec.Struct, frozen=True):
    """What was read.

    ``images`` are the sizes of the pictures in ``static``, by name; ``outlines``, ``paths`` and ``digests`` are of the
    pages that are published, by address; ``lists`` are those of deliverables.
    """

    places: Places
    inputs: Inputs
    site: SiteSettings
    bibliography: Mapping[str, Entry]
    static: Mapping[str, Asset]
    images: Mapping[str, tuple[int, int]]
    catalogue: Catalogue
    outlines: Mapping[str, Outline]
    paths: Mapping[str, Path]
    digests: Mapping[str, str]
    lists: tuple[Deliverables, ...] = ()
    _pages: dict[str, Page] = {}

    @property
    def read(self) -> list[Page]:
        """The pages that have been parsed so far."""
        return [*self._pages.values()]

    def page(self, url: str) -> Page:
        """The page at an address, parsed when it is first needed."""
        if url not in self._pages:
            self._pages[url] = _read_page(self.places, self.inputs, self.paths[url], url)
        return self._pages[url]


def read_sources(
    places: Places, inputs: Inputs, cache: SiteCache, statuses: Sequence[Status], findings: Findings
) -> Sources:
    """Read it all; a page whose text is that of the last build is not parsed again.

    Raises:
        ContentError: a file of the templates cannot be read, or is not a file.
        UsageError: npm packages are not available.
    """
    findings.faults += tree.faults_of(places.templates, places.root, places.shown, texts=not places.untrusted)
    findings.stop()
    try:
        return _read(places, inputs, cache, statuses, findings)
    except OSError as error:
        path = Path(error.filename or places.templates)
        if not path.is_relative_to(places.templates):
            raise
        problem = f"cannot be read: {error.strerror or error}"
        raise ContentError([Fault(places.shown(path), 1, 1, "file", problem)]) from None


def _read(places: Places, inputs: Inputs, cache: SiteCache, statuses: Sequence[Status], findings: Findings) -> Sources:
    site, bibliography = SiteSettings("", ""), dict[str, Entry]()
    with findings.collecting():
        site = _read_site(places, inputs)
    with findings.collecting():
        bibliography = _read_bibliography(places, inputs)
        findings.warnings += _doubts_of(bibliography, places.shown(places.templates / "references.bib"))
    static, wrong = read_static(places.theme, inputs, places.cache, places.shown)
    findings.faults += wrong
    images = _sizes(static, places, findings, places.templates / "static")
    own = _own_pictures(places, inputs, findings)
    images = {**_sizes(own, places, findings, places.templates / "static"), **images}
    static = {**own, **static}
    catalogue = _read_catalogue(places, inputs, statuses, site.model)
    outlines, paths, pages = _read_pages(places, inputs, cache, findings)
    digests = {url: inputs.digest(path) for url, path in paths.items()}
    lists: tuple[Deliverables, ...] = ()
    with findings.collecting():
        lists = _read_deliverables(places, inputs)
    return Sources(
        places, inputs, site, bibliography, static, images, catalogue, outlines, paths, digests, lists, pages
    )


def _own_pictures(places: Places, inputs: Inputs, findings: Findings) -> dict[str, Asset]:
    """The static pictures of an untrusted project: plain files that are pictures, and no links."""
    if not places.untrusted:
        return {}
    folder = places.templates / "static"
    found: dict[str, Asset] = {}
    for path in inputs.walk(folder):
        name = composed(path.relative_to(folder).as_posix())
        if not pictures.is_picture(name):
            continue
        digest = inputs.digest_within(places.root, path.relative_to(places.root).as_posix())
        fault = inputs.fault_of(path, fault_of) if digest else "a link, or not a file"
        if fault:
            findings.faults.append(Fault(places.shown(path), 1, 1, "picture", f"{fault}; put a picture there"))
        else:
            content = inputs.read(path)
            found[name] = Asset(hashed(name, content), content)
    return found


def _sizes(static: Mapping[str, Asset], places: Places, findings: Findings, folder: Path) -> dict[str, tuple[int, int]]:
    """The sizes of the pictures among static files of a folder; those that no browser shows are reported."""
    contents = {name: asset.content for name, asset in static.items()}
    sizes, faults = pictures.look_at(contents, places.cache, places.shown(folder))
    findings.faults += faults
    return sizes


def _read_site(places: Places, inputs: Inputs) -> SiteSettings:
    path = places.templates / "site.toml"
    if not inputs.digest(path):
        raise ContentError([Fault(places.shown(path), 1, 1, "site", "site.toml is missing; write one")])
    return read_site(
        tree.decode(inputs.read(path), places.shown(path)), places.shown(path), os.environ.get("DARKROOM_BASE_URL")
    )


def _read_deliverables(places: Places, inputs: Inputs) -> tuple[Deliverables, ...]:
    path = places.templates / "deliverables.toml"
    if not inputs.digest(path):
        return ()
    from darkroom.press.content import deliverables

    shipped = {
        Path(name).stem: deliverables.read_shipped(
            tree.decode(inputs.read(file), places.shown(file)), Path(name).stem, places.shown(file)
        )
        for name, file in places.theme.files(deliverables.FOLDER, inputs, ".toml").items()
    }
    text = tree.decode(inputs.read(path), places.shown(path))
    return deliverables.read_deliverables(text, places.shown(path), shipped)


def _read_bibliography(places: Places, inputs: Inputs) -> dict[str, Entry]:
    path = places.templates / "references.bib"
    digest = inputs.digest(path)
    if not digest:
        return {}
    key = sha256("\0".join([digest, *map(inputs.digest, bibliography_readers())]).encode())
    kept = Path(user_folder()) / "bibliographies" / f"{key[:16]}.json"  # the first build of a clone has it, too
    entries = _kept_entries(kept, key)
    if entries is None:
        from darkroom.press.bibliography.reader import read_bibliography

        text = tree.decode(inputs.read(path), places.shown(path))
        try:
            with bounded():
                entries = read_bibliography(text, places.shown(path))
        except (MemoryError, TooCostly):
            message = "these works take too much time or memory to read; remove those that no page cites"
            raise ContentError([Fault(places.shown(path), 1, 1, "cost", message)]) from None
        with suppress(OSError):  # read anew next time
            caches.write(kept, msgspec.json.encode(_Bibliography(key, entries)))
            for path in sorted(kept.parent.glob("*.json"), key=lambda each: each.stat().st_mtime)[:-_MOST_KEPT]:
                path.unlink()
    return entries


def _doubts_of(bibliography: Mapping[str, Entry], path: str) -> list[Fault]:
    """Warnings, in strict mode too: what is meant is not certain, and programs that export a file write it so."""
    found = (doubt for entry in bibliography.values() for doubt in entry.doubts)
    return [Fault(path, line, column, "bibliography", message) for line, column, message in found]


_MOST_KEPT = 50  # cached bibliographies of the user's projects: the latest ones


class _Bibliography(msgspec.Struct, frozen=True):
    """The entries that a bibliography gave; *key* is a digest of it and of what read it."""

    key: str
    entries: dict[str, Entry]


def _kept_entries(path: Path, key: str) -> dict[str, Entry] | None:
    try:
        kept = msgspec.json.decode(caches.read(path), type=_Bibliography)
    except msgspec.DecodeError:
        return None
    return kept.entries if kept.key == key else None


def _read_catalogue(places: Places, inputs: Inputs, statuses: Sequence[Status], model: str) -> Catalogue:
    inputs.list_folder(places.outputs)
    paths = list(manifests(places.outputs))
    for folder in sorted({parent for path in paths for parent in (path.parent, path.parent.parent)}):
        inputs.list_folder(folder)
    digests = {path: inputs.digest(path) or "-" for path in paths}
    rule = checks(inputs.digest)
    known = [path for path in paths if inputs.is_verified(path, rule)]
    return read_catalogue(places.outputs, statuses, digests, model, known)


def _read_pages(
    places: Places, inputs: Inputs, cache: SiteCache, findings: Findings
) -> tuple[dict[str, Outline], dict[str, Path], dict[str, Page]]:
    """Outlines and paths of all pages but drafts, and those pages that had to be parsed for it."""
    folder = places.templates / "pages"
    outlines: dict[str, Outline] = {}
    paths: dict[str, Path] = {}
    pages: dict[str, Page] = {}
    for path in inputs.walk(folder, ".md"):
        url = url_of(path, folder)
        known = cache.pages.get(url)
        paths[url] = path
        if known and known.source == inputs.digest(path):
            outlines[url] = known.outline
            continue
        pages[url] = _read_page(places, inputs, path, url)
        outlines[url] = pages[url].outline
    if "index.html" not in paths:
        message = "index.md, to which every page links, is missing; write one"
        findings.faults.append(Fault(places.shown(folder), 1, 1, "page", message))
    published = {url: outline for url, outline in outlines.items() if not outline.meta.draft}
    return published, {url: paths[url] for url in published}, {url: pages[url] for url in pages if url in published}


def _read_page(places: Places, inputs: Inputs, path: Path, url: str) -> Page:
    try:
        with bounded():
            return _with_our_layout(read_page(inputs.read(path), places.shown(path), url), places)
    except (MemoryError, TooCostly, RecursionError) as error:
        text = inputs.read(path).decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
        raise ContentError([fault(text, places.shown(path), offset_of(error), "cost", message_of(error))]) from None


def _with_our_layout(page: Page, places: Places) -> Page:
    """The page with a layout that exists: a page of an untrusted project may name one of its own."""
    name = page.outline.meta.layout
    if not places.untrusted or name in {path.stem for path in (places.theme.base / "layouts").glob("*.html")}:
        return page
    message = f"its own layout {name!r} is not used: the project is untrusted; the page has Darkroom's layout"
    meta = msgspec.structs.replace(page.outline.meta, layout="page")
    return msgspec.structs.replace(
        page,
        outline=msgspec.structs.replace(page.outline, meta=meta),
        warnings=(*page.warnings, page.fault(page.find("layout"), "theme", message)),
    )
