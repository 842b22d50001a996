"""What every kind of schedule shares: being frozen, and making a plan."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from enum import Enum, StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from upsize.schedule._random_size import RandomSize
from upsize.schedule._run import Run, run_length
from upsize.schedule._size import Size, as_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from upsize.schedule._plan import Plan

__all__ = ["BaseSchedule", "IncreaseMode", "Stage", "check_schedule", "stages_of"]


class IncreaseMode(StrEnum):
    """When a size may change: at any step, or only before an epoch.

    Example:
        >>> IncreaseMode("epoch")
        <IncreaseMode.Epoch: 'epoch'>
    """

    Batch = "batch"
    Epoch = "epoch"


class Stage(NamedTuple):
    """A stretch of a run: steps ``start <= step < stop`` at one size.

    In a stage of multi-scale training ``size`` is a :class:`RandomSize`.

    Example:
        >>> Stage(0, 1470, Size(112, 112))
        Stage(start=0, stop=1470, size=Size(height=112, width=112))
    """

    start: int
    stop: int
    size: Size | RandomSize

    @property
    def weights(self) -> dict[Size, Fraction]:
        """Its distinct sizes, fewest pixels first, and the share of steps of each.

        Of random sizes it is the expected share.
        """
        if isinstance(self.size, RandomSize):
            return self.size.weights
        return {self.size: Fraction(1)}

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Its distinct sizes, fewest pixels first."""
        return tuple(self.weights)

    @property
    def pixels(self) -> Fraction:
        """Pixels of one image of each of its steps; of random sizes as expected."""
        mean = sum(math.prod(size) * share for size, share in self.weights.items())
        return (self.stop - self.start) * Fraction(mean)


def stages_of(
    changes: Iterable[tuple[int, Size | RandomSize]], total_steps: int
) -> tuple[Stage, ...]:
    """Turn ascending (step, size) changes, the first at step 0, into stages.

    Of several changes at one step the last counts, changes to the same size and
    those after the end do not.
    """
    kept: list[tuple[int, Size | RandomSize]] = []
    for step, size in changes:
        if step >= total_steps:
            break
        if kept and kept[-1][0] == step:
            kept.pop()
        if not kept or kept[-1][1] != size:
            kept.append((step, size))
    kept.append((total_steps, kept[-1][1]))
    return tuple(Stage(a, b, size) for (a, size), (b, _) in pairwise(kept))


class BaseSchedule(BaseModel, ABC):
    """A frozen description of what grows and when, for a run of any length."""

    # Built at the first use: the import would take twice as long.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Yield what differs from the defaults, as it would be written in a call."""
        fields = type(self).model_fields
        for name, value in self:
            if value != fields[name].default:
                yield name, value.value if isinstance(value, Enum) else value

    def __str__(self) -> str:
        return repr(self)

    @abstractmethod
    def target(self) -> Size | None:
        """Return the final size that the schedule itself names, if it does."""

    @abstractmethod
    def changes(self, run: Run, final: Size) -> Sequence[tuple[int, Size | RandomSize]]:
        """Return the (step, size) changes of a run, ascending, the first at 0.

        Raises:
            ValueError: When the schedule does not fit the run or ``final``.
        """

    @abstractmethod
    def describe(self, run: Run, final: Size) -> str:
        """Return the schedule of a run in a sentence or two."""

    def resolve(self, final_size: int | tuple[int, int] | None) -> Size:
        """Return the final size of a plan, the schedule's own or the one given.

        Raises:
            ValueError: When there is none, or two that differ.
        """
        own = self.target()
        given = None if final_size is None else as_size(final_size)
        if own is None:
            if given is None:
                raise ValueError(
                    "final_size is missing: give it to "
                    f"{type(self).__name__} or to plan()"
                )
            return given
        if given not in (None, own):
            raise ValueError(
                f"final_size={tuple(given)} given to plan() is not the "
                f"{tuple(own)} of the schedule: leave one of them out"
            )
        return own

    def plan(
        self,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        total_steps: int | None = None,
        final_size: int | tuple[int, int] | None = None,
    ) -> Plan:
        """Bind the schedule to a run.

        Args:
            epochs: Length of the run in epochs; needs ``steps_per_epoch``.
            steps_per_epoch: Steps in an epoch. Needed for moments in epochs.
            total_steps: Length of the run in steps, instead of ``epochs``; it may end
                within an epoch.
            final_size: Pixels of the full size, one side or (height, width), where
                the schedule does not name it.

        Returns:
            The plan. Its cost depends on the number of sizes, not of steps.

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
        # Plan holds a schedule, so its module imports ours.
        from upsize.schedule._plan import Plan

        run = run_length(epochs, steps_per_epoch, total_steps)
        final = self.resolve(final_size)
        plan = Plan(
            schedule=self,  # pyright: ignore[reportArgumentType] - one of the union
            stages=stages_of(self.changes(run, final), run.total_steps),
            total_steps=run.total_steps,
            steps_per_epoch=run.steps_per_epoch,
            final_size=final,
        )
        if not plan.reaches_full_size:
            last = plan.stages[-1].size
            cure = "let the last resize happen earlier"
            if isinstance(last, RandomSize):
                cure = "let the draws end with finish="
            warnings.warn(
                f"the full size {final} is never reached: the last of "
                f"{run.total_steps} steps trains at {last}; {cure}, or train longer",
                UserWarning,
                stacklevel=2,
            )
        return plan


def check_schedule(schedule: object, final_size: int | tuple[int, int] | None) -> None:
    """Refuse what an adapter was given as a schedule and is none.

    Raises:
        TypeError: When it is none.
        ValueError: When ``final_size`` is not the one that it names.
    """
    if not isinstance(schedule, BaseSchedule):
        raise TypeError(
            "schedule must be a Ramp, Linear, Phases or MultiScale of upsize.schedule, as "
            f"Ramp(final_size=224), not {schedule!r}"
        )
    if final_size is not None:
        schedule.resolve(final_size)
