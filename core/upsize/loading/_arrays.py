"""A batch of NumPy arrays or tensors, channels first or last, at another size."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import torch
from torch import Tensor

from upsize.resize import Resizer
from upsize.resize._containers import leaves, parse, replace
from upsize.resize._looks import is_channels_last
from upsize.resize._roles import target_policies
from upsize.resize._shown import Path, label
from upsize.schedule import Size

__all__ = ["at_size"]

_NUMBERS = "biuf"  # the kinds of arrays that tensors hold; booleans are among them


class _Held(NamedTuple):
    """A value of the batch, and the tensor that the resizer sees in its place."""

    value: Any
    tensor: Tensor
    is_last: bool

    def back(self, new: Tensor) -> Any:
        """Return a tensor of the resizer as the batch has it."""
        if new is self.tensor:
            return self.value
        if self.is_last:
            new = new.movedim(-3, -1).contiguous()
        return new if isinstance(self.value, Tensor) else new.numpy()


def at_size(batch: Any, size: Size, full: Size, resizer: Resizer, step: int) -> Any:
    """Return a batch with its images, and the targets that follow, at a size.

    Args:
        batch: Any nesting of containers with NumPy arrays or tensors. Its images have
            the full size, or ``size`` already, and their channels first or last.
        size: The size.
        full: The full size.
        resizer: Finds and resizes the images.
        step: The step that takes the batch.

    Returns:
        The same containers, with arrays where arrays were and tensors where tensors
        were; the same object if nothing changes.

    Raises:
        TypeError: For images of Pillow.
        ValueError: When there are no images, or they have another size.
    """
    tree, found = parse(batch)
    _refuse_pillow(found)
    held = _held(found, (full, size), resizer)
    parsed = resizer.read(
        replace(tree, {path: each.tensor for path, each in held.items()})
    )
    if parsed.size == size:
        return batch
    if parsed.size != full:
        raise ValueError(
            f"{label(parsed.path)} has images of {parsed.size} where the pipeline gives "
            f"the batch to size_stage: make them at the full size {full}, or at the "
            f"size of the batch, {size}"
        )
    new = parsed.at(size, step=step)
    return replace(
        new,
        {path: held[path].back(tensor) for path, tensor in leaves(new) if path in held},
    )


def _refuse_pillow(found: list[tuple[Path, Any]]) -> None:
    for path, value in found:
        if hasattr(value, "getbands"):
            raise TypeError(
                f"{label(path)} is an image of Pillow, a {type(value).__name__}: make "
                "an array or a tensor of it before size_stage, or resize it to "
                "size_of(batch) yourself"
            )


def _held(
    found: list[tuple[Path, Any]], sizes: tuple[Size, Size], resizer: Resizer
) -> dict[Path, _Held]:
    """Return the arrays, and what has its channels last, by their paths."""
    tensors = {}
    for path, value in found:
        tensor = value if type(value) is Tensor else _tensor_of(value)
        if tensor is not None:
            tensors[path] = value, tensor
    last = _channels_last({p: t for p, (_, t) in tensors.items()}, sizes, resizer)
    return {
        path: _Held(
            value, tensor.movedim(-1, -3) if path in last else tensor, path in last
        )
        for path, (value, tensor) in tensors.items()
        if path in last or value is not tensor
    }


def _tensor_of(value: Any) -> Tensor | None:
    """Return the tensor with the memory of an array of numbers."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray):
        return None
    if value.ndim == 0 or value.dtype.kind not in _NUMBERS:
        return None
    # Others share no memory with a tensor, or with a warning.
    shares = value.flags.writeable and all(stride >= 0 for stride in value.strides)
    return torch.from_numpy(value if shares else value.copy())


def _channels_last(
    tensors: dict[Path, Tensor], sizes: tuple[Size, Size], resizer: Resizer
) -> set[Path]:
    """Return where channels come last: after a known size, or as beside such images."""
    many = {path: tensor for path, tensor in tensors.items() if tensor.ndim >= 4}
    first = {path for path, tensor in many.items() if tuple(tensor.shape[-2:]) in sizes}
    sure = {
        path for path, tensor in many.items() if tuple(tensor.shape[-3:-1]) in sizes
    }
    sure -= first
    kinds = {_kind(many[path]) for path in sure}
    if not first and not sure:
        kinds = set(map(_kind, many.values()))  # images of a wrong size
    # What is named may as well be keypoints.
    named = target_policies(resizer.targets)
    alike = {
        path
        for path, tensor in many.items()
        if _kind(tensor) in kinds and is_channels_last(tensor) and path not in named
    }
    return sure | alike


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.ndim, tensor.dtype, tensor.shape[-1]
