"""Trainings whose batch grows: each epoch has as many batches as the plan says.

A Trainer asks its loader for a length once, and takes each epoch to have as many. Here
it is told the steps of the run, of each epoch, and where a resumed run continues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from accelerate.data_loader import DataLoaderStateMixin

from upsize.accelerate._grown import samples_in
from upsize.run import Options
from upsize.run._epoch_steps import place_in_epoch, steps_in_epoch
from upsize.run._grown_plan import check_growing, grown_plan, length_of_grown
from upsize.run._restoring import Restoring
from upsize.schedule import Grow, Plan
from upsize.schedule._run import run_length
from upsize.transformers._place import place_of
from upsize.transformers._state import read_from

__all__ = ["GrownCounter", "GrownTraining"]

#: The methods of a Trainer that say how long a run and its epochs are.
_METHODS = ("set_initial_training_values", "_init_training_state", "_run_epoch")


class GrownCounter:
    """Reads the optimizer steps, each of one batch, from the trainer's state.

    Args:
        trainer: The trainer, about to draw the first batch.
        training: Knows the epoch that it draws.
        plan: A plan that knows its samples.
    """

    unit = "optimizer steps"

    def __init__(self, trainer: Any, training: GrownTraining, plan: Plan) -> None:
        self.state, self._training = trainer.state, training
        self.length = length_of_grown(plan)
        self.follow(plan)

    def follow(self, plan: Plan) -> None:
        """Count the steps of another plan from now on."""
        self.total_steps, self.steps_per_epoch = plan.total_steps, plan.steps_per_epoch

    def step(self) -> int:
        """Return the optimizer steps that are done, and those that epochs lacked."""
        return int(self.state.global_step) + self._training.lacking

    def begin_epoch(self) -> None:
        """Do nothing: the training knows where each epoch begins."""

    def ahead(self, batches: int | None) -> Iterator[int]:  # noqa: ARG002
        """Yield the step of each batch of the epoch, those before a resume included."""
        return count(self._training.first_step)


class GrownTraining:
    """Plans a training whose batch grows, and tells the trainer of its epochs.

    Args:
        trainer: The trainer.
        options: What the user asks for.
        grow: How the batch grows.

    Attributes:
        plan: The plan; ``None`` until the trainer has its loader.
        lacking: Steps of the plan that epochs lacked which ended early.

    Raises:
        TypeError: When ``grow`` is another batch size.
        ValueError: When options do not go with it.
    """

    def __init__(self, trainer: Any, options: Options, grow: Grow) -> None:
        check_growing(grow, options, None)
        self._trainer, self._options, self._grow = trainer, options, grow
        self.plan: Plan | None = None
        self.lacking = 0
        self._epoch = 0  # the one that is drawn

    @property
    def first_step(self) -> int:
        """The first step of the epoch that is drawn."""
        assert self.plan is not None  # made with the loader
        return self.plan.epoch_start(self._epoch)

    @property
    def batches(self) -> int:
        """The batches of that epoch."""
        assert self.plan is not None  # made with the loader
        return steps_in_epoch(self.plan, self._epoch)

    def begin(self, changes: Restoring) -> None:
        """Tell the trainer of the epochs of a training that begins.

        Args:
            changes: Records what is changed.

        Raises:
            ValueError: When the trainer's batches cannot grow.
        """
        for reason in _against_growing(self._trainer):
            raise ValueError(f"batch_size=Grow(...) {reason}, or leave out batch_size=")
        self.plan, self._epoch, self.lacking = None, 0, 0
        for name, around in zip(
            _METHODS, (self._values, self._state, self._run_epoch), strict=True
        ):
            changes.wrap_method(self._trainer, name, around)

    def make(self, loader: Any) -> Plan:
        """Make the plan, for the loader of the training.

        Args:
            loader: What ``get_train_dataloader`` returns.

        Raises:
            ValueError: When it does not tell its samples.
        """
        prepared = loader if isinstance(loader, DataLoaderStateMixin) else None
        samples, batch = samples_in(prepared)
        epochs = int(self._trainer.args.num_train_epochs)
        length = run_length(epochs, -(-samples // batch), None)
        grow = self._grow.with_batch(batch)
        self.plan = grown_plan(self._options, length, samples, grow)
        return self.plan

    def _values(self, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return what the trainer plans with, its last value being all the steps."""
        assert self.plan is not None  # made with the loader
        *values, _ = inner(*args, **kwargs)
        return (*values, self.plan.total_steps)

    def _state(self, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return the epochs that are done, and the batches of the next one that are."""
        plan = self.plan
        assert plan is not None  # made with the loader
        inner(*args, **kwargs)
        state = self._trainer.state
        done = 0
        if state.global_step:
            schedule, unit = self._options.schedule, GrownCounter.unit
            done = place_of(state.epoch, read_from(state), plan, unit, schedule)
        self.lacking = done - state.global_step
        self._epoch, before = place_in_epoch(plan, done)
        return self._epoch, before

    def _run_epoch(
        self, inner: Callable[..., Any], *args: Any, epoch: int, **kwargs: Any
    ) -> Any:
        if epoch != self._epoch:  # else it may be resumed in its middle
            self._epoch = epoch
            self.lacking = self.first_step - self._trainer.state.global_step
        lengths = dict.fromkeys(
            ("steps_in_epoch", "num_update_steps_per_epoch"), self.batches
        )
        return inner(*args, epoch=epoch, **kwargs | lengths)


def _against_growing(trainer: Any) -> Iterator[str]:
    """Yield why batches cannot grow, and what to do."""
    args = trainer.args
    missing = [name for name in _METHODS if not hasattr(trainer, name)]
    if missing:
        yield (
            f"tells a Trainer of its epochs in {missing[0]}, which this version of "
            "transformers does not have: install transformers 5.4 or newer"
        )
    if args.gradient_accumulation_steps != 1:
        yield (
            "and gradient_accumulation_steps both make batches of small images larger: "
            "give merge=True in the place of Grow(...), which changes no optimizer step"
        )
    epochs = args.num_train_epochs
    if args.max_steps > 0 or epochs % 1 or epochs < 1:
        yield (
            "makes the number of steps follow from that of whole epochs: give "
            "num_train_epochs= alone, a whole number of at least 1, without max_steps="
        )
    if args.auto_find_batch_size:
        yield (
            "plans the batches of each epoch, and auto_find_batch_size changes them: "
            "leave that out"
        )
    if args.ignore_data_skip:
        yield (
            "plans the samples of each epoch, and ignore_data_skip begins a resumed one "
            "again: leave that out"
        )
