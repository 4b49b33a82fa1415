"""Short texts as HTML: typographic quotes and dashes, durations, sizes, and inline math in captions and headings."""

from __future__ import annotations

import html
import re
from unicodedata import east_asian_width, normalize

from darkroom.core.patterns import lazy_pattern

_MARKS = lazy_pattern(r"https?://\S+|(?<![\w-])--(?=[A-Za-z])|<-+|-+>|-{4,}|-{2,3}|\.{3}|[\"']")
_KEPT = lazy_pattern(r"https?:|(?<![\w-])--(?=[A-Za-z])|<|-+>|-{4}")  # addresses, options such as --site, arrows, rows
_ENDED = lazy_pattern(r"[.?!…][\"'”’]*\s*$")
_SET = {"--": "–", "---": "—", "...": "…"}
_OPENS = frozenset(" \t\n\u00a0([{<—–-/“‘")


_YEAR = lazy_pattern(r"\d\ds\b|\d\d(?!\w)(?![.,]?\d)")
_SHORTENED = lazy_pattern(
    r"(?P<always>(?:tis|twas|twere|twill|twould|tisn)\b|n['’](?!\w))|(?:em|til|till|cause|cuz|bout|round|n|ere|cos|neath)\b",
    re.IGNORECASE,
)


def _leaves_out(text: str, at: int, before: str) -> bool:
    """Whether a quote before a word stands for what is left out of it, as in '90s, 'tis and rock 'n' roll.

    Where a quote may close what it would open, it opens.
    """
    year, short = _YEAR.match(text, at), _SHORTENED.match(text, at)
    found = year or short
    if found is None:
        return False
    certain = found[0].endswith("s") if year else bool(found["always"])
    return certain or not _is_closed(text, at)


def _is_closed(text: str, at: int) -> bool:
    """Whether the next single quote from *at* on, except those within words, closes one."""
    for found in re.compile("'").finditer(text, at):
        before, behind = text[found.start() - 1], text[found.end() : found.end() + 1]
        if not (before.isalnum() and behind.isalnum()):
            return before not in _OPENS and before != '"'
    return False


def _closes(text: str, at: int, opened: int) -> bool:
    """Whether a quote that ends at *at*, behind a dash, ends what is said, as in "Wait--" he said."""
    return opened > 0 and (text[at : at + 1].isspace() or text[at : at + 1] in ".,;:!?)]")


_UNSPACED = lazy_pattern("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Burmese and Khmer
_CLITIC = lazy_pattern(r"(?:s|t|d|m|re|ll|ve)\b")


def _opens_unspaced(text: str, at: int, before: str, mark: str, opened: int) -> bool:
    """Whether a quote opens behind a letter of a script without spaces, or a wide mark: where none is open.

    An apostrophe, as in 東京's, opens nothing.
    """
    if opened or (before.isascii() or not (east_asian_width(before) in "WF" or _UNSPACED.match(before))):
        return False
    if mark == "'" and (_CLITIC.match(text, at) or "'" not in text[at:]):
        return False
    return text[at : at + 1] not in (" ", "\n")


def typographic(text: str, before: str = " ", opened: dict[str, int] | None = None) -> tuple[str, str]:
    """Straight quotes, double hyphens and three dots in a text set as a typesetter would, and its last character.

    *before* is the character that stands before it, which decides whether a quote opens; *opened* counts the quotes
    that are open, from one text of a paragraph to the next.
    """
    parts, at = list[str](), 0
    opened = {} if opened is None else opened
    for found in _MARKS.finditer(text):
        gap, mark = text[at : found.start()], found[0]
        before = gap[-1:] or before
        if _KEPT.match(text, found.start()):
            pass
        elif mark in _SET:
            mark = _SET[mark]
        elif (
            before in _OPENS and not (before in "—–-" and _closes(text, found.end(), opened.get(mark, 0)))
        ) or _opens_unspaced(text, found.end(), before, mark, opened.get(mark, 0)):
            left_out = mark == "'" and _leaves_out(text, found.end(), before)
            opened[mark] = opened.get(mark, 0) + (not left_out)
            mark = "’" if left_out else "“" if mark == '"' else "‘"
        else:
            opened[mark] = max(opened.get(mark, 0) - 1, 0)
            mark = "”" if mark == '"' else "’"
        parts += [gap, mark]
        before, at = mark[-1], found.end()
    rest = text[at:]
    return "".join([*parts, rest]), rest[-1:] or before


def escape(text: str) -> str:
    """*text* as HTML, fit for an element or an attribute in double quotes."""
    return html.escape(text)


def composed(name: str) -> str:
    """*name* in Unicode's form NFC, in which a letter with an accent is one character: file systems have both forms."""
    return name if name.isascii() else normalize("NFC", name)


def full_stop(text: str) -> str:
    """What ends a sentence that ends with *text*: a full stop, or nothing where it has its own, as "J. Mach. Res." has."""
    return "" if _ENDED.search(text) else "."
