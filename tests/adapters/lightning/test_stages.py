"""What it touches, what it leaves alone, and what it puts back."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    LearningRateFinder,
    StochasticWeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tests.adapters.lightning.tools import (
    RAMP,
    Module,
    callback,
    fit,
    loader,
    planned,
    trainer,
)
from torch import Tensor, nn

from upsize.lightning import ProgressiveResize
from upsize.schedule import Ramp


def hooked(made: L.Trainer) -> bool:
    return "batch_to_device" in vars(made.strategy)


class Tuned(Module):
    """Remembers which of its steps a finder ran: those without our callback."""

    def val_dataloader(self) -> Any:
        return loader()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        ours = any(
            isinstance(c, ProgressiveResize)
            for c in self.trainer.callbacks  # type: ignore[attr-defined]
        )
        self.tuned = [*getattr(self, "tuned", []), not ours]
        return super().training_step(batch, batch_idx)


class TestOtherStages:
    def test_validation_at_the_size_of_training_when_asked(
        self, tmp_path: Path
    ) -> None:
        resize, module = callback(resize_valid=True), Module()
        made = trainer(tmp_path, resize, num_sanity_val_steps=2)
        made.fit(module, loader(), loader())
        assert module.others["val"] == [32] * 2 + [16] * 10 + [24] * 5 + [32] * 5
        made.validate(module, loader(), verbose=False)
        assert module.others["val"][-5:] == [32] * 5

    @pytest.mark.parametrize("first", [True, False])
    def test_the_finders(self, first: bool, tmp_path: Path) -> None:
        for finder in (
            LearningRateFinder(num_training_steps=6),
            BatchSizeFinder(max_trials=2, steps_per_trial=1),
        ):
            resize, module = callback(), Tuned()
            callbacks = [resize, finder] if first else [finder, resize]
            made = trainer(
                tmp_path, *callbacks, enable_checkpointing=True, limit_val_batches=0
            )
            made.fit(module)
            seen = list(zip(module.tuned, module.steps, module.widths, strict=True))
            assert {width for tuned, _, width in seen if tuned} == {32}
            trained = [(step, width) for tuned, step, width in seen if not tuned]
            steps = [step for step, _ in trained]
            total = resize.plan.total_steps
            # Lightning 2.4 leaves out a batch of the first epoch after a finder.
            assert len(steps) == total or L.__version__.startswith("2.4.")
            assert steps == list(range(len(steps)))
            sizes = planned(resize, range(total - len(steps), total))
            assert [width for _, width in trained] == sizes
            assert {16, 32} <= {width for _, width in trained}

    def test_the_batch_norm_epoch_of_swa(self, tmp_path: Path) -> None:
        seen: list[tuple[bool, int]] = []

        class Watched(Module):
            def training_step(self, batch: Any, batch_idx: int) -> Tensor:
                seen.append((self.trainer.fit_loop._skip_backward, batch[0].shape[-1]))
                return super().training_step(batch, batch_idx)

        resize = callback(Ramp(initial_size=16, increase_by=16, start=0.9, finish=0.9))
        swa = StochasticWeightAveraging(swa_lrs=1e-2)
        trainer(tmp_path, resize, swa).fit(Watched(), loader())
        assert [width for skipped, width in seen if skipped] == [32] * 5
        # The trainer's own estimate counts that epoch, too: full size would come late.
        assert resize.plan.total_steps == 20
        trained = [width for skipped, width in seen if not skipped]
        assert trained == planned(resize, range(20)) == [16] * 18 + [32] * 2


class TestRestored:
    def test_under_another_tool_s_wrapper(self, tmp_path: Path) -> None:
        class Tool(L.Callback):
            def setup(self, trainer: Any, *_: Any, **__: Any) -> None:
                inner = trainer.strategy.batch_to_device
                trainer.strategy.batch_to_device = lambda *a, **k: inner(*a, **k)

        for callbacks in ([Tool(), callback()], [callback(), Tool()]):
            made, module = trainer(tmp_path, *callbacks), Module()
            made.fit(module, loader())
            assert set(module.widths) == {16, 24, 32}
            assert hooked(made)  # the tool's, which is its own to remove
            made.validate(module, loader(), verbose=False)
            assert set(module.others["val"]) == {32}


def weights(module: Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


class Dropped(Module):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.forwards: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.forwards.append(images.shape[-1])
        return super().forward(self.dropout(images))


def test_the_dry_run_leaves_no_trace_in_bf16(tmp_path: Path) -> None:
    results, forwards = [], []
    for dry in (False, True):
        module = Dropped()
        hook = module.net[0].register_forward_hook(
            lambda _, args, __: forwards.append(args[0].shape[-1])
        )
        torch.manual_seed(1)
        fit(tmp_path, callback(preallocate=dry), module, precision="bf16-mixed")
        hook.remove()
        results.append(weights(module))
    assert forwards[:20] == forwards[21:]
    assert forwards[20] == 32
    for name, value in results[0].items():
        assert torch.equal(results[1][name], value), name


class TestReports:
    def test_the_progress_bar_has_the_size(self, tmp_path: Path) -> None:
        seen: list[Any] = []

        class Watch(L.Callback):
            def on_train_batch_end(self, trainer: Any, *_: Any, **__: Any) -> None:
                seen.append(trainer.progress_bar_metrics["image_size"])

        resize, module = callback(), Module()
        trainer(tmp_path, resize, Watch()).fit(module, loader())
        assert seen == module.widths

    def test_every_logger_gets_every_change(self, tmp_path: Path) -> None:
        resize = callback(log="px")
        csv, board = CSVLogger(tmp_path), TensorBoardLogger(tmp_path)
        fit(tmp_path, resize, logger=[csv, board], log_every_n_steps=1000)
        changes = [(stage.start, stage.size.width) for stage in resize.plan.stages]
        lines = Path(csv.log_dir, "metrics.csv").read_text().splitlines()
        column, step = (
            lines[0].split(",").index("px"),
            lines[0].split(",").index("step"),
        )
        rows = [line.split(",") for line in lines[1:]]
        logged = [(int(r[step]), int(float(r[column]))) for r in rows if r[column]]
        assert logged == changes
        from tensorboard.backend.event_processing.event_accumulator import (
            EventAccumulator,
        )

        events = EventAccumulator(board.log_dir)
        events.Reload()
        assert [(e.step, int(e.value)) for e in events.Scalars("px")] == changes

    def test_nothing_when_log_is_none(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, callback(log=None))
        made.fit(Module(), loader())
        assert made.progress_bar_metrics == {}

    def test_the_summary_is_printed_once(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        resize = callback(verbose=True)
        fit(tmp_path, resize)
        printed = capsys.readouterr().out
        assert printed.count(resize.plan.summary()) == 1
        assert printed.count("resizing batch[0] 3x32x32; leaving batch[1]\n") == 1

    @pytest.mark.parametrize("part", [False, True])
    @torch._dynamo.config.patch(recompile_limit=2)
    def test_a_compiled_module_and_too_many_sizes(
        self, part: bool, tmp_path: Path
    ) -> None:
        module: Any = Module()
        if part:
            module.net.compile(backend="eager")
        else:
            module = torch.compile(module, backend="eager")
        made = trainer(tmp_path, callback(), limit_train_batches=1)
        with pytest.warns(
            UserWarning, match=r"3 sizes, more than the 2 .* max_sizes=2"
        ):
            made.fit(module, loader())


class TestBadUse:
    @pytest.mark.filterwarnings(
        "ignore:Found `dataloader_iter` argument in the `training_step`"
    )
    @pytest.mark.filterwarnings("ignore:You are using the `dataloader_iter` step")
    def test_a_step_that_takes_the_loader(self, tmp_path: Path) -> None:
        class Stepper(Module):
            def training_step(self, dataloader_iter: Any) -> Tensor:  # type: ignore[override]
                batch, index, _ = next(dataloader_iter)
                return super().training_step(batch, index)

        with pytest.raises(ValueError, match=r"training_step\(dataloader_iter\)"):
            fit(tmp_path, callback(), Stepper())

    def test_a_fast_dev_run_does_not_warn(self, tmp_path: Path) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            module = fit(tmp_path, callback(RAMP), fast_dev_run=1)
        assert not [w for w in caught if "full size" in str(w.message)]
        assert module.widths == [16]
