"""Batches that grow while images are small, in a trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    GradientAccumulationScheduler,
    StochasticWeightAveraging,
)
from lightning.pytorch.tuner import Tuner
from tests.adapters.lightning.test_sizes import TwoOptimizers
from tests.adapters.lightning.tools import Module, trainer
from tests.adapters.numbered import Numbered
from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from upsize.lightning import ProgressiveResize, sized
from upsize.schedule import Grow, Phases

SIZES = Phases(phases=((0, 8), (1, 12), (2, 16)))  # 4, 1.8 and 1 times the images
EPOCHS = [3, 7, 12]  # their steps: 45 images in batches of 16, 7 and 4


class Stream(IterableDataset[Any]):
    def __init__(self) -> None:
        self.transform = Numbered().transform

    def __iter__(self) -> Any:
        return iter([Numbered()[0]])


class Taught(Module):
    """Notes step, width and numbers of each batch, and follows the plan's factor."""

    def __init__(self, resize: Any = None) -> None:
        super().__init__()
        self.resize = resize
        self.seen: list[tuple[int, int, list[int]]] = []
        self.rates: list[float] = []
        self.estimate: Any = None

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        images, numbers = batch
        self.seen.append((self.trainer.global_step, images.shape[-1], numbers.tolist()))
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return self(images).sin().mean()

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 1.0)
        if self.resize is None:
            return optimizer
        self.estimate = self.trainer.estimated_stepping_batches
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: self.resize.plan.lr_factor(step)
        )
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


class Keep(L.Callback):
    """Saves a checkpoint after each step, and after each epoch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        trainer.save_checkpoint(self.folder / f"epoch{trainer.global_step}.ckpt")


class Run:
    """A fit of three epochs of 45 images, four in a plain batch."""

    def __init__(self, path: Path, *callbacks: Any, **more: Any) -> None:
        self.resize = ProgressiveResize(
            SIZES, batch_size=Grow(16, lr="linear"), verbose=False
        )
        self.trainer = trainer(
            path, self.resize, *callbacks,
            **({"max_epochs": 3, "num_sanity_val_steps": 0} | more),
        )  # fmt: skip
        self.module = Taught(self.resize)

    def fit(self, batch: int = 4, **more: Any) -> list[tuple[int, int, list[int]]]:
        keep = {name: more.pop(name) for name in ("ckpt_path", "valid") if name in more}
        valid = keep.pop("valid", None)
        self.loader = sized(DataLoader(Numbered(), batch, **more), self.resize)
        self.trainer.fit(self.module, self.loader, valid, **keep)
        return self.module.seen

    def check(self) -> None:
        """Compare each batch with the plan, and the samples of each epoch."""
        plan, seen = self.resize.plan, self.module.seen
        assert plan is not None
        for step, width, numbers in seen:
            assert (width, len(numbers)) == (
                plan.size_at(step).width,
                plan.batch_at(step),
            )
        assert self.resize.mismatched == 0


@pytest.mark.parametrize(
    "workers",
    [{}, {"num_workers": 2, "persistent_workers": True}],
    ids=["none", "persistent"],
)
def test_each_sample_once_in_an_epoch(workers: Any, tmp_path: Path) -> None:
    run = Run(tmp_path)
    seen = run.fit(shuffle=True, **workers)
    run.check()
    plan: Any = run.resize.plan
    assert [plan.epoch_start(epoch) for epoch in range(4)] == [0, 3, 10, 22]
    assert plan.batch_sizes == (16, 7, 4)
    for first, stop in ((0, 3), (3, 10), (10, 22)):
        drawn = [number for *_, numbers in seen[first:stop] for number in numbers]
        assert sorted(drawn) == list(range(45))
    assert len(seen) == plan.total_steps == 22
    assert len(run.loader) == 12  # as outside of a fit
    assert run.trainer.max_steps == -1


def test_dropped_samples(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert sum(len(numbers) for *_, numbers in run.fit(drop_last=True)) == 3 * 44
    run.check()


def test_learning_rates_are_planned_before_the_training(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.fit()
    assert run.module.estimate == 22
    assert run.module.rates == [run.resize.plan.lr_factor(step) for step in range(22)]  # type: ignore[union-attr]
    assert {4.0, 1.75, 1.0} < set(run.module.rates)


@pytest.mark.parametrize(
    ("settings", "after"),
    [
        ({}, [3, 10, 22]),
        ({"val_check_interval": 0.5}, [1, 2, 3, 6, 9, 16, 22]),
        ({"val_check_interval": 8, "check_val_every_n_epoch": None}, [8, 16]),
    ],
    ids=str,
)
def test_validation(settings: Any, after: list[int], tmp_path: Path) -> None:
    class Noted(L.Callback):
        steps: tuple[int, ...] = ()

        def on_validation_start(self, trainer: Any, *_: Any) -> None:
            self.steps += (trainer.global_step,)

    noted = Noted()
    run = Run(tmp_path, noted, **settings)
    run.fit(valid=DataLoader(Numbered(4), 4))
    assert list(noted.steps) == after
    assert set(run.module.others["val"]) == {16}


def test_a_progress_bar(tmp_path: Path) -> None:
    class Bar(L.Callback):
        totals: tuple[int, ...] = ()

        def on_train_epoch_start(self, trainer: Any, *_: Any) -> None:
            self.totals += (trainer.num_training_batches,)

    bar = Bar()
    Run(tmp_path, bar).fit()
    assert list(bar.totals) == EPOCHS


#: Saved within the last batch of an epoch, before Lightning has ended it.
ENDED = pytest.mark.skipif(
    L.__version__.startswith("2.4."),
    reason="Lightning 2.4 trains on one more batch of that epoch, also without upsize",
)


class TestResume:
    @pytest.mark.parametrize(
        "place",
        [
            pytest.param("3", marks=ENDED),
            "epoch3",
            pytest.param("10", marks=ENDED),
            "epoch10",
        ],
    )
    def test_after_an_epoch(self, place: str, tmp_path: Path) -> None:
        whole, rest = Run(tmp_path, Keep(tmp_path)), Run(tmp_path)
        seen = whole.fit()
        done = int(place.removeprefix("epoch"))
        assert rest.fit(ckpt_path=str(tmp_path / f"{place}.ckpt")) == seen[done:]
        assert rest.module.rates == whole.module.rates[done:]
        for mine, theirs in zip(
            whole.module.parameters(), rest.module.parameters(), strict=True
        ):
            assert torch.equal(mine, theirs)

    @pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended")
    @pytest.mark.parametrize("done", [1, 5, 12])
    def test_within_an_epoch(self, done: int, tmp_path: Path) -> None:
        # Its steps and sizes; Lightning begins the samples of a DataLoader again.
        whole, rest = Run(tmp_path, Keep(tmp_path)), Run(tmp_path)
        seen = whole.fit()
        found = rest.fit(ckpt_path=str(tmp_path / f"{done}.ckpt"))
        assert [step for step, *_ in found] == [step for step, *_ in seen[done:]]
        rest.check()

    @pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended")
    @pytest.mark.parametrize("place", ["2", "epoch3", "12"])
    def test_with_another_batch(self, place: str, tmp_path: Path) -> None:
        whole, rest = Run(tmp_path, Keep(tmp_path)), Run(tmp_path)
        seen = whole.fit()
        with pytest.warns(
            UserWarning, match="the saved run has 22 steps and this one 18"
        ):
            rest.fit(5, ckpt_path=str(tmp_path / f"{place}.ckpt"))
        plan: Any = rest.resize.plan
        assert [plan.epoch_start(epoch) for epoch in range(4)] == [0, 3, 9, 18]
        done = sum(
            len(numbers) for *_, numbers in seen[: int(place.removeprefix("epoch"))]
        )
        left = plan.total_steps - plan.step_at(done)
        assert [len(numbers) for *_, numbers in rest.module.seen] == [
            plan.batch_at(step) for step in range(18 - left, 18)
        ]
        assert [width for _, width, _ in rest.module.seen] == [
            plan.size_at(step).width for step in range(18 - left, 18)
        ]


def test_another_fit_begins_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    first = list(run.fit())
    run.module.seen.clear()
    again = trainer(tmp_path, run.resize, max_epochs=3)
    again.fit(run.module, run.loader)
    assert run.module.seen == first


def test_a_trial(tmp_path: Path) -> None:
    run = Run(tmp_path, fast_dev_run=1)
    assert [len(numbers) for *_, numbers in run.fit()] == [16]


def test_finders_have_the_plain_batch(tmp_path: Path) -> None:
    run, plain = Run(tmp_path), Taught()
    loader = sized(DataLoader(Numbered(), 4), run.resize)
    finder = Tuner(run.trainer)
    finder.lr_find(plain, loader, num_training=6, attr_name="lr", update_attr=False)
    assert {(width, len(numbers)) for _, width, numbers in plain.seen} == {(16, 4)}


class Grouped(BatchSampler):
    """Puts samples together that belong together."""

    def __iter__(self) -> Any:
        yield from super().__iter__()


LATER = {
    "accumulate": ({"accumulate_grad_batches": 2}, "accumulate_grad_batches both make"),
    "steps": ({"max_steps": 20}, r"give the Trainer max_epochs= alone"),
    "endless": ({"max_epochs": -1}, r"give the Trainer max_epochs= alone"),
    "limit": ({"limit_train_batches": 5}, r"give the loader a torch\.utils\.data\.Sub"),
    "overfit": ({"overfit_batches": 5}, r"give the loader a torch\.utils\.data\.Sub"),
    "reload": ({"reload_dataloaders_every_n_epochs": 1}, "one loader for all epochs"),
    "interval": ({"val_check_interval": 2}, "val_check_interval=2 counts batches"),
}


class TestRefused:
    @pytest.mark.parametrize(("settings", "words"), LATER.values(), ids=LATER)
    def test_trainers(self, settings: Any, words: str, tmp_path: Path) -> None:
        run = Run(tmp_path, **settings)
        with pytest.raises(ValueError, match=r"batch_size=Grow\(...\).*" + words):
            run.fit()
        assert run.module.seen == []

    @pytest.mark.parametrize(
        ("callback", "words"),
        [
            (
                GradientAccumulationScheduler({0: 1, 2: 2}),
                "accumulate_grad_batches both",
            ),
            (StochasticWeightAveraging(0.1), "StochasticWeightAveraging changes them"),
        ],
        ids=["scheduler", "averaging"],
    )
    def test_callbacks(self, callback: Any, words: str, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=words):
            Run(tmp_path, callback).fit()

    def test_a_finder_of_batches(self, tmp_path: Path) -> None:
        run = Run(tmp_path, BatchSizeFinder())
        loader = sized(DataLoader(Numbered(), 4), run.resize)
        run.module.train_dataloader = lambda: loader  # type: ignore[method-assign]
        with pytest.raises(ValueError, match="BatchSizeFinder changes them: leave out"):
            run.trainer.fit(run.module)

    def test_manual_optimization(self, tmp_path: Path) -> None:
        run = Run(tmp_path)
        run.module = TwoOptimizers()  # type: ignore[assignment]
        with pytest.raises(ValueError, match="needs automatic optimization"):
            run.fit()

    def test_loaders(self, tmp_path: Path) -> None:
        run = Run(tmp_path)
        loaders: Any = [DataLoader(Numbered(), 4), [DataLoader(Numbered(), 4)] * 2]
        for loader in loaders:
            with pytest.raises(ValueError, match=r"needs one training loader.*sized\("):
                run.trainer.fit(run.module, loader)

    @pytest.mark.parametrize(
        ("loader", "words"),
        [
            (
                DataLoader(Stream(), 4),
                "a Stream .* does not tell those",
            ),
            (
                DataLoader(Numbered(), batch_sampler=Grouped(range(45), 4, False)),
                "those of a Grouped may belong together",
            ),
        ],
        ids=["stream", "batch sampler"],
    )
    def test_samples(self, loader: Any, words: str, tmp_path: Path) -> None:
        run = Run(tmp_path)
        with pytest.raises(ValueError, match=words):
            run.trainer.fit(run.module, sized(loader, run.resize))

    @pytest.mark.parametrize(
        ("options", "kind", "words"),
        [
            ({"batch_size": 64}, TypeError, "batch_size must be a Grow, not 64"),
            ({"total_steps": 9}, ValueError, "total_steps=9 counts steps"),
            ({"preallocate": True}, ValueError, "tries the full size with the first"),
            ({"merge": 8}, ValueError, "merge=8 both make batches"),
        ],
        ids=["number", "steps", "preallocate", "merge"],
    )
    def test_options(self, options: Any, kind: type[Exception], words: str) -> None:
        with pytest.raises(kind, match=words):
            ProgressiveResize(SIZES, **({"batch_size": Grow(16)} | options))
