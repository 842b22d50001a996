"""timm's ViT and Swin: what their ``dynamic_img_size=True`` does, to a made model."""

from __future__ import annotations

from typing import Any

from timm.layers.format import Format
from timm.layers.patch_embed import PatchEmbed
from timm.models._features import FeatureGetterNet
from timm.models.swin_transformer import SwinTransformer, SwinTransformerBlock
from timm.models.swin_transformer_v2 import SwinTransformerV2, SwinTransformerV2Block
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from upsize.models._adapt._timm_maxvit import adapt_maxvit, is_maxvit
from upsize.models._kinds import Note, name_of
from upsize.run._restoring import Restoring
from upsize.schedule import Size

__all__ = ["adapt_timm"]


def adapt_timm(module: nn.Module, changes: Restoring) -> Note | None:
    """Adapt a model of timm's; return None for any other.

    Raises:
        ValueError: With the reason, when it cannot be adapted.
    """
    if isinstance(module, VisionTransformer):
        return _adapt_vit(module, changes)
    if isinstance(module, SwinTransformer | SwinTransformerV2):
        return _adapt_swin(module, changes)
    if is_maxvit(module):
        return adapt_maxvit(module, changes)
    if isinstance(module, FeatureGetterNet):
        return None  # it holds the model whole
    config = getattr(module, "pretrained_cfg", None)
    if not type(module).__module__.startswith("timm.models.") or config is None:
        return None
    traits = getattr(module, "_traits", {})
    if traits.get("fixed_input_size", config.get("fixed_input_size", False)):
        raise ValueError(
            f"{name_of(module)} is made for one size: where its class takes "
            "dynamic_img_size=True or strict_img_size=False, give that to "
            "timm.create_model"
        )
    how, embed = " takes other sizes by itself", getattr(module, "patch_embed", None)
    if type(embed) is not PatchEmbed:
        return Note(name_of(module), how, changed=False)
    multiple = _patches(embed, module)[1]
    strict = embed.img_size is not None  # else it cuts what does not fill a patch
    return Note(name_of(module), how, multiple, strict, changed=False)


def _patches(embed: nn.Module, owner: nn.Module) -> tuple[PatchEmbed, Size]:
    """Return the patch embedding, and the multiple that its sizes must fit."""
    if type(embed) is not PatchEmbed:
        raise ValueError(
            f"{name_of(owner)} has a {type(embed).__name__} where a PatchEmbed of "
            "fixed patches is expected"
        )
    patch: Any = embed.patch_size
    return embed, Size(1, 1) if embed.dynamic_img_pad else Size(*patch)


def _adapt_vit(model: VisionTransformer, changes: Restoring) -> Note:
    embed, multiple = _patches(model.patch_embed, model)
    name = name_of(model)
    if model.dynamic_img_size:
        how = " is made for any size (dynamic_img_size)"
        return Note(name, how, multiple, changed=False)
    changes.set(embed, "strict_img_size", False)
    changes.set(embed, "flatten", False)
    changes.set(embed, "output_fmt", Format.NHWC)
    changes.set(model, "dynamic_img_size", True)
    return Note(name, ": position embedding interpolated at each size", multiple)


def _adapt_swin(model: SwinTransformer | SwinTransformerV2, changes: Restoring) -> Note:
    embed, multiple = _patches(model.patch_embed, model)
    name = name_of(model)
    if not embed.strict_img_size:
        how = " is made for any size (strict_img_size=False)"
        return Note(name, how, multiple, changed=False)
    changes.set(embed, "strict_img_size", False)
    changes.set(model, "dynamic_img_size", True)
    for block in model.modules():
        if isinstance(block, SwinTransformerBlock | SwinTransformerV2Block):
            changes.set(block, "dynamic_mask", True)
    return Note(name, ": windows kept, features padded to them", multiple)
