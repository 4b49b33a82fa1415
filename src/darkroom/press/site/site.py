"""The site: everything that it should hold, worked out before a single file is written.

Pages whose key is that of the last build are kept as they were published.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from darkroom.core import containers
from darkroom.core.errors import Fault, nearest
from darkroom.core.manifest import Status
from darkroom.core.paths import folded
from darkroom.core.patterns import lazy_pattern
from darkroom.core.record import schema, schema_sources
from darkroom.press.content import page_calls
from darkroom.press.content.command_line import CommandLine
from darkroom.press.content.links import scan
from darkroom.press.content.list_calls import ExperimentsCall
from darkroom.press.content.navigation import in_order, navigation_of, parts_of
from darkroom.press.content.outlines import Page
from darkroom.press.content.references import Index, Spot
from darkroom.press.files import Content, Copy, Kept, Places, Stamped, digest_of, size_of
from darkroom.press.inputs import Inputs
from darkroom.press.rendering import feeds
from darkroom.press.rendering.context import Context, Rendered
from darkroom.press.rendering.formulas import Formulas
from darkroom.press.rendering.render import render_pages
from darkroom.press.rendering.social_card import Card, card_of, compose
from darkroom.press.rendering.stamps import Stamps
from darkroom.press.site import checks, standalone
from darkroom.press.site.audit import damaged_figures, damaged_text, judge_experiments, raw_files
from darkroom.press.site.budgets import over_budget
from darkroom.press.site.cache import CachedPage, Made, SiteCache
from darkroom.press.site.keys import page_keys
from darkroom.press.site.sources import Findings, Sources, read_sources
from darkroom.press.typeset.katex_style import font_parts

if TYPE_CHECKING:
    from darkroom.press.content.deliverables import Assessed, AssessedList


class Site(msgspec.Struct, frozen=True):
    """Every file of the site by address, what is to be remembered of it, warnings, and the sha256 of every file."""

    files: Mapping[str, Content]
    cache: SiteCache
    warnings: tuple[Fault, ...]
    digests: Mapping[str, str] = {}


def make_site(
    places: Places,
    inputs: Inputs,
    cache: SiteCache,
    kept: Callable[[str], bool],
    *,
    statuses: Sequence[Status],
    strict: bool,
    all_missing: bool = False,
    command_line: Callable[[], CommandLine] = CommandLine,
) -> Site:
    """Work the whole site out; *kept* says whether the published file at an address is still as the last build left it.

    With *all_missing* every deliverable that lacks something is named, not only their number, and what is over a budget is
    a fault. *command_line* describes the program's, and is asked only if a page shows it.

    Raises:
        ContentError: with every fault found; in strict mode what is stale, missing or damaged is one.
        UsageError: KaTeX is not available.
    """
    findings = Findings(strict, all_missing)
    sources = read_sources(places, inputs, cache, statuses, findings)
    if findings.faults:  # without these references cannot be checked
        findings.faults += [fault for page in sources.read for fault in page.faults]
        findings.warnings += [warning for page in sources.read for warning in page.warnings]
        findings.stop()
    index = _index(sources)
    with closing(Formulas(places, inputs, sources.site)) as formulas:
        # Pages that were not known are going to be rendered: Node works on them while outputs are looked through.
        formulas.begin(sources.read, index)
        return _composed(sources, index, cache, kept, findings, formulas, command_line)


def _composed(
    sources: Sources,
    index: Index,
    cache: SiteCache,
    kept: Callable[[str], bool],
    findings: Findings,
    formulas: Formulas,
    command_line: Callable[[], CommandLine],
) -> Site:
    judge_experiments(sources, index, findings)
    stamps = _stamps(sources, index, cache)
    card, picture = _card(sources, index, cache, kept, findings, stamps)
    context = _context(sources, index, findings, card, stamps)
    if any(kind.shows_command_line for outline in sources.outlines.values() for kind in page_calls.kinds_in(outline)):
        context = msgspec.structs.replace(context, command_line=command_line())
    findings.warnings += _without_policy(sources)
    keys = page_keys(sources, context)
    reused = {
        url: cache.pages[url]
        for url, key in keys.items()
        if url in cache.pages and cache.pages[url].key == key and _is_kept(url, cache.pages[url], kept)
    }
    findings.problems.extend(warning for page in reused.values() for warning in page.warnings)
    pages = [sources.page(url) for url in keys if url not in reused]
    warnings = {page.outline.url: _check_references(page, index, findings) for page in pages}

    contents: dict[str, Content] = {url: Kept(page.sha256, page.bytes) for url, page in reused.items()}
    contents |= {each.target: Kept(each.sha256, each.bytes) for page in reused.values() for each in page.drawings}
    records = dict(reused)
    for rendered in _render(pages, context, formulas, warnings, findings):
        url = rendered.url
        html, fonts = formulas.finished(rendered)
        contents |= {url: html.encode(), **rendered.drawings}
        records[url] = _record(sources, rendered, contents[url], keys[url], fonts, warnings[url])
    files = contents | _files_beside(sources, context, records.values())
    if card and picture:
        files[card.target] = picture
    files[feeds.SCHEMA], described = _schema(sources, cache, kept)
    files[feeds.RECORD], recorded = _machine_record(sources, context, records.values(), cache, kept, described)
    findings.faults += _faults_of_site(sources, files, records)
    refused = findings.strict or findings.all_missing
    (findings.faults if refused else findings.warnings).extend(over_budget(sources, files, records))
    findings.warnings += [warning for found in warnings.values() for warning in found]
    findings.stop()
    record, described_in = (_made(name, files[name]) for name in (feeds.RECORD, feeds.SCHEMA))
    left = SiteCache(
        dict(sorted(records.items())),
        _made(card.target, picture) if card and picture else None,
        record,
        recorded,
        described_in,
        described,
    )
    return Site(files, left, tuple(sorted(dict.fromkeys(findings.warnings))))


def _made(target: str, content: Content) -> Made:
    return Made(target, digest_of(content), size_of(content))


def _is_kept(url: str, page: CachedPage, kept: Callable[[str], bool]) -> bool:
    """Whether a page and all that was made along with it are still as the last build left them."""
    return kept(url) and all(kept(drawing.target) for drawing in page.drawings)


# What pages can refer to ----------------------------------------------------------------------------------------------


def _index(sources: Sources) -> Index:
    ordered = in_order(sources.outlines)
    spots: dict[str, list[Spot]] = {}
    for outline in ordered:
        for name, number in page_calls.number_figures(outline).items():
            spots.setdefault(name, []).append(Spot(outline.url, outline.name, number))
    sections = {
        outline.url.removesuffix(".html"): (outline.url, {heading.anchor: heading for heading in outline.headings})
        for outline in ordered
    }
    records: dict[str, str] = {}
    for outline in ordered:
        for call in page_calls.kinds_in(outline):
            if isinstance(call, ExperimentsCall):
                records = {each.id: outline.url for each in call.lists(sources.catalogue)} | records
    where = {name: tuple(found) for name, found in spots.items()}
    return Index(
        sources.catalogue,
        sources.bibliography,
        where,
        sections,
        records,
        page_calls.find_mentions(ordered),
        {outline.url: {each.name: each for each in outline.equations} for outline in ordered},
        frozenset(sources.static),
        sources.places.root,
        {outline.url: outline.name for outline in ordered},
        frozenset(PurePosixPath(name).stem for name in sources.places.theme.files("figures", sources.inputs, ".html")),
        sources.places.untrusted,
        tuple(each.name for each in sources.lists),
        tuple((outline.url, outline.meta) for outline in ordered),
        page_calls.find_documented(ordered, sources.places.root),
    )


def _stamps(sources: Sources, index: Index, cache: SiteCache) -> Stamps:
    known = {url: page.files for url, page in cache.pages.items()}
    rule = sources.inputs.digest(containers.__file__)
    return Stamps(sources.places.outputs, sources.catalogue, index.spots, sources.site.base_url, rule, known)


def _context(sources: Sources, index: Index, findings: Findings, card: Card | None, stamps: Stamps) -> Context:
    places = sources.places
    entries = feeds.entries(sources.site, sources.outlines.values(), sources.catalogue)
    damaged = damaged_figures(sources, index, findings)
    ordered = in_order(sources.outlines)
    return Context(
        site=sources.site,
        index=index,
        navigation=navigation_of(ordered),
        parts=parts_of(ordered),
        assets={name: asset.target for name, asset in sources.static.items()},
        texts={n: each.content.decode() for n, each in sources.static.items() if n.lower().endswith((".js", ".css"))},
        images=sources.images,
        damaged=damaged,
        raw=raw_files(sources, index),
        outputs=places.shown(places.outputs),
        results=places.outputs,
        stamps=stamps,
        theme=places.theme,
        cache=places.cache,
        references=places.shown(places.templates / "references.bib"),
        card=card,
        feed=feeds.FEED if entries else "",
        commit=_commit(sources),
        deliverables=_assessed(sources, index, damaged, findings),
    )


def _assessed(
    sources: Sources, index: Index, damaged: Mapping[str, str], findings: Findings
) -> tuple[AssessedList, ...]:
    """The deliverables; what is missing is reported, each for itself where all is asked for, else as a number."""
    if not sources.lists:
        return ()
    from darkroom.press.site.deliverables import SiteContent, assess

    lists = assess(sources.lists, SiteContent(sources.outlines, index, damaged, lambda url: _prose(sources.page(url))))
    for each in lists:
        if each.lacking and (findings.strict or findings.all_missing):
            findings.problems.extend(Fault(each.path, *_said(each, found)) for found in each.lacking)
        elif each.lacking:
            message = (
                f"{each.name}: {len(each.lacking)} of {each.wanted} lack something; python build.py check lists it"
            )
            findings.warnings.append(Fault(each.path, 1, 1, "deliverable", message))
    return lists


def _said(of: AssessedList, found: Assessed) -> tuple[int, int, str, str]:
    """Where a deliverable that lacks something stands, and what it lacks."""
    item, where = found.item, f" ({found.item.section})" if found.address else ""
    return item.line, 1, "deliverable", f"{of.name} {item.id}, {item.title}{where}: {'; '.join(found.missing)}"


def _prose(page: Page) -> str:
    """The words of a page, calls and formulas left out."""
    return " ".join(words for words, _ in (*page.lede.prose, *page.document.prose))


def _commit(sources: Sources) -> str:
    """The commit that listings are linked to: none where none is shown, or nothing is known of an address."""
    kinds = (kind for outline in sources.outlines.values() for kind in page_calls.kinds_in(outline))
    if not sources.site.repository or not any(kind.links_to_source for kind in kinds):
        return ""
    command = ["git", "-C", str(sources.places.root), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _card(
    sources: Sources,
    index: Index,
    cache: SiteCache,
    kept: Callable[[str], bool],
    findings: Findings,
    stamps: Stamps,
) -> tuple[Card | None, Content]:
    """The social card, and its content; none where its figure is not drawn or cannot be read."""
    name, catalogue = sources.site.picture, sources.catalogue
    if name and not catalogue.figure(name):
        place = sources.places.shown(sources.places.templates / "site.toml")
        message = f"picture: unknown figure {name!r}{nearest(name, catalogue.figure_names)}"
        findings.faults.append(Fault(place, 1, 1, "reference", message))
    if not name or not sources.site.base_url:
        return None, b""
    try:
        card = card_of(name, catalogue, sources.inputs, stamps.text(name))
        if card is None:
            return None, b""
        known = cache.card
        if known and known.target == card.target and kept(known.target):
            return card, Kept(known.sha256, known.bytes)
        return card, compose(card.rows, card.stamp)
    except ValueError as error:
        owner = catalogue.figure(name)
        if owner and name not in index.spots:  # already reported if a page shows it
            place = sources.places.shown(owner[0].folder / "manifest.json")
            findings.problems.append(Fault(place, 1, 1, "damaged", f"{error}; restore it or rerun with --force"))
        return None, b""


def _without_policy(sources: Sources) -> Iterator[Fault]:
    """Layouts of pages without a policy, which let a browser run anything in a page."""
    for name in sorted({outline.meta.layout for outline in sources.outlines.values()}):
        path = sources.places.theme.path(f"layouts/{name}.html", sources.inputs)
        if sources.inputs.digest(path) and not _has_policy(sources, f"layouts/{name}.html", set()):
            message = "the layout has no Content-Security-Policy, so scripts from anywhere would run; add one"
            yield Fault(sources.places.shown(path), 1, 1, "policy", message)


_PARENTS = lazy_pattern(r"""\{%-?\s*(?:extends|include)\s+["']([^"']+)["']""")


def _has_policy(sources: Sources, name: str, seen: set[str]) -> bool:
    """Whether a template, or one that it extends or includes by name, holds a policy."""
    path = sources.places.theme.path(name, sources.inputs)
    if name in seen or not sources.inputs.digest(path):
        return False
    seen.add(name)
    text = sources.inputs.read(path).decode(errors="replace")
    return "Content-Security-Policy" in text or any(_has_policy(sources, each, seen) for each in _PARENTS.findall(text))


# Pages ----------------------------------------------------------------------------------------------------------------


def _check_references(page: Page, index: Index, findings: Findings) -> tuple[Fault, ...]:
    """Report calls of a page that fail; returns its warnings, which in strict mode are faults as well."""
    faults, warnings = page_calls.check(page, index)
    findings.faults += [*page.faults, *faults]
    warnings = [*page.warnings, *warnings]
    if findings.strict:
        findings.faults += warnings
    return tuple(warnings)


def _render(
    pages: Sequence[Page],
    context: Context,
    formulas: Formulas,
    warnings: dict[str, tuple[Fault, ...]],
    findings: Findings,
) -> list[Rendered]:
    """Every page with all of its formulas typeset; what is wrong with them is reported.

    A text of a manifest that cannot be typeset is damage: the page is rendered once more without what it belongs to.
    """
    formulas.begin(pages, context.index)
    rendered = render_pages(pages, context)
    formulas.typeset(use.equation for page in rendered for use in page.uses)
    if damage := formulas.damage(rendered):
        hit = {page.url: sorted({use.owner for use in page.uses} & damage.keys()) for page in rendered}
        for url, owners in hit.items():
            faults = tuple(damaged_text(owner, damage[owner], context) for owner in owners)
            warnings[url] += faults
            findings.faults += faults if findings.strict else ()
        context = msgspec.structs.replace(context, damaged={**damage, **context.damaged})
        again = render_pages([page for page in pages if hit[page.outline.url]], context)
        anew = {page.url: page for page in again}
        rendered = [anew.get(page.url, page) for page in rendered]
        formulas.typeset(use.equation for page in again for use in page.uses)
    by_url = {page.outline.url: page for page in pages}
    for each in rendered:
        findings.faults += [*each.faults, *(each.warnings if findings.strict else ())]
        warnings[each.url] += each.warnings
        findings.faults += formulas.faults(each, by_url[each.url])
    return [each for each in rendered if each.html]


def _record(
    sources: Sources,
    page: Rendered,
    content: Content,
    key: str,
    fonts: tuple[str, ...],
    warnings: tuple[Fault, ...],
) -> CachedPage:
    anchors, found = scan(page.html)
    placed = {(link.element, link.target) for link in page.links}
    links = {*page.links, *(link for link in found if (link.element, link.target) not in placed)}
    return CachedPage(
        source=sources.digests[page.url],
        outline=sources.outlines[page.url],
        key=key,
        sha256=digest_of(content),
        bytes=size_of(content),
        fonts=fonts,
        anchors=anchors,
        links=tuple(sorted(links)),
        files=tuple(sorted(page.files, key=lambda use: use.target)),
        drawings=tuple(
            Made(target, digest_of(drawing), len(drawing)) for target, drawing in sorted(page.drawings.items())
        ),
        eager_bytes=page.eager_bytes,
        warnings=warnings,
    )


# Files beside the pages -----------------------------------------------------------------------------------------------


def _files_beside(sources: Sources, context: Context, records: Collection[CachedPage]) -> dict[str, Content]:
    """Static files, the fonts and pictures that pages use, and files for machines."""
    site = sources.site
    files: dict[str, Content] = {asset.target: asset.content for asset in sources.static.values()}
    for file in sorted({file for record in records for file in record.fonts}):
        for part in font_parts(file, sources.places.theme.katex, sources.inputs, sources.places.cache):
            files[part.target] = Copy(str(part.path), part.sha256, part.path.stat().st_size)
    for record in records:
        for use in record.files:
            files[use.target] = (
                Stamped(use.source, context.stamps.content, use.sha256, use.bytes)
                if use.stamp
                else Copy(f"{sources.places.outputs}/{use.source}", use.sha256, use.bytes)
            )
    files[".nojekyll"] = b""
    if site.base_url:
        files[feeds.SITEMAP] = feeds.sitemap(site, sources.outlines)
    if context.feed:
        files[context.feed] = feeds.feed(site, feeds.entries(site, sources.outlines.values(), sources.catalogue))
    return files


def _machine_record(
    sources: Sources,
    context: Context,
    records: Collection[CachedPage],
    cache: SiteCache,
    kept: Callable[[str], bool],
    described: str,
) -> tuple[Content, str]:
    """``record.json``, kept if its content has not changed, and the digest of that content."""
    pages, catalogue, index = in_order(sources.outlines), sources.catalogue, context.index
    published = {use.source: use for record in records for use in record.files}
    targets = sorted((source, use.target) for source, use in published.items())
    outlines = [(page.url, page.meta, page.headings) for page in pages]
    experiments = [experiment.record for experiment in catalogue.experiments.values()]
    content = [described, sources.site, outlines, sorted(index.spots.items()), experiments, targets]
    content += context.deliverables
    digest = digest_of(msgspec.json.encode(content, enc_hook=repr))
    if cache.record and cache.recorded == digest and kept(feeds.RECORD):
        return Kept(cache.record.sha256, cache.record.bytes), digest
    return feeds.record(sources.site, pages, catalogue, index.spots, published, context.deliverables), digest


def _schema(sources: Sources, cache: SiteCache, kept: Callable[[str], bool]) -> tuple[Content, str]:
    """The schema of the record, kept if the code that defines it has not changed, and the digest of that code."""
    described = digest_of(repr([msgspec.__version__, *map(sources.inputs.digest, schema_sources())]).encode())
    if cache.schema and cache.described == described and kept(feeds.SCHEMA):
        return Kept(cache.schema.sha256, cache.schema.bytes), described
    return schema(), described


def _faults_of_site(
    sources: Sources, files: Mapping[str, Content], records: Mapping[str, CachedPage]
) -> Iterator[Fault]:
    """Broken links, files that are too large, and paths that would be a file and a folder."""
    shown, places = sources.places.shown, sources.places
    fonts = {file for record in records.values() for file in record.fonts}
    weights = {asset.target: len(asset.content) for asset in sources.static.values()}
    weights |= {file: (places.theme.katex / "dist/fonts" / file).stat().st_size for file in fonts}
    pages = {
        url: checks.PageFacts(
            record.outline.path, record.bytes, record.anchors, record.links, _eager_bytes(record, weights)
        )
        for url, record in records.items()
    }
    known = {*files, *sources.outlines}
    names = {folded(name) for name in known}
    for url, path in sources.paths.items():
        for folder in [str(parent) for parent in PurePosixPath(url).parents if folded(str(parent)) in names]:
            message = f"the page would be in a folder {folder}, which is a file of the site; rename the page's folder"
            yield Fault(shown(path), 1, 1, "page", message)
    yield from checks.faults_of(pages, known, sources.page)
    yield from standalone.faults_of(sources.static, known, pages, shown(places.templates / "static"))
    drawn = [(use.source, use.bytes - use.added) for record in records.values() for use in record.files]
    yield from checks.picture_faults(drawn, shown(places.outputs))
    static = [(name, len(asset.content)) for name, asset in sources.static.items()]
    yield from checks.picture_faults(static, shown(places.templates / "static"))


def _eager_bytes(record: CachedPage, weights: Mapping[str, int]) -> int:
    """The bytes that load along with a page: what it links of the static files, fonts of formulas, first pictures."""
    linked = {link.target.lstrip("./") for link in record.links if link.element in {"link", "script"}}
    return sum(weights.get(target, 0) for target in (*linked, *record.fonts)) + record.eager_bytes
