"""Errors of a loop with an Accelerator name the size, where they can be seen."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from upsize.accelerate import ProgressiveResize
from upsize.schedule import Ramp


class Fixed(nn.Module):
    """A linear head on flattened features, made for 32x32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 32 * 32, 2)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.head(images.flatten(1))
        return out


@pytest.fixture
def parts() -> Iterator[Any]:
    accelerator = Accelerator(cpu=True)
    model, loader = accelerator.prepare(
        Fixed(), DataLoader(torch.rand(8, 3, 32, 32), 4)
    )
    resize = ProgressiveResize(
        Ramp(final_size=32), accelerator, loader=loader, epochs=4, verbose=False
    )
    yield accelerator, model, resize, loader
    resize.remove()


def notes(error: Any) -> int:
    return len(getattr(error.value, "__notes__", []))


def forward(model: nn.Module, batches: Any) -> None:
    for images in batches:
        model(images)


def loss(accelerator: Any, model: nn.Module, batches: Any) -> None:
    for _ in batches:
        with accelerator.accumulate(model):
            raise ValueError("loss")


def test_in_the_forward_while_training(parts: Any) -> None:
    _, model, resize, loader = parts
    with pytest.raises(RuntimeError, match="cannot be multiplied") as error:
        forward(model, resize.batches(loader))
    assert notes(error) == 1
    with pytest.raises(RuntimeError) as error:
        model.eval()(torch.rand(1, 3, 8, 8))
    assert notes(error) == 0


def test_anywhere_within_accumulate(parts: Any) -> None:
    accelerator, model, resize, loader = parts
    with pytest.raises(ValueError, match="loss") as error:
        loss(accelerator, model, resize.batches(loader))
    assert notes(error) == 1


def test_a_copy_of_the_model_does_not_belong_to_the_run(parts: Any) -> None:
    _, model, resize, loader = parts
    twin = copy.deepcopy(model)
    assert twin(torch.rand(1, 3, 32, 32)).shape == (1, 2)
    with pytest.raises(RuntimeError) as error:
        forward(twin, resize.batches(loader))
    assert notes(error) == 0
