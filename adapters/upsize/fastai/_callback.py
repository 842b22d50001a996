"""The callback of a fastai learner."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from fastai.callback.core import Callback
from fastai.callback.schedule import Learner
from fastai.callback.tracker import TrackerCallback
from torch.cuda import device_count

from upsize.fastai._column import SizeColumn
from upsize.fastai._guard import FitGuard
from upsize.fastai._peek import image_size
from upsize.fastai._run import Run
from upsize.fastai._settings import Settings, WhenFrozen, schedule_of
from upsize.follow import Applier
from upsize.resize import Resizer
from upsize.resize._interpolate import Mode
from upsize.schedule import IncreaseMode, Linear, MultiScale, Phases, Plan, Ramp, Size

__all__ = ["ProgressiveResize"]


def _in_fine_tune() -> bool:
    """Whether a fit is a part of ``fine_tune``, which tells nobody."""
    code = Learner.fine_tune.__code__
    frame = sys._getframe(1)
    while frame.f_code is not code:
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return True


class ProgressiveResize(Callback):
    """Train on small images first, by a callback with fastxtend's parameters.

    Where the batch transforms resample images, these are made smaller there, else the
    batch is resized. What is touched is put back after training, an exception and
    Ctrl-C alike; nothing happens outside of a fit. A schedule starts anew in each fit.

    Args:
        initial_size: Size of the first stage: a share of the full size as a float, or
            pixels: the longer side, or (height, width).
        start: When the first resize happens: a share of training as a float, or an
            epoch from 0 as an int.
        finish: When the last one happens, in the same units.
        increase_by: Pixels per resize; in epoch mode the least.
        increase_mode: ``IncreaseMode.Batch``: at any batch; ``IncreaseMode.Epoch``: only
            before an epoch.
        resize_mode: "bilinear", "bicubic" or "nearest", and where no transform was
            given a size also "area" and "nearest-exact"; smoothed as images shrink. Back
            to the transform's own at full size.
        resize_valid: Whether validation during training uses the size that was trained
            on last, instead of the full one.
        final_size: Full size in pixels, one side or (height, width). ``None``: that of
            the training images.
        add_resize: Whether always to resize the batch in a step of its own, after all
            batch transforms.
        resize_targ: Whether that step resizes image-like targets, too. Masks, points
            and boxes of fastai's types follow the images in any case.
        preallocate_bs: Batch size of the dry run; ``None``: that of the training batch.
        preallocate: Whether to run the first batch forward and backward at full size
            before training: it takes the memory that training will need, and leaves
            no trace.
        empty_cache: Whether to empty CUDA's cache before an epoch of another size; in
            epoch mode only.
        verbose: Whether the first process prints the plan's summary.
        schedule: Any other schedule, instead of the parameters above that describe one.
        when_frozen: In the frozen part of ``fine_tune``: "initial": train it at the
            first size; "final": at full size; "schedule": run the schedule there, too.
        follow: Regularisation that follows the size, put back with the rest.

    Raises:
        TypeError, ValueError: For a value that is not allowed. In ``before_fit``: for
            data without images or smaller than the full size, validation images of
            another size, ``resize_targ`` where no step resizes, or a mode that the
            transforms do not have.

    Warns:
        UserWarning: When images are larger than the full size, training ends before it,
            ``empty_cache`` meets several GPUs, or a tracking callback would compare
            losses of different sizes.

    Example:
        >>> from upsize.fastai import IncreaseMode, ProgressiveResize
        >>> resize = ProgressiveResize(increase_by=16, increase_mode=IncreaseMode.Epoch)
        >>> resize.name, resize.plan
        ('progressive_resize', None)
    """

    # Behind TrainEvalCallback, which starts the epoch; before MixUp and CutMix.
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
        schedule: Ramp | Linear | Phases | MultiScale | None = None,
        when_frozen: WhenFrozen = "initial",
        follow: Applier | None = None,
    ) -> None:
        self._guard: FitGuard | None = None
        self._fitting = False
        self._run: Run | None = None
        super().__init__()
        ramp = {
            "initial_size": initial_size,
            "start": start,
            "finish": finish,
            "increase_by": increase_by,
            "increase_mode": increase_mode,
        }
        self._settings = Settings(
            schedule=schedule_of(schedule, final_size, ramp),
            final_size=final_size,
            resize_mode=resize_mode,
            resize_valid=resize_valid,
            add_resize=add_resize,
            resize_targ=resize_targ,
            preallocate_bs=preallocate_bs,
            preallocate=preallocate,
            empty_cache=empty_cache,
            verbose=verbose,
            when_frozen=when_frozen,
            follow=follow,
        )

    @property
    def learn(self) -> Any:
        """The learner, which fastai sets."""
        return vars(self).get("_learn")

    @learn.setter
    def learn(self, learner: Any) -> None:
        if self._guard is not None:
            self._guard.remove()
        self.__dict__["_learn"] = learner
        self._guard = None
        if learner is not None:
            self._guard = FitGuard(learner, self._begin, self._end)

    @property
    def plan(self) -> Plan | None:
        """The plan of the last fit, the size of every batch; ``None`` before."""
        return None if self._run is None else self._run.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return None if self._run is None else self._run.size

    @property
    def final_size(self) -> Size | None:
        """The full size that was given; ``None``: that of the training images."""
        given = self._settings.final_size or self._settings.schedule.target()
        return None if given is None else self._settings.schedule.resolve(given)

    @property
    def corrected(self) -> int:
        """Batches of the last fit that a sized loader made at another size.

        See :func:`sized`. Where batch transforms are told a size, all get theirs there.
        """
        return 0 if self._run is None else self._run.corrected

    def before_fit(self) -> None:
        """Find the full size, make the plan, and take over the batch transforms."""
        if not self._fitting or self._run is not None:
            return  # validate, get_preds, tta, ...: nothing is trained
        learner, settings = self.learn, self._settings
        count = sum(isinstance(each, ProgressiveResize) for each in learner.cbs)
        if count > 1:
            raise ValueError(
                f"the learner has {count} ProgressiveResize callbacks, and each would "
                "resize what the other has resized: keep one"
            )
        tuning = learner.opt.frozen_idx > 0 and _in_fine_tune()
        if tuning and settings.when_frozen == "final":
            self._fitting = False
            return
        frozen = tuning and settings.when_frozen == "initial"
        self._run = run = Run(settings, learner, frozen=frozen)
        self._warn(frozen=frozen)
        self._find_full_size(run)
        # DistributedTrainer shortens the loaders only after us.
        if not hasattr(learner, "distributed_trainer"):
            run.bind()
        self._metric = SizeColumn(lambda: run.size)
        learner.metrics = [*learner.metrics, self._metric]
        run.take_over()

    def before_train(self) -> None:
        """Set the clock to the first batch of the epoch."""
        if (run := self._active) is not None:
            run.begin_epoch(self.learn.epoch)

    def after_train(self) -> None:
        """Let a sized loader make images at full size again."""
        if (run := self._active) is not None:
            run.end_epoch()

    def before_batch(self) -> None:
        """Resize what is not at its size already."""
        if (run := self._active) is None:
            return
        if self.learn.training:
            run.train()
        elif self._settings.resize_valid:
            run.validate()

    def after_step(self) -> None:
        """Note that the optimizer has made a step."""
        if (run := self._active) is not None:
            run.stepped()

    def after_batch(self) -> None:
        """Count the batch, and show its size beside the loss."""
        if (run := self._active) is None or not self.learn.training:
            return
        run.counted()
        bar = getattr(getattr(self.learn, "progress", None), "pbar", None)
        if bar is not None:
            # fastai draws the bar, then writes the loss here anew in each batch.
            bar.comment = f"{bar.comment}, {run.size}" if bar.comment else f"{run.size}"

    @property
    def _active(self) -> Run | None:
        """The run of a fit that is going on."""
        return self._run if self._fitting else None

    def _begin(self) -> None:
        """Note that a fit begins which is one of the user's."""
        self._fitting = not hasattr(self.learn, "lr_finder")
        if self._fitting:
            self._run = None

    def _end(self, completed: bool) -> None:
        """Put back all that was touched, however the fit has ended."""
        fitting, self._fitting = self._fitting, False
        if not fitting or (run := self._run) is None:
            return
        self.learn.metrics = [m for m in self.learn.metrics if m is not self._metric]
        run.end(completed=completed)

    def _find_full_size(self, run: Run) -> None:
        """Tell the run the full size that is asked for, or that of its images."""
        settings, dls = self._settings, self.learn.dls
        resizer = Resizer()
        given = self.final_size
        train = image_size(dls.loaders[0], resizer, "the training images", given)
        valid = None
        if settings.resize_valid and len(dls.loaders) > 1:
            valid = image_size(dls.loaders[1], resizer, "the validation images", given)
        if given is None and train and valid and train != valid:
            raise ValueError(
                f"the validation images are {valid} and the training images {train}, "
                "and resize_valid=True gives both one size: load them at one size, or "
                "give resize_valid=False"
            )
        final = train if given is None else given
        if final is not None:
            run.expect(final, [size for size in (train, valid) if size is not None])

    def _warn(self, *, frozen: bool) -> None:
        """Warn of what will not do what it seems to."""
        settings = self._settings
        if settings.empty_cache and device_count() > 1:
            warnings.warn(
                "empty_cache=True empties the cache of the current GPU of this process "
                f"only, and there are {device_count()}",
                UserWarning,
                stacklevel=2,
            )
        trackers = [cb for cb in self.learn.cbs if isinstance(cb, TrackerCallback)]
        if settings.resize_valid and trackers and not frozen:
            warnings.warn(
                f"{trackers[0]} compares losses that are validated at different sizes: "
                "give ProgressiveResize resize_valid=False",
                UserWarning,
                stacklevel=2,
            )

    def __reduce__(self) -> Any:
        # An exported learner is for inference, and must load without upsize.
        return Callback, ()
