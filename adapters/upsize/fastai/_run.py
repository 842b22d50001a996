"""One fit of a learner: its plan, and the size of each batch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from fastai.basics import get_model
from fastai.torch_core import rank_distrib

from upsize.fastai._ahead import ahead_of
from upsize.fastai._batch_tfms import came_at, pipeline_of, resizes, sized_pipeline
from upsize.fastai._checks import check_sized
from upsize.fastai._settings import Settings
from upsize.fastai._steps import Steps
from upsize.fastai._targets import policies, repeat
from upsize.resize import Resizer
from upsize.run._compiled import warn_of_recompiles
from upsize.run._dry_run import dry_run
from upsize.run._full_size import FullSizeCheck, warn_at_end
from upsize.schedule import Plan, Size
from upsize.schedule._base import Stage

__all__ = ["Run"]


def _initial_plan(plan: Plan) -> Plan:
    """Return a plan that stays in its first stage."""
    stage = Stage(0, plan.total_steps, plan.stages[0].size)
    # Not model_copy, which would copy what the plan has cached of its stages.
    return Plan(**dict(plan) | {"stages": (stage,)})


class Run:
    """Resizes the batches of a fit.

    Steps are batches, as fastai counts; a window of accumulated gradients keeps the
    size that it began with.

    Args:
        settings: The user's.
        learner: The learner.
        frozen: Whether all of it trains at the first size.
    """

    def __init__(self, settings: Settings, learner: Any, *, frozen: bool) -> None:
        self._settings, self._learner, self._frozen = settings, learner, frozen
        self._resizer = Resizer(mode=settings.resize_mode)
        self._undo: list[Callable[[], None]] = []
        self._final: Size | None = None
        self._steps = Steps()
        self._ahead = ahead_of(learner.dls.loaders[0])
        self._tried = False
        self.corrected = 0
        self.plan: Plan | None = None
        self.size: Size | None = None

    def expect(self, final: Size, images: list[Size]) -> None:
        """Set the full size, and compare with it what the loaders will give."""
        self._final, self._check = final, FullSizeCheck(final)
        for size in images:
            self._check.check(size, stacklevel=5)

    def bind(self) -> None:
        """Make the plan, of as many batches as this process will see."""
        if self.plan is not None or self._final is None:
            return
        settings, learner = self._settings, self._learner
        with warnings.catch_warnings():
            if self._frozen:  # its part of the schedule is the first size
                warnings.simplefilter("ignore", UserWarning)
            plan = settings.schedule.plan(
                epochs=learner.n_epoch,
                steps_per_epoch=len(learner.dls.train),
                final_size=self._final,
            )
        self.plan = _initial_plan(plan) if self._frozen else plan
        if settings.follow is not None:
            settings.follow.bind(plan)
        warn_of_recompiles([learner.model], self.plan)
        if settings.verbose and not rank_distrib():
            print(self._summary(self.plan))

    def _summary(self, plan: Plan) -> str:
        if not self._frozen:
            return plan.summary()
        size = plan.stages[0].size
        text = list(size) if isinstance(size, Size) else size
        return f"Training the frozen model at the initial image size of {text}."

    def take_over(self) -> None:
        """Let the batch transforms that resample images resize them, too."""
        settings, loaders = self._settings, self._learner.dls.loaders
        if self._ahead is not None:
            check_sized(self._learner, settings, self._final)
            self._undo.append(self._ahead.forget)
        if settings.add_resize:
            return
        wanted: list[Callable[[], Size | None]] = [self.upcoming]
        if settings.resize_valid:
            wanted.append(lambda: self.size)
        for loader, size in zip(loaders, wanted, strict=False):
            owner, pipeline = pipeline_of(loader)
            if not resizes(pipeline):
                continue
            if settings.resize_targ:
                raise ValueError(
                    "resize_targ=True needs a resize step, and the batch transforms "
                    "resize here, the targets with the images: leave it out, or give "
                    "add_resize=True"
                )
            owner.after_batch = sized_pipeline(pipeline, size, self._resizer)
            self._undo.append(partial(setattr, owner, "after_batch", pipeline))

    def end(self, *, completed: bool) -> None:
        """Put back what was touched; warn when full size was never reached."""
        while self._undo:
            self._undo.pop()()
        if self._settings.follow is not None:
            self._settings.follow.restore()
        if completed:
            warn_at_end(
                None if self._frozen else self.plan,
                self.size,
                self.corrected,
                why="the transforms do not take the size they are given",
                unit="batches",
                stacklevel=3,
            )

    def begin_epoch(self, epoch: int) -> None:
        """Count from the first batch of an epoch, whether or not others were skipped."""
        self.bind()
        learner = self._learner
        self._steps.begin(epoch * len(learner.dls.train))
        if self._ahead is not None:
            assert self.plan is not None  # it needs the full size, which is checked
            steps = self._steps.ahead(learner.dls.train, learner.cbs)
            self._ahead.tell(map(self.plan.size_at, steps), self.plan.final_size)
        if self._settings.empty_cache and self.upcoming() != self.size:
            torch.cuda.empty_cache()

    def end_epoch(self) -> None:
        """Let the loader make images at full size again."""
        if self._ahead is not None:
            self._ahead.forget()

    def upcoming(self) -> Size | None:
        """Return the size of the next batch; ``None`` while that is not known."""
        return None if self.plan is None else self.plan.size_at(self._steps.current)

    def stepped(self) -> None:
        """Note that the optimizer has made a step."""
        self._steps.stepped()

    def train(self) -> None:
        """Give the training batch in hand the size of its step."""
        learner = self._learner
        images = self._resizer.image_size(learner.xb, full=self._list_size)
        if self.plan is None:
            self.expect(images, [])
            self.bind()
        assert self.plan is not None
        size = self.plan.size_at(self._steps.current)
        if self._settings.follow is not None:
            # A frozen model has the values of the first size.
            self._settings.follow.set(0 if self._frozen else self._steps.current)
        if not self._tried:
            self._tried = True
            self._dry_run(images, max(self.plan.sizes, key=math.prod))
        self.size = size
        came = came_at(self._resizer.first_image(learner.xb))
        if self._ahead is not None and came != size:
            self.corrected += 1
            self._check_images(came)
        self._resize(images, size)
        self._steps.took()

    def counted(self) -> None:
        """Count the batch as done."""
        self._steps.counted()

    def validate(self) -> None:
        """Give the validation batch in hand the size that was trained on last."""
        if self.size is not None:
            inputs = self._learner.xb
            images = self._resizer.image_size(inputs, full=self._list_size)
            self._resize(images, self.size)

    @property
    def _list_size(self) -> Size | None:
        """What stands for images in a list; a sized loader must make them at one."""
        return None if self._ahead is not None else self._final

    def _check_images(self, images: Size) -> None:
        """Refuse images of a size that only a sized loader may give."""
        assert self.plan is not None
        if self._ahead is None or images not in self.plan.sizes:
            self._check.check(images, stacklevel=5)

    def _resize(self, images: Size, size: Size) -> None:
        if images == size:
            return
        self._check_images(images)
        learner = self._learner
        inputs, targets = tuple(learner.xb), tuple(learner.yb)
        follow = policies(targets, images, self._settings.resize_targ)
        resizer = Resizer(mode=self._settings.resize_mode, targets=follow)
        learner.xb, learner.yb = resizer((inputs, targets), size, full=images)

    def _dry_run(self, images: Size, largest: Size) -> None:
        """Run the batch forward and backward at the largest size, without a trace."""
        settings, learner = self._settings, self._learner
        if not settings.preallocate or self.upcoming() == largest:
            return
        inputs = self._resizer(tuple(learner.xb), largest, full=images)
        inputs = repeat(inputs, settings.preallocate_bs)
        model = get_model(learner.model)
        amp = getattr(learner, "mixed_precision", None)
        try:
            with nullcontext() if amp is None else amp.autocast:
                dry_run(model, lambda: model(*inputs), largest)
        except Exception as error:
            error.add_note(
                "upsize: in the dry run at full size; preallocate=False leaves it out"
            )
            raise
