"""What every way of training refuses, and what it adds to errors: said in one place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from upsize.schedule import Size
from upsize.schedule._shown import shown

__all__ = [
    "check_alone",
    "check_callback",
    "keep_plan",
    "known_full_size",
    "nothing_to_merge",
    "noting",
    "trying_full_size",
]


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


def check_callback(resize: object, kind: type, which: str) -> None:
    """Refuse anything but the ``ProgressiveResize`` that a sized loader is of.

    Args:
        resize: What the user gave.
        kind: The class of that object.
        which: Says which one is meant.

    Raises:
        TypeError: When it is something else.

    Example:
        >>> check_callback(3, str, "callback of the trainer")
        Traceback (most recent call last):
        TypeError: resize must be the ProgressiveResize callback of the trainer, not a int
    """
    if not isinstance(resize, kind):
        raise TypeError(
            f"resize must be the ProgressiveResize {which}, not a "
            f"{type(resize).__name__}"
        )


def known_full_size(size: Size | None) -> Size:
    """Return the full size of a run whose loader is sized.

    Raises:
        ValueError: When it is not known.
    """
    if size is None:
        raise ValueError(
            "the full size is not known, and a sized loader needs it before the first "
            "batch: give final_size= to ProgressiveResize or to its schedule"
        )
    return size


def nothing_to_merge(merge: Any, why: str, cure: str) -> ValueError:
    """Return the error for ``merge=`` where no batches can be merged.

    Args:
        merge: What the user gave.
        why: What the training does instead of accumulating.
        cure: How to accumulate.

    Example:
        >>> print(nothing_to_merge(True, "each batch is one", "accumulate gradients"))
        merge=True merges the batches of an accumulation window, and each batch is one: \
accumulate gradients, or leave out merge=
    """
    return ValueError(
        f"merge={shown(merge)} merges the batches of an accumulation window, and {why}: "
        f"{cure}, or leave out merge="
    )


@contextmanager
def noting(text: str) -> Iterator[None]:
    """Add a note to each error.

    Example:
        >>> try:
        ...     with noting("in the dry run"):
        ...         raise RuntimeError("shapes cannot be multiplied")
        ... except RuntimeError as error:
        ...     print(error.__notes__)
        ['upsize: in the dry run']
    """
    try:
        yield
    except Exception as error:
        error.add_note(f"upsize: {text}")
        raise


def trying_full_size(calls: str) -> Any:
    """Return what says in each error that it is of a dry run.

    Args:
        calls: What the dry run calls, and with what.
    """
    return noting(
        f"in the dry run of preallocate=True, which calls {calls} at full size; "
        "preallocate=False skips it"
    )


def keep_plan(where: str) -> Any:
    """Return what says in each error how to continue without a saved plan.

    Args:
        where: What to delete.
    """
    return noting(f"to continue with a new plan instead, delete {where}")
