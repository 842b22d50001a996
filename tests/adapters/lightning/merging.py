"""A module in double precision that remembers its passes, for tests of ``merge``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from upsize.lightning import ProgressiveResize
from upsize.schedule import Ramp

SIDE = 16
#: Half of the training at 8 pixels, where four batches are as large as one.
RAMP = Ramp(initial_size=8, increase_by=4, start=0.5, finish=0.7)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).double()  # fmt: skip


def dataset(n: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(n, 3, SIDE, SIDE, generator=generator, dtype=torch.float64)
    return TensorDataset(images, torch.randint(2, (n,), generator=generator))


def loader(n: int, **more: Any) -> DataLoader[Any]:
    settings: dict[str, Any] = {"batch_size": 4} | more
    return DataLoader(dataset(n), **settings)


class Stream(IterableDataset[Any]):
    """Samples without a length."""

    def __init__(self, n: int) -> None:
        self.data = dataset(n)

    def __iter__(self) -> Iterator[Any]:
        return (self.data[index] for index in range(len(self.data)))


class Steps:
    """What a module of either package does here."""

    def __init__(self, *, as_dict: bool = False) -> None:
        super().__init__()
        self.net, self.as_dict = network(), as_dict
        # Of each forward pass: the optimizer step, the images and their side.
        self.passes: list[tuple[int, int, int]] = []
        self.rates: list[tuple[int, int, float]] = []  # after each batch
        self.epochs: list[float] = []  # the mean loss

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self_: Any = self
        images, labels = batch
        self.passes.append((self_.trainer.global_step, len(images), images.shape[-1]))
        loss = nn.functional.cross_entropy(self.net(images), labels)
        self_.log("loss", loss, on_step=False, on_epoch=True)
        return {"loss": loss, "passes": 1} if self.as_dict else loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        trainer: Any = self.trainer  # type: ignore[attr-defined]
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.rates.append((trainer.global_step, batch_idx, rate))

    def on_train_epoch_end(self) -> None:
        trainer: Any = self.trainer  # type: ignore[attr-defined]
        self.epochs.append(trainer.callback_metrics["loss"].item())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.net.parameters(), 1e-2)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
        return [optimizer], [{"scheduler": rate, "interval": "step"}]

    @property
    def weights(self) -> Tensor:
        return torch.cat([each.detach().flatten() for each in self.net.parameters()])


class Module(Steps, L.LightningModule):
    pass


def callback(merge: Any) -> ProgressiveResize:
    return ProgressiveResize(RAMP, final_size=SIDE, verbose=False, merge=merge)


def trainer(path: Path | None, merge: Any, *callbacks: Any, **more: Any) -> L.Trainer:
    """Make a trainer; ``merge`` may be the callback itself."""
    resize = merge if isinstance(merge, ProgressiveResize) else callback(merge)
    settings: dict[str, Any] = {
        "accelerator": "cpu",
        "max_epochs": 3,
        "accumulate_grad_batches": 8,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": path,
    }
    return L.Trainer(callbacks=[resize, *callbacks], **(settings | more))


def fit(
    path: Path | None,
    merge: Any,
    train: Any,
    *callbacks: Any,
    module: Any = None,
    **more: Any,
) -> Any:
    """Train a module; return it."""
    module = Module() if module is None else module
    trainer(path, merge, *callbacks, **more).fit(module, train)
    return module
