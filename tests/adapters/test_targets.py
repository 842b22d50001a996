"""Masks and boxes through the loop and each adapter: three epochs, losses that fall.

The masks are of real photographs: what is dark in a solar cell, by a threshold. The
detection images are drawn, with boxes that are known; they differ in size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from accelerate import Accelerator
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision import tv_tensors
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

import upsize.accelerate
import upsize.fastai
import upsize.lightning
import upsize.loop
from upsize.demo._data import decode
from upsize.detection import follow_detector
from upsize.resize import Resizer
from upsize.schedule import Ramp

EPOCHS, BATCHES = 3, 4
Loss = Callable[[nn.Module, Any], Tensor]

pytestmark = pytest.mark.filterwarnings(
    # Lightning's hints on workers and logging, and its calls into torch.
    "ignore:.*many workers",
    "ignore:.*LeafSpec:FutureWarning",
    "ignore:.*unsafe_hash",
)


# One loop for each framework. It is given a model, its data and a function that gives
# the loss of a batch; it gives the losses of each epoch.


def with_loop(
    model: nn.Module, data: Any, loss_of: Loss, ramp: Ramp, resizer: Resizer
) -> list[float]:
    resize = upsize.loop.ProgressiveResize(
        ramp, epochs=EPOCHS, steps_per_epoch=BATCHES, resizer=resizer
    )
    optimizer, losses = torch.optim.AdamW(model.parameters(), 2e-3), []
    with following(model, resize):
        for _ in range(EPOCHS):
            for batch in resize.batches(data):
                loss = loss_of(model, batch)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                losses.append(loss.item())
    return losses


def with_accelerate(
    model: nn.Module, data: Any, loss_of: Loss, ramp: Ramp, resizer: Resizer
) -> list[float]:
    accelerator = Accelerator(cpu=True)
    prepared, optimizer, loader = accelerator.prepare(
        model, torch.optim.AdamW(model.parameters(), 2e-3), data
    )
    resize = upsize.accelerate.ProgressiveResize(
        ramp, accelerator, loader=loader, epochs=EPOCHS, verbose=False, resizer=resizer
    )
    losses = []
    with following(model, resize):
        for _ in range(EPOCHS):
            for batch in resize.batches(loader):
                loss = loss_of(prepared, batch)
                optimizer.zero_grad()
                accelerator.backward(loss)
                optimizer.step()
                losses.append(loss.item())
    return losses


class Module(L.LightningModule):
    def __init__(self, net: nn.Module, loss_of: Loss) -> None:
        super().__init__()
        self.net, self.loss_of = net, loss_of
        self.losses: list[float] = []

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = self.loss_of(self.net, batch)
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), 2e-3)


def with_lightning(
    model: nn.Module, data: Any, loss_of: Loss, ramp: Ramp, resizer: Resizer
) -> list[float]:
    callback = upsize.lightning.ProgressiveResize(ramp, resizer=resizer, verbose=False)
    module = Module(model, loss_of)
    trainer = L.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", callbacks=[callback], logger=False,
        enable_checkpointing=False, enable_progress_bar=False,
    )  # fmt: skip
    with following(model, callback):
        trainer.fit(module, data)
    return module.losses


def with_fastai(
    model: nn.Module, data: Any, loss_func: Any, ramp: Ramp, **options: Any
) -> list[float]:
    callback = upsize.fastai.ProgressiveResize(schedule=ramp, verbose=False, **options)
    losses: list[float] = []

    def watched(*args: Any) -> Tensor:
        loss: Tensor = loss_func(*args)
        losses.append(loss.item())
        return loss

    learner = Learner(
        DataLoaders(data, [], device="cpu"), model, loss_func=watched, cbs=callback,
        opt_func=OptimWrapper(opt=torch.optim.AdamW(model.parameters(), 2e-3)), lr=2e-3,
    )  # fmt: skip
    learner.remove_cb(learner.progress)
    with learner.no_logging(), following(model, callback):
        learner.fit(EPOCHS)
    return losses


def following(model: Any, resize: Any) -> Any:
    """Let a detector follow; any other model has nothing to be done to it."""
    if hasattr(model, "transform"):
        return follow_detector(model, resize)
    return torch.enable_grad()


def fall(losses: list[float]) -> bool:
    assert len(losses) == EPOCHS * BATCHES
    return sum(losses[-BATCHES:]) < 0.95 * sum(losses[:BATCHES])


# Segmentation


class UNet(nn.Module):
    """Two levels; it remembers the sizes of what it was given."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.down1, self.down2 = block(1, 8), block(8, 16)
        self.bottom = block(16, 16)
        self.up2, self.up1 = block(32, 8), block(16, 8)
        self.head = nn.Conv2d(8, 2, 1)
        self.seen: list[tuple[int, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append((x.shape[-2], x.shape[-1]))
        first = self.down1(x)
        second = self.down2(nn.functional.max_pool2d(first, 2))
        x = self.bottom(nn.functional.max_pool2d(second, 2))
        x = self.up2(
            torch.cat([nn.functional.interpolate(x, scale_factor=2), second], 1)
        )
        x = self.up1(
            torch.cat([nn.functional.interpolate(x, scale_factor=2), first], 1)
        )
        logits: Tensor = self.head(x)
        return logits


def block(channels: int, out: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU()
    )


@cache
def cells() -> tuple[Tensor, Tensor]:
    """Photographs of broken cells; 1 where it is dark, 255 on the frame: not asked."""
    package = pytest.importorskip("elpv_dataset", reason="holds the photographs")
    root = Path(package.__file__).parent / "data"
    names = [line.split() for line in (root / "labels.csv").read_text().splitlines()]
    chosen = [name for name, broken, _ in names if float(broken) == 1][: 4 * BATCHES]
    images = (
        torch.stack([decode(root / name, 64, "L") for name in chosen]).float() / 255
    )
    middle = images.flatten(1).median(1).values[:, None, None, None]
    masks = (images < 0.6 * middle)[:, 0].long()
    frame = torch.ones(64, 64, dtype=torch.bool)
    frame[2:-2, 2:-2] = False
    masks[:, frame] = 255
    return images, masks


def mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    assert logits.shape[-2:] == masks.shape[-2:]
    assert set(masks.unique().tolist()) <= {0, 1, 255}
    return nn.functional.cross_entropy(logits, masks, ignore_index=255)


SEGMENT = Ramp(final_size=64, increase_by=16, multiple_of=4)


def segment(
    run: Callable[..., list[float]],
) -> tuple[list[tuple[int, int]], list[float]]:
    images, masks = cells()
    assert 0.02 < (masks == 1).float().mean() < 0.5
    model, loader = UNet(), DataLoader(TensorDataset(images, masks), 4)
    if run is with_fastai:
        losses = run(model, loader, mask_loss, SEGMENT, resize_targ=True)
    else:
        losses = run(
            model, loader, lambda net, batch: mask_loss(net(batch[0]), batch[1]),
            SEGMENT, Resizer(targets={1: "mask"}),
        )  # fmt: skip
    return model.seen[-EPOCHS * BATCHES :], losses


RUNS = pytest.mark.parametrize(
    "run", [with_loop, with_accelerate, with_lightning, with_fastai]
)


@RUNS
def test_a_unet_on_real_masks(run: Callable[..., list[float]], tmp_path: Path) -> None:
    seen, losses = segment(run)
    plan = SEGMENT.plan(epochs=EPOCHS, steps_per_epoch=BATCHES)
    assert seen == [tuple(plan.size_at(step)) for step in range(plan.total_steps)]
    assert {size[0] for size in seen} == {32, 48, 64}
    assert fall(losses)


# Detection


def drawing(number: int, *, typed: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """A bright rectangle on a dark ground, and its box."""
    generator = torch.Generator().manual_seed(number)
    height, width = [(96, 128), (128, 96), (96, 96), (112, 80)][number % 4]
    image = torch.rand(3, height, width, generator=generator) * 0.2
    x, y = (
        int(torch.randint(4, side // 2, (), generator=generator))
        for side in (width, height)
    )
    right, bottom = x + width // 2 - 4, y + height // 2 - 4
    image[:, y:bottom, x:right] += 0.7
    boxes = torch.tensor([[x, y, right, bottom]], dtype=torch.float32)
    if typed:
        boxes = tv_tensors.BoundingBoxes(
            boxes, format="XYXY", canvas_size=(height, width)
        )
    return image, {"boxes": boxes, "labels": torch.ones(1, dtype=torch.int64)}


class Detector(nn.Module):
    """Checks, before it detects, that boxes and images fit."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner: Any = ssdlite320_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=2
        )
        self.inner.transform.fixed_size = (128, 128)
        self.transform = self.inner.transform
        self.images: list[int] = []
        self.backbone: list[tuple[int, ...]] = []
        self.inner.backbone.register_forward_pre_hook(
            lambda module, args: self.backbone.append(tuple(args[0].shape[-2:]))
        )

    def forward(self, images: Any, targets: Any) -> Any:
        self.images.append(images[0].shape[-1])
        for image, target in zip(images, targets, strict=True):
            left, top, right, bottom = target["boxes"][0].round().int().tolist()
            assert image[:, top + 1 : bottom - 1, left + 1 : right - 1].mean() > 0.6
            assert image.mean() < 0.5
        return self.inner(images, targets)


DETECT = Ramp(final_size=128, increase_by=32)


def collate(samples: list[Any]) -> tuple[Any, ...]:
    return tuple(zip(*samples, strict=True))


def collate_for_fastai(samples: list[Any]) -> tuple[Any, ...]:
    """The targets are an input here; fastai wants something to compare with."""
    return *collate(samples), torch.zeros(len(samples))


def detect(run: Callable[..., list[float]]) -> tuple[Detector, list[float]]:
    model = Detector()
    samples: Any = [
        drawing(number, typed=run is with_fastai) for number in range(4 * BATCHES)
    ]
    if run is with_fastai:
        loader = DataLoader(samples, 4, collate_fn=collate_for_fastai)
        loader.n_inp = 2  # type: ignore[attr-defined]
        losses = run(model, loader, lambda found, _: sum(found.values()), DETECT)
    else:
        losses = run(
            model, DataLoader(samples, 4, collate_fn=collate),
            lambda net, batch: sum(net(*batch).values()), DETECT,
            Resizer(targets={(1, ..., "boxes"): "boxes"}),
        )  # fmt: skip
    return model, losses


@RUNS
def test_a_detector_on_images_of_several_sizes(
    run: Callable[..., list[float]], tmp_path: Path
) -> None:
    model, losses = detect(run)
    plan = DETECT.plan(epochs=EPOCHS, steps_per_epoch=BATCHES)
    planned = [plan.size_at(step).width for step in range(plan.total_steps)]
    assert set(planned) == {64, 96, 128}
    # The first image of every batch is 128 pixels wide at full size.
    assert model.images[-len(planned) :] == planned
    assert model.backbone[-len(planned) :] == [(side, side) for side in planned]
    # Before: fastai's dry run, at full size.
    assert set(model.backbone[: -len(planned)]) <= {(128, 128)}
    assert model.transform.fixed_size == (128, 128)
    assert fall(losses)


def test_typed_boxes_among_the_targets_of_fastai() -> None:
    """Not as an input: where fastai compares with what the model gives."""
    seen: list[tuple[Any, ...]] = []
    canvas = {"format": "XYXY", "canvas_size": (32, 32)}
    sample = (
        torch.rand(3, 32, 32),
        {"boxes": tv_tensors.BoundingBoxes([[4.0, 4, 16, 16]], **canvas)},
    )

    def stacked(samples: list[Any]) -> tuple[Any, ...]:
        images, targets = collate(samples)
        return torch.stack(images), targets

    def loss_func(found: Tensor, *targets: Any) -> Tensor:
        boxes = targets[0][0]["boxes"]
        seen.append((found.shape[-1], boxes.canvas_size, boxes.tolist()))
        return found.mean()

    loader = DataLoader([sample] * 8, 2, collate_fn=stacked)
    with_fastai(
        nn.Conv2d(3, 1, 1), loader, loss_func, Ramp(final_size=32, increase_by=16)
    )
    assert set(map(str, seen)) == {
        "(16, (16, 16), [[2.0, 2.0, 8.0, 8.0]])",
        "(32, (32, 32), [[4.0, 4.0, 16.0, 16.0]])",
    }


def test_lightning_needs_a_full_size_for_images_of_several() -> None:
    samples = [drawing(number, typed=True) for number in range(4)]
    trainer = L.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, callbacks=[upsize.lightning.ProgressiveResize()],
    )  # fmt: skip
    module = Module(nn.Linear(1, 1), lambda net, batch: torch.zeros(()))
    loader = DataLoader(samples, 4, collate_fn=collate)
    with pytest.raises(
        ValueError, match="give the full size: final_size of the schedule"
    ):
        trainer.fit(module, loader)
