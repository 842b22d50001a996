"""Small images in fewer, larger micro-batches train to the same weights."""

from __future__ import annotations

import pickle
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import pytorch_lightning as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import BatchSizeFinder, GradientAccumulationScheduler
from tests.adapters.lightning.merging import (
    RAMP,
    SIDE,
    Module,
    Steps,
    Stream,
    callback,
    fit,
    loader,
    trainer,
)
from tests.adapters.torchrun import two_reports
from tests.core.loading.images import Images, augmented
from torch.utils.data import DataLoader

from upsize.lightning import (
    HELD,
    PytorchLightningProgressiveResize,
    sized,
)

PROCESSES = Path(__file__).with_name("merge_processes.py")


def is_same(one: Any, other: Any) -> bool:
    return torch.allclose(one.weights, other.weights, rtol=0, atol=1e-9)


def lengths(n: int) -> list[list[int]]:
    """Give batches of the user's own, some of which are shorter."""
    indices, batches = list(range(n)), []
    for length in [4, 4, 3, 4, 4, 4, 4, 2, 4, 4, 4, 4]:
        batches.append(indices[:length])
        indices = indices[length:]
    return batches


RUNS: dict[str, tuple[Any, dict[str, Any]]] = {
    "the last batch is short": (lambda: loader(75), {}),
    "all batches are whole": (lambda: loader(76), {}),
    "short windows": (lambda: loader(75), {"accumulate_grad_batches": 3}),
    "limited epochs": (lambda: loader(75), {"limit_train_batches": 13}),
    "limited steps": (lambda: loader(75), {"max_steps": 7}),
    "no length": (
        lambda: DataLoader(Stream(75), batch_size=4),
        {"max_steps": 9, "max_epochs": -1},
    ),
    "batches of several lengths": (
        lambda: DataLoader(loader(75).dataset, batch_sampler=lengths(75)),
        {},
    ),
    "windows that change": (
        lambda: loader(75),
        {"accumulate_grad_batches": 1, "scheduling": {0: 8, 1: 4}},
    ),
    "workers": (lambda: loader(40, num_workers=2), {}),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_weights_are_those_of_the_unmerged_run(name: str, tmp_path: Path) -> None:
    train, settings = RUNS[name]
    settings = dict(settings)
    scheduling = settings.pop("scheduling", None)
    found = []
    for merge in (False, True):
        others = (
            [] if scheduling is None else [GradientAccumulationScheduler(scheduling)]
        )
        found.append(fit(tmp_path, merge, train(), *others, **settings))
    plain, merged = found
    assert is_same(merged, plain)
    assert merged.rates == plain.rates
    assert merged.trainer.global_step == plain.trainer.global_step
    assert merged.epochs == pytest.approx(plain.epochs)
    assert len(merged.passes) < len(plain.passes)
    assert sum(n for _, n, _ in merged.passes) == sum(n for _, n, _ in plain.passes)


def test_the_passes_that_the_plan_says(tmp_path: Path) -> None:
    # Windows of 8, 8 and 3 batches, the last of them short; five of nine at 8 pixels.
    module = fit(tmp_path, True, loader(75))
    small = [n for _, n, side in module.passes if side == 8]
    assert small == [16, 16, 16, 16, 8, 3, 16, 16, 16, 16]
    assert {n for _, n, side in module.passes if side > 8} == {3, 4}


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        (8, [8, 8, 8, 8]),
        (12, [12, 12, 8]),
        (1000, [16, 16]),
        ({8: 32, 12: 8, 16: 4}, [32]),
    ],
)
def test_limits(merge: Any, expected: list[int], tmp_path: Path) -> None:
    plain = fit(tmp_path, False, loader(64))
    module = fit(tmp_path, merge, loader(64))
    assert [n for step, n, _ in module.passes if step == 0] == expected
    assert is_same(module, plain)


@pytest.mark.parametrize("as_dict", [False, True])
def test_what_training_step_returns(as_dict: bool, tmp_path: Path) -> None:
    class Outputs(L.Callback):
        def __init__(self) -> None:
            self.seen: list[tuple[float, bool, bool]] = []

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            loss = outputs["loss"].item()
            self.seen.append((loss, "passes" in outputs, batch is HELD))

    found = []
    for merge in (False, True):
        outputs = Outputs()
        fit(tmp_path, merge, loader(64), outputs, module=Module(as_dict=as_dict))
        found.append(outputs.seen[:8])
    plain, merged = found
    held = [True, True, True, False] * 2
    assert [is_held for _, _, is_held in merged] == held
    assert [loss for loss, _, is_held in merged if is_held] == [0] * 6
    assert [passed for _, passed, _ in merged] == [
        as_dict and not each for each in held
    ]
    # Over a window, the losses add up to its mean, as without merging.
    window = sum(loss for loss, _, _ in plain)
    assert sum(loss for loss, _, _ in merged) == pytest.approx(window)


class Skips(Module):
    """Leaves out the second window of an epoch."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        output = super().training_step(batch, batch_idx)
        return output if batch_idx < 8 else self.output


def test_a_loss_that_is_left_out(tmp_path: Path) -> None:
    # That window is two passes, and a third one for its short batch.
    module = fit(tmp_path, True, loader(61), module=Skips(None))
    assert [n for step, n, _ in module.passes if step == 1] == [16, 12, 1]
    assert torch.isfinite(module.weights).all()


def test_a_loss_that_is_missing(tmp_path: Path) -> None:
    # As Lightning itself says it.
    with pytest.raises(MisconfigurationException, match="the 'loss' key needs to be"):
        fit(tmp_path, True, loader(61), module=Skips({"other": 1}))


def test_hooks_see_each_batch(tmp_path: Path) -> None:
    class Hooks(Module):
        def __init__(self) -> None:
            super().__init__()
            self.transferred: list[int] = []
            self.backwards = 0

        def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            self.transferred.append(len(batch[0]))
            return batch

        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            # Draws once for each batch of the loader, as without merging.
            return batch[0] * torch.rand((), dtype=torch.float64), batch[1]

        def on_after_backward(self) -> None:
            self.backwards += 1

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            super().on_train_batch_end(outputs, batch, batch_idx)
            self.log("hook", float(batch_idx), on_epoch=True)

    found = []
    for merge in (False, True):
        torch.manual_seed(1)
        found.append(fit(tmp_path, merge, loader(75), module=Hooks()))
    plain, merged = found
    assert is_same(merged, plain)
    assert merged.transferred == plain.transferred == ([4] * 18 + [3]) * 3
    assert merged.backwards == len(merged.passes)


def test_validation_within_a_window(tmp_path: Path) -> None:
    class Validates(Module):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.rates.append((self.trainer.global_step, -1, 0))

        def val_dataloader(self) -> Any:
            return loader(4)

    plain, merged = (
        fit(tmp_path, merge, loader(75), module=Validates(), val_check_interval=3,
            num_sanity_val_steps=0)
        for merge in (False, True)
    )  # fmt: skip
    assert is_same(merged, plain)
    assert merged.rates == plain.rates


def test_an_epoch_that_is_left_within_a_window(tmp_path: Path) -> None:
    class Leaves(Module):
        def on_train_batch_start(self, batch: Any, batch_idx: int) -> Any:
            return -1 if batch_idx == 10 else None

    found = [
        fit(tmp_path, merge, loader(75), module=Leaves()) for merge in (False, True)
    ]
    assert is_same(*found)


@pytest.mark.parametrize("at", [8, 10, 17])
def test_resume_within_an_epoch(at: int, tmp_path: Path) -> None:
    class Saves(L.Callback):
        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            if trainer.fit_loop.total_batch_idx == 19 + at:
                trainer.save_checkpoint(tmp_path / "saved.ckpt")

    fit(tmp_path, True, loader(75), Saves())
    found = []
    for merge in (False, True):
        module = Module()
        trainer(tmp_path, merge).fit(
            module, loader(75), ckpt_path=str(tmp_path / "saved.ckpt")
        )
        found.append(module)
    plain, merged = found
    assert is_same(merged, plain)
    assert merged.rates == plain.rates


def test_sized_loaders(tmp_path: Path) -> None:
    class Small(Module):
        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return batch[0].double() / 255, batch[1] % 2

    found = []
    for merge in (False, True):
        torch.manual_seed(1)
        resize = callback(merge)
        data = DataLoader(Images(augmented(SIDE), 62), 4, num_workers=2)
        module = fit(tmp_path, resize, sized(data, resize), module=Small())
        assert resize.mismatched == 0
        found.append(module)
    plain, merged = found
    assert is_same(merged, plain)
    assert len(merged.passes) < len(plain.passes)


def test_an_optimizer_that_evaluates_a_batch_twice(tmp_path: Path) -> None:
    class Twice(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            first, second = float(closure()), float(closure())
            assert first == second
            return super().step()

    class Evaluates(Module):
        def configure_optimizers(self) -> Any:
            return Twice(self.net.parameters(), 0.01)

    # The last pass of a window comes twice, in both runs.
    plain, merged = (
        fit(tmp_path, merge, loader(64), module=Evaluates(), accumulate_grad_batches=4)
        for merge in (False, True)
    )
    # In one window of four, all is evaluated twice, and not just its last quarter.
    assert [n for step, n, _ in merged.passes if step == 0] == [16, 16]
    assert [n for step, n, _ in plain.passes if step == 0] == [4] * 5


class Finds(Module):
    """Takes its batch from a finder."""

    def __init__(self) -> None:
        super().__init__()
        self.batch_size = 4

    def train_dataloader(self) -> Any:
        return loader(128, batch_size=self.batch_size)


def test_the_finder_of_batch_sizes(tmp_path: Path) -> None:
    # It measures at full size, without merging; what it finds is merged. Lightning 2.4
    # doubles the batch after the last trial, too.
    trials = 1 if L.__version__.startswith("2.4.") else 2
    finder = BatchSizeFinder(steps_per_trial=1, init_val=4, max_trials=trials)
    module = fit(tmp_path, True, None, finder, module=Finds())
    assert module.batch_size == 8
    found = [(n, side) for _, n, side in module.passes]
    assert (4, SIDE) in found[:4]
    assert (32, 8) in found
    with pytest.raises(ValueError, match="one batch of the loader has 8"):
        fit(tmp_path, 7, None, finder, module=Finds())


def test_the_other_package(tmp_path: Path) -> None:
    class Module(Steps, pl.LightningModule):
        pass

    found = []
    for merge in (False, True):
        resize = PytorchLightningProgressiveResize(RAMP, verbose=False, merge=merge)
        module = Module()
        pl.Trainer(
            max_epochs=3, accumulate_grad_batches=8, callbacks=[resize], logger=False,
            enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu",
            enable_model_summary=False, default_root_dir=tmp_path,
        ).fit(module, loader(75))  # fmt: skip
        found.append(module)
    plain, merged = found
    assert is_same(merged, plain)
    assert len(merged.passes) < len(plain.passes)


def test_two_processes(tmp_path: Path) -> None:
    first, second = two_reports(PROCESSES, cwd=tmp_path)
    assert first == second
    plain, merged = first["False"], first["True"]
    assert plain["world"] == merged["world"] == 2
    assert merged["weights"] == pytest.approx(plain["weights"], rel=0, abs=1e-9)
    assert merged["rates"] == plain["rates"]
    # At 8 pixels, a window of four is one pass, and one of two with a short one is two.
    assert (plain["passes"], merged["passes"]) == (30, 18)


@pytest.mark.parametrize("stops", [False, True])
def test_everything_is_restored(stops: bool, tmp_path: Path) -> None:
    class Stops(Module):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            assert {"training_step", "backward"} <= set(vars(self.trainer.strategy))
            if stops:
                raise RuntimeError("stop")
            return super().training_step(batch, batch_idx)

    run = trainer(tmp_path, True)
    with pytest.raises(RuntimeError, match="stop") if stops else nullcontext():
        run.fit(Stops(), loader(64))
    assert not {"training_step", "backward"} & set(vars(run.strategy))


@pytest.mark.parametrize("read", [list, lambda batch: batch["image"]])
def test_a_callback_that_reads_a_batch_that_waits(read: Any, tmp_path: Path) -> None:
    class Reads(L.Callback):
        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            read(batch)

    with pytest.raises(TypeError, match="Skip it where code reads batches"):
        fit(tmp_path, True, loader(64), Reads())


class TestRefusals:
    """Each says what does not work, and what does."""

    def test_manual_optimization(self, tmp_path: Path) -> None:
        module = Module()
        module.automatic_optimization = False
        with pytest.raises(ValueError, match="merge= needs automatic optimization"):
            fit(tmp_path, True, loader(8), module=module, accumulate_grad_batches=1)

    def test_a_strategy_that_accumulates(self, tmp_path: Path) -> None:
        run = trainer(tmp_path, True)

        class Accumulates(type(run.strategy)):  # type: ignore[misc]
            @property
            def handles_gradient_accumulation(self) -> bool:
                return True

        run.strategy.__class__ = Accumulates
        with pytest.raises(ValueError, match="merge= does not work with Accumulates"):
            run.fit(Module(), loader(64))

    def test_nothing_to_merge(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"each batch is one: give Trainer\(accum"):
            fit(tmp_path, True, loader(8), accumulate_grad_batches=1)

    def test_a_limit_below_the_batch(self, tmp_path: Path) -> None:
        with pytest.raises(
            ValueError, match=r"3 images .* one batch of the loader has 4"
        ):
            fit(tmp_path, 3, loader(64))

    def test_a_batch_that_cannot_be_concatenated(self, tmp_path: Path) -> None:
        class Names(Module):
            def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
                return *batch, f"batch {batch[1].sum()} {batch[0].sum()}"

        with pytest.raises(
            ValueError, match=r"cannot concatenate .*\[2\] differs.*; give it a row"
        ):
            fit(tmp_path, True, loader(64), module=Names())


def test_without_merging_the_strategy_is_left_alone(tmp_path: Path) -> None:
    class Looks(Module):
        def on_train_epoch_end(self) -> None:
            super().on_train_epoch_end()
            assert "training_step" not in vars(self.trainer.strategy)

    fit(tmp_path, False, loader(64), module=Looks())


class Asks(L.Callback):
    """Asks for the loss of a batch of its own within the training."""

    def __init__(self) -> None:
        self.batch = next(iter(loader(4)))
        self.losses: list[tuple[float, float]] = []

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        images, labels = self.batch
        with torch.no_grad():
            asked = trainer.strategy.training_step(self.batch, batch_idx)
            expected = torch.nn.functional.cross_entropy(pl_module.net(images), labels)
        self.losses.append((float(asked), float(expected)))


def test_a_step_that_somebody_else_asks_for(tmp_path: Path) -> None:
    asks = Asks()
    fit(tmp_path, True, loader(75), asks)
    assert len(asks.losses) == 57
    assert all(asked == expected for asked, expected in asks.losses)


def test_held_is_one_object() -> None:
    assert pickle.loads(pickle.dumps(HELD)) is HELD
    assert repr(HELD) == "HELD"
