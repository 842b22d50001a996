"""The batches of an epoch, as a loop takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch.utils.data import DataLoader

__all__ = ["Batches", "innermost", "last_is_short", "length_of"]


class Batches:
    """A pass over a loader, which knows its length; each ``iter`` is another pass.

    Args:
        loader: The loader.
        begin: Called with the loader for each pass; returns its iterator.
        length: Called with it likewise; returns the batches, or ``None``.

    Example:
        >>> batches = Batches([1, 2, 3], iter, len)
        >>> len(batches), next(batches), list(batches), list(batches)
        (3, 1, [2, 3], [1, 2, 3])
    """

    def __init__(
        self,
        loader: Iterable[Any],
        begin: Callable[[Iterable[Any]], Iterator[Any]],
        length: Callable[[Iterable[Any]], int | None],
    ) -> None:
        self._loader, self._begin, self._length = loader, begin, length
        self._begun: Iterator[Any] | None = None

    def __len__(self) -> int:
        """Return the number of batches.

        Raises:
            TypeError: When the loader does not know it.
        """
        length = self._length(self._loader)
        if length is None:
            raise TypeError(f"a {type(self._loader).__name__} has no length here")
        return length

    def __bool__(self) -> bool:
        return True  # not by its length, which may be unknown

    def __iter__(self) -> Iterator[Any]:
        # Not the object itself: the pass must end when a loop is left, even if a
        # progress bar keeps the object.
        begun, self._begun = self._begun, None
        return self._begin(self._loader) if begun is None else begun

    def __next__(self) -> Any:
        if self._begun is None:
            self._begun = self._begin(self._loader)
        return next(self._begun)


def length_of(loader: Any) -> int | None:
    """Return the number of batches of a loader; ``None``: it does not know.

    Example:
        >>> length_of([1, 2]), length_of(iter([1, 2]))
        (2, None)
    """
    try:
        return len(loader)
    except TypeError:  # also a DataLoader of an iterable dataset
        return None


def innermost(loader: Any) -> Any:
    """Return what a progress bar of tqdm iterates over, or the loader itself.

    Example:
        >>> from tqdm import tqdm
        >>> innermost(tqdm([1, 2], disable=True))
        [1, 2]
    """
    while not isinstance(loader, DataLoader) and hasattr(loader, "iterable"):
        loader = loader.iterable
    return loader


def last_is_short(batch_sampler: Any) -> bool:
    """Return whether the last batch of a batch sampler is known to be a short one.

    Example:
        >>> from torch.utils.data import BatchSampler
        >>> [last_is_short(BatchSampler(range(9), 3, False)), last_is_short([[0, 1], [2]])]
        [False, False]
        >>> last_is_short(BatchSampler(range(10), 3, False))
        True
    """
    size = getattr(batch_sampler, "batch_size", None)
    if not size or getattr(batch_sampler, "drop_last", True):
        return False
    samples = length_of(getattr(batch_sampler, "sampler", None))
    return samples is not None and samples % size != 0
