"""transformers: models whose forward takes ``interpolate_pos_encoding`` are given it."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from upsize.models._kinds import Note, name_of
from upsize.run._restoring import Restoring
from upsize.schedule import Size

__all__ = ["adapt_transformers"]

_ARGUMENT = "interpolate_pos_encoding"


def _interpolate(
    _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Ask for interpolated position encodings, unless the caller has an opinion."""
    if kwargs.get(_ARGUMENT) is None:
        kwargs = {**kwargs, _ARGUMENT: True}
    return args, kwargs


def adapt_transformers(module: nn.Module, changes: Restoring) -> Note | None:
    """Adapt a model of transformers'; return None for any other.

    Raises:
        ValueError: With the reason, when it cannot be adapted.
    """
    if not isinstance(module, PreTrainedModel):
        return None
    if _ARGUMENT not in inspect.signature(module.forward).parameters:
        return None  # a part of it may take it
    name = name_of(module)
    config = getattr(module.config, "vision_config", module.config)
    size = getattr(config, "image_size", None)
    if isinstance(size, list | tuple) and size[0] != size[1]:
        raise ValueError(
            f"{name} is made for images of {size[0]}x{size[1]}, and transformers "
            "interpolates position encodings of square images only"
        )
    if not any(hook is _interpolate for hook in module._forward_pre_hooks.values()):
        handle = module.register_forward_pre_hook(_interpolate, with_kwargs=True)
        changes.callback(handle.remove)
    patch = getattr(config, "patch_size", 1)
    multiple = Size(*patch) if isinstance(patch, list | tuple) else Size(patch, patch)
    return Note(f"{name}: {_ARGUMENT}=True in each forward", multiple)
