"""Serving: a change is rebuilt and announced, errors are shown, and nothing of it gets into the site."""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from darkroom.core.errors import UsageError
from darkroom.press.rendering.layouts import policy_digest
from darkroom.press.serve import EVENTS, LiveSite, serve, start
from tests.press.projects import Project


@dataclass
class Served:
    """A site that is being served: its address, and what the terminal would show."""

    address: str
    lines: list[str] = field(default_factory=list)
    plans: list[float] = field(default_factory=list)

    def get(self, path: str) -> str:
        """The text at *path*."""
        with urlopen(self.address + path, timeout=10) as response:
            return response.read().decode()

    def wait_for(self, line: str) -> None:
        """Wait until the terminal shows *line*."""
        for _ in range(500):
            if any(line in shown for shown in self.lines):
                return
            time.sleep(0.02)
        pytest.fail(f"{line!r} never came; there is {self.lines}")


@contextmanager
def serving(project: Project) -> Iterator[Served]:
    """Serve *project* in a thread."""
    served = Served("")
    stop = threading.Event()

    def request():
        served.plans.append(time.monotonic())
        return project.request()

    options = {"port": 0, "folders": [project.root / "experiments"], "log": served.lines.append, "stop": stop}
    thread = threading.Thread(target=serve, args=(request,), kwargs=options, daemon=True)
    thread.start()
    try:
        served.wait_for("serving")
        served.address = next(line for line in served.lines if "serving" in line).split(" at ")[1].split("/ ")[0]
        time.sleep(0.3)  # the watch is set up after the line
        yield served
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def next_event(served: Served) -> threading.Event:
    """Set when the server sends the next event to a browser that listens from now on."""
    came = threading.Event()
    response = urlopen(served.address + EVENTS, timeout=20)

    def listen() -> None:
        with response:
            for line in response:
                if line.startswith(b"data:"):
                    came.set()
                    return

    threading.Thread(target=listen, daemon=True).start()
    return came


def test_a_change_is_on_the_page_and_the_browser_is_told(project: Project) -> None:
    """An edit is rebuilt, served and announced within a moment; the plan is not asked for it."""
    project.page("Before.")
    with serving(project) as served:
        assert "Before." in served.get("/")
        came = next_event(served)
        start_time = time.monotonic()
        project.page("After.")
        assert came.wait(10)
        elapsed = time.monotonic() - start_time
        assert "After." in served.get("/index.html")
        assert len(served.plans) == 1
    assert elapsed < 2  # 0.3 s on a machine that does nothing else


def test_an_error_is_shown_and_work_goes_on(project: Project) -> None:
    """A fault appears in the page and in the terminal, over the last good site; its mending takes it away."""
    project.page("Good.")
    with serving(project) as served:
        came = next_event(served)
        project.page("Bad $\\nope$ <b>.")
        assert came.wait(10)
        fault = "templates/pages/index.md:5:6 math: Undefined control sequence: \\nope"
        assert fault in served.lines
        page = served.get("/")
        assert "Good." in page
        assert fault in page
        came = next_event(served)
        project.page("Mended.")
        assert came.wait(10)
        page = served.get("/")
    assert "Mended." in page
    assert "alert" not in page


def test_new_outputs_ask_the_plan(project: Project) -> None:
    """A change outside the templates plans anew."""
    project.page("Text.")
    with serving(project) as served:
        came = next_event(served)
        project.outputs.add("part_b/a", state="stale", reasons=("params: n",))
        project.page("{{ experiments() }}", "reproduce")
        assert came.wait(10)
        served.wait_for("warning: experiments/outputs/part_b/a/manifest.json:1:1 stale")
        assert len(served.plans) > 1


def test_the_script_is_served_and_never_published(project: Project) -> None:
    """The script that reloads is in what the server sends and in no file of the site."""
    project.page("Text.")
    project.page("Lost.", "404", layout="missing", toc=False)
    with serving(project) as served:
        assert "EventSource" in served.get("/")
        assert "EventSource" not in project.html()
        with pytest.raises(HTTPError) as caught:
            served.get("/nowhere.html")
        assert caught.value.code == 404
        assert "Lost." in caught.value.read().decode()


def test_a_port_that_is_taken_is_one_line(project: Project) -> None:
    """The message says what to do."""
    project.page("Text.")
    live_site = LiveSite(project.request, print)
    server = start(live_site, 0)
    try:
        with pytest.raises(UsageError, match=r"^cannot serve on port \d+: .*; choose another with --port$"):
            start(live_site, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


# Who asks, and for what ------------------------------------------------------------------------------------------------


def ask(served: Served, request: str) -> bytes:
    """What the server sends to a request written out, until it hangs up."""
    host, port = served.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode("latin-1"))
        answer = b""
        while chunk := connection.recv(1 << 16):
            answer += chunk
    return answer


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost:x", "[::1"]
)
def test_it_answers_to_this_machine_alone(project: Project, host: str) -> None:
    """A name that somebody has led to this machine gets nothing of the site."""
    project.page("Text of the page.")
    with serving(project) as served:
        answer = ask(served, f"GET / HTTP/1.1\nHost: {host}\nConnection: close\n\n")
        assert answer.startswith(b"HTTP/1.1 403") and b"Text of the page" not in answer
        answer = ask(served, "GET / HTTP/1.1\nHost: localhost:80\nConnection: close\n\n")
        assert answer.startswith(b"HTTP/1.1 200") and b"Text of the page" in answer


@pytest.mark.parametrize(
    "path",
    ["/%00", "/" + "a" * 10_000, "/a%00.html", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/\xff", "//", "/%"],
)
def test_what_is_no_address_is_not_found(project: Project, path: str, capfd: pytest.CaptureFixture[str]) -> None:
    """It gets the page for addresses that lead nowhere, and the terminal nothing."""
    project.page("Text.")
    with serving(project) as served:
        answer = ask(served, f"GET {path} HTTP/1.1\nHost: localhost\nConnection: close\n\n")
        assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 414")) or b"<title>A page" in answer
        assert b"root:x:" not in answer
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["linked.txt", "linked.html", "linked/file.txt"])
def test_no_link_leads_out_of_the_project(
    name: str, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is not found; one that leads to a file of the project is served."""
    away = tmp_path_factory.mktemp("away")
    (away / "file.txt").write_text("SECRET")
    project.page("Text of the page.")
    with serving(project) as served:
        link = project.site / name.partition("/")[0]
        link.symlink_to(away if "/" in name else away / "file.txt")
        answer = ask(served, f"GET /{name} HTTP/1.1\nHost: localhost\nConnection: close\n\n")
        assert answer.startswith(b"HTTP/1.1 404") and b"SECRET" not in answer
        (project.site / "own.txt").symlink_to(project.site / "index.html")
        answer = ask(served, "GET /own.txt HTTP/1.1\nHost: localhost\nConnection: close\n\n")
        assert answer.startswith(b"HTTP/1.1 200") and b"Text of the page" in answer


@pytest.mark.parametrize(
    ("path", "swapped"),
    [
        ("/", "file"),
        ("/nowhere.html", "file"),
        ("/own.txt?a", "file"),
        ("/folder/own.txt", "file"),
        ("/folder/own.txt", "folder"),
        ("/folder/", "folder"),
    ],
)
def test_a_link_that_is_swapped_in_is_not_followed(
    project: Project,
    path: str,
    swapped: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither between the look at a file and its reading, nor in the place of the page for what is not there."""
    away = tmp_path_factory.mktemp("away")
    (away / "folder").mkdir()
    for place in (away, away / "folder"):
        for name in ("own.txt", "index.html", "404.html"):
            (place / name).write_text("SECRET")
    project.page("Text.")
    project.page("Not here.", "404", layout="missing", toc=False)
    with serving(project) as served:
        (project.site / "folder").mkdir()
        for name in ("own.txt", "folder/own.txt"):
            (project.site / name).write_text("mine")
        names = ["index.html", "404.html", "own.txt", "folder/own.txt"] if swapped == "file" else ["folder"]

        def swap() -> None:
            for name in names:
                place = project.site / name
                if not place.is_symlink():
                    place.rename(away / f"old-{name.replace('/', '-')}")
                    place.symlink_to(away / name)

        looked = os.path.realpath
        monkeypatch.setattr(os.path, "realpath", lambda path: (looked(path), swap())[0])
        for _ in range(2):
            answer = ask(served, f"GET {path} HTTP/1.1\nHost: localhost\nConnection: close\n\n")
            assert answer.startswith(b"HTTP/1.1 ") and b"SECRET" not in answer


@pytest.mark.parametrize("path", ["/", "/index.html", "/nowhere.html", "/sitemap.xml"])
def test_head_is_get_without_the_content(project: Project, path: str) -> None:
    """Length and type are those of GET."""
    project.page("Text.")
    with serving(project) as served:
        both = [
            ask(served, f"{verb} {path} HTTP/1.1\nHost: localhost\nConnection: close\n\n") for verb in ("GET", "HEAD")
        ]
    heads = [answer.partition(b"\r\n\r\n") for answer in both]
    kept = [[line for line in head.splitlines() if not line.startswith(b"Date")] for head, _, _ in heads]
    assert kept[0] == kept[1]
    assert heads[0][2] and not heads[1][2]


def test_slow_connections_are_hung_up_on(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold no more than a number of threads, and not for long; others are answered meanwhile and afterwards."""
    monkeypatch.setattr("darkroom.press.serve.WAIT_S", 1.0)
    project.page("Text.")
    with serving(project) as served:
        host, port = served.address.removeprefix("http://").split(":")
        before = threading.active_count()
        slow = [socket.create_connection((host, int(port)), timeout=15) for _ in range(200)]
        for connection in slow:
            with suppress(OSError):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: lo")
        assert threading.active_count() - before <= 70
        until = time.monotonic() + 10
        while threading.active_count() > before + 2 and time.monotonic() < until:
            for connection in slow:  # a byte now and then changes nothing
                with suppress(OSError):
                    connection.sendall(b"c")
            time.sleep(0.2)
        assert threading.active_count() <= before + 2
        assert "Text." in served.get("/")
        for connection in slow:
            connection.close()


def test_streams_keep_nobody_out(project: Project) -> None:
    """However many browsers wait for the next build, pages are served at once; those that came last are told of it."""
    project.page("Text.")
    with serving(project) as served:
        host, port = served.address.removeprefix("http://").split(":")
        streams = []
        for _ in range(100):
            stream = socket.create_connection((host, int(port)), timeout=15)
            stream.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            streams.append(stream)
        began = time.monotonic()
        for _ in range(5):
            assert "Text." in served.get("/")
        assert time.monotonic() - began < 8
        came = next_event(served)
        project.page("Other text.")
        assert came.wait(10)
        for stream in streams:
            stream.close()


def test_idle_connections_keep_nobody_out(project: Project) -> None:
    """Who has waited longest makes room for who comes."""
    project.page("Text.")
    with serving(project) as served:
        host, port = served.address.removeprefix("http://").split(":")
        idle = [socket.create_connection((host, int(port)), timeout=15) for _ in range(90)]
        began = time.monotonic()
        for _ in range(5):
            assert "Text." in served.get("/")
        assert time.monotonic() - began < 8  # less than they may wait
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(
    "hosts",
    [
        "Host: localhost\nHost: localhost",
        "Host: localhost\nHost: evil.example",
        "Host: evil.example\nHost: localhost",
        "host: localhost\nHOST: 127.0.0.1",
    ],
)
def test_a_request_has_one_host(project: Project, hosts: str) -> None:
    """Two are refused, whichever they are."""
    project.page("Text of the page.")
    with serving(project) as served:
        answer = ask(served, f"GET / HTTP/1.1\n{hosts}\nConnection: close\n\n")
    assert answer.startswith(b"HTTP/1.1 400") and b"Text of the page" not in answer


def test_what_follows_a_request_as_its_body_is_no_request(project: Project) -> None:
    """The connection is closed behind it."""
    project.page("Text of the page.")
    second = "GET /index.html HTTP/1.1\nHost: localhost\n\n"
    with serving(project) as served:
        answer = ask(served, f"GET / HTTP/1.1\nHost: localhost\nContent-Length: {len(second)}\n\n{second}")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_pages_keep_their_policy(project: Project) -> None:
    """It is widened by the digest of the script that reloads, and of the panel's style; nothing unsafe is in it."""
    project.page("Text.")
    project.page("Nothing.", "404", layout="missing", toc=False)
    with serving(project) as served:
        answers = [
            served.get("/"),
            ask(served, "GET /x.html HTTP/1.1\nHost: localhost\nConnection: close\n\n").decode(),
        ]
    for answer in answers:
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', answer)[1]
        assert "unsafe" not in policy and "'self'" not in re.search(r"script-src ([^;]*)", policy)[1]
        for script in re.findall(r"<script>(.+?)</script>", answer, re.DOTALL):
            assert policy_digest(script) in policy
        for style in re.findall(r"<style>(.*?)</style>", answer, re.DOTALL):
            assert policy_digest(style) in policy


def test_a_drawing_that_is_opened_by_itself_runs_nothing(project: Project) -> None:
    """The server says so for every file that is no page."""
    project.page("Text.")
    with serving(project) as served, urlopen(served.address + icon(project)) as got:
        assert "sandbox" in got.headers["Content-Security-Policy"]
        assert got.headers["X-Content-Type-Options"] == "nosniff"


def icon(project: Project) -> str:
    """The address of a file that is no page."""
    return "/" + next(project.site.glob("assets/favicon*")).relative_to(project.site).as_posix()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("templates/static/empty.png", b""),
        ("templates/site.toml", "title = 'ä'".encode("latin-1")),
        ("templates/pages/index.md", b"+++\ntitle = 'a'\ndescription = 'b'\n+++\n{{" + b"(" * 400 + b"}}"),
        ("templates/static/style.css", b"\xff"),
        ("templates/layouts/page.html", b"{{ 1 / 0 }}"),
    ],
)
def test_serving_goes_on_whatever_happens(project: Project, path: str, content: bytes) -> None:
    """The error is shown, the old site is served, and when it is mended the new one is."""
    project.page("Text.")
    target = project.root / path
    old = target.read_bytes() if target.exists() else None
    with serving(project) as served:
        target.write_bytes(content)
        for _ in range(500):
            if "darkroom-errors" in served.get("/") or "Text." not in served.get("/"):
                break
            time.sleep(0.02)
        assert "Text." in served.get("/")
        target.unlink() if old is None else target.write_bytes(old)
        project.page("Text, mended.")
        for _ in range(500):
            if "mended" in served.get("/"):
                return
            time.sleep(0.02)
    pytest.fail(f"it never came; there is {served.lines}")


def test_a_name_that_is_not_utf8_is_shown_and_serving_goes_on(project: Project) -> None:
    """The watch cannot tell of such a file; its fault is in the page and the terminal, and later edits are seen."""
    project.page("Text.")
    target = Path(os.fsdecode(os.fsencode(project.root) + b"/templates/static/\xff.png"))
    with serving(project) as served:
        try:
            target.write_bytes(b"x")
        except OSError:
            pytest.skip("this file system has no such names")
        for _ in range(500):
            if "not UTF-8" in served.get("/"):
                break
            time.sleep(0.02)
        assert "not UTF-8; rename the file" in served.get("/") and "Text." in served.get("/")
        target.unlink()
        for number in range(100):
            project.page(f"Mended {number}.")
            time.sleep(0.1)
            if "Mended" in (page := served.get("/")) and "darkroom-errors" not in page:
                return
    pytest.fail(f"it never came; there is {served.lines}")


def test_a_site_that_is_deleted_while_it_is_served_comes_back(project: Project) -> None:
    """Meanwhile nothing is found; the next change writes all of it."""
    project.page("Text.")
    with serving(project) as served:
        shutil.rmtree(project.site)
        assert ask(served, "GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n").startswith(b"HTTP/1.1 404")
        project.page("Text again.")
        for _ in range(500):
            with suppress(HTTPError):
                if "Text again." in served.get("/"):
                    return
            time.sleep(0.02)
    pytest.fail(f"it never came; there is {served.lines}")


BROKEN = (
    "Foo : x\nHost: localhost",
    "Host: localhost\nFoo",
    " x\nHost: localhost",
    "Host : a.b\nHost: localhost",
    ": x\nHost: localhost",
)
NO_REQUESTS = (
    "POST / HTTP/1.1",
    "<b>x</b> / HTTP/1.1",
    "GET / HTTP/9.9",
    f"GET /{'x' * 70_000} HTTP/1.1",
    "\x16\x03\x01",
)


def test_a_line_that_is_no_header_hides_none(project: Project) -> None:
    """What stands below it, such as the length of a body, is not read, so that the request is refused as a whole."""
    project.page("Text of the page.")
    second = "GET /index.html HTTP/1.1\nHost: localhost\n\n"
    with serving(project) as served:
        for lines in BROKEN:
            answer = ask(served, f"GET / HTTP/1.1\n{lines}\nContent-Length: {len(second)}\n\n{second}")
            assert answer.startswith(b"HTTP/1.1 400") and answer.count(b"HTTP/1.1 ") == 1, lines
            assert b"Text of the page" not in answer, lines


def test_what_is_no_request_gets_plain_text(project: Project) -> None:
    """No page without a policy, whatever was in the request."""
    project.page("Text.")
    with serving(project) as served:
        for line in NO_REQUESTS:
            answer = ask(served, f"{line}\nHost: localhost\n\n")
            body = answer.rpartition(b"\r\n\r\n")[2]
            assert body and b"<html" not in body and b"<b>" not in body and b"<!DOCTYPE" not in body, line
            assert b"text/plain" in answer or b"HTTP/1.1" not in answer, line


PARTS: dict[str, tuple[int, slice]] = {
    "bytes=0-9": (206, slice(0, 10)),
    "bytes=5-": (206, slice(5, None)),
    "bytes=-7": (206, slice(-7, None)),
    "bytes=0-999999999": (206, slice(0, None)),
    "bytes=-999999999": (206, slice(0, None)),
    "bytes=200000-": (416, slice(0)),
    "bytes=-0": (416, slice(0)),
    "bytes=9-2": (200, slice(0, None)),
    "bytes=0-1,3-4": (200, slice(0, None)),
    "bytes=-": (200, slice(0, None)),
    f"bytes={'9' * 5000}-": (200, slice(0, None)),
    "bytes=\xb2-3": (200, slice(0, None)),
    "lines=0-9": (200, slice(0, None)),
}


def test_a_part_of_a_file_can_be_asked_for(project: Project) -> None:
    """As browsers do of films; what is no such request gets the whole, or hears that there are no such bytes."""
    content = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 600
    (project.root / "templates/static/clip.mp4").write_bytes(content)
    project.page('<video src="clip.mp4" controls></video>')
    with serving(project) as served:
        address = "/" + next(project.site.glob("assets/clip.*")).relative_to(project.site).as_posix()
        for asked, (status, part) in PARTS.items():
            request = f"GET {address} HTTP/1.1\nHost: localhost\nRange: {asked}\nConnection: close\n\n"
            head, _, body = ask(served, request).partition(b"\r\n\r\n")
            assert head.startswith(f"HTTP/1.1 {status} ".encode()), asked
            assert body == (b"The file has no such bytes.\n" if status == 416 else content[part]), asked
            where = range(len(content))[part]
            shown = f"bytes {where.start}-{where.stop - 1}" if status == 206 else "bytes *"
            assert (f"Content-Range: {shown}/{len(content)}".encode() in head) == (status != 200), asked
        head = ask(served, f"HEAD {address} HTTP/1.1\nHost: localhost\nRange: bytes=1-2\nConnection: close\n\n")
        assert b"Content-Length: 2\r\n" in head and head.endswith(b"\r\n\r\n")
