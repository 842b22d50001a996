"""How many batches a pass has whose batches are merged."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch.utils.data import BatchSampler

from upsize.run._batches import innermost, last_is_short, length_of
from upsize.run._merge_rule import MergeRule, next_group
from upsize.schedule import Size

__all__ = ["merged_length", "plain_batches"]


def plain_batches(loader: Any) -> tuple[int, int, bool] | None:
    """Return what must be known of a loader to say which of its batches are merged.

    Returns:
        Its batches, the images in each, and whether the last one has fewer; ``None``:
        they may have any lengths.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> plain_batches(DataLoader(range(10), 4)), plain_batches([[1, 2], [3]])
        ((3, 4, True), None)
    """
    length, inner = length_of(loader), innermost(loader)
    drawn: Any = getattr(inner, "batch_sampler", None)
    # Of a proxy, too: what it iterates over in its own way has the same batches.
    is_plain = isinstance(drawn, BatchSampler) and isinstance(drawn.batch_size, int)
    if length is None or not is_plain or length_of(drawn.sampler) is None:
        return None
    return length, drawn.batch_size, last_is_short(drawn)


def merged_length(
    length: int,
    windows: Iterator[tuple[Size, int]],
    rule: MergeRule,
    full: Size,
    images: int,
    *,
    last_is_short: bool,
) -> int:
    """Return how many batches a pass has in which some are merged.

    Args:
        length: Plain batches of the pass.
        windows: Size of each of them, and how many are left in its accumulation window.
        rule: Says which are merged.
        full: The full size.
        images: Images in a plain batch.
        last_is_short: Whether the last batch has fewer, and is not merged.

    Example:
        >>> small = Size(32, 32)
        >>> windows = [(small, 4), (small, 3), (small, 2), (small, 1), (small, 1)]
        >>> merged_length(
        ...     5, iter(windows), MergeRule(True), Size(64, 64), 8, last_is_short=False
        ... )
        2
    """
    merged = 0
    while length > 0:
        size, left = next(windows)
        group = next_group(max(left, 1), rule.most(size, full, images))
        group = max(min(group, length - last_is_short), 1)
        next(islice(windows, group - 1, group - 1), None)
        merged, length = merged + 1, length - group
    return merged
