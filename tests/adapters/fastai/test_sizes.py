"""Every batch has the size of its step, on every path and in both modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fastai.callback.core import Callback, CancelTrainException
from fastai.callback.mixup import CutMix, MixUp
from fastai.callback.training import GradientAccumulation
from fastai.data.core import DataLoaders
from fastai.losses import CrossEntropyLossFlat
from tests.adapters.fastai.tools import (
    BATCHES,
    SIDE,
    TFMS,
    Seen,
    callback,
    learner,
    loaders,
    planned,
)
from torch import Tensor, nn

from upsize.fastai import IncreaseMode, ProgressiveResize
from upsize.schedule import Linear, Phases

BOTH_MODES = pytest.mark.parametrize("mode", list(IncreaseMode))


class Constant:
    """A loader of one batch, again and again."""

    def __init__(self, batches: int, side: int) -> None:
        self.batch = torch.rand(1, 1, side, side), torch.zeros(1)
        self.batches = batches

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Any:
        return (self.batch for _ in range(self.batches))


class Corner(nn.Module):
    """Looks at one pixel only: what is tested is not the model."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0, 0, 0] * self.weight


@pytest.mark.parametrize(
    ("epochs", "batches", "arguments", "message"),
    [
        (
            20,
            12,
            {"increase_by": 16},
            "112x112 until epoch 10, then +16 px every 0.83 epochs, 224x224 from epoch "
            "15",
        ),
        (
            25,
            8,
            {"increase_by": 16},
            "112x112 until epoch 12.5, then +16 px every 1.04 epochs, 224x224 from "
            "epoch 18.75",
        ),
        (
            20,
            8,
            {"increase_by": 28, "increase_mode": IncreaseMode.Epoch},
            "112x112 until epoch 12, then +28 px every epoch, 224x224 from epoch 15",
        ),
    ],
)
def test_the_published_schedules_are_printed(
    capsys: Any, epochs: int, batches: int, arguments: Any, message: str
) -> None:
    resize, seen = ProgressiveResize(final_size=224, **arguments), Seen()
    learn = learner(
        DataLoaders(Constant(batches, 224), [], device="cpu"), resize, seen,
        model=Corner(), loss_func=nn.functional.mse_loss, splitter=lambda m: list(m.parameters()),
    )  # fmt: skip
    learn.fit(epochs)
    assert capsys.readouterr().out == message + "\n"
    assert seen.train == planned(resize, range(batches * epochs))
    assert seen.train[0] == (112, 112)
    assert seen.train[-1] == (224, 224)


@pytest.mark.parametrize(
    ("tfms", "add_resize", "mode"),
    [
        *((tfms, False, IncreaseMode.Batch) for tfms in TFMS),
        ("none", True, IncreaseMode.Batch),
        ("aug", True, IncreaseMode.Batch),
        ("none", False, IncreaseMode.Epoch),
        ("aug", False, IncreaseMode.Epoch),
    ],
)
def test_every_batch_has_its_size(tfms: str, add_resize: bool, mode: Any) -> None:
    resize, seen = callback(increase_mode=mode, add_resize=add_resize), Seen()
    learner(loaders(TFMS[tfms]()), resize, seen).fit(8)
    assert seen.train == planned(resize, range(8 * BATCHES))
    assert len(set(seen.train)) > 2
    assert seen.train[-1] == resize.size == (SIDE, SIDE)
    # Validation follows the last batch of its epoch.
    assert seen.valid == seen.train[BATCHES - 1 :: BATCHES]


@pytest.mark.parametrize("tfms", ["none", "aug", "sized"])
def test_validation_at_full_size_where_transforms_are_shared(tfms: str) -> None:
    dls = loaders(TFMS[tfms]())
    if tfms != "none":
        assert dls.train.after_batch.fs[-1] is dls.valid.after_batch.fs[-1]
    resize, seen = callback(resize_valid=False), Seen()
    learner(dls, resize, seen).fit(4)
    assert set(seen.valid) == {(SIDE, SIDE)}
    assert seen.train[0] == (16, 16)


@pytest.mark.parametrize(
    "schedule",
    [
        Linear(final_size=SIDE, start=0.0, finish=0.9),
        Phases(phases=[(0, 16), ("4st", 24), (2, 32)]),
    ],
)
@pytest.mark.parametrize("tfms", ["aug", "crop"])
def test_any_other_schedule(schedule: Any, tfms: str) -> None:
    resize, seen = callback(schedule=schedule), Seen()
    learner(loaders(TFMS[tfms]()), resize, seen).fit(4)
    plan = schedule.plan(epochs=4, steps_per_epoch=BATCHES)
    assert seen.train == [tuple(plan.size_at(step)) for step in range(4 * BATCHES)]


# RandomResizedCropGPU of two sides is in "crop".
@pytest.mark.parametrize("tfms", ["aug", "sized", "crop"])
def test_images_of_two_sides(tfms: str) -> None:
    full = (32, 48)
    made = {"sized": {"size": full}, "crop": {"size": full, "min_scale": 0.5}}
    from fastai.vision.augment import aug_transforms

    batch_tfms = aug_transforms(**made.get(tfms, {}))
    resize, seen = callback(), Seen()
    learner(loaders(batch_tfms, height=32, width=48), resize, seen).fit(4)
    assert seen.train == planned(resize, range(4 * BATCHES))
    assert (seen.train[0], seen.train[-1]) == ((16, 24), full)


@pytest.mark.parametrize("mix", [MixUp, CutMix])
@pytest.mark.parametrize("tfms", ["none", "aug", "sized"])
def test_inside_mixup_and_cutmix(mix: Any, tfms: str) -> None:
    resize, seen = callback(), Seen()
    mixed: list[Any] = []

    class Spy(mix):  # type: ignore[misc]
        def before_batch(self) -> None:
            mixed.append(tuple(self.xb[0].shape[-2:]))
            super().before_batch()

    learner(loaders(TFMS[tfms]()), resize, seen, Spy()).fit(4)
    assert seen.train == mixed == planned(resize, range(4 * BATCHES))


@BOTH_MODES
@pytest.mark.parametrize(("tfms", "begin"), [("aug", 1), ("sized", 3)])
def test_start_epoch_takes_the_sizes_of_an_uninterrupted_run(
    mode: Any, tfms: str, begin: int
) -> None:
    resize, seen = callback(increase_mode=mode), Seen()
    learner(loaders(TFMS[tfms]()), resize, seen).fit(6, start_epoch=begin)
    assert seen.train == planned(resize, range(begin * BATCHES, 6 * BATCHES))


def test_a_run_that_is_interrupted_saved_and_resumed(tmp_path: Path) -> None:
    class Interrupt(Callback):
        def before_epoch(self) -> None:
            if self.epoch == 4:
                self.learn.save("after_four")
                raise KeyboardInterrupt

    first, second = Seen(), Seen()
    tfms = TFMS["sized"]
    learn = learner(loaders(tfms()), callback(), first, Interrupt(), path=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        learn.fit(6)
    resize = callback()
    learn = learner(loaders(tfms()), resize, second, path=tmp_path)
    learn.load("after_four")
    learn.fit(6, start_epoch=4)
    assert first.train + second.train == planned(resize, range(6 * BATCHES))


def test_epochs_count_anew_in_each_fit() -> None:
    resize, seen = callback(start=1, finish=3), Seen()
    learn = learner(loaders(), resize, seen)
    learn.fit(4)
    learn.fit(8)
    first, second = seen.train[: 4 * BATCHES], seen.train[4 * BATCHES :]
    assert first.index((20, 20)) == second.index((20, 20)) == BATCHES
    assert first.index((32, 32)) == second.index((32, 32)) == 3 * BATCHES


def test_windows_that_go_on_in_the_next_epoch() -> None:
    resize, seen = callback(increase_by=2), Seen()
    learner(loaders(), resize, seen, GradientAccumulation(n_acc=12)).fit(6)
    for begin in range(0, 6 * BATCHES, 3):
        window = seen.train[begin : begin + 3]
        assert window == planned(resize, [begin]) * 3


def test_an_epoch_without_training() -> None:
    class Skip(Seen):
        def before_train(self) -> None:
            if self.epoch == 0:
                raise CancelTrainException

    resize, seen = callback(), Skip()
    learner(loaders(), resize, seen).fit(4)
    assert seen.valid[0] == (SIDE, SIDE)  # no size has been trained on
    assert seen.train == planned(resize, range(BATCHES, 4 * BATCHES))


def test_an_epoch_that_is_cut_short() -> None:
    class Short(Seen):
        def after_batch(self) -> None:
            if self.training and self.iter == 1:
                raise CancelTrainException

    resize, seen = callback(), Short()
    learner(loaders(), resize, seen).fit(6)
    steps = [step for step in range(6 * BATCHES) if step % BATCHES < 2]
    assert seen.train == planned(resize, steps)


@pytest.mark.parametrize("tfms", [name for name in TFMS if name != "none"])
def test_a_schedule_that_never_resizes_changes_no_bit(tfms: str) -> None:
    weights = []
    for cbs in ([], [callback(initial_size=1.0)]):
        from fastai.torch_core import set_seed

        set_seed(3)
        learn = learner(loaders(TFMS[tfms]()), *cbs)
        set_seed(4)
        learn.fit(3)
        weights.append(learn.model.state_dict())
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_the_full_size_of_the_images_or_a_smaller_one() -> None:
    for tfms in ("aug", "sized"):
        seen = Seen()
        with pytest.warns(UserWarning, match="final_size is 24x24") as told:
            learner(loaders(TFMS[tfms]()), callback(final_size=24), seen).fit(4)
        assert len(told) == 1
        assert (seen.train[0], seen.train[-1]) == ((12, 12), (24, 24))
        assert set(seen.train) == {(12, 12), (16, 16), (20, 20), (24, 24)}


@pytest.mark.parametrize("tfms", ["none", "aug", "sized"])
def test_a_loss_that_counts_its_calls(tfms: str) -> None:
    class Loss(CrossEntropyLossFlat):
        calls = 0

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            type(self).calls += 1
            return super().__call__(*args, **kwargs)

    resize = callback()
    learner(loaders(TFMS[tfms]()), resize, loss_func=Loss()).fit(4)
    # The dry run does not call it: four batches and one of validation, four times.
    assert Loss.calls == 4 * (BATCHES + 1)
