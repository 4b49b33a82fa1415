"""Text-to-image cascades of DeepFloyd IF's shape, from diffusers' folders: the only module that imports diffusers.

A cascade is two pipelines. Stage I turns an embedded prompt into 64 x 64 pictures (``IFPipeline``); stage II makes them
larger (``IFSuperResolutionPipeline``). Of each, this module takes the U-Net and the noise schedule, as a
:class:`Stage` whose denoisers compose and sample like all others; of stage I also the text encoder, as
:class:`Prompts`, which keeps what it has encoded and lets the encoder go before a U-Net is loaded.

Pictures are (B, 3, N, N) in [-1, 1]. diffusers counts its timesteps from 0, where a schedule's time 1 is.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from darkroom.diffusion.arithmetic import has_bfloat16
from darkroom.diffusion.denoise import Denoiser, LearnedRangePredictor, NoisePredictor, Thresholded
from darkroom.diffusion.sample import Noise, Variance
from darkroom.diffusion.schedules import Schedule

TOKENS = 77
DEEPFLOYD = {
    "deepfloyd-m": ("DeepFloyd/IF-I-M-v1.0", "DeepFloyd/IF-II-M-v1.0"),
    "deepfloyd-l": ("DeepFloyd/IF-I-L-v1.0", "DeepFloyd/IF-II-L-v1.0"),
    "deepfloyd-xl": ("DeepFloyd/IF-I-XL-v1.0", "DeepFloyd/IF-II-L-v1.0"),
}
_VARIANCES: dict[str, Variance] = {"fixed_small": "small", "fixed_large": "large", "learned_range": "learned"}
_PREDICTIONS = ("epsilon", "v_prediction")
_ROOM = 1.3  # what a network needs beside its weights


class ModelUnavailable(RuntimeError):
    """A model cannot be had or used; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """Where a pipeline is: a folder that ``save_pretrained`` wrote, or a name and revision on the Hugging Face hub."""

    place: str
    revision: str | None = None

    def folder(self, *parts: str, half: bool = False) -> Path:
        """The folder, with those *parts* of the pipeline in it; fetched from the hub where it is none.

        Args:
            parts: sub-folders, such as "unet".
            half: fetch the fp16 variant of weights.

        Raises:
            ModelUnavailable: no such folder, no access, or no network.
        """
        local = Path(self.place).expanduser()
        if local.is_dir():
            return _complete(local, parts)
        if local.is_absolute() or self.place.startswith((".", "~")) or self.place.count("/") != 1:
            raise ModelUnavailable(
                f"{self.place}: no such folder; name a folder that save_pretrained wrote, or owner/model on the hub"
            )
        return _fetched(self, parts, half)

    @property
    def identity(self) -> str:
        """What embeddings of this text encoder are kept under: a digest of its files where it is a folder."""
        local = Path(self.place).expanduser()
        if not local.is_dir():
            return f"{self.place.replace('/', '--')}@{self.revision or 'main'}"
        files = sorted(path for part in ("tokenizer", "text_encoder") for path in (local / part).glob("*"))
        digests = "".join(f"{path.name} {sha256(path.read_bytes()).hexdigest()}\n" for path in files)
        return sha256(digests.encode()).hexdigest()[:32]


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage of a cascade, ready to sample.

    Args:
        network: (B, 3, N, N), times t / T (B,), embeddings (B, L, D), and for stage II the enlarged picture and its
            noise level, to eps and, with learned variance, 2 v - 1: (B, 3 or 6, N, N), float32.
        process: of the pipeline's scheduler.
        side: N.
        variance: how its scheduler draws noise.
        threshold: quantile and limit that estimates of x_0 are held to; None where they are left alone.
        noising: stage II only: the schedule that pictures from stage I are noised by.
    """

    network: _UNet
    process: Schedule
    side: int
    variance: Variance
    threshold: tuple[float, float] | None
    noising: Schedule | None = None

    def denoiser(self, *conditions: Tensor) -> Denoiser:
        """The network with *conditions*, of one row or one a sample; compose freely, then :meth:`finished`."""
        kind = LearnedRangePredictor if self.variance == "learned" else NoisePredictor
        return kind(self.network, self.process, conditions)

    def finished(self, denoiser: Denoiser) -> Denoiser:
        """*denoiser* with its estimates of x_0 held to the range of pictures, as the pipeline's scheduler does."""
        return denoiser if self.threshold is None else Thresholded(denoiser, *self.threshold)

    def times(self, steps: int) -> list[int]:
        """The *steps* + 1 times of the pipeline with that many steps: every (T // steps)-th timestep from 0, then data.

        Raises:
            ValueError: *steps* is not in [1, T].
        """
        if not 1 <= steps <= self.process.T:
            raise ValueError(f"steps must be between 1 and {self.process.T}, not {steps}")
        stride = self.process.T // steps
        return [1 + stride * k for k in reversed(range(steps))] + [0]

    def enlarged(self, pictures: Tensor, noise: Noise, level: int = 250) -> tuple[Tensor, Tensor]:
        """What stage II is conditioned on: *pictures* at its size, noised to *level*, and the level, one a sample.

        Raises:
            ValueError: this is a stage I, or the level is none of its schedule.
        """
        if self.noising is None:
            raise ValueError("a stage I enlarges nothing; use stage II of the cascade")
        if not 0 <= level < self.noising.T:
            raise ValueError(f"noise level {level} is not in [0, {self.noising.T})")
        upscaled = interpolate(pictures, (self.side, self.side), mode="bilinear", align_corners=True)
        levels = torch.full((len(pictures),), level, device=pictures.device)
        return self.noising.noised(upscaled, level + 1, noise.draw()), levels


class Prompts:
    """Prompts as a pipeline's text encoder reads them, encoded once and kept.

    Args:
        source: the pipeline of stage I.
        cache: a folder to keep embeddings in; the same for all models.
        device: where to encode.
        eight_bit: hold the encoder in 8 bits (needs bitsandbytes and CUDA); DeepFloyd's then fits 8 GB.
    """

    def __init__(self, source: Source, cache: Path, device: str = "cpu", *, eight_bit: bool = False) -> None:
        self.source, self.device, self.eight_bit = source, device, eight_bit
        self._folder = cache / source.identity

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """Embeddings of *prompts*, shape (N, 77, D), float32, on the device; "" is the null prompt.

        Raises:
            ModelUnavailable: a prompt is not in the cache and there is no text encoder to be had.
        """
        wanted = list(dict.fromkeys(prompts))
        missing = [prompt for prompt in wanted if not self._path(prompt).exists()]
        if missing:
            self._encode(missing)
        known = {prompt: _embedding(self._path(prompt)) for prompt in wanted}
        return torch.stack([known[prompt] for prompt in prompts]).to(self.device)

    def _path(self, prompt: str) -> Path:
        return self._folder / f"{sha256(_plain(prompt).encode()).hexdigest()[:32]}.safetensors"

    @torch.inference_mode()
    def _encode(self, prompts: list[str]) -> None:
        from safetensors.torch import save
        from transformers import AutoTokenizer, T5EncoderModel

        try:
            folder = self.source.folder("tokenizer", "text_encoder", half=self.device != "cpu")
        except ModelUnavailable as error:
            shown = ", ".join(repr(prompt) for prompt in prompts[:3])
            raise ModelUnavailable(
                f"no embedding of {shown} is cached, and the text encoder cannot be had: {error}"
            ) from error
        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
        with _memory_watched(self.source):
            encoder = T5EncoderModel.from_pretrained(
                folder / "text_encoder", use_safetensors=True, **self._precision(folder / "text_encoder")
            )
            if not self.eight_bit:
                encoder = encoder.to(self.device)  # type: ignore[arg-type]
            tokens = tokenizer(
                [_plain(prompt) for prompt in prompts],
                padding="max_length",
                max_length=TOKENS,
                truncation=True,
                return_tensors="pt",
            ).to(self.device)
            embedded = encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0].float().cpu()
        del encoder
        _let_go()
        self._folder.mkdir(parents=True, exist_ok=True)
        for prompt, embedding in zip(prompts, embedded, strict=True):
            temporary = self._path(prompt).with_suffix(f".{os.getpid()}")
            temporary.write_bytes(save({"embedding": embedding.clone()}))
            temporary.replace(self._path(prompt))

    def _precision(self, folder: Path) -> dict[str, Any]:
        variant = {"variant": "fp16"} if any(folder.glob("*.fp16*safetensors")) else {}
        if not self.eight_bit:
            return {"dtype": torch.float16 if self.device == "cuda" else torch.float32, **variant}
        from transformers import BitsAndBytesConfig

        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True), "device_map": "auto", **variant}


def load_stage(
    source: Source, device: str = "cpu", *, dtype: torch.dtype | None = None, offload: bool = False
) -> Stage:
    """The U-Net and the schedules of a pipeline; a stage II where it has an ``image_noising_scheduler``.

    Args:
        source: the pipeline.
        device: where the U-Net runs.
        dtype: of its arithmetic; by default float16 on CUDA, bfloat16 on a CPU that has instructions for it, else float32.
            Its weights are of that type too, but float32 under bfloat16, which is autocast.
        offload: keep weights in main memory and move each layer to the device as it is needed: slow, and fits anywhere.

    Raises:
        ModelUnavailable: the model cannot be had, does not fit, lacks tensors or has others, or is of another kind.
    """
    from diffusers import DDPMScheduler, UNet2DConditionModel

    dtype = dtype or _quick_dtype(device)
    folder = source.folder("unet", "scheduler", half=dtype == torch.float16)
    weights = folder / "unet"
    variant = {"variant": "fp16"} if dtype == torch.float16 and any(weights.glob("*.fp16*safetensors")) else {}
    if not any(weights.glob("*.safetensors")):
        raise ModelUnavailable(f"{weights}: no safetensors file; weights in pickle files are not read, convert them")
    _check_room(source, weights, device if not offload else "cpu")
    with _memory_watched(source):
        unet, report = UNet2DConditionModel.from_pretrained(
            weights,
            torch_dtype=torch.float32 if dtype == torch.bfloat16 else dtype,
            use_safetensors=True,
            output_loading_info=True,
            low_cpu_mem_usage=False,
            **variant,
        )
        _check_tensors(weights, report)
        unet = unet.eval().requires_grad_(False)
        unet = _offloaded(unet, device) if offload else unet.to(device, memory_format=torch.channels_last)
    scheduler = DDPMScheduler.from_pretrained(folder / "scheduler")
    schedule, noising = schedule_of(scheduler), folder / "image_noising_scheduler"
    return Stage(
        _UNet(unet, schedule, dtype, device, of_velocity=scheduler.config.prediction_type == "v_prediction"),
        schedule,
        unet.config.sample_size,
        _variance(folder, scheduler.config, unet.config),
        _threshold(scheduler.config),
        schedule_of(DDPMScheduler.from_pretrained(noising)) if noising.is_dir() else None,
    )


class _UNet:
    """diffusers' U-Net as a network: from t / T to its timesteps, float32 in and out, to eps whatever it predicts."""

    def __init__(
        self, unet: Any, schedule: Schedule, dtype: torch.dtype, device: str, *, of_velocity: bool = False
    ) -> None:
        self.unet, self.schedule, self.device, self.of_velocity = unet, schedule, device, of_velocity
        self.autocast = dtype == torch.bfloat16
        self.dtype = torch.float32 if self.autocast else dtype

    @torch.inference_mode()
    def __call__(
        self, x: Tensor, time: Tensor, embeddings: Tensor, enlarged: Tensor | None = None, level: Tensor | None = None
    ) -> Tensor:
        """The output for *x*; stage II also gets the enlarged picture and its noise level."""
        t = (time.double() * self.schedule.T).round().long()
        seen = x if enlarged is None else torch.cat([x, enlarged], 1)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.autocast):
            output: Tensor = self.unet(
                seen.to(self.dtype).contiguous(memory_format=torch.channels_last),
                t - 1,
                encoder_hidden_states=embeddings.to(self.dtype),
                class_labels=level,
                return_dict=False,
            )[0]
        output = output.float()
        if self.of_velocity:
            predicted, *raw = output.split(x.shape[1], dim=1)
            output = torch.cat([self.schedule.noise_of_velocity(x, t.to("cpu"), predicted), *raw], 1)
        return output


def _quick_dtype(device: str) -> torch.dtype:
    """What a device computes fastest in, of what suits sampling."""
    if device == "cuda":
        return torch.float16
    return torch.bfloat16 if has_bfloat16(device) else torch.float32


def _plain(prompt: str) -> str:
    """A prompt as IFPipeline reads it without caption cleaning."""
    return prompt.lower().strip()


def _embedding(path: Path) -> Tensor:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())["embedding"]
    except (SafetensorError, KeyError):
        path.unlink(missing_ok=True)
        raise ModelUnavailable(
            f"{path}: a damaged embedding, deleted now; run again to encode the prompt anew"
        ) from None


def schedule_of(scheduler: Any) -> Schedule:
    """The schedule of a diffusers scheduler, whose timestep 0 is time 1."""
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), scheduler.alphas_cumprod.double()]))


def _variance(folder: Path, scheduler: Any, unet: Any) -> Variance:
    """The sampler's word for the scheduler's variance, checked against what the network gives."""
    kind = scheduler.variance_type
    if scheduler.prediction_type not in _PREDICTIONS or kind not in _VARIANCES:
        raise ModelUnavailable(
            f"{folder}: the scheduler has prediction_type {scheduler.prediction_type!r} and variance_type {kind!r}; "
            f"needed are one of {', '.join(_PREDICTIONS)} and one of {', '.join(_VARIANCES)}"
        )
    needed = 6 if kind == "learned_range" else 3
    if unet.out_channels != needed:
        raise ModelUnavailable(f"{folder}: {unet.out_channels} output channels, but {kind} variance needs {needed}")
    return _VARIANCES[kind]


def _threshold(config: Any) -> tuple[float, float] | None:
    if config.thresholding:
        return config.dynamic_thresholding_ratio, config.sample_max_value
    return (1.0, 1.0) if config.clip_sample else None


def _check_tensors(folder: Path, report: dict[str, Any]) -> None:
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := sorted(str(name) for name in report.get(kind, ())):
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            what = {"missing_keys": "lacks", "unexpected_keys": "has an unexpected", "mismatched_keys": "misshapes"}[
                kind
            ]
            raise ModelUnavailable(f"{folder}: the checkpoint {what} tensor {names[0]}{more}; it is of another network")


def _complete(folder: Path, parts: Sequence[str]) -> Path:
    missing = [part for part in parts if not (folder / part).is_dir()]
    if missing:
        raise ModelUnavailable(
            f"{folder}: no {missing[0]}/ in it; name a pipeline's folder, as save_pretrained writes it"
        )
    return folder


def _fetched(source: Source, parts: Sequence[str], half: bool) -> Path:
    """The pipeline's snapshot in the hub's cache, downloaded where it is not there."""
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    weights = "*.fp16*.safetensors" if half else "*.safetensors"
    wanted = [f"{part}/{name}" for part in parts for name in ("*.json", "*.model", "*.txt", weights)]
    skipped = [] if half else ["*.fp16*"]
    try:
        snapshot = snapshot_download(
            source.place,
            revision=source.revision,
            allow_patterns=[*wanted, "image_noising_scheduler/*.json", "*.json"],
            ignore_patterns=skipped,
        )
    except hub.GatedRepoError:
        raise ModelUnavailable(
            f"{source.place} is gated: accept its licence at https://huggingface.co/{source.place}, then run `hf auth login`"
        ) from None
    except hub.RepositoryNotFoundError:
        raise ModelUnavailable(
            f"{source.place} is not on the hub, or not for you: check the name, or run `hf auth login`"
        ) from None
    except hub.RevisionNotFoundError:
        raise ModelUnavailable(
            f"{source.place} has no revision {source.revision}; check its commits on the hub"
        ) from None
    except (OSError, ValueError, hub.HfHubHTTPError, hub.LocalEntryNotFoundError) as error:
        said = " ".join(str(error).split())[:120]
        raise ModelUnavailable(
            f"{source.place} is not in the hub's cache and the hub does not answer ({said}); connect, or name a folder"
        ) from error
    return _complete(Path(snapshot), parts)


def _check_room(source: Source, weights: Path, device: str) -> None:
    """Refuse what cannot fit before reading gigabytes."""
    needed = _ROOM * max(path.stat().st_size for path in weights.glob("*.safetensors"))
    if device == "cuda":
        free = torch.cuda.mem_get_info()[0]
    elif hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    else:
        return
    if needed > free:
        raise ModelUnavailable(
            f"{source.place} needs about {needed / 1e9:.1f} GB on {device} and {free / 1e9:.1f} GB are free; {_SMALLER}"
        )


_SMALLER = "choose a smaller model (deepfloyd-l, deepfloyd-m or pocket), or offload"


@contextmanager
def _memory_watched(source: Source) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ModelUnavailable(f"{source.place} does not fit into the device's memory; {_SMALLER}") from error


def _offloaded(unet: Any, device: str) -> Any:
    from accelerate import cpu_offload

    cpu_offload(unet, torch.device(device))
    return unet


def _let_go() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
