"""Types that torchvision 0.22 lacks, which goes with the oldest torch that we declare."""

from __future__ import annotations

import pytest

__all__ = ["need_points", "need_turned_boxes"]


def need_points() -> None:
    """Skip the test where torchvision has no keypoints."""
    if not hasattr(pytest.importorskip("torchvision.tv_tensors"), "KeyPoints"):
        pytest.skip("torchvision 0.22 has no KeyPoints")


def need_turned_boxes() -> None:
    """Skip the test where torchvision has no boxes with an angle."""
    formats = pytest.importorskip("torchvision.tv_tensors").BoundingBoxFormat
    if not hasattr(formats, "CXCYWHR"):
        pytest.skip("torchvision 0.22 has no boxes with an angle")
