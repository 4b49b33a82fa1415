"""A plugin of pytest: the report of a project as its tests see it.

pytest loads it by itself where Darkroom is installed. ``darkroom_site`` is the site as it is built now, without running
code, and ``page_snapshots`` compares its pages with those stored in ``tests/snapshots``::

    def test_pages_are_as_stored(darkroom_site, page_snapshots):
        page_snapshots.check(darkroom_site)

Nothing but pytest is imported until a test asks for one of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

import pytest

UPDATE = "--snapshot-update"
_RENEW = f"python -m pytest {UPDATE}"
_WAIT_S = 600  # for a build that another worker has started


@pytest.hookimpl(trylast=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> None:
    """Add the option, once all other plugins are loaded, if none of them has it, as syrupy does."""
    _, unknown = parser.parse_known_and_unknown_args([UPDATE])
    if UPDATE in unknown:
        group = parser.getgroup("darkroom")
        group.addoption(UPDATE, action="store_true", default=False, help="renew stored snapshots of pages")


class DarkroomSite:
    """A built site.

    Attributes:
        folder: where it is; it is built again by the next run, so tests must not write into it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def pages(self) -> dict[str, str]:
        """The HTML of every page by its address, such as ``docs/index.html``."""
        from darkroom.press.snapshots import pages_in

        return pages_in(self.folder)


class PageSnapshots:
    """Pages as they were: in a folder, a file for each.

    Args:
        folder: where they are.
        renew: whether they are written rather than compared.
    """

    def __init__(self, folder: Path, renew: bool) -> None:
        self.folder, self.renew = folder, renew

    def check(self, site: DarkroomSite, *names: str, also: Collection[str] = ()) -> None:
        """Fail with the differences if pages are not what they were.

        Where there are no snapshots at all they are written, with a warning; on a server, where the variable ``CI`` is set,
        that is a failure.

        Args:
            site: with the pages.
            names: the addresses of pages, such as ``index.html``; none for every page.
            also: what else counts: ``"provenance"``, ``"digests"``, ``"styles"``.
        """
        from darkroom.press.snapshots import PARTS, difference, names_of, normalised

        __tracebackhide__ = True
        if not PARTS.keys() >= {*also}:
            raise ValueError(f"also={also!r}: choose from {', '.join(PARTS)}")
        if lost := [name for name in names if name not in site.pages]:
            pytest.fail(f"no page {', '.join(lost)}; there are {', '.join(site.pages)}", pytrace=False)
        wanted = names or tuple(site.pages)
        digests = names_of(site.folder)
        now = {url: normalised(site.pages[url], also, digests) for url in wanted}
        if self.renew:
            self._write(now, is_all=not names)
            return
        if not self.folder.exists():
            self._begin(now)
            return
        stored = {url: path.read_text(encoding="utf-8") for url, path in self._stored() if not names or url in names}
        texts = [f"{url}: new, without a snapshot" for url in now.keys() - stored.keys()]
        texts += [f"{url}: gone" for url in stored.keys() - now.keys()]
        texts += [
            difference(stored[url], now[url], (f"stored/{url}", f"now/{url}"))
            for url in now
            if stored.get(url, now[url]) != now[url]
        ]
        if texts:
            advice = f"If this is as it should be, renew the snapshots with {_RENEW}, and commit them."
            pytest.fail("\n".join([*texts, advice]), pytrace=False)

    def _stored(self) -> Iterator[tuple[str, Path]]:
        for path in sorted(self.folder.rglob("*.html")):
            yield path.relative_to(self.folder).as_posix(), path

    def _begin(self, now: dict[str, str]) -> None:
        """Write the first snapshots.

        Raises:
            pytest.fail.Exception: this is a server, where they would be lost.
        """
        __tracebackhide__ = True
        if os.environ.get("CI"):
            pytest.fail(f"{self.folder} does not exist; run {_RENEW}, and commit it", pytrace=False)
        self._write(now, is_all=True)
        warnings.warn(f"{self.folder} was written, with {len(now)} pages; commit it", stacklevel=3)

    def _write(self, now: dict[str, str], *, is_all: bool) -> None:
        """Write snapshots; if these are all, those of pages that are gone are removed."""
        for url, text in now.items():
            path = self.folder / url
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for url, path in list(self._stored()) if is_all else ():
            if url not in now:
                path.unlink()


@pytest.fixture(scope="session")
def darkroom_site(pytestconfig: pytest.Config) -> DarkroomSite:
    """The site of the project that is tested, built into a folder of its caches without running any of its code."""
    from darkroom.core import locks

    root = pytestconfig.rootpath
    caches = root / ".darkroom"
    if not ((root / "templates").is_dir() and (root / "experiments").is_dir()):
        pytest.fail(f"{root} is not a Darkroom project: it needs the folders templates and experiments", pytrace=False)
    caches.mkdir(exist_ok=True)
    folder = caches / "tested-site"
    environment = {name: value for name, value in os.environ.items() if name != "DARKROOM_BASE_URL"}
    with locks.hold(caches / "tested-site.lock", _is_busy, timeout_s=_WAIT_S):
        done = subprocess.run(
            [sys.executable, "-m", "darkroom", "--no-run", "--site", str(folder)],
            cwd=root,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    if done.returncode:
        faults = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
        pytest.fail("\n".join(["the site cannot be built:", *faults]), pytrace=False)
    return DarkroomSite(folder)


def _is_busy() -> Exception:
    return TimeoutError("another run of the tests is still building the site")


@pytest.fixture
def page_snapshots(request: pytest.FixtureRequest) -> PageSnapshots:
    """The pages that are stored beside a test, in ``snapshots``."""
    return PageSnapshots(request.path.parent / "snapshots", bool(request.config.getoption(UPDATE)))
