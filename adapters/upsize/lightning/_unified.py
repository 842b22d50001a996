"""The callback for the package ``lightning.pytorch``."""

from __future__ import annotations

import lightning.pytorch

from upsize.lightning._callback import ResizeCallback

__all__ = ["ProgressiveResize"]


class ProgressiveResize(ResizeCallback, lightning.pytorch.Callback):
    """Train on small images first: resizes the batches of a Lightning trainer.

    Put it among the trainer's callbacks. It resizes each training batch behind the
    transfer to the device and the user's own transfer hooks, to the size that the
    plan has for the optimizer steps done. Checkpoints hold the plan; everything that
    it touches is put back after training, an exception and Ctrl-C alike.

    Args:
        schedule: What grows and when; ``None``: ``Ramp()``.
        final_size: Full size in pixels, one side or (height, width); ``None``: the
            schedule's, else that of the images in the first batch.
        total_steps: Length of the run in optimizer steps; ``None``: as the trainer
            estimates it when training starts.
        resizer: How to find and resize the images of a batch; ``None``: ``Resizer()``.
        resize_valid: Whether validation during training uses the size of training;
            else it uses the images as they come.
        preallocate: Whether to run the first batch forward and backward at full size
            before training. Leaves no trace; needs a ``forward`` that takes the
            images.
        empty_cache: Whether to empty CUDA's cache on every change.
        log: Name under which the progress bar and, on every change, each logger get
            the longer side in pixels; ``None``: not at all.
        verbose: Whether the first process prints the plan's summary.

    Raises:
        ValueError: For sizes that contradict each other; at the start of training for
            a run without end, a second ProgressiveResize, a
            ``training_step(dataloader_iter)``, or images smaller than the full size.

    Example:
        >>> import lightning.pytorch as L
        >>> from upsize.schedule import Ramp
        >>> resize = ProgressiveResize(Ramp(initial_size=0.5, start=0.5, finish=0.75))
        >>> trainer = L.Trainer(
        ...     max_epochs=90, callbacks=[resize], accelerator="cpu", logger=False,
        ...     enable_checkpointing=False, enable_progress_bar=False,
        ... )
        >>> resize.state_key
        'upsize.ProgressiveResize'
    """
