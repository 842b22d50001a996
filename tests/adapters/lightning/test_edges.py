"""What is rare, and what has gone wrong elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as L
import pytest
from tests.adapters.lightning.test_sizes import Stream, TwoOptimizers
from tests.adapters.lightning.tools import (
    Module,
    callback,
    fit,
    loader,
    planned,
    trainer,
)
from torch import Tensor
from torch.utils.data import DataLoader


class Batches:
    """A loader of no kind that Lightning knows."""

    def __init__(self, *batches: Any) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


class TestASecondFitOfATrainer:
    def test_goes_on_without_shrinking(self, tmp_path: Path) -> None:
        resize, module = callback(), Module()
        made = trainer(tmp_path, resize)
        made.fit(module, loader())
        made.fit_loop.max_epochs = 12
        with pytest.warns(UserWarning, match="saved run has 20 steps and this one 60"):
            made.fit(module, loader())
        assert module.widths == planned(resize, range(60))
        assert module.widths[19:] == [32] * 41

    def test_is_not_touched_by_what_a_test_has_loaded(self, tmp_path: Path) -> None:
        made, module = trainer(tmp_path, callback()), Module()
        made.fit(module, loader())
        made.save_checkpoint(tmp_path / "last.ckpt")
        resize, module = callback(), Module()
        made = trainer(tmp_path, resize, max_epochs=8)
        made.test(module, loader(), ckpt_path=tmp_path / "last.ckpt", verbose=False)
        made.fit(module, loader())
        assert resize.plan.total_steps == 40
        assert module.widths == planned(resize, range(40))
        assert module.widths[0] == 16


class TestResumedWithAnotherCounter:
    def checkpoint(self, path: Path) -> str:
        module, made = Module(), trainer(path, callback())
        made.fit(module, loader())
        made.save_checkpoint(path / "steps.ckpt")
        return str(path / "steps.ckpt")

    def test_epochs_instead_of_steps(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, callback(), max_epochs=6)
        with (
            pytest.warns(UserWarning, match="no length"),
            pytest.raises(ValueError, match=r"counts optimizer steps and .* epochs"),
        ):
            made.fit(
                Module(),
                DataLoader(Stream(), batch_size=4),
                ckpt_path=self.checkpoint(tmp_path),
            )

    def test_epochs_again(self, tmp_path: Path) -> None:
        class Saving(Module):
            def on_train_epoch_end(self) -> None:
                if self.trainer.current_epoch == 1:
                    self.trainer.save_checkpoint(tmp_path / "epochs.ckpt")

        data, whole, rest = DataLoader(Stream(), batch_size=4), Saving(), Module()
        with pytest.warns(UserWarning, match="no length"):
            trainer(tmp_path, callback()).fit(whole, data)
        with pytest.warns(UserWarning, match="no length"):
            trainer(tmp_path, callback()).fit(
                rest, data, ckpt_path=str(tmp_path / "epochs.ckpt")
            )
        assert rest.widths == whole.widths[-len(rest.widths) :]
        assert len(rest.widths) == 10


class TestManualOptimisation:
    def test_resumes_in_mid_epoch(self, tmp_path: Path) -> None:
        whole = fit(tmp_path, callback(), TwoOptimizers())
        first = trainer(tmp_path, callback(total_steps=20), limit_train_batches=5)
        stopped = TwoOptimizers()

        class Saving(TwoOptimizers):
            def on_train_batch_end(self, *_: Any) -> None:
                if len(self.widths) == 12:
                    self.trainer.save_checkpoint(tmp_path / "mid.ckpt")

        first.fit(Saving(), loader())
        trainer(tmp_path, callback(total_steps=20)).fit(
            stopped, loader(), ckpt_path=str(tmp_path / "mid.ckpt")
        )
        # Lightning 2.4 trains a batch more after a resume in mid-epoch.
        assert len(stopped.widths) in (8, 9)
        assert stopped.widths == whole.widths[-len(stopped.widths) :]


def test_barebones(tmp_path: Path) -> None:
    resize, module = callback(), Module()
    L.Trainer(callbacks=[resize], max_epochs=4, accelerator="cpu", barebones=True).fit(
        module, loader()
    )
    assert module.widths == planned(resize, range(20))


@pytest.mark.filterwarnings("ignore:train_dataloader yielded None")
# Lightning takes no optimizer step for it.
@pytest.mark.filterwarnings("ignore:training ended at 24x24")
def test_a_batch_that_is_none_is_left_to_lightning(tmp_path: Path) -> None:
    batches = Batches(*loader(8), None, *loader(8))
    module = Module()
    trainer(tmp_path, callback()).fit(module, batches)
    assert len(module.widths) == 16


def test_validation_before_training_stays_at_full_size(tmp_path: Path) -> None:
    class Checked(Module):
        def on_train_start(self) -> None:
            # As in a resumed run that was saved in the middle of a validation.
            self.trainer.validating = True
            self.trainer.fit_loop.epoch_loop.val_loop.run()
            self.trainer.training = True

    module = Checked()
    trainer(tmp_path, callback(resize_valid=True), num_sanity_val_steps=0).fit(
        module, loader(), loader()
    )
    assert module.others["val"][:5] == [32] * 5


def test_the_cache_is_emptied_on_every_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for available in (False, True):
        emptied: list[Any] = []
        resize = callback(empty_cache=True)
        cuda = SimpleNamespace(
            is_available=lambda there=available: there,
            empty_cache=lambda calls=emptied, by=resize: calls.append(by.size),
        )
        monkeypatch.setattr(
            "upsize.run._training_run.torch", SimpleNamespace(cuda=cuda)
        )
        fit(tmp_path, resize)
        assert emptied == (list(resize.plan.sizes) if available else [])


class TestPreallocate:
    def test_a_forward_that_does_not_take_the_images(self, tmp_path: Path) -> None:
        class NoForward(Module):
            def forward(self, images: Tensor, extra: Tensor) -> Tensor:  # type: ignore[override]
                raise AssertionError

        with pytest.raises(TypeError, match="extra") as caught:
            fit(tmp_path, callback(preallocate=True), NoForward())
        assert "preallocate=True" in caught.value.__notes__[0]


class TestBadArguments:
    def test_a_length(self) -> None:
        with pytest.raises(ValueError, match=r"total_steps must be .* not 0"):
            callback(total_steps=0)


def test_a_finished_run_that_is_resumed_trains_nothing(tmp_path: Path) -> None:
    made = trainer(tmp_path, callback())
    made.fit(Module(), loader())
    made.save_checkpoint(tmp_path / "last.ckpt")
    resize, module = callback(), Module()
    trainer(tmp_path, resize).fit(
        module, loader(), ckpt_path=str(tmp_path / "last.ckpt")
    )
    assert module.widths == []
    assert resize.size is None
    assert resize.state_dict()["plan"]["total_steps"] == 20
