"""Networks that are initialised from another: a text-to-image U-Net for pictures of twice the side, or for stage II.

What has been learnt of small pictures stays where it is, inside, one level further down (progressive growing, Karras et
al. 2018). Around it comes a level that at first only averages on the way in and repeats pixels on the way out. Inside,
nothing changes if the small network has learnt the pooled process: see ``pooled`` of
:class:`~darkroom.diffusion.cascade.TextToImageLoss`. A stage II can take noise out as stage I does before it has learnt
to use the picture that it is given.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def grown(unet: nn.Module) -> nn.Module:
    """A U-Net with a further level in front, as wide as the first, that begins where *unet* ended.

    It sees pictures of 2 N as *unet*, one of :func:`~darkroom.diffusion.cascade.make_unet` for sides of N, sees their
    averages over 2 x 2 pixels, and repeats its answer over as many: exactly, up to rounding. For that its first and
    last convolutions take every second pixel of 5 x 5, until they learn to take all.
    """
    config = unet.config
    larger = _like(
        unet,
        sample_size=2 * config.sample_size,
        block_out_channels=(config.block_out_channels[0], *config.block_out_channels),
        down_block_types=("ResnetDownsampleBlock2D", *config.down_block_types),
        up_block_types=(*config.up_block_types, "ResnetUpsampleBlock2D"),
        conv_in_kernel=5,
        conv_out_kernel=5,
    )
    ends = ("conv_in.", "conv_out.")
    inner = {name: value for name, value in unet.state_dict().items() if not name.startswith(ends)}
    larger.load_state_dict(_moved_inwards(inner), strict=False)
    with torch.no_grad():
        _spread(larger.conv_in, unet.conv_in, 2.0)  # two silent blocks follow, each of which divides by sqrt(2)
        _spread(larger.conv_out, unet.conv_out, 1.0)
        entrance, exit_ = larger.down_blocks[0], larger.up_blocks[-1]
        for block in (*entrance.resnets, *entrance.downsamplers, *larger.up_blocks[-2].upsamplers, *exit_.resnets):
            _silence(block)
        gains = (2.0, 2**0.5)  # against three silent blocks on the way out
        for block, gain in zip(exit_.resnets, gains, strict=True):
            _pass_on(block.conv_shortcut, gain)
    return larger


def conditioned(unet: nn.Module, side: int) -> nn.Module:
    """A U-Net of stage II, for pictures of *side*, that begins as *unet* of stage I.

    What it is given beside x_t, an enlarged picture in three more channels and the level of that picture's noise,
    counts for nothing until it learns to use it.
    """
    second = _like(unet, sample_size=side, in_channels=6, class_embed_type="timestep")
    rest = {name: value for name, value in unet.state_dict().items() if name != "conv_in.weight"}
    second.load_state_dict(rest, strict=False)
    with torch.no_grad():
        nn.init.zeros_(second.conv_in.weight)
        second.conv_in.weight[:, :3] = unet.conv_in.weight
        nn.init.zeros_(second.class_embedding.linear_2.weight)
        nn.init.zeros_(second.class_embedding.linear_2.bias)
    return second


def _like(unet: nn.Module, **changed: object) -> Any:
    """A new network of *unet*'s class and configuration, except for what is *changed*."""
    config = {key: value for key, value in unet.config.items() if not key.startswith("_")}
    return type(unet).from_config(config | changed)


def _moved_inwards(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights by their names in the larger network: downward blocks one further, all others where they were."""
    moved = {}
    for name, value in state.items():
        kind, _, rest = name.partition(".")
        number, _, place = rest.partition(".")
        moved[f"down_blocks.{int(number) + 1}.{place}" if kind == "down_blocks" else name] = value
    return moved


def _silence(block: nn.Module) -> None:
    """Let a residual block begin as its shortcut alone, divided by its output factor of sqrt(2)."""
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)


def _pass_on(shortcut: nn.Conv2d, gain: float) -> None:
    """Let a 1 x 1 shortcut give the channels that come from below, times *gain*, and none of those that skip."""
    nn.init.zeros_(shortcut.weight)
    nn.init.zeros_(shortcut.bias)
    channels = torch.arange(shortcut.out_channels)
    shortcut.weight[channels, channels] = gain


def _spread(larger: nn.Conv2d, smaller: nn.Conv2d, gain: float) -> None:
    """Let a convolution of 5 x 5 see, two pixels apart, what one of 3 x 3 sees of pixels twice as large, times *gain*."""
    nn.init.zeros_(larger.weight)
    larger.weight[:, :, ::2, ::2] = gain * smaller.weight
    larger.bias.copy_(gain * smaller.bias)
