"""Where a loop reports the size: whatever the user logs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["Report", "report_to"]

Report: TypeAlias = Callable[[str, int, int], object]


def report_to(log: Any) -> Report | None:
    """Return what takes (name, pixels, step), or refuse what it cannot be.

    Args:
        log: A function of (name, value, step), a ``SummaryWriter``, or a run of W&B,
            which reports the size with the next values that the user logs: a step of
            ours could be behind its own.

    Raises:
        TypeError: When it is none of these.

    Example:
        >>> report_to(print)("image_size", 112, 0)
        image_size 112 0
    """
    if log is None:
        return None
    if isinstance(log, type):
        raise TypeError(_not_a_log(log))
    write: Report | None = getattr(log, "add_scalar", None)
    if write is not None:
        return write
    if any(kind.__module__.startswith("wandb") for kind in type(log).__mro__):

        def with_the_next(name: str, pixels: int, step: int) -> None:
            del step
            log.log({name: pixels}, commit=False)

        return with_the_next
    if callable(log):
        own: Report = log
        return own
    raise TypeError(_not_a_log(log))


def _not_a_log(log: Any) -> str:
    what = f"the class {log.__name__}" if isinstance(log, type) else type(log).__name__
    return (
        "log must be a function of (name, value, step), a SummaryWriter or a run of W&B, "
        f"not {what}: give a function, as log=lambda name, value, step: ..."
    )
