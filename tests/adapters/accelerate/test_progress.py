"""upsize.accelerate on the real Accelerator, one process."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from accelerate.utils import DataLoaderConfiguration, GradientAccumulationPlugin
from torch import Tensor, nn
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


class Run:
    """A real training run: 5 batches an epoch."""

    def __init__(
        self,
        epochs: int = 4,
        schedule: Any = RAMP,
        accumulate: int = 1,
        resizer: bool = True,
        **more: Any,
    ) -> None:
        self.accelerator = Accelerator(
            cpu=True,
            gradient_accumulation_steps=accumulate,
            dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True),
        )
        torch.manual_seed(1)
        model = net()
        self.model, self.optimizer, self.loader = self.accelerator.prepare(
            model,
            torch.optim.AdamW(model.parameters(), 1e-2),
            DataLoader(dataset(), 4, shuffle=True),
        )
        self.epochs = epochs
        self.resize = None
        if resizer:
            self.resize = ProgressiveResize(
                schedule, self.accelerator, loader=self.loader, epochs=epochs,
                verbose=False, **more,
            )  # fmt: skip
        self.widths: list[int] = []
        self.steps: list[int] = []

    def train(
        self, start: int = 0, skip: int = 0, stop: int | None = None, to: Any = None
    ) -> None:
        done = start * 5 + skip
        for epoch in range(start, self.epochs):
            self.loader.set_epoch(epoch)
            loader = self.loader
            if epoch == start and skip:
                loader = self.accelerator.skip_first_batches(loader, skip)
            batches = self.resize.batches(loader) if self.resize else loader
            for images, labels in batches:
                with self.accelerator.accumulate(self.model):
                    self.widths.append(images.shape[-1])
                    if self.resize:
                        self.steps.append(self.resize.optimizer_steps)
                    loss = nn.functional.cross_entropy(self.model(images), labels)
                    self.accelerator.backward(loss)
                    self.optimizer.step()
                    self.optimizer.zero_grad()
                done += 1
                if done == stop:
                    self.accelerator.save_state(str(to))
                    return

    def weights(self) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.accelerator.unwrap_model(
            self.model
        ).state_dict()
        return state


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


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("stop", [4, 7, 10, 12])
def test_a_resumed_run_is_bit_identical(
    stop: int, accumulate: int, tmp_path: Path
) -> None:
    whole = Run(accumulate=accumulate)
    whole.train()
    first = Run(accumulate=accumulate)
    first.train(stop=stop, to=tmp_path)
    saved = json.loads((tmp_path / "upsize.json").read_text())
    assert (
        saved["step"]
        == first.accelerator.gradient_state.sync_gradients + (first.steps[-1])
    )
    resumed = Run(accumulate=accumulate)
    resumed.accelerator.load_state(str(tmp_path))
    resumed.train(start=stop // 5, skip=stop % 5)
    assert resumed.widths == whole.widths[stop:]
    if accumulate == 1:  # gradients of half a window are in no checkpoint
        for name, value in whole.weights().items():
            assert torch.equal(resumed.weights()[name], value), name


def test_a_checkpoint_from_before_loads(tmp_path: Path) -> None:
    plain = Run(resizer=False)
    plain.accelerator.save_state(str(tmp_path))
    run = Run()
    assert run.resize is not None
    with pytest.warns(UserWarning, match="holds no state of upsize"):
        run.accelerator.load_state(str(tmp_path))
    assert run.resize.optimizer_steps == 0
    run.resize.fast_forward(16)
    assert run.resize.size == (32, 32)
    with pytest.raises(ValueError, match="at least 0, not -1"):
        run.resize.fast_forward(-1)


def test_a_corrupt_or_foreign_state_is_refused(tmp_path: Path) -> None:
    run = Run()
    run.accelerator.save_state(str(tmp_path))
    path = tmp_path / "upsize.json"
    for text in ("{", "{}", path.read_text().replace('"step": 0', '"step": -1')):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"upsize\.json: "):
            run.accelerator.load_state(str(tmp_path))


def test_remove_takes_the_state_out_of_checkpoints(tmp_path: Path) -> None:
    run = Run()
    assert run.resize is not None
    run.resize.remove()
    run.resize.remove()
    run.accelerator.save_state(str(tmp_path))
    assert not (tmp_path / "upsize.json").exists()


class Tracker(GeneralTracker):
    name = "memory"
    requires_logging_directory = False

    def __init__(self) -> None:
        super().__init__()
        self.logged: list[tuple[dict[str, Any], int | None]] = []

    @property
    def tracker(self) -> list[Any]:
        return self.logged

    def store_init_configuration(self, values: dict[str, Any]) -> None: ...

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        self.logged.append((values, step))


@pytest.mark.parametrize("log", ["image_size", "px", None])
def test_every_change_is_logged_once(log: str | None) -> None:
    tracker = Tracker()
    accelerator = Accelerator(cpu=True, log_with=tracker)
    accelerator.init_trackers("run")
    loader = accelerator.prepare(DataLoader(dataset(), 4))
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, epochs=4, verbose=False, log=log
    )
    for _ in range(4):
        for _ in resize.batches(loader):
            pass
    changes = [({log: stage.size.width}, stage.start) for stage in resize.plan.stages]
    assert tracker.logged == ([] if log is None else changes)


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
    def test_an_unprepared_loader(self) -> None:
        accelerator, loader = Accelerator(cpu=True), DataLoader(dataset(), 4)
        with pytest.raises(
            ValueError, match=r"call accelerator\.prepare\(loader\) first"
        ):
            ProgressiveResize(RAMP, accelerator, loader=loader, epochs=4)
        run = Run()
        assert run.resize is not None
        with pytest.raises(
            ValueError, match=r"is a DataLoader that accelerator\.prepare"
        ):
            next(run.resize.batches(loader))

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
            ({"epochs": 4, "final_size": 64}, "leave one of them out"),
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
