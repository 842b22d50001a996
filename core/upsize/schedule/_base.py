"""The base class of every schedule: it is frozen, and makes a plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from upsize.schedule._describe import describe_stages
from upsize.schedule._frozen import NamedFields, as_dict
from upsize.schedule._grow import Grow, read_batch
from upsize.schedule._plan import Plan
from upsize.schedule._random_size import RandomSize
from upsize.schedule._run import RunLength, run_length, steps_of
from upsize.schedule._shown import shown
from upsize.schedule._size import Size, as_size
from upsize.schedule._stage import Stage, check_stages, read_changes, stages_of
from upsize.schedule._warn import warn

__all__ = ["Schedule", "changes_of", "check_schedule"]


class Schedule(NamedFields, ABC):
    """What grows and when, for a run of any length: the base of every schedule.

    Your own schedule has one method, :meth:`changes`. Its parameters are fields of a
    frozen pydantic model, which are checked, printed and compared. It works wherever a
    built-in schedule does: in loops, adapters, loaders, forecasts, pictures and the
    command (``module:name``).

    Example:
        >>> from math import cos, pi
        >>> class Cosine(Schedule):
        ...     '''Grow along half a cosine, in steps of 32 pixels.'''
        ...
        ...     first: int = 128
        ...     final_size: int = 224
        ...
        ...     def changes(self, run, final):
        ...         for size in range(self.first, final.height, 32):
        ...             grown = (size - self.first) / (final.height - self.first)
        ...             yield round(run.total_steps * (1 - cos(pi * grown)) / 2), size
        ...         yield run.total_steps * 9 // 10, final
        >>> plan = Cosine().plan(total_steps=1000)
        >>> for start, stop, size in plan.stages:
        ...     print(start, stop, size)
        0 250 128x128
        250 750 160x160
        750 900 192x192
        900 1000 224x224
        >>> print(plan.summary())
        128x128 until step 250, 160x160 until step 750, 192x192 until step 900, \
then 224x224
    """

    @abstractmethod
    def changes(
        self, run: RunLength, final: Size
    ) -> Iterable[tuple[int, int | tuple[int, int] | RandomSize]]:
        """Return the sizes of a run, each with the step that it begins at.

        Args:
            run: Length of the run: ``run.total_steps``, and ``run.steps_per_epoch``
                where that is known.
            final: The full size in pixels.

        Returns:
            (step, size) pairs. The first step is 0, and steps ascend; if several pairs
            have the same step, the last one counts; pairs after the end do not count. A
            size is one side in pixels, (height, width) or a :class:`RandomSize`, never
            larger than ``final``. Sizes never shrink, except for random ones.

        Raises:
            ValueError: When the schedule does not fit the run or ``final``.
        """

    def describe(self, run: RunLength, final: Size) -> str:
        """Describe what the schedule does in a run, in a line or two.

        Args:
            run: Length of the run.
            final: The full size.

        Example:
            >>> from upsize.schedule import RunLength, Phases
            >>> schedule = Phases(phases=[(0, 128), (14, 224)])
            >>> schedule.describe(RunLength(3500, 100), Size(224, 224))
            '128x128 until epoch 14, then 224x224'
        """
        return describe_stages(_stages(self, run, final), run)

    def full_size(self, given: int | tuple[int, int] | None = None) -> Size | None:
        """Return the full size: the schedule's own, or the given one.

        The schedule's own full size is its ``final_size``, a field or a property, if it
        has one.

        Args:
            given: Full size in pixels from outside the schedule, one side or (height,
                width).

        Returns:
            The size, or ``None`` when neither is set.

        Raises:
            ValueError: When both are set and differ.

        Example:
            >>> from upsize.schedule import Ramp
            >>> Ramp(final_size=224).full_size(), Ramp().full_size((96, 128))
            (Size(height=224, width=224), Size(height=96, width=128))
            >>> Ramp().full_size() is None
            True
        """
        own = self._own_full_size()
        size = None if given is None else as_size(given)
        if own is None or size is None:
            return own or size
        if size != own:
            raise ValueError(
                f"final_size={tuple(size)} differs from the schedule's {tuple(own)}: "
                "leave one of them out"
            )
        return own

    def _own_full_size(self) -> Size | None:
        """Return the full size that the schedule itself has, if any."""
        own = getattr(self, "final_size", None)
        return None if own is None else as_size(own)

    def plan(
        self,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        total_steps: int | None = None,
        final_size: int | tuple[int, int] | None = None,
        samples_per_epoch: int | None = None,
        batch_size: int | Grow | None = None,
    ) -> Plan:
        """Bind the schedule to a run.

        Args:
            epochs: Length of the run in epochs; needs ``steps_per_epoch``, or
                ``samples_per_epoch`` and ``batch_size``.
            steps_per_epoch: Steps in an epoch. Needed for moments in epochs.
            total_steps: Length of the run in steps, instead of ``epochs``; it may end
                within an epoch.
            final_size: Full size in pixels, one side or (height, width), where the
                schedule does not name it.
            samples_per_epoch: Samples that a process draws in an epoch, without those
                that ``drop_last`` drops; needs ``batch_size``. The last batch of an
                epoch has the rest.
            batch_size: Samples of a batch, or a :class:`Grow` with ``batch`` for larger
                batches while images are small. Then ``total_steps`` and moments in
                steps count batches of ``batch`` samples, while the plan has fewer,
                larger steps at the same shares of the samples.

        Returns:
            The plan. Its cost depends on the number of sizes, not on that of steps.

        Raises:
            ValueError: When the length or the size is missing or contradicts itself,
                or the schedule does not fit them.

        Warns:
            UserWarning: When the run ends before it reaches the full size.

        Example:
            >>> from upsize.schedule import Ramp
            >>> plan = Ramp(final_size=224, increase_by=16).plan(
            ...     epochs=20, steps_per_epoch=147
            ... )
            >>> plan.size_at(0), plan.size_at(2939)
            (Size(height=112, width=112), Size(height=224, width=224))
        """
        samples_per_epoch, batch, grow = read_batch(samples_per_epoch, batch_size)
        if samples_per_epoch is not None and batch is not None:
            steps_per_epoch = steps_of(samples_per_epoch, batch, steps_per_epoch)
        run = run_length(epochs, steps_per_epoch, total_steps)
        final = self.full_size(final_size)
        if final is None:
            raise ValueError(
                f"final_size is missing: give it to {type(self).__name__} or to plan()"
            )
        plan = Plan(
            schedule=as_dict(self),
            description=self.describe(run, final),
            stages=_stages(self, run, final),
            total_steps=run.total_steps,
            steps_per_epoch=run.steps_per_epoch,
            final_size=final,
            samples_per_epoch=samples_per_epoch,
            batch_size=batch,
        )
        if not plan.reaches_full_size:
            last = plan.stages[-1].size
            cure = "let the last resize happen earlier"
            if isinstance(last, RandomSize):
                cure = "let the draws end with finish="
            warn(
                f"the full size {final} is never reached: the last of "
                f"{run.total_steps} steps trains at {last}; {cure}, or train longer"
            )
        return plan if grow is None else plan.growing(grow)


def changes_of(
    schedule: Schedule, run: RunLength, final: Size
) -> list[tuple[int, Size | RandomSize]]:
    """Return the changes of a run as (step, size) pairs.

    Raises:
        ValueError: When they are not ascending (step, size) pairs from step 0.
    """
    changes = schedule.changes(run, final)
    try:
        return read_changes(changes)
    except ValueError as error:
        raise _in_changes(schedule, error) from error


def _stages(schedule: Schedule, run: RunLength, final: Size) -> tuple[Stage, ...]:
    """Return the stages of a run, checked."""
    stages = stages_of(changes_of(schedule, run, final), run.total_steps)
    try:
        check_stages(stages, run.total_steps, final)
    except ValueError as error:
        raise _in_changes(schedule, error) from error
    return stages


def _in_changes(schedule: Schedule, error: ValueError) -> ValueError:
    return ValueError(f"changes() of {type(schedule).__name__}: {error}")


def check_schedule(schedule: object, final_size: int | tuple[int, int] | None) -> None:
    """Refuse an argument that is not a schedule, or has another full size.

    Raises:
        TypeError: When it is not a schedule.
        ValueError: When ``final_size`` differs from the schedule's own.
    """
    if not isinstance(schedule, Schedule):
        raise TypeError(
            "schedule must be a Schedule from upsize.schedule, such as "
            f"Ramp(final_size=224), not {shown(schedule)}"
        )
    schedule.full_size(final_size)
