"""Logs, evaluation, checkpoints, the dry run, compiled models: around the sizes."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.adapters.transformers.tools import (
    BATCHES,
    SIDE,
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
from transformers import TrainerCallback
from transformers.trainer_utils import set_seed

from upsize.resize import Resizer
from upsize.schedule import Ramp

RAMP = Ramp(increase_by=8)
CHANGES = [(1, 16), (11, 24), (16, 32)]  # after the first step of each size


def logged(made: Any) -> list[tuple[int, int]]:
    return [
        (row["step"], row["image_size"])
        for row in made.state.log_history
        if "image_size" in row
    ]


class Losses(TrainerCallback):
    """Reads the loss of every log of training, as many callbacks do."""

    def __init__(self) -> None:
        self.found: list[float] = []
        self.last: list[float] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
        if not control.should_training_stop and "train_runtime" not in logs:
            self.found.append(logs["loss"])

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.log_history:
            self.last.append(state.log_history[-1]["loss"])


class TestLogs:
    def test_on_every_change_and_with_every_loss(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, schedule=RAMP, logging_steps=2)
        made.train()
        losses = [row for row in made.state.log_history if "loss" in row]
        assert [row["step"] for row in losses] == sorted({*range(2, 21, 2), 1, 11})
        assert len(logged(made)) == len(losses)
        # What is logged after step n is the size of the step that was the n-th.
        for row in losses:
            assert row["image_size"] == made.plan.size_at(row["step"] - 1).width

    @pytest.mark.parametrize("first", [False, True])
    def test_every_log_has_a_loss(self, tmp_path: Path, first: bool) -> None:
        made = trainer(tmp_path, schedule=RAMP, logging_first_step=first)
        made.add_callback(losses := Losses())
        callbacks = list(made.callback_handler.callbacks)
        made.train()
        assert logged(made) == CHANGES
        assert len(losses.found) == 3
        assert len(losses.last) == 19
        assert made.callback_handler.callbacks == callbacks

    def test_no_log_where_none_is_wanted(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, schedule=RAMP, logging_strategy="no")
        made.train()
        assert logged(made) == []

    def test_no_log_of_what_has_no_name(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, schedule=RAMP, log=None)
        made.train()
        assert ["loss" in row for row in made.state.log_history] == [False]

    def test_tensorboard_gets_it(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
        made = trainer(tmp_path, schedule=RAMP, report_to="tensorboard")
        made.train()
        events = EventAccumulator(str(tmp_path / "board"))
        events.Reload()
        scalars = events.Scalars("train/image_size")
        assert [(int(each.step), int(each.value)) for each in scalars] == CHANGES

    def test_the_progress_bar_shows_it(self, tmp_path: Path, capsys: Any) -> None:
        made = trainer(tmp_path, schedule=RAMP, disable_tqdm=False)
        made.train()
        assert "'image_size': 24" in capsys.readouterr().out

    def test_under_another_name_or_not_at_all(self, tmp_path: Path) -> None:
        for log, keys in (("side", {"side"}), (None, set())):
            made = trainer(tmp_path, schedule=RAMP, log=log, logging_steps=5)
            made.train()
            found = {key for row in made.state.log_history for key in row}
            assert found & {"side", "image_size"} == keys

    def test_the_model_card(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, vit(), schedule=RAMP, logging_steps=5)
        made.train()
        made.create_model_card()
        assert (tmp_path / "README.md").exists()


class TestEvaluation:
    def test_at_full_size(self, tmp_path: Path) -> None:
        made = trainer(
            tmp_path, vit(), schedule=RAMP, eval_dataset=Images(8),
            eval_strategy="epoch", eval_on_start=True,
        )  # fmt: skip
        made.train()
        made.evaluate()
        made.predict(Images(8))
        assert made.predicted == [SIDE] * 2 * 7
        assert made.seen == planned(made)

    def test_at_the_size_that_is_trained_on(self, tmp_path: Path) -> None:
        class Predict(TrainerCallback):
            def on_epoch_end(self, *args: Any, **kwargs: Any) -> None:
                made.predict(Images(4))

        made = trainer(
            tmp_path, vit(), schedule=RAMP, eval_strategy="epoch", resize_valid=True,
            eval_dataset={"a": Images(4), "b": Images(4)}, eval_on_start=True,
            callbacks=[Predict()],
        )  # fmt: skip
        made.train()
        # On the start there is no such size yet; a prediction is never resized.
        expected = [32, 32, 32, 16, 16, 32, 16, 16, 32, 24, 24, 32, 32, 32]
        assert made.predicted == expected
        made.evaluate()
        assert made.predicted == [*expected, 32, 32]
        made.train()
        assert made.predicted == [*expected, 32, 32, *expected]

    def test_masks_follow(self, tmp_path: Path) -> None:
        made = trainer(
            tmp_path, segformer(), schedule=RAMP, train_dataset=Images(masks=True),
            eval_dataset=Images(8, masks=True), eval_strategy="epoch",
            resize_valid=True, resizer=Resizer(targets={"labels": "mask"}),
        )  # fmt: skip
        made.train()
        assert made.predicted == [16, 16, 16, 16, 24, 24, 32, 32]


class TestCheckpoints:
    SAVING = {"save_strategy": "steps", "save_steps": 3, "schedule": RAMP}  # noqa: RUF012

    def test_the_full_size_is_that_of_the_checkpoint(self, tmp_path: Path) -> None:
        saving = self.SAVING | {"final_size": 24}
        with pytest.warns(UserWarning, match="never uses"):
            trainer(tmp_path, **saving).train()
        made = trainer(tmp_path, **self.SAVING)
        with pytest.warns(UserWarning, match="never uses"):
            made.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
        assert made.plan.final_size == (24, 24)

    def test_from_and_to_a_trainer_without_it(self, tmp_path: Path) -> None:
        saving = {"save_strategy": "steps", "save_steps": 3}
        trainer(tmp_path, kind=PlainTrainer, **saving).train()
        made = trainer(tmp_path, **self.SAVING)
        made.train(resume_from_checkpoint=str(tmp_path / "checkpoint-9"))
        assert made.seen == planned(made)
        plain = trainer(tmp_path, kind=PlainTrainer, **saving)
        plain.train(resume_from_checkpoint=str(tmp_path / "checkpoint-12"))
        assert {width for *_, width in plain.seen} == {32}

    def test_the_best_model_is_loaded(self, tmp_path: Path) -> None:
        made = trainer(
            tmp_path, schedule=RAMP, eval_dataset=Images(8), eval_strategy="epoch",
            save_strategy="epoch", load_best_model_at_end=True,
        )  # fmt: skip
        made.train()
        assert made.state.best_model_checkpoint is not None
        assert made.seen == planned(made)


class Counting(nn.Module):
    """A loss with a state of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, outputs: Any, labels: Any, num_items_in_batch: Any) -> Any:
        self.calls += 1
        scores = outputs["logits"]
        sums = nn.functional.cross_entropy(scores, labels, reduction="sum")
        return sums / num_items_in_batch


class TestDryRun:
    @pytest.mark.parametrize("make", [vit, resnet])
    def test_leaves_no_trace(self, make: Any, tmp_path: Path) -> None:
        ends = []
        for preallocate in (False, True):
            set_seed(0)
            made = trainer(
                tmp_path, make(), schedule=RAMP, preallocate=preallocate,
                gradient_accumulation_steps=2, optim="adamw_torch",
            )  # fmt: skip
            made.train()
            ends.append(
                {
                    "weights": list(weights(made).values()),
                    "optimizer": [
                        value
                        for state in made.optimizer.state_dict()["state"].values()
                        for value in state.values()
                    ],
                    "random": [torch.get_rng_state(), torch.rand(3)],
                    "others": [
                        torch.tensor([random.random(), np.random.rand()])  # noqa: NPY002
                    ],
                }
            )
        for name, values in ends[0].items():
            assert values, name
            assert all(map(torch.equal, values, ends[1][name])), name

    def test_one_pass_at_full_size_before_the_first_step(self, tmp_path: Path) -> None:
        widths: list[tuple[int, bool]] = []
        model = Net()
        model.register_forward_pre_hook(
            lambda module, args, kwargs: widths.append(
                (kwargs["pixel_values"].shape[-1], module.training)
            ),
            with_kwargs=True,
        )
        model.eval()
        trainer(tmp_path, model, schedule=RAMP, preallocate=True).train()
        assert widths[:2] == [(32, True), (16, True)]
        assert [width for width, _ in widths].count(32) == 1 + 5

    def test_a_loss_with_a_state(self, tmp_path: Path) -> None:
        loss = Counting()
        made = trainer(
            tmp_path, schedule=RAMP, compute_loss_func=loss, preallocate=True
        )
        made.train()
        assert loss.calls == 4 * BATCHES

    def test_what_does_not_fit(self, tmp_path: Path) -> None:
        class Large(Net):
            def forward(self, pixel_values: Any, labels: Any = None) -> Any:
                if pixel_values.shape[-1] == SIDE:
                    raise torch.OutOfMemoryError("too much")
                return super().forward(pixel_values, labels)

        model = Large()
        before = copy.deepcopy(model.state_dict())
        made = trainer(tmp_path, model, schedule=RAMP, preallocate=True)
        with pytest.raises(torch.OutOfMemoryError) as caught:
            made.train()
        assert "does not fit at its full size 32x32" in caught.value.__notes__[0]
        assert "dry run of preallocate=True" in caught.value.__notes__[1]
        assert all(map(torch.equal, before.values(), weights(made).values()))


# Of torch itself, as it compiles.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch", "ignore::FutureWarning")
class TestCompiled:
    def graphs(self, folder: Path, **more: Any) -> tuple[int, ResizedTrainer]:
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        made = trainer(
            folder, resnet(), torch_compile=True, torch_compile_backend="eager",
            **more,
        )  # fmt: skip
        made.train()
        return torch._dynamo.utils.counters["stats"]["unique_graphs"], made

    def test_no_more_graphs_than_sizes(self, tmp_path: Path) -> None:
        graphs, made = self.graphs(tmp_path, schedule=RAMP)
        assert made.seen == planned(made)
        plain, _ = self.graphs(tmp_path, kind=PlainTrainer, max_steps=5)
        assert plain >= 1
        assert graphs <= plain * len(made.plan.sizes)

    @torch._dynamo.config.patch(recompile_limit=2)
    def test_a_warning_of_more_sizes_than_the_limit(self, tmp_path: Path) -> None:
        with pytest.warns(UserWarning, match="3 sizes, more than the 2"):
            self.graphs(tmp_path, schedule=RAMP)


@pytest.mark.skipif(
    transformers.__version__.startswith("5.0."),
    reason="transformers 5.0 resumes with the batch size of the checkpoint",
)
class TestResumedWithOtherEpochs:
    """The Trainer continues at its step, and ends after its own ``max_steps``."""

    @pytest.mark.parametrize("batch", [8, 2])
    def test_with_max_steps(self, batch: int, tmp_path: Path) -> None:
        saving = {"save_strategy": "steps", "save_steps": 6, "max_steps": 20}
        first = trainer(tmp_path, **saving)
        first.train()
        made = trainer(tmp_path, per_device_train_batch_size=batch, max_steps=20)
        with pytest.warns(UserWarning, match="the saved run has epochs of 5 steps"):
            made.train(resume_from_checkpoint=str(tmp_path / "checkpoint-6"))
        assert made.seen == first.seen[6:]

    def test_what_was_reached_is_kept(self, tmp_path: Path) -> None:
        saving = {"save_strategy": "steps", "save_steps": 11}
        trainer(tmp_path, **saving).train()
        made = trainer(tmp_path, per_device_train_batch_size=2)
        with pytest.warns(UserWarning, match="the saved run has 20 steps"):
            made.train(resume_from_checkpoint=str(tmp_path / "checkpoint-11"))
        full = made.plan.total_steps * 3 // 4
        assert [width for step, _, width in made.seen if step < 20] == (
            [made.seen[0][2]] * 9
        )
        assert {width for step, _, width in made.seen if step >= full} == {32}
        assert {width for step, _, width in made.seen if step < full} != {32}
