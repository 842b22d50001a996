"""Progressive resizing in your own training loop."""

from __future__ import annotations

from upsize._extras import require

require("torch", "torch", "Training loops")


from upsize.resize import Resizer
from upsize.run._counter import BatchCounter
from upsize.run._loop_run import LoopRun
from upsize.run._options import RESIZER, Options, SizeFollower
from upsize.schedule import Schedule
from upsize.schedule._run import run_length
from upsize.schedule._size import check_whole_number

__all__ = ["ProgressiveResize"]


class ProgressiveResize(LoopRun):
    """Resize each batch to the size of its step, and count the steps.

    Args:
        schedule: What grows and when.
        epochs: Length of the run in epochs; needs ``steps_per_epoch``.
        steps_per_epoch: **Batches** in an epoch, ``len(loader)``.
        total_steps: Length of the run in **optimizer steps**, instead of ``epochs``.
        final_size: Full size in pixels, one side or (height, width), where the
            schedule does not name it.
        accumulate: Batches per optimizer step. The run counts optimizer steps: one
            every ``accumulate`` batches and one at the end of an epoch, so that one
            size holds through an accumulation window.
        resizer: How to find and resize the images of a batch.
        follow: Regularization that follows the size: set for each batch, and restored
            after the last step of the plan. Train within ``with follow:`` to restore
            it after an exception, too.

    Raises:
        TypeError: When ``schedule`` is not a schedule.
        ValueError: When the length of the run or the full size is missing or
            contradicts itself, or ``accumulate`` is below 1.

    Example:
        >>> import torch
        >>> from upsize.schedule import Ramp
        >>> loader = [(torch.rand(4, 3, 64, 64), torch.zeros(4)) for _ in range(5)]
        >>> resize = ProgressiveResize(
        ...     Ramp(final_size=64, increase_by=16), epochs=4, steps_per_epoch=5
        ... )
        >>> for epoch in range(4):
        ...     sizes = [images.shape[-1] for images, _ in resize.batches(loader)]
        ...     print(epoch, sizes)
        0 [32, 32, 32, 32, 32]
        1 [32, 32, 32, 32, 32]
        2 [48, 48, 48, 48, 48]
        3 [64, 64, 64, 64, 64]
    """

    def __init__(
        self,
        schedule: Schedule,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        total_steps: int | None = None,
        final_size: int | tuple[int, int] | None = None,
        accumulate: int = 1,
        resizer: Resizer = RESIZER,
        follow: SizeFollower | None = None,
    ) -> None:
        accumulate = check_whole_number("accumulate", accumulate)
        batches = check_whole_number("steps_per_epoch", steps_per_epoch)
        # An accumulation window that the end of an epoch cuts short is a step, too.
        windows = None if batches is None else -(-batches // accumulate)
        length = run_length(epochs, windows, total_steps)
        super().__init__(
            Options(schedule, final_size, resizer, follow=follow, verbose=False),
            BatchCounter(
                length.total_steps, accumulate, batches, by_epochs=epochs is not None
            ),
        )
