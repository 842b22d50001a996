"""The size in the table of epochs, and in the loggers that read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastai.learner import ValueMetric

from upsize.run._restoring import Restoring
from upsize.schedule import Size

__all__ = ["add_column"]


def add_column(
    learner: Any, size: Callable[[], Size | None], changes: Restoring
) -> None:
    """Add a column to the table of a learner, for a while.

    Args:
        learner: The learner.
        size: Returns the size that was trained on last.
        changes: Removes it.
    """
    column = _SizeColumn(size)
    learner.metrics = [*learner.metrics, column]
    changes.callback(_remove, learner, column)


def _remove(learner: Any, column: _SizeColumn) -> None:
    learner.metrics = [each for each in learner.metrics if each is not column]


class _SizeColumn(ValueMetric):
    """A column with the longer side in pixels; loggers get it as a number.

    Args:
        size: Returns the size that was trained on last.
    """

    def __init__(self, size: Callable[[], Size | None]) -> None:
        super().__init__(lambda: max(size() or (0,)), "size")

    def __reduce__(self) -> Any:
        # An exported learner must load where upsize is not installed.
        return ValueMetric, (int, "size")
