"""What a trainer, its callbacks and loaders are told of batches that grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
from lightning.pytorch.callbacks import TQDMProgressBar
from tests.adapters.lightning.test_grow import EPOCHS, Keep, Run, Taught
from tests.adapters.lightning.tools import trainer
from tests.adapters.numbered import Numbered
from torch.utils.data import DataLoader

from upsize.lightning import ProgressiveResize, sized
from upsize.schedule import Grow, Phases

HOOKS = (
    "setup", "configure_model", "on_fit_start", "on_train_start", "on_train_epoch_start",
    "on_train_batch_start", "on_train_epoch_end", "on_train_end", "on_fit_end",
)  # fmt: skip


@pytest.mark.parametrize("hook", HOOKS)
def test_the_estimate_is_the_same_in_each_hook(hook: str, tmp_path: Path) -> None:
    estimates: list[Any] = []

    class Asking(Taught):
        pass

    def ask(module: Any, *_: Any, **__: Any) -> None:
        estimates.append(module.trainer.estimated_stepping_batches)

    setattr(Asking, hook, ask)
    run = Run(tmp_path)
    run.module = Asking(run.resize)
    run.fit()
    assert set(estimates) == {22}
    assert type(run.trainer) is L.Trainer


def test_the_estimate_of_a_resumed_fit(tmp_path: Path) -> None:
    Run(tmp_path, Keep(tmp_path)).fit()
    longer = Run(tmp_path, max_epochs=4)
    with pytest.warns(UserWarning, match="the saved run has 22 steps and this one 34"):
        longer.fit(ckpt_path=str(tmp_path / "epoch3.ckpt"))
    assert longer.module.estimate == longer.trainer.global_step == 34


class Lengths(L.Callback):
    """Notes the batches of each epoch, in the hooks that begin them."""

    def __init__(self) -> None:
        self.first: Any = None
        self.each: list[Any] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.first = trainer.num_training_batches

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.each.append(trainer.num_training_batches)


@pytest.mark.parametrize("place", [0, 1], ids=["before", "after"])
def test_the_order_of_callbacks(place: int, tmp_path: Path) -> None:
    noted, run = Lengths(), Run(tmp_path)
    run.trainer.callbacks.insert(place, noted)
    run.fit()
    assert noted.first == 3
    assert noted.each == EPOCHS


def test_a_progress_bar_before_it(tmp_path: Path) -> None:
    totals: list[Any] = []

    class Bar(TQDMProgressBar):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            totals.append(self.train_progress_bar.total)

    run = Run(tmp_path)
    bar = Bar()
    bar.disable()
    run.trainer.callbacks.insert(0, bar)
    run.fit()
    assert totals == EPOCHS


@pytest.mark.parametrize(
    ("settings", "loader"),
    [
        ({"limit_train_batches": 0}, {}),
        ({"max_epochs": 0}, {}),
        ({}, {"batch": 64, "drop_last": True}),
    ],
    ids=["limit", "epochs", "all dropped"],
)
@pytest.mark.filterwarnings("ignore:Total length of")
def test_a_fit_of_no_batches(settings: Any, loader: Any, tmp_path: Path) -> None:
    run = Run(tmp_path, **settings)
    run.resize = ProgressiveResize(
        Phases(phases=((0, 8), (1, 16))), batch_size=Grow(99), verbose=False
    )
    run.trainer.callbacks[:1], run.module = [run.resize], Taught()
    assert run.fit(**loader) == []
    assert run.resize.plan is None


@pytest.mark.skipif(L.__version__ < "2.6", reason="before 2.6, no interval is a time")
def test_validation_by_time(tmp_path: Path) -> None:
    run = Run(tmp_path, val_check_interval="00:01:00:00")
    assert len(run.fit(valid=DataLoader(Numbered(4), 4))) == 22
    run.check()


def test_a_checkpoint_without_a_plan(tmp_path: Path) -> None:
    plain = trainer(tmp_path, Keep(tmp_path), max_epochs=1)
    plain.fit(Taught(), DataLoader(Numbered(), 4))
    run = Run(tmp_path)
    with pytest.raises(ValueError, match="and the 12 steps of this training have none"):
        run.fit(ckpt_path=str(tmp_path / "epoch12.ckpt"))
    assert run.module.seen == []


class Validated(Taught):
    """Notes the step and the shape of each validation batch."""

    def __init__(self, resize: Any) -> None:
        super().__init__(resize)
        self.validated: list[Any] = []

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        images, numbers = batch
        self.validated.append((self.trainer.global_step, images.shape[-1], *numbers))


@pytest.mark.parametrize(
    "workers",
    [{}, {"num_workers": 1, "persistent_workers": True}],
    ids=["none", "persistent"],
)
def test_validation_by_the_training_loader(workers: Any, tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.module = module = Validated(run.resize)
    loader = sized(DataLoader(Numbered(), 4, **workers), run.resize)
    run.trainer.fit(module, loader, loader)
    run.check()
    for step in (3, 10, 22):
        batches = [batch for batch in module.validated if batch[0] == step]
        assert {width for _, width, *_ in batches} == {16}
        assert [int(n) for _, _, *numbers in batches for n in numbers] == [*range(45)]
