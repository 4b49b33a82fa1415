"""Pages to HTML: pieces put back, Markdown, figures, contents and layout. Only formulas are still tokens afterwards.

A ``Renderer`` sets up Markdown and Jinja once; many pages are shared out among processes, one renderer each.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import jinja2.sandbox
import markdown
from markdown.extensions.def_list import DefListExtension
from markdown.extensions.footnotes import FootnoteExtension
from markdown.extensions.sane_lists import SaneListExtension
from markdown.extensions.tables import TableExtension
from markupsafe import Markup

from darkroom.lab.errors import Fault
from darkroom.lab.manifest import ARRAYS
from darkroom.press import svg
from darkroom.press.bibliography import Entry, bibtex
from darkroom.press.card import Card
from darkroom.press.catalogue import Experiment
from darkroom.press.figure import (
    FileUse,
    alt_texts,
    anchor,
    badge,
    files_of,
    provenance,
    record_anchor,
    width_of,
)
from darkroom.press.lift import FIRST, LAST, TOKEN, Call, Literal, Piece, lift
from darkroom.press.math import Equation, plain
from darkroom.press.pages import PLACEHOLDER, Heading, Page, plain_text
from darkroom.press.references import Index, NotRun, Unknown, as_html, number_figures, number_text, show, tex_of
from darkroom.press.settings import Site
from darkroom.press.text import duration, escape, size, typographic, without_tags

FORMULA = 0x100000  # the first token of a formula; they stay until KaTeX has answered
MATH_POLICY = "\uf8fe"  # stands for the hash of a page's own style rules, which come of its formulas
MATH_STYLE = "\uf8ff"  # stands for the style rules themselves
FORMULAS = re.compile(f"[{chr(FORMULA)}-{chr(0x10FFFD)}]")
PARALLEL = 12  # pages that are worth a second process

_IMAGE = re.compile(r'(<img\b[^>]*\bsrc="([^"]*)"[^>]*>)')
_MARKDOWN_MARKS = re.compile(r"[*_`\[\]<>&!#\\]|^[ \t]*(?:[-+]|\d+\.)[ \t]|\n")


@dataclass(frozen=True)
class Link:
    """A page in the navigation."""

    url: str
    name: str


@dataclass(frozen=True)
class Context:
    """What rendering needs beside the page itself.

    ``assets`` maps the name of a static file to its address, ``texts`` that of a script or style sheet to its content,
    ``images`` that of a picture to its size in pixels, ``damaged`` a figure's name to what is wrong with its files,
    ``raw`` a result file, such as "part_b/denoiser/results.safetensors", to its address.
    """

    site: Site
    index: Index
    navigation: tuple[Link, ...]
    assets: Mapping[str, str]
    texts: Mapping[str, str]
    images: Mapping[str, tuple[int, int]]
    damaged: Mapping[str, str]
    raw: Mapping[str, str]
    outputs: str
    results: Path
    templates: Path
    cache: Path
    card: Card | None = None
    feed: str = ""


class Use(NamedTuple):
    """An equation, and where it stands: at *offset* of the page, or (-1) at *line* of *path*."""

    equation: Equation
    offset: int
    path: str
    line: int


@dataclass(frozen=True)
class Rendered:
    """A page as HTML with a token for each formula, ``uses`` in the order of the tokens, and what it needs."""

    url: str
    html: str
    uses: tuple[Use, ...]
    files: tuple[FileUse, ...]
    eager_bytes: int
    faults: tuple[Fault, ...] = field(default=())


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
        self.layouts = _layouts(context.templates, context.cache)
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


def _layouts(templates: Path, cache: Path) -> jinja2.Environment:
    folder = cache / "jinja"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        bytecode = jinja2.FileSystemBytecodeCache(str(folder))
    except OSError:
        bytecode = None
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        bytecode_cache=bytecode,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


class _Refused(Exception):
    """A fault that ends the rendering of a page."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class _PageRenderer:
    """One page on its way to HTML."""

    def __init__(self, renderer: Renderer, page: Page) -> None:
        self.renderer, self.page = renderer, page
        self.context, self.index = renderer.context, renderer.context.index
        self.root = "../" * page.url.count("/")
        self.numbers = number_figures(page.outline)
        self.tokens: dict[int, str] = {}
        self.blocks: set[int] = set()
        self.uses: dict[tuple[Equation, int], int] = {}
        self.use_list: list[Use] = []
        self.files: list[FileUse] = []
        self.cited: dict[str, Entry] = {}
        self.eager_bytes = 0
        self.where = (-1, page.outline.path, 1)
        self.faults: list[Fault] = []

    def run(self) -> Rendered:
        try:
            content = self._content()
            html = self._layout(content)
        except _Refused as refused:
            return Rendered(self.page.url, "", (), (), 0, (refused.fault, *self.faults))
        return Rendered(
            self.page.url, html, tuple(self.use_list), tuple(self.files), self.eager_bytes, tuple(self.faults)
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
        self.where = (piece.offset, self.page.outline.path, 0)
        if piece.kind == "call":
            html, block = self._call(piece.calls[0])
        else:
            html, block = getattr(self, f"_{piece.kind}")(piece)
        self.tokens[token] = html
        if block:
            self.blocks.add(token)

    def _math(self, piece: Piece) -> tuple[str, bool]:
        return self._formula(self._tex(piece), False), False

    def _display(self, piece: Piece) -> tuple[str, bool]:
        return self._formula(self._tex(piece), True), True

    def _code(self, piece: Piece) -> tuple[str, bool]:
        source = piece.source.replace("\n", " ")
        if len(source) > 2 and source[0] == source[-1] == " " and source.strip():
            source = source[1:-1]
        return f"<code>{escape(source)}</code>", False

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
        self.where = (offset, self.page.outline.path, 0)
        return tex

    def _formula(self, tex: str, display: bool) -> str:
        use = Use(Equation(tex, display), *self.where)
        key = (use.equation, use.offset)
        if key not in self.uses:
            self.uses[key] = FORMULA + len(self.use_list)
            self.use_list.append(use)
        token = chr(self.uses[key])
        return f'<span class="equation">{token}</span>' if display else token

    def _evaluate(self, body: str) -> str:
        if not self.page.dynamic:
            return body
        try:
            return self.renderer.expressions.from_string(body).render(self._functions())
        except jinja2.TemplateError as error:
            raise _Refused(self._jinja_fault(error)) from None
        except Exception as error:  # an expression of the page's author
            raise _Refused(self._jinja_fault(error)) from None

    def _jinja_fault(self, error: Exception) -> Fault:
        line = _template_line(error)
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
            return f'<span class="number">{as_html(number_text(call, self.index))}</span>', False
        except NotRun:
            return '<span class="number unknown" title="This experiment has not been run yet">not yet run</span>', False

    _call_param = _call_metric

    def _call_ref(self, call: Call) -> tuple[str, bool]:
        target = str(call.arguments[0])
        if "#" in target:
            return self._section_ref(target), False
        spot = self.index.spot(target, self.page.url)
        href = f"{self._from_here(spot.url)}#{anchor(target)}"
        suffix = "" if spot.url == self.page.url else f" of {self._inline(spot.page)}"
        return f'<a class="ref" href="{href}">Figure&nbsp;{spot.number}{suffix}</a>', False

    def _section_ref(self, target: str) -> str:
        url, heading = self.index.section(target, self.page.url)
        href = f"{self._from_here(url)}#{heading.anchor}"
        name = f"Section&nbsp;{heading.number}" if heading.number else f"“{escape(heading.text)}”"
        return f'<a class="ref" href="{href}">{name}</a>'

    def _call_cite(self, call: Call) -> tuple[str, bool]:
        in_text = bool(dict(call.options).get("text"))
        links = [self._citation(self.index.entry(str(key)), in_text) for key in call.arguments]
        return ", ".join(links) if in_text else f"({'; '.join(links)})", False

    def _citation(self, entry: Entry, in_text: bool) -> str:
        self.cited[entry.key] = entry
        label = f"{entry.label} ({entry.year})" if in_text else f"{entry.label}, {entry.year}"
        return f'<a class="cite" href="#ref-{escape(entry.key)}" title="{escape(entry.title)}">{escape(label)}</a>'

    def _works_cited(self) -> str:
        if not self.cited:
            return ""
        entries = sorted(self.cited.values(), key=lambda entry: (entry.authors[0][1], entry.year, entry.title))
        return self._template("layouts/references.html", entries=entries)

    # Figures ----------------------------------------------------------------------------------------------------------

    def _call_figure(self, call: Call) -> tuple[str, bool]:
        name = str(call.arguments[0])
        found = self.index.catalogue.figure(name)
        if found is None:
            raise Unknown(f"unknown figure {name!r}")
        first = self._figure(call, found[0])
        others = [
            each
            for each in self.index.catalogue.by_other_models(name)
            if f"{each.id}/{found[1]}" not in self.context.damaged
        ]
        if not others:
            return first, True
        models = [each.manifest.model or each.id for each in (found[0], *others) if each.manifest]
        figures = [first, *(self._figure(call, each, f"--{each.id.partition('@')[2] or 'default'}") for each in others)]
        figures = [Markup(figure) for figure in figures]
        return self._template("figures/models.html", anchor=anchor(name), models=models, figures=figures), True

    def _figure(self, call: Call, experiment: Experiment, suffix: str = "") -> str:
        """The figure as *experiment* has drawn it, or why there is none; *suffix* sets its anchor apart."""
        name = str(call.arguments[0])
        short = name.rpartition("/")[2]
        options = dict(call.options)
        shared = {
            "id": name,
            "anchor": anchor(name) + suffix,
            "number": self.numbers[name],
            "experiment": experiment.id,
            "record": self._record_link(experiment.id),
            "mentions": [
                (f"{self._from_here(mention.url)}#{mention.anchor}", mention.name)
                for mention in self.index.mentions_of(name, self.page.url)
            ],
        }
        figure = experiment.drawn(short)
        if figure is None or f"{experiment.id}/{short}" in self.context.damaged:
            return self._absent_figure(experiment, short, shared)
        shared["play"] = "once" if options.get("play") else ""
        at_top = self.page.text[: call.offset].rpartition("+++")[2].strip(" \n{") == ""
        shared["lazy"] = not at_top or suffix != ""
        return self._drawn_figure(experiment, short, shared, options.get("width") or width_of(figure))

    def _absent_figure(self, experiment: Experiment, short: str, shared: dict[str, Any]) -> str:
        reason = self.context.damaged.get(f"{experiment.id}/{short}") or "; ".join(experiment.reasons)
        state = "damaged" if f"{experiment.id}/{short}" in self.context.damaged else experiment.state
        command = f"python build.py run {experiment.id}"
        return self._template("figures/absent.html", **shared, state=state, reason=reason, command=command)

    def _drawn_figure(self, experiment: Experiment, short: str, shared: dict[str, Any], width: Literal) -> str:
        manifest = experiment.manifest
        assert manifest is not None
        figure = manifest.figures[short]
        uses = files_of(experiment.id, short, figure)
        shown: list[FileUse] = []

        def file(name: str) -> str:
            shown.append(uses[name])
            return self.root + uses[name].target

        def inline(light: str, dark: str) -> Markup:
            """Two variants of a plot as one SVG in the page; nothing where they are no such pair."""
            one, other = ((self.context.results / uses[name].source).read_text("utf-8") for name in (light, dark))
            return Markup(svg.inline(one, other, shared["anchor"], figure.alt))

        self.where = (-1, manifest.source.path, figure.line)
        self._check_texts(shared["id"], [figure.caption, *alt_texts(figure)])
        html = self._template(
            "figures/frame.html",
            **shared,
            kind=figure.kind,
            caption=Markup(self._rich(figure.caption)),
            alt=figure.alt,
            layout=figure.layout,
            width=width,
            badge=badge(experiment),
            made=provenance(manifest, self.context.site.repository),
            results=self._results_link(experiment.id),
            file=file,
            inline=inline,
        )
        self.files += dict.fromkeys(shown)
        eager = {source for image, source in _IMAGE.findall(html) if 'loading="lazy"' not in image}
        self.eager_bytes += sum(use.bytes for use in uses.values() if self.root + use.target in eager)
        return html

    def _check_texts(self, figure: str, texts: Sequence[str]) -> None:
        path, line = self.where[1], self.where[2]
        if not all(text.strip() for text in texts[1:]):
            message = f"a picture of {figure} has no alt text; say what is to be seen"
            self.faults.append(Fault(path, line, 1, "alt", message))
        for text in texts:
            if found := PLACEHOLDER.search(text):
                message = f"{found[0]!r} is left in the caption or alt text of {figure}; replace it"
                self.faults.append(Fault(path, line, 1, "placeholder", message))

    def _record_link(self, experiment: str) -> str:
        url = self.index.record_url
        return f"{self._from_here(url)}#{record_anchor(experiment)}" if url else ""

    def _results_link(self, experiment: str) -> str:
        """The address of the raw results, or "" where they are not published."""
        target = self.context.raw.get(f"{experiment}/{ARRAYS}", "")
        return self.root + target if target else ""

    def _from_here(self, url: str) -> str:
        """The relative address of a page, "" for this one."""
        return "" if url == self.page.url else self.root + url

    def _call_experiments(self, call: Call) -> tuple[str, bool]:
        pattern = str(call.arguments[0]) if call.arguments else "*"
        experiments = self.index.catalogue.experiments.values()
        chosen = [self._record(each) for each in experiments if fnmatchcase(each.id, pattern)]
        return self._template("layouts/experiments.html", experiments=chosen), True

    def _call_citation(self, call: Call) -> tuple[str, bool]:
        return f'<pre tabindex="0"><code>{escape(bibtex(self.context.site))}</code></pre>', True

    def _record(self, experiment: Experiment) -> dict[str, Any]:
        manifest = experiment.manifest
        self.where = (-1, manifest.source.path if manifest else experiment.id, manifest.source.line if manifest else 1)
        made = provenance(manifest, self.context.site.repository) if manifest else None
        return {
            "id": experiment.id,
            "anchor": record_anchor(experiment.id),
            "state": experiment.state,
            "reasons": experiment.reasons,
            "manifest": manifest,
            "made": made,
            "problem": experiment.problem,
            "figures": [self._figure_link(experiment, name) for name in experiment.figures],
            "files": [self._raw_file(experiment, file.path, file.sha256, file.bytes) for file in manifest.files]
            if manifest
            else [],
        }

    def _figure_link(self, experiment: Experiment, name: str) -> dict[str, str]:
        full = f"{experiment.id}/{name}"
        if full not in self.index.spots:
            return {"name": name, "href": ""}
        return {"name": name, "href": f"{self._from_here(self.index.spots[full][0].url)}#{anchor(full)}"}

    def _raw_file(self, experiment: Experiment, path: str, sha256: str, count: int) -> dict[str, str]:
        full = f"{experiment.id}/{path}"
        target = self.context.raw.get(full, "")
        if target:
            self.files.append(FileUse(full, target, sha256, count))
        href = self.root + target if target else ""
        return {
            "name": path,
            "sha256": sha256,
            "size": size(count),
            "href": href,
            "path": f"{self.context.outputs}/{full}",
        }

    # Short texts ------------------------------------------------------------------------------------------------------

    def _inline(self, text: object) -> str:
        """A short text with inline math as HTML; nothing else in it is markup."""
        if isinstance(text, int | float) and not isinstance(text, bool):
            return as_html(show(text))
        lifted = lift(str(text))
        html = typographic(escape(lifted.body).replace("&quot;", '"').replace("&#x27;", "'"))
        return self._put_short_back(html, lifted.pieces)

    def _heading_text(self, heading: object) -> str:
        """The heading of a row or column; one with formulas is told as text to those who hear it."""
        shown = self._inline(heading)
        if not FORMULAS.search(shown):
            return shown
        return f'<span class="unseen">{escape(plain_text(str(heading)))}</span><span aria-hidden="true">{shown}</span>'

    def _rich(self, text: str) -> str:
        """A caption: Markdown with math, in one paragraph."""
        lifted = lift(text)
        if _MARKDOWN_MARKS.search(lifted.body):
            html = self._convert(lifted.body).removeprefix("<p>").removesuffix("</p>")
        else:
            html = lifted.body
        return self._put_short_back(typographic(html), lifted.pieces)

    def _put_short_back(self, html: str, pieces: Sequence[Piece]) -> str:
        return TOKEN.sub(lambda token: self._short_piece(pieces[ord(token[0]) - FIRST]), html) if pieces else html

    def _short_piece(self, piece: Piece) -> str:
        if piece.kind in {"math", "display"}:
            return self._formula(piece.source.strip(), piece.kind == "display")
        if piece.kind == "code":
            return self._code(piece)[0]
        return escape(piece.source)

    def _convert(self, body: str) -> str:
        self.renderer.markdown.reset()
        return str(self.renderer.markdown.convert(body))

    # Headings, pictures and links of the page -------------------------------------------------------------------------

    def _anchored(self, html: str) -> str:
        headings = list(self.page.outline.headings)
        found = re.findall(r"<h[1-6]>", html)
        if len(found) != len(headings):
            message = "a heading is underlined, indented, quoted or in a list; open it with ## at the start of its line"
            raise _Refused(self.page.fault(self.page.find("\n##") + 1, "heading", message))
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
        self.where = (self.page.find(meta.title), self.page.outline.path, 0)
        title = Markup(self._inline(meta.title))
        canonical = f"{site.base_url}{self._canonical()}" if site.base_url else ""
        html = self._template(
            f"layouts/{meta.layout}.html",
            title=title,
            plain_title=plain_text(meta.title),
            description=plain_text(meta.description),
            lede=Markup(self._rich(meta.lede)),
            content=Markup(content),
            contents=self._contents() if meta.toc else [],
            navigation=[
                (link.name, self.root + link.url, link.url == self.page.url) for link in self.context.navigation
            ],
            url=self.page.url,
            canonical=canonical,
            linked_data=self._linked_data(canonical),
            card=self.context.card,
            feed=self.root + self.context.feed if self.context.feed else "",
            home=(site.base_url or "index.html") if self.page.url == "404.html" else f"{self.root}index.html",
            style_hash=Markup(MATH_POLICY),
            math_style=Markup(MATH_STYLE),
        )
        return html.rstrip("\n") + "\n"

    def _linked_data(self, canonical: str) -> Markup:
        """What the page is, for machines (schema.org)."""
        meta, site = self.page.outline.meta, self.context.site
        known = {
            "@context": "https://schema.org",
            "@type": "ScholarlyArticle",
            "headline": plain_text(meta.title),
            "description": plain_text(meta.description),
            "inLanguage": site.language,
            "author": [{"@type": "Person", "name": name} for name in site.authors],
            "isPartOf": {"@type": "WebSite", "name": site.title},
            "url": canonical,
            "datePublished": site.published,
            "image": f"{site.base_url}{self.context.card.target}" if self.context.card else "",
        }
        filled = {name: value for name, value in known.items() if value}
        return Markup(json.dumps(filled, ensure_ascii=False).replace("<", "\\u003c"))

    def _canonical(self) -> str:
        return "" if self.page.url == "index.html" else self.page.url

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

    def _inlined(self, asset: str) -> str:
        """The text of a style sheet or script, fit to stand in the page."""
        return self.context.texts[asset].replace("url(fonts/", f"url({self.root}assets/fonts/").strip()

    def _template(self, name: str, **values: object) -> str:
        try:
            template = self.renderer.layouts.get_template(name)
            return template.render(
                **values,
                site=self.context.site,
                root=self.root,
                asset=lambda asset: self.root + self.context.assets[asset],
                inlined=lambda asset: Markup(self._inlined(asset)),
                digest=lambda asset: policy_digest(self._inlined(asset)),
                text=lambda value: Markup(self._inline(value)),
                heading_text=lambda value: Markup(self._heading_text(value)),
                rich=lambda value: Markup(self._rich(value)),
                show=lambda value: Markup(as_html(show(value))),
                duration=duration,
                size=size,
            ).strip()
        except jinja2.TemplateNotFound as error:
            raise _Refused(
                Fault(self.page.outline.path, 1, 1, "template", f"no template templates/{error.name}")
            ) from None
        except (jinja2.TemplateError, KeyError, TypeError) as error:
            line = _template_line(error)
            message = f"{error} (for {values.get('id', self.page.outline.path)})"
            raise _Refused(Fault(f"templates/{name}", line, 1, "template", message)) from None


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


def policy_digest(text: str) -> str:
    """The digest of a script or style sheet as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _template_line(error: Exception) -> int:
    """The line of a template that an error came from."""
    line = getattr(error, "lineno", None)
    trace = error.__traceback__
    while line is None and trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith((".html", "<template>")):
            found = trace.tb_lineno
            trace_after = trace.tb_next
            if trace_after is None or not trace_after.tb_frame.f_code.co_filename.endswith(".html"):
                return found
        trace = trace.tb_next
    return line or 1


__all__ = [
    "FORMULA",
    "FORMULAS",
    "MATH_POLICY",
    "MATH_STYLE",
    "Context",
    "Link",
    "Rendered",
    "Renderer",
    "Use",
    "render_pages",
    "without_tags",
]
