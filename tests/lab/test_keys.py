"""Keys: what changes them, what does not, and exactly which experiments must rerun."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darkroom.lab.source import canonical
from darkroom.lab.source.scan import module_record

from .workshop import EVERYTHING, FILES, SOURCES, Workshop, make

MATHS, BASE, DERIVED = "src/helpers/maths.py", "experiments/part_x/base.py", "experiments/part_x/derived.py"
ALONE, ODD = "experiments/part_x/alone.py", "experiments/part_y/odd.py"
CHAIN = {"part_x/derived": "waiting (part_x/base)", "part_y/last": "waiting (part_x/derived)"}


def base_for(*reasons: str) -> dict[str, str]:
    """What must run when the first of the chain is stale for these reasons."""
    return {"part_x/base": f"stale ({', '.join(reasons)})"} | CHAIN


MUTATIONS = {
    "a constant two imports away": (MATHS, "SCALE = 2.0", "SCALE = 2.5", base_for("code: helpers.maths.SCALE")),
    "a constant's type": (MATHS, "SCALE = 2.0", "SCALE = 2", base_for("code: helpers.maths.SCALE")),
    "a helper of a helper": (MATHS, "return SCALE * x", "return x * SCALE", base_for("code: helpers.maths._scaled")),
    "a helper behind a re-export": (MATHS, "return _scaled(x)", "return +_scaled(x)", base_for("code: helpers.maths.twice")),
    "a helper imported within a function": (
        MATHS, "return 3 * x", "return x * 3", {"part_x/alone": "stale (code: helpers.maths.thrice)"},
    ),
    "a definition that nobody uses": (MATHS, "UNUSED = 1", "UNUSED = 2", {}),
    "a re-export that leads elsewhere": (
        "src/helpers/__init__.py", "twice as double", "thrice as double",
        base_for("code: experiments.part_x.base.base"),
    ),
    "a docstring": (MATHS, '"""Two times x."""', '"""Twice x, which is a lot."""', {}),
    "no docstring": (MATHS, '    """Two times x."""\n', "", {}),
    "a comment": (MATHS, "SCALE = 2.0", "SCALE = 2.0  # the scale", {}),
    "layout": (MATHS, "return SCALE * x", "return (\n        SCALE\n        * x\n    )", {}),
    "annotations of a helper": (MATHS, "def twice(x):", "def twice(x: float) -> float:", {}),
    "a default of a helper": (
        MATHS, "def _scaled(x):", "def _scaled(x, y=1):", base_for("code: helpers.maths._scaled"),
    ),
    "a method of a base class": (
        "src/helpers/shapes.py", "self.side() ** 2", "self.side() ** 3",
        {"part_x/derived": "stale (code: helpers.shapes.Shape)", "part_y/last": "waiting (part_x/derived)"},
    ),
    "a class beside": ("src/helpers/shapes.py", "return 1", "return 2", {}),
    "a parameter's default": (BASE, "steps: int = 3", "steps: int = 4", base_for("params: steps")),
    "a new parameter": (
        BASE, "*, steps", "*, extra: int = 0, steps",
        base_for("params: extra", "code: experiments.part_x.base.base"),
    ),
    "the body": (BASE, "run.load() or", "run.load() or None or", base_for("code: experiments.part_x.base.base")),
    "the summary": (BASE, "Adds numbers up.", "Adds many numbers up.", {}),
    "device and minutes": (BASE, 'device="cpu", minutes=0.1', 'device="cpu", minutes=5', {}),
    "a caption": (BASE, "The *total*.", "The whole *total*.", {}),
    "a metric": (BASE, 'float(results["total"].sum())', '2 * float(results["total"].sum())', {}),
    "a figure's parameter": (BASE, "digits: int = 2", "digits: int = 3", {}),
    "how figures are drawn": ("src/helpers/drawing.py", '"table"', '"plot"', {}),
    "an edge's parameter": (
        DERIVED, "factor: float = 1.0", "factor: float = 2.0",
        {"part_x/derived": "stale (params: factor)", "part_y/last": "waiting (part_x/derived)"},
    ),
    "a file": ("experiments/images/cat.txt", "a cat", "a dog", {"part_x/alone": "stale (input: images/cat.txt)"}),
    "a data set": (
        "experiments/data.toml", "bytes = 3\nsha256 = \"0", "bytes = 3\nsha256 = \"1",
        {"part_x/alone": "stale (input: tiny)"},
    ),
    "where a data set is fetched": ("experiments/data.toml", "urls = []", 'urls = ["https://example.org/n"]', {}),
    "a function reached by a computed name": (
        "src/helpers/operations.py", "x - 1", "x - 2", {"part_y/computed": "stale (code: helpers.operations.*)"},
    ),
    "what is registered by a decorator": (
        "src/helpers/registry.py", "return 1", "return 2",
        {"part_y/computed": "stale (code: helpers.registry)"},
    ),
    "a module imported by a literal name": (
        "src/helpers/plug.py", "return 2", "return 3",
        {"part_y/plugged": "stale (code: helpers.plug.*)"},
    ),
    "a statement with an effect": (
        "src/helpers/tables.py", 'TABLE["a"] = 1', 'TABLE["a"] = 2',
        {"part_y/plugged": "stale (code: helpers.tables)"},
    ),
    "an effect on plots alone, where figures are imported": (
        "src/helpers/drawing.py", "@dataclass", "import json\n\njson.style = 1\n\n\n@dataclass", {},
    ),
    "an effect on what is computed with, where figures are imported": (
        "src/helpers/drawing.py", "@dataclass", "import numpy\n\nnumpy.seterr(all='raise')\n\n\n@dataclass",
        base_for("code: helpers.drawing"),
    ),
    "a module imported by star": (
        "src/helpers/stars.py", "return 0", "return 2",
        {
            "part_y/computed": "stale (code: helpers.stars.*)",
            "part_y/plugged": "stale (code: helpers.stars.*)",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_change_makes_exactly_these_experiments_stale(fresh: Workshop, mutation: str) -> None:
    """Each change of source, file or data makes exactly the listed experiments stale, for the listed reasons."""
    path, old, new, expected = MUTATIONS[mutation]

    fresh.edit(path, old, new)

    assert fresh.states() == expected


def test_nothing_is_stale_after_a_run_and_elsewhere(fresh: Workshop) -> None:
    """A project that was run is fresh, figures and metrics included, also in another folder."""
    assert fresh.states() == {}
    assert {name: each.to_draw for name, each in fresh.plan().verdicts.items() if each.to_draw} == {}
    assert set(fresh.plan().verdicts) == EVERYTHING


def _keys(workshop: Workshop) -> dict[str, object]:
    recipes = workshop.lab().project.experiments
    return {name: (each.code, [figure.code for figure in each.figures]) for name, each in recipes.items()}


def _with_noise(source: str, data: st.DataObject) -> str:
    """The source with comments, blank lines and a changed layout, and docstrings where a body may open with one."""
    if data.draw(st.booleans(), label="reformat"):
        source = ast.unparse(ast.parse(source))
    lines: list[str] = []
    in_text = False
    for line in source.splitlines():
        opens = line.count('"""') % 2 == 1
        if not in_text and not opens and line.strip() and data.draw(st.integers(0, 3)) == 0:
            indent = line[: len(line) - len(line.lstrip())]
            lines.append(data.draw(st.sampled_from(["", f"{indent}# note", f"{indent}# SCALE = 3"])))
        in_text ^= opens
        lines.append(line)
        if line.startswith("def ") and line.endswith(":") and data.draw(st.booleans()):
            lines.append('    """' + data.draw(st.sampled_from(["Words.", "x = 1", "Adds up: {x}."])) + '"""')
    return "\n".join(lines) + "\n"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_noise_leaves_every_digest_as_it_was(workshop: Workshop, data: st.DataObject) -> None:
    """Comments, blank lines, docstrings and layout, anywhere, change no digest of any experiment or figure."""
    for path, content in FILES.items():
        workshop.write(path, content.removeprefix("\n"))
    before = _keys(workshop)
    for path in (MATHS, BASE, DERIVED, ALONE, ODD, "src/helpers/shapes.py", "src/helpers/drawing.py"):
        workshop.write(path, _with_noise((workshop.root / path).read_text(encoding="utf-8"), data))

    assert _keys(workshop) == before


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scale=st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.text(), st.binary(), st.none())
)
def test_any_other_constant_two_imports_away_is_another_digest(workshop: Workshop, scale: object) -> None:
    """Any value of a constant other than its own, of any type, changes the code of what reaches it and of nothing else."""
    workshop.write(MATHS, FILES[MATHS].removeprefix("\n"))
    before = _keys(workshop)
    workshop.edit(MATHS, "SCALE = 2.0", f"SCALE = {scale!r}")

    changed = {name for name, code in _keys(workshop).items() if code != before[name]}

    assert changed == (set() if repr(scale) == "2.0" else {"part_x/base"})


def test_the_folder_of_the_checkout_is_no_part_of_a_key(tmp_path: Path) -> None:
    """Two checkouts in different folders have the same keys."""
    one, other = make(tmp_path / "one"), make(tmp_path / "another" / "place")

    keys = [{name: each.key for name, each in which.plan().verdicts.items()} for which in (one, other)]

    assert keys[0] == keys[1]
    assert keys[0]["part_x/base"]


def test_a_key_is_pinned(workshop: Workshop) -> None:
    """The key of a known experiment is this one, for ever: outputs that people keep depend on it."""
    verdict = workshop.plan().verdicts["part_x/base"]

    assert verdict.recipe.code["helpers.maths.SCALE"] == PINNED_SCALE
    assert verdict.key == PINNED_KEY


PINNED_SCALE = "c9a7279f68e43e7c"
PINNED_KEY = "d81c334f652702158b7309bfaa2f3fd458d425de533d039b30e1cfcf53484f87"

TRICKY = r'''
from __future__ import annotations
import functools
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from os import PathLike
A: int = 1_000
B = 0x10, 1e3, 1j, b"\x00", "a" "b", r"\d", "\N{BULLET}", ..., None, True, -1, 10**30
C = f"{A}" f"b{B!r:>{A}}c{{}}" "d" f"{A:}{A=}"
D = {**{}, None: 1, "x": [*B]}
def f(a, /, b: int = 1, *c, d=2, **e) -> None:
    """Doc."""
    global A
    x: int
    y: float = 1.5
    with open("x") as g, open("y") as h:
        pass
    try:
        [q for q in c if q if not q]
    except (ValueError, TypeError) as error:
        raise RuntimeError from error
    else:
        return lambda z, *w: (yield)
    finally:
        del x
async def k():
    async with a as b:
        await b
    async for i in j:
        break
    return {i async for i in j}
class K(Base, metaclass=M):
    """Doc."""
    field: int = 3
    other: str
    @property
    def p(self): "Doc."; return (n := 3)
    @functools.singledispatch
    def s(self, x: int): ...
def m(command):
    match command:
        case [1, "a", *rest] if rest: return rest
        case {"k": v, **others} | K(v, w=others): return v
        case None | -1 | 1.5: return 0
        case str() as t: return t
        case _: pass
x[1:2, ::3] = y = not 1 < 2 <= 3
assert x, "no"
for i, (j, *k) in []: continue
else: pass
while False: pass
'''


def test_the_digest_of_every_kind_of_syntax_is_pinned() -> None:
    """The record of a module that uses all of the syntax has this digest on every supported Python."""
    record = json.dumps(module_record(TRICKY, "a.b", "b.py"), sort_keys=True)

    assert canonical.digest(record) == PINNED_TRICKY


PINNED_TRICKY = "b02a03bda0ab15b3"


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_digests_are_the_same_on_other_pythons(version: str) -> None:
    """Other Pythons on this machine read the same digests from the same source."""
    python = _python(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    script = (
        "import json, sys; from darkroom.lab.source.scan import module_record; from darkroom.lab.source import canonical; "
        "print(canonical.digest(json.dumps(module_record(sys.stdin.read(), 'a.b', 'b.py'), sort_keys=True)))"
    )

    for source in (TRICKY, *(FILES[path] for path in (MATHS, BASE, ODD)), Path(__file__).read_text(encoding="utf-8")):
        done = subprocess.run(
            [python, "-c", script],
            input=source,
            text=True,
            capture_output=True,
            check=True,
            env={"PYTHONPATH": os.pathsep.join([str(SOURCES), str(Path(__file__).parent / "other_python")])},
        )
        record = json.dumps(module_record(source, "a.b", "b.py"), sort_keys=True)
        assert done.stdout.strip() == canonical.digest(record)


def _python(version: str) -> str | None:
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(installed[-1]) if installed else shutil.which(f"python{version}")
