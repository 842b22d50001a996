"""Windows that the workers of a sized loader cut out of full-size batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch.utils.data import default_collate

from upsize.loading._collate import collate_tv_tensors
from upsize.resize import Resizer
from upsize.resize._grid import grid_of
from upsize.run._full_size import is_larger, larger_images
from upsize.run._lost_types import LostTypes
from upsize.run._planned_size import step_of
from upsize.run._size_source import SizeSource, resizer_of
from upsize.schedule import Size
from upsize.schedule._warn import warn

__all__ = ["OneSample", "WindowCutter", "cutter_of"]


class WindowCutter:
    """Cuts the window of a step out of batches, the one that the run would cut.

    It does to a full-size batch in the worker what the resizer of the run does to it on
    the device, so that both give the same bits. One sample tells the types that a batch
    has lost.

    Args:
        resizer: The resizer of the run, with ``mode="crop"``.
        early: Whether samples may be cut before they are collated, as ``collate_fn``
            only stacks them.
    """

    def __init__(self, resizer: Resizer, *, early: bool = False) -> None:
        self._resizer = resizer
        # A window that depends on the targets is known when they are.
        self.is_early = early and not resizer.targets
        self._lost: LostTypes | None = None
        self._told = False

    def __reduce__(self) -> tuple[Callable[..., WindowCutter], tuple[Any, ...]]:
        return partial(WindowCutter, early=self.is_early), (self._resizer,)

    def corner(self, size: Size, full: Size) -> tuple[int, int]:
        """Return the (top, left) pixel of the window of a step in its images.

        For batches of images and labels alone.
        """
        grid = grid_of(self._resizer.seed, step_of(size), (), (full,))
        return grid.corner(size, full)

    def cut(
        self, batch: Any, size: Size, full: Size, sample: OneSample | None = None
    ) -> Any:
        """Return the window of a step out of a batch.

        Args:
            batch: The batch, of images that have the full size or are larger.
            size: The size of the step, which knows the step.
            full: The full size.
            sample: One of its samples; ``None``: they were never single.

        Raises:
            TypeError, ValueError: As the resizer; when images are smaller than the full
                size.

        Warns:
            UserWarning: Once, when they are larger.
        """
        if self._lost is None:
            self._lost = LostTypes(self._resizer)
            self._lost.expect(sample)
        found = self._lost.read(batch, full, None)
        if is_larger(found.size, full) and not self._told:
            self._told = True
            warn(larger_images(found.size, full))
        return found.at(size, step=step_of(size))


class OneSample:
    """A loader of one sample, whose types it tells."""

    def __init__(self, sample: Any, collate: Any) -> None:
        self.dataset, self.collate_fn = [sample], collate


def cutter_of(source: SizeSource, collate: Any) -> WindowCutter | None:
    """Return what cuts the windows of a run; ``None``: it has none.

    Args:
        source: Tells the sizes.
        collate: The ``collate_fn`` of the loader.
    """
    resizer = resizer_of(source)
    if resizer.mode != "crop":
        return None
    return WindowCutter(resizer, early=collate in (default_collate, collate_tv_tensors))
