"""Node and npm that fail, lie, flood or hang: one line that names them and says what to do, within seconds."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from darkroom.core.errors import ContentError, UsageError
from darkroom.press import limits
from darkroom.press.theme import BASE
from darkroom.press.typeset import katex as math
from darkroom.press.typeset import node, npm
from darkroom.press.typeset.equations import Equation
from tests.hostile import sound, spoil
from tests.press.projects import ROOT, Project, copy_fonts
from tests.press.projects import katex as typesetter

pytestmark = pytest.mark.usefixtures("katex")

ANSWER = 'read -r options; word=$(printf %s "$options" | sed "s/.*\\"word\\": \\"\\([^\\"]*\\)\\".*/\\1/")\n'


def _fake(folder: Path, script: str) -> Path:
    path = folder / "node"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _typeset(tmp_path: Path, *equations: str) -> dict[Equation, object]:
    katex = typesetter(tmp_path / "cache")
    return katex.start([Equation(tex, False) for tex in equations]).finish()


FAKES = {
    "silent": "cat >/dev/null",
    "one_too_few": ANSWER + 'echo "$word [0, \\"x\\"]"',
    "a_number": ANSWER + 'echo "$word [0, 3]"; echo "$word [1, 3]"',
    "no_json": ANSWER + 'echo "$word [0,"; echo "$word"',
    "without_the_word": 'cat >/dev/null; echo "[0, \\"x\\"]"; echo "[1, \\"x\\"]"',
    "beyond": ANSWER + 'echo "$word [7, \\"x\\"]"; echo "$word [-9, \\"x\\"]"',
    "bytes": "cat >/dev/null; head -c 1000 /dev/urandom",
    "nested": ANSWER + 'printf "%s [0, " "$word"; head -c 100000 /dev/zero | tr "\\0" "["',
    "failing": "cat >/dev/null; echo 'SyntaxError: no' >&2; exit 1",
    "killed": "kill -9 $$",
    "flooding": "cat >/dev/null; yes | head -c 300000000; sleep 60",
    "hanging": "cat >/dev/null; sleep 60",
    "half_a_character": ANSWER + 'echo "$word [0, \\"\\\\\\\\ud800\\"]"; echo "$word [1, \\"x\\"]"',
    "half_a_character_in_a_message": ANSWER
    + 'echo "$word [0, {\\"message\\": \\"\\\\\\\\udfff\\", \\"position\\": 1}]"; echo "$word [1, \\"x\\"]"',
    "trickling": "cat >/dev/null; for n in $(seq 200); do echo x; sleep 0.1; done",
    "hanging_after_an_answer": ANSWER + 'echo "$word [0, \\"x\\"]"; sleep 60',
}


@pytest.mark.parametrize("name", FAKES)
def test_node_that_fails_is_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it prints, it is not believed unless it answers everything."""
    monkeypatch.setattr(node, "SILENCE_S", 1.0)
    monkeypatch.setattr(node, "LARGEST", 5_000_000)
    monkeypatch.setattr(math, "node", lambda: _fake(tmp_path, FAKES[name]))
    began = time.monotonic()
    with pytest.raises(UsageError, match=r"^Node failed on .*typeset\.mjs: [^\n]*build again[^\n]*$"):
        _typeset(tmp_path, "x", "y")
    assert time.monotonic() - began < 10
    monkeypatch.undo()
    assert len(_typeset(tmp_path, "x", "y")) == 2  # nothing of it was kept


@pytest.mark.parametrize("position", ["9" * 30, "-1", "1e999", "true", "null"])
def test_a_place_that_no_formula_has_is_none(
    position: str, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with a formula then stands where it begins, in one line."""
    answer = f'[0, {{\\"message\\": \\"bad\\\\\\\\n\\\\\\\\tx\\", \\"position\\": {position}}}]'
    monkeypatch.setattr(math, "node", lambda: _fake(tmp_path, f'{ANSWER}echo "$word {answer}"'))
    project.page("a $x_1$")
    with pytest.raises(ContentError) as caught:
        project.build()
    assert [str(fault) for fault in caught.value.faults] == ["templates/pages/index.md:5:4 math: bad x"]


def test_few_files_are_what_is_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not Node, which aborts without them."""
    monkeypatch.setattr(node, "too_few_files", lambda needed: limits.too_few_files(1 << 40))
    task = node.NodeTask(
        _fake(tmp_path, "exit 134"), (tmp_path / "x.mjs", tmp_path / "katex.mjs"), {}, [Equation("x", False)]
    )
    with pytest.raises(UsageError, match=r"^Node cannot typeset formulas: too few files may be open: .* ulimit -n$"):
        task.answers()
    task.end()


def test_node_is_not_taken_to_hang_while_others_have_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time counts while it works or waits; where it could work and may not, as little as it gets."""
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        clock = node._Clock(child.pid)
        time.sleep(1)
        clock.tick()
        assert 0 <= clock.own_s <= clock.all_s and clock.all_s >= 1
        monkeypatch.setattr(clock, "_state", lambda used=clock._used: (True, used + 0.25))
        clock.restart()
        time.sleep(0.5)
        clock.tick()
        assert clock.own_s == pytest.approx(0.25) and clock.all_s >= 0.5
    finally:
        child.kill()
        child.wait()
    sleeper = subprocess.Popen(["sleep", "30"])
    try:
        clock = node._Clock(sleeper.pid)
        time.sleep(0.5)
        clock.restart()
        time.sleep(0.5)
        clock.tick()
        assert clock.own_s == clock.all_s >= 0.5
    finally:
        sleeper.kill()
        sleeper.wait()


def test_what_is_printed_beside_answers_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings before, between and after them change nothing."""
    script = (
        ANSWER
        + 'echo warning; printf "no end of line"; echo; echo "$word [1, \\"two\\"]"; echo "$word [0, \\"one\\"]"; echo bye'
    )
    monkeypatch.setattr(math, "node", lambda: _fake(tmp_path, script))
    assert list(_typeset(tmp_path, "x", "y").values()) in (["one", "two"], ["two", "one"])


@pytest.mark.parametrize("variable", ["NODE_OPTIONS=--inspect=0", "NODE_OPTIONS=--no-such", "NODE_DEBUG=module"])
def test_the_environment_of_node_is_its_own(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes Node print or stop does not reach it."""
    monkeypatch.setenv(*variable.split("=", 1))
    assert len(_typeset(tmp_path, "x^2")) == 1


def test_a_node_of_another_machine_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be run, and that is said."""
    path = _fake(tmp_path, "")
    path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(100))
    monkeypatch.setattr(math, "node", lambda: path)
    with pytest.raises(UsageError, match=r"cannot be run: .*; pip install"):
        _typeset(tmp_path, "x")


@pytest.mark.parametrize("tex", ["{" * 2000 + "x" + "}" * 2000, r"\sqrt{" * 3000 + "x" + "}" * 3000, r"\def\a{\a\a}\a"])
def test_tex_that_is_too_deep_is_a_fault_at_its_place(tex: str, project: Project) -> None:
    """Not of KaTeX, and not of Node."""
    project.page(f"Before.\n\nText with ${tex}$ in it.")
    with pytest.raises(ContentError) as refused:
        project.build()
    assert str(refused.value).startswith("templates/pages/index.md:7:")
    assert "\n" not in str(refused.value)


COSTLY = {
    "long": "x+" * 20_000 + "x",
    "made_long": r"\def\a{" + "x+" * 2000 + "x}" + r"\a" * 400,
    "large": r"\def\a{" + r"\frac{x}{y}" * 300 + "}" + r"\a" * 900,
}


@pytest.mark.parametrize("name", COSTLY)
def test_tex_that_takes_for_ever_is_a_fault_at_its_place(
    name: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other formulas are not at fault, and neither is Node."""
    monkeypatch.setattr(node, "SILENCE_S", 1.0)
    project.page("Fonts for $a$ and $b$.")
    project.build()
    project.page(f"Before, $a$.\n\n$${COSTLY[name]}$$\n\nAnd $b$.")
    began = time.monotonic()
    with pytest.raises(ContentError) as refused:
        project.build()
    assert re.fullmatch(r"templates/pages/index\.md:7:\d+ math: [^\n]*split it", str(refused.value)), refused.value
    assert time.monotonic() - began < 150  # a few seconds, on a machine that does nothing else
    project.page("Before, $a$. And $b$.")
    project.build()


def test_costly_tex_of_a_caption_is_damage(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the site is built."""
    monkeypatch.setattr(node, "SILENCE_S", 1.0)
    spoil(sound(project.outputs), lambda m: m["figures"]["loss"].update(caption=f"${COSTLY['made_long']}$"))
    project.page('Text with $x$.\n\n{{ figure("part_b/a/loss") }}')
    report = project.build()
    assert [each.path for each in report.warnings if "too much time or memory" in each.message] == [
        "experiments/outputs/part_b/a/manifest.json"
    ]


@pytest.fixture
def broken(project: Project) -> Project:
    """A project with a copy of KaTeX that can be broken."""
    folder = project.root / "templates/node_modules"
    real = folder.resolve()
    folder.unlink()
    folder.mkdir()
    for package in real.iterdir():
        if package.name == "katex":
            shutil.copytree(package, folder / package.name)
        else:
            (folder / package.name).symlink_to(package)
    project.page("$x$")
    return project


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("katex/dist/katex.min.css", None),
        ("katex/dist/katex.min.css", b""),
        ("katex/dist/katex.min.css", b"\xff\xfe"),
        ("katex/dist/fonts/KaTeX_Main-Regular.woff2", None),
        ("katex/dist/fonts/KaTeX_Main-Regular.woff2", b""),
        ("katex/dist/fonts/KaTeX_Main-Regular.woff2", b"wOF2 and no more"),
        ("katex/dist/katex.mjs", b"throw new Error('broken')"),
        ("katex/dist/katex.mjs", None),
    ],
)
def test_a_katex_that_is_not_whole_is_one_line(path: str, content: bytes | None, broken: Project) -> None:
    """It names the file, and says what to do."""
    target = broken.root / "templates/node_modules" / path
    target.unlink() if content is None else target.write_bytes(content)
    with pytest.raises(UsageError) as refused:
        broken.build()
    assert "\n" not in str(refused.value)
    assert "build again" in str(refused.value)


def test_a_lock_file_without_katex_is_one_line(broken: Project) -> None:
    """It says what is missing."""
    lock = broken.root / "templates/package-lock.json"
    content = json.loads(lock.read_text())
    del content["packages"]["node_modules/katex"]
    lock.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="katex is not among the packages"):
        broken.build()


def test_a_font_part_that_was_changed_is_made_again(broken: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the cache holds counts while it is as it was made."""
    home = broken.root / "cache"
    copy_fonts(home / "darkroom/fonts")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    broken.build()
    published = {path.name: path.read_bytes() for path in broken.site.glob("assets/fonts/*")}
    used = {path.name for path in broken.site.glob("assets/fonts/*")}
    changed = [path for path in home.glob("darkroom/fonts/*.woff2") if path.name in used]
    assert changed
    for path in changed:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    shutil.rmtree(broken.site)
    broken.build()
    assert {path.name: path.read_bytes() for path in broken.site.glob("assets/fonts/*")} == published


# npm ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(BASE / name, folder)
    return folder


def test_npm_that_hangs_is_ended(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a while, by one line; that packages are fetched is said before, and nothing is left."""
    monkeypatch.setattr(npm, "_WAIT_S", 1)
    monkeypatch.setattr(npm, "_npm", lambda: [str(_fake(tmp_path, "exec sleep 60"))])
    began = time.monotonic()
    with pytest.raises(UsageError, match="within 1 seconds; try again"):
        npm.install(templates)
    assert time.monotonic() - began < 10
    assert "downloading KaTeX" in capsys.readouterr().err
    assert sorted(path.name for path in templates.iterdir()) == ["package-lock.json", "package.json"]


def test_what_a_killed_installation_left_is_swept(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything else is done."""
    (templates / ".npm-new-left/node_modules").mkdir(parents=True)
    monkeypatch.setattr(npm, "_npm", lambda: [str(_fake(tmp_path, "exit 1"))])
    with pytest.raises(UsageError, match="npm could not download"):
        npm.install(templates)
    assert not (templates / ".npm-new-left").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who runs")
def test_npm_ends_with_whoever_started_it(templates: Path, tmp_path: Path) -> None:
    """Killed outright, a build leaves no npm behind."""
    server = (
        "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); "
        "print(s.getsockname()[1], flush=True); time.sleep(60)"
    )
    registry = subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE, text=True)
    port = registry.stdout.readline().strip()
    code = (
        f"from pathlib import Path; from darkroom.press.typeset.npm import install; install(Path({str(templates)!r}))"
    )
    environment = os.environ | {
        "npm_config_registry": f"http://127.0.0.1:{port}/",
        "npm_config_cache": str(tmp_path / "npm"),
        "PYTHONPATH": str(ROOT / "src"),
    }
    build = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    try:
        children: list[str] = []
        until = time.monotonic() + 20
        while not children and time.monotonic() < until:
            time.sleep(0.05)
            children = Path(f"/proc/{build.pid}/task/{build.pid}/children").read_text().split()
        assert children
        build.send_signal(signal.SIGKILL)
        build.wait()
        until = time.monotonic() + 10
        while any(_runs(each) for each in children) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(_runs(each) for each in children)
    finally:
        registry.kill()
        build.kill()


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
