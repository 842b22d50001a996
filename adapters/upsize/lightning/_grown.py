"""Fits whose batch grows: each epoch has as many batches as the plan says.

Lightning asks a loader for its length once, before training. Here it is told the batches
of each epoch when that begins, and the steps of all of them before the optimizers are
made, whose learning rates may follow the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upsize.lightning._checks import check_grown_fit
from upsize.lightning._privates import (
    batch_in_epoch,
    set_drawn,
    set_epoch_length,
    training_loaders,
    trains_on_nothing,
)
from upsize.lightning._steps import LightningCounter
from upsize.run import Options, TrainingRun
from upsize.run._batches import length_of
from upsize.run._epoch_samples import epoch_samples
from upsize.run._epoch_steps import place_in_epoch, steps_in_epoch
from upsize.run._grown_plan import grown_plan, length_of_grown
from upsize.run._restoring import Restoring
from upsize.schedule import Grow, Plan
from upsize.schedule._run import run_length

__all__ = ["GrownCounter", "GrownFit"]


class GrownCounter(LightningCounter):
    """Counts the optimizer steps of epochs that have different numbers of them.

    Args:
        trainer: The trainer.
        plan: A plan that knows its samples.
    """

    def __init__(self, trainer: Any, plan: Plan) -> None:
        super().__init__(trainer, "optimizer steps", plan.total_steps, None)
        self.length = length_of_grown(plan)
        self.follow(plan)

    def follow(self, plan: Plan) -> None:
        """Count the epochs of another plan from now on."""
        self.total_steps, self.steps_per_epoch = plan.total_steps, plan.steps_per_epoch
        epochs = range(int(self._trainer.max_epochs) + 1)
        self._starts = [plan.epoch_start(epoch) for epoch in epochs]


class GrownFit:
    """Plans a fit whose batch grows, and tells the trainer of its epochs.

    Args:
        trainer: The trainer, about to fit.
        resize: The callback, of which the training loader must be.
        options: What the user asks for.
        grow: How the batch grows.
        changes: Records what is changed.

    Attributes:
        plan: The plan; ``None``: there is none yet, or the fit trains on nothing.
    """

    def __init__(
        self,
        trainer: Any,
        resize: object,
        options: Options,
        grow: Grow,
        changes: Restoring,
    ) -> None:
        self._trainer, self._resize = trainer, resize
        self._options, self._grow = options, grow
        self.plan: Plan | None = None
        self._changes = changes
        changes.wrap_method(trainer.strategy, "setup", self._setup)
        changes.wrap_method(trainer.fit_loop, "on_run_start", self._begin_loop)
        changes.wrap_method(trainer.fit_loop, "on_advance_end", self._end_epoch)
        kind = type(trainer)
        estimate = kind.estimated_stepping_batches.fget

        def steps(trainer: Any) -> Any:
            plan = self._make()
            return estimate(trainer) if plan is None else plan.total_steps

        # Lightning's property takes all epochs to be as long as the current one.
        members = {"estimated_stepping_batches": property(steps)}
        changes.set(trainer, "__class__", type(kind.__name__, (kind,), members))

    def _setup(self, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make the plan before the strategy makes the optimizers."""
        self._make()
        return inner(*args, **kwargs)

    def _make(self) -> Plan | None:
        """Return the plan, which is made when somebody asks for it."""
        trainer = self._trainer
        if self.plan is None:
            trainer.fit_loop.setup_data()
            if trains_on_nothing(trainer):
                return None
            check_grown_fit(trainer, trainer.lightning_module, self._resize)
            self.plan = self._planned(training_loaders(trainer)[0])
            self._changes.save(trainer.fit_loop, "max_batches")
            self._changes.save(trainer, "val_check_batch")
        return self.plan

    def _begin_loop(self, inner: Callable[..., Any]) -> Any:
        """Set the length of the first epoch, before any hook reads it."""
        self.begin_epoch()
        return inner()

    def _end_epoch(self, inner: Callable[..., Any]) -> Any:
        """Set the length of the next epoch likewise."""
        ended = inner()
        if self._trainer.current_epoch < self._trainer.max_epochs:
            self.begin_epoch()
        return ended

    def begin_epoch(self) -> None:
        """Tell the trainer how many batches the current epoch has."""
        assert self.plan is not None  # made before the training starts
        length = steps_in_epoch(self.plan, int(self._trainer.current_epoch))
        set_epoch_length(self._trainer, length)
        set_drawn(self._trainer, length)

    def _planned(self, loader: Any) -> Plan:
        trainer, batches = self._trainer, length_of(loader)
        samples, batch = epoch_samples(loader, batches or 0, trainer.world_size)
        if samples is None or batch is None:
            raise ValueError(
                "batch_size=Grow(...) counts samples, and a "
                f"{type(loader.dataset).__name__} with a "
                f"{type(loader.batch_sampler).__name__} does not tell those of each "
                "process: give the DataLoader a map-style dataset, batch_size= and a "
                "sampler that has a length, or leave out batch_size="
            )
        length = run_length(trainer.max_epochs, batches, None)
        grow = self._grow.with_batch(batch)
        return grown_plan(self._options, length, samples, grow)

    def counter(self) -> GrownCounter:
        """Return the counter of the run."""
        assert self.plan is not None  # made before the training starts
        return GrownCounter(self._trainer, self.plan)

    def begin(self, run: TrainingRun) -> None:
        """Begin the run, perhaps within an epoch.

        Args:
            run: The run, which may continue with another plan than :attr:`plan`.
        """
        trainer, self.plan = self._trainer, run.plan
        done, left = self._place(run)
        ready = batch_in_epoch(trainer)
        # Resumed after an epoch, Lightning ends that epoch before the next one, and
        # takes its length to divide the steps that are done.
        is_over = ready and not done
        set_epoch_length(trainer, 1 if is_over else ready + left)
        set_drawn(trainer, left if is_over else ready + left)

    def begin_batch(self, run: TrainingRun) -> None:
        """Set the length of the epoch that the first batch of a run belongs to."""
        _, left = self._place(run)
        set_epoch_length(self._trainer, batch_in_epoch(self._trainer) + left)

    @staticmethod
    def _place(run: TrainingRun) -> tuple[int, int]:
        """Return how many steps of the epoch come before the next one, and are left."""
        assert run.plan is not None  # its full size is known
        epoch, done = place_in_epoch(run.plan, run.step())
        return done, steps_in_epoch(run.plan, epoch) - done
