"""Runs that draw random numbers which nothing seeded say so."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from .workshop import Workshop

ID = "part_y/computed"
BODY = '    return {"value": getattr(operations, name)(1), "known": registry.call("first")}'


def draws(workshop: Workshop, code: str, returned: str = "0") -> None:
    """Let an experiment without a seed run *code* and return a value."""
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    workshop.edit("experiments/part_y/odd.py", BODY, f'{lines}    return {{"value": {returned}}}')


def unseeded(workshop: Workshop, name: str = ID) -> list[str]:
    """What a manifest says."""
    manifest = json.loads((workshop.outputs / name / "manifest.json").read_text())
    return manifest["provenance"].get("unseeded", [])


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import random\nrandom.random()", ["random"]),
        ("import numpy as np\nnp.random.rand()", ["numpy"]),
        ("import numpy as np\nnp.random.default_rng().random()", ["numpy"]),
        ("from numpy.random import default_rng\ndefault_rng(None).random()", ["numpy"]),
        ("import random, numpy as np\nnp.random.seed(1)\nnp.random.rand()\nrandom.seed()\nrandom.random()", ["random"]),
        ("import torch\ntorch.rand(2)", ["torch"]),
        ("import torch, random\ntorch.seed()\nrandom.random()", ["random"]),
    ],
)
def test_draws_without_a_seed_are_recorded(fresh: Workshop, code: str, found: list[str]) -> None:
    """By the module whose generator it was."""
    draws(fresh, code)
    fresh.call("run", ID)
    assert unseeded(fresh) == found


@pytest.mark.parametrize(
    "code",
    [
        "import random\nrandom.seed(1)\nrandom.random()",
        "from random import seed, random\nseed(1)\nrandom()",
        "import numpy as np\nnp.random.seed(1)\nnp.random.rand()",
        "import numpy as np\nnp.random.default_rng(1).random()\nnp.random.default_rng(seed=(1, 2)).random()",
        "import random\nrandom.Random(1).random()",
        "import tempfile, uuid\ntempfile.mkdtemp()\nuuid.uuid4()",
        "import torch\ntorch.manual_seed(1)\ntorch.rand(2)",
        "import torch\nwith torch.random.fork_rng(devices=[]):\n    torch.manual_seed(1)\n    torch.rand(2)",
        "import torch\ntorch.rand(2, generator=torch.Generator().manual_seed(1))",
        "import torch\nwith torch.device('meta'):\n    torch.nn.Linear(2, 2)",
    ],
)
def test_seeded_draws_are_none(fresh: Workshop, code: str) -> None:
    """Nor are generators of the code's own, or names of temporary files."""
    draws(fresh, code)
    fresh.call("run", ID)
    assert unseeded(fresh) == []


def test_a_run_does_not_begin_where_another_has_left_off(workshop: Workshop) -> None:
    """Of three in one process two seed alike, and both are seeded; what the third draws does not follow from that."""
    seeds = "random.seed(1); numpy.random.seed(1); torch.manual_seed(1); begun = drawn(); "
    inputs = {"first": "", "second": "one: Results = upstream(first)", "third": "one: Results = upstream(second)"}
    source = """
'''Shows: what is drawn.'''

import os

from darkroom.lab import Results, experiment, upstream


def drawn():
    import random, numpy, torch

    return [random.random(), numpy.random.rand(), float(torch.rand(()))]
""" + "".join(
        f"\n\n@experiment(minutes=0.1)\ndef {name}({taken}) -> dict[str, object]:\n"
        f'    """Draws."""\n    import random, numpy, torch\n    {seeds if name != "third" else ""}'
        'return {"drawn": drawn(), "process": os.getpid()}\n'
        for name, taken in inputs.items()
    )
    workshop.write("experiments/part_z/__init__.py", "")
    workshop.write("experiments/part_z/chain.py", source)
    workshop.call("run", "part_z/*", "--jobs", "1")
    said = [json.loads((workshop.outputs / f"part_z/{name}/results.json").read_text()) for name in inputs]
    assert len({each["process"] for each in said}) == 1
    assert [unseeded(workshop, f"part_z/{name}") for name in inputs] == [[], [], ["random", "numpy", "torch"]]
    assert said[0]["drawn"] == said[1]["drawn"]

    torch.manual_seed(1)
    numbers, legacy = random.Random(1), np.random.RandomState(1)
    after = [[numbers.random(), legacy.rand(), float(torch.rand(()))] for _ in range(4)]
    assert said[0]["drawn"] == after[1]
    assert not {*said[2]["drawn"]} & {number for each in after for number in each}


def test_a_seed_among_the_parameters_is_enough(fresh: Workshop) -> None:
    """Then what it draws may depend on that."""
    fresh.edit("experiments/part_x/base.py", 'count("base")', 'count("base")\n    import random\n    random.random()')
    fresh.call("run", "part_x/base")
    assert unseeded(fresh, "part_x/base") == []


def test_status_and_check_say_so_in_one_line(fresh: Workshop) -> None:
    """And ``status ID`` in its details; the outputs are fresh, and nothing is said of those without."""
    said = "part_y/computed (random, numpy) draws random numbers but has no seed: "
    assert "seed" not in fresh.call("status").stderr
    draws(fresh, "import random, numpy\nrandom.random()\nnumpy.random.rand()")
    fresh.call("run", ID)
    assert fresh.states() == {}
    assert fresh.call("status").stderr.startswith(said)
    assert "unseeded  drew random numbers from random, numpy" in fresh.call("status", ID).stdout
    assert "no seed" not in fresh.call("status", "part_x/*").stderr
    lines = fresh.call("check", code=None).stderr.splitlines()
    assert [line.startswith(f"warning: {said}") for line in lines if "no seed" in line] == [True]


def test_two_runs_that_agree_take_it_back(fresh: Workshop) -> None:
    """What was drawn has no part in the results; where they differ it stays."""
    draws(fresh, "import random, torch\nrandom.random()\nnetwork = torch.nn.Linear(2, 2)")
    fresh.call("run", ID)
    assert unseeded(fresh) == ["random", "torch"]
    assert "gave the same results twice" in fresh.call("run", ID, "--twice").stdout
    assert unseeded(fresh) == [] and fresh.states() == {}
    assert fresh.call("status", "--strict").stderr == ""

    fresh.edit("experiments/part_y/odd.py", '"value": 0', '"value": network.weight.detach()')
    assert "gave different value" in fresh.call("run", ID, "--twice", code=3).stdout
    assert unseeded(fresh) == ["random", "torch"]


def test_a_manifest_says_nothing_where_there_is_nothing(fresh: Workshop) -> None:
    """Versions that do not know the field can read it then."""
    assert all("unseeded" not in path.read_text() for path in fresh.outputs.rglob("manifest.json"))
