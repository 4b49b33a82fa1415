"""Every experiment that uses a GPU runs on one, from its first upstream to its last figure's results, at its tiny size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("resvg_py")

from darkroom.core.digests import Digests  # noqa: E402
from darkroom.lab.source.discover import discover  # noqa: E402
from tests.devices.kernels import lacking  # noqa: E402
from tests.devices.pretend import AMPERE, TURING, Pretended, pretended  # noqa: E402
from tests.devices.test_gpu import present  # noqa: E402
from tests.diffusion.cascades import save_cascade  # noqa: E402
from tests.experiments import test_part_a_sections as part_a  # noqa: E402
from tests.experiments import test_part_b as part_b  # noqa: E402
from tests.experiments import test_pocket_if as pocket_if  # noqa: E402
from tests.experiments.handles import Handle, Stored, as_stored, in_steps  # noqa: E402

ROOT = Path(__file__).parents[2]
DEVICES = {"Ampere": ("cuda", AMPERE), "Turing": ("cuda", TURING), "Apple": ("mps", AMPERE)}
HERE = pytest.param("the GPU of this machine", marks=pytest.mark.gpu)
Ran = dict[str, tuple[Stored, int]]


@pytest.fixture(scope="module", params=[*(pytest.param(name, marks=pytest.mark.slow) for name in DEVICES), HERE])
def device(request: pytest.FixtureRequest) -> Iterator[Pretended | None]:
    """The pretended device; None for a real one."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        device = None
        if request.param in DEVICES:
            kind, capability = DEVICES[request.param]
            device = stack.enter_context(pretended(kind, capability=capability))
        elif not (kind := present()):
            pytest.skip(f"no GPU: torch {torch.__version__} finds neither CUDA nor MPS on this machine")
        patch.setattr(Handle, "device", kind)
        yield device


@pytest.fixture(scope="module")
def ran(device: Pretended | None, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The results of each experiment that uses a GPU, and how many operations it launched there."""
    found: Ran = {}
    root = tmp_path_factory.mktemp("devices")

    def followed(compute: Callable[..., Stored]) -> Callable[..., Stored]:
        def run(experiment: Any, *inputs: Any) -> Stored:
            before = device.launches.total() if device else 0
            results = compute(experiment, *inputs)
            if experiment.device == "gpu":
                found[experiment.id] = results, device.launches.total() - before if device else 0
            return results

        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("platformdirs.user_cache_dir", lambda name: str(root / "cache"))
        part_b.run_all(followed(part_b.computed))
        part_a.run_all(followed(part_a.computed), save_cascade(root / "cascade"))
        in_steps(patch, pocket_if.FEW_TIMES)

        def trained(experiment: Any, *inputs: Any) -> Stored:
            return pocket_if.run(experiment, root / experiment.id, patch, Handle(), *inputs)

        pocket_if.run_all(followed(trained), root)
    return found


def test_every_experiment_for_a_gpu_runs_on_it(device, ran, tmp_path):
    """None is left out, and none computes on the CPU what the GPU is for."""
    recipes = discover(ROOT, Digests(tmp_path / "digests.json")).experiments.values()
    declared = {recipe.id for recipe in recipes if recipe.device == "gpu" and "@" not in recipe.id}
    assert ran.keys() == declared
    assert device is None or not [identity for identity, (_, launches) in ran.items() if launches < 20]


def test_torch_has_a_kernel_for_each_operation(device, ran):
    """On that device, by its own table."""
    if device is None:
        pytest.skip("a real GPU raises where it has none")
    assert len(device.operations) > 100 and not lacking(device.operations, device.kind)


def test_results_are_in_main_memory_and_finite(ran):
    for identity, (results, _) in ran.items():
        for name, value in results.items():
            for leaf in value.values() if isinstance(value, dict) else [value]:
                array = as_stored(leaf)
                assert not isinstance(array, torch.Tensor)
                if isinstance(array, np.ndarray) and array.dtype.kind == "f":
                    assert np.isfinite(array).all(), (identity, name)
