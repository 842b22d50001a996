"""A small residual network for the demo."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["small_resnet"]

_WIDTHS = (16, 32, 64, 128)


class _Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, as in ResNet-18.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        stride: Stride of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, images: Tensor) -> Tensor:
        inner = F.relu(self.norm1(self.conv1(images)))
        return F.relu(self.norm2(self.conv2(inner)) + self.shortcut(images))


def small_resnet(channels: int, classes: int) -> nn.Sequential:
    """Return a residual network of four blocks, for images of any size.

    It pools globally, so the same weights train at every size. Its last features are a
    sixteenth of each side, fine enough for the time of a step to follow the pixels.

    Args:
        channels: Channels of the images.
        classes: Number of classes.

    Example:
        >>> import torch
        >>> model = small_resnet(channels=1, classes=4)
        >>> model(torch.zeros(2, 1, 64, 64)).shape
        torch.Size([2, 4])
        >>> sum(weights.numel() for weights in model.parameters())
        307764
    """
    first = _WIDTHS[0]
    stem = [
        nn.Conv2d(channels, first, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(),
    ]
    blocks = [
        _Block(inputs, outputs, 1 if outputs == first else 2)
        for inputs, outputs in zip((first, *_WIDTHS), _WIDTHS, strict=False)
    ]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(_WIDTHS[-1], classes)]
    return nn.Sequential(*stem, *blocks, *head)
