"""Options that a Trainer does not take, or not together."""

from __future__ import annotations

from typing import Any

from upsize.run import Options

__all__ = ["check_options"]


def check_options(
    options: Options, sized: bool, set_size: Any, batch_size: Any
) -> None:
    """Refuse options that contradict each other.

    Args:
        options: What the user asks for.
        sized: Whether the workers of the training loader make small images.
        set_size: See :func:`upsize.loading.sized`.
        batch_size: Refused.

    Raises:
        ValueError: When ``sized`` lacks the full size, ``set_size`` lacks ``sized``, or
            there is a ``batch_size``.
    """
    if batch_size is not None:
        raise ValueError(
            f"batch_size={batch_size!r}: a Trainer takes every epoch to have as many "
            "batches as the first one (for state.epoch, epochs to evaluate or save "
            "after, and where to resume), and with batches that grow, epochs have "
            "different numbers of them: give merge=True and "
            "gradient_accumulation_steps, or train with upsize.accelerate"
        )
    if sized and options.full_size is None:
        raise ValueError(
            "sized=True needs the full size before the first batch: give "
            "final_size= to ProgressiveResize or to its schedule"
        )
    if set_size is not None and not sized:
        raise ValueError(
            "set_size= has no effect without a sized loader: give sized=True as "
            "well, or leave set_size out"
        )
