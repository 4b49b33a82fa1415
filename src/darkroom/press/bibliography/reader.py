"""Works to cite, out of ``templates/references.bib``, as JabRef, Zotero, BibDesk and dblp export it.

Names are split as BibTeX does it, TeX becomes text, formulas in titles stay formulas. A web page may lack an author
or a year; its organization or title stands in for the one, "n.d." for the other. Of biblatex's fields the subtitles,
the title of the whole of which a work is a part, dates and inheritance are read as it reads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from string import ascii_lowercase
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import msgspec

from darkroom.core.errors import ContentError, Fault, nearest
from darkroom.core.patterns import lazy_pattern
from darkroom.press.bibliography.names import Name, doubtful_names, is_others, names_in
from darkroom.press.bibliography.tex import address, as_text, is_address
from darkroom.press.content.works import Entry
from darkroom.press.faults import place
from darkroom.press.typeset.typography import composed, full_stop

if TYPE_CHECKING:
    from darkroom.press.bibliography.bibtex import BibtexEntry, Value

_ONLINE = frozenset({"misc", "online", "electronic", "www", "webpage", "software", "manual", "dataset"})
_VENUES = (
    "journal", "journaltitle", "booktitle", "maintitle", "eventtitle", "howpublished", "school", "institution", "publisher",
    "organization", "shortjournal",
)  # fmt: skip
_BODIES = ("organization", "institution", "collaboration", "publisher", "howpublished")
_NO_WORKS = frozenset({"set", "xdata", "control"})
_OF_NOBODY = frozenset({"proceedings", "mvproceedings"})  # which need no editor and are called by their title
_PARTS = frozenset("inbook incollection inproceedings conference inreference suppbook suppcollection".split())  # noqa: SIM905
_ISSUES = frozenset({"article", "suppperiodical"})
_INHERITED = frozenset(
    (  # noqa: SIM905
        "booktitle booksubtitle booktitleaddon maintitle mainsubtitle maintitleaddon eventtitle journal journaltitle "
        "journalsubtitle volume editor year date publisher organization institution"
    ).split()
)
_DATE = lazy_pattern(r"(-?\d{4})(?:-\d\d){0,2}(?:T[\d:.Z+-]+)?([?~%]?)")
_TITLES = {"title": "", "booktitle": "book", "maintitle": "main", "journal": "journal", "journaltitle": "journal"}
_FORTHCOMING = {"inpress": "in press", "inpreparation": "in preparation", "prepublished": "preprint"}
_DOI = lazy_pattern(r"(?:(?:https?://)?[\w.-]*doi\.org/|doi\s*:?\s*)?", re.IGNORECASE)
_ARXIV = lazy_pattern(
    r"(?:https?://arxiv\.org/(?:abs|pdf)/|arxiv:\s*)?(\d{4}\.\d{4,5}(?:v\d+)?|[a-z-]+(?:\.[a-z]{2})?/\d{7}(?:v\d+)?)(?:\.pdf)?"
    r"(?:\s*\[[^\]]*\])?",
    re.IGNORECASE,
)
_SAFE = "/:;()!$&'*+,=?#@~%[]"
Report = Callable[[int, str], None]


def read_bibliography(text: str, path: str) -> dict[str, Entry]:
    """The entries of *text* by key; *path* is for messages.

    Raises:
        ContentError: with every fault: syntax, a key or a field twice, an @string that is not defined, a missing
            author, title or year, a macro of TeX that is not known, an invalid name or address.
    """
    from darkroom.press.bibliography.bibtex import read

    found, wrong = read(text)
    records = [msgspec.structs.replace(record, key=composed(record.key)) for record in found]
    entries: dict[str, Entry] = {}
    known = {record.key: record for record in records}
    seen: set[str] = set()
    whole = _Inheritance(known, wrong)
    for record in records:
        if record.key in seen:
            wrong.append((record.offset, f"{record.key!r} is defined twice; remove one"))
        elif record.whole and record.kind not in _NO_WORKS:
            whole.check(record)
            made = _Reader(whole.entry(record), wrong).entry()
            doubts = tuple((*place(text, at), f"{record.key}: {message}") for at, message in _doubts(record))
            entries[record.key] = msgspec.structs.replace(made, line=place(text, record.offset)[0], doubts=doubts)
        seen.add(record.key)
    if wrong:
        raise ContentError(
            Fault(path, *place(text, at), "bibliography", message) for at, message in dict.fromkeys(wrong)
        )
    entries = _told_apart(entries)
    return {**_by_other_keys(records, entries), **entries}


def _doubts(record: BibtexEntry) -> Iterator[tuple[int, str]]:
    """Where its names may be meant otherwise than they are read, and the messages."""
    for field in ("author", "editor"):
        if value := record.fields.get(field):
            yield from ((value.place(at), f"{message} (in {field})") for at, message in doubtful_names(value.text))


def _by_other_keys(records: Iterable[BibtexEntry], entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Entries by the other keys that they can be cited by, biblatex's ``ids``."""
    return {
        composed(key.strip()): entries[record.key]
        for record in records
        if record.key in entries and "ids" in record.fields
        for key in record.fields["ids"].text.split(",")
        if key.strip()
    }


class _Inheritance:
    """Entries with what they lack and others have: the one that their ``crossref`` names, and those of their ``xdata``.

    In a circle, an entry gives what is written in it. What is wrong goes to *wrong*.
    """

    def __init__(self, known: Mapping[str, BibtexEntry], wrong: list[tuple[int, str]]) -> None:
        self._known, self._wrong = known, wrong
        self._whole: dict[str, BibtexEntry] = {}

    def entry(self, record: BibtexEntry) -> BibtexEntry:
        """*record* with what others give it."""
        waiting = [record]  # not by recursion: chains may be long
        while waiting:
            of_it = [*self._parents(waiting[-1])]
            self._whole.setdefault(waiting[-1].key, waiting[-1])
            missing = [parent for _, parent in of_it if parent.key not in self._whole]
            if missing:
                waiting += reversed(missing)
            else:
                done = waiting.pop()
                self._whole[done.key] = self._completed(done, of_it)
        return self._whole[record.key]

    def _parents(self, record: BibtexEntry) -> Iterator[tuple[str, BibtexEntry]]:
        """Those that give an entry something, each with the field that names it."""
        for name in ("crossref", "xdata"):
            for key in record.fields[name].text.split(",") if name in record.fields else ():
                if parent := self._known.get(composed(key.strip())):
                    yield name, parent

    def _completed(self, record: BibtexEntry, parents: Iterable[tuple[str, BibtexEntry]]) -> BibtexEntry:
        fields = dict(record.fields)
        for name, parent in parents:
            whole = self._whole[parent.key]
            given = whole.fields if name == "xdata" else _inherited(whole, record)
            dated = not fields.keys().isdisjoint({"year", "date"})
            fields |= {
                each: value
                for each, value in given.items()
                if each not in fields and not (dated and each in {"year", "date"})
            }
        return msgspec.structs.replace(record, fields=fields)

    def check(self, record: BibtexEntry) -> None:
        """That those exist which an entry names."""
        for name in ("crossref", "xdata"):
            for key in record.fields[name].text.split(",") if name in record.fields else ():
                if key.strip() and composed(key.strip()) not in self._known:
                    offer = nearest(key.strip(), self._known) if len(self._wrong) < _MOST_OFFERS else ""
                    message = f"{record.key}: {name} names {key.strip()!r}, which is not in the file{offer}"
                    self._wrong.append((record.fields[name].place(0), message))


_MOST_OFFERS = 100  # spellings that are offered: each is looked for among all keys


def _inherited(parent: BibtexEntry, record: BibtexEntry) -> dict[str, Value]:
    """What an entry takes from the one that its ``crossref`` names: a title of the whole is not that of a part."""
    given = {name: value for name, value in parent.fields.items() if name in _INHERITED}
    part, issue = record.kind in _PARTS, record.kind in _ISSUES
    of = "main" if parent.kind.startswith("mv") else "book" if part else "journal" if issue else ""
    for name, new in (("title", f"{of}title"), ("subtitle", f"{of}subtitle"), ("titleaddon", f"{of}titleaddon")):
        if of and name in parent.fields:
            given.setdefault(new, parent.fields[name])
    return given


def _told_apart(entries: dict[str, Entry]) -> dict[str, Entry]:
    """The same with a letter behind the years of works that have label and year in common."""
    alike: dict[tuple[str, str], list[Entry]] = {}
    for entry in sorted(entries.values(), key=lambda entry: entry.title):
        alike.setdefault((entry.label, entry.year), []).append(entry)
    lettered = {
        entry.key: msgspec.structs.replace(entry, year=f"{entry.year}{'-' * (entry.year == 'n.d.')}{letter}")
        for works in alike.values()
        if len(works) > 1
        for entry, letter in zip(works, ascii_lowercase, strict=False)
    }
    return entries | lettered


class _Reader:
    """One entry; what is wrong with it goes to *wrong*."""

    def __init__(self, record: BibtexEntry, wrong: list[tuple[int, str]]) -> None:
        self.record, self.wrong = record, wrong

    def entry(self) -> Entry:
        known = len(self.wrong)
        title, year, link = self._titled("title"), self._year(), self._link()
        online = self.record.kind in _ONLINE and bool(link)
        names, others, role = self._names()
        body = next(filter(None, map(self.text, _BODIES)), "") if online else ""
        if not names and (body or ((online or self.record.kind in _OF_NOBODY) and title)):
            names = [Name("", body or title)]
        given = {"author": bool(names), "title": bool(title) or len(self.wrong) > known, "year": bool(year) or online}
        for name in (name for name, there in given.items() if not there):
            self.wrong.append((self.record.offset, f"{self.record.key!r} has no {name}; add it"))
        authors = tuple((name.given, name.family) for name in names)
        listed = _listed(names, others) + role
        return Entry(self.record.key, authors, listed, title, year or "n.d.", self._venue(), link, others)

    def text(self, name: str) -> str:
        """A field as text with formulas, or ""."""
        value = self.record.fields.get(name)
        if value is None:
            return ""
        return as_text(value.text, lambda what, at: self._report(name, value.place(at), what))

    def _report(self, name: str, offset: int, problem: str) -> None:
        self.wrong.append((offset, f"{self.record.key}: {problem} (in {name})"))

    def _titled(self, name: str) -> str:
        """A title with what biblatex keeps beside it: the subtitle, an addition, and the title of the whole before it."""
        title = self.text(name)
        if title and name in _TITLES:
            before = _TITLES[name]
            subtitle, addon = self.text(f"{before}subtitle"), self.text(f"{before}titleaddon")
            title = f"{title}{' ' if title[-1] in '?!.:' else ': '}{subtitle}" if subtitle else title
            title = f"{title}{full_stop(title)} {addon}" if addon else title
        main = self._titled("maintitle") if title and name == self._of_whole else ""
        if not main:
            return title
        volume = self.text("volume")
        return f"{main}, vol. {volume}: {title}" if volume else f"{main}: {title}"

    @property
    def _of_whole(self) -> str:
        """The field of the book that may be a part of a ``maintitle``."""
        return "booktitle" if "booktitle" in self.record.fields or self.record.kind in _PARTS else "title"

    def _year(self) -> str:
        """The year, or that of biblatex's ``date``, or how far a work has come that has none."""
        state = self.text("pubstate")
        date = self.record.fields["date"].text.strip() if "date" in self.record.fields else ""
        return self.text("year") or _years(date) or self.text("date") or _FORTHCOMING.get(state, state)

    # Names ------------------------------------------------------------------------------------------------------------

    def _names(self) -> tuple[list[Name], bool, str]:
        """The authors, else the editors; whether there are others that are not named; and " (eds.)" for editors."""
        for field in ("author", "editor"):
            value = self.record.fields.get(field)
            if value is not None and value.text.strip(" {}\n"):
                names = list(self._names_in(field, value))
                others = len(names) > 1 and is_others(names[-1])
                role = "" if field == "author" else " (ed.)" if len(names) == 1 else " (eds.)"
                return names[: len(names) - others], others, role
        return [], False, ""

    def _names_in(self, field: str, value: Value) -> Iterator[Name]:
        for start, name, problem in names_in(value.text):
            if problem:
                self._report(field, value.place(start), problem)
            yield Name(*(self._name_part(field, part, value.place(start)) for part in name))

    def _name_part(self, field: str, part: str, offset: int) -> str:
        return as_text(part, lambda what, _: self._report(field, offset, what), formulas=False)

    # Where it appeared, and where it is found -------------------------------------------------------------------------

    def _venue(self) -> str:
        archive = self._arxiv()
        venues = (self._titled(name) for name in self._venues() if not self._is_link(name))
        venue = next(filter(None, venues), "")
        return f"arXiv:{archive}" if archive and venue.lower() in {"", "arxiv", "corr"} else venue

    def _venues(self) -> Iterator[str]:
        return (name for name in _VENUES if name != "maintitle" or self._of_whole == "booktitle")

    def _is_link(self, name: str) -> bool:
        value = self.record.fields.get(name)
        return value is not None and is_address(value.text)

    def _link(self) -> str:
        fields = self.record.fields
        for name in ("url", "doi", "eprint", *_VENUES, "note"):
            if name == "eprint":
                if self._arxiv():
                    return f"https://arxiv.org/abs/{quote(self._arxiv(), safe=_SAFE)}"
            elif name == "doi" and name in fields and fields[name].text.strip(" {}\n"):
                return self._doi(fields[name])
            elif self._is_link(name) or (name == "url" and name in fields and fields[name].text.strip()):
                return self._address(fields[name])
        return ""

    def _doi(self, value: Value) -> str:
        given = address(value.text)
        doi = given.removeprefix(_DOI.match(given)[0])  # type: ignore[index]  # it matches the empty string too
        if not re.fullmatch(r"10\.\d[\d.]*/\S+", doi):
            self._report("doi", value.place(0), f"{given!r} is not a DOI; write one such as 10.1145/3592450")
            return ""
        return f"https://doi.org/{quote(doi, safe=_SAFE.replace('#', '').replace('?', ''))}"

    def _address(self, value: Value) -> str:
        given = address(value.text)
        given = f"https://{given}" if given.startswith("www.") else given
        try:
            whole = urlsplit(given).scheme.lower() in {"http", "https", "ftp"} and bool(urlsplit(given).netloc)
        except ValueError:
            whole = False
        if not whole:
            self._report("url", value.place(0), f"{given!r} is not an address; write all of it, with https://")
        elif blank := re.search(r"\s+", given):
            whole = False
            at = re.search(r"\S(\s)", value.text)
            more = re.match(r"\S*://", given[blank.end() :])
            what = "write only one address" if more else "remove it, or write %20 if it belongs there"
            self._report("url", value.place(at.start(1) if at else 0), f"the address has a space in it; {what}")
        scheme, _, rest = given.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host}{slash}{quote(path, safe=_SAFE)}" if whole else ""

    def _arxiv(self) -> str:
        """The number of the work on arXiv, or ""."""
        archive = self.text("archiveprefix") or self.text("eprinttype")
        given = self.record.fields.get("eprint") or self.record.fields.get("arxivid")  # which is Mendeley's
        number = _ARXIV.fullmatch(address(given.text)) if given and archive.lower() in {"", "arxiv"} else None
        return number[1] if number else ""


def _years(date: str) -> str:
    """The years of a date as biblatex has it: "2020", "2019–2020", "2020–", "c. 2004", "45 BC"; "" where it is none."""
    ends = [each.strip(" .") for each in date.split("/")]
    years = [_year_of(each) for each in ends]
    if len(ends) > 2 or not any(years) or any(each and not year for each, year in zip(ends, years, strict=True)):
        return ""
    return years[0] if len(set(years)) == 1 else "–".join(years)


def _year_of(date: str) -> str:
    found = _DATE.fullmatch(date)
    if not found:
        return ""
    year = f"{1 - int(found[1])} BC" if int(found[1]) <= 0 else found[1]
    return f"{'c. ' * (found[2] in ('~', '%'))}{year}{'?' * (found[2] in ('?', '%'))}"


def _listed(names: list[Name], others: bool) -> str:
    shown = [str(name) for name in names]
    if others:
        return f"{', '.join(shown)} et al."
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""
