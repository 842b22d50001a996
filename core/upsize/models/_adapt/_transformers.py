"""transformers: modules whose forward takes ``interpolate_pos_encoding`` are given it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from upsize.models._adapt._patches import patch_of
from upsize.models._adapt._rectangle import adapt_rectangle
from upsize.models._kinds import Note, name_of
from upsize.models._try import find_multiple, find_trial
from upsize.run._restoring import Restoring
from upsize.schedule import Size
from upsize.schedule._size import as_size

__all__ = ["adapt_transformers"]

_ARGUMENT, _IMAGES = "interpolate_pos_encoding", "pixel_values"


@dataclass(frozen=True)
class _Interpolate:
    """Hook that asks for interpolated position encodings, but not at the own size.

    Args:
        own: Size that the model is made for, if it is known.
        position: Place of the argument in the forward.
        images: Place of the images.
    """

    own: Size | None
    position: int
    images: int

    def __call__(
        self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        images = kwargs.get(_IMAGES)
        if images is None and self.images < len(args):
            images = args[self.images]
        if not isinstance(images, Tensor) or images.ndim < 4:
            return args, kwargs
        if self.own is not None and tuple(images.shape[-2:]) == tuple(self.own):
            return args, kwargs
        if self.position < len(args):
            args = (*args[: self.position], True, *args[self.position + 1 :])
            return args, kwargs
        return args, {**kwargs, _ARGUMENT: True}


def adapt_transformers(module: nn.Module, changes: Restoring) -> Note | None:
    """Adapt a module of transformers'; return None for any other.

    Raises:
        ValueError: With the reason, when it cannot be adapted.
    """
    if not _takes(module):
        return _always_interpolates(module)
    own = _own_size(module)
    patch = patch_of(module)
    if own is not None and (own.height != own.width or patch.height != patch.width):
        adapt_rectangle(module, own, changes)
    for part in module.modules():
        hooks = part._forward_pre_hooks.values()
        # Layers inside get the argument from the part that gets the images.
        if not (_takes(part) and _takes_images(part)):
            continue
        if not any(isinstance(hook, _Interpolate) for hook in hooks):
            names = list(_parameters(part))
            hook = _Interpolate(own, names.index(_ARGUMENT), names.index(_IMAGES))
            handle = part.register_forward_pre_hook(hook, with_kwargs=True)
            changes.callback(handle.remove)
    how = f": {_ARGUMENT}=True at other sizes than its own"
    return _note(module, how, own)


def _always_interpolates(module: nn.Module) -> Note | None:
    """Describe a model that interpolates without being asked, as DINOv2 does."""
    parts = list(module.modules())
    if (
        not _takes_images(module)
        or not any(callable(getattr(part, _ARGUMENT, None)) for part in parts)
        or any(map(_takes, parts))
    ):
        return None
    note = _note(module, " takes other sizes by itself", _own_size(module))
    return note._replace(changed=False)


def _note(module: nn.Module, how: str, own: Size | None) -> Note:
    """Describe a model, with the sizes that it takes.

    Raises:
        ValueError: When it takes none but its own.
    """
    name, patch = name_of(module), patch_of(module)
    trial = find_trial(filter(_takes_images, module.modules()), own)
    if trial is None:
        return Note(name, how, patch, strict=False)
    assert own is not None
    multiple = find_multiple(trial, own, patch)
    if multiple is None:
        raise ValueError(f"{name} takes images of no size but its own, {own}")
    # Images that do not divide into patches are cut, without an error.
    return Note(name, how, multiple, strict=multiple != patch, trial=trial)


def _takes(module: nn.Module) -> bool:
    return _ARGUMENT in _parameters(module)


def _parameters(module: nn.Module) -> Any:
    """Return the parameters of the class's forward, which wrappers may hide."""
    parameters = dict(inspect.signature(type(module).forward).parameters)
    parameters.pop("self", None)
    return parameters


def _takes_images(module: nn.Module) -> bool:
    return _IMAGES in _parameters(module)


def _own_size(module: nn.Module) -> Size | None:
    """Return the size that a module is made for, if it says so."""
    config = getattr(module, "config", None)
    config = getattr(config, "vision_config", config)
    for owner in (config, module, getattr(module, "patch_embeddings", None)):
        size = getattr(owner, "image_size", None)
        if isinstance(size, int):
            return as_size(size)
        if isinstance(size, list | tuple):
            return as_size(tuple(size))
    return None
