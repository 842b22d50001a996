"""Compare the sizes of a plan with those that a model takes."""

from __future__ import annotations

from upsize.models._kinds import Note
from upsize.models._report import spell_multiple
from upsize.models._try import tried_sizes
from upsize.schedule import Plan, Size

__all__ = ["check_taken", "unseen"]


def check_taken(plan: Plan, note: Note, *, strict: bool) -> None:
    """Refuse a plan with sizes at which a model fails.

    Args:
        plan: The plan.
        note: Describes the model.
        strict: Whether sizes that leave out a part of the images are refused, too.

    Raises:
        ValueError: Naming the sizes, and what to give to the schedule.
    """
    multiple = note.multiple_of
    bad = [size for size in plan.sizes if not _fits(size, multiple)]
    if bad and strict:
        raise ValueError(
            f"the plan has sizes that are not multiples of {spell_multiple(multiple)}, "
            f"as {note.name} needs: {_listed(bad)}; give the schedule "
            f"multiple_of={spell_multiple(multiple)}"
        )
    if note.trial is None:
        return
    failed = [size for size in tried_sizes(plan) if not note.trial.works(size)]
    if failed and plan.final_size not in failed:
        least = max(failed)
        while not note.trial.works(least) and least < plan.final_size:
            least = Size(least.height + multiple.height, least.width + multiple.width)
        raise ValueError(
            f"{note.name} fails at sizes of the plan: {_listed(failed)}; it takes "
            f"{least} and larger: give the schedule a larger first size"
        )


def unseen(plan: Plan, note: Note) -> str | None:
    """Say how much of the images lies outside of whole patches; ``None``: nothing."""
    multiple = note.multiple_of
    bad = [size for size in plan.sizes if not _fits(size, multiple)]
    if not bad or note.strict:
        return None
    worst = max(bad, key=lambda size: _share(size, multiple))
    cure = f"give the schedule multiple_of={spell_multiple(multiple)}"
    if plan.final_size in bad:
        full = Size(*map(_whole, plan.final_size, multiple))
        cure += f" and final_size={spell_multiple(full)}"
    return (
        f"{note.name} cuts images into patches of {multiple} pixels, and never sees what "
        f"does not fill one: up to {_share(worst, multiple):.0%} of each image at "
        f"{worst} ({len(bad)} of {len(plan.sizes)} sizes do not fit); {cure}"
    )


def _fits(size: Size, multiple: Size) -> bool:
    return size.height % multiple.height == 0 == size.width % multiple.width


def _whole(side: int, part: int) -> int:
    return max(side // part, 1) * part


def _listed(sizes: list[Size]) -> str:
    shown = ", ".join(map(str, sizes[:3]))
    return shown if len(sizes) <= 3 else f"{shown} and {len(sizes) - 3} more"


def _share(size: Size, patch: Size) -> float:
    """Return the share of an image that lies outside of whole patches."""
    height, width = (
        side // part * part for side, part in zip(size, patch, strict=True)
    )
    return 1 - height * width / (size.height * size.width)
