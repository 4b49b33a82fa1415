"""Files for programs: a sitemap, a feed of the pages (Atom, RFC 4287), JSON-LD of each page, and the record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from darkroom.core.record import (
    VERSION,
    DeliverableRecord,
    DeliverablesRecord,
    ExperimentRecord,
    PageEntry,
    Section,
    Shown,
    SiteRecord,
    encode,
    experiment_record,
)
from darkroom.press.content.addresses import anchor, encoded
from darkroom.press.content.catalogue import Catalogue, StoredExperiment
from darkroom.press.content.outlines import Outline
from darkroom.press.content.page_calls import kinds_in
from darkroom.press.content.references import Spot
from darkroom.press.content.settings import SiteSettings
from darkroom.press.markdown.pages import plain_text
from darkroom.press.rendering.captions import FileUse
from darkroom.press.rendering.social_card import Card
from darkroom.press.typeset.typography import escape

if TYPE_CHECKING:
    from darkroom.press.content.deliverables import AssessedList

SITEMAP = "sitemap.xml"
FEED = "feed.xml"
RECORD = "record.json"
SCHEMA = "record.schema.json"


class FeedEntry(NamedTuple):
    """A page in the feed: address, title and description as plain text, and when the latest run that it shows was done."""

    url: str
    title: str
    summary: str
    updated: str


def address(site: SiteSettings, url: str) -> str:
    """The full address of the page at *url*."""
    return site.base_url + ("" if url == "index.html" else encoded(url))


def sitemap(site: SiteSettings, urls: Iterable[str]) -> bytes:
    """The sitemap: every page but 404.html."""
    entries = [f"  <url><loc>{escape(address(site, url))}</loc></url>" for url in sorted(urls) if url != "404.html"]
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    return "\n".join([head, *entries, "</urlset>\n"]).encode()


def linked_data(site: SiteSettings, page: Outline, canonical: str, card: Card | None) -> str:
    """A page's description in JSON-LD (schema.org), escaped for HTML."""
    known = {
        "@context": "https://schema.org",
        "@type": "ScholarlyArticle",
        "headline": plain_text(page.meta.title),
        "description": plain_text(page.meta.description),
        "inLanguage": site.language,
        "author": [{"@type": "Person", "name": name} for name in page.meta.authors or site.authors],
        "isPartOf": {"@type": "WebSite", "name": site.title},
        "url": canonical,
        "datePublished": page.meta.date or site.published,
        "image": f"{site.base_url}{card.target}" if card else "",
    }
    filled = {name: value for name, value in known.items() if value}
    return json.dumps(filled, ensure_ascii=False).replace("<", "\\u003c")


def entries(site: SiteSettings, outlines: Iterable[Outline], catalogue: Catalogue) -> list[FeedEntry]:
    """The listed pages that show a run, for the feed of a site that has an address."""
    if not site.base_url:
        return []
    found = [_entry(outline, catalogue) for outline in outlines if outline.meta.order is not None]
    return [entry for entry in found if entry.updated]


def _entry(outline: Outline, catalogue: Catalogue) -> FeedEntry:
    shown = [kind.experiment(catalogue) for kind in kinds_in(outline)]
    times = [each.manifest.provenance.finished_at for each in shown if each and each.manifest]
    meta = outline.meta
    return FeedEntry(outline.url, plain_text(meta.title), plain_text(meta.description), max(times, default=""))


def feed(site: SiteSettings, entries: Sequence[FeedEntry]) -> bytes:
    """The pages, at least one, the latest first."""
    dated = sorted(entries, key=lambda entry: (entry.updated, entry.url), reverse=True)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<feed xmlns="http://www.w3.org/2005/Atom">']
    lines += _elements({"title": site.title, "subtitle": site.description, "id": site.base_url}, "  ")
    lines += _elements({"updated": dated[0].updated}, "  ")
    lines += [f"  <author><name>{escape(name)}</name></author>" for name in site.authors or (site.title,)]
    lines += [
        f'  <link rel="self" href="{escape(site.base_url + FEED)}"/>',
        f'  <link href="{escape(site.base_url)}"/>',
    ]
    for entry in dated:
        place = escape(address(site, entry.url))
        known = {"title": entry.title, "id": address(site, entry.url), "updated": entry.updated}
        shown = _elements({**known, "summary": entry.summary}, "    ")
        lines += ["  <entry>", *shown, f'    <link href="{place}"/>', "  </entry>"]
    return ("\n".join([*lines, "</feed>"]) + "\n").encode()


def _elements(values: Mapping[str, str], indent: str) -> list[str]:
    return [f"{indent}<{name}>{escape(value)}</{name}>" for name, value in values.items()]


def record(
    site: SiteSettings,
    outlines: Iterable[Outline],
    catalogue: Catalogue,
    spots: Mapping[str, Sequence[Spot]],
    published: Mapping[str, FileUse],
    deliverables: Iterable[AssessedList] = (),
) -> bytes:
    """The pages and every experiment behind them, for programs (see :mod:`darkroom.core.record`).

    Args:
        outlines: the pages in reading order.
        spots: where figures are shown, by their full names.
        published: each file of the outputs that is part of the site, by its path among them.
        deliverables: the lists of what the report must have.
    """

    def described(experiment: StoredExperiment) -> ExperimentRecord:
        def shown(figure: str) -> list[Shown]:
            name = f"{experiment.id.partition('@')[0]}/{figure}"
            return [Shown(f"{spot.url}#{anchor(name)}", spot.number) for spot in spots.get(name, ())]

        def of_site(path: str) -> tuple[str, str, int] | None:
            use = published.get(f"{experiment.id}/{path}")
            return (use.target, use.sha256, use.bytes) if use else None

        return experiment_record(
            experiment.id,
            experiment.state,
            experiment.reasons,
            experiment.manifest,
            of_site,
            shown,
        )

    return encode(
        SiteRecord(
            schema=SCHEMA,
            version=VERSION,
            title=site.title,
            authors=list(site.authors),
            address=site.base_url,
            repository=site.repository,
            pages=[_page(outline) for outline in outlines],
            experiments=[described(experiment) for experiment in catalogue.experiments.values()],
            deliverables=[_deliverables(each) for each in deliverables],
        )
    )


def _deliverables(of: AssessedList) -> DeliverablesRecord:
    items = [
        DeliverableRecord(each.item.id, each.item.title, each.address, each.item.optional, list(each.missing))
        for each in of.items
    ]
    return DeliverablesRecord(of.name, of.title, not of.lacking, items)


def _page(outline: Outline) -> PageEntry:
    sections = [Section(heading.anchor, heading.text, heading.number) for heading in outline.headings]
    return PageEntry(outline.url, plain_text(outline.meta.title), plain_text(outline.meta.description), sections)
