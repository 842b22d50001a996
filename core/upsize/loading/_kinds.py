"""Which attributes of which transforms hold pixels: names only, nothing is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upsize.loading._albumentations import ALBUMENTATIONS
from upsize.loading._kind import Kind

__all__ = ["is_transform", "kind_of"]

_RESIZE = Kind({"size": "size", "max_size": "sides"}, resizes=True)
_SHORTEST = Kind({"min_size": "sides", "max_size": "sides"}, resizes=True)
_CROP = Kind({"size": "size", "padding": "length"}, crops=True)
_TURNED = Kind({"size": "turned"}, resizes=True)
_AROUND = Kind({"center": "turned"})

_KINDS: dict[str, Mapping[str, Kind]] = {
    "upsize": {
        "RandomResizedCropDecode": Kind({"size": "size"}, resizes=True, reads=True),
        "ResizeDecode": Kind({"size": "size", "crop": "size"}, resizes=True, reads=True),
    },
    "torchvision": {
        "Resize": _RESIZE,
        "RandomResizedCrop": _RESIZE,
        "RandomResize": _SHORTEST,
        "RandomShortestSize": _SHORTEST,
        "ScaleJitter": Kind({"target_size": "size"}, resizes=True),
        # The transforms of torchvision's model weights.
        "ImageClassification": Kind(
            {"resize_size": "size", "crop_size": "size"}, resizes=True
        ),
        "SemanticSegmentation": Kind({"resize_size": "size"}, resizes=True),
        "CenterCrop": _CROP,
        "RandomCrop": _CROP,
        "FiveCrop": _CROP,
        "TenCrop": _CROP,
        "Pad": _CROP,
        "RandomAffine": _AROUND,
        "RandomRotation": _AROUND,
        "GaussianBlur": Kind({"kernel_size": "kernel", "sigma": "length"}),
        "ElasticTransform": Kind({"alpha": "elastic", "sigma": "length"}),
        "SanitizeBoundingBoxes": Kind({"min_size": "length", "min_area": "area"}),
        # It translates by up to 32 pixels; the other policies by a share of the image.
        "TrivialAugmentWide": Kind(
            {"_AUGMENTATION_SPACE": "translations",
             "_augmentation_space": "translations"}
        ),
    },
    "timm": {
        "RandomResizedCropAndInterpolation": _RESIZE,
        "ResizeKeepRatio": _RESIZE,
        "CenterCropOrPad": _CROP,
        "RandomCropOrPad": _CROP,
        "RandomPad": Kind({"input_size": "size"}, crops=True),
        "TrimBorder": Kind({"border_size": "length"}, crops=True),
        "AugmentOp": Kind(
            {"level_fn": "levels"},
            when=(
                "name",
                ("TranslateX", "TranslateY", "GaussianBlur", "GaussianBlurRand"),
            ),
        ),
    },
    "albumentations": ALBUMENTATIONS,
    "fastai": {
        "Resize": _TURNED,
        "RandomResizedCrop": _TURNED,
        "RatioResize": Kind({"max_sz": "sides"}, resizes=True),
        "CropPad": Kind({"size": "turned"}, crops=True),
        "RandomCrop": Kind({"size": "turned"}, crops=True),
    },
}  # fmt: skip


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
