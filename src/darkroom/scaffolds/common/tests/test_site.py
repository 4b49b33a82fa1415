"""The report as readers see it: its pages are compared with those in ``tests/snapshots``.

After a change on purpose: ``python -m pytest --snapshot-update``, and read the difference in git.
"""

from __future__ import annotations

from darkroom.testing import DarkroomSite, PageSnapshots


def test_pages_are_what_they_were(darkroom_site: DarkroomSite, page_snapshots: PageSnapshots) -> None:
    """The site builds without running code, and its pages say what they said."""
    page_snapshots.check(darkroom_site)
