"""The patches that a model cuts its images into."""

from __future__ import annotations

from torch import nn

from upsize.schedule import Size

__all__ = ["patch_of"]


def patch_of(module: nn.Module) -> Size:
    """Return the patch of the first convolution; (1, 1) if that one is not of patches.

    A convolution whose stride is its kernel leaves out what does not fill a patch.

    Example:
        >>> patch_of(nn.Sequential(nn.Conv2d(3, 8, 16, stride=16), nn.Conv2d(8, 8, 3)))
        Size(height=16, width=16)
        >>> patch_of(nn.Conv2d(3, 8, 7, stride=4, padding=3))
        Size(height=1, width=1)
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            kernel, stride = part.kernel_size[-2:], part.stride[-2:]
            if kernel == stride and not any(_padding(part)):
                return Size(*kernel)
            break
    return Size(1, 1)


def _padding(part: nn.Conv2d | nn.Conv3d) -> tuple[int, ...]:
    padding = part.padding
    return (0,) if isinstance(padding, str) else tuple(padding)
