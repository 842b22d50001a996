"""What is asked of one leaf of a batch: another size, or a window."""

from __future__ import annotations

from typing import NamedTuple

from upsize.resize._interpolate import Mode

__all__ = ["SizeChange", "spell_size"]


class SizeChange(NamedTuple):
    """What is asked of a leaf: from ``full`` to ``size``.

    ``image`` is the size that the image of the leaf has: one of the two, where a
    loader makes images at their step's size. With a ``corner``, (top, left), that part
    of ``image`` is cut out; else the whole of it is resized.
    """

    size: tuple[int, int]
    full: tuple[int, int]
    image: tuple[int, int]
    mode: Mode
    antialias: bool
    corner: tuple[int, int] | None = None


def spell_size(size: tuple[int, ...]) -> str:
    """Write a size as errors do: 32x48."""
    return "x".join(map(str, size))
