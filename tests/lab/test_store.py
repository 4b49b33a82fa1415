"""What is stored comes back, verified; what cannot be stored is named."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.core.digests import RACY_NS, Digests
from darkroom.core.errors import DamagedOutputs, ExperimentError
from darkroom.core.exchange import exchange
from darkroom.core.manifest import Manifest, Provenance, SourcePlace, decode, encode
from darkroom.core.paths import write_atomically
from darkroom.lab.outputs import folders as places
from darkroom.lab.outputs import results as store
from darkroom.lab.outputs.folders import OutputFolder
from darkroom.lab.outputs.results import Results, results_digest, write_results
from darkroom.lab.running.events import Progress
from darkroom.lab.running.run import Run


def _manifest(files: list[Any], **parameters: object) -> Manifest:
    made = Provenance("", False, None, "cpu", {}, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", 1.0, 1)
    return Manifest(
        version=1, experiment="part_x/it", summary="", source=SourcePlace("it.py", 1), key="k", results=results_digest(files),
        parameters=parameters, inputs={}, code={}, files=files, metrics={}, figures={}, provenance=made,
    )  # fmt: skip


def _stored(folder: Path, returned: object) -> Results:
    folder.mkdir(parents=True, exist_ok=True)
    return Results(folder, _manifest(write_results(folder, returned, "part_x/it"), sizes=[1, [2, 3]]))


def test_arrays_values_and_groups_come_back(tmp_path: Path) -> None:
    """Arrays of every dtype, values of JSON, and nested groups of arrays come back as they were returned."""
    dtypes = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64".split()  # noqa: SIM905
    returned = {
        **{f"a_{dtype}": np.array([[0, 1], [1, 0]]).astype(dtype) for dtype in dtypes},
        "scalar": np.array(2.5),
        "turned": np.arange(6).reshape(2, 3).T,
        "swapped": np.arange(3).astype(">i4"),
        "empty": np.zeros((0, 3)),
        "steps": {"each": [1, 2.5, None, "x", True], "number": np.float32(0.5), "pair": (1, 2)},
        "nothing": {},
        "epoch_1": {"layer.weight": np.ones(2), "inner": {"bias": np.zeros(1, np.float16)}},
    }

    results = _stored(tmp_path, returned)

    for name, value in returned.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(results[name], value)
            assert results[name].dtype == value.dtype.newbyteorder("="), name
            assert results[name].shape == value.shape
    assert results["steps"] == {"each": [1, 2.5, None, "x", True], "number": 0.5, "pair": [1, 2]}
    assert results["nothing"] == {}
    np.testing.assert_array_equal(results["epoch_1"]["layer.weight"], np.ones(2))
    assert results["epoch_1"]["inner"]["bias"].dtype == np.float16
    assert sorted(results) == sorted(returned)
    assert "scalar" in results
    assert "other" not in results
    assert results.parameters == {"sizes": (1, (2, 3))}


def test_a_folder_that_a_run_wrote_comes_back(tmp_path: Path) -> None:
    """Its files are stored under the result's name, verified as one, and given back as the path of the folder."""
    work, folder = tmp_path / "work", tmp_path / "outputs"
    (work / "model" / "unet").mkdir(parents=True)
    (work / "model" / "unet" / "config.json").write_text("{}")
    (work / "model" / "index.json").write_bytes(b"[1]")
    folder.mkdir()

    files = write_results(folder, {"pipeline": Path("model"), "loss": np.ones(2)}, "part_x/it", work)
    results = Results(folder, _manifest(files))

    assert [each.path for each in files] == ["pipeline/index.json", "pipeline/unet/config.json", "results.safetensors"]
    assert sorted(results) == ["loss", "pipeline"]
    assert (results["pipeline"] / "unet" / "config.json").read_text() == "{}"
    (folder / "pipeline" / "index.json").write_bytes(b"[2]")
    with pytest.raises(DamagedOutputs, match=r"index\.json: the content differs from its manifest"):
        results["pipeline"]


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("nowhere", "is not a folder that the run wrote"),
        ("..", "is not a folder that the run wrote"),
        ("void", "is empty"),
    ],
)
def test_a_folder_from_elsewhere_is_refused(tmp_path: Path, path: str, complaint: str) -> None:
    """Only a folder with files in it, below the working directory of the run, is stored."""
    (tmp_path / "work" / "void").mkdir(parents=True)
    with pytest.raises(ExperimentError, match=f"part_x/it: .*{complaint}"):
        write_results(tmp_path, {"model": Path(path)}, "part_x/it", tmp_path / "work")


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ({"A": {"w": np.ones(1)}, "a": {"w": np.ones(1)}}, "the results 'A.safetensors' and 'a.safetensors' have the"),
        ({"Results": {"w": np.ones(1)}, "x": np.ones(1)}, "'results.safetensors' and 'Results.safetensors' have the"),
        (
            {"results.json": Path("model"), "x": 1},
            "the results 'results.json' have the same file name, here or on some",
        ),
        ({"manifest.json": Path("model")}, "the result 'manifest.json' has a name that Darkroom uses; rename it"),
        ({"Figures": Path("model")}, "the result 'Figures' has a name that Darkroom uses; rename it"),
        ({"m": Path("model")}, "in the folder model, 'A' and 'a' have the same name on some systems; rename one"),
    ],
)
def test_results_of_one_file_name_are_refused(tmp_path: Path, returned: dict[str, Any], complaint: str) -> None:
    """Before anything is written, also where only other systems take two names for one."""
    (tmp_path / "work" / "model").mkdir(parents=True)
    (tmp_path / "work" / "model" / "A").write_text("1")
    if "m" in returned:
        (tmp_path / "work" / "model" / "a").write_text("2")
    (tmp_path / "outputs").mkdir()
    with pytest.raises(ExperimentError, match=re.escape(complaint)):
        write_results(tmp_path / "outputs", returned, "part_x/it", tmp_path / "work")
    assert not list((tmp_path / "outputs").iterdir())


def test_the_same_results_are_the_same_bytes(tmp_path: Path) -> None:
    """The digest of results does not depend on the order in which they are returned."""
    values = {"b": np.arange(3), "a": np.ones(2, np.float16), "c": {"y": 1, "x": 2}, "d": {"w": np.zeros(1)}}

    one = _stored(tmp_path / "one", values)
    other = _stored(tmp_path / "other", dict(reversed(values.items())))

    assert one.digest == other.digest
    assert one.digest != _stored(tmp_path / "third", {**values, "b": np.arange(3) + 1}).digest


def test_tensors_are_stored_as_arrays(tmp_path: Path) -> None:
    """Tensors that want gradients are stored by value; bfloat16, which numpy lacks, is refused with advice."""
    torch = pytest.importorskip("torch")
    tensor = torch.arange(3.0, requires_grad=True)

    assert _stored(tmp_path, {"loss": tensor, "net": {"w": tensor}})["loss"].tolist() == [0, 1, 2]
    with pytest.raises(ExperimentError, match=r"part_x/it: loss has dtype torch\.bfloat16, .*convert it"):
        _stored(tmp_path, {"loss": tensor.bfloat16()})


class Thing:
    """Nothing that can be stored."""


REFUSED = {
    "no mapping": ([1], "returned a list; return a dictionary"),
    "nothing": (None, "returned None; return a dictionary"),
    "NaN in an array": ({"loss": np.array([[1, 2], [np.nan, 0]])}, "loss[1, 0] is nan; results must be finite"),
    "infinity in a half": ({"loss": np.array([1, np.inf], np.float16)}, "loss[1] is inf"),
    "NaN alone": ({"loss": np.array(np.nan)}, "loss is nan"),
    "NaN in a group": ({"net": {"w": np.array([np.nan])}}, "net/w[0] is nan"),
    "NaN in a value": ({"steps": {"a": [0.0, float("nan")]}}, "steps['a'][1] is nan; results must be finite"),
    "an object": ({"steps": {"a": [Thing()]}}, f"steps['a'][0] is a {__name__}.Thing, which cannot be stored"),
    "an array of objects": ({"loss": np.array([Thing()])}, "loss has dtype object, which cannot be stored"),
    "complex numbers": ({"loss": np.array([1j])}, "loss has dtype complex128"),
    "an array among values": ({"steps": {"a": 1, "b": np.ones(1)}}, "steps['b'] is an array in a list or dictionary"),
    "a number as key": ({"steps": {1: 2}}, "steps has the key 1; keys of stored values are strings"),
    "a name that is a path": ({"../x": np.ones(1)}, "result name '../x' cannot be stored"),
    "a name that is taken": ({"results": {"w": np.ones(1)}}, "result name 'results' cannot be stored"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_stored_is_refused_by_name_and_place(tmp_path: Path, name: str) -> None:
    """Each thing that cannot be stored is refused in one line that names it and its index."""
    returned, message = REFUSED[name]

    with pytest.raises(ExperimentError) as caught:
        write_results(tmp_path, returned, "part_x/it")

    assert message in str(caught.value)
    assert str(caught.value).startswith("part_x/it: ")
    assert "\n" not in str(caught.value)


def test_an_unknown_result_names_the_nearest(tmp_path: Path) -> None:
    """Asking for a result that is not there offers the nearest name."""
    with pytest.raises(KeyError, match="part_x/it has no result 'los'; did you mean 'loss'"):
        _stored(tmp_path, {"loss": np.ones(1)})["los"]


@pytest.mark.parametrize("damage", ["altered", "truncated", "gone"])
def test_a_damaged_file_is_found_when_it_is_read(tmp_path: Path, damage: str) -> None:
    """A file whose bytes are not those of the manifest is refused when it is read, and not before."""
    results = _stored(tmp_path, {"loss": np.ones(3), "net": {"w": np.ones(1)}})
    path = tmp_path / "results.safetensors"
    if damage == "gone":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"\1" if damage == "altered" else content[:-1])

    assert results["net"]["w"] == 1
    with pytest.raises(
        DamagedOutputs, match=r"results\.safetensors: the (file is missing|content differs).* part_x/it again"
    ):
        results["loss"]


def test_files_are_loaded_only_when_asked_for(tmp_path: Path) -> None:
    """Reading one group loads nothing else."""
    results = _stored(tmp_path, {"loss": np.ones(3), "net": {"w": np.ones(1)}})
    (tmp_path / "results.safetensors").unlink()

    assert results["net"]["w"] == 1


MANIFEST_DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda content: content[: len(content) // 2], "not valid JSON"),
    "empty": (lambda _: b"", "not valid JSON"),
    "of another version": (
        lambda content: content.replace(b'"version": 1', b'"version": 2'),
        "manifest version 2, but",
    ),
    "lacking a field": (lambda content: content.replace(b'"key": "k",', b""), "does not fit manifest version 1"),
    "no manifest": (lambda _: b"[1]", "does not fit"),
}


@pytest.mark.parametrize("name", MANIFEST_DAMAGE)
def test_a_damaged_manifest_says_what_is_wrong(name: str) -> None:
    """A manifest that is truncated, of another version or of another shape is refused in one line with advice."""
    damage, message = MANIFEST_DAMAGE[name]

    with pytest.raises(DamagedOutputs) as caught:
        decode(damage(encode(_manifest([]))), "out/manifest.json")

    assert str(caught.value).startswith("out/manifest.json: ")
    assert message in str(caught.value)
    assert "--force" in str(caught.value)


def test_a_manifest_reads_back_and_is_sorted() -> None:
    """A manifest reads back as it was, sorted by key and ending in a newline."""
    manifest = _manifest([store.StoredFile("a", "0", 1)], b=1, a=[0.5, [True, None]])

    content = encode(manifest)

    assert msgspec.structs.replace(decode(content, "x"), sha256="") == manifest
    assert content.endswith(b"}\n")
    assert content.index(b'"accepted"') < content.index(b'"code"') < content.index(b'"version"')


# Putting in place ---------------------------------------------------------------------------------------------------------


def _place_with(tmp_path: Path, old: str | None) -> OutputFolder:
    place = OutputFolder(tmp_path, "part_x/it")
    if old is not None:
        place.folder.mkdir(parents=True)
        (place.folder / "file").write_text(old)
    (place.fresh_next() / "file").write_text("new")
    return place


@pytest.mark.parametrize("swaps", [True, False])
@pytest.mark.parametrize("old", ["old", None])
def test_new_outputs_replace_the_old_whole(
    tmp_path: Path, old: str | None, swaps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publishing leaves the new outputs in place and nothing else, whether or not the system swaps folders."""
    if not swaps:
        monkeypatch.setattr(places, "exchange", lambda *_: False)
    place = _place_with(tmp_path, old)

    place.publish()

    assert (place.folder / "file").read_text() == "new"
    assert not place.next.exists()
    assert not place.previous.exists()


def test_outputs_are_there_at_every_moment_of_a_swap(tmp_path: Path) -> None:
    """Somebody who looks all the while finds either the old outputs or the new ones."""
    place = _place_with(tmp_path, "old")
    if not exchange(place.folder, place.next) or not exchange(place.folder, place.next):
        pytest.skip("this system swaps no folders")
    seen: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.add((place.folder / "file").read_text() if (place.folder / "file").exists() else "nothing")

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(200):
        (place.fresh_next() / "file").write_text("new")
        place.publish()
    stop.set()
    looking.join()

    assert "nothing" not in seen


def test_a_move_that_was_cut_short_is_taken_back(tmp_path: Path) -> None:
    """Where only the retired outputs are left, whole, they are put back."""
    place = _place_with(tmp_path, "old")
    (place.folder / "manifest.json").write_text("{}")
    place.folder.rename(place.previous)

    assert places.interrupted(tmp_path) == ["part_x/it"]
    place.recover()

    assert (place.folder / "file").read_text() == "old"
    assert places.interrupted(tmp_path) == []


@pytest.mark.parametrize("name", ["previous", "next", "work", "lock"])
def test_an_experiment_may_be_named_as_a_folder_of_others(tmp_path: Path, name: str) -> None:
    """Its own move is finished all the same, and the folder that it lies in is not taken for an experiment."""
    place = OutputFolder(tmp_path, f"part_x/{name}")
    (place.previous / "previous").mkdir(parents=True)  # a result of that name
    (place.previous / "manifest.json").write_text("{}")
    (place.scratch / "lock").write_text("")
    (place.previous / "previous/manifest.json").write_text("{}")
    assert places.interrupted(tmp_path) == [f"part_x/{name}"]


# Checkpoints --------------------------------------------------------------------------------------------------------------


def _run(tmp_path: Path, key: str = "k" * 64) -> Run:
    return Run("cpu", key, OutputFolder(tmp_path, "part_x/it").checkpoint(key), "2026-01-01T00:00:00Z", lambda _: None)


def test_a_run_that_moved_names_each_device_once(tmp_path: Path) -> None:
    """In the order in which it was on them."""
    for name, devices in (("T4", ["T4"]), ("CPU", ["T4", "CPU"]), ("T4", ["T4", "CPU"])):
        checkpoint = OutputFolder(tmp_path, "part_x/it").checkpoint("k")
        run = Run("cpu", "k", checkpoint, "2026-01-01T00:00:00Z", lambda _: None, name)
        run.load()
        assert run.devices == devices
        run.save({})


STATES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text().filter(lambda key: key != "$array"), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(state=st.dictionaries(st.text().filter(lambda key: key != "$array"), STATES, max_size=4))
def test_a_checkpoint_gives_back_what_was_kept(tmp_path_factory: pytest.TempPathFactory, state: dict[str, Any]) -> None:
    """Any nested state comes back equal."""
    folder = tmp_path_factory.mktemp("checkpoint")
    _run(folder).save(state)

    assert _run(folder).load() == state


def test_a_checkpoint_keeps_arrays_to_the_bit(tmp_path: Path) -> None:
    """Arrays and tensors come back as writable arrays of the same bits; bfloat16 comes back as float32."""
    torch = pytest.importorskip("torch")
    state = {
        "array": np.array([[1.1, np.nan], [np.inf, -0.0]]),
        "scalar": np.array(3, np.int64),
        "deep": [{"half": torch.ones(2, dtype=torch.float16)}, torch.tensor([1.1]).bfloat16()],
        "rng": torch.Generator().manual_seed(3).get_state(),
    }
    run = _run(tmp_path)
    run.save(state)

    found = _run(tmp_path).load()

    assert found is not None
    assert found["array"].tobytes() == state["array"].tobytes()
    assert found["scalar"].shape == ()
    assert found["deep"][0]["half"].dtype == np.float16
    assert found["deep"][1].tolist() == torch.tensor([1.1]).bfloat16().float().tolist()
    found["rng"][0] = 1
    assert found["rng"].dtype == np.uint8


def test_a_checkpoint_belongs_to_its_key(tmp_path: Path) -> None:
    """A run with another key does not find it, and does not touch it."""
    _run(tmp_path, "a" * 64).save({"step": 1})
    other = _run(tmp_path, "b" * 64)

    assert other.load() is None
    other.save({"step": 2})

    assert _run(tmp_path, "a" * 64).load() == {"step": 1}
    places_of = OutputFolder(tmp_path, "part_x/it")
    places_of.checkpoint("a" * 64).rename(places_of.checkpoint("c" * 64))
    assert _run(tmp_path, "c" * 64).load() is None


def test_a_truncated_checkpoint_counts_for_none(tmp_path: Path) -> None:
    """A checkpoint that cannot be read is as good as none."""
    _run(tmp_path).save({"step": 1})
    path = OutputFolder(tmp_path, "part_x/it").checkpoint("k" * 64)
    path.write_bytes(path.read_bytes()[:-3])

    assert _run(tmp_path).load() is None


def test_the_seconds_of_all_legs_add_up(tmp_path: Path) -> None:
    """A run that goes on counts the seconds of the legs before it, its beginning, and how often it was taken up."""
    first = _run(tmp_path)
    first._began -= 100
    first.save({"step": 1})
    second = _run(tmp_path)
    second.started_at = "2027-01-01T00:00:00Z"

    second.load()

    assert 100 <= second.elapsed_s < 160
    assert second.resumed == 1
    assert second.started_at == "2026-01-01T00:00:00Z"


def test_what_cannot_be_kept_is_named(tmp_path: Path) -> None:
    """A state with an object, or with a key that is no text, is refused by its place."""
    with pytest.raises(ExperimentError, match=r"checkpoint: state\['a'\]\[0\] is a Thing"):
        _run(tmp_path).save({"a": [Thing()]})
    with pytest.raises(ExperimentError, match=r"checkpoint: state\['a'\] has the key 1"):
        _run(tmp_path).save({"a": {1: 2}})


def test_progress_is_told_seldom_and_at_the_end(tmp_path: Path) -> None:
    """Of ten thousand calls in a moment few are told, the first and the last among them, with numbers that may be NaN."""
    told: list[Progress] = []
    run = Run("cpu", "k", tmp_path / "c", "", told.append)

    for step in range(10_000):
        run.progress(step + 1, 10_000, unit="steps", loss=float("nan"))

    assert told[0].done == 1
    assert told[-1].done == 10_000
    assert len(told) < 100
    assert told[0].numbers == {"loss": "nan"}


# Digests of files ---------------------------------------------------------------------------------------------------------


def _age(path: Path) -> None:
    """Wait until a change of the file's times would show."""
    while time.time_ns() < max(path.stat().st_mtime_ns, path.stat().st_ctime_ns) + 2 * RACY_NS:
        time.sleep(0.01)


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest is remembered between processes; a file whose times, size or inode moved is read again."""
    path = tmp_path / "file"
    path.write_text("one")
    _age(path)
    first = Digests(tmp_path / "cache")
    before = first.of(str(path))
    first.save()
    reads: list[str] = []
    original = Digests._hash
    monkeypatch.setattr(
        Digests, "_hash", lambda self, path, *rest: (reads.append(path), original(self, path, *rest))[1]
    )

    assert Digests(tmp_path / "cache").of(str(path)) == before
    assert reads == []
    path.write_text("two")
    assert Digests(tmp_path / "cache").of(str(path)) != before
    assert reads == [str(path)]


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    """A file rewritten with the same size and the same modification time is noticed."""
    path = tmp_path / "file"
    path.write_text("one")
    _age(path)
    digests = Digests(tmp_path / "cache")
    before, times = digests.of(str(path)), path.stat()
    digests.save()
    path.write_text("two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert Digests(tmp_path / "cache").of(str(path)) != before


def test_a_file_just_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest taken within the resolution of file times is not trusted."""
    path = tmp_path / "file"
    path.write_text("one")
    digests = Digests(tmp_path / "cache")
    digests.of(str(path))
    digests.save()
    reads: list[str] = []
    original = Digests._hash
    monkeypatch.setattr(
        Digests, "_hash", lambda self, path, *rest: (reads.append(path), original(self, path, *rest))[1]
    )

    Digests(tmp_path / "cache").of(str(path))

    assert reads == [str(path)]


def test_a_file_that_is_not_there_has_no_digest(tmp_path: Path) -> None:
    """No file, no digest, and no error; a damaged cache is done without."""
    write_atomically(tmp_path / "cache", b"{not json")

    assert Digests(tmp_path / "cache").of(str(tmp_path / "none")) is None
    assert Digests(tmp_path / "cache").of(str(tmp_path / "cache" / "below")) is None


def test_a_file_is_verified_by_a_rule(tmp_path: Path) -> None:
    """As long as neither it nor the rule changes."""
    path = tmp_path / "file"
    path.write_text("one")
    digests = Digests(tmp_path / "cache")

    digests.of(str(path))
    digests.verify(str(path), "rule 1")

    assert digests.is_verified(str(path), "rule 1") and not digests.is_verified(str(path), "rule 2")
    path.write_text("other")
    digests.of(str(path))
    assert not digests.is_verified(str(path), "rule 1")
