"""Addresses: their parts, where they occur in text, and what an element can show."""

from __future__ import annotations

import html
import re
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote, unquote

from darkroom.core.patterns import lazy_pattern
from darkroom.press.typeset.films import FILMS, SOUNDS, UNPLAYED
from darkroom.press.typeset.pictures import SUFFIXES

_BARE = lazy_pattern(
    r"(?<![\w/:@.-])(?:https?://|www\.(?=[\w-]+\.))(?=\w)"
    r"(?:[^\s<>\[\]`\"\\${\u3001-\u301f\uff01-\uff1f]|\$(?![^\s$]*\$)|\{(?![{%#]))+",  # no formula, no call
    re.IGNORECASE,
)


_MAIL = lazy_pattern(
    r"(?<![\w.+/:@=&?-])(?:mailto:)?[A-Za-z0-9][\w.+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}(?!\.?[\w@-]|[:/]\S)"
)


class Address(NamedTuple):
    """A relative address: the path without percent signs, and query and fragment as they are written, or ""."""

    path: str
    query: str
    fragment: str


def parts_of(target: str) -> Address:
    """A relative address in parts (RFC 3986, section 4.2)."""
    found = re.fullmatch(r"([^?#]*)(\?[^#]*)?(#.*)?", target, re.DOTALL)
    assert found
    return Address(unquote(found[1]), found[2] or "", found[3] or "")


def encoded(path: str) -> str:
    """A path as it stands in an address."""
    return quote(path, safe="/@!$&'()*+,;=~-._")  # what precedes a colon would be a scheme


def root_of(url: str) -> str:
    """The relative address of the site's root from the page at *url*, such as ``"../"``."""
    return "../" * url.count("/")


def way(url: str, target: str) -> str:
    """The relative address of the page at *target* from the one at *url*, "" where they are the same."""
    return "" if url == target else root_of(url) + encoded(target)


def anchor(figure: str) -> str:
    """The anchor of a figure: ``fig-part_b-denoiser-loss``."""
    name = figure.replace("@", "--").replace(".", "_") if "@" in figure else figure  # pictures keep their dot
    return "fig-" + re.sub(r"[\s/]+", "-", name)


def bare_address(text: str, start: int = 0) -> tuple[int, int] | None:
    """Where the next plain address in a text begins and ends, by GitHub's rules.

    It has http://, https:// or www. before it; punctuation after it, and a closing bracket that it does not open, are
    not part of it.
    """
    found = _BARE.search(text, start)
    if not found:
        return None
    end = found.end()
    while end > found.start():
        address = text[found.start() : end]
        entity = re.search(r"&[A-Za-z0-9]+;\Z", address)
        if entity:
            end = found.start() + entity.start()
        elif address[-1] in "?!.,:*_~';\u2019\u201d" or (
            address[-1] == ")" and address.count(")") > address.count("(")
        ):
            end -= 1
        else:
            return found.start(), end
    return None


def unescaped(address: str) -> str:
    """An address in text with the characters that its entities, such as ``&amp;``, stand for."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), address)


_ENTITY = lazy_pattern(r"&(?:[A-Za-z][A-Za-z0-9]*|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")


def bare_mail(text: str, start: int = 0) -> tuple[int, int] | None:
    """Where the next plain mail address in a text begins and ends, by GitHub's rules.

    Its last part has only letters; what continues with a colon or a slash, as ``git@host.com:a/b``, is not one.
    """
    found = _MAIL.search(text, start)
    return found.span() if found else None


# What an element shows ------------------------------------------------------------------------------------------------

_PICTURES = frozenset({("img", "src"), ("img", "srcset"), ("source", "srcset"), ("video", "poster"), ("input", "src")})
_FILMS = frozenset({("video", "src"), ("audio", "src"), ("source", "src")})


def shows_a_file(element: str, attribute: str) -> bool:
    """Whether an attribute names a picture, film or sound that is shown in the page."""
    return (element, attribute) in _PICTURES | _FILMS


def unfit(element: str, attribute: str, name: str) -> str:
    """Why an element shows nothing of a file of the site, judged by its suffix, or ""."""
    suffix, where = PurePosixPath(name).suffix.lower(), (element, attribute)
    if where in _FILMS and suffix not in FILMS | SOUNDS:
        return f"{'most ' * (suffix in UNPLAYED)}browsers do not play {name}; save it as MP4 or WebM"
    if where == ("track", "src") and suffix != ".vtt":
        return f"browsers do not show the subtitles in {name}; save them as WebVTT, .vtt"
    return f"{name} is {_instead(suffix, name)}" if where in _PICTURES and suffix not in SUFFIXES else ""


def _instead(suffix: str, name: str) -> str:
    """What a file is if it is not a picture, and what to write instead."""
    if suffix in FILMS:
        return f'a film; write {{{{ picture("{name}", caption="...", alt="...") }}}}'
    if suffix in UNPLAYED:
        return f"a film that most browsers do not play; save it as MP4 or WebM, or write [text]({name})"
    if suffix in SOUNDS:
        return f'a sound; write <audio src="{name}" controls></audio>'
    if suffix in {".html", ".md"}:
        return f"a page, not a picture; write [text]({name})"
    return f"not a picture that browsers show; save it as PNG, JPEG, WebP or SVG, or write [text]({name})"


def host_of(address: str) -> str:
    """The host of an address on the web, such as "colab.research.google.com"."""
    return address.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0].rpartition("@")[2]


def record_anchor(experiment: str) -> str:
    """The anchor of an experiment on the page that records all of them."""
    return "run-" + experiment.replace("/", "-").replace("@", "--").replace(".", "_")


def name_anchor(name: str) -> str:
    """The anchor of the reference of a module, class or function: ``darkroom-lab-experiment``."""
    return name.replace(".", "-")
