"""Progressive resizing for a Trainer that exists already."""

from __future__ import annotations

from typing import Any

from upsize.loading._dataset import SetSize
from upsize.resize import Resizer
from upsize.run import Options
from upsize.run._merge_rule import Merge
from upsize.run._options import RAMP, RESIZER, SizeFollower
from upsize.schedule import Grow, Schedule
from upsize.transformers._session import Session

__all__ = ["attach"]


def attach(
    trainer: Any,
    schedule: Schedule = RAMP,
    *,
    final_size: int | tuple[int, int] | None = None,
    resizer: Resizer = RESIZER,
    resize_valid: bool = False,
    preallocate: bool = False,
    empty_cache: bool = False,
    log: str | None = "image_size",
    verbose: bool = True,
    follow: SizeFollower | None = None,
    sized: bool = False,
    set_size: SetSize | None = None,
    merge: Merge = False,
    batch_size: Grow | None = None,
) -> Session:
    """Let a trainer of any class train on small images first.

    Args:
        trainer: A ``transformers.Trainer``, before ``train()``.
        schedule: How the image size grows.
        final_size: Full size; see :class:`ProgressiveResize` for this and the others.
        resizer: How to find and resize the images of a batch, and their targets.
        resize_valid: Whether evaluation during training uses the size trained on last.
        preallocate: Whether to try the full size before training.
        empty_cache: Whether to empty CUDA's cache on every change of size.
        log: Name under which the size is logged; ``None``: not at all.
        verbose: Whether the first process prints the plan's summary, and what of the
            first batch is resized.
        follow: Regularization that follows the size.
        sized: Whether the workers make each image at the size of its step.
        set_size: For datasets whose transforms are not found.
        merge: Whether batches of an accumulation window are merged.
        batch_size: A :class:`~upsize.schedule.Grow` for larger batches of small images.

    Returns:
        An object with the ``plan`` and the ``size`` of training, the ``mismatched``
        batches of a sized loader, and ``remove()``, which restores the trainer.

    Raises:
        TypeError: When ``schedule`` is not a schedule.
        ValueError: When the trainer has a ProgressiveResize already, and as
            :class:`ProgressiveResize` does.

    Example:
        >>> import torch
        >>> from transformers import Trainer, TrainingArguments
        >>> from upsize.schedule import Ramp
        >>> args = TrainingArguments(use_cpu=True, report_to="none")
        >>> trainer = Trainer(torch.nn.Linear(3, 2), args)
        >>> resizing = attach(trainer, Ramp(final_size=224))
        >>> resizing.plan, resizing.size  # trainer.train() sets them
        (None, None)
        >>> resizing.remove()
    """
    if hasattr(trainer, "_upsize"):
        raise ValueError(
            "this trainer has a ProgressiveResize already, and each would resize the "
            "other's images again: call remove() on what attach() returned first, or "
            "leave attach() out if the class has the mixin"
        )
    options = Options(
        schedule, final_size, resizer, resize_valid, preallocate, empty_cache, log,
        verbose, follow, merge,
    )  # fmt: skip
    session = Session(trainer, options, sized, set_size, batch_size)
    session.attach()
    return session
