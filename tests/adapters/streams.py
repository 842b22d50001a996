"""A stream of small photographs, with and without a length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.core.loading.images import COUNT, Images
from torch.utils.data import IterableDataset, get_worker_info

__all__ = ["LongStream", "Stream"]


class Stream(IterableDataset[Any]):
    """Gives each worker of each rank its share of the images, and knows no length.

    Args:
        count: How many images there are.
        rank, ranks: Of how many equal processes this is which.
    """

    def __init__(self, count: int = COUNT, rank: int = 0, ranks: int = 1) -> None:
        self.images = Images(count=count)
        self.rank, self.ranks = rank, ranks

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        mine = range(self.rank, len(self.images), self.ranks)[number::workers]
        yield from (self.images[index] for index in mine)


class LongStream(Stream):
    """Knows its length."""

    def __len__(self) -> int:
        return len(range(self.rank, len(self.images), self.ranks))
