"""What all ways have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["BATCH", "SCALE", "STORED", "Opened"]

BATCH = 32
SCALE = (0.25, 1.0)  # least and most share of the area that a crop takes
STORED = 256  # pixels of the longer side of what others store instead of the files


@dataclass(frozen=True)
class Opened:
    """A way on some photographs.

    Args:
        epochs: For each size a function that returns all the batches, shuffled.
        disk: Bytes of what it needs on the disk.
    """

    epochs: dict[int, Callable[[], Iterable[Any]]]
    disk: int
