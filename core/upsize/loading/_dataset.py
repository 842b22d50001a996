"""A dataset whose samples are made at the size of their batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from torch.utils.data import Dataset

from upsize.loading._batches import SizedBatch
from upsize.loading._context import sample_size
from upsize.loading._transforms import restoring_sizes
from upsize.schedule import Size

__all__ = ["SetSize", "SizedDataset"]

SetSize: TypeAlias = Callable[[Any, Size], object]


class SizedDataset(Dataset[Any]):
    """Makes the samples of a batch at its size; alone, each is at full size.

    Other attributes are those of the dataset inside.

    Args:
        dataset: A map-style dataset at full size.
        set_size: Gives it another size; ``None``: its transforms are found.
    """

    def __init__(self, dataset: Any, set_size: SetSize | None = None) -> None:
        self.dataset, self.set_size = dataset, set_size

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[index]

    def __getitems__(self, indices: list[Any]) -> Any:
        """Return the samples of a batch."""
        if not isinstance(indices, SizedBatch):
            return self._samples(indices)
        size, full = indices.size, indices.full
        with sample_size(size, full), self._at(size, full):
            return self._samples(list(indices))

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name == "dataset":  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def _samples(self, indices: list[Any]) -> Any:
        together = getattr(self.dataset, "__getitems__", None)
        if together is not None:
            return together(indices)
        return [self.dataset[index] for index in indices]

    @contextmanager
    def _at(self, size: Size, full: Size) -> Iterator[None]:
        if size == full:
            yield
        elif self.set_size is None:
            with restoring_sizes(self.dataset, size, full):
                yield
        else:
            self.set_size(self.dataset, size)
            try:
                yield
            finally:
                self.set_size(self.dataset, full)
