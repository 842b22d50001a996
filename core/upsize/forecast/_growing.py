"""Larger batches while images are small: what is measured, and for which plans it holds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from upsize.forecast._blocks import Grown, Loading
from upsize.forecast._measured import MeasuredCosts
from upsize.forecast._rounds import GROWN
from upsize.forecast._setup import first_batch
from upsize.models._probe import with_images
from upsize.resize import Resizer
from upsize.schedule import Grow, Plan, Size
from upsize.schedule._shown import shown

__all__ = ["check_grow", "grow_of", "grown_loadings"]


def grow_of(
    grow: Grow | bool,
    plan: Plan | None,
    loader: Iterable[Any],
    sizes: Sequence[Size],
    resizer: Resizer,
) -> tuple[Grow | None, str | None]:
    """Return how the batch grows, with the batch of the loader, and why it cannot.

    Args:
        grow: As the user gives it; ``True``: that of the plan, or as many images as fill
            the pixels of a batch at full size.
        plan: The plan of the training, if it was given.
        loader: Its batches.
        sizes: Sizes, the full one last.
        resizer: How to find the images.

    Raises:
        TypeError: When ``grow`` is neither a ``Grow`` nor a bool.
        ValueError: When ``grow`` or the plan has another batch than the loader, or a
            limit below it.
    """
    if not isinstance(grow, Grow | bool):
        raise TypeError(
            f"grow must be Grow(...), True or False, not {shown(grow)}: Grow(256) allows "
            "256 images in a batch"
        )
    if grow is False:
        return None, None
    batch = getattr(loader, "batch_size", None)
    if not isinstance(batch, int):
        images = resizer.read(first_batch(loader)).first
        if images.ndim < 4:
            return None, "images of a batch are not one tensor"
        batch = len(images)
    if isinstance(grow, Grow):
        return grow.with_batch(batch), None
    if plan is not None and plan.grow is not None:
        return plan.grow.with_batch(batch), None
    most = max(1, *(math.prod(sizes[-1]) / math.prod(size) for size in sizes))
    return Grow(math.ceil(batch * most), batch=batch), None


def grown_loadings(
    loadings: Mapping[str, Loading], grow: Grow, sizes: Sequence[Size], resizer: Resizer
) -> tuple[dict[str, Loading], str | None]:
    """Return the ways of loading with larger batches, and why they are missing.

    Args:
        loadings: The ways of loading.
        grow: How the batch grows.
        sizes: Sizes, the full one last.
        resizer: How to find the images.
    """
    batch, full = grow.plain_batch(), sizes[-1]
    images = {size: grow.images_at(size, full=full) for size in sizes[:-1]}
    images = {size: count for size, count in images.items() if count > batch}
    if not images:
        return {}, f"no batch is larger than {batch} images"

    def enlarge(found: Any, count: int) -> Any:
        return with_images(found, count, resizer)

    grown = Grown(batch, images, enlarge)
    found = {
        f"{GROWN}{name}": replace(loading, grown=grown)
        for name, loading in loadings.items()
    }
    return found, None


def check_grow(measured: MeasuredCosts, plan: Plan) -> None:
    """Refuse a plan whose batches were not measured.

    Raises:
        ValueError: When they grow otherwise than those that were measured.
    """
    assert measured.grow is not None  # there are costs of it
    assert plan.grow is not None
    for size in plan.sizes:
        theirs = plan.grow.images_at(size, full=plan.final_size)
        mine = measured.grow.images_at(size, full=plan.final_size)
        if theirs != mine:
            raise ValueError(
                f"the plan has {theirs} images in a batch at {size}, and {mine} were "
                f"measured: measure again with grow={plan.grow!r}"
            )
