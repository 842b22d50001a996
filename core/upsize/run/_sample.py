"""One sample of a loader, drawn as if it had not been drawn."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from upsize.resize._containers import leaves, replace
from upsize.run._dry_run import current_gpu, restoring_random_state
from upsize.run._objects import restoring_objects
from upsize.schedule import Plan

__all__ = ["draw_sample"]


def draw_sample(loader: Any, plan: Plan | None) -> Any:
    """Return a batch of the first sample, in which tensors keep torchvision's types.

    The loader's own ``collate_fn`` makes it, so that it has the structure of a batch.
    Random state, and attributes and generators of the dataset, are restored.

    Args:
        loader: A loader with a dataset and a ``collate_fn``.
        plan: Gives the least size, for the sample of a sized loader.

    Returns:
        The batch; ``None`` for an iterable dataset, which would lose a sample by it,
        and where the first sample cannot be made in this process.
    """
    dataset, collate = loader.dataset, loader.collate_fn
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__"):
        return None
    try:
        with (
            restoring_random_state(current_gpu()),
            restoring_objects(dataset, collate),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # the workers give them, too
            samples = _first_of(loader, plan)
            return _without_computed(_collated(loader, samples), samples)
    except Exception:  # of code that may rely on its worker
        return None


def _collated(loader: Any, samples: Any) -> Any:
    """Return the batch of samples, with the types that its tensors come from."""
    vision: Any = sys.modules["torchvision.tv_tensors"]
    is_batched = getattr(loader, "batch_sampler", True) is not None
    with vision.set_return_type("TVTensor"):
        return loader.collate_fn(samples if is_batched else samples[0])


def _without_computed(batch: Any, samples: Any) -> Any:
    """Return a batch in which no boxes or points have a type but those of its samples.

    What ``collate_fn`` has computed of them has their type as well: normalised boxes,
    areas, centres.
    """
    given = [
        leaf.as_subclass(Tensor).flatten()
        for _, leaf in leaves(samples)
        if hasattr(leaf, "canvas_size")
    ]
    computed = {}
    for path, leaf in leaves(batch):
        if hasattr(leaf, "canvas_size"):
            plain = leaf.as_subclass(Tensor)
            values = plain.flatten()  # which may be padded at their end
            if not any(_starts_with(values, each) for each in given):
                computed[path] = plain
    return replace(batch, computed)


def _starts_with(values: Tensor, given: Tensor) -> bool:
    return torch.equal(values[: len(given)], given.to(values.dtype))


def _first_of(loader: Any, plan: Plan | None) -> list[Any]:
    """Return a list of the first sample, as a worker makes it."""
    dataset = loader.dataset
    for sized in (loader, dataset):  # makes samples at the size of their step
        if plan is not None and hasattr(type(sized), "samples_at"):
            made: list[Any] = sized.samples_at([0], min(plan.sizes), plan.final_size)
            return made
    together = getattr(dataset, "__getitems__", None)
    return [dataset[0]] if together is None else together([0])
