"""HTML among the static files, which is published as it is: it has a policy of its own, and its links lead somewhere.

Pages that are rendered have the policy of their layout. A file of HTML that stands beside them is of the same origin,
so one without a policy would be the way around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from darkroom.core.errors import Fault
from darkroom.press.content.links import scan
from darkroom.press.content.markup import attributes, pieces
from darkroom.press.faults import place
from darkroom.press.site import checks
from darkroom.press.typeset.static_files import Asset

SUFFIXES = (".html", ".htm", ".xhtml", ".xht", ".shtml")
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
_LOADING = frozenset({"script", "link", "style", "img", "iframe", "object", "embed", "video", "audio", "body"})


def faults_of(
    static: Mapping[str, Asset], files: set[str], pages: Mapping[str, checks.PageFacts], shown: str
) -> Iterator[Fault]:
    """What is wrong with the HTML among *static* files, by name, of a site that holds *files*, and *pages* among them.

    *shown* names the folder of static files.
    """
    names = [name for name in static if name.lower().endswith(SUFFIXES)]
    anchors = {url: frozenset(page.anchors) for url, page in pages.items()} if names else {}
    for name in names:
        text = static[name].content.decode(errors="replace")
        yield from _without_policy(text, f"{shown}/{name}")
        yield from _links(text, f"{shown}/{name}", static[name].target, files, anchors)


def _without_policy(text: str, path: str) -> Iterator[Fault]:
    """A fault where nothing restricts what is loaded, or something comes before what does."""
    first = -1
    for piece in pieces(text):
        tag = text[piece.start : piece.end]
        known = attributes(tag) if piece.tag == "meta" else {}
        if (
            known.get("http-equiv", "").strip().lower() == "content-security-policy"
            and known.get("content", "").strip()
        ):
            break
        if piece.tag in _LOADING and not piece.closes and first < 0:
            first = piece.start
    else:
        message = (
            f'there is no Content-Security-Policy; write <meta http-equiv="Content-Security-Policy" content="{POLICY}"> '
            "first in its head, or a stricter one"
        )
        yield Fault(path, 1, 1, "policy", message)
        return
    if first >= 0:
        message = "the Content-Security-Policy does not apply to what comes before it; put it first in the head"
        yield Fault(path, *place(text, first), "policy", message)


def _links(text: str, path: str, url: str, files: set[str], anchors: Mapping[str, frozenset[str]]) -> Iterator[Fault]:
    own, links = scan(text)
    for link in links:
        found = checks.broken(link, url, files, {**anchors, url: frozenset(own)})
        if found:
            lost = (
                f"{link.target} leads nowhere: files of static/ are published under other names; embed it in this file"
            )
            message = lost if found.is_lost else found.message
            yield Fault(path, *place(text, max(text.find(link.target), 0)), "link", message)
