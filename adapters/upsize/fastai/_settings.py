"""What the user asks for, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from upsize.resize import Resizer
from upsize.resize._interpolate import Mode, check_mode
from upsize.run import Options
from upsize.schedule import IncreaseMode, Ramp, Schedule
from upsize.schedule._base import check_schedule
from upsize.schedule._size import check_whole_number

__all__ = ["Settings", "WhenFrozen", "resizer_of", "schedule_of"]

WhenFrozen = Literal["initial", "schedule", "final"]


def schedule_of(
    schedule: Schedule | None,
    final_size: int | tuple[int, int] | None,
    ramp: dict[str, Any],
) -> Schedule:
    """Return the given schedule, or the ramp that the single parameters describe.

    Raises:
        TypeError: When ``schedule`` is not a schedule.
        ValueError: When both are given, or a value is not allowed.
    """
    if schedule is None:
        return Ramp(final_size=final_size, **ramp)
    check_schedule(schedule, final_size)
    fields = Ramp.model_fields
    both = [name for name, value in ramp.items() if value != fields[name].default]
    if both:
        raise ValueError(
            f"{', '.join(both)} cannot be combined with schedule=: set them on the "
            "schedule"
        )
    return schedule


def resizer_of(resize_mode: Mode) -> Resizer:
    """Return a resizer with a mode.

    Raises:
        ValueError: When the mode is unknown.
    """
    # Not "crop": fastai's own transforms shrink the images of a batch.
    try:
        check_mode(resize_mode)
    except ValueError as error:
        raise ValueError(f"resize_{error}") from None
    return Resizer(mode=resize_mode)


@dataclass(frozen=True)
class Settings:
    """The parameters of the callback that other frameworks do not have.

    ``empty_cache`` is here because fastxtend only empties the cache between epochs.
    """

    options: Options
    add_resize: bool
    resize_targ: bool
    preallocate_bs: int | None
    empty_cache: bool
    when_frozen: WhenFrozen

    def __post_init__(self) -> None:
        if self.when_frozen not in get_args(WhenFrozen):
            raise ValueError(
                f"when_frozen must be one of {', '.join(get_args(WhenFrozen))}, not "
                f"{self.when_frozen!r}"
            )
        check_whole_number("preallocate_bs", self.preallocate_bs)
        mode = getattr(self.options.schedule, "increase_mode", IncreaseMode.Batch)
        if self.empty_cache and mode != IncreaseMode.Epoch:
            raise ValueError(
                "empty_cache=True needs increase_mode=IncreaseMode.Epoch: emptying the "
                "cache within an epoch would cost more than it frees"
            )
