"""A picture as the pixels that a reader sees."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb


class Canvas:
    """The pixels of a figure as matplotlib's Agg draws them."""

    def __init__(self, figure: Any) -> None:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        self.pixels = np.asarray(canvas.buffer_rgba())[..., :3] / 255

    def around(self, ax: Axes, x: float, y: float, radius: int = 0) -> Any:
        """The colours of the pixels within so many of a point of the axes' data."""
        column, row = ax.transData.transform((x, y))
        row = self.pixels.shape[0] - 1 - row
        top, left = round(row) - radius, round(column) - radius
        assert top >= 0
        assert left >= 0
        side = 2 * radius + 1
        found = self.pixels[top : top + side, left : left + side]
        assert found.shape == (side, side, 3)
        return found.reshape(-1, 3)

    def shows(
        self, ax: Axes, x: float, y: float, color: str, radius: int = 2
    ) -> np.bool_:
        """Whether one of the pixels around a point has a colour."""
        difference = abs(self.around(ax, x, y, radius) - np.array(to_rgb(color)))
        return (difference.max(1) < 0.1).any()


def canvas_of(ax: Axes) -> Canvas:
    """Draw the figure that axes are on."""
    return Canvas(ax.get_figure(root=True))
