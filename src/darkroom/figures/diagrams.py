"""Architecture diagrams of U-shaped networks as SVG, for a light and a dark page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from darkroom.core.figure_layouts import Cell, Data
from darkroom.figures.axes import plot
from darkroom.figures.drawing import Drawing, FigureError
from darkroom.figures.palette import AXIS, FONT_SIZE, MUTED, NOTE_SIZE, SERIES, TEXT, Paint, text_width
from darkroom.figures.svg import Point, Svg

Shape = str | Sequence[int]

_EDGE = 6
_BOX_HEIGHT, _CONDITION_HEIGHT, _PILL_HEIGHT = 46, 36, 28
_ROW_GAP, _OPERATION_GAP = 46, 44
_ACROSS, _WIDEST = 190, 700
_RADIUS = 11
_FILL = Paint("#eef2f9", "#222a36")
_ARROW = Paint("#6b7480", "#98a1ad")
_OPERATIONS = {"multiply": ("×", SERIES[3]), "add": ("+", SERIES[1])}


class Block(NamedTuple):
    """One box of the diagram.

    Args:
        name: what edges call it.
        label: what it is called on the page, such as ``ConvBlock``.
        shape: of its output, such as ``(64, 28, 28)`` or ``"64 x 28 x 28"``; ``""`` shows none.
        column: 0 for the arm that goes down, 1 for the arm that goes up, 2 and 3 for conditioning.
        level: row, from 0 at the top. A ``condition`` and what feeds it stand beside what they change instead.
        kind: ``block``; ``input`` and ``output``, drawn without a box; ``condition``, a block outside the U.
    """

    name: str
    label: str
    shape: Shape
    column: int
    level: int
    kind: Literal["block", "input", "output", "condition"] = "block"


class Edge(NamedTuple):
    """An arrow with the shape of the tensor that it carries.

    ``flow`` leads from block to block, ``skip`` across the U to where it is concatenated. ``add`` and ``multiply``
    change what flows into *target* before anything is concatenated to it; several do so in the order given.
    """

    source: str
    target: str
    shape: Shape
    kind: Literal["flow", "skip", "add", "multiply"] = "flow"


class _Box(NamedTuple):
    """A block in its place: its middle and its size, in CSS pixels from the upper left corner."""

    block: Block
    x: float
    y: float
    width: float
    height: float

    def side(self, toward: Literal["left", "right", "up", "down"]) -> Point:
        dx, dy = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}[toward]
        return self.x + dx * self.width / 2, self.y + dy * self.height / 2


class _Operation(NamedTuple):
    """A tensor that changes a flow: where it does so, the block it comes from, and what feeds that block."""

    edge: Edge
    at: Point
    box: _Box
    feeds: tuple[tuple[Edge, _Box], ...]


class _Graph(NamedTuple):
    """Blocks by name, and edges that lead from and to some of them."""

    blocks: dict[str, Block]
    edges: tuple[Edge, ...]

    def of(self, *kinds: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.kind in kinds]

    def feeds(self) -> list[Edge]:
        """The edges that bring inputs to conditioning blocks."""
        return [edge for edge in self.edges if self.blocks[edge.target].kind == "condition"]

    def flows(self) -> list[Edge]:
        """The edges along the U."""
        return [edge for edge in self.of("flow") if self.blocks[edge.target].kind != "condition"]

    def operations(self, flow: Edge) -> list[Edge]:
        """What changes *flow*, in order."""
        return [edge for edge in self.of("add", "multiply") if edge.target == flow.target]

    def trunk(self) -> list[Block]:
        """The blocks of the U itself."""
        outside = {edge.source for edge in self.feeds()}
        return [b for b in self.blocks.values() if b.kind != "condition" and b.name not in outside]


def network(blocks: Sequence[Block], edges: Sequence[Edge], *, title: str, description: str = "") -> Drawing:
    """A U-shaped network: down the left arm, up the right one, skips across, conditioning from the right.

    An input that feeds several conditioning blocks is drawn at each of them, so that no lines cross.

    Args:
        blocks: in any order; in the U, one at a place.
        edges: in any order, but for operations on one flow.
        title: for screen readers.
        description: for screen readers; by default the edges in words.

    Raises:
        FigureError: an edge from or to nowhere, two blocks of one name or at one place, an operation on no flow.
    """
    graph = _checked(blocks, edges)
    boxes, height = _placed(graph, _ACROSS)
    operations, width = _placed_operations(graph, boxes)
    if width > _WIDEST:
        boxes, height = _placed(graph, _ACROSS - (width - _WIDEST))
        operations, width = _placed_operations(graph, boxes)
    words = description or "; ".join(_in_words(graph, edge) for edge in graph.edges)
    svg = Svg()
    _draw(svg, graph, boxes, operations)
    drawing = svg.document((width, height), title, words)
    rows: list[list[Cell]] = [
        [*(graph.blocks[n].label for n in (e.source, e.target)), _times(e.shape), e.kind] for e in edges
    ]
    return plot(drawing, width, height, Data(columns=["from", "to", "shape", "how"], rows=rows))


def _checked(blocks: Sequence[Block], edges: Sequence[Edge]) -> _Graph:
    graph = _Graph({block.name: block for block in blocks}, tuple(edges))
    if len(graph.blocks) != len(blocks) or not blocks:
        raise FigureError("network: no blocks, or two of one name; edges need a name for each")
    for name in (name for edge in edges for name in (edge.source, edge.target)):
        if name not in graph.blocks:
            import difflib

            known = difflib.get_close_matches(name, graph.blocks, n=1) or list(graph.blocks)
            raise FigureError(f"network: an edge names a block {name!r}, which is not there; known: {', '.join(known)}")
    places = [(block.column, block.level) for block in graph.trunk()]
    if len(set(places)) != len(places):
        raise FigureError("network: two blocks at one column and level; move one")
    _check_operations(graph)
    return graph


def _check_operations(graph: _Graph) -> None:
    for edge in graph.of("add", "multiply"):
        into = [flow for flow in graph.flows() if flow.target == edge.target]
        if len(into) != 1 or graph.blocks[edge.source].kind != "condition":
            raise FigureError(
                f"network: {edge.source!r} is to {edge.kind} what flows into {edge.target!r}, where {len(into)} arrows "
                "lead; it takes one flow, and a block of the kind 'condition'"
            )


def _times(shape: Shape) -> str:
    """*shape* with real multiplication signs."""
    parts = shape.replace("×", "x").split("x") if isinstance(shape, str) else map(str, shape)
    return " × ".join(part.strip() for part in parts)


def _placed(graph: _Graph, wanted: float) -> tuple[dict[str, _Box], int]:
    """The blocks of the U in their places, its arms *wanted* apart if labels fit, and how high the diagram is."""
    trunk = graph.trunk()
    across = max([wanted, *(text_width(f"concat {_times(e.shape)}", NOTE_SIZE) + 24 for e in graph.of("skip"))])
    middles, widths, at = {}, {}, float(_EDGE)
    for column in sorted({block.column for block in trunk}):
        widths[column] = max(_width(block) for block in trunk if block.column == column)
        middles[column] = at + widths[column] / 2
        at += widths[column] + across
    levels = _levels(graph)
    boxes = {b.name: _Box(b, middles[b.column], levels[b.level], widths[b.column], _BOX_HEIGHT) for b in trunk}
    return boxes, round(max(levels.values()) + _BOX_HEIGHT / 2 + _EDGE)


def _width(block: Block) -> float:
    return max(text_width(block.label) * 1.05, text_width(_times(block.shape), NOTE_SIZE)) + 20


def _levels(graph: _Graph) -> dict[int, float]:
    """The middle of every level; a gap between two grows with the operations in it."""
    levels = sorted({block.level for block in graph.trunk()})
    middles, at = {levels[0]: _EDGE + _BOX_HEIGHT / 2}, _EDGE + _BOX_HEIGHT / 2
    for gap in pairwise(levels):
        passed = [len(graph.operations(flow)) for flow in graph.flows() if _between(graph, flow) == gap]
        most = max(passed, default=0)
        at += _BOX_HEIGHT + _ROW_GAP + (most * _OPERATION_GAP + 6 if most else 0)
        middles[gap[1]] = at
    return middles


def _between(graph: _Graph, edge: Edge) -> tuple[int, int]:
    ends = graph.blocks[edge.source].level, graph.blocks[edge.target].level
    return min(ends), max(ends)


def _placed_operations(graph: _Graph, boxes: dict[str, _Box]) -> tuple[list[_Operation], int]:
    """Everything outside the U in its place, and how wide the diagram is."""
    right = max(box.side("right")[0] for box in boxes.values())
    acting = graph.of("add", "multiply")
    if not acting:
        return [], round(right + _EDGE)
    wide = max(_width(graph.blocks[edge.source]) for edge in acting)
    carried = max(text_width(_times(edge.shape), NOTE_SIZE) for edge in acting)
    left = max(right + 26, max(box.x for box in boxes.values()) + _RADIUS + carried + 26)
    pill = max([text_width(graph.blocks[edge.source].label) + 18 for edge in graph.feeds()] or [0.0])
    arrow = max([text_width(_times(edge.shape), NOTE_SIZE) + 26 for edge in graph.feeds()] or [0.0])
    placed = []
    for flow in graph.flows():
        for edge, at in zip(graph.operations(flow), _stops(graph, flow, boxes)[1:], strict=False):
            box = _Box(graph.blocks[edge.source], left + wide / 2, at[1], wide, _CONDITION_HEIGHT)
            feeds = [feed for feed in graph.feeds() if feed.target == edge.source]
            pills = [
                _Box(graph.blocks[f.source], left + wide + arrow + pill / 2, at[1], pill, _PILL_HEIGHT) for f in feeds
            ]
            placed.append(_Operation(edge, at, box, tuple(zip(feeds, pills, strict=True))))
    return placed, round(left + wide + arrow + pill + _EDGE)


def _stops(graph: _Graph, flow: Edge, boxes: dict[str, _Box]) -> list[Point]:
    """Where *flow* starts, where operations change it, and where it ends."""
    (x0, y0), (x1, y1) = _ends(boxes[flow.source], boxes[flow.target])
    count = len(graph.operations(flow))
    shares = [0.0, *((i + 0.68) / (count + 0.36) for i in range(count)), 1.0]
    return [(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share) for share in shares]


def _ends(source: _Box, target: _Box) -> tuple[Point, Point]:
    """Where an arrow leaves *source* and where it enters *target*."""
    if source.y == target.y:
        forward = target.x > source.x
        return source.side("right" if forward else "left"), target.side("left" if forward else "right")
    down = target.y > source.y
    return source.side("down" if down else "up"), target.side("up" if down else "down")


def _in_words(graph: _Graph, edge: Edge) -> str:
    source, target, shape = graph.blocks[edge.source].label, graph.blocks[edge.target].label, _times(edge.shape)
    verbs = {
        "flow": "goes to",
        "skip": "is concatenated to the input of",
        "add": "is added to the input of",
        "multiply": "multiplies the input of",
    }
    return f"{source} {verbs[edge.kind]} {target} ({shape})"


def _draw(svg: Svg, graph: _Graph, boxes: dict[str, _Box], operations: Iterable[_Operation]) -> None:
    for flow in graph.flows():
        _draw_flow(svg, flow, _stops(graph, flow, boxes))
    for skip in graph.of("skip"):
        _draw_skip(svg, skip, boxes[skip.source].side("right"), boxes[skip.target].side("left"))
    for operation in operations:
        _draw_operation(svg, operation)
    for box in boxes.values():
        _draw_box(svg, box)


def _draw_box(svg: Svg, box: _Box) -> None:
    if box.block.kind == "block":
        svg.box((box.x, box.y), (box.width, box.height), _FILL, AXIS)
    shape = _times(box.block.shape)
    svg.text((box.x, box.y + (-3 if shape else 4.5)), box.block.label, TEXT, FONT_SIZE, weight=600)
    svg.text((box.x, box.y + 14), shape, MUTED)


def _draw_flow(svg: Svg, flow: Edge, stops: list[Point]) -> None:
    (x0, y0), (x1, y1) = stops[0], stops[-1]
    if x0 != x1 and y0 != y1:
        svg.arrow([(x0, y0), (x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), (x1, y1)], _ARROW)
    else:
        for i, (a, b) in enumerate(pairwise(stops)):
            inner = i + 2 < len(stops)
            svg.arrow([_toward(a, b, _RADIUS if i else 0), _toward(b, a, _RADIUS if inner else 0)], _ARROW)
    for a, b in pairwise(stops):
        _label_flow(svg, _times(flow.shape), a, b)


def _toward(a: Point, b: Point, distance: float) -> Point:
    length = abs(b[0] - a[0]) + abs(b[1] - a[1]) or 1.0
    return a[0] + (b[0] - a[0]) / length * distance, a[1] + (b[1] - a[1]) / length * distance


def _label_flow(svg: Svg, text: str, a: Point, b: Point) -> None:
    """The shape above a level arrow, and else on the inside of the U: right of what goes down, left of what goes up."""
    x, y = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    if a[1] == b[1]:
        svg.text((x, y - 7), text, MUTED)
    elif b[1] > a[1]:
        svg.text((x + 9, y + 3), text, MUTED, anchor="start")
    else:
        svg.text((x - 9, y + 4), text, MUTED, anchor="end")


def _draw_skip(svg: Svg, skip: Edge, start: Point, end: Point) -> None:
    across = (start[0] + end[0]) / 2
    bends = [] if start[1] == end[1] else [(across, start[1]), (across, end[1])]
    svg.arrow([start, *bends, end], SERIES[0], "5 3")
    svg.text((across, end[1] - 7), f"concat {_times(skip.shape)}", MUTED)


def _draw_operation(svg: Svg, operation: _Operation) -> None:
    symbol, paint = _OPERATIONS[operation.edge.kind]
    box, (x, y) = operation.box, operation.at
    svg.circle((x, y), _RADIUS, paint)
    svg.text((x, y + 5.5), symbol, paint, 17)
    _draw_between(svg, box.side("left"), (x + _RADIUS, y), operation.edge, paint)
    svg.box((box.x, box.y), (box.width, box.height), None, paint)
    svg.text((box.x, box.y + 4.5), box.block.label, TEXT, FONT_SIZE)
    for feed, pill in operation.feeds:
        _draw_between(svg, pill.side("left"), box.side("right"), feed, paint)
        svg.box((pill.x, pill.y), (pill.width, pill.height), None, paint, pill.height / 2)
        svg.text((pill.x, pill.y + 4.5), pill.block.label, TEXT, FONT_SIZE, weight=600)


def _draw_between(svg: Svg, start: Point, end: Point, edge: Edge, paint: Paint) -> None:
    svg.arrow([start, end], paint)
    svg.text(((start[0] + end[0]) / 2, start[1] - 7), _times(edge.shape), MUTED)
