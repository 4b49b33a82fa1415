"""Pretrained cascades: the same pictures as diffusers' pipelines, and one clear line where there are none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import darkroom
from darkroom.diffusion.denoise import Denoiser
from darkroom.diffusion.guidance import Guided
from darkroom.diffusion.pretrained import ModelUnavailable, Prompts, Source, Stage, load_stage
from darkroom.diffusion.sample import Noise, Step, ddpm, last, sdedit, step_sample
from tests.diffusion.cascades import save_as_published, save_cascade, save_sentencepiece

pytest.importorskip("diffusers")

PROMPTS = ["a rocket ship", "an oil painting of a snowy mountain village"]


@pytest.fixture(scope="session")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return save_cascade(tmp_path_factory.mktemp("cascade"))


@pytest.fixture
def prompts(cascade: tuple[Path, Path], tmp_path: Path) -> Prompts:
    return Prompts(Source(str(cascade[0])), tmp_path / "embeddings")


@pytest.fixture(scope="session")
def first(cascade: tuple[Path, Path]) -> Stage:
    return load_stage(Source(str(cascade[0])), dtype=torch.float32)


@pytest.fixture(scope="session")
def second(cascade: tuple[Path, Path]) -> Stage:
    return load_stage(Source(str(cascade[1])), dtype=torch.float32)


def pipeline(kind: str, folder: Path, **options: Any) -> Any:
    import diffusers

    theirs = getattr(diffusers, kind).from_pretrained(
        folder, safety_checker=None, feature_extractor=None, watermarker=None, requires_safety_checker=False, **options
    )
    theirs.set_progress_bar_config(disable=True)
    return theirs


def predicting(kind: str, folder: Path, copies: Path) -> Path:
    """The stage in *folder*, its network's output read as diffusers' *kind* of prediction."""
    copy = copies / kind
    shutil.copytree(folder, copy)
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"prediction_type": kind}))
    return copy


def generators(seeds: list[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def guided(stage: Stage, prompts: Prompts, gamma: float, *more: torch.Tensor, asked: list[str]) -> Denoiser:
    conditional, null = (stage.denoiser(prompts(each), *more) for each in (asked, [""] * len(asked)))
    return stage.finished(Guided(conditional, null, gamma))


@pytest.mark.parametrize(("steps", "kind"), [(3, "epsilon"), (10, "epsilon"), (10, "v_prediction")])
def test_stage_one_draws_what_diffusers_draws(cascade, prompts, steps, kind, tmp_path):
    """The whole loop, guidance, learned variance and thresholding included, equals IFPipeline's with the same noise."""
    folder = predicting(kind, cascade[0], tmp_path)
    first = load_stage(Source(str(folder)), dtype=torch.float32)
    theirs = pipeline("IFPipeline", folder)(
        PROMPTS,
        num_inference_steps=steps,
        guidance_scale=7.0,
        generator=generators([1, 2]),
        output_type="pt",
        clean_caption=False,
    ).images
    denoiser = guided(first, prompts, 7.0, asked=PROMPTS)
    ours = last(ddpm(denoiser, Noise([1, 2], (3, 16, 16)), times=first.times(steps), variance=first.variance)).x_t
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert theirs.std() > 0.1 and (theirs[0] - theirs[1]).abs().mean() > 0.1


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_stage_two_enlarges_as_diffusers_does(cascade, prompts, kind, tmp_path):
    """The whole loop of stage II, noised condition and its level included, equals IFSuperResolutionPipeline's."""
    folder = predicting(kind, cascade[1], tmp_path)
    second = load_stage(Source(str(folder)), dtype=torch.float32)
    pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1
    theirs = pipeline("IFSuperResolutionPipeline", folder)(
        PROMPTS,
        image=pictures,
        num_inference_steps=4,
        guidance_scale=4.0,
        noise_level=250,
        generator=generators([5, 6]),
        output_type="pt",
        clean_caption=False,
    ).images
    noise = Noise([5, 6], (3, 32, 32))
    x_T = noise.draw()
    denoiser = guided(second, prompts, 4.0, *second.enlarged(pictures, noise, 250), asked=PROMPTS)
    ours = last(ddpm(denoiser, noise, x_T=x_T, times=second.times(4), variance=second.variance)).x_t
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert theirs.shape == (2, 3, 32, 32)


def test_a_strided_step_has_the_learned_variance_of_the_stride(cascade, first, prompts):
    """Every step equals DDPMScheduler's, which is told the strided timesteps, with the network's own outputs."""
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler.from_pretrained(cascade[0] / "scheduler")
    theirs.set_timesteps(timesteps=list(range(990, -1, -30)))
    embedded = prompts(["a rocket ship"])
    denoiser = first.finished(first.denoiser(embedded))
    x_t = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    for t, s in [(991, 961), (691, 661), (31, 1)]:
        z = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(t))
        ours = step_sample(first.process, x_t, denoiser(x_t, t), t, s, z, "learned")
        output = first.network(x_t, torch.tensor([t / 1000]), embedded)
        step = theirs.step(output, t - 1, x_t, generator=torch.Generator().manual_seed(t)).prev_sample
        torch.testing.assert_close(ours, step, rtol=1e-3, atol=1e-4)


def test_a_picture_does_not_depend_on_its_batch(first, prompts):
    """Drawn alone or among others, with other prompts and other levels of SDEdit, it is the same to float32's rounding."""
    originals = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(8)) * 2 - 1
    asked, times = [PROMPTS[0], PROMPTS[1], "a man wearing a hat"], first.times(10)

    def drawn(rows: list[int]) -> Step:
        denoiser = guided(first, prompts, 7.0, asked=[asked[row] for row in rows])
        noise = Noise([20 + row for row in rows], (3, 16, 16))
        starts = [times[[0, 2, 5][row]] for row in rows]
        return last(sdedit(denoiser, noise, originals[rows], starts, times=times, variance=first.variance))

    together = drawn([0, 1, 2]).x_t
    for row in range(3):
        torch.testing.assert_close(together[[row]], drawn([row]).x_t, rtol=1e-3, atol=1e-3)


def test_embeddings_are_those_of_the_pipeline(cascade, prompts):
    """Prompts are tokenised, padded and encoded as IFPipeline does it, the null prompt too."""
    theirs, null = pipeline("IFPipeline", cascade[0]).encode_prompt(["A Rocket Ship "], clean_caption=False)
    torch.testing.assert_close(prompts(["A Rocket Ship "]), theirs)
    torch.testing.assert_close(prompts([""]), null)
    assert theirs.shape == (1, 77, 16)


def test_a_prompt_is_encoded_once(cascade, prompts, tmp_path, monkeypatch):
    """What is in the cache needs no text encoder, also from another process's Prompts; duplicates are encoded once."""
    import transformers

    expected = prompts([PROMPTS[0], PROMPTS[1], PROMPTS[0]])
    monkeypatch.setattr(transformers.T5EncoderModel, "from_pretrained", forbidden)
    again = Prompts(Source(str(cascade[0])), tmp_path / "embeddings")
    assert torch.equal(again([PROMPTS[0], PROMPTS[1], PROMPTS[0]]), expected)
    assert len(list((tmp_path / "embeddings").rglob("*.safetensors"))) == 2


def forbidden(*_: Any, **__: Any) -> None:
    raise AssertionError("the text encoder was loaded")


def test_another_encoder_has_other_embeddings(cascade, prompts, tmp_path):
    """The cache is by the encoder's files: a changed one is never answered from the old one's cache."""
    prompts(["a hat"])
    other = tmp_path / "other"
    shutil.copytree(cascade[0], other)
    config = other / "text_encoder" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"layer_norm_epsilon": 0.1}))
    theirs = Prompts(Source(str(other)), tmp_path / "embeddings")
    assert not torch.allclose(theirs(["a hat"]), prompts(["a hat"]))


def test_embeddings_that_are_given_take_the_encoder_s_place(cascade, prompts, tmp_path):
    """A file of them is looked up as the encoder would be asked, and nothing else is read."""
    wanted = prompts([*PROMPTS, ""])
    torch.save(
        {f" {prompt.upper()}": row[None] for prompt, row in zip([*PROMPTS, ""], wanted, strict=True)},
        tmp_path / "a.pth",
    )
    given = Prompts(Source(str(tmp_path / "no such pipeline")), tmp_path / "none", given=tmp_path / "a.pth")
    assert torch.equal(given(PROMPTS), wanted[:2]) and torch.equal(given(["", PROMPTS[1]]), wanted[[2, 1]])
    assert not (tmp_path / "none").exists()
    with pytest.raises(ModelUnavailable, match=r"a.pth: no embedding of 'a hat', 'a cat'; add what is missing"):
        given(["a hat", PROMPTS[0], "a cat"])


def test_embeddings_of_another_width_are_refused(first):
    with pytest.raises(ModelUnavailable, match="embedded in 24 numbers a token and the network takes 16"):
        first.denoiser(torch.zeros(1, 77, 24))(torch.zeros(1, 3, 16, 16), 500)


def test_a_damaged_embedding_is_said_and_made_anew(prompts, tmp_path):
    """A truncated file in the cache is named; the next call encodes again."""
    expected = prompts(["a hat"])
    (kept,) = (tmp_path / "embeddings").rglob("*.safetensors")
    kept.write_bytes(kept.read_bytes()[:20])
    with pytest.raises(ModelUnavailable, match="a damaged embedding, deleted now; run again"):
        prompts(["a hat"])
    assert torch.equal(prompts(["a hat"]), expected)


def copied(cascade: tuple[Path, Path], folder: Path) -> Path:
    shutil.copytree(cascade[0], folder / "copy")
    return folder / "copy"


def test_a_prompt_without_an_encoder_says_so(cascade, tmp_path):
    """No embedding and no encoder: the prompt and what is missing are named."""
    folder = copied(cascade, tmp_path)
    shutil.rmtree(folder / "text_encoder")
    with pytest.raises(ModelUnavailable, match=r"no embedding of 'a hat' is cached, .* no text_encoder/ in it"):
        Prompts(Source(str(folder)), tmp_path / "embeddings")(["a hat"])


def test_pickled_weights_are_refused(cascade, tmp_path):
    """A checkpoint in pickle files is not read."""
    folder = copied(cascade, tmp_path)
    (weights,) = (folder / "unet").glob("*.safetensors")
    weights.rename(folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="pickle files are not read"):
        load_stage(Source(str(folder)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("conv_in.bias"), r"the checkpoint lacks tensor conv_in\.bias"),
        (lambda tensors: tensors.update(extra=torch.zeros(3)), "the checkpoint has an unexpected tensor extra"),
        (lambda tensors: tensors.update({"conv_in.bias": torch.zeros(3)}), r"the checkpoint .*conv_in\.bias"),
    ],
    ids=["missing", "unexpected", "misshapen"],
)
def test_tensors_of_another_network_are_refused(cascade, tmp_path, change, message):
    """A checkpoint with missing, unexpected or misshapen tensors is refused by the tensor's name, never half loaded."""
    from safetensors.torch import load_file, save_file

    folder = copied(cascade, tmp_path)
    (weights,) = (folder / "unet").glob("*.safetensors")
    tensors = load_file(weights)
    change(tensors)
    save_file(tensors, weights)
    with pytest.raises(ModelUnavailable, match=message):
        load_stage(Source(str(folder)))


def test_a_scheduler_of_another_kind_is_refused(cascade, tmp_path):
    """What the samplers do not know is named with what they do."""
    folder = predicting("sample", cascade[0], tmp_path)
    with pytest.raises(ModelUnavailable, match="prediction_type 'sample'"):
        load_stage(Source(str(folder)))


@pytest.mark.parametrize(
    ("place", "message"),
    [("./nowhere", "no such folder"), ("nowhere", "no such folder"), ("/nowhere/at/all", "no such folder")],
)
def test_a_folder_that_is_not_there_is_named(place, message):
    """A place that is no folder and cannot be a name on the hub is refused without asking the hub."""
    with pytest.raises(ModelUnavailable, match=message):
        load_stage(Source(place))


def test_a_folder_that_is_no_pipeline_is_named(tmp_path):
    """What is missing in it is said."""
    with pytest.raises(ModelUnavailable, match=r"no unet/ in it; name a pipeline's folder"):
        load_stage(Source(str(tmp_path)))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("GatedRepoError", "is gated: accept its licence at https://huggingface.co/someone/model"),
        ("RepositoryNotFoundError", "is not on the hub, or not for you"),
        ("RevisionNotFoundError", "has no revision abc"),
        ("LocalEntryNotFoundError", "the hub does not answer"),
    ],
)
def test_a_hub_that_gives_nothing_is_explained(monkeypatch, error, message):
    """Gated, unknown, of another revision, or not to be reached: one line each that says what to do."""
    import huggingface_hub

    kind = getattr(huggingface_hub.errors, error)

    def snapshot_download(*_: Any, **__: Any) -> str:
        raise kind.__new__(kind, "refused")  # its constructor wants a response of a web client

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(ModelUnavailable, match=message):
        load_stage(Source("someone/model", "abc"))


HALVES, WHOLE = "unet/network.fp16.safetensors", "unet/network.safetensors"


@pytest.mark.parametrize(
    ("published", "half", "taken"),
    [
        ((HALVES, WHOLE), True, {HALVES}),
        ((HALVES, WHOLE), False, {WHOLE}),
        ((WHOLE,), True, {WHOLE}),
        ((HALVES,), False, {HALVES}),
    ],
)
def test_only_the_weights_that_are_read_are_downloaded(monkeypatch, tmp_path, published, half, taken):
    """Of both variants the one that the device wants, the other if there is no choice; nothing of pickle's or in 8 bits."""
    import huggingface_hub

    others = ("model_index.json", "scheduler/scheduler_config.json", "unet/config.json")
    skipped = (
        "unet/network.8bit.safetensors",
        "unet/network.bin",
        "unet/network.fp16.bin",
        "README.md",
        "vae/a.safetensors",
    )

    def snapshot_download(place: str, *, revision: str, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        assert (place, revision) == ("someone/model", "abc")
        for name in huggingface_hub.utils.filter_repo_objects(
            [*others, *skipped, *published], allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
        ):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    folder = Source("someone/model", "abc").folder("unet", "scheduler", half=half)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {*others, *taken}


def test_a_model_too_large_for_the_memory_is_refused_before_it_is_read(cascade, monkeypatch):
    """What is needed, what is free and what to choose instead are said."""
    monkeypatch.setattr("darkroom.diffusion.pretrained.free_memory", lambda device: 1)
    with pytest.raises(
        ModelUnavailable, match=r"needs about .* GB on cpu and 0\.0 GB are free; choose a smaller model"
    ):
        load_stage(Source(str(cascade[0])))


def test_a_text_encoder_too_large_for_the_memory_can_be_done_without(cascade, tmp_path, monkeypatch):
    """All sizes of DeepFloyd have the same, so that no smaller model would help."""
    import transformers

    monkeypatch.setattr("darkroom.diffusion.pretrained.free_memory", lambda device: 1)
    monkeypatch.setattr(transformers.T5EncoderModel, "from_pretrained", forbidden)
    with pytest.raises(
        ModelUnavailable, match=r'GB are free; use embeddings that were made elsewhere: embeddings = "FILE"'
    ):
        Prompts(Source(str(cascade[0])), tmp_path / "embeddings")(["a hat"])
    monkeypatch.setattr("darkroom.diffusion.pretrained.free_memory", lambda device: None)  # the system does not tell

    def too_large(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(transformers.T5EncoderModel, "from_pretrained", too_large)
    with pytest.raises(ModelUnavailable, match="does not fit into the device's memory; use embeddings"):
        Prompts(Source(str(cascade[0])), tmp_path / "embeddings")(["a hat"])


def test_embeddings_that_are_no_numbers_are_not_kept(cascade, tmp_path):
    """A text encoder that overflows is told, and asked again the next time."""
    from safetensors.torch import load_file, save_file

    folder = copied(cascade, tmp_path)
    (weights,) = (folder / "text_encoder").glob("*.safetensors")
    tensors = load_file(weights)
    tensors["encoder.final_layer_norm.weight"][:] = torch.inf
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(
        ModelUnavailable, match="its text encoder gives NaN or infinity for 'a hat', 'a cat'; use embeddings"
    ):
        Prompts(Source(str(folder)), tmp_path / "embeddings")(["a hat", "a cat"])
    assert not list(tmp_path.glob("embeddings/**/*.safetensors"))


def test_the_times_are_the_pipeline_s(cascade, first):
    """For any number of steps they are the scheduler's timesteps plus one, and the data at the end."""
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler.from_pretrained(cascade[0] / "scheduler")
    for steps in (1, 5, 33, 100, 1000):
        theirs.set_timesteps(steps)
        assert first.times(steps) == [int(t) + 1 for t in theirs.timesteps] + [0]
    with pytest.raises(ValueError, match="between 1 and 1000, not 0"):
        first.times(0)


def test_only_stage_two_enlarges(first, second):
    """A stage I, and a level that is none, are refused."""
    pictures, noise = torch.zeros(1, 3, 16, 16), Noise([1], (3, 32, 32))
    with pytest.raises(ValueError, match="a stage I enlarges nothing"):
        first.enlarged(pictures, noise)
    with pytest.raises(ValueError, match=r"noise level 1000 is not in \[0, 1000\)"):
        second.enlarged(pictures, noise, 1000)


def test_bfloat16_is_float32_but_for_its_precision(cascade):
    """Autocast changes a prediction by a few parts in a hundred at most, and gives float32 back."""
    exact, quick = (load_stage(Source(str(cascade[0])), dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    x_t = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    embedded = torch.randn(1, 77, 16, generator=torch.Generator().manual_seed(2))
    one, other = (stage.denoiser(embedded)(x_t, 400).eps for stage in (exact, quick))
    assert other.dtype == torch.float32
    assert ((one - other).norm() / one.norm()) < 0.03
    assert not torch.equal(one, other)


def test_a_tokenizer_of_sentencepiece_is_read(cascade, tmp_path):
    """As DeepFloyd IF publishes it: transformers converts it, for which sentencepiece and protobuf are in the extra.

    Tokens are those of sentencepiece itself, whatever spaces and letters a prompt has.
    """
    from transformers import AutoTokenizer

    sentencepiece = pytest.importorskip("sentencepiece")
    folder = shutil.copytree(cascade[0], tmp_path / "published")
    shutil.rmtree(folder / "tokenizer")
    save_sentencepiece(folder / "tokenizer")
    embeddings = Prompts(Source(str(folder)), tmp_path / "embeddings")(PROMPTS)
    assert embeddings.shape == (2, 77, 16) and not torch.equal(embeddings[0], embeddings[1])
    converted = AutoTokenizer.from_pretrained(folder / "tokenizer")
    original = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer/spiece.model"))
    for prompt in (*PROMPTS, "", "a  rocket   ship, 7!", "a naïve “photo”"):
        assert converted(prompt).input_ids == [*original.encode(prompt), original.eos_id()]


def test_a_cascade_with_deepfloyd_s_settings_draws(tmp_path):
    """As IF-I-XL and IF-II-L are published, files and all: it draws what diffusers' pipelines draw of it."""
    pytest.importorskip("sentencepiece")
    small, large = save_as_published(tmp_path)
    assert len(list((small / "text_encoder").glob("*.fp16-0000?-of-*.safetensors"))) > 1
    prompts = Prompts(Source(str(small)), tmp_path / "embeddings")
    first, second = (load_stage(Source(str(folder)), dtype=torch.float32) for folder in (small, large))
    options: dict[str, Any] = {"generator": generators([1, 2]), "output_type": "pt", "num_inference_steps": 3}
    embedded = {"prompt_embeds": prompts(PROMPTS), "negative_prompt_embeds": prompts(["", ""])}
    theirs = pipeline("IFPipeline", small, variant="fp16", torch_dtype=torch.float32)(**embedded, **options).images
    drawn = ddpm(
        guided(first, prompts, 7.0, asked=PROMPTS), Noise([1, 2], (3, 16, 16)), times=first.times(3), variance="learned"
    )
    ours = last(drawn).x_t
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    options["generator"] = generators([5, 6])
    enlarged = pipeline("IFSuperResolutionPipeline", large, variant="fp16", torch_dtype=torch.float32)(
        image=theirs, **embedded, **options
    ).images
    noise = Noise([5, 6], (3, 32, 32))
    x_T = noise.draw()
    asked = guided(second, prompts, 4.0, *second.enlarged(theirs, noise, 250), asked=PROMPTS)
    ours = last(ddpm(asked, noise, x_T=x_T, times=second.times(3), variance="learned")).x_t
    assert (first.threshold, second.threshold) == ((0.95, 1.5), (0.95, 1.0))
    torch.testing.assert_close(ours, enlarged, rtol=1e-3, atol=1e-3)


def test_a_tokenizer_that_cannot_be_read_is_told(cascade, tmp_path):
    """In one line, with what may be missing."""
    copy = shutil.copytree(cascade[0], tmp_path / "broken")
    for path in (copy / "tokenizer").iterdir():
        path.unlink()
    (copy / "tokenizer/spiece.model").write_bytes(b"no model")
    (copy / "tokenizer/tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer"}')
    with pytest.raises(
        ModelUnavailable, match=r"tokenizer cannot be read .*; are sentencepiece and protobuf installed"
    ):
        Prompts(Source(str(copy)), tmp_path / "embeddings")(["a rocket ship"])


def test_a_prompt_is_encoded_the_same_alone_and_among_others(cascade, tmp_path):
    """And all that are missing in one load of the text encoder."""
    import transformers

    loads, load = [], transformers.T5EncoderModel.from_pretrained

    def counted(*arguments: Any, **options: Any) -> Any:
        loads.append(arguments)
        return load(*arguments, **options)

    together, alone = (Prompts(Source(str(cascade[0])), tmp_path / name) for name in ("together", "alone"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers.T5EncoderModel, "from_pretrained", counted)
        both = together([*PROMPTS, ""])
    assert len(loads) == 1
    assert torch.equal(both[1:2], alone(PROMPTS[1:]))


def test_only_halves_are_read_where_there_is_nothing_else(cascade, tmp_path):
    """A folder with the fp16 variant alone serves a CPU too; a file in 8 bits beside it is left alone."""
    copy = shutil.copytree(cascade[0], tmp_path / "halves")
    for part, name in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        whole = copy / part / f"{name}.safetensors"
        whole.rename(copy / part / f"{name}.fp16.safetensors")
        (copy / part / f"{name}.8bit.safetensors").write_bytes(b"never read")
    assert load_stage(Source(str(copy)), dtype=torch.float32).side == 16
    assert Prompts(Source(str(copy)), tmp_path / "embeddings")(["a rocket ship"]).shape == (1, 77, 16)


def test_room_is_reckoned_by_what_is_read(cascade, tmp_path, monkeypatch):
    """Shards are summed; a variant beside them that is not read does not count."""
    from darkroom.diffusion import pretrained

    for name, size in (("a-00001-of-00002", 60), ("a-00002-of-00002", 50), ("a.fp16", 40), ("a.8bit", 500)):
        (tmp_path / f"{name}.safetensors").write_bytes(bytes(size))
    files = [pretrained._weight_files(tmp_path, half) for half in (False, True)]
    assert [sum(path.stat().st_size for path in each) for each in files] == [110, 40]
    monkeypatch.setattr(pretrained, "free_memory", lambda device: 100)
    with pytest.raises(ModelUnavailable, match="choose a smaller model"):
        pretrained._check_room(Source(str(tmp_path)), files[0], "cpu", torch.float32)
    with pytest.raises(ModelUnavailable, match="choose a smaller model"):  # twice as large in float32
        pretrained._check_room(Source(str(tmp_path)), files[1], "cpu", torch.float32)
    pretrained._check_room(Source(str(tmp_path)), files[1], "cuda", torch.float16)


def test_a_t4_has_room_for_deepfloyd_s_text_encoder(monkeypatch):
    """11.54 GB of weights on a GPU that has 15.2 GB free beside CUDA itself."""
    from darkroom.diffusion import pretrained

    class Stored:
        name = "model.fp16-00001-of-00002.safetensors"

        def __init__(self, size: float) -> None:
            self.st_size = size

        def stat(self) -> Stored:
            return self

    monkeypatch.setattr(pretrained, "free_memory", lambda device: 14.5e9)
    shards: Any = [Stored(9.96e9), Stored(1.58e9)]
    pretrained._check_room(Source("a/b"), shards, "cuda", torch.float16, room=pretrained._ROOM_TO_READ)


def test_memory_that_runs_out_on_an_apple_gpu_is_told(monkeypatch):
    """There it is a plain RuntimeError; any other stays what it is."""
    from darkroom.diffusion import pretrained

    with pytest.raises(ModelUnavailable, match="does not fit"), pretrained._memory_watched(Source("a/b")):
        raise RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB)")
    with pytest.raises(RuntimeError, match="shapes differ"), pretrained._memory_watched(Source("a/b")):
        raise RuntimeError("shapes differ")


def test_the_course_s_scaffold_reads_deepfloyd_as_it_is_published(tmp_path, monkeypatch):
    """Without its text encoder and checker of pictures, in a type that the device computes in; embeddings alike."""
    import importlib.util

    place = Path(darkroom.__file__).parent / "scaffolds/cs180/experiments/part_a/model.py"
    spec = importlib.util.spec_from_file_location("scaffold_of_part_a", place)
    assert spec and spec.loader
    model = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    stages = save_as_published(tmp_path)
    for folder in stages:
        shutil.rmtree(folder / "text_encoder")
    monkeypatch.setattr(model, "STAGES", [str(folder) for folder in stages])
    monkeypatch.setattr(model, "EMBEDDINGS", tmp_path / "embeddings.pth")
    torch.save({"a hat": torch.ones(1, 77, 16, dtype=torch.float16)}, tmp_path / "embeddings.pth")
    for number in (1, 2):
        unet = model.stage(number, "cpu").unet
        pictures, level = torch.zeros(1, 3 * number, 16, 16), torch.tensor([250]) if number == 2 else None
        asked = {"encoder_hidden_states": model.embeddings("cpu")["a hat"], "class_labels": level}
        assert unet(pictures, 500, **asked).sample.shape == (1, 6, 16, 16)
