"""Outputs that somebody made to do harm, one way each: a manifest that is off in one place, a file that is not what it says.

A sound experiment is drawn first; ``MANIFESTS`` changes its manifest, ``FOLDERS`` its folder. Each must be refused as
damaged, by a line that says why.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.press.samples import Drawn, Outputs, animation, gif, plot, png, table, tiles

Change = Callable[[dict[str, Any]], object]
EVIL = b"import os; os.system('touch /tmp/pwned')\n"


def sound(outputs: Outputs, name: str = "part_b/a") -> Path:
    """An experiment with a figure of each kind, and nothing wrong with it; gives its folder."""
    pictures = tiles().files
    first, second = sorted(pictures)[:2]
    shown = {"file": first, "alt": "A picture.", "width": 56, "height": 56}
    figures = {
        "loss": plot(),
        "grid": tiles(),
        "film": animation(),
        "numbers": table(),
        "slid": Drawn("slides", {"slides": [{"label": "t = 1", **shown}], "start": 0}, pictures),
        "sides": Drawn(
            "compare", {"sides": [{"label": "a", **shown}, {"label": "b", **shown, "file": second}]}, pictures
        ),
        "turned": Drawn(
            "turning", {"panels": [{"heading": "a", "view": "turned", "picture": shown, "seen": shown}]}, pictures
        ),
        "far": Drawn("distances", {"panels": [{"heading": "a", **shown}]}, pictures),
    }
    return outputs.add(name, figures, metrics={"mse": 0.5})


def _first_file(**fields: object) -> Change:
    return lambda manifest: manifest["files"][0].update(fields)


def _another_file(path: str) -> Change:
    """A second result, vouched for by its digest, at a path of the sender's choice."""
    digest = hashlib.sha256(EVIL).hexdigest()
    return lambda manifest: manifest["files"].append({"path": path, "sha256": digest, "bytes": len(EVIL)})


def _files_named(*paths: str) -> Change:
    """Results of these names, all the same."""
    return lambda manifest: [_another_file(path)(manifest) for path in paths]


def _many(count: int = 3000) -> dict[str, str]:
    return {f"n{number}": "1" for number in range(count)}


def _layout(figure: str, **fields: object) -> Change:
    return lambda manifest: manifest["figures"][figure]["layout"].update(fields)


def _without(figure: str, name: str) -> Change:
    return lambda manifest: manifest["figures"][figure]["layout"].pop(name)


def _figure(figure: str, **fields: object) -> Change:
    return lambda manifest: manifest["figures"][figure].update(fields)


def _renamed(old: str, new: str) -> Change:
    return lambda manifest: manifest["figures"].update({new: manifest["figures"].pop(old)})


def _made(**fields: object) -> Change:
    return lambda manifest: manifest["provenance"].update(fields)


def _field(**fields: object) -> Change:
    return lambda manifest: manifest.update(fields)


def _cell(**fields: object) -> Change:
    return lambda manifest: manifest["figures"]["grid"]["layout"]["rows"][0]["cells"][0].update(fields)


PATHS = {
    "up": "../../../../build.py",
    "up_within": "a/../../b.txt",
    "site_packages": "../pwned/evil.pth",
    "absolute": "/tmp/pwned",
    "empty": "",
    "a_folder": "folder/",
    "double": "a//b.txt",
    "dot": "./a.txt",
    "itself": ".",
    "nul": "a\0b",
    "newline": "a\nb",
    "long": "x" * 300,
    "long_in_bytes": "ж" * 150,
    "many": "a/" * 600 + "b",
    "backslash": "..\\..\\build.py",
    "drive": "C:evil.txt",
    "device": "con.txt",
    "console": "CONIN$.txt",
    "device_superscript": "com\u00b9.txt",
    "turned": "a\u202etxt.exe",
    "unseen": "a\u200b.txt",
    "quoted": 'a"onload="x.txt',
    "the_manifest": "manifest.json",
    "the_manifest_in_capitals": "Manifest.JSON",
    "a_figures": "figures/loss/plot.svg",
    "twice": "results.safetensors",
    "twice_in_capitals": "Results.safetensors",
    "file_and_folder": "results.safetensors/x",
}

IMPORTS: dict[str, dict[str, object]] = {
    "script": {"source": "javascript:alert(1)"},
    "data": {"source": "data:text/html,<script>alert(1)</script>"},
    "quoted": {"source": 'https://a/"onmouseover="alert(1)'},
    "spaced": {"source": "https://a/ b"},
    "accents": {"source": "https://\u0430pple.com/"},
    "long": {"source": "https://a/" + "a" * 2_000},
    "time": {"at": "<b>"},
    "path_out": {"files": [{"path": "../../x", "sha256": "a" * 64, "bytes": 1}]},
    "many_files": {"files": [{"path": f"{name}", "sha256": "a" * 64, "bytes": 1} for name in range(3_000)]},
    "many_results": {"results": ["x"] * 3_000},
    "extra": {"html": "<b>"},
}


def imported(**changes: object) -> Change:
    """Results that were imported, with something wrong about that."""
    plain = {"source": "https://a/b", "at": "2026-01-01T00:00:00Z", "files": [], "results": []}
    return lambda m: m.update(imported_from={**plain, **changes})


MANIFESTS: dict[str, Change] = {
    **{f"path_{name}": _another_file(path) for name, path in PATHS.items()},
    "files_by_another_accent": _files_named("\u00e9.txt", "e\u0301.txt"),
    "files_by_another_case": _files_named("\u00c9.txt", "e\u0301.TXT"),
    "folders_by_another_case": _files_named("Net/a.txt", "net/b.txt"),
    "folders_by_another_accent": _files_named("x/\u00e9/a.txt", "x/e\u0301/b.txt"),
    "figures_by_another_case": lambda m: m["figures"].update(Loss={**m["figures"]["loss"], "files": []}),
    "files_folded": _files_named("stra\u00dfe.txt", "strasse.txt"),
    "many_files": _files_named(*(f"{name}.txt" for name in _many())),
    "many_parameters": lambda m: m.update(parameters=_many()),
    "many_inputs": lambda m: m.update(inputs=_many()),
    "many_versions": lambda m: m["provenance"].update(versions=_many()),
    "many_metrics": lambda m: m["metrics"].update(dict.fromkeys(_many(), m["metrics"]["mse"])),
    "metric_many": lambda m: m["metrics"]["mse"].update(value=_many()),
    "many_acceptances": lambda m: m.update(
        accepted=[{"reason": "x", "at": "2026-01-01T00:00:00Z", "commit": "", "previous_key": "x"}] * 3000
    ),
    **{f"import_{name}": imported(**changes) for name, changes in IMPORTS.items()},
    "digest_long": _first_file(sha256="a" * 65),
    "digest_number": _first_file(sha256=1),
    "bytes_negative": _first_file(bytes=-1),
    "bytes_huge": _first_file(bytes=2**60),
    "file_extra": _first_file(link="/etc/passwd"),
    "figure_out": _renamed("loss", "../../loss"),
    "figure_spaced": _renamed("loss", "lo ss"),
    "figure_named_otherwise": _renamed("loss", "gain"),
    "figure_file_elsewhere": lambda m: m["figures"]["loss"]["files"][0].update(path="figures/grid/plot.svg"),
    "figure_file_deeper": lambda m: m["figures"]["loss"]["files"][0].update(path="figures/loss/a/plot.svg"),
    "figure_file_hidden": lambda m: m["figures"]["loss"]["files"][0].update(path="figures/loss/.plot.svg"),
    "kind_path": _figure("loss", kind="../layouts/page"),
    "kind_empty": _figure("loss", kind=""),
    **{f"layout_empty_{name}": _figure(name, layout={}) for name in ("loss", "grid", "film", "numbers", "slid", "far")},
    "layout_list": _figure("loss", layout=[]),
    "layout_text": _figure("loss", layout="plot.svg"),
    "layout_null": _figure("grid", layout=None),
    "layout_no_scale": _without("grid", "scale"),
    "layout_no_rows": _without("grid", "rows"),
    "layout_no_width": _without("loss", "width"),
    "layout_mistyped": _layout("grid", scales=2),
    "layout_scale_huge": _layout("grid", scale=10**18),
    "layout_scale_zero": _layout("grid", scale=0),
    "layout_scale_text": _layout("grid", scale="2"),
    "layout_width_huge": _layout("loss", width=10**300),
    "layout_width_negative": _layout("loss", width=-1),
    "layout_width_float": _layout("loss", width=1e308),
    "layout_rows_null": _layout("grid", rows=[None]),
    "layout_rows_deep": _layout("numbers", rows=[[[[1]]]]),
    "layout_cells_text": _layout("grid", rows=[{"heading": "a", "cells": "abc"}]),
    "layout_file_elsewhere": _cell(file="../loss/plot.svg"),
    "layout_file_absent": _cell(file="absent.png"),
    "layout_file_number": _cell(file=3),
    "layout_no_panels": _layout("film", panels=[]),
    "layout_panel_absent": lambda m: m["figures"]["film"]["layout"]["panels"][0].update(animation="x.gif"),
    "layout_frames_zero": lambda m: m["figures"]["film"]["layout"]["panels"][0].update(frames=0),
    "layout_strip_absent": lambda m: m["figures"]["film"]["layout"]["panels"][0].update(strip="x.png", strip_width=1),
    "layout_start_beyond": _layout("slid", start=9),
    "layout_no_slides": _layout("slid", slides=[]),
    "layout_one_side": lambda m: m["figures"]["sides"]["layout"]["sides"].pop(),
    "layout_no_picture": lambda m: m["figures"]["turned"]["layout"]["panels"][0].pop("seen"),
    "layout_readings": _layout("loss", readings=[{"name": "a", "points": [[1]]}]),
    "layout_table_text": _layout("loss", table="none"),
    "caption_number": _figure("loss", caption=3),
    "caption_long": _figure("loss", caption="x" * 30_000),
    "line_negative": _figure("loss", line=-3),
    "commit_path": _made(commit="../../../settings"),
    "commit_text": _made(commit="<script>"),
    "time_text": _made(finished_at="<b>today</b>"),
    "time_empty": _made(finished_at=""),
    "duration_negative": _made(duration_s=-1.0),
    "duration_huge": _made(duration_s=1e300),
    "memory_huge": _made(peak_memory_bytes=2**63),
    "resumed_text": _made(resumed="often"),
    "source_out": lambda m: m["source"].update(path="../../../etc/passwd"),
    "source_absolute": lambda m: m["source"].update(path="/etc/passwd"),
    "another_experiment": _field(experiment="part_b/b"),
    "experiment_out": _field(experiment="../part_b/a"),
    "version_next": _field(version=2),
    "version_text": _field(version="1"),
    "unknown_field": _field(run="rm -rf /"),
    "parameters_deep": _field(parameters={"a": [[[[[[1]]]]]]}),
    "parameters_mapping": _field(parameters={"a": {"b": 1}}),
    "metric_list": lambda m: m["metrics"]["mse"].update(value=[1, 2]),
    "metric_null": lambda m: m["metrics"]["mse"].update(value=None),
    "metric_name": lambda m: m["metrics"].update({"m/se": m["metrics"]["mse"]}),
    "accepted_text": _field(accepted=["yes"]),
    "files_mapping": _field(files={}),
    "a_list": lambda m: (m.clear(), m.update(version=1)),
}

CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "not_utf_8": b'{"version": 1, "experiment": "\xff\xfe"}',
    "utf_16": '{"version": 1}'.encode("utf-16"),
    "cut": b'{"version": 1, "exper',
    "nested_lists": b"[" * 3000 + b"]" * 3000,
    "nested_parameters": b'{"version":1,"parameters":{"a":' + b"[" * 3000 + b"]" * 3000 + b"}}",
    "long_number": b'{"version":' + b"9" * 5000 + b"}",
    "nan": b'{"version": NaN}',
    "surrogate": b'{"version":1,"experiment":"\\ud800"}',
    "null": b"null",
    "a_number": b"1e999",
}


def rewritten(folder: Path, path: str, content: bytes) -> None:
    """A file with other content, and a manifest that vouches for it."""
    (folder / path).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    files = [*manifest["files"], *(file for figure in manifest["figures"].values() for file in figure["files"])]
    for file in files:
        if file["path"] == path:
            file.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _linked(folder: Path, path: str) -> None:
    """A link, to the same content elsewhere, in place of a file or folder."""
    away = folder.parents[3] / "elsewhere" / path
    away.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder / path, away)
    (folder / path).symlink_to(away)


def _drawing(inner: str, attributes: str = "") -> bytes:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {attributes} width="9" '
        f'height="9" viewBox="0 0 9 9">{inner}</svg>'
    ).encode()


DRAWINGS: dict[str, bytes] = {
    "script": _drawing("<script>alert(1)</script>"),
    "script_of_another_namespace": _drawing('<x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>'),
    "handler": _drawing('<path d="M0 0" onclick="alert(1)"/>'),
    "handler_at_the_top": _drawing("", 'onload="alert(1)"'),
    "foreign": _drawing("<foreignObject><b xmlns='http://www.w3.org/1999/xhtml'>b</b></foreignObject>"),
    "a_link": _drawing('<a href="https://example.org"><text>a</text></a>'),
    "a_used_file": _drawing('<use xlink:href="https://example.org/a.svg#a"/>'),
    "a_picture_elsewhere": _drawing('<image href="https://example.org/a.png"/>'),
    "a_drawing_within": _drawing('<image href="data:image/svg+xml;base64,PHN2Zy8+"/>'),
    "a_style_import": _drawing("<style>@import 'https://example.org/a.css';</style>"),
    "a_style_url": _drawing("<style>*{fill:u<!-- -->rl(https://example.org/a)}</style>"),
    "a_style_escape": _drawing("<style>*{fill:\\75rl(https://example.org/a)}</style>"),
    "a_style_attribute": _drawing('<path d="M0 0" style="fill:url(https://example.org/a)"/>'),
    "animation": _drawing('<animate attributeName="href" values="javascript:alert(1)"/>'),
    "entities": b'<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + _drawing("<text>&a;</text>"),
    "a_processing_instruction": b'<?xml-stylesheet href="https://example.org/a.css"?>' + _drawing(""),
    "cut": _drawing("")[:-4],
    "html": b"<html><script>alert(1)</script></html>",
    "nothing": b"",
    "bytes": b"\xff\xfe\x00",
    "uses_of_uses": _drawing('<g id="a"><use xlink:href="#b"/></g><g id="b"><use xlink:href="#a"/></g>'),
    "deep": _drawing("<g>" * 3000 + "</g>" * 3000),
}

PICTURES: dict[str, bytes] = {
    "no_picture": b"hello",
    "html": b"<script>alert(1)</script>",
    "empty": b"",
    "signature_alone": b"\x89PNG\r\n\x1a\n",
    "huge": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (30_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0",
    "no_width": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(8) + b"\x08\0\0\0\0",
}

_WHOLE = png()


def _with_size(width: int, height: int) -> bytes:
    """A PNG that says that it is larger than it is, its checks right."""
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + _WHOLE[24:29]
    return _WHOLE[:12] + header + zlib.crc32(header).to_bytes(4, "big") + _WHOLE[33:]


PICTURES |= {
    "cut": _WHOLE[:-20],
    "without_its_end": _WHOLE[:-12],
    "garbage": _WHOLE[:33] + random.Random(1).randbytes(len(_WHOLE) - 33),
    "garbage_in_the_middle": _WHOLE[:60] + random.Random(2).randbytes(8) + _WHOLE[68:],
    "another_check": _WHOLE[:-1] + bytes([_WHOLE[-1] ^ 1]),
    "larger_than_it_is": _with_size(300, 300),
    "smaller_than_it_is": _with_size(2, 2),
    "something_behind": _WHOLE + b"PK\3\4",
}
_FILM = "figures/film/epoch_1.gif"
FILMS: dict[str, bytes] = {
    "cut": gif()[:-30],
    "garbage": gif()[:40] + random.Random(3).randbytes(len(gif()) - 40),
    "no_film": b"GIF89a and nothing",
    "grown": gif()[:-1]
    + b"\x2c"
    + b"\xff\xff" * 2
    + b"\xff\xff" * 2
    + b"\0\2\2\x44\1\0;",  # its canvas by a last frame
}

FOLDERS: dict[str, Callable[[Path], object]] = {
    **{
        f"drawing_{name}": lambda f, c=each: rewritten(f, "figures/loss/plot.svg", c) for name, each in DRAWINGS.items()
    },
    **{
        f"picture_{name}": lambda f, c=each: rewritten(f, "figures/grid/r0c0.png", c) for name, each in PICTURES.items()
    },
    **{f"film_{name}": lambda f, c=each: rewritten(f, _FILM, c) for name, each in FILMS.items()},
    "linked_figure_file": lambda folder: _linked(folder, "figures/loss/plot.svg"),
    "linked_figure": lambda folder: _linked(folder, "figures/loss"),
    "linked_figures": lambda folder: _linked(folder, "figures"),
    "linked_manifest": lambda folder: _linked(folder, "manifest.json"),
    "manifest_a_folder": lambda folder: ((folder / "manifest.json").unlink(), (folder / "manifest.json").mkdir()),
    "manifest_a_pipe": lambda folder: ((folder / "manifest.json").unlink(), os.mkfifo(folder / "manifest.json")),
    "figure_a_pipe": lambda f: ((f / "figures/loss/plot.svg").unlink(), os.mkfifo(f / "figures/loss/plot.svg")),
    "figure_a_folder": lambda f: ((f / "figures/loss/plot.svg").unlink(), (f / "figures/loss/plot.svg").mkdir()),
    **{f"manifest_{name}": lambda f, c=each: (f / "manifest.json").write_bytes(c) for name, each in CONTENTS.items()},
}


def spoil(folder: Path, change: Change) -> None:
    """Change the manifest of an experiment."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")
