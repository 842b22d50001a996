"""Batches that grow while images are small, in a Trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.numbered import Numbered
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from upsize.schedule import Grow, Phases
from upsize.transformers import ProgressiveResize, attach

pytestmark = pytest.mark.skipif(
    not hasattr(Trainer, "_run_epoch"),
    reason="before transformers 5.4, batches cannot grow in a Trainer",
)

SIZES = Phases(phases=((0, 8), (1, 12), (2, 16)), final_size=16)
EPOCHS = [3, 7, 12]  # their steps: 45 images in batches of 16, 7 and 4


class Named(Numbered):
    """Gives them by name."""

    def __getitem__(self, index: int) -> Any:
        image, number = super().__getitem__(index)
        return {"pixel_values": image, "labels": number}


class Net(nn.Module):
    """Notes width and numbers of each batch that it trains on."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.seen: list[tuple[int, list[int]]] = []
        self.evaluated: list[int] = []

    def forward(self, pixel_values: Tensor, labels: Tensor) -> Any:
        if self.training:
            self.seen.append((pixel_values.shape[-1], labels.tolist()))
        else:
            self.evaluated.append(pixel_values.shape[-1])
        out = self.conv(pixel_values).sin().mean()
        return {"loss": out, "logits": out[None]}


class Mixed(ProgressiveResize, Trainer):
    """With the mixin."""


class Epochs(TrainerCallback):
    """Notes the epoch after each step."""

    def __init__(self) -> None:
        self.after: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.after.append(state.epoch)


class Run:
    """A training of three epochs of 45 images, four in a plain batch."""

    def __init__(self, path: Path, *, mixin: bool = True, **more: Any) -> None:
        self.net, self.epochs = Net(), Epochs()
        grow = more.pop("batch_size", Grow(16))
        options: Any = {
            "schedule": SIZES, "batch_size": grow, "verbose": False, "sized": True,
        } | more.pop("options", {})  # fmt: skip
        settings: dict[str, Any] = {
            "num_train_epochs": 3, "per_device_train_batch_size": 4, "use_cpu": True,
            "report_to": "none", "disable_tqdm": True, "save_strategy": "no",
            "dataloader_pin_memory": False, "max_grad_norm": 0.0, "seed": 0,
        }  # fmt: skip
        args = TrainingArguments(str(path), **(settings | more))
        kind, extra = (Mixed, options) if mixin else (Trainer, {})
        self.trainer: Any = kind(
            self.net, args, train_dataset=Named(), eval_dataset=Named(4),
            callbacks=[self.epochs], **extra,
        )  # fmt: skip
        self.resize = self.trainer if mixin else attach(self.trainer, **options)

    def train(self, **more: Any) -> list[tuple[int, list[int]]]:
        self.trainer.train(**more)
        return self.net.seen


@pytest.mark.parametrize("mixin", [True, False], ids=["mixin", "attach"])
def test_each_sample_once_in_an_epoch(mixin: bool, tmp_path: Path) -> None:
    run = Run(tmp_path, mixin=mixin, eval_strategy="epoch")
    seen, plan = run.train(), run.resize.plan
    assert [plan.epoch_start(epoch) for epoch in range(4)] == [0, 3, 10, 22]
    assert [(width, len(numbers)) for width, numbers in seen] == [
        (plan.size_at(step).width, plan.batch_at(step)) for step in range(22)
    ]
    for first, stop in ((0, 3), (3, 10), (10, 22)):
        drawn = [number for _, numbers in seen[first:stop] for number in numbers]
        assert sorted(drawn) == list(range(45))
        assert drawn != list(range(45))  # shuffled
    assert run.resize.mismatched == 0
    assert run.trainer.state.max_steps == run.trainer.state.global_step == 22
    assert run.net.evaluated == [16] * 3
    steps = [
        (epoch, step, n) for epoch, n in enumerate(EPOCHS) for step in range(1, n + 1)
    ]
    assert run.epochs.after == pytest.approx(
        [epoch + step / n for epoch, step, n in steps]
    )
    assert "_run_epoch" not in vars(run.trainer)


def test_the_learning_rate_ends_with_the_steps(tmp_path: Path) -> None:
    run = Run(tmp_path, lr_scheduler_type="linear")
    run.train()
    assert run.trainer.lr_scheduler.get_last_lr() == [0.0, 0.0]


@pytest.mark.parametrize("done", [2, 3, 6, 10, 15])
def test_resumed(done: int, tmp_path: Path) -> None:
    """Within an epoch and after it, with the samples that are left."""
    saving: Any = {"save_strategy": "steps", "save_steps": 1}
    whole = Run(tmp_path, **saving)
    seen = whole.train()
    rest = Run(tmp_path)
    found = rest.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{done}"))
    assert found == seen[done:]
    assert rest.epochs.after == whole.epochs.after[done:]
    for mine, theirs in zip(whole.net.parameters(), rest.net.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_not_resumed_with_another_batch(tmp_path: Path) -> None:
    Run(tmp_path, save_strategy="steps", save_steps=2).train()
    place = str(tmp_path / "checkpoint-2")
    other = Run(tmp_path, per_device_train_batch_size=5)
    with pytest.raises(ValueError, match="saved run has batch_size=4 and this one 5"):
        other.train(resume_from_checkpoint=place)
    assert other.net.seen == []


def test_loaders_outside_of_the_training(tmp_path: Path) -> None:
    run = Run(tmp_path)
    sizes = {
        batch["pixel_values"].shape for batch in run.trainer.get_train_dataloader()
    }
    assert sizes == {(4, 3, 16, 16), (1, 3, 16, 16)}
    run.train()
    assert len(run.trainer.get_train_dataloader()) == 12


LATER = {
    "accumulate": (
        {"gradient_accumulation_steps": 2},
        "gradient_accumulation_steps both",
    ),
    "steps": ({"max_steps": 9}, "give num_train_epochs= alone"),
    "half": ({"num_train_epochs": 2.5}, "give num_train_epochs= alone"),
    "finder": ({"auto_find_batch_size": True}, "auto_find_batch_size changes them"),
    "skip": ({"ignore_data_skip": True}, "ignore_data_skip begins a resumed one again"),
}


@pytest.mark.parametrize(("settings", "words"), LATER.values(), ids=LATER)
def test_refused_trainers(settings: Any, words: str, tmp_path: Path) -> None:
    run = Run(tmp_path, **settings)
    with pytest.raises(ValueError, match=r"batch_size=Grow\(...\).*" + words):
        run.train()
    assert run.net.seen == []
    assert "_run_epoch" not in vars(run.trainer)


def test_a_version_without_its_methods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path)
    monkeypatch.delattr(Trainer, "_run_epoch")
    with pytest.raises(ValueError, match="_run_epoch, which this version of transf"):
        run.train()


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"batch_size": 64}, TypeError, "batch_size must be a Grow, not 64"),
        ({"sized": False}, ValueError, "give sized=True as well"),
        ({"preallocate": True}, ValueError, "tries the full size with the first"),
        ({"merge": True}, ValueError, "merge=True both make batches"),
    ],
    ids=["number", "plain", "preallocate", "merge"],
)
@pytest.mark.parametrize("mixin", [True, False], ids=["mixin", "attach"])
def test_refused_options(
    mixin: bool, options: Any, kind: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=words):
        Run(tmp_path, mixin=mixin, options=options)


def test_a_loader_that_is_not_prepared(tmp_path: Path) -> None:
    run = Run(tmp_path, mixin=False)
    loader = torch.utils.data.DataLoader(Named(), 4)
    run.resize.remove()
    run.trainer.get_train_dataloader = lambda: loader
    attach(run.trainer, SIZES, batch_size=Grow(16), sized=True, verbose=False)
    with pytest.raises(ValueError, match="the loader is not prepared"):
        run.train()
