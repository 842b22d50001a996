"""Set up a measurement: its sizes, loaders and step; and restore what it changes."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from upsize.forecast._blocks import Fixed, Loading
from upsize.loading import sized
from upsize.models._probe import Forward, to_device
from upsize.resize import Resizer
from upsize.run._dry_run import restoring_model
from upsize.schedule import Plan, Ramp, Size
from upsize.schedule._size import as_size
from upsize.schedule._spread import spread

__all__ = [
    "first_batch",
    "first_size",
    "has_images_only",
    "loadings",
    "restoring",
    "sizes_to_measure",
    "step_of",
]

_MOST = 4  # sizes


@contextmanager
def restoring(
    model: nn.Module, optimizer: torch.optim.Optimizer | None, loader: Any
) -> Iterator[None]:
    """Restore the model, the optimizer, the loader's generators and the random state."""
    parameters = list(model.parameters())
    values = [parameter.detach().clone() for parameter in parameters]
    gradients = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None  # else zero_grad would empty what is restored
    state = None if optimizer is None else copy.deepcopy(optimizer.state_dict())
    owners = (loader, getattr(loader, "sampler", None))
    generators: set[Any] = {getattr(owner, "generator", None) for owner in owners}
    states = [(generator, generator.get_state()) for generator in generators - {None}]
    try:
        with restoring_model(model):
            yield
    finally:
        with torch.no_grad():
            for parameter, value, gradient in zip(
                parameters, values, gradients, strict=True
            ):
                parameter.copy_(value)
                parameter.grad = gradient
        if optimizer is not None and state is not None:
            optimizer.load_state_dict(state)
        for generator, before in states:
            generator.set_state(before)


def sizes_to_measure(
    loader: Iterable[Any],
    plan: Plan | None,
    sizes: Sequence[int | tuple[int, int]] | None,
    final_size: int | tuple[int, int] | None,
    resizer: Resizer,
) -> list[Size]:
    """Return the sizes by growing pixel count, the full size at the end.

    Raises:
        ValueError: When ``plan`` and ``sizes`` are given, the full size of the plan is
            another one, a size is not below the full one, or the loader is empty.
    """
    if plan is not None and sizes is not None:
        raise ValueError("plan and sizes both name the sizes: give one of them")
    if final_size is not None:
        full = as_size(final_size)
    elif plan is not None:
        full = plan.final_size
    else:
        full = first_size(loader, resizer)
    if plan is not None:
        if plan.final_size != full:
            raise ValueError(
                f"final_size {full} is not that of the plan, {plan.final_size}: leave it "
                "out"
            )
        below = spread(sorted({*plan.sizes, full}, key=math.prod), _MOST)[:-1]
    elif sizes is not None:
        below = sorted({as_size(size) for size in sizes} - {full}, key=math.prod)
    else:
        below = _spread(full)
    if not below or math.prod(below[-1]) >= math.prod(full):
        raise ValueError(
            f"sizes must hold at least one that is smaller than the full size {full}, "
            f"and none that is larger, not {[str(size) for size in below]}"
        )
    return [*below, full]


def first_size(loader: Iterable[Any], resizer: Resizer) -> Size:
    """Return the size of the images in a loader's first batch.

    Raises:
        ValueError: When the loader is empty.
    """
    return resizer.read(first_batch(loader)).size


def first_batch(loader: Iterable[Any]) -> Any:
    """Return a loader's first batch.

    Raises:
        ValueError: When the loader is empty.
    """
    for batch in loader:
        return batch
    raise ValueError("the loader is empty: there is nothing to measure")


def has_images_only(loader: Iterable[Any], resizer: Resizer, full: Size) -> bool:
    """Return whether one tensor of images is all that is resized, and nothing cropped."""
    if resizer.mode == "crop":
        return False
    roles = resizer.read(first_batch(loader), full=full).roles
    return sum(role not in (None, "keep") for _, _, role in roles) == 1


def _spread(full: Size) -> list[Size]:
    """Return three sizes from half of the full one on, multiples of 32 where it is one."""
    multiple = math.gcd(32, *full)
    while multiple > 1 and min(full) < 2 * multiple:
        multiple //= 2  # half of the full size is not below it
    while True:
        ramp = Ramp(final_size=full, multiple_of=multiple, max_sizes=_MOST)
        sizes = ramp.plan(total_steps=1000).sizes[:-1]
        if len(sizes) == _MOST - 1 or multiple == 1:
            return list(sizes)
        multiple //= 2


def loadings(
    loader: Any,
    full: Size,
    resizer: Resizer,
    device: torch.device,
    set_size: Callable[[Any, Size], None] | None,
) -> tuple[dict[str, Loading], str | None]:
    """Return the ways of loading by name, and why a sized loader is missing."""

    def resize(batch: Any, size: Size) -> Any:
        batch = to_device(batch, device)
        return resizer.read(batch, full=full).at(size)

    found = {"full": Loading(loader, resize)}
    fixed = Fixed(full, resizer)
    try:
        smaller = sized(loader, fixed, set_size=set_size)
    except (TypeError, ValueError) as error:
        if set_size is not None:
            raise  # it was asked for
        return found, str(error)
    return found | {"sized": Loading(smaller, resize, fixed)}, None


def step_of(
    model: nn.Module, forward: Forward, optimizer: torch.optim.Optimizer | None
) -> Callable[[Any], None]:
    """Return a function that trains on a batch."""
    if optimizer is None:
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=1e-6, momentum=0.9)
    chosen = optimizer

    def step(batch: Any) -> None:
        chosen.zero_grad()
        loss = forward(model, batch)
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"forward must return the loss, a tensor, not a {type(loss).__name__}"
            )
        if loss.numel() != 1:
            raise ValueError(
                "forward must return the loss as one number, not a tensor of shape "
                f"{tuple(loss.shape)}: return loss.mean()"
            )
        if not loss.requires_grad:
            raise ValueError(
                "the loss that forward returns has no gradient: it must depend on a "
                "parameter of the model that requires one, outside of torch.no_grad()"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        chosen.step()

    return step
