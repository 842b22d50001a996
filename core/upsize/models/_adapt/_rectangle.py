"""Position encodings of a grid that is not square, which transformers cannot resize."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
from torch import Tensor, nn

from upsize.models._adapt._patches import patch_of
from upsize.models._kinds import name_of
from upsize.resize import resize
from upsize.run._restoring import Restoring
from upsize.schedule import Size

__all__ = ["adapt_rectangle"]

_METHOD = "interpolate_pos_encoding"
_TABLE = "position_embeddings"


def adapt_rectangle(model: nn.Module, own: Size, changes: Restoring) -> None:
    """Let the parts of a model resize their grids of positions as the grids are.

    transformers takes each grid for a square one: it would mix up the positions.

    Args:
        model: A model of transformers'.
        own: Size that it is made for.
        changes: Gets the changes.

    Raises:
        ValueError: When a part keeps its positions in another form.
    """
    patch = patch_of(model)
    grid = Size(own.height // patch.height, own.width // patch.width)
    for part in model.modules():
        method = getattr(type(part), _METHOD, None)
        if hasattr(part, "relative_position_bias_table"):
            raise _refusal(model, own, part)
        if method is None or isinstance(vars(part).get(_METHOD), functools.partial):
            continue
        names = list(inspect.signature(method).parameters)
        if names[-2:] != ["height", "width"]:
            raise _refusal(model, own, part)
        table = getattr(part, _TABLE, None)
        if table is None:
            continue  # it has no positions
        if table.shape[1] - grid.height * grid.width not in (0, 1, 2):
            raise _refusal(model, own, part)
        changes.set(part, _METHOD, functools.partial(_positions, part, patch, grid))


def _refusal(model: nn.Module, own: Size, part: nn.Module) -> ValueError:
    return ValueError(
        f"{name_of(model)} is made for images of {own}, and the positions in its "
        f"{type(part).__name__} can be interpolated for square images only: train at "
        "one size, or make the model for square images"
    )


def _positions(
    part: nn.Module,
    patch: Size,
    grid: Size,
    _embeddings: Tensor,
    *more: Any,
    **named: Any,
) -> Tensor:
    """Return the positions, (1, tokens, dim), for images of another size, bicubic."""
    height, width = (named["height"], named["width"]) if named else more[-2:]
    table: Tensor = getattr(part, _TABLE)
    first = table.shape[1] - grid.height * grid.width
    image = table[:, first:].reshape(1, *grid, -1).permute(0, 3, 1, 2)
    size = (height // patch.height, width // patch.width)
    image = resize(image, size, mode="bicubic", antialias=False)
    return torch.cat([table[:, :first], image.flatten(2).transpose(1, 2)], dim=1)
