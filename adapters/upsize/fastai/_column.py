"""The size in the table of epochs, and in the loggers that read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastai.learner import ValueMetric

from upsize.schedule import Size

__all__ = ["SizeColumn"]


class SizeColumn(ValueMetric):
    """A column with the longer side in pixels; loggers get it as a number.

    Args:
        size: Returns the size that was trained on last.
    """

    def __init__(self, size: Callable[[], Size | None]) -> None:
        super().__init__(lambda: max(size() or (0,)), "size")

    def __reduce__(self) -> Any:
        # An exported learner must load where upsize is not installed.
        return ValueMetric, (int, "size")
