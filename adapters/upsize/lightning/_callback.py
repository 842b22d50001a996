"""The callback without its base class: each of Lightning's two packages has its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

from upsize.lightning._hooks import FitHooks
from upsize.lightning._privates import is_measuring_batchnorm
from upsize.resize import Resizer
from upsize.run import Options
from upsize.run._grown_plan import check_growing, check_samples
from upsize.run._merge_rule import Merge
from upsize.run._options import RAMP, RESIZER, SizeFollower
from upsize.schedule import (
    Grow,
    Linear,
    MultiScale,
    Phases,
    Plan,
    Ramp,
    Schedule,
    Size,
)
from upsize.schedule._size import check_whole_number

__all__ = ["ResizeCallback"]


class ResizeCallback(FitHooks):
    """Train on small images first, with a callback of the trainer.

    Each training batch is resized after its transfer to the device and your own
    transfer hooks, to the size that the plan has for the optimizer steps done. The
    progress bar and the loggers show the size, and checkpoints hold the plan.
    While the trainer fits, the model is adapted to other sizes than its own, see
    :func:`upsize.models.adapt`. Everything that the callback changes is restored after
    training, also after an exception or Ctrl-C.

    Args:
        schedule: How the image size grows.
        final_size: Full size in pixels, one side or (height, width), where the
            schedule does not name it. ``None``: the size of the first batch's images.
        total_steps: Length of the run in optimizer steps, or in batches with manual
            optimization. ``None``: read from the trainer's settings and data. Needed
            when the trainer has no end.
        resizer: How to find and resize the images of a batch.
        resize_valid: Whether validation during training uses the size trained on last,
            instead of the unchanged images. Smaller images keep their own size.
        preallocate: Whether to run the first batch forward and backward at full size
            before training: it proves that this fits into memory, and leaves no trace.
            The module's ``forward`` is called with the first image of the batch.
        empty_cache: Whether to empty CUDA's cache on every change of size.
        log: Name under which the progress bar and, on every change, each logger get
            the longer side in pixels; ``None``: not at all.
        verbose: Whether the first process prints the plan's summary, and what of the
            first batch is resized.
        follow: Regularization that follows the size; restored with the rest.
        merge: Whether small images are trained on in fewer, larger micro-batches of
            ``accumulate_grad_batches``. ``True``: as many batches in one as have no
            more pixels than a batch at full size. A number: the same, and at most so
            many images. ``{size: images}``: at most so many images at each size.
            Steps, batches and learning rates are counted as without it.
        batch_size: A :class:`~upsize.schedule.Grow` for larger batches while images are
            small, which a :func:`sized` loader draws; its plain batch, and the samples
            of an epoch, are those of that loader in one process. Needs ``max_epochs``.
            ``None``: the loader's own.

    Raises:
        TypeError: When ``schedule`` is not a schedule, or ``merge`` none of these.
        ValueError: When sizes contradict each other, or ``batch_size`` stands beside
            ``total_steps``, ``merge`` or ``preallocate``. At the start of training:
            for a trainer without an end, a second ProgressiveResize, a
            ``training_step(dataloader_iter)``, a batch without images, images smaller
            than the full size, or sizes that the model does not take. With ``merge``:
            for manual optimization, a strategy that accumulates gradients itself, a
            trainer that accumulates none, batches above the limit, and batches that
            cannot be concatenated. With ``batch_size``: for another loader than a sized
            one of a map-style dataset, gradients that are accumulated, and trainers
            that count batches (``max_steps``, ``limit_train_batches``).

    Warns:
        UserWarning: When the images are larger than the full size, training ends before
            full size, the data has no length, a resumed run has another length, a
            compiled model meets more sizes than its recompile limit, or the patches of
            the model leave out a part of the images.

    Example:
        >>> import lightning.pytorch as L
        >>> from upsize.lightning import ProgressiveResize
        >>> from upsize.schedule import Ramp
        >>> resize = ProgressiveResize(Ramp(initial_size=0.5, start=0.5, finish=0.75))
        >>> trainer = L.Trainer(
        ...     max_epochs=90, callbacks=[resize], accelerator="cpu", logger=False,
        ...     enable_checkpointing=False, enable_progress_bar=False,
        ... )
        >>> resize.state_key, resize.plan
        ('upsize.ProgressiveResize', None)
    """

    def __init__(
        self,
        # Each kind by name: Lightning's command line cannot build an abstract class.
        schedule: Ramp | Linear | Phases | MultiScale | Schedule = RAMP,
        *,
        final_size: int | tuple[int, int] | None = None,
        total_steps: int | None = None,
        resizer: Resizer = RESIZER,
        resize_valid: bool = False,
        preallocate: bool = False,
        empty_cache: bool = False,
        log: str | None = "image_size",
        verbose: bool = True,
        follow: SizeFollower | None = None,
        merge: Merge = False,
        batch_size: Grow | None = None,
    ) -> None:
        options = Options(
            schedule, final_size, resizer, resize_valid, preallocate, empty_cache, log,
            verbose, follow, merge,
        )  # fmt: skip
        total = check_whole_number("total_steps", total_steps)
        if batch_size is not None:
            check_growing(batch_size, options, total)
        super().__init__(options, total, batch_size)

    @property
    def plan(self) -> Plan | None:
        """The plan, the size of every step; ``None`` before training has started.

        With ``batch_size``, ``configure_optimizers`` can already read it.
        """
        if self._run is None:
            return None if self._grown is None else self._grown.plan
        return self._run.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return None if self._run is None else self._run.size

    @property
    def final_size(self) -> Size | None:
        """The full size; ``None``: that of the first batch's images."""
        return self._options.full_size

    @property
    def mismatched(self) -> int:
        """Batches that came from a sized loader at another size than their step's."""
        return 0 if self._run is None else self._run.mismatched

    def sizes_ahead(self, batches: int | None = None) -> Iterator[Size]:
        """Yield the size of each training batch to come; outside of a fit, full size.

        Args:
            batches: Batches in a pass over the loader; Lightning knows it.
        """
        full = self._options.full_size
        assert full is not None  # sized() refuses a callback without it
        ahead: Iterator[Size] = iter(())
        if self._is_training:
            assert self._run is not None  # it trains
            ahead = self._run.sizes_ahead(batches)
        return chain(ahead, repeat(full))

    @property
    def grown_plan(self) -> Plan | None:
        """The plan, while a fit trains and its batches grow, else ``None``."""
        plan = self.plan if self._is_training else None
        return None if plan is None or plan.grow is None else plan

    @property
    def _is_training(self) -> bool:
        """Whether batches are drawn to be trained on."""
        # As for the batches themselves: neither in the finders nor in other stages.
        trainer = self._trainer
        if trainer is None or self._run is None or self not in trainer.callbacks:
            return False
        return trainer.state.stage.value == "train" and not is_measuring_batchnorm(
            trainer
        )

    def batches_ahead(self, batches: int | None = None) -> Iterator[tuple[Size, int]]:
        """Yield size and images of each training batch to come, in a plan that grows.

        Args:
            batches: Batches in a pass over the loader; Lightning knows it.
        """
        assert self._run is not None  # there is a grown_plan
        return self._run.ahead.batches(batches)

    def batches_of(self, samples: int | None = None) -> int:
        """Return the batches of the epoch in progress, in a plan that grows.

        Args:
            samples: Samples that the loader draws; ``None``: those of the plan.

        Raises:
            ValueError: When the plan has been made for another number of them.
        """
        plan = self.grown_plan
        assert plan is not None  # only then it is asked
        check_samples(plan, samples)
        return int(self._trainer.num_training_batches)
