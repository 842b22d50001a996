"""What a tensor looks like, by the keys that lead to it, its dtype and its shape."""

from __future__ import annotations

from torch import Tensor

from upsize.resize._shown import Path

__all__ = [
    "APART",
    "IMAGE",
    "TARGET",
    "UNKNOWN",
    "alike",
    "channels",
    "has_colours",
    "has_image_channels",
    "is_channels_last",
    "standing",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: What the keys on a path say: IMAGE, nothing, a TARGET in pixels, or APART: that it
#: has no pixels at all.
IMAGE, UNKNOWN, TARGET, APART = 1, 0, -1, -2
_IMAGE_WORDS = _words(
    "crop crops frame frames hq hr image images img imgs lq lr photo photos picture "
    "pictures pixel pixels video videos view views"
)
_TARGET_WORDS = _words(
    "depth depths disp disparities disparity disps edge edges flow heatmap heatmaps ids "
    "label labels mask masks matte noise normals onehot panoptic parsing seg "
    "segmentation segmentations semantic semantics trimap"
)
_APART_WORDS = _words(
    "adjacency attention bias caption captions embed embedding embeddings embeds feats "
    "feature features hidden prompt prompts relation relations text texts token "
    "tokens"
)
_CHANNELS = (1, 3, 4)
_COLOURS = (3, 4)
#: No photo is longer than this times its other side, and few are half of it.
_LONGEST = 4


def standing(path: Path) -> int:
    """Say what the keys on ``path`` call a leaf."""
    found = UNKNOWN
    for key in path:
        if isinstance(key, str):
            # No regular expression: torch.compile traces this.
            for word in key.lower().replace("-", "_").replace(".", "_").split("_"):
                plain = word.strip("0123456789")
                if plain in _APART_WORDS:
                    return APART
                if plain in _TARGET_WORDS:
                    found = TARGET
                elif plain in _IMAGE_WORDS and found == UNKNOWN:
                    found = IMAGE
    return found


def channels(leaf: Tensor) -> int:
    """Return the size of the dim that most likely counts the channels."""
    shape = leaf.shape
    if len(shape) < 4 or (shape[1] not in _CHANNELS and shape[-3] in _CHANNELS):
        return shape[-3]
    return shape[1]


def has_image_channels(leaf: Tensor) -> bool:
    """Whether a tensor has 1, 3 or 4 channels, wherever they are."""
    return channels(leaf) in _CHANNELS or is_channels_last(leaf)


def has_colours(leaf: Tensor) -> bool:
    """Whether a tensor has 3 or 4 channels."""
    return channels(leaf) in _COLOURS


def is_channels_last(leaf: Tensor) -> bool:
    """Whether the shape is (..., height, width, channels); unclear ones are not.

    The memory format of torch has the same name, and another shape.
    """
    shape = leaf.shape
    if len(shape) < 3 or shape[-1] not in _CHANNELS:
        return False
    if channels(leaf) in _CHANNELS:
        return False
    low, high = sorted(shape[-3:-1])
    return max(_CHANNELS) < low and high <= _LONGEST * low


def alike(leaf: Tensor, path: Path, image: Tensor) -> bool:
    """Whether a tensor of 4 or more dims is an image as ``image`` is.

    Two views of a photo are, or a photo and a video; a mask or a depth map of one
    channel beside colours is not, nor is a map of one channel per class.
    """
    named = standing(path)
    if named != UNKNOWN:
        return named == IMAGE
    mine, its = channels(leaf), channels(image)
    return leaf.is_floating_point() == image.is_floating_point() and (
        mine == its or (mine in _COLOURS and its in _COLOURS)
    )
