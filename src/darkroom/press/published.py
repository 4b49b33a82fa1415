"""What other formats are made of: the pages and the settings of the site that was built last."""

from __future__ import annotations

import os
from collections.abc import Sequence

from darkroom.core.errors import UsageError, nearest
from darkroom.press.build import SiteRequest, published
from darkroom.press.content.calls import listed
from darkroom.press.content.outlines import Outline
from darkroom.press.content.settings import SiteSettings, read_site


def pages_of(request: SiteRequest, names: Sequence[str], command: str) -> Sequence[Outline]:
    """The pages of these names, such as ``part-a``, or all of the navigation; *command* is for messages.

    Raises:
        UsageError: there is no such page, or none at all.
    """
    known = {page.url.removesuffix(".html"): page for page in published(request)}
    if not known:
        raise UsageError(f"{command}: no page is in the navigation; give one an order in its front matter")
    chosen = [name.removesuffix(".md").removesuffix(".html") for name in names] or list(known)
    for name in chosen:
        if name not in known:
            raise UsageError(f"{command}: no page {name!r}{nearest(name, known) or listed('; there are', known)}")
    return [known[name] for name in dict.fromkeys(chosen)]


def settings_of(request: SiteRequest) -> SiteSettings:
    """What ``site.toml`` says, with the address that the environment gives."""
    path = request.templates / "site.toml"
    return read_site(path.read_text(encoding="utf-8"), path.name, os.environ.get("DARKROOM_BASE_URL"))
