"""The same on a trainer that exists already, and all of it put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.transformers.tools import (
    Images,
    Net,
    PlainTrainer,
    arguments,
    trainer,
    vit,
    weights,
)
from transformers import Trainer

from upsize.follow import FollowSize
from upsize.schedule import Ramp
from upsize.transformers import attach
from upsize.transformers._session import Session

RAMP = Ramp(increase_by=8)


def plain(
    folder: Path, model: Any = None, kind: Any = PlainTrainer, **more: Any
) -> Any:
    model = Net() if model is None else model
    return kind(model, arguments(folder, **more), train_dataset=Images())


def test_as_the_mixin(tmp_path: Path) -> None:
    expected = trainer(tmp_path, vit(), schedule=RAMP, gradient_accumulation_steps=2)
    expected.train()
    made = plain(tmp_path, vit(), gradient_accumulation_steps=2)
    resizing = attach(made, RAMP, verbose=False)
    made.train()
    assert made.seen == expected.seen
    assert resizing.plan == expected.plan
    assert resizing.size == (32, 32)
    assert resizing.mismatched == 0
    assert all(map(torch.equal, weights(made).values(), weights(expected).values()))


def test_a_subclass_with_a_training_step_of_its_own(tmp_path: Path) -> None:
    seen = []

    class Own(Trainer):
        def training_step(self, model: Any, inputs: Any, *args: Any) -> Any:
            seen.append(inputs["pixel_values"].shape[-1])
            loss = self.compute_loss(model, inputs)
            self.accelerator.backward(loss)
            return loss.detach()

    made = plain(tmp_path, kind=Own)
    attach(made, RAMP, verbose=False)
    made.train()
    assert seen == [16] * 10 + [24] * 5 + [32] * 5


class TestRemove:
    def test_puts_all_back(self, tmp_path: Path) -> None:
        made = plain(tmp_path)
        before = dict(vars(made))
        resizing = attach(made, RAMP, verbose=False)
        assert vars(made) != before
        resizing.remove()
        assert vars(made) == before
        resizing.remove()
        made.train()
        assert {width for *_, width in made.seen} == {32}

    def test_after_training_the_trainer_trains_as_before(self, tmp_path: Path) -> None:
        made = plain(tmp_path)
        resizing = attach(made, RAMP, verbose=False)
        made.train()
        resizing.remove()
        made.seen.clear()
        made.train()
        assert {width for *_, width in made.seen} == {32}
        assert not set(Session.METHODS) & set(vars(made))

    def test_under_a_tool_that_came_later(self, tmp_path: Path) -> None:
        made = plain(tmp_path)
        resizing = attach(made, RAMP, verbose=False)
        ours = made.log
        made.log = lambda *args, **kwargs: ours(*args, **kwargs)
        theirs = made.log
        resizing.remove()
        assert made.log is theirs
        made.train()
        assert {width for *_, width in made.seen} == {32}
        assert "image_size" not in str(made.state.log_history)

    def test_over_a_tool_that_came_before(self, tmp_path: Path) -> None:
        made = plain(tmp_path)
        calls: list[Any] = []
        inner = made.log
        made.log = lambda *args: (calls.append(args), inner(*args))[1]
        theirs = made.log
        resizing = attach(made, RAMP, verbose=False)
        made.train()
        sizes = [logs["image_size"] for logs, *_ in calls if "loss" in logs]
        assert sizes == [16, 24, 32]
        resizing.remove()
        assert made.log is theirs


class TestTwice:
    def test_refused(self, tmp_path: Path) -> None:
        made = plain(tmp_path)
        resizing = attach(made, RAMP, verbose=False)
        with pytest.raises(ValueError, match="has a ProgressiveResize already"):
            attach(made, RAMP)
        resizing.remove()
        attach(made, RAMP, verbose=False)
        made.train()
        assert made.seen[0][-1] == 16

    def test_a_refused_schedule_leaves_nothing(self, tmp_path: Path) -> None:
        made = plain(tmp_path)
        before = dict(vars(made))
        with pytest.raises(TypeError, match="schedule"):
            attach(made, "ramp")  # type: ignore[arg-type]
        assert vars(made) == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_stays_after_an_error(
    error: type[BaseException], tmp_path: Path
) -> None:
    class Failing(Net):
        calls = 0

        def forward(self, pixel_values: Any, labels: Any = None) -> Any:
            self.calls += 1
            if self.calls == 12:
                raise error
            return super().forward(pixel_values, labels)

    model = Failing()
    follow = FollowSize({"dropout": (0.1, 0.4)}, model)
    made = plain(tmp_path, model)
    attach(made, RAMP, verbose=False, follow=follow)
    with pytest.raises(error):
        made.train()
    assert made.seen[-1] == (11, 24, 24)
    assert model.drop.p == 0.25
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    made.seen.clear()
    made.train()
    assert [width for *_, width in made.seen] == [16] * 10 + [24] * 5 + [32] * 5
    assert model.drop.p == 0.25
