"""Pages to HTML: what formulas, calls, links, pictures and headings become, then the layout. Formulas are still marks.

A ``Renderer`` sets up Markdown and Jinja once; many pages are shared out among processes, one renderer each.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

from markdown_it.token import Token
from markupsafe import Markup

from darkroom.core.errors import Fault
from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.addresses import anchor, encoded, parts_of, root_of, shows_a_file, unfit
from darkroom.press.content.calls import Call, Unknown
from darkroom.press.content.links import LinkUse
from darkroom.press.content.listings import NoSource, highlighted
from darkroom.press.content.mathtext import Formula, Prepared
from darkroom.press.content.navigation import Link, heads_of, part_of
from darkroom.press.content.outlines import Heading, Page
from darkroom.press.content.page_calls import badges_of, kind_of, tex_of
from darkroom.press.content.works import Entry
from darkroom.press.limits import TooCostly, bounded, processors
from darkroom.press.markdown.convert import Converter, Typography
from darkroom.press.markdown.pages import plain_text
from darkroom.press.markdown.stuck import message_of, offset_of
from darkroom.press.rendering import feeds
from darkroom.press.rendering.context import MATH_POLICY, MATH_STYLE, Context, Rendered, Use
from darkroom.press.rendering.figures import PageFigures
from darkroom.press.rendering.layouts import Layouts, Refused, environment
from darkroom.press.rendering.processors import Addresses, Headings, Links, Tables
from darkroom.press.rendering.texts import Texts
from darkroom.press.typeset.equations import Equation
from darkroom.press.typeset.typography import composed, escape

PARALLEL = 12  # pages that are worth a second process


def render_pages(pages: Sequence[Page], context: Context) -> list[Rendered]:
    """Render every page; in two processes where there are many."""
    workers = min(processors(), 8, len(pages) // (PARALLEL // 2))
    if not pages:
        return []
    if len(pages) < PARALLEL or workers < 2:
        renderer = Renderer(context)
        return [renderer.page(page) for page in pages]
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    method = "fork" if sys.platform == "linux" else "spawn"
    chunk = max(1, min(16, len(pages) // (workers * 4)))
    with ProcessPoolExecutor(workers, get_context(method), _start_worker, (context, pages)) as pool:
        rendered = []
        for page, kept in pool.map(_render_in_worker, range(len(pages)), chunksize=chunk):
            context.stamps.keep(kept)
            rendered.append(page)
        return rendered


_renderer: Renderer | None = None
_pages: Sequence[Page] = ()


def _start_worker(context: Context, pages: Sequence[Page]) -> None:
    global _renderer, _pages  # one a process, set up when the process starts
    _renderer, _pages = Renderer(context), pages


def _render_in_worker(number: int) -> tuple[Rendered, dict[str, bytes]]:
    assert _renderer is not None
    return _renderer.page(_pages[number]), _renderer.context.stamps.hand_over()


class Renderer:
    """Markdown and Jinja, set up once."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.converter = Converter((Addresses, Links, Typography, Headings, Tables))
        self.layouts = environment(context.theme.folders, context.cache)

    def page(self, page: Page) -> Rendered:
        """The page as HTML, or its faults."""
        try:
            with bounded():
                return PageRenderer(self, page).run()
        except (MemoryError, TooCostly, RecursionError) as error:
            found = page.fault(offset_of(error), "cost", message_of(error))
            return Rendered(page.url, "", (), (), {}, 0, faults=(found,))


class PageRenderer:
    """One page on its way to HTML; the writer of its formulas, calls and code."""

    def __init__(self, renderer: Renderer, page: Page) -> None:
        self.renderer, self.page = renderer, page
        self.context = self.facts = renderer.context
        self.index, self.url = self.context.index, page.url
        self.root = root_of(page.url)
        self.texts = Texts(renderer.converter, page.outline.path)
        self.layouts = Layouts(renderer.layouts, self.context, self.texts, page.url, page.outline.path)
        self.figures = PageFigures(page, self.context, self.texts, self.layouts)
        self.contents: list[tuple[Heading, str]] = []
        self.links: list[LinkUse] = []
        self.outward: dict[str, int] = {}
        self.cited: dict[str, Entry] = {}
        self.shown: set[str] = set()
        self.faults: list[Fault] = []
        self.lede = self.caption = ""

    def run(self) -> Rendered:
        """Everything of the page but what KaTeX makes."""
        try:
            html = self._layout(self._content())
        except Refused as refused:
            return Rendered(self.page.url, "", (), (), {}, 0, faults=(refused.fault, *self._faults()))
        figures, uses = self.figures, tuple(self.texts.uses)
        files, links = tuple(figures.files), tuple(dict.fromkeys(self.links))
        return Rendered(
            self.page.url,
            html,
            uses,
            files,
            figures.drawings,
            figures.eager_bytes,
            links,
            tuple(self._faults()),
            tuple(dict.fromkeys(self.texts.warnings)),
        )

    def _faults(self) -> list[Fault]:
        return [*self.faults, *self.figures.faults, *self.texts.faults]

    def _content(self) -> str:
        converter = self.renderer.converter
        converter.page = self
        self.lede = converter.part(self.page.lede.tokens, self)
        body = converter.document(self.page.document, self)
        return body + self._works_cited() + self._addresses()

    # What stands in the text ------------------------------------------------------------------------------------------

    def formula(self, formula: Formula, token: Token, block: bool) -> str:
        """The mark of a formula, in a box of its own where it is displayed; its number has an anchor."""
        prepared: Prepared = token.meta["prepared"]
        try:
            tex = tex_of(prepared, self.index)
        except Unknown:
            return ""  # a fault that has been found
        if not tex.tex:
            return ""  # it defines macros, and no more
        equation = Equation(tex.tex, formula.display, prepared.macros)
        mark = self.texts.mark(Use(equation, self.page.outline.path, 0, formula, tex.pieces))
        mark += badges_of(prepared.formula.calls, self.page.url, self.index)
        if not formula.display:
            return mark
        first, *others = prepared.anchors or ("",)
        name = f' id="{escape(first)}"' if first else ""
        marks = "".join(f'<span id="{escape(each)}"></span>' for each in others)
        if block:
            return f'<div class="equation"{name} tabindex="0">{marks}{mark}</div>'
        return f'<span class="equation"{name}>{marks}{mark}</span>'

    def code(self, source: str, info: str) -> str:
        """A block of code."""
        return highlighted(source, info)

    def call(self, call: Call, block: bool, caption: Sequence[Token] = ()) -> str:
        """The HTML of a call; where it has a fault, which has been reported, no more than what links to it lead to."""
        self.caption = self.renderer.converter.part(caption, self) if caption else ""
        kind = None
        try:
            kind = kind_of(call)
            kind.check_form()
            if kind.shown and kind.shown in self.shown:
                return ""
            self.shown.add(kind.shown)
            return kind.html(self)
        except (Unknown, NoSource, LookupError):
            return f'<span id="{escape(anchor(kind.shown))}"></span>' if kind and kind.shown else ""

    def inline(self, text: str, place: tuple[str, int] | None = None) -> str:
        """A short text, as HTML; what is wrong with it is reported at *place*, if it does not come from the page."""
        with self.texts.of("", place or self.texts.where):
            return self.texts.inline(text)

    def level(self, call: Call) -> int:
        """The level of a heading below the section that a call is in."""
        above = [heading.level for heading in self.page.outline.headings if heading.offset <= call.offset]
        return min(above[-1] + 1, 6) if above else 2

    def layout(self, name: str, **values: Any) -> str:
        """What a layout makes of values."""
        return self.layouts.render(f"layouts/{name}.html", **values)

    def cite(self, entry: Entry, in_text: bool) -> str:
        """A link to a work, which is then listed at the end of the page."""
        self.cited[entry.key] = entry
        label = f"{entry.label} ({entry.year})" if in_text else f"{entry.label}, {entry.year}"
        title = escape(plain_text(entry.title))
        return f'<a class="cite" href="#ref-{escape(entry.key)}" title="{title}">{escape(label)}</a>'

    def _works_cited(self) -> str:
        if not self.cited:
            return ""
        entries = sorted(self.cited.values(), key=lambda entry: (entry.authors[0][1], entry.year, entry.title))
        return self.layouts.render("layouts/references.html", entries=self._placed(entries))

    def _placed(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same; a fault in a formula of a title is reported where the entry is."""
        for entry in entries:
            self.texts.where = (self.context.references, entry.line)
            yield entry

    # Links ------------------------------------------------------------------------------------------------------------

    def lead(self, element: str, attribute: str, target: str, at: int) -> str:
        """The address that a link of the page's author leads to; it is recorded, with its place."""
        begin = self.page.text.find(target, at, at + 400) if at >= 0 else -1
        begin = begin if begin >= 0 else at
        address, wrong = self._address(target.strip()), ""
        if not target.strip():
            wrong = f"{attribute} is empty; write an address"
        elif shows_a_file(element, attribute) and address.startswith(("#", "?")):
            wrong = f"{target} is a place on this page, not a file"
        elif not _ELSEWHERE.match(target):
            wrong = unfit(element, attribute, self._named(target.strip()))
        if wrong:
            self.faults.append(self.page.fault(max(begin, 0), "link", wrong))
            return "#"
        self.links.append(LinkUse(element, address, begin))
        return address

    def _named(self, target: str) -> str:
        """The static file that an address names, or the path as it is."""
        path = composed(parts_of(target).path)
        return self._asset(composed(unquote(target))) or self._asset(path) or path

    def _asset(self, path: str) -> str:
        """The static file that a path names: from ``static/``, or from where the page's own file lies; or ""."""
        inside = posixpath.normpath(path) if path else ""
        beside = posixpath.normpath(posixpath.join("pages", posixpath.dirname(self.page.url), path))
        names = (path, inside, beside.removeprefix("static/") if beside.startswith("static/") else "")
        return next((name for name in names if name and name in self.context.assets), "")

    def is_lost(self, target: str) -> bool:
        """Whether a link in a text of a manifest leads to no page of this site, which is reported at the manifest."""
        owner, catalogue = self.texts.owner, self.index.catalogue.experiments
        path = unquote(self._address(target.strip()).partition("#")[0].partition("?")[0])
        if not owner or _ELSEWHERE.match(target):
            return False
        url = posixpath.normpath(posixpath.join(posixpath.dirname(self.page.url), path)) if path else self.page.url
        if target.strip() and (url in {address for address, _ in self.index.sections.values()} or url in self._files):
            return False
        identity = owner if owner in catalogue else owner.rpartition("/")[0]
        message = f"{owner}: a text links to {target[:80]!r}, which does not exist; it is shown without the link"
        place = f"{self.context.outputs}/{identity}/manifest.json"
        self.texts.warnings.append(Fault(place, 1, 1, "link", message))
        return True

    @cached_property
    def _files(self) -> frozenset[str]:
        """The addresses of static files."""
        return frozenset(self.context.assets.values())

    def _address(self, target: str) -> str:
        try:
            scheme = urlsplit(target).scheme
        except ValueError:
            return target
        name = composed(unquote(target))
        if name in self.context.assets:
            return self.root + encoded(self.context.assets[name])
        if scheme or target.startswith(("/", "#", "?")):
            return target
        path, query, fragment = parts_of(target)
        path, whole = composed(path), composed(unquote(target.partition("#")[0]))
        if query and self._is_page(whole):
            path, query = whole, ""
        if path.lower().endswith(".md"):
            path = path[:-3] + ".html"
        elif name := self._asset(path):
            path = self.root + self.context.assets[name]
        return f"{encoded(path)}{query}{fragment}"

    def _is_page(self, path: str) -> bool:
        """Whether a path with a question mark in it is the name of a page."""
        page = posixpath.normpath(posixpath.join(posixpath.dirname(self.page.url), path))
        return page.removesuffix(".md").removesuffix(".html") in self.index.sections

    def number_of(self, address: str) -> str:
        """The mark beside a link to another site, which is seen on paper alone, or ""."""
        if not address.startswith(("http://", "https://")):
            return ""
        number = self.outward.setdefault(address, len(self.outward) + 1)
        return f'<sup class="on-paper">[{number}]</sup>'

    def _addresses(self) -> str:
        """The addresses of links to other sites, for paper."""
        if not self.outward:
            return ""
        items = "".join(f"<li>{escape(url)}</li>" for url in self.outward)
        return f'\n<section class="on-paper"><h2>Links</h2><ol>{items}</ol></section>'

    def picture_attributes(self, known: dict[str, str], at: int) -> dict[str, str]:
        """The attributes that an image gets: its size, and that it may load late."""
        source = known.get("src", "")
        adorns = known.get("role") in {"presentation", "none"} or known.get("aria-hidden") == "true"
        if "src" not in known:
            message = "<img> has no src; name a picture of templates/static"
            self.faults.append(self.page.fault(at, "link", message))
        elif source and not known.get("alt", "").strip() and not (adorns and "alt" in known):
            place = self.page.text.find(source, at, at + 400)
            message = f"{source} has no alt text; write ![what it shows]({source})"
            self.faults.append(self.page.fault(place if place >= 0 else at, "alt", message))
        size = self.context.images.get(self._named(source.strip()))
        given = (
            {} if "width" in known or "height" in known or not size else {"width": str(size[0]), "height": str(size[1])}
        )
        return {
            name: value
            for name, value in ({"loading": "lazy", "decoding": "async"} | given).items()
            if name not in known
        }

    # Layout -----------------------------------------------------------------------------------------------------------

    def _layout(self, content: str) -> str:
        meta, site = self.page.outline.meta, self.context.site
        self.texts.where = (self.page.outline.path, self.page.text.count("\n", 0, self.page.find(meta.title)) + 1)
        title = Markup(self.texts.inline(meta.title))
        canonical = feeds.address(site, self.page.url) if site.base_url else ""
        part = part_of(self.page.url, self.context.parts)
        html = self.layouts.render(
            f"layouts/{meta.layout}.html",
            title=title,
            plain_title=plain_text(meta.title),
            description=plain_text(meta.description),
            lede=Markup(self.lede),
            date=meta.date,
            authors=meta.authors,
            content=Markup(content),
            contents=self._contents() if meta.toc else [],
            navigation=self._links(self.context.navigation),
            part=self._links(part.pages) if part else [],
            url=self.page.url,
            canonical=canonical,
            linked_data=Markup(feeds.linked_data(site, self.page.outline, canonical, self.context.card)),
            card=self.context.card,
            feed=self.root + self.context.feed if self.context.feed else "",
            home=(site.base_url or "index.html") if self.page.url == "404.html" else f"{self.root}index.html",
            style_hash=Markup(MATH_POLICY),
            math_style=Markup(MATH_STYLE),
        )
        return html.rstrip("\n") + "\n"

    def _links(self, links: Iterable[Link]) -> list[tuple[str, str, str]]:
        """Name and address of pages, and "page" for this one, "true" for the index of a part that it is in, else ""."""
        heads = heads_of(self.page.url, self.context.parts)
        return [
            (
                link.name,
                self.root + encoded(link.url),
                "page" if link.url == self.page.url else "true" if link.url in heads else "",
            )
            for link in links
        ]

    def _contents(self) -> list[dict[str, Any]]:
        entries = [
            {
                "level": heading.level,
                "anchor": heading.anchor,
                "number": heading.number,
                "html": Markup(inner),
            }
            for heading, inner in self.contents
        ]
        if self.cited:
            entries.append({"level": 2, "anchor": "references", "number": "", "html": Markup("References")})
        return entries


_ELSEWHERE = lazy_pattern(r"\s*(?:[a-z][a-z0-9+.-]*:|/)", re.IGNORECASE)
