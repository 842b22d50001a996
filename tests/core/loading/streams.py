"""Small streams of images, plain and sized, and the batches that their loaders give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import torch
from tests.core.loading.images import FULL, augmented
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from upsize.loop import ProgressiveResize
from upsize.schedule import Plan, Size

BATCH = 4


class Stream(IterableDataset[Any]):
    """Photographs of noise in shards, which the workers share as they do elsewhere.

    Args:
        shards: Images in each shard.
        batch: How many are batched by the stream itself; ``None``: none.
    """

    def __init__(
        self,
        shards: Iterable[int] = (26,),
        *,
        transform: Any = None,
        batch: int | None = None,
        shuffle: bool = False,
    ) -> None:
        self.transform = augmented() if transform is None else transform
        self.shards, self.batch, self.shuffle = tuple(shards), batch, shuffle

    def indices(self) -> Iterator[int]:
        """Yield the indices of the images in the shards of this worker."""
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        for shard in range(worker, len(self.shards), workers):
            first, count = sum(self.shards[:shard]), self.shards[shard]
            order = torch.arange(first, first + count)
            if self.shuffle:
                order = order[torch.randperm(count)]
            yield from order.tolist()

    def samples(self) -> Iterator[tuple[Tensor, int]]:
        for index in self.indices():
            yield self.transform(picture(index)), index

    def __iter__(self) -> Iterator[Any]:
        samples = self.samples()
        if self.batch is None:
            yield from samples
            return
        while some := list(islice(samples, self.batch)):
            images, indices = zip(*some, strict=True)
            yield torch.stack(images), torch.tensor(indices)


class Known(Stream):
    """A stream that knows its length."""

    def __len__(self) -> int:
        return sum(self.shards)


class Kept(Stream):
    """A stream with a state, as those that resume within an epoch have."""

    def __iter__(self) -> Iterator[Any]:
        return _Positions(self)


class _Positions:
    def __init__(self, stream: Stream) -> None:
        self._stream, self._rest = stream, list(stream.indices())
        self._done = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._done == len(self._rest):
            raise StopIteration
        index = self._rest[self._done]
        self._done += 1
        return self._stream.transform(picture(index)), index

    def state_dict(self) -> dict[str, Any]:
        return {"rest": self._rest, "done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rest, self._done = state["rest"], state["done"]


def picture(index: int) -> Tensor:
    """Return an image of 40 x 48 pixels."""
    generator = torch.Generator().manual_seed(index)
    return torch.randint(256, (3, 40, 48), dtype=torch.uint8, generator=generator)


class Batch(NamedTuple):
    """What a loader gave: the size of the images, and their indices."""

    size: int
    indices: list[int]


def given(loader: Iterable[Any], came: list[Batch]) -> Iterator[Any]:
    """Yield the batches of a loader, and note each as it comes."""
    for images, indices in loader:
        assert images.shape[-1] == images.shape[-2]
        came.append(Batch(images.shape[-1], indices.tolist()))
        yield images, indices


def epoch(resize: ProgressiveResize, loader: Iterable[Any]) -> list[Batch]:
    """Return the batches of an epoch as the loader gave them, before the resize."""
    came: list[Batch] = []
    for images, _ in resize.batches(given(loader, came)):
        assert images.shape[-1] == resize.size.width
    return came


def widths(plan: Plan, steps: Iterable[int]) -> list[int]:
    """Return the sizes of a plan at some steps."""
    return [plan.size_at(step).width for step in steps]


def full_size() -> Size:
    return Size(FULL, FULL)
