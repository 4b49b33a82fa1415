"""A reader for the BibTeX of ``templates/references.bib``: entries of ``key = {value}`` in plain UTF-8."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import ascii_lowercase

from darkroom.lab.errors import ContentError, Fault
from darkroom.press.lift import fault
from darkroom.press.settings import Site

_ENTRY = re.compile(r"@(\w+)\s*\{\s*([^\s,{}]+)\s*,")
_FIELD = re.compile(r"\s*(\w+)\s*=\s*")
_NUMBER = re.compile(r"\d+")
_REQUIRED = ("author", "title", "year")


@dataclass(frozen=True)
class Entry:
    """A work: *authors* as (given, family), *venue* its journal, conference or archive, *link* an address or "".

    *year* has a letter behind it ("2024b") where another work would be cited alike, in the order of their titles.
    """

    key: str
    authors: tuple[tuple[str, str], ...]
    title: str
    year: str
    venue: str
    link: str

    @property
    def label(self) -> str:
        """How prose names it: "Ho et al.", "Song and Ermon"."""
        families = [family for _, family in self.authors]
        if len(families) > 2:
            return f"{families[0]} et al."
        return " and ".join(families)

    @property
    def names(self) -> str:
        """All authors, given names first."""
        names = [f"{given} {family}".strip() for given, family in self.authors]
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def bibtex(site: Site) -> str:
    """How to cite the site itself: authors, title, year and address as far as ``site.toml`` knows them."""
    year = site.published[:4]
    family = site.authors[0].split()[-1] if site.authors else ""
    word = next((word for word in re.findall(r"\w+", site.title.lower()) if len(word) > 3), "site")
    fields = {"author": " and ".join(site.authors), "title": site.title, "year": year, "url": site.base_url}
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@misc{{{family.lower()}{year}{word},\n" + ",\n".join(lines) + "\n}"


def read_bibliography(text: str, path: str) -> dict[str, Entry]:
    """The entries of *text* by key; ``%`` opens a comment between entries.

    Raises:
        ContentError: with every fault: syntax, a key twice, a missing author, title or year, TeX where UTF-8 belongs.
    """
    entries: dict[str, Entry] = {}
    faults: list[Fault] = []
    at = text.find("@")
    while at >= 0:
        opening = _ENTRY.match(text, at)
        if not opening:
            faults.append(fault(text, path, at, "bibliography", "an entry opens with @kind{key,"))
            break
        key = opening[2]
        fields, end, problem = _fields(text, opening.end())
        if problem:
            faults.append(fault(text, path, end, "bibliography", f"{key}: {problem}"))
            break
        if key in entries:
            faults.append(fault(text, path, at, "bibliography", f"{key!r} is there twice; remove one"))
        missing = [name for name in _REQUIRED if not fields.get(name)]
        faults += [fault(text, path, at, "bibliography", f"{key!r} has no {name}; add it") for name in missing]
        entries[key] = _entry(key, dict.fromkeys(_REQUIRED, "") | fields)
        at = text.find("@", end)
    if faults:
        raise ContentError(faults)
    return _told_apart(entries)


def _told_apart(entries: dict[str, Entry]) -> dict[str, Entry]:
    """The same with a letter behind the years of works that have label and year in common."""
    alike: dict[tuple[str, str], list[Entry]] = {}
    for entry in sorted(entries.values(), key=lambda entry: entry.title):
        alike.setdefault((entry.label, entry.year), []).append(entry)
    lettered = {
        entry.key: replace(entry, year=f"{entry.year}{letter}")
        for works in alike.values()
        if len(works) > 1
        for entry, letter in zip(works, ascii_lowercase, strict=False)
    }
    return entries | lettered


def _fields(text: str, at: int) -> tuple[dict[str, str], int, str]:
    """The fields from offset *at* to the brace that closes the entry, the offset behind it, and what is wrong."""
    fields: dict[str, str] = {}
    while True:
        at = _skip_space(text, at)
        if text.startswith("}", at):
            return fields, at + 1, ""
        name = _FIELD.match(text, at)
        if not name:
            return fields, at, "expected `name = {value},` or the closing }"
        value, end = _value(text, name.end())
        if value is None:
            return fields, name.end(), f'the value of {name[1]} is not {{...}}, "..." or a number that ends'
        if "\\" in value:
            return fields, name.end(), f"TeX in {name[1]}; write the letter itself in UTF-8"
        fields[name[1].lower()] = re.sub(r"\s+", " ", re.sub(r"[{}]", "", value)).strip()
        at = _skip_space(text, end)
        if text.startswith(",", at):
            at += 1


def _value(text: str, at: int) -> tuple[str | None, int]:
    number = _NUMBER.match(text, at)
    if number:
        return number[0], number.end()
    opening = text[at : at + 1]
    if opening not in {"{", '"'}:
        return None, at
    depth = 0
    for i in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0 and i > at and text[i] == ("}" if opening == "{" else '"'):
            return text[at + 1 : i], i + 1
    return None, at


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _entry(key: str, fields: Mapping[str, str]) -> Entry:
    authors = tuple(_name(name) for name in fields["author"].split(" and "))
    venue = next((fields[name] for name in ("journal", "booktitle", "howpublished", "publisher") if name in fields), "")
    link = fields.get("url") or (f"https://doi.org/{fields['doi']}" if "doi" in fields else "")
    if "eprint" in fields:
        venue = venue or f"arXiv:{fields['eprint']}"
        link = link or f"https://arxiv.org/abs/{fields['eprint']}"
    return Entry(key, authors, fields["title"], fields["year"], venue, link)


def _name(name: str) -> tuple[str, str]:
    family, comma, given = name.partition(",")
    if comma:
        return given.strip(), family.strip()
    given, _, family = name.strip().rpartition(" ")
    return given, family
