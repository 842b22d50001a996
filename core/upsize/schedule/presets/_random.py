"""Presets of random sizes."""

from __future__ import annotations

from upsize.schedule._multiscale import MultiScale
from upsize.schedule._phases import Phases
from upsize.schedule._size import require_whole_number

__all__ = ["yolox"]


def yolox(
    input_size: int = 640, *, multiscale_range: int = 5, seed: int = 0
) -> MultiScale:
    """Return YOLOX's multi-scale training: random multiples of 32, every 10 steps.

    Args:
        input_size: Size of the first ten steps in pixels, a multiple of 32.
        multiscale_range: How many multiples of 32 a size may be above or below
            ``input_size``; must be below ``input_size / 32``.
        seed: Seed of the draws.

    Raises:
        ValueError: When a size is not a multiple of 32, or below 32.

    Note:
        The full size is the largest one, 800 pixels for 640: images are loaded at that
        size, while YOLOX enlarges them. YOLOX draws in one process from Python's random
        state and broadcasts the size; here the draws come from the seed. They continue
        to the end, also in the 15 epochs without mosaic and mixup. Source: YOLOX,
        exp/yolox_base.py, random_resize, and core/trainer.py, after_iter.

    Example:
        >>> plan = yolox().plan(epochs=300, steps_per_epoch=100)
        >>> for start, stop, size in plan.stages:
        ...     print(start, stop, size)
        0 10 640x640
        10 30000 480x480 to 800x800
    """
    first = require_whole_number("input_size", input_size)
    reach = require_whole_number("multiscale_range", multiscale_range)
    if first % 32 or first <= 32 * reach:
        raise ValueError(
            "input_size must be a multiple of 32 and larger than multiscale_range * 32 "
            f"pixels, not {first} with multiscale_range={reach}"
        )
    low, high = first - 32 * reach, first + 32 * reach
    return MultiScale(
        sizes=tuple(range(low, high + 1, 32)),
        every=10,
        seed=seed,
        before=Phases(phases=((0, first),)),
        start="10st",
        final_size=high,
        multiple_of=32,
    )
