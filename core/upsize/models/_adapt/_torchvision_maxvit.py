"""torchvision's MaxViT: windows that follow the size, as in timm's."""

from __future__ import annotations

from math import lcm
from typing import Any

from torch import Tensor
from torchvision.models.maxvit import (
    MaxVit,
    PartitionAttentionLayer,
    RelativePositionalMultiHeadAttention,
)

from upsize.models._adapt._relative import bias_of, resize_table, scaled_window
from upsize.models._kinds import Note, name_of
from upsize.run._restoring import Restoring
from upsize.schedule import Size

__all__ = ["adapt_maxvit"]


class _AnySizeAttention(RelativePositionalMultiHeadAttention):  # type: ignore[misc] # torchvision has no types
    """An attention whose bias is that of the current window."""

    _window: tuple[int, int]

    def get_relative_positional_bias(self) -> Tensor:
        own = (self.size, self.size)
        if self._window == own:
            own_bias: Tensor = super().get_relative_positional_bias()
            return own_bias
        table = self.relative_position_bias_table.t()
        table = resize_table(
            table.reshape(-1, 2 * self.size - 1, 2 * self.size - 1), self._window
        )
        return bias_of(table, self._window, key_minus_query=False)


def _set_window(layer: Any, args: tuple[Any, ...]) -> None:
    """Set the windows of a layer to the map that comes, before it runs."""
    height, width = args[0].shape[-2:]
    attention = layer.attn_layer[1]
    own = (attention.size, attention.size)
    window = scaled_window((height, width), own, (layer.n_partitions,) * 2)
    if window[0] != window[1]:
        raise ValueError(
            f"torchvision's MaxViT has square windows, and a feature map of "
            f"{height}x{width} would need windows of {window[0]}x{window[1]}"
        )
    layer.grid_size = (height, width)
    if layer.partition_type == "window":
        layer.p = window[0]
    else:
        layer.g = window[0]
    attention._window = window


def adapt_maxvit(model: MaxVit, changes: Restoring) -> Note:
    """Let each layer choose its window by the map that it gets."""
    multiple = 1
    # The stem halves the image, and so does each block.
    for stage, block in enumerate(model.blocks):
        for layer in block.modules():
            if isinstance(layer, PartitionAttentionLayer):
                multiple = lcm(multiple, 4 * 2**stage * layer.n_partitions)
                _adapt_layer(layer, changes)
    return Note(
        name_of(model),
        ": as many windows as at its own size, their biases "
        "interpolated; square images only",
        Size(multiple, multiple),
    )


def _adapt_layer(layer: Any, changes: Restoring) -> None:
    attention = layer.attn_layer[1]
    if type(attention) is _AnySizeAttention:
        return
    for name in ("grid_size", "p", "g"):  # which _set_window sets
        changes.save(layer, name)
    changes.set(attention, "_window", (attention.size, attention.size))
    changes.set(attention, "__class__", _AnySizeAttention)
    changes.callback(layer.register_forward_pre_hook(_set_window).remove)
