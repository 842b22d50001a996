"""upsize.accelerate on the real Accelerator, one process."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from upsize.accelerate import ProgressiveResize
from upsize.schedule import Ramp

RAMP = Ramp(final_size=32, increase_by=8)


def dataset(n: int = 20) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(n, 3, 32, 32, generator=generator)
    return TensorDataset(images, torch.randint(2, (n,), generator=generator))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 2),
    )  # fmt: skip


def made(**more: Any) -> tuple[Accelerator, ProgressiveResize]:
    accelerator = Accelerator(cpu=True)
    loader = accelerator.prepare(DataLoader(dataset(), 4))
    return accelerator, ProgressiveResize(
        RAMP, accelerator, loader=loader, epochs=4, verbose=False, **more
    )


def test_windows_across_epochs() -> None:
    accelerator = Accelerator(
        cpu=True,
        gradient_accumulation_plugin=GradientAccumulationPlugin(
            num_steps=2, sync_with_dataloader=False
        ),
    )
    model, loader = accelerator.prepare(net(), DataLoader(dataset(), 4))
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, epochs=4, verbose=False
    )
    assert resize.plan.total_steps == 10
    for _ in range(4):
        for images, _ in resize.batches(loader):
            with accelerator.accumulate(model):
                assert (
                    images.shape[-1] == resize.plan.size_at(resize.optimizer_steps)[0]
                )
    assert resize.optimizer_steps == 10


@pytest.mark.parametrize(
    ("length", "message"),
    [
        ({"epochs": 4, "total_steps": 3}, "both set the length"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0"),
        ({}, "length of the run is missing"),
    ],
)
def test_bad_lengths_with_windows_across_epochs(
    length: dict[str, Any], message: str
) -> None:
    accelerator = Accelerator(
        cpu=True,
        gradient_accumulation_plugin=GradientAccumulationPlugin(
            num_steps=2, sync_with_dataloader=False
        ),
    )
    loader = accelerator.prepare(DataLoader(dataset(), 4))
    with pytest.raises(ValueError, match=message):
        ProgressiveResize(RAMP, accelerator, loader=loader, verbose=False, **length)
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, verbose=False, total_steps=7
    )
    assert resize.plan.total_steps == 7


def test_a_checkpoint_from_before_loads(tmp_path: Path) -> None:
    Accelerator(cpu=True).save_state(str(tmp_path))
    accelerator, resize = made()
    with pytest.warns(UserWarning, match="holds no state of upsize"):
        accelerator.load_state(str(tmp_path))
    assert resize.optimizer_steps == 0
    resize.fast_forward(16)
    assert resize.size == (32, 32)
    with pytest.raises(ValueError, match="at least 0, not -1"):
        resize.fast_forward(-1)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    accelerator, resize = made()
    accelerator.save_state(str(tmp_path))
    (tmp_path / "upsize.json").write_text("{")
    with pytest.raises(ValueError, match=r"upsize\.json: "):
        accelerator.load_state(str(tmp_path))
    resize.remove()


def test_remove_takes_the_state_out_of_checkpoints(tmp_path: Path) -> None:
    accelerator, resize = made()
    resize.remove()
    resize.remove()
    accelerator.save_state(str(tmp_path))
    assert not (tmp_path / "upsize.json").exists()


@pytest.mark.parametrize("log", ["px", None])
def test_the_name_in_the_log(log: str | None) -> None:
    accelerator, resize = made(log=log)
    logged: list[Any] = []
    accelerator.log = lambda values, step: logged.append((values, step))  # type: ignore[method-assign, assignment, misc]
    for _ in range(4):
        list(resize.batches(accelerator._dataloaders[0]))
    changes = [({log: stage.size.width}, stage.start) for stage in resize.plan.stages]
    assert logged == ([] if log is None else changes)


def test_the_summary_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    accelerator = Accelerator(cpu=True)
    loader = accelerator.prepare(DataLoader(dataset(), 4))
    resize = ProgressiveResize(RAMP, accelerator, loader=loader, epochs=4)
    assert capsys.readouterr().out == resize.plan.summary() + "\n"
    for _ in range(2):
        list(resize.batches(loader))
    said = capsys.readouterr().out
    assert said == "resizing batch[0] 3x32x32; leaving batch[1]\n"


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        yield from torch.rand(20, 3, 32, 32)


class TestBadUse:
    def test_no_length(self) -> None:
        accelerator = Accelerator(cpu=True)
        loader = accelerator.prepare(DataLoader(Stream(), 4))
        with pytest.raises(ValueError, match="no length: give total_steps"):
            ProgressiveResize(RAMP, accelerator, loader=loader, epochs=4)
        resize = ProgressiveResize(
            RAMP, accelerator, loader=loader, total_steps=20, verbose=False
        )
        for _ in range(4):
            widths = [batch.shape[-1] for batch in resize.batches(loader)]
        assert widths == [32] * 5

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({}, "length of the run is missing"),
            ({"epochs": 0}, "epochs .* not 0"),
            ({"epochs": 4, "total_steps": 20}, "both set the length"),
        ],
    )
    def test_lengths_and_sizes(self, more: dict[str, Any], message: str) -> None:
        accelerator = Accelerator(cpu=True)
        loader = accelerator.prepare(DataLoader(dataset(), 4))
        with pytest.raises(ValueError, match=message):
            ProgressiveResize(RAMP, accelerator, loader=loader, **more)
        # A refusal leaves the accelerator free for the next try.
        ProgressiveResize(RAMP, accelerator, loader=loader, epochs=4, verbose=False)


@pytest.mark.parametrize("part", [False, True])
def test_a_compiled_model_and_too_many_sizes_warn(part: bool) -> None:
    accelerator = Accelerator(cpu=True)
    model = net()
    if part:
        model[0].compile(backend="eager")  # type: ignore[index, operator]
    else:
        model = torch.compile(model, backend="eager")  # type: ignore[assignment]
    model, loader = accelerator.prepare(model, DataLoader(dataset(), 4))
    many = Ramp(final_size=32, increase_by=1)
    with pytest.warns(
        UserWarning, match=r"17 sizes, more than the 8 .* max_sizes=8"
    ) as c:
        resize = ProgressiveResize(
            many, accelerator, loader=loader, epochs=40, verbose=False
        )
    assert c[0].filename == __file__
    resize.remove()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ProgressiveResize(RAMP, accelerator, loader=loader, epochs=4, verbose=False)


@pytest.mark.parametrize("count", [20, 22])
def test_a_bar_around_merged_batches_reaches_its_end(count: int) -> None:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=3)
    model, loader = accelerator.prepare(net(), DataLoader(dataset(count), 4))
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, epochs=4, merge=True, verbose=False
    )
    planned, came = [], []
    for _ in range(4):
        batches = resize.batches(loader)
        planned.append(len(batches))
        seen = 0
        for images, labels in batches:
            seen += 1
            with accelerator.accumulate(model):
                loss = nn.functional.cross_entropy(model(images), labels)
                accelerator.backward(loss)
        came.append(seen)
    assert planned == came
    assert came[0] < len(loader) == came[-1]
    resize.remove()
