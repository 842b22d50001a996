"""One fit of a learner: resizes its batches to the size that the run gives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from fastai.basics import get_model
from fastai.torch_core import rank_distrib

from upsize.fastai._ahead import ahead_of
from upsize.fastai._batch_tfms import (
    SizedPipeline,
    pipeline_of,
    resizes,
    sized_pipeline,
)
from upsize.fastai._checks import check_sized
from upsize.fastai._counter import FastaiCounter
from upsize.fastai._settings import Settings
from upsize.fastai._targets import policies, repeat
from upsize.resize import Resizer
from upsize.run import TrainingRun
from upsize.run._dry_run import dry_run
from upsize.run._restoring import Restoring
from upsize.schedule import Plan, Size

__all__ = ["Fit"]


class Fit:
    """Resizes the batches of a fit, in its batch transforms or after them.

    Args:
        settings: What the user asks for.
        learner: The learner.
        is_frozen: Whether it is the frozen part of ``fine_tune``, at the first size.
    """

    def __init__(self, settings: Settings, learner: Any, *, is_frozen: bool) -> None:
        self._settings, self._learner, self._is_frozen = settings, learner, is_frozen
        self._resizer = settings.options.resizer
        held = (lambda: self.plan) if is_frozen else (lambda: None)
        self.counter = FastaiCounter(learner, held)
        self._changes = Restoring()
        self._final = settings.options.full_size
        self._expected: list[Size] = []
        self._ahead = ahead_of(learner.dls.loaders[0])
        self._pipeline: SizedPipeline | None = None
        self.run: TrainingRun | None = None

    @property
    def plan(self) -> Plan | None:
        """The plan, if there is one."""
        return None if self.run is None else self.run.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on."""
        return None if self.run is None else self.run.size

    def expect(self, final: Size, images: list[Size]) -> None:
        """Set the full size, and the image sizes of the loaders."""
        self._final, self._expected = final, images

    def bind(self) -> None:
        """Begin the run, with as many batches as this process will see."""
        if self.run is not None:
            return
        self.run = TrainingRun(
            replace(self._settings.options, final_size=self._final),
            self.counter,
            # A frozen part has one size, and prints another summary.
            models=() if self._is_frozen else [self._learner.model],
            say=None if rank_distrib() else self._say,
            is_trial=self._is_frozen,
        )
        for size in self._expected:
            self.run.check(size)

    def take_over(self) -> None:
        """Let the batch transforms that resample images also resize them."""
        settings, loaders = self._settings, self._learner.dls.loaders
        if self._ahead is not None:
            check_sized(self._learner, settings, self._final)
            self._changes.callback(self._ahead.forget)
        if settings.add_resize:
            return
        wanted: list[Callable[[], Size | None]] = [self.upcoming]
        if settings.options.resize_valid:
            wanted.append(lambda: self.size)
        for loader, size in zip(loaders, wanted, strict=False):
            owner, pipeline = pipeline_of(loader)
            if not resizes(pipeline):
                continue
            if settings.resize_targ:
                raise ValueError(
                    "resize_targ=True needs a separate resize step, but the batch "
                    "transforms resize images and targets here: leave it out, or give "
                    "add_resize=True"
                )
            new = sized_pipeline(pipeline, size, self._resizer)
            self._changes.set(owner, "after_batch", new)
            if size == self.upcoming:
                self._pipeline = new

    def end(self, *, completed: bool) -> None:
        """Restore what was changed, and report how training ended."""
        self._changes.close()
        if self.run is not None:
            self.run.finish(completed=completed)

    def begin_epoch(self, epoch: int) -> None:
        """Prepare for the first batch of an epoch."""
        self.bind()
        assert self.run is not None
        self.counter.begin_epoch(epoch)
        if self._ahead is not None:
            assert self._final is not None  # check_sized has asked for it
            self._ahead.tell(self.run.sizes_ahead(), self._final)
        if self._settings.empty_cache and self.upcoming() != self.size:
            torch.cuda.empty_cache()

    def end_epoch(self) -> None:
        """Let a sized loader make images at full size again."""
        if self._ahead is not None:
            self._ahead.forget()
        assert self.run is not None
        self.run.end_epoch()

    def upcoming(self) -> Size | None:
        """Return the size of the next batch; ``None`` while that is not known."""
        plan = self.plan
        return None if plan is None else plan.size_at(self.counter.step())

    def train(self) -> None:
        """Give the current training batch the size of its step."""
        run, learner = self.run, self._learner
        assert run is not None
        found = self._resizer.read(tuple(learner.xb), full=self._full_of_lists)
        if run.wants_dry_run:
            self._dry_run(found)
        if self._ahead is not None and self._pipeline is not None:
            given: Size | None = self._pipeline.size_before(found.first)
        else:
            # Images that the batch transforms resize are checked before training.
            given = None if found.size == self.upcoming() else found.size
        self._resize(found.size, run.size_for(given))
        self.counter.took()

    def validate(self) -> None:
        """Resize the current validation batch to the size that was trained on last."""
        run, size = self.run, self.size
        if run is None or size is None:
            return
        found = self._resizer.read(tuple(self._learner.xb), full=self._full_of_lists)
        if found.size != size:
            run.check(found.size)
            self._resize(found.size, size)

    @property
    def _full_of_lists(self) -> Size | None:
        """The size that lists of images stand for; ``None`` for a sized loader."""
        return None if self._ahead is not None else self._final

    def _resize(self, images: Size, size: Size) -> None:
        if images == size:
            return
        learner = self._learner
        inputs, targets = tuple(learner.xb), tuple(learner.yb)
        follow = policies(targets, images, self._settings.resize_targ)
        resizer = Resizer(mode=self._resizer.mode, targets=follow)
        learner.xb, learner.yb = resizer.read((inputs, targets), full=images).at(size)

    def _say(self, plan: Plan) -> None:
        """Print the plan's summary, or what a frozen part does."""
        first = plan.stages[0].size
        size = list(first) if isinstance(first, Size) else first
        frozen = f"Training the frozen model at the initial image size of {size}."
        print(frozen if self._is_frozen else plan.summary())

    def _dry_run(self, found: Any) -> None:
        """Run the batch forward and backward at full size, without a trace."""
        settings, learner = self._settings, self._learner
        plan, final = self.plan, self._final or found.size
        if self._is_frozen and plan is not None:
            final = plan.stages[0].sizes[-1]  # the largest that it trains at
        if self.upcoming() == final:
            return
        inputs = repeat(found.at(final), settings.preallocate_bs)
        model = get_model(learner.model)
        amp = getattr(learner, "mixed_precision", None)
        try:
            with nullcontext() if amp is None else amp.autocast:
                dry_run(model, lambda: model(*inputs), final)
        except Exception as error:
            error.add_note(
                "upsize: in the dry run at full size; preallocate=False skips it"
            )
            raise
