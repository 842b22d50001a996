"""That one callback resizes, not several."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["check_alone"]


def check_alone(kind: type, callbacks: Iterable[object], owner: str) -> None:
    """Refuse several callbacks that resize.

    Args:
        kind: The class of such a callback.
        callbacks: All callbacks.
        owner: What has them, for the error.

    Raises:
        ValueError: When there are several.

    Example:
        >>> check_alone(int, [1, "another"], "the trainer")
    """
    count = sum(isinstance(each, kind) for each in callbacks)
    if count > 1:
        raise ValueError(
            f"{owner} has {count} ProgressiveResize callbacks, and each would "
            "resize the other's images again: keep one"
        )
