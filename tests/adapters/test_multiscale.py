"""Random sizes in the loop and through the real frameworks: those of the plan."""

from __future__ import annotations

import warnings
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from accelerate import Accelerator
from fastai.callback.core import Callback as FastaiCallback
from fastai.callback.core import CancelFitException
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from tests.adapters.test_equal import (
    BATCHES,
    EPOCHS,
    WINDOW,
    Module,
    loader,
    model,
    with_accelerate,
    with_fastai,
    with_lightning,
    with_loop,
    with_transformers,
)
from torch import nn
from transformers import TrainerCallback

import upsize.accelerate
import upsize.fastai
import upsize.lightning
import upsize.loop
from upsize.schedule import MultiScale, Plan, Ramp

SIZES = (16, 20, 24, 28, 32)
# Batches are steps of windows of two: three in an epoch of five batches.
ALONE = MultiScale(sizes=SIZES, every=2, seed=1)
SCHEDULES = pytest.mark.parametrize(
    "schedule",
    [
        ALONE,
        MultiScale(sizes=SIZES, every=1, finish=0.8),
        MultiScale(sizes=SIZES, every=2, before=Ramp(start=0.1, finish=0.4), seed=3),
        MultiScale(sizes=[(16, 24), (24, 16), (32, 32)], every=2, seed=2),
    ],
    ids=["alone", "finish", "before", "aspect"],
)
# Lightning's hints on workers and logging, and its calls into torch.
HINTS = pytest.mark.filterwarnings(
    "ignore:.*many workers", "ignore:.*LeafSpec:FutureWarning"
)


def planned(schedule: MultiScale, window: int) -> list[int]:
    per_epoch = -(-BATCHES // window)
    plan = schedule.plan(epochs=EPOCHS, steps_per_epoch=per_epoch, final_size=32)
    return [
        plan.size_at(epoch * per_epoch + batch // window).width
        for epoch in range(EPOCHS)
        for batch in range(BATCHES)
    ]


def given(schedule: MultiScale) -> MultiScale:
    return schedule.model_copy(update={"final_size": 32})


@HINTS
@SCHEDULES
def test_every_batch_has_the_size_of_its_step(schedule: MultiScale) -> None:
    schedule = given(schedule)
    expected = planned(schedule, WINDOW)
    assert len(set(expected)) > 1
    assert sorted(expected) != expected
    (widths, weights), *others = (
        run(schedule)
        for run in (with_loop, with_accelerate, with_lightning, with_transformers)
    )
    assert widths == expected
    for other_widths, other_weights in others:
        assert other_widths == expected
        assert all(map(torch.equal, weights.values(), other_weights.values()))


@SCHEDULES
def test_fastai(schedule: MultiScale) -> None:
    widths, _ = with_fastai(given(schedule))
    assert widths == planned(schedule, 1)


def below_full(total_steps: int) -> MultiScale:
    """Return a schedule whose last step of so many is drawn below the full size."""
    for seed in range(99):
        schedule = MultiScale(sizes=SIZES, every=1, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            plan = schedule.plan(total_steps=total_steps)
        if plan.size_at(total_steps - 1) != plan.final_size:
            return schedule
    raise AssertionError("no seed ends below the full size")


class TestTheEnd:
    """A run that ends at a random size has ended as planned."""

    def lightning(self, schedule: MultiScale, **more: Any) -> Plan:
        resize = upsize.lightning.ProgressiveResize(schedule, verbose=False)
        L.Trainer(
            accelerator="cpu", callbacks=[resize], logger=False,
            enable_checkpointing=False, enable_progress_bar=False,
            **{"max_epochs": 4} | more,
        ).fit(Module(), loader())  # fmt: skip
        assert resize.plan is not None
        return resize.plan

    @HINTS
    def test_lightning(self) -> None:
        plan = self.lightning(below_full(4 * BATCHES))
        assert plan.total_steps == 4 * BATCHES

    @HINTS
    def test_lightning_warns_of_a_ramp_that_was_cut_short(self) -> None:
        class Stop(L.Callback):
            def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
                trainer.should_stop = trainer.global_step == 5

        schedule = MultiScale(sizes=(24, 32), every=1, before=Ramp(final_size=32))
        resize = upsize.lightning.ProgressiveResize(schedule, verbose=False)
        trainer = L.Trainer(
            accelerator="cpu", callbacks=[resize, Stop()], logger=False, max_epochs=4,
            enable_checkpointing=False, enable_progress_bar=False,
        )  # fmt: skip
        with pytest.warns(
            UserWarning, match="training ended at 16x16, not at the full"
        ):
            trainer.fit(Module(), loader())

    def test_transformers(self) -> None:
        widths, _ = with_transformers(below_full(EPOCHS * -(-BATCHES // WINDOW)))
        assert widths[-1] != 32

    def test_transformers_warns_of_a_ramp_that_was_cut_short(self) -> None:
        class Stop(TrainerCallback):
            def on_step_end(
                self, args: Any, state: Any, control: Any, **_: Any
            ) -> None:
                control.should_training_stop = state.global_step == 5

        schedule = MultiScale(sizes=(24, 32), every=1, before=Ramp(final_size=32))
        with pytest.warns(
            UserWarning, match="training ended at 16x16, not at the full"
        ):
            with_transformers(schedule, callbacks=[Stop()])

    def fastai(self, schedule: MultiScale, *cbs: Any, **more: Any) -> Any:
        net = model()
        settings = {"schedule": schedule, "verbose": False} | more
        resize = upsize.fastai.ProgressiveResize(**settings)
        learner = Learner(
            DataLoaders(loader(), [], device="cpu"), net,
            loss_func=nn.functional.cross_entropy, lr=0.1,
            opt_func=OptimWrapper(opt=torch.optim.SGD(net.parameters(), 0.1)),
            cbs=[resize, *cbs],
        )  # fmt: skip
        learner.remove_cb(learner.progress)
        with learner.no_logging():
            learner.fit(4)
        return resize

    def test_fastai(self) -> None:
        resize = self.fastai(below_full(4 * BATCHES))
        assert resize.size == resize.plan.size_at(4 * BATCHES - 1) != (32, 32)

    def test_fastai_warns_of_a_ramp_that_was_cut_short(self) -> None:
        class Stop(FastaiCallback):
            def after_epoch(self) -> None:
                raise CancelFitException

        schedule = MultiScale(sizes=(24, 32), every=1, before=Ramp(final_size=32))
        with pytest.warns(UserWarning, match="training ended at 16x16"):
            self.fastai(schedule, Stop())

    def test_fastai_tries_the_largest_size_first(self) -> None:
        seen: list[int] = []

        class Largest(nn.Module):
            def forward(self, images: torch.Tensor) -> torch.Tensor:
                seen.append(images.shape[-1])
                return images.mean((1, 2, 3))[:, None].expand(-1, 2) * self.scale

            def __init__(self) -> None:
                super().__init__()
                self.scale = nn.Parameter(torch.ones(()))

        net = Largest()
        learner = Learner(
            DataLoaders(loader(), [], device="cpu"), net,
            loss_func=nn.functional.cross_entropy, lr=0.1,
            opt_func=OptimWrapper(opt=torch.optim.SGD(net.parameters(), 0.1)),
            cbs=upsize.fastai.ProgressiveResize(
                schedule=MultiScale(
                    sizes=(16, 24), before=Ramp(increase_by=16), start=0.8, final_size=32,
                    finish=0.9,
                ),
                verbose=False,
            ),
        )  # fmt: skip
        learner.remove_cb(learner.progress)
        with learner.no_logging():
            learner.fit(4)
        assert seen[:2] == [32, 16]

    def accelerate(self, schedule: MultiScale, epochs: int) -> None:
        accelerator = Accelerator(cpu=True)
        data = accelerator.prepare(loader())
        resize = upsize.accelerate.ProgressiveResize(
            schedule, accelerator, loader=data, epochs=4, verbose=False
        )
        for _ in range(epochs):
            for _ in resize.batches(data):
                accelerator.gradient_state._set_sync_gradients(True)
        resize.check_finished()
        resize.remove()

    def test_accelerate(self) -> None:
        self.accelerate(below_full(4 * BATCHES), 4)

    def test_accelerate_warns(self) -> None:
        schedule = MultiScale(sizes=(24, 32), every=1, before=Ramp(final_size=32))
        with pytest.warns(
            UserWarning, match="training ended after 5 of 20 steps at 16"
        ):
            self.accelerate(schedule, 1)
        below = MultiScale(sizes=(16, 24), final_size=32)
        with (
            pytest.warns(UserWarning, match="training ended after 20"),
            pytest.warns(UserWarning, match="never reached"),
        ):
            self.accelerate(below, 4)


def test_the_loop_resumes_with_the_same_draws() -> None:
    def run(resize: Any, epochs: int) -> list[int]:
        return [
            images.shape[-1]
            for _ in range(epochs)
            for images, _ in resize.batches(loader())
        ]

    def resizer(epochs: int = 4) -> upsize.loop.ProgressiveResize:
        return upsize.loop.ProgressiveResize(
            ALONE, epochs=epochs, steps_per_epoch=BATCHES
        )

    whole = run(resizer(), 4)
    first = resizer()
    head = run(first, 2)
    again = resizer()
    again.load_state_dict(first.state_dict())
    assert head + run(again, 2) == whole
    longer = resizer(6)
    with pytest.warns(UserWarning, match="20 steps and this one 30"):
        longer.load_state_dict(first.state_dict())
    assert head + run(longer, 2) == whole


def test_frozen_layers_of_fastai_train_at_the_first_stage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3)), model()[1:])
    net[1][-1] = nn.Linear(4, 2)
    learner = Learner(
        DataLoaders(loader(), loader(), device="cpu"), net,
        loss_func=nn.functional.cross_entropy, lr=0.1,
        splitter=lambda m: [list(m[0].parameters()), list(m[1].parameters())],
        cbs=upsize.fastai.ProgressiveResize(schedule=ALONE, resize_valid=False),
    )  # fmt: skip
    learner.remove_cb(learner.progress)
    widths: list[int] = []
    net.register_forward_pre_hook(
        lambda module, args: (
            widths.append(args[0].shape[-1]) if module.training else None
        )
    )
    with learner.no_logging():
        learner.fine_tune(1, freeze_epochs=2)
    printed = capsys.readouterr().out
    assert "frozen model at the initial image size of 16x16 to 32x32." in printed
    frozen = ALONE.plan(total_steps=2 * BATCHES)
    expected = [frozen.size_at(step).width for step in range(2 * BATCHES)]
    # Each of the two fits begins with a dry run, unless its first size is the largest.
    dry = int(expected[0] != 32)
    assert widths[dry : dry + 2 * BATCHES] == expected
