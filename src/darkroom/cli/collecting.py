"""``gc``: list what nothing refers to any longer, and remove it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import msgspec

from darkroom.cli.building import request_of
from darkroom.cli.shared import answer_to, can_ask, print_line, warn
from darkroom.core.errors import Locked, UnknownName, UsageError, nearest
from darkroom.core.leftovers import Leftover, last_change, not_in_git

if TYPE_CHECKING:
    from darkroom.lab.plan import Lab

_CACHE = "caches that no build reads"
_DAY_S = 24 * 3600


class _Collection(msgspec.Struct, frozen=True):
    """What was chosen, and what of it git cannot bring back, by name; ``kept`` could be left over, and is not."""

    chosen: Mapping[str, Leftover]
    sizes: Mapping[str, Mapping[Path, int]]
    lost: frozenset[str]
    kept: Mapping[str, str]

    def total(self, names: Sequence[str]) -> str:
        """How much these are, such as ``12 files (1.2 MB)``."""
        sizes = [size for name in names for size in self.sizes[name].values()]
        return f"{_counted(len(sizes))} ({sum(sizes) / 1e6:,.1f} MB)"


def _gc(call: SimpleNamespace, lab: Lab) -> int:
    found = _collected(call, lab)
    if not found.chosen:
        print_line("nothing is left over")
        _say_what_is_kept(found)
        return 0
    _list(found)
    going = _going(found, call)
    if call.dry_run or not going:
        return 0
    if not call.yes:
        _ask(f"gc removes {found.total(going)}")
        found = _collected(call, lab)  # it may have taken a while to answer
        going = [name for name in _going(found, call) if name in going]
    removed = [name for name in going if _remove(found.chosen[name], lab)]
    print_line(f"removed {found.total(removed)}")
    return 0


def _collected(call: SimpleNamespace, lab: Lab) -> _Collection:
    """What is left over of what the call names.

    Raises:
        ContentError: it is unknown what pages refer to.
        UnknownName: nothing of a name is left over.
    """
    from darkroom.lab.leftovers import leftovers
    from darkroom.press.build import idle_caches, used_experiments

    plan = lab.planner().plan()
    request = request_of(call, lab, plan)
    found = leftovers(lab, plan, used_experiments(request), now=time.time(), days=call.days, keep=_patterns(call.keep))
    left = [*found.leftovers]
    for places, why in idle_caches(request):
        first = places[0].name
        name = f".darkroom/press/{first if len(places) == 1 else first.partition('.')[0]}"
        if not any(fnmatchcase(name, each) for each in call.keep):
            changed_at = max(map(last_change, places))
            left.append(Leftover(name, _CACHE, tuple(places), changed_at, why, is_remade=True))
    chosen = _named(left, found.kept, call.names)
    sizes = {name: each.sizes for name, each in chosen.items()}
    risked = {path for name, each in sizes.items() if not chosen[name].is_remade for path in each}
    gone = not_in_git(lab.root, risked, "gc")
    return _Collection(chosen, sizes, frozenset(name for name, each in sizes.items() if gone & each.keys()), found.kept)


def _patterns(names: Sequence[str]) -> list[str]:
    return [name.rstrip("/") for name in names]


def _named(left: Sequence[Leftover], kept: Mapping[str, str], names: Sequence[str]) -> dict[str, Leftover]:
    found = {each.name: each for each in left}
    chosen: dict[str, Leftover] = {} if names else found
    for pattern in _patterns(names):
        matched = {name: each for name, each in found.items() if name == pattern or fnmatchcase(name, pattern)}
        if not matched and pattern in kept:
            raise UsageError(f"gc {pattern}: it is kept, since {kept[pattern]}")
        if not matched:
            raise UnknownName(f"gc: nothing that is left over is called {pattern!r}{nearest(pattern, found)}")
        chosen |= matched
    return {name: each for name, each in found.items() if name in chosen}


def _list(found: _Collection) -> None:
    """What was chosen, by kind, with sizes; then the total, and what git cannot bring back."""
    width = max(map(len, found.chosen))
    for kind in dict.fromkeys(each.kind for each in found.chosen.values()):
        print_line(f"{kind}:")
        for name, each in found.chosen.items():
            if each.kind == kind:
                print_line(f"  {name:<{width}}  {_described(found, each)}")
    print_line(f"in all: {found.total([*found.chosen])}")
    _say_what_is_kept(found)
    if found.lost:
        warn(
            f"git cannot bring back {found.total(sorted(found.lost))} of this, marked *; it goes only if it is named: "
            f"python build.py gc {_quoted(min(found.lost))} --yes"
        )


def _described(found: _Collection, each: Leftover) -> str:
    sizes = found.sizes[each.name]
    days = max(0, int((time.time() - each.changed_at) / _DAY_S))
    parts = [f"{sum(sizes.values()) / 1e6:9,.1f} MB", _counted(len(sizes)), _old(days), each.why]
    return ", ".join(part for part in parts if part) + (" *" if each.name in found.lost else "")


def _say_what_is_kept(found: _Collection) -> None:
    young = [name for name, reason in found.kept.items() if reason.startswith("it is younger")]
    if young:
        more = f" and {len(young) - 3} more" if len(young) > 3 else ""
        print_line(f"kept, since they are young: {', '.join(young[:3])}{more}; --days 0 takes them as well")


def _going(found: _Collection, call: SimpleNamespace) -> list[str]:
    """What is to be removed: what git cannot bring back only if it was named, with ``--yes``."""
    return [name for name in found.chosen if name not in found.lost or (call.names and call.yes)]


def _ask(what: str) -> None:
    """Ask whether to remove it.

    Raises:
        UsageError: no, or nobody can be asked.
    """
    if not can_ask():
        raise UsageError(f"{what}; to do that without a terminal, add --yes")
    if answer_to(f"{what}. Remove them? [y/N] ") not in {"y", "yes"}:
        raise UsageError("gc: nothing was removed")


def _remove(leftover: Leftover, lab: Lab) -> bool:
    """Remove it, unless a run has begun to work on it."""
    from darkroom.lab.leftovers import discard

    try:
        discard(lab.outputs, leftover)
    except Locked as error:
        warn(str(error))
        return False
    return True


def _quoted(name: str) -> str:
    from shlex import quote

    return quote(name)


def _counted(number: int) -> str:
    return "1 file" if number == 1 else f"{number:,} files"


def _old(days: int) -> str:
    return "1 day old" if days == 1 else f"{days:,} days old"


COMMANDS = {"gc": _gc}
