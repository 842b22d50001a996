"""Batches whose images come one by one in a list, each at its own size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from upsize.resize._containers import item_of, node_at
from upsize.resize._shown import Path, label
from upsize.schedule import Size

__all__ = ["ImageList", "image_list", "looks_listed"]


class ImageList(NamedTuple):
    """Where a batch has its list of images, and the size of each."""

    path: Path
    sizes: list[Size]

    @property
    def size(self) -> Size:
        """The one size of all of them.

        Raises:
            ValueError: When they differ.
        """
        if len(set(self.sizes)) > 1:
            raise ValueError(
                f"the images in {label(self.path)} differ in size ({self._shown()}): "
                "each shrinks by the same factor, size / full size, so give the full size: "
                "final_size of the schedule, or full= of the resizer. A sized loader "
                "must make them at one size"
            )
        return self.sizes[0]

    def size_of(self, batch: Any, path: Path) -> Size:
        """Return the size of the image that the leaf at ``path`` belongs to.

        Raises:
            ValueError: When there is no way to tell.
        """
        if path[:-1] == self.path:
            return self.sizes[cast(int, path[-1])]
        item = item_of(batch, path, self.path, len(self.sizes))
        if item is not None:
            return self.sizes[item]
        if len(set(self.sizes)) == 1:
            return self.sizes[0]
        raise ValueError(
            f"cannot tell to which of the {len(self.sizes)} images in "
            f"{label(self.path)} {label(path)} belongs, and they differ in size "
            f"({self._shown()}): put the targets into a list with one item per image"
        )

    def _shown(self) -> str:
        return ", ".join(map(str, self.sizes[:4])) + ", ..." * (len(self.sizes) > 4)


def looks_listed(batch: Any, path: Path) -> bool:
    """Whether at ``path`` is a list of images (channels, height, width).

    Not the batch itself: that is a sample, with an image first.
    """
    return bool(path) and _is_list(node_at(batch, path))


def image_list(
    batch: Any,
    first: Path,
    roles: Iterable[tuple[Path, Any, str | None]],
    *,
    whole: bool,
) -> ImageList | None:
    """Return the list that the ``first`` image of a batch is in, or None.

    Args:
        batch: The batch.
        first: Path of the first image.
        roles: What is known of every leaf: all items of the list must be what that
            first one is.
        whole: Whether the batch itself may be the list.
    """
    path = first[:-1]
    if not first or not (path or whole) or not _is_list(node_at(batch, path)):
        return None
    inside = [(leaf, role) for place, leaf, role in roles if place[:-1] == path]
    if len({role for _, role in inside}) > 1:
        return None
    return ImageList(path, [Size(*leaf.shape[-2:]) for leaf, _ in inside])


def _is_list(node: Any) -> bool:
    """Whether ``node`` is a plain list or tuple of nothing but images of 3 dims."""
    return (
        isinstance(node, tuple | list)
        and not hasattr(node, "_fields")
        and all(
            isinstance(leaf, Tensor)
            and leaf.ndim == 3
            and (leaf.is_floating_point() or leaf.dtype == torch.uint8)
            for leaf in node
        )
    )
