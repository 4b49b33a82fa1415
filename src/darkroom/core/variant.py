"""What makes an experiment a variant of the declared one."""

from __future__ import annotations

from typing import Any

import msgspec


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A variant's name, and the parameters that were set for it, as a manifest holds them.

    Nothing is set where only the results that it takes are those of a variant.
    """

    name: str
    settings: dict[str, Any]
