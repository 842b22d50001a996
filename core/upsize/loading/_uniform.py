"""One size for all samples of a batch, also where a stream makes them ahead of it.

A pipeline that shuffles, batches or prefetches images that are decoded already gives
samples of the size at which they were made to batches of another size.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from upsize.resize import Resizer
from upsize.resize._containers import leaves, replace
from upsize.resize._prepared import resize_prepared
from upsize.resize._shown import Path
from upsize.schedule import Size
from upsize.schedule._warn import warn

__all__ = ["ORDER", "RemadeCount", "UniformSize"]

#: What to do about samples that are made ahead of their batch.
ORDER = (
    "shuffle before images are decoded and transformed, and let the DataLoader make the "
    "batches, or batch right after the transforms"
)


class RemadeCount:
    """Counts samples in all processes that are forked or spawned with it.

    Args:
        workers: Number of worker processes.

    Example:
        >>> count = RemadeCount(workers=2)
        >>> count.add()
        >>> count.total
        1
    """

    def __init__(self, workers: int) -> None:
        # A place for each process: adding to a shared one is not atomic.
        counts: Any = torch.zeros(workers + 1, 2, dtype=torch.int64)
        self._counts: Tensor = counts.share_memory_()
        self._told = False

    def add(self, samples: int = 1, *, expected: int = 0) -> None:
        """Count the samples of a batch.

        Args:
            samples: Samples that were made at the size of another batch.
            expected: How many of them there always may be, which nobody can avoid.
        """
        info = get_worker_info()
        counts = self._counts[-1 if info is None else info.id]
        counts += torch.tensor([samples, max(samples - expected, 0)])

    @property
    def total(self) -> int:
        """How many were counted."""
        return int(self._counts[:, 0].sum())

    def tell(self) -> None:
        """Say once that there are more than expected.

        Warns:
            UserWarning: With their number.
        """
        if not self._told and self._counts[:, 1].any():
            self._told = True
            warn(
                f"{self.total} samples of the stream were made at the size of another batch, "
                f"and resized in the workers: {ORDER}"
            )


class UniformSize:
    """Resizes the samples that were made at the size of another batch, and counts them.

    Args:
        full: The full size, at which samples are made ahead as well.
        count: Counts the samples.
        resizer: That of the run, which knows its targets. ``None``: it cannot be sent to
            spawned processes.
        whole: Whether a sample is a batch of a pipeline that makes them by itself.
        ahead: Samples that are always made before the batch that they are part of.
    """

    def __init__(
        self,
        full: Size,
        count: RemadeCount,
        resizer: Resizer | None,
        *,
        whole: bool = False,
        ahead: int = 0,
    ) -> None:
        self._full, self._count, self._resizer = full, count, resizer
        self._whole, self._ahead = whole, ahead
        self._sizes = {full}  # of all batches so far
        self._image: Path | None = None
        self._looked = False

    def __reduce__(self) -> tuple[Callable[..., UniformSize], tuple[Any, ...]]:
        resizer = self._resizer
        try:
            pickle.dumps(resizer)
        except Exception:  # a policy may be a lambda
            resizer = None
        made = self._full, self._count, resizer, self._whole, self._ahead
        return _uniform_size, made

    def samples(self, samples: list[Any], size: Size) -> list[Any]:
        """Return the samples of a batch, all at its size.

        Args:
            samples: Samples as the stream has made them. Images that are not tensors,
                and those that have none of the sizes so far, are left unchanged.
            size: Size of the batch.
        """
        self._sizes.add(size)
        if len(self._sizes) == 1:
            return samples  # no other size was ever made
        if not self._looked and samples:
            self._looked = True
            self._image = self._find(samples[0])
        if self._image is None:
            return samples
        others = [n for n, each in enumerate(samples) if not self._fits(each, size)]
        if not others:
            return samples
        self._count.add(len(others), expected=self._ahead)
        made = list(samples)
        for n in others:
            made[n] = self._resized(made[n], size)
        return made

    def _fits(self, sample: Any, size: Size) -> bool:
        try:
            image = _item(sample, self._image or ())
            height, width = image.shape[-2:]
        except (LookupError, AttributeError, TypeError, ValueError):
            return True  # samples differ in what they hold
        # Any other size is not that of a step, as where images keep their ratio.
        return (height, width) == size or (height, width) not in self._sizes

    def _find(self, sample: Any) -> Path | None:
        """Return where the first image of a sample is."""
        given = sample if self._whole else _batch_of_one(sample)
        try:
            return (self._resizer or Resizer()).read(given, full=self._full).path
        except (LookupError, TypeError, ValueError):
            return None

    def _resized(self, sample: Any, size: Size) -> Any:
        if self._resizer is None:
            raise ValueError(
                "samples of the stream were made at another size than that of their "
                "batch, and a spawned worker cannot resize them, as the resizer of the "
                f"run cannot be pickled: {ORDER}; or write its policies as functions of a "
                "module"
            )
        given = sample if self._whole else _batch_of_one(sample)
        found = self._resizer.read(given, full=self._full)
        made = resize_prepared(found, size, self._full)
        if self._whole:
            return made
        before, after = dict(leaves(given)), dict(leaves(made))
        return replace(
            sample,
            {
                path: _typed(leaf.as_subclass(Tensor)[0], leaf)
                for path, leaf in after.items()
                if leaf is not before[path]
            },
        )


def _uniform_size(
    full: Size, count: RemadeCount, resizer: Resizer | None, whole: bool, ahead: int
) -> UniformSize:
    return UniformSize(full, count, resizer, whole=whole, ahead=ahead)


def _item(sample: Any, path: Path) -> Any:
    """Return what is at a path of a sample."""
    for step in path:
        if isinstance(step, str) and not isinstance(sample, Mapping):
            sample = getattr(sample, step)  # a named tuple, a dataclass
        else:
            sample = sample[step]
    return sample


def _batch_of_one(sample: Any) -> Any:
    """Return a sample as a batch, in which tensors keep torchvision's types."""
    return replace(
        sample,
        {
            path: _typed(leaf.as_subclass(Tensor)[None], leaf)
            for path, leaf in leaves(sample)
            if isinstance(leaf, Tensor) and leaf.ndim
        },
    )


def _typed(leaf: Tensor, like: Tensor) -> Tensor:
    """Return a tensor of the type of another one, and with its attributes."""
    if type(like) is Tensor:
        return leaf
    typed = leaf.as_subclass(type(like))
    vars(typed).update(vars(like))
    return typed
