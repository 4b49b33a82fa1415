"""Embeddings of prompts from a file: what the course's generator gives is read, all else is told in one line."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from darkroom.diffusion.embeddings import read_embeddings

PROMPTS = ("a rocket ship", "a man wearing a hat", "")


def embeddings(shape: tuple[int, ...] = (1, 77, 8), dtype: torch.dtype = torch.float16) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {prompt: torch.randn(shape, generator=generator).to(dtype) for prompt in PROMPTS}


@pytest.mark.parametrize("shape", [(1, 77, 8), (77, 8)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("ending", ["pth", "pt", "safetensors"])
def test_a_dictionary_of_embeddings_is_read(tmp_path, shape, dtype, ending):
    """By prompt, (tokens, D) in float32, the null prompt too."""
    path, given = tmp_path / f"prompts.{ending}", embeddings(shape, dtype)
    (save_file if ending == "safetensors" else torch.save)(given, path)
    found = read_embeddings(path, 77)
    assert found.keys() == given.keys()
    for prompt, value in found.items():
        assert value.shape == (77, 8) and torch.equal(value, given[prompt].reshape(77, 8).float())


def test_other_ways_to_save_are_read(tmp_path):
    """An ordered dictionary, the format before torch 1.6, and parameters in place of tensors."""
    given = embeddings()
    torch.save(OrderedDict(given), tmp_path / "ordered.pth")
    torch.save(given, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({prompt: torch.nn.Parameter(value) for prompt, value in given.items()}, tmp_path / "parameters.pth")
    for path in tmp_path.iterdir():
        found = read_embeddings(path, 77)
        assert torch.equal(found["a rocket ship"], given["a rocket ship"][0].float())
        assert not found["a rocket ship"].requires_grad


def test_prompts_are_looked_up_as_they_are_read(tmp_path):
    """Small letters make one prompt of two; they may be there twice if they agree."""
    value = torch.ones(77, 8)
    torch.save({"A Hat": value, "a hat": value.half()}, tmp_path / "same.pth")
    assert list(read_embeddings(tmp_path / "same.pth", 77, str.lower)) == ["a hat"]
    torch.save({"A Hat": value, "a hat": 2 * value}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="'a hat' is there twice, with different embeddings"):
        read_embeddings(tmp_path / "other.pth", 77, str.lower)


class Runs:
    """What a pickle may hold: an order to run something."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


def test_no_code_is_run(tmp_path):
    """A pickle that holds more than tensors is refused before any of it is made."""
    trap = tmp_path / "ran"
    torch.save({"a hat": torch.ones(77, 8), "b": Runs(trap)}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth: holds more than tensors and texts, and is not read"):
        read_embeddings(tmp_path / "a.pth", 77)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.ones(77, 8), "holds a Tensor, not a dictionary from prompts to embeddings"),
        ([torch.ones(77, 8)], "holds a list, not a dictionary"),
        ({}, "holds a dict, not a dictionary"),
        ({3: torch.ones(77, 8)}, "the key 3 is no prompt"),
        ({"a": [1.0]}, "'a' has a list for its embedding; give a tensor of floating-point numbers"),
        ({"a": torch.ones(77, 8, dtype=torch.int64)}, "'a' has a torch.int64 for its embedding"),
        ({"a": torch.ones(76, 8)}, r"'a' has an embedding of shape \(76, 8\); give \(77, D\) or \(1, 77, D\)"),
        ({"a": torch.ones(2, 77, 8)}, r"shape \(2, 77, 8\)"),
        ({"a": torch.ones(77, 0)}, r"shape \(77, 0\)"),
        ({"a": torch.ones(77)}, r"shape \(77,\)"),
        ({"a": torch.full((77, 8), torch.nan)}, "'a' has an embedding with NaN or infinity in it"),
        ({"a": torch.ones(77, 8), "b": torch.ones(77, 9)}, "embedded in vectors of different lengths"),
        ({"a": torch.ones(3), "b": 1, 2: 0}, r"'a' has .*; 'b' has .*; the key 2 is no prompt"),
    ],
)
def test_what_is_no_such_dictionary_is_told(tmp_path, given, said):
    """Every fault at once, in one line."""
    torch.save(given, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=rf"a\.pth: {'.*' if said[0] != 'h' else ''}{said}") as raised:
        read_embeddings(tmp_path / "a.pth", 77)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pth", b"", "cannot be read as what torch.save wrote"),
        ("a.pth", b"no pickle", "is nothing that torch.save wrote"),
        ("a.pth", b"PK\x03\x04 and no more", "cannot be read as what torch.save wrote"),
        ("a.pth", None, "cannot be read as what torch.save wrote"),
        ("a.safetensors", b"\xff" * 40, "cannot be read as safetensors"),
        ("a.safetensors", None, "cannot be read as safetensors"),
        ("a.npz", b"PK", "are read from .pth, .pt and .safetensors files"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: .*{said}") as raised:
        read_embeddings(tmp_path / name, 77)
    assert "\n" not in str(raised.value)
