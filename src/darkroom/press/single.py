"""Pages that need no other file: pictures, films, fonts, styles and scripts stand in them as data."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import posixpath
import re
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from darkroom.core.errors import ContentError, Fault, UsageError
from darkroom.core.paths import write_atomically
from darkroom.core.patterns import lazy_pattern
from darkroom.press.build import SiteRequest
from darkroom.press.published import pages_of, settings_of
from darkroom.press.tags import Tag, tags_of, with_attribute
from darkroom.press.typeset.css import read

_LOADED = ("src", "poster", "data-plot", "data-film")  # attributes that name a file which is loaded
_LINKED = frozenset({"a", "area"})
_DATA = ("img-src", "font-src", "connect-src", "worker-src", "media-src")  # of the policy: what may come as data
_TYPES = {".woff2": "font/woff2", ".js": "text/javascript", ".webp": "image/webp", ".avif": "image/avif"}
_STRING = lazy_pattern(r'"(?:[^"\\\n]|\\.)*"')


def write_single(request: SiteRequest, names: Sequence[str], target: Path) -> list[Path]:
    """Write pages of the site that was built last, each as one file that needs no other.

    Args:
        request: of the site.
        names: of pages, such as ``part-a``; none for all of the navigation.
        target: the folder to write them into; files of the same names are replaced.

    Raises:
        UsageError: there is no such page, or *target* cannot be written.
        ContentError: a page names a file that is not there.
    """
    pages = pages_of(request, names, "single")
    address = settings_of(request).base_url
    urls = frozenset(page.url for page in pages)
    made, faults = dict[str, str](), list[Fault]()
    for page in pages:
        embedding = _Embedding(request.site, page.url, urls, address)
        made[page.url] = embedding.page((request.site / page.url).read_text(encoding="utf-8"))
        faults += [
            Fault(page.path, 1, 1, "single", f"{name} is not in the site; build it again") for name in embedding.lost
        ]
    if faults:
        raise ContentError(faults)
    try:
        for url, html in made.items():
            write_atomically(target / url, html.encode(), durable=False)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from None
    return [target / url for url in made]


class _Embedding:
    """Puts the files that a page loads into it.

    Args:
        site: the folder of the site.
        url: of the page.
        urls: of the pages that are written beside it.
        address: where the site stands, or "".
    """

    def __init__(self, site: Path, url: str, urls: Collection[str], address: str) -> None:
        self.site, self.url, self.urls, self.address = site, url, urls, address
        self.lost: list[str] = []

    def page(self, html: str) -> str:
        """The page with everything in it; what it lacks is in ``lost``."""
        parts, end, policy = list[str](), 0, -1
        digests: dict[str, str] = {}
        for tag in tags_of(html):
            if tag.start < end:  # markup in a script
                continue
            text, content = self._tag(html[tag.start : tag.stop], tag), tag.content
            if tag.name == "style":
                content = self._style(tag.content)
            elif tag.name == "script":
                content = self._script(tag.content)
            if content != tag.content:
                digests[_digest(tag.content)] = _digest(content)
            if tag.attributes.get("http-equiv", "").lower() == "content-security-policy":
                policy = len(parts) + 1
            parts += [html[end : tag.start], text, content]
            end = tag.stop + len(tag.content)
        if policy >= 0:
            parts[policy] = _with_data(parts[policy], digests)
        return "".join([*parts, html[end:]])

    def _tag(self, text: str, tag: Tag) -> str:
        for name in _LOADED:
            if name in tag.attributes:
                text = with_attribute(text, name, self._data(tag.attributes[name]))
        if "srcset" in tag.attributes:
            text = with_attribute(text, "srcset", self._set(tag.attributes["srcset"]))
        address = tag.attributes.get("href")
        if address is None:
            return text
        if tag.name in _LINKED:
            return with_attribute(text, "href", self._link(address))
        if tag.name == "link" and "icon" in tag.attributes.get("rel", ""):
            return with_attribute(text, "href", self._data(address))
        if tag.name == "link" and not urlsplit(address).scheme:
            return ""  # a feed and the like
        return text

    def _style(self, css: str) -> str:
        parts, end = [], 0
        for each in read(css).addresses:
            data = self._data(each.target)
            parts += [css[end : each.start], f'"{data}"' if each.quoted else f'url("{data}")']
            end = each.end
        return "".join([*parts, css[end:]])

    def _script(self, text: str) -> str:
        """A script in which texts that are the address of a file of the site are its content."""

        def replaced(found: re.Match[str]) -> str:
            try:
                value = json.loads(found[0])
            except ValueError:
                return found[0]
            path = self._path(value) if "/" in value else None
            return json.dumps(_data_of(path)) if path and path.is_file() else found[0]

        return _STRING.sub(replaced, text)

    def _set(self, value: str) -> str:
        entries = [entry.strip().partition(" ") for entry in value.split(", ")]
        return ", ".join(f"{self._data(address)} {size}".strip() for address, _, size in entries)

    def _path(self, address: str) -> Path | None:
        """The file of the site that an address names, or None where it names none of the site's."""
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or not parts.path:
            return None
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.url), unquote(parts.path)))
        return None if path.startswith("..") else self.site / path

    def _data(self, address: str) -> str:
        path = self._path(address)
        if path is None:
            return address
        if not path.is_file():
            self.lost.append(address)
            return address
        return _data_of(path)

    def _link(self, address: str) -> str | None:
        """A link as it is where it leads to a page beside this one, else to the site; None where that is not known."""
        path = self._path(address)
        if path is None:
            return address
        name = path.relative_to(self.site).as_posix()
        if name in self.urls:
            return address
        mark = urlsplit(address)._replace(path="").geturl()
        return f"{self.address}{name}{mark}" if self.address else None


@cache
def _data_of(path: Path) -> str:
    kind = _TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{b64encode(path.read_bytes()).decode()}"


def _digest(content: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _with_data(text: str, digests: Mapping[str, str]) -> str:
    """The tag with the policy, which allows data where it allowed files, and scripts and styles as they are now."""
    [tag] = tags_of(text)
    directives = dict[str, list[str]]()
    for directive in tag.attributes["content"].split(";"):
        name, *sources = directive.split()
        directives[name] = [digests.get(source, source) for source in sources]
    for name in _DATA:
        sources = directives.setdefault(name, list(directives.get("default-src", ["'none'"])))
        if "data:" not in sources:
            directives[name] = [source for source in sources if source != "'none'"] + ["data:"]
    return with_attribute(text, "content", "; ".join(" ".join([name, *found]) for name, found in directives.items()))
