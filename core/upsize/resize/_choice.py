"""Which of the tensors that may be images are: the largest, and what is like it."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from upsize.resize._containers import node_at
from upsize.resize._listed import looks_listed
from upsize.resize._looks import (
    IMAGE,
    alike,
    channels,
    has_colours,
    has_image_channels,
    is_channels_last,
    standing,
)
from upsize.resize._policies import CANDIDATE, INPUT
from upsize.resize._roles import Role, no_image
from upsize.resize._shown import Path, label, spell
from upsize.schedule import Size

__all__ = ["Choice", "choose"]

_Leaf = tuple[Path, Tensor]
#: Smaller ones are matrices, of cameras for example.
_SMALLEST = 5


class Choice(NamedTuple):
    """The role of every leaf, the first image, and the main one: it has the full size.

    A CANDIDATE is an image of that size; an image of another size is an INPUT.
    """

    roles: list[Role]
    path: Path
    first: Tensor
    main: Tensor


def choose(
    batch: Any,
    roles: list[Role],
    full: Size | None = None,
    sizes: tuple[Size, Size] | None = None,
) -> Choice:
    """Choose the images: what is named or typed as one, or else looks most like one.

    Args:
        batch: The batch.
        roles: Every (path, leaf, role); CANDIDATE where it may be an image.
        full: The size that is the full one, where one of several images has it;
            ``None``, or where none has: the largest is.
        sizes: The two sizes of what only looks like an image; ``None``: any.

    Raises:
        ValueError: When there is no image, or its channels come last.
    """
    inputs: list[_Leaf] = []
    candidates: list[_Leaf] = []
    for path, leaf, role in roles:  # once: this runs at every step
        if role is None:
            continue
        if role == CANDIDATE:
            candidates.append((path, leaf))
        elif role == INPUT and isinstance(leaf, Tensor) and leaf.ndim >= 2:
            inputs.append((path, leaf))
    found = inputs or candidates
    if sizes is not None and not inputs:
        found = [(path, leaf) for path, leaf in found if _size(leaf) in sizes]
    if not found:
        raise ValueError(no_image(roles, sizes))
    first = path, main = found[0]
    if len(found) > 1:
        rank = _fitness if inputs else _likeness
        path, main = _best(batch, found, rank, sizes or (full,))
    for place, leaf in inputs or [(path, main)]:
        if is_channels_last(leaf):
            raise ValueError(_channels_last(place, leaf))
    if len(candidates) + len(inputs) > 1 and candidates:
        roles = _settled(batch, roles, path, main, sizes)
        if not inputs:
            first = _first(roles)
    return Choice(roles, *first, main)


def _first(roles: list[Role]) -> _Leaf:
    """Return the first of what was chosen by its looks."""
    images = ((path, leaf) for path, leaf, role in roles if role in (CANDIDATE, INPUT))
    return next(images)


def _best(
    batch: Any, found: list[_Leaf], rank: Any, sizes: tuple[Size | None, ...]
) -> _Leaf:
    """Return what ranks highest, the first of equals."""
    best, chosen = None, found[0]
    lists: dict[Path, bool] = {}
    for path, leaf in found:
        listed = False
        if leaf.ndim == 3:
            parent = path[:-1]
            if lists.get(parent):
                continue  # its first image stands for the list
            listed = lists[parent] = looks_listed(batch, parent)
        mine = rank(path, leaf, listed, sizes)
        if best is None or mine > best:
            best, chosen = mine, (path, leaf)
    return chosen


def _size(leaf: Tensor) -> tuple[int, int]:
    height, width = leaf.shape[-2:]
    return height, width


def _fitness(
    _path: Path, leaf: Tensor, _listed: bool, sizes: tuple[Size | None, ...]
) -> tuple[Any, ...]:
    """Rank what is an image by its name or type: by its size."""
    size = _size(leaf)
    known = [-place for place, wanted in enumerate(sizes) if size == wanted]
    return bool(known), known, size[0] * size[1]


def _likeness(
    path: Path, leaf: Tensor, listed: bool, sizes: tuple[Size | None, ...]
) -> tuple[Any, ...]:
    """Rank what may be an image: by its keys, its rank, its channels and its size."""
    has = has_image_channels(leaf)
    height, width = leaf.shape[-3:-1] if is_channels_last(leaf) else leaf.shape[-2:]
    return (
        standing(path),
        leaf.ndim > 3 or (listed and has),
        has,
        (height, width) == sizes[0],
        height * width,
        has_colours(leaf),
        leaf.is_floating_point(),
    )


def _settled(
    batch: Any,
    roles: list[Role],
    path: Path,
    main: Tensor,
    sizes: tuple[Size, Size] | None,
) -> list[Role]:
    """Give the role of an image to no candidate but those that are like ``main``."""
    sides = sizes or (main.shape[-2:],)
    own = path[:-1]
    is_listed = main.ndim == 3 and looks_listed(batch, own)
    parents: dict[Path, bool] = {}
    settled: list[Role] = []
    for place, leaf, role in roles:
        if role == CANDIDATE and place != path:
            parent = place[:-1]
            if main.ndim == 3 or leaf.ndim == 3:
                # One by one: images are those in the list of the first.
                role = CANDIDATE if is_listed and parent == own else None
            elif not alike(leaf, place, main):
                role = None
            elif leaf.shape[-2:] not in sides:
                if parent not in parents:
                    parents[parent] = _is_list_of_images(batch, parent, main)
                named = standing(place) == IMAGE and _is_crop(leaf, main)
                role = INPUT if named or parents[parent] else None
        settled.append((place, leaf, role))
    return settled


def _is_list_of_images(batch: Any, path: Path, image: Tensor) -> bool:
    """Whether a list or tuple has nothing but colour images as ``image`` is one."""
    node = node_at(batch, path)
    return type(node) in (list, tuple) and all(
        isinstance(leaf, Tensor) and _is_crop(leaf, image) for leaf in node
    )


def _is_crop(leaf: Tensor, image: Tensor) -> bool:
    """Whether a tensor is a colour image as ``image`` is, of any size but a tiny one."""
    return (
        leaf.ndim == image.ndim
        and leaf.dtype == image.dtype
        and has_colours(leaf)
        and channels(leaf) == channels(image)
        and min(_size(leaf)) >= _SMALLEST
    )


def _channels_last(path: Path, leaf: Tensor) -> str:
    order = (*range(leaf.ndim - 3), leaf.ndim - 1, leaf.ndim - 3, leaf.ndim - 2)
    other = (
        f'; if it is not an image, say targets={{{spell(path)}: "keep"}}'
        if path
        else ""
    )
    return (
        f"{label(path)} of shape {tuple(leaf.shape)} has its channels last, and images "
        "must have shape (..., channels, height, width): convert it by "
        f".permute{order} in the dataset, or before upsize{other}"
    )
