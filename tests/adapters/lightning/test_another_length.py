"""A run that another one continues: with other epochs, or other images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from tests.adapters.lightning.test_sizes import Stream
from tests.adapters.lightning.tools import Module, callback, dataset, loader, trainer
from torch.utils.data import DataLoader, DistributedSampler

from upsize.schedule import Ramp

STEPS = {"max_epochs": -1, "max_steps": 80}


class Saving(Module):
    """Saves a checkpoint after some steps."""

    def __init__(self, path: Path, step: int) -> None:
        super().__init__()
        self.path, self.step = path, step

    def on_train_batch_end(self, *_: Any) -> None:
        if self.trainer.global_step == self.step:
            self.trainer.save_checkpoint(self.path)


def data(batch: int, count: int = 20) -> DataLoader[Any]:
    return DataLoader(dataset(count), batch_size=batch)


def resumed(
    folder: Path,
    done: int,
    before: dict[str, Any],
    after: dict[str, Any],
    batches: tuple[int, int],
) -> tuple[Module, Module]:
    path = folder / "saved.ckpt"
    first, rest = Saving(path, done), Module()
    trainer(folder, callback(), **before).fit(first, data(batches[0]))
    with pytest.warns(UserWarning, match="the saved run has"):
        trainer(folder, callback(), **after).fit(
            rest, data(batches[1]), ckpt_path=str(path)
        )
    return first, rest


@pytest.mark.parametrize("batches", [(1, 2), (2, 1), (2, 5)], ids=str)
@pytest.mark.parametrize("done", [20, 50, 70])
def test_the_same_steps_of_other_epochs(
    batches: tuple[int, int], done: int, tmp_path: Path
) -> None:
    """What was full size from the half of the run on."""
    first, rest = resumed(tmp_path, done, STEPS, STEPS, batches)
    sizes = dict(zip(first.steps, first.widths, strict=True))
    assert rest.widths == [sizes[step] for step in rest.steps]
    assert set(rest.steps) == set(range(done, 80))


def test_half_of_the_steps(tmp_path: Path) -> None:
    """Twice the processes: full size is reached where the new plan reaches it."""
    half = STEPS | {"max_steps": 40}
    _, rest = resumed(tmp_path, 20, STEPS, half, (1, 2))
    assert rest.widths == [24] * 10 + [32] * 10
    assert rest.steps == list(range(20, 40))


def test_twice_the_steps(tmp_path: Path) -> None:
    half = STEPS | {"max_steps": 40}
    _, rest = resumed(tmp_path, 25, half, STEPS, (2, 1))
    # 24 pixels were reached, and are kept until the new plan is there.
    assert dict(zip(rest.steps, rest.widths, strict=True)) == {
        step: 24 if step < 60 else 32 for step in range(25, 80)
    }


@pytest.mark.parametrize(("was", "now"), [(2, 1), (1, 2)])
@pytest.mark.parametrize("done", [7, 9])
def test_each_epoch_keeps_its_size_with_other_processes(
    was: int, now: int, done: int, tmp_path: Path
) -> None:
    """Of one of them: with two, it draws half of the images."""

    def share(processes: int) -> DataLoader[Any]:
        data = dataset(20)
        sampler = DistributedSampler(data, processes, 0, shuffle=False)
        return DataLoader(data, batch_size=2, sampler=sampler)

    path = tmp_path / "saved.ckpt"
    trainer(tmp_path, callback()).fit(Saving(path, done), share(was))
    rest, resize = Module(), callback()
    with pytest.warns(UserWarning, match="the saved run has"):
        trainer(tmp_path, resize).fit(rest, share(now), ckpt_path=str(path))
    each, small = 10 // now, len(rest.widths) - 2 * 10 // now
    assert rest.widths == [16] * small + [24] * each + [32] * each
    assert small > 0
    assert resize.plan is not None
    assert (resize.plan.samples_per_epoch, resize.plan.batch_size) == (20 // now, 2)


def test_windows_that_change_keep_each_epoch_at_its_steps(tmp_path: Path) -> None:
    """Epochs have other steps then: 5, 5, 3 and 3, and 10, 10, 5 and 5."""
    path = tmp_path / "saved.ckpt"
    windows = GradientAccumulationScheduler({0: 1, 2: 2})
    trainer(tmp_path, callback(), windows).fit(Saving(path, 7), data(4))
    resize = callback()
    made = trainer(tmp_path, resize, windows)
    with pytest.warns(UserWarning, match="saved run has 16 steps and this one 30"):
        made.fit(Module(), data(2), ckpt_path=str(path))
    assert made.global_step + resize.state_dict()["shift"] == 30


class TestASecondFit:
    def fitted(
        self, folder: Path, sides: tuple[int, int], batch: int = 4, **more: Any
    ) -> tuple[Any, list[int]]:
        resize, module = callback(**more), Module()
        made = trainer(folder, resize)
        made.fit(module, loader(side=sides[0]))
        first = len(module.widths)
        made.fit_loop.max_epochs = 8
        made.fit(module, DataLoader(dataset(20, sides[1]), batch_size=batch))
        return resize, module.widths[first:]

    def test_with_larger_images_is_a_run_of_its_own(self, tmp_path: Path) -> None:
        resize, widths = self.fitted(tmp_path, (32, 64))
        assert resize.plan.final_size == (64, 64)
        assert resize.plan.total_steps == 20
        assert widths == [resize.plan.size_at(step).width for step in range(20)]
        assert (widths[0], widths[-1]) == (16, 64)

    def test_with_smaller_images_too(self, tmp_path: Path) -> None:
        resize, widths = self.fitted(tmp_path, (64, 32))
        assert resize.plan.final_size == (32, 32)
        assert widths == [16] * 10 + [24] * 5 + [32] * 5

    @pytest.mark.parametrize("batch", [2, 10])
    def test_with_other_epochs(self, batch: int, tmp_path: Path) -> None:
        resize, widths = self.fitted(tmp_path, (64, 32), batch)
        epoch = 20 // batch
        assert resize.plan.total_steps == len(widths) == 4 * epoch
        assert widths == [16] * 2 * epoch + [24] * epoch + [32] * epoch

    def test_moments_in_epochs_are_its_own(self, tmp_path: Path) -> None:
        ramp = Ramp(initial_size=16, start=1, finish=3, increase_by=8)
        _, widths = self.fitted(tmp_path, (48, 32), schedule=ramp)
        assert widths == [16] * 5 + [24] * 10 + [32] * 5

    def test_a_given_full_size_stays(self, tmp_path: Path) -> None:
        with pytest.warns(UserWarning, match="saved run has 20|never uses their own"):
            resize, widths = self.fitted(tmp_path, (32, 64), final_size=32)
        assert resize.plan.final_size == (32, 32)
        assert widths == [32] * 20

    def test_its_state_resumes(self, tmp_path: Path) -> None:
        resize, module = callback(), Saving(tmp_path / "second.ckpt", 30)
        made = trainer(tmp_path, resize)
        made.fit(module, loader())
        made.fit_loop.max_epochs = 8
        made.fit(module, loader(side=64))
        again, rest = callback(), Module()
        with pytest.warns(UserWarning, match="saved run has 20 steps and this one 40"):
            trainer(tmp_path, again, max_epochs=8).fit(
                rest, loader(side=64), ckpt_path=str(tmp_path / "second.ckpt")
            )
        assert rest.widths[-10:] == module.widths[-10:]
        # Lightning 2.4 trains on the last batch of that epoch again, also without upsize.
        assert rest.widths[:-10] == [24] * L.__version__.startswith("2.4.")

    def test_a_third_fit_continues_the_second(self, tmp_path: Path) -> None:
        resize, module = callback(), Module()
        made = trainer(tmp_path, resize)
        made.fit(module, loader())
        made.fit_loop.max_epochs = 8
        made.fit(module, loader(side=64))
        made.fit_loop.max_epochs = 9
        with pytest.warns(UserWarning, match="the saved run has 20 steps"):
            made.fit(module, loader(side=64))
        assert module.widths[40:] == [64] * 5

    def test_without_a_length(self, tmp_path: Path) -> None:
        resize, module = callback(total_steps=20), Module()
        made = trainer(tmp_path, resize, max_steps=20, max_epochs=-1)
        made.fit(module, loader(side=64))
        resize._total = 40
        made.fit_loop.epoch_loop.max_steps = 40
        made.fit(module, DataLoader(Stream(), batch_size=4))
        assert resize.plan.total_steps == 20
        assert module.widths[20:] == [16] * 10 + [24] * 5 + [32] * 5
