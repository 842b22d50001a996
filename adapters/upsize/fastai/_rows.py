"""How many samples the batches of a loader have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from upsize.fastai._batch_tfms import pipeline_of
from upsize.run._batches import length_of

__all__ = ["last_is_whole", "rows_of"]


def rows_of(loader: Any) -> Iterator[int]:
    """Yield how many samples each batch will have, in this process."""
    samples, most = _samples(loader)
    for batch in range(len(loader)):
        # The length of ready-made batches is unknown.
        yield min(most, samples - batch * most) if most else 1


def last_is_whole(loader: Any) -> bool:
    """Whether the last batch has as many samples as the others, as far as is known."""
    samples, most = _samples(loader)
    return most is not None and samples >= most * len(loader)


def _samples(loader: Any) -> tuple[int, int | None]:
    """Return the samples of a pass in this process, and those of a batch if known."""
    inner: Any = pipeline_of(loader)[0]
    if isinstance(inner, DataLoader):
        samples, most = length_of(inner.sampler), inner.batch_size
        if samples is None:  # of a stream
            data: Any = inner.dataset
            samples = len(data)
    else:
        # A PartialDL draws fewer than it has.
        samples, most = vars(inner).get("partial_n") or inner.n, inner.bs
    return -(-samples // getattr(loader, "world_size", 1)), most
