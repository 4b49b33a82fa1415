"""What a run needs of its system, and what it records of it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

import darkroom
from darkroom.core.manifest import load

from .workshop import Workshop


def _without(workshop: Workshop, module: str) -> dict[str, str]:
    """The environment of a build in which a module is not there."""
    folder = workshop.root.parent / "absent"
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(
        f"raise ModuleNotFoundError(\"No module named '{module}'\", name={module!r})\n"
    )
    return {"PYTHONPATH": str(folder)}


def test_a_run_keeps_its_outputs_where_the_system_has_no_resource_module(workshop: Workshop) -> None:
    """As on Windows; the memory that it took is not known then, and pages leave it out."""
    workshop.call("run", "part_x/base", **_without(workshop, "resource"))

    manifest = load(workshop.outputs / "part_x/base")
    assert manifest
    assert manifest.provenance.peak_memory_bytes == 0
    assert "part_x/base" not in workshop.states()


def test_the_versions_of_darkroom_and_of_what_draws_are_recorded(workshop: Workshop) -> None:
    """Of an experiment that draws nothing, only those of what it computes with."""
    workshop.call("run", "part_x/derived")

    drawn, other = load(workshop.outputs / "part_x/base"), load(workshop.outputs / "part_x/derived")
    assert drawn
    assert other
    assert {"python", "darkroom", "numpy", "matplotlib", "pillow", "imageio"} == set(drawn.provenance.versions)
    assert drawn.provenance.versions["darkroom"] == darkroom.__version__
    assert drawn.provenance.versions["pillow"] == version("pillow")
    assert {"python", "darkroom", "numpy"} == set(other.provenance.versions)


@pytest.mark.parametrize("command", [["run", "part_x/base"], []], ids=["run", "build"])
def test_a_package_that_is_imported_too_early_is_named_as_the_cause(command: list[str], workshop: Workshop) -> None:
    """With the place, and what to write; where a function imports it, it is only said to be missing."""
    workshop.edit("experiments/part_x/base.py", "import numpy as np\n", "import numpy as np\nimport torch\n")

    said = workshop.call(*command, code=None, **_without(workshop, "torch")).stderr

    assert (
        "part_x/base: experiments/part_x/base.py:6 imports torch at the top of its file, and torch is not installed; "
        "import it within the functions that compute" in said
    )
    workshop.edit("experiments/part_x/base.py", "import numpy as np\nimport torch\n", "import numpy as np\n")
    workshop.edit("experiments/part_x/base.py", '    count("base")\n', '    import torch\n    count("base")\n')
    said = workshop.call("run", "part_x/base", code=2, **_without(workshop, "torch")).stderr
    assert "part_x/base needs torch, which is not installed; run pip install" in said
    assert "top of its file" not in said


def test_a_figure_whose_module_imports_too_early_says_so(workshop: Workshop) -> None:
    """Figures are drawn on machines where what computed them is not installed."""
    workshop.call("run", "part_x/base")
    workshop.edit("experiments/part_x/base.py", "import numpy as np\n", "import numpy as np\nimport torch\n")
    workshop.edit("experiments/part_x/base.py", "digits: int = 2", "digits: int = 3")
    (Path(workshop.root) / "templates").mkdir()

    said = workshop.call(code=None, **_without(workshop, "torch")).stderr

    assert "part_x/base/curve: experiments/part_x/base.py:6 imports torch at the top of its file" in said
