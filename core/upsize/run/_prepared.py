"""Batches of a sized loader, in which only the images may be small."""

from __future__ import annotations

from typing import Any

from upsize.resize._prepared import check_targets, has_targets, resize_prepared
from upsize.run._lost_types import Reading, TypedBatch
from upsize.schedule import Size

__all__ = ["PreparedBatches"]


class PreparedBatches:
    """Brings the targets of small images to their size, where the dataset has not."""

    def __init__(self) -> None:
        self._checked: set[Size] = set()
        self._has_targets = False

    def resized(
        self, batch: Any, found: Reading, size: Size, full: Size, step: int
    ) -> Any:
        """Return a batch of a sized loader at a size.

        Args:
            batch: The batch.
            found: The batch as it was read.
            size: The size of the step.
            full: The full size.
            step: The step.

        Raises:
            ValueError: At the first batch of a size, for targets of the full size that
                have no type and no policy.
        """
        is_small = found.size == size
        is_checked = size == full or size in self._checked
        if is_small and is_checked and not (self._has_targets and size != full):
            return batch  # without a look at what else it holds
        parsed = found.parsed if isinstance(found, TypedBatch) else found
        if is_small and not is_checked:
            check_targets(parsed, full)
            self._checked.add(size)
            self._has_targets = self._has_targets or has_targets(parsed)
        new = resize_prepared(parsed, size, full, step)
        return found.plain(new) if isinstance(found, TypedBatch) else new
