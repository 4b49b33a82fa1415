"""The pages as one PDF: printed by Chromium, joined with links between them and an outline, and checked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from darkroom.core.errors import ContentError, Fault, UsageError
from darkroom.core.paths import write_atomically
from darkroom.press.build import SiteRequest
from darkroom.press.content.outlines import Outline
from darkroom.press.content.page_calls import number_figures
from darkroom.press.published import pages_of, settings_of
from darkroom.press.tags import tags_of, with_attribute

if TYPE_CHECKING:
    from pypdf import PdfReader, PdfWriter

PAPERS = {"a4": "A4", "letter": "letter"}
VARIABLE = "DARKROOM_BROWSER"
RECORD = "record.json"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge")
_ELSEWHERE = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--no-pdf-header-footer",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-sync",
)
_SECONDS = 180  # for a page
# The title of a printed page becomes that of its PDF, so it can say which pictures did not load.
_CHECK = """<script>
addEventListener("load", () => {
  const lost = [...document.images].filter(each => each.getAttribute("src") && !each.naturalWidth);
  document.title = JSON.stringify(lost.map(each => each.getAttribute("src")));
});
</script>"""


class Printed(msgspec.Struct, frozen=True):
    """A PDF that was made: how many sheets it has, and on which of them, from 1, each page and each anchor begins.

    Anchors are addresses such as ``part-b.html#sampling``; ``pages`` are the addresses of what was printed.
    ``deliverables`` has a line for each list of them: how many are complete, and the sheet that each is on.
    """

    sheets: int
    starts: Mapping[str, int]
    pages: tuple[str, ...] = ()
    deliverables: tuple[str, ...] = ()


class _Place(NamedTuple):
    """A place in a PDF: the sheet, from 0, and how far from its lower edge in points."""

    sheet: int
    top: float | None


def find_browser() -> str:
    """A Chromium, Chrome or Edge of this machine: the one that ``DARKROOM_BROWSER`` names, or the first that is found.

    Raises:
        UsageError: there is none.
    """
    given = os.environ.get(VARIABLE)
    if given:
        found = shutil.which(given)
        if not found:
            raise UsageError(f"{VARIABLE} is {given!r}, which is not a program; give the path of a Chromium")
        return found
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    found = found or next((path for path in _ELSEWHERE if Path(path).is_file()), None)
    if not found:
        raise UsageError(
            f"no browser was found to print with; install Chromium or Chrome, or give its path in {VARIABLE}"
        )
    return found


def print_report(request: SiteRequest, names: Sequence[str], target: Path, paper: str) -> Printed:
    """Print the site that was built last, or those of its pages that are named.

    Args:
        request: of the site.
        names: of pages, such as ``part-a``; none for all of the navigation.
        target: where to write the PDF; a file there is replaced.
        paper: one of ``PAPERS``.

    Raises:
        UsageError: there is no such page; and as for :func:`print_site`.
        ContentError: as for :func:`print_site`.
    """
    pages, site = pages_of(request, names, "pdf"), settings_of(request)
    printed = print_site(
        request.site, pages, target, paper=paper, title=site.title, authors=site.authors, address=site.base_url
    )
    record = json.loads((request.site / RECORD).read_text(encoding="utf-8"))
    lines = tuple(_deliverables(each, printed.starts) for each in record.get("deliverables", ()))
    return msgspec.structs.replace(printed, pages=tuple(page.url for page in pages), deliverables=lines)


def _deliverables(of: Mapping[str, Any], starts: Mapping[str, int]) -> str:
    wanted = [item for item in of["items"] if not item.get("optional")]
    done = [item for item in wanted if not item.get("missing")]
    places = [(item["id"], starts.get(item.get("address", ""))) for item in done]
    found = ", ".join(f"{name} {sheet}" for name, sheet in places if sheet)
    return f"{of['name']}: {len(done)} of {len(wanted)} complete{f'; on sheet: {found}' if found else ''}"


def print_site(
    site: Path, pages: Sequence[Outline], target: Path, *, paper: str, title: str, authors: Sequence[str], address: str
) -> Printed:
    """Print pages of a built site into one PDF.

    Args:
        site: the folder of the site.
        pages: what to print, in order.
        target: where to write it; a file there is replaced.
        paper: one of ``PAPERS``.
        title: of the PDF.
        authors: of the PDF.
        address: where the site stands, for links to what is not printed; "" where that is not known.

    Raises:
        UsageError: there is no browser or no pypdf, the browser fails, or *target* cannot be written.
        ContentError: a picture or a figure is not on paper.
    """
    pypdf = _pypdf()
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="darkroom-pdf-") as folder:
        copy = Path(folder) / "site"
        shutil.copytree(site, copy, copy_function=_link)
        printed: dict[str, PdfReader] = {}
        faults: list[Fault] = []
        for page in pages:
            path = copy / page.url
            html = path.read_text(encoding="utf-8")
            path.unlink()  # it may be a link to the published page
            path.write_text(for_paper(html, paper), encoding="utf-8")
            pdf = Path(folder) / f"{len(printed)}.pdf"
            _print(browser, path, pdf, Path(folder) / "profile")
            printed[page.url] = pypdf.PdfReader(pdf)
            faults += _faults(page, printed[page.url])
        if faults:
            raise ContentError(faults)
        book = _Book(printed, pages, copy, address)
        writer = book.joined(pypdf.PdfWriter())
        writer.add_metadata({"/Title": title, "/Author": ", ".join(authors), "/Creator": "Darkroom"})
        _write(writer, target)
    return Printed(len(writer.pages), book.starts)


def _pypdf() -> Any:
    try:
        import pypdf
    except ImportError:
        raise UsageError(f"pdf needs pypdf; run {sys.executable} -m pip install 'darkroom[pdf]'") from None
    return pypdf


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


# A page for the printer -----------------------------------------------------------------------------------------------


def for_paper(html: str, paper: str) -> str:
    """A page as it is printed: all pictures load at once, its policy is left out, and its title names those that do not."""
    parts, end = [], 0
    for tag in tags_of(html):
        text = html[tag.start : tag.stop]
        if tag.name == "img" and tag.attributes.get("loading") == "lazy":
            text = with_attribute(text, "loading", None)
        elif tag.attributes.get("http-equiv", "").lower() == "content-security-policy":
            text = f"<style>@page {{ size: {PAPERS[paper]}; margin: 15mm }}</style>{_CHECK}"
        parts += [html[end : tag.start], text]
        end = tag.stop
    return "".join([*parts, html[end:]])


def _print(browser: str, page: Path, pdf: Path, profile: Path) -> None:
    """Print one page.

    Raises:
        UsageError: the browser fails.
    """
    flags = [*_FLAGS, f"--user-data-dir={profile}", f"--print-to-pdf={pdf}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # which Chromium asks of root
    try:
        done = subprocess.run([browser, *flags, page.as_uri()], capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = f"took longer than {_SECONDS} s" if isinstance(error, subprocess.TimeoutExpired) else error.strerror
        raise UsageError(f"{browser} {reason} while printing {page.name}") from None
    if done.returncode or not pdf.is_file():
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(
            f"{browser} could not print {page.name} (exit code {done.returncode}){f': {said[-1][:200]}' if said else ''}"
        )


def _faults(page: Outline, pdf: PdfReader) -> Iterator[Fault]:
    """Pictures that did not load, and figures whose number is on no sheet."""
    try:
        lost = json.loads(str(pdf.metadata.title if pdf.metadata else ""))
    except ValueError:
        yield Fault(page.path, 1, 1, "pdf", "the page was printed before it was loaded; print it again")
        return
    for source in lost:
        yield Fault(page.path, 1, 1, "pdf", f"the picture {source} is not on paper: the browser could not load it")
    text = "\n".join(sheet.extract_text() for sheet in pdf.pages)
    shown = {int(number) for number in re.findall(r"Figure\s+(\d+)", text)}
    for name, number in number_figures(page).items():
        if number not in shown:
            yield Fault(page.path, 1, 1, "pdf", f"Figure {number}, {name}, is not on paper")


# One book -------------------------------------------------------------------------------------------------------------


class _Book:
    """Printed pages that are joined: their links lead to sheets, and an outline has their sections.

    Args:
        printed: a PDF for each page, by its address.
        pages: their outlines, in order.
        site: the folder that they were printed from.
        address: where the site stands, or "".
    """

    def __init__(self, printed: Mapping[str, PdfReader], pages: Sequence[Outline], site: Path, address: str) -> None:
        self.printed, self.pages, self.site, self.address = printed, pages, site, address
        self.places: dict[str, _Place] = {}
        first = 0
        for page in pages:
            pdf = printed[page.url]
            self.places[page.url] = _Place(first, None)
            for name, destination in pdf.named_destinations.items():
                sheet = pdf.get_destination_page_number(destination)
                if sheet is not None and sheet >= 0:
                    anchor = f"{page.url}#{unquote(name.removeprefix('/'))}"
                    self.places[anchor] = _Place(first + sheet, float(destination.top or 0) or None)
            first += len(pdf.pages)

    @property
    def starts(self) -> dict[str, int]:
        """The sheet, from 1, of every page and every anchor."""
        return {name: place.sheet + 1 for name, place in self.places.items()}

    def joined(self, writer: PdfWriter) -> PdfWriter:
        """All sheets, with links and outline."""
        for page in self.pages:
            writer.append(self.printed[page.url], import_outline=False)
        for page in self.pages:
            first = self.places[page.url].sheet
            for sheet in writer.pages[first : first + len(self.printed[page.url].pages)]:
                self._link(writer, sheet, page.url)
        writer.root_object.pop("/Dests", None)  # names that several pages may have
        for page in self.pages:
            self._outline(writer, page)
        return writer

    def _link(self, writer: PdfWriter, sheet: Any, url: str) -> None:
        """Let the links of a sheet lead to sheets, or to the site; those that lead to neither are text."""
        from pypdf.generic import ArrayObject, NameObject, TextStringObject

        kept = ArrayObject()
        for each in sheet.get("/Annots", ()):
            link = each.get_object()
            target = self._target(link, url)
            if isinstance(target, _Place):
                link.pop("/A", None)
                link[NameObject("/Dest")] = _destination(writer, target)
            elif target:
                link["/A"][NameObject("/URI")] = TextStringObject(target)
            if target is not None:
                kept.append(each)
        if kept:
            sheet[NameObject("/Annots")] = kept
        else:
            sheet.pop("/Annots", None)

    def _target(self, link: Any, url: str) -> _Place | str | None:
        """Where a link of the page at *url* leads: a place, an address, "" for what is no link, None for nowhere."""
        if link.get("/Subtype") != "/Link":
            return ""
        name = link.get("/Dest")
        if isinstance(name, str):
            return self.places.get(f"{url}#{unquote(name.removeprefix('/'))}", self.places[url])
        address = str((link.get("/A") or {}).get("/URI", ""))
        parts = urlsplit(address)
        if parts.scheme != "file":
            return address
        path = Path(unquote(parts.path))
        if not path.is_relative_to(self.site):
            return None
        page, anchor = PurePosixPath(path.relative_to(self.site)).as_posix(), unquote(parts.fragment)
        if page in self.printed:
            return self.places.get(f"{page}#{anchor}", self.places[page])
        return f"{self.address}{parts.path.removeprefix(self.site.as_posix() + '/')}" if self.address else None

    def _outline(self, writer: PdfWriter, page: Outline) -> None:
        """The page and its sections."""
        parents = [writer.add_outline_item(title=page.name, page_number=self.places[page.url].sheet)]
        levels = [1]
        for heading in page.headings:
            place = self.places.get(f"{page.url}#{heading.anchor}")
            while levels[-1] >= heading.level:
                levels.pop()
                parents.pop()
            if place is None:
                continue
            text = f"{heading.number} {heading.text}".strip()
            item = writer.add_outline_item(title=text, page_number=place.sheet, parent=parents[-1], fit=_fit(place))
            parents.append(item)
            levels.append(heading.level)


def _destination(writer: PdfWriter, place: _Place) -> Any:
    from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject

    top = NullObject() if place.top is None else FloatObject(place.top)
    sheet = writer.pages[place.sheet].indirect_reference
    return ArrayObject([sheet, NameObject("/XYZ"), NullObject(), top, NullObject()])


def _fit(place: _Place) -> Any:
    from pypdf.generic import Fit

    return Fit.xyz(left=None, top=place.top, zoom=None)


def _write(writer: PdfWriter, target: Path) -> None:
    content = BytesIO()
    writer.write(content)
    try:
        write_atomically(target, content.getvalue(), durable=False)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from None
