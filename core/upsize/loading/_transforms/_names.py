"""Names that say that a number is in pixels, for transforms that are not known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from upsize.loading._kind import Kind, Measure
from upsize.loading._transforms._scale import as_sides

__all__ = ["DECLARED", "declared_kind", "lengths", "sizes"]

#: The attribute in which a transform says which of its attributes are in pixels.
DECLARED = "upsize_pixels"

# The size of an image; height and width only together: AugMix has a width of its own.
_SIZES = (
    "size", "crop_size", "image_size", "img_size", "input_size", "output_size",
    "resize_size", "target_size", "spatial_size", "roi_size", "resolution", "min_size",
    "max_size", "imgsz", "dsize", "new_shape", "input_shape", "output_shape",
    "target_shape",
)  # fmt: skip
_PAIR = ("height", "width")

# Other pixels. Not patch_size and grid_size, which count or belong to the model.
_LENGTH = re.compile(
    r"""length | ks | ksize | radius | margin | padding | px | pixels
    | (n_?)?holes?_(size|length|height|width) | (max|min)_(shift|offset|translate|radius)
    | (mask|hole|cut|cutout|erase|erasing|box|block|kernel|blur|border|pad|shift|half)
      _?(size|length|width|height|px|pixels|radius|limit)(_half)?
    | \w+_(px|pixels)""",
    re.VERBOSE,
)
_KERNEL = re.compile(r"ks|ksize|kernel\w*")
# In pixels only where a transform blurs; else of noise, in values of pixels.
_SIGMA = re.compile(
    r"sigma\w*|radius\w*|(min|max)_(sigma|radius)|(sigma|radius)_(min|max)"
)


def sizes(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that must be the size of an image, {name: value}."""
    found = {name: held[name] for name in _SIZES if _is_pixels(held.get(name))}
    pair = {name: held[name] for name in _PAIR if _is_pixels(held.get(name))}
    return found | (pair if len(pair) == 2 else {})


def lengths(held: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the attributes that look like other pixels, {name: value}.

    Args:
        held: The attributes of a transform.
        kind: The name of its class.
    """
    blurs = "blur" in kind.lower()
    return {
        name: value
        for name, value in held.items()
        if (_LENGTH.fullmatch(name.strip("_").lower()) and _is_pixels(value, least=2))
        or (blurs and _SIGMA.fullmatch(name.strip("_").lower()) and _is_real(value))
    }


def declared_kind(transform: Any) -> Kind | None:
    """Return the kind of a transform that says which attributes are in pixels.

    Raises:
        ValueError: When it names what it does not have, or anything but names.
    """
    names = getattr(transform, DECLARED, None)
    if names is None:
        return None
    kind = type(transform).__name__
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"{kind}.{DECLARED} must be the names of attributes that are in pixels, as "
            f"('length',), or () for none, not {names!r}"
        )
    for name in names:
        if not hasattr(transform, name):
            raise ValueError(
                f"{kind}.{DECLARED} names {name!r}, which {kind} does not have"
            )
    crops = "resiz" not in kind.lower() and re.search("crop|pad", kind.lower())
    of_images = [name for name in names if name in (*_SIZES, *_PAIR)]
    return Kind(
        {name: _measure(name) for name in names},
        resizes=bool(of_images) and not crops,
        crops=bool(of_images) and bool(crops),
    )


def _measure(name: str) -> Measure:
    if name in ("min_size", "max_size"):
        return "sides"
    if name in _SIZES:
        return "size"
    if name == "height":
        return "height"
    if name == "width":
        return "width"
    return "kernel" if _KERNEL.fullmatch(name.strip("_")) else "length"


def _is_pixels(value: Any, least: int = 0) -> bool:
    """Return whether a value is whole numbers, one of them at least ``least``."""
    numbers = _numbers(value)
    return (
        numbers is not None
        and all(isinstance(each, Integral) for each in numbers)
        and max(map(abs, numbers)) >= least
    )


def _is_real(value: Any) -> bool:
    numbers = _numbers(value)
    return numbers is not None and any(numbers)


def _numbers(value: Any) -> list[Any] | None:
    """Return the numbers of a value, if there is nothing else in it."""
    sides = as_sides(value)
    numbers = [value] if sides is None else sides
    flat: list[Any] = []
    for each in numbers:
        inner = as_sides(each)
        flat += [each] if inner is None else inner
    real = all(isinstance(each, Real) and not isinstance(each, bool) for each in flat)
    return flat if flat and real else None
