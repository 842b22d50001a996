"""What the user has asked for."""

from __future__ import annotations

from dataclasses import dataclass

from upsize.follow import Applier
from upsize.loading._dataset import SetSize
from upsize.resize import Resizer
from upsize.schedule import Linear, MultiScale, Phases, Ramp, Size
from upsize.schedule._base import check_schedule
from upsize.schedule._size import as_size

__all__ = ["RAMP", "RESIZER", "Settings"]

RAMP, RESIZER = Ramp(), Resizer()  # both are frozen


@dataclass(frozen=True)
class Settings:
    """The options of :class:`ProgressiveResize` and :func:`attach`."""

    schedule: Ramp | Linear | Phases | MultiScale
    final_size: int | tuple[int, int] | None
    resizer: Resizer
    resize_valid: bool
    preallocate: bool
    empty_cache: bool
    log: str | None
    verbose: bool
    follow: Applier | None
    sized: bool
    set_size: SetSize | None

    def __post_init__(self) -> None:
        check_schedule(self.schedule, self.final_size)
        if self.sized and self.final is None:
            raise ValueError(
                "sized=True needs the full size, and a sized loader has no first batch "
                "to take it from: give final_size=, or name it in the schedule"
            )
        if self.set_size is not None and not self.sized:
            raise ValueError(
                "set_size= tells a sized loader how to set the size, and the loader is "
                "none: give sized=True as well, or leave set_size out"
            )

    @property
    def final(self) -> Size | None:
        """The full size; ``None``: that of the first batch's images."""
        given = self.final_size
        target = self.schedule.target() if given is None else given
        return None if target is None else as_size(target)
