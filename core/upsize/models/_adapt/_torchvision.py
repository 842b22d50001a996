"""torchvision's ViT: its position embedding at the size of the images that come."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.maxvit import MaxVit
from torchvision.models.vision_transformer import Encoder, VisionTransformer

from upsize.models._adapt._torchvision_maxvit import adapt_maxvit
from upsize.models._kinds import Note, name_of
from upsize.resize import resize
from upsize.run._restoring import Restoring
from upsize.schedule import Size

__all__ = ["adapt_torchvision"]


class _AnySizeEncoder(Encoder):  # type: ignore[misc] # torchvision has no types
    """An encoder that is told the grid of its tokens."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        input: Tensor,  # noqa: A002
        grid: tuple[int, int],
    ) -> Tensor:
        position = self.pos_embedding
        own = round((int(position.shape[1]) - 1) ** 0.5)
        if grid != (own, own):
            position = _resized(position, own, grid)
        encoded: Tensor = self.ln(self.layers(self.dropout(input + position)))
        return encoded


class _AnySizeVisionTransformer(VisionTransformer):  # type: ignore[misc]
    """A ViT without the assertion of its own size."""

    def forward(self, x: Tensor) -> Tensor:
        patch = self.patch_size
        height, width = x.shape[-2:]
        # In a trace, which is of one size, sides are tensors.
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            height, width = int(height), int(width)
        if height % patch or width % patch:
            raise ValueError(
                f"images of {height}x{width} do not divide into patches of {patch} "
                "pixels"
            )
        tokens = self.conv_proj(x).flatten(2).transpose(1, 2)
        token = self.class_token.expand(x.shape[0], -1, -1)
        grid = (height // patch, width // patch)
        encoded = self.encoder(torch.cat([token, tokens], dim=1), grid)
        out: Tensor = self.heads(encoded[:, 0])
        return out


def _resized(position: Tensor, own: int, grid: tuple[int, int]) -> Tensor:
    """Interpolate (1, 1 + own * own, dim) to another grid; the class token is kept."""
    image = position[:, 1:].reshape(1, own, own, -1).permute(0, 3, 1, 2)
    image = resize(image, grid, mode="bicubic")
    return torch.cat([position[:, :1], image.flatten(2).transpose(1, 2)], dim=1)


def adapt_torchvision(module: nn.Module, changes: Restoring) -> Note | None:
    """Adapt a model of torchvision's; return None for any other.

    Raises:
        ValueError: With the reason, when it cannot be adapted.
    """
    if isinstance(module, VisionTransformer):
        return _adapt_vit(module, changes)
    if isinstance(module, MaxVit):
        return adapt_maxvit(module, changes)
    # Their other classifiers pool whatever is left of the image, Swin pads to windows.
    if type(module) in vars(models).values():
        return Note(name_of(module), " takes other sizes by itself", changed=False)
    return None


def _adapt_vit(model: VisionTransformer, changes: Restoring) -> Note:
    name = name_of(model)
    patch = model.patch_size
    note = Note(
        name, ": position embedding interpolated at each size", Size(patch, patch)
    )
    if type(model) is _AnySizeVisionTransformer:
        return note
    if type(model) is not VisionTransformer or type(model.encoder) is not Encoder:
        raise ValueError(
            f"{name} extends torchvision's VisionTransformer or its Encoder, and its "
            "own forward would be lost"
        )
    changes.set(model, "__class__", _AnySizeVisionTransformer)
    changes.set(model.encoder, "__class__", _AnySizeEncoder)
    return note
