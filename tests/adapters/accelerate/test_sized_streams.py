"""Sized loaders of streams on the real Accelerator: one process; two are elsewhere."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, concatenate
from tests.adapters.accelerate.stream_processes import KINDS, OWN
from tests.adapters.streams import LongStream, Stream
from tests.adapters.torchrun import two_reports
from tests.core.loading.images import RAMP, Images
from torch import nn
from torch.utils.data import DataLoader
from webdataset import WebLoader

from upsize.accelerate import ProgressiveResize, sized
from upsize.accelerate._dispatched import DispatchedSizes
from upsize.resize import Resizer
from upsize.schedule import Size

RESIZER = Resizer()
EPOCHS, BATCHES = 3, 7  # the last of two images


class Run:
    """A run over a prepared loader, sized or not."""

    def __init__(
        self,
        data: Any,
        *,
        dispatch: bool | None = None,
        accumulate: int = 1,
        stateful: bool = False,
        length: dict[str, int] | None = None,
        **settings: Any,
    ) -> None:
        self.accelerator = Accelerator(
            cpu=True,
            gradient_accumulation_steps=accumulate,
            dataloader_config=DataLoaderConfiguration(
                dispatch_batches=dispatch, use_stateful_dataloader=stateful
            ),
        )
        self.model = self.accelerator.prepare(nn.Conv2d(3, 1, 1))
        settings = {"batch_size": 4} | settings
        self.plain = self.accelerator.prepare(DataLoader(data, **settings))
        self.resize = ProgressiveResize(
            RAMP, self.accelerator, loader=self.plain, verbose=False,
            **length or {"total_steps": EPOCHS * -(-BATCHES // accumulate)},
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
                self.accelerator.backward(self.model(images.float()).sum())
            if to is not None and len(self.labels) % BATCHES == stop:
                self.accelerator.save_state(str(to))

    def check(self, sizes: int = 3) -> None:
        planned = [self.resize.plan.size_at(step).width for step, _ in self.seen]
        assert [size for _, size in self.seen] == planned
        assert len(set(planned)) >= sizes
        assert self.resize.mismatched == 0


@pytest.mark.parametrize(
    ("kind", "workers", "accumulate", "dispatch"),
    [
        (Stream, 0, 3, None),
        (Stream, 1, 1, False),
        (LongStream, 0, 3, False),
    ],
)
def test_sizes_and_samples(
    kind: Any, workers: int, accumulate: int, dispatch: bool | None
) -> None:
    length = {"epochs": EPOCHS} if kind is LongStream else None
    run = Run(
        kind(), dispatch=dispatch, accumulate=accumulate, num_workers=workers,
        persistent_workers=workers > 0, length=length,
    )  # fmt: skip
    for _ in range(EPOCHS):
        run.epoch(run.loader)
    run.check()
    assert run.labels == EPOCHS * [labels.tolist() for _, labels in run.plain]
    assert run.resize.optimizer_steps == run.resize.plan.total_steps


def test_a_stream_that_one_process_gives_out_is_told_its_sizes() -> None:
    run, told = Run(Stream()), set()
    run.loader = sized(
        run.plain, run.resize, set_size=lambda _, size: told.add(size.width)
    )
    run.epoch(run.loader)
    assert {width for _, width in run.seen} <= told


@pytest.mark.parametrize(
    ("kind", "workers", "dispatch"),
    [
        (Stream, 0, None),
        (Stream, 1, False),
        (LongStream, 1, None),
        (LongStream, 0, False),
        (Images, 0, True),
    ],
)
def test_resumed_within_an_epoch(
    kind: Any, dispatch: bool | None, workers: int, tmp_path: Path
) -> None:
    settings: Any = {"dispatch": dispatch, "accumulate": 2, "num_workers": workers}
    first = Run(kind(), **settings)
    first.epoch(first.loader)
    first.epoch(first.loader, 4, tmp_path)
    first.resize.remove()
    second = Run(kind(), **settings)
    second.accelerator.load_state(str(tmp_path))
    rest = second.accelerator.skip_first_batches(second.loader, 4)
    second.epoch(rest)
    assert second.resize.mismatched == 0
    assert [size for _, size in second.seen] == [
        second.resize.plan.size_at(step).width for step in (6, 6, 7)
    ]
    second.epoch(second.loader)
    second.seen = first.seen + second.seen
    second.check()
    plain = [labels.tolist() for _, labels in second.plain]
    assert first.labels + second.labels == 3 * plain


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")  # by torchdata
@pytest.mark.parametrize(("workers", "dispatch"), [(0, None), (1, False)])
def test_the_state_of_a_stateful_loader(
    workers: int, dispatch: bool | None, tmp_path: Path
) -> None:
    settings: Any = {"dispatch": dispatch, "stateful": True, "num_workers": workers}
    first = Run(Stream(), **settings)
    first.epoch(first.loader)
    first.epoch(first.loader, 4, tmp_path)
    first.resize.remove()
    second = Run(Stream(), **settings)
    second.accelerator.load_state(str(tmp_path))
    second.epoch(second.loader)
    second.epoch(second.loader)
    second.seen = first.seen + second.seen
    second.check()
    plain = [labels.tolist() for _, labels in second.plain]
    assert first.labels + second.labels == 3 * plain


def test_a_web_loader() -> None:
    accelerator = Accelerator(cpu=True)
    plain = accelerator.prepare(WebLoader(Stream(), batch_size=4))
    resize = ProgressiveResize(
        RAMP, accelerator, loader=plain, total_steps=EPOCHS * BATCHES, verbose=False
    )
    loader, came = sized(plain, resize), []
    for _ in range(EPOCHS):
        for images, _ in resize.batches(loader):
            assert images.shape[-1] == resize.size.width
            came.append(images.shape[-1])
    assert resize.mismatched == 0
    assert came == [resize.plan.size_at(step).width for step in range(21)]


@pytest.fixture(scope="module")
def reports() -> list[dict[str, Any]]:
    """What each of two processes says of each kind; they are started once."""
    return two_reports(Path(__file__).with_name("stream_processes.py"))


@pytest.mark.parametrize("kind", [*KINDS, *OWN])
def test_two_processes(kind: str, reports: list[dict[str, Any]]) -> None:
    first, second = (report[kind] for report in reports)
    assert first["came"] == second["came"] == first["planned"] == second["planned"]
    assert len(set(first["came"])) >= 3
    assert first["corrected"] == second["corrected"] == 0
    for each in (first, second):
        assert each["samples"] == each["plain"]
    assert first["samples"] != second["samples"]


class TestDispatched:
    """What else only happens where one process makes the batches of two."""

    def loader(
        self, resizer: Resizer = RESIZER, **settings: Any
    ) -> tuple[Any, ProgressiveResize]:
        accelerator = Accelerator(cpu=True)
        plain = accelerator.prepare(DataLoader(Stream(), 4, **settings))
        plain.state = SimpleNamespace(process_index=1, num_processes=2)
        resize = ProgressiveResize(
            RAMP, accelerator, loader=plain, total_steps=20, verbose=False,
            resizer=resizer,
        )  # fmt: skip
        return sized(plain, resize), resize

    def test_a_process_that_draws_nothing_expects_small_batches(self) -> None:
        loader, resize = self.loader()
        images = torch.rand(4, 3, 16, 16)
        with pytest.raises(ValueError, match="images are never enlarged"):
            resize(images)
        loader.begin()
        assert resize(images) is images

    def test_windows_of_a_batch_that_is_completed_are_refused(self) -> None:
        crop = Resizer(mode="crop")
        with pytest.raises(ValueError, match="give the DataLoader drop_last=True"):
            self.loader(crop)
        self.loader(crop, drop_last=True)

    def test_the_last_batch_is_completed_at_its_size(self) -> None:
        loader, _ = self.loader(Resizer(targets={"mask": "mask"}))
        loader.begin()
        where = {"process_index": 1, "num_processes": 2}
        small, large = (
            {
                "image": torch.rand(count, 3, side, side),
                "mask": torch.arange(count * side**2).view(count, side, side),
                "label": torch.arange(count),
            }
            for count, side in ((8, 16), (5, 32))
        )
        first = loader.slice_fn(small, slice(0, 2), **where)
        mine = loader.slice_fn(small, slice(4, 8), **where)
        for name in small:
            assert torch.equal(mine[name], small[name][4:])
        last = concatenate([large, first])
        mine = loader.slice_fn(last, slice(3, 6), **where)
        again = Resizer(targets={"mask": "mask"})(small, 32)
        for name, value in large.items():
            assert torch.equal(mine[name][:2], value[3:])
            assert torch.equal(mine[name][2], again[name][0])

    def test_one_that_drops_it_asks_for_no_samples(self) -> None:
        loader, _ = self.loader(drop_last=True)
        loader.begin()
        images = torch.rand(4, 3, 16, 16)
        where = {"process_index": 1, "num_processes": 2}
        mine = loader.slice_fn(images, slice(2, 4), **where)
        assert torch.equal(mine, images[2:])

    @pytest.mark.parametrize(
        ("settings", "batches", "told"), [({}, 7, 4), ({"drop_last": True}, 7, 3)]
    )
    def test_the_batches_of_a_step_have_one_size(
        self, settings: dict[str, Any], batches: int, told: int
    ) -> None:
        loader, _ = self.loader(**settings)
        asked = []

        class Source:
            final_size = Size(32, 32)

            def sizes_ahead(self, batches: int | None) -> Any:
                asked.append(batches)
                yield from (Size(16, 16), Size(24, 24))

        sizes = DispatchedSizes(Source(), loader)
        assert [size.width for size in sizes.sizes_ahead(batches)] == [16, 16, 24, 24]
        assert next(sizes.sizes_ahead(None)) == Size(16, 16)
        assert asked == [told, None]
        assert sizes.final_size == Size(32, 32)
