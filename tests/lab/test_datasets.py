"""Data sets: looked for here, fetched from mirrors in turn, verified, kept."""

from __future__ import annotations

import gzip
import http.server
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from darkroom.core.errors import DataUnavailable, UsageError
from darkroom.lab.outputs.datasets import DataFile, Dataset, DatasetDeclaration, declared, folder

CONTENT = bytes(range(256)) * 8


def _declaration(*urls: str) -> DatasetDeclaration:
    file = DataFile("numbers", len(CONTENT), sha256(CONTENT).hexdigest(), urls)
    return DatasetDeclaration("tiny", "Tiny", "Nobody", "CC0", (file,))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "darkroom" / "tiny"


@pytest.fixture
def mirror() -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """A mirror on this machine: its address, what it serves, and what it was asked for."""
    served: dict[str, bytes] = {}
    asked: list[str] = []

    class Mirror(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = served.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", served, asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("where", ["", "tiny/"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_file_is_read_from_the_users_folder(tmp_path: Path, where: str, packed: bool) -> None:
    """A file in the user's folder, or in its subfolder of the set's name, is read, plain or compressed."""
    path = tmp_path / "data" / f"{where}numbers{'.gz' if packed else ''}"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(CONTENT) if packed else CONTENT)

    dataset = Dataset(_declaration(), tmp_path / "data")

    assert dataset.read("numbers") == CONTENT
    assert dataset.path("numbers").read_bytes() == CONTENT
    assert dataset.name == "tiny"


def test_mirrors_are_tried_in_turn_and_the_file_is_kept(
    cache: Path, mirror: tuple[str, dict[str, bytes], list[str]]
) -> None:
    """The first mirror with the right bytes serves; what it gave is kept, and not fetched again."""
    base, served, asked = mirror
    served |= {"/wrong": b"other", "/cut.gz": gzip.compress(CONTENT)[:-30], "/right.gz": gzip.compress(CONTENT)}
    urls = [f"{base}/{name}" for name in ("gone", "wrong", "cut.gz", "right.gz", "never")]
    seen: list[tuple[str, int, int]] = []
    dataset = Dataset(_declaration("http://127.0.0.1:9/refused", *urls), progress=lambda *each: seen.append(each))

    assert dataset.read("numbers") == CONTENT
    assert asked == ["/gone", "/wrong", "/cut.gz", "/right.gz"]
    assert seen[-1] == ("numbers", len(served["/right.gz"]), len(served["/right.gz"]))
    assert [path.name for path in cache.iterdir()] == ["numbers"]
    assert Dataset(_declaration()).read("numbers") == CONTENT


HEAD = b"HTTP/1.1 200 OK\r\n"
PACKED = gzip.compress(CONTENT)
ANSWERS = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n" * 3,
    "a bad status line": b"HTTP/1.1 two hundred\r\n\r\n",
    "a status line without end": b"HTTP/1.1 " + b"2" * 70_000,
    "too many headers": HEAD + b"X-A: b\r\n" * 300 + b"\r\n" + CONTENT,
    "a bad length": HEAD + b"Content-Length: many\r\n\r\n" + CONTENT[:-1],
    "a length that is not kept": HEAD + b"Content-Length: 5000\r\n\r\n" + CONTENT[:-1],
    "a broken chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + CONTENT,
    "chunks that end early": HEAD + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n" + CONTENT,
    "damaged deflate data": HEAD + b"\r\n" + PACKED[:20] + b"\xff" * 40 + PACKED[60:],
    "a damaged checksum": HEAD + b"\r\n" + PACKED[:-6] + b"\0" * 6,
    "a gzip header alone": HEAD + b"\r\n" + PACKED[:10],
    "a reserved flag": HEAD + b"\r\n" + PACKED[:3] + b"\xff" + PACKED[4:],
    "another page": HEAD + b"\r\n<html>Sign in</html>",
    "a way round in a circle": b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n",
    "a way to a file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "a way to nowhere": b"HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\nContent-Length: 0\r\n\r\n",
}


@pytest.fixture
def broken() -> Iterator[Callable[[bytes], str]]:
    """Mirrors that answer each request with given bytes and hang up; gives the address of one."""
    servers: list[socketserver.TCPServer] = []

    def mirror_of(answer: bytes) -> str:
        class Answer(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.recv(65_536)
                with suppress(OSError):
                    self.request.sendall(answer)

        servers.append(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}/numbers"

    yield mirror_of
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("answer", ANSWERS)
def test_any_failure_leads_to_the_next_mirror(
    answer: str, broken: Callable[[bytes], str], mirror: tuple[str, dict[str, bytes], list[str]]
) -> None:
    """Whatever a mirror sends that is not the file, the next one is asked; with none, one line names what was wrong."""
    base, served, _ = mirror
    served["/right"] = CONTENT
    bad = broken(ANSWERS[answer])

    assert Dataset(_declaration(bad, f"{base}/right")).read("numbers") == CONTENT


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_mirror_that_fails_is_named_in_one_line(answer: str, broken: Callable[[bytes], str]) -> None:
    """With the reason."""
    bad = broken(ANSWERS[answer])

    with pytest.raises(DataUnavailable) as caught:
        Dataset(_declaration(bad)).read("numbers")

    assert f"({bad} " in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 900


@pytest.mark.parametrize(
    "address", ["http:///x", "nonsense", "http://[::1", "ftp://127.0.0.1:9/x", "http://\u2603 /", "data:,x"]
)
def test_addresses_that_are_none_lead_on_too(address: str, mirror: tuple[str, dict[str, bytes], list[str]]) -> None:
    """A mistyped mirror stops nothing."""
    base, served, _ = mirror
    served["/right"] = CONTENT

    assert Dataset(_declaration(address, f"{base}/right")).read("numbers") == CONTENT


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (CONTENT[:-1], "numbers has 2047 bytes instead of 2048"),
        (CONTENT[:-1] + b"x", "numbers has the wrong sha256"),
        (gzip.compress(CONTENT)[:-20], "numbers cannot be read or decompressed"),
    ],
)
def test_a_damaged_file_is_passed_over_and_told(tmp_path: Path, content: bytes, fault: str) -> None:
    """A file that is truncated or altered is never used, and the message says what was wrong and what to do."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/numbers").write_bytes(content)

    with pytest.raises(DataUnavailable) as caught:
        Dataset(_declaration(), tmp_path / "data").read("numbers")

    assert fault in str(caught.value)
    assert f"put it, plain or as .gz, into {tmp_path / 'data'}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_mirror_that_failed_is_named(mirror: tuple[str, dict[str, bytes], list[str]]) -> None:
    """Where no mirror serves the file, each is named with what it answered, and --data with where to put it."""
    base = mirror[0]

    with pytest.raises(DataUnavailable) as caught:
        Dataset(_declaration(f"{base}/a", f"{base}/b")).read("numbers")

    assert f"{base}/a HTTP Error 404: Not Found; {base}/b HTTP Error 404" in str(caught.value)
    assert "--data or DARKROOM_DATA" in str(caught.value)


def test_an_unknown_file_names_those_there_are() -> None:
    """A file that is not part of the set is refused with the names of those that are."""
    with pytest.raises(DataUnavailable, match="data set 'tiny' has no file 'letters'; it has numbers"):
        Dataset(_declaration()).read("letters")


def test_the_folder_given_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """--data wins over DARKROOM_DATA, which wins over nothing."""
    monkeypatch.delenv("DARKROOM_DATA", raising=False)
    assert folder(None) is None
    monkeypatch.setenv("DARKROOM_DATA", "/of/variable")
    assert folder(None) == Path("/of/variable")
    assert folder("/given") == Path("/given")


def test_the_digest_of_a_set_is_of_its_content_alone() -> None:
    """Mirrors, titles and the order of files are no part of a set's digest; names and digests are."""
    one = _declaration("https://example.org")
    assert one.digest == _declaration().digest
    other = DataFile("letters", 3, "f" * 64, ())
    both = [
        DatasetDeclaration("tiny", "T", "S", "L", files).digest for files in ((*one.files, other), (other, *one.files))
    ]
    assert both[0] == both[1] != one.digest


def test_the_declared_sets_of_this_project_are_whole() -> None:
    """The project's own data.toml declares MNIST's four files with digests and several mirrors each."""
    mnist = declared(Path(__file__).parents[2] / "experiments" / "data.toml")["mnist"]

    assert [each.name for each in mnist.files] == [
        "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
    ]  # fmt: skip
    assert all(len(each.sha256) == 64 and len(each.urls) >= 3 for each in mnist.files)
    assert all(each.name in url for each in mnist.files for url in each.urls)


WHOLE = f"""[tiny]
title = "T"
source = "S"
licence = "L"

[[tiny.files]]
name = "n"
bytes = 3
sha256 = "{"0" * 64}"
"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[tiny", "data.toml:1:1: not valid TOML: Expected"),
        (f"{'a.' * 50_000}b = 1", "data.toml:1:1: not valid TOML: more than 50 nested keys"),
        (f"x = 'a'\n'b' . \"c\" . {'a .' * 50}b = 1", "data.toml:2:1: not valid TOML: more than 50 nested keys"),
        (f"a = [0x{'f' * 5000}]", "data.toml:1:6: not valid TOML: a number has more than 64 bits"),
        (f"a = {'9' * 5000}", "not valid TOML: a number has more than 64 bits"),
        ("tiny = 3", "'tiny' is not a table; write a data set as [tiny]"),
        ("[tiny]\ntitle = 'x'\nfiles = []", "data set 'tiny' has no valid 'source'"),
        ("[tiny]\n[Tiny]\n[x]\n[X]", "data sets 'tiny' and 'Tiny', 'x' and 'X' have the same name on some systems"),
        (WHOLE.replace("tiny", "Node"), "'Node' is a folder of Darkroom's own in the user's cache"),
        (WHOLE.replace("tiny", "fonts"), "'fonts' is a folder of Darkroom's own in the user's cache"),
        (WHOLE + WHOLE.partition("\n\n")[2].replace('"n"', '"N"'), "files 'n' and 'N' have the same name"),
    ],
)
def test_a_broken_declaration_is_told(tmp_path: Path, content: str, message: str) -> None:
    """A data.toml that is no TOML, or lacks something, is told in one line."""
    (tmp_path / "data.toml").write_text(content)

    with pytest.raises(UsageError) as caught:
        declared(tmp_path / "data.toml")

    assert message in str(caught.value)
