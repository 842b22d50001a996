"""timm's MaxViT: windows that follow the size, as many of them as at the model's own."""

from __future__ import annotations

from math import lcm
from typing import Any, TypeGuard

from timm.layers.pos_embed_rel import (
    RelPosBias,
    RelPosBiasTf,
    RelPosMlp,
    gen_relative_log_coords,
)
from timm.models.maxxvit import (
    MaxxVit,
    ParallelPartitionAttention,
    PartitionAttention2d,
    PartitionAttentionCl,
    TransformerBlock2d,
)
from torch import Tensor, nn

from upsize.models._adapt._relative import bias_of, resize_table, scaled_window
from upsize.models._kinds import Note, name_of
from upsize.run._restoring import Restoring
from upsize.schedule import Size

__all__ = ["adapt_maxvit", "is_maxvit"]

_Partition = PartitionAttentionCl | PartitionAttention2d | ParallelPartitionAttention


def is_maxvit(module: nn.Module) -> TypeGuard[MaxxVit]:
    """Whether a module is a MaxViT, MaxxViT or CoAtNet of timm's."""
    return isinstance(module, MaxxVit)


class _Bias(RelPosBias):
    """A bias for any window, from the table of the trained one."""

    _trained: tuple[int, int]

    def get_bias(self) -> Tensor:
        if self.window_size == self._trained:
            return super().get_bias()
        height, width = self._trained
        table = self.relative_position_bias_table.t()
        table = table.reshape(-1, 2 * height - 1, 2 * width - 1)
        table = resize_table(table, self.window_size)
        return bias_of(table, self.window_size, key_minus_query=False)


class _BiasTf(RelPosBiasTf):
    """The same for the layout of TensorFlow's weights."""

    _trained: tuple[int, int]

    def get_bias(self) -> Tensor:
        if self.window_size == self._trained:
            return super().get_bias()
        table = resize_table(self.relative_position_bias_table, self.window_size)
        # Without a leading dimension, as the class gives it.
        return bias_of(table, self.window_size, key_minus_query=True)[0]


class _Mlp(RelPosMlp):
    """The same for a bias that is computed from offsets: other ones are given."""

    _trained: tuple[int, int]

    def get_bias(self) -> Tensor:
        window = self.window_size
        if window == self._trained:
            return super().get_bias()
        offsets = gen_relative_log_coords(
            window,
            self.pretrained_window_size,
            mode=self.mode,
            device=self.rel_coords_log.device,
            dtype=self.rel_coords_log.dtype,
        )
        table = self.bias_act(self.mlp(offsets).permute(2, 0, 1))
        if self.bias_gain is not None:
            table = self.bias_gain * table
        return bias_of(table, window, key_minus_query=False)


_ANY_SIZE = {RelPosBias: _Bias, RelPosBiasTf: _BiasTf, RelPosMlp: _Mlp}


def _set_window(module: Any, args: tuple[Any, ...]) -> None:
    """Set the windows of a block to the map that comes, before it runs."""
    shape = args[0].shape
    nchw = isinstance(module, PartitionAttention2d)
    feature = tuple(shape[-2:] if nchw else shape[1:3])
    window = scaled_window(feature, module._trained, module._cells)
    module.partition_size = window
    for attention in _attentions(module):
        if attention.rel_pos is not None:
            attention.rel_pos.window_size = window


def _attentions(module: Any) -> tuple[Any, ...]:
    if isinstance(module, ParallelPartitionAttention):
        return (module.attn_block, module.attn_grid)
    return (module.attn,)


def adapt_maxvit(model: MaxxVit, changes: Restoring) -> Note:
    """Let each block choose its window by the map that it gets.

    Raises:
        ValueError: For CoAtNet, and for windows that do not divide the own size evenly.
    """
    name = name_of(model)
    if any(isinstance(module, TransformerBlock2d) for module in model.modules()):
        raise ValueError(
            f"{name} has blocks that attend to the whole feature map, as CoAtNet does, "
            "whose biases are of one size"
        )
    multiple = Size(1, 1)
    for stage, info in zip(model.stages, model.feature_info[1:], strict=True):
        for module in stage.modules():
            if isinstance(module, _Partition):
                steps = _adapt_block(module, model, info["reduction"], changes)
                multiple = Size(*map(lcm, multiple, steps))
    return Note(
        name,
        ": as many windows as at its own size, their biases interpolated",
        multiple,
    )


def _adapt_block(
    module: Any, model: MaxxVit, stride: int, changes: Restoring
) -> tuple[int, ...]:
    """Adapt one block; return the pixels of the image that one more token takes."""
    if hasattr(module, "_cells"):  # adapted already
        return tuple(stride * count for count in module._cells)
    window = tuple(module.partition_size)
    own: Any = model.img_size
    feature = tuple(side // stride for side in own)
    if any(side % part for side, part in zip(feature, window, strict=True)):
        raise ValueError(
            f"{name_of(model)} has windows of {window} on a feature map of {feature}, "
            "which they do not divide evenly"
        )
    cells = tuple(side // part for side, part in zip(feature, window, strict=True))
    changes.set(module, "_trained", window)
    changes.set(module, "_cells", cells)
    changes.set(module, "partition_size", window)
    for attention in _attentions(module):
        bias = attention.rel_pos
        if bias is not None:
            if type(bias) not in _ANY_SIZE:
                raise ValueError(
                    f"{name_of(model)} has a {type(bias).__name__}, which is not one of "
                    "timm's own relative position biases"
                )
            changes.set(bias, "_trained", window)
            changes.set(bias, "window_size", window)
            changes.set(bias, "__class__", _ANY_SIZE[type(bias)])
    changes.callback(module.register_forward_pre_hook(_set_window).remove)
    return tuple(stride * count for count in cells)
