"""How many batches of a window are merged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upsize.run._merge_rule import MergeRule, next_group
from upsize.run._options import Options
from upsize.schedule import Size

FULL = Size(64, 64)


@given(st.integers(1, 200), st.integers(1, 60))
def test_groups_are_few_and_as_equal_as_possible(window: int, most: int) -> None:
    parts: list[int] = []
    while (left := window - sum(parts)) > 0:
        parts.append(next_group(left, most))
    assert sum(parts) == window
    assert len(parts) == -(-window // most)
    assert max(parts) <= most
    assert max(parts) - min(parts) <= 1


@pytest.mark.parametrize(
    ("limit", "size", "images", "most"),
    [
        (True, Size(32, 32), 8, 4),
        (True, Size(48, 48), 8, 1),
        (True, Size(20, 20), 8, 10),
        (True, Size(96, 96), 8, 1),
        (20, Size(32, 32), 8, 2),
        (1000, Size(32, 32), 8, 4),
        (np.int64(20), Size(32, 32), 8, 2),
        (1000, FULL, 8, 1),
        ({32: 48, 64: 16}, Size(32, 32), 8, 6),
        ({(32, 32): 48, FULL: 16}, FULL, 8, 2),
        ({64: 16, 32: 48}, Size(40, 40), 8, 2),
        ({64: 16, 32: 48}, Size(20, 20), 8, 6),
        ({32: 48}, FULL, 8, 1),
    ],
)
def test_the_most_batches(limit: Any, size: Size, images: int, most: int) -> None:
    assert MergeRule(limit).most(size, FULL, images) == most


@pytest.mark.parametrize(
    ("limit", "error", "text"),
    [
        (0, ValueError, r"merge=0 allows 0 images"),
        (-3, ValueError, r"merge=-3 allows -3 images"),
        ({32: 0}, ValueError, r"allows 0 images"),
        ("all", TypeError, r"merge must be True, the most images in a micro-batch"),
        (2.5, TypeError, r"not 2.5"),
        (None, TypeError, r"not None"),
        ({32: "many"}, TypeError, r"not \{32: 'many'\}"),
        ({32: True}, TypeError, r"not \{32: True\}"),
        ({}, ValueError, r"merge=\{\} lists no size"),
        ({32: 8, (32, 32): 16}, ValueError, r"has the size 32x32 twice"),
        ({"small": 8}, ValueError, r"merge=\{'small': 8\}: a size must be pixels"),
    ],
)
def test_what_it_cannot_be(limit: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Options(merge=limit)


def test_a_limit_below_a_batch() -> None:
    with pytest.raises(ValueError, match=r"allows 7 images in a micro-batch of 32x32"):
        MergeRule(7).most(Size(32, 32), FULL, 8)


def test_options_without_merging() -> None:
    assert Options().merge_rule is None
    assert Options(merge=True).merge_rule == MergeRule(True)
