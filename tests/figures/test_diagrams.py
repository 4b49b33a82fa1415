from itertools import pairwise

import pytest

from darkroom.figures import Block, Drawing, Edge, FigureError, network
from tests.figures import svg

UNCONDITIONAL, TIME, CLASS = "", "t", "ct"


def unet(conditions: str = CLASS, width: int = 64) -> tuple[list[Block], list[Edge]]:
    """The U-Net of Part B with its conditioning."""
    deep, flat = 2 * width, (2 * width, 1, 1)
    trunk = [
        ("x", "image", (1, 28, 28), 0, 1, "input"),
        ("a", "ConvBlock", (width, 28, 28), 0, 2, "block"),
        ("b", "DownBlock", (width, 14, 14), 0, 3, "block"),
        ("c", "DownBlock", (deep, 7, 7), 0, 4, "block"),
        ("f", "Flatten", flat, 0, 5, "block"),
        ("u", "Unflatten", (deep, 7, 7), 1, 5, "block"),
        ("v", "UpBlock", (width, 14, 14), 1, 4, "block"),
        ("w", "UpBlock", (width, 28, 28), 1, 3, "block"),
        ("y", "ConvBlock", (width, 28, 28), 1, 2, "block"),
        ("o", "Conv2d", "1 x 28 x 28", 1, 1, "block"),
        ("e", "estimate", (1, 28, 28), 1, 0, "output"),
    ]
    blocks = [Block(*line) for line in trunk]
    edges = [Edge(a.name, b.name, a.shape) for a, b in pairwise(blocks)]
    edges += [
        Edge(s, t, shape, "skip")
        for s, t, shape in (("a", "y", (width, 28, 28)), ("b", "w", (width, 14, 14)), ("c", "v", (deep, 7, 7)))
    ]
    for name, label, size, kind in (("c", "c", 10, "multiply"), ("t", "t / T", 1, "add")):
        if name in conditions:
            blocks.append(Block(f"in_{name}", label, str(size), 3, 0, "input"))
            for target, channels in (("v", deep), ("w", width)):
                fc = f"fc_{name}_{target}"
                blocks.append(Block(fc, f"FCBlock({size}, {channels})", (channels, 1, 1), 2, 0, "condition"))
                edges += [Edge(f"in_{name}", fc, str(size)), Edge(fc, target, (channels, 1, 1), kind)]
    return blocks, edges


@pytest.fixture(params=[UNCONDITIONAL, TIME, CLASS], ids=["unconditional", "time", "class"])
def drawing(request) -> Drawing:
    return network(*unet(request.param), title="U-Net")


def test_every_block_and_every_tensor_is_written_out():
    """Labels once a block, and at least one shape for each arrow, besides that of each block."""
    blocks, edges = unet(CLASS)
    shown = svg.words(network(blocks, edges, title="U-Net"))
    trunk = [block for block in blocks if not block.name.startswith("in_")]
    assert all(shown.count(b.label) == sum(o.label == b.label for o in trunk) for b in trunk)
    assert shown.count("c") == shown.count("t / T") == 2
    assert [shown.count(sign) for sign in "×+"] == [2, 2]
    assert [shown.count(f"concat {shape}") for shape in ("64 × 28 × 28", "64 × 14 × 14", "128 × 7 × 7")] == [1, 1, 1]
    assert shown.count("128 × 1 × 1") == 1 + 1 + 2  # Flatten, what it gives, two conditions
    assert shown.count("64 × 14 × 14") == 2 + 1 + 3  # two blocks, down, up in three legs


def test_conditioning_acts_in_the_order_given_between_its_blocks():
    """First the digit multiplies, further up the time adds, both on the arm that goes up."""
    signs = [text for text in svg.texts(network(*unet(CLASS), title="U-Net")) if text.text in "×+"]
    assert len({round(text.left + text.right) for text in signs}) <= 2
    assert [text.text for text in sorted(signs, key=lambda text: text.baseline)] == ["+", "×", "+", "×"]


def test_conditioning_blocks_have_room_of_their_own():
    """A gap grows with the operations in it: signs and blocks keep clear of one another."""
    heights = sorted(text.baseline for text in svg.texts(network(*unet(CLASS), title="U-Net")) if text.text in "×+")
    assert min(b - a for a, b in pairwise(heights)) >= 40


def test_a_wide_diagram_moves_its_arms_together():
    """Long names beside it cost room in the middle first."""
    blocks, edges = unet(CLASS)
    longer = [block._replace(label="digit, one-hot") if block.name == "in_c" else block for block in blocks]
    assert network(longer, edges, title="U-Net").layout["width"] <= 700


def test_adding_and_multiplying_look_different():
    """They differ in sign and in colour, on both pages."""
    for page in ("light", "dark"):
        found = {text.text: text.colour for text in svg.texts(network(*unet(CLASS), title="U-Net"), page)}
        assert found["×"] != found["+"]


def test_the_diagram_can_be_read_at_700_pixels(drawing):
    """It is no wider, and no text is smaller than 12 px."""
    assert drawing.layout["width"] <= 700
    assert min(text.size for text in svg.texts(drawing)) >= 12


def test_no_text_leaves_the_diagram_or_covers_another(drawing):
    """Boxes estimated for a wide font stay inside and apart."""
    shown = [text for text in svg.texts(drawing) if text.text]
    for i, text in enumerate(shown):
        assert text.left >= 0, text
        assert text.right <= drawing.layout["width"], text
        assert 10 <= text.baseline <= drawing.layout["height"], text
        assert not [other for other in shown[:i] if text.overlaps(other)], text


def test_light_and_dark_have_no_colour_in_common(drawing):
    """Two palettes."""
    assert not svg.colours(drawing, "light") & svg.colours(drawing, "dark")


def test_it_is_described_in_words_and_in_a_table():
    """Title, description and a row for each edge stand in for the picture."""
    blocks, edges = unet(CLASS)
    drawing = network(blocks, edges, title="A < B")
    root = svg.root(drawing)
    assert root.find(f"{svg.NS}title").text == "A < B"
    assert "FCBlock(10, 128) multiplies the input of UpBlock (128 × 1 × 1)" in root.find(f"{svg.NS}desc").text
    assert svg.root(network(blocks, edges, title="t", description="mine")).find(f"{svg.NS}desc").text == "mine"
    assert len(drawing.layout["table"]["rows"]) == len(edges)
    assert drawing.layout["table"]["rows"][0] == ["image", "ConvBlock", "1 × 28 × 28", "flow"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b, e: ([], []), "no blocks"),
        (lambda b, e: ([*b, b[0]], e), "two of one name"),
        (lambda b, e: (b, [*e, Edge("a", "yy", "1")]), "'yy', which is not there; known: y"),
        (lambda b, e: ([*b, Block("z", "z", "", 0, 2)], e), "two blocks at one column and level"),
        (lambda b, e: (b, [*e, Edge("fc_t_v", "x", "1", "add")]), "'fc_t_v' is to add what flows into 'x'"),
        (lambda b, e: (b, [*e, Edge("a", "w", "1", "multiply")]), "a block of the kind 'condition'"),
    ],
)
def test_a_graph_that_cannot_be_drawn_is_refused(change, message):
    """Each mistake names the block or edge."""
    with pytest.raises(FigureError, match=message) as caught:
        network(*change(*unet(CLASS)), title="U-Net")
    assert "\n" not in str(caught.value)
