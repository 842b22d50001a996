"""BatchNorm's statistics, measured anew at the size that the model is used at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import swa_utils

from upsize.models._probe import Forward, check_plan, device_of, to_device
from upsize.resize import Resizer
from upsize.run._dry_run import random_state
from upsize.schedule import Plan, Size
from upsize.schedule._size import as_size, check_whole_number

__all__ = ["update_bn"]


class _Called(nn.Module):
    """A model with the way that it is called."""

    def __init__(self, model: nn.Module, forward: Forward | None, resizer: Resizer):
        super().__init__()
        self._model = model
        self._forward = forward
        self._resizer = resizer

    def forward(self, batch: Any) -> Any:
        if self._forward is None:
            return self._model(self._resizer.first_image(batch))
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
    """Measure the running mean and variance of every BatchNorm anew.

    They are averages over the last steps: with the default momentum of 0.1 a step's
    share falls to half in 7 steps and to 1 % in 44. Call it after training when the
    sizes that the model is used at made up fewer steps than that: a plan that ends
    before its full size, a last stage of a few steps, a model that is used at a size
    that it was never trained at. After a last stage of hundreds of steps it changes
    nothing that matters.

    On top of :func:`torch.optim.swa_utils.update_bn`, which it calls: batches are resized
    and moved, any container will do, the mode of each module and the random state are put
    back, and when a batch fails the statistics are as they were.

    Args:
        model: Every BatchNorm in it with running statistics is measured, also one that is
            frozen in eval mode; all modules run in training mode meanwhile.
        loader: Training batches, as the model was trained with, augmented alike.
        plan: Whose full size the images are resized to.
        size: The size in pixels, one side or (height, width), instead of ``plan``.
            Neither: the images keep the size that they come with.
        forward: Called with the model and a batch; ``None``: the model is called with the
            first image.
        resizer: How to find and resize the images.
        device: Where the batches go; ``None``: to the model's.
        batches: Use so many at most; ``None``: all of them. Some 100 batches are plenty.

    Returns:
        The number of batches that were used.

    Raises:
        TypeError: When ``plan`` is none.
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
            "nothing to measure, and no need to"
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
    with random_state(devices), _restored(model, norms):
        drawn = islice(loader, batches)
        first = list(islice(drawn, 1))
        if not first:
            # torch would reset the statistics and leave them so.
            raise ValueError("the loader is empty: there is nothing to measure")
        called = _Called(model, forward, resizer)
        swa_utils.update_bn(prepared(chain(first, drawn)), called)
    return used


def _at(batch: Any, target: Size | None, resizer: Resizer) -> Any:
    """Return the batch at the target size, which it must not be enlarged to."""
    if target is None:
        return batch
    images = resizer.image_size(batch)
    if images.height < target.height or images.width < target.width:
        raise ValueError(
            f"the images are {images} and the size is {target}: images are never "
            "enlarged; give a loader of larger ones, or a smaller size"
        )
    return resizer(batch, target, full=images)


@contextmanager
def _restored(model: nn.Module, norms: list[_BatchNorm]) -> Iterator[None]:
    """Put back the modes, and after an error the statistics and momenta, too."""
    modes = [(module, module.training) for module in model.modules()]
    momenta = [(norm, norm.momentum) for norm in norms]
    values = [
        (buffer, buffer.detach().clone()) for norm in norms for buffer in norm.buffers()
    ]
    try:
        yield
    except BaseException:
        for norm, momentum in momenta:
            norm.momentum = momentum
        with torch.no_grad():
            for buffer, value in values:
                buffer.copy_(value)
        raise
    finally:
        for module, training in modes:
            module.training = training
