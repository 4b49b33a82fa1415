"""The pretended device refuses what a GPU refuses, allows what it allows, and replays what it captured."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from tests.devices.kernels import lacking  # noqa: E402
from tests.devices.pretend import RefusedByDevice, Remote, pretended  # noqa: E402

REFUSED = {
    "tensors of two devices": lambda there: there + torch.ones(3),
    "a table on the CPU, read at a place on the device": lambda there: torch.ones(9)[there.long()],
    "tensors of two devices, joined": lambda there: torch.cat([there, torch.ones(3)]),
    "a number of the CPU in no sum or product": lambda there: torch.stack([there[0], torch.tensor(1.0)]),
    "numpy": lambda there: there.numpy(),
    "a generator of the CPU": lambda there: torch.randn(3, generator=torch.Generator(), device=there.device),
    "a generator of the device": lambda there: torch.randn(3, generator=torch.Generator(there.device)),
}


@pytest.mark.parametrize("kind", ["cuda", "mps"])
@pytest.mark.parametrize("refused", REFUSED)
def test_what_a_device_refuses_is_refused(kind, refused):
    with pretended(kind):
        there = torch.ones(3).to(kind)
        with pytest.raises((RefusedByDevice, TypeError)):
            REFUSED[refused](there)


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_what_a_device_allows_is_computed(kind):
    """Numbers and indices of the CPU, copies each way, and what is made of its tensors or on it is its own."""
    with pretended(kind):
        there = torch.arange(3.0).to(kind)
        assert isinstance(there, Remote) and there.device == torch.device(kind, 0)
        assert (there * torch.tensor(2.0)).tolist() == [0, 2, 4]
        assert there[torch.tensor([2, 0])].tolist() == [2, 0]
        assert isinstance(torch.nn.functional.one_hot(there.long()), Remote)
        assert isinstance(torch.zeros(3, device=kind) + there, Remote)
        assert torch.as_tensor(there, device="cpu").numpy().tolist() == [0, 1, 2]
        assert not isinstance(there.cpu(), Remote)
        layer = copy.deepcopy(torch.nn.Linear(2, 1).to(kind))
        layer(torch.ones(1, 2, device=kind)).sum().backward()
        assert layer.weight.grad.cpu().tolist() == [[1, 1]]


def test_apple_s_gpu_has_no_float64():
    with pretended("mps"):
        for there in (lambda: torch.ones(2, dtype=torch.float64).to("mps"), lambda: torch.ones(2).to("mps").double()):
            with pytest.raises(TypeError, match="doesn't support float64"):
                there()
    with pretended("cuda"):
        assert torch.ones(2).to("cuda").double().dtype == torch.float64


def test_apple_s_gpu_clips_no_gradients_as_a_list():
    """A list of tensors in one kernel is CUDA's; MPS takes one after the other."""
    for kind, refused in (("cuda", False), ("mps", True)):
        with pretended(kind):
            weight = torch.nn.Parameter(torch.ones(2).to(kind))
            weight.grad = torch.ones(2).to(kind)
            if refused:
                with pytest.raises(RuntimeError, match="can't use the foreach API on mps"):
                    torch.nn.utils.clip_grad_norm_([weight], 1.0, foreach=True)
            torch.nn.utils.clip_grad_norm_([weight], 1.0)
            assert weight.grad.cpu().norm().item() == pytest.approx(1, abs=1e-5)


def test_a_capture_computes_nothing_and_a_replay_runs_no_python():
    """What was a Python number at the capture stays; what is written into the graph's memory counts."""
    with pretended("cuda") as device:
        total, step = torch.zeros(1, device="cuda"), torch.ones(1, device="cuda")
        graph, factor = torch.cuda.CUDAGraph(), 3
        with torch.cuda.graph(graph):
            made = total.add_(step * factor) * 2
        assert total.item() == 0
        factor = 5
        for value in (1.0, 10.0):
            step.fill_(value)
            graph.replay()
        assert total.item() == 33 and made.item() == 66 and device.capture is None


@pytest.mark.parametrize(
    "waiting",
    [
        lambda there: there.sum().item(),
        lambda there: there.cpu(),
        lambda there: there.nonzero(),
        lambda there: there[there > 0],
        lambda there: there.copy_(torch.ones(3)),
        lambda there: torch.tensor([1.0], device="cuda"),
    ],
    ids=["item", "to the CPU", "nonzero", "mask", "from the CPU", "tensor"],
)
def test_what_waits_for_the_device_cannot_be_captured(waiting):
    with pretended("cuda"):
        there = torch.ones(3, device="cuda")
        waiting(there)
        with pytest.raises(RefusedByDevice, match="stream is capturing"), torch.cuda.graph(torch.cuda.CUDAGraph()):
            waiting(there)


def test_nothing_is_pretended_afterwards():
    generator, autocast = torch.Generator, torch.autocast
    with pretended("cuda"):
        torch.ones(1).to("cuda")
    assert (torch.Generator, torch.autocast) == (generator, autocast)
    assert not torch.__future__.get_swap_module_params_on_conversion()


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_operations_without_a_kernel_are_named(kind):
    """What no GPU computes, and what one kind does and the other does not; the rest has kernels of its own or is composed."""
    with pretended(kind) as device:
        there = torch.ones(3, 3).to(kind)
        torch.nn.functional.gelu(there).mm(there).add_(1).sum()
    assert lacking({"aten::mkldnn_linear", *device.operations}, kind) == {"aten::mkldnn_linear"}
    assert lacking({"aten::_cudnn_rnn"}, kind) == (set() if kind == "cuda" else {"aten::_cudnn_rnn"})
