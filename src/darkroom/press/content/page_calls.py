"""Calls in pages, a class for each kind: what it takes, what it refers to, what it depends on and what it becomes.

figure(id, width=None, play=False)     a figure, numbered in order of first appearance on its page; variants="..." beside it;
                                       with over="seed" the means of its curves, with bands
sweep(id, over="", width=None)         a figure, as it was drawn with each value of one or two parameters
runs(id, metrics="", x="", y="")       the runs of an experiment: a table of parameters and metrics, and a plot
picture(file, caption, alt, width)     a picture or film of ``static/``, numbered with the figures
metric(id, at=None, format=None)       a number that a run gave; ``at`` picks a label where there are several; with
                                       over="seed" its mean over runs that differ in that parameter, with an interval
param(id, name, format=None)           a parameter of the run
ref(id)                                "Figure 3" for a figure or picture, "Section 2.1" for "#anchor" or "page#anchor",
                                       "Equation (4)" for a formula's name
cite(key, ..., text=False)             "(Ho et al., 2020)"; with text=True "Ho et al. (2020)"
code(name, mark=None, caption=None)    the source of a function or class
reference(name, ...)                   what the docstrings of modules, classes and functions say
command_line()                         every command and option, as the parser describes them
experiments(pattern="*")               the record of every experiment whose id matches
deliverables(list="")                  what the report must have, such as a course asks for, and what it has
pages(pattern, ..., by="date")         the pages that have a date and whose address matches, the latest first; with
                                       by="order" those that have a place in the navigation, in its order
citation()                             how to cite the site, as BibTeX

Every name is checked, with nearest spellings, before anything is rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

from darkroom.core.errors import Fault
from darkroom.core.patterns import lazy_pattern
from darkroom.press.content import figure_calls, list_calls, number_calls, seed_calls, text_calls  # noqa: F401  # which register their kinds
from darkroom.press.content.call_kinds import Kind
from darkroom.press.content.calls import KINDS, Call, NoExperiment, NotRun, Unknown
from darkroom.press.content.documented import DocumentedAt, sources_of
from darkroom.press.content.mathtext import Edit, Prepared, Rewritten, rewrite
from darkroom.press.content.number_calls import NumberCall
from darkroom.press.content.numbers import as_tex
from darkroom.press.content.outlines import Heading, Outline, Page
from darkroom.press.content.references import Index, Mention

_NAMED = 3  # names that a message lists


# A page's calls -------------------------------------------------------------------------------------------------------


def kind_of(call: Call) -> Kind:
    """What a call is."""
    kind = KINDS[call.name](call)
    assert isinstance(kind, Kind)
    return kind


def kinds_in(outline: Outline) -> tuple[Kind, ...]:
    """What each call of a page is, in order."""
    return cast("tuple[Kind, ...]", outline.kinds)


def number_figures(outline: Outline) -> dict[str, int]:
    """The figures and pictures of a page by name, numbered from 1 in order of first appearance."""
    shown = dict.fromkeys(kind.shown for kind in kinds_in(outline) if kind.shown)
    return {name: number for number, name in enumerate(shown, 1)}


def find_mentions(outlines: Iterable[Outline]) -> dict[str, tuple[Mention, ...]]:
    """The sections that refer to each figure, in order; the one that shows it is not among them."""
    found: dict[str, list[Mention]] = {}
    for outline in outlines:
        kinds = kinds_in(outline)
        mentioning = [kind for kind in kinds if kind.mentioned]
        wanted = {kind.mentioned for kind in mentioning}
        shown_in = {kind.shown: _section_at(outline, kind.call) for kind in reversed(kinds) if kind.shown in wanted}
        for kind in mentioning:
            figure, section = kind.mentioned, _section_at(outline, kind.call)
            if section and section != shown_in.get(figure):
                mention = Mention(outline.url, section.anchor, section.number or section.text)
                found.setdefault(figure, []).append(mention)
    return {figure: tuple(dict.fromkeys(mentions)) for figure, mentions in found.items()}


def find_documented(outlines: Iterable[Outline], root: Path) -> dict[str, DocumentedAt]:
    """The modules, classes and functions that pages document, by name; of several pages the first has the reference."""
    found: dict[str, DocumentedAt] = {}
    for outline in outlines:
        for name in (name for kind in kinds_in(outline) for name in kind.documents):
            if name not in found:
                found[name] = DocumentedAt(name, outline.url, tuple(map(str, sources_of(name, root))))
    return found


def _section_at(outline: Outline, call: Call) -> Heading | None:
    return next((heading for heading in reversed(outline.headings) if heading.offset <= call.offset), None)


def check(page: Page, index: Index) -> tuple[list[Fault], list[Fault]]:
    """The faults of every call of *page*, and a warning for each experiment that figures or values wait for."""
    faults: list[Fault] = []
    waiting: dict[str, list[int]] = {}
    gone: dict[str, list[tuple[int, NoExperiment]]] = {}
    kinds = kinds_in(page.outline)
    for kind in kinds:
        try:
            kind.check_form()
            kind.check(page.url, index)
        except NoExperiment as problem:
            gone.setdefault(problem.part, []).append((kind.call.offset, problem))
        except Unknown as problem:
            faults.append(page.fault(kind.call.offset, problem.rule, str(problem)))
        except NotRun as problem:
            waiting.setdefault(str(problem), []).append(kind.call.offset)
    warnings = [page.fault(offsets[0], "missing", _counted(text, len(offsets))) for text, offsets in waiting.items()]
    faults += [page.fault(found[0][0], "reference", _of_no_experiment(part, found)) for part, found in gone.items()]
    faults += [page.fault(offset, "reference", message) for offset, message in _shown_twice(kinds)]
    faults += [page.fault(offset, "reference", message) for offset, message in _cited_as_in_pandoc(page, index)]
    return faults, warnings


def _of_no_experiment(part: str, found: Sequence[tuple[int, NoExperiment]]) -> str:
    """One message for all that a page names of a part that has no experiments: that of a name, where there is one."""
    names = list(dict.fromkeys(problem.name for _, problem in found))
    if len(found) == 1:
        return str(found[0][1])
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return (
        f"no experiment is in {part}, which this page names in {len(found)} places: {shown}; restore experiments/{part}, "
        "or remove what names it"
    )


def _counted(problem: str, places: int) -> str:
    return problem if places == 1 else f"{problem} (used in {places} places on this page)"


def _shown_twice(kinds: Iterable[Kind]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for kind in kinds:
        if kind.shown and kind.shown in seen:
            yield kind.call.offset, f"{kind.shown!r} is shown twice on this page; refer to it with ref(...)"
        for name in kind.documents:
            if name in seen:
                yield kind.call.offset, f"the reference of {name!r} stands twice on this page; leave one out"
        seen |= {kind.shown, *kind.documents}


_AT_KEY = lazy_pattern(r"(?<![\w.@/:])@([A-Za-z][\w:.+/-]*\w)")


def _cited_as_in_pandoc(page: Page, index: Index) -> Iterator[tuple[int, str]]:
    for words, offset in page.document.prose if index.bibliography else ():
        for found in _AT_KEY.finditer(words) if "@" in words else ():
            if found[1] in index.bibliography:
                yield (
                    offset + found.start(),
                    f'{found[0]} is not a citation; write {{{{ cite("{found[1]}", text=True) }}}}',
                )


def badges_of(calls: Iterable[Call], url: str, index: Index) -> str:
    """The badges of the numbers in a formula, each once."""
    numbers = (kind for kind in map(kind_of, calls) if isinstance(kind, NumberCall))
    return "".join(dict.fromkeys(kind.badges(url, index) for kind in numbers))


def tex_of(prepared: Prepared, index: Index) -> Rewritten:
    """The TeX of a formula with the numbers that are called in it, and where each part of it came from."""
    tex = prepared.formula.tex
    edits: list[Edit] = [*prepared.edits]
    for call in prepared.formula.calls:
        start, end = tex.rindex("{{", 0, call.offset), tex.index("}}", call.offset) + 2
        number = kind_of(call)
        assert isinstance(number, NumberCall)
        try:
            edits.append((start, end, as_tex(number.text(index))))
        except NotRun:
            edits.append((start, end, r"\text{?}"))
    return rewrite(tex, edits)
