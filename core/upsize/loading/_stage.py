"""Sizes for pipelines that make batches by themselves, and number them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from upsize.loading._arrays import at_size
from upsize.resize import Resizer
from upsize.run._batch_steps import BatchSteps
from upsize.run._loop_run import LoopRun
from upsize.run._size_source import resizer_of
from upsize.schedule import Plan, Size

__all__ = ["SizeStage", "size_stage"]


@dataclass(frozen=True)
class SizeStage:
    """Tells a pipeline the size of each of its batches, by their number.

    :func:`size_stage` makes it. It is plain data: pickle it, send it to processes,
    call it from threads. The sizes depend on nothing but the number of the batch.

    Args:
        plan: The size of each step.
        steps: The step of each batch.
        resizer: How to find and resize the images of a batch.

    Example:
        >>> import torch
        >>> from upsize.loading import size_stage
        >>> from upsize.schedule import Ramp
        >>> stage = size_stage(Ramp(final_size=64).plan(total_steps=100))
        >>> stage.size_of(60), stage(60, torch.rand(2, 3, 64, 64)).shape
        (Size(height=44, width=44), torch.Size([2, 3, 44, 44]))
    """

    plan: Plan
    steps: BatchSteps
    resizer: Resizer

    def size_of(self, batch: int, epoch: int = 0) -> Size:
        """Return the size of a batch, for what decodes or resizes by itself.

        Args:
            batch: Number of the batch, from 0.
            epoch: Number of the epoch that ``batch`` is counted from. 0 where batches
                are numbered through all epochs.

        Raises:
            TypeError: When a number is not an integer.
            ValueError: When a number is negative, or ``epoch`` is above 0 and the run
                does not know ``steps_per_epoch``.

        Example:
            >>> from upsize.loading import size_stage
            >>> from upsize.schedule import Ramp
            >>> plan = Ramp(final_size=64, increase_by=32).plan(
            ...     epochs=2, steps_per_epoch=3
            ... )
            >>> [size_stage(plan).size_of(batch).height for batch in range(6)]
            [32, 32, 32, 64, 64, 64]
            >>> size_stage(plan).size_of(0, epoch=1)
            Size(height=64, width=64)
        """
        return self.plan.size_at(self.steps.step_of(batch, epoch))

    def __call__(self, index: int, batch: Any) -> Any:
        """Return a batch at its size.

        Args:
            index: Number of the batch, from 0.
            batch: Any container of tensors or NumPy arrays. Its images are at full
                size, or at that of the batch already, as (N, C, H, W) or (N, H, W, C).
                Targets follow as :class:`~upsize.resize.Resizer` says.

        Returns:
            The same containers, with arrays for arrays and tensors for tensors; the
            same object where nothing changes.

        Raises:
            TypeError: For images of Pillow.
            ValueError: When the batch has no images, or they have another size.
        """
        step = self.steps.step_of(index)
        full = self.plan.final_size
        return at_size(batch, self.plan.size_at(step), full, self.resizer, step)


def size_stage(
    resize: LoopRun | Plan,
    *,
    from_now: bool = False,
    resizer: Resizer | None = None,
) -> SizeStage:
    """Return the sizes of a run for a pipeline that makes its batches by itself.

    For pipelines that PyTorch's ``DataLoader`` does not drive: Grain, DALI, SPDL,
    nodes of torchdata. For a ``DataLoader``, also of a stream, use :func:`sized`.

    The pipeline must number its batches in the order in which training takes them.
    Give each number to ``size_of``, and decode at that size, or let the stage resize
    whole batches, as ``dataset.batch(32).map_with_index(stage)`` of Grain.

    Args:
        resize: The :class:`~upsize.loop.ProgressiveResize` of the run, with its saved
            state loaded. From now on it takes small batches from any loader; it resizes
            and counts those of another size than their step's. Or a plan, for
            training without one, which counts a step per batch.
        from_now: Whether batch 0 is the next batch of the run. Default: the first
            batch of the run, for pipelines that number their batches through all
            epochs, and resume with the number at which they stopped.
        resizer: How to find and resize the images of a batch; default: as the run.

    Returns:
        A frozen value: ``stage.size_of(batch)`` is the size of a batch, and
        ``stage(index, batch)`` a batch at its size.

    Raises:
        TypeError: When ``resize`` is neither a run of a loop nor a plan.
        ValueError: When ``from_now`` is set for a plan, which has no position.

    Example:
        >>> import numpy as np
        >>> from upsize.loading import size_stage
        >>> from upsize.loop import ProgressiveResize
        >>> from upsize.schedule import Ramp
        >>> resize = ProgressiveResize(
        ...     Ramp(final_size=64, increase_by=32), epochs=2, steps_per_epoch=3
        ... )
        >>> stage = size_stage(resize)
        >>> batch = {"image": np.zeros((8, 64, 64, 3), np.uint8), "label": [0] * 8}
        >>> [stage(index, batch)["image"].shape for index in (2, 3)]
        [(8, 32, 32, 3), (8, 64, 64, 3)]
    """
    if isinstance(resize, Plan):
        if from_now:
            raise ValueError(
                "a plan does not know which batch comes next: give the "
                "ProgressiveResize of the run, or leave out from_now"
            )
        steps = BatchSteps(batches=resize.steps_per_epoch)
        return SizeStage(resize, steps, resizer or Resizer())
    if not isinstance(resize, LoopRun):
        raise TypeError(
            "size_stage takes the ProgressiveResize of a loop or of Accelerate, or a "
            f"plan, not a {type(resize).__name__}: make a plan of your schedule, "
            "schedule.plan(epochs=..., steps_per_epoch=...), and train without it"
        )
    steps = resize.size_source.expect(from_now=from_now)
    return SizeStage(resize.plan, steps, resizer or resizer_of(resize))
