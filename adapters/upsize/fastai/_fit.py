"""One fit of a learner: resizes its batches to the size that the run gives."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from fastai.torch_core import rank_distrib
from torch.utils.data import DataLoader as TorchLoader

from upsize.fastai._ahead import ahead_of
from upsize.fastai._batch_tfms import (
    SizedPipeline,
    WantedSize,
    pipeline_of,
    resizes,
    sized_pipeline,
)
from upsize.fastai._checks import check_sized
from upsize.fastai._column import add_column
from upsize.fastai._counter import FastaiCounter
from upsize.fastai._describe import describe_batch, frozen_summary
from upsize.fastai._dry_run import dry_run, repeat
from upsize.fastai._merged import MergedBatches
from upsize.fastai._peek import image_sizes
from upsize.fastai._settings import Settings
from upsize.fastai._targets import TargetResizer
from upsize.models._adapt._training import ModelSizes
from upsize.resize._containers import replace as replace_leaves
from upsize.run import TrainingRun
from upsize.run._lost_types import without_types
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
        self._targets = TargetResizer(self._resizer.mode, settings.resize_targ)
        held = (lambda: self.plan) if is_frozen else (lambda: None)
        self.counter = FastaiCounter(learner, held)
        self._changes = Restoring()
        self._final, *self._expected = image_sizes(learner.dls, settings.options)
        self._ahead = ahead_of(learner.dls.loaders[0])
        self._pipeline: SizedPipeline | None = None
        self._models: ModelSizes | None = None
        self.run: TrainingRun | None = None
        self.merged: MergedBatches | None = None
        self._is_described = False

    @property
    def plan(self) -> Plan | None:
        """The plan, if there is one."""
        return None if self.run is None else self.run.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on."""
        return None if self.run is None else self.run.size

    @property
    def _says(self) -> bool:
        """Whether this process prints."""
        return self._settings.options.verbose and not rank_distrib()

    def bind(self) -> None:
        """Begin the run, with as many batches as this process will see."""
        if self.run is not None:
            return
        self.run = TrainingRun(
            replace(self._settings.options, final_size=self._final),
            self.counter,
            # A frozen part has one size, and prints another summary.
            models=() if self._is_frozen else [self._learner.model],
            say=None if rank_distrib() or self._is_frozen else print,
            begin=self._begin,
            is_trial=self._is_frozen,
        )
        if self.run.merging is not None:
            self.merged = MergedBatches(self._learner, self.run)
        train, valid = self._expected
        if train is not None:
            self.run.reports.check(train)
        if valid is not None:
            self.run.reports.check_validation(valid)

    def take_over(self) -> None:
        """Let the batch transforms that resample images also resize them."""
        settings, loaders = self._settings, self._learner.dls.loaders
        self._models = ModelSizes([self._learner.model], self._changes)
        self._models.tell(print if self._says else None)
        add_column(self._learner, lambda: self.size, self._changes)
        if self._ahead is not None:
            check_sized(self._learner, settings, self._final)
            self._changes.callback(self._ahead.forget)
        if settings.add_resize:
            return
        wanted: list[WantedSize] = [self._for_training]
        if settings.options.resize_valid:
            wanted.append(self._for_validation)
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
            resized = partial(self._targets.resized, owner)
            new = sized_pipeline(pipeline, size, self._resizer, resized)
            self._changes.set(owner, "after_batch", new)
            if size == self._for_training:
                self._pipeline = new

    def end(self, *, completed: bool) -> None:
        """Restore what was changed, and report how training ended."""
        self._changes.close()
        self.merged = None
        if self.run is not None:
            self.run.finish(completed=completed)
        if completed and self._ahead is not None:
            self._ahead.end()

    def begin_epoch(self, epoch: int) -> None:
        """Prepare for the first batch of an epoch."""
        self.bind()
        assert self.run is not None
        self.counter.begin_epoch(epoch)
        loader = self._learner.dls.loaders[0]
        if isinstance(loader, TorchLoader):
            self.run.draw_from(loader, arrange=self._split)
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
        size = run.size_for(given)
        if not self._is_described:
            self._describe(found.size)
        self._resize(found.size, size)
        self.counter.took()
        if self.merged is not None:
            self.merged.take()

    def validate(self) -> None:
        """Resize the current validation batch to the size that was trained on last."""
        run = self.run
        if run is None or run.size is None:
            return
        found = self._resizer.read(tuple(self._learner.xb), full=self._full_of_lists)
        if found.size != run.size:
            self._resize(found.size, run.validation_size(found.size))

    def _begin(self, plan: Plan) -> None:
        """Check the model, and say what a frozen part does, at the first batch."""
        assert self._models is not None  # adapted before it
        self._models.check(plan)
        if self._is_frozen and self._says:
            print(frozen_summary(plan))

    def _for_training(self, images: Size | None) -> Size | None:  # noqa: ARG002
        return self.upcoming()

    def _for_validation(self, images: Size | None) -> Size | None:
        if images is None or self.run is None:
            return self.size
        return self.run.validation_size(images)

    @property
    def _full_of_lists(self) -> Size | None:
        """The size that lists of images stand for; ``None`` for a sized loader."""
        return None if self._ahead is not None else self._final

    def _resize(self, images: Size, size: Size) -> None:
        if images == size and (self._ahead is None or size == self._final):
            return
        learner, run = self._learner, self.run
        assert run is not None
        batch = tuple(learner.xb), tuple(learner.yb)
        typed = run.reader.lost_types(batch, images)
        batch = replace_leaves(batch, typed)
        found = self._targets.resizer(batch[1], images).read(batch, full=images)
        new = run.reader.resized(batch, found, size)
        learner.xb, learner.yb = without_types(new, typed)

    def _split(self, batch: Any) -> Any:
        """Return what a loader makes as inputs and targets, as the learner has them."""
        if not isinstance(batch, tuple | list):
            return batch  # there is no sample
        inputs = len(self._learner.xb)
        return tuple(batch[:inputs]), tuple(batch[inputs:])

    def _describe(self, images: Size) -> None:
        """Say once what is trained on, before the first batch is resized."""
        self._is_described = True
        # fastai's transforms resize by type.
        if not self._is_frozen and self._pipeline is None:
            assert self.run is not None
            batch = tuple(self._learner.xb), tuple(self._learner.yb)
            describe_batch(self.run, self._targets, batch, images)

    def _dry_run(self, found: Any) -> None:
        """Run the batch forward and backward at full size, without a trace."""
        plan, final = self.plan, self._final or found.size
        if self._is_frozen and plan is not None:
            final = plan.stages[0].sizes[-1]  # the largest that it trains at
        if self.upcoming() != final:
            rows = self._settings.preallocate_bs
            dry_run(self._learner, repeat(found.at(final), rows), final)
