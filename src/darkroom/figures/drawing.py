"""A drawn figure: the kind of its template, what that template needs, and the files it shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from darkroom.core.figure_layouts import KINDS, Layout

Json = None | bool | int | float | str | list[Any] | dict[str, Any]

_KIND = r"[a-z][a-z0-9_]*"
_FILE_NAME = r"[a-z0-9_][a-z0-9_.-]*"


class FigureError(ValueError):
    """A figure cannot be drawn; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Drawing:
    """A drawn figure, ready to be stored.

    ``kind`` names the template that shows it, ``layout`` is what that template needs, and ``files`` maps the file names
    that occur in the layout to their content. The layout has the type of its kind; that of a project's own kind is plain
    JSON.

    Raises:
        FigureError: a name is not ``[a-z0-9_.-]+``, a content is not bytes, or the layout is of another kind or not JSON.
    """

    kind: str
    layout: Layout | dict[str, Json]
    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        if not re.fullmatch(_KIND, self.kind):
            raise FigureError(f"kind {self.kind!r}: use lower-case letters, digits and _, such as 'tiles'")
        for name, content in self.files.items():
            if not re.fullmatch(_FILE_NAME, name):
                raise FigureError(
                    f"file name {name!r}: use lower-case letters, digits and _ . - (not . or - at the start)"
                )
            if not isinstance(content, bytes):
                raise FigureError(f"file {name!r}: the content is {type(content).__name__}, not bytes")
        if isinstance(self.layout, Layout) and KINDS.get(self.kind) is not type(self.layout):
            raise FigureError(
                f"kind {self.kind!r}: a layout of the type {type(self.layout).__name__} is of another kind"
            )
        import json

        try:
            json.dumps(msgspec.to_builtins(self.layout), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise FigureError(
                f"layout of a {self.kind!r}: {error}; use text, finite numbers, lists and dicts"
            ) from None
