"""What is trained: models by name, on random images that lie on the device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn

from upsize.models import adapt
from upsize.schedule import Size

__all__ = ["MODELS", "TINY", "Trainer"]

#: Models by name; those whose name starts with "tiny" are for trials.
MODELS: dict[str, Callable[[int], nn.Module]] = {
    "ResNet-50": lambda _: torchvision.models.resnet50(),
    "ConvNeXt-T": lambda _: torchvision.models.convnext_tiny(),
    "ViT-S": lambda side: timm.create_model("vit_small_patch16_224", img_size=side),
    "EfficientNetV2-S": lambda _: torchvision.models.efficientnet_v2_s(),
    "tiny ResNet": lambda _: timm.create_model("test_resnet"),
    "tiny ViT": lambda side: timm.create_model("test_vit", img_size=side),
}
TINY = [name for name in MODELS if name.startswith("tiny")]


class Trainer:
    """A model that is trained as users do: channels_last, bf16 where an accelerator is.

    Args:
        name: One of the models.
        full: Full size, a side in pixels.
        device: Where it trains.
        mode: "eager", or "compiled" by ``torch.compile`` with its defaults.
    """

    def __init__(self, name: str, full: int, device: torch.device, mode: str) -> None:
        torch.manual_seed(0)
        self.name, self.full, self.device, self.mode = name, full, device, mode
        model = MODELS[name](full)
        with contextlib.suppress(TypeError, ValueError):
            adapt(model)
        self.bare = model.to(device, memory_format=torch.channels_last).train()
        self.model: Any = torch.compile(self.bare) if mode == "compiled" else self.bare
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)

    def batch(self, size: Size, images: int) -> tuple[Tensor, Tensor]:
        """Return random images on the device, and labels."""
        shape = (images, 3, *size)
        drawn = torch.rand(shape, device=self.device)
        labels = torch.randint(1000, (images,), device=self.device)
        return drawn.contiguous(memory_format=torch.channels_last), labels

    def loss(self, model: Any, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        images = images.contiguous(memory_format=torch.channels_last)
        kind = self.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=kind != "cpu"):
            loss: Tensor = nn.functional.cross_entropy(model(images), labels)
        return loss

    def step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Train on a batch."""
        self.optimizer.zero_grad()
        self.loss(self.model, batch).backward()
        self.optimizer.step()
