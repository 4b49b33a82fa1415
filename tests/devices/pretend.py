"""A GPU that is pretended: tensors that name it as their device, and are computed with in main memory.

    with pretended("cuda"):
        trainer = Trainer(network, objective, recipe, images, labels, device="cuda", seed=1)

Whatever runs in that block with ``device="cuda"`` or ``"mps"`` gives real numbers, and the errors that such a device
raises:

- an operation on tensors of two devices, unless one is a number (shape ()) or an index from the CPU;
- ``numpy()`` of a tensor on the device, and a generator of one device for draws on another;
- float64 on MPS, and lists of tensors (``foreach``) where PyTorch has no such kernels;
- inside the capture of a CUDA graph, whatever waits for the device or copies between it and the CPU.

A captured graph replays operations on the memory that they were captured with, and no Python.

Not seen are kernels that compute otherwise (``kernels`` knows which a device lacks), memory that runs out, streams that
race, and the list of operations that autocast of the device has of its own (the CPU's is used).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

ATEN = torch.ops.aten
READS = {ATEN._local_scalar_dense, ATEN.equal}  # the host waits for what they find
COUNTS = {ATEN.nonzero, ATEN.masked_select, ATEN._unique2, ATEN.unique_dim}  # and for the size of what these give
COPIES = {ATEN.copy_, ATEN._to_copy, ATEN.set_, ATEN.lift_fresh}
INDEXES = {ATEN.index, ATEN.index_put, ATEN.index_put_, ATEN._unsafe_index}
IN_PARTS = torch._C.DispatchKey.CompositeImplicitAutograd
AMPERE, TURING, PASCAL = (8, 0), (7, 5), (6, 1)


class RefusedByDevice(RuntimeError):
    """What the device would have raised."""


class Pretended:
    """The device of a :func:`pretended` block.

    Attributes:
        launches, waits, uploads: how often each operation was launched, was waited for, and sent numbers from the CPU.
        operations: the names of all that were launched, overloads told apart.
        capture: the CUDA graph that is being captured.
    """

    def __init__(self, kind: str, capability: tuple[int, int]) -> None:
        self.kind, self.capability = kind, capability
        self.launches: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.uploads: Counter[str] = Counter()
        self.operations: set[str] = set()
        self.capture: Graph | None = None

    def names(self, device: Any) -> bool:
        """Whether *device*, as a tensor or a caller gives it, is this one."""
        return device is not None and torch.device(device).type == self.kind

    def waited(self, operation: str) -> None:
        """Count a wait, which a capture does not survive."""
        self.waits[operation] += 1
        self._refuse_in_capture(operation)

    def uploaded(self, operation: str) -> None:
        """Count numbers that come from the CPU's pageable memory, for which the host waits too."""
        self.uploads[operation] += 1
        self._refuse_in_capture(operation)

    def launch(self, operation: Any, args: Any, kwargs: Any) -> Any:
        """Compute *operation*, at least one of whose tensors is on the device."""
        if torch._C._dispatch_has_kernel_for_dispatch_key(operation.name(), IN_PARTS):
            return operation._op_dk(IN_PARTS, *args, **kwargs)  # inference mode hands these over whole
        self._check_places(operation, args, kwargs)
        self._check_waits(operation, args)
        result = self.compute(operation, *tree_map_only(Remote, lambda tensor: tensor.local, (args, kwargs)))
        if _writes(operation):
            return args[0] if isinstance(result, torch.Tensor) else None
        return tree_map_only(torch.Tensor, Remote, result)

    def compute(self, operation: Any, args: Any, kwargs: Any) -> Any:
        """The result for local tensors, recorded where a graph is captured."""
        if not _is_view(operation):
            self.launches[str(operation.overloadpacket)] += 1
            self.operations.add(operation.name())
        if self.capture is None:
            return _computed(operation, args, kwargs)
        return self.capture.record(operation, args, kwargs)

    def _refuse_in_capture(self, operation: str) -> None:
        if self.capture is not None:
            raise RefusedByDevice(f"CUDA error: operation not permitted when stream is capturing ({operation})")

    def _check_places(self, operation: Any, args: Any, kwargs: Any) -> None:
        if operation.overloadpacket in COPIES:
            return
        strangers = [leaf for leaf in tree_leaves((args, kwargs)) if _is_local(leaf)]
        if operation.overloadpacket in INDEXES and isinstance(args[0], Remote):
            for index in strangers:
                if index.ndim:
                    self.uploaded("index")
        elif any(tensor.ndim for tensor in strangers) or (strangers and torch.Tag.pointwise not in operation.tags):
            raise RefusedByDevice(
                f"Expected all tensors to be on the same device, but found at least two devices, {self.kind}:0 and cpu! "
                f"({operation})"
            )

    def _check_waits(self, operation: Any, args: Any) -> None:
        packet = operation.overloadpacket
        if packet in READS | COUNTS or (packet is ATEN.index and any(_is_mask(index) for index in args[1])):
            self.waited(str(packet))
        elif packet is ATEN.copy_ and _is_local(args[0]):
            self.waited("copy to the CPU")
        elif packet is ATEN.copy_ and _is_local(args[1]):
            self.uploaded("copy from the CPU")


_active: list[Pretended] = []


class Remote(torch.Tensor):
    """A tensor of the pretended device; *local* has its numbers."""

    local: torch.Tensor

    @staticmethod
    def __new__(cls, local: torch.Tensor) -> Remote:
        if _active[-1].kind == "mps" and local.dtype in {torch.float64, torch.complex128}:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. "
                "Please use float32 instead."
            )
        with torch.inference_mode(local.is_inference()):
            made = torch.Tensor._make_wrapper_subclass(
                cls, local.shape, strides=local.stride(), storage_offset=local.storage_offset(), dtype=local.dtype
            )
        made.local = local
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _active[-1].launch(operation, args, kwargs or {})

    @property
    def device(self) -> torch.device:
        return torch.device(_active[-1].kind, 0)

    @property
    def is_cuda(self) -> bool:
        return _active[-1].kind == "cuda"

    @property
    def is_mps(self) -> bool:
        return _active[-1].kind == "mps"

    is_cpu = False

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )

    __array__ = numpy

    def tolist(self) -> Any:
        _active[-1].waited("tolist")
        return self.local.tolist()

    def __repr__(self) -> str:
        return f"Remote({self.local!r}, device={str(self.device)!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Remote:
        with torch.no_grad():
            copied = Remote(self.local.detach().clone()).requires_grad_(self.requires_grad)
        if getattr(self, "_is_param", False):  # a Parameter, as torch.nn tells those of subclasses
            copied._is_param = True
        memo[id(self)] = copied
        return copied

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["local"], None

    @staticmethod
    def __tensor_unflatten__(parts: dict[str, torch.Tensor], *_: Any) -> Remote:
        return Remote(parts["local"])


class Graph:
    """A CUDA graph: operations in their order, with the very memory that they read and write."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.operations: list[tuple[Callable[..., Any], Any, Any, Any]] = []
        self._alive: list[Any] = []  # no memory is used again while the graph may be replayed
        self._own: set[int] = set()
        self._before: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def record(self, operation: Any, args: Any, kwargs: Any) -> Any:
        """Compute *operation* to learn what it gives, and keep it; :meth:`end` undoes what it wrote."""
        for tensor in _tensors((args, kwargs)):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self._own and storage.data_ptr() not in self._before and storage.nbytes():
                everything = torch.empty(0, dtype=torch.uint8).set_(storage)
                self._before[storage.data_ptr()] = everything, everything.clone()
        result = _computed(operation, args, kwargs)
        self._own |= {tensor.untyped_storage().data_ptr() for tensor in _tensors(result)} - self._before.keys()
        self._alive.append((args, kwargs, result))
        if not _is_view(operation):
            self.operations.append((operation, args, kwargs, result))
        return result

    def end(self) -> None:
        """Put back what was there before: capturing computes nothing."""
        for everything, before in self._before.values():
            everything.copy_(before)
        self._before = {}

    @torch.no_grad()
    def replay(self) -> None:
        """Do all of it again."""
        for operation, args, kwargs, result in self.operations:
            again = _computed(operation, args, kwargs)
            for held, new in zip(_tensors(result), _tensors(again), strict=True):
                if held.data_ptr() != new.data_ptr():
                    held.copy_(new)


def _computed(operation: Any, args: Any, kwargs: Any) -> Any:
    """The result on the CPU, whose own kernel for gradients of convolutions in float16 takes fifty times as long."""
    if operation is not ATEN.convolution_backward.default or args[0].dtype != torch.float16:
        return operation(*args, **kwargs)
    exact = operation(*(each.float() for each in args[:3]), *args[3:], **kwargs)
    return tuple(None if each is None else each.half() for each in exact)


@contextmanager
def _capturing(graph: Graph, *_: Any, **__: Any) -> Iterator[None]:
    device = _active[-1]
    device.capture = graph
    try:
        yield
    finally:
        device.capture = None
        graph.end()


class _Generator(torch.Generator):
    """A generator, of the pretended device where it is asked for one."""

    def __new__(cls, device: Any = "cpu") -> Any:
        return super().__new__(cls, "cpu") if _active[-1].names(device) else _LocalGenerator(device)

    @property
    def device(self) -> torch.device:
        return torch.device(_active[-1].kind, 0)


_LocalGenerator = torch.Generator


class _Autocast(torch.autocast):
    """Autocast of the device, by the CPU's rules."""

    def __init__(self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: Any = None) -> None:
        super().__init__("cpu", dtype or torch.bfloat16, enabled, cache_enabled)


class _Stream:
    """A stream that does everything at once."""

    def wait_stream(self, other: Any) -> None:
        """Nothing is left to wait for."""


class _Calls(TorchFunctionMode):
    """Turns calls that name the device into local ones, and their results into tensors of the device."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, device = dict(kwargs or {}), _active[-1]
        if function in _MOVES or (function is torch.as_tensor and isinstance(args[0], torch.Tensor)):
            return _moved(device, function, args, kwargs)
        here = device.names(kwargs.get("device"))
        remote = any(isinstance(leaf, Remote) for leaf in tree_leaves((args, kwargs)))
        generator = kwargs.get("generator")
        if generator is not None and isinstance(generator, _Generator) != (here or remote):
            wanted, found = (device.kind, "cpu") if here or remote else ("cpu", device.kind)
            raise RefusedByDevice(f"Expected a '{wanted}' device type for generator but found '{found}'")
        if not here and not remote:
            return function(*args, **kwargs)
        if here:
            kwargs["device"] = "cpu"
            if function is torch.tensor:
                device.uploaded("tensor")
        with _Made():
            made = function(*args, **kwargs)
        return Remote(made) if here and not isinstance(made, Remote) else made


class _Made(TorchDispatchMode):
    """In a call about the device's tensors, what is made from nothing is the device's too."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _tensors((args, kwargs)):
            return operation(*args, **(kwargs or {}))
        return Remote(_active[-1].compute(operation, args, kwargs or {}))


_MOVES = {torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda}


def _moved(device: Pretended, function: Any, args: Any, kwargs: Any) -> torch.Tensor:
    """What ``to``, ``cpu``, ``cuda`` and ``as_tensor`` give of a tensor."""
    tensor, *rest = args
    place, dtype, layout, copy = None, None, None, kwargs.pop("copy", False)
    if function is torch.as_tensor:
        place, dtype = kwargs.get("device"), kwargs.get("dtype")
    elif function is torch.Tensor.to:
        rest = [each.device if isinstance(each, torch.Tensor) else each for each in rest]
        if isinstance(kwargs.get("other"), torch.Tensor):
            kwargs = {"device": kwargs["other"].device, "dtype": kwargs["other"].dtype}
        place, dtype, _, layout = torch._C._nn._parse_to(*rest, **kwargs)
    else:
        place = "cpu" if function is torch.Tensor.cpu else "cuda"
    is_there = isinstance(tensor, Remote)
    goes_there = is_there if place is None else device.names(place)
    changes = {"dtype": dtype or tensor.dtype, "memory_format": layout or torch.preserve_format}
    if is_there == goes_there:
        return tensor.to(copy=copy, **changes) if dtype or layout or copy else tensor
    if torch.is_grad_enabled() and tensor.requires_grad and not tensor.is_leaf:
        raise NotImplementedError("gradients through a move from one device to another are not pretended")
    with torch.no_grad():
        if goes_there:
            device.uploaded("copy from the CPU")
            return Remote(tensor.detach().to(copy=True, **changes)).requires_grad_(tensor.requires_grad)
        device.waited("copy to the CPU")
        return tensor.local.detach().to(copy=True, **changes).requires_grad_(tensor.requires_grad)


@contextmanager
def pretended(kind: str, *, capability: tuple[int, int] = AMPERE) -> Iterator[Pretended]:
    """Pretend that there is a device of *kind*, "cuda" or "mps", and in *capability* what NVIDIA calls its generation."""
    device = Pretended(kind, capability)
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, {"HF_DEACTIVATE_ASYNC_LOAD": "1"}))  # other threads do not pretend
        if kind == "cuda":
            for name, value in _cuda(device).items():
                stack.enter_context(patch.object(torch.cuda, name, value))
            stack.enter_context(patch("torch.cuda.amp.common.amp_definitely_not_available", lambda: False))
        else:
            stack.enter_context(patch.object(torch.mps, "recommended_max_memory", lambda: 16 << 30))
            stack.enter_context(patch.object(torch.mps, "current_allocated_memory", lambda: 0))
            stack.enter_context(patch.object(torch.mps, "empty_cache", lambda: None))
        stack.enter_context(patch.object(torch, "Generator", _Generator))
        stack.enter_context(patch.object(torch, "autocast", _Autocast))
        for place in ("torch.optim.optimizer", "torch.nn.utils.clip_grad"):
            stack.enter_context(patch(f"{place}._group_tensors_by_device_and_dtype", _grouped))
        kinds = [torch.Tensor, torch.nn.Parameter, Remote]
        stack.enter_context(patch("torch.utils._foreach_utils._foreach_supported_types", kinds))
        swaps = torch.__future__.get_swap_module_params_on_conversion()
        stack.callback(torch.__future__.set_swap_module_params_on_conversion, swaps)
        torch.__future__.set_swap_module_params_on_conversion(True)  # else a moved parameter is two tensors in one
        stack.callback(_active.pop)
        _active.append(device)
        stack.enter_context(_Calls())
        yield device


def _cuda(device: Pretended) -> dict[str, Any]:
    """What stands in for torch.cuda, which this torch may have been built without."""
    return {
        "CUDAGraph": Graph,
        "graph": _capturing,
        "Stream": _Stream,
        "stream": lambda stream: nullcontext(),
        "current_stream": lambda *_: _Stream(),
        "current_device": lambda: 0,
        "is_current_stream_capturing": lambda: device.capture is not None,
        "synchronize": lambda *_: device.waited("synchronize"),
        "get_device_capability": lambda *_: device.capability,
        "get_device_name": lambda *_: "a pretended GPU",
        "mem_get_info": lambda *_: (80 << 30, 80 << 30),
        "max_memory_allocated": lambda *_: 0,
        "memory_allocated": lambda *_: 0,
        "memory_reserved": lambda *_: 0,
        "empty_cache": lambda: None,
    }


_local_grouped = torch.utils._foreach_utils._group_tensors_by_device_and_dtype


def _grouped(lists: Any, with_indices: bool = False) -> Any:
    """Tensors by device and type; the original, in C++, takes those of the pretended device to be the CPU's."""
    groups = _local_grouped(lists, with_indices)
    return {(tensors[0][0].device, dtype): (tensors, rows) for (_, dtype), (tensors, rows) in groups.items()}


def _tensors(values: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


def _is_local(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not isinstance(value, Remote)


def _is_mask(index: Any) -> bool:
    return isinstance(index, torch.Tensor) and index.dtype in {torch.bool, torch.uint8}


def _is_view(operation: Any) -> bool:
    aliases = [each.alias_info for each in operation._schema.returns if each.alias_info is not None]
    return bool(aliases) and not any(alias.is_write for alias in aliases)


def _writes(operation: Any) -> bool:
    aliases = [each.alias_info for each in operation._schema.returns if each.alias_info is not None]
    return any(alias.is_write for alias in aliases) or operation._schema.name.endswith("_")
