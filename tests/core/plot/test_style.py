"""Styles: each can be told from the next in grey and without seeing colours."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from upsize.plot import STYLES, Style, batch, plot_sizes, style
from upsize.schedule import Ramp

# Linear RGB as seen by those who lack one kind of cone: Machado, Oliveira and Fernandes
# (2009), "A Physiologically-based Model for Simulation of Color Vision Deficiency",
# severity 1.0.
PROTANOPIA = [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
]
DEUTERANOPIA = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]
# sRGB's primaries, and its white in CIE XYZ (IEC 61966-2-1).
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
NEIGHBOURS = list(pairwise([*STYLES, STYLES[0]]))


def lab(color: str, seen: object = np.eye(3)) -> np.ndarray:
    """CIE L*a*b* of a colour as it is seen, in which one is about what eyes notice."""
    share = np.array(to_rgb(color))
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(np.array(seen) @ linear, 0, 1) / XYZ.sum(1)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * 841 / 108 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_the_measure_is_right() -> None:
    assert lab("white") == pytest.approx([100, 0, 0], abs=0.01)
    assert lab("red") == pytest.approx([53.24, 80.09, 67.20], abs=0.01)
    # Red and green of one lightness: what protanopes and deuteranopes cannot see.
    for seen in PROTANOPIA, DEUTERANOPIA:
        assert lab("white", seen) == pytest.approx([100, 0, 0], abs=0.1)
        red, green = "#E00000", "#707000"
        far = np.linalg.norm(lab(red) - lab(green))
        assert np.linalg.norm(lab(red, seen) - lab(green, seen)) < far / 2


@pytest.mark.parametrize(("one", "next_one"), NEIGHBOURS)
def test_neighbours_differ_in_grey(one: Style, next_one: Style) -> None:
    assert abs(lab(one.color)[0] - lab(next_one.color)[0]) > 6


@pytest.mark.parametrize("seen", [np.eye(3), PROTANOPIA, DEUTERANOPIA])
def test_neighbours_differ_for_the_colour_blind(seen: object) -> None:
    for one, next_one in NEIGHBOURS:
        difference = lab(one.color, seen) - lab(next_one.color, seen)
        assert np.linalg.norm(difference) > 20, (one, next_one)


def test_each_differs_from_all_others_in_line_and_in_marker() -> None:
    assert len({s.marker for s in STYLES}) == len({s.color for s in STYLES}) == 7
    assert len({s.linestyle for s in STYLES}) == 7
    for each in STYLES:
        Line2D([], [], **each._asdict())  # matplotlib knows them
    assert style(8) == style(1)


@pytest.mark.parametrize("name", ["axes", "batch"])
def test_a_notebook_shows_the_figure_without_a_backend_of_its_own(name: str) -> None:
    plan = Ramp(final_size=32).plan(total_steps=8)
    figure = (
        plot_sizes(plan).figure
        if name == "axes"
        else batch(torch.rand(1, 3, 32, 32), plan, count=1, stages=2)
    )
    shown, _ = DisplayFormatter().format(figure)
    assert shown["image/png"].startswith(b"\x89PNG")
