"""Numbers as text: as readers see them, in HTML and in TeX."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Sequence

from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.calls import Unknown
from darkroom.press.content.estimates import Estimate

_LONGEST_LABEL = 80  # characters

Value = float | int | str | bool | None | list[object] | dict[str, object]


def show(value: Value, spec: str | None = None) -> str:
    """A value as plain text: ``spec`` as of Python's ``format``; by default four significant digits, thousands grouped.

    Items of a list have commas between them, lists in a list semicolons. Of an estimate, *spec* is for the mean and for the
    interval; without digits (``%``) and by default, the interval says where both are rounded.

    Raises:
        Unknown: *spec* does not fit the value.
    """
    if isinstance(value, list):
        between = "; " if any(isinstance(item, list) for item in value) else ", "
        return between.join(show(item, spec) for item in value)  # type: ignore[arg-type]
    if isinstance(value, Estimate):
        is_rounded = spec in {None, "", "%"}
        text = value.rounded(spec == "%") if is_rounded else f"{show(value + 0, spec)} ± {show(value.half, spec)}"
        return f"{text}, {value.runs}"
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


_EXPONENT = lazy_pattern(r"(?<![\w.])(-?\d[\d.]*|\(-?\d[\d.]* ± \d[\d.]*\))e([+-]?\d+)\b")


def as_html(text: str) -> str:
    """A shown number as HTML: a true minus, and powers of ten instead of ``1e-4``."""

    def power(found: re.Match[str]) -> str:
        factor = "" if found[1] == "1" else f"{found[1]} × "
        return f"{factor}10<sup>{int(found[2])}</sup>"

    shown = re.sub(r"(?<![\w−])-(?=\d)", "−", _EXPONENT.sub(power, html.escape(text)))
    return shown.replace(" ± ", "&nbsp;±&nbsp;")


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def as_plain(text: str) -> str:
    """A shown number where no markup can stand, as in SVG and in attributes: ``−2.5 × 10⁻⁴``."""

    def power(found: re.Match[str]) -> str:
        factor = found[1].removesuffix("1") if found[1] in {"1", "-1"} else f"{found[1]} × "
        return f"{factor}10{str(int(found[2])).translate(_RAISED)}"

    return re.sub(r"(?<![\w−])-(?=\d)", "−", _EXPONENT.sub(power, text))


def distinct(values: Sequence[Value]) -> list[str]:
    """Each of *values* as plain text; those that differ are told apart, by more digits or quotes if that is needed."""
    short = {key: _cut(show(value)) for value in values for key in [told_apart(value)]}
    count = Counter(short.values())
    exact = {key: text if count[text] == 1 else _cut(key) for key, text in short.items()}
    again = Counter(exact.values())
    numbered = {
        key: text if again[text] == 1 else f"{text} ({number})" for number, (key, text) in enumerate(exact.items(), 1)
    }
    return [numbered[told_apart(value)] for value in values]


def told_apart(value: Value) -> str:
    """A value as JSON has it, which differs for different values; a float that is whole is an integer."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return json.dumps(int(value) if whole else value, ensure_ascii=False)  # type: ignore[arg-type]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


_TEX = lazy_pattern(r"[\\{}$&#_^~]")
_UNKNOWN = lazy_pattern(r"[^ -~\u00a1-\u00ff\u0370-\u03ff\u2010-\u2022\u2212×·±]")  # what KaTeX may have no letter for
_LONGEST_TEXT = 200  # characters in a formula
_SIGN = lazy_pattern(r"[\\{}$&#_^~%]")
_AS_TEXT = {"\\": r"\textbackslash ", "^": r"\textasciicircum ", "~": r"\textasciitilde "}


def as_tex(text: str) -> str:
    """A shown number as TeX, where it stands in a formula."""

    def power(found: re.Match[str]) -> str:
        factor = "" if found[1] == "1" else rf"{found[1]} \times "
        return rf"{factor}10^{{{int(found[2])}}}"

    text = _UNKNOWN.sub("?", text[:_LONGEST_TEXT])
    if _TEX.search(text):  # a text of a manifest, which is shown and not executed
        return rf"\text{{{_SIGN.sub(lambda sign: _AS_TEXT.get(sign[0], rf'{chr(92)}{sign[0]}'), text)}}}"
    number, comma, runs = text.rpartition(", ") if " ± " in text else (text, "", "")
    shown = _EXPONENT.sub(power, number if comma else text).replace("%", r"\%")
    if comma:  # in braces, so that no line breaks between the mean and the interval
        shown = rf"{{{shown}}}\text{{, {runs}}}"
    return re.sub(r"(?<=\d),(?=\d{3})", "{,}", shown)
