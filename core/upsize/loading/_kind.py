"""What a class of transforms does to the pixels of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = ["Kind", "Measure"]

# How an attribute holds its pixels, numbers or containers of them.
# The size of an image: "size", one side or (height, width); "turned", (width, height);
# "sides", any number of independent sides; "height" and "width", along that axis.
# Else: "length", along any axis; "vertical" and "horizontal", along one; "kernel", an
# odd length; "area"; "elastic", how far a field of noise moves pixels; "tall" and "wide",
# lengths from 1 on and shares of the image below; "cell", at least two pixels; "range",
# from the first length up to but without the last.
# And what only makes pixels: "translations", the space of TrivialAugment; "levels", a
# function of timm's, from a magnitude to pixels.
Measure: TypeAlias = Literal[
    "size", "turned", "sides", "height", "width",
    "length", "vertical", "horizontal", "kernel", "area", "elastic", "tall", "wide", "cell",
    "range", "translations", "levels",
]  # fmt: skip


class Kind(NamedTuple):
    """What a class of transforms does to the size of an image.

    Attributes:
        pixels: Its attributes that hold pixels of the image that it makes.
        resizes: Whether the output has that size for any input. Everything else in
            pixels keeps its share of the image only after a transform that does.
        crops: Whether it crops, or pads, without resizing.
        reads: Whether it reads the current size by itself, so that nothing is set.
        before: Its attributes that hold pixels of the image that it is given.
        when: An attribute and the values of it for which there are pixels at all.
    """

    pixels: Mapping[str, Measure]
    resizes: bool = False
    crops: bool = False
    reads: bool = False
    before: Mapping[str, Measure] = {}
    when: tuple[str, tuple[Any, ...]] | None = None
