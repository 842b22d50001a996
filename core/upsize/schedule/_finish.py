"""Where training may end below the test size, and what that saves."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from upsize.schedule._plan import Plan
from upsize.schedule._size import Size, as_size

__all__ = ["capped", "finish_hint", "finish_size", "finish_text"]

# torchvision's recipe: "How to train state-of-the-art models using TorchVision's latest
# primitives", 2021, trains at 176 pixels and tests at 224.
_SHARE = Fraction(176, 224)
_EVIDENCE = (
    "torchvision: a ResNet-50 gained 0.16 points, deeper networks lost 0.1 to 0.2"
)
# Smaller test sizes, and other shares, are beyond what has been published.
_LEAST_TEST = 160
_SHARES = Fraction(7, 10), Fraction(22, 25)
# A plan that ends here, or below, does not need the hint.
_BELOW = Fraction(9, 10)


def finish_size(
    plan: Plan, test_size: int | tuple[int, int] | None = None
) -> Size | None:
    """Return the size at which a plan may end; ``None``: no hint fits it.

    It is a multiple of 16 or of the schedule's ``multiple_of``. The arguments are those
    of :func:`finish_hint`.

    Example:
        >>> from upsize.schedule import Ramp
        >>> for full in (64, 224, 384):
        ...     print(full, finish_size(Ramp(final_size=full).plan(total_steps=100)))
        64 None
        224 176x176
        384 304x304
    """
    final = plan.final_size
    if test_size is None:
        # Other schedules name the sizes of somebody's recipe.
        if plan.schedule.get("kind") != "ramp":
            return None
        test = final
    else:
        test = _read(test_size)
    same_shape = final.height * test.width == final.width * test.height
    grows = isinstance(plan.stages[-1].size, Size)
    if not (same_shape and grows and min(test) >= _LEAST_TEST):
        return None
    if max(final) <= _BELOW * max(test):
        return None
    end = Size(*map(_nearest, test, _multiple_of(plan)))
    low, high = _SHARES
    fits = all(
        low <= Fraction(side, of) <= high for side, of in zip(end, test, strict=True)
    )
    return end if fits and capped(plan.sizes[0], end) != end else None


def _read(test_size: int | tuple[int, int]) -> Size:
    """Return the test size, or refuse it by its name."""
    try:
        return as_size(test_size)
    except ValueError as error:
        raise ValueError(f"test_size {error}") from None


def _multiple_of(plan: Plan) -> Size:
    """Return what the sizes of a schedule are multiples of, if it says so."""
    multiple: Any = plan.schedule.get("multiple_of")
    try:
        return as_size(multiple)
    except ValueError:  # a schedule of the user's own has fields of its own
        return Size(1, 1)


def _nearest(test: int, multiple: int) -> int:
    """Return the multiple nearest to the share of a side."""
    step = multiple * max(1, 16 // multiple)
    return round(_SHARE * test / step) * step


def capped(size: Size, most: Size) -> Size:
    """Return a size with no side above that of another."""
    return Size(min(size.height, most.height), min(size.width, most.width))


def finish_hint(
    plan: Plan, test_size: int | tuple[int, int] | None = None
) -> str | None:
    """Say in one line what a plan saves if it ends below the test size.

    Random crops show objects larger than a test does, so a classifier that trains on
    them may end at about 0.8 of the test size at little or no cost.

    Args:
        plan: The plan.
        test_size: Size at which the model is tested, one side or (height, width) in
            pixels. ``None``: the full size, if the plan is that of a
            :class:`~upsize.schedule.Ramp`; other schedules name the sizes of a recipe,
            and get no hint without it.

    Returns:
        The line; ``None`` where it does not fit: the plan ends below 0.9 of the test
        size already, its first size is not below the new end, its last sizes are random,
        the test size has another aspect ratio or a side below 160 pixels, or no multiple
        of ``multiple_of`` is near.

    Raises:
        ValueError: When ``test_size`` is not a size.

    Example:
        >>> from upsize.schedule import Ramp, presets
        >>> print(finish_hint(Ramp(final_size=224).plan(total_steps=1000)))
        a classifier trained on random crops and tested at 224x224 may end at 176x176: \
saves 59.4 % of the pixels instead of 48.0 % (torchvision: a ResNet-50 gained \
0.16 points, deeper networks lost 0.1 to 0.2)
        >>> plan = presets.mosaic("medium").plan(total_steps=1000)
        >>> print(finish_hint(plan, test_size=224))  # it ends at 176
        None
    """
    end = finish_size(plan, test_size)
    if end is None:
        return None
    stages = plan.weighed_stages
    pixels = sum(
        (stage.stop - stage.start) * share * math.prod(capped(size, end))
        for stage in stages
        for size, share in stage.weights.items()
    )
    then = 1 - float(pixels / (stages[-1].stop * math.prod(plan.final_size)))
    return finish_text(
        plan,
        test_size,
        end,
        f"saves {100 * then:.1f} % of the pixels instead of {100 * (1 - plan.pixel_share):.1f} %",
    )


def finish_text(
    plan: Plan, test_size: int | tuple[int, int] | None, end: Size, saving: str
) -> str:
    """Return the line of a hint; ``saving`` is what it saves, as "saves 10 %"."""
    test = plan.final_size if test_size is None else as_size(test_size)
    return (
        f"a classifier trained on random crops and tested at {test} may end at {end}: "
        f"{saving} ({_EVIDENCE})"
    )
