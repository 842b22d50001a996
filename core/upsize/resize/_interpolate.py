"""One tensor to a size in pixels: what torch's kernels lack is made up for here."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from upsize.schedule._shown import shown

__all__ = [
    "MODES",
    "Mode",
    "check_dense",
    "check_image_shape",
    "check_mode",
    "interpolate",
    "with_type_of",
]

Mode = Literal["bilinear", "bicubic", "area", "nearest", "nearest-exact"]
MODES: tuple[str, ...] = get_args(Mode)
_NEAREST = ("nearest", "nearest-exact")
_ANTIALIASED = ("bilinear", "bicubic")


def interpolate(
    images: Tensor,
    size: tuple[int, int],
    mode: Mode,
    antialias: bool,
    name: str = "images",
) -> Tensor:
    """Resize the last two dims of ``images``, which errors call ``name``."""
    _check_images(images, mode, name)
    if images.shape[-2:] == size:
        return images
    # F.interpolate would drop the type of a torchvision image and the attributes of
    # any subclass: compute on plain values, then put both back.
    with torch._C.DisableTorchFunctionSubclass():
        resized = _resize_volume(images, size, mode, antialias)
        if resized.dtype != images.dtype:  # computed in float32, or by autocast
            resized = _cast(resized, images.dtype)
    return with_type_of(images, resized)


def check_mode(mode: str) -> None:
    """Refuse an unknown mode."""
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {shown(mode)}")


def check_dense(leaf: Tensor, name: str) -> None:
    """Refuse sparse tensors, nested ones and those of MKL-DNN."""
    if leaf.layout is not torch.strided or leaf.is_nested:
        kind = "nested" if leaf.is_nested else str(leaf.layout)
        raise TypeError(
            f"{name} must be a dense tensor, not a {kind} one: convert it, as by "
            "to_dense()"
        )


def check_image_shape(images: Tensor, name: str) -> None:
    """Refuse what has no pixels."""
    check_dense(images, name)
    if images.ndim < 2 or 0 in images.shape[-2:]:
        raise ValueError(
            f"{name} must have shape (..., height, width) with at least one pixel, "
            f"not {tuple(images.shape)}"
        )


def _check_images(images: Tensor, mode: Mode, name: str) -> None:
    """Refuse what ``mode`` cannot resize."""
    check_image_shape(images, name)
    if images.is_complex():
        raise TypeError(
            f"{name} must not be complex, but is {images.dtype}: resize its real and "
            "imaginary parts (torch.view_as_real) one by one"
        )
    blends = mode not in _NEAREST
    if blends and not (images.is_floating_point() or images.dtype == torch.uint8):
        raise TypeError(
            f"{name} must be floating or uint8 for mode={mode!r}, not {images.dtype}: "
            'labels are never blended. Use mode="nearest-exact" for labels, or convert '
            "images to float"
        )


def _resize_volume(
    images: Tensor, size: tuple[int, int], mode: Mode, antialias: bool
) -> Tensor:
    """Resize any rank as (N, C, H, W), keeping the order in memory."""
    if images.ndim == 4 and images.numel():
        return _resize_planes(images, size, mode, antialias)
    if (
        images.ndim == 5
        and not images.is_contiguous()
        and images.is_contiguous(memory_format=torch.channels_last_3d)
    ):
        # In memory these are channels_last frames (N, D, H, W, C).
        frames = images.transpose(1, 2)
        return _resize_volume(frames, size, mode, antialias).transpose(1, 2)
    if images.numel() == 0:  # torch refuses zero channels, but not a batch of zero
        planes = images.reshape(0, 1, *images.shape[-2:])
    elif images.ndim < 4:
        planes = images.reshape(1, *(1,) * (3 - images.ndim), *images.shape)
    else:
        planes = images.flatten(0, -4)
    resized = _resize_planes(planes, size, mode, antialias)
    return resized.reshape(*images.shape[:-2], *size)


def _resize_planes(
    planes: Tensor, size: tuple[int, int], mode: Mode, antialias: bool
) -> Tensor:
    """Resize (N, C, H, W), in float32 where torch has no kernel for the dtype."""
    if mode in _NEAREST:
        return _pick_nearest(planes, size, exact=mode == "nearest-exact")
    antialias = antialias and mode in _ANTIALIASED
    if _needs_float32(planes, antialias, mode) or _is_one_rgb_pixel(planes, size):
        planes = planes.float()
    return F.interpolate(planes, size=size, mode=mode, antialias=antialias)


def _needs_float32(planes: Tensor, antialias: bool, mode: Mode) -> bool:
    """Whether torch has no kernel to blend this dtype on this device."""
    if planes.dtype in (torch.float32, torch.float64):
        return False
    on_cpu = planes.device.type == "cpu"
    if planes.dtype in (torch.float16, torch.bfloat16):
        return on_cpu and antialias
    return not on_cpu or mode == "area" or planes.dtype != torch.uint8


def _is_one_rgb_pixel(planes: Tensor, size: tuple[int, int]) -> bool:
    """Whether torch's kernel for RGB bytes takes one pixel for another layout."""
    return planes.dtype == torch.uint8 and planes.shape[1] == 3 and size == (1, 1)


def _pick_nearest(planes: Tensor, size: tuple[int, int], exact: bool) -> Tensor:
    """Pick pixels by integer arithmetic, the same ones for every dtype and device.

    torch's own kernels take few dtypes, and multiply by a rounded ratio: where a
    sample falls on the edge between two pixels, float32 and float64 may disagree.
    """
    height, width = planes.shape[-2:]
    # index_select writes its output contiguously: let it see the order in memory.
    last = torch.channels_last
    channels_last = not planes.is_contiguous() and planes.is_contiguous(
        memory_format=last
    )
    if channels_last:
        planes = planes.permute(0, 2, 3, 1)
    rows, columns = (1, 2) if channels_last else (2, 3)
    steps = [(rows, height, size[0]), (columns, width, size[1])]
    if size[0] > height:
        steps.reverse()  # pick columns, the slower step, while there are few rows
    for dim, length, target in steps:
        index = _nearest_index(length, target, exact, planes.device)
        planes = planes.index_select(dim, index)
    return planes.permute(0, 3, 1, 2) if channels_last else planes


def _nearest_index(
    length: int, target: int, exact: bool, device: torch.device
) -> Tensor:
    """Give floor((i + 0.5) * length / target), or floor(i * length / target)."""
    i = torch.arange(target, device=device)
    return (2 * i + 1) * length // (2 * target) if exact else i * length // target


def _cast(resized: Tensor, dtype: torch.dtype) -> Tensor:
    """Return to the dtype of the input; bicubic overshoots what a uint8 holds."""
    if dtype == torch.uint8:
        resized = resized.round().clamp(0, 255)
    return resized.to(dtype)


def with_type_of(images: Tensor, resized: Tensor) -> Tensor:
    """Give ``resized`` the subclass of ``images`` and what its ``__dict__`` holds."""
    kind = type(images)
    if (
        isinstance(resized, kind)
        or isinstance(images, torch.nn.Parameter)
        # Such a class (a memory-mapped tensor) asks for plain results itself.
        or kind.__torch_function__ is torch._C._disabled_torch_function_impl
    ):
        return resized
    typed = resized.as_subclass(kind)
    vars(typed).update(vars(images))
    return typed
