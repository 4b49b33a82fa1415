"""Text-to-image cascades of DeepFloyd IF's shape, from diffusers' folders: the only module that imports diffusers.

Another kind of model is one network in pixel space that was trained along the straight line of flow matching, such as a
transformer: :func:`load_flow` reads it, by a :class:`Convention` that says what it takes and what it returns.

A cascade is two pipelines. Stage I turns an embedded prompt into 64 x 64 pictures (``IFPipeline``); stage II makes them
larger (``IFSuperResolutionPipeline``). Of each, this module takes the U-Net and the noise schedule, as a
:class:`Stage` whose denoisers compose and sample like all others; of stage I also the text encoder, as
:class:`Prompts`, which caches embeddings and releases the encoder before a U-Net is loaded.

Pictures are (B, 3, N, N) in [-1, 1]. diffusers counts its timesteps from 0, where a schedule's time 1 is.
"""

from __future__ import annotations

import gc
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from darkroom.diffusion.arithmetic import free_memory, has_bfloat16
from darkroom.diffusion.denoise import (
    DataPredictor,
    Denoiser,
    LearnedRangePredictor,
    NoisePredictor,
    Predictor,
    Thresholded,
    VelocityPredictor,
)
from darkroom.diffusion.embeddings import read_embeddings
from darkroom.diffusion.flow import StraightLine, as_flow
from darkroom.diffusion.process import Process
from darkroom.diffusion.sample import Noise, Variance
from darkroom.diffusion.schedules import Schedule

TOKENS = 77
_VARIANCES: dict[str, Variance] = {"fixed_small": "small", "fixed_large": "large", "learned_range": "learned"}
_PREDICTIONS = ("epsilon", "v_prediction")
_WEIGHTY = {"unet", "text_encoder", "transformer"}  # parts that have weights
_ALIVE = 16  # tensors of a U-Net's first size that are alive at once, by a count of DeepFloyd's
_ROOM = 1.3  # what a network needs, of what its weights take
_ROOM_TO_READ = 1.1  # the same of a text encoder, which reads one prompt at a time
_SMALLER = "choose a smaller model, such as pocket"
_ELSEWHERE = 'use embeddings that were made elsewhere: embeddings = "FILE" in experiments/models.toml'


class ModelUnavailable(RuntimeError):
    """A model cannot be loaded or used; the message says what to do."""


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


@dataclass(frozen=True)
class Convention:
    """The convention of a flow-matching network, which its files do not define.

    Args:
        prediction: what it returns: "velocity", "data" or "noise". A velocity is x_0 - eps where the network's own
            time rises towards the data, and eps - x_0 where it falls, whatever the scale of that time.
        times: its time input at noise and at the data, such as (0, 1), (1, 0) or (1000, 0).
        noise_scale: the standard deviation of the noise that it was trained with.
        side: N of its pictures; 0 for what its configuration says.
        tokens: how many tokens a prompt is padded or cut to.
        lower: whether prompts are put in small letters, as DeepFloyd's are.
        masked: whether it also takes a mask of the tokens.
        code: its class, with ``from_pretrained``; None for the class of diffusers that its configuration names.
    """

    prediction: str = "velocity"
    times: tuple[float, float] = (0.0, 1.0)
    noise_scale: float = 1.0
    side: int = 0
    tokens: int = 77
    lower: bool = False
    masked: bool = True
    code: Any = None


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage of a cascade, or a network of flow matching, ready to sample.

    Args:
        network: (B, 3, N, N), times t / T (B,), embeddings (B, L, D), and for stage II the enlarged picture and its
            noise level, to eps and, with learned variance, 2 v - 1: (B, 3 or 6, N, N), float32.
        process: of the pipeline's scheduler; the straight line for flow matching.
        side: N.
        variance: how its scheduler draws noise.
        threshold: quantile and limit that estimates of x_0 are held to; None where they are left alone.
        noising: stage II only: the schedule that pictures from stage I are noised by.
        prediction: how the network's output is read.
        bytes_each: about how much memory a row of a batch takes on its way through the network; 0 if unknown.
    """

    network: Callable[..., Tensor]
    process: Process
    side: int
    variance: Variance
    threshold: tuple[float, float] | None
    noising: Schedule | None = None
    prediction: type[Predictor] = NoisePredictor
    bytes_each: int = 0

    def denoiser(self, *conditions: Tensor) -> Denoiser:
        """The network with *conditions*, of one row or one a sample; compose freely, then :meth:`finished`."""
        denoiser = self.prediction(self.network, self.process, conditions)
        return as_flow(denoiser) if isinstance(self.process, StraightLine) else denoiser

    def finished(self, denoiser: Denoiser) -> Denoiser:
        """*denoiser* with its estimates of x_0 held to the range of pictures, as the pipeline's scheduler does."""
        return denoiser if self.threshold is None else Thresholded(denoiser, *self.threshold)

    def times(self, steps: int) -> list[int]:
        """The *steps* + 1 times of the pipeline with that many steps: every (T // steps)-th timestep from 0, then data.

        Raises:
            ValueError: *steps* is not in [1, T].
        """
        if not isinstance(self.process, Schedule):
            raise ValueError("a model of flow matching has no timesteps; sample along the straight line")
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
        source: the pipeline whose text encoder it is: stage I, or another that has the same.
        cache: a folder to keep embeddings in; the same for all models.
        device: where to encode.
        convention: of a model of flow matching; None for a cascade of DeepFloyd's shape.
        given: a file of embeddings that takes the place of the text encoder
            (:func:`~darkroom.diffusion.embeddings.read_embeddings`).
    """

    def __init__(
        self,
        source: Source,
        cache: Path,
        device: str = "cpu",
        *,
        convention: Convention | None = None,
        given: Path | None = None,
    ) -> None:
        self.source, self.device, self.given = source, device, given
        self.convention = convention or Convention(tokens=TOKENS, lower=True, masked=False)
        kind = f"-{self.convention.tokens}{'-masked' * self.convention.masked}" if convention else ""
        half = "-float16" if self._half else ""
        self._folder = cache / f"{source.identity}{kind}{half}"

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """Embeddings of *prompts*, shape (N, tokens, D), float32, on the device; "" is the null prompt.

        Raises:
            ModelUnavailable: a prompt is not in the cache and no text encoder is available.
        """
        return self.conditions(prompts)[0]

    def conditions(self, prompts: Sequence[str]) -> tuple[Tensor, ...]:
        """A network's inputs for *prompts*: their embeddings and, if it takes one, a mask of tokens, (N, tokens).

        Raises:
            ModelUnavailable: a prompt is not in the cache and no text encoder is available.
        """
        if self.given is not None:
            return (torch.stack(self._looked_up(prompts)).to(self.device),)
        wanted = list(dict.fromkeys(prompts))
        missing = [prompt for prompt in wanted if not self._path(prompt).exists()]
        if missing:
            self._encode(missing)
        known = {prompt: _embedding(self._path(prompt)) for prompt in wanted}
        parts = ("embedding", "mask") if self.convention.masked else ("embedding",)
        return tuple(torch.stack([known[prompt][part] for prompt in prompts]).to(self.device) for part in parts)

    @property
    def _half(self) -> bool:
        """Whether prompts are encoded in float16, which gives other embeddings than float32."""
        return self.device != "cpu"

    @cached_property
    def _read(self) -> dict[str, Tensor]:
        assert self.given is not None
        try:
            return read_embeddings(self.given, self.convention.tokens, self._plain)
        except ValueError as error:
            raise ModelUnavailable(str(error)) from None

    def _looked_up(self, prompts: Sequence[str]) -> list[Tensor]:
        """The embeddings of *prompts* in the file that was given."""
        if missing := [prompt for prompt in dict.fromkeys(prompts) if self._plain(prompt) not in self._read]:
            shown = ", ".join(repr(prompt) for prompt in missing)
            raise ModelUnavailable(
                f"{self.given}: no embedding of {shown}; add what is missing, or leave the file out of models.toml and let "
                "the text encoder read them"
            )
        return [self._read[self._plain(prompt)] for prompt in prompts]

    def _plain(self, prompt: str) -> str:
        """A prompt as the pipeline reads it without cleaning: IFPipeline in small letters."""
        return prompt.lower().strip() if self.convention.lower else prompt.strip()

    def _path(self, prompt: str) -> Path:
        return self._folder / f"{sha256(self._plain(prompt).encode()).hexdigest()[:32]}.safetensors"

    @torch.inference_mode()
    def _encode(self, prompts: list[str]) -> None:
        from safetensors.torch import save
        from transformers import AutoModel, AutoTokenizer, T5EncoderModel

        try:
            folder = self.source.folder("tokenizer", "text_encoder", half=self._half)
        except ModelUnavailable as error:
            shown = ", ".join(repr(prompt) for prompt in prompts[:3])
            raise ModelUnavailable(
                f"no embedding of {shown} is cached, and the text encoder cannot be loaded: {error}"
            ) from error
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
        except (ImportError, OSError, ValueError) as error:
            said = " ".join(str(error).split())[:160]
            raise ModelUnavailable(
                f"{folder / 'tokenizer'}: the tokenizer cannot be read ({said}); are sentencepiece and protobuf installed?"
            ) from error
        kind = T5EncoderModel if _is_t5(folder / "text_encoder") else AutoModel
        half, dtype = self._half, torch.float16 if self._half else torch.float32
        files = _weight_files(folder / "text_encoder", half)
        _check_room(self.source, files, self.device, dtype, room=_ROOM_TO_READ, advice=_ELSEWHERE)
        with _memory_watched(self.source, _ELSEWHERE):
            options: dict[str, Any] = _variant_of(folder / "text_encoder", half)
            if self.device != "cpu":
                options["device_map"] = {"": self.device}  # not by way of main memory
            encoder = kind.from_pretrained(folder / "text_encoder", use_safetensors=True, dtype=dtype, **options)
            encoded = [self._encoded(encoder, tokenizer, prompt) for prompt in prompts]
        del encoder
        _let_go(self.device)
        if unread := [each for each, parts in zip(prompts, encoded, strict=True) if not _is_finite(parts)]:
            shown = ", ".join(repr(prompt) for prompt in unread)
            raise ModelUnavailable(
                f"{self.source.place}: its text encoder gives NaN or infinity for {shown}; {_ELSEWHERE}"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        for prompt, parts in zip(prompts, encoded, strict=True):
            temporary = self._path(prompt).with_suffix(f".{secrets.token_hex(8)}")  # machines may share the folder
            temporary.write_bytes(save(parts))
            temporary.replace(self._path(prompt))

    def _encoded(self, encoder: Any, tokenizer: Any, prompt: str) -> dict[str, Tensor]:
        """What is kept of *prompt*; encoded by itself, so that it does not depend on what else is asked for."""
        tokens = tokenizer(
            [self._plain(prompt)],
            padding="max_length",
            max_length=self.convention.tokens,
            truncation=True,
            return_tensors="pt",
        ).to(self.device)
        embedding = encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0][0].float().cpu()
        mask = {"mask": tokens.attention_mask[0].cpu()} if self.convention.masked else {}
        return {"embedding": embedding.clone(), **mask}


def load_stage(source: Source, device: str = "cpu", *, dtype: torch.dtype | None = None) -> Stage:
    """The U-Net and the schedules of a pipeline; a stage II if it has an ``image_noising_scheduler``.

    Args:
        source: the pipeline.
        device: where the U-Net runs.
        dtype: of its arithmetic; by default float16 on CUDA, bfloat16 on a CPU that has instructions for it, else float32.
            Its weights are of that type too, but float32 under bfloat16, which is autocast.

    Raises:
        ModelUnavailable: the model cannot be loaded, does not fit into memory, or has other tensors or another kind.
    """
    from diffusers import DDPMScheduler, UNet2DConditionModel

    dtype = dtype or _quick_dtype(device)
    folder = source.folder("unet", "scheduler", half=dtype == torch.float16)
    weights, half = folder / "unet", dtype == torch.float16
    stored = torch.float32 if dtype == torch.bfloat16 else dtype
    _check_room(source, _weight_files(weights, half), device, stored)
    with _memory_watched(source):
        unet = _network(UNet2DConditionModel, weights, stored, half)
        unet = unet.to(device, memory_format=torch.channels_last)
    scheduler = DDPMScheduler.from_pretrained(folder / "scheduler")
    schedule, noising = schedule_of(scheduler), folder / "image_noising_scheduler"
    variance = _variance(folder, scheduler.config, unet.config)
    return Stage(
        _UNet(unet, schedule, dtype, device, of_velocity=scheduler.config.prediction_type == "v_prediction"),
        schedule,
        unet.config.sample_size,
        variance,
        _threshold(scheduler.config),
        schedule_of(DDPMScheduler.from_pretrained(noising)) if noising.is_dir() else None,
        LearnedRangePredictor if variance == "learned" else NoisePredictor,
        bytes_each=_ALIVE * unet.config.block_out_channels[0] * unet.config.sample_size**2 * dtype.itemsize,
    )


def load_flow(
    source: Source, convention: Convention, device: str = "cpu", *, dtype: torch.dtype | None = None
) -> Stage:
    """A network of flow matching in pixel space, from a pipeline's folder: its ``transformer``.

    Args:
        convention: its inputs and output.
        dtype: of its weights and arithmetic; by default bfloat16 on CUDA, else float32.

    Raises:
        ModelUnavailable: the model cannot be loaded, does not fit into memory, or has other tensors or another kind.
    """
    if convention.prediction not in _READINGS:
        raise ModelUnavailable(
            f"{source.place}: prediction = {convention.prediction!r}; choose from {', '.join(_READINGS)}"
        )
    dtype = dtype or (torch.bfloat16 if device == "cuda" else torch.float32)
    folder = source.folder("transformer")
    weights = folder / "transformer"
    _check_room(source, _weight_files(weights, half=False), device, dtype)
    with _memory_watched(source):
        network = _network(convention.code or _class_of(weights), weights, dtype, half=False).to(device)
    side = convention.side or getattr(network.config, "sample_size", 0)
    if not side:
        raise ModelUnavailable(f"{weights}: its configuration has no sample_size; give the model's side in models.toml")
    return Stage(
        _FlowNetwork(network, convention, dtype),
        StraightLine(convention.noise_scale),
        side,
        "none",
        None,
        prediction=_READINGS[convention.prediction],
    )


def _network(kind: Any, weights: Path, dtype: torch.dtype, half: bool) -> Any:
    """The network in the folder *weights*, of class *kind*, ready for inference; each of its tensors is read once."""
    try:
        network, report = kind.from_pretrained(
            weights, torch_dtype=dtype, use_safetensors=True, output_loading_info=True, **_variant_of(weights, half)
        )
    except ValueError as error:
        said = " ".join(str(error).split())[:160]
        raise ModelUnavailable(f"{weights}: the checkpoint does not fit its configuration ({said})") from None
    _check_tensors(weights, report)
    return network.eval().requires_grad_(False)


def _weight_files(folder: Path, half: bool) -> list[Path]:
    """The files of weights that are read: the fp16 variant if *half* is wanted and there, or if nothing else is.

    Raises:
        ModelUnavailable: there is none.
    """
    files = [path for path in sorted(folder.glob("*.safetensors")) if ".8bit" not in path.name]
    halves = [path for path in files if ".fp16" in path.name]
    plain = [path for path in files if path not in halves]
    if not files:
        raise ModelUnavailable(f"{folder}: no safetensors file; weights in pickle files are not read, convert them")
    return halves if halves and (half or not plain) else plain


def _variant_of(folder: Path, half: bool) -> dict[str, Any]:
    """Arguments that make ``from_pretrained`` read :func:`_weight_files`."""
    return {"variant": "fp16"} if ".fp16" in _weight_files(folder, half)[0].name else {}


_READINGS: dict[str, type[Predictor]] = {
    "velocity": VelocityPredictor,
    "data": DataPredictor,
    "noise": NoisePredictor,
}


def _class_of(weights: Path) -> Any:
    """The class of diffusers that the configuration in *weights* names."""
    import diffusers

    try:
        name = json.loads((weights / "config.json").read_text("utf-8")).get("_class_name", "")
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{weights}: no config.json that can be read ({error})") from None
    found = getattr(diffusers, name, None)
    if found is None:
        raise ModelUnavailable(
            f"{weights}: diffusers {diffusers.__version__} has no class {name!r}; upgrade it, or name the class under code"
        )
    return found


class _FlowNetwork:
    """A network of flow matching as one along the straight line: from t in [0, 1] to its own time, float32 in and out."""

    def __init__(self, network: Any, convention: Convention, dtype: torch.dtype) -> None:
        self.network, self.convention, self.dtype = network, convention, dtype

    @torch.inference_mode()
    def __call__(self, x: Tensor, t: Tensor, embeddings: Tensor, mask: Tensor | None = None) -> Tensor:
        """What it returns for *x*; a velocity turned the way of the straight line, from noise to data."""
        at_noise, at_data = self.convention.times
        told = {"attention_mask": mask.bool()} if mask is not None else {}
        output: Tensor = self.network(
            x.to(self.dtype),
            at_noise + (at_data - at_noise) * t,
            embeddings.to(self.dtype),
            **told,
            return_dict=False,
        )[0]
        falls = self.convention.prediction == "velocity" and at_data < at_noise
        return -output.float() if falls else output.float()


class _UNet:
    """diffusers' U-Net as a network: from t / T to its timesteps, float32 in and out, to eps whatever it predicts."""

    def __init__(
        self, unet: Any, schedule: Schedule, dtype: torch.dtype, device: str, *, of_velocity: bool = False
    ) -> None:
        self.unet, self.schedule, self.device, self.of_velocity = unet, schedule.to(device), device, of_velocity
        self.width = unet.config.encoder_hid_dim or unet.config.cross_attention_dim
        self.autocast = dtype == torch.bfloat16
        self.dtype = torch.float32 if self.autocast else dtype

    @torch.inference_mode()
    def __call__(
        self, x: Tensor, time: Tensor, embeddings: Tensor, enlarged: Tensor | None = None, level: Tensor | None = None
    ) -> Tensor:
        """The output for *x*; stage II also gets the enlarged picture and its noise level.

        Raises:
            ModelUnavailable: *embeddings* of another width than the network was trained with.
        """
        if embeddings.shape[-1] != self.width:
            raise ModelUnavailable(
                f"prompts are embedded in {embeddings.shape[-1]} numbers a token and the network takes {self.width}; "
                "use the text encoder that it was trained with"
            )
        t = (1000 * (time * self.schedule.T)).round() / 1000  # whole times as they are, and those between them
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
            output = torch.cat([self.schedule.noise_of_velocity(x, t, predicted), *raw], 1)
        return output


def _quick_dtype(device: str) -> torch.dtype:
    """The fastest number type of a device for sampling."""
    if device == "cuda":
        return torch.float16
    return torch.bfloat16 if has_bfloat16(device) else torch.float32


def _is_t5(folder: Path) -> bool:
    """Whether a text encoder is a T5, of which only the encoder is wanted."""
    return json.loads((folder / "config.json").read_text("utf-8")).get("model_type") == "t5"


def _embedding(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        found = load(path.read_bytes())
        return {"embedding": found["embedding"], **found}
    except (SafetensorError, KeyError):
        path.unlink(missing_ok=True)
        raise ModelUnavailable(
            f"{path}: a damaged embedding, deleted now; run again to encode the prompt anew"
        ) from None


def schedule_of(scheduler: Any) -> Schedule:
    """The schedule of a diffusers scheduler, whose timestep 0 is time 1."""
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), scheduler.alphas_cumprod.double()]))


def _variance(folder: Path, scheduler: Any, unet: Any) -> Variance:
    """The sampler's name for the scheduler's variance, checked against the network's outputs."""
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
    """The pipeline's snapshot in the hub's cache, downloaded if it is not there; its other weights if it lacks these."""
    for halves in (half, not half):
        snapshot = _downloaded(source, parts, halves)
        if all(any((snapshot / part).glob("*.safetensors")) for part in _WEIGHTY.intersection(parts)):
            break
    return _complete(snapshot, parts)


def _downloaded(source: Source, parts: Sequence[str], half: bool) -> Path:
    """The snapshot with one variant of the weights, as far as there is one."""
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    weights = "*.fp16*.safetensors" if half else "*.safetensors"
    wanted = [f"{part}/{name}" for part in parts for name in ("*.json", "*.model", "*.txt", weights)]
    skipped = ["*.8bit*"] if half else ["*.8bit*", "*.fp16*"]
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
    return Path(snapshot)


def _check_room(
    source: Source,
    files: Sequence[Path],
    device: str,
    dtype: torch.dtype,
    *,
    room: float = _ROOM,
    advice: str = _SMALLER,
) -> None:
    """Refuse a model that cannot fit into memory before reading gigabytes.

    Args:
        files: of its weights.
        dtype: what they are read as; halves become twice as large in float32.
        room: what it needs, of what its weights take.
        advice: what to do where it does not fit.
    """
    widened = 2 if dtype == torch.float32 and ".fp16" in files[0].name else 1
    needed, free = room * widened * sum(path.stat().st_size for path in files), free_memory(device)
    if free is not None and needed > free:
        raise ModelUnavailable(
            f"{source.place} needs about {needed / 1e9:.1f} GB on {device} and {free / 1e9:.1f} GB are free; {advice}"
        )


@contextmanager
def _memory_watched(source: Source, advice: str = _SMALLER) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "out of memory" not in str(error):  # MPS says it so
            raise
        raise ModelUnavailable(f"{source.place} does not fit into the device's memory; {advice}") from error


def _is_finite(parts: dict[str, Tensor]) -> bool:
    return bool(parts["embedding"].isfinite().all())


def _let_go(device: str) -> None:
    """Give what is no longer used on *device* back to it; torch would keep it for tensors of the same sizes."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
