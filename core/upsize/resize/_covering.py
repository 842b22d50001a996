"""Tensors that cover the images pixel by pixel, with nothing that says what they are.

To leave one at full size beside small images would be silently wrong, and so would it
be to blend labels: such a batch is refused when it is to change its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from upsize.resize._containers import find, item_of
from upsize.resize._coordinates import coordinates
from upsize.resize._listed import ImageList
from upsize.resize._looks import APART, UNKNOWN, alike, standing
from upsize.resize._policies import CANDIDATE, INPUT
from upsize.resize._roles import Role
from upsize.resize._shown import Path, label, spell

__all__ = ["check_covering", "check_labels", "check_moved"]

_SHOWN = 4
#: A photo has more values than this, and few label maps have as many.
_LABELS = 16
_SAMPLES = 4


def check_covering(
    batch: Any, roles: list[Role], listed: ImageList | None, image: Tensor | None
) -> None:
    """Refuse tensors of the size of the images that are neither image nor target.

    Args:
        batch: The batch.
        roles: Every (path, leaf, role).
        listed: The list that the images are in.
        image: An image, where the user named them all: what looks like it was left
            out on purpose.

    Raises:
        ValueError: Naming all of them, and the cures.
    """
    suspects = [
        (path, leaf)
        for path, leaf, role in roles
        if role is None and isinstance(leaf, Tensor) and _has_pixels(leaf)
    ]
    if not suspects:
        return
    sizes = {
        tuple(leaf.shape[-2:])
        for _, leaf, role in roles
        if role in (INPUT, CANDIDATE) and isinstance(leaf, Tensor)
    }
    found = {}
    for path, leaf in suspects:
        if standing(path) == APART or _is_left_out(leaf, path, image):
            continue
        own = _sizes_of(batch, path, listed, sizes)
        if tuple(leaf.shape[-2:]) in own:
            found[path] = leaf
        elif leaf.ndim > 3 and tuple(leaf.shape[-3:-1]) in own:
            raise ValueError(_channels_last(path, leaf))
    if found:
        raise ValueError(_refusal(batch, found))


def check_labels(batch: Any, roles: list[Role], image: Tensor) -> None:
    """Refuse what looks like an image by its shape, and like labels by its values.

    Reading values waits for the device: ask once in a training, not at every batch.

    Args:
        batch: The batch.
        roles: Every (path, leaf, role).
        image: The image that the others look like.

    Raises:
        ValueError: Naming all of them, and the cures.
    """
    others = {
        path: leaf
        for path, leaf, role in roles
        if role == CANDIDATE and leaf is not image and standing(path) == UNKNOWN
    }
    if not others or image.is_meta or _has_labels(image):
        return
    found = {path: leaf for path, leaf in others.items() if _has_labels(leaf)}
    if found:
        raise ValueError(_refusal(batch, found))


def check_moved(roles: list[Role]) -> None:
    """Refuse coordinates without a policy, beside images of which windows are cut.

    A window moves even those that are fractions of the image.

    Raises:
        ValueError: Naming the first of them, and the cures.
    """
    for path, leaf, role in roles:
        if role is not None or not isinstance(leaf, Tensor) or leaf.is_nested:
            continue
        kind = coordinates(path, leaf, role)
        if kind:
            raise ValueError(
                f"{label(path)} of shape {tuple(leaf.shape)} has the name of {kind}, "
                'and mode="crop" cuts windows out of the images: say '
                f'targets={{{spell(path)}: "{kind}"}} if they are in pixels of the '
                'images, or "keep" if they do not lie in the images'
            )


def _has_labels(leaf: Tensor) -> bool:
    """Whether the first samples hold a few whole numbers: at least two."""
    with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
        values = torch.unique(leaf[:_SAMPLES])
        if not 2 <= values.numel() <= _LABELS:
            return False
        return bool((values == values.round()).all())


def _has_pixels(leaf: Tensor) -> bool:
    return not leaf.is_nested and leaf.layout is torch.strided and leaf.ndim >= 3


def _sizes_of(
    batch: Any, path: Path, listed: ImageList | None, sizes: set[tuple[int, ...]]
) -> set[tuple[int, ...]]:
    """Return the sizes of the image that the leaf at ``path`` belongs to."""
    if listed is None:
        return sizes
    item = item_of(batch, path, listed.path, len(listed.sizes))
    return sizes if item is None else {tuple(listed.sizes[item])}


def _is_left_out(leaf: Tensor, path: Path, image: Tensor | None) -> bool:
    """Whether a tensor looks like an image that the user did not name as one."""
    if image is None or standing(path) < UNKNOWN:
        return False
    has_dtype = leaf.is_floating_point() or leaf.dtype == torch.uint8
    return has_dtype and alike(leaf, path, image)


def _refusal(batch: Any, found: dict[Path, Tensor]) -> str:
    names = list(dict.fromkeys(_names(batch, found)))
    shown = ", ".join(
        _described(path, leaf) for path, leaf in list(found.items())[:_SHOWN]
    )
    more = f" and {len(found) - _SHOWN} more" * (len(found) > _SHOWN)
    policies = ", ".join(f'{spell(name)}: "mask"' for name in names[:_SHOWN])
    stereo = any("disp" in str(key).lower() for path in found for key in path)
    disparity = '"disparity" for the pixels between stereo images, ' * stereo
    one, several = ("has", "it", "its"), ("have", "them", "their")
    has, it, its = several if len(found) > 1 else one
    return (
        f"{shown}{more} {has} the size of the images, and nothing says how to resize "
        f"{it}: say Resizer(targets={{{policies}}}) to pick {its} pixels, with "
        f'"image" to blend {it}, "flow" for optical flow, {disparity}or "keep" to leave '
        f"{it} at this size; or name all images in images="
    )


def _channels_last(path: Path, leaf: Tensor) -> str:
    return (
        f"{_described(path, leaf)} has the size of the images, but not in its last two "
        "dims: convert it to shape (..., channels, height, width) and say "
        f'targets={{{spell(path)}: "mask"}}, "image" or "flow"; "keep" leaves it at '
        "this size"
    )


def _described(path: Path, leaf: Tensor) -> str:
    dtype = str(leaf.dtype).removeprefix("torch.")
    return f"{label(path)} ({dtype}, shape {tuple(leaf.shape)})"


def _names(batch: Any, found: dict[Path, Tensor]) -> Iterator[Path]:
    """Spell each path as short as ``targets`` allows: a whole list, or every item."""
    for path in found:
        every = tuple(
            ... if isinstance(key, int) and depth else key
            for depth, key in enumerate(path)
        )
        if not _all_found(batch, every, found):
            yield path
            continue
        while len(every) > 1 and every[-1] is ...:
            every = every[:-1]
        yield every


def _all_found(batch: Any, path: Path, found: dict[Path, Tensor]) -> bool:
    try:
        return set(find(batch, path, "targets")) <= set(found)
    except LookupError:  # not every item has it
        return False
