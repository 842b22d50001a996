"""Measure on the user's own model and loader what a step costs at each size."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from upsize.forecast._forecast import Forecast
from upsize.forecast._growing import grow_of, grown_loadings
from upsize.forecast._rounds import costs_of, measure_rounds, validation_time
from upsize.forecast._setup import (
    has_images_only,
    loadings,
    restoring,
    sizes_to_measure,
    step_of,
)
from upsize.forecast._timer import timer_for
from upsize.loading._dataset import SizedDataset
from upsize.loading._streams import SizedStream
from upsize.models._probe import Forward, device_of
from upsize.resize import Resizer
from upsize.schedule import Grow, Plan, Size

__all__ = ["measure"]


def measure(
    model: nn.Module,
    loader: Iterable[Any],
    forward: Forward | None = None,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    step: Callable[[Any], Any] | None = None,
    plan: Plan | None = None,
    sizes: Sequence[int | tuple[int, int]] | None = None,
    final_size: int | tuple[int, int] | None = None,
    resizer: Resizer | None = None,
    set_size: Callable[[Any, Size], None] | None = None,
    validation: Iterable[Any] | None = None,
    seconds: float = 60.0,
    grow: Grow | bool = True,
) -> Forecast:
    """Time training steps at a few sizes, to predict the time of any schedule.

    It trains real steps on the batches of the loader, one size after another in several
    rounds, so that workers, device and processor are as busy as in training. On an
    accelerator, events of the device time the steps. If the loader can be
    :func:`~upsize.loading.sized`, that is measured as well, and so are larger batches of
    small images.

    Weights, buffers, gradients, the optimizer and the random state are restored before it
    returns, which takes the memory of a second copy of the weights and of the optimizer's
    state.

    Args:
        model: The model, on the device that it trains on.
        loader: The loader of the training at full size, not a sized one.
        forward: ``forward(model, batch)`` returns the loss of a batch that is on the
            model's device.
        optimizer: The optimizer of the training; ``None``: SGD with momentum.
        step: ``step(batch)`` instead of ``forward``: your own whole training step, with
            autocast, gradient clipping and all else.
        plan: A plan whose sizes are measured: its first, its last and two between.
        sizes: Sizes to measure instead, as sides or (height, width); the full size is
            added. Without ``plan`` and ``sizes``, from half of the full size.
        final_size: The full size; ``None``: that of the plan, or of the first batch.
        resizer: How to find and resize the images of a batch.
        set_size: As for :func:`~upsize.loading.sized`.
        validation: The validation loader, at full size: its time is added for each
            epoch. A few batches are measured; it needs a length, and ``forward``.
        seconds: How long to measure in all. Every size is measured at least twice, for a
            few steps.
        grow: The batch while images are small, for what growing it would add; ``True``:
            that of the plan, or as many images as fill the pixels of a batch at full
            size; ``False``: it is not measured. A step takes as many batches of the
            loader, whose first one is repeated.

    Returns:
        The forecast.

    Raises:
        TypeError: When the model is not a module, neither or both of ``forward`` and
            ``step`` are given, the loss is not a tensor, or ``grow`` neither a ``Grow``
            nor a bool.
        ValueError: For a loader that is already sized or empty, sizes larger than the
            full one, seconds that are not positive, or a ``grow`` whose batch is not
            that of the loader.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> data = TensorDataset(torch.rand(48, 3, 64, 64), torch.zeros(48))
        >>> model = nn.Sequential(
        ...     nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1)
        ... )
        >>> forecast = measure(
        ...     model, torch.utils.data.DataLoader(data, batch_size=4),
        ...     lambda model, batch: (model(batch[0])[:, 0] - batch[1]).square().mean(),
        ...     seconds=1,
        ... )
        >>> [str(cost.size) for cost in forecast.full.sizes]
        ['32x32', '40x40', '48x48', '64x64']
        >>> from upsize.schedule import Ramp
        >>> prediction = forecast.predict(Ramp(), epochs=20, steps_per_epoch=100)
        >>> 0 < prediction.theoretical_maximum < 1, prediction.saving < 1
        (True, True)
    """
    _check(model, loader, forward, step, seconds)
    device = device_of(model) or torch.device("cpu")
    resizer = Resizer() if resizer is None else resizer
    if step is None and forward is not None:
        step = step_of(model, forward, optimizer)
    assert step is not None  # one of the two was given
    timer = timer_for(device)
    with restoring(model, optimizer, loader):
        chosen = sizes_to_measure(loader, plan, sizes, final_size, resizer)
        found, refused = loadings(loader, chosen[-1], resizer, device, set_size)
        model.train()
        growing, not_grown = grow_of(grow, plan, loader, chosen, resizer)
        if growing is not None:
            more, not_grown = grown_loadings(found, growing, chosen, resizer)
            found |= more
        measurements, failed = measure_rounds(found, chosen, step, timer, seconds)
        not_grown = not_grown or failed
        images_only = has_images_only(loader, resizer, chosen[-1])
        checked = None
        if validation is not None:
            checked = validation_time(model, forward, validation, device, timer)
    costs = costs_of(found, measurements, chosen)
    extra = [measurements["full", size][0].first_step_extra for size in chosen[:-1]]
    return Forecast(
        device=str(device),
        batch_size=getattr(loader, "batch_size", None),
        workers=found["full"].workers,
        cores=_cores(),
        final_size=chosen[-1],
        full=costs["full"],
        sized=costs.get("sized"),
        not_sized=refused,
        # A first step that happens to be faster than the others shows no cost.
        size_change=max(0.0, statistics.median(extra)),
        validation=checked,
        grow=None if not_grown else growing,
        grown=costs.get("grown full"),
        grown_sized=costs.get("grown sized"),
        not_grown=not_grown,
        images_only=images_only,
    )


def _check(
    model: nn.Module,
    loader: Iterable[Any],
    forward: Forward | None,
    step: Callable[[Any], Any] | None,
    seconds: float,
) -> None:
    """Refuse what cannot be measured, see :func:`measure`."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a torch.nn.Module, not a {type(model).__name__}"
        )
    if (forward is None) == (step is None):
        raise TypeError(
            "give either forward(model, batch), which returns the loss, or step(batch), "
            "which does a whole training step"
        )
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"seconds must be more than 0, not {seconds}")
    if isinstance(getattr(loader, "dataset", None), SizedDataset | SizedStream):
        raise ValueError(  # noqa: TRY004 - the type is right, its state is not
            "the loader is sized: give the loader that it was made from; both are "
            "measured"
        )


def _cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1
