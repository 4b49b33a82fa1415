"""Seconds and bytes as text for readers, and durations as people write them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Such as "0.4 s", "42 s", "3 min", "3 min 5 s", "1 h 12 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_LONGEST_S = 1e9  # thirty years


def seconds(text: str) -> float:
    """The seconds of a duration such as "42 s", "7 min", "1 h 12 min", "2.5h" or "1:12:30".

    Raises:
        ValueError: it is not a duration.
    """
    import re

    clock = re.fullmatch(r"(?:(\d{1,6}):)?(\d{1,6}):(\d\d)", text.strip(), re.ASCII)
    parts = re.findall(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]+)", text, re.ASCII)
    if clock:
        found = int(clock[1] or 0) * 3600.0 + int(clock[2]) * 60.0 + int(clock[3])
    elif (
        parts
        and all(unit in _SECONDS for _, unit in parts)
        and re.fullmatch(r"(?:\s*\d+(?:\.\d+)?\s*[a-z]+,?)+\s*", text, re.ASCII)
    ):
        found = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    else:
        raise ValueError(f"{text[:40]!r} is not a duration; write one such as '42 s', '7 min' or '1 h 12 min'")
    if not 0 < found < _LONGEST_S:
        raise ValueError(f"{text[:40]!r} is not a duration that a computation takes")
    return found


def size(count: int) -> str:
    """In powers of a thousand, such as "512 B", "34 kB", "1.2 MB"."""
    if count < 1000:
        return f"{count} B"
    if count < 999_500:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 999_950_000 else f"{count / 1e9:.1f} GB"
