"""Embeddings of prompts from a file: a dictionary from prompts to the outputs of a text encoder.

The file is one that ``torch.save`` wrote (``.pth``, ``.pt``), such as the course's generator of prompt embeddings
gives, or a safetensors file whose tensors are named by their prompts.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

PICKLED = {".pth", ".pt"}


def read_embeddings(path: Path, tokens: int, plain: Callable[[str], str] = str) -> dict[str, Tensor]:
    """Embeddings by prompt, each (tokens, D), float32; "" is the null prompt.

    Of what ``torch.save`` wrote nothing but tensors, texts and mappings are read, and no code is run.

    Args:
        path: the file.
        tokens: how many tokens a prompt has.
        plain: a prompt as it is looked up, such as in small letters.

    Raises:
        ValueError: it cannot be read, or is no such dictionary; every fault is reported.
    """
    given = _pickled(path) if path.suffix in PICKLED else _safetensors(path)
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f"{path}: holds a {type(given).__name__}, not a dictionary from prompts to embeddings")
    faults = [fault for prompt, value in given.items() if (fault := _fault(prompt, value, tokens))]
    found: dict[str, Tensor] = {}
    for prompt, value in given.items() if not faults else ():
        embedding = value.detach().reshape(tokens, -1).float()
        if plain(prompt) in found and not torch.equal(found[plain(prompt)], embedding):
            faults.append(f"{prompt!r} is there twice, with different embeddings")
        found[plain(prompt)] = embedding
    if len({value.shape[1] for value in found.values()}) > 1:
        faults.append("prompts are embedded in vectors of different lengths; take all from one text encoder")
    if faults:
        more = f", and {len(faults) - 5} more faults" if len(faults) > 5 else ""
        raise ValueError(f"{path}: {'; '.join(faults[:5])}{more}")
    return found


def _fault(prompt: object, value: object, tokens: int) -> str:
    """What is wrong with an entry, or nothing."""
    if not isinstance(prompt, str):
        return f"the key {prompt!r} is no prompt"
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = str(value.dtype) if isinstance(value, Tensor) else type(value).__name__
        return f"{prompt!r} has a {kind} for its embedding; give a tensor of floating-point numbers"
    if value.ndim not in {2, 3} or value.shape[:-1] not in {(tokens,), (1, tokens)} or not value.shape[-1]:
        return f"{prompt!r} has an embedding of shape {tuple(value.shape)}; give ({tokens}, D) or (1, {tokens}, D)"
    return "" if value.isfinite().all() else f"{prompt!r} has an embedding with NaN or infinity in it"


def _pickled(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error) or "Unsupported class" in str(error):
            raise ValueError(
                f"{path}: holds more than tensors and texts, and is not read; save a plain dictionary"
            ) from None
        raise ValueError(f"{path}: is nothing that torch.save wrote") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{path}: cannot be read as what torch.save wrote ({_said(error)})") from None


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load

    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: embeddings are read from .pth, .pt and .safetensors files")
    try:
        return load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: cannot be read as safetensors ({_said(error)})") from None


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
