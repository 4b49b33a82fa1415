"""Which part may import which, and what a build that changes nothing may import at all."""

from __future__ import annotations

import ast
import graphlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.workshop import Workshop, make
from tests.press.projects import copy_templates

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for path in (ROOT / "src/darkroom").rglob("*.py") if not path.is_relative_to(ROOT / "src/darkroom/scaffolds")
)

# What each package, and each module of cli, lab and press beside their packages, may import of darkroom beside itself.
# Nothing leads back: core knows nothing else, diffusion knows nobody, figures, lab and press know core and not each other.
MAY_IMPORT = {
    "core": "",
    "diffusion": "",
    "figures": "core",
    "lab.outputs": "core",
    "lab.source": "core lab.outputs",
    "lab.declare": "lab.source",
    "lab.plan": "core lab.outputs lab.source",
    "lab.running": "core lab.declare lab.outputs lab.plan lab.source",
    "lab.accept": "core lab.outputs lab.plan lab.running",
    "lab.status": "core lab.plan lab.source",
    "lab.leftovers": "core lab.outputs lab.plan lab.source",
    "lab.importing": "core lab.outputs lab.plan lab.running lab.source",
    "lab.comparing": "core lab.outputs",
    "lab.tracing": "core lab.comparing lab.outputs lab.plan lab.source lab.status",
    "lab": "lab.declare lab.outputs lab.running lab.source",
    "press.faults": "core",
    "press.files": "press.theme",
    "press.inputs": "core",
    "press.limits": "core",
    "press.theme": "core press.inputs",
    "press.write": "core",
    "press.typeset": "core press.faults press.files press.inputs press.limits press.theme",
    "press.content": "core press.faults press.typeset",
    "press.markdown": "core press.content press.faults press.limits press.typeset",
    "press.bibliography": "core press.content press.faults press.typeset",
    "press.rendering": "core press.content press.files press.inputs press.limits press.markdown press.theme "
    "press.typeset",
    "press.site": "core press.bibliography press.content press.faults press.files press.inputs press.limits press.markdown "
    "press.rendering press.theme press.typeset",
    "press.build": "core press.content press.files press.inputs press.site press.theme press.write",
    "press.tags": "core",
    "press.snapshots": "core press.write",
    "press.published": "core press.build press.content",
    "press.paper": "core press.build press.content press.published press.tags",
    "press.single": "core press.build press.published press.tags press.typeset",
    "press.serve": "core press.build press.rendering",
    "press": "",
    "new": "core",
    "clean": "core new",
    "cli.shared": "core lab.outputs lab.plan lab.source",
    "cli.options": "cli.shared core new press.content press.snapshots",
    "cli.untrusted": "core",
    "cli.building": "cli.options cli.shared core lab.plan lab.running lab.source lab.status press.build press.content "
    "press.snapshots",
    "cli.running": "cli.shared core lab.accept lab.importing lab.plan lab.running press.typeset",
    "cli.outputs": "cli.shared core lab.comparing lab.plan lab.running lab.status press.typeset",
    "cli.projects": "cli.shared clean core new",
    "cli.collecting": "cli.building cli.shared core lab.leftovers lab.plan press.build",
    "cli.tracing": "cli.shared lab.tracing",
    "cli.publishing": "cli.building cli.shared lab.plan press.build press.paper press.serve press.single",
    "cli": "cli.building cli.collecting cli.options cli.outputs cli.projects cli.publishing cli.running cli.shared "
    "cli.tracing cli.untrusted core lab.plan",
    "testing": "core press.snapshots",
    "__main__": "cli",
    "": "",
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


def _module(path: Path) -> str:
    """The module that a file is."""
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")


def _modules_of(path: Path) -> Iterator[str]:
    """The modules of darkroom that a file imports, others than itself."""
    known = {_module(each) for each in FILES}
    for name in _imports(path):
        found = name if name in known else name.rpartition(".")[0]
        if found in known and found not in {_module(path), "darkroom"}:
            yield found


def _part(module: str) -> str:
    """The entry of ``MAY_IMPORT`` that a module belongs to."""
    _, *parts = module.split(".")
    names = [".".join(parts[:count]) for count in (2, 1)] if parts else [""]
    return next(name for name in names if name in MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "src/darkroom")))
def test_a_file_imports_only_what_its_part_may(path: Path) -> None:
    """Nothing imports what the table does not give it, at its top or within a function."""
    part = _part(_module(path))
    allowed = {part, *MAY_IMPORT[part].split()}

    assert {module for module in _modules_of(path) if _part(module) not in allowed} == set()


def test_no_part_leads_back_to_itself() -> None:
    """The table has an order: what a part imports never imports that part."""
    order = graphlib.TopologicalSorter({part: allowed.split() for part, allowed in MAY_IMPORT.items()})

    assert len(list(order.static_order())) == len(MAY_IMPORT)


def test_the_name_of_a_class_means_one_thing() -> None:
    """Private names, those of one module, aside."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in FILES]
    names = Counter(node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef))

    assert {name for name, count in names.items() if count > 1 and not name.startswith("_")} == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not at their tops, and not within functions either."""
    order = graphlib.TopologicalSorter({_module(path): list(_modules_of(path)) for path in FILES})

    order.prepare()  # which raises CycleError with the circle


def test_the_table_has_no_more_than_there_is() -> None:
    """An entry that nothing needs any longer is taken out."""
    used: dict[str, set[str]] = {part: set() for part in MAY_IMPORT}
    for path in FILES:
        part = _part(_module(path))
        used[part] |= {_part(module) for module in _modules_of(path)} - {part}

    assert {part: set(allowed.split()) - used[part] for part, allowed in MAY_IMPORT.items()} == {
        part: set() for part in MAY_IMPORT
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "src/darkroom")))
def test_torch_is_imported_by_the_maths_alone(path: Path) -> None:
    """Only diffusion imports torch, and only its modules pretrained and cascade diffusers and transformers."""
    packages = {name.partition(".")[0] for name in _imports(path)} & TORCH
    if _part(_module(path)) == "diffusion":
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
    "watchfiles", "darkroom.cli.collecting", "darkroom.cli.options", "darkroom.cli.outputs", "darkroom.cli.projects",
    "darkroom.cli.publishing",
    "darkroom.cli.running", "darkroom.cli.untrusted", "darkroom.diffusion", "darkroom.figures",
    "darkroom.lab.source.canonical",
    "darkroom.lab.source.declarations", "darkroom.lab.source.fingerprint", "darkroom.lab.source.scan",
    "darkroom.lab.running.schedule", "darkroom.lab.outputs.results", "darkroom.press.site.site",
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
