"""Messages about images whose size is not the expected one."""

from __future__ import annotations

from upsize.schedule import Plan, Size

__all__ = [
    "ended_early",
    "is_larger",
    "larger_images",
    "mismatched_batches",
    "validation_size",
]


def is_larger(images: Size, final: Size) -> bool:
    """Whether images are larger than the full size.

    Args:
        images: Size of the images of a batch.
        final: The full size.

    Raises:
        ValueError: When a side is smaller than the full size.

    Example:
        >>> is_larger(Size(96, 64), final=Size(64, 64))
        True
    """
    if images.height < final.height or images.width < final.width:
        raise ValueError(
            f"the images are {images} and final_size is {final}: images are never "
            "enlarged; lower final_size, or load larger images"
        )
    return images != final


def larger_images(images: Size, final: Size) -> str:
    """Say that images are larger than the full size."""
    return (
        f"the images are {images} and final_size is {final}: training never "
        "uses their own size"
    )


def validation_size(images: Size, size: Size) -> Size:
    """Return the size at which validation images follow the training.

    Args:
        images: Size of the validation images.
        size: The size that was trained on last.

    Returns:
        ``size``; for images with a side below it their own, since none is enlarged.

    Example:
        >>> validation_size(Size(48, 48), Size(32, 32))
        Size(height=32, width=32)
        >>> validation_size(Size(48, 48), Size(64, 64))
        Size(height=48, width=48)
    """
    fits = images.height >= size.height and images.width >= size.width
    return size if fits else images


def mismatched_batches(count: int) -> str:
    """Say how many batches of a sized loader did not have the size of their step."""
    return (
        f"{count} batches came from the sized loader at another size than their "
        "step's, and were resized on the device: they were drawn for other steps than "
        "those that used them, or the dataset or its transforms ignore the size that "
        "they are given"
    )


def ended_early(plan: Plan, size: Size, unit: str) -> str | None:
    """Say that training ended before full size, unless the plan does so too.

    Args:
        plan: The plan of the run.
        size: Size of the last batch that was trained on.
        unit: What the plan counts.

    Returns:
        The sentence. ``None`` when sizes are drawn at random, where any may come last,
        and when the plan ends below full size, which it has warned about.
    """
    last = plan.stages[-1].sizes
    if plan.final_size not in last or size in last:
        return None
    return (
        f"training ended at {size}, not at the full size {plan.final_size}: it was "
        f"shorter than the planned {plan.total_steps} {unit}; give the real length of "
        "training, as total_steps= if it cannot be found"
    )
