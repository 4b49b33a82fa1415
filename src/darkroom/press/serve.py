"""Serving while writing: changes are rebuilt and the browser reloads; errors are shown, and serving goes on.

The script that reloads is added to a page as it is served. The site itself has none.
"""

from __future__ import annotations

import html
import os
import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import FileIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

from darkroom.core.caches import LARGEST
from darkroom.core.errors import ContentError, DarkroomError, Fault, UsageError
from darkroom.core.paths import open_within, read_whole
from darkroom.core.patterns import lazy_pattern
from darkroom.press.build import BuildReport, SiteRequest, build
from darkroom.press.rendering.layouts import policy_digest

EVENTS = "/.darkroom/events"
POLICY = lazy_pattern(r'(<meta http-equiv="Content-Security-Policy" content=")([^"]*)(")')
RELOAD = """
new EventSource("/.darkroom/events").onmessage = () => {
  sessionStorage.setItem("darkroom-scroll", scrollY);
  location.reload();
};
addEventListener("load", () => {
  const y = sessionStorage.getItem("darkroom-scroll");
  sessionStorage.removeItem("darkroom-scroll");
  if (y !== null) scrollTo(0, Number(y));
});
"""
PANEL_STYLE = """
.darkroom-errors { position: fixed; inset: auto 0 0; z-index: 99; max-height: 60vh; overflow: auto; padding: 1rem
1.5rem; background: #2b1210; color: #ffd9d3; border-top: 3px solid #e5533d; white-space: pre-wrap;
font: 14px/1.5 ui-monospace, monospace }
"""
PANEL = f'<style>{PANEL_STYLE}</style><div role="alert" class="darkroom-errors">%s</div>'
NOTHING = (
    '<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src \'none\'"><title>Darkroom</title>'
)
DEBOUNCE_MS = 40
OURS = lazy_pattern(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
RANGE = lazy_pattern(r"bytes=(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})")
FOR_OTHERS = b"This server only answers requests to this machine's own names.\n"
TWO_HOSTS = b"A request must have exactly one Host header.\n"
NO_HEADERS = b"The headers of this request are not well-formed.\n"
NO_RANGE = b"The file has no such bytes.\n"
WAIT_S = 10.0  # to receive a request, or to send an answer
MOST = 64  # connections at a time
STREAMS = 24  # of them, those that wait for the next build
STEP_S, STILL_HERE_S = 0.4, 5.0  # between messages that keep a stream alive and show whether it is still read
AT_ONCE_S = 0.5  # within which watching fails where it cannot work
PATIENCE_S = 1.0  # for a closed connection to end
LONGEST = 2_000  # characters of an address
PIECE = 1 << 16  # bytes that are sent at once
OPENED_DIRECTLY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"  # of files such as a drawing


def with_reload(page: str, errors: str) -> str:
    """A page with the script that reloads it, and a panel with *errors* if there are any, both allowed by its policy."""
    panel = PANEL % html.escape(errors) if errors else ""

    def widened(policy: re.Match[str]) -> str:
        directives: dict[str, str] = {}
        for each in filter(str.strip, policy[2].split(";")):
            directives[each.split(maxsplit=1)[0]] = each.strip().partition(" ")[2]
        for name, source in (
            ("script-src", f"'{policy_digest(RELOAD)}'"),
            ("style-src", f"'{policy_digest(PANEL_STYLE)}'"),
            ("connect-src", "'self'"),
        ):
            known = directives.get(name, directives.get("default-src", "")).replace("'none'", "")
            directives[name] = f"{known} {source}".strip()
        return policy[1] + "; ".join(f"{name} {sources}" for name, sources in directives.items()) + policy[3]

    return f"{POLICY.sub(widened, page, count=1)}{panel}<script>{RELOAD}</script>"


class LiveSite:
    """The outcome of the last build, and who waits for the next."""

    def __init__(self, request: Callable[[], SiteRequest], log: Callable[[str], None]) -> None:
        self._make_request, self._log = request, log
        self._changed = threading.Condition()
        self.version = 0
        self.errors: tuple[str, ...] = ()
        self.request = request()

    def rebuild(self, replan: bool) -> None:
        """Build again; with *replan* the experiments are planned again first.

        Any error is shown, and serving goes on.
        """
        try:
            if replan:
                self.request = self._make_request()
            report = build(self.request)
        except ContentError as error:
            self._announce(tuple(map(str, error.faults)), warnings=error.warnings)
        except DarkroomError as error:
            self._announce((str(error),))
        except Exception as error:  # a bug in this program; the next build may succeed
            said = " ".join(str(error).split())
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            self._announce((f"the build failed: {type(error).__name__}: {said} ({where}); the old site is served",))
        else:
            self._announce((), report)

    def _announce(
        self, errors: tuple[str, ...], report: BuildReport | None = None, warnings: tuple[Fault, ...] = ()
    ) -> None:
        for line in errors:
            self._log(line)
        if report and report.written:
            self._log(f"{report.written} of {report.files} files written")
        for warning in report.warnings if report else warnings:
            self._log(f"warning: {warning}")
        with self._changed:
            if errors != self.errors or errors or (report and report.written):
                self.version += 1
            self.errors = errors
            self._changed.notify_all()

    def wait(self, version: int, seconds: float) -> int:
        """The number of the current build, as soon as it is not *version* or the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != version, seconds)
            return self.version


class Handler(SimpleHTTPRequestHandler):
    """Serves the site's files; pages get the script, and the errors of the last build."""

    protocol_version = "HTTP/1.1"
    timeout = WAIT_S
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"
    server: Server

    def __init__(self, *arguments: object, live_site: LiveSite) -> None:
        self.live_site = live_site
        super().__init__(*arguments, directory=str(live_site.request.site))  # type: ignore[arg-type]

    def handle_one_request(self) -> None:
        """Wait for a request, not for ever, and answer it."""
        self.server.waiting[self.connection] = time.monotonic()
        try:
            super().handle_one_request()
        finally:
            self.server.waiting.pop(self.connection, None)

    def do_GET(self) -> None:
        """Answer a request: events, a page, or any other file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer as to GET, without the content."""
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        self.server.waiting.pop(self.connection, None)
        path = self.path.partition("?")[0]
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body, which would be read as the next request
        if self.headers.defects:  # a line that is none hides the headers below it
            self.close_connection = True
            self._send(400, "text/plain; charset=utf-8", NO_HEADERS, with_body)
        elif len(self.headers.get_all("Host", [])) > 1:
            self.close_connection = True
            self._send(400, "text/plain; charset=utf-8", TWO_HOSTS, with_body)
        elif not self._is_for_us():
            self._send(403, "text/plain; charset=utf-8", FOR_OTHERS, with_body)
        elif path == EVENTS:
            self._events(with_body)
        else:
            place = self._place(path)
            file = self._opened(place)
            if file is None or place.suffix == ".html":
                self._page(file, with_body)
            else:
                self._file_itself(file, self.guess_type(str(place)), with_body)

    def _is_for_us(self) -> bool:
        """Whether the request names this machine, and not a foreign name that resolves to it."""
        return OURS.fullmatch(self.headers.get("Host", "").lower()) is not None

    def _place(self, path: str) -> Path:
        """Where the file at an address would be."""
        place = Path(self.translate_path(path[:LONGEST]))
        return place / "index.html" if path.endswith("/") else place

    def _opened(self, place: Path) -> FileIO | None:
        """The file there, or None where there is none, or where a link leads out of the site and the project."""
        request = self.live_site.request
        try:
            return open_within(place, (request.site, request.root))
        except (OSError, ValueError):
            return None

    def _file_itself(self, opened: FileIO, kind: str, with_body: bool) -> None:
        """A file, or the part of it that is asked for, as browsers do of films; it is sent as it is read."""
        with opened:
            size = os.fstat(opened.fileno()).st_size
            part = _part(self.headers.get("Range", ""), size)
            if part is not None and part.start >= size:
                wrong = {"Content-Range": f"bytes */{size}"}
                self._send(416, "text/plain; charset=utf-8", NO_RANGE, with_body, wrong)
                return
            given = {"Accept-Ranges": "bytes", "Content-Security-Policy": OPENED_DIRECTLY}
            if part is not None:
                given["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
            sent = part if part is not None else range(size)
            self._begin(200 if part is None else 206, kind, len(sent), given)
            if with_body:
                self._copy(opened, sent)

    def _copy(self, file: FileIO, part: range) -> None:
        file.seek(part.start)
        left = len(part)
        while left and (piece := file.read(min(left, PIECE))):
            self.wfile.write(piece)
            left -= len(piece)
        self.close_connection = self.close_connection or left > 0  # the file has become shorter

    def _page(self, file: FileIO | None, with_body: bool) -> None:
        status = 404 if file is None else 200
        content = NOTHING
        with suppress(OSError, ValueError):
            shown = file or self._opened(self.live_site.request.site / "404.html")
            if shown is not None:
                with shown:
                    content = read_whole(shown, LARGEST).decode(errors="replace")
        errors = "\n".join(self.live_site.errors)  # which may name files that are not UTF-8
        body = with_reload(content, errors).encode(errors="backslashreplace")
        self._send(status, "text/html; charset=utf-8", body, with_body)

    def _send(
        self, status: int, kind: str, body: bytes, with_body: bool, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._begin(status, kind, len(body), headers)
        if with_body:
            self.wfile.write(body)

    def _begin(self, status: int, kind: str, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _events(self, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if with_body:
            self.server.add_stream(self.connection)
        version, sent_at = self.live_site.version, time.monotonic()
        try:
            while self.server.has_stream(self.connection):
                now = self.live_site.wait(version, STEP_S)
                if now != version or time.monotonic() - sent_at > STILL_HERE_S:
                    self.wfile.write(b": still here\n\n" if now == version else f"data: {now}\n\n".encode())
                    self.wfile.flush()
                    version, sent_at = now, time.monotonic()
        except OSError:
            return
        finally:
            self.server.drop_stream(self.connection)

    def end_headers(self) -> None:
        """Close the headers; nothing that is served while writing is to be kept by the browser, or read as another type."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Do not log requests."""


def _part(asked: str, size: int) -> range | None:
    """The bytes that a Range header asks for of *size*, or None for all; a part that there is not begins at *size*."""
    found = RANGE.fullmatch(asked.strip())
    if not found or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        length = min(int(found["last"]), size)
        return range(size - length, size)
    first = int(found["first"])
    if found["last"] and int(found["last"]) < first:
        return None  # RFC 9110, 14.1.2: such a header is ignored
    return range(min(first, size), min(int(found["last"]) + 1, size) if found["last"] else size)


class Server(ThreadingHTTPServer):
    """Answers in a limited number of threads, and closes connections that take too long to send a request."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        self.waiting: dict[socket.socket, float] = {}
        self._streams: dict[socket.socket, None] = {}
        self._room = threading.BoundedSemaphore(MOST)
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; if there are too many, close the longest idle connection, or else the new one."""
        if not self._room.acquire(blocking=False):
            self._hang_up_on_the_oldest()
            if not self._room.acquire(timeout=PATIENCE_S):
                self.shutdown_request(request)
                return
        super().process_request(request, client_address)

    def add_stream(self, connection: socket.socket) -> None:
        """Add a browser that waits for the next build; if there are too many, the oldest is closed, and may reconnect."""
        with self._lock:
            self._streams[connection] = None
            oldest = next(iter(self._streams)) if len(self._streams) > STREAMS else None
            self._streams.pop(oldest, None) if oldest else None
        if oldest:
            _hang_up(oldest)

    def has_stream(self, connection: socket.socket) -> bool:
        """Whether a browser's stream is still open."""
        with self._lock:
            return connection in self._streams

    def drop_stream(self, connection: socket.socket) -> None:
        """Remove a browser that has disconnected."""
        with self._lock:
            self._streams.pop(connection, None)

    def _hang_up_on_the_oldest(self) -> None:
        waiting = sorted(self.waiting.items(), key=lambda each: each[1])
        if waiting:
            self.waiting.pop(waiting[0][0], None)
            _hang_up(waiting[0][0])

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The same, and free its place for another connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def service_actions(self) -> None:
        """Close connections that have sent no complete request for long."""
        late = time.monotonic() - WAIT_S
        for connection, since in list(self.waiting.items()):
            if since < late:
                self.waiting.pop(connection, None)
                _hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do not report broken connections."""


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def start(live_site: LiveSite, port: int, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """A server for *live_site* that answers in threads of its own; ``server_address`` has the port if *port* is 0.

    Raises:
        UsageError: the port is taken.
    """
    try:
        server = Server((host, port), partial(Handler, live_site=live_site))
    except (OSError, OverflowError) as error:
        said = error.strerror if isinstance(error, OSError) else "no such port"
        raise UsageError(f"cannot serve on port {port}: {said}; choose another with --port") from None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def watch(live_site: LiveSite, folders: Iterable[Path], stop: threading.Event) -> None:
    """Rebuild at every change in *folders*, until *stop* is set; a change outside the templates asks the plan again."""
    from watchfiles import watch as changes

    templates, theme = str(live_site.request.templates), str(live_site.request.theme)
    ours = tuple(str(path) for path in (live_site.request.site, live_site.request.cache, f"{templates}/node_modules"))

    def relevant(_: object, path: str) -> bool:
        return not path.startswith(ours) and "/.scratch/" not in path and not path.endswith((".lock", "~", ".swp"))

    polling = False
    while not stop.is_set():
        existing = [folder for folder in folders if folder.exists()]
        began = time.monotonic()
        try:
            for batch in changes(
                *existing, watch_filter=relevant, debounce=DEBOUNCE_MS, step=10, stop_event=stop, force_polling=polling
            ):
                live_site.rebuild(any(not path.startswith((templates, theme)) for _, path in batch))
        except (RuntimeError, OSError):  # a name that is not UTF-8, a folder that is gone, more than the system watches
            polling = polling or time.monotonic() - began < AT_ONCE_S
            if not stop.wait(AT_ONCE_S):
                live_site.rebuild(replan=True)


def serve(
    request: Callable[[], SiteRequest],
    *,
    port: int = 8000,
    folders: Iterable[Path] = (),
    log: Callable[[str], None] = print,
    stop: threading.Event | None = None,
) -> None:
    """Build, serve on this machine alone, and rebuild at every change, until interrupted.

    Args:
        request: called at the start and whenever something other than a template changes; it may plan anew.
        port: where to listen; 0 picks a free one.
        folders: what to watch beside the templates, such as experiments and sources.
        log: where lines for the terminal go.
        stop: ends the serving when set.

    Raises:
        UsageError: the port is taken.
    """
    live_site = LiveSite(request, log)
    server = start(live_site, port)
    try:
        live_site.rebuild(replan=False)
        log(f"serving {live_site.request.site} at http://127.0.0.1:{server.server_address[1]}/ (Ctrl-C ends it)")
        watch(live_site, [live_site.request.templates, live_site.request.theme, *folders], stop or threading.Event())
    finally:
        server.shutdown()
        server.server_close()
