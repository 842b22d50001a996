"""Dropout that follows the size, in the loop and through the real frameworks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from accelerate import Accelerator
from fastai.callback.core import Callback as FastaiCallback
from fastai.callback.mixup import MixUp
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.optimizer import Adam, OptimWrapper
from tests.adapters.test_equal import (
    BATCHES,
    EPOCHS,
    WINDOW,
    loader,
    with_transformers,
)
from torch import Tensor, nn

import upsize.accelerate
import upsize.fastai
import upsize.lightning
import upsize.loop
from upsize.follow import Applier, Follow
from upsize.schedule import MultiScale, Plan, Ramp

RAMP = Ramp(final_size=32, increase_by=4)
RANDOM = MultiScale(sizes=(16, 24, 32), every=2, seed=1)
VALUES = {"dropout": (0.1, 0.4)}
BEFORE = 0.25
# Lightning's hints on workers and logging, and its calls into torch.
HINTS = pytest.mark.filterwarnings(
    "ignore:.*many workers",
    "ignore:.*LeafSpec:FutureWarning",
    "ignore:Detected KeyboardInterrupt",
    "ignore:Detected call of `lr_scheduler.step",
)
STOP = 7


class Net(nn.Module):
    """Remembers the dropout and the width of each of its training steps."""

    def __init__(self, stop: type[BaseException] | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.drop = nn.Conv2d(3, 4, 3), nn.Dropout(BEFORE)
        self.head = nn.Linear(4, 2)
        self.seen: list[float] = []
        self.widths: list[int] = []
        self.stop = stop

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(self.drop.p)
        self.widths.append(images.shape[-1])
        if self.stop is not None and len(self.seen) == STOP:
            raise self.stop
        out: Tensor = self.head(self.drop(self.conv(images).mean((2, 3))))
        return out


def with_loop(net: Net, schedule: Any, follow: Applier) -> Plan:
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    resize = upsize.loop.ProgressiveResize(
        schedule, epochs=EPOCHS, steps_per_epoch=BATCHES, accumulate=WINDOW,
        follow=follow,
    )  # fmt: skip
    with follow:
        for _ in range(EPOCHS):
            for number, (images, labels) in enumerate(resize.batches(loader()), 1):
                nn.functional.cross_entropy(net(images), labels).backward()
                if number % WINDOW == 0 or number == BATCHES:
                    optimizer.step()
    return resize.plan


def with_accelerate(net: Net, schedule: Any, follow: Applier) -> Plan:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=WINDOW)
    prepared, optimizer, data = accelerator.prepare(
        net, torch.optim.SGD(net.parameters(), 0.1), loader()
    )
    resize = upsize.accelerate.ProgressiveResize(
        schedule, accelerator, loader=data, epochs=EPOCHS, verbose=False, follow=follow
    )
    try:
        for _ in range(EPOCHS):
            for images, labels in resize.batches(data):
                with accelerator.accumulate(prepared):
                    loss = nn.functional.cross_entropy(prepared(images), labels)
                    accelerator.backward(loss)
                    optimizer.step()
                    optimizer.zero_grad()
    finally:
        resize.remove()
    return resize.plan


class Module(L.LightningModule):
    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


def with_lightning(net: Net, schedule: Any, follow: Applier) -> Plan:
    resize = upsize.lightning.ProgressiveResize(schedule, verbose=False, follow=follow)
    L.Trainer(
        max_epochs=EPOCHS, accumulate_grad_batches=WINDOW, accelerator="cpu",
        callbacks=[resize], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    ).fit(Module(net), loader())  # fmt: skip
    assert resize.plan is not None
    return resize.plan


def learner(net: Net, *cbs: Any, **more: Any) -> Any:
    optimizer = OptimWrapper(opt=torch.optim.SGD(net.parameters(), 0.1))
    made = Learner(
        DataLoaders(loader(), [], device="cpu"), net, cbs=list(cbs),
        loss_func=nn.functional.cross_entropy, lr=0.1,
        **{"opt_func": optimizer} | more,
    )  # fmt: skip
    made.remove_cb(made.progress)
    made.logger = lambda *_: None
    return made


def with_fastai(net: Net, schedule: Any, follow: Applier) -> Plan:
    resize = upsize.fastai.ProgressiveResize(
        schedule=schedule, verbose=False, follow=follow, preallocate=False
    )
    learner(net, resize).fit(EPOCHS)
    assert resize.plan is not None
    return resize.plan


def through_transformers(net: Net, schedule: Any, follow: Applier) -> Plan:
    with_transformers(schedule, net, follow=follow)
    windows = -(-BATCHES // WINDOW)
    plan: Plan = schedule.plan(epochs=EPOCHS, steps_per_epoch=windows)
    return plan


RUNS = pytest.mark.parametrize(
    ("run", "window"),
    [
        (with_loop, WINDOW),
        (with_accelerate, WINDOW),
        (with_lightning, WINDOW),
        (through_transformers, WINDOW),
        (with_fastai, 1),
    ],
)
Run = Callable[[Net, Any, Applier], Plan]


@HINTS
@RUNS
@pytest.mark.parametrize("by", ["size", "stage"])
@pytest.mark.parametrize("schedule", [RAMP, RANDOM])
def test_each_step_has_its_dropout(
    run: Run, window: int, by: Any, schedule: Any
) -> None:
    net = Net()
    plan = run(net, schedule.model_copy(update={"final_size": 32}),
               Applier(VALUES, net, by=by))  # fmt: skip
    follow, per_epoch = Follow(plan, VALUES, by), -(-BATCHES // window)
    steps = [
        epoch * per_epoch + batch // window
        for epoch in range(EPOCHS)
        for batch in range(BATCHES)
    ]
    assert net.seen == [follow.at(step)["dropout"] for step in steps]
    assert net.widths == [plan.size_at(step).width for step in steps]
    if by == "size":
        assert len(set(net.seen)) >= 3
        assert {p for p, width in zip(net.seen, net.widths, strict=True) if width == 32} == {
            0.4
        }  # fmt: skip
    assert net.drop.p == BEFORE


@HINTS
@RUNS
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_put_back_after_an_error_and_ctrl_c(
    run: Run, window: int, error: type[BaseException]
) -> None:
    net = Net(error)
    try:
        run(net, RAMP, Applier(VALUES, net))
    except (RuntimeError, KeyboardInterrupt, SystemExit):
        pass  # Lightning makes an exit of Ctrl-C
    else:
        raise AssertionError("the error has vanished")
    assert len(net.seen) == STOP
    assert net.seen[-1] == 0.1
    assert net.drop.p == BEFORE


class TestLoop:
    def test_by_hand_it_is_put_back_with_the_last_step(self) -> None:
        net = Net()
        resize = upsize.loop.ProgressiveResize(
            RAMP, total_steps=8, follow=Applier(VALUES, net)
        )
        images = torch.rand(2, 3, 32, 32)
        seen = []
        for _ in range(8):
            resize(images)
            seen.append(net.drop.p)
            resize.step()
        assert (seen[0], seen[-1]) == (0.1, 0.4)
        assert net.drop.p == BEFORE

    def test_the_last_window_of_an_epoch_counts(self) -> None:
        net = Net()
        resize = upsize.loop.ProgressiveResize(
            RAMP, total_steps=4, accumulate=2, follow=Applier(VALUES, net)
        )
        for _ in range(2):
            for _ in resize.batches(list(loader())[:3]):
                assert net.drop.p != BEFORE
        assert net.drop.p == BEFORE

    def test_a_resumed_run_follows_the_plan_that_it_goes_on_with(self) -> None:
        saved = upsize.loop.ProgressiveResize(RAMP, total_steps=20)
        for _ in range(12):
            saved.step()
        net = Net()
        resize = upsize.loop.ProgressiveResize(
            RAMP, total_steps=80, follow=Applier(VALUES, net)
        )
        with pytest.warns(UserWarning, match="20 steps and this one 80"):
            resize.load_state_dict(saved.state_dict())
        resize(torch.rand(2, 3, 32, 32))
        expected = Follow(resize.plan, VALUES).at(12)["dropout"]
        fresh = Follow(RAMP.plan(total_steps=80), VALUES).at(12)["dropout"]
        assert net.drop.p == expected > fresh == 0.1


class TestFastai:
    def test_with_fastai_s_own_mixup(self) -> None:
        net = Net()
        mix = MixUp(0.4)
        before = mix.distrib
        lams: list[float] = []

        class Seen(FastaiCallback):
            order = 50

            def before_batch(self) -> None:
                lams.append(float(mix.lam.min()))

        follow = Applier({"mixup": (0.0, 0.4)}, mix)
        resize = upsize.fastai.ProgressiveResize(
            schedule=RAMP, verbose=False, follow=follow
        )
        made = learner(net, resize, mix, Seen())
        made.loss_func = CrossEntropyLossFlat()
        made.fit(EPOCHS)
        half = EPOCHS * BATCHES // 2
        assert lams[:half] == [1.0] * half
        assert min(lams[half:]) < 1
        assert mix.distrib is before

    def test_a_frozen_model_has_the_values_of_the_first_size(self) -> None:
        net = Net()
        resize = upsize.fastai.ProgressiveResize(
            schedule=RAMP, verbose=False, preallocate=False, follow=Applier(VALUES, net)
        )
        made = learner(
            net, resize, opt_func=Adam,
            splitter=lambda m: [list(m.conv.parameters()), list(m.head.parameters())],
        )  # fmt: skip
        made.fine_tune(EPOCHS, freeze_epochs=2)
        assert net.seen[: 2 * BATCHES] == [0.1] * 2 * BATCHES
        assert net.seen[-1] == 0.4
        assert net.drop.p == BEFORE

    def test_nothing_outside_of_a_fit(self) -> None:
        net = Net()
        resize = upsize.fastai.ProgressiveResize(
            schedule=RAMP, verbose=False, follow=Applier(VALUES, net)
        )
        made = learner(net, resize)
        made.validate(dl=loader())
        assert set(net.seen) == {BEFORE}


@HINTS
def test_lightning_sets_nothing_outside_of_training(tmp_path: Any) -> None:
    net = Net()
    resize = upsize.lightning.ProgressiveResize(
        RAMP, verbose=False, follow=Applier(VALUES, net)
    )

    class Validated(Module):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.net(batch[0])

    trainer = L.Trainer(
        accelerator="cpu", callbacks=[resize], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.validate(Validated(net), loader(), verbose=False)
    assert set(net.seen) == {BEFORE}
