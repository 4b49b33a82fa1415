"""HTML as it is written: its tags and the texts between them, and the attributes of a tag (HTML, section 13.1.2)."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from darkroom.core.patterns import lazy_pattern

_NAME, _VALUE = r"""[^\s"'<>/=]+""", r"""(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+)"""
_TAG = lazy_pattern(
    rf"<!--(?:-?>|.*?(?:-->|\Z))|<\?.*?\?>|<!\[CDATA\[.*?\]\]>|<![A-Za-z][^>]*>"
    rf"|<(?P<close>/?)(?P<name>[A-Za-z][^\s/>]*)(?:[\s/]+{_NAME}(?:\s*=\s*{_VALUE})?)*\s*/?>",
    re.DOTALL,
)
_ATTRIBUTES = lazy_pattern(rf"({_NAME})(?:\s*=\s*({_VALUE}))?")
VERBATIM = frozenset({"script", "style", "textarea"})  # up to their end tag they hold no tags
VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())  # noqa: SIM905


class Piece(NamedTuple):
    """A tag or a text. ``tag`` is the name in lower case, ``!--`` of comments and the like, "" of texts."""

    start: int
    end: int
    tag: str
    closes: bool = False


def pieces(content: str, behind: Callable[[int, int], int] = lambda at, tag: 0) -> Iterator[Piece]:
    """The tags and texts of a piece of HTML, in order and without gaps.

    What looks like a tag may be text: *behind* gives where the text ends that begins between an index and that of a tag
    and holds the tag, or 0.
    """
    at = begun = 0
    while found := _TAG.search(content, begun):
        begun = behind(at, found.start())
        if begun:
            continue
        if found.start() > at:
            yield Piece(at, found.start(), "")
        name = (found["name"] or "!--").lower()
        yield Piece(found.start(), found.end(), name, bool(found["close"]))
        at = begun = found.end()
        if name in VERBATIM and not found["close"]:
            end = re.compile(rf"</{name}\b", re.IGNORECASE).search(content, at)
            begin = end.start() if end else len(content)
            if begin > at:
                yield Piece(at, begin, "")
            at = begun = begin
    if at < len(content):
        yield Piece(at, len(content), "")


ELEMENTS = frozenset(
    """a abbr acronym address applet area article aside audio b base basefont bdi bdo big blink blockquote body br
    button canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em embed
    fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe
    img input ins kbd label legend li link main map mark marquee menu meta meter nav nobr noframes noscript object ol
    optgroup option output p param picture plaintext pre progress q rb rp rt rtc ruby s samp script search section
    select slot small source span strike strong style sub summary sup table tbody td template textarea tfoot th thead
    time title tr track svg math tt u ul var video wbr xmp""".split()  # noqa: SIM905
)


def has_tags(content: str) -> bool:
    """Whether a text that may be a formula holds tags of HTML rather than ``a < b and c > d``."""
    for found in _TAG.finditer(content):
        bare = re.search(r"\s[^\s/>]", found[0]) and "=" not in found[0]
        if not found["name"] or found["close"] or (found["name"].lower() in ELEMENTS and not bare):
            return True
    return False


def attributes(tag: str) -> dict[str, str]:
    """The attributes of a start tag, names in lower case, values without quotes and character references."""
    opening = re.match(r"<[A-Za-z][^\s/>]*", tag)
    if not opening:
        return {}
    known: dict[str, str] = {}
    for name, value in _ATTRIBUTES.findall(tag, opening.end(), len(tag) - 1):
        known.setdefault(name.lower(), html.unescape(value[1:-1] if value[:1] in {'"', "'"} else value))
    return known


def with_attributes(tag: str, new: Mapping[str, str]) -> str:
    """A start tag with other values for some of its attributes, and with new ones; the others are left as they are."""
    opening = re.match(r"<[A-Za-z][^\s/>]*", tag)
    assert opening
    parts, at, missing = [], 0, dict(new)
    for found in _ATTRIBUTES.finditer(tag, opening.end(), len(tag) - 1):
        name = found[1].lower()
        if name in missing:
            parts += [tag[at : found.start(1)], f'{found[1]}="{html.escape(missing.pop(name))}"']
            at = found.end()
    added = "".join(f' {name}="{html.escape(value)}"' for name, value in missing.items())
    rest = tag[at:]
    end = len(rest) - (2 if rest.endswith("/>") else 1)
    return "".join(parts) + rest[:end].rstrip() + added + rest[end:]


_SCHEME = lazy_pattern(r"([a-z][a-z0-9+.-]*):")


def leads_to_pages(address: str) -> bool:
    """Whether a link leads to a page, of this or another site, or to mail, after what browsers strip from addresses."""
    plain = "".join(each for each in address if each > " " and each != "\x7f").lower()
    scheme = _SCHEME.match(plain)
    return scheme[1] in {"http", "https", "mailto", "tel"} if scheme else not plain.startswith(("//", "/\\", "\\"))
