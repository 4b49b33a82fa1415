"""Changes to a text's tree before it is written: addresses, links and pictures, headings, tables."""

from __future__ import annotations

import re
from typing import Protocol
from xml.etree.ElementTree import Element, SubElement

from markdown.treeprocessors import Treeprocessor

from darkroom.core.errors import Fault, nearest
from darkroom.press.content.addresses import bare_address, bare_mail
from darkroom.press.content.links import retargeted
from darkroom.press.content.markup import ELEMENTS, VOID, Piece, attributes, leads_to_pages, pieces, with_attributes
from darkroom.press.content.outlines import Heading, Page
from darkroom.press.markdown.convert import AT, VERBATIM, is_raw, raw, written


class PageWriter(Protocol):
    """The page that is being written, with what is found wrong with it and the headings of its contents."""

    page: Page
    faults: list[Fault]
    contents: list[tuple[Heading, str]]

    def lead(self, element: str, attribute: str, target: str, at: int) -> str: ...
    def is_lost(self, target: str) -> bool: ...
    def number_of(self, address: str) -> str: ...
    def picture_attributes(self, known: dict[str, str], at: int) -> dict[str, str]: ...


class Addresses(Treeprocessor):
    """Addresses that stand in the text as they are become links, but in code, links and HTML."""

    def run(self, root: Element) -> None:
        """Go through all texts in order."""
        self.closed = 0  # links and code of raw HTML that we are in
        self._inside(root)

    def _inside(self, parent: Element) -> None:
        if parent.tag in {"a", "code", "pre"}:
            return
        children = list(parent)
        parent.text = self._linked(parent, parent.text, 0)
        for child in children:
            if is_raw(child):
                self._raw(child)
            else:
                self._inside(child)
            child.tail = self._linked(parent, child.tail, list(parent).index(child) + 1)

    def _raw(self, element: Element) -> None:
        piece = next(iter(pieces(element.text or "")), None) if AT in element.attrib else None
        if piece and piece.tag in {"a", "code", "pre", "kbd", "samp"}:
            self.closed = max(self.closed + (-1 if piece.closes else 1), 0)

    def _linked(self, parent: Element, text: str | None, index: int) -> str | None:
        """The text up to the first address in it; that and what follows become children from *index* on."""
        if not text or self.closed or ("://" not in text and "@" not in text and "www." not in text.lower()):
            return text
        before, at, last = text, 0, None
        while found := min(filter(None, (bare_address(text, at), bare_mail(text, at))), default=None):
            gap, address = text[at : found[0]], text[slice(*found)]
            if last is None:
                before = gap
            else:
                last.tail = gap
            last = Element("a", {"href": _complete(address), VERBATIM: ""})
            last.text, at = address, found[1]
            parent.insert(index, last)
            index += 1
        if last is not None:
            last.tail = text[at:]
        return before


def _complete(address: str) -> str:
    """An address as it stands in the text, with the scheme that it may lack."""
    if "://" in address[:8] or address.startswith("mailto:"):
        return address
    return f"http://{address}" if address[:4].lower() == "www." else f"mailto:{address}"


class Links(Treeprocessor):
    """Rewrites links and pictures to addresses on the site, in raw HTML too, whose elements have to be closed."""

    def run(self, root: Element) -> None:
        """Go through the elements in order."""
        self.page: PageWriter = self.md.page
        self.own = self.md.writer is self.page
        self.opened: list[tuple[str, int, str]] = []
        self.paragraphs = 0
        self._inside(root)
        if self.own:
            for tag, at, _ in self.opened:
                self.page.faults.append(
                    self.page.page.fault(at, "html", f"<{tag}> is not closed; end it with </{tag}>")
                )

    def _inside(self, parent: Element) -> None:
        index = 0
        for child in list(parent):
            at = int(child.get(AT, -1) if is_raw(child) else child.attrib.pop(AT, -1))
            index += 1
            number = self._tag(child, at) if is_raw(child) and at >= 0 else self._element(child, at)
            if number:
                mark = raw(number)
                mark.tail, child.tail = child.tail, None
                parent.insert(index, mark)
                index += 1

    def _element(self, element: Element, at: int) -> str:
        """Rewrite the address of an element of Markdown's; returns the mark to put behind it."""
        if element.tag == "img":
            known = dict(element.attrib)
            new = self.page.picture_attributes(known, at) if self.own else {}
            source = self._lead("img", "src", known["src"], at)
            element.attrib.clear()
            element.attrib.update(new | known | {"src": source})
        elif element.tag == "a" and not self.own and not self._is_followed(element.get("href", "")):
            del element.attrib["href"]
        elif element.tag == "a" and not element.get("href", "#").startswith("#fn"):
            element.set("href", self._lead("a", "href", element.get("href", ""), at))
            if self.own and not len(element) and not "".join(element.itertext()).strip():
                message = "this link has no text; write [text](address)"
                self.page.faults.append(self.page.page.fault(max(at, 0), "link", message))
        self._inside(element)
        return self.page.number_of(element.get("href", "")) if element.tag == "a" and self.own else ""

    def _is_followed(self, target: str) -> bool:
        """Whether a link of a short text leads to a page; one in a text of a manifest, to one that exists."""
        return leads_to_pages(target) and not self.page.is_lost(target)

    def _lead(self, element: str, attribute: str, target: str, at: int) -> str:
        return self.page.lead(element, attribute, target, at if self.own else -1)

    def _tag(self, element: Element, at: int) -> str:
        """Rewrite the address of a tag of raw HTML; returns the mark to put behind it."""
        content = element.text or ""
        piece = next(iter(pieces(content)), None)
        if piece is None or piece.tag == "":
            return ""
        if piece.tag == "!--":
            message = f"{content[:20]!r} has no meaning on a page; remove it, or write it as `code`"
            self.page.faults.append(self.page.page.fault(at, "html", message))
            return ""
        if self._is_unknown(piece, at, content):
            return ""
        if piece.closes:
            return self._close(piece.tag, at)
        self._check_parent(piece.tag, at)
        self.paragraphs += piece.tag == "p"
        known = attributes(content)
        new = retargeted(piece.tag, known, lambda name, target: self._lead(piece.tag, name, target, at))
        if piece.tag == "img":
            new |= self.page.picture_attributes(known, at)
        if new:
            element.text = with_attributes(content, new)
        closed = content.endswith("/>") and not any(tag in {"svg", "math"} for tag, _, _ in self.opened)
        if closed and piece.tag not in VOID:  # to a browser the tag would still be open
            element.text = f"{(element.text or '')[:-2].rstrip()}></{piece.tag}>"
        elif piece.tag not in VOID and not content.endswith("/>") and piece.tag not in _OPTIONAL:
            self.opened.append((piece.tag, at, new.get("href", known.get("href", ""))))
        return ""

    def _is_unknown(self, piece: Piece, at: int, content: str) -> bool:
        """Whether a tag is of no element of HTML, which is a fault; drawings and formulas have elements of their own."""
        if piece.tag in ELEMENTS or "-" in piece.tag or any(tag in {"svg", "math"} for tag, _, _ in self.opened):
            return False
        if not piece.closes:
            name = content[1 : len(piece.tag) + 1]
            near = nearest(piece.tag, ELEMENTS, 0.8) if name.islower() and len(name) > 5 else ""
            instead = near or f"; write &lt;{name}> if it is text, > [!NOTE] for a callout"
            message = f"<{name}> is not an HTML element{instead}"
            self.page.faults.append(self.page.page.fault(at, "html", message))
        return True

    def _check_parent(self, tag: str, at: int) -> None:
        """That an element stands in one without which a browser drops it, or shows it as something else."""
        inside = {each for each, _, _ in self.opened}
        parents = _PARENTS.get(tag, ())
        if parents and inside.isdisjoint(parents):
            message = f"<{tag}> has to stand in <{parents[0]}>"
            self.page.faults.append(self.page.page.fault(at, "html", message))

    def _close(self, tag: str, at: int) -> str:
        if tag == "p":
            self.paragraphs -= 1
            if self.paragraphs < 0:
                self.paragraphs = 0
                self.page.faults.append(self.page.page.fault(at, "html", "</p> closes nothing here"))
        if tag in _OPTIONAL:
            return ""
        if not self.opened or self.opened[-1][0] != tag:
            before = f"; <{self.opened[-1][0]}> is still open" if self.opened else ""
            before = f"; write <{tag}>" if tag in VOID else before
            self.page.faults.append(self.page.page.fault(at, "html", f"</{tag}> closes nothing here{before}"))
            return ""
        _, _, address = self.opened.pop()
        return self.page.number_of(address) if tag == "a" else ""


_OPTIONAL = frozenset(
    {"p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "colgroup", "rp", "rt"}
)


_PARENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("td", "th", "tr", "thead", "tbody", "tfoot", "caption", "colgroup", "col"), ("table",)),
    "li": ("ul", "ol", "menu"),
    **dict.fromkeys(("dt", "dd"), ("dl",)),
    "summary": ("details",),
    "figcaption": ("figure",),
    "legend": ("fieldset",),
    **dict.fromkeys(("option", "optgroup"), ("select", "datalist")),
    "source": ("video", "audio", "picture"),
    "track": ("video", "audio"),
    **dict.fromkeys(("rt", "rp"), ("ruby",)),
    "area": ("map",),
}


class Headings(Treeprocessor):
    """The page's own headings get their anchors and numbers, and go into its contents."""

    def run(self, root: Element) -> None:
        """The headings that are in no other element, in order, as in the outline."""
        page: PageWriter = self.md.page
        if self.md.writer is not page or not self.md.whole:
            return
        own = [each for each in root if re.fullmatch("h[1-6]", str(each.tag))]
        for element, heading in zip(own, page.page.outline.headings, strict=True):
            _trim(element)
            if heading.level <= 3:
                page.contents.append((heading, _entry(element)))
            element.set("id", heading.anchor)
            if heading.number:
                number = Element("span", {"class": "section"})
                number.text, number.tail = heading.number, f" {element.text or ''}"
                element.text = None
                element.insert(0, number)
            link = SubElement(
                element, "a", {"class": "anchor", "href": f"#{heading.anchor}", "aria-label": "Link to this section"}
            )
            link.text = "#"
            _add_space(element)


def _trim(element: Element) -> None:
    element.text = (element.text or "").lstrip()
    if len(element):
        element[-1].tail = (element[-1].tail or "").rstrip()
    else:
        element.text = element.text.rstrip()


def _add_space(element: Element) -> None:
    if len(element) > 1:
        element[-2].tail = f"{element[-2].tail or ''} "
    else:
        element.text = f"{element.text or ''} "


def _entry(element: Element) -> str:
    """A heading's words for the contents: without links, and without the numbers of notes."""
    inner = re.sub(r'<sup (?:id="fnref|class="on-paper).*?</sup>', "", written(element))
    return re.sub(r"</?a\b[^>]*>", "", inner)


class Tables(Treeprocessor):
    """A table may be wider than the text: it gets a box that can be scrolled."""

    def run(self, root: Element) -> None:
        """Put each table into its box."""
        for parent in list(root.iter()):
            for index, child in enumerate(list(parent)):
                if child.tag == "table":
                    box = Element("div", {"class": "table", "tabindex": "0"})
                    box.tail, child.tail = child.tail, None
                    parent[index] = box
                    box.append(child)
