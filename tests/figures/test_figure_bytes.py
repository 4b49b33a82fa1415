import ast
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from darkroom.core.figure_layouts import Grid, Tiles
from darkroom.figures import Drawing, FigureError, table

ROOT = Path(__file__).parents[2]
EVERY_KIND = """
import hashlib, sys
import numpy as np
from darkroom import figures as f
from tests.figures.test_diagrams import unet

rng = np.random.default_rng(0)
digits = rng.random((3, 2, 8, 8))
drawings = [
    f.tiles(digits, alt="{row_number}"),
    f.animation([f.Panel("a", "x", digits.reshape(6, 8, 8)), f.Panel("b", "x", rng.random((4, 6, 6, 3)))]),
    f.line_plot([f.Series("a", range(500), rng.random(500), style="noisy"), f.Series("b", [1], [1], style="points")],
                x_label="x", y_label="y"),
    f.bar_plot(["1", "2"], [f.Bars("k", [1, 2])], y_label="y"),
    f.histogram([f.Sample("s", rng.random(100))], x_label="x"),
    f.heat_map(rng.random((2, 3)), row_labels="ab", column_labels="xyz", x_label="x", y_label="y", format=".2f"),
    f.network(*unet(), title="U"),
    f.table(["a"], [[1.5]]),
]
for drawing in drawings:
    digest = hashlib.sha256(repr((drawing.layout, sorted(drawing.files.items()))).encode())
    print(drawing.kind, digest.hexdigest())
print(sorted({name.split(".")[0] for name in sys.modules} & {"torch", "diffusers", "transformers"}))
print([name for name in sys.modules if "pyplot" in name])
"""


def run(code: str, **variables: str) -> str:
    """What a fresh interpreter prints."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, **variables}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """Two runs of every kind of figure, in processes that hash, name time and dates differently."""
    return [
        run(EVERY_KIND, PYTHONHASHSEED="1", TZ="UTC", LC_ALL="C.UTF-8"),
        run(EVERY_KIND, PYTHONHASHSEED="2", TZ="Asia/Kathmandu", SOURCE_DATE_EPOCH="1", MPLBACKEND="pdf"),
    ]


def test_bytes_are_the_same_in_every_process(printed):
    """Hash seed, time zone, date and backend leave no trace in any kind of figure."""
    assert printed[0] == printed[1]
    assert len(printed[0].splitlines()) == 10


def test_bytes_are_the_same_the_second_time(printed):
    """Drawing twice in one process gives what drawing once in a fresh one gives."""
    twice = run(f"code = {EVERY_KIND!r}\nexec(code)\nexec(code)").splitlines()
    assert twice[:10] == twice[10:] == printed[0].splitlines()


def test_nothing_heavy_is_imported_by_drawing(printed):
    """No figure needs torch, or matplotlib's global state."""
    assert printed[0].splitlines()[-2:] == ["[]", "[]"]


def test_importing_figures_imports_no_library_but_numpy_and_msgspec():
    """Pillow, matplotlib and the like come with the first drawing that needs them."""
    code = (
        "import sys, numpy; before = set(sys.modules); import darkroom.figures; "
        "print({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    assert ast.literal_eval(run(code)) - {"typing_extensions"} == {
        "darkroom",
        "msgspec",
    }  # which msgspec takes if it can


def test_a_table_shows_numbers_as_people_write_them():
    """Formats apply to a column's numbers; text stays as it is."""
    drawing = table(
        ["name", "share", "count"], [["a", 0.98765, 12345], ["b", np.float32(-0.5), "$n$"]], formats=["", ".1%", ""]
    )
    assert drawing.kind == "table"
    assert drawing.files == {"data.csv": b"name,share,count\na,0.98765,12345\nb,-0.5,$n$\n"}
    assert msgspec.to_builtins(drawing.layout) == {
        "columns": ["name", "share", "count"],
        "rows": [["a", "98.8%", "12,345"], ["b", "−50.0%", "$n$"]],
        "heading_column": True,
        "csv": "data.csv",
    }
    assert msgspec.json.decode(msgspec.json.encode(drawing.layout), type=Grid) == drawing.layout


@pytest.mark.parametrize(
    ("rows", "formats", "message"),
    [
        ([["a", 1], ["b"]], (), "row 2 has 1 cells, but there are 2 columns"),
        ([["a", float("nan")]], (), "nan cannot be shown"),
        ([["a", True]], (), "a cell is bool"),
        ([["a", None]], (), "a cell is NoneType"),
        ([["a", 1.5]], ["", "d"], "format 'd' does not fit 1.5"),
        ([["a", 1.5]], [".1f"], "1 formats for 2 columns"),
    ],
)
def test_a_table_that_cannot_be_shown_is_refused(rows, formats, message):
    """Ragged rows, NaN and cells that are no text or numbers are named."""
    with pytest.raises(FigureError, match=message):
        table(["x", "y"], rows, formats=formats)


def test_a_layout_is_of_the_kind_that_it_is_called():
    """A layout of another kind is refused where it is drawn; a project's own kind has plain values."""
    grid = Tiles(columns=[""], rows=[], scale=1)
    assert Drawing("tiles", grid, {}).layout is grid
    assert Drawing("gallery", {"rows": [1]}, {}).layout == {"rows": [1]}
    for kind in ("table", "gallery"):
        with pytest.raises(FigureError, match=f"kind '{kind}': a layout of the type Tiles is of another kind"):
            Drawing(kind, grid, {})
