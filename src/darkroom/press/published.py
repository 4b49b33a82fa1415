"""What other formats are made of: the pages and the settings of the site that was built last."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase

from darkroom.core.errors import UsageError, nearest
from darkroom.press.build import SiteRequest, published
from darkroom.press.content.calls import listed
from darkroom.press.content.navigation import report_of
from darkroom.press.content.outlines import Outline
from darkroom.press.content.settings import SiteSettings, read_site


def pages_of(request: SiteRequest, names: Sequence[str], command: str) -> Sequence[Outline]:
    """The pages of these names, such as ``part-a`` or ``docs/*``; *command* is for messages.

    Without names those of the navigation, but for parts of the site that have a folder of their own.

    Raises:
        UsageError: there is no such page, or none at all.
    """
    pages = published(request)
    known = {page.url.removesuffix(".html"): page for page in pages if page.meta.order is not None}
    if not known:
        raise UsageError(f"{command}: no page is in the navigation; give one an order in its front matter")
    if not names:
        return report_of(pages) or list(known.values())
    chosen: dict[str, Outline] = {}
    for name in (each.removesuffix(".md").removesuffix(".html") for each in names):
        found = {each: page for each, page in known.items() if name == each or fnmatchcase(each, name)}
        if not found:
            raise UsageError(f"{command}: no page {name!r}{nearest(name, known) or listed('; there are', known)}")
        chosen |= found
    return list(chosen.values())


def settings_of(request: SiteRequest) -> SiteSettings:
    """What ``site.toml`` says, with the address that the environment gives."""
    path = request.templates / "site.toml"
    return read_site(path.read_text(encoding="utf-8"), path.name, os.environ.get("DARKROOM_BASE_URL"))
