"""Serving while writing: what changed is rebuilt and the browser reloads; an error is shown and work goes on.

The script that reloads is added to a page as it is served. The site itself has none.
"""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, Iterable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from darkroom.lab.errors import ContentError, DarkroomError, UsageError
from darkroom.press.layouts import policy_digest
from darkroom.press.publish import Report, SiteRequest, build

EVENTS = "/.darkroom/events"
POLICY = re.compile(r'(<meta http-equiv="Content-Security-Policy" content=")([^"]*)(")')
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
.darkroom-errors { position: fixed; inset: auto 0 0; z-index: 99; max-height: 60vh; overflow: auto; padding: 1rem 1.5rem;
background: #2b1210; color: #ffd9d3; border-top: 3px solid #e5533d; white-space: pre-wrap;
font: 14px/1.5 ui-monospace, monospace }
"""
PANEL = f'<style>{PANEL_STYLE}</style><div role="alert" class="darkroom-errors">%s</div>'
NOTHING = (
    '<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src \'none\'"><title>Darkroom</title>'
)
DEBOUNCE_MS = 40


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


class Workshop:
    """The last build's outcome, and everybody who waits for the next."""

    def __init__(self, request: Callable[[], SiteRequest], log: Callable[[str], None]) -> None:
        self._ask, self._log = request, log
        self._changed = threading.Condition()
        self.edition = 0
        self.errors: tuple[str, ...] = ()
        self.request = request()

    def rebuild(self, replan: bool) -> None:
        """Build once more; with *replan* the plan is asked first what has become of the experiments."""
        try:
            if replan:
                self.request = self._ask()
            report = build(self.request)
        except ContentError as error:
            self._announce(tuple(map(str, error.faults)))
        except DarkroomError as error:
            self._announce((str(error),))
        else:
            self._announce((), report)

    def _announce(self, errors: tuple[str, ...], report: Report | None = None) -> None:
        for line in errors:
            self._log(line)
        if report and report.written:
            self._log(f"{report.written} of {report.files} files written")
        for warning in report.warnings if report else ():
            self._log(f"warning: {warning}")
        with self._changed:
            if errors != self.errors or errors or (report and report.written):
                self.edition += 1
            self.errors = errors
            self._changed.notify_all()

    def wait(self, edition: int, seconds: float) -> int:
        """The number of the current edition, as soon as it is not *edition* or the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self.edition != edition, seconds)
            return self.edition


class Handler(SimpleHTTPRequestHandler):
    """Serves the site's files; pages get the script, and the errors of the last build."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, workshop: Workshop) -> None:
        self.workshop = workshop
        super().__init__(*arguments, directory=str(workshop.request.site))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer a request: events, a page, or any other file."""
        path = self.path.partition("?")[0]
        if path == EVENTS:
            self._events()
        elif path.endswith(("/", ".html")):
            self._page(path)
        else:
            super().do_GET()

    def _page(self, path: str) -> None:
        file = Path(self.translate_path(path))
        file = file / "index.html" if file.is_dir() else file
        status = 200 if file.is_file() else 404
        if status == 404:
            file = self.workshop.request.site / "404.html"
        content = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else NOTHING
        errors = "\n".join(self.workshop.errors)
        body = with_reload(content, errors).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        edition = self.workshop.edition
        try:
            while True:
                now = self.workshop.wait(edition, 5)
                self.wfile.write(b": still here\n\n" if now == edition else f"data: {now}\n\n".encode())
                self.wfile.flush()
                edition = now
        except OSError:
            self.close_connection = True

    def end_headers(self) -> None:
        """Close the headers; nothing that is served while writing is to be kept by the browser."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of each request."""


def start(workshop: Workshop, port: int, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """A server for *workshop* that answers in threads of its own; ``server_address`` tells the port where 0 was asked.

    Raises:
        UsageError: the port is taken.
    """
    try:
        server = ThreadingHTTPServer((host, port), partial(Handler, workshop=workshop))
    except OSError as error:
        raise UsageError(f"cannot serve on port {port}: {error.strerror}; choose another with --port") from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def watch(workshop: Workshop, folders: Iterable[Path], stop: threading.Event) -> None:
    """Rebuild at every change in *folders*, until *stop* is set; a change outside the templates asks the plan again."""
    from watchfiles import watch as changes

    templates = str(workshop.request.templates)
    ours = tuple(str(path) for path in (workshop.request.site, workshop.request.cache, f"{templates}/node_modules"))

    def relevant(_: object, path: str) -> bool:
        return not path.startswith(ours) and "/.scratch/" not in path and not path.endswith((".lock", "~", ".swp"))

    existing = [folder for folder in folders if folder.exists()]
    for batch in changes(*existing, watch_filter=relevant, debounce=DEBOUNCE_MS, step=10, stop_event=stop):
        workshop.rebuild(any(not path.startswith(templates) for _, path in batch))


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
        request: asked at the start and whenever something else than a template changes; it may plan anew.
        port: where to listen; 0 picks a free one.
        folders: what to watch beside the templates, such as experiments and sources.
        log: where lines for the terminal go.
        stop: ends the serving when set.

    Raises:
        UsageError: the port is taken.
    """
    workshop = Workshop(request, log)
    server = start(workshop, port)
    try:
        workshop.rebuild(replan=False)
        log(f"serving {workshop.request.site} at http://127.0.0.1:{server.server_address[1]}/ (Ctrl-C ends it)")
        watch(workshop, [workshop.request.templates, *folders], stop or threading.Event())
    finally:
        server.shutdown()
        server.server_close()
