"""What the user has asked for, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from upsize.follow import Applier
from upsize.resize._interpolate import Mode, check_mode
from upsize.schedule import IncreaseMode, Linear, MultiScale, Phases, Ramp
from upsize.schedule._base import check_schedule
from upsize.schedule._size import check_whole_number

__all__ = ["Settings", "WhenFrozen", "schedule_of"]

WhenFrozen = Literal["initial", "schedule", "final"]


def schedule_of(
    schedule: Ramp | Linear | Phases | MultiScale | None,
    final_size: int | tuple[int, int] | None,
    ramp: dict[str, Any],
) -> Ramp | Linear | Phases | MultiScale:
    """Return the schedule that was given, or the ramp of the single parameters.

    Raises:
        TypeError: When the schedule is none.
        ValueError: When both were given, or a value is not allowed.
    """
    if schedule is None:
        return Ramp(final_size=final_size, **ramp)
    check_schedule(schedule, final_size)
    fields = Ramp.model_fields
    both = [name for name, value in ramp.items() if value != fields[name].default]
    if both:
        raise ValueError(
            f"{', '.join(both)} given beside schedule=, which says all of it: give "
            "them to the schedule"
        )
    return schedule


@dataclass(frozen=True)
class Settings:
    """The parameters of the callback: see there."""

    schedule: Ramp | Linear | Phases | MultiScale
    final_size: int | tuple[int, int] | None
    resize_mode: Mode
    resize_valid: bool
    add_resize: bool
    resize_targ: bool
    preallocate_bs: int | None
    preallocate: bool
    empty_cache: bool
    verbose: bool
    when_frozen: WhenFrozen
    follow: Applier | None

    def __post_init__(self) -> None:
        try:
            check_mode(self.resize_mode)
        except ValueError as error:
            raise ValueError(f"resize_{error}") from None
        if self.when_frozen not in get_args(WhenFrozen):
            raise ValueError(
                f"when_frozen must be one of {', '.join(get_args(WhenFrozen))}, not "
                f"{self.when_frozen!r}"
            )
        check_whole_number("preallocate_bs", self.preallocate_bs)
        mode = getattr(self.schedule, "increase_mode", IncreaseMode.Batch)
        if self.empty_cache and mode != IncreaseMode.Epoch:
            raise ValueError(
                "empty_cache=True needs increase_mode=IncreaseMode.Epoch: emptying the "
                "cache within an epoch would cost more than it frees"
            )
