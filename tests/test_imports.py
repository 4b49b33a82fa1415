"""Which part may import which, and what a build that changes nothing may import at all."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.workshop import Workshop, make
from tests.press.projects import copy_templates

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "src/darkroom").rglob("*.py"))

# What a folder of darkroom may import of darkroom, beside itself.
ALLOWED = {
    "core": (),
    "lab": ("darkroom.core",),
    "figures": (),
    "diffusion": (),
    "press": (
        "darkroom.core",
        *(f"darkroom.lab.{name}" for name in ("manifest", "record", "kinds", "paths", "sealed", "caches", "errors")),
    ),
    "cli": ("darkroom.lab", "darkroom.press", "darkroom.interrupts"),
    "interrupts": (),
    "__init__": (),
}
TORCH = {"torch", "torchvision", "diffusers", "transformers", "accelerate"}


def _imports(path: Path) -> set[str]:
    """The absolute names of everything that a file imports, at its top or within a function."""
    package = path.relative_to(ROOT / "src").with_suffix("").parts[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def _part(path: Path) -> str:
    inner = path.relative_to(ROOT / "src/darkroom")
    return inner.parts[0] if len(inner.parts) > 1 else inner.stem


def _is_within(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "src/darkroom")))
def test_a_file_imports_only_what_its_part_may(path: Path) -> None:
    """lab, figures and diffusion know nothing of each other; press knows manifest and errors; cli knows lab and press."""
    part = _part(path)
    allowed = (f"darkroom.{part}", *ALLOWED[part])

    ours = {name for name in _imports(path) if name == "darkroom" or name.startswith("darkroom.")}

    assert {name for name in ours if not _is_within(name, allowed)} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "src/darkroom")))
def test_torch_is_imported_by_the_maths_alone(path: Path) -> None:
    """Only diffusion imports torch, and only its modules pretrained and cascade diffusers and transformers."""
    packages = {name.partition(".")[0] for name in _imports(path)} & TORCH
    if _part(path) == "diffusion":
        packages -= {"torch"}
        packages -= {"diffusers", "transformers", "accelerate"} if path.stem in {"pretrained", "cascade"} else set()

    assert packages == set()


def test_the_rules_see_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import within a function, or a relative one, is seen as well."""
    path = tmp_path / "src/darkroom/press/new.py"
    path.parent.mkdir(parents=True)
    path.write_text("from ..lab import plan\ndef f():\n    import torch.nn\n    from . import pages\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)

    assert _imports(path) == {"darkroom.lab.plan", "torch.nn", "darkroom.press.pages"}


def test_every_experiment_can_be_imported_without_torch() -> None:
    """No experiment module imports torch as it is imported, so that figures are drawn where there is none."""
    files = [
        path for path in sorted((ROOT / "experiments").glob("*/*.py")) if "@experiment(" in path.read_text("utf-8")
    ]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    script = (
        "import importlib, sys\n"
        f"for name in {sorted(TORCH)!r}: sys.modules[name] = None\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=_here(), capture_output=True, text=True, check=False
    )

    assert modules
    assert (done.returncode, done.stderr) == (0, "")


def _here() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}


# What costs more than a build that changes nothing may spend. typing_extensions is msgspec's, which does without.
HEAVY = {
    "argparse", "dataclasses", "experiments", "filelock", "helpers", "imageio", "jinja2", "markdown", "matplotlib", "numpy",
    "PIL", "pooch", "platformdirs", "pymdownx", "rich", "safetensors", "shutil", "subprocess", "tomllib", "torch",
    "typing_extensions",
    "watchfiles", "darkroom.diffusion", "darkroom.figures", "darkroom.lab.canonical", "darkroom.lab.declarations",
    "darkroom.lab.fingerprint", "darkroom.lab.run", "darkroom.lab.scan", "darkroom.lab.store", "darkroom.press.edition",
}  # fmt: skip


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A project whose outputs and site are as the sources say."""
    workshop = make(tmp_path_factory.mktemp("warm"))
    copy_templates(workshop.root)
    (workshop.root / "templates/site.toml").write_text('title = "T"\ndescription = "D"\n', encoding="utf-8")
    page = '+++\ntitle = "A page"\ndescription = "D"\n+++\n{{ figure("part_x/base/curve") }}\n'
    workshop.write("templates/pages/index.md", page)
    workshop.call()
    workshop.call()
    return workshop


@pytest.mark.parametrize("arguments", [[], ["--strict"]])
def test_a_warm_build_imports_nothing_heavy(warm: Workshop, arguments: list[str]) -> None:
    """A build that changes nothing imports no experiment, no torch, and nothing else that costs time."""
    warm.call(*arguments)
    script = (
        "import sys, json, pathlib; from darkroom.cli import main; "
        f"code = main({arguments!r}, pathlib.Path({str(warm.root)!r})); "
        "print(json.dumps([code, sorted(sys.modules)]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=warm.root,
        env=warm.environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0
    assert "nothing to write" in done.stdout
    assert set(modules) & HEAVY == set()


@pytest.mark.benchmark
def test_a_warm_build_is_quick(warm: Workshop) -> None:
    """Prints the seconds of a whole warm build, and of an interpreter that does nothing."""
    import time

    def fastest(command: list[str]) -> float:
        times = []
        for _ in range(15):
            start = time.perf_counter()
            subprocess.run(command, cwd=warm.root, env=warm.environment(), check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        return min(times)

    build, nothing = fastest(warm.command()), fastest([sys.executable, "-c", "pass"])
    print(f"\nwarm build {build * 1e3:.0f} ms, of which {nothing * 1e3:.0f} ms is Python starting")  # noqa: T201

    assert build < 0.2
