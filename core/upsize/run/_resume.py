"""The plan of a run that resumes a saved run."""

from __future__ import annotations

import warnings
from typing import Any

from upsize.run._position import Counter
from upsize.run._state import LoopState, State
from upsize.schedule import Grow, Plan, Schedule, Size
from upsize.schedule._shown import shown
from upsize.schedule._stage import stages_of
from upsize.schedule._warn import warn

__all__ = ["batches_in", "epochs_differ", "never_shrinking", "resumed", "steps_left"]


def resumed(saved: State, mine: Plan, unit: str, schedule: Schedule) -> Plan:
    """Return the plan to continue with: sizes are never below those of the saved run.

    Args:
        saved: State of the saved run.
        mine: The plan of the new run.
        unit: What the new run counts.
        schedule: The schedule of the new run.

    Raises:
        ValueError: When the saved run counts something else, has another schedule or
            full size, or its state contradicts itself.

    Warns:
        UserWarning: When the run has another length than the saved one.
    """
    if saved.unit != unit:
        raise ValueError(
            f"the saved run counts {saved.unit} and this one {unit}: resume with the "
            "same total_steps=, kind of optimization and kind of data as the saved run"
        )
    for name, old, new in (
        ("schedule", saved.plan.schedule, mine.schedule),
        ("final_size", saved.plan.final_size, mine.final_size),
    ):
        if old != new:
            raise ValueError(
                f"the state has another {name}: {_other(old, new)}, not "
                f"{_other(new, old)}; resume with the saved one"
            )
    _check_stages(saved.plan, schedule)
    longest = max(saved.plan.total_steps, mine.total_steps)
    if isinstance(saved, LoopState) and saved.step > longest:
        raise ValueError(
            f"the state is {saved.step} steps into a run of {longest}: it is "
            "broken, or from a longer run; load another checkpoint, or give this run "
            "the length of that one"
        )
    if _length(mine) != _length(saved.plan):
        theirs, own = f"{saved.plan.total_steps} steps", f"{mine.total_steps}"
        if saved.plan.total_steps == mine.total_steps:
            each = [_length(plan)[1] or "any number of" for plan in (saved.plan, mine)]
            theirs, own = f"epochs of {each[0]} steps", f"of {each[1]}"
        warn(
            f"the saved run has {theirs} and this one {own}: each step trains at the "
            "larger of both plans' sizes"
        )
    elif batches_in(mine) == batches_in(saved.plan):
        return saved.plan
    return mine.never_below(saved.plan)


def _length(plan: Plan) -> tuple[int, int | None]:
    """Return the steps of a run and of its epochs, before the batch grows."""
    plain = plan.plain or plan
    return plain.total_steps, plain.steps_per_epoch


def batches_in(plan: Plan) -> tuple[int | None, int | None, Grow | None]:
    """Return what cuts the epochs of a plan into batches."""
    return plan.samples_per_epoch, plan.batch_size, plan.grow


def epochs_differ(saved: Plan, mine: Plan) -> bool:
    """Whether the epochs of a run may have other steps, or steps of other batches."""
    if saved.steps_per_epoch is None and mine.steps_per_epoch is None:
        return saved.total_steps != mine.total_steps
    theirs = (saved.steps_per_epoch, *batches_in(saved))
    return theirs != (mine.steps_per_epoch, *batches_in(mine))


def _other(value: Any, than: Any) -> str:
    """Return a value, for a message; of a schedule the fields that are not the same."""
    if isinstance(value, dict):
        value = dict(each for each in value.items() if each not in than.items())
    return shown(value)


def steps_left(saved: State, counter: Counter, *, by_steps: bool) -> int:
    """Return how many steps are left after an earlier run of the same counter.

    Args:
        saved: State of the earlier run.
        counter: The counter, which has continued from there.
        by_steps: Whether the run ends after a number of steps, not of epochs.
    """
    done = counter.step() + saved.shift
    theirs, mine = saved.plan.steps_per_epoch, counter.steps_per_epoch
    if not by_steps and theirs is not None and mine is not None:
        done = -(-done * mine // theirs)
    return max(counter.total_steps - done, 1)


def never_shrinking(plan: Plan, saved: Plan, done: int, now: int) -> Plan:
    """Return a plan that stays at least at the size at which a saved run stopped.

    Args:
        plan: What :func:`resumed` gives for the new run.
        saved: The plan of the saved run.
        done: Steps that the saved run has done.
        now: The step at which the new run continues.

    Example:
        >>> from upsize.schedule import Ramp
        >>> ramp = Ramp(final_size=64, increase_by=16)
        >>> saved = ramp.plan(total_steps=80, steps_per_epoch=10)
        >>> longer = ramp.plan(total_steps=160, steps_per_epoch=20)
        >>> plan = never_shrinking(longer, saved, done=50, now=50)
        >>> [plan.size_at(step).width for step in (50, 80, 119, 120)]
        [48, 48, 48, 64]
    """
    last = next(
        (stage for stage in saved.stages if done < stage.stop), saved.stages[-1]
    )
    is_compared = None in (saved.steps_per_epoch, plan.steps_per_epoch) or (
        saved.steps_per_epoch == plan.steps_per_epoch
    )
    # resumed() has compared the same steps, or shares of samples; but of plans that have
    # as many steps in other epochs, which the run does not continue by.
    if is_compared and not _is_below(plan, now, last.size):
        return plan
    first = plan.stages[0].size
    if isinstance(first, Size) and isinstance(last.size, Size) and last.size <= first:
        return plan  # its first step may be at a later share
    changes = [(0, first), (now, last.size)]
    fields: dict[str, Any] = dict(plan)
    fields["stages"] = stages_of(changes, plan.total_steps)
    return plan.never_below(Plan(**fields))


def _is_below(plan: Plan, step: int, size: object) -> bool:
    """Whether a step of a constant batch has a smaller size, where none is drawn."""
    if plan.grow is not None or step >= plan.total_steps:
        return False
    mine = next(stage.size for stage in plan.stages if step < stage.stop)
    return isinstance(mine, Size) and isinstance(size, Size) and mine < size


def _check_stages(saved: Plan, schedule: Schedule) -> None:
    """Refuse a plan whose stages are not those of its own schedule."""
    # A grown plan has checked itself against its plain one.
    saved = saved.plain or saved
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a run below full size
        fresh = schedule.plan(
            total_steps=saved.total_steps,
            steps_per_epoch=saved.steps_per_epoch,
            final_size=saved.final_size,
            samples_per_epoch=saved.samples_per_epoch,
            batch_size=saved.batch_size,
        )
    # The plan of a resumed run says so, and its sizes may be larger.
    is_fresh = saved.description == fresh.description
    expected = fresh if is_fresh else fresh.never_below(saved)
    if expected.stages != saved.stages:
        raise ValueError(
            "the state's plan is broken: its stages are not those of its schedule "
            f"{schedule}; load another checkpoint"
        )
