"""Time the work of a device: by its own events, or by the clock of the processor."""

from __future__ import annotations

import time
from typing import Any, Protocol

import torch

__all__ = ["ClockTimer", "EventTimer", "Timer", "timer_for"]


class Timer(Protocol):
    """Marks moments in the work of a device."""

    def mark(self) -> Any:
        """Return a mark of now, which is passed when the work given so far is done."""
        ...

    def seconds(self, begin: Any, end: Any) -> float:
        """Return the seconds between two marks; :meth:`wait` first."""
        ...

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        ...


class ClockTimer:
    """For the CPU, which has done its work when a call returns.

    Example:
        >>> timer = ClockTimer()
        >>> begin = timer.mark()
        >>> timer.seconds(begin, timer.mark()) >= 0
        True
    """

    def mark(self) -> float:
        """Return the time."""
        return time.perf_counter()

    def seconds(self, begin: float, end: float) -> float:
        """Return the seconds between two times."""
        return end - begin

    def wait(self) -> None:
        """Return at once: nothing is under way."""


class EventTimer:
    """For an accelerator, whose work continues after a call has returned.

    Events on the device's own stream cost nothing while it works; a wait after each step
    would keep the processor from giving it the next one in the meantime.

    Args:
        device: The accelerator.
    """

    def __init__(self, device: torch.device) -> None:
        self._module = torch.get_device_module(device)

    def mark(self) -> Any:
        """Record an event on the current stream."""
        event = self._module.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, begin: Any, end: Any) -> float:
        """Return the seconds between two events."""
        return float(begin.elapsed_time(end)) / 1000

    def wait(self) -> None:
        """Wait for the device."""
        self._module.synchronize()


def timer_for(device: torch.device) -> Timer:
    """Return the timer of a device.

    Example:
        >>> type(timer_for(torch.device("cpu"))).__name__
        'ClockTimer'
    """
    return ClockTimer() if device.type == "cpu" else EventTimer(device)
