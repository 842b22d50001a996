"""What is wrong with a transform for images of another size, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import FunctionType
from typing import Any

from upsize.loading._transforms._names import DECLARED
from upsize.loading._transforms._paths import Pending
from upsize.loading._transforms._scale import as_sides

__all__ = [
    "HOW",
    "READS",
    "mixed_error",
    "name_of",
    "pending_error",
    "skipped_error",
    "twice_error",
    "unknown_error",
]

HOW = (
    "; or give sized() a function as set_size=, which is called in the worker before "
    "each batch"
)
READS = (
    ". If your own code resizes, let it read upsize.loading.current_size(), and give "
    "sized() a set_size= that does nothing"
)
# Those whose output is several images, which not every Resize takes.
_SEVERAL = ("FiveCrop", "TenCrop")


def pending_error(pending: Pending) -> ValueError:
    """Return the error for pixels of an original image that nothing resizes."""
    transform, name = pending.transform, name_of(pending.transform)
    if pending.crops:
        size = _full_resize(transform)
        after = (
            size
            and f"put {size} directly after it, which changes nothing at full size, or "
        )
        return ValueError(
            f"{name} crops without resizing, so a smaller size would show less of the "
            f"image, not a smaller image: {after}put a Resize before it"
        )
    return ValueError(
        f"{name} has {_list(pending.pixels)} in pixels, and no Resize comes before or "
        "after it in its composition: in a smaller image they would be more of it. Put "
        "a Resize to the full size into the composition; at full size it changes "
        "nothing"
    )


def mixed_error(transform: Any, pixels: Mapping[str, Any]) -> ValueError:
    """Return the error for pixels of images of which only some are resized."""
    return ValueError(
        f"{name_of(transform)} has {_list(pixels)} in pixels, and images come to it "
        "both resized and not, as a random choice or a probability below 1 comes "
        "before it: put a Resize before that, or into each branch"
    )


def skipped_error(dataset: Any) -> ValueError:
    """Return the error for a dataset of which only some images are resized."""
    return ValueError(
        f"the transforms of {name_of(dataset)} resize some images and not others, as a "
        "random choice or a probability below 1 decides: put a Resize to the full size "
        "after it, or into each branch"
    )


def twice_error(transform: Any) -> ValueError:
    """Return the error for one transform before and after a resize."""
    return ValueError(
        f"one {name_of(transform)} is used both before and after a resize, where its "
        "pixels are worth a different share of the image: make two of it"
    )


def unknown_error(transform: Any, pixels: Mapping[str, Any]) -> ValueError:
    """Return the error for what looks like pixels in a transform that is not known."""
    names = tuple(pixels)
    if isinstance(transform, partial | FunctionType):
        how = (
            "make it a class that has them as attributes, and name these in "
            f"{DECLARED} = {names}; or scale them in it by "
            f"upsize.loading.current_size(), and set {_short(transform)}.{DECLARED} = ()"
        )
    else:
        how = (
            f"set {_short(transform)}.{DECLARED} = {names} to scale them "
            "with the images, or () if none is in pixels"
        )
    return ValueError(
        f"{name_of(transform)} has {_list(pixels)}, which looks like pixels, and upsize "
        f"does not know how it takes another size: {how}" + HOW
    )


def name_of(transform: Any) -> str:
    """Return the full name of a class, or of a function."""
    named = _named(transform)
    return f"{named.__module__}.{named.__qualname__}"


def _short(transform: Any) -> str:
    if isinstance(transform, partial):
        return "partial"
    return str(_named(transform).__name__)


def _named(transform: Any) -> Any:
    if isinstance(transform, partial):
        return _named(transform.func)
    is_named = isinstance(transform, type) or hasattr(transform, "__qualname__")
    return transform if is_named else type(transform)


def _list(pixels: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in pixels.items())


def _full_resize(crop: Any) -> str:
    """Return the resize that does nothing to what a crop makes; empty: unknown."""
    library = type(crop).__module__.partition(".")[0]
    size = as_sides(getattr(crop, "size", None))
    if type(crop).__name__ in _SEVERAL or library == "fastai":
        return ""
    if library == "albumentations":
        sides = size or [getattr(crop, name, None) for name in ("height", "width")]
        sides = sides if None not in sides else [
            getattr(crop, name, None) for name in ("min_height", "min_width")
        ]  # fmt: skip
        return "" if None in sides else f"Resize({sides[0]}, {sides[1]})"
    return f"Resize({tuple(size)})" if size and len(size) == 2 else ""
