"""Growing a text-to-image U-Net outwards: from pictures of one side to pictures of twice that side.

What has been learnt of small pictures stays where it is, inside, one level further down (progressive growing, Karras et
al. 2018). Around it comes a level that at first only averages on the way in and repeats pixels on the way out. Inside,
nothing changes if the small network has learnt the pooled process: see ``pooled`` of
:class:`~darkroom.diffusion.cascade.TextToImageLoss`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad, unfold

from darkroom.diffusion.cascade import Shape, make_unet


def grown(unet: nn.Module, seen: Tensor) -> nn.Module:
    """A U-Net with a further level in front, as wide as the first, that begins where *unet* ended.

    Args:
        unet: one of :func:`~darkroom.diffusion.cascade.make_unet`, for sides of N.
        seen: noised pictures, (B, 3, 2 N, 2 N), of the kind that the new network will see: its first convolution is
            fitted to them, since three pixels of 2 N hold less than three of N.
    """
    config = unet.config
    widths, blocks = tuple(config.block_out_channels), config.down_block_types
    attention = sum("Attn" in block for block in blocks)
    shape = Shape((widths[0], *widths), attention, config.attention_head_dim, config.cross_attention_dim)
    larger = make_unet(shape, 2 * config.sample_size)
    larger.load_state_dict(_moved_inwards(unet.state_dict()), strict=False)
    with torch.no_grad():
        _fit_first(larger.conv_in, unet.conv_in, seen)
        entrance, exit_ = larger.down_blocks[0], larger.up_blocks[-1]
        for block in (*entrance.resnets, *entrance.downsamplers, *larger.up_blocks[-2].upsamplers, *exit_.resnets):
            _silence(block)
        gains = (2.0, 2**0.5)  # against three silent blocks on the way, each of which divides by sqrt(2)
        for block, gain in zip(exit_.resnets, gains, strict=True):
            _pass_on(block.conv_shortcut, gain)
    return larger


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


def _fit_first(larger: nn.Conv2d, smaller: nn.Conv2d, seen: Tensor) -> None:
    """Least squares: averages of what *larger* sees, halved by two silent blocks, are what *smaller* sees of averages."""
    patches = unfold(pad(seen, (1, 1, 1, 1)), 3).unflatten(2, seen.shape[2:])
    known = avg_pool2d(patches, 2).transpose(0, 1).flatten(1)
    asked = smaller(avg_pool2d(seen, 2)) - smaller.bias[:, None, None]
    weight = torch.linalg.lstsq(known.T, asked.transpose(0, 1).flatten(1).T).solution
    larger.weight.copy_(2 * weight.T.reshape(larger.weight.shape))
    larger.bias.copy_(2 * smaller.bias)
