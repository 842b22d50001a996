"""Prepared loaders of other lengths: an epoch is that epoch."""

from __future__ import annotations

import pytest
from accelerate import Accelerator
from tests.adapters.accelerate.test_progress import dataset, net
from torch import nn, optim
from torch.utils.data import DataLoader

from upsize.accelerate import ProgressiveResize
from upsize.schedule import Phases

# Epochs 0 and 1, 2, 3.
EPOCHS = Phases(phases=((0, 16), (2, 24), (3, 32)), final_size=32)


@pytest.mark.parametrize("lengths", [[5, 10, 3, 4], [4, 2, 1, 9]], ids=str)
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("by_steps", [False, True])
@pytest.mark.filterwarnings("ignore:.* steps_per_epoch leaves")
def test_loaders_of_other_lengths(
    lengths: list[int], accumulate: int, by_steps: bool
) -> None:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    model = net()
    model, optimizer, *loaders = accelerator.prepare(
        model, optim.SGD(model.parameters(), 0.1),
        *(DataLoader(dataset(2 * n), 2) for n in lengths),
    )  # fmt: skip
    steps = 4 * -(-lengths[0] // accumulate)
    resize = ProgressiveResize(
        EPOCHS, accelerator, loader=loaders[0], verbose=False,
        **({"total_steps": steps} if by_steps else {"epochs": 4}),
    )  # fmt: skip
    seen = []
    for loader in loaders:
        widths = []
        for images, labels in resize.batches(loader):
            with accelerator.accumulate(model):
                widths.append(images.shape[-1])
                loss = nn.functional.cross_entropy(model(images), labels)
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
        seen.append(widths)
    assert seen == [[w] * n for w, n in zip((16, 16, 24, 32), lengths, strict=True)]
    assert resize.optimizer_steps == steps
