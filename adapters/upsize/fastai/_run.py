"""One fit of a learner: its plan, and the size of each batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from fastai.basics import get_model
from fastai.torch_core import TensorMask, rank_distrib
from fastai.vision.core import TensorPoint
from torch import Tensor
from torchvision import tv_tensors

from upsize._compiled import warn_of_recompiles
from upsize._containers import Path, leaves, replace
from upsize._dry_run import dry_run
from upsize._full_size import FullSizeCheck
from upsize.fastai._batch_tfms import pipeline_of, resizes, sized
from upsize.fastai._settings import Settings
from upsize.resize import Resizer
from upsize.schedule import Plan, Size
from upsize.schedule._base import Stage

__all__ = ["Run"]

# What follows the images by its type, whatever is asked of other targets.
_FOLLOWS = (TensorMask, TensorPoint, tv_tensors.Mask)


def _initial_plan(plan: Plan) -> Plan:
    """Return a plan that stays at the first size."""
    stage = Stage(0, plan.total_steps, plan.stages[0].size)
    return plan.model_copy(update={"stages": (stage,)})


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
        self._next = self._window = 0
        self._open = self._tried = False
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
        warn_of_recompiles([learner.model], self.plan)
        if settings.verbose and not rank_distrib():
            print(self._summary(self.plan))

    def _summary(self, plan: Plan) -> str:
        if not self._frozen:
            return plan.summary()
        size = list(plan.stages[0].size)
        return f"Training the frozen model at the initial image size of {size}."

    def take_over(self) -> None:
        """Let the batch transforms that resample images resize them, too."""
        settings, loaders = self._settings, self._learner.dls.loaders
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
            owner.after_batch = sized(pipeline, size, self._resizer)
            self._undo.append(partial(setattr, owner, "after_batch", pipeline))

    def end(self, *, completed: bool) -> None:
        """Put back the batch transforms; warn when full size was never reached."""
        while self._undo:
            self._undo.pop()()
        plan, size = self.plan, self.size
        if not completed or self._frozen or plan is None or size is None:
            return
        if size != plan.final_size == plan.stages[-1].size:
            warnings.warn(
                f"training ended at {size}, not at the full size {plan.final_size}: it "
                f"was shorter than the {plan.total_steps} batches that were planned",
                UserWarning,
                stacklevel=3,
            )

    def begin_epoch(self, epoch: int) -> None:
        """Count from the first batch of an epoch, whether or not others were skipped."""
        self.bind()
        self._next = epoch * len(self._learner.dls.train)
        if not self._open:
            self._window = self._next
        if self._settings.empty_cache and self.upcoming() != self.size:
            torch.cuda.empty_cache()

    def upcoming(self) -> Size | None:
        """Return the size of the next batch; ``None`` while that is not known."""
        return None if self.plan is None else self.plan.size_at(self._window)

    def stepped(self) -> None:
        """Close the window: the optimizer has made a step."""
        self._open = False

    def train(self) -> None:
        """Give the training batch in hand the size of its step."""
        learner = self._learner
        images = self._resizer.image_size(learner.xb)
        if self.plan is None:
            self.expect(images, [])
            self.bind()
        assert self.plan is not None
        size = self.plan.size_at(self._window)
        if not self._tried:
            self._tried = True
            self._dry_run(images, self.plan.stages[-1].size)
        self.size = size
        self._resize(images, size)
        self._open = True

    def counted(self) -> None:
        """Count the batch as done."""
        self._next += 1
        if not self._open:
            self._window = self._next

    def validate(self) -> None:
        """Give the validation batch in hand the size that was trained on last."""
        if self.size is not None:
            self._resize(self._resizer.image_size(self._learner.xb), self.size)

    def _resize(self, images: Size, size: Size) -> None:
        if images == size:
            return
        self._check.check(images, stacklevel=4)
        learner = self._learner
        inputs, targets = tuple(learner.xb), tuple(learner.yb)
        policies = _policies(targets, images, self._settings.resize_targ)
        resizer = Resizer(mode=self._settings.resize_mode, targets=policies)
        learner.xb, learner.yb = resizer((inputs, targets), size, full=images)

    def _dry_run(self, images: Size, largest: Size) -> None:
        """Run the batch forward and backward at the largest size, without a trace."""
        settings, learner = self._settings, self._learner
        if not settings.preallocate or self.upcoming() == largest:
            return
        inputs = self._resizer(tuple(learner.xb), largest, full=images)
        inputs = _repeat(inputs, settings.preallocate_bs)
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


def _policies(targets: Any, full: Size, resize: bool) -> Mapping[Path, str]:
    """Say what happens to each target that is no mask and no point by its type."""
    policies = {}
    for path, leaf in leaves(targets):
        if not isinstance(leaf, Tensor) or isinstance(leaf, _FOLLOWS):
            continue
        sides: tuple[int, ...] = leaf.shape[-2:]
        policy = "keep"
        if resize and leaf.ndim > 2 and sides == full:
            blends = leaf.is_floating_point() and leaf.ndim > 3
            policy = "image" if blends else "mask"
        policies[(1, *path)] = policy
    return policies


def _repeat(inputs: Any, rows: int | None) -> Any:
    """Return inputs of ``rows`` rows, by repeating those that there are."""
    if rows is None:
        return inputs
    chosen = {
        path: x[torch.arange(rows, device=x.device) % len(x)]
        for path, x in leaves(inputs)
        if isinstance(x, Tensor) and x.ndim
    }
    return replace(inputs, chosen)
