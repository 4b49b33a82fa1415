"""Serving: a change is rebuilt and announced, errors are shown, and nothing of it gets into the site."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from darkroom.lab.errors import UsageError
from darkroom.press.serve import EVENTS, Workshop, serve, start
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
    workshop = Workshop(project.request, print)
    server = start(workshop, 0)
    try:
        with pytest.raises(UsageError, match=r"^cannot serve on port \d+: .*; choose another with --port$"):
            start(workshop, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
