"""Batches that wait, on their device and at their size, for those to be merged with.

For frameworks whose own loop counts each batch of a loader, and may skip it.
"""

from __future__ import annotations

from typing import Any

from upsize.run._joined import images_of, joined
from upsize.run._merge import group_of
from upsize.run._per_image import Images
from upsize.run._training_run import TrainingRun

__all__ = ["WaitingBatches"]


class WaitingBatches:
    """Collects the batches that are trained on as one.

    Args:
        run: The training run, which merges, and has trained each batch before it comes.
    """

    def __init__(self, run: TrainingRun) -> None:
        self._run = run
        self._batches: list[Any] = []
        self._images: Images | None = None  # of each of them
        self._wanted = 1

    def __len__(self) -> int:
        return len(self._batches)

    def forget(self) -> None:
        """Leave out the batches that wait."""
        self._batches = []

    def fits(self, batch: Any) -> bool:
        """Return whether a batch has as many images as those that wait, if any do."""
        resizer = self._run.options.resizer
        return not self._batches or images_of(batch, resizer) == self._images

    def add(self, batch: Any, left: int) -> bool:
        """Add a batch; return whether it is the last to wait for.

        Args:
            batch: The batch, at the size of its step.
            left: Batches of the accumulation window that are left, with this one.

        Raises:
            ValueError: When its images are not found, or it is above the limit.
        """
        if not self._batches:
            self._wanted, self._images = group_of(self._run, batch, left)
        self._batches.append(batch)
        return left <= 1 or len(self._batches) >= self._wanted

    def take(self) -> tuple[Any, int]:
        """Return the batches that wait as one, and how many they are.

        Raises:
            ValueError: When something in them cannot be concatenated.
        """
        batches, self._batches = self._batches, []
        assert self._run.merging is not None
        self._run.merging.tell_mean(len(batches))
        return joined(batches, self._images, is_sampled=False), len(batches)
