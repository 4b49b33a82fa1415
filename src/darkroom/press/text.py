"""Short texts as HTML: typographic quotes and dashes, durations, sizes, and inline math in captions and headings."""

from __future__ import annotations

import html
import re

_MARKS = re.compile(
    r"<(?P<verbatim>pre|code|kbd|script|style)\b.*?</(?P=verbatim)>"
    r"|<(?P<name>/?[a-z][a-z0-9]*)[^>]*>|-{2,3}|\.{3}|[\"']",
    re.DOTALL,
)
_INLINE_TAGS = frozenset(
    {"a", "em", "strong", "b", "i", "q", "abbr", "cite", "mark", "small", "span", "sub", "sup", "u"}
)
_OPENS = frozenset(" \t\n\u00a0([{<—–-/“‘")


def typographic(content: str) -> str:
    """HTML with straight quotes, double hyphens and three dots set as a typesetter would, but for tags and code."""
    parts: list[str] = []
    before, at = " ", 0
    for found in _MARKS.finditer(content):
        gap = content[at : found.start()]
        before = gap[-1:] or before
        mark, before = _mark(found, before)
        parts += [gap, mark]
        at = found.end()
    parts.append(content[at:])
    return "".join(parts)


def _mark(found: re.Match[str], before: str) -> tuple[str, str]:
    mark = found[0]
    if found["verbatim"]:
        return mark, "x"
    if found["name"]:
        return mark, before if found["name"].lstrip("/") in _INLINE_TAGS else " "
    if mark[0] in "-.":
        mark = {"--": "–", "---": "—", "...": "…"}[mark]
    elif before in _OPENS:
        mark = "“" if mark == '"' else "‘"
    else:
        mark = "”" if mark == '"' else "’"
    return mark, mark


def escape(text: str) -> str:
    """*text* as HTML, fit for an element or an attribute in double quotes."""
    return html.escape(text)


def without_tags(content: str) -> str:
    """The text of an HTML fragment."""
    return html.unescape(re.sub(r"<[^>]*>", "", content))


def duration(seconds: float) -> str:
    """Seconds as a reader says them: "0.4 s", "42 s", "3 min 5 s", "1 h 12 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: int) -> str:
    """Bytes as a reader says them, in powers of a thousand: "512 B", "34 kB", "1.2 MB"."""
    if count < 1000:
        return f"{count} B"
    if count < 999_500:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 999_950_000 else f"{count / 1e9:.1f} GB"
