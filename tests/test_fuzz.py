"""Every reader, given what it did not expect: it takes it or says what is wrong, by the error that it is documented with.

Inputs come of sound ones by mutations with a seed, so that each can be had again; ``DARKROOM_FUZZ_SEED`` picks another run.
All 10,000 are tried with ``pytest -m slow``, or as many as ``DARKROOM_FUZZ`` says, as continuous integration does; the
default run tries a share of each kind.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest

from darkroom.core.digests import Digests
from darkroom.core.errors import ContentError, DamagedOutputs, DeclarationError, UsageError
from darkroom.core.figure_layouts import KINDS, read_layout
from darkroom.core.manifest import decode, encode
from darkroom.core.sealed import seal, unseal
from darkroom.diffusion.data import read_idx
from darkroom.lab.outputs import datasets
from darkroom.lab.outputs.results import Results, store_file, write_results
from darkroom.lab.running.run import Run
from darkroom.lab.source import models
from darkroom.lab.source.scan import module_record
from darkroom.press import inputs
from darkroom.press.bibliography.reader import read_bibliography
from darkroom.press.content.settings import read_site
from darkroom.press.limits import TooCostly, bounded
from darkroom.press.markdown.pages import read_page
from darkroom.press.serve import LiveSite, start
from darkroom.press.site.cache import read_cache
from darkroom.press.typeset import fonts, svg, vetting
from darkroom.press.typeset.node import NodeTask
from tests.hostile import CONTENTS, DRAWINGS, MANIFESTS, PATHS, PICTURES, sound
from tests.lab.test_models import MODELS
from tests.press.conftest import katex  # noqa: F401  # a fixture
from tests.press.projects import OWN, PACKAGES, ROOT, Project
from tests.press.samples import Outputs, animation, gif, plot, png, table, tiles

SEED = int(os.environ.get("DARKROOM_FUZZ_SEED", "20"))
ALL, SOME = int(os.environ.get("DARKROOM_FUZZ", "10000")), 1_000
LONGEST_S = 10.0  # of the processor, whatever else it has to do
LARGEST = 1 << 30  # bytes that an input may take

Reader = Callable[[bytes], object]
_MARKS = r"""{{ }} {% %} $ $$ \ ` ``` [ ]( < > & | +++ ../ é null true -1 1e999 " ' , : [] {} {"a": [[[["""
_WORDS = "\uf8ff \U0010fffd \u202e @ # = == <script> javascript: 9999999999999999999999999999999999"
SPECIAL = [
    *(text.encode() for text in f"{_MARKS} {_WORDS}".split()),
    *(b"\n\n", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\x00" * 8, b"\xff" * 4),
]


def mutated(content: bytes, rng: random.Random) -> bytes:
    """*content* with one to six changes of kinds that go wrong in the world, or that somebody would try."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at, size = rng.randrange(len(made) + 1), rng.choice((1, 2, 4, 16, 200))
        change = rng.randrange(9)
        if change == 0 and made:
            made[min(at, len(made) - 1)] ^= 1 << rng.randrange(8)
        elif change == 1:
            del made[at : at + size]
        elif change == 2:
            made[at:at] = rng.randbytes(size)
        elif change == 3:
            made[at:at] = rng.choice(SPECIAL)
        elif change == 4:
            made[at:at] = rng.choice(SPECIAL) * rng.choice((2, 40, 2000))
        elif change == 5:
            del made[at:]
        elif change == 6:
            made[at:at] = made[at : at + size] * rng.choice((1, 3, 50))
        elif change == 7:
            other = rng.randrange(len(made) + 1)
            made[at:at] = made[other : other + size]
        else:
            made[at : at + size] = rng.choice(SPECIAL)
    return bytes(made)


def altered(value: object, rng: random.Random) -> object:
    """A value of JSON with one of its leaves or branches changed for something else."""
    odd: list[object] = [None, True, -1, 0, 10**30, 1e300, "", "x" * 500, "../x", [], {}, [[]], {"a": 1}, [None], "\0"]
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(sorted(value))
        if rng.random() < 0.1:
            return {key: each for key, each in value.items() if key != name}
        new = rng.choice(("a/b", "..", name.upper(), "é")) if rng.random() < 0.06 else name
        return {new if key == name else key: altered(each, rng) if key == name else each for key, each in value.items()}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        return [*value[:at], altered(value[at], rng), *value[at + 1 :]]
    return rng.choice(odd)


# The readers ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def _takes(error: type[Exception] | tuple[type[Exception], ...], read: Reader) -> Reader:
    """A reader that may refuse, by that error, with one line a fault."""

    def call(content: bytes) -> None:
        try:
            read(content)
        except error as refused:
            told = str(refused).splitlines()
            if isinstance(refused, DeclarationError):  # every line is a fault at its place
                assert all(re.match(r"experiments/a\.py:\d+:\d+: ", line) for line in told), str(refused)
            else:
                assert len(told) <= max(len(getattr(refused, "faults", ())), 1), str(refused)

    return call


def _page(content: bytes) -> None:
    with bounded():
        page = read_page(content, "templates/pages/a.md", "a.html")
    assert all("\n" not in fault.message[:1] for fault in page.faults)


def _file(place: Path, name: str, read: Callable[[Path], object]) -> Reader:
    path = place / name

    def call(content: bytes) -> None:
        path.write_bytes(content)
        read(path)

    return call


def _vet(path: Path) -> None:
    if vetting.fault_of(str(path)):
        return
    try:
        drawing = path.read_text("utf-8")
    except UnicodeDecodeError:
        return
    if path.suffix == ".svg" and vetting.is_plain(drawing):
        made = svg.inline(drawing, "p", "l")
        assert "<script" not in made and "javascript:" not in made and not made.count("<!--")


def _font(path: Path) -> None:
    fonts._part_of(path, [(0x20, 0x7E)])


def _cache(path: Path) -> None:
    Digests(path).of("/x")
    inputs.load(path)
    read_cache(path)
    unseal(path.read_bytes())


def _download(wanted: datasets.DataFile, content: bytes) -> None:
    datasets._collected([content[at : at + 99] for at in range(0, len(content), 99)], wanted)


def _results(place: Path, content: bytes) -> None:
    folder = place / "results"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    file = store_file(folder, "results.safetensors", content)
    manifest = decode(_SOUND[0], "x")
    results = Results(folder, msgspec.structs.replace(manifest, files=[file]))
    assert list(results) is not None


def _answer(content: bytes) -> None:
    from darkroom.press.typeset.equations import Equation

    task = object.__new__(NodeTask)
    task._equations = [Equation("x", False), Equation("y", True)]
    for line in content.splitlines():
        task._answer(line)


def _checkpoint(path: Path) -> None:
    run = Run("cpu", "k", path, "now", lambda event: None)
    state = run.load()
    assert state is None or set(state) == {"a", "step"}


_SOUND: list[bytes] = []  # the manifest that others come of


def _read(*paths: Iterable[Path]) -> list[bytes]:
    """The content of files, in the order of their names within each group."""
    return [path.read_bytes() for group in paths for path in sorted(group)]


def _corpora(place: Path) -> dict[str, tuple[list[bytes], Reader]]:
    """The readers by what they read: sound inputs, and how one is read."""
    folder = sound(Outputs(place / "outputs"))
    manifest = (folder / "manifest.json").read_bytes()
    _SOUND[:] = [manifest]
    wanted = datasets.DataFile("numbers", 1000, "0" * 64, ())
    checkpoint = place / "whole.safetensors"
    Run("cpu", "k", checkpoint, "now", lambda event: None).save({"a": {"b": np.arange(50.0)}, "step": 3})
    write_results(place, {"x": np.arange(12.0), "g": {"a": np.ones(3)}}, "a")
    skeletons = ROOT / "src/darkroom/scaffolds"
    pages = _read(ROOT.glob("templates/pages/*.md"), skeletons.glob("*/templates/pages/*.md"))
    sources = _read(ROOT.glob("experiments/part_b/*.py"), skeletons.glob("report/experiments/*/*.py"))[:6]
    font = next((PACKAGES / "katex/dist/fonts").glob("KaTeX_Size4-Regular.woff2")).read_bytes()
    drawings = _read((ROOT / "tests/figures/golden").glob("*/plot.svg"))[:3]
    known = seal(json.dumps({"files": {"/x": [1, 2, 3, 4, 5, "a"]}, "whole": {}}).encode())
    module = partial(module_record, module="experiments.a", path="experiments/a.py")
    data = (skeletons / "cs180/experiments/data.toml").read_bytes()
    texts = partial(bytes.decode, errors="replace")
    return {
        "pages": ([page[:6000] for page in pages], _takes(TooCostly, _page)),
        "settings": (
            [(OWN / "site.toml").read_bytes()],
            _takes(ContentError, lambda content: read_site(texts(content), "site.toml")),
        ),
        "manifests": ([manifest, *CONTENTS.values()], _takes(DamagedOutputs, lambda content: decode(content, "m.json"))),
        "caches": (
            [known, seal(b"{}"), known[:70]],
            _file(place, "cache.json", _cache),
        ),
        "checkpoints": ([checkpoint.read_bytes()], _file(place, "checkpoint.safetensors", _checkpoint)),
        "pictures": ([png(), *PICTURES.values()], _file(place, "a.png", _vet)),
        "films": ([gif()], _file(place, "a.gif", _vet)),
        "drawings": ([*drawings, *DRAWINGS.values()], _file(place, "a.svg", _vet)),
        "fonts": ([font], _takes(UsageError, _file(place, "a.woff2", _font))),
        "bibliography": (
            [(OWN / "references.bib").read_bytes()],
            _takes(ContentError, lambda content: read_bibliography(texts(content), "references.bib")),
        ),
        "results": ([(place / "results.safetensors").read_bytes()], _takes(DamagedOutputs, partial(_results, place))),
        "idx": ([b"\0\0\x08\x01\0\0\0\x03abc", b"\0\0\x08\x03" + b"\0\0\0\2" * 3 + bytes(8)], _takes(ValueError, read_idx)),
        "answers": ([b'[0, "<b>x</b>"]\n[1, {"message": "m", "position": 3}]'], _answer),
        "downloads": (
            [bytes(1000), b"\x1f\x8b\x08\x00" + bytes(100)],
            _takes((ValueError, EOFError), partial(_download, wanted)),
        ),
        "sources": (sources, _takes(DeclarationError, module)),
        "data sets": ([data], _takes(UsageError, _file(place, "data.toml", datasets.declared))),
        "models": ([MODELS.encode()], _takes(UsageError, _file(place, "models.toml", models.declared))),
    }  # fmt: skip


KINDS_OF_INPUT = [
    *(
        "pages",
        "settings",
        "manifests",
        "caches",
        "checkpoints",
        "pictures",
        "films",
        "drawings",
        "fonts",
        "bibliography",
    ),
    *("results", "idx", "answers", "downloads", "sources", "data sets", "models"),
]
SLOW_KINDS = {"fonts": 0.1, "pages": 1.0, "bibliography": 0.5}  # of these a share


def _tried(kind: str, count: int, place: Path) -> None:
    corpus, read = _corpora(place)[kind]
    rng = random.Random(f"{SEED} {kind}")
    for number in range(count):
        content = mutated(rng.choice(corpus), rng)
        began = time.process_time()
        try:
            with _in_little_memory():
                read(content)
        except Exception as error:
            (place / "failing").write_bytes(content)
            raise AssertionError(f"{kind} {number} of seed {SEED}: {content[:2000]!r}") from error
        assert time.process_time() - began < LONGEST_S, f"{kind} {number} of seed {SEED} took long: {content[:500]!r}"


@contextmanager
def _in_little_memory() -> Iterator[None]:
    """Assert that the process does not grow by a gibibyte meanwhile; what others have imported, such as torch, is there."""
    before = _peak_anew()
    yield
    grown = _memory("VmHWM") - before
    assert grown < LARGEST, f"{grown / 1e6:.0f} MB"


def _peak_anew() -> int:
    """The bytes of memory that the process has now, from which its peak is counted anew."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return max(_memory("VmRSS"), _memory("VmHWM"))


def _memory(name: str) -> int:
    """A size of the process in bytes, as Linux tells it; elsewhere 0."""
    try:
        return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        return 0


def _share(kind: str, total: int) -> int:
    return max(3, int(SLOW_KINDS.get(kind, 1.0) * total / (len(KINDS_OF_INPUT) + 3)))


@pytest.mark.usefixtures("katex")
@pytest.mark.parametrize("kind", KINDS_OF_INPUT)
def test_a_reader_takes_or_refuses_what_it_gets(kind: str, place: Path) -> None:
    """A share of the inputs, at every run."""
    _tried(kind, _share(kind, SOME), place)


@pytest.mark.slow
@pytest.mark.usefixtures("katex")
@pytest.mark.parametrize("kind", KINDS_OF_INPUT)
def test_a_reader_takes_or_refuses_all_that_it_gets(kind: str, place: Path) -> None:
    """All of them."""
    _tried(kind, _share(kind, ALL), place)


def _changed_manifests(count: int, place: Path) -> Iterator[bytes]:
    rng = random.Random(f"{SEED} manifests by their fields")
    whole = json.loads((sound(Outputs(place / "fields")) / "manifest.json").read_bytes())
    for _ in range(count):
        value: object = whole
        for _ in range(rng.choice((1, 1, 2))):
            value = altered(value, rng)
        yield json.dumps(value).encode()
    for change in MANIFESTS.values():
        spoilt = json.loads(json.dumps(whole))
        change(spoilt)
        yield json.dumps(spoilt).encode()


@pytest.mark.parametrize("count", [_share("", SOME), pytest.param(_share("", ALL), marks=pytest.mark.slow)])
def test_a_manifest_is_whole_or_refused_field_by_field(count: int, place: Path) -> None:
    """One that is taken is written as it was read."""
    for content in _changed_manifests(count, place):
        try:
            manifest = decode(content, "m.json")
        except DamagedOutputs as error:
            assert "\n" not in str(error)
            continue
        assert encode(decode(encode(manifest), "m.json")) == encode(manifest)
        assert not any(file.path in PATHS.values() for file in manifest.files if ".." in file.path)


@pytest.mark.parametrize("count", [_share("", SOME), pytest.param(_share("", ALL), marks=pytest.mark.slow)])
def test_a_layout_is_of_its_kind_or_refused(count: int) -> None:
    """Of whatever it is made."""
    drawn = {"plot": plot(), "tiles": tiles(), "animation": animation(), "table": table()}
    rng = random.Random(f"{SEED} layouts")
    for _ in range(count):
        base = rng.choice(sorted(drawn))
        kind = base if rng.random() < 0.8 else rng.choice([*KINDS, "own"])
        given = altered(drawn[base].layout, rng)
        try:
            layout = read_layout(kind, given, frozenset(drawn[base].files))
        except ValueError:
            continue
        assert isinstance(layout, KINDS.get(kind, dict))


# Whole builds ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("katex")
@pytest.mark.parametrize("count", [6, pytest.param(150, marks=pytest.mark.slow)])
def test_damaged_caches_give_the_site_of_clean_ones(count: int, tmp_path: Path) -> None:
    """Whatever byte of whatever cache is another."""
    project = Project.make(tmp_path)
    sound(project.outputs)
    project.page('Text with $x^2$.\n\n{{ figure("part_b/a/loss") }}\n\n{{ experiments("*") }}')
    project.build()
    clean = {path.name: path.read_bytes() for path in project.site.rglob("*") if path.is_file()}
    rng = random.Random(f"{SEED} builds")
    for number in range(count):
        caches = sorted(p for p in (project.root / ".darkroom").rglob("*") if p.is_file() and ".spare" not in str(p))
        for path in rng.sample(caches, rng.choice((1, 1, 3))):
            path.write_bytes(mutated(path.read_bytes(), rng))
        if rng.random() < 0.3:
            page = project.site / "index.html"
            stat = page.stat()
            page.write_bytes(page.read_bytes().replace(b"Text", b"Evil"))
            os.utime(page, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        project.build()
        now = {path.name: path.read_bytes() for path in project.site.rglob("*") if path.is_file()}
        assert now == clean, f"build {number} of seed {SEED}"


# The server -----------------------------------------------------------------------------------------------------------

REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /index.html?a=b HTTP/1.1\r\nHost: 127.0.0.1:80\r\nConnection: close\r\n\r\n",
    b"HEAD /assets/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /%2e%2e/%00 HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\nRange: bytes=0-\r\n\r\n",
]


@pytest.mark.usefixtures("katex")
@pytest.mark.parametrize("count", [60, pytest.param(900, marks=pytest.mark.slow)])
def test_the_server_answers_or_hangs_up(count: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever is asked; the terminal gets nothing of it, and the next is answered."""
    project = Project.make(tmp_path)
    project.page("Text of the page.")
    project.build()
    server = start(LiveSite(project.request, print), 0)
    rng = random.Random(f"{SEED} requests")
    try:
        for number in range(count):
            answer = _asked(server.server_address[1], mutated(rng.choice(REQUESTS), rng))
            assert b"root:x:" not in answer
            if number % 20 == 0:
                assert b"Text of the page." in _asked(server.server_address[1], REQUESTS[0])
    finally:
        server.shutdown()
        server.server_close()
    assert "Traceback" not in capfd.readouterr().err


def _asked(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        answer = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(1 << 16):
                answer += chunk
        except OSError:
            pass
        return answer


# Whole programs -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("katex")
def test_programs_end_by_one_line(tmp_path: Path) -> None:
    """With any file of a project another, a build ends by itself, without a traceback, and leaves the project as it was."""
    project = Project.make(tmp_path)
    sound(project.outputs)
    project.page('Text with $x^2$.\n\n{{ figure("part_b/a/loss") }}')
    (project.root / "experiments/__init__.py").write_text("")
    files = [
        path
        for folder in ("templates/pages", "templates/layouts", "templates/static", "templates/figures", "experiments")
        for path in sorted((project.root / folder).rglob("*"))
        if path.is_file()
    ] + [
        project.root / "templates" / name
        for name in ("site.toml", "references.bib", "package-lock.json", "package.json")
    ]
    rng = random.Random(f"{SEED} programs")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    code = "import sys, pathlib; from darkroom.cli import main; "
    code += f"sys.exit(main(['--no-run'], root=pathlib.Path({str(tmp_path)!r})))"
    for number in range(120):
        path = rng.choice(files)
        before = path.read_bytes()
        path.write_bytes(mutated(before, rng))
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, timeout=60, check=False
        )
        path.write_bytes(before)
        said = done.stderr.decode(errors="replace")
        assert "Traceback" not in said and done.returncode in {0, 1, 2}, (
            f"{number} of seed {SEED}, {path}: {said[-3000:]}"
        )
    assert threading.active_count() < 50
