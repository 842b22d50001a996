"""Sized loaders on the real Accelerator: real workers, one process and two."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.data_loader import DataLoaderShard
from accelerate.utils import DataLoaderConfiguration, GradientAccumulationPlugin
from tests.core.loading.images import FULL, RAMP, Images
from torch import nn
from torch.utils.data import DataLoader

import upsize.loading
from upsize.accelerate import ProgressiveResize, sized


class Run:
    """Three epochs of seven batches, the last of two images."""

    def __init__(
        self,
        workers: int = 0,
        accumulate: int = 1,
        sync: bool = True,
        *,
        stateful: bool = False,
        **length: int,
    ) -> None:
        plugin = GradientAccumulationPlugin(
            num_steps=accumulate, sync_with_dataloader=sync
        )
        self.accelerator = Accelerator(
            cpu=True,
            gradient_accumulation_plugin=plugin,
            dataloader_config=DataLoaderConfiguration(
                use_seedable_sampler=True, use_stateful_dataloader=stateful
            ),
        )
        torch.manual_seed(1)
        model = nn.Conv2d(3, 1, 1)
        plain = DataLoader(Images(), 4, shuffle=True, num_workers=workers)
        self.model, self.optimizer, self.plain = self.accelerator.prepare(
            model, torch.optim.SGD(model.parameters(), 1e-3), plain
        )
        self.resize = ProgressiveResize(
            RAMP, self.accelerator, loader=self.plain, verbose=False,
            **(length or {"epochs": 3}),
        )  # fmt: skip
        self.loader = sized(self.plain, self.resize)
        self.seen: list[tuple[int, int]] = []
        self.labels: list[list[int]] = []

    def epoch(
        self, loader: Any, stop: int | None = None, to: Path | None = None
    ) -> None:
        for images, labels in islice(self.resize.batches(loader), stop):
            with self.accelerator.accumulate(self.model):
                self.seen.append((self.resize.optimizer_steps, images.shape[-1]))
                self.labels.append(labels.tolist())
                loss = self.model(images.float()).sum()
                self.accelerator.backward(loss)
                self.optimizer.step()
                self.optimizer.zero_grad()
            if to is not None and len(self.seen) % 7 == stop:
                self.accelerator.save_state(str(to))

    def check(self, batches: int, sizes: int = 3) -> None:
        planned = [self.resize.plan.size_at(step).width for step, _ in self.seen]
        assert [size for _, size in self.seen] == planned
        assert len(planned) == batches
        assert len(set(planned)) >= sizes
        assert self.resize.mismatched == 0


@pytest.mark.parametrize(
    ("workers", "accumulate", "sync"),
    [(0, 3, False), (1, 1, True), (2, 3, True)],
)
def test_sizes(workers: int, accumulate: int, sync: bool) -> None:
    run = Run(workers, accumulate, sync)
    for _ in range(3):
        run.epoch(run.loader)
    run.check(21)
    assert run.resize.optimizer_steps == run.resize.plan.total_steps


@pytest.mark.parametrize(
    ("workers", "accumulate", "stop"), [(0, 1, 3), (0, 3, 4), (2, 3, 4)]
)
@pytest.mark.parametrize("length", [{"epochs": 3}, {"total_steps": 10}])
def test_resumed_within_an_epoch(
    workers: int, accumulate: int, stop: int, length: dict[str, int], tmp_path: Path
) -> None:
    first = Run(workers, accumulate, **length)
    first.epoch(first.loader)
    first.epoch(first.loader, stop, tmp_path)
    first.check(7 + stop, sizes=1)
    first.resize.remove()
    second = Run(workers, accumulate, **length)
    second.accelerator.load_state(str(tmp_path))
    rest = second.accelerator.skip_first_batches(second.loader, stop)
    assert type(rest) is DataLoaderShard
    assert len(rest) == 7 - stop
    second.epoch(rest)
    second.epoch(second.loader)
    second.seen = first.seen + second.seen
    second.check(21)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_samples_are_those_of_the_prepared_loader(workers: int) -> None:
    run = Run(workers)
    order = []
    for loader in (run.plain, run.loader):
        torch.manual_seed(5)
        loader.set_epoch(0)
        first = [labels.tolist() for _, labels in loader]
        loader.set_epoch(1)
        order.append([first, [labels.tolist() for _, labels in loader]])
    assert order[0] == order[1]
    assert order[0][0] != order[0][1]


def test_the_end_and_the_device_are_known() -> None:
    run = Run()
    assert run.loader.device == run.plain.device
    assert run.loader.total_batch_size == 4
    assert run.loader.total_dataset_length == 26
    assert len(run.loader) == 7
    ends, rests = [], []
    for _ in run.loader:
        ends.append(run.accelerator.gradient_state.end_of_dataloader)
        rests.append(run.accelerator.gradient_state.remainder)
    assert ends == [False] * 6 + [True]
    assert rests == [2] * 7


def test_the_prepared_loader_is_not_changed() -> None:
    run = Run()
    assert {images.shape[-1] for images, _ in run.plain} == {FULL}
    assert {images.shape[-1] for images, _ in run.loader} == {16}


@pytest.mark.filterwarnings("ignore")  # torchdata calls what torch deprecates
@pytest.mark.parametrize("workers", [0, 1])
def test_stateful_loaders_resume_by_themselves(workers: int, tmp_path: Path) -> None:
    pytest.importorskip("torchdata.stateful_dataloader")
    first = Run(workers, stateful=True)
    first.epoch(first.loader)
    first.epoch(first.loader, 3, tmp_path)
    first.check(10, sizes=1)
    first.resize.remove()
    second = Run(workers, stateful=True)
    second.accelerator.load_state(str(tmp_path))
    second.loader.set_epoch(1)
    second.epoch(second.loader)
    assert len(second.seen) == 4
    second.epoch(second.loader)
    second.seen = first.seen + second.seen
    second.check(21)
    whole = Run(workers, stateful=True)
    for _ in range(3):
        whole.epoch(whole.loader)
    assert first.labels + second.labels == whole.labels
    for run in (second, whole):
        run.resize.remove()


class TestRefused:
    def test_a_loader_that_is_not_prepared(self) -> None:
        run = Run()
        with pytest.raises(
            ValueError, match=r"has not seen: call accelerator\.prepare"
        ):
            sized(DataLoader(Images(), 4), run.resize)

    def test_by_the_function_for_plain_loaders(self) -> None:
        run = Run()
        with pytest.raises(TypeError, match=r"DataLoaderShard.*upsize\.accelerate\.si"):
            upsize.loading.sized(run.plain, run.resize)

    def test_twice(self) -> None:
        run = Run()
        with pytest.raises(ValueError, match="sized already"):
            sized(run.loader, run.resize)

    def test_what_is_not_the_run_s(self) -> None:
        run = Run()
        with pytest.raises(TypeError, match="made with the loader, not a Plan"):
            sized(run.plain, run.resize.plan)  # type: ignore[type-var]
