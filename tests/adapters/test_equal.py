"""The same model, data, seed and schedule through each adapter: the same sizes."""

from __future__ import annotations

from collections.abc import Callable
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
from transformers import Trainer, TrainingArguments

import upsize.accelerate
import upsize.fastai
import upsize.lightning
import upsize.loop
import upsize.transformers
from upsize.schedule import Linear, Phases, Ramp

EPOCHS, BATCHES, WINDOW = 6, 5, 2
Trained = tuple[list[int], dict[str, Tensor]]


def loader() -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4 * BATCHES, 3, 32, 32, generator=generator)
    labels = torch.randint(2, (4 * BATCHES,), generator=generator)
    return DataLoader(TensorDataset(images, labels), 4)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )


def with_loop(schedule: Any, window: int = WINDOW) -> Trained:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    resize = upsize.loop.ProgressiveResize(
        schedule, epochs=EPOCHS, steps_per_epoch=BATCHES, accumulate=window
    )
    widths = []
    for _ in range(EPOCHS):
        for number, (images, labels) in enumerate(resize.batches(loader()), 1):
            widths.append(images.shape[-1])
            loss = nn.functional.cross_entropy(net(images), labels) / window
            torch.autograd.backward(loss)
            if number % window == 0 or number == BATCHES:
                optimizer.step()
                optimizer.zero_grad()
    return widths, net.state_dict()


def with_accelerate(schedule: Any) -> Trained:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=WINDOW)
    net = model()
    prepared, optimizer, data = accelerator.prepare(
        net, torch.optim.SGD(net.parameters(), 0.1), loader()
    )
    resize = upsize.accelerate.ProgressiveResize(
        schedule, accelerator, loader=data, epochs=EPOCHS, verbose=False
    )
    widths = []
    for _ in range(EPOCHS):
        for images, labels in resize.batches(data):
            with accelerator.accumulate(prepared):
                widths.append(images.shape[-1])
                loss = nn.functional.cross_entropy(prepared(images), labels)
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
    return widths, net.state_dict()


class Module(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = model()
        self.widths: list[int] = []

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        images, labels = batch
        self.widths.append(images.shape[-1])
        return nn.functional.cross_entropy(self.net(images), labels)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


def with_lightning(schedule: Any) -> Trained:
    module = Module()
    L.Trainer(
        max_epochs=EPOCHS, accumulate_grad_batches=WINDOW, accelerator="cpu",
        callbacks=[upsize.lightning.ProgressiveResize(schedule, verbose=False)],
        logger=False, enable_checkpointing=False, enable_progress_bar=False,
    ).fit(module, loader())  # fmt: skip
    return module.widths, module.net.state_dict()


class Named(nn.Module):
    """Takes the batches of a Trainer, by name."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.widths: list[int] = []

    def forward(self, pixel_values: Tensor) -> Tensor:
        self.widths.append(pixel_values.shape[-1])
        out: Tensor = self.net(pixel_values)
        return out


class ResizedTrainer(upsize.transformers.ProgressiveResize, Trainer):
    def get_train_dataloader(self) -> Any:
        def named(samples: list[Any]) -> dict[str, Tensor]:
            images, labels = zip(*samples, strict=True)
            return {"pixel_values": torch.stack(images), "labels": torch.stack(labels)}

        return DataLoader(loader().dataset, 4, collate_fn=named)


def with_transformers(schedule: Any, net: Any = None, **more: Any) -> Trained:
    def loss(scores: Tensor, labels: Tensor, num_items_in_batch: Any) -> Tensor:
        return nn.functional.cross_entropy(scores, labels) / WINDOW

    named = Named(model() if net is None else net)
    args = TrainingArguments(
        num_train_epochs=EPOCHS, gradient_accumulation_steps=WINDOW, optim="sgd",
        learning_rate=0.1, lr_scheduler_type="constant", max_grad_norm=0.0,
        use_cpu=True, report_to="none", save_strategy="no", logging_strategy="no",
        disable_tqdm=True,
    )  # fmt: skip
    trainer = ResizedTrainer(
        named, args, compute_loss_func=loss, schedule=schedule, verbose=False, **more
    )
    trainer.train()
    return named.widths, named.net.state_dict()


def with_fastai(schedule: Any) -> Trained:
    net = model()
    learner = Learner(
        DataLoaders(loader(), [], device="cpu"), net,
        loss_func=nn.functional.cross_entropy,
        opt_func=OptimWrapper(opt=torch.optim.SGD(net.parameters(), 0.1)), lr=0.1,
        cbs=upsize.fastai.ProgressiveResize(schedule=schedule, verbose=False),
    )  # fmt: skip
    widths: list[int] = []
    hook = net[0].register_forward_pre_hook(
        lambda module, args: widths.append(args[0].shape[-1])
    )
    learner.remove_cb(learner.progress)
    with learner.no_logging():
        learner.fit(EPOCHS)
    hook.remove()
    dry_run = len(widths) - EPOCHS * BATCHES
    return widths[dry_run:], net.state_dict()


SCHEDULES = pytest.mark.parametrize(
    "schedule",
    [
        Ramp(final_size=32, increase_by=4),
        Ramp(final_size=32, increase_mode="epoch"),
        Linear(final_size=32, start=0.0, finish=0.9),
        Phases(phases=[(0, 16), ("4st", 24), (4, 32)]),
        Ramp(initial_size=1.0, final_size=32),
    ],
)


# Lightning's hints on workers and logging, and its calls into torch.
@pytest.mark.filterwarnings("ignore:.*many workers", "ignore:.*LeafSpec:FutureWarning")
@SCHEDULES
def test_the_same_sizes_and_the_same_weights(schedule: Any, tmp_path: Path) -> None:
    runs: list[Callable[[Any], Trained]] = [
        with_loop, with_accelerate, with_lightning, with_transformers,
    ]  # fmt: skip
    (widths, weights), *others = [run(schedule) for run in runs]
    assert len(widths) == EPOCHS * BATCHES
    for other_widths, other_weights in others:
        assert other_widths == widths
        for name, value in weights.items():
            assert torch.equal(other_weights[name], value), name


@SCHEDULES
def test_fastai_without_accumulation(schedule: Any) -> None:
    (widths, weights), (found, others) = with_loop(schedule, 1), with_fastai(schedule)
    assert found == widths
    for name, value in weights.items():
        assert torch.equal(others[name], value), name
