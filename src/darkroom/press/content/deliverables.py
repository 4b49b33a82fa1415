"""What a report must have, such as a course asks for: lists of deliverables, and what a site lacks of them.

``templates/deliverables.toml`` names lists that the theme has (``deliverables/NAME.toml``) and says where the report has
their sections; it can hold deliverables of its own.

    [cs180-f25]                     # a list of the theme
    "A.1.1" = "part-a#forward"      # the section, where it is not the one that the list expects
    "A.1.5" = { pictures = 1 }      # other things that differ

    [[deliverable]]                 # one of the report's own
    id = "speed"
    title = "How fast it is"
    section = "speed#measured"
    figures = ["speed/times/curve"] # or how many, at least
    words = 50
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from darkroom.core.errors import ContentError, Fault, nearest
from darkroom.core.paths import InvalidTOML, parse_toml
from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.calls import listed
from darkroom.press.content.settings import LONGEST

FOLDER = "deliverables"
OWN = "own"
"""The name of the list of a report's own deliverables."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
_Line = Annotated[str, msgspec.Meta(max_length=500)]


class Deliverable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing that a report must have, in a section of its own.

    ``section`` is where: "page", or "page#anchor" with the sections below it. There must be, at least, so many
    ``words``, ``figures``, ``pictures`` and ``films`` in them, and ``metrics``; figures and metrics may be named instead,
    by the names that pages use. Each of ``prompts`` must be found there: in the text, in a figure, or in a parameter of an
    experiment that is shown. ``asks`` says in words what is asked for. What is ``optional`` is never missing.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    section: _Line = ""
    asks: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    words: _Count = 0
    figures: _Count | tuple[_Line, ...] = 0
    pictures: _Count = 0
    films: _Count = 0
    metrics: _Count | tuple[_Line, ...] = 0
    prompts: tuple[_Line, ...] = ()
    optional: bool = False
    line: int = 0  # where it stands in the project's file


class Deliverables(msgspec.Struct, frozen=True):
    """A list, ``path`` being the project's file that names it."""

    name: str
    title: str
    items: tuple[Deliverable, ...]
    path: str = ""


class Assessed(msgspec.Struct, frozen=True):
    """A deliverable as the site has it: the address of its section, if there is one, and what is missing.

    ``has`` are the counts that were asked for, as "4 pictures".
    """

    item: Deliverable
    address: str
    missing: tuple[str, ...]
    has: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


class AssessedList(msgspec.Struct, frozen=True):
    """A list as the site has it."""

    name: str
    title: str
    items: tuple[Assessed, ...]
    path: str = ""

    @property
    def wanted(self) -> int:
        """How many are not optional."""
        return sum(not each.item.optional for each in self.items)

    @property
    def lacking(self) -> tuple[Assessed, ...]:
        """What is not complete and not optional."""
        return tuple(each for each in self.items if not each.is_done and not each.item.optional)


# Reading --------------------------------------------------------------------------------------------------------------


def read_shipped(text: str, name: str, path: str) -> Deliverables:
    """A list of the theme.

    Raises:
        ContentError: with every fault found.
    """
    values = _table(text, path)
    title = values.pop("title", "")
    items, faults = _items(values.pop("deliverable", []), text, path)
    faults += [
        _fault(path, _line_of(key, text), f"unknown key {key!r}; known are title, deliverable") for key in values
    ]
    if not isinstance(title, str) or not title:
        faults.append(_fault(path, 1, "'title' is missing; add title = ..."))
    if faults:
        raise ContentError(faults)
    return Deliverables(name, title, items)


def read_deliverables(text: str, path: str, shipped: Mapping[str, Deliverables]) -> tuple[Deliverables, ...]:
    """The lists that the project's file names, those with sections of its own, and last its own one.

    Raises:
        ContentError: with every fault found.
    """
    values = _table(text, path)
    title = values.pop("title", "Deliverables")
    items, faults = _items(values.pop("deliverable", []), text, path)
    if not isinstance(title, str):
        faults.append(_fault(path, _line_of("title", text), "'title' should be a string in quotes"))
    lists = list[Deliverables]()
    for name, sections in values.items():
        line = _line_of(name, text)
        if name not in shipped:
            known = nearest(name, shipped) or listed("; there are", sorted(shipped))
            faults.append(_fault(path, line, f"no list of deliverables {name!r}{known}"))
        elif not isinstance(sections, dict):
            faults.append(
                _fault(path, line, f"{name!r} is a list of deliverables; write [{name}] on a line of its own")
            )
        else:
            wrong = list(_wrong_changes(sections, shipped[name], text, path))
            faults += wrong
            lists += [] if wrong else [_placed(shipped[name], sections, line, text, path)]
    if faults:
        raise ContentError(faults)
    return (*lists, *([Deliverables(OWN, str(title), items, path)] if items else []))


def _table(text: str, path: str) -> dict[str, Any]:
    try:
        if len(text) > LONGEST:
            raise InvalidTOML(f"{len(text)} characters, more than the limit of {LONGEST}", 1, 1)
        return parse_toml(text)
    except InvalidTOML as error:
        message = f"not valid TOML: {error.problem}"
        raise ContentError([Fault(path, error.line, error.column, "deliverables", message)]) from None


def _items(given: object, text: str, path: str) -> tuple[tuple[Deliverable, ...], list[Fault]]:
    """The entries of ``[[deliverable]]``, and what is wrong with them."""
    if not isinstance(given, list):
        return (), [_fault(path, _line_of("deliverable", text), "write [[deliverable]], with two brackets")]
    lines = [text.count("\n", 0, found.start()) + 1 for found in _ENTRY.finditer(text)]
    items, faults, seen = [], list[Fault](), set[str]()
    for number, values in enumerate(given):
        line = lines[number] if number < len(lines) else 1
        try:
            if isinstance(values, dict) and "line" in values:
                raise msgspec.ValidationError("Object contains unknown field `line`")
            item = msgspec.structs.replace(msgspec.convert(values, Deliverable), line=line)
        except msgspec.ValidationError as error:
            faults.append(_fault(path, line, f"deliverable {number + 1}: {_plain(str(error), values)}"))
            continue
        if item.id in seen:
            faults.append(_fault(path, line, f"there are two deliverables {item.id!r}; give one of them another id"))
        seen.add(item.id)
        items.append(item)
    return tuple(items), faults


_ENTRY = lazy_pattern(r"^[ \t]*\[\[[ \t]*[\"']?deliverable[\"']?[ \t]*\]\]", re.MULTILINE)
_UNKNOWN = lazy_pattern(r"Object contains unknown field `(.*)`")
_MISSING = lazy_pattern(r"Object missing required field `(.*)`")


def _plain(problem: str, values: object) -> str:
    """What msgspec says of an entry, in our words."""
    known = [name for name in Deliverable.__struct_fields__ if name != "line"]
    if found := _UNKNOWN.match(problem):
        known = [name for name in known if name != found[1]]
        return f"unknown key {found[1]!r}{nearest(found[1], known) or listed('; known are', known)}"
    if found := _MISSING.match(problem):
        return f"{found[1]!r} is missing; add {found[1]} = ..."
    reason, _, way = problem.partition(" - at `$")
    key = re.match(r"\.(\w+)", way)
    wrong = f", not {repr(values[key[1]])[:80]}" if key and isinstance(values, dict) and key[1] in values else ""
    wanted = _WANTED.get(key[1], "a text") if key else "a table"
    return f"{key[1]!r} should be {wanted}{wrong}" if key else f"{reason.lower()}; it should be {wanted}"


_WANTED = {
    **dict.fromkeys(("words", "pictures", "films"), "a whole number of 0 or more"),
    **dict.fromkeys(("figures", "metrics"), "a whole number of 0 or more, or a list of names"),
    "prompts": "a list of texts",
    "optional": "true or false",
    "id": "a text of at most 60 characters",
    "title": "a text of at most 200 characters",
}


def _wrong_changes(sections: Mapping[str, Any], shipped: Deliverables, text: str, path: str) -> Iterator[Fault]:
    ids = [item.id for item in shipped.items]
    for identity, section in sections.items():
        line = _line_of(identity, text)
        if identity not in ids:
            is_cut = isinstance(section, dict) and any(each.startswith(f"{identity}.") for each in ids)
            known = "; write the id in quotes" if is_cut else nearest(identity, ids) or listed("; it has", ids)
            yield _fault(path, line, f"{shipped.name} has no deliverable {identity!r}{known}")
        elif isinstance(section, dict):
            try:
                _changed(next(item for item in shipped.items if item.id == identity), section)
            except msgspec.ValidationError as error:
                yield _fault(path, line, f"{identity}: {_plain(str(error), section)}")
        elif not isinstance(section, str) or not section:
            message = (
                f'{identity}: write "page#anchor", or what differs as {{ pictures = 1 }}, not {repr(section)[:80]}'
            )
            yield _fault(path, line, message)


def _placed(shipped: Deliverables, sections: Mapping[str, Any], line: int, text: str, path: str) -> Deliverables:
    def placed(item: Deliverable) -> Deliverable:
        if item.id not in sections:
            return msgspec.structs.replace(item, line=line)
        given = sections[item.id]
        changed = _changed(item, given if isinstance(given, dict) else {"section": given})
        return msgspec.structs.replace(changed, line=_line_of(item.id, text))

    return Deliverables(shipped.name, shipped.title, tuple(map(placed, shipped.items)), path)


def _changed(item: Deliverable, values: Mapping[str, Any]) -> Deliverable:
    """A deliverable with other *values*.

    Raises:
        msgspec.ValidationError: one does not fit.
    """
    for name in ("id", "line"):
        if name in values:
            raise msgspec.ValidationError(f"Object contains unknown field `{name}`")
    return msgspec.convert({**msgspec.to_builtins(item), **values}, Deliverable)


def _line_of(key: str, text: str) -> int:
    found = re.search(rf"^[ \t]*\[{{0,2}}[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _fault(path: str, line: int, message: str) -> Fault:
    return Fault(path, line, 1, "deliverables", message)
