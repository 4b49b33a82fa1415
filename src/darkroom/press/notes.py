r"""Notes at the end of a page: each is there once, and something refers to it."""

from __future__ import annotations

from markdown_it.rules_core import StateCore

from darkroom.press.reading import Reading


def unused_notes(state: StateCore, reading: Reading) -> None:
    notes = state.env.get("footnotes", {})
    seen: set[str] = set()
    for token in state.tokens:
        if token.type == "footnote_reference_open" and token.map:
            label = token.meta["label"]
            line = reading.line(token.map[0])
            place = reading.lines[token.map[0]] + max(line.find("[^"), 0)
            if label in seen:
                reading.fault(place, "markdown", f"the note [^{label}] is there twice")
            elif notes["refs"].get(f":{label}", -1) < 0:
                reading.fault(place, "markdown", f"nothing refers to the note [^{label}]; refer to it, or remove it")
            seen.add(label)
