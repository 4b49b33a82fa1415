"""An edition: everything that the site should hold, worked out before a single file is written.

Pages whose key (a digest of all that they depend on) is that of the last build are kept as they were published.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from darkroom.lab.errors import ContentError, Fault, nearest
from darkroom.lab.manifest import Status
from darkroom.press import assets, check, feeds, references, render
from darkroom.press.bibliography import Entry, read_bibliography
from darkroom.press.card import Card, card_of, compose
from darkroom.press.catalogue import FRESH, Catalogue, Experiment, manifests, read_catalogue
from darkroom.press.figure import FileUse
from darkroom.press.lift import lift
from darkroom.press.math import BadTeX, Equation, Katex, Pending, Typeset, classes_of, rules
from darkroom.press.math_style import MathStyle, font_target, read_math_style
from darkroom.press.pages import Outline, Page, plain_text, read_page, url_of
from darkroom.press.record import Inputs, sha256
from darkroom.press.references import Index, Spot, Unknown
from darkroom.press.settings import Site, read_site

RECORD_VERSION = 2


class PageRecord(msgspec.Struct, frozen=True):
    """What is remembered of a page as published.

    ``source`` is the digest of its Markdown and ``key`` that of all it depends on; ``fonts`` are the files of KaTeX that
    its formulas need; ``anchors`` and ``links`` are there to be checked.
    """

    source: str
    outline: Outline
    key: str
    sha256: str
    bytes: int
    fonts: tuple[str, ...]
    anchors: tuple[str, ...]
    links: tuple[check.LinkUse, ...]
    files: tuple[FileUse, ...]
    eager_bytes: int
    warnings: tuple[Fault, ...]


class CardRecord(msgspec.Struct, frozen=True):
    """The picture for shared links as published."""

    target: str
    sha256: str
    bytes: int


class Memory(msgspec.Struct, frozen=True):
    """All pages of the last build by address, and its card if it had one."""

    version: int
    pages: dict[str, PageRecord]
    card: CardRecord | None = None


@dataclass(frozen=True)
class Copy:
    """A file to be copied to the site, from the path *source*."""

    source: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Kept:
    """A page that stays as it was published."""

    sha256: str
    bytes: int


Content = bytes | Copy | Kept


@dataclass(frozen=True)
class Edition:
    """Every file of the site by address, what is to be remembered of the pages, and warnings."""

    files: Mapping[str, Content]
    memory: Memory
    warnings: tuple[Fault, ...]


@dataclass(frozen=True)
class Places:
    """Where everything is; ``root`` is what paths in messages are relative to."""

    root: Path
    templates: Path
    outputs: Path
    site: Path
    cache: Path

    def shown(self, path: Path) -> str:
        """*path* as messages name it."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.as_posix()


def read_memory(path: Path) -> Memory:
    """What the last build left, or nothing where that cannot be read."""
    try:
        memory = msgspec.json.decode(path.read_bytes(), type=Memory)
    except (OSError, msgspec.MsgspecError):
        return Memory(RECORD_VERSION, {})
    return memory if memory.version == RECORD_VERSION else Memory(RECORD_VERSION, {})


def make_edition(
    places: Places,
    inputs: Inputs,
    memory: Memory,
    kept: Callable[[str], bool],
    *,
    statuses: Sequence[Status],
    strict: bool,
) -> Edition:
    """Work the whole site out; *kept* says whether the published page at an address is still as the last build left it.

    Raises:
        ContentError: with every fault found; in strict mode what is stale, missing or damaged is one.
        UsageError: KaTeX cannot be had.
    """
    return _Maker(places, inputs, memory, kept, statuses=statuses, strict=strict).make()


class _Maker:
    """The stages, in order; each leaves its results for the next."""

    def __init__(
        self,
        places: Places,
        inputs: Inputs,
        memory: Memory,
        kept: Callable[[str], bool],
        *,
        statuses: Sequence[Status],
        strict: bool,
    ) -> None:
        self.places, self.statuses, self.inputs = places, statuses, inputs
        self.memory, self.kept, self.strict = memory, kept, strict
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []

    @property
    def katex_folder(self) -> Path:
        """KaTeX as installed."""
        return self.places.templates / "node_modules/katex"

    def make(self) -> Edition:
        self.site = self._read_site()
        self.bibliography = self._read_bibliography()
        self.static, wrong = assets.read_static(
            self.places.templates / "static", self.inputs, self.places.shown(self.places.templates / "static")
        )
        self.faults += wrong
        self.catalogue = self._read_catalogue()
        self._read_pages()
        self._stop_at_faults()
        self._index()
        self._judge_experiments()
        self.card = self._card()
        self.entries = self._entries()
        self.context = self._context()
        self._choose()
        self._check_references()
        self._stop_at_faults()
        return self._render()

    def _stop_at_faults(self) -> None:
        if self.faults:
            raise ContentError(dict.fromkeys(self.faults))

    # Reading ----------------------------------------------------------------------------------------------------------

    def _read_site(self) -> Site:
        path = self.places.templates / "site.toml"
        if not self.inputs.digest(path):
            raise ContentError([Fault(self.places.shown(path), 1, 1, "site", "there is no site.toml; write one")])
        return read_site(self.inputs.text(path), self.places.shown(path), os.environ.get("DARKROOM_BASE_URL"))

    def _read_bibliography(self) -> dict[str, Entry]:
        path = self.places.templates / "references.bib"
        if not self.inputs.digest(path):
            return {}
        try:
            return read_bibliography(self.inputs.text(path), self.places.shown(path))
        except ContentError as error:
            self.faults += error.faults
            return {}

    def _read_catalogue(self) -> Catalogue:
        outputs = self.places.outputs
        self.inputs.list_folder(outputs)
        paths = list(manifests(outputs))
        for folder in sorted({parent for path in paths for parent in (path.parent, path.parent.parent)}):
            self.inputs.list_folder(folder)
        return read_catalogue(
            outputs, self.statuses, {path: self.inputs.digest(path) for path in paths}, self.site.model
        )

    def _read_pages(self) -> None:
        folder = self.places.templates / "pages"
        self.pages: dict[str, Page] = {}
        self.outlines: dict[str, Outline] = {}
        self.sources: dict[str, str] = {}
        self.paths: dict[str, Path] = {}
        for path in self.inputs.walk(folder, ".md"):
            url = url_of(path, folder)
            self.paths[url], self.sources[url] = path, self.inputs.digest(path)
            known = self.memory.pages.get(url)
            if known and known.source == self.sources[url]:
                self.outlines[url] = known.outline
            else:
                self._read_page(url)
            if url in self.outlines and self.outlines[url].meta.draft:
                del self.outlines[url], self.pages[url]
        if "index.html" not in self.paths:
            message = "there is no index.md, which every page links to; write one"
            self.faults.append(Fault(self.places.shown(folder), 1, 1, "page", message))

    def _read_page(self, url: str) -> None:
        path = self.paths[url]
        try:
            self.pages[url] = read_page(self.inputs.read(path), self.places.shown(path), url)
        except ContentError as error:
            self.faults += error.faults
        else:
            self.outlines[url] = self.pages[url].outline

    # Indexing ---------------------------------------------------------------------------------------------------------

    def _index(self) -> None:
        ordered = sorted(self.outlines.values(), key=_reading_order)
        spots: dict[str, list[Spot]] = {}
        for outline in ordered:
            for name, number in references.number_figures(outline).items():
                spots.setdefault(name, []).append(Spot(outline.url, outline.name, number))
        sections = {
            outline.url.removesuffix(".html"): (outline.url, {heading.anchor: heading for heading in outline.headings})
            for outline in ordered
        }
        record = next((o.url for o in ordered if any(call.name == "experiments" for call in o.calls)), "")
        places = {name: tuple(found) for name, found in spots.items()}
        mentions = references.find_mentions(ordered)
        self.index = Index(self.catalogue, self.bibliography, places, sections, record, mentions)
        self.navigation = tuple(render.Link(o.url, o.name) for o in ordered if o.meta.order is not None)

    def _judge_experiments(self) -> None:
        """What is not as it should be: states other than fresh, outputs that nobody made, figures that nobody shows."""
        problems = self.faults if self.strict else self.warnings
        waited_for, shown = self._waited_for(), self._called_for()
        for experiment in self.catalogue.experiments.values():
            place = self.places.shown(experiment.folder / "manifest.json")
            if experiment.problem:
                problems.append(_damage(place, experiment.problem))
            elif experiment.state == "orphan":
                message = f"no experiment declares {experiment.id}; delete its outputs or restore the code"
                self.warnings.append(Fault(place, 1, 1, "orphan", message))
            elif experiment.state != FRESH and experiment.id not in waited_for:
                message = f"{experiment.id} is {_described(experiment)}; run python build.py run {experiment.id}"
                unseen = not experiment.digest and experiment.id not in shown  # nothing published lacks it
                (self.warnings if unseen else problems).append(Fault(place, 1, 1, experiment.state, message))
        for name in self.catalogue.figure_names:
            if name not in self.index.spots and self.catalogue.experiments[name.rpartition("/")[0]].state != "orphan":
                place = self.places.shown(self.catalogue.experiments[name.rpartition("/")[0]].folder / "manifest.json")
                message = f"no page shows {name}; show it with figure({name!r}), or remove it"
                self.warnings.append(Fault(place, 1, 1, "unshown", message))

    def _waited_for(self) -> set[str]:
        """Experiments without outputs whose values a page calls for: the page's own warning says so, and where."""
        names = self._called_for({"metric", "param"})
        return {each.id for each in self.catalogue.experiments.values() if not each.digest and each.id in names}

    def _called_for(self, kinds: Collection[str] = ("figure", "metric", "param")) -> set[str]:
        """The experiments whose figures or values a page shows."""
        calls = [call for outline in self.outlines.values() for call in outline.calls if call.arguments]
        called = [str(call.arguments[0]) for call in calls if call.name in kinds]
        owners = [self.catalogue.shown(name) for name in (*called, *(name.rpartition("/")[0] for name in called))]
        return {owner.id for owner in owners if owner}

    def _card(self) -> Card | None:
        name = self.site.picture
        if name and not self.catalogue.figure(name):
            place = self.places.shown(self.places.templates / "site.toml")
            message = f"picture: unknown figure {name!r}{nearest(name, self.catalogue.figure_names)}"
            self.faults.append(Fault(place, 1, 1, "reference", message))
        return card_of(name, self.catalogue, self.inputs) if name and self.site.base_url else None

    def _context(self) -> render.Context:
        pictures = [name for name in self.static if Path(name).suffix in assets.PICTURES]
        static = self.places.templates / "static"
        return render.Context(
            site=self.site,
            index=self.index,
            navigation=self.navigation,
            assets={name: asset.target for name, asset in self.static.items()},
            texts={n: each.content.decode() for n, each in self.static.items() if n.endswith((".js", ".css"))},
            images=assets.picture_sizes(static, pictures) if pictures else {},
            damaged=self._damaged(),
            raw=self._raw() if self.index.record_url else {},
            outputs=self.places.shown(self.places.outputs),
            results=self.places.outputs,
            templates=self.places.templates,
            cache=self.places.cache,
            card=self.card,
            feed=feeds.FEED if self.entries else "",
        )

    def _damaged(self) -> dict[str, str]:
        """Shown figures whose files are not those that the manifest names."""
        damaged = {}
        for name in self.index.spots:
            found = self.catalogue.figure(name)
            figure = found[0].drawn(found[1]) if found else None
            if found is None or figure is None:
                continue
            for file in figure.files:
                path = f"{found[0].folder}/{file.path}"
                digest = self.inputs.digest(path)
                if digest != file.sha256:
                    damaged[name] = f"{file.path} is {'altered' if digest else 'missing'}"
                    problems = self.faults if self.strict else self.warnings
                    problems.append(_damage(self.places.shown(Path(path)), f"{name}: {damaged[name]}"))
                    break
        return damaged

    def _raw(self) -> dict[str, str]:
        """The addresses of result files that are small enough to be published."""
        limit = self.site.raw_limit_mb * 1e6
        raw = {}
        for experiment in self.catalogue.experiments.values():
            for file in experiment.manifest.files if experiment.manifest else ():
                digest = self.inputs.digest(f"{experiment.folder}/{file.path}") if file.bytes <= limit else ""
                if digest and digest == file.sha256:
                    stem, dot, suffix = file.path.rpartition(".")
                    raw[f"{experiment.id}/{file.path}"] = f"raw/{experiment.id}/{stem}.{digest[:10]}{dot}{suffix}"
        return raw

    # Choosing what to render ------------------------------------------------------------------------------------------

    def _choose(self) -> None:
        shared = self._shared_key()
        self.keys = {url: self._key(outline, shared) for url, outline in self.outlines.items()}
        self.reused: dict[str, PageRecord] = {}
        for url, key in self.keys.items():
            known = self.memory.pages.get(url)
            if known and known.key == key and known.source == self.sources[url] and self.kept(url):
                self.reused[url] = known
        if self.strict:
            self.faults += [warning for record in self.reused.values() for warning in record.warnings]
        for url in self.outlines:
            if url not in self.reused and url not in self.pages:
                self._read_page(url)

    def _shared_key(self) -> str:
        """What every page depends on: this program, settings, navigation, templates, static files and references."""
        here = Path(__file__).parent
        parts = [self.inputs.digest(path) for path in sorted(here.glob("*.py"))]
        parts += [self.inputs.digest(origin) for origin in _libraries()]
        for folder in ("layouts", "figures"):
            templates = self.places.templates / folder
            parts += [f"{path.name} {self.inputs.digest(path)}" for path in self.inputs.walk(templates)]
        for name in ("package-lock.json", "typeset.mjs", "node_modules/katex/package.json"):
            parts.append(self.inputs.digest(self.places.templates / name))
        parts += [
            repr(self.site),
            repr(self.card),
            repr(self.context.feed),
            repr(self.navigation),
            repr(sorted(self.context.assets.items())),
        ]
        parts += [self.inputs.digest(self.places.templates / "references.bib"), self.index.record_url]
        return _digest(parts)

    def _key(self, outline: Outline, shared: str) -> str:
        parts = [shared, self.sources[outline.url], self.context.outputs]
        for call in outline.calls:
            names = [str(argument) for argument in call.arguments]
            if call.name in {"figure", "metric"}:
                owner = self.catalogue.shown(names[0].rpartition("/")[0]) if names else None
                parts += [owner.record if owner else "", self.context.damaged.get(names[0], "") if names else ""]
                parts.append(repr(self.index.mentions_of(names[0], outline.url)) if names else "")
            elif call.name == "param":
                owner = self.catalogue.shown(names[0]) if names else None
                parts.append(owner.record if owner else "")
            elif call.name == "ref":
                parts.append(self._ref_key(names, outline.url))
            elif call.name == "experiments":
                parts += self._record_keys(names[0] if names else "*")
        return _digest(parts)

    def _ref_key(self, names: list[str], url: str) -> str:
        try:
            return repr(self.index.section(names[0], url) if "#" in names[0] else self.index.spot(names[0], url))
        except (Unknown, IndexError) as problem:
            return str(problem)

    def _record_keys(self, pattern: str) -> Iterator[str]:
        for experiment in self.catalogue.experiments.values():
            if fnmatchcase(experiment.id, pattern):
                yield experiment.record
                yield repr([self.index.spots.get(f"{experiment.id}/{name}") for name in experiment.figures])
        yield repr(sorted(self.context.raw.items()))

    def _check_references(self) -> None:
        self.page_warnings: dict[str, tuple[Fault, ...]] = {}
        kinds = {path.stem for path in self.inputs.walk(self.places.templates / "figures", ".html")}
        for url, page in self.pages.items():
            faults, warnings = references.check(page, self.index)
            faults += _unknown_kinds(page, self.catalogue, kinds)
            if self.strict:
                faults += warnings
            self.faults += faults
            self.page_warnings[url] = tuple(warnings)

    # Rendering --------------------------------------------------------------------------------------------------------

    def _render(self) -> Edition:
        self.pages = {url: page for url, page in self.pages.items() if url not in self.reused}
        self.records = dict(self.reused)
        self.html: dict[str, str] = {}
        self.formulas: Typeset = {}
        self.katex: Katex | None = None
        self.rendered: dict[str, render.Rendered] = {}
        self._render_pages(list(self.pages.values()))
        self.style: MathStyle | None = None
        files = self._assemble()
        memory = Memory(RECORD_VERSION, dict(sorted(self.records.items())), self._card_record(files))
        return Edition(files, memory, self._all_warnings())

    def _card_record(self, files: Mapping[str, Content]) -> CardRecord | None:
        content = files[self.card.target] if self.card else None
        if self.card is None or content is None:
            return None
        digest = sha256(content) if isinstance(content, bytes) else content.sha256
        return CardRecord(self.card.target, digest, len(content) if isinstance(content, bytes) else content.bytes)

    def _all_warnings(self) -> tuple[Fault, ...]:
        of_pages = [warning for record in self.records.values() for warning in record.warnings]
        return tuple(sorted(dict.fromkeys([*self.warnings, *of_pages])))

    def _render_pages(self, pages: list[Page]) -> None:
        pending = self._start_formulas(self._equations(pages))
        try:
            rendered = render.render_pages(pages, self.context)
        finally:
            if pending:
                self.formulas |= pending.finish()
        self.faults += [fault for page in rendered for fault in page.faults]
        rest = {use.equation for page in rendered for use in page.uses} - self.formulas.keys()
        pending = self._start_formulas(sorted(rest))
        if pending:
            self.formulas |= pending.finish()
        for page in rendered:
            self._check_formulas(page)
            self.rendered[page.url] = page
        if not all(page.html for page in rendered):
            self._stop_at_faults()

    def _start_formulas(self, equations: Iterable[Equation]) -> Pending | None:
        equations = list(equations)
        if not equations:
            return None
        if self.katex is None:
            self.katex = Katex(self.places.templates, self.places.cache, self.site.macros)
            self.inputs.digest(self.katex_folder / "package.json")
        return self.katex.start(equations)

    def _equations(self, pages: Iterable[Page]) -> Iterator[Equation]:
        """Formulas that are known before rendering, so that Node works meanwhile."""
        for page in pages:
            for piece in page.lifted.pieces:
                if piece.kind in {"math", "display"}:
                    yield Equation(references.tex_of(piece, self.index)[0], piece.kind == "display")
            yield from _inline_equations(page.outline.meta.title)
            yield from _inline_equations(page.outline.meta.lede)
            for name in references.number_figures(page.outline):
                found = self.catalogue.figure(name)
                figure = found[0].drawn(found[1]) if found else None
                if figure:
                    for text in (figure.caption, *_texts(figure.layout)):
                        yield from _inline_equations(text)

    def _check_formulas(self, page: render.Rendered) -> None:
        for use in page.uses:
            result = self.formulas[use.equation]
            if isinstance(result, BadTeX):
                self.faults.append(_bad_tex(use, result, self.pages[page.url]))

    def _assemble(self) -> dict[str, Content]:
        files: dict[str, Content] = {url: Kept(record.sha256, record.bytes) for url, record in self.reused.items()}
        for url, page in self.rendered.items():
            html, fonts = self._finished(page)
            content = html.encode()
            files[url] = content
            self.records[url] = self._record(page, content, fonts)
        files |= {asset.target: asset.content for asset in self.static.values()}
        for file in sorted({file for record in self.records.values() for file in record.fonts}):
            target, path, digest = font_target(file, self.katex_folder, self.inputs)
            files[target] = Copy(str(path), digest, path.stat().st_size)
        for record in self.records.values():
            for use in record.files:
                files[use.target] = Copy(f"{self.places.outputs}/{use.source}", use.sha256, use.bytes)
        files[".nojekyll"] = b""
        if self.site.base_url:
            files[feeds.SITEMAP] = feeds.sitemap(self.site, self.outlines)
            if self.entries:
                files[feeds.FEED] = feeds.feed(self.site, self.entries)
        if self.card:
            known = self.memory.card
            stands = known and known.target == self.card.target and self.kept(known.target)
            files[self.card.target] = Kept(known.sha256, known.bytes) if known and stands else compose(self.card.rows)
        self._check_site(files)
        self._stop_at_faults()
        return files

    def _entries(self) -> list[feeds.Entry]:
        """The listed pages that show a run, for the feed of a site that has an address."""
        if not self.site.base_url:
            return []
        entries = [self._entry(outline) for outline in self.outlines.values() if outline.meta.order is not None]
        return [entry for entry in entries if entry.updated]

    def _entry(self, outline: Outline) -> feeds.Entry:
        names = {str(call.arguments[0]) for call in outline.calls if call.arguments}
        shown = [self.catalogue.shown(name) for name in names | {name.rpartition("/")[0] for name in names}]
        times = [each.manifest.provenance.finished_at for each in shown if each and each.manifest]
        meta = outline.meta
        return feeds.Entry(outline.url, plain_text(meta.title), plain_text(meta.description), max(times, default=""))

    def _finished(self, page: render.Rendered) -> tuple[str, tuple[str, ...]]:
        """The page as published, its formulas and their style rules put in, and the font files that it needs."""
        if not page.uses:
            return page.html.replace(render.MATH_STYLE, "").replace(render.MATH_POLICY, ""), ()
        css, fonts = self._math_style(page)
        html = page.html.replace(render.MATH_POLICY, f" '{render.policy_digest(css)}'")
        html = html.replace(render.MATH_STYLE, f"<style>{css}</style>")
        return render.FORMULAS.sub(lambda token: self._formula(page, token[0]), html), tuple(fonts)

    def _math_style(self, page: render.Rendered) -> tuple[str, list[str]]:
        classes = set[str]().union(*(classes_of(str(self.formulas[each])) for each in {u.equation for u in page.uses}))
        if self.style is None:
            self.style = read_math_style(self.inputs.text(self.katex_folder / "dist/katex.min.css"))
        active, fonts = self.style.needed(frozenset(classes))
        root = "../" * page.url.count("/")
        addresses = {file: root + font_target(file, self.katex_folder, self.inputs)[0] for file in fonts}
        return self.style.css(active, addresses) + rules(classes), fonts

    def _formula(self, page: render.Rendered, token: str) -> str:
        html = self.formulas[page.uses[ord(token) - render.FORMULA].equation]
        return html if isinstance(html, str) else ""

    def _record(self, page: render.Rendered, content: bytes, fonts: tuple[str, ...]) -> PageRecord:
        anchors, links = check.scan(page.html)
        return PageRecord(
            source=self.sources[page.url],
            outline=self.outlines[page.url],
            key=self.keys[page.url],
            sha256=sha256(content),
            bytes=len(content),
            fonts=fonts,
            anchors=anchors,
            links=links,
            files=tuple(sorted(page.files, key=lambda use: use.target)),
            eager_bytes=page.eager_bytes,
            warnings=self.page_warnings.get(page.url, ()),
        )

    def _check_site(self, files: Mapping[str, Content]) -> None:
        fonts = {file for record in self.records.values() for file in record.fonts}
        self.weights = {asset.target: len(asset.content) for asset in self.static.values()}
        self.weights |= {file: (self.katex_folder / "dist/fonts" / file).stat().st_size for file in fonts}
        pages = {
            url: check.PageFacts(record.outline.path, record.bytes, record.anchors, record.links, self._eager(record))
            for url, record in self.records.items()
        }
        self.faults += check.faults_of(pages, files.keys(), self._page)
        self.faults += check.picture_faults(
            [(use.source, use.bytes) for record in self.records.values() for use in record.files],
            self.places.shown(self.places.outputs),
        )
        static = self.places.shown(self.places.templates / "static")
        self.faults += check.picture_faults([(a, len(b.content)) for a, b in self.static.items()], static)

    def _page(self, url: str) -> Page:
        if url not in self.pages:
            self._read_page(url)
        return self.pages[url]

    def _eager(self, record: PageRecord) -> int:
        """The bytes that load along with a page: what it links of the static files, fonts of formulas, first pictures."""
        linked = {link.target.lstrip("./") for link in record.links if link.element in {"link", "script"}}
        return sum(self.weights.get(target, 0) for target in (*linked, *record.fonts)) + record.eager_bytes


def _reading_order(outline: Outline) -> tuple[float, str]:
    order = outline.meta.order
    return (float("inf") if order is None else order, outline.url)


def _described(experiment: Experiment) -> str:
    reasons = "; ".join(experiment.reasons)
    return f"{experiment.state} ({reasons})" if reasons else experiment.state


def _damage(place: str, message: str) -> Fault:
    text = message.removeprefix("manifest.json: ")
    advice = "" if "--force" in text else "; restore the file or rerun the experiment with --force"
    return Fault(place, 1, 1, "damaged", f"{text}{advice}")


def _libraries() -> list[str]:
    """Files that change when a library that has a say in the output does."""
    import jinja2
    import markdown

    return [str(Path(markdown.__file__).with_name("__meta__.py")), str(Path(jinja2.__file__))]


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _unknown_kinds(page: Page, catalogue: Catalogue, kinds: set[str]) -> Iterator[Fault]:
    for call in page.outline.calls:
        found = catalogue.figure(str(call.arguments[0])) if call.name == "figure" and call.arguments else None
        figure = found[0].drawn(found[1]) if found else None
        if figure and figure.kind not in kinds:
            message = f"{call.arguments[0]} is of kind {figure.kind!r}: no templates/figures/{figure.kind}.html"
            yield page.fault(call.offset, "template", message)


def _inline_equations(text: str) -> Iterator[Equation]:
    if "$" in text or "\\" in text:
        for piece in lift(text).pieces:
            if piece.kind in {"math", "display"}:
                yield Equation(piece.source.strip(), piece.kind == "display")


def _texts(layout: object) -> Iterator[str]:
    """Every text in a layout; one that is no prose costs nothing."""
    if isinstance(layout, str):
        yield layout
    elif isinstance(layout, dict):
        for name, value in layout.items():
            if name != "alt":
                yield from _texts(value)
    elif isinstance(layout, list):
        for value in layout:
            yield from _texts(value)


def _bad_tex(use: render.Use, bad: BadTeX, page: Page) -> Fault:
    if use.offset >= 0:
        return page.fault(use.offset + (bad.position or 0), "math", bad.message)
    return Fault(use.path, use.line, 1, "math", f"{bad.message} in {use.equation.tex!r}")


__all__ = ["Content", "Copy", "Edition", "Kept", "Memory", "Places", "make_edition", "read_memory"]
