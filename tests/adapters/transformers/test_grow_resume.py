"""Where a training whose batch grows continues, and what it is told before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.adapters.transformers.test_grow import Run
from transformers import Trainer, TrainerCallback

from upsize.schedule import Grow, Phases, Plan

pytestmark = pytest.mark.skipif(
    not hasattr(Trainer, "_run_epoch"),
    reason="before transformers 5.4, batches cannot grow in a Trainer",
)

SHARES = Phases(phases=((0.0, 8), (0.4, 12), (0.7, 16)), final_size=16)
SAVING: Any = {"save_strategy": "steps", "save_steps": 3}


def resumed(path: Path, done: int, **more: Any) -> Run:
    run = Run(path, **more)
    run.train(resume_from_checkpoint=str(path / f"checkpoint-{done}"))
    return run


@pytest.mark.parametrize("epochs", [2, 4])
@pytest.mark.parametrize("done", [3, 6])
def test_another_length_with_shares_is_refused(
    done: int, epochs: int, tmp_path: Path
) -> None:
    shares: Any = {"options": {"schedule": SHARES}}
    Run(tmp_path, **SAVING, **shares).train()
    run = Run(tmp_path, num_train_epochs=epochs, **shares)
    with pytest.raises(
        ValueError, match=r"has 21 steps and this one .* as it was, or let"
    ):
        run.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{done}"))
    assert run.net.seen == []


@pytest.mark.parametrize("done", [3, 6])
def test_a_longer_run_with_epochs(done: int, tmp_path: Path) -> None:
    whole = Run(tmp_path, **SAVING)
    seen = whole.train()[:done]
    with pytest.warns(UserWarning, match="the saved run has 22 steps and this one 34"):
        run = resumed(tmp_path, done, num_train_epochs=4)
    seen += run.net.seen
    plan: Any = run.resize.plan
    for epoch in range(4):
        batches = seen[plan.epoch_start(epoch) : plan.epoch_start(epoch + 1)]
        numbers = [number for _, batch in batches for number in batch]
        assert sorted(numbers) == list(range(45))


def test_another_schedule_is_refused_by_name(tmp_path: Path) -> None:
    Run(tmp_path, **SAVING).train()
    run = Run(tmp_path, options={"schedule": SHARES})
    with pytest.raises(ValueError, match="the state has another schedule"):
        run.train(resume_from_checkpoint=str(tmp_path / "checkpoint-22"))


@pytest.mark.parametrize("done", [6, 30])
def test_a_checkpoint_without_a_plan(done: int, tmp_path: Path) -> None:
    plain = Run(tmp_path, mixin=False, save_strategy="steps", save_steps=6)
    plain.resize.remove()
    plain.train()
    with pytest.raises(ValueError, match="by the plan of the steps that are done, and"):
        resumed(tmp_path, done)


class EndsEarly(TrainerCallback):
    """Ends the second epoch after three of its seven steps."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_epoch_stop = state.global_step == 6


def test_an_epoch_that_ends_early(tmp_path: Path) -> None:
    run = Run(tmp_path, **SAVING)
    run.trainer.add_callback(EndsEarly())
    seen, plan = run.train(), run.resize.plan
    steps = [*range(6), *range(10, 22)]
    assert [(width, len(numbers)) for width, numbers in seen] == [
        (plan.size_at(step).width, plan.batch_at(step)) for step in steps
    ]
    last = [number for _, numbers in seen[6:] for number in numbers]
    assert sorted(last) == list(range(45))
    assert run.resize.mismatched == 0
    again = resumed(tmp_path, 9)
    assert again.net.seen == seen[9:]
    assert again.epochs.after == run.epochs.after[9:]


@pytest.mark.parametrize("mixin", [True, False], ids=["mixin", "attach"])
def test_the_plan_is_there_for_a_scheduler(mixin: bool, tmp_path: Path) -> None:
    run = Run(tmp_path, mixin=mixin, batch_size=Grow(16, lr="linear"))
    assert run.resize.plan is None
    plans: list[Plan | None] = []
    make = run.trainer.create_scheduler

    def create(*args: Any, **more: Any) -> Any:
        plans.append(run.resize.plan)
        return make(*args, **more)

    run.trainer.create_scheduler = create
    run.train()
    assert plans == [run.resize.plan]
    assert run.resize.plan.lr_factor(0) == 4.0


def test_no_whole_batch(tmp_path: Path) -> None:
    run = Run(
        tmp_path, per_device_train_batch_size=64, dataloader_drop_last=True,
        batch_size=Grow(99),
    )  # fmt: skip
    with pytest.raises(ValueError, match="its 45 samples make no whole batch of 64"):
        run.train()


def test_no_epoch(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a whole number of at least 1"):
        Run(tmp_path, num_train_epochs=0).train()
