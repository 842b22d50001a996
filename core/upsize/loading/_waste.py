"""What a loader drew for workers whose shard had ended, which no step gets."""

from __future__ import annotations

from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

__all__ = ["Waste", "received"]

# {key: the last pass that has ended in this process, and what counts for it}.
_ENDED: dict[int, tuple[int, Waste]] = {}
_KEYS = count()
_PASSES = (
    8  # that may be told apart: of one loader, several may be iterated alternately
)


class Waste:
    """Counts in the workers, for the process that draws, what a pass drew in vain.

    torch sends tokens to a worker ahead. Those that come after the end of its shard are
    thrown away, and the batches of the other workers take their steps.

    Args:
        workers: Number of worker processes.

    Example:
        >>> waste = Waste(workers=2)
        >>> number = waste.begin()
        >>> waste.total(number)
        0
    """

    def __init__(self, workers: int) -> None:
        self.key, self._number = next(_KEYS), -1
        counts: Any = torch.zeros(max(int(workers), 1), _PASSES, dtype=torch.int64)
        self._counts: Tensor = counts.share_memory_()

    def begin(self) -> int:
        """Begin a pass; return its number."""
        self._number += 1
        self._counts[:, self._number % _PASSES] = 0
        return self._number

    def total(self, number: int) -> int:
        """Return what a pass drew in vain so far."""
        return int(self._counts[:, number % _PASSES].sum())

    def end(self, number: int, *, in_vain: bool) -> None:
        """Note that the shard of this process has ended.

        Args:
            number: The pass.
            in_vain: Whether the worker was asked for a batch that it does not give.
        """
        _ENDED[self.key] = number, self
        if in_vain:
            self._add(number)

    def _add(self, number: int) -> None:
        info = get_worker_info()
        if info is not None:  # else nothing is drawn ahead
            self._counts[info.id, number % _PASSES] += 1


def received(key: int, number: int) -> None:
    """Count what this process was sent for a pass, if its shard has ended before."""
    ended, waste = _ENDED.get(key, (None, None))
    if waste is not None and ended == number:
        waste._add(number)
