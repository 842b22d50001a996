"""Loaders of which one process makes the batches of all processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from accelerate.data_loader import DataLoaderDispatcher
from accelerate.utils import concatenate, find_batch_size, recursively_apply
from torch import Tensor

from upsize.run import TrainingRun
from upsize.run._size_source import SizeSource, resizer_of
from upsize.schedule import Size

__all__ = ["DispatchedSizes", "RunSizes", "check_windows", "dispatch"]


class RunSizes(SizeSource, Protocol):
    """Tells the sizes of a run, and which run that is now."""

    def current_run(self) -> TrainingRun:
        """Return the run that trains on the batches."""
        ...


class DispatchedSizes:
    """The sizes of the batches that the first process draws: several for each step.

    Args:
        source: Tells the size of each step.
        loader: A dispatched loader. Without ``split_batches`` it joins one batch for
            each process, and all of these have the size of the same step.
    """

    def __init__(self, source: SizeSource, loader: DataLoaderDispatcher) -> None:
        self._source, self._drop_last = source, loader._drop_last
        # With tensor parallelism, which accelerate 1.1 lacks, all get the same batch.
        is_tp = getattr(loader, "submesh_tp", None) is not None
        joins = not (loader.split_batches or is_tp)
        self._joined: int = loader.state.num_processes if joins else 1

    @property
    def final_size(self) -> Size:
        """The full size."""
        return self._source.final_size

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Yield the size of each batch that the first process draws."""
        joined = self._joined
        if batches is not None:
            batches = batches // joined if self._drop_last else -(-batches // joined)
        for size in self._source.sizes_ahead(batches):
            yield from [size] * joined


def check_windows(loader: DataLoaderDispatcher, source: SizeSource) -> None:
    """Refuse windows in a batch that is completed with samples of another one.

    Args:
        loader: A dispatched loader.
        source: Tells the sizes.

    Raises:
        ValueError: When the resizer cuts windows, and the last batch may be completed.
    """
    completes = loader.state.num_processes > 1 and not loader._drop_last
    if completes and resizer_of(source).mode == "crop":
        raise ValueError(
            "dispatch_batches completes the last batch of an epoch with samples of the "
            'first one, and with mode="crop" their windows may be too small for it: give '
            "the DataLoader drop_last=True, or DataLoaderConfiguration "
            "dispatch_batches=False"
        )


def dispatch(loader: Any, source: RunSizes) -> None:
    """Let each process expect the small batches that the first one sends.

    Args:
        loader: The dispatched loader, which is changed.
        source: Tells the sizes, in each process.
    """
    shares = _Shares(loader.slice_fn, source)

    def begin() -> None:
        shares.begin(completes=not loader._drop_last)
        if loader.state.process_index:
            # This process draws no batch, and would not know that they are small.
            next(iter(source.sizes_ahead(None)))
        type(loader).begin(loader)

    loader.slice_fn, loader.begin = shares, begin


class _Shares:
    """Cuts the share of each process out of a batch of all.

    Accelerate completes the last batch of an epoch with samples of the first, which may
    have another size. It gets none of them here, and the last batch is completed when
    it is cut.

    Args:
        cut: The ``slice_fn`` of the loader.
        source: As of :func:`dispatch`.
    """

    def __init__(self, cut: Callable[..., Any], source: RunSizes) -> None:
        self._cut, self._source = cut, source
        self.begin(completes=False)

    def begin(self, *, completes: bool) -> None:
        """Begin a pass.

        Args:
            completes: Whether the loader asks for samples of the first batch.
        """
        self._wants_first, self._first = completes, None

    def __call__(self, batch: Any, rows: slice, **processes: int) -> Any:
        """Return a part of a batch."""
        if self._wants_first:
            self._wants_first = False
            self._first = self._cut(batch, rows, **processes)
            # What torch.cat leaves out, whatever the shape of the others.
            return recursively_apply(_nothing, self._first)
        wanted = (rows.stop - rows.start) * processes["num_processes"]
        if self._first is not None and find_batch_size(batch) < wanted:
            first = self._source.current_run().reader.matched(self._first, batch)
            batch = concatenate([batch, first])
        return self._cut(batch, rows, **processes)


def _nothing(values: Tensor) -> Tensor:
    return values.new_empty(0)
