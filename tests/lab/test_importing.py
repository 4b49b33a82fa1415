"""Results that another program computed: what is accepted, under which names, and what makes it stale."""

from __future__ import annotations

import io
import json
import shutil
import stat
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save as as_safetensors

from darkroom.core.errors import DamagedOutputs, UsageError
from darkroom.core.manifest import Manifest, decode, encode, load
from darkroom.core.units import seconds
from darkroom.lab.importing import files as importing_files
from darkroom.lab.importing.results import Origin, import_results, origin
from darkroom.lab.outputs.results import Results, open_results
from darkroom.press.typeset.vetting import fault_of

from .workshop import Workshop, make

SOURCE = "https://colab.research.google.com/drive/1a2b3c"
STATED = ("--device", "Tesla T4", "--took", "7 min", "--source", SOURCE)
ID = "part_i/trained"
MODULE = "experiments/part_i/elsewhere.py"
ELSEWHERE = '''
"""Shows: what a notebook has computed."""

from darkroom.lab import Results, experiment, upstream
from experiments.part_x.base import base
from helpers.drawing import number
from helpers.maths import thrice


@experiment(results=("loss", "samples"), temporary=("samples",))
def trained(*, epochs: int = 5, seed: int = 3) -> dict[str, object]:
    """A network."""
    return {"loss": thrice(epochs), "samples": {"a": 1}}


@trained.figure(caption="The loss.", alt="A number.")
def curve(results: Results) -> object:
    return number(float(results["loss"][-1]))


@trained.metric
def final(results: Results) -> float:
    return float(results["loss"][-1])


@experiment(results=("judged",))
def judge(one: Results = upstream(trained)) -> dict[str, object]:
    """What a notebook made of the network."""


@experiment(results=("same",))
def follows(one: Results = upstream(base)) -> dict[str, object]:
    """What a notebook made of what was run here."""


@experiment()
def undeclared() -> dict[str, object]:
    """Says nothing of its results."""
    return {"a": 1}
'''


def npy(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def picture(array: np.ndarray, kind: str = "png", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, format=kind, **options)
    return file.getvalue()


def film() -> bytes:
    """The opening of an MP4, which is as far as films are looked at."""
    return b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0\0\0\x08free"


GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
COLOUR = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
LOSS = np.array([1.0, 0.5, 0.25], dtype=np.float32)
GOOD = {"loss.npy": npy(LOSS), "samples.npy": npy(GREY)}


@pytest.fixture(scope="session")
def _read_once(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    made = make(tmp_path_factory.mktemp("elsewhere"))
    made.write("experiments/part_i/__init__.py", "")
    made.write(MODULE, ELSEWHERE)
    made.plan()
    return made


@pytest.fixture
def elsewhere(_read_once: Workshop, tmp_path: Path) -> Workshop:
    """A project with experiments whose results can be imported, as it has been read once."""
    copy = Workshop(tmp_path / "project", tmp_path / "probe")
    shutil.copytree(_read_once.root, copy.root)
    copy.probe.mkdir()
    return copy


def declare(workshop: Workshop, *names: str) -> None:
    """Have the experiment declare other results."""
    workshop.edit(MODULE, '("loss", "samples"), temporary=("samples",)', f"{names!r}")


def put(workshop: Workshop, contents: Mapping[str, bytes], folder: str = "given") -> Path:
    """A folder with files."""
    for path, content in contents.items():
        target = workshop.root.parent / folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return workshop.root.parent / folder


def packed(workshop: Workshop, contents: Mapping[str, bytes], name: str = "given.zip") -> Path:
    """A zip archive with files."""
    path = workshop.root.parent / name
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in contents.items():
            archive.writestr(each, content)
    return path


def take(
    workshop: Workshop, *paths: Path, identity: str = ID, names: Mapping[str, str] | None = None, force: bool = False
) -> Manifest:
    """Import, as the command does."""
    stated = Origin(SOURCE, "Tesla T4", 420.0)
    given = [str(path) for path in paths]
    return import_results(workshop.lab(), identity, given, stated, names=names or {}, force=force, vet=fault_of)


def refused(workshop: Workshop, *paths: Path, **options: Any) -> list[str]:
    """The lines of the fault of an import, which leaves no outputs."""
    with pytest.raises(UsageError) as caught:
        take(workshop, *paths, **options)
    assert not (workshop.outputs / options.get("identity", ID) / "manifest.json").exists()
    return str(caught.value).splitlines()


def stored(workshop: Workshop, identity: str = ID) -> Results:
    return open_results(workshop.outputs, identity)


# What is stored -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["folder", "files", "zip", "zip of a folder"])
def test_a_folder_files_and_a_zip_give_the_same_results(form: str, elsewhere: Workshop) -> None:
    """However they are given, the arrays come out as they went in."""
    folder = put(elsewhere, GOOD)
    paths = {
        "folder": [folder],
        "files": [folder / "loss.npy", folder / "samples.npy"],
        "zip": [packed(elsewhere, GOOD)],
        "zip of a folder": [packed(elsewhere, {f"content/out/{path}": each for path, each in GOOD.items()})],
    }[form]

    take(elsewhere, *paths)

    results = stored(elsewhere)
    assert sorted(results) == ["loss", "samples"]
    np.testing.assert_array_equal(results["loss"], LOSS)
    assert results["loss"].dtype == np.float32
    np.testing.assert_array_equal(results["samples"], GREY)


def test_what_is_recorded_is_what_was_stated_and_no_run(elsewhere: Workshop) -> None:
    """Source, files with digests, device and duration; no commit, no versions, no memory, no code."""
    manifest = take(elsewhere, put(elsewhere, GOOD))

    imported, made = manifest.imported_from, manifest.provenance
    assert imported is not None
    assert imported.source == SOURCE
    assert [(each.path, each.bytes) for each in imported.files] == [(path, len(each)) for path, each in GOOD.items()]
    assert imported.files[0].sha256 == sha256(GOOD["loss.npy"]).hexdigest()
    assert imported.results == ["loss", "samples"]
    assert (made.device, made.duration_s, made.seed) == ("Tesla T4", 420.0, 3)
    assert (made.commit, made.clean, made.versions, made.peak_memory_bytes) == ("", False, {}, 0)
    assert made.finished_at == imported.at
    assert (manifest.code, manifest.parameters) == ({}, {"epochs": 5, "seed": 3})
    stored = load(elsewhere.outputs / ID)
    assert stored and msgspec.structs.replace(stored, sha256="") == manifest


KINDS: dict[str, tuple[dict[str, bytes], Any]] = {
    "an array": ({"loss.npy": npy(LOSS)}, LOSS),
    "columns first": ({"loss.npy": npy(np.asfortranarray(COLOUR))}, COLOUR),
    "other bytes first": ({"loss.npy": npy(LOSS.astype(">f4"))}, LOSS),
    "a file of its one array": ({"loss.npz": npz(arr_0=LOSS)}, LOSS),
    "an array by name": ({"all.npz": npz(loss=LOSS)}, LOSS),
    "an archive that is the result": ({"loss.npz": npz(a=LOSS, b=GREY)}, {"a": LOSS, "b": GREY}),
    "tensors by name": ({"x.safetensors": as_safetensors({"loss": LOSS})}, LOSS),
    "tensors of a network": ({"loss.safetensors": as_safetensors({"conv.weight": LOSS})}, {"conv.weight": LOSS}),
    "tensors of a group": ({"x.safetensors": as_safetensors({"loss/w": LOSS})}, {"w": LOSS}),
    "a table of numbers": (
        {"loss.csv": b"\xef\xbb\xbfstep,mse\n0,1.5\n1,0.5\n"},
        {"step": np.array([0, 1]), "mse": np.array([1.5, 0.5])},
    ),
    "a table with text and gaps": (
        {"loss.tsv": b"name\tmse\ntrain\t1.5\n7\t\n"},
        {"name": ["train", "7"], "mse": [1.5, None]},
    ),
    "values by name": ({"metrics.json": b'{"loss": [1, 2.5]}'}, [1, 2.5]),
    "one value": ({"loss.json": b'{"a": 1, "b": null}'}, {"a": 1, "b": None}),
    "values line by line": ({"loss.jsonl": b'{"a": 1}\n\n{"a": 2}\n'}, [{"a": 1}, {"a": 2}]),
    "a grey picture": ({"loss.png": picture(GREY)}, GREY),
    "a picture": ({"loss.png": picture(COLOUR)}, COLOUR),
    "a picture as WebP": ({"loss.WEBP": picture(COLOUR, "webp", lossless=True)}, COLOUR),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_each_kind_of_file_becomes(name: str, elsewhere: Workshop) -> None:
    """A value of the type that the documentation says, equal to what was saved."""
    contents, wanted = KINDS[name]
    declare(elsewhere, "loss")

    take(elsewhere, put(elsewhere, contents))

    found = stored(elsewhere)["loss"]
    if isinstance(wanted, dict) and all(isinstance(each, np.ndarray) for each in wanted.values()):
        assert found.keys() == wanted.keys()
        for key, array in wanted.items():
            np.testing.assert_array_equal(found[key], array)
            assert found[key].dtype == array.dtype
    elif isinstance(wanted, np.ndarray):
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype.newbyteorder("=") == wanted.dtype
    else:
        assert found == wanted


def test_a_picture_that_moves_has_its_frames_first(elsewhere: Workshop) -> None:
    """A GIF becomes frames, height, width, and colours."""
    frames = [Image.fromarray(np.full((3, 4), level, dtype=np.uint8)) for level in (0, 255)]
    file = io.BytesIO()
    frames[0].save(file, format="gif", save_all=True, append_images=frames[1:])
    declare(elsewhere, "loss")

    take(elsewhere, put(elsewhere, {"loss.gif": file.getvalue()}))

    found = stored(elsewhere)["loss"]
    assert found.shape[:3] == (2, 3, 4)
    assert (found[0].max(), found[1].min()) == (0, 255)


def test_pictures_and_films_are_stored_as_they_are(elsewhere: Workshop) -> None:
    """Byte for byte, and a film is found by its path."""
    contents = {"loss.png": picture(COLOUR), "samples.mp4": film()}

    take(elsewhere, put(elsewhere, contents))

    assert (elsewhere.outputs / ID / "loss.png").read_bytes() == contents["loss.png"]
    assert stored(elsewhere)["samples"] == elsewhere.outputs / ID / "samples.mp4"
    assert stored(elsewhere)["samples"].read_bytes() == film()
    assert sorted(stored(elsewhere)) == ["loss", "samples"]


def test_a_picture_that_was_altered_is_damage(elsewhere: Workshop) -> None:
    """What is read is what the manifest vouches for."""
    take(elsewhere, put(elsewhere, {"loss.png": picture(COLOUR), "samples.npy": npy(GREY)}))
    path = elsewhere.outputs / ID / "loss.png"
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    with pytest.raises(DamagedOutputs, match=r"loss\.png: the content differs from its manifest; .*import it again"):
        stored(elsewhere)["loss"]


def test_a_folder_that_is_declared_is_stored_as_it_is(elsewhere: Workshop) -> None:
    """Its path is the result, as of a folder that a run writes."""
    contents = {
        "out/samples/0.png": picture(GREY),
        "out/samples/deep/1.png": picture(COLOUR),
        "out/loss.npy": npy(LOSS),
    }

    take(elsewhere, packed(elsewhere, contents))

    folder = stored(elsewhere)["samples"]
    assert folder == elsewhere.outputs / ID / "samples"
    assert (folder / "deep/1.png").read_bytes() == contents["out/samples/deep/1.png"]


def test_a_name_can_be_given(elsewhere: Workshop) -> None:
    """``--as`` names a file or a folder, by its path within what is given or as the call has it."""
    folder = put(elsewhere, {"epoch_5/train.npy": npy(LOSS), "grid/0.png": picture(GREY)})

    take(elsewhere, folder, names={str(folder / "epoch_5/train.npy"): "loss", "grid": "samples"})

    np.testing.assert_array_equal(stored(elsewhere)["loss"], LOSS)
    assert (stored(elsewhere)["samples"] / "0.png").is_file()


def test_what_systems_and_editors_leave_is_not_imported(elsewhere: Workshop) -> None:
    """Hidden files, and those of macOS and Windows."""
    more = {".DS_Store": b"x", "__MACOSX/loss.npy": b"x", ".ipynb_checkpoints/loss.npy": b"x", "Thumbs.db": b"x"}

    manifest = take(elsewhere, packed(elsewhere, {**GOOD, **more}))

    assert manifest.imported_from
    assert [each.path for each in manifest.imported_from.files] == list(GOOD)


def test_temporary_results_are_kept_where_nothing_makes_them_again(elsewhere: Workshop) -> None:
    """Git ignores none of what was imported, and a build sees no difference to what is declared."""
    declare(elsewhere, "loss", "samples")
    elsewhere.edit(MODULE, "results=('loss', 'samples')", 'results=("loss", "samples"), temporary=("samples",)')

    take(elsewhere, put(elsewhere, {"loss.npy": npy(LOSS), "samples.npz": npz(a=LOSS, b=GREY)}))

    assert not (elsewhere.outputs / ID / ".gitignore").exists()
    verdict = elsewhere.plan().verdicts[ID]
    assert verdict.manifest
    assert verdict.manifest.temporary == []
    elsewhere.call("run", ID)
    verdict = elsewhere.plan().verdicts[ID]
    assert verdict.manifest
    assert (verdict.is_behind, verdict.manifest.temporary) == (False, [])


# What is refused ------------------------------------------------------------------------------------------------------


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("/tmp/never-written", "w"))


def _header(shape: str, descr: str = "'<f4'") -> bytes:
    """An .npy file whose header says more than there is."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + b"\0" * 8


BAD: dict[str, tuple[str, bytes, str]] = {
    "a pickle of torch": (
        "loss.pt",
        b"PK",
        "loss.pt: a pickle may run code when it is read, so none is; where it was made",
    ),
    "how to convert it": (
        "loss.pth",
        b"PK",
        "map_location='cpu', weights_only=True), 'loss.safetensors')",
    ),
    "a plain pickle": ("loss.pkl", b"\x80\x04", "np.savez('loss.npz', **arrays)"),
    "objects": (
        "loss.npy",
        npy(np.array([_Evil()], dtype=object)),
        "loss.npy: holds Python objects, which are pickled",
    ),
    "objects in an archive": ("x.npz", npz(loss=np.array([None])), "x.npz: 'loss' holds Python objects"),
    "a size that is not there": (
        "loss.npy",
        _header("(1000000000000,)"),
        "loss.npy: is truncated, or not an .npy file",
    ),
    "a negative size": ("loss.npy", _header("(-2,)"), "loss.npy: is truncated, or not an .npy file"),
    "fields": ("loss.npy", npy(np.zeros(2, dtype=[("a", "f4")])), "loss.npy: has the dtype"),
    "complex numbers": (
        "loss.npy",
        npy(np.zeros(2, dtype=complex)),
        "loss has dtype complex128, which cannot be stored",
    ),
    "not finite": ("loss.npy", npy(np.array([1.0, np.nan])), "loss.npy: loss[1] is nan; results must be finite"),
    "not an array": ("loss.npy", b"<html>", "loss.npy: is not an .npy file"),
    "not an archive": ("loss.npz", b"<html>", "loss.npz: is not an .npz file"),
    "no tensors": ("loss.safetensors", b"\xff" * 20, "loss.safetensors: is not a safetensors file"),
    "an empty archive": ("loss.npz", npz(), "loss.npz: holds no arrays"),
    "not UTF-8": ("loss.csv", b"a\n\xff", "loss.csv: line 2 is not UTF-8"),
    "a short row": ("loss.csv", b"a,b\n1,2\n1\n", "loss.csv: line 3 has 1 cells; the header has 2"),
    "nan in a table": ("loss.csv", b"a,b\n1,nan\n", "loss.csv: row 2, column 'b' is nan; results must be finite"),
    "columns of one name": (
        "loss.csv",
        b"a,a\n1,2\n",
        "loss.csv: has two columns of one name in its header ('a', 'a')",
    ),
    "a column in another": ("loss.csv", b"a,a/b\n1,2\n", "loss.csv: loss has 'a' as an array and as a group"),
    "no header": ("loss.csv", b"\n\n", "loss.csv: has no header"),
    "not JSON": ("loss.json", b'{"a":\n 1,}', "loss.json: line 2"),
    "NaN in JSON": ("loss.json", b"[NaN]", "loss.json: holds NaN; results must be finite"),
    "a large number": ("loss.json", b"[1e999]", "loss.json: loss[0] is inf"),
    "twice in JSON": ("loss.json", b'{"a": 1, "a": 2}', "loss.json: has two values 'a' in one object"),
    "deep JSON": ("loss.json", b"[" * 100_000, "loss.json: is nested too deeply"),
    "a damaged picture": ("loss.png", picture(COLOUR)[:-30], "loss.png: "),
    "a picture that is none": ("loss.png", picture(COLOUR, "bmp"), "loss.png: the picture cannot be decoded"),
    "16 bits": ("loss.png", picture(np.zeros((2, 2), np.uint16)), "loss.png: it has more than 8 bits a channel"),
    "a film that is none": ("loss.mp4", b"<html>", "loss.mp4: named as a font, film or sound, but it is HTML or XML"),
    "another type": ("loss.txt", b"1", "loss.txt: is of a type that is not imported"),
    "nothing": ("loss.npy", b"", "given/loss.npy: is empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_imported_is_one_line_with_file_and_reason(name: str, elsewhere: Workshop) -> None:
    """Nothing is stored, no code is run, and the line names the file."""
    path, content, said = BAD[name]
    declare(elsewhere, "loss")

    lines = refused(elsewhere, put(elsewhere, {path: content}))

    assert [said in line for line in lines].count(True) == 1, lines
    assert all(line.startswith(f"import {ID}: ") for line in lines)
    assert not Path("/tmp/never-written").exists()


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("loss.npy")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def _named(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = name  # which the constructor would cut off
    return info


ARCHIVES: dict[str, tuple[list[tuple[Any, bytes]], str]] = {
    "out of the folder": (
        [("../loss.npy", npy(LOSS))],
        "'../loss.npy' is not a plain path within the folder; rename it",
    ),
    "from the root": ([("/loss.npy", npy(LOSS))], "is not a plain path within the folder"),
    "of Windows": ([("..\\loss.npy", npy(LOSS))], "is not a plain path within the folder"),
    "a drive": ([("C:/loss.npy", npy(LOSS))], "is a path that some file systems cannot store"),
    "with a NUL": (
        [(_named("loss.npy\0.exe"), npy(LOSS))],
        r"'loss.npy\x00.exe' is a path that some file systems cannot store",
    ),
    "a link": ([(_link(), b"/etc/passwd")], "given.zip: loss.npy: is a link, or not a plain file"),
    "twice": ([("loss.npy", npy(LOSS)), ("loss.npy", npy(GREY))], "loss.npy: is given twice"),
    "in another case": (
        [("loss.npy", npy(LOSS)), ("Loss.npy", npy(GREY))],
        "Loss.npy: is given twice, here or on systems",
    ),
    "twice in folders": (
        [("a/loss.npy", npy(LOSS)), ("b/loss.npy", npy(GREY))],
        "two files are the result 'loss' (a/loss.npy",
    ),
    "no files": ([("folder/", b"")], "given.zip: has no files"),
    "many": (
        [(f"{number}.npy", b"x") for number in range(2_001)],
        "given.zip: has 2,001 files of 2,001 bytes; at most 2,000",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_no_plain_one_is_refused(name: str, elsewhere: Workshop) -> None:
    """No path that leaves, no link, nothing twice, no more than there may be."""
    members, said = ARCHIVES[name]
    path = elsewhere.root.parent / "given.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members:
            archive.writestr(member, content)
    declare(elsewhere, "loss")

    assert any(said in line for line in refused(elsewhere, path))


def test_an_archive_that_grows_is_not_unpacked(elsewhere: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes that it declares count before anything is read, and more than that is not read."""
    monkeypatch.setattr(importing_files, "MOST_BYTES", 1_000_000)
    path = elsewhere.root.parent / "given.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("loss.npy", b"\0" * 2_000_000)
    assert any("has 1 files of 2,000,000 bytes; at most" in line for line in refused(elsewhere, path))

    content = path.read_bytes()
    for size in (2_000_000, 1_000):
        content = content.replace(size.to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    path.write_bytes(content)  # it says less than it holds
    lines = refused(elsewhere, path)
    assert any("given.zip: is not a zip archive that can be read" in line for line in lines)


def test_a_link_in_a_folder_is_not_followed(elsewhere: Workshop) -> None:
    """Neither one to a file nor one to a folder."""
    folder = put(elsewhere, {"loss.npy": npy(LOSS)})
    secret = put(elsewhere, {"samples.npy": npy(GREY)}, "secret")
    (folder / "samples.npy").symlink_to(secret / "samples.npy")
    (folder / "more").symlink_to(secret)

    lines = refused(elsewhere, folder)

    assert any("given/samples.npy: is not imported: is a link" in line for line in lines)
    assert any("given/more: is not imported: is a link" in line for line in lines)


def test_a_link_that_the_call_names_is_followed(elsewhere: Workshop) -> None:
    """Such as one to a mounted drive."""
    folder = put(elsewhere, {"loss.npy": npy(LOSS), "more/samples.npy": npy(GREY)})
    links = [elsewhere.root.parent / "loss.npy", elsewhere.root.parent / "drive"]
    links[0].symlink_to(folder / "loss.npy")
    links[1].symlink_to(folder / "more")

    take(elsewhere, *links)

    assert sorted(stored(elsewhere)) == ["loss", "samples"]


def test_a_name_with_a_line_break_is_one_line(elsewhere: Workshop) -> None:
    """It must not read as a fault of another file."""
    lines = refused(elsewhere, put(elsewhere, {"a\nimport x: y.npy": npy(LOSS)}))

    assert [line for line in lines if not line.startswith(f"import {ID}: ")] == []


def test_all_that_is_wrong_is_said_at_once(elsewhere: Workshop) -> None:
    """Files that cannot be read, and results that are missing or are not declared, with their files and a nearer way."""
    lines = refused(elsewhere, put(elsewhere, {"los.npy": npy(LOSS), "a.pkl": b"x", "b.npy": b"x"}))

    assert len(lines) == 3
    assert "a.pkl: a pickle" in lines[0]
    assert "b.npy: is not an .npy file" in lines[1]
    assert lines[2] == (
        f"import {ID}: {MODULE}:11 declares other results: missing: 'loss'; not declared: 'los' "
        "('los' is los.npy); rename files, or name one with --as NAME=FILE"
    )


def test_an_experiment_that_declares_nothing_is_told_what_to_write(elsewhere: Workshop) -> None:
    """The names that the files have are proposed."""
    lines = refused(elsewhere, put(elsewhere, GOOD), identity="part_i/undeclared")

    assert len(lines) == 1
    assert (
        'it does not declare its results; add their names to its @experiment: results=("loss", "samples")' in lines[0]
    )


def test_a_name_for_a_file_that_is_not_there_is_a_fault(elsewhere: Workshop) -> None:
    """With the files that there are."""
    lines = refused(elsewhere, put(elsewhere, GOOD), names={"log.csv": "loss"})

    assert (
        "--as loss=log.csv: there is no such file or folder among what is imported; there are loss.npy, samples.npy"
        in lines[0]
    )


def test_results_of_what_has_none_are_refused(elsewhere: Workshop) -> None:
    """It would not be known of what they are."""
    lines = refused(elsewhere, put(elsewhere, {"judged.json": b"1"}), identity="part_i/judge")

    assert lines == [f"import part_i/judge: it takes results of {ID}, which has none; run or import that first"]


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (("javascript:alert(1)", "T4", "7 min"), "--source 'javascript:alert(1)' is not an address"),
        (("https://", "T4", "7 min"), "--source 'https://' is not an address"),
        (("https://a b", "T4", "7 min"), "--source 'https://a b' is not an address"),
        (("https://a/<b>", "T4", "7 min"), "is not an address"),
        ((SOURCE, " ", "7 min"), "--device ' ' is not the name of a device"),
        ((SOURCE, "T4\n", "7 min"), "is not the name of a device"),
        ((SOURCE, "T4", "seven minutes"), "--took 'seven minutes' is not a duration"),
        ((SOURCE, "T4", "0 s"), "is not a duration that a computation takes"),
    ],
)
def test_what_is_stated_is_checked(stated: tuple[str, str, str], said: str) -> None:
    """Each with its option."""
    with pytest.raises(UsageError) as caught:
        origin(*stated)
    assert said in str(caught.value)


def test_all_faults_of_what_is_stated_come_at_once() -> None:
    """Three wrong options are three lines."""
    with pytest.raises(UsageError) as caught:
        origin("x", "", "y")
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["--source", "--device", "--took"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("7 min", 420),
        ("42s", 42),
        ("1 h 12 min", 4320),
        ("2.5 hours", 9000),
        ("1:02:03", 3723),
        ("7:30", 450),
        ("1 d", 86400),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, wanted: float) -> None:
    """In seconds."""
    assert seconds(text) == wanted


# What makes it stale --------------------------------------------------------------------------------------------------

CHANGES = {
    "the function": ('return {"loss": thrice(epochs)', 'return {"loss": 7 * thrice(epochs)', None),
    "its helper": None,
    "a caption": ('caption="The loss."', 'caption="Its loss."', None),
    "the docstring": ('"""A network."""', '"""Another network."""', None),
    "a parameter": ("epochs: int = 5", "epochs: int = 6", "stale (params: epochs)"),
    "a new parameter": ("seed: int = 3", "seed: int = 3, width: int = 1", "stale (params: width)"),
    "the results": ('("loss", "samples"), temp', '("loss", "samples", "fid"), temp', "stale (results: fid)"),
    "fewer results": ('("loss", "samples"), temporary=("samples",)', '("loss",)', "stale (results: samples)"),
    "their order": ('("loss", "samples"), temp', '("samples", "loss"), temp', None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_makes_imported_results_stale(name: str, elsewhere: Workshop) -> None:
    """What the declaration says of them; no code, since none of it made them."""
    take(elsewhere, put(elsewhere, GOOD))
    change = CHANGES[name]
    if change is None:
        elsewhere.edit("src/helpers/maths.py", "return 3 * x", "return 4 * x")
    else:
        elsewhere.edit(MODULE, change[0], change[1])

    assert elsewhere.states().get(ID) == (change[2] if change else None)


def test_results_of_what_was_run_again_otherwise_are_stale(elsewhere: Workshop) -> None:
    """An upstream counts by its results, as for a run."""
    elsewhere.call("run", "part_x/base")
    take(elsewhere, put(elsewhere, {"same.json": b"1"}), identity="part_i/follows")
    assert "part_i/follows" not in elsewhere.states()

    elsewhere.call("run", "part_x/base", "--set", "seed=2", "--replace")
    elsewhere.edit("experiments/part_x/base.py", "seed: int = 1", "seed: int = 2")

    assert elsewhere.states()["part_i/follows"] == "stale (input: part_x/base)"


def test_a_drawing_that_changed_is_drawn_again_from_what_was_imported(elsewhere: Workshop) -> None:
    """As of any other experiment; the results stay."""
    elsewhere.call("import", ID, str(put(elsewhere, GOOD)), *STATED)
    before = load(elsewhere.outputs / ID)
    assert before
    assert before.metrics["final"].value == 0.25
    elsewhere.edit(
        MODULE,
        'float(results["loss"][-1])\n\n\n@experiment(results=("judged"',
        '1.0\n\n\n@experiment(results=("judged"',
    )

    plan = elsewhere.plan().verdicts[ID]
    assert (plan.state, plan.to_draw) == ("fresh", ["final"])
    elsewhere.call("run", ID)

    after = load(elsewhere.outputs / ID)
    assert after
    assert after.metrics["final"].value == 1.0
    assert (after.results, after.imported_from) == (before.results, before.imported_from)


# Runs and builds ------------------------------------------------------------------------------------------------------


def test_results_of_a_run_are_not_replaced_unasked(elsewhere: Workshop) -> None:
    """An import says when and where they were made, and what replaces them."""
    elsewhere.edit(MODULE, '"samples": {"a": 1}', '"samples": {"a": __import__("numpy").zeros(1)}')
    elsewhere.edit(MODULE, '"loss": thrice(epochs)', '"loss": __import__("numpy").ones(1)')
    elsewhere.call("run", ID)
    folder = put(elsewhere, GOOD)

    with pytest.raises(UsageError, match=r"it has results of a run here \(.*\); --force replaces them"):
        take(elsewhere, folder)
    assert take(elsewhere, folder, force=True).imported_from
    assert take(elsewhere, folder).imported_from  # an import replaces another


def test_a_run_replaces_imported_results_only_when_forced(elsewhere: Workshop) -> None:
    """And says so; without, stale ones are refused, and what depends on them does not run."""
    elsewhere.edit(MODULE, '"samples": {"a": 1}', '"samples": {"a": __import__("numpy").zeros(1)}')
    elsewhere.edit(MODULE, '"loss": thrice(epochs)', '"loss": __import__("numpy").ones(1)')
    elsewhere.edit(MODULE, '"""What a notebook made of the network."""', '"""Judges."""\n    return {"judged": 1}')
    take(elsewhere, put(elsewhere, GOOD))

    assert "fresh; it was imported, and not run here; --force runs it anyway" in elsewhere.call("run", ID).stderr
    elsewhere.edit(MODULE, "epochs: int = 5", "epochs: int = 6")
    said = elsewhere.call("run", "part_i/judge", code=2).stderr
    assert (
        f"{ID}: its results were imported, for another declaration than is here: params: epochs; import them again"
        in said
    )
    assert f"part_i/judge  not run: {ID} failed" in said
    manifest = load(elsewhere.outputs / ID)
    assert manifest
    assert manifest.imported_from

    said = elsewhere.call("run", ID, "--force").stderr
    assert f"{ID}  runs (forced; replaces results that were imported from {SOURCE})" in said
    manifest = load(elsewhere.outputs / ID)
    assert manifest
    assert (manifest.imported_from, manifest.parameters["epochs"]) == (None, 6)


def test_an_experiment_without_code_is_imported_and_never_run(elsewhere: Workshop) -> None:
    """A run says where to write it and how to import, whether its function does nothing or raises NotImplementedError."""
    elsewhere.edit(
        MODULE, 'return {"loss": thrice(epochs), "samples": {"a": 1}}', 'raise NotImplementedError("on Colab")'
    )
    recipes = elsewhere.lab().project.experiments
    assert [name for name, each in recipes.items() if not each.has_code] == [ID, "part_i/judge", "part_i/follows"]
    take(elsewhere, put(elsewhere, GOOD))
    assert ID not in elsewhere.states()

    for identity in ("part_i/judge", ID):
        said = elsewhere.call("run", identity, "--force", code=2).stderr
        assert f"{identity} has no code to run; write it, at experiments/" in said
        assert f"or import its results: python build.py import {identity} PATH" in said


def test_a_run_returns_what_is_declared(elsewhere: Workshop) -> None:
    """Other names are a fault, which lists all; nothing is stored."""
    elsewhere.edit(MODULE, '"samples": {"a": 1}}', '"sample": 1, "more": 2}')

    said = elsewhere.call("run", ID, code=3).stderr

    assert (
        f"{ID}: it returned other results than it declares: missing: 'samples'; not declared: 'more', 'sample'; change one of"
        in said
    )
    assert not (elsewhere.outputs / ID).exists()


def test_the_command_says_what_is_missing(elsewhere: Workshop) -> None:
    """One line, with a call to copy."""
    said = elsewhere.call("import", ID, "--took", "7 min", code=2).stderr

    assert said == (
        "import: PATH, --device, --source missing; write python build.py import EXPERIMENT PATH "
        '--device "Tesla T4" --took "7 min" --source URL\n'
    )
    assert "no experiment 'part_i/train'; did you mean 'part_i/trained'?" in (
        elsewhere.call("import", "part_i/train", ".", *STATED, code=2).stderr
    )
    assert (
        "--as 'loss': write --as NAME=FILE" in elsewhere.call("import", ID, ".", *STATED, "--as", "loss", code=2).stderr
    )


def test_status_shows_what_was_imported(elsewhere: Workshop) -> None:
    """In the table, in the details, and as JSON, where there is no run."""
    done = elsewhere.call("import", ID, str(put(elsewhere, GOOD)), *STATED)
    assert done.stdout == f"{ID}  imported loss, samples from 2 files; not run here\n"

    table = elsewhere.call("status").stdout
    row = next(line for line in table.splitlines() if line.startswith(ID))
    assert row.split()[1:5] == ["fresh", "imported,", "not", "run"]
    assert row.endswith("Tesla T4  7 min")
    details = elsewhere.call("status", ID).stdout
    assert f", not run here, from {SOURCE}" in details
    assert "computed  on Tesla T4, 7 min, as stated there" in details
    assert "\n  run " not in details
    [record] = json.loads(elsewhere.call("status", ID, "--json").stdout)
    assert record["run"] is None
    assert {name: record["imported"][name] for name in ("source", "device", "duration_s")} == {
        "source": SOURCE,
        "device": "Tesla T4",
        "duration_s": 420.0,
    }
    assert [each["path"] for each in record["imported"]["files"]] == ["loss.npy", "samples.npy"]
    [other] = json.loads(elsewhere.call("status", "part_i/judge", "--json").stdout)
    assert "imported" not in other


def test_what_is_stale_cannot_be_accepted(elsewhere: Workshop) -> None:
    """It was imported for another declaration."""
    take(elsewhere, put(elsewhere, GOOD))
    elsewhere.edit(MODULE, "epochs: int = 5", "epochs: int = 6")

    said = elsewhere.call("accept", ID, "--reason", "x", code=2).stderr

    assert "its results were imported for another declaration (params: epochs); import them again" in said


# Manifests ------------------------------------------------------------------------------------------------------------


def test_the_manifest_of_a_run_has_no_fields_of_imports(fresh: Workshop) -> None:
    """Nor those of variants and temporary results: older versions refuse what they do not know."""
    plain = json.loads((fresh.outputs / "part_x/base/manifest.json").read_text())

    assert set(plain) == {
        *("accepted", "code", "experiment", "figures", "files", "inputs", "key", "metrics", "model", "parameters"),
        *("provenance", "results", "sha256", "source", "summary", "version"),
    }


def test_an_address_that_is_none_makes_a_manifest_damaged(elsewhere: Workshop) -> None:
    """A page links it, so that it has to lead to the web."""
    content = encode(take(elsewhere, put(elsewhere, GOOD)))
    assert decode(content, "x").imported_from

    with pytest.raises(DamagedOutputs, match="is not an address such as"):
        decode(content.replace(SOURCE.encode(), b"javascript:alert(1)"), "x")
