"""Make the samples of a batch at its size, by the dataset's own transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from upsize.loading._reduction import Reduction
from upsize.loading._transforms import PixelFinder, restoring_pixels
from upsize.schedule import Size

__all__ = ["SampleMaker", "SetSize"]

SetSize: TypeAlias = Callable[[Any, Size], object]


class SampleMaker:
    """Gives a dataset the size of each batch while its samples are made.

    Args:
        dataset: A dataset at full size.
        set_size: Gives it another size; ``None``: its transforms are found.
        reduction: Decides where images may be decoded reduced.
    """

    def __init__(
        self,
        dataset: Any,
        set_size: SetSize | None = None,
        reduction: Reduction | None = None,
    ) -> None:
        self._dataset, self._set_size = dataset, set_size
        self._finder = PixelFinder(dataset)
        self._reduction = Reduction() if reduction is None else reduction

    def samples(self, make: Callable[[], Any], size: Size, full: Size) -> Any:
        """Return what ``make`` returns while the dataset is at ``size``."""
        if size == full:
            return make()
        if self._set_size is None:
            found = self._finder.find()
            with restoring_pixels(found.found, size, full):
                # Transforms of file pixels, as a crop before the resize, need all.
                return self._reduction.samples(make, whole=found.in_file_pixels)
        self._set_size(self._dataset, size)
        try:
            return self._reduction.samples(make, whole=False)
        finally:
            self._set_size(self._dataset, full)
