"""The time of a device is read from its events."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from upsize.forecast._blocks import Loading, measure_steps
from upsize.forecast._timer import ClockTimer, EventTimer, timer_for
from upsize.schedule import Size


class Device:
    """Stands in for torch.cuda: work takes a time on it, and calls return at once."""

    def __init__(self) -> None:
        self.clock = 0.0  # when the work given so far will be done
        self.waits = 0

    def Event(self, *, enable_timing: bool) -> Any:  # noqa: N802 - torch's name
        assert enable_timing
        return Event(self)

    def synchronize(self) -> None:
        self.waits += 1


class Event:
    def __init__(self, device: Device) -> None:
        self.device, self.at = device, -1.0

    def record(self) -> None:
        self.at = self.device.clock

    def elapsed_time(self, other: Event) -> float:
        assert self.device.waits, "the device was not waited for"
        return 1000 * (other.at - self.at)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    monkeypatch.setattr(torch, "get_device_module", lambda device: made)
    return made


def test_by_events(device: Device) -> None:
    timer = timer_for(torch.device("cuda:0"))
    assert isinstance(timer, EventTimer)

    def step(batch: Any) -> None:
        device.clock += 0.5

    def resize(batch: Any, size: Size) -> Any:
        device.clock += 0.25
        return batch

    def batches() -> Any:
        for _ in range(20):
            yield 0
            device.clock += 0.125  # idle, until the next one is there

    loading = Loading(list(range(20)), resize)
    found = measure_steps(loading, Size(64, 64), step, timer, 0.0)
    assert (found.step, found.resize, found.wait) == (0.5, 0.25, 0.0)
    assert device.waits == 1
    found = measure_steps(Loading(batches(), resize), Size(64, 64), step, timer, 0.0)
    assert (found.step, found.resize, found.wait) == (0.5, 0.25, 0.125)


def test_by_the_clock() -> None:
    timer = timer_for(torch.device("cpu"))
    assert isinstance(timer, ClockTimer)
    assert timer.seconds(1.0, 3.5) == 2.5
    timer.wait()
