"""Sized loaders in real fits: the workers make what the step needs."""

from __future__ import annotations

import inspect
import multiprocessing
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import (
    GradientAccumulationScheduler,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from lightning.pytorch.tuner import Tuner
from lightning.pytorch.utilities import CombinedLoader
from tests.adapters.lightning.tools import Module, callback, trainer
from tests.adapters.torchrun import two_reports
from tests.core.loading.images import FULL, RAMP, Images
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler
from torchvision.transforms import v2

from upsize.lightning import ProgressiveResize, sized
from upsize.schedule import Phases, Ramp, Size

_FIT = inspect.signature(L.Trainer.fit).parameters
SCRIPT = Path(__file__).with_name("sized_processes.py")


class Photographs(Images):
    """Floating ones, two classes."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = super().__getitem__(index)
        return image / 255, label % 2


class Sizes(L.Callback):
    """Remembers the sizes as the loader gives them, before the resize."""

    def __init__(self) -> None:
        self.came: list[int] = []

    def watch(self, module: Any) -> Any:
        def seen(batch: Any, dataloader_idx: int) -> Any:
            if module.trainer.state.stage == "train":
                self.came.append(batch[0].shape[-1])
            return batch

        module.on_before_batch_transfer = seen
        return module


def plain(**more: Any) -> DataLoader[Any]:
    return DataLoader(Photographs(), **({"batch_size": 4, "shuffle": True} | more))


def make(**more: Any) -> ProgressiveResize:
    return callback(RAMP, **more)


def came_as_planned(
    path: Path,
    resize: Any,
    loader: Any,
    *callbacks: Any,
    module: Any = None,
    batches: int = 21,
    **more: Any,
) -> Any:
    sizes, module = Sizes(), Module() if module is None else module
    fitted = trainer(path, resize, *callbacks, **({"max_epochs": 3} | more))
    fitted.fit(sizes.watch(module), loader)
    assert sizes.came == module.widths
    assert resize.mismatched == 0
    assert len(sizes.came) == batches
    assert sizes.came == [resize.plan.size_at(step).width for step in module.steps]
    assert len(set(sizes.came)) >= 3
    return fitted


WORKERS: list[dict[str, Any]] = [
    {},
    {"num_workers": 1},
    {"num_workers": 2, "persistent_workers": True, "prefetch_factor": 4},
]


def test_persistent_workers_end_with_the_fit(tmp_path: Path) -> None:
    # Else they are waited for, five seconds each, when the loader is collected.
    before, resize = multiprocessing.active_children(), make()
    loader = sized(plain(num_workers=1, persistent_workers=True), resize)
    trainer(tmp_path, resize, max_epochs=2).fit(Module(), loader)
    assert multiprocessing.active_children() == before


@pytest.mark.parametrize("workers", WORKERS)
class TestSizes:
    def test_of_a_loader(self, workers: dict[str, Any], tmp_path: Path) -> None:
        resize = make()
        loader = sized(plain(**workers), resize)
        came_as_planned(tmp_path, resize, loader, accumulate_grad_batches=3)

    @pytest.mark.filterwarnings("ignore:You have overridden `on_before_batch")
    def test_of_a_hook(self, workers: dict[str, Any], tmp_path: Path) -> None:
        resize = make()

        class Data(L.LightningDataModule):
            def train_dataloader(self) -> Any:
                return sized(plain(**workers), resize)

        came_as_planned(tmp_path, resize, Data(), reload_dataloaders_every_n_epochs=1)

    def test_with_limits(self, workers: dict[str, Any], tmp_path: Path) -> None:
        resize = make(preallocate=True)
        loader = sized(plain(**workers), resize)
        came_as_planned(
            tmp_path, resize, loader, limit_train_batches=5, batches=15,
            accumulate_grad_batches=2,
        )  # fmt: skip

    def test_with_a_batch_sampler(
        self, workers: dict[str, Any], tmp_path: Path
    ) -> None:
        resize, data = make(), Photographs()
        sampler = BatchSampler(SequentialSampler(data), 5, drop_last=True)
        loader = sized(DataLoader(data, batch_sampler=sampler, **workers), resize)
        came_as_planned(tmp_path, resize, loader, batches=15)

    def test_of_a_run_resumed_within_an_epoch(
        self, workers: dict[str, Any], tmp_path: Path
    ) -> None:
        saved = ModelCheckpoint(
            tmp_path, "{step}", every_n_train_steps=5, save_top_k=-1
        )
        resize = make()
        trainer(tmp_path, resize, saved, max_epochs=3, enable_checkpointing=True).fit(
            Module(), sized(plain(**workers), resize)
        )
        resumed, module, sizes = make(), Module(), Sizes()
        # Lightning 2.4 and 2.5 do not know it.
        whole = {"weights_only": False} if "weights_only" in _FIT else {}
        trainer(tmp_path, resumed, max_epochs=3).fit(
            sizes.watch(module), sized(plain(**workers), resumed),
            ckpt_path=str(tmp_path / "step=10.ckpt"), **whole,
        )  # fmt: skip
        # Lightning 2.4 trains a batch more after a resume in mid-epoch.
        end = 22 if L.__version__.startswith("2.4.") else 21
        assert module.steps == list(range(10, end))
        assert sizes.came == [
            resumed.plan.size_at(min(step, 20)).width for step in module.steps
        ]
        assert resumed.mismatched == 0


def test_what_is_written_reaches_the_loader() -> None:
    data = Photographs()
    loader: Any = sized(DataLoader(data, 4), make())
    assert loader.dataset is data
    loader.batch_sampler.batch_size = 13
    loader.collate_fn = list
    assert [len(samples) for samples in loader] == [13, 13]
    loader.collate_fn = len
    assert list(loader) == [13, 13]


class TestClocks:
    def test_accumulation_that_changes(self, tmp_path: Path) -> None:
        resize, factors = make(), GradientAccumulationScheduler({0: 1, 1: 2})
        came_as_planned(tmp_path, resize, sized(plain(num_workers=1), resize), factors)

    @pytest.mark.filterwarnings("ignore:You requested to overfit but enabled")
    def test_overfitting_batches(self, tmp_path: Path) -> None:
        # Lightning makes the loader again, with another sampler.
        resize = make()
        loader = sized(plain(num_workers=1), resize)
        came_as_planned(tmp_path, resize, loader, overfit_batches=4, batches=12)

    def test_manual_optimisation(self, tmp_path: Path) -> None:
        class Manual(Module):
            automatic_optimization = False

            def training_step(self, batch: Any, batch_idx: int) -> Any:
                loss = super().training_step(batch, batch_idx)
                optimizer: Any = self.optimizers()
                optimizer.zero_grad()
                self.manual_backward(loss)
                for _ in range(2):  # as two optimizers would
                    optimizer.step()

        resize, module, sizes = make(), Manual(), Sizes()
        trainer(tmp_path, resize, max_epochs=3).fit(
            sizes.watch(module), sized(plain(num_workers=1), resize)
        )
        assert sizes.came == [resize.plan.size_at(step).width for step in range(21)]
        assert resize.mismatched == 0

    @pytest.mark.filterwarnings("ignore:training ended at 24x24")
    def test_weights_that_are_averaged(self, tmp_path: Path) -> None:
        resize, module, sizes = make(total_steps=32), Module(), Sizes()
        average = StochasticWeightAveraging(1e-2, swa_epoch_start=2)
        trainer(tmp_path, resize, average, max_epochs=3).fit(
            sizes.watch(module), sized(plain(num_workers=1), resize)
        )
        expected = [resize.plan.size_at(step).width for step in range(21)]
        assert sizes.came[:21] == expected
        assert sizes.came[21:] == [FULL] * 7  # where BatchNorm is measured
        assert resize.mismatched == 0

    @pytest.mark.filterwarnings("ignore:training ended at 28x28")
    def test_a_strategy_that_counts_windows(self, tmp_path: Path) -> None:
        resize, module, sizes = make(), Module(), Sizes()
        fitted = trainer(tmp_path, resize, max_epochs=3, accumulate_grad_batches=3)
        type(fitted.strategy).handles_gradient_accumulation, before = (
            property(lambda _: True),
            type(fitted.strategy).handles_gradient_accumulation,
        )
        try:
            fitted.fit(sizes.watch(module), sized(plain(num_workers=1), resize))
        finally:
            type(fitted.strategy).handles_gradient_accumulation = before
        assert sizes.came == [resize.plan.size_at(step).width for step in module.steps]
        assert resize.mismatched == 0

    def test_a_shorter_loader_that_begins_again(self, tmp_path: Path) -> None:
        class Both(Module):
            def training_step(self, batch: Any, batch_idx: int) -> Tensor:
                short, long = batch["short"][0], batch["long"][0]
                assert short.shape[-1] == long.shape[-1]
                return super().training_step(batch["long"], batch_idx)

        resize, module = make(), Both()
        short = DataLoader(Photographs(count=12), 4, num_workers=1)
        loaders = CombinedLoader(
            {"short": sized(short, resize), "long": sized(plain(), resize)},
            "max_size_cycle",
        )
        trainer(tmp_path, resize, max_epochs=3).fit(module, loaders)
        assert module.widths == [resize.plan.size_at(step).width for step in range(21)]
        assert resize.mismatched == 0

    def test_epochs(self, tmp_path: Path) -> None:
        class Unknown(BatchSampler):
            def __len__(self) -> int:
                raise TypeError

        data = Photographs()
        sampler = Unknown(SequentialSampler(data), 4, drop_last=False)
        resize = callback(Phases(phases=(("0ep", 16), ("2ep", FULL))))
        loader = sized(DataLoader(data, batch_sampler=sampler), resize)
        sizes, module = Sizes(), Module()
        with pytest.warns(UserWarning, match="counts epochs instead of steps"):
            trainer(tmp_path, resize, max_epochs=3).fit(sizes.watch(module), loader)
        assert sizes.came == [16] * 14 + [FULL] * 7
        assert resize.mismatched == 0


class TestOutsideOfTraining:
    def test_everything_is_at_full_size(self, tmp_path: Path) -> None:
        resize = make()
        loader = sized(plain(shuffle=False), resize)
        assert {images.shape[-1] for images, _ in loader} == {FULL}
        fitted = came_as_planned(tmp_path, resize, loader)
        assert {images.shape[-1] for images, _ in loader} == {FULL}
        fitted.validate(module := Module(), loader, verbose=False)
        assert set(module.others["val"]) == {FULL}

    def test_validation_during_training(self, tmp_path: Path) -> None:
        resize, module = make(), Module()
        loader = sized(plain(shuffle=False), resize)
        trainer(tmp_path, resize, max_epochs=3).fit(module, loader, loader)
        assert module.others["val"] == [FULL] * (2 + 21)
        assert module.widths == [resize.plan.size_at(step).width for step in range(21)]
        assert resize.mismatched == 0

    def test_the_finder_of_learning_rates(self, tmp_path: Path) -> None:
        resize, module = make(), Module()
        loader = sized(plain(), resize)
        fitted = trainer(tmp_path, resize, max_epochs=3)
        Tuner(fitted).lr_find(module, loader, num_training=8)
        assert set(module.widths) == {FULL}

    def test_the_samples_are_those_of_the_plain_loader(self, tmp_path: Path) -> None:
        class Sums(Module):
            def training_step(self, batch: Any, batch_idx: int) -> Tensor:
                self.sums.append(batch[0].double().sum().item())
                return super().training_step(batch, batch_idx)

        sums = []
        for is_sized in (False, True):
            resize = callback(Ramp(initial_size=1.0, final_size=FULL))
            module = Sums()
            module.sums = []
            torch.manual_seed(3)
            loader = plain(num_workers=1)
            loader = sized(loader, resize) if is_sized else loader
            trainer(tmp_path, resize, max_epochs=2).fit(module, loader)
            sums.append(module.sums)
        assert sums[0] == sums[1]
        assert len(sums[0]) == 14

    def test_the_full_size_of_an_argument(self) -> None:
        resize = ProgressiveResize(Ramp(), final_size=FULL)
        assert resize.final_size == (FULL, FULL)
        assert next(iter(sized(plain(), resize)))[0].shape[-1] == FULL


def nothing(dataset: Any, size: Size) -> None:
    pass


class TestRefused:
    def test_no_callback(self) -> None:
        plan: Any = RAMP.plan(total_steps=9)
        with pytest.raises(TypeError, match=r"ProgressiveResize callback.*not a Plan"):
            sized(plain(), plan)

    def test_no_final_size(self) -> None:
        with pytest.raises(ValueError, match=r"full size is not known.*final_size="):
            sized(plain(), ProgressiveResize(Ramp()))

    def test_another_final_size(self) -> None:
        with pytest.raises(ValueError, match="final_size 64x64"):
            sized(plain(), ProgressiveResize(Ramp(final_size=64)))

    def test_a_subclass(self) -> None:
        class Loader(DataLoader[Any]):
            pass

        with pytest.raises(TypeError, match=r"DataLoader itself, not a Loader"):
            sized(Loader(Photographs(), 4), make())

    def test_twice(self) -> None:
        with pytest.raises(TypeError, match="not a SizedLoader"):
            sized(sized(plain(), make()), make())

    def test_a_dataset_without_a_transform(self) -> None:
        with pytest.raises(ValueError, match="has a size that upsize knows"):
            sized(DataLoader(Photographs(v2.Identity()), 4), make())


SAMPLERS = ["shuffle", "batch_sampler", "stream", "grow"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes says of each sampler; they are started once.

    By torchrun; test_packages has Lightning's own ways to start them.
    """
    return two_reports(SCRIPT, *SAMPLERS, cwd=tmp_path_factory.mktemp("two"))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_two_processes(sampler: str, reports: list[dict[str, Any]]) -> None:
    first, second = (report[sampler] for report in reports)
    assert first["world"] == second["world"] == 2
    assert first["came"] == second["came"] == first["planned"] == second["planned"]
    assert len(set(first["came"])) >= 3
    assert first["lengths"] == second["lengths"] == first["grown"] == second["grown"]
    assert first["corrected"] == second["corrected"] == 0
    assert not set(first["labels"]) & set(second["labels"])  # a share for each
    assert len(set(first["labels"])) == (20 if sampler == "stream" else 13)
