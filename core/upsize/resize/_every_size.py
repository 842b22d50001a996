"""Whether a batch can be resized to every size of a plan, before the first of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from upsize.resize._grid import own_window
from upsize.resize._parsed_batch import ParsedBatch
from upsize.resize._policies import INPUT, uneven_scale
from upsize.resize._scaled import parse_scale
from upsize.resize._shown import label
from upsize.schedule import Size

__all__ = ["check_every_size"]


def check_every_size(parsed: ParsedBatch[Any], sizes: Iterable[Size]) -> None:
    """Refuse sizes at which a target, or a window, has no whole number of pixels.

    Args:
        parsed: A batch as it was read, at any size. Images of a list, each of which has
            sizes of its own, are not looked at.
        sizes: The sizes of the plan.

    Raises:
        ValueError: Naming the target, the size and the multiple that fits.
    """
    if parsed.listed is not None:
        return
    image = parsed.size
    cuts = parsed.rules.seed is not None
    for path, leaf, role in parsed.roles:
        if role is None or not isinstance(leaf, Tensor):
            continue
        scale = parse_scale(role)
        own = Size(*leaf.shape[-2:]) if role == INPUT and leaf.ndim > 1 else image
        for size in sizes:
            if scale is not None and scale.of(size) is None:
                raise ValueError(uneven_scale(label(path), scale, size))
            if cuts and own != image:
                own_window(own, size, image)
