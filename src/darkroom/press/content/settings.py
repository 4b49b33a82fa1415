"""Settings written in TOML: the front matter of a page and ``templates/site.toml``, both checked key by key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from math import isfinite
from typing import Any

import msgspec

from darkroom.core.errors import ContentError, Fault, nearest
from darkroom.core.paths import InvalidTOML, parse_toml
from darkroom.core.patterns import lazy_pattern

LONGEST = 20_000  # characters of a table
_CONTROL = lazy_pattern(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e\ufeff]")
_KINDS = {
    str: "a string in quotes",
    int: "a whole number",
    bool: "true or false",
    float: "a number",
    list: "a list of strings",
}


class Key(msgspec.Struct, frozen=True):
    """One key that a table may hold: its type and whether it must be there."""

    kind: type
    required: bool = False


SITE_KEYS = {
    "title": Key(str, required=True),
    "description": Key(str, required=True),
    "authors": Key(list),
    "language": Key(str),
    "base_url": Key(str),
    "repository": Key(str),
    "model": Key(str),
    "published": Key(str),
    "picture": Key(str),
    "raw_limit_mb": Key(float),
    "outputs_mb": Key(float),
    "page_mb": Key(float),
    "sweep_mb": Key(float),
    "sweep_points": Key(int),
    "macros": Key(dict),
}


class SiteSettings(msgspec.Struct, frozen=True):
    r"""The settings in ``site.toml``.

    ``base_url`` is the site's public address, with a final slash, or "" where that is not known; only the sitemap, the
    feed, links for machines and 404.html use it. ``repository`` is the address of the source, to link a commit.
    ``model`` is the name of the model whose figures are shown, or "" for the default one; where it has drawn nothing,
    the default's are. ``published`` is the day that citations give, such as "2026-11-21", and ``picture`` the figure
    that is shown where a link to the site is shared. Raw results up to ``raw_limit_mb`` megabytes a file are
    published. ``macros`` are TeX macros, such as ``"\abar" = "\bar\alpha"``.

    Budgets, 0 for none: what all outputs may weigh together, a page with all that it loads, and the variants of one
    experiment together, in megabytes; and how many variants an experiment may have.
    """

    title: str
    description: str
    authors: tuple[str, ...] = ()
    language: str = "en"
    base_url: str = ""
    repository: str = ""
    model: str = ""
    published: str = ""
    picture: str = ""
    raw_limit_mb: float = 2.0
    outputs_mb: float = 0.0
    page_mb: float = 0.0
    sweep_mb: float = 0.0
    sweep_points: int = 0
    macros: Mapping[str, str] = {}


def _is_address(value: str) -> bool:
    return bool(re.fullmatch(r"https?://[^\s\"'<>?#]+", value))


def is_day(value: str) -> bool:
    try:
        return bool(date.fromisoformat(value)) and len(value) == 10
    except ValueError:
        return bool(re.fullmatch(r"\d{4}(?:-(?:0[1-9]|1[0-2]))?", value))


def _is_more_than_0(value: float) -> bool:
    return isfinite(value) and value > 0


_FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "base_url": (_is_address, "an address that begins with https://, without ? and #"),
    "repository": (_is_address, "an address that begins with https://, without ? and #"),
    "published": (is_day, 'a day such as "2026-11-21"'),
    "language": (lambda value: bool(re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*", value)), 'a tag such as "en"'),
    "raw_limit_mb": (lambda value: isfinite(value) and value >= 0, "a number of megabytes, 0 or more"),
    **dict.fromkeys(("outputs_mb", "page_mb", "sweep_mb"), (_is_more_than_0, "a number of megabytes, more than 0")),
    "sweep_points": (_is_more_than_0, "a number, 1 or more"),
}


def read_site(text: str, path: str, base_url: str | None = None) -> SiteSettings:
    """The site's settings; *base_url*, where given, replaces the one in the file.

    Raises:
        ContentError: not valid TOML, an unknown key, a missing one, or a value of the wrong kind.
    """
    values = read_table(text, SITE_KEYS, path)
    given = {name: form for name, form in _FORMS.items() if values.get(name, "") != ""}
    wrong = {name: wanted for name, (fits, wanted) in given.items() if not fits(values[name])}
    if wrong:
        raise ContentError(
            Fault(path, line_of(name, text), 1, "site", f"{name!r} should be {wanted}")
            for name, wanted in wrong.items()
        )
    values["authors"] = tuple(values.get("authors", ()))
    if base_url is not None:
        values["base_url"] = base_url
        if base_url and not _is_address(base_url):
            message = f"DARKROOM_BASE_URL is {base_url[:200]!r}; it should be {_FORMS['base_url'][1]}"
            raise ContentError([Fault(path, 1, 1, "site", message)])
    if values.get("base_url"):
        values["base_url"] = values["base_url"].rstrip("/") + "/"
    values["repository"] = values.get("repository", "").rstrip("/")
    return SiteSettings(**values)


def read_table(text: str, keys: Mapping[str, Key], path: str, first_line: int = 1) -> dict[str, Any]:
    """The values in *text*, a TOML table whose first line is line *first_line* of *path*.

    Raises:
        ContentError: with every fault found, each at its line and column.
    """
    try:
        if len(text) > LONGEST:
            raise InvalidTOML(f"{len(text)} characters, more than the limit of {LONGEST}", 1, 1)
        values = parse_toml(text)
    except InvalidTOML as error:
        message = f"not valid TOML: {error.problem}"
        raise ContentError([Fault(path, first_line + error.line - 1, error.column, "front-matter", message)]) from None
    faults = [*_wrong_keys(values, keys, text, path, first_line), *_missing_keys(values, keys, path, first_line)]
    if faults:
        raise ContentError(faults)
    return {name: float(value) if keys[name].kind is float else value for name, value in values.items()}


def _wrong_keys(
    values: Mapping[str, Any], keys: Mapping[str, Key], text: str, path: str, first_line: int
) -> list[Fault]:
    faults = []

    def wrong(name: str, message: str) -> None:
        faults.append(Fault(path, first_line - 1 + line_of(name, text), 1, "front-matter", message))

    for name, value in values.items():
        if name not in keys:
            known = nearest(name, keys) or f"; known are {', '.join(keys)}"
            wrong(name, f"unknown key {name!r}{known}")
        elif not _fits(value, keys[name].kind):
            wanted = _KINDS.get(keys[name].kind, "a table of strings")
            wrong(name, f"{name!r} should be {wanted}, not {_written(value)}")
        elif found := _CONTROL.search(_texts_of(value)):
            wrong(name, f"{name!r} holds a control character, U+{ord(found[0]):04X}; remove it")
        elif isinstance(value, list) and not all(map(str.strip, value)):
            wrong(name, f"{name!r} holds an empty string; remove it")
        elif name == "macros":
            for macro, body in value.items():
                if not re.fullmatch(r"\\(?:[A-Za-z@]+|.)", macro):
                    wrong(macro, _misnamed(macro))
                if re.search(r"(?<!\\)(?:\\\\)*%", body):
                    wrong(macro, f"{macro}: {_PERCENT}")
                if not _is_balanced(body):
                    wrong(macro, f"{macro}: its braces do not match; write one }} for each {{")
    return faults


def _is_balanced(tex: str) -> bool:
    depth = 0
    for found in re.finditer(r"\\.|[{}]", tex, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth < 0:
            return False
    return depth == 0


def _written(value: object) -> str:
    """A value about as it is written in TOML, at most 80 characters: days and times without quotes."""
    return (str(value) if isinstance(value, date | time) else repr(value))[:80]


def _texts_of(value: object) -> str:
    """All texts in a value, one after another."""
    if isinstance(value, Mapping):
        return "".join(_texts_of([*value, *value.values()]))
    return "".join(map(_texts_of, value)) if isinstance(value, list) else value if isinstance(value, str) else ""


_PERCENT = "% starts a comment in TeX; write \\\\% for a percent sign"


def _misnamed(macro: str) -> str:
    plain = re.sub(r"[^A-Za-z]", "", macro) or "name"
    return f'the macro {macro!r} should be a backslash and letters; write "\\\\{plain}" = "..."'


def _missing_keys(values: Mapping[str, Any], keys: Mapping[str, Key], path: str, first_line: int) -> list[Fault]:
    absent = [name for name, key in keys.items() if key.required and not str(values.get(name, "")).strip()]
    return [Fault(path, first_line, 1, "front-matter", f"{name!r} is missing; add {name} = ...") for name in absent]


def _fits(value: object, kind: type) -> bool:
    if kind is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind is dict:
        return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


def line_of(name: str, text: str) -> int:
    """The line, from 1, on which a key stands in TOML; the first if it does not."""
    written = "|".join(
        re.escape(each) for each in (name, name.replace("\\", "\\\\"))
    )  # as it is, or as TOML escapes it
    found = re.search(rf"^[ \t]*\[?[\"']?(?:{written})[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    return 1 + (text.count("\n", 0, found.start()) if found else 0)
