"""Which attributes of which transforms of albumentations hold pixels."""

from __future__ import annotations

from upsize.loading._kind import Kind

__all__ = ["ALBUMENTATIONS"]

_SIDES = Kind({"height": "height", "width": "width", "size": "size"}, resizes=True)
_LIMIT = Kind({"max_size": "sides", "max_size_hw": "size"}, resizes=True)
_CROP = Kind({"height": "height", "width": "width", "size": "size"}, crops=True)
_BLUR = Kind({"blur_limit": "kernel"})
_HOLES = Kind({"hole_height_range": "tall", "hole_width_range": "wide"})
_STRIPES = Kind({"mask_x_length": "horizontal", "mask_y_length": "vertical"})

ALBUMENTATIONS = {
    "Resize": _SIDES,
    "RandomResizedCrop": _SIDES,
    "RandomSizedBBoxSafeCrop": _SIDES,
    "RandomSizedCrop": Kind(
        {"size": "size"}, resizes=True, before={"min_max_height": "length"}
    ),
    "SmallestMaxSize": _LIMIT,
    "LongestMaxSize": _LIMIT,
    "Mosaic": Kind({"target_size": "size", "cell_shape": "size"}, resizes=True),
    "CenterCrop": _CROP,
    "RandomCrop": _CROP,
    "AtLeastOneBBoxRandomCrop": _CROP,
    "CropNonEmptyMaskIfExists": _CROP,
    "Crop": Kind(
        {"x_min": "horizontal", "x_max": "horizontal", "y_min": "vertical",
         "y_max": "vertical"},
        crops=True,
    ),
    "Pad": Kind({"padding": "length"}, crops=True),
    "PadIfNeeded": Kind({"min_height": "height", "min_width": "width"}, crops=True),
    "CropAndPad": Kind({"px": "range"}),
    "Affine": Kind({"translate_px": "length"}),
    "ElasticTransform": Kind({"alpha": "elastic", "sigma": "length"}),
    "GridElasticDeform": Kind({"magnitude": "length"}),
    "PiecewiseAffine": Kind({"scale": "length"}, when=("absolute_scale", (True,))),
    "CoarseDropout": _HOLES,
    "ConstrainedCoarseDropout": _HOLES,
    "GridDropout": Kind({"unit_size_range": "cell", "shift_xy": "length"}),
    "XYMasking": _STRIPES,
    "Morphological": Kind({"scale": "length"}),
    "Blur": _BLUR,
    "MedianBlur": _BLUR,
    "MotionBlur": _BLUR,
    "RingingOvershoot": _BLUR,
    "GaussianBlur": Kind({"blur_limit": "kernel", "sigma_limit": "length"}),
    "UnsharpMask": Kind({"blur_limit": "kernel", "sigma_limit": "length"}),
    "AdvancedBlur": Kind(
        {"blur_limit": "kernel", "sigma_x_limit": "length", "sigma_y_limit": "length"}
    ),
    "Defocus": Kind({"radius": "length", "alias_blur": "length"}),
    "GlassBlur": Kind({"sigma": "length", "max_delta": "length"}),
    "Sharpen": Kind(
        {"kernel_size": "kernel", "sigma": "length"}, when=("method", ("gaussian",))
    ),
    "Spatter": Kind({"gauss_sigma": "length"}),
    "RandomRain": Kind(
        {"drop_length": "length", "drop_width": "length", "blur_value": "length"}
    ),
    "RandomSunFlare": Kind({"src_radius": "length"}),
    "Superpixels": Kind({"max_size": "length"}),
    "BboxParams": Kind(
        {"min_area": "area", "min_width": "horizontal", "min_height": "vertical"}
    ),
}  # fmt: skip
