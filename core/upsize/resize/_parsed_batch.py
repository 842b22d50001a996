"""A batch as it was read: what its leaves are, and the batch at another size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from upsize.resize._containers import find, parse, replace
from upsize.resize._interpolate import Mode
from upsize.resize._listed import ImageList, image_list
from upsize.resize._policies import CANDIDATE, INPUT, SizeChange, resize_leaf
from upsize.resize._roles import Role, assign, first_image
from upsize.resize._shown import Path
from upsize.schedule import Size
from upsize.schedule._ratio import in_ratio
from upsize.schedule._size import as_size

__all__ = ["ParsedBatch", "Rules", "parse_batch", "roles_in"]

Batch = TypeVar("Batch")
_PLAIN_IMAGES = (torch.float32, torch.float16, torch.bfloat16, torch.uint8)


class Rules(NamedTuple):
    """How a resizer finds and resizes images: its fields, checked.

    ``named`` holds the role of each path that ``images`` or ``targets`` names;
    ``automatic`` says whether other tensors may be images, by their shape and dtype.
    """

    mode: Mode
    antialias: bool
    named: Mapping[Path, str]
    automatic: bool


class _Walk(NamedTuple):
    """A batch that was walked: its containers as nodes, and the role of each leaf."""

    tree: Any
    roles: list[Role]


class ParsedBatch(Generic[Batch]):
    """A batch that was read once, by :meth:`upsize.resize.Resizer.read`."""

    __slots__ = ("_batch", "_first", "_full", "_listed", "_rules", "_walk")

    def __init__(
        self,
        batch: Batch,
        rules: Rules,
        full: Size | None,
        first: Tensor,
        walk: _Walk | None,
        listed: ImageList | None,
    ) -> None:
        self._batch, self._rules, self._full = batch, rules, full
        self._first, self._walk, self._listed = first, walk, listed

    @property
    def first(self) -> Tensor:
        """The first image, unchanged."""
        return self._first

    @property
    def listed(self) -> ImageList | None:
        """The list that the images are in, if they come one by one."""
        return self._listed

    @property
    def size(self) -> Size:
        """Size of the images; for a list of images the full size that was given.

        Raises:
            ValueError: When the images in a list differ, and no full size was given.
        """
        if self._listed is None:
            return Size(*self._first.shape[-2:])
        return self._listed.size if self._full is None else self._full

    @property
    def roles(self) -> list[Role]:
        """Every (path, leaf, role) of the batch."""
        return self._walked().roles

    def at(
        self,
        size: int | tuple[int, int],
        *,
        full: int | tuple[int, int] | None = None,
    ) -> Batch:
        """Return the batch with its images and targets at ``size``.

        Args:
            size: Pixels: (height, width), or one side of a square.
            full: The full size, see :meth:`Resizer.__call__
                <upsize.resize.Resizer.__call__>`; default: that of the first image, or
                what :attr:`size` says of a list of images.

        Raises:
            TypeError, ValueError: As the resizer's call.
        """
        size = as_size(size)
        walk = self._walked()
        change_of = self._changes(walk, size, None if full is None else as_size(full))
        changed = {}
        for path, leaf, role in walk.roles:  # torch.compile traces no := in {...}
            if role and role != "keep" and leaf is not None:
                new = resize_leaf(role, leaf, path, change_of(path))
                if new is not leaf:
                    changed[path] = new
        return replace(walk.tree, changed) if changed else self._batch

    def _walked(self) -> _Walk:
        if self._walk is None:
            return _walk(self._batch, self._rules)
        return self._walk

    def _changes(
        self, walk: _Walk, size: Size, full: Size | None
    ) -> Callable[[Path], SizeChange]:
        """Return what is asked of the leaf at a path, by the size of its image."""
        mode, antialias, *_ = self._rules
        listed = self._listed
        if listed is None:
            first = self._first
            if full is not None:
                first = first_image(walk.roles, (full, size))[1]
            image = Size(*first.shape[-2:])
            same = SizeChange(size, full or image, image, mode, antialias)
            return lambda _: same
        whole = full or self.size

        def change_of(path: Path) -> SizeChange:
            own = listed.size_of(walk.tree, path)
            share = in_ratio(own, size, of=whole)
            return SizeChange(share, own, own, mode, antialias)

        return change_of


def parse_batch(batch: Batch, rules: Rules, full: Size | None) -> ParsedBatch[Batch]:
    """Find the images and targets in ``batch``, see :meth:`Resizer.read`."""
    if (
        rules.automatic
        and not rules.named
        and (first := _plain_first(batch)) is not None
    ):
        return ParsedBatch(batch, rules, full, first, None, None)
    tree, roles = walk = _walk(batch, rules)
    path, first = first_image(roles)
    listed = None
    if first.ndim == 3:
        listed = image_list(tree, path, roles, whole=rules.named.get(()) == INPUT)
    if listed is not None:
        # What only looks like an image is one in the list alone.
        inside = listed.path
        roles = [
            (path, leaf, None if role == CANDIDATE and path[:-1] != inside else role)
            for path, leaf, role in roles
        ]
        walk = _Walk(tree, roles)
    return ParsedBatch(batch, rules, full, first, walk, listed)


def roles_in(batch: Any, rules: Rules) -> list[Role]:
    """Give (path, leaf, role) of every leaf in ``batch``, which may have no image."""
    return _walk(batch, rules).roles


def _walk(batch: Any, rules: Rules) -> _Walk:
    tree, leaves = parse(batch)
    named = {
        path: role
        for name, role in rules.named.items()
        for path in find(tree, name, "images" if role == INPUT else "targets")
    }
    return _Walk(tree, assign(tree, leaves, named, rules.automatic))


def _plain_first(batch: Any) -> Tensor | None:
    """Return the first image of a plain tensor, or of a tuple or list of such.

    Nearly every batch is one, and nothing else is read until it is resized.
    """
    parts = batch if type(batch) in (tuple, list) and batch else (batch,)
    for part in parts:  # not all(...): this runs at every step, resized or not
        if type(part) is not Tensor:
            return None
    image: Tensor = parts[0]
    plain = image.ndim >= 4 and image.dtype in _PLAIN_IMAGES and not image.is_nested
    return image if plain else None
