"""Let a model accept sizes that it was not made for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from math import lcm
from typing import Any

from torch import nn

from upsize.models._adapt._sizes import check_taken
from upsize.models._adaptation import Adaptation
from upsize.models._kinds import Note
from upsize.models._probe import check_plan
from upsize.run._restoring import Restoring
from upsize.schedule import Plan, Size

__all__ = ["adapt", "adapt_parts"]

# A library that is not imported cannot have made the model.
_LIBRARIES = ("timm", "torchvision", "transformers")


def adapt(model: nn.Module, plan: Plan | None = None) -> Adaptation:
    """Let the vision transformers in a model accept images of other sizes.

    Parameters stay the same objects with the same names and values: an existing optimizer
    still works, and a checkpoint of the adapted model loads into a plain one. At the
    model's own size the output is bit-identical. At other sizes each forward interpolates
    its position embedding or bias, and the gradient flows through that. Only these
    modules are changed, not their classes. Adapt before or after ``torch.compile`` and
    ``DistributedDataParallel``. A copy of the model (``copy.deepcopy``) stays adapted when
    the original is restored.

    * timm ``VisionTransformer``: what its ``dynamic_img_size=True`` does.
    * timm ``SwinTransformer``, ``SwinTransformerV2``: what ``strict_img_size=False`` does:
      windows stay as large, and features are padded to them. (``set_input_size`` makes new
      parameters, which an optimizer does not know.)
    * timm ``MaxxVit``, torchvision ``MaxVit``: as many windows as at the model's own size,
      each as large as the feature map then asks for.
    * torchvision ``VisionTransformer``: position embedding interpolated, bicubic.
    * transformers: ``interpolate_pos_encoding=True`` for each forward that takes it, at
      other sizes than the model's own. Models for images that are not square get
      positions interpolated on their own grid. Legal sizes are found by trying.

    Args:
        model: A model, or one that holds such models, wrapped or not.
        plan: Plan whose sizes must fit the multiple that the model needs.

    Returns:
        The changes; ``remove()`` or the end of a ``with`` block undoes them.

    Raises:
        ValueError: When a model cannot be adapted, with the reason; when it holds no
            known model (one that takes other sizes by itself needs no adapting); when a
            size of the plan does not fit. The model is then unchanged.
        TypeError: When ``model`` is not a module or ``plan`` not a plan.

    Example:
        >>> import torch
        >>> from torchvision.models import VisionTransformer
        >>> model = VisionTransformer(64, 16, 1, 2, 32, 64)
        >>> with adapt(model) as adapted:
        ...     print(adapted)
        ...     model(torch.rand(2, 3, 48, 80)).shape
        torchvision VisionTransformer: position embedding interpolated at each size
        sizes: multiples of 16
        torch.Size([2, 1000])
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a Module, not a {type(model).__name__}")
    plan = None if plan is None else check_plan(plan)
    with Restoring() as changes:
        notes = list(adapt_parts(model, changes))
        multiple = _common(notes, model)
        if plan is not None:
            for note in notes:
                check_taken(plan, note, strict=True)
        kept = changes.pop_all()
    return Adaptation(kept, tuple(note.text for note in notes), multiple)


def adapt_parts(module: nn.Module, changes: Restoring) -> Iterator[Note]:
    """Adapt the outermost known models, without looking inside them."""
    for library in _LIBRARIES:
        if library in sys.modules and _is_from(module, library):
            try:
                note = _adapter(library)(module, changes)
            except ValueError as error:
                if not _is_sharded(module):
                    raise
                raise ValueError(
                    f"{error}: fully_shard() has changed its class; call adapt() before"
                ) from error
            if note is not None:
                yield note
                return
    for child in module.children():
        yield from adapt_parts(child, changes)


def _is_from(module: nn.Module, library: str) -> bool:
    """Whether the class, or one that it extends, is defined in the library."""
    roots = (kind.__module__.partition(".")[0] for kind in type(module).__mro__)
    return library in roots


def _is_sharded(module: nn.Module) -> bool:
    """Whether a part is sharded by FSDP2, which puts it into a class of its own."""
    kinds = (kind.__name__ for part in module.modules() for kind in type(part).__mro__)
    return "FSDPModule" in kinds


def _adapter(library: str) -> Any:
    adapters = import_module(f"upsize.models._adapt._{library}")
    return getattr(adapters, f"adapt_{library}")


def _common(notes: list[Note], model: nn.Module) -> Size:
    """Return the multiple that suits every part, or refuse a model without parts."""
    if not notes:
        raise ValueError(
            f"no model that adapt() knows is in {type(model).__name__}: it knows timm's "
            "and torchvision's ViT, Swin and MaxViT, and transformers' models with "
            "interpolate_pos_encoding. Others may take other sizes by themselves: "
            "upsize.models.check(model, plan, sample) tells"
        )
    multiple = Size(1, 1)
    for note in notes:
        multiple = Size(*map(lcm, multiple, note.multiple_of))
    return multiple
