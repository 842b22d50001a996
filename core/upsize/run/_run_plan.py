"""The plan of a training run: made, resumed, agreed on, and followed step by step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from upsize.run._compiled import warn_of_recompiles
from upsize.run._epoch_steps import ResumedEpochs
from upsize.run._options import Options
from upsize.run._position import Counter
from upsize.run._ranks import check_ranks
from upsize.run._resume import epochs_differ, never_shrinking, resumed, steps_left
from upsize.run._state import State
from upsize.schedule import Plan, Size
from upsize.schedule._moved import moved

__all__ = ["RunPlan"]


class RunPlan:
    """Makes the plan of a run as soon as its full size is known, and counts its steps.

    Args:
        options: What the user asks for.
        counter: Holds the length of the run and how many steps are done.
        saved: State of the run that this one resumes.
        models: Models of the run, for the warning about recompilation.
        say: Called with the plan's summary when it is made; ``None``: it is not told.
        is_trial: See :class:`~upsize.run.TrainingRun`, as for the next two.
        is_second: Whether another full size than the saved one begins a new plan.
        by_steps: Whether a resumed run continues at the same step, not epoch.

    Attributes:
        plan: The size of every step; ``None`` until the full size is known.
    """

    def __init__(
        self,
        options: Options,
        counter: Counter,
        *,
        saved: State | None,
        models: Iterable[nn.Module],
        say: Callable[[str], object] | None,
        is_trial: bool,
        is_second: bool,
        by_steps: bool,
    ) -> None:
        self._options, self._counter, self._saved = options, counter, saved
        self._models, self._say = models, say
        self._is_trial, self._is_second = is_trial, is_second
        self._by_steps = by_steps
        self.plan: Plan | None = None
        #: Whether the other processes have the same plan and step.
        self.is_agreed = False
        # From the counter's steps to the plan's, and the plan of a saved run until its
        # step is found in this one.
        self._shift = 0
        self._unplaced: Plan | None = None
        self._epochs: ResumedEpochs | None = None
        final = options.full_size
        if final is None and saved is not None and not is_second:
            final = saved.plan.final_size
        if final is not None:
            self.make(final)

    def step(self) -> int:
        """Return how many steps of the plan are done."""
        step = self._counter.step() + self._shift
        if self._unplaced is not None and self.plan is not None:
            # The first call after a resume: the counter is restored by now.
            return self._find(step, self._unplaced, self.plan)
        return step if self._epochs is None else self._epochs.step(step)

    def placed(self, step: int) -> int:
        """Return the plan's step of a batch that a loader is about to draw.

        Args:
            step: The step as the counter will count it.
        """
        step += self._shift
        return step if self._epochs is None else self._epochs.within(step)

    def make(self, final: Size) -> Plan:
        """Make the plan, or continue with the saved one.

        Args:
            final: The full size.

        Raises:
            ValueError: When the schedule does not fit the length of the run, or the
                saved state is of another run.
        """
        counter, saved = self._counter, self._saved
        # What a run knows of its samples, where its counter counts them.
        length: dict[str, Any] = {
            "total_steps": counter.total_steps,
            "steps_per_epoch": counter.steps_per_epoch,
        } | getattr(counter, "length", {})
        if saved is not None and self._is_second and final != saved.plan.final_size:
            # The rest of the training is a run of its own.
            length["total_steps"] = steps_left(saved, counter, by_steps=self._by_steps)
            saved, self._shift = None, -counter.step()
        with warnings.catch_warnings():
            if self._is_trial:
                warnings.simplefilter("ignore", UserWarning)
            try:
                plan = self._options.schedule.plan(final_size=final, **length)
            except ValueError as error:
                if counter.steps_per_epoch is None and "batch_size" not in length:
                    error.add_note(
                        "upsize: the epochs of this run have no fixed number of "
                        'steps: give moments as shares (0.5) or as steps ("500st")'
                    )
                raise
        if saved is not None:
            plan, self._shift = self._resumed(saved, plan), saved.shift
        self._follow(plan)
        merges = self._options.merge_rule is not None
        warn_of_recompiles(self._models, plan, merges=merges)
        if self._say is not None:
            self._say(plan.summary())
        return plan

    def resume(
        self, saved: State, at: Callable[[Plan], tuple[int, int]] | None = None
    ) -> None:
        """Continue with the plan of a state that is read already.

        Args:
            saved: The state.
            at: Called with the plan to continue with; returns the step of the saved
                run, and that of the counter, which is another one if epochs have another
                length. ``None``: the counter continues from the saved step.
        """
        if self.plan is None:
            self._saved, self._is_second = saved, False
            self.make(saved.plan.final_size)
        else:
            self._follow(self._resumed(saved, self.plan))
        self._shift = saved.shift
        if at is not None:
            assert self.plan is not None  # made or resumed above
            self._continue(*at(self.plan))
        self.expect_agreement()

    def agree(self) -> None:
        """Compare plan and step with those of the other processes.

        Raises:
            ValueError: In every process, when they differ.
        """
        assert self.plan is not None  # a batch has made it, or a loop before
        check_ranks(self.plan, self.step(), self._counter)
        self.is_agreed = True

    def expect_agreement(self) -> None:
        """Compare plan and step with those of the other processes at the next batch.

        Every process of the run must ask for it, or those that do wait for the others.
        """
        self.is_agreed = False

    def end_epoch(self, next_step: int) -> None:
        """Leave out the steps that a shorter epoch lacked.

        Args:
            next_step: The first step of the next epoch.
        """
        # Epochs of a resumed run find their steps, and a plan of the rest has its own.
        if self._epochs is None and self._shift >= 0:
            self._shift += max(next_step - self._counter.step() - self._shift, 0)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain JSON values; empty until there is a plan."""
        if self.plan is None:
            return {} if self._saved is None else self._saved.model_dump(mode="json")
        shift = self.step() - self._counter.step()
        state = State(unit=self._counter.unit, plan=self.plan, shift=shift)
        return state.model_dump(mode="json")

    def _find(self, step: int, saved: Plan, plan: Plan) -> int:
        """Find the step of a resumed run by that of the saved one, and return it."""
        now = step if self._by_steps else moved(step, saved, plan)
        if self._epochs is not None:
            epochs, each = saved.epoch_at(step), plan.steps_per_epoch
            if self._shift and epochs is not None and each is not None:
                first, between = int(epochs), epochs == int(epochs)
                counted = self._counter.step()
                self._epochs.align(first * each, counted, between=between)
        self._shift += now - step
        if self._epochs is not None:
            now = self._epochs.step(now)
        self._continue(step, now)
        return now

    def _resumed(self, saved: State, plan: Plan) -> Plan:
        new = resumed(saved, plan, self._counter.unit, self._options.schedule)
        self._unplaced = saved.plan
        now = getattr(self._counter, "epoch_steps", None)
        differ = saved.shift or epochs_differ(saved.plan, plan)
        self._epochs = ResumedEpochs(now) if now is not None and differ else None
        return new

    def _continue(self, done: int, now: int) -> None:
        """Let sizes not shrink where the step of a saved run becomes another one."""
        assert self.plan is not None
        assert self._unplaced is not None
        plan = never_shrinking(self.plan, self._unplaced, done, now)
        self._unplaced = None
        if plan != self.plan:
            self._follow(plan)

    def _follow(self, plan: Plan) -> None:
        """Set the plan, also for the values that follow the size."""
        self.plan = plan
        follow = getattr(self._counter, "follow", None)
        if follow is not None:  # its epochs are those of the plan
            follow(plan)
        if self._options.follow is not None:
            self._options.follow.bind(plan)
