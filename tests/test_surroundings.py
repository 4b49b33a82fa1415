"""What surrounds a program: closed streams, few files, little memory, a git that prints bytes, Ctrl-C. One line for each."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from darkroom.core.errors import DataUnavailable, DeclarationError, explained
from darkroom.lab.outputs import datasets
from darkroom.lab.source.scan import module_record
from tests.hostile import sound
from tests.lab.workshop import SOURCES, Workshop, heeding_interrupts, make
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import Project


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return make(tmp_path)


def _shell(workshop: Workshop, line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = workshop.environment(**variables) | {"PYTHON": sys.executable}
    return subprocess.run(
        ["sh", "-c", line], cwd=workshop.root, env=environment, capture_output=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    "line",
    [
        '"$PYTHON" build.py status >&-',
        '"$PYTHON" build.py status >&- 2>&-',
        '"$PYTHON" build.py status nothing 2>&-',
        'ulimit -n 10; "$PYTHON" build.py status',
        'ulimit -n 6; "$PYTHON" build.py status',
        'PYTHONIOENCODING=ascii "$PYTHON" build.py status ж',
        '"$PYTHON" build.py status | head -1',
        '"$PYTHON" build.py status < /dev/null > /dev/full',
    ],
)
def test_streams_and_descriptors(line: str, workshop: Workshop) -> None:
    """No traceback, whatever is closed, full, or of another encoding."""
    done = _shell(workshop, line)
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1


def test_no_message_steers_the_terminal(workshop: Workshop) -> None:
    """What stands in somebody's outputs is shown with its signs written out."""
    workshop.call("run", "part_x/base")
    manifest = workshop.outputs / "part_x/base/manifest.json"
    manifest.write_text(manifest.read_text().replace('"device": "', '"device": "\\u001b[31m\\u202e'))
    done = workshop.call("status", "part_x/base")
    assert "\x1b" not in done.stdout + done.stderr and "\u202e" not in done.stdout
    assert "\\x1b[31m" in done.stdout


def test_a_git_that_prints_bytes_is_as_good_as_none(workshop: Workshop, tmp_path: Path) -> None:
    """A run goes through."""
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin/git"
    git.write_text("#!/bin/sh\nprintf '\\377\\376\\n'\n")
    git.chmod(0o755)
    done = workshop.call("run", "part_x/base", code=None, PATH=f"{git.parent}{os.pathsep}{os.environ['PATH']}")
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 3}


def test_outputs_that_are_no_folder_are_told(workshop: Workshop, tmp_path: Path) -> None:
    """Those that the call names, and those of the project."""
    said = workshop.call("status", "--outputs", str(tmp_path / "none"), code=2).stderr
    assert (
        said == f"{tmp_path}/none: the outputs are expected here, but this is not a folder; choose one with --outputs\n"
    )
    workshop.write("experiments/outputs", "x")
    said = workshop.call("status", code=2).stderr
    assert said == f"{workshop.outputs}: the outputs are expected here, but this is not a folder; put a folder there\n"


def test_a_full_stderr_changes_nothing(workshop: Workshop) -> None:
    """The call ends as it would otherwise."""
    assert _shell(workshop, '"$PYTHON" build.py status nothing 2>/dev/full').returncode == 2
    assert _shell(workshop, '"$PYTHON" build.py status 2>/dev/full').returncode == 0


def test_a_path_that_is_no_text_is_told(workshop: Workshop, tmp_path: Path) -> None:
    """Of the project, or of a folder that the call names."""
    name = os.fsdecode(b"\xff")
    done = workshop.call("status", "--outputs", f"{tmp_path}/{name}", code=2)
    assert done.stderr == f"{tmp_path}/\\xff: the path is not UTF-8; rename the folder\n"
    workshop.root.rename(tmp_path / name)
    moved = Workshop(tmp_path / name, workshop.probe)
    assert moved.call("status", code=2).stderr == f"{tmp_path}/\\xff: the path is not UTF-8; rename the folder\n"


def test_memory_that_runs_out_is_said(workshop: Workshop) -> None:
    """By the run that it happened to, and nothing else."""
    workshop.edit("experiments/part_x/base.py", '    count("base")\n', '    count("base")\n    bytearray(1 << 60)\n')
    done = workshop.call("run", "part_x/base", code=3)
    assert "part_x/base: out of memory" in done.stderr


@pytest.mark.usefixtures("katex")
@pytest.mark.parametrize("megabytes", [60, 75, 90, 150, 300, 900])
def test_little_memory_is_what_is_blamed(megabytes: int, tmp_path: Path) -> None:
    """Not Node, a font or a package; by one line that says how much is allowed, or how to allow more."""
    project = Project.make(tmp_path)
    sound(project.outputs)
    project.page('Text with $x^2$.\n\n{{ figure("part_b/a/loss") }}')
    code = "import sys, pathlib; from darkroom.cli import main; sys.exit(main(['--no-run'], root=pathlib.Path('.')))"
    line = f'ulimit -v {megabytes * 1000}; "$PYTHON" -c "{code}"'
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(SOURCES), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        ["sh", "-c", line], cwd=project.root, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode in {1, 2}
    lines = done.stderr.splitlines() or ["memory"]  # where there is too little to say anything
    assert "Traceback" not in done.stderr and "reinstall" not in done.stderr and "delete" not in done.stderr, lines
    assert "memory" in lines[-1], lines


def test_little_memory_is_what_a_run_is_said_to_lack(workshop: Workshop) -> None:
    """Of a worker that cannot even begin."""
    done = _shell(workshop, 'ulimit -v 120000; "$PYTHON" build.py run part_x/base')
    assert b"Traceback" not in done.stderr
    assert done.returncode in {2, 3} and b"memory" in done.stderr.splitlines()[-1], done.stderr


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "cannot write a/b: No space left on device; free some space"),
        (errno.EROFS, "cannot write a/b: Read-only file system; choose another place"),
        (errno.EFBIG, "cannot write a/b: File too large; allow larger files with ulimit -f"),
        (errno.EMFILE, "too many files are open"),
        (errno.EIO, "the system reported an error a/b: "),
    ],
)
def test_messages_say_what_is_so(number: int, said: str) -> None:
    """Which file, why, and what to do; never a None."""
    assert explained(OSError(number, os.strerror(number), "a/b")).startswith(said)
    assert "None" not in explained(OSError(number, os.strerror(number)))
    assert "\n" not in explained(OSError(number, os.strerror(number), "a\nb"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_reading_and_writing_are_told_apart(tmp_path: Path) -> None:
    """By what is allowed."""
    path = tmp_path / "a"
    path.write_text("")
    path.chmod(0o200)
    assert explained(PermissionError(errno.EACCES, "Permission denied", str(path))).startswith("cannot read")
    path.chmod(0o400)
    assert explained(PermissionError(errno.EACCES, "Permission denied", str(path))).startswith("cannot write")


@pytest.mark.parametrize("tries", [6, pytest.param(150, marks=pytest.mark.slow)])
def test_an_interrupt_is_one_line(tries: int, workshop: Workshop) -> None:
    """From the moment on that the program's own lines run, as soon as may be; before, Python itself says what it says."""
    rng = random.Random(20)
    first, _, rest = (SOURCES.parent / "build.py").read_text().partition("from pathlib")
    assert "_signal.SIGINT" in first
    workshop.write("build.py", f"{first}import os\nos.write(1, b'begun')\nfrom pathlib{rest}")
    for number in range(tries):
        with heeding_interrupts():
            process = subprocess.Popen(
                workshop.command("status"),
                cwd=workshop.root,
                env=workshop.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        assert process.stdout
        process.stdout.read(5)
        time.sleep(rng.uniform(0, 0.01) if number % 2 else rng.uniform(0, 0.3))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert b"Fatal" not in said
        assert process.returncode in {0, 130, 141} and b"Traceback" not in said and said.count(b"\n") <= 2, said


@pytest.mark.parametrize("terms", [2_000, 6_000])
def test_an_expression_of_many_terms_is_read(terms: int) -> None:
    """Or refused at its file, never by a traceback."""
    source = "def f():\n    return " + " + ".join(["1"] * terms) + "\n"
    try:
        assert module_record(source.encode(), "experiments.a", "experiments/a.py")
    except DeclarationError as error:
        assert terms > 2_000
        assert "nested too deeply" in str(error)


# Downloads ------------------------------------------------------------------------------------------------------------


class _Mirror(BaseHTTPRequestHandler):
    """Answers in the way that its path asks for."""

    def do_GET(self) -> None:
        answers = {"/bomb": _bomb(), "/good": b"\1\2\3", "/short": b"\1", "/long": bytes(10_000_000)}
        self.send_response(200)
        if self.path in answers:
            self.send_header("Content-Length", str(len(answers[self.path])))
        for number in range(300 if self.path == "/headers" else 0):
            self.send_header(f"X-{number}", "x")
        self.end_headers()
        try:
            self.wfile.write(answers.get(self.path, b""))
            while self.path == "/endless":
                self.wfile.write(bytes(1 << 16))
            while self.path == "/slow":
                self.wfile.write(b"\0")
                time.sleep(0.05)
            if self.path == "/silent":
                time.sleep(8)
        except OSError:
            return

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@cache
def _bomb() -> bytes:
    import gzip

    return gzip.compress(bytes(300_000_000), 9)


@pytest.fixture(scope="module")
def mirror():
    server = HTTPServer(("127.0.0.1", 0), _Mirror)
    server.timeout = 30
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.mark.parametrize("path", ["/bomb", "/endless", "/short", "/long", "/headers"])
def test_a_bad_mirror_is_given_up_and_the_next_asked(
    path: str, mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and with no more of it in memory than was declared."""
    content = _set(tmp_path, monkeypatch, [f"{mirror}{path}", "file:///etc/passwd", f"{mirror}/good"]).read("numbers")
    assert content == b"\1\2\3"


@pytest.mark.parametrize("path", ["/slow", "/silent"])
def test_a_mirror_that_stalls_is_given_up(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without enough."""
    server = HTTPServer(("127.0.0.1", 0), _Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(datasets, "WAIT_S", 1.0)
    began = time.monotonic()
    sizes = {"size": 100_000}
    with pytest.raises(DataUnavailable):
        _set(tmp_path, monkeypatch, [f"http://127.0.0.1:{server.server_address[1]}{path}"], **sizes).read("numbers")
    assert time.monotonic() - began < 20
    threading.Thread(target=server.shutdown, daemon=True).start()


def _set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, urls: list[str], size: int = 3) -> datasets.Dataset:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    digest = "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81"
    declared = datasets.DatasetDeclaration(
        "tiny", "Tiny", "nobody", "CC0", (datasets.DataFile("numbers", size, digest, tuple(urls)),)
    )
    return datasets.Dataset(declared)


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/b", "", "a\\0b"])
def test_a_file_of_a_data_set_has_a_plain_name(name: str, workshop: Workshop) -> None:
    """It would be written under that name in the user's cache."""
    old = (workshop.root / "experiments/data.toml").read_text()
    workshop.write("experiments/data.toml", old.replace('name = "numbers"', f'name = "{name}"'))
    done = workshop.call("status", code=2)
    assert "data set 'tiny' has " in done.stderr or "not valid TOML" in done.stderr
