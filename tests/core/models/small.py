"""Small models of each kind, made by hand: no weights are downloaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from timm.models.maxxvit import (
    MaxxVit,
    MaxxVitCfg,
    MaxxVitConvCfg,
    MaxxVitTransformerCfg,
)
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torchvision.models import MaxVit
from torchvision.models import VisionTransformer as TorchvisionViT
from transformers import ViTConfig, ViTForImageClassification

from upsize.schedule import Plan, Ramp

FULL = 64
PLAN: Plan = Ramp(final_size=FULL, increase_by=16, multiple_of=16).plan(total_steps=8)


def made(kind: Callable[..., nn.Module], *args: Any, **settings: Any) -> Any:
    """Make a model, always the same, of random values: some heads are born as zeros."""
    torch.manual_seed(0)
    model = kind(*args, **settings)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model.train()


def vit(kind: type = VisionTransformer, **more: Any) -> Any:
    settings = {"img_size": FULL, "patch_size": 8, "embed_dim": 32, "depth": 2}
    return made(kind, **settings, num_heads=2, num_classes=4, **more)


def swin(kind: type = SwinTransformer, **more: Any) -> Any:
    settings = {"img_size": FULL, "window_size": 4, "embed_dim": 16, "num_classes": 4}
    return made(kind, **settings, depths=(2, 2), num_heads=(2, 2), **more)


def swin_v2(**more: Any) -> Any:
    return swin(SwinTransformerV2, **more)


def maxvit(block: str = "M", size: Any = FULL, **transformer: Any) -> Any:
    transformer = {"dim_head": 8, "partition_ratio": 16} | transformer
    cfg = MaxxVitCfg(
        embed_dim=(16, 32),
        depths=(1, 1),
        block_type=(block, block),
        stem_width=16,
        conv_cfg=MaxxVitConvCfg(),
        transformer_cfg=MaxxVitTransformerCfg(**transformer),
    )
    return made(MaxxVit, cfg, img_size=size, num_classes=4)


def maxvit_tf() -> Any:
    return maxvit(rel_pos_type="bias_tf")


def maxvit_mlp() -> Any:
    return maxvit(rel_pos_type="mlp")


def maxvit_nchw() -> Any:
    return maxvit(use_nchw_attn=True)


def maxvit_parallel() -> Any:
    return maxvit(block="PM")


def torchvision_vit() -> Any:
    return made(TorchvisionViT, FULL, 8, 2, 2, 32, 64, num_classes=4)


def torchvision_maxvit() -> Any:
    return made(
        MaxVit,
        input_size=(FULL, FULL),
        stem_channels=8,
        partition_size=4,
        block_channels=[16, 32],
        block_layers=[1, 1],
        head_dim=8,
        stochastic_depth_prob=0.0,
        num_classes=4,
    )


class Logits(nn.Module):
    """A model of transformers' in one of the user's, whose forward gives a tensor."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.inner(images).logits
        return logits


def transformers_vit(**more: Any) -> Any:
    config = ViTConfig(
        **{"image_size": FULL, "patch_size": 8, "hidden_size": 32} | more,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=4,
    )
    return made(lambda: Logits(ViTForImageClassification(config)))


#: Those that adapt() changes, with what it interpolates in them.
ADAPTED: dict[str, tuple[Callable[[], Any], str]] = {
    "vit": (vit, "pos_embed"),
    "swin": (swin, "relative_position_bias_table"),
    "swin_v2": (swin_v2, "cpb_mlp.0.weight"),
    "maxvit": (maxvit, "relative_position_bias_table"),
    "maxvit_tf": (maxvit_tf, "relative_position_bias_table"),
    "maxvit_mlp": (maxvit_mlp, "mlp.fc1.weight"),
    "maxvit_nchw": (maxvit_nchw, "relative_position_bias_table"),
    "maxvit_parallel": (maxvit_parallel, "relative_position_bias_table"),
    "torchvision_vit": (torchvision_vit, "pos_embedding"),
    "torchvision_maxvit": (torchvision_maxvit, "relative_position_bias_table"),
    "transformers_vit": (transformers_vit, "position_embeddings"),
}
