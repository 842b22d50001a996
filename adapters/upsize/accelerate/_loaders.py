"""What a loop iterates over: prepared loaders, also in a progress bar, and others."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from accelerate import PartialState
from accelerate.data_loader import DataLoaderStateMixin
from torch.utils.data import DataLoader

from upsize.run._batches import innermost, length_of

__all__ = [
    "check_loader",
    "check_prepared",
    "completes_last",
    "prepared_in",
    "total_batch_size",
]


def check_loader(loader: Any) -> None:
    """Refuse a ``DataLoader`` that ``accelerator.prepare`` did not return.

    Args:
        loader: A loader, alone or in a progress bar, or any other iterable.

    Raises:
        ValueError: When it is such a loader, or cannot be iterated.
    """
    inner = innermost(loader)
    if isinstance(inner, DataLoader) or not isinstance(inner, Iterable):
        check_prepared(inner)


def check_prepared(loader: Any) -> None:
    """Refuse a loader that ``accelerator.prepare`` did not return."""
    if not isinstance(loader, DataLoaderStateMixin):
        raise ValueError(  # noqa: TRY004 - the type is right, its state is not
            f"the loader is a {type(loader).__name__} that accelerator.prepare has not "
            "seen: call accelerator.prepare(loader) first and give its result, which "
            "has the length of one process"
        )


def prepared_in(loader: Any) -> Any:
    """Return the prepared loader that is given, or is in a progress bar, if any."""
    inner = innermost(loader)
    return inner if isinstance(inner, DataLoaderStateMixin) else None


def completes_last(loader: Any) -> bool:
    """Return whether the last batches of an epoch have samples that are left out again.

    ``gather_for_metrics`` does so, where several processes have batches of one length.

    Args:
        loader: A prepared loader, or ``None``.
    """
    if loader is None or loader._drop_last or PartialState().num_processes == 1:
        return False
    samples, total = length_of(loader.dataset), total_batch_size(loader)
    if samples is None or total is None:
        return False
    return bool(samples % total)


def total_batch_size(loader: Any) -> int | None:
    """Return the samples in a batch of all processes; ``None``: not always the same.

    Accelerate skips batches by a sampler without a batch_size, and then leaves nothing
    out; the share of a process has ``None`` there (1.1 to 1.15).

    Args:
        loader: A prepared loader.
    """
    with suppress(AttributeError, TypeError):
        return int(loader.total_batch_size)
    return None
