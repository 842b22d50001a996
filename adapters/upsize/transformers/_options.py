"""Options that a Trainer does not take, or not together."""

from __future__ import annotations

from typing import Any

from upsize.run import Options
from upsize.run._refusals import known_full_size

__all__ = ["check_options"]


def check_options(
    options: Options, sized: bool, set_size: Any, batch_size: Any
) -> None:
    """Refuse options that contradict each other.

    Args:
        options: What the user asks for.
        sized: Whether the workers of the training loader make small images.
        set_size: See :func:`upsize.loading.sized`.
        batch_size: How the batch grows; ``None``: it does not.

    Raises:
        ValueError: When ``sized`` lacks the full size, or ``set_size`` or
            ``batch_size`` lack ``sized``.
    """
    if batch_size is not None and not sized:
        raise ValueError(
            "batch_size=Grow(...) changes how many images a batch has, which only the "
            "batch sampler of a sized loader can do: give sized=True as well, or leave "
            "out batch_size="
        )
    if sized:
        known_full_size(options.full_size)
    if set_size is not None and not sized:
        raise ValueError(
            "set_size= has no effect without a sized loader: give sized=True as "
            "well, or leave set_size out"
        )
