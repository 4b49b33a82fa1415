"""The folder that is published into: what Darkroom did not write stays there, byte for byte, or the folder is refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from darkroom.core.errors import UsageError
from darkroom.core.paths import CANNOT_MOVE
from darkroom.press import build, write
from darkroom.press.write import RECORD
from tests.press.projects import ROOT, Project

GIT = ["git", "-c", "user.name=N", "-c", "user.email=n@example.org", "-c", "init.defaultBranch=main"]


def git(place: Path, *words: str) -> str:
    """What git says in a folder."""
    return subprocess.run([*GIT, *words], cwd=place, capture_output=True, text=True, check=True).stdout


def contents(place: Path) -> dict[str, bytes | str]:
    """Every file and link below a folder."""
    found = [path for path in sorted(place.rglob("*")) if path.is_symlink() or path.is_file()]
    return {
        path.relative_to(place).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in found
    }


def into(project: Project, site: Path) -> build.BuildReport:
    """Publish into a folder."""
    return build.build(msgspec.structs.replace(project.request(), site=site))


def refused(project: Project, site: Path) -> str:
    """The line that a folder is refused with; nothing in it has changed."""
    before = contents(site) if os.path.isdir(site) else None  # noqa: PTH112  # which is false for a name that is too long
    with pytest.raises(UsageError) as caught:
        into(project, site)
    assert "\n" not in str(caught.value)
    assert before is None or contents(site) == before
    return str(caught.value)


def test_a_folder_of_somebody_elses_is_refused(project: Project) -> None:
    """Whether or not it looks like a site: what decides is the record of what was written."""
    project.page("Text.")
    project.site.mkdir()
    (project.site / "thesis.tex").write_text("years")
    assert refused(project, project.site) == (
        f"{project.site} holds thesis.tex, which Darkroom did not write and will not overwrite; "
        "move it elsewhere, or choose another folder with --site"
    )
    for name in (".nojekyll", "index.html", "a/b.png", "c.txt", "d.txt"):
        (project.site / name).parent.mkdir(exist_ok=True)
        (project.site / name).write_text("")
    assert "holds a, c.txt, d.txt and 1 more, which" in refused(project, project.site)


@pytest.mark.parametrize("marked", [False, True])
def test_a_git_repository_is_refused(project: Project, marked: bool) -> None:
    """Its .git is never carried about, with a site of ours in it or without; the line says what to do instead."""
    project.page("Text.")
    pub = project.root / "pub"
    if marked:
        into(project, pub)
    pub.mkdir(exist_ok=True)
    git(pub, "init", "-q")
    (pub / "CNAME").write_text("example.org")
    (pub / "README.md").write_text("Mine.")
    git(pub, "add", "-A")
    git(pub, "commit", "-qm", "All")
    project.page("Changed.")
    said = refused(project, pub)
    assert f"{pub} is a git repository" in said and str(pub / "docs") in said and "git worktree add" in said
    assert git(pub, "status", "--porcelain") == ""
    into(project, pub / "docs")
    assert git(pub, "status", "--porcelain") == "?? docs/\n"


def test_a_work_tree_of_git_is_published_into(project: Project) -> None:
    """Its .git, which is a file, and the name of the site stay, and git goes on working there."""
    source, pub = project.root / "source", project.root / "pub"
    source.mkdir()
    git(source, "init", "-q")
    git(source, "commit", "-qm", "Empty", "--allow-empty")
    git(source, "worktree", "add", "-q", "-b", "gh-pages", str(pub))
    (pub / "CNAME").write_text("example.org")
    for text in ("One.", "Two.", "Three."):
        project.page(text)
        into(project, pub)
        git(pub, "add", "-A")
        git(pub, "commit", "-qm", text)
        assert text in (pub / "index.html").read_text()
    assert (pub / "CNAME").read_text() == "example.org"
    assert git(pub, "log", "--format=%s").split() == ["Three.", "Two.", "One.", "Empty"]


def test_what_was_added_to_a_site_stays(project: Project) -> None:
    """Files, links, folders and empty ones, over builds that change pages, remove them, and find nothing to do."""
    project.page("One.")
    project.page("Other.", "deep/two")
    project.build()
    added = project.site / "deep/notes"
    added.mkdir()
    (added / "plan.txt").write_text("a plan")
    (project.site / "google123.html").write_text("verified")
    (project.site / "away").symlink_to("/nowhere/at/all")
    (project.site / "here").symlink_to("deep", target_is_directory=True)
    (project.site / "empty").mkdir()
    foreign = {name: each for name, each in contents(project.site).items() if name not in project_files(project)}
    assert set(foreign) == {"deep/notes/plan.txt", "google123.html", "away", "here"}
    for change in (
        lambda: project.page("Two."),
        lambda: project.page("Three."),
        (project.pages / "deep/two.md").unlink,
        lambda: shutil.rmtree(project.root / ".darkroom/press", ignore_errors=True),
        lambda: project.page("Four."),
    ):
        change()
        project.build()
        assert contents(project.site).items() >= foreign.items()
        assert (project.site / "empty").is_dir()
        assert set(contents(project.site)) == project_files(project) | foreign.keys()
    assert not (project.site / "deep/two.html").exists()
    (project.site / "google123.html").unlink()
    project.page("Five.")
    project.build()
    assert not (project.site / "google123.html").exists()


def project_files(project: Project) -> set[str]:
    """What the record of the site names, and itself."""
    return {*json.loads((project.site / RECORD).read_bytes()), RECORD}


def test_a_page_of_ours_that_was_edited_stays_when_its_source_goes(project: Project) -> None:
    """Somebody may have written there since; one that is as we wrote it goes."""
    for name in ("index", "edited", "old"):
        project.page("Text.", name)
    project.build()
    (project.site / "edited.html").write_text("My own words.")
    for name in ("edited", "old"):
        (project.pages / f"{name}.md").unlink()
    for text in ("More.", "And more."):
        project.page(text)
        project.build()
        assert (project.site / "edited.html").read_text() == "My own words."
        assert not (project.site / "old.html").exists()


@pytest.mark.parametrize("name", ["new.html", "new.html/inside.txt", "assets"])
def test_what_stands_in_the_way_of_a_page_is_refused(project: Project, name: str) -> None:
    """A file where a page, its folder or a static file has to be."""
    project.page("Text.")
    project.build()
    if (project.site / name).is_dir():
        shutil.rmtree(project.site / name)
    (project.site / name).parent.mkdir(exist_ok=True)
    (project.site / name).write_text("mine")
    project.page("Text.", "new")
    assert f"holds {name}, which Darkroom did not write" in refused(project, project.site)


def test_the_same_bytes_are_nobodys_loss(project: Project) -> None:
    """A site that was built elsewhere, by a version without a record, is taken over where nothing in it differs."""
    project.page("Text.")
    project.build()
    shutil.rmtree(project.root / ".darkroom", ignore_errors=True)
    (project.site / RECORD).unlink()
    project.build()
    assert (project.site / RECORD).exists()
    shutil.rmtree(project.root / ".darkroom", ignore_errors=True)
    (project.site / RECORD).unlink()
    (project.site / "index.html").write_text("Other.")
    assert "holds index.html, which" in refused(project, project.site)


def test_a_record_without_its_files_protects_what_is_there(project: Project) -> None:
    """A record that was copied into another folder, or is damaged, makes nothing there ours to delete."""
    project.page("Text.")
    project.build()
    other = project.root / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years")
    for content in ((project.site / RECORD).read_bytes(), b"{", b"[]", b'{"a":' * 9999, b'{"thesis.tex": "00"}'):
        (other / RECORD).write_bytes(content)
        project.page(f"{content[:4]!r}")
        try:
            into(project, other)
        except UsageError as error:
            assert "did not write" in str(error)
        assert (other / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_a_record_that_is_no_file_is_refused(project: Project, kind: str) -> None:
    """And neither waited for nor followed."""
    project.page("Text.")
    project.build()
    shutil.rmtree(project.root / ".darkroom/press", ignore_errors=True)
    record = project.site / RECORD
    record.unlink()
    if kind == "fifo":
        os.mkfifo(record)
    elif kind == "folder":
        (record / "inside").mkdir(parents=True)
        (record / "inside/file").write_text("mine")
    else:
        record.symlink_to("/etc/hostname")
    project.page("More.")
    assert "which Darkroom did not write" in refused(project, project.site)


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_what_is_no_file_is_refused(project: Project, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be neither linked nor copied, and is not waited for."""
    project.page("Text.")
    project.build()
    path = project.site / "queue"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        import socket

        monkeypatch.chdir(project.site)
        socket.socket(socket.AF_UNIX).bind("queue")
    project.page("More.")
    assert "holds queue, which Darkroom did not write" in refused(project, project.site)


def test_a_link_is_written_where_it_leads(project: Project) -> None:
    """A link to a folder, to a link, to nothing yet: it stays a link."""
    project.page("One.")
    real, link, second = project.root / "real", project.root / "link", project.root / "second"
    link.symlink_to("real", target_is_directory=True)
    second.symlink_to(link)
    into(project, link)
    assert link.is_symlink() and "One." in (real / "index.html").read_text()
    project.page("Two.")
    into(project, second)
    assert second.is_symlink() and link.is_symlink() and "Two." in (real / "index.html").read_text()
    assert into(project, real).written == 0


def test_a_link_that_leads_nowhere_is_refused(project: Project) -> None:
    """One that leads in a circle, or to a file."""
    project.page("Text.")
    loop, file = project.root / "loop", project.root / "file"
    loop.symlink_to("loop")
    file.symlink_to("build.py")
    (project.root / "build.py").write_text("")
    assert (
        refused(project, loop) == f"{loop} is a symbolic link that leads in a circle; choose another folder with --site"
    )
    assert refused(project, file) == f"{file} is a file; choose a folder with --site"
    long = project.root / ("n" * 300)
    assert refused(project, long).endswith("File name too long; choose another folder with --site")
    latin = Path(os.fsdecode(os.fsencode(project.root) + b"/caf\xe9"))
    assert refused(project, latin).endswith("is not UTF-8; choose another folder with --site")


@pytest.mark.parametrize("name", [".", "..", "templates", "templates/static/site", "experiments/outputs/site", "/"])
def test_sources_and_site_are_kept_apart(project: Project, name: str) -> None:
    """The project's own folders are no place for its site."""
    project.page("Text.")
    with pytest.raises(UsageError, match=r"choose another folder with --site$"):
        into(project, project.root / name)
    assert (project.pages / "index.md").exists()


def test_what_is_written_during_a_build_stays(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are made, or saved anew, between the look at the folder and the swap are in the new site."""
    project.page("One.")
    project.build()
    (project.site / "notes.txt").write_text("old")
    swap = build.swap

    def late(new: Path, site: Path) -> None:
        saved = site / "notes.tmp"
        saved.write_text("new")
        saved.replace(site / "notes.txt")
        (site / "late").mkdir()
        (site / "late/one.txt").write_text("late")
        swap(new, site)

    monkeypatch.setattr(build, "swap", late)
    project.page("Two.")
    project.build()
    assert (project.site / "notes.txt").read_text() == "new"
    assert (project.site / "late/one.txt").read_text() == "late"
    assert "Two." in project.html()


@pytest.mark.parametrize("system", ["exchanges", "renames"])
@pytest.mark.parametrize("moment", ["before the swap", "within it"])
def test_a_site_that_becomes_a_link_while_it_is_built_is_refused(
    project: Project, tmp_path: Path, moment: str, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is taken out of the folder that it leads to, nor published from there; the next build writes where it leads."""
    away = tmp_path / "away"
    away.mkdir()
    (away / "treasure").write_text("kept")
    project.page("One.")
    project.build()
    swap, exchange, discard = build.swap, build.exchange, build._discard
    kept = tmp_path / "kept"

    def relink() -> None:
        if not kept.exists():
            project.site.rename(kept)
            project.site.symlink_to(away)

    if moment == "before the swap":
        monkeypatch.setattr(build, "swap", lambda new, site: (relink(), swap(new, site)))
    if system == "renames":
        monkeypatch.setattr(build, "exchange", lambda *_: False)
        monkeypatch.setattr(build, "_discard", lambda folder: (discard(folder), relink()))
    else:
        monkeypatch.setattr(build, "exchange", lambda new, site: (relink(), exchange(new, site))[1])
    project.page("Two.")
    with pytest.raises(UsageError, match=r"became a symbolic link while it was built; build again"):
        project.build()
    assert project.site.is_symlink() and contents(away) == {"treasure": b"kept"}
    monkeypatch.undo()
    with pytest.raises(UsageError, match="holds treasure"):
        into(project, project.site)
    project.site.unlink()
    project.build()
    assert "Two." in project.html()


def test_what_stands_where_a_new_site_is_made_is_not_followed(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link beside the site, on another file system than the caches', leads to files that stay."""
    away = tmp_path / "away"
    away.mkdir()
    (away / "treasure").write_text("kept")
    beside = project.site.with_name(".site.new")
    monkeypatch.setattr(build, "_scratch", lambda request: (beside, False))
    for name in (beside.name, f"{beside.name}.old"):
        beside.with_name(name).symlink_to(away)
        project.page(f"Text of {name}.")
        project.build()
        assert contents(away) == {"treasure": b"kept"} and f"Text of {name}" in project.html()


@pytest.mark.parametrize("missing", ["exchange", "links", "both"])
def test_systems_without_exchange_or_links_keep_it_too(
    project: Project, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two renames and copies do as well."""

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    if missing != "links":
        monkeypatch.setattr(build, "exchange", lambda *_: False)
    if missing != "exchange":
        monkeypatch.setattr(os, "link", refuse)
    project.page("The same.", "other")
    for text in ("One.", "Two.", "Three."):
        project.page(text)
        project.build()
        (project.site / "CNAME").write_text("example.org")
        (project.site / "here").unlink(missing_ok=True)
        (project.site / "here").symlink_to("index.html")
    project.page("Four.")
    project.build()
    assert "Four." in project.html() and "Four." in (project.site / "here").read_text()
    assert "The same." in project.html("other")
    assert (project.site / "CNAME").read_text() == "example.org"


def test_the_folder_keeps_its_mode(project: Project) -> None:
    """A folder that a group may write stays one."""
    project.page("One.")
    project.build()
    project.site.chmod(0o2775)
    project.page("Two.")
    project.build()
    assert project.site.stat().st_mode & 0o7777 == 0o2775


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EACCES])
def test_a_folder_that_cannot_be_replaced_is_filled(
    project: Project, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is mounted, or whose own folder may not be written: new files first, stale ones last, others untouched."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(build, "swap", refuse)
    project.page("One.")
    project.page("Text.", "deep/old")
    project.site.mkdir()
    inode = project.site.stat().st_ino
    project.build()
    (project.site / "notes.txt").write_text("mine")
    (project.pages / "deep/old.md").unlink()
    project.page("Two.")
    written: list[str] = []
    put = write._put
    monkeypatch.setattr(write, "_put", lambda path, content: (written.append(path.name), put(path, content))[1])
    project.build()
    assert written == [RECORD, "record.json", "index.html", RECORD]
    assert "Two." in project.html() and not (project.site / "deep").exists()
    assert (project.site / "notes.txt").read_text() == "mine" and project.site.stat().st_ino == inode
    assert set(contents(project.site)) == project_files(project) | {"notes.txt"}
    assert project.build().written == 0


def test_a_fill_that_fails_midway_is_finished_by_the_next_build(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it had written is known to be ours."""
    project.page("One.")
    project.page("One.", "other")
    project.build()
    (project.site / "notes.txt").write_text("mine")
    monkeypatch.setattr(build, "swap", lambda *_: (_ for _ in ()).throw(OSError(errno.EBUSY, "busy")))
    put = write._put
    for count in range(1, 8):
        calls = iter(range(1, 100))

        def failing(path: Path, content: bytes, calls: Iterator[int] = calls, count: int = count) -> None:
            if next(calls) == count:
                path.with_name(f".1{write.PART}").write_bytes(content[:3])
                raise KeyboardInterrupt
            put(path, content)

        monkeypatch.setattr(write, "_put", failing)
        style = project.root / "templates/static/style.css"
        style.write_text(style.read_text() + f"\n.new{count} {{ color: red }}\n")
        project.page(f"Text {count}.", f"new{count}")
        with suppress(KeyboardInterrupt):
            project.build()
        assert (project.site / "notes.txt").read_text() == "mine"
        monkeypatch.setattr(write, "_put", put)
        (project.pages / f"new{count}.md").unlink()
        project.page(f"Other {count}.", "other")
        project.build()
        assert set(contents(project.site)) == project_files(project) | {"notes.txt"}
        assert f"Other {count}." in project.html("other") and f".new{count}" in project.html()


KILLED = """
import os, sys, traceback
from pathlib import Path
from darkroom.press import build as publish, write as folder
from tests.press.projects import Project
from tests.press.samples import Outputs
root, exchange = Path(sys.argv[1]), sys.argv[2] == "True"
calls = 0
def watched(original):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), 9)
        return original(*arguments, **options)
    return call
if not exchange:
    publish.exchange = lambda *_: False
for name in ("link", "unlink", "rename", "replace", "rmdir", "symlink"):
    setattr(os, name, watched(getattr(os, name)))
publish.exchange, publish._write_file = watched(publish.exchange), watched(publish._write_file)
for count in map(int, sys.stdin):
    if child := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    try:
        Project(root, Outputs(root / "experiments/outputs")).build()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
"""


@pytest.mark.parametrize("exchange", [True, False])
def test_a_kill_at_any_step_loses_nothing(project: Project, exchange: bool) -> None:
    """Killed before every single link, rename and removal of a build, what is not ours is there after the next one.

    It is there in the meantime too, but for the moment between the two renames of a system that cannot exchange folders.
    """
    for text in ("One.", "Two."):
        project.page(text)
        project.page(text, "old")
        project.build()
    (project.pages / "old.md").unlink()
    (project.site / "notes").mkdir()
    (project.site / "notes/plan.txt").write_text("a plan")
    (project.site / "here").symlink_to("index.html")
    foreign = {"notes/plan.txt": b"a plan", "here": "index.html"}
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", KILLED, str(project.root), str(exchange)]
    with subprocess.Popen(
        command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as builder:
        assert builder.stdin and builder.stdout
        for count in range(1, 400):
            text = f"Text {count}."
            project.page(text)
            print(count, file=builder.stdin, flush=True)
            code = int(builder.stdout.readline())
            there = contents(project.site)
            assert there.items() >= foreign.items() or (not exchange and not there), count
            if code != -signal.SIGKILL:
                assert code == 0
                break
            if count % 3 == 0:
                project.build()
                assert contents(project.site).items() >= foreign.items()
                assert text in project.html()
        builder.stdin.close()
    assert 5 < count < 399


def test_entries_are_files_links_and_empty_folders(tmp_path: Path) -> None:
    """Links are not followed, wherever they lead."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/c").write_text("")
    (tmp_path / "loop").symlink_to(".")
    assert sorted(path for path, _ in write.entries(tmp_path)) == ["a/b", "a/c", "loop"]
    assert list(write.entries(tmp_path / "nowhere")) == []


@pytest.mark.parametrize(
    ("what", "code"),
    [
        *((each, errno.EXDEV) for each in ("link", "rename", "rename_of_folders")),
        *(("all", code) for code in sorted(CANNOT_MOVE)),
    ],
)
def test_a_file_system_that_refuses(what: str, code: int, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links, renames, those of folders alone, or all of it at once: the site is brought to what it should be."""

    def refusing(call: Callable[..., object], *, folders: bool) -> Callable[..., object]:
        def refuse(one: str, other: str, **options: object) -> object:
            if folders and not Path(one).is_dir():
                return call(one, other, **options)
            raise OSError(code, os.strerror(code), one, None, other)

        return refuse

    project.page("First.")
    project.page("Second.", "b")
    project.build()
    if what != "rename":
        monkeypatch.setattr(os, "link", refusing(os.link, folders=False))
    if what != "link":
        monkeypatch.setattr(build, "exchange", lambda one, other: False)
        for name in ("rename", "replace"):
            monkeypatch.setattr(os, name, refusing(getattr(os, name), folders=what == "rename_of_folders"))
    for text in ("First, changed.", "First, changed again."):
        project.page(text)
        project.build()
        assert text in project.html() and "Second." in project.html("b")
    assert not [path.name for path in project.root.iterdir() if path.name.startswith(".site")]
