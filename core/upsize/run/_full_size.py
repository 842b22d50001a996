"""What to say of images whose size is not the full size of the plan."""

from __future__ import annotations

import warnings

from upsize.schedule import Plan, Size

__all__ = ["FullSizeCheck", "corrected_batches", "warn_at_end"]

_DATASET = "the dataset does not take the size it is given"


class FullSizeCheck:
    """Refuses images smaller than the full size, and warns once of larger ones.

    Args:
        final: The full size.
    """

    def __init__(self, final: Size) -> None:
        self._final = final
        self._warned = False

    def check(self, images: Size, *, stacklevel: int = 3) -> None:
        """Check the size of a batch that comes from the loader.

        Args:
            images: Size of its images.
            stacklevel: Where the warning points to; 3 is the caller's caller.

        Raises:
            ValueError: When a side is smaller than the full size.

        Warns:
            UserWarning: Once, when the images are larger.
        """
        final = self._final
        if images == final:
            return
        if images.height < final.height or images.width < final.width:
            raise ValueError(
                f"the images are {images} and final_size is {final}: images are never "
                "enlarged; lower final_size, or load larger images"
            )
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"the images are {images} and final_size is {final}: training never "
                "uses their own size",
                UserWarning,
                stacklevel=stacklevel,
            )


def warn_at_end(
    plan: Plan | None,
    size: Size | None,
    corrected: int,
    *,
    why: str = _DATASET,
    unit: str = "steps",
    cure: str = "",
    stacklevel: int = 2,
) -> None:
    """Warn when full size was planned and not reached, or sizes were not.

    Args:
        plan: The plan; ``None``: there was none to end.
        size: Size of the last batch that was trained on, if there was one.
        corrected: Batches of a sized loader that had to be resized.
        why: As in :func:`corrected_batches`.
        unit: What the plan counts.
        cure: What to do about a training that was shorter, behind the sentence.
        stacklevel: Where the warnings point to; 1 is the caller.
    """
    if corrected:
        text = corrected_batches(corrected, why=why)
        warnings.warn(text, UserWarning, stacklevel=stacklevel + 1)
    if plan is None or size is None:
        return
    # Of sizes drawn at random any may come last; of a plan that ends below its full
    # size the plan has warned.
    last = plan.stages[-1].sizes
    if plan.final_size in last and size not in last:
        warnings.warn(
            f"training ended at {size}, not at the full size {plan.final_size}: it was "
            f"shorter than the {plan.total_steps} {unit} that were planned{cure}",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def corrected_batches(
    count: int,
    *,
    of: str = "",
    why: str = _DATASET,
) -> str:
    """Say how many batches of a sized loader had to be resized, and why that may be.

    Args:
        count: How many.
        of: Of what, with a space in front: " of this epoch".
        why: The reason where it is not that they were drawn for other steps.
    """
    return (
        f"{count} batches{of} came from the sized loader at another size than their "
        "step's, and were resized on the device: they were drawn for other steps than "
        f"those that took them, or {why}"
    )
