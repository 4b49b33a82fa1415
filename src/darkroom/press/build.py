"""Publishing: the site is written next to the old one and swapped in atomically.

A build that fails, or is killed, leaves the old site as it was; one that changes nothing writes nothing to it. Files
that Darkroom did not write stay in the folder, or the folder is refused (see ``write``).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from stat import S_IMODE, S_ISDIR
from typing import TYPE_CHECKING, Any

import msgspec

from darkroom.core import caches, locks
from darkroom.core.digests import Digests
from darkroom.core.errors import ContentError, Fault, Locked, UsageError, explained
from darkroom.core.exchange import exchange
from darkroom.core.garbage import collected_seldom
from darkroom.core.manifest import Status
from darkroom.core.paths import CANNOT_MOVE, copy_file, write_file
from darkroom.press import write
from darkroom.press.files import MATH, Content, Copy, Kept, Places, Stamped, digest_of
from darkroom.press.inputs import BuildRecord, Inputs, load, unchanged
from darkroom.press.theme import BASE, Theme, theme_of

if TYPE_CHECKING:
    from darkroom.press.content.command_line import CommandLine
    from darkroom.press.content.outlines import Outline
    from darkroom.press.site.site import Site

VERSION = 3  # of what is cached, and of the rules for published files


class SiteRequest(msgspec.Struct, frozen=True):
    """What to build and where: the project's *root*, its *templates* and *outputs*, the *site*, a deletable *cache*.

    A *site* that is a symbolic link is written where it leads.

    ``statuses`` are the states that the plan gives. With ``strict`` what is stale, missing or damaged is a fault.
    Files of *templates* replace those of the ``theme`` one by one, unless the project is ``untrusted``. ``digests`` are by
    default those that the cache holds. ``command_line`` describes the program's, for a page that shows it.
    """

    root: Path
    templates: Path
    outputs: Path
    site: Path
    cache: Path
    statuses: Sequence[Status]
    strict: bool = False
    untrusted: bool = False
    theme: Path = BASE
    digests: Digests | None = None
    command_line: Callable[[], CommandLine] | None = None


class BuildReport(msgspec.Struct, frozen=True):
    """The result of a build: *pages* and *files* of the site, how many were *written*, and warnings.

    The site's record of its own files is not counted.
    """

    pages: int
    files: int
    written: int
    warnings: tuple[Fault, ...]


def current(request: SiteRequest) -> BuildReport | None:
    """The last build's report, if building again would change nothing, else None.

    That is judged by times and sizes of files, and by their content where those have changed.

    Raises:
        UsageError: the site is not a folder.
    """
    request = _resolved(request)
    last, digests = load(_record_path(request)), _digests(request)
    if last.identity != _identity(request, digests):
        return None
    site = os.fspath(request.site)
    if not unchanged(last.inputs, digests):
        return None
    try:
        if not digests.agree(((f"{site}/{target}", each) for target, each in last.outputs.items()), links=False):
            return None
    except OSError:  # reported by the build
        return None
    if request.digests is None:
        digests.save()
    warnings = tuple(Fault(*fault) for fault in last.warnings)
    return BuildReport(last.pages, len(last.outputs) - 1, 0, warnings)


def build(request: SiteRequest) -> BuildReport:
    """Build the site.

    Raises:
        ContentError: with every fault found; the site is left as it was.
        UsageError: the site cannot be written, or holds files of others that cannot stay; KaTeX is not available, or
            another build is running.
    """
    request = _resolved(request)
    write.refuse_sources(request.site, request.root, (request.templates, request.outputs, request.cache))
    _claim_caches(request)
    with collected_seldom(), _lock(request):
        last, digests = load(_record_path(request)), _digests(request)
        digests.look_again()
        inputs = Inputs(digests)
        made = _make(request, inputs, last)
        try:
            written, touched = _publish(request, made, last, digests)
        except OSError as error:
            raise _unwritable(request, error) from None
        _remember(request, made, inputs, touched)
    pages = len(made.cache.pages)
    return BuildReport(pages, len(made.files) - 1, written, made.warnings)


def published(request: SiteRequest) -> tuple[Outline, ...]:
    """The pages of the site that was built last, in reading order."""
    from darkroom.press.content.navigation import in_order
    from darkroom.press.site.cache import read_cache

    pages = read_cache(_pages_path(_resolved(request))).pages
    return tuple(in_order({url: page.outline for url, page in pages.items()}))


def compare(request: SiteRequest) -> BuildReport:
    """Check the sources as ``build`` does and the site against them, changing nothing.

    Raises:
        ContentError: with every fault.
    """
    request = _resolved(request)
    _claim_caches(request)
    made = _make(request, Inputs(Digests()), BuildRecord(), reuse=False, all_missing=True)
    faults = [fault for target, content in made.files.items() for fault in _differs(request, target, content)]
    if faults:
        raise ContentError(faults, made.warnings)
    return BuildReport(len(made.cache.pages), len(made.files) - 1, 0, made.warnings)


def pages(request: SiteRequest) -> tuple[dict[str, str], bytes]:
    """The pages of the site as it would be built now, by their addresses, and its record; nothing is written but caches.

    Raises:
        ContentError: with every fault.
    """
    request = _resolved(request)
    _claim_caches(request)
    made = _make(request, Inputs(Digests()), BuildRecord(), reuse=False)
    found = {url: content for url, content in made.files.items() if url.endswith(".html")}
    record = made.files["record.json"]
    assert isinstance(record, bytes)  # as nothing is kept
    return {url: content.decode() for url, content in found.items() if isinstance(content, bytes)}, record


def used_experiments(request: SiteRequest) -> dict[str, str]:
    """The experiments that pages refer to, each with the first file that does; nothing is written but caches.

    Raises:
        ContentError: a page cannot be read, so that it is unknown what it refers to.
    """
    from darkroom.press.site.uses import uses

    request = _resolved(request)
    _claim_caches(request)
    inputs = Inputs(Digests())
    return uses(_places(request, inputs.digests), inputs, request.statuses)


def idle_caches(request: SiteRequest) -> Iterator[tuple[list[Path], str]]:
    """Caches that no build would read, and why: of sites that are gone, and of formulas that pages no longer have.

    Which formulas those are is not known; but all formulas of the pages together are shorter than the pages.
    """
    from darkroom.press.site.cache import read_cache

    request = _resolved(request)
    formulas = request.cache / MATH
    pages = sum(page.bytes for page in read_cache(_pages_path(request)).pages.values())
    if formulas.is_file() and formulas.stat().st_size > 2 * pages + _FEW_BYTES:
        why = "at least half of it formulas that no page has any longer; a build makes the others again"
        yield [formulas], why
    for record in sorted(request.cache.glob("press-????????.json")):
        site = str((load(record).identity or [""] * 5)[4])
        name = record.name.removesuffix(".json")
        if site and record != _record_path(request) and not os.path.lexists(site):
            yield sorted(request.cache.glob(f"{name}.*")), f"of {site}, which is gone"


_FEW_BYTES = 1_000_000


def _resolved(request: SiteRequest) -> SiteRequest:
    return msgspec.structs.replace(request, site=write.real_folder(request.site))


def _differs(request: SiteRequest, target: str, content: Content) -> Iterator[Fault]:
    path = request.site / target
    digest = digest_of(content)
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        found = ""
    if found != digest:
        state = "is out of date" if found else "is missing"
        yield Fault(_places(request, Digests()).shown(path), 1, 1, "site", f"{state}; run python build.py")


def _claim_caches(request: SiteRequest) -> None:
    """Remove anything in the place of a cache that is not one, such as a link that leads elsewhere.

    Raises:
        UsageError: that is not allowed.
    """
    cache = request.cache
    base = request.root if cache.is_relative_to(request.root) else cache.parent
    spare = _record_path(request).with_suffix(".spare")
    try:
        caches.claim(base, cache, ("press.lock", *(f"{MATH}{suffix}" for suffix in ("", "-journal", "-wal", "-shm"))))
        for place in (cache / "fonts", cache / "jinja", spare, _set_aside(spare)):
            caches.claim(base, place)
    except OSError as error:
        raise UsageError(f"{_first(error, request)}; the old site is untouched") from None


# Inputs and outputs of the last build ---------------------------------------------------------------------------------


def _record_path(request: SiteRequest) -> Path:
    name = hashlib.sha256(os.fspath(request.site).encode()).hexdigest()[:8]
    return request.cache / f"press-{name}.json"


def _pages_path(request: SiteRequest) -> Path:
    return _record_path(request).with_suffix(".pages.json")


def _identity(request: SiteRequest, digests: Digests) -> list[Any]:
    """Everything besides files that a build depends on."""
    states = [[status.id, status.state, list(status.reasons), list(status.figures)] for status in request.statuses]
    digest = hashlib.sha256(repr(states).encode()).hexdigest()
    places = [os.fspath(path) for path in (request.root, request.templates, request.outputs, request.site)]
    places += [os.fspath(request.theme), os.fspath(_theme(request, digests).packages)]
    return [VERSION, *places, request.strict, request.untrusted, os.environ.get("DARKROOM_BASE_URL"), digest]


def _digests(request: SiteRequest) -> Digests:
    return request.digests or Digests(request.cache / "digests.json")


def _remember(request: SiteRequest, made: Site, inputs: Inputs, touched: Iterable[str]) -> None:
    import msgspec

    digests, site = inputs.digests, os.fspath(request.site)
    for target in touched:
        digests.note(f"{site}/{target}", made.digests[target])
    digests.save()
    last = BuildRecord(
        identity=_identity(request, digests),
        pages=len(made.cache.pages),
        inputs=inputs.snapshot(),
        outputs=dict(made.digests),
        warnings=[(w.path, w.line, w.column, w.rule, w.message) for w in made.warnings],
    )
    try:
        caches.write(_pages_path(request), msgspec.json.encode(made.cache))
        caches.write(_record_path(request), msgspec.json.encode(last))
    except UnicodeEncodeError:  # a name on disk that is not UTF-8: nothing is cached
        return
    except OSError as error:
        raise UsageError(f"{_first(error, request)}; the site itself is built") from None


def _places(request: SiteRequest, digests: Digests) -> Places:
    theme = _theme(request, digests)
    return Places(request.root, request.templates, request.outputs, request.site, request.cache, theme)


def _theme(request: SiteRequest, digests: Digests) -> Theme:
    return theme_of(None if request.untrusted else request.templates, request.cache, digests, request.theme)


def _make(
    request: SiteRequest, inputs: Inputs, last: BuildRecord, reuse: bool = True, all_missing: bool = False
) -> Site:
    from darkroom.press.content.command_line import CommandLine
    from darkroom.press.site.cache import SiteCache, read_cache
    from darkroom.press.site.site import make_site

    outputs = last.outputs
    pages = read_cache(_pages_path(request)) if reuse and outputs else SiteCache({})

    def kept(url: str) -> bool:
        return url in outputs and inputs.digests.is_whole(f"{request.site}/{url}", outputs[url])

    made = make_site(
        _places(request, inputs.digests),
        inputs,
        pages,
        kept,
        statuses=request.statuses,
        strict=request.strict,
        all_missing=all_missing,
        command_line=request.command_line or CommandLine,
    )
    digests = {target: digest_of(content) for target, content in made.files.items()}
    own = write.record_of(digests)
    files = {**made.files, write.RECORD: own}
    return msgspec.structs.replace(made, files=files, digests={**digests, write.RECORD: digest_of(own)})


# Writing --------------------------------------------------------------------------------------------------------------


def _publish(request: SiteRequest, made: Site, last: BuildRecord, digests: Digests) -> tuple[int, Iterable[str]]:
    """Make the site hold what was *made*; returns how many files were written, and which were written or linked anew."""
    scratch, spare = _scratch(request)
    for place in (scratch, _set_aside(scratch)):
        if place.is_symlink():
            place.unlink()
    _put_back(scratch, request.site)
    _sweep(request.cache)
    wanted, site = made.digests, os.fspath(request.site)
    intact = digests.whole(site, wanted)
    ours = write.written_by_us(request.site, last.outputs)
    others = write.others(request.site, ours, wanted)
    if len(intact) == len(wanted) and _files_in(request.site) <= wanted.keys() | set(others):
        return 0, ()
    written, touched = _write(request.site, scratch, made, intact, digests)
    try:
        write.carry_over(request.site, scratch, others)
        swap(scratch, request.site)
    except OSError as error:
        if error.errno not in CANNOT_MOVE:  # such as a mounted folder, or one that may not be moved
            raise
        write.fill(request.site, scratch, ours, wanted)
        if not spare:
            _discard(scratch)
        return written, wanted
    write.bring_back(scratch, request.site, ours.keys() | wanted.keys())
    if not spare:
        _discard(scratch)
    elif not scratch.exists():
        _link_all(request.site, scratch, made.files)
        touched = wanted
    return written, touched


def _link_all(site: Path, spare: Path, targets: Iterable[str]) -> None:
    """Make a spare copy of a first site, if the file system has links."""
    made: set[str] = set()
    for target in targets:
        path = f"{spare}/{target}"
        above = os.path.dirname(path)  # noqa: PTH120
        if above not in made:
            os.makedirs(above, exist_ok=True)  # noqa: PTH103
            made.add(above)
        if not _link(f"{site}/{target}", path):
            return


def _files_in(place: Path) -> set[str]:
    return {path for path, mode in write.entries(place) if not S_ISDIR(mode)}


def _scratch(request: SiteRequest) -> tuple[Path, bool]:
    """Where the new site is written, on the site's own file system, and whether what is left there may stay.

    In the cache it may: the site of the build before last, out of sight, and most of the next one is already in it.
    """
    parent = request.site.parent
    parent.mkdir(parents=True, exist_ok=True)
    spare = request.cache.stat().st_dev == parent.stat().st_dev or not os.access(parent, os.W_OK)
    return (_record_path(request).with_suffix(".spare") if spare else parent / f".{request.site.name}.new"), spare


def _write(
    site: Path, scratch: Path, made: Site, intact: Collection[str], digests: Digests
) -> tuple[int, Iterable[str]]:
    """Make *scratch* hold the site as it was *made*: files that are *intact* on the old site are linked.

    Nothing in *scratch* is written over, since it may be linked to what is on the site now. Returns how many files were
    written, and which were written or linked.
    """
    surplus = _files_in(scratch)
    folders: set[str] = set()
    written, touched = 0, list[str]()
    site_root, new = os.fspath(site), os.fspath(scratch)
    for target, content in made.files.items():
        path = f"{new}/{target}"
        is_intact = target in intact
        if target in surplus:
            surplus.remove(target)
            if is_intact and digests.is_also(f"{site_root}/{target}", path):
                continue
            os.unlink(path)  # noqa: PTH108  # thousands of files
        touched.append(target)
        above = os.path.dirname(path)  # noqa: PTH120
        if above not in folders:
            os.makedirs(above, exist_ok=True)  # noqa: PTH103
            folders.add(above)
        if is_intact and _link(f"{site_root}/{target}", path):
            continue
        if isinstance(content, Kept):  # the file system has no links
            _copy_kept(f"{site_root}/{target}", path)
        else:
            _write_file(path, content)
        written += target != write.RECORD
    for name in surplus:
        (scratch / name).unlink()
    _drop_empty_folders(scratch)
    return written, touched


def _discard(folder: Path) -> None:
    import shutil  # importing it takes milliseconds, which a build with nothing to do should not take

    shutil.rmtree(folder, ignore_errors=True)


def _drop_empty_folders(root: Path) -> None:
    for place, folders, names in os.walk(root, topdown=False):
        if not names and not folders and Path(place) != root:
            with suppress(OSError):
                os.rmdir(place)  # noqa: PTH106


def _link(old: str, new: str) -> bool:
    try:
        os.link(old, new)
    except OSError:
        return False
    return True


def _copy_kept(published: str, path: str) -> None:
    try:
        copy_file(published, path)
    except FileNotFoundError:
        raise FileNotFoundError(2, "it was removed while the site was built; build again", published) from None


def _write_file(path: str, content: Copy | Stamped | bytes) -> None:
    if isinstance(content, Copy):
        copy_file(content.source, path)
        return
    content = content.made(content.source) if isinstance(content, Stamped) else content
    write_file(path, content)


def swap(new: Path, site: Path) -> None:
    """Swap *new* and *site*, atomically if the system can.

    Raises:
        UsageError: *site*, which was a folder, is now a symbolic link; it stays one.
    """
    if site.is_symlink():
        raise _became_a_link(site)
    if not site.exists():
        new.rename(site)
        return
    new.chmod(S_IMODE(site.stat().st_mode))
    if exchange(new, site):
        if new.is_symlink():
            exchange(new, site)
            raise _became_a_link(site)
        return
    old = _set_aside(new)
    _discard(old)
    site.rename(old)
    if old.is_symlink():
        old.rename(site)
        raise _became_a_link(site)
    try:
        new.rename(site)
    except OSError:
        old.rename(site)
        raise
    old.rename(new)


def _became_a_link(site: Path) -> UsageError:
    return UsageError(f"{site} became a symbolic link while it was built; build again")


def _sweep(cache: Path) -> None:
    """Remove what killed builds left half written in the caches."""
    for place in (cache, cache / "jinja", cache / "fonts", cache.parent / "lab"):
        for leftover in place.glob(".*.*"):
            if leftover.suffix[1:].isdigit() and leftover.suffix[1:] != str(os.getpid()) and leftover.is_file():
                with suppress(OSError):
                    if time.time() - leftover.stat().st_mtime > _LEFT_S:
                        leftover.unlink()


_LEFT_S = 60  # older than any write of a cache takes


def _set_aside(new: Path) -> Path:
    """Where the old site is for a moment, on a system that cannot exchange two folders."""
    return new.with_name(new.name + ".old")


def _put_back(scratch: Path, site: Path) -> None:
    """Put the old site back where a killed build had set it aside."""
    if _set_aside(scratch).exists() and not site.exists():
        _set_aside(scratch).rename(site)


def _first(error: OSError, request: SiteRequest) -> str:
    """What was refused, without what to do; a system that does not name the file had one of the site or the caches."""
    if error.filename is None and error.errno:
        error = OSError(error.errno, error.strerror, f"{request.site} or {request.cache}")
    return explained(error).partition(";")[0]


def _unwritable(request: SiteRequest, error: OSError) -> UsageError:
    return UsageError(f"{_first(error, request)}; the old site is untouched")


@contextmanager
def _lock(request: SiteRequest) -> Iterator[None]:
    def taken() -> Locked:
        return Locked(f"another build is writing {request.site}; wait for it, or stop it")

    with ExitStack() as stack:
        try:
            request.cache.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locks.hold(request.cache / "press.lock", taken, timeout_s=20))
        except OSError as error:
            raise UsageError(f"{_first(error, request)}; the old site is untouched") from None
        yield
