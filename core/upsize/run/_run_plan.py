"""The plan of a training run: made, resumed, and followed from step to step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import nn

from upsize.run._compiled import warn_of_recompiles
from upsize.run._epoch_steps import ResumedEpochs
from upsize.run._options import Options
from upsize.run._planned_size import sizes_of
from upsize.run._position import Ahead, Counter
from upsize.run._resume import epochs_differ, never_shrinking, rest, resumed
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
        say: Called with the plan's summary when it is made.
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
        # From the counter's steps to the plan's, and the saved plan until it is used.
        self._shift = 0
        self._left: Plan | None = None
        self._epochs: ResumedEpochs | None = None
        final = options.full_size
        if final is None and saved is not None and not is_second:
            final = saved.plan.final_size
        if final is not None:
            self.make(final)

    def step(self) -> int:
        """Return how many steps of the plan are done."""
        step = self._counter.step() + self._shift
        if self._left is not None and self.plan is not None:
            # The first call after a resume: the counter is restored by now.
            return self._find(step, self._left, self.plan)
        return step if self._epochs is None else self._epochs.step(step)

    def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
        """Return the sizes of the batches that a loader is about to draw, without end.

        Args:
            batches: Batches in a pass over the loader, if that is known.
        """
        if self.plan is None:
            return iter(())
        self.step()  # finds the shift, and may change the plan
        steps = map(self._placed, self._counter.ahead(batches))
        return map(sizes_of(self.plan, self._options.resizer), steps)

    def windows(self, batches: int | None) -> Iterator[tuple[Size, int]]:
        """Yield size and accumulation window of each batch that a loader draws.

        Args:
            batches: Batches in a pass over the loader, if that is known.

        Returns:
            Without end, the size and the batches that are left in the window, see
            :class:`~upsize.run._position.Ahead`.
        """
        counter: Any = self._counter

        def told(ahead: Ahead) -> tuple[Size, int]:
            assert self.plan is not None  # loaders know the full size
            self.step()  # finds the shift, and may change the plan
            size_at = sizes_of(self.plan, self._options.resizer)
            return size_at(self._placed(ahead.step)), ahead.left

        return map(told, counter.windows_ahead(batches))

    def batches_ahead(self, batches: int | None) -> Iterator[tuple[Size, int]]:
        """Return size and images of each batch that a loader draws, without end.

        Args:
            batches: Batches in a pass over the loader, if that is known.
        """

        def told(step: int) -> tuple[Size, int]:
            assert self.plan is not None
            size_at = sizes_of(self.plan, self._options.resizer)
            return size_at(step), self.plan.batch_at(step)

        return map(told, self._counter.ahead(batches))

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
            length["total_steps"] = rest(saved, counter, by_steps=self._by_steps)
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
        if self._options.verbose and self._say is not None:
            self._say(plan.summary())
        return plan

    def resume(
        self, saved: State, at: Callable[[Plan], tuple[int, int]] | None
    ) -> None:
        """Continue with the plan of a saved run; see ``TrainingRun.resume``."""
        if self.plan is None:
            self._saved, self._is_second = saved, False
            self.make(saved.plan.final_size)
        else:
            self._follow(self._resumed(saved, self.plan))
        self._shift = saved.shift
        if at is not None:
            assert self.plan is not None  # made or resumed above
            self._continue(*at(self.plan))

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
                self._epochs.align(int(epochs) * each)
        self._shift += now - step
        if self._epochs is not None:
            now = self._epochs.step(now)
        self._continue(step, now)
        return now

    def _placed(self, step: int) -> int:
        """Return the plan's step of a batch that a loader is about to draw."""
        step += self._shift
        return step if self._epochs is None else self._epochs.within(step)

    def _resumed(self, saved: State, plan: Plan) -> Plan:
        new = resumed(saved, plan, self._counter.unit, self._options.schedule)
        self._left = saved.plan
        now = getattr(self._counter, "epoch_steps", None)
        differ = saved.shift or epochs_differ(saved.plan, plan)
        self._epochs = ResumedEpochs(now) if now is not None and differ else None
        return new

    def _continue(self, done: int, now: int) -> None:
        """Let sizes not shrink where the step of a saved run becomes another one."""
        assert self.plan is not None
        assert self._left is not None
        plan = never_shrinking(self.plan, self._left, done, now)
        self._left = None
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
