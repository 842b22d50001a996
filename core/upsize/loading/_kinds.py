"""Which attributes of which transforms hold pixels: names only, nothing is imported."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = ["SIZE_LIKE", "Axes", "Kind", "is_transform", "kind_of"]

# How an attribute holds its pixels. "size": one side or (height, width); "turned":
# (width, height); "sides": any number of independent sides; "padding": the same, but
# not the size of an image; "height" and "width": one side of that axis.
Axes: TypeAlias = Literal["size", "turned", "sides", "padding", "height", "width"]


class Kind(NamedTuple):
    """What a class of transforms does to the size of an image.

    Attributes:
        pixels: Its attributes that hold pixels.
        resizes: Whether the output has that size for any input. Crops and padding keep
            their share of the image only after a transform that does.
        reads: Whether it reads the current size by itself, so that nothing is set.
    """

    pixels: dict[str, Axes]
    resizes: bool
    reads: bool = False


_RESIZE = Kind({"size": "size", "max_size": "sides"}, resizes=True)
_SIDES = Kind({"height": "height", "width": "width", "size": "size"}, resizes=True)
_LIMIT = Kind({"max_size": "sides", "max_size_hw": "size"}, resizes=True)
_CROP = Kind(
    {"size": "size", "height": "height", "width": "width", "padding": "padding"},
    resizes=False,
)

_KINDS: dict[str, dict[str, Kind]] = {
    "upsize": {
        "RandomResizedCropDecode": Kind({"size": "size"}, resizes=True, reads=True),
    },
    "torchvision": {
        "Resize": _RESIZE,
        "RandomResizedCrop": _RESIZE,
        "RandomResize": Kind({"min_size": "sides", "max_size": "sides"}, resizes=True),
        "RandomShortestSize": Kind(
            {"min_size": "sides", "max_size": "sides"}, resizes=True
        ),
        "ScaleJitter": Kind({"target_size": "size"}, resizes=True),
        # The transforms of torchvision's model weights.
        "ImageClassification": Kind(
            {"resize_size": "size", "crop_size": "size"}, resizes=True
        ),
        "CenterCrop": _CROP,
        "RandomCrop": _CROP,
        "FiveCrop": _CROP,
        "TenCrop": _CROP,
        "Pad": _CROP,
    },
    "timm": {
        "RandomResizedCropAndInterpolation": _RESIZE,
        "ResizeKeepRatio": _RESIZE,
        "CenterCropOrPad": _CROP,
        "RandomCropOrPad": _CROP,
    },
    "albumentations": {
        "Resize": _SIDES,
        "RandomResizedCrop": _SIDES,
        "SmallestMaxSize": _LIMIT,
        "LongestMaxSize": _LIMIT,
        "CenterCrop": _CROP,
        "RandomCrop": _CROP,
        "PadIfNeeded": Kind(
            {"min_height": "height", "min_width": "width"}, resizes=False
        ),
    },
    "fastai": {
        "Resize": Kind({"size": "turned"}, resizes=True),
        "RandomResizedCrop": Kind({"size": "turned"}, resizes=True),
        "RatioResize": Kind({"max_sz": "sides"}, resizes=True),
        "CropPad": Kind({"size": "turned"}, resizes=False),
        "RandomCrop": Kind({"size": "turned"}, resizes=False),
    },
}

# A transform with one of these that is not in the table would keep its size.
SIZE_LIKE = (
    "size", "height", "width", "crop_size", "image_size", "img_size", "input_size",
    "output_size", "resize_size", "target_size", "resolution", "min_size", "max_size",
)  # fmt: skip


def kind_of(transform: Any) -> Kind | None:
    """Return the kind of a transform or of a base class; ``None``: unknown."""
    for cls in type(transform).__mro__:
        kinds = _KINDS.get(cls.__module__.partition(".")[0])
        if kinds and cls.__name__ in kinds:
            return kinds[cls.__name__]
    return None


def is_transform(value: Any) -> bool:
    """Return whether this is a transform or composition of a known library."""
    return kind_of(value) is not None or any(
        cls.__module__.startswith(
            ("torchvision.transforms", "timm.data.", "albumentations.")
        )
        for cls in type(value).__mro__
    )
