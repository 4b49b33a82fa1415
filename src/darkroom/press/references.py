"""References by literal name: checked with nearest spellings, numbered and resolved, before anything is rendered.

figure(id, width=None, play=False)     a figure, numbered in order of first appearance on its page
picture(file, caption, alt, width)     a picture or film of ``static/``, numbered with the figures
metric(id, at=None, format=None)       a number that a run gave; ``at`` picks a label where there are several
param(id, name, format=None)           a parameter of the run
ref(id)                                "Figure 3" for a figure or picture, "Section 2.1" for "#anchor" or "page#anchor",
                                       "Equation (4)" for a formula's name
cite(key, ..., text=False)             "(Ho et al., 2020)"; with text=True "Ho et al. (2020)"
code(name, mark=None, caption=None)    the source of a function or class
experiments(pattern="*")               the record of every experiment whose id matches
citation()                             how to cite the site, as BibTeX
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from darkroom.lab.errors import Fault, nearest
from darkroom.lab.manifest import Manifest
from darkroom.press.calls import Call, Literal, calls_of
from darkroom.press.catalogue import Catalogue
from darkroom.press.mathtext import Edit, Prepared, Rewritten, Target, rewrite
from darkroom.press.pages import Heading, Outline, Page
from darkroom.press.pictures import FILMS, SUFFIXES
from darkroom.press.works import Entry

SHOWN = frozenset({"figure", "picture"})
WIDTHS = ("text", "middle", "page", "screen")

Value = float | int | str | bool | None | list[object] | dict[str, object]


class Unknown(Exception):
    """A name that leads nowhere; the message says what would."""


class NotRun(Exception):
    """There are no outputs to take a value from."""


class Spot(msgspec.Struct, frozen=True):
    """Where a figure is shown: the page's address and name, and the figure's number on it."""

    url: str
    page: str
    number: int


class Mention(msgspec.Struct, frozen=True):
    """A section that refers to a figure: the page's address, the section's anchor, and its number or text."""

    url: str
    anchor: str
    name: str


class Index(msgspec.Struct, frozen=True):
    """Everything that a page can refer to.

    ``mentions`` are the sections that refer to a figure, ``equations`` the named formulas by the page's address and
    their name, ``static`` the names of static files, ``root`` the project's folder, ``names`` what pages are called, by
    address.
    """

    catalogue: Catalogue
    bibliography: Mapping[str, Entry]
    spots: Mapping[str, tuple[Spot, ...]]
    sections: Mapping[str, tuple[str, Mapping[str, Heading]]]
    record_url: str
    mentions: Mapping[str, tuple[Mention, ...]] = {}
    equations: Mapping[str, Mapping[str, Target]] = {}
    static: frozenset[str] = frozenset()
    root: Path = Path()
    names: Mapping[str, str] = {}

    def mentions_of(self, figure: str, url: str) -> tuple[Mention, ...]:
        """The sections whose references lead to *figure* on the page at *url*."""
        found = self.mentions.get(figure, ())
        return tuple(mention for mention in found if self.spot(figure, mention.url).url == url)

    def spot(self, figure: str, url: str) -> Spot:
        """Where *figure* is shown, on the page at *url* if it is there.

        Raises:
            Unknown: there is no such figure, or no page shows it.
        """
        if figure not in self.spots:
            if self.catalogue.figure(figure):
                raise Unknown(f"no page shows {figure!r}; show it with figure({figure!r})")
            if figure in self.static:
                raise Unknown(f"no page shows {figure!r}; show it with picture({figure!r}, caption=..., alt=...)")
            if figure.removesuffix(".md").removesuffix(".html") in self.sections:
                raise Unknown(
                    f"{figure!r} is a page; write [text]({figure.removesuffix('.md').removesuffix('.html')}.md)"
                )
            known = [*self.catalogue.figure_names, *self.spots, *self.equations.get(url, ())]
            raise Unknown(f"unknown figure {figure!r}{nearest(figure, known)}")
        places = self.spots[figure]
        return next((spot for spot in places if spot.url == url), places[0])

    def target(self, name: str, url: str) -> tuple[str, Target | Heading | Spot]:
        """The address of the page, and what *name* stands for there: a formula, a section, a figure or a picture.

        Raises:
            Unknown: there is no such thing.
        """
        page, mark, anchor = name.partition("#")
        address = self._address(page, url) if mark else url
        equation = self.equations.get(address, {}).get(anchor if mark else name)
        if equation:
            return address, equation
        if mark:
            return self.section(name, url)
        own = next((headings for found, headings in self.sections.values() if found == url), {})
        if name not in self.spots and name in own:
            return url, own[name]
        spot = self.spot(name, url)
        return spot.url, spot

    def _address(self, page: str, url: str) -> str:
        page = page.removesuffix(".md").removesuffix(".html")
        return self.sections[page][0] if page in self.sections else url

    def section(self, target: str, url: str) -> tuple[str, Heading]:
        """The address of the page and the heading that "#anchor" or "page#anchor" names.

        Raises:
            Unknown: no such page or anchor.
        """
        page, _, anchor = target.partition("#")
        own = next((name for name, (address, _) in self.sections.items() if address == url), "")
        page = page.removesuffix(".md").removesuffix(".html") or own
        if page not in self.sections:
            raise Unknown(f"unknown page {page!r}{nearest(page, self.sections)}")
        address, headings = self.sections[page]
        if anchor not in headings:
            known = [*headings, *self.equations.get(address, ())]
            raise Unknown(f"no section {'#' + anchor!r} on page {page!r}{nearest(anchor, known)}")
        return address, headings[anchor]

    def metric(self, name: str, at: Literal = None) -> Value:
        """The value of a metric such as ``part_b/denoiser/test_mse``.

        Raises:
            Unknown: no such experiment, metric or label.
            NotRun: the experiment has no outputs.
        """
        owner, _, metric = name.rpartition("/")
        manifest = self._manifest(owner, name)
        if metric not in manifest.metrics:
            known = [f"{owner}/{known}" for known in manifest.metrics]
            raise Unknown(f"unknown metric {name!r}{nearest(name, known) or _list('; it has', manifest.metrics)}")
        value = manifest.metrics[metric].value
        if isinstance(value, dict):
            return _at(value, at, name)
        if at is not None:
            raise Unknown(f"{name!r} is a single number; leave out at={at!r}")
        return value

    def parameter(self, owner: str, name: str) -> Value:
        """The value of a parameter of the run.

        Raises:
            Unknown: no such experiment or parameter.
            NotRun: the experiment has no outputs.
        """
        parameters: Mapping[str, Any] = self._manifest(owner, owner).parameters
        if name not in parameters:
            choices = nearest(name, parameters) or _list("; it has", parameters)
            raise Unknown(f"{owner!r} has no parameter {name!r}{choices}")
        value: Value = parameters[name]
        return value

    def entry(self, key: str) -> Entry:
        """The work that *key* names.

        Raises:
            Unknown: it is not in references.bib.
        """
        if key not in self.bibliography:
            raise Unknown(f"{key!r} is not in references.bib{nearest(key, self.bibliography)}")
        return self.bibliography[key]

    def _manifest(self, owner: str, name: str) -> Manifest:
        experiment = self.catalogue.shown(owner)
        if experiment is None:
            raise Unknown(f"unknown experiment {owner!r} in {name!r}{nearest(owner, self.catalogue.experiments)}")
        if experiment.manifest is None:
            raise NotRun(f"{owner} has no outputs; run python build.py run {owner}")
        return experiment.manifest


def _at(values: Mapping[str, float | int | str], at: Literal, name: str) -> Value:
    if at is None:
        shown = ", ".join(label[:40] for label in list(values)[:12])
        raise Unknown(f"{name!r} has a value for each of {shown}; pick one with at=...")
    for label in (str(at), f"{at:g}" if isinstance(at, int | float) else str(at)):
        if label in values:
            return values[label]
    raise Unknown(f"{name!r} has no value at {at!r}{nearest(str(at), values) or _list('; it has', values)}")


def _list(opening: str, names: Iterable[str]) -> str:
    names = list(names)
    return f"{opening} {', '.join(names)}" if names else "; it has none"


def number_figures(page: Outline) -> dict[str, int]:
    """The figures and pictures of *page* by name, numbered from 1 in order of first appearance."""
    shown = [call.arguments[0] for call in page.calls if call.name in SHOWN and call.arguments]
    return {str(name): number for number, name in enumerate(dict.fromkeys(shown), 1)}


def find_mentions(outlines: Iterable[Outline]) -> dict[str, tuple[Mention, ...]]:
    """The sections that refer to each figure, in order; the one that shows it is not among them."""
    found: dict[str, list[Mention]] = {}
    for outline in outlines:
        for call in outline.calls:
            if call.name == "ref" and call.arguments:
                figure, section = str(call.arguments[0]), _section_at(outline, call)
                if section and section != _shown_in(outline, figure):
                    mention = Mention(outline.url, section.anchor, section.number or section.text)
                    found.setdefault(figure, []).append(mention)
    return {figure: tuple(dict.fromkeys(mentions)) for figure, mentions in found.items()}


def _shown_in(outline: Outline, figure: str) -> Heading | None:
    shown = (call for call in outline.calls if call.name in SHOWN and call.arguments[:1] == (figure,))
    call = next(shown, None)
    return _section_at(outline, call) if call else None


def _section_at(outline: Outline, call: Call) -> Heading | None:
    before = [heading for heading in outline.headings if heading.offset <= call.offset]
    return before[-1] if before else None


# Checks ---------------------------------------------------------------------------------------------------------------


def check(page: Page, index: Index) -> tuple[list[Fault], list[Fault]]:
    """The faults of every call of *page*, and a warning for each experiment that figures or values wait for."""
    faults: list[Fault] = []
    waiting: dict[str, list[int]] = {}
    for call in page.outline.calls:
        try:
            check_form(call)
            _CHECKS[call.name](call, page, index)
        except Unknown as problem:
            faults.append(page.fault(call.offset, "reference", str(problem)))
        except NotRun as problem:
            waiting.setdefault(str(problem), []).append(call.offset)
    warnings = [page.fault(offsets[0], "missing", _counted(text, len(offsets))) for text, offsets in waiting.items()]
    faults += [page.fault(call.offset, "reference", message) for call, message in _shown_twice(page)]
    faults += [page.fault(offset, "reference", message) for offset, message in _cited_as_in_pandoc(page, index)]
    return faults, warnings


_AT_KEY = re.compile(r"(?<![\w.@/:])@([A-Za-z][\w:.+/-]*\w)")


def _cited_as_in_pandoc(page: Page, index: Index) -> Iterator[tuple[int, str]]:
    for words, offset in page.document.prose if index.bibliography else ():
        for found in _AT_KEY.finditer(words) if "@" in words else ():
            if found[1] in index.bibliography:
                yield offset + found.start(), f'{found[0]} is not read; write {{{{ cite("{found[1]}", text=True) }}}}'


def _counted(problem: str, places: int) -> str:
    return problem if places == 1 else f"{problem} ({places} places on this page wait for it)"


def _shown_twice(page: Page) -> Iterator[tuple[Call, str]]:
    seen = set()
    for call in page.outline.calls:
        if call.name in SHOWN and call.arguments:
            if call.arguments[0] in seen:
                yield call, f"{call.arguments[0]!r} is shown twice on this page; refer back with ref(...)"
            seen.add(call.arguments[0])


_FORMS: dict[str, tuple[int, int, dict[str, type | tuple[type, ...]]]] = {
    "figure": (1, 1, {"width": str, "play": bool}),
    "picture": (1, 1, {"caption": str, "alt": str, "width": str}),
    "code": (1, 1, {"mark": str, "caption": str}),
    "metric": (1, 1, {"at": (str, int, float), "format": str}),
    "param": (2, 2, {"format": str}),
    "ref": (1, 1, {"short": str}),
    "cite": (1, 99, {"text": bool}),
    "experiments": (0, 1, {}),
    "citation": (0, 0, {}),
}


def check_form(call: Call) -> None:
    """That a call has the arguments and options that it takes.

    Raises:
        Unknown: it has others.
    """
    least, most, options = _FORMS[call.name]
    if not least <= len(call.arguments) <= most:
        wanted = {1: "one name", 2: "an experiment and a name", 0: "at most one pattern" if most else "nothing"}[least]
        raise Unknown(f"{call.name}(...) takes {wanted}, not {len(call.arguments)} arguments")
    for value in call.arguments:
        if not isinstance(value, str):
            raise Unknown(f"{call.name}(...) takes names as text in quotes, not {value!r}")
    for name, value in call.options:
        if name not in options:
            choices = nearest(name, options) or _list("; it takes", options)
            raise Unknown(f"{call.name}(...) has no option {name!r}{choices}")
        if not isinstance(value, options[name]):
            raise Unknown(f"{name}={value!r} in {call.name}(...) is of the wrong kind")


def _check_width(call: Call) -> None:
    width = dict(call.options).get("width", "text")
    if width not in WIDTHS:
        raise Unknown(f"unknown width {width!r}{nearest(str(width), WIDTHS) or _list('; known are', WIDTHS)}")


def _check_picture(call: Call, page: Page, index: Index) -> None:
    name = str(call.arguments[0])
    _check_width(call)
    if name not in index.static:
        raise Unknown(f"no file {name!r} in templates/static{nearest(name, index.static)}")
    if PurePosixPath(name).suffix.lower() not in SUFFIXES | FILMS:
        raise Unknown(f"{name} is no picture or film that browsers show; save it as PNG, JPEG, WebP, SVG or MP4")
    if named := calls_of(str(dict(call.options).get("alt", ""))):
        raise Unknown(f"{named} is not read within alt; write it out")
    if not str(dict(call.options).get("alt", "")).strip():
        raise Unknown(f'{name} has no alt text; write picture({name!r}, caption="...", alt="what is seen")')


def _check_code(call: Call, page: Page, index: Index) -> None:
    from darkroom.press.listing import NoSource, listing_of, wrong_marks

    try:
        listing = listing_of(str(call.arguments[0]), index.root)
    except NoSource as problem:
        raise Unknown(str(problem)) from None
    if wrong := wrong_marks(str(dict(call.options).get("mark", "")), listing.last - listing.first + 1):
        raise Unknown(wrong)


def _check_figure(call: Call, page: Page, index: Index) -> None:
    name = str(call.arguments[0])
    _check_width(call)
    if index.catalogue.figure(name) is None:
        raise Unknown(f"unknown figure {name!r}{nearest(name, index.catalogue.figure_names)}")


def _check_metric(call: Call, page: Page, index: Index) -> None:
    options = dict(call.options)
    check_format(index.metric(str(call.arguments[0]), options.get("at")), options.get("format"))


def _check_param(call: Call, page: Page, index: Index) -> None:
    owner, name = map(str, call.arguments)
    check_format(index.parameter(owner, name), dict(call.options).get("format"))


def check_format(value: Value, spec: Literal) -> None:
    if isinstance(spec, str):
        show(value, spec)


def _check_ref(call: Call, page: Page, index: Index) -> None:
    index.target(str(call.arguments[0]), page.url)


def _check_cite(call: Call, page: Page, index: Index) -> None:
    for key in call.arguments:
        index.entry(str(key))


def _check_experiments(call: Call, page: Page, index: Index) -> None:
    for pattern in call.arguments:
        if not any(fnmatchcase(name, str(pattern)) for name in index.catalogue.experiments):
            raise Unknown(f"no experiment matches {pattern!r}{_list('; there are', index.catalogue.experiments)}")


_CHECKS: dict[str, Callable[[Call, Page, Index], None]] = {
    "figure": _check_figure,
    "picture": _check_picture,
    "code": _check_code,
    "metric": _check_metric,
    "param": _check_param,
    "ref": _check_ref,
    "cite": _check_cite,
    "experiments": _check_experiments,
    "citation": lambda call, page, index: None,
}


# Numbers as text ------------------------------------------------------------------------------------------------------


def show(value: Value, spec: str | None = None) -> str:
    """A value as plain text: ``spec`` as of Python's ``format``; by default four significant digits, thousands grouped.

    Items of a list have commas between them, lists in a list semicolons.

    Raises:
        Unknown: *spec* does not fit the value.
    """
    if isinstance(value, list):
        between = "; " if any(isinstance(item, list) for item in value) else ", "
        return between.join(show(item, spec) for item in value)  # type: ignore[arg-type]
    if spec is not None:
        if len(spec) > 40 or any(int(digits) > 100 for digits in re.findall(r"\d+", spec)):
            raise Unknown(f"format={spec[:40]!r} asks for more than 100 characters")
        try:
            return format(value, spec)
        except (TypeError, ValueError) as error:
            raise Unknown(f"format={spec!r} does not fit {value!r} ({error})") from None
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return _significant(value) if isinstance(value, float) else str(value)


def _significant(value: float) -> str:
    if value == int(value) and abs(value) < 1e5:
        return str(int(value))
    if abs(value) < 1e-3:
        digits, _, exponent = f"{value:.3e}".partition("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.4g}"


_EXPONENT = re.compile(r"(?<![\w.])(-?\d[\d.]*)e([+-]?\d+)\b")


def as_html(text: str) -> str:
    """A shown number as HTML: a true minus, and powers of ten instead of ``1e-4``."""

    def power(found: re.Match[str]) -> str:
        factor = "" if found[1] == "1" else f"{found[1]} × "
        return f"{factor}10<sup>{int(found[2])}</sup>"

    return re.sub(r"(?<![\w−])-(?=\d)", "−", _EXPONENT.sub(power, html.escape(text)))


_TEX = re.compile(r"[\\{}$&#_^~]")
_UNKNOWN = re.compile(r"[^ -~\u00a1-\u00ff\u0370-\u03ff\u2010-\u2022\u2212×·±]")  # what KaTeX may have no letter for
_LONGEST_TEXT = 200  # characters in a formula
_SIGN = re.compile(r"[\\{}$&#_^~%]")
_AS_TEXT = {"\\": r"\textbackslash ", "^": r"\textasciicircum ", "~": r"\textasciitilde "}


def as_tex(text: str) -> str:
    """A shown number as TeX, where it stands in a formula."""

    def power(found: re.Match[str]) -> str:
        factor = "" if found[1] == "1" else rf"{found[1]} \times "
        return rf"{factor}10^{{{int(found[2])}}}"

    text = _UNKNOWN.sub("?", text[:_LONGEST_TEXT])
    if _TEX.search(text):  # a text of somebody's manifest, which is shown and not carried out
        return rf"\text{{{_SIGN.sub(lambda sign: _AS_TEXT.get(sign[0], rf'{chr(92)}{sign[0]}'), text)}}}"
    shown = _EXPONENT.sub(power, text).replace("%", r"\%")
    return re.sub(r"(?<=\d),(?=\d{3})", "{,}", shown)


def number_text(call: Call, index: Index) -> str:
    """What a call of ``metric`` or ``param`` shows, as plain text.

    Raises:
        Unknown: the name leads nowhere, or the format does not fit.
        NotRun: there are no outputs yet.
    """
    check_form(call)
    options = dict(call.options)
    names = [str(argument) for argument in call.arguments]
    value = index.parameter(*names) if call.name == "param" else index.metric(names[0], options.get("at"))
    spec = options.get("format")
    return show(value, spec if isinstance(spec, str) else None)


def tex_of(prepared: Prepared, index: Index) -> Rewritten:
    """The TeX of a formula with the numbers that are called in it, and where each part of it came from."""
    tex = prepared.formula.tex
    edits: list[Edit] = [*prepared.edits]
    for call in prepared.formula.calls:
        start, end = tex.rindex("{{", 0, call.offset), tex.index("}}", call.offset) + 2
        try:
            edits.append((start, end, as_tex(number_text(call, index))))
        except NotRun:
            edits.append((start, end, r"\text{?}"))
    return rewrite(tex, edits)
