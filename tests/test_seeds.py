"""Each module and each test draw the same numbers, alone and among all others."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch


def draw() -> list[float]:
    return [random.random(), np.random.rand(), torch.rand(()).item()]  # noqa: NPY002


DRAWN = draw()


@pytest.mark.parametrize("time", ["first", "second"])
def test_the_same_numbers(time: str) -> None:
    assert draw() == DRAWN, time
