"""Every step of the real Trainer has the size of its plan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.transformers.tools import (
    BATCH,
    BATCHES,
    Images,
    Net,
    PlainTrainer,
    ResizedTrainer,
    planned,
    resnet,
    segformer,
    trainer,
    vit,
    weights,
)
from torch import nn
from torch.utils.data import IterableDataset
from transformers import BatchFeature, Trainer, TrainingArguments
from transformers.trainer_utils import set_seed

from upsize.resize import Resizer
from upsize.schedule import Linear, Phases, Ramp
from upsize.transformers import ProgressiveResize

RAMP = Ramp(increase_by=8)


@pytest.mark.parametrize("make", [vit, resnet])
def test_models(make: Any, tmp_path: Path) -> None:
    made = trainer(tmp_path, make(), schedule=RAMP)
    made.train()
    assert made.seen == planned(made)
    assert [step for step, *_ in made.seen] == list(range(4 * BATCHES))
    assert [size.width for size in made.plan.sizes] == [16, 24, 32]
    assert made.size == made.plan.final_size == (32, 32)


class TestSegmentation:
    def test_items_are_counted_at_the_size_of_the_step(self, tmp_path: Path) -> None:
        counted = []

        def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
            counted.append((int(num_items_in_batch), labels.shape[-1]))
            scores = nn.functional.interpolate(outputs["logits"], labels.shape[-2:])
            total = nn.functional.cross_entropy(scores, labels, reduction="sum")
            return total / num_items_in_batch

        made = trainer(
            tmp_path, segformer(), schedule=RAMP, train_dataset=Images(masks=True),
            resizer=Resizer(targets={"labels": "mask"}), compute_loss_func=loss,
            gradient_accumulation_steps=2,
        )  # fmt: skip
        made.train()
        # Windows of two batches, and of one at the end of an epoch.
        assert {(n // (BATCH * side**2), side) for n, side in counted} == {
            (1, 16), (2, 16), (1, 24), (2, 24), (1, 32), (2, 32),
        }  # fmt: skip


@pytest.mark.parametrize("window", [2, 3])
def test_windows_of_a_run_that_ends_within_an_epoch(
    window: int, tmp_path: Path
) -> None:
    made = trainer(
        tmp_path, schedule=Linear(start=0.0, finish=0.9), num_train_epochs=2.5,
        gradient_accumulation_steps=window,
    )  # fmt: skip
    made.train()
    windows = -(-BATCHES // window)
    assert made.plan.steps_per_epoch == windows
    assert made.plan.total_steps == made.state.max_steps == -(-2.5 * windows // 1)
    assert made.seen == planned(made)
    of_steps: dict[int, set[int]] = {}
    for step, _, width in made.seen:
        of_steps.setdefault(step, set()).add(width)
    assert all(len(widths) == 1 for widths in of_steps.values())
    assert len(of_steps) == made.plan.total_steps


def test_max_steps(tmp_path: Path) -> None:
    made = trainer(tmp_path, schedule=RAMP, max_steps=12)
    made.train()
    assert made.seen == planned(made)
    assert made.plan.total_steps == len(made.seen) == 12
    assert made.plan.steps_per_epoch == BATCHES


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        images = Images()
        yield from (images[index] for index in range(len(images)))


class TestStreams:
    def test_with_max_steps(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, schedule=RAMP, max_steps=12, train_dataset=Stream())
        made.train()
        assert made.seen == planned(made)
        assert made.plan.total_steps == len(made.seen) == 12
        assert made.plan.steps_per_epoch is None

    def test_epochs_are_not_known(self, tmp_path: Path) -> None:
        schedule = Phases(phases=[(0, 16), (1, 32)])
        made = trainer(
            tmp_path, schedule=schedule, max_steps=12, train_dataset=Stream()
        )
        with pytest.raises(ValueError, match="epoch") as caught:
            made.train()
        assert "give moments as shares" in caught.value.__notes__[0]


class TestLosses:
    def test_label_smoothing(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, vit(), schedule=RAMP, label_smoothing_factor=0.1)
        made.train()
        assert made.seen == planned(made)

    def test_compute_loss_func(self, tmp_path: Path) -> None:
        def loss(outputs: Any, labels: Any, num_items_in_batch: Any) -> Any:
            sums = nn.functional.cross_entropy(outputs.logits, labels, reduction="sum")
            return sums / num_items_in_batch

        made = trainer(tmp_path, vit(), schedule=RAMP, compute_loss_func=loss)
        made.train()
        assert made.seen == planned(made)

    def test_compute_loss_of_a_subclass(self, tmp_path: Path) -> None:
        class Own(ResizedTrainer):
            def compute_loss(
                self, model: Any, inputs: Any, *args: Any, **kwargs: Any
            ) -> Any:
                labels = inputs.pop("labels")
                scores = model(inputs["pixel_values"])["logits"]
                return nn.functional.cross_entropy(scores, labels)

        made = trainer(tmp_path, schedule=RAMP, kind=Own, preallocate=True)
        made.train()
        assert made.seen == planned(made)

    def test_bf16(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, vit(), schedule=RAMP, bf16=True, preallocate=True)
        made.train()
        assert made.seen == planned(made)


def test_batch_features(tmp_path: Path) -> None:
    given = []

    def collate(samples: list[Any]) -> BatchFeature:
        batch = BatchFeature(torch.utils.data.default_collate(samples))
        given.append(batch)
        return batch

    made = trainer(
        tmp_path, vit(), schedule=RAMP, data_collator=collate,
        remove_unused_columns=False,
    )  # fmt: skip
    made.train()
    assert made.seen == planned(made)
    assert all(isinstance(inputs, BatchFeature) for inputs in made.inputs)
    # What the collator has made is not changed.
    assert {batch["pixel_values"].shape[-1] for batch in given} == {32}
    assert {tuple(batch) for batch in given} == {("pixel_values", "labels")}


class TestFullSize:
    def test_a_finished_run_goes_on_with_nothing(self, tmp_path: Path) -> None:
        options = {"schedule": RAMP, "save_strategy": "epoch"}
        trainer(tmp_path, **options).train()
        made = trainer(tmp_path, **options)
        made.train(resume_from_checkpoint=str(tmp_path / "checkpoint-20"))
        assert (made.plan, made.size) == (None, None)

    def test_nothing_is_resized_at_full_size(self, tmp_path: Path) -> None:
        images = Images()
        made = trainer(tmp_path, vit(), schedule=Ramp(initial_size=1.0))
        plain = trainer(tmp_path, vit(), kind=PlainTrainer)
        for each in (made, plain):
            set_seed(0)
            each.train()
        assert all(
            tuple(inputs) == ("pixel_values", "labels") for inputs in made.inputs
        )
        for name, value in weights(plain).items():
            assert torch.equal(weights(made)[name], value), name
        assert len(images) == BATCH * BATCHES


class TestAgain:
    def test_model_init(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, schedule=RAMP, model_init=lambda: vit())
        made.train()
        first = weights(made)
        made.train()
        assert made.seen[:20] == made.seen[20:] == planned(made)[:20]
        assert all(map(torch.equal, first.values(), weights(made).values()))

    def test_after_running_out_of_memory(self, tmp_path: Path) -> None:
        class Full(ResizedTrainer):
            def training_step(self, *args: Any) -> Any:
                if self._train_batch_size == BATCH and self.state.global_step == 3:
                    raise torch.OutOfMemoryError("CUDA out of memory.")
                return super().training_step(*args)

        made = trainer(tmp_path, schedule=RAMP, kind=Full, auto_find_batch_size=True)
        made.train()
        assert len(made.seen) == 3 + made.plan.total_steps
        assert made.plan.total_steps > 4 * BATCHES
        assert made.seen[3:] == planned(made)[3:]


class TestClasses:
    def test_behind_the_trainer_it_is_refused(self) -> None:
        with pytest.raises(
            TypeError, match=r"class Wrong\(ProgressiveResize, Trainer\)"
        ):

            class Wrong(Trainer, ProgressiveResize):
                pass

    def test_a_mixin_of_its_own(self, tmp_path: Path) -> None:
        class Small(ProgressiveResize):
            pass

        class Own(Small, Trainer):
            pass

        args = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none")
        made = Own(Net(), args)
        assert (made.plan, made.size, made.mismatched) == (None, None, 0)


def test_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = trainer(tmp_path, schedule=RAMP, verbose=True)
    made.train()
    printed = capsys.readouterr().out
    assert made.plan.summary() in printed
    assert printed.count('resizing batch["pixel_values"] 3x') == 1


def test_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    made = trainer(tmp_path, schedule=RAMP, empty_cache=True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append(1))
    monkeypatch.setattr(
        "upsize.run._training_run.torch.cuda.is_available", lambda: True
    )
    made.train()
    assert len(calls) >= 3
