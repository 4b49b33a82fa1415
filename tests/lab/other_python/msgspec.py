"""A stand-in for msgspec, as far as reading declarations needs it, for Pythons that have no packages."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any


class Struct:
    """Records with named fields; what is not given has its default."""

    def __init_subclass__(cls, tag: str = "", tag_field: str = "", **_: Any) -> None:
        cls._tag = (tag_field or getattr(cls, "_tag", ("", ""))[0], tag)

    def __init__(self, *values: Any, **named: Any) -> None:
        given = dict(zip(self._names(), values, strict=False)) | named
        self.__dict__.update(
            {name: given[name] if name in given else getattr(type(self), name) for name in self._names()}
        )

    @classmethod
    def _names(cls) -> list[str]:
        found = {name: kind for each in reversed(cls.__mro__) for name, kind in inspect.get_annotations(each).items()}
        return [name for name, kind in found.items() if "ClassVar" not in str(kind)]


def to_builtins(value: Any) -> Any:
    """Records as mappings, with their tags."""
    if isinstance(value, Struct):
        tag, kind = value._tag
        tagged = {tag: kind} if tag else {}
        return tagged | {name: to_builtins(each) for name, each in vars(value).items()}
    return [to_builtins(each) for each in value] if isinstance(value, list | tuple) else value


structs = SimpleNamespace(replace=None)
