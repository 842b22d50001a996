"""A Trainer of transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import torch
from tests.adapters.contract.ways.common import Job, Trained, Way
from tests.adapters.contract.ways.loop import momenta
from tests.adapters.contract.ways.net import Net
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments

from upsize.transformers import ProgressiveResize, attach

__all__ = ["Transformers"]

_STATE = "upsize.ProgressiveResize"


class Named(nn.Module):
    """Takes the batches of a Trainer, by name."""

    def __init__(self, net: Net, done: Trained) -> None:
        super().__init__()
        self.net, self.done = net, done

    def forward(self, pixel_values: Tensor, labels: Any = None) -> dict[str, Tensor]:
        scores = self.net(pixel_values)
        if not self.training:
            self.done.outputs.append(scores.detach())
        return {"logits": scores}


def _named(samples: list[Any]) -> dict[str, Tensor]:
    images, labels = zip(*samples, strict=True)
    return {"pixel_values": torch.stack(images), "labels": torch.stack(labels)}


class Plain(Trainer):
    """Draws the samples in their order."""

    def get_train_dataloader(self) -> Any:
        loader: Any = DataLoader(
            self.train_dataset,
            self.args.per_device_train_batch_size,
            collate_fn=_named,
            generator=torch.Generator(),  # type: ignore[arg-type]
        )
        return self.accelerator.prepare(loader)


class Resized(ProgressiveResize, Plain):
    """With the mixin."""


class Watch(TrainerCallback):
    """Ends a training early, and notes its checkpoints."""

    def __init__(self, job: Job, done: Trained) -> None:
        self.job, self.done = job, done

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_training_stop = state.epoch == self.job.stop_after

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        step = state.global_step
        self.done.keep(step, self.job.folder / f"checkpoint-{step}")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
        side, told = logs.get("image_size"), self.done.reported
        if side is not None and (not told or told[-1][1] != side):
            self.done.report(state.global_step - 1, side)  # after its first step


class Transformers(Way):
    """``upsize.transformers``."""

    name, labels, resumes_at = "transformers", "labels", "step"
    lacks: ClassVar = {
        "sized elsewhere": "the Trainer sizes its own loader",
        "state after an error": "a Trainer saves nothing after an error",
        "step in the state": "the Trainer itself counts the steps, and restores them",
    }
    stages = ("evaluate", "predict")

    def trainer(self, job: Job, net: Net, done: Trained) -> Any:
        args = TrainingArguments(
            str(job.folder), num_train_epochs=job.epochs, use_cpu=True,
            per_device_train_batch_size=job.batch, per_device_eval_batch_size=job.batch,
            gradient_accumulation_steps=job.accumulate, max_grad_norm=0.0,
            report_to="none", disable_tqdm=True, logging_steps=1000,
            save_strategy="steps" if job.save_every else "no",
            save_steps=job.save_every or 1000, remove_unused_columns=False,
            eval_strategy="epoch" if job.validate else "no", seed=0,
            dataloader_pin_memory=False,
        )  # fmt: skip
        optimizer = net.optimizer()
        more: Any = {}
        if job.upsize:
            more = {
                "schedule": job.schedule, "final_size": job.final_size,
                "resizer": self.resizer(job), "resize_valid": job.resize_valid,
                "preallocate": job.preallocate, "verbose": False, "merge": job.merge,
                "batch_size": job.grow,
                "follow": None if job.follow is None else job.follow(net),
                "sized": job.loader == "sized", "set_size": job.set_size,
            }  # fmt: skip
        return (Resized if job.upsize else Plain)(
            Named(net, done), args, train_dataset=job.data, eval_dataset=job.validation(),
            data_collator=_named, callbacks=[Watch(job, done)],
            compute_loss_func=lambda outputs, labels, num_items_in_batch=None: (
                net.loss(outputs["logits"], labels) / job.accumulate
            ),
            optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)),
            **more,
        )  # fmt: skip

    def fit(self, job: Job, net: Net, done: Trained) -> None:
        made = self.trainer(job, net, done)
        if job.twice:
            attach(made, job.schedule)
        done.snapshot.take(
            trainer=made, net=net, args=made.args, accelerator=made.accelerator,
            callbacks=made.callback_handler,
        )  # fmt: skip
        try:
            for _ in range(job.fits):
                resume = None if job.resume is None else str(job.resume)
                made.train(resume_from_checkpoint=resume)
        finally:
            # Prepared when training begins.
            done.optimizer = momenta(
                getattr(made.optimizer, "optimizer", made.optimizer)
            )
            if job.upsize:
                done.plan, done.mismatched = made.plan, made.mismatched

    def stage(self, name: str, job: Job, net: Net, done: Trained) -> None:
        made = self.trainer(job, net, done)
        getattr(made, name)(job.data)

    def read_state(self, checkpoint: Path) -> Any:
        saved = json.loads((checkpoint / "trainer_state.json").read_text())
        return saved["stateful_callbacks"][_STATE]["attributes"]

    def write_state(self, checkpoint: Path, state: Any) -> None:
        path = checkpoint / "trainer_state.json"
        saved = json.loads(path.read_text())
        saved["stateful_callbacks"][_STATE]["attributes"] = state
        path.write_text(json.dumps(saved))
