"""BatchNorm's statistics, measured again at the size that the model is used at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import swa_utils

from upsize.models._probe import Forward, check_plan, device_of, to_device
from upsize.resize import Resizer
from upsize.run._dry_run import restoring_random_state
from upsize.run._restoring import Restoring
from upsize.schedule import Plan, Size
from upsize.schedule._size import as_size, check_whole_number

__all__ = ["update_bn"]


class _Called(nn.Module):
    """A model, called with a batch."""

    def __init__(self, model: nn.Module, forward: Forward | None, resizer: Resizer):
        super().__init__()
        self._model = model
        self._forward = forward
        self._resizer = resizer

    def forward(self, batch: Any) -> Any:
        if self._forward is None:
            return self._model(self._resizer.read(batch).first)
        return self._forward(self._model, batch)


def update_bn(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    plan: Plan | None = None,
    size: int | tuple[int, int] | None = None,
    forward: Forward | None = None,
    resizer: Resizer | None = None,
    device: torch.device | str | None = None,
    batches: int | None = None,
) -> int:
    """Measure the running mean and variance of every BatchNorm again.

    They are averages over the last steps: with the default momentum of 0.1 the share of
    a step falls to half in 7 steps and to 1 % in 44. Call this after training when the
    last steps were at another size than you use: the plan ended before its full size,
    the last stage had a few steps only, or you use a size that was never trained. After
    a last stage of hundreds of steps it makes no difference.

    It calls :func:`torch.optim.swa_utils.update_bn`. In addition it resizes and moves
    batches in any container, restores the mode of each module and the random state, and
    restores the statistics when a batch fails.

    Args:
        model: The model. Every BatchNorm with running statistics is measured, even if it
            is frozen in eval mode; meanwhile all modules run in training mode.
        loader: Training batches, augmented as in training.
        plan: Plan to whose full size the images are resized.
        size: Size in pixels, one side or (height, width), instead of ``plan``. With
            neither, images keep their size.
        forward: Called with the model and a batch; ``None``: the model is called with the
            first image.
        resizer: How to find and resize the images.
        device: Device of the batches; ``None``: the model's.
        batches: How many to use at most; ``None``: all. 100 batches are plenty.

    Returns:
        The number of batches used.

    Raises:
        TypeError: When ``plan`` is not a plan.
        ValueError: When the model has no such BatchNorm, the loader is empty, both a plan
            and a size are given, or images are smaller than the size.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        >>> loader = [(torch.rand(8, 3, 64, 64), torch.zeros(8)) for _ in range(3)]
        >>> update_bn(model, loader, size=48)
        3
        >>> images = torch.cat([model[0](images) for images, _ in loader])
        >>> bool((model[1].running_mean - images.mean((0, 2, 3))).abs().max() < 0.05)
        True
    """
    norms = [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    ]
    if not norms:
        raise ValueError(
            f"{type(model).__name__} has no BatchNorm with running statistics: there is "
            "nothing to measure"
        )
    if plan is not None and size is not None:
        raise ValueError(f"give plan or size={size!r}, not both")
    target = None if size is None else as_size(size)
    if plan is not None:
        target = check_plan(plan).final_size
    batches = check_whole_number("batches", batches)
    resizer = Resizer() if resizer is None else resizer
    where = device_of(model) if device is None else torch.device(device)
    used = 0

    def prepared(drawn: Iterable[Any]) -> Iterator[list[Any]]:
        nonlocal used
        for batch in drawn:
            used += 1
            # A list, of which torch takes the first.
            yield [_at(to_device(batch, where), target, resizer)]

    devices = {tensor.device for tensor in model.buffers()}
    with (
        restoring_random_state(devices),
        Restoring() as modes,
        Restoring() as statistics,
    ):
        for module in model.modules():
            modes.save(module, "training")
        for norm in norms:
            statistics.save(norm, "momentum")
            statistics.save_values(norm.buffers())
        drawn = islice(loader, batches)
        first = list(islice(drawn, 1))
        if not first:
            # torch would reset the statistics and leave them so.
            raise ValueError("the loader is empty: there is nothing to measure")
        called = _Called(model, forward, resizer)
        swa_utils.update_bn(prepared(chain(first, drawn)), called)
        statistics.pop_all()  # they are kept
    return used


def _at(batch: Any, target: Size | None, resizer: Resizer) -> Any:
    """Return the batch at the target size; refuse to enlarge it."""
    if target is None:
        return batch
    found = resizer.read(batch)
    images = found.size
    if images.height < target.height or images.width < target.width:
        raise ValueError(
            f"the images are {images} and the size is {target}: images are never "
            "enlarged; give a loader of larger ones, or a smaller size"
        )
    return found.at(target)
