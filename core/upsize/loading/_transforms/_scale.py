"""Pixels of a transform in the ratio of one size to another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from numbers import Integral, Real
from typing import Any

from upsize.loading._kind import Measure
from upsize.schedule import Size
from upsize.schedule._ratio import in_ratio

__all__ = ["as_sides", "has_pixels", "is_full", "scaled"]

_OF_IMAGES = ("size", "turned", "sides", "height", "width")
_DOWN = ("height", "vertical", "tall")
_ACROSS = ("width", "horizontal", "wide")
_SHARES = ("tall", "wide")  # below 1
_TRANSLATIONS = ("TranslateX", "TranslateY")


def scaled(value: Any, measure: Measure, size: Size, full: Size) -> Any:
    """Return pixels at full size as those for ``size``, in the type that they have.

    Args:
        value: A number, or a list, a tuple or a dictionary of them.
        measure: What they measure.
        size: The size of the images.
        full: The full size.
    """
    if type(value) is int or type(value) is float:
        return _number(value, measure, size, full)
    if measure in _WRAPPED:
        return _WRAPPED[measure](value, size, full)
    if isinstance(value, Mapping):
        return {key: scaled(each, measure, size, full) for key, each in value.items()}
    sides = as_sides(value)
    if sides is None:
        return _number(value, measure, size, full)
    if measure == "turned":
        return _like(value, scaled(sides[::-1], "size", size, full)[::-1])
    if measure == "size" and len(sides) == 2:
        axes: tuple[Measure, ...] = ("height", "width")
        pairs = zip(sides, axes, strict=True)
        return _like(value, [scaled(side, axis, size, full) for side, axis in pairs])
    if measure == "range" and len(sides) == 2 and all(map(_is_number, sides)):
        low, high = (_number(each, "length", size, full) for each in sides)
        return _like(value, [low, max(high, low + 1) if sides[0] < sides[1] else high])
    # One side, or sides of which libraries differ in the order.
    one: Measure = "sides" if measure == "size" else measure
    return _like(value, [scaled(side, one, size, full) for side in sides])


def is_full(value: Any, measure: Measure, full: Size) -> bool:
    """Return whether pixels are the full size of an image, or one side of it."""
    if measure not in _OF_IMAGES:
        return False
    if measure in ("height", "width"):
        return bool(value == getattr(full, measure))
    sides = as_sides(value) or [value]
    if measure == "turned":
        sides = sides[::-1]
    if measure in ("turned", "size") and len(sides) == 2:
        return tuple(sides) == full
    # One side is the shorter or the longer one of an image.
    return min(full) in sides or max(full) in sides


def has_pixels(value: Any, measure: Measure) -> bool:
    """Return whether a value holds any pixels that another size changes."""
    if value is None or isinstance(value, bool):
        return False
    if measure in _WRAPPED:
        return True
    if isinstance(value, Mapping):
        return any(has_pixels(each, measure) for each in value.values())
    sides = as_sides(value)
    if sides is not None:
        return any(has_pixels(each, measure) for each in sides)
    least = 1 if measure in _SHARES else 0
    return _is_number(value) and abs(value) > 0 and abs(value) >= least


def as_sides(value: Any) -> list[Any] | None:
    """Return the items of a list, a tuple or the like; ``None``: it is neither."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str | bytes):
        return None
    if isinstance(value, Sequence):
        return list(value)
    # An array, or a tensor.
    items = value.tolist() if hasattr(value, "tolist") else None
    return items if isinstance(items, list) else None


def _like(value: Any, sides: list[Any]) -> Any:
    """Return sides in a container of the same type, where it is a common one."""
    if hasattr(value, "_fields"):  # a named tuple takes its items one by one
        return type(value)(*sides)
    if isinstance(value, list | tuple):
        return type(value)(sides)
    return sides


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


# A transform has few sizes, and they are set for every batch.
@lru_cache(maxsize=1024, typed=True)
def _number(value: Any, measure: Measure, size: Size, full: Size) -> Any:
    if not has_pixels(value, measure):
        return value  # 0 pixels, or no number, as None
    if measure in _RATIOS:
        ratio = float(_RATIOS[measure](size, full))
        return value * ratio
    if not isinstance(value, Integral):
        return value * _along(measure, size, full)
    side = abs(int(value))
    sides = in_ratio((side, side), size, of=full)
    if measure in _DOWN:
        side = sides.height
    elif measure in _ACROSS:
        side = sides.width
    else:
        # Of one side for both, the larger: it covers sizes whose sides are rounded.
        side = max(sides)
    if measure == "kernel":
        side = _odd(abs(int(value)), size, full)
    elif measure == "cell":
        side = max(2, side)
    return side if int(value) > 0 else -side


def _odd(side: int, size: Size, full: Size) -> int:
    """Return the odd number that is nearest to the ratio; 1 only where it is 1."""
    pairs = zip(size, full, strict=True)
    ratio = max(Fraction(small, whole) for small, whole in pairs)
    return max(min(3, side), 2 * int(side * ratio / 2) + 1)


def _along(measure: Measure, size: Size, full: Size) -> float:
    """Return the ratio along an axis; without one, that of both."""
    if measure in _DOWN:
        return size.height / full.height
    if measure in _ACROSS:
        return size.width / full.width
    return math.sqrt(_area(size, full))


def _area(size: Size, full: Size) -> Fraction:
    return Fraction(size.height * size.width, full.height * full.width)


# Noise of one number a pixel, blurred with sigma, moves pixels by alpha / sigma. With
# sigma in the ratio, alpha takes its square.
_RATIOS: dict[str, Callable[[Size, Size], Fraction]] = {
    "area": _area,
    "elastic": _area,
}


def _translations(value: Any, size: Size, full: Size) -> Any:
    """Return the space of TrivialAugment: a method that makes it, or a dictionary."""
    if callable(value):
        return partial(_v1_space, value, size, full)
    space = dict(value)
    for name in _TRANSLATIONS:
        magnitudes, signed = space[name]
        space[name] = partial(_v2_magnitudes, magnitudes, size, full), signed
    return space


def _v1_space(make: Any, size: Size, full: Size, *args: Any) -> Any:
    space = make(*args)
    for name in _TRANSLATIONS:
        magnitudes, signed = space[name]
        space[name] = magnitudes * _along("length", size, full), signed
    return space


def _v2_magnitudes(make: Any, size: Size, full: Size, *args: Any) -> Any:
    return make(*args) * _along("length", size, full)


def _levels(value: Any, size: Size, full: Size) -> Any:
    return partial(_level, value, size, full)


def _level(make: Any, size: Size, full: Size, *args: Any) -> Any:
    ratio = _along("length", size, full)
    return tuple(each * ratio for each in make(*args))


_WRAPPED: dict[str, Callable[[Any, Size, Size], Any]] = {
    "translations": _translations,
    "levels": _levels,
}
