"""Where a loop continues that resumes a saved one."""

from __future__ import annotations

from upsize.run._counter import BatchCounter
from upsize.run._position import Position
from upsize.run._resume import batches_in
from upsize.run._run_plan import RunPlan
from upsize.run._state import LoopState
from upsize.schedule import Plan
from upsize.schedule._moved import moved

__all__ = ["moved_position", "resume_loop"]


def resume_loop(
    saved: LoopState, planned: RunPlan, counter: BatchCounter, *, by_steps: bool
) -> None:
    """Continue a loop where a saved one stopped.

    Args:
        saved: State of the saved loop.
        planned: The plan of the new loop.
        counter: Counts the batches of the new loop.
        by_steps: Whether the new loop ends after a number of steps, not of epochs.

    Raises:
        ValueError: Before anything changes, as :func:`moved_position` and
            :meth:`RunPlan.resume` do.
    """
    assert planned.plan is not None  # a loop begins with one
    position = moved_position(saved, planned.plan, counter, by_steps=by_steps)

    def is_moved() -> bool:
        """Whether a part of the next batch may be done; where batches grow, none is."""
        assert planned.plan is not None
        is_constant = not by_steps and planned.plan.grow is None
        return is_constant and position != saved.position

    def place(plan: Plan) -> tuple[int, int]:
        nonlocal position
        # Batches that grow are cut by the sizes of the plan to continue with.
        position = moved_position(saved, plan, counter, by_steps=by_steps)
        # The rest of the epoch may begin a step earlier, see rest_of().
        return saved.step, max(position.step - is_moved(), 0)

    planned.resume(saved, at=place)
    counter.load(position, is_moved=is_moved())


def moved_position(
    saved: LoopState, plan: Plan, counter: BatchCounter, *, by_steps: bool
) -> Position:
    """Return where a loop continues: at the same share of training as a saved one.

    Args:
        saved: State of the saved loop.
        plan: The plan of the new loop.
        counter: Counts the batches of the new loop.
        by_steps: Whether the new loop ends after a number of steps, not of epochs.

    Raises:
        ValueError: When the state was saved within an accumulation window of another
            length.
    """
    accumulate = counter.accumulate
    if saved.accumulate != accumulate and saved.window:
        raise ValueError(
            f"the state was saved after {saved.window} of {saved.accumulate} "
            f"batches of an accumulation window, but accumulate is {accumulate} now: "
            f"resume with accumulate={saved.accumulate}, or from a state saved "
            "after an optimizer step"
        )
    theirs = saved.plan.steps_per_epoch
    if saved.plan.samples_per_epoch is None or plan.samples_per_epoch is None:
        same = theirs == counter.steps_per_epoch or None in (theirs, counter.batches)
    else:
        same = batches_in(saved.plan) == batches_in(plan)
        # Batches that grow are cut by the stages.
        same = same and (plan.grow is None or plan.stages == saved.plan.stages)
    if same and saved.accumulate == accumulate:
        return saved.position
    step = now = moved(saved.step, saved.plan, plan)
    start = moved(saved.epoch_step, saved.plan, plan)
    if by_steps and saved.plan.total_steps == counter.total_steps:
        # The same step, and as far into its epoch.
        now = saved.step
        start = max(now - (step - start), 0)
    batch = (now - start) * accumulate
    mine = counter.windows.batches_from(start)
    if mine is not None and batch >= mine:
        return Position(now, epoch_step=now)
    return Position(now, batch, epoch_step=start)
