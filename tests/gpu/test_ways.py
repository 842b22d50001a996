"""Each framework trains on a GPU in half precision, at the sizes of the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from upsize.schedule import Ramp

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

GPU = "cuda"
RAMP = Ramp(final_size=64, initial_size=32, increase_by=16)
EPOCHS, BATCHES = 4, 5
PRECISIONS = pytest.mark.parametrize("precision", ["bf16", "fp16"])


class Net(nn.Module):
    """Notes the sizes that it trains on, and whether they come as the model wants them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 16, 3, padding=1), nn.Linear(16, 4)
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            assert images.device.type == GPU
            self.sizes.append(images.shape[-1])
        return self.head(self.conv(images).relu().mean((2, 3)))


@pytest.fixture
def loader() -> DataLoader[Any]:
    torch.manual_seed(0)
    data = TensorDataset(torch.rand(20, 3, 64, 64), torch.arange(20) % 4)
    return DataLoader(data, batch_size=4, pin_memory=True)


def expected() -> list[int]:
    plan = RAMP.plan(epochs=EPOCHS, steps_per_epoch=BATCHES)
    return [plan.size_at(step).height for step in range(plan.total_steps)]


@PRECISIONS
@pytest.mark.parametrize("preallocate", [True, False])
def test_lightning(
    precision: Any, preallocate: bool, loader: Any, tmp_path: Path
) -> None:
    import lightning as L

    from upsize.lightning import ProgressiveResize

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net()

        def forward(self, images: Tensor) -> Tensor:
            return self.net(images)

        def training_step(self, batch: Any, _: int) -> Tensor:
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    module = Module()
    L.Trainer(
        max_epochs=EPOCHS, accelerator="gpu", devices=1, logger=False,
        precision={"bf16": "bf16-mixed", "fp16": "16-mixed"}[precision],
        enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path,
        callbacks=[ProgressiveResize(RAMP, preallocate=preallocate, verbose=False)],
    ).fit(module, loader)  # fmt: skip
    assert module.net.sizes[-EPOCHS * BATCHES :] == expected()
    assert len(module.net.sizes) == EPOCHS * BATCHES + preallocate


@PRECISIONS
def test_accelerate(precision: Any, loader: Any) -> None:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    from upsize.accelerate import ProgressiveResize

    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(mixed_precision=precision)
    net = Net()
    optimizer: Any = torch.optim.SGD(net.parameters(), lr=0.1)
    model, optimizer, loader = accelerator.prepare(net, optimizer, loader)
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, epochs=EPOCHS, verbose=False
    )
    for _ in range(EPOCHS):
        for images, labels in resize.batches(loader):
            loss = nn.functional.cross_entropy(model(images), labels)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
    resize.finish()
    assert net.sizes == expected()


@PRECISIONS
@pytest.mark.parametrize("compiled", [True, False])
def test_transformers(
    precision: str, compiled: bool, loader: Any, tmp_path: Path
) -> None:
    from transformers import Trainer, TrainingArguments

    from upsize.transformers import attach

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net()

        def forward(self, pixel_values: Tensor, labels: Tensor) -> Any:
            scores = self.net(pixel_values)
            return {"loss": nn.functional.cross_entropy(scores, labels)}

    def collate(rows: list[Any]) -> dict[str, Tensor]:
        images, labels = zip(*rows, strict=True)
        return {"pixel_values": torch.stack(images), "labels": torch.stack(labels)}

    model = Model()
    trainer = Trainer(
        model,
        TrainingArguments(
            str(tmp_path),
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=4,
            report_to="none",
            disable_tqdm=True,
            save_strategy="no",
            remove_unused_columns=False,
            torch_compile=compiled,
            **{precision: True},
        ),
        train_dataset=loader.dataset,
        data_collator=collate,
    )
    attach(trainer, RAMP, verbose=False)
    trainer.train()
    if not compiled:  # a compiled model notes only what it was traced with
        assert model.net.sizes == expected()
    assert trainer.state.global_step == EPOCHS * BATCHES


@PRECISIONS
@pytest.mark.parametrize("channels_last", [True, False])
def test_fastai(precision: str, channels_last: bool, loader: Any) -> None:
    from fastai.callback.channelslast import ChannelsLast
    from fastai.callback.fp16 import AMPMode, MixedPrecision
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader as Loader
    from fastai.learner import Learner

    from upsize.fastai import ProgressiveResize

    net = Net()
    made = Loader(loader.dataset, bs=4, num_workers=0)
    kind = AMPMode.BF16 if precision == "bf16" else AMPMode.FP16
    more = [ChannelsLast()] if channels_last else [MixedPrecision(kind)]
    learner = Learner(
        DataLoaders(made, made, device=torch.device(GPU)), net,
        loss_func=nn.functional.cross_entropy,
        cbs=[*more, ProgressiveResize(schedule=RAMP, preallocate=False, verbose=False)],
    )  # fmt: skip
    with learner.no_bar(), learner.no_logging():
        learner.fit(EPOCHS)
    assert net.sizes == expected()
