"""Where in a page something took too much time, memory or depth, found from what was being done at that moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from darkroom.press.limits import NO_MEMORY, TOO_DEEP, TooCostly, too_little
from darkroom.press.markdown.reading import reading_of

_USUAL = 1_000_000_000  # bytes of address space, with which a page is made


def message_of(error: BaseException) -> str:
    """What is said of an error that ended the reading or rendering of a page."""
    if isinstance(error, MemoryError):
        return too_little(_USUAL) or NO_MEMORY
    return str(error) if isinstance(error, TooCostly) else f"something {TOO_DEEP}"


def offset_of(error: BaseException) -> int:
    """The offset in the page's file of what was read or rendered when *error* was raised; 0 if unknown."""
    found, trace = 0, error.__traceback__
    while trace is not None:
        found = _place(trace.tb_frame.f_locals) or found
        trace = trace.tb_next
    return found


def _place(known: Mapping[str, Any]) -> int:
    """The place in the variables of a function: of a parser's state, a token, a call or an element."""
    state, token, call, element = (known.get(name) for name in ("state", "token", "call", "child"))
    try:
        if isinstance(state, StateInline):
            return reading_of(state).origin(reading_of(state).place(state, state.pos))
        if isinstance(state, StateBlock):
            return reading_of(state).origin(reading_of(state).lines[state.line])
        if token is not None and token.meta:
            return int(token.meta["at"] if "at" in token.meta else token.meta["formula"].offset)
        if call is not None:
            return int(call.offset)
        return int(element.get("at", 0)) if element is not None else 0
    except Exception:  # whatever else goes by these names
        return 0
