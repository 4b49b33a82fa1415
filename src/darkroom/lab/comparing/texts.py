"""What differs as plain text, and as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from darkroom.lab.comparing.differences import ComparedOutputs, Comparison
from darkroom.lab.comparing.rows import DifferenceRow, equal_groups, plain, rows_of, said_of

_MOST = 40  # rows of a group
_FEW = 8  # definitions that a cell names
_WIDEST = 44  # of a column of names


def as_text(found: ComparedOutputs) -> str:
    """Every difference in a line of its own, below the group that it is of."""
    is_single = len(found.comparisons) == 1
    said = said_of(found.comparisons[0]) if is_single else ("", "")
    names = (f"A  {plain(found.a)}", f"B  {plain(found.b)}")
    blocks = ["\n".join(", ".join(filter(None, parts)) for parts in zip(names, said, strict=True))]
    for each in found.comparisons:
        if each.differs or is_single:
            blocks.append("\n".join([*([] if is_single else [each.a.manifest.experiment]), *_lines(each)]))
    blocks += _rest(found)
    return "\n\n".join(blocks)


def as_markdown(found: ComparedOutputs) -> str:
    """A table of everything that differs, for the description of a pull request.

    What comes from manifests is code, in which nothing is markup, a mention or a link.
    """
    several = len(found.comparisons) != 1
    lines = [f"A: {code(found.a)}, B: {code(found.b)}", ""]
    rows = [
        ([code(each.a.manifest.experiment)] if several else []) + cells
        for each in found.comparisons
        for cells in _cells(each)
    ]
    if rows:
        titles = [*(["experiment"] if several else []), "what", "A", "B", "difference"]
        lines += [_table_row(titles), _table_row(["---"] * len(titles)), *map(_table_row, rows), ""]
    elif found.comparisons:
        lines += ["Nothing differs.", ""]
    lines += [f"{line}\n" for line in _rest(found, as_code=True)]
    return "\n".join(lines).rstrip()


def code(text: str) -> str:
    """*text* as code in a cell of a table: a span, or an element where it has characters that end one."""
    line = plain(text)
    if not line:
        return ""
    if not set("`|\\") & set(line):
        return f"`{line}`"
    escaped = "".join(
        sign if sign.isalnum() or sign == " " or not sign.isascii() else f"&#{ord(sign)};" for sign in line
    )
    return f"<code>{escaped}</code>"


def _lines(found: Comparison) -> Iterator[str]:
    if not found.differs:
        yield "  nothing differs"
        return
    for group, rows in _grouped(found):
        yield f"  {group}"
        width = min(max(len(row.name) for row in rows), _WIDEST)
        yield from (f"    {_line(row, width)}".rstrip() for row in rows)
    if same := equal_groups(found):
        yield f"  equal: {', '.join(same)}"


def _line(row: DifferenceRow, width: int) -> str:
    values = f"{row.a} -> {row.b}" if row.a and row.b else row.a or row.b
    return "  ".join(part for part in (row.name.ljust(width), values, row.note) if part)


def _grouped(found: Comparison) -> Iterator[tuple[str, list[DifferenceRow]]]:
    """The rows of each group, with one that counts those that are left out."""
    for group, rows in groupby(rows_of(found), key=lambda row: row.group):
        listed = list(rows)
        more = len(listed) - _MOST
        yield group, listed[:_MOST] + ([DifferenceRow(group, f"and {more} more", "", "", "")] if more > 0 else [])


def _cells(found: Comparison) -> Iterator[list[str]]:
    for group, rows in _grouped(found):
        if group == "code":
            yield from _definitions(found)
            continue
        for at, row in enumerate(rows):
            name = row.name if at == _MOST else code(row.name)
            yield [f"{group} {name}", code(row.a), code(row.b), _marked(row)]
    same = equal_groups(found)
    if same and found.differs:
        yield ["equal", "", "", ", ".join(same)]


def _definitions(found: Comparison) -> Iterator[list[str]]:
    """One row for those that have changed, and one for those of each side alone."""
    by_note: dict[str, list[str]] = {}
    for row in rows_of(found):
        if row.group == "code":
            by_note.setdefault(row.note, []).append(row.name)
    for note, names in by_note.items():
        yield ["code", "", "", f"{note}: {_named(names, _FEW, as_code=True)}"]


def _marked(row: DifferenceRow) -> str:
    """A note, which for figures names fields of a layout."""
    return code(row.note) if row.group == "figures" and "(" in row.note else row.note


def _table_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rest(found: ComparedOutputs, *, as_code: bool = False) -> list[str]:
    """Of two folders, what is equal, and what only one of them has."""
    lines = []
    count = len(found.comparisons)
    equal = sum(not each.differs for each in found.comparisons)
    if count != 1 and equal:
        lines.append(f"{equal} of {count} experiments that both have: nothing differs")
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        if names:
            lines.append(f"only in {side}: {_named(names, _MOST, as_code=as_code)}")
    return lines if lines or count else ["no experiment is in both"]


def _named(names: Sequence[str], most: int, *, as_code: bool) -> str:
    shown = ", ".join(code(name) if as_code else plain(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
