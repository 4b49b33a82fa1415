"""What Lighthouse says of every page on a simulated slow phone, served as GitHub Pages serves them: compressed.

Run alone with ``pytest -m benchmark -s tests/benchmarks/test_lighthouse.py``. Lighthouse comes through npm, about 190 MB,
and simulates the phone from what it measures: on a busy machine the times vary by half.
"""

from __future__ import annotations

import gzip
import json
import mimetypes
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from darkroom.core.errors import UsageError
from darkroom.press.typeset.npm import install, node
from tests.browser.conftest import PLACES
from tests.browser.test_audit import own_site  # noqa: F401  # a fixture
from tests.press.conftest import katex  # noqa: F401  # a fixture

pytestmark = pytest.mark.benchmark

TEXT = ("text/", "application/json", "application/xml", "image/svg")
TIMES = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift")


class Compressing(SimpleHTTPRequestHandler):
    """Serves files as GitHub Pages does: text compressed, everything to be kept for ten minutes."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content, kind = path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "max-age=600")
        if kind.startswith(TEXT):
            content = gzip.compress(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="module")
def address(own_site: Path) -> Iterator[str]:  # noqa: F811
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Compressing, directory=str(own_site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def lighthouse() -> list[str]:
    chromium = next(filter(None, map(shutil.which, PLACES)), None)
    if chromium is None:
        pytest.skip("no Chromium")
    os.environ["CHROME_PATH"] = chromium
    try:
        folder = install(Path(__file__).parent / "tools")
    except UsageError as error:
        pytest.skip(f"Lighthouse is not installed and npm is out of reach: {error}")
    return [str(node()), str(folder / "lighthouse/cli/index.js")]


def report(lighthouse: list[str], address: str, target: Path) -> dict[str, Any]:
    options = ["--quiet", "--output=json", f"--output-path={target}", "--chrome-flags=--headless=new --no-sandbox"]
    subprocess.run([*lighthouse, address, *options], check=True, capture_output=True, timeout=180)
    return json.loads(target.read_text("utf-8"))


@pytest.mark.parametrize("name", ["index", "part-a", "part-b", "pocket-if", "reproduce"])
def test_lighthouse_is_content(lighthouse: list[str], address: str, tmp_path: Path, name: str) -> None:
    """Performance of 95 or more and no shift in each of five runs; LCP and blocking time in the median; else 100."""
    reports = [report(lighthouse, f"{address}{name}.html", tmp_path / f"{k}.json") for k in range(5)]
    scores = [
        {category: round(100 * found["score"]) for category, found in each["categories"].items()} for each in reports
    ]
    times = {audit: sorted(each["audits"][audit]["numericValue"] for each in reports) for audit in TIMES}
    weight = reports[0]["audits"]["total-byte-weight"]["numericValue"] / 1000
    told = ", ".join(f"{audit} {min(t):.4g} to {max(t):.4g}, median {median(t):.4g}" for audit, t in times.items())
    print(f"\n{name:10s} performance {[each['performance'] for each in scores]}, {told}, {weight:.0f} kB")
    assert min(each["performance"] for each in scores) >= 95
    assert {score for each in scores for category, score in each.items() if category != "performance"} == {100}
    assert max(times["cumulative-layout-shift"]) <= 0.01
    assert median(times["largest-contentful-paint"]) <= 1500
    assert median(times["total-blocking-time"]) <= 50
