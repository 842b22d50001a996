"""Presets of sizes that grow evenly: ramps, and sizes interpolated over time."""

from __future__ import annotations

import math
from fractions import Fraction
from numbers import Real
from typing import Any, Literal, cast

from upsize.schedule._fields import choose
from upsize.schedule._linear import Linear
from upsize.schedule._moment import IncreaseMode
from upsize.schedule._ramp import Ramp
from upsize.schedule._shown import shown
from upsize.schedule._size import require_whole_number

__all__ = ["FFCV", "composer", "fastxtend", "ffcv", "mosaic"]

#: Of each recipe: initial_scale and delay_fraction.
_MOSAIC = {"mild": (0.5, 0.4), "medium": (0.5, 0.4), "hot": (0.6, 0.2)}
#: Of each published number of epochs: start_ramp and end_ramp.
FFCV = {
    16: (11, 13),
    24: (17, 20),
    32: (23, 27),
    40: (29, 34),
    56: (41, 48),
    88: (65, 76),
}


def _share(name: str, value: Any, allowed: str = "[0, 1]") -> Fraction:
    """Return a share exactly, ``0.7`` as 7/10, or refuse it by its name."""
    share = float(value) if isinstance(value, Real) else math.nan
    if not 0 <= share <= 1 or (share == 0 and allowed == "(0, 1]"):
        raise ValueError(f"{name} must be a share in {allowed}, not {shown(value)}")
    return Fraction(str(share))


def fastxtend(**ramp: Any) -> Ramp:
    """Return fastxtend's ``ProgressiveResize``: half size, then 4 px a step.

    Args:
        **ramp: Fields of :class:`Ramp`, whose names and defaults are fastxtend's;
            ``increase_mode="epoch"`` for its other mode.

    Note:
        Source: fastxtend 0.1.7, callback/progresize.

    Example:
        >>> plan = fastxtend(final_size=224).plan(epochs=20, steps_per_epoch=147)
        >>> len(plan.sizes), round(1 - plan.pixel_share, 3)
        (29, 0.48)
    """
    return Ramp(**ramp)


def composer(
    initial_scale: float = 0.5,
    delay_fraction: float = 0.5,
    finetune_fraction: float = 0.2,
    size_increment: int = 4,
    *,
    final_size: int | tuple[int, int] | None = None,
    increase_mode: Literal["batch", "epoch"] = "batch",
) -> Linear:
    """Return MosaicML Composer's ``ProgressiveResizing``, with its parameters.

    Args:
        initial_scale: First size as a share of the full one, in (0, 1].
        delay_fraction: Share of training before growth begins.
        finetune_fraction: Share of training at full size at the end.
        size_increment: Every size is a multiple of this. A ``final_size`` that is not a
            multiple is refused (Composer itself ends at 224 for images of 225).
        final_size: Full size in pixels; ``None``: given to ``plan()``.
        increase_mode: ``"batch"``: like a ``max_duration`` in batches or samples;
            ``"epoch"``: like one in epochs, where Composer counts whole epochs.

    Raises:
        ValueError: For a share that is not allowed, or shares that leave no time to grow.

    Note:
        Size = m round(W (i + (1 - i) f) / m), f = clip((t - delay) / (1 - finetune -
        delay), 0, 1). Source: Composer, algorithms/progressive_resizing. It leaves the
        batch size and the learning rate alone.

    Example:
        >>> plan = composer(final_size=224).plan(total_steps=1000)
        >>> print(plan.size_at(500), plan.size_at(650), plan.size_at(800))
        112x112 168x168 224x224
    """
    initial = _share("initial_scale", initial_scale, "(0, 1]")
    delay = _share("delay_fraction", delay_fraction)
    finish = 1 - _share("finetune_fraction", finetune_fraction)
    if finish < delay:
        raise ValueError(
            f"delay_fraction={delay_fraction} and finetune_fraction={finetune_fraction} "
            "leave no time to grow: their sum must be at most 1"
        )
    return Linear(
        initial_size=float(initial),
        final_size=final_size,
        start=float(delay),
        finish=float(finish),
        multiple_of=require_whole_number("size_increment", size_increment),
        increase_mode=cast(IncreaseMode, increase_mode),
    )


def mosaic(
    recipe: Literal["mild", "medium", "hot"] = "mild", *, final_size: int = 176
) -> Linear:
    """Return the progressive resizing of Mosaic's published ResNet-50 recipes.

    Args:
        recipe: ``"mild"`` and ``"medium"`` grow from one half between 40 % and 80 % of
            training, ``"hot"`` from 0.6 between 20 % and 80 %.
        final_size: The recipes train at 176 and evaluate at 224.

    Raises:
        ValueError: For an unknown recipe.

    Note:
        The recipes also use FixRes, BlurPool, channels_last and more. Source: Composer,
        examples/resnet_imagenet and benchmarks/blogs/resnet/recipes.

    Example:
        >>> plan = mosaic("hot").plan(total_steps=1000)
        >>> round(1 - plan.pixel_share, 3)
        0.338
    """
    initial_scale, delay_fraction = choose("recipe", recipe, _MOSAIC)
    return composer(initial_scale, delay_fraction, final_size=final_size)


def ffcv(
    epochs: int | None = None,
    *,
    min_res: int = 160,
    max_res: int = 192,
    start_ramp: int | None = None,
    end_ramp: int | None = None,
) -> Linear:
    """Return the resolution ramp of FFCV's ImageNet trainer, in multiples of 32.

    Args:
        epochs: One of FFCV's published lengths (16, 24, 32, 40, 56 or 88), which sets
            the ramp; ``None``: ``start_ramp`` and ``end_ramp`` set it.
        min_res: First size in pixels, a multiple of 32.
        max_res: Last size in pixels, a multiple of 32.
        start_ramp: Last epoch, from 0, at ``min_res``.
        end_ramp: First epoch at ``max_res``.

    Raises:
        ValueError: For another length, and when the ramp is given twice or not at all.

    Note:
        Between the two epochs the size is interpolated and rounded, and a half to the
        even multiple. FFCV evaluates at 256 pixels. Source: ffcv-imagenet,
        train_imagenet.py, get_resolution, and rn50_configs.

    Example:
        >>> plan = ffcv(epochs=16).plan(epochs=16, steps_per_epoch=100)
        >>> print(plan.size_at(1199), plan.size_at(1200), plan.size_at(1300))
        160x160 192x192 192x192
    """
    if epochs is not None:
        if start_ramp is not None or end_ramp is not None:
            raise ValueError(
                f"epochs={epochs} already sets the ramp: leave out start_ramp and "
                "end_ramp, or epochs"
            )
        start_ramp, end_ramp = choose("epochs", epochs, FFCV)
    if start_ramp is None or end_ramp is None:
        raise ValueError(
            f"the ramp is missing: give epochs, one of {list(FFCV)}, or "
            "start_ramp and end_ramp"
        )
    if start_ramp == end_ramp:
        # FFCV tests `epoch <= start_ramp` first: the jump comes an epoch later.
        start_ramp = end_ramp = end_ramp + 1
    return Linear(
        initial_size=min_res,
        final_size=max_res,
        start=start_ramp,
        finish=end_ramp,
        multiple_of=32,
        increase_mode=IncreaseMode.Epoch,
    )
