"""Pages to HTML: pieces put back, Markdown, figures, contents and layout. Only formulas are still tokens afterwards.

A ``Renderer`` sets up Markdown and Jinja once; many pages are shared out among processes, one renderer each.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jinja2
import jinja2.sandbox
import markdown
from markdown.extensions.def_list import DefListExtension
from markdown.extensions.footnotes import FootnoteExtension
from markdown.extensions.sane_lists import SaneListExtension
from markdown.extensions.tables import TableExtension
from markupsafe import Markup

from darkroom.lab.errors import Fault
from darkroom.press import feeds
from darkroom.press.bibliography import Entry, bibtex
from darkroom.press.context import MATH_POLICY, MATH_STYLE, Context, Rendered, root_of, way
from darkroom.press.exhibits import Exhibits
from darkroom.press.figure import anchor
from darkroom.press.layouts import Layouts, Refused, environment, template_line
from darkroom.press.lift import FIRST, LAST, TOKEN, Call, Literal, Piece
from darkroom.press.math import plain
from darkroom.press.pages import Heading, Page, plain_text
from darkroom.press.references import NotRun, Unknown, as_html, number_text, tex_of
from darkroom.press.text import escape, typographic
from darkroom.press.texts import Texts, code

PARALLEL = 12  # pages that are worth a second process


def render_pages(pages: Sequence[Page], context: Context) -> list[Rendered]:
    """Render every page; in two processes where there are many."""
    workers = min(os.cpu_count() or 1, 8, len(pages) // (PARALLEL // 2))
    if not pages:
        return []
    if len(pages) < PARALLEL or workers < 2:
        renderer = Renderer(context)
        return [renderer.page(page) for page in pages]
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    method = "fork" if sys.platform == "linux" else "spawn"
    chunk = max(1, min(16, len(pages) // (workers * 4)))
    with ProcessPoolExecutor(workers, get_context(method), _start_worker, (context,)) as pool:
        return list(pool.map(_render_in_worker, pages, chunksize=chunk))


_renderer: Renderer | None = None


def _start_worker(context: Context) -> None:
    global _renderer  # noqa: PLW0603  # one a process, set up when the process starts
    _renderer = Renderer(context)


def _render_in_worker(page: Page) -> Rendered:
    assert _renderer is not None
    return _renderer.page(page)


class Renderer:
    """Markdown and Jinja, set up once."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.markdown = _markdown()
        self.layouts = environment(context.templates, context.cache)
        self.expressions = jinja2.sandbox.SandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)

    def page(self, page: Page) -> Rendered:
        """The page as HTML, or its faults."""
        return _PageRenderer(self, page).run()


def _markdown() -> markdown.Markdown:
    notes = FootnoteExtension(BACKLINK_TEXT="↩", BACKLINK_TITLE="Back to the text", SEPARATOR="-")
    extensions = [TableExtension(), notes, DefListExtension(), SaneListExtension()]  # by name they are slow to find
    converter = markdown.Markdown(extensions=extensions, output_format="html")
    converter.parser.blockprocessors.deregister("code")  # four spaces are no code: fences are
    for name in ("backtick", "automail", "image_reference", "short_image_ref"):
        converter.inlinePatterns.deregister(name)
    return converter


class _PageRenderer:
    """One page on its way to HTML."""

    def __init__(self, renderer: Renderer, page: Page) -> None:
        self.renderer, self.page = renderer, page
        self.context, self.index = renderer.context, renderer.context.index
        self.root = root_of(page.url)
        self.texts = Texts(self._convert, page.outline.path)
        self.layouts = Layouts(renderer.layouts, self.context, self.texts, page.url, page.outline.path)
        self.exhibits = Exhibits(page, self.context, self.texts, self.layouts)
        self.tokens: dict[int, str] = {}
        self.blocks: set[int] = set()
        self.cited: dict[str, Entry] = {}
        self.faults: list[Fault] = []

    def run(self) -> Rendered:
        try:
            content = self._content()
            html = self._layout(content)
        except Refused as refused:
            return Rendered(self.page.url, "", (), (), {}, 0, (refused.fault, *self.faults, *self.exhibits.faults))
        exhibits = self.exhibits
        return Rendered(
            self.page.url,
            html,
            tuple(self.texts.uses),
            tuple(exhibits.files),
            exhibits.drawings,
            exhibits.eager_bytes,
            (*self.faults, *exhibits.faults),
        )

    # Pieces -----------------------------------------------------------------------------------------------------------

    def _content(self) -> str:
        for number, piece in enumerate(self.page.lifted.pieces):
            self._put(FIRST + number, piece)
        body = self._evaluate(self.page.lifted.body)
        body = re.sub(rf"^([ \t]*)({TOKEN.pattern})[ \t]*$", self._apart, body, flags=re.MULTILINE)
        html = self._convert(body)
        html = self._anchored(html)
        html = self._media(html)
        html, links = _numbered(typographic(html))
        return self._restore(html) + self._works_cited() + links

    def _put(self, token: int, piece: Piece) -> None:
        self.texts.where = (piece.offset, self.page.outline.path, 0)
        if piece.kind == "call":
            html, block = self._call(piece.calls[0])
        else:
            html, block = getattr(self, f"_{piece.kind}")(piece)
        self.tokens[token] = html
        if block:
            self.blocks.add(token)

    def _math(self, piece: Piece) -> tuple[str, bool]:
        return self.texts.formula(self._tex(piece), False), False

    def _display(self, piece: Piece) -> tuple[str, bool]:
        return self.texts.formula(self._tex(piece), True), True

    def _code(self, piece: Piece) -> tuple[str, bool]:
        return code(piece.source), False

    def _fence(self, piece: Piece) -> tuple[str, bool]:
        language = f' class="language-{escape(piece.language.split()[0])}"' if piece.language else ""
        return f'<pre tabindex="0"><code{language}>{escape(piece.source)}</code></pre>', True

    def _text(self, piece: Piece) -> tuple[str, bool]:
        return escape(piece.source), False

    def _anchor(self, piece: Piece) -> tuple[str, bool]:
        return "", False

    def _comment(self, piece: Piece) -> tuple[str, bool]:
        return "", True

    def _tex(self, piece: Piece) -> str:
        tex, offset = tex_of(piece, self.index)
        self.texts.where = (offset, self.page.outline.path, 0)
        return tex

    def _evaluate(self, body: str) -> str:
        if not self.page.dynamic:
            return body
        try:
            return self.renderer.expressions.from_string(body).render(self._functions())
        except jinja2.TemplateError as error:
            raise Refused(self._jinja_fault(error)) from None
        except Exception as error:  # an expression of the page's author
            raise Refused(self._jinja_fault(error)) from None

    def _jinja_fault(self, error: Exception) -> Fault:
        line = template_line(error)
        start = 0
        for _ in range(line - 1):
            start = self.page.lifted.body.find("\n", start) + 1
        rule = "reference" if isinstance(error, Unknown | NotRun) else "jinja"
        return self.page.fault(self.page.lifted.source_offset(start), rule, f"{error}")

    def _functions(self) -> dict[str, Any]:
        def function(name: str) -> Callable[..., str]:
            def call(*arguments: Literal, **options: Literal) -> str:
                html, block = self._call(Call(name, arguments, tuple(options.items()), -1))
                return self._dynamic_token(html, block)

            return call

        return {
            name: function(name) for name in ("figure", "metric", "param", "ref", "cite", "experiments", "citation")
        }

    def _dynamic_token(self, html: str, block: bool) -> str:
        token = FIRST + len(self.tokens)
        if token > LAST:
            raise Unknown("too many calls on one page; split it")
        self.tokens[token] = html
        if block:
            self.blocks.add(token)
        return chr(token)

    def _apart(self, found: re.Match[str]) -> str:
        """A block on its own line stands between blank lines, so that Markdown takes it for a paragraph of its own."""
        alone = ord(found[2]) in self.blocks
        return f"\n{found[0]}\n" if alone else found[0]

    def _restore(self, html: str) -> str:
        alone = re.compile(rf"<p>\s*({TOKEN.pattern})\s*</p>")
        html = alone.sub(self._alone, html)
        html = re.sub(r"<[^<>]*[\U000F0000-\U0010FFFD][^<>]*>", self._in_attribute, html)
        return self._put_back(html)

    def _put_back(self, html: str) -> str:
        return TOKEN.sub(lambda token: self.tokens[ord(token[0])], html)

    def _alone(self, found: re.Match[str]) -> str:
        token = ord(found[1])
        if token not in self.blocks:
            return found[0]
        html = self.tokens[token]
        if html.startswith('<span class="equation">'):
            return f'<div class="equation" tabindex="0">{html[23:-7]}</div>'
        return html

    def _in_attribute(self, found: re.Match[str]) -> str:
        """Inside a tag only text will do: a formula as a reader would type it."""

        def text(token: re.Match[str]) -> str:
            piece = self.page.lifted.pieces[ord(token[0]) - FIRST]
            return escape(plain(piece.source) if piece.kind in {"math", "display"} else piece.source)

        return TOKEN.sub(text, found[0])

    # Calls ------------------------------------------------------------------------------------------------------------

    def _call(self, call: Call) -> tuple[str, bool]:
        return getattr(self, f"_call_{call.name}")(call)  # type: ignore[no-any-return]

    def _call_metric(self, call: Call) -> tuple[str, bool]:
        try:
            text = as_html(number_text(call, self.index))
            return text if ", " in text else f'<span class="number">{text}</span>', False  # a list may be broken
        except NotRun:
            return '<span class="number unknown" title="This experiment has not been run yet">not yet run</span>', False

    _call_param = _call_metric

    def _call_ref(self, call: Call) -> tuple[str, bool]:
        target = str(call.arguments[0])
        if "#" in target:
            return self._section_ref(target), False
        spot = self.index.spot(target, self.page.url)
        href = f"{way(self.page.url, spot.url)}#{anchor(target)}"
        suffix = "" if spot.url == self.page.url else f" of {self.texts.inline(spot.page)}"
        return f'<a class="ref" href="{href}">Figure&nbsp;{spot.number}{suffix}</a>', False

    def _section_ref(self, target: str) -> str:
        url, heading = self.index.section(target, self.page.url)
        href = f"{way(self.page.url, url)}#{heading.anchor}"
        name = f"Section&nbsp;{heading.number}" if heading.number else f"“{escape(heading.text)}”"
        return f'<a class="ref" href="{href}">{name}</a>'

    def _call_cite(self, call: Call) -> tuple[str, bool]:
        in_text = bool(dict(call.options).get("text"))
        links = [self._citation(self.index.entry(str(key)), in_text) for key in call.arguments]
        return ", ".join(links) if in_text else f"({'; '.join(links)})", False

    def _citation(self, entry: Entry, in_text: bool) -> str:
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
        """The same; a fault in a formula of a title is told where the entry stands."""
        for entry in entries:
            self.texts.where = (-1, self.context.references, entry.line)
            yield entry

    def _call_experiments(self, call: Call) -> tuple[str, bool]:
        pattern = str(call.arguments[0]) if call.arguments else "*"
        return self.exhibits.records(pattern), True

    def _call_figure(self, call: Call) -> tuple[str, bool]:
        return self.exhibits.figure(call), True

    def _call_citation(self, call: Call) -> tuple[str, bool]:
        return f'<pre tabindex="0"><code>{escape(bibtex(self.context.site))}</code></pre>', True

    def _convert(self, body: str) -> str:
        self.renderer.markdown.reset()
        return str(self.renderer.markdown.convert(body))

    # Headings, pictures and links of the page -------------------------------------------------------------------------

    def _anchored(self, html: str) -> str:
        headings = list(self.page.outline.headings)
        found = re.findall(r"<h[1-6]>", html)
        if len(found) != len(headings):
            message = "a heading is underlined, indented, quoted or in a list; open it with ## at the start of its line"
            raise Refused(self.page.fault(self.page.find("\n##") + 1, "heading", message))
        self.contents: list[tuple[Heading, str]] = []
        iterator = iter(headings)
        return re.sub(
            r"<h([1-6])>(.*?)</h\1>", lambda match: self._heading(next(iterator), match[2]), html, flags=re.DOTALL
        )

    def _heading(self, heading: Heading, inner: str) -> str:
        inner = inner.strip()
        if heading.level <= 3:
            self.contents.append((heading, re.sub(r"<sup.*?</sup>|</?a\b[^>]*>", "", inner)))
        number = f'<span class="section">{heading.number}</span> ' if heading.number else ""
        link = f'<a class="anchor" href="#{heading.anchor}" aria-label="Link to this section">#</a>'
        return f'<h{heading.level} id="{heading.anchor}">{number}{inner} {link}</h{heading.level}>'

    def _media(self, html: str) -> str:
        html = re.sub(r"<img\b[^>]*>", self._image, html)
        html = re.sub(r'(<a\b[^>]*\bhref=")([^"#:?]+)((?:#[^"]*)?")', self._page_link, html)
        html = re.sub(r' style="text-align: (left|right|center);"', r' class="\1"', html)
        html = html.replace("<table>", '<div class="table" tabindex="0"><table>').replace("</table>", "</table></div>")
        return html.replace(
            '<div class="footnote">\n<hr>', '<section class="footnotes" aria-label="Notes">\n<h2>Notes</h2>'
        ).replace("</ol>\n</div>", "</ol>\n</section>")

    def _page_link(self, found: re.Match[str]) -> str:
        target = found[2]
        if target.endswith(".md"):
            target = target[:-3] + ".html"
        elif target in self.context.assets:
            target = self.root + self.context.assets[target]
        return found[1] + target + found[3]

    def _image(self, found: re.Match[str]) -> str:
        attributes = dict(re.findall(r'([a-z-]+)="([^"]*)"', found[0]))
        source = attributes.get("src", "")
        where = self.page.find(source)
        if not attributes.get("alt", "").strip():
            self.faults.append(
                self.page.fault(where, "alt", f"{source} has no alt text; write ![what is seen]({source})")
            )
        width, height = self.context.images.get(source, (0, 0))
        given = {"width": str(width), "height": str(height)} if width else {}
        attributes = {"loading": "lazy", "decoding": "async", **given, **attributes}
        attributes["src"] = self.root + self.context.assets.get(source, source)
        return "<img " + " ".join(f'{name}="{value}"' for name, value in attributes.items()) + ">"

    # Layout -----------------------------------------------------------------------------------------------------------

    def _layout(self, content: str) -> str:
        meta, site = self.page.outline.meta, self.context.site
        self.texts.where = (self.page.find(meta.title), self.page.outline.path, 0)
        title = Markup(self.texts.inline(meta.title))
        canonical = feeds.address(site, self.page.url) if site.base_url else ""
        html = self.layouts.render(
            f"layouts/{meta.layout}.html",
            title=title,
            plain_title=plain_text(meta.title),
            description=plain_text(meta.description),
            lede=Markup(self.texts.rich(meta.lede)),
            content=Markup(content),
            contents=self._contents() if meta.toc else [],
            navigation=[
                (link.name, self.root + link.url, link.url == self.page.url) for link in self.context.navigation
            ],
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

    def _contents(self) -> list[dict[str, Any]]:
        entries = [
            {
                "level": heading.level,
                "anchor": heading.anchor,
                "number": heading.number,
                "html": Markup(self._entry(inner)),
            }
            for heading, inner in self.contents
        ]
        if self.cited:
            entries.append({"level": 2, "anchor": "references", "number": "", "html": Markup("References")})
        return entries

    def _entry(self, inner: str) -> str:
        return self._put_back(typographic(inner))


_OUTWARD = re.compile(r'<a\b[^>]*\bhref="(https?://[^"]*)"[^>]*>.*?</a>', re.DOTALL)


def _numbered(html: str) -> tuple[str, str]:
    """Links to other sites with a number beside them, and the list of their addresses; both are seen on paper alone."""
    numbers: dict[str, int] = {}

    def mark(found: re.Match[str]) -> str:
        number = numbers.setdefault(found[1], len(numbers) + 1)
        return f'{found[0]}<sup class="on-paper">[{number}]</sup>'

    marked = _OUTWARD.sub(mark, html)
    if not numbers:
        return html, ""
    items = "".join(f"<li>{url}</li>" for url in numbers)
    return marked, f'\n<section class="on-paper"><h2>Links</h2><ol>{items}</ol></section>'
