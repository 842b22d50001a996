"""Relative position biases of a window, for windows of another size."""

from __future__ import annotations

import torch
from torch import Tensor

from upsize.resize import resize

__all__ = ["bias_of", "resize_table", "scaled_window"]


def scaled_window(
    feature: tuple[int, int], trained: tuple[int, int], cells: tuple[int, int]
) -> tuple[int, int]:
    """Return the window that divides a feature map into as many cells as in training.

    Args:
        feature: Height and width of the map.
        trained: The window at the model's own size.
        cells: Windows along each side at that size.

    Raises:
        ValueError: When the map does not divide into them.

    Example:
        >>> scaled_window((32, 40), (7, 7), (8, 8))
        (4, 5)
    """
    if feature[0] % cells[0] or feature[1] % cells[1]:
        raise ValueError(
            f"a feature map of {feature[0]}x{feature[1]} does not divide into "
            f"{cells[0]}x{cells[1]} windows, as at the model's own size with windows "
            f"of {trained[0]}x{trained[1]}"
        )
    return feature[0] // cells[0], feature[1] // cells[1]


def resize_table(table: Tensor, window: tuple[int, int]) -> Tensor:
    """Interpolate a table of relative positions to those of another window.

    Args:
        table: Shape (heads, 2 h - 1, 2 w - 1), of a window of h x w tokens.
        window: The other window.

    Returns:
        Shape (heads, 2 * window[0] - 1, 2 * window[1] - 1), bicubic, differentiable.
    """
    size = (2 * window[0] - 1, 2 * window[1] - 1)
    return resize(table, size, mode="bicubic", antialias=False)


def bias_of(table: Tensor, window: tuple[int, int], *, key_minus_query: bool) -> Tensor:
    """Look up the bias of each pair of tokens of a window.

    Args:
        table: Shape (heads, 2 h - 1, 2 w - 1): a value for each offset.
        window: Its h and w, in tokens.
        key_minus_query: The sign of the offsets, which the libraries choose otherwise.

    Returns:
        Shape (1, heads, h * w, h * w).

    Example:
        >>> table = torch.arange(3.0).view(1, 1, 3)  # offsets -1, 0, 1
        >>> bias_of(table, (1, 2), key_minus_query=True)[0, 0].tolist()
        [[1.0, 2.0], [0.0, 1.0]]
    """
    rows, columns = (
        torch.arange(side, device=table.device)[:, None]
        - torch.arange(side, device=table.device)[None, :]
        for side in window
    )
    if key_minus_query:
        rows, columns = -rows, -columns
    # (query row, query column, key row, key column)
    y = (rows + window[0] - 1)[:, None, :, None]
    x = (columns + window[1] - 1)[None, :, None, :]
    tokens = window[0] * window[1]
    return table[:, y, x].reshape(1, table.shape[0], tokens, tokens)
