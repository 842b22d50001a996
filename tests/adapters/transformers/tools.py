"""Small models of transformers, and trainers that note what their models see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import (
    ResNetConfig,
    ResNetForImageClassification,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    Trainer,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
)

from upsize.transformers import ProgressiveResize

SIDE, BATCH, BATCHES = 32, 4, 5


class Images(Dataset[Any]):
    """Random images and labels, or masks of their size."""

    def __init__(self, count: int = BATCH * BATCHES, masks: bool = False) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(count, 3, SIDE, SIDE, generator=generator)
        shape = (count, SIDE, SIDE) if masks else (count,)
        self.labels = torch.randint(2, shape, generator=generator)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"pixel_values": self.images[index], "labels": self.labels[index]}


class Net(nn.Module):
    """A model of the user's, with buffers and dropout."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.drop, self.head = nn.Dropout(0.25), nn.Linear(4, 2)

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> Any:
        out = self.drop(self.norm(self.conv(pixel_values)).mean((2, 3)))
        logits = self.head(out)
        if labels is None:
            return {"logits": logits}
        return {
            "loss": nn.functional.cross_entropy(logits, labels), "logits": logits,
        }  # fmt: skip


def vit(**more: Any) -> Any:
    torch.manual_seed(0)
    settings = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "image_size": SIDE, "patch_size": 4,
    }  # fmt: skip
    return ViTForImageClassification(ViTConfig(**settings | more))


def resnet() -> Any:
    torch.manual_seed(0)
    return ResNetForImageClassification(
        ResNetConfig(
            embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic"
        )
    )


def segformer() -> Any:
    torch.manual_seed(0)
    return SegformerForSemanticSegmentation(
        SegformerConfig(
            num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 8],
            patch_sizes=[3, 3], strides=[2, 2], num_attention_heads=[1, 2],
            mlp_ratios=[1, 1], decoder_hidden_size=8, num_labels=2,
        )
    )  # fmt: skip


def arguments(folder: Path, **more: Any) -> TrainingArguments:
    settings = {
        "output_dir": str(folder), "num_train_epochs": 4, "use_cpu": True,
        "per_device_train_batch_size": BATCH, "per_device_eval_batch_size": BATCH,
        "dataloader_pin_memory": False,
        "report_to": "none", "save_strategy": "no", "disable_tqdm": True,
        "optim": "sgd", "learning_rate": 0.1, "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0, "logging_steps": 1000,
    }  # fmt: skip
    return TrainingArguments(**settings | more)  # type: ignore[arg-type]


class Watched:
    """Notes (step, height, width) of each training step, and the sizes of others."""

    def training_step(self, model: Any, inputs: Any, *args: Any) -> Any:
        images = inputs["pixel_values"]
        vars(self).setdefault("inputs", []).append(inputs)
        step = self.state.global_step  # type: ignore[attr-defined]
        vars(self).setdefault("seen", []).append((step, *images.shape[-2:]))
        return super().training_step(model, inputs, *args)  # type: ignore[misc]

    def prediction_step(
        self, model: Any, inputs: Any, *args: Any, **kwargs: Any
    ) -> Any:
        def note(module: Any, args: Any, kwargs: Any) -> None:
            seen.append(kwargs["pixel_values"].shape[-1])

        seen = vars(self).setdefault("predicted", [])
        hook = model.register_forward_pre_hook(note, with_kwargs=True)
        out = super().prediction_step(model, inputs, *args, **kwargs)  # type: ignore[misc]
        hook.remove()
        return out


class PlainTrainer(Watched, Trainer):
    """Without progressive resizing."""


class ResizedTrainer(Watched, ProgressiveResize, Trainer):
    """With the mixin."""

    seen: list[tuple[int, int, int]]
    predicted: list[int]
    inputs: list[Any]


def trainer(folder: Path, model: Any = None, /, **more: Any) -> ResizedTrainer:
    """Give a trainer of the options, the arguments and what else a Trainer takes."""
    ours = {"data_collator", "eval_dataset", "compute_loss_func", "model_init",
            "train_dataset", "callbacks", "compute_metrics", "optimizers", "kind",
            "schedule", "final_size", "resizer", "resize_valid", "preallocate",
            "empty_cache", "log", "verbose", "follow", "sized", "set_size"}  # fmt: skip
    args = arguments(folder, **{k: v for k, v in more.items() if k not in ours})
    options = {"train_dataset": Images(), "verbose": False} | {
        k: v for k, v in more.items() if k in ours
    }
    kind: Any = options.pop("kind", ResizedTrainer)
    if "model_init" not in options:
        model = Net() if model is None else model
    if kind is PlainTrainer:
        options.pop("verbose")
    made: ResizedTrainer = kind(model, args, **options)
    return made


def planned(trainer: Any) -> list[tuple[int, int, int]]:
    """Give what the plan says of the steps that a trainer has seen."""
    return [(step, *trainer.plan.size_at(step)) for step, *_ in trainer.seen]


def weights(trainer: Any) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}
