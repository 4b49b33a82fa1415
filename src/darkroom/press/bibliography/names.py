"""Names of authors in a bibliography: split as BibTeX does it; what it would silently get wrong is a fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from darkroom.core.patterns import lazy_pattern
from darkroom.press.bibliography.tex import without_html

_SUFFIX = lazy_pattern(r"(?:Jr|Sr|Esq|Ph\.?\s?D|M\.?\s?D)\.?|I{1,3}|I?V|VI{0,3}|\d(?:st|nd|rd|th)", re.IGNORECASE)
_APART = lazy_pattern(
    r"(?:Jr|Sr|JR|SR|Esq|Ph\.?D|M\.D)\.?|I{2,3}|IV|VI{1,3}|\d(?:st|nd|rd|th)"
)  # where no comma marks them
_NUMERAL = lazy_pattern(r"[IVX]+")
_INITIAL = lazy_pattern(r"[A-Z]\.?")
_INITIALS = lazy_pattern(r"(?:[A-Z]\.(?:-?[A-Z]\.)*|[A-Z]{1,3})")
_OTHERS = lazy_pattern(r"(?:others|et\.? al\.?)", re.IGNORECASE)
_AND_OTHERS = lazy_pattern(r",?\s+et\.?~?\s?al\.?$", re.IGNORECASE)
_EXTENDED = lazy_pattern(r"([a-z]+(?:-i)?)\s*=\s*(.*)", re.IGNORECASE | re.DOTALL)
_FAMILY_FIRST = lazy_pattern("[\u3041-\u309f\u3400-\u9fff\uac00-\ud7af々]+")  # Chinese, Japanese, Korean
_LETTER = lazy_pattern(r"\\(?:[LloO]|ss|aa|AA|ae|AE|oe|OE)\s+(?=\w)|\\[vcHukrdb]\s+[^\W\d_]")  # a space ends a command
_EDITOR = lazy_pattern(r"\((?:eds?|editors?|hrsg)\b\.?\)", re.IGNORECASE)
_COMPANY = lazy_pattern(r"(?:Inc|Ltd|LLC|Corp|Co|GmbH|USA|UK|University)\b", re.IGNORECASE)
_PERSON = lazy_pattern(
    r"\{\s*(?P<family>[^\W\d_][\w'’-]*),\s*(?P<given>[^\W\d_][\w'’.-]*(?:\s[^\W\d_][\w'’.-]*){0,2})\s*\}"
)
_WRITE = "write Family, Given; join names by `and`; put organizations in braces"
UNKNOWN = "?"


class Name(NamedTuple):
    """A person, or a body, which has a family name alone. Particles go with the family: "van den Oord"."""

    given: str
    family: str
    suffix: str = ""

    def __str__(self) -> str:
        if _FAMILY_FIRST.fullmatch(self.family) and _FAMILY_FIRST.fullmatch(self.given):
            return f"{self.family}{self.given}"
        name = f"{self.given} {self.family}".strip()
        return f"{name}{' ' if _NUMERAL.fullmatch(self.suffix) else ', '}{self.suffix}" if self.suffix else name


def names_in(text: str) -> Iterator[tuple[int, Name, str]]:
    """Each name in the value of a field: where it begins, the name as TeX, and what is wrong with it, or "".

    "others", at the end, is a name too (see :func:`is_others`).
    """
    for start, name in _split(text):
        shortened = _AND_OTHERS.sub("", name)
        if shortened and shortened != name:
            yield start, *_taken_apart(shortened)
            yield start, Name("", "others"), ""
        else:
            yield start, *_taken_apart(name)


def doubtful_names(text: str) -> Iterator[tuple[int, str]]:
    """Where a name in the value of a field may be meant as two, "Jonathan Ho, Ajay Jain", and the message for it.

    A family of two names may have two given ones, so this is not certain: only where no other name has a comma. What
    is in braces may be meant as a person, "{Ho, Jonathan}".
    """
    for start, whole in _split(text):
        person = _PERSON.fullmatch(whole)
        if person and not _COMPANY.match(person["given"]):
            yield start, f"'{whole}' is read as an organization; remove the braces if it is a person"
    with_comma = [(start, name) for start, name in _split(text) if "," in name]
    for start, whole in with_comma if len(with_comma) == 1 else ():
        family, _, given = whole.partition(",")
        if _is_whole(family) and _is_whole(given):
            name = f"'{whole}' is read as one person, {given.strip()} {family}"
            yield start, f"{name}; join two by `and`, or write {{{family}}},{given}"


def _is_whole(name: str) -> bool:
    """Whether a part of a name may be given and family name of one person."""
    words = name.split()
    ends = (words[0], words[-1]) if len(words) > 1 else ()
    return bool(ends) and all(word[0].isupper() for word in words) and not any(map(_is_short, ends))


def _is_short(word: str) -> bool:
    return len(word) == 1 or word.endswith(".") or _APART.fullmatch(word) is not None


def _split(text: str) -> Iterator[tuple[int, str]]:
    from pybtex.bibtex.utils import split_name_list

    end = 0
    for name in split_name_list(re.sub(r"\s", " ", text)):
        start = max(text.find(name.split(" ", maxsplit=1)[0], end), 0)
        end = start + len(name)
        yield start, name


def is_others(name: Name) -> bool:
    """Whether it stands for authors that are not named."""
    return not name.given and bool(_OTHERS.fullmatch(name.family))


@lru_cache(maxsize=4096)
def _taken_apart(name: str) -> tuple[Name, str]:
    name = _LETTER.sub(lambda found: f"{{{found[0].strip()}}}", without_html(name).strip())
    name = re.sub(r"\s+0\d{3}$", "", name)  # dblp's numbers for authors of one name
    if _OTHERS.fullmatch(name):
        return Name("", "others"), ""
    if problem := _joined_otherwise(name):
        return Name("", UNKNOWN), f"{problem}; {_WRITE}"
    found = _extended(name) or _family_first(name) or _by_bibtex(name)
    if isinstance(found, str):
        return Name("", UNKNOWN), f"{found}; {_WRITE}"
    return found, ""


def _by_bibtex(name: str) -> Name | str:
    """The name, or what is wrong with it."""
    from pybtex.database import InvalidNameString, Person

    try:
        person = Person(name)
    except InvalidNameString:
        return f"'{name}' has too many commas"
    first, last = [*person.first_names, *person.middle_names], [*person.prelast_names, *person.last_names]
    given, family, suffix = " ".join(first), " ".join(last), " ".join(person.lineage_names)
    if suffix and not _SUFFIX.fullmatch(suffix.strip("{}")):
        if _SUFFIX.fullmatch(given):  # "King, Martin Luther, Jr."
            return Name(suffix, family, given)
        return f"'{name}' is read as one name with the suffix '{suffix}'"
    if (
        not suffix and _SUFFIX.fullmatch(given) and "," in name and len(person.last_names) > 1
    ):  # "Martin Luther King, Jr."
        return Name(" ".join(person.last_names[:-1]), person.last_names[-1], given)
    found = _initials(name, given, last) if suffix else _suffixed(name, first, last) or _initials(name, given, last)
    if found:
        return found
    return Name(given, family, suffix) if family.strip("{} ") else f"'{name}' is not a name"


def _family_first(name: str) -> Name | None:
    """A name in the order of China, Japan and Korea, or None."""
    words = name.split()
    return Name(words[1], words[0]) if len(words) == 2 and all(map(_FAMILY_FIRST.fullmatch, words)) else None


def _suffixed(name: str, first: list[str], last: list[str]) -> Name | None:
    """A name with a suffix that no comma parts from it: "John Smith Jr.", "Smith Jr., John", "Smith, John III"."""
    if last and _APART.fullmatch(last[-1]) and len(first) + len(last) > 2:
        rest = last[:-1] or [first[-1]]
        return Name(" ".join(first if last[:-1] else first[:-1]), " ".join(rest), last[-1])
    if "," in name and len(first) > 1 and _APART.fullmatch(first[-1]):
        return Name(" ".join(first[:-1]), " ".join(last), first[-1])
    return None


def _initials(name: str, given: str, last: list[str]) -> str:
    """What is wrong where initials are taken for a family name or stand before a comma, or ""."""
    if given and "," in name and len(last) > 1 and (_INITIALS.fullmatch(last[0]) or _INITIALS.fullmatch(last[-1])):
        return f"'{name}' is read as one name, {given} {' '.join(last)}"
    if "," not in name and len(last) == 1 and _INITIAL.fullmatch(last[0]) and not _INITIAL.fullmatch(given or "X"):
        return f"'{name}' is read as the family name '{last[0]}'"
    return ""


def _joined_otherwise(name: str) -> str:
    """What is wrong with several names that are not joined by ``and``, or ""."""
    bare = re.sub(r"\{[^{}]*\}|\\[^A-Za-z&]", "", name)
    if ";" in bare or "&" in bare:
        return f"'{name}' is read as one name"
    if editor := _EDITOR.search(bare):
        return f"{editor[0]} is not part of a name, and editors have a field of their own"
    return f"`and` joins '{name}' to nothing" if re.search(r"^(?:and\b|$)|\sand$", name, re.IGNORECASE) else ""


def _extended(name: str) -> Name | None:
    """A name as biblatex has it, ``given=Hans, family=Müller, prefix=von``, or None."""
    found = [_EXTENDED.fullmatch(part.strip().strip('"')) for part in re.split(r",(?![^{]*\})", name)]
    parts = {each[1].lower(): each[2].strip().strip('"') for each in found if each}
    if len(parts) < len(found) or not parts.get("family"):
        return None
    return Name(parts.get("given", ""), f"{parts.get('prefix', '')} {parts['family']}".strip(), parts.get("suffix", ""))
