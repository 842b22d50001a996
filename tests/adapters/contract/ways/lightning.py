"""A Trainer of Lightning."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import OnExceptionCheckpoint
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.tuner import Tuner
from tests.adapters.contract.ways.common import Job, Trained, Way
from tests.adapters.contract.ways.loop import momenta
from tests.adapters.contract.ways.net import Net
from torch import Tensor
from torch.utils.data import DataLoader

from upsize.lightning import ProgressiveResize, sized

__all__ = ["Lightning"]

_STATE = "upsize.ProgressiveResize"


class Module(L.LightningModule):
    """The net, and what is saved."""

    def __init__(self, job: Job, net: Net, done: Trained) -> None:
        super().__init__()
        self.net, self.job, self.done, self.batch_size = net, job, done, 2

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.net(images)
        return out

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.net.loss(self(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.done.outputs.append(self(batch[0]).detach())

    test_step = validation_step

    def predict_step(self, batch: Any, batch_idx: int) -> None:
        self.validation_step(batch, batch_idx)

    def configure_optimizers(self) -> Any:
        self.optimizer = self.net.optimizer()
        return self.optimizer

    def keep(self, step: int) -> None:
        path = self.job.folder / f"{step}.ckpt"
        self.trainer.save_checkpoint(path)
        self.done.keep(step, path)

    def on_train_batch_end(self, *_: Any) -> None:
        step, every = self.net.seen.steps, self.job.save_every
        if every and step % every == 0 and not self.trainer.is_last_batch:
            self.keep(step)

    def on_train_epoch_end(self) -> None:
        if self.job.save_every:  # now the epoch counts as done
            self.keep(self.net.seen.steps)
        if self.trainer.current_epoch + 1 == self.job.stop_after:
            self.trainer.should_stop = True


class Scaled(Module):
    """With the loaders of its own that the search for a batch size makes again."""

    def train_dataloader(self) -> Any:
        return DataLoader(self.job.data, self.batch_size)

    def val_dataloader(self) -> Any:
        return self.train_dataloader()


class Log(Logger):
    """Notes what is logged."""

    name, version = "memory", 0

    def __init__(self, done: Trained) -> None:
        super().__init__()
        self.done = done

    def log_hyperparams(self, *_: Any, **__: Any) -> None: ...

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        if "image_size" in metrics:
            assert step is not None
            self.done.report(step, metrics["image_size"])


class Lightning(Way):
    """``upsize.lightning``."""

    name = "lightning"
    lacks: ClassVar = {
        "mid-epoch data": "in mid-epoch Lightning begins a plain DataLoader again",
        "step in the state": "Lightning itself counts the steps, and restores them",
    }
    stages = ("validate", "test", "predict", "sanity", "lr_find", "batch_size")

    def trainer(self, job: Job, done: Trained, *more: Any, **settings: Any) -> Any:
        callbacks = [*more]
        if job.upsize:
            self.resize = ProgressiveResize(
                job.schedule, final_size=job.final_size, resizer=self.resizer(job),
                resize_valid=job.resize_valid, preallocate=job.preallocate,
                verbose=False,
                follow=None if job.follow is None else job.follow(done.net),
                merge=job.merge, batch_size=job.grow,
            )  # fmt: skip
            callbacks.append(self.resize)
        return self.bare(job, done, callbacks, **settings)

    def bare(self, job: Job, done: Trained, callbacks: Any, **settings: Any) -> Any:
        made = L.Trainer(
            callbacks=list(callbacks), accelerator="cpu", logger=Log(done),
            default_root_dir=job.folder, enable_model_summary=False,
            enable_progress_bar=False, accumulate_grad_batches=job.accumulate,
            **{
                "max_epochs": job.epochs, "num_sanity_val_steps": 0,
                "enable_checkpointing": False,
            } | settings,
        )  # fmt: skip
        if job.twice:
            made.callbacks.append(ProgressiveResize(job.schedule, verbose=False))
        return made

    def fit(self, job: Job, net: Net, done: Trained) -> None:
        failed = [OnExceptionCheckpoint(job.folder)] if job.save_failed else []
        if failed:
            done.failed = job.folder / "on_exception.ckpt"
        made = self.trainer(job, done, *failed, enable_checkpointing=bool(failed))
        for number in range(job.fits):
            if number:
                made = self.bare(job, done, made.callbacks[:1])
            module, loader = Module(job, net, done), job.loaded()
            if job.loader != "plain":
                small = sized(loader, self.resize, set_size=job.set_size)
                loader = small if job.loader == "sized" else loader
            done.snapshot.take(
                trainer=made, strategy=made.strategy, net=net, module=module,
                fit_loop=made.fit_loop, loader=loader,
            )  # fmt: skip
            try:
                valid = job.loaded(data=job.validation()) if job.validate else None
                made.fit(
                    module, loader, valid,
                    ckpt_path=None if job.resume is None else str(job.resume),
                )  # fmt: skip
            finally:
                if hasattr(module, "optimizer"):
                    done.optimizer = momenta(module.optimizer)
                if job.upsize:
                    done.plan = self.resize.plan
                    done.mismatched = self.resize.mismatched

    def stage(self, name: str, job: Job, net: Net, done: Trained) -> None:
        module, loader = Module(job, net, done), job.loaded()
        if name == "sanity":
            made = self.trainer(job, done, num_sanity_val_steps=2, max_epochs=0)
            made.fit(module, loader, loader)
            return
        made = self.trainer(job, done)
        if name == "lr_find":
            Tuner(made).lr_find(
                module,
                loader,
                num_training=6,
                attr_name="batch_size",
                update_attr=False,
            )
        elif name == "batch_size":
            module = Scaled(job, net, done)
            Tuner(made).scale_batch_size(module, max_trials=2, steps_per_trial=1)
        elif name == "predict":
            made.predict(module, loader)
        else:
            getattr(made, name)(module, loader, verbose=False)

    def read_state(self, checkpoint: Path) -> Any:
        saved = torch.load(checkpoint, weights_only=False)
        return saved["callbacks"][_STATE]

    def write_state(self, checkpoint: Path, state: Any) -> None:
        saved = torch.load(checkpoint, weights_only=False)
        saved["callbacks"][_STATE] = state
        torch.save(saved, checkpoint)
