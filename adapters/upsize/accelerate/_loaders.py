"""What a loop iterates over: prepared loaders, also in a progress bar, and others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accelerate.data_loader import DataLoaderStateMixin
from torch.utils.data import DataLoader

from upsize.run._batches import innermost

__all__ = ["check_loader", "check_prepared", "prepared_in"]


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
