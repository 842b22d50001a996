"""Progressive resizing in your own training loop."""

from __future__ import annotations

from typing import Any

from upsize._extras import require

require("torch", "torch", "Training loops")

from upsize.resize import Resizer
from upsize.run._counter import BatchCounter
from upsize.run._grown_counter import check_grow, grown_counter
from upsize.run._log import report_to
from upsize.run._loop_run import LoopRun
from upsize.run._merge_rule import Merge
from upsize.run._options import RESIZER, Options, SizeFollower
from upsize.schedule import Grow, Schedule
from upsize.schedule._grow import read_batch
from upsize.schedule._run import run_length, steps_of
from upsize.schedule._size import check_whole_number

__all__ = ["ProgressiveResize"]


class ProgressiveResize(LoopRun):
    """Resize each batch to the size of its step, and count the steps.

    Args:
        schedule: How the image size grows.
        epochs: Length of the run in epochs; needs ``steps_per_epoch``.
        steps_per_epoch: **Batches** in an epoch, ``len(loader)``.
        total_steps: Length of the run in **optimizer steps**, instead of ``epochs``.
        final_size: Full size in pixels, one side or (height, width), where the
            schedule does not name it.
        samples_per_epoch: Samples that this process draws in an epoch, without those
            that ``drop_last`` drops; with ``batch_size``, instead of
            ``steps_per_epoch``. A run that knows them resumes exactly with another
            batch or number of processes.
        batch_size: Samples in a batch of the loader, or a :class:`~upsize.schedule.Grow`
            for larger batches while images are small, which a
            :func:`~upsize.loading.sized` loader draws.
        accumulate: Batches per optimizer step. The run counts optimizer steps: one
            every ``accumulate`` batches and one at the end of an epoch, so that one
            size holds through an accumulation window.
        merge: Whether small images are trained on in fewer, larger batches of the same
            accumulation window. ``True``: :meth:`batches` merges as many as have no
            more pixels than one at full size. A number: the same, and at most so many
            images. ``{size: images}``: at most so many images at each size. Multiply
            the mean loss by :attr:`loss_weight`, and step the optimizer where
            :attr:`ends_window`.
        resizer: How to find and resize the images of a batch.
        follow: Regularization that follows the size: set for each batch, and restored
            after the last step of the plan. Train within ``with follow:`` to restore
            it after an exception, too.
        log: Where the longer side in pixels is reported as ``"image_size"`` on every
            change: a function of (name, value, step) such as ``mlflow.log_metric``, a
            ``SummaryWriter`` of TensorBoard, or a run of W&B. In a distributed run, give
            it in one process.

    Raises:
        TypeError: When ``schedule`` is not a schedule, or ``log`` none of these.
        ValueError: When the length of the run or the full size is missing or
            contradicts itself, ``accumulate`` is below 1, or there is nothing to
            merge.

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
        samples_per_epoch: int | None = None,
        batch_size: int | Grow | None = None,
        accumulate: int = 1,
        merge: Merge = False,
        resizer: Resizer = RESIZER,
        follow: SizeFollower | None = None,
        log: Any = None,
    ) -> None:
        accumulate = check_whole_number("accumulate", accumulate)
        batches = check_whole_number("steps_per_epoch", steps_per_epoch)
        samples, batch, grow = read_batch(samples_per_epoch, batch_size)
        if samples is not None and batch is not None:
            batches = steps_of(samples, batch, batches)
        # An accumulation window that the end of an epoch cuts short is a step, too.
        windows = None if batches is None else -(-batches // accumulate)
        length = run_length(epochs, windows, total_steps)
        options = Options(
            schedule, final_size, resizer, follow=follow, verbose=False, merge=merge
        )
        counter = BatchCounter(
            length.total_steps, accumulate, batches, by_epochs=epochs is not None
        )
        if grow is not None:
            check_grow(grow, options, epochs, accumulate)
            counter = grown_counter(options, length, samples, grow)
        elif samples is not None and batch is not None:
            counter.length = {
                "samples_per_epoch": samples,
                "batch_size": batch * accumulate,
            }
        super().__init__(options, counter, report=report_to(log))
