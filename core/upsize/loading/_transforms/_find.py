"""Find what a dataset's transforms hold in pixels, and set it for some samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from upsize.loading._reduction import whole_images
from upsize.loading._transforms._dataset_walk import DatasetWalk
from upsize.loading._transforms._scale import scaled
from upsize.loading._transforms._taken import Pixels, Taken
from upsize.run._restoring import Restoring
from upsize.schedule import Size

__all__ = ["PixelFinder", "find_pixels", "restoring_pixels", "restoring_sizes"]


def find_pixels(dataset: Any) -> list[Pixels]:
    """Return the attributes that hold pixels in a dataset's transforms, in order.

    Args:
        dataset: A map-style dataset. Datasets inside are searched as well, as those of a
            ``Subset`` or ``ConcatDataset``.

    Raises:
        ValueError: For an unknown transform that seems to hold pixels, for one that
            crops where nothing resizes on its own path, and where only some images are
            resized.
    """
    return _walked(dataset).taken.found


class PixelFinder:
    """Finds the pixels of a dataset's transforms once, and again when they change.

    It notices another transform, dataset or list of them wherever it has looked, at
    some microseconds a batch, so a transform may be replaced between any two batches.

    Args:
        dataset: As :func:`find_pixels` takes it.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._walk: DatasetWalk | None = None

    def find(self) -> Taken:
        """Return what was found, which is still true.

        Raises:
            ValueError: As :func:`find_pixels`, for transforms that are new.
        """
        walk = self._walk
        if walk is None or not walk.watch.unchanged:
            self._walk = None
            walk = self._walk = _walked(self._dataset)
        return walk.taken


@contextmanager
def restoring_sizes(dataset: Any, size: Size, full: Size) -> Iterator[None]:
    """Set the sizes of a dataset's transforms for ``size``, and restore them.

    Images are opened whole inside where transforms crop, or count pixels, of a file.

    Args:
        dataset: Dataset with transforms at full size.
        size: Size of the samples that are made inside.
        full: The full size.
    """
    taken = _walked(dataset).taken
    with (
        restoring_pixels(taken.found, size, full),
        whole_images(taken.in_file_pixels),
    ):
        yield


@contextmanager
def restoring_pixels(
    pixels: Iterable[Pixels], size: Size, full: Size
) -> Iterator[None]:
    """Set pixels for ``size``, and restore them."""
    with Restoring() as changes:
        for owner, name, measure, reads in pixels:
            if not reads:
                value = scaled(getattr(owner, name), measure, size, full)
                changes.set(owner, name, value)
        yield


def _walked(dataset: Any) -> DatasetWalk:
    walk = DatasetWalk()
    walk.dataset(dataset)
    return walk
