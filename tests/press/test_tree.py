"""The project's own files: what of them is no file, cannot be read or leads elsewhere, and what is in another encoding."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from darkroom.core.errors import ContentError
from darkroom.press import inputs
from darkroom.press.typeset import tree
from tests.press.projects import Project

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % (b"ab" * 32)


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """End a test that hangs."""

    def ended(*_: object) -> None:
        raise TimeoutError("it waits for something")

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a page, a picture and a node_modules that is none of its own."""
    for name in ("pages/index.md", "static/a.png", "layouts/page.html", "site.toml", "node_modules/x/bad"):
        path = tmp_path / "project/templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    (tmp_path / "project/templates/node_modules/x/bad").unlink()
    (tmp_path / "project/templates/node_modules/x/bad").symlink_to("/nowhere")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    return tmp_path / "project"


def told(root: Path) -> list[str]:
    """The faults of a project's files, in a few seconds at most."""
    with within(20):
        faults = tree.faults_of(root / "templates", root, lambda path: path.relative_to(root).as_posix())
    return sorted(map(str, faults))


def test_plain_files_have_no_fault(root: Path) -> None:
    """Links to files and folders of the project neither, nor hidden files, nor packages."""
    static = root / "templates/static"
    (static / "b.png").symlink_to("a.png")
    (static / "pages").symlink_to("../pages")
    (static / ".hidden").symlink_to("/nowhere")
    (root / "pictures/deep").mkdir(parents=True)
    (static / "pictures").symlink_to(root / "pictures")
    assert told(root) == []


LINKS = {
    "dangling": ("gone.png", "a link that leads nowhere (to gone.png)"),
    "to itself": ("x.png", "a link that cannot be followed (Too many levels of symbolic links)"),
    "to the folder": (".", "a link to a folder that contains it ({root}/templates/static)"),
    "to the one above": ("..", "a link to a folder that contains it ({root}/templates)"),
    "to the project": ("../..", "a link to a folder that contains it ({root})"),
    "to a file outside": (
        "../../../outside/secret",
        "a link out of the project (to {root}/../outside/secret); replace",
    ),
    "to a folder outside": ("../../../outside", "a link out of the project (to {root}/../outside); replace"),
    "to the system": ("/etc/passwd", "a link out of the project (to /etc/passwd); replace"),
    "to a device": ("/dev/zero", "a link out of the project (to /dev/zero); replace"),
    "through a file": ("a.png/b", "a link that cannot be followed (Not a directory)"),
}


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("folder", ["static", "pages", "layouts"])
def test_links_that_lead_elsewhere_are_faults(root: Path, name: str, folder: str) -> None:
    """At the link, and none is followed."""
    target, problem = LINKS[name]
    (root / "templates" / folder / "a.png").write_text("text")
    (root / "templates" / folder / "x.png").symlink_to(target)
    (fault,) = told(root)
    expected = problem.format(root=root).replace(f"{root}/..", f"{root.parent}").replace("/static", f"/{folder}")
    assert fault.startswith(f"templates/{folder}/x.png:1:1 link: {expected}")


def test_links_in_a_circle_through_others_are_faults(root: Path) -> None:
    """Two folders that link to each other are gone through once each."""
    static = root / "templates/static"
    (static / "one").mkdir()
    (static / "two").mkdir()
    (static / "one/two").symlink_to("../two")
    (static / "two/one").symlink_to("../one")
    faults = told(root)
    assert [fault.partition(":")[0] for fault in faults] == [
        "templates/static/one/two/one",
        "templates/static/two/one/two",
    ]


def test_links_that_multiply_files_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty folders that hold two links to the next one each are two to the power of thirty files."""
    monkeypatch.setattr(tree, "MOST", 2000)
    for number in range(30):
        folder = root / f"templates/static/{number}"
        folder.mkdir()
        for name in "ab":
            (folder / name).symlink_to(f"../{number + 1}")
    (root / "templates/static/30").mkdir()
    (fault,) = told(root)
    assert "file: more than 2,000 files, or links that multiply them" in fault


def test_what_is_no_file_is_a_fault_and_not_waited_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipes, sockets, folders in place of files, and files in place of folders."""
    templates = root / "templates"
    os.mkfifo(templates / "static/pipe.css")
    os.mkfifo(templates / "pages/pipe.md")
    monkeypatch.chdir(templates / "static")
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    (templates / "references.bib").mkdir()
    assert told(root) == [
        "templates/pages/pipe.md:1:1 file: a pipe, not a file",
        "templates/references.bib:1:1 file: a folder, where a file belongs",
        "templates/static/pipe.css:1:1 file: a pipe, not a file",
        "templates/static/socket:1:1 file: a socket, not a file",
    ]
    server.close()


def test_what_may_not_be_read_is_a_fault(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file by its permissions (asked of the system, since tests may run as root), a folder that cannot be listed."""
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("a.png"))
    scandir = os.scandir

    def refused(path: str) -> object:
        if path.endswith("layouts"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert told(root) == [
        "templates/layouts:1:1 file: cannot be read: Permission denied",
        "templates/static/a.png:1:1 file: cannot be read: Permission denied",
    ]


def test_pointers_of_git_lfs_are_faults(root: Path) -> None:
    """Wherever a file is: what was to be there was never fetched."""
    names = ["pages/index.md", "static/a.png", "static/film.mp4", "static/font.woff2", "site.toml", "layouts/page.html"]
    for name in names:
        (root / "templates" / name).write_bytes(LFS)
    problem = "a Git LFS pointer, not the file itself; fetch it with git lfs pull"
    assert set(told(root)) == {f"templates/{name}:1:1 file: {problem}" for name in names}


def test_names_that_cannot_be_published_are_faults(root: Path) -> None:
    """Bytes that are no UTF-8, and names that leave no room for a digest."""
    static = os.fsencode(root / "templates/static")
    try:
        os.close(os.open(static + b"/caf\xe9.png", os.O_CREAT | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    os.close(os.open(static + b"/" + b"n" * 241, os.O_CREAT | os.O_WRONLY))
    long, latin = sorted(told(root), key=len, reverse=True)
    assert long.endswith(":1:1 file: a name of 241 bytes; the limit is 240")
    assert latin.endswith(":1:1 file: a name that is not UTF-8; rename the file")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("ein\ngröße".encode("latin-1"), "2:3 encoding: not UTF-8; save the file as UTF-8"),
        ("é ü".encode() + b"\xff", "1:4 encoding: not UTF-8; save the file as UTF-8"),
        ("text".encode("utf-16"), "1:1 encoding: UTF-16, not UTF-8; save the file as UTF-8"),
        ("a\ntext".encode("utf-16-le"), "1:2 encoding: a NUL character; save the file as UTF-8"),
        ("ä".encode()[:1], "1:1 encoding: not UTF-8; save the file as UTF-8"),
        (b"\xed\xa0\x80", "1:1 encoding: not UTF-8; save the file as UTF-8"),
        (LFS, "1:1 file: a Git LFS pointer, not the file itself; fetch it with git lfs pull"),
    ],
)
def test_another_encoding_is_a_fault_at_its_place(content: bytes, place: str) -> None:
    """Columns count characters."""
    with pytest.raises(ContentError) as caught:
        tree.decode(content, "f")
    assert str(caught.value) == f"f:{place}"


def test_a_byte_order_mark_is_no_text() -> None:
    """Editors of one system write it."""
    assert tree.decode(b"\xef\xbb\xbf\xc3\xa4", "f") == "ä"


def test_a_build_tells_every_file_in_another_encoding(project: Project) -> None:
    """Bibliography, settings, style sheet, script, layout, drawing and page, at line and column, in one build or two."""
    templates = project.root / "templates"
    project.page("Text.")
    latin = "\n/* größe */".encode("latin-1")
    (templates / "layouts/page.html").write_bytes((templates / "layouts/page.html").read_bytes() + latin)
    with pytest.raises(ContentError) as caught:
        project.build()
    lines = (templates / "layouts/page.html").read_bytes().count(b"\n") + 1
    assert str(caught.value) == f"templates/layouts/page.html:{lines}:6 encoding: not UTF-8; save the file as UTF-8"
    (templates / "layouts/page.html").write_bytes((templates / "layouts/page.html").read_bytes().removesuffix(latin))
    for name in ("references.bib", "site.toml", "static/x.css", "static/y.JS", "static/z.svg", "pages/two.md"):
        (templates / name).write_bytes(latin)
    with pytest.raises(ContentError) as caught:
        project.build()
    told = {line.split(" ")[0] for line in str(caught.value).splitlines()}
    names = ("references.bib", "site.toml", "static/x.css", "static/y.JS", "pages/two.md")
    assert told >= {f"templates/{name}:2:6" for name in names} and "templates/static/z.svg:2:1" in told
    assert not project.site.exists()


def test_a_build_waits_for_no_pipe_and_follows_no_link_out(project: Project) -> None:
    """All of them at once, and the site of before stands."""
    project.page("Text.")
    project.build()
    before = project.html()
    static = project.root / "templates/static"
    os.mkfifo(static / "pipe.png")
    (static / "passwd").symlink_to("/etc/passwd")
    (static / "loop").symlink_to(".")
    (project.pages / "gone.md").symlink_to("nowhere.md")
    with within(60), pytest.raises(ContentError) as caught:
        project.build()
    assert [fault.path for fault in caught.value.faults] == [
        "templates/pages/gone.md",
        "templates/static/loop",
        "templates/static/passwd",
        "templates/static/pipe.png",
    ]
    assert project.html() == before


def test_a_file_that_fails_while_it_is_read_is_a_fault(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that gives up is told at the file."""
    project.page("Text.")
    read = inputs.read_plain

    def failing(path: Path, *limits: object, **options: object) -> bytes:
        if path.name == "site.toml":
            raise OSError(5, "Input/output error", os.fspath(path))
        return read(path, *limits, **options)

    monkeypatch.setattr(inputs, "read_plain", failing)
    with pytest.raises(ContentError, match=r"^templates/site\.toml:1:1 file: cannot be read: Input/output error$"):
        project.build()


@pytest.mark.parametrize("name", ["con.md", "NUL.png", "a\u200bb.md", "a\u202eb.md", "a.md.", "a .", "a\nb.md"])
def test_names_that_other_systems_cannot_store_are_faults(root: Path, name: str) -> None:
    """A clone on Windows would lack them, or fail."""
    (root / "templates/pages" / name).write_text("text")
    (fault,) = told(root)
    assert "a name that Windows cannot store" in fault


@pytest.mark.parametrize(
    "name", ["console.md", "über uns.md", "a-b_c (1).md", "日本.md", "a&b#c.md", "a?b.md", "e\u0301.md"]
)
def test_names_that_they_can_store_are_none(root: Path, name: str) -> None:
    (root / "templates/pages" / name).write_text("text")
    assert told(root) == []
