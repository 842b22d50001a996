"""What loses types in each framework, and where its batches come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from transformers import Trainer, TrainingArguments, default_data_collator

import upsize.accelerate
import upsize.fastai
import upsize.lightning
import upsize.loop
import upsize.transformers
from upsize.loading import collate_tv_tensors, current_size
from upsize.schedule import Ramp

RAMP = Ramp(final_size=32, increase_by=16)
COUNT, BATCH = 4, 2

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*many workers",
    "ignore:.*LeafSpec:FutureWarning",
    "ignore:.*unsafe_hash",
    "ignore:.*no `val_dataloader`",
)


class Scenes(Dataset[Any]):
    """Typed samples, with boxes as long as their images are wide."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Any:
        at = current_size()
        side = 32 if at is None else at.size.width
        mask = torch.zeros(1, 32, 32, dtype=torch.uint8)
        mask[:, ::2] = 200
        boxes = [[0.0, 4, 32, 8]]
        return {
            "pixel_values": tv_tensors.Image(torch.rand(3, side, side)),
            "labels": tv_tensors.Mask(mask),
            "boxes": tv_tensors.BoundingBoxes(
                boxes, format="XYWH", canvas_size=(32, 32)
            ),
        }


def as_list(samples: list[Any]) -> list[Tensor]:
    return [
        torch.stack([each[key] for each in samples])
        for key in ("pixel_values", "labels", "boxes")
    ]


class Seen:
    """What a model was trained on, batch by batch."""

    def __init__(self) -> None:
        self.sides: list[int] = []

    def note(self, images: Tensor, masks: Tensor, boxes: Tensor) -> None:
        side = images.shape[-1]
        self.sides.append(side)
        assert masks.shape[-2:] == images.shape[-2:]
        assert {type(masks), type(boxes)} <= {
            Tensor,
            tv_tensors.Mask,
            tv_tensors.BoundingBoxes,
        }
        assert set(masks.unique().tolist()) <= {0, 200}
        assert boxes.tolist() == [[[0, side / 8, side, side / 4]]] * BATCH

    def check(self, epochs: int = 4) -> None:
        assert self.sides == [16] * epochs + [32] * epochs


@pytest.mark.parametrize("collate", [None, collate_tv_tensors])
@pytest.mark.parametrize("small", [False, True])
def test_accelerate_that_dispatches(collate: Any, small: bool) -> None:
    """It joins and slices the batches, which drops what collate has kept."""
    settings = DataLoaderConfiguration(dispatch_batches=not small)
    accelerator = Accelerator(cpu=True, dataloader_config=settings)
    loader = accelerator.prepare(DataLoader(Scenes(), BATCH, collate_fn=collate))
    resize = upsize.accelerate.ProgressiveResize(
        RAMP, accelerator, loader=loader, epochs=4, verbose=False
    )
    if small:
        loader = upsize.accelerate.sized(loader, resize, set_size=lambda *_: None)
    seen = Seen()
    for _ in range(4):
        for batch in resize.batches(loader):
            seen.note(*batch.values())
    seen.check()
    resize.remove()


def parts(batch: Any) -> list[Any]:
    """Return the batch of each loader."""
    return list(batch.values()) if isinstance(batch, dict) else [batch]


class Module(L.LightningModule):
    """Drops types on its device, as most operations do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.seen, self.valid = nn.Conv2d(3, 1, 1), Seen(), Seen()

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        for part in parts(batch):
            images, masks, boxes = part
            part[:] = images.float(), masks.contiguous(), boxes[:]
        return batch

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        for part in parts(batch):
            self.seen.note(*part)
        loss: Tensor = self.layer(parts(batch)[0][0]).mean()
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.valid.note(*batch)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("small", [False, True])
def test_lightning_whose_module_drops_types(several: bool, small: bool) -> None:
    resize = upsize.lightning.ProgressiveResize(
        RAMP, verbose=False, resize_valid=not several
    )
    plain: Any = DataLoader(Scenes(), BATCH, collate_fn=as_list)
    train = plain
    if small:
        train = upsize.lightning.sized(plain, resize, set_size=lambda *_: None)
    trainer = L.Trainer(
        max_epochs=4, accelerator="cpu", callbacks=[resize], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
    )  # fmt: skip
    module = Module()
    if several:
        trainer.fit(module, {"one": train, "two": train})
        module.seen.check(8)
        return
    trainer.fit(module, train, plain)
    module.seen.check()
    module.valid.check()


@pytest.mark.parametrize("small", [False, True])
def test_fastai_with_targets_of_several_kinds(small: bool) -> None:
    resize = upsize.fastai.ProgressiveResize(
        schedule=RAMP, verbose=False, preallocate=False
    )
    loader: Any = DataLoader(Scenes(), BATCH, collate_fn=as_list)
    loader.n_inp = 1
    seen, model, images = Seen(), nn.Conv2d(3, 1, 1), []
    model.register_forward_pre_hook(lambda _, args: images.append(args[0]))

    def loss(scores: Tensor, masks: Tensor, boxes: Tensor) -> Tensor:
        if scores.requires_grad:
            seen.note(images[-1], masks, boxes)
        return scores.mean()

    train = upsize.fastai.sized(loader, resize, set_size=lambda *_: None)
    dls = DataLoaders(train if small else loader, loader, device="cpu")
    learner = Learner(dls, model, loss_func=loss, cbs=resize)
    with learner.no_bar(), learner.no_logging():
        learner.fit(4)
    seen.check()


def test_fastai_whose_samples_are_made_in_workers() -> None:
    """No sample tells anything, and batches are treated as without upsize's help."""
    made: list[int] = []

    class Once(Scenes):
        def __getitem__(self, index: int) -> Any:
            if made.count(index) == 2:  # fastai has looked at one, and trained on it
                raise RuntimeError("made in a worker")
            made.append(index)
            return super().__getitem__(index)

    resize = upsize.fastai.ProgressiveResize(
        schedule=RAMP, verbose=False, preallocate=False
    )
    loader: Any = DataLoader(Once(), BATCH, collate_fn=as_list)
    loader.n_inp = 1
    sides: list[Any] = []

    def loss(scores: Tensor, masks: Tensor, boxes: Tensor) -> Tensor:
        sides.append((scores.shape[-1], masks.shape[-1], boxes[0, 0, 2].item()))
        return scores.mean()

    dls = DataLoaders(loader, [], device="cpu")
    learner = Learner(dls, nn.Conv2d(3, 1, 1), loss_func=loss, cbs=resize)
    said = pytest.warns(UserWarning, match="stays at full size, since it has no type")
    with learner.no_bar(), learner.no_logging(), said:
        learner.fit(1)
    assert sides[0] == (16, 32, 32)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.seen = nn.Conv2d(3, 1, 1), Seen()

    def forward(self, pixel_values: Tensor, labels: Tensor, boxes: Tensor) -> Any:
        self.seen.note(pixel_values, labels, boxes)
        return {"loss": self.layer(pixel_values).mean()}


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.filterwarnings("ignore:.*pin_memory")
def test_transformers_with_its_own_collator(small: bool, tmp_path: Path) -> None:
    args = TrainingArguments(
        str(tmp_path), num_train_epochs=4, use_cpu=True, report_to="none",
        per_device_train_batch_size=BATCH, disable_tqdm=True, save_strategy="no",
        logging_strategy="no", dataloader_pin_memory=False,
    )  # fmt: skip
    net = Net()
    trainer = Trainer(
        net, args, train_dataset=Scenes(), data_collator=default_data_collator
    )
    upsize.transformers.attach(
        trainer, RAMP, verbose=False, sized=small,
        set_size=(lambda *_: None) if small else None,
    )  # fmt: skip
    trainer.train()
    net.seen.check()
