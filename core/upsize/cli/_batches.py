"""The options of ``upsize plan`` for batches that grow while images are small."""

from __future__ import annotations

from typing import Any

from upsize.cli._values import parse
from upsize.schedule import Grow, Plan
from upsize.schedule._shown import shown

__all__ = ["batch_options", "describe_batches"]


def _limit(text: str) -> int | dict[Any, int]:
    """Read ``--limit``: images, or images for each size."""
    if isinstance(images := parse(text), int):
        return images
    limits: dict[Any, int] = {}
    for part in text.split(","):
        size, _, number = part.partition("=")
        found, images = parse(size), parse(number)
        if not isinstance(found, (int, tuple)) or not isinstance(images, int):
            raise ValueError(  # noqa: TRY004 - a bad text, not a bad call
                "--limit must be images (256), or images for each size, as "
                f"112=256,160=128, not {shown(text)}"
            )
        limits[found] = images
    return limits


def batch_options(
    samples: int | None, batch: int | None, limit: str | None
) -> dict[str, Any]:
    """Return the arguments of ``plan()`` for the options of the batch.

    Args:
        samples: ``--samples``; ``None``: not given.
        batch: ``--batch``, likewise.
        limit: ``--limit``, likewise.

    Raises:
        ValueError: When one is given without the others that it needs.

    Example:
        >>> batch_options(1000, 64, "256")
        {'samples_per_epoch': 1000, 'batch_size': Grow(256, batch=64)}
        >>> batch_options(None, None, None)
        {}
    """
    if limit is not None and batch is None:
        raise ValueError("--limit needs --batch, the images of a batch at full size")
    if (samples is None) != (batch is None):
        given, missing = (
            ("--samples", "--batch, the images of a batch at full size")
            if batch is None
            else ("--batch", "--samples, the images of an epoch")
        )
        raise ValueError(f"{given} needs {missing}")
    if samples is None:
        return {}
    grow = None if limit is None else Grow(_limit(limit), batch=batch)
    return {"samples_per_epoch": samples, "batch_size": grow or batch}


def describe_batches(plan: Plan, limit: str | None) -> str | None:
    """Describe how many steps growing batches save; ``None``: they are constant.

    Args:
        plan: The plan.
        limit: ``--limit``; ``None``: not given.
    """
    if plan.plain is not None:
        before, now = plan.plain.total_steps, plan.total_steps
        return (
            f"{now} steps instead of {before}, {100 - 100 * now / before:.1f} % fewer: "
            f"batches grow up to {max(plan.batch_sizes or ())}."
        )
    if limit is not None:
        return (
            "No batch grows: a larger one would have more pixels than one at full "
            f"size, or more images than --limit {limit} allows."
        )
    return None
