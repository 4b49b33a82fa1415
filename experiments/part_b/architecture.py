"""The three U-Nets of this part, drawn from the modules themselves.

Shows: blocks, the shape on every arrow, and where time and digit enter.
Needs: nothing.
Costs: seconds.
Expect: 1,975,361, 1,996,417 and 2,019,201 parameters at width 64.
"""

from __future__ import annotations

from typing import Any

from darkroom.figures import Block, Drawing, Edge, network
from darkroom.lab import Results, experiment

BLOCKS = {
    "a": (0, 2),
    "b": (0, 3),
    "c": (0, 4),
    "flatten": (0, 5),
    "unflatten": (1, 5),
    "v": (1, 4),
    "w": (1, 3),
    "y": (1, 2),
    "out": (1, 1),
}
FLOWS = ("a", "b", "c", "flatten", "unflatten", "v", "w", "y", "out")
SKIPS = (("c", "v"), ("b", "w"), ("a", "y"))
OPERATIONS = (("c1", "v", "multiply"), ("t1", "v", "add"), ("c2", "w", "multiply"), ("t2", "w", "add"))


@experiment(device="cpu", minutes=1)
def architecture(*, width: int = 64, wide: int = 128) -> dict[str, object]:
    """What each block of the three networks takes and gives, as seen while an image passes through.

    Results: ``unconditional``, ``time`` and ``class``: for each block by name its ``label``, the shape ``takes`` of its
    first input and the shape ``gives`` of its output, without the batch; ``parameters`` by network and width.
    """
    import torch

    from darkroom.diffusion import unet

    x, time, digit = torch.zeros(2, 1, 28, 28), torch.zeros(2), torch.zeros(2, unet.CLASSES)
    networks = {
        "unconditional": (unet.UNet, (x,)),
        "time": (unet.TimeUNet, (x, time)),
        "class": (unet.ClassUNet, (x, time, digit)),
    }
    traces = {name: _trace(build(width).eval(), inputs) for name, (build, inputs) in networks.items()}
    counts = {
        f"{name}, D = {each}": unet.parameter_count(build(each))
        for name, (build, _) in networks.items()
        for each in (width, wide)
    }
    return {**traces, "parameters": counts}


def _trace(network: Any, inputs: tuple[Any, ...]) -> dict[str, dict[str, Any]]:
    """Each named block of *network* with the shapes that went in and came out."""
    import torch

    seen: dict[str, dict[str, Any]] = {}

    def watch(name: str) -> Any:
        def note(module: Any, taken: tuple[Any, ...], given: Any) -> None:
            shapes = {"takes": list(taken[0].shape[1:]), "gives": list(given.shape[1:])}
            seen[name] = {"label": type(module).__name__, **shapes}

        return note

    hooks = [module.register_forward_hook(watch(name)) for name, module in network.named_children()]
    with torch.inference_mode():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return seen


@architecture.metric
def parameters(results: Results) -> dict[str, int]:
    """How many numbers each network learns."""
    return results["parameters"]


@architecture.figure(
    caption="The unconditional U-Net of width $D = 64$: shapes are channels × height × width.",
    alt="A U: four blocks lead down from 28 by 28 pixels to one, five lead up again, and three arrows cross from arm to arm.",
)
def unconditional(results: Results) -> Drawing:
    """The network of the one-step denoiser."""
    return _diagram(results["unconditional"], "Unconditional U-Net")


@architecture.figure(
    caption="The time-conditioned U-Net: two small blocks turn $t/T$ into shifts of whole channels.",
    alt="The U of the unconditional network with two blocks beside it, whose outputs are added on the arm that leads up.",
)
def time_conditioned(results: Results) -> Drawing:
    """The network told the time."""
    return _diagram(results["time"], "Time-conditioned U-Net")


@architecture.figure(
    caption="The class-conditioned U-Net: the digit scales the channels that the time shifts.",
    alt="The U with four blocks beside it: at two places one for the digit multiplies and one for the time adds.",
)
def class_conditioned(results: Results) -> Drawing:
    """The network told time and digit."""
    return _diagram(results["class"], "Class-conditioned U-Net")


def _diagram(trace: dict[str, dict[str, Any]], title: str) -> Drawing:
    image, output = trace["a"]["takes"], trace["out"]["gives"]
    blocks = [Block("x", "image", image, 0, 1, "input"), Block("output", "estimate", output, 1, 0, "output")]
    blocks += [Block(name, trace[name]["label"], trace[name]["gives"], *at) for name, at in BLOCKS.items()]
    pairs = zip(("x", *FLOWS), (*FLOWS, "output"), strict=True)
    shapes = {"x": image} | {name: trace[name]["gives"] for name in FLOWS}
    edges = [Edge(source, target, shapes[source]) for source, target in pairs]
    edges += [Edge(source, target, shapes[source], "skip") for source, target in SKIPS]
    used = [(name, target, kind) for name, target, kind in OPERATIONS if name in trace]
    for name, target, kind in used:
        source, text = ("digit", "digit, one-hot") if name.startswith("c") else ("time", "t / T")
        if source not in [block.name for block in blocks]:
            blocks.append(Block(source, text, trace[name]["takes"], 2, 0, "input"))
        label = f"{trace[name]['label']}({trace[name]['takes'][0]}, {trace[name]['gives'][0]})"
        blocks.append(Block(name, label, trace[name]["gives"], 2, 0, "condition"))
        edges += [Edge(source, name, trace[name]["takes"]), Edge(name, target, trace[name]["gives"], kind)]
    return network(blocks, edges, title=title)
