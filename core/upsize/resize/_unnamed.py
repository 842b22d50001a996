"""Tensors without a type and a name that may hold pixels of the images."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from upsize.resize._looks import UNKNOWN, standing
from upsize.resize._parsed_batch import ParsedBatch
from upsize.resize._shown import label, spell
from upsize.schedule import Size

__all__ = ["possible_coordinates"]

# Numbers of a point and of a box; three may be a colour, but not in rows of rows.
_POINT, _SEEN_POINT, _BOX = 2, 3, 4


def possible_coordinates(parsed: ParsedBatch[Any], full: Size) -> str | None:
    """Say which tensor is left alone, and looks like coordinates in pixels.

    It reads values, once in a run. A tensor of whole numbers is never one of these,
    nor is one whose numbers all lie between -1 and 1.

    Args:
        parsed: A training batch as it was read.
        full: The full size.

    Returns:
        What it is and how to name it; ``None`` if there is no such tensor.
    """
    is_small = parsed.size != full
    # Beside small images only what lies outside of them is known to be wrong.
    least = max(parsed.size) if is_small else 2
    for path, leaf, role in parsed.roles:
        if role is not None or standing(path) != UNKNOWN or not _has_rows(leaf):
            continue
        low, high = (float(bound) for bound in leaf.aminmax())
        if not (low >= 0 and least < high <= max(full)):
            continue
        shown = f"{label(path)} of shape {tuple(leaf.shape)}"
        kind = "boxes" if leaf.shape[-1] == _BOX else "keypoints"
        if is_small:
            return (
                f"{shown} may hold {kind} of the full size {full}, but the loader has "
                f"made its images small, {parsed.size}: multiply them by the size over "
                "the full size of upsize.loading.current_size() in the dataset, or say "
                f'targets={{{spell(path)}: "keep"}} if they are not in pixels'
            )
        return (
            f"{shown} may hold {kind} in pixels, and stays as it is when the images "
            f'shrink: say targets={{{spell(path)}: "{kind}"}} in the resizer, or '
            '"keep" if they are not in pixels'
        )
    return None


def _has_rows(leaf: Any) -> bool:
    """Whether this is a plain floating tensor of rows of points or boxes."""
    return (
        isinstance(leaf, Tensor)
        and leaf.is_floating_point()
        and not leaf.is_nested
        and leaf.ndim >= 2
        and leaf.numel() > 0
        and (
            leaf.shape[-1] in (_POINT, _BOX)
            or (leaf.ndim == 3 and leaf.shape[-1] == _SEEN_POINT)
        )
    )
