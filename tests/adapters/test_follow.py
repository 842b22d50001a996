"""Dropout that follows the size: what the contract suite does not ask of all ways."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as L
import pytest
import torch
from fastai.callback.core import Callback as FastaiCallback
from fastai.callback.mixup import MixUp
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.optimizer import Adam, OptimWrapper
from tests.adapters.contract.ways.common import BATCH, BATCHES, labelled
from torch import Tensor, nn
from torch.utils.data import DataLoader

import upsize.accelerate
import upsize.fastai
import upsize.lightning
import upsize.loop
from upsize.follow import FollowSize, ValueSchedule
from upsize.schedule import Ramp

RAMP = Ramp(final_size=32, increase_by=4)
VALUES = {"dropout": (0.1, 0.4)}
BEFORE = 0.25
# Lightning's hints on workers and logging, and its calls into torch.
HINTS = pytest.mark.filterwarnings(
    "ignore:.*many workers",
    "ignore:.*LeafSpec:FutureWarning",
)
EPOCHS = 6


class Net(nn.Module):
    """Remembers the dropout of each of its calls."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.drop = nn.Conv2d(3, 4, 3), nn.Dropout(BEFORE)
        self.head = nn.Linear(4, 2)
        self.seen: list[float] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(self.drop.p)
        out: Tensor = self.head(self.drop(self.conv(images).mean((2, 3))))
        return out


def loader() -> DataLoader[Any]:
    return DataLoader(labelled(), BATCH)


class Module(L.LightningModule):
    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


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


class TestLoop:
    def test_by_hand_it_is_put_back_with_the_last_step(self) -> None:
        net = Net()
        resize = upsize.loop.ProgressiveResize(
            RAMP, total_steps=8, follow=FollowSize(VALUES, net)
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
            RAMP, total_steps=4, accumulate=2, follow=FollowSize(VALUES, net)
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
            RAMP, total_steps=80, follow=FollowSize(VALUES, net)
        )
        with pytest.warns(UserWarning, match="20 steps and this one 80"):
            resize.load_state_dict(saved.state_dict())
        resize(torch.rand(2, 3, 32, 32))
        expected = ValueSchedule(resize.plan, VALUES).at(12)["dropout"]
        fresh = ValueSchedule(RAMP.plan(total_steps=80), VALUES).at(12)["dropout"]
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

        follow = FollowSize({"mixup": (0.0, 0.4)}, mix)
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
            schedule=RAMP,
            verbose=False,
            preallocate=False,
            follow=FollowSize(VALUES, net),
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
            schedule=RAMP, verbose=False, follow=FollowSize(VALUES, net)
        )
        made = learner(net, resize)
        made.validate(dl=loader())
        assert set(net.seen) == {BEFORE}


@HINTS
def test_lightning_sets_nothing_outside_of_training(tmp_path: Any) -> None:
    net = Net()
    resize = upsize.lightning.ProgressiveResize(
        RAMP, verbose=False, follow=FollowSize(VALUES, net)
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
