"""Arrays to figures: contact sheets, grids, plots, matrices, diagrams, films, tables, and interactive pictures.

Every function returns a :class:`Drawing`, whose bytes depend on its arguments alone (and, for PNG, on the host's zlib).
Nothing here knows of experiments or pages, and importing it costs next to nothing beyond numpy.
"""

from darkroom.figures.bars import Bars, Density, Sample, bar_plot, histogram
from darkroom.figures.curves import Reference, Series, line_plot
from darkroom.figures.custom import matplotlib_plot
from darkroom.figures.diagrams import Block, Edge, network
from darkroom.figures.drawing import Drawing, FigureError
from darkroom.figures.films import Panel, animation
from darkroom.figures.grids import tiles
from darkroom.figures.interactive import Turning, compare, distances, slides, turning
from darkroom.figures.matrices import heat_map
from darkroom.figures.palette import Paint
from darkroom.figures.pixels import png, sheet
from darkroom.figures.tables import table

__all__ = [
    "Bars",
    "Block",
    "Density",
    "Drawing",
    "Edge",
    "FigureError",
    "Paint",
    "Panel",
    "Reference",
    "Sample",
    "Series",
    "Turning",
    "animation",
    "bar_plot",
    "compare",
    "distances",
    "heat_map",
    "histogram",
    "line_plot",
    "matplotlib_plot",
    "network",
    "png",
    "sheet",
    "slides",
    "table",
    "tiles",
    "turning",
]
