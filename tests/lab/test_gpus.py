"""Several GPUs: one experiment on each, which sees no other; and several machines that share a folder."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from darkroom.core.errors import DeviceUnavailable
from darkroom.core.manifest import load
from darkroom.lab.running import gpus, provenance, worker

from .workshop import Workshop

TORCH = """
import os
import sys
from types import SimpleNamespace

import numpy as np

__version__ = "9"


def device_count():
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if seen is None:
        return 4
    return 1 if "MIG-" in seen else len(seen.split(",")) if seen else 0


cuda = SimpleNamespace(
    device_count=device_count,
    is_available=lambda: device_count() > 0,
    get_device_name=lambda: "A GPU",
    max_memory_allocated=lambda: 0,
    get_rng_state=lambda: get_rng_state(),
)
sys.modules["torch.cuda"] = cuda
version = SimpleNamespace(cuda=os.environ.get("BUILT_WITH") or None, hip=None)
backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False))


def get_num_threads():
    return 1


def set_num_threads(count):
    pass


def seed():
    return 1


def initial_seed():
    return 1


def get_rng_state():
    return SimpleNamespace(numpy=lambda: np.zeros(1))
"""
COMPUTING = """
import os
import time

import torch

from darkroom.lab import Run, experiment


def seen(run: Run) -> dict[str, object]:
    began = time.time()
    time.sleep(0.5)
    return {"device": run.device, "gpu": os.environ.get("CUDA_VISIBLE_DEVICES", "all"), "from": began, "to": time.time()}

"""
ONE = '''
@experiment(device="gpu", minutes=60, gpu_minutes=1)
def {name}(run: Run) -> dict[str, object]:
    """Computes."""
    return seen(run) if torch.__version__ else {{}}

'''
NAMES = "ada", "ben", "cyd", "dan"


@pytest.fixture
def computing(workshop: Workshop) -> Workshop:
    """A project with four experiments for a GPU, on a machine with four of them."""
    workshop.write("experiments/part_g/computing.py", COMPUTING + "".join(ONE.format(name=name) for name in NAMES))
    workshop.write("four/torch/__init__.py", TORCH)
    return workshop


def results(workshop: Workshop) -> list[dict[str, object]]:
    return [json.loads((workshop.outputs / f"part_g/{name}/results.json").read_text()) for name in NAMES]


def run(workshop: Workshop, *arguments: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    return workshop.call("run", "part_g/*", *arguments, code=code, PYTHONPATH=str(workshop.root / "four"), **variables)


@pytest.mark.parametrize(
    ("arguments", "variables", "wanted"),
    [
        (("--gpus", "0,3"), {}, {"0", "3"}),
        (("--device", "cuda:1"), {}, {"1"}),
        ((), {"CUDA_VISIBLE_DEVICES": "2,GPU-abcdef0123"}, {"2", "GPU-abcdef0123"}),
        ((), {"CUDA_VISIBLE_DEVICES": "MIG-1/2/0,MIG-1/3/0"}, {"MIG-1/2/0", "MIG-1/3/0"}),
        (("--gpus", "1"), {"CUDA_VISIBLE_DEVICES": "7,5"}, {"5"}),
        (("--jobs", "2"), {}, {"0", "1"}),
    ],
)
def test_each_experiment_has_a_gpu_of_its_own(computing, arguments, variables, wanted):
    """It is "cuda" to it, whichever it is; no two are on one at a time; the manifest says which it was."""
    run(computing, *arguments, **variables)
    found = results(computing)
    assert {each["gpu"] for each in found} == wanted and {each["device"] for each in found} == {"cuda"}
    for gpu in wanted:
        spans = sorted((each["from"], each["to"]) for each in found if each["gpu"] == gpu)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
    for name, each in zip(NAMES, found, strict=True):
        manifest = load(computing.outputs / f"part_g/{name}")
        assert manifest is not None
        assert manifest.provenance.device == f"A GPU, GPU {str(each['gpu']).removeprefix('GPU-')[:8]}"


def test_one_gpu_is_asked_for_by_nothing(computing):
    """One experiment at a time, with the environment as it is."""
    run(computing, "--jobs", "1")
    found = results(computing)
    spans = sorted((each["from"], each["to"]) for each in found)
    assert {each["gpu"] for each in found} == {"all"}
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    manifest = load(computing.outputs / "part_g/ada")
    assert manifest is not None and manifest.provenance.device == "A GPU"


@pytest.mark.parametrize(("installed", "built_with"), [(True, ""), (False, ""), (True, "12.8")])
def test_a_gpu_that_torch_cannot_use_is_told(computing, installed, built_with):
    """A build of torch for CPUs only would take hours without a word; who hides the GPU from another wants that."""
    (computing.root / "bin").mkdir()
    if installed:
        (computing.root / "bin/nvidia-smi").write_text("#!/bin/sh\n")
        (computing.root / "bin/nvidia-smi").chmod(0o755)
    variables = {"PATH": f"{computing.root / 'bin'}{os.pathsep}{os.environ['PATH']}", "BUILT_WITH": built_with}
    said = "part_g/ada runs on the CPU: torch 9 is built without CUDA, but NVIDIA's driver is installed; install"
    done = run(computing, CUDA_VISIBLE_DEVICES="", **variables)
    assert (said in done.stderr) == (installed and not built_with)
    assert {each["device"] for each in results(computing)} == {"cpu"}
    assert said not in run(computing, "--force", "--device", "cpu", CUDA_VISIBLE_DEVICES="", **variables).stderr


def test_several_gpus_work_side_by_side(computing):
    run(computing, "--gpus", "0,1,2,3")
    found = results(computing)
    assert len({each["gpu"] for each in found}) == 4
    assert max(each["from"] for each in found) < min(each["to"] for each in found)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--gpus", "0,4,9"), 2, "no GPU 4, 9: torch finds 4 NVIDIA GPUs on this machine, counted from 0"),
        (("--device", "cuda:4"), 2, "GPU 4: torch finds 4 NVIDIA GPUs"),
        (("--gpus", "0,0"), 2, "'0,0' is not a list of GPU numbers; write --gpus 0,3"),
        (("--gpus", "one"), 2, "'one' is not a list of GPU numbers"),
        (("--device", "cuda:one"), 2, "'cuda:one' is not a device; choose auto, cpu, cuda, mps or cuda:N"),
        (("--device", "cuda:1", "--gpus", "2"), 2, "--device cuda:1 and --gpus 2: use only one of the two"),
        (("--device", "cpu", "--gpus", "2"), 2, "--device cpu and --gpus 2: use only one of the two"),
    ],
)
def test_gpus_that_are_not_there_are_told(computing, arguments, code, said):
    assert said in run(computing, *arguments, code=code).stderr


def test_an_apple_gpu_is_one_without_a_number():
    assert gpus.environment(gpus.ANY) == {}
    with pytest.raises(DeviceUnavailable, match="GPU 0: torch finds no NVIDIA GPU on this machine"):
        gpus.chosen((0,), [gpus.ANY])


def test_a_build_starts_what_is_quick_on_the_gpu_that_is_there(computing):
    """An hour on a CPU, a minute on a GPU: unasked it is started where there is one."""
    there = {"PYTHONPATH": str(computing.root / "four"), "CUDA_VISIBLE_DEVICES": "0,1,2,3"}
    for name, variables in (("none", {}), ("four", there)):
        done = computing.call("build", code=None, **variables)
        assert (computing.outputs / "part_g/ada/manifest.json").exists() == (name == "four"), done.stderr
        if name == "none":
            assert "part_g/ada takes about 60 minutes, so a build does not start it" in done.stderr


HOLDING = """
import sys, time
from pathlib import Path
from darkroom.lab.outputs.locking import locked
from darkroom.lab.outputs.folders import OutputFolder

with locked(OutputFolder(Path(sys.argv[1]), "part_x/alone")):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_run_waits_for_another_process_where_it_is_asked_to(workshop, tmp_path):
    """It says for whom, does what does not hang on it, and runs what is still not fresh when the other is done."""
    (tmp_path / "holding.py").write_text(HOLDING)
    command = [*workshop.command()[:1], str(tmp_path / "holding.py"), str(workshop.outputs)]
    holding = subprocess.Popen(
        command, env=workshop.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=workshop.root
    )
    assert holding.stdout and holding.stdin and holding.stdout.readline() == "held\n"
    waiting = subprocess.Popen(
        workshop.command("run", "part_x/alone", "part_x/base", "--wait"),
        env=workshop.environment(),
        stderr=subprocess.PIPE,
        text=True,
        cwd=workshop.root,
    )
    assert waiting.stderr
    lines = []
    for line in waiting.stderr:
        lines.append(line.rstrip())
        if line.startswith("part_x/base  done"):
            break
    assert any(line.startswith(f"part_x/alone  waits for process {holding.pid} on ") for line in lines)
    assert not (workshop.outputs / "part_x/alone/manifest.json").exists()
    holding.communicate("\n", timeout=60)
    _, rest = waiting.communicate(timeout=60)
    assert waiting.returncode == 0 and "part_x/alone  done" in rest
    assert (Path(workshop.outputs) / "part_x/alone/manifest.json").exists()


def test_a_mac_is_told_by_its_chip(monkeypatch, tmp_path):
    """Which has the GPU in it; Python calls all of them "arm"."""
    (tmp_path / "sysctl").write_text('#!/bin/sh\n[ "$*" = "-n machdep.cpu.brand_string" ] && echo "Apple M2"\n')
    (tmp_path / "sysctl").chmod(0o755)
    monkeypatch.setattr(provenance.Path, "read_text", missing)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert provenance.device_name("mps") == "Apple M2 (mps)"
    (tmp_path / "sysctl").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    assert provenance.device_name("mps") == "arm (mps)"


def missing(*_: Any, **__: Any) -> str:
    raise FileNotFoundError


@pytest.mark.parametrize(("there", "expected"), [("cuda", ["cache", "peak"]), ("mps", ["cache"]), ("cpu", [])])
def test_memory_of_a_gpu_is_given_back_between_experiments(monkeypatch, there, expected):
    """Those that share a process leave each other room, on NVIDIA's and on Apple's."""
    given: list[str] = []
    place = {"empty_cache": lambda: given.append("cache"), "reset_peak_memory_stats": lambda: given.append("peak")}
    torch = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: there == "cuda", **place),
        mps=SimpleNamespace(**place),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: there == "mps")),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    worker._let_go()
    assert given == expected


def test_torch_is_not_asked_for_gpus_where_there_are_no_device_files(monkeypatch):
    """Which takes seconds; a build asks for what experiments without outputs would take."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "_DEVICE_FILES", ("/dev/nothing",))
    assert not gpus.possible()
    monkeypatch.setattr(gpus, "_DEVICE_FILES", ("/dev/nothing", "/dev/null"))
    assert gpus.possible()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(gpus, "_DEVICE_FILES", ())
    assert gpus.possible()
