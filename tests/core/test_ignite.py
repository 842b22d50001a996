"""A loop of PyTorch Ignite, as docs/other-loops.md drives it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events, create_supervised_trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import FakeData
from torchvision.transforms import v2

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp

RAMP = Ramp(final_size=32, increase_by=8)


def data() -> Any:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(20, 3, 32, 32, generator=generator)
    return TensorDataset(images, torch.randint(2, (20,), generator=generator))


def trainer_of(resize: Any, seen: list[int], accumulate: int = 1) -> tuple[Engine, Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def prepare(batch: Any, device: Any, non_blocking: bool) -> Any:
        images, labels = resize(batch)
        seen.append(images.shape[-1])
        return images.to(device, non_blocking=non_blocking), labels

    trainer = create_supervised_trainer(
        model, optimizer, nn.CrossEntropyLoss(), prepare_batch=prepare,
        gradient_accumulation_steps=accumulate,
    )  # fmt: skip
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: resize.step())
    return trainer, model


def planned(resize: Any, accumulate: int = 1) -> list[int]:
    windows = -(-5 // accumulate)
    return [
        resize.plan.size_at(epoch * windows + batch // accumulate).width
        for epoch in range(4)
        for batch in range(5)
    ]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_each_iteration_has_the_size_of_its_step(accumulate: int) -> None:
    resize = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=5, accumulate=accumulate)
    seen: list[int] = []
    trainer, _ = trainer_of(resize, seen, accumulate)
    trainer.run(DataLoader(data(), 4), max_epochs=4)
    assert seen == planned(resize, accumulate)
    assert resize.is_over or resize.optimizer_steps == resize.plan.total_steps


def test_it_resumes_from_a_checkpoint_of_ignite(tmp_path: Any) -> None:
    from ignite.handlers import Checkpoint, DiskSaver

    def run(epochs: int, saved: Any = None) -> tuple[list[int], Any, Any]:
        resize = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=5)
        seen: list[int] = []
        trainer, model = trainer_of(resize, seen)
        objects = {"trainer": trainer, "model": model, "resize": resize}
        if saved is not None:
            Checkpoint.load_objects(objects, torch.load(saved))
        folder = DiskSaver(str(tmp_path), create_dir=False, require_empty=False)
        keep = Checkpoint(objects, folder, filename_pattern=f"{epochs}.pt")
        trainer.add_event_handler(Events.EPOCH_COMPLETED(every=epochs), keep)
        trainer.run(DataLoader(data(), 4), max_epochs=epochs)
        return seen, model, resize

    whole, expected, resize = run(4)
    run(2)
    rest, model, _ = run(4, tmp_path / "2.pt")
    assert rest == whole[10:] == planned(resize)[10:]
    for one, other in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_sized_loader() -> None:
    crop = v2.Compose(
        [v2.PILToTensor(), v2.RandomResizedCrop(32), v2.ToDtype(torch.float32)]
    )
    images = FakeData(20, (3, 40, 40), num_classes=2, transform=crop)
    resize = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=5)
    loader = sized(DataLoader(images, 4), resize)
    seen: list[int] = []
    trainer, _ = trainer_of(resize, seen)
    trainer.run(loader, max_epochs=4)
    assert seen == planned(resize)
    assert resize.mismatched == 0
