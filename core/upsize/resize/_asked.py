"""What is asked of each leaf of a batch, when its images get another size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

from upsize.resize._change import SizeChange
from upsize.resize._grid import Grid, grid_of, own_window
from upsize.resize._interpolate import Mode
from upsize.resize._listed import ImageList
from upsize.resize._policies import INPUT
from upsize.resize._roles import Role
from upsize.resize._shown import Path
from upsize.schedule import Size
from upsize.schedule._ratio import in_ratio

__all__ = ["ChangeOf", "Rules", "changes_beside", "changes_listed"]

ChangeOf: TypeAlias = Callable[[Path, Any, str], SizeChange]


class Rules(NamedTuple):
    """How a resizer finds and resizes images: its fields, checked.

    ``named`` holds the role of each path that ``images`` or ``targets`` names;
    ``automatic`` says whether other tensors may be images, by their shape and dtype.
    With a ``seed`` windows are cut out instead, drawn by it and the step.
    """

    mode: Mode
    antialias: bool
    named: Mapping[Path, str]
    automatic: bool
    seed: int | None = None


def changes_beside(
    rules: Rules, roles: list[Role], size: Size, full: Size, image: Size, step: int
) -> ChangeOf:
    """Return what is asked of a leaf beside an image.

    Args:
        rules: How images are resized.
        roles: Every (path, leaf, role), with the images chosen.
        size: The new size of the image.
        full: The full size.
        image: Its size now.
        step: The step of a window.
    """
    mode, antialias, *_ = rules
    grid = _grid(rules, roles, [image, *_other_sizes(roles, image)], step)
    corner = None if grid is None else grid.corner(size, image)
    same = SizeChange(size, full, image, mode, antialias, corner)

    def change_of(_: Path, leaf: Any, role: str) -> SizeChange:
        if role != INPUT or not isinstance(leaf, Tensor) or leaf.ndim < 2:
            return same
        own = Size(*leaf.shape[-2:])
        if own == image:
            return same
        if grid is None:
            share = in_ratio(own, size, of=image)
            return same._replace(size=share, full=own, image=own)
        share = own_window(own, size, image)
        corner = grid.corner(share, own)
        return same._replace(size=share, full=own, image=own, corner=corner)

    return change_of


def changes_listed(
    rules: Rules,
    walk: tuple[Any, list[Role]],
    listed: ImageList,
    size: Size,
    full: Size,
    step: int,
) -> ChangeOf:
    """Return what is asked of a leaf, by the size of its own image in a list.

    Args:
        rules: How images are resized.
        walk: The batch, and every (path, leaf, role).
        listed: The list that the images are in.
        size: The new size, as a share of ``full``.
        full: The full size.
        step: The step of a window.
    """
    tree, roles = walk
    mode, antialias, *_ = rules
    grid = _grid(rules, roles, None, step)

    def change_of(path: Path, leaf: Any, role: str) -> SizeChange:  # noqa: ARG001
        own = listed.size_of(tree, path)
        share = in_ratio(own, size, of=full)
        corner = None if grid is None else grid.corner(share, own)
        return SizeChange(share, own, own, mode, antialias, corner)

    return change_of


def _grid(
    rules: Rules, roles: list[Role], images: Iterable[Size] | None, step: int
) -> Grid | None:
    """Return where windows begin at a step; ``None``: images are resized."""
    seed = rules.seed
    if seed is None:
        return None
    return grid_of(seed, step, (role for _, _, role in roles), images)


def _other_sizes(roles: list[Role], image: Size) -> set[Size]:
    """Return the sizes of the images of a batch that have not the main one's."""
    inputs = [
        leaf
        for _, leaf, role in roles
        if role == INPUT and isinstance(leaf, Tensor) and leaf.ndim >= 2
    ]
    return {Size(*leaf.shape[-2:]) for leaf in inputs} - {image}
