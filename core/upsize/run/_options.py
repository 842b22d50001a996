"""The options of a training run, the same for every framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from upsize.resize import Resizer
from upsize.run._merge_rule import Merge, MergeRule
from upsize.schedule import Plan, Ramp, Schedule, Size
from upsize.schedule._base import check_schedule

__all__ = ["RAMP", "RESIZER", "Options", "SizeFollower"]

#: Defaults; both are frozen.
RAMP, RESIZER = Ramp(), Resizer()


class SizeFollower(Protocol):
    """Values that follow the size, such as :class:`upsize.follow.FollowSize`."""

    def bind(self, plan: Plan) -> Any:
        """Follow a plan from now on."""
        ...

    def set(self, step: int) -> Any:
        """Set the values of a step."""
        ...

    def restore(self) -> None:
        """Restore the values from before the first step."""
        ...


@dataclass(frozen=True)
class Options:
    """Options that every way of training takes.

    Args:
        schedule: How the image size grows.
        final_size: Full size in pixels, one side or (height, width), where the
            schedule does not name it. ``None``: the size of the first batch's images.
        resizer: How to find and resize the images of a batch.
        resize_valid: Whether validation during training uses the size trained on last,
            instead of the unchanged images. Smaller images keep their own size.
        preallocate: Whether to run the first batch forward and backward at full size
            before training: it proves that this fits into memory, and leaves no trace.
        empty_cache: Whether to empty CUDA's cache on every change of size.
        log: Name under which the longer side in pixels is reported on every change;
            ``None``: not at all.
        verbose: Whether the first process prints the plan's summary, and what of the
            first batch is resized.
        follow: Regularization that follows the size; restored when training ends, also
            by an exception or Ctrl-C.
        merge: Whether small images are trained on in fewer, larger micro-batches of
            the same accumulation window, where gradients are accumulated. ``True``: as
            many batches in one as have no more pixels than a batch at full size. A
            number: the same, and at most so many images. ``{size: images}``: at most so
            many images at each size.

    Raises:
        TypeError: When ``schedule`` is not a schedule, or ``merge`` none of these.
        ValueError: When ``final_size`` is not the one that the schedule names,
            ``merge`` allows no images, or ``resize_valid`` stands beside a resizer that
            cuts windows.

    Example:
        >>> Options(Ramp(final_size=224)).full_size
        Size(height=224, width=224)
        >>> Options().full_size is None
        True
    """

    schedule: Schedule = RAMP
    final_size: int | tuple[int, int] | None = None
    resizer: Resizer = RESIZER
    resize_valid: bool = False
    preallocate: bool = False
    empty_cache: bool = False
    log: str | None = "image_size"
    verbose: bool = True
    follow: SizeFollower | None = None
    merge: Merge = False

    def __post_init__(self) -> None:
        check_schedule(self.schedule, self.final_size)
        if self.resize_valid and self.resizer.mode == "crop":
            raise ValueError(
                'resize_valid=True shrinks validation images, and mode="crop" cuts '
                "windows out of those of training: leave it out, and validate whole "
                "images"
            )
        self.merge_rule  # noqa: B018 - refuses what it cannot be

    @property
    def full_size(self) -> Size | None:
        """The given full size; ``None``: the size of the first batch's images."""
        return self.schedule.full_size(self.final_size)

    @property
    def merge_rule(self) -> MergeRule | None:
        """How many batches are merged; ``None``: none are."""
        return None if self.merge is False else MergeRule(self.merge)
