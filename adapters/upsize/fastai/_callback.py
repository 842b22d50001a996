"""The callback of a fastai learner."""

from __future__ import annotations

from typing import Any

import fastai.callback.schedule  # noqa: F401 - gives learners their fine_tune
from fastai.callback.core import Callback

from upsize.fastai._checks import CANCELS, check_batch_size, warn_of_settings
from upsize.fastai._events import FitEvents
from upsize.fastai._fine_tune import is_fine_tuning
from upsize.fastai._fit import Fit
from upsize.fastai._settings import Settings, WhenFrozen, resizer_of, schedule_of
from upsize.resize._interpolate import Mode
from upsize.run import Options
from upsize.run._foreign import explain
from upsize.run._merge_rule import Merge
from upsize.run._options import SizeFollower
from upsize.run._refusals import check_alone
from upsize.schedule import IncreaseMode, Plan, Schedule, Size

__all__ = ["ProgressiveResize"]


class ProgressiveResize(FitEvents):
    """Train on small images first, with a callback that has fastxtend's parameters.

    If the batch transforms resample images, they also resize them; otherwise the batch
    is resized after them. Everything that the callback changes is restored after
    training, also after an exception or Ctrl-C; nothing happens outside of a fit. The
    schedule starts again in each fit.

    Args:
        initial_size: Size of the first stage: a share of the full size as a float, or
            pixels: the longer side, or (height, width).
        start: When the first resize happens: a share of training as a float, or an
            epoch counted from 0 as an int.
        finish: When the last resize happens, in the same units.
        increase_by: Pixels per resize; in epoch mode the minimum.
        increase_mode: ``IncreaseMode.Batch``: at any batch; ``IncreaseMode.Epoch``:
            only before an epoch.
        resize_mode: "bilinear", "bicubic" or "nearest"; if no transform has a size,
            also "area" and "nearest-exact". Images are smoothed as they shrink. At full
            size transforms use their own mode.
        resize_valid: Whether validation during training uses the size that was trained
            on last, instead of the unchanged images. Smaller images keep their own size.
        final_size: Full size in pixels, one side or (height, width). ``None``: the size
            of the training images.
        add_resize: Whether to always resize the batch in a separate step, after all
            batch transforms.
        resize_targ: Whether that step also resizes image-like targets without a type.
            Images, masks, points and boxes of fastai's types always follow the images.
        preallocate_bs: Batch size of the dry run; ``None``: that of the training batch.
        preallocate: Whether to run the first batch forward and backward at full size
            before training: it proves that this fits into memory, and leaves no trace.
        empty_cache: Whether to empty CUDA's cache before an epoch of another size; in
            epoch mode only.
        verbose: Whether the first process prints the plan's summary, and what of the
            first batch is resized.
        schedule: Any schedule, instead of the parameters above that describe a ramp.
        when_frozen: How to train the frozen part of ``fine_tune``: "initial": at the
            first size; "final": at full size; "schedule": by the schedule.
        follow: Regularization that follows the size; restored with the rest.
        merge: Whether small images are trained on in fewer, larger batches of
            ``GradientAccumulation``. ``True``: as many batches in one as have no more
            pixels than a batch at full size. A number: the same, and at most so many
            images. ``{size: images}``: at most so many images at each size. Steps,
            batches and hyperparameters are counted as without it.
        batch_size: Not supported: a :class:`~upsize.schedule.Grow` is refused, with
            what to do instead.

    Raises:
        TypeError, ValueError: For a value that is not allowed. In ``before_fit``: for
            data without images, images smaller than the full size, ``resize_targ``
            where no separate step resizes, a mode that the transforms do not support,
            or ``merge`` without ``GradientAccumulation``. In training: for batches
            above the limit of ``merge``, or that cannot be concatenated.

    Warns:
        UserWarning: When images are larger than the full size, validation images with
            ``resize_valid`` have another size, a target without a type has the size of
            the images and stays at full size, training ends before the full size,
            ``empty_cache`` meets several GPUs, or a tracking callback would compare
            losses of different sizes.

    Example:
        >>> from upsize.fastai import IncreaseMode, ProgressiveResize
        >>> resize = ProgressiveResize(increase_by=16, increase_mode=IncreaseMode.Epoch)
        >>> resize.name, resize.plan
        ('progressive_resize', None)
    """

    # After TrainEvalCallback, which starts the epoch; before MixUp and CutMix.
    order = -5

    def __init__(
        self,
        initial_size: float | tuple[int, int] = 0.5,
        start: float | str = 0.5,
        finish: float | str = 0.75,
        increase_by: int = 4,
        increase_mode: IncreaseMode = IncreaseMode.Batch,
        resize_mode: Mode = "bilinear",
        resize_valid: bool = True,
        final_size: int | tuple[int, int] | None = None,
        add_resize: bool = False,
        resize_targ: bool = False,
        preallocate_bs: int | None = None,
        preallocate: bool = True,
        empty_cache: bool = False,
        verbose: bool = True,
        *,
        schedule: Schedule | None = None,
        when_frozen: WhenFrozen = "initial",
        follow: SizeFollower | None = None,
        merge: Merge = False,
        batch_size: None = None,
    ) -> None:
        check_batch_size(batch_size)
        self._fit: Fit | None = None
        super().__init__()
        ramp = {
            "initial_size": initial_size,
            "start": start,
            "finish": finish,
            "increase_by": increase_by,
            "increase_mode": increase_mode,
        }
        options = Options(
            schedule_of(schedule, final_size, ramp), final_size,
            resizer_of(resize_mode), resize_valid, preallocate, verbose=verbose,
            follow=follow, merge=merge,
        )  # fmt: skip
        self._settings = Settings(
            options, add_resize, resize_targ, preallocate_bs, empty_cache, when_frozen
        )

    @property
    def plan(self) -> Plan | None:
        """The plan of the last fit, the size of every batch; ``None`` before."""
        return None if self._fit is None else self._fit.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return None if self._fit is None else self._fit.size

    @property
    def final_size(self) -> Size | None:
        """The given full size; ``None``: the size of the training images."""
        return self._settings.options.full_size

    @property
    def mismatched(self) -> int:
        """Batches of the last fit that a sized loader made at another size.

        See :func:`sized`. Batch transforms with a size correct every batch themselves.
        """
        run = None if self._fit is None else self._fit.run
        return 0 if run is None else run.mismatched

    def before_fit(self) -> None:
        """Find the full size, make the plan, and take over the batch transforms."""
        if not self._fitting or self._fit is not None:
            return  # validate, get_preds, tta, ...: nothing is trained
        learner, settings = self.learn, self._settings
        check_alone(ProgressiveResize, learner.cbs, "the learner")
        is_frozen_part = learner.opt.frozen_idx > 0 and is_fine_tuning(learner)
        if is_frozen_part and settings.when_frozen == "final":
            self._fitting = False
            return
        is_frozen = is_frozen_part and settings.when_frozen == "initial"
        warn_of_settings(learner, settings, is_frozen=is_frozen)
        self._fit = fit = Fit(settings, learner, is_frozen=is_frozen)
        # DistributedTrainer shortens the loaders after this callback.
        if not hasattr(learner, "distributed_trainer"):
            fit.bind()
        fit.take_over()

    def before_train(self) -> None:
        """Count from the first batch of the epoch."""
        if not self._sees_fit:
            raise ValueError(
                "ProgressiveResize joined the learner after fit had begun: give it to "
                "the learner, or as cbs= to fit"
            )
        if (fit := self._active) is not None:
            fit.begin_epoch(self.learn.epoch)

    def after_train(self) -> None:
        """Let a sized loader make images at full size again."""
        if (fit := self._active) is not None:
            fit.end_epoch()

    def before_batch(self) -> None:
        """Resize a batch that is not at its size already."""
        if (fit := self._active) is None:
            return
        if self.learn.training:
            fit.train()
        elif self._settings.options.resize_valid:
            fit.validate()

    def after_step(self) -> None:
        """Note that the optimizer has made a step."""
        if (fit := self._active) is not None:
            fit.counter.stepped()

    def after_batch(self) -> None:
        """Count the batch, and show its size next to the loss."""
        if (fit := self._active) is None or not self.learn.training:
            return
        fit.counter.counted()
        if fit.merged is not None:
            fit.merged.record()
        bar = getattr(getattr(self.learn, "progress", None), "pbar", None)
        if bar is not None:
            # fastai draws the bar, then replaces this text by the loss in each batch.
            bar.comment = f"{bar.comment}, {fit.size}" if bar.comment else f"{fit.size}"

    @property
    def _active(self) -> Fit | None:
        """The fit in progress."""
        return self._fit if self._fitting else None

    def _explain(self, error: Exception) -> None:
        """Name size and step in an error at a smaller size."""
        fit = self._active
        if fit is None or isinstance(error, CANCELS):
            return
        if self.learn.training or self._settings.options.resize_valid:
            explain(error, fit.run)

    def _begin_fit(self) -> None:
        self._fit = None

    def _end_fit(self, completed: bool) -> None:
        """Restore everything that was changed, however the fit ended."""
        if self._fit is not None:
            self._fit.end(completed=completed)

    def __reduce__(self) -> Any:
        # An exported learner is for inference, and must load without upsize.
        return Callback, ()
