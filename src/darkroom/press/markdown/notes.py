"""Notes at the end of a page: each is there once, something leads to it, and they are numbered as a reader meets them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from darkroom.press.markdown.reading import Reading


def in_order(state: StateCore, reading: Reading) -> None:
    """Number the notes: those that the text cites, in order, then those that these cite; report those that none cites."""
    if not any(state.env.get("footnotes", {}).values()):
        return
    found: dict[int, dict[str, object]] = state.env["footnotes"].setdefault("list", {})
    numbers: dict[str, int] = state.env["footnotes"].setdefault("refs", {})
    body, texts = _parted(state.tokens)
    cited: dict[int, list[Token]] = {}
    waiting = [*_references(body)]
    while waiting:
        token = waiting.pop(0)
        number = token.meta["id"]
        if number not in cited:
            own = texts.get(str(found[number].get("label")), ()) if "label" in found[number] else ()
            waiting += _references(own)
            waiting += (each for each in found[number].get("tokens", ()) if each.type == "footnote_ref")  # type: ignore[attr-defined]
        cited.setdefault(number, []).append(token)
    _renumber(found, cited)
    labels = {str(each["label"]): number for number, each in found.items() if "label" in each}
    numbers |= {name: labels.get(name[1:], -1) for name in numbers}
    _name_inline_notes(found, cited)
    _unused(state.tokens, labels, reading)


def _parted(tokens: Iterable[Token]) -> tuple[list[Token], Mapping[str, list[Token]]]:
    """The tokens outside of notes, and those of each note by its name."""
    body: list[Token] = []
    texts: dict[str, list[Token]] = {}
    inside = body
    for token in tokens:
        if token.type == "footnote_reference_open":
            inside = texts.setdefault(token.meta["label"], [])
        elif token.type == "footnote_reference_close":
            inside = body
        else:
            inside.append(token)
    return body, texts


def _references(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from (child for child in token.children or () if child.type == "footnote_ref")


def _renumber(found: dict[int, dict[str, object]], cited: Mapping[int, Sequence[Token]]) -> None:
    before = dict(found)
    found.clear()
    for new, (old, tokens) in enumerate(cited.items()):
        found[new] = before[old]
        if "count" in found[new]:
            found[new]["count"] = len(tokens)
        for again, token in enumerate(tokens):
            token.meta |= {"id": new} | ({"subId": again} if "subId" in token.meta else {})


def _name_inline_notes(found: Mapping[int, dict[str, object]], cited: Mapping[int, Sequence[Token]]) -> None:
    """A name, for its anchors, to each note that is written where it is cited: its number, unless another has it."""
    taken = {each.get("label") for each in found.values()}
    for (number, each), tokens in zip(found.items(), cited.values(), strict=True):
        if "label" not in each:
            each["label"] = str(number + 1) if str(number + 1) not in taken else f"{number + 1}-inline"
            for token in tokens:
                token.meta["label"] = each["label"]


def _unused(tokens: Iterable[Token], labels: Mapping[str, int], reading: Reading) -> None:
    seen: set[str] = set()
    for token in tokens:
        if token.type == "footnote_reference_open" and token.map:
            label = token.meta["label"]
            line = reading.line(token.map[0])
            place = reading.lines[token.map[0]] + max(line.find("[^"), 0)
            if label in seen:
                reading.fault(place, "markdown", f"the note [^{label}] is defined twice")
            elif label not in labels:
                reading.fault(place, "markdown", f"nothing refers to the note [^{label}]; refer to it, or remove it")
            seen.add(label)
