"""How well a picture agrees with a prompt, as estimated by the model itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from darkroom.diffusion.denoise import Denoiser, answered, together
from darkroom.diffusion.sample import Noise


def agreement(
    conditional: Denoiser, unconditional: Denoiser, pictures: Tensor, noise: Noise, times: Sequence[int]
) -> Tensor:
    """How much better the noise in *pictures* is predicted with the prompt than without, (B,).

        mean over t of (|eps - eps_u(x_t, t)|^2 - |eps - eps_c(x_t, t)|^2) / |eps|^2

    Positive where the prompt explains what is seen; a sample estimate of the evidence that diffusion classifiers
    compare (Li et al. 2023, "Your Diffusion Model is Secretly a Zero-Shot Classifier", eq. 5).

    Args:
        conditional, unconditional: of the same network, with the prompt and with the null prompt.
        pictures: shape (B, ...), in the range of the data.
        noise: drawn once for each time; the same seeds make two prompts comparable.
        times: at which to compare, in [1, T].
    """
    gains = []
    for t in times:
        eps = noise.draw()
        x_t = conditional.process.noised(pictures, t, eps)
        both = together(*(denoiser.predict(x_t, t) for denoiser in (unconditional, conditional)))
        errors = [(eps - guess.eps).square().flatten(1).sum(1) for guess in answered(both)]
        gains.append((errors[0] - errors[1]) / eps.square().flatten(1).sum(1))
    return torch.stack(gains).mean(0)
