"""One fit of a trainer: its plan, and the size of each batch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from upsize.follow import Applier
from upsize.lightning._clock import Clock, steps_ahead
from upsize.lightning._state import State, go_on
from upsize.resize import Resizer
from upsize.run._compiled import warn_of_recompiles
from upsize.run._dry_run import dry_run
from upsize.run._full_size import FullSizeCheck
from upsize.schedule import Linear, MultiScale, Phases, Plan, Ramp, Size

__all__ = ["Run", "Settings"]


@dataclass(frozen=True)
class Settings:
    """What the user has asked for: see the callback."""

    schedule: Ramp | Linear | Phases | MultiScale
    final_size: int | tuple[int, int] | None
    resizer: Resizer
    resize_valid: bool
    preallocate: bool
    empty_cache: bool
    verbose: bool
    follow: Applier | None


class Run:
    """Resizes the batches of a fit.

    Args:
        settings: The user's.
        clock: The length and the counter.
        saved: The state that a checkpoint has brought.
        sized_loader: Whether the loader makes the images at their step's size.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        saved: State | None,
        *,
        sized_loader: bool = False,
    ) -> None:
        self._settings, self._clock, self._saved = settings, clock, saved
        self._sized_loader, self.corrected = sized_loader, 0
        self._check: FullSizeCheck | None = None
        self.state: State | None = None
        self.size: Size | None = None

    def start(self, trainer: Any) -> None:
        """Make the plan, unless only the first batch can tell the full size."""
        final = self._settings.final_size or self._settings.schedule.target()
        if final is None and self._saved is not None:
            final = self._saved.plan.final_size
        if final is not None:
            self.state = self._make_state(trainer, final)

    def train(self, trainer: Any, batch: Any) -> Any:
        """Return a training batch at the size of its step."""
        images = self._image_size(batch)
        if self.state is None:
            self.state = self._make_state(trainer, images)
        plan = self.state.plan
        if trainer.fit_loop._skip_backward:
            # An epoch of its own, where StochasticWeightAveraging measures BatchNorm.
            self.corrected += self._sized_loader and images != plan.final_size
            return self._resize(batch, images, plan, plan.final_size)
        if self._settings.preallocate and self.size is None:
            self._dry_run(trainer, batch, images, plan)
        step = self._clock.step(trainer)
        if self._settings.follow is not None:
            self._settings.follow.set(step)
        size = plan.size_at(step)
        self.corrected += self._sized_loader and images != size
        resized = self._resize(batch, images, plan, size)
        if size != self.size:
            self.size = size
            if self._settings.empty_cache and torch.cuda.is_available():
                torch.cuda.empty_cache()
        return resized

    def sizes_ahead(self, trainer: Any) -> Iterator[Size]:
        """Yield the size of each training batch to come, without end."""
        if self.state is not None and not trainer.fit_loop._skip_backward:
            yield from map(self.state.plan.size_at, steps_ahead(self._clock, trainer))

    def validate(self, batch: Any) -> Any:
        """Return a batch of validation at the size that was trained on last."""
        if self.state is None or self.size is None:
            return batch
        images = self._image_size(batch)
        return self._resize(batch, images, self.state.plan, self.size)

    def _image_size(self, batch: Any) -> Size:
        """Return the size of the images; the full one stands for those in a list."""
        known = None if self.state is None else self.state.plan.final_size
        full = None if self._sized_loader else known
        return self._settings.resizer.image_size(batch, full=full)

    def _resize(self, batch: Any, images: Size, plan: Plan, size: Size) -> Any:
        if images == size and (self._sized_loader or size == plan.final_size):
            return batch
        if self._check is None:
            self._check = FullSizeCheck(plan.final_size)
        if not self._sized_loader or images not in plan.sizes:
            self._check.check(images)
        return self._settings.resizer(batch, size, full=images)

    def _make_state(self, trainer: Any, final: int | tuple[int, int]) -> State:
        """Make the plan, or go on with the saved one."""
        schedule, clock = self._settings.schedule, self._clock
        with warnings.catch_warnings():
            if trainer.fast_dev_run:  # a few batches need not reach full size
                warnings.simplefilter("ignore", UserWarning)
            try:
                plan = schedule.plan(
                    final_size=final,
                    total_steps=clock.total_steps,
                    steps_per_epoch=clock.steps_per_epoch,
                )
            except ValueError as error:
                if clock.steps_per_epoch is None:
                    error.add_note(
                        "upsize: the epochs of this trainer have no fixed number of "
                        'steps: give moments as shares (0.5) or as steps ("500st")'
                    )
                raise
        state = State(counts=clock.counts, plan=plan)
        if self._saved is not None:
            state = go_on(self._saved, state)
        if self._settings.follow is not None:
            self._settings.follow.bind(state.plan)
        warn_of_recompiles([trainer.lightning_module], state.plan)
        if self._settings.verbose and trainer.is_global_zero:
            print(state.plan.summary())
        return state

    def _dry_run(self, trainer: Any, batch: Any, images: Size, plan: Plan) -> None:
        """Run the batch at full size, in the precision of the trainer."""
        module: Any = trainer.lightning_module
        full = self._resize(batch, images, plan, plan.final_size)
        image = self._settings.resizer.first_image(full)
        try:
            with trainer.precision_plugin.forward_context():
                dry_run(module, lambda: module(image), plan.final_size)
        except Exception as error:
            error.add_note(
                "upsize: in the dry run of preallocate=True, which calls the "
                "LightningModule with the first image of the batch"
            )
            raise
