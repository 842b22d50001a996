"""Every batch that workers make has the size of the step that takes it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.core.loading.images import (
    FULL,
    RAMP,
    Images,
    Setting,
    Together,
    collate,
    plain_loader,
    run,
    seed_worker,
)
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    RandomSampler,
    Subset,
    WeightedRandomSampler,
)
from torch.utils.data.distributed import DistributedSampler
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from upsize.loading import RandomResizedCropDecode, current_size, sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Phases, Ramp, Size

# Four workers on a machine of two cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")

WORKERS: list[dict[str, Any]] = [
    {},
    {"num_workers": 1},
    {"num_workers": 4},
    {"num_workers": 2, "persistent_workers": True, "prefetch_factor": 7},
]
SETTINGS = [
    Setting(f"{name} {number}", workers | loader, **settings)
    for number, workers in enumerate(WORKERS)
    for name, loader, settings in [
        ("shuffled", {}, {}),
        ("drop_last", {"drop_last": True, "shuffle": False}, {}),
        ("accumulated", {"collate_fn": collate}, {"accumulate": 3}),
        ("batch_sampler", {}, {"batches": "batch_sampler"}),
        ("two ranks", {"batch_size": 2}, {"batches": "distributed", "ranks": 2}),
        ("resumed", {}, {"stop": 3}),
        ("resumed in a window", {}, {"stop": 4, "accumulate": 3}),
        ("resumed by the sampler", {}, {"stop": 2, "rest": "sampler", "batches": "list"}),
        ("together", {"worker_init_fn": seed_worker if workers else None},
         {"dataset": Together}),
    ]
    # Of every number of workers these two; of none and of two that are kept, all.
    if number in (0, 3) or name in ("shuffled", "resumed in a window")
]  # fmt: skip


def check(report: dict[str, Any], batches: int) -> None:
    assert report["came"] == report["seen"] == report["planned"]
    assert len(report["seen"]) == batches
    assert len(set(report["seen"])) >= 4
    assert report["corrected"] == 0
    assert report["steps"] == report["total"]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_sizes(setting: Setting) -> None:
    batches = 3 * len(plain_loader(setting))
    reports = [run(setting, rank) for rank in range(setting.ranks)]
    for report in reports:
        check(report, batches)
    assert all(report == reports[0] for report in reports)


def test_sizes_of_spawned_workers() -> None:
    script = Path(__file__).with_name("spawned.py")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    reports = json.loads(done.stdout)
    assert len(reports) == 2
    for report in reports.values():
        check(report, 3 * 7)


def samples(loader: Any, epochs: int = 2) -> list[torch.Tensor]:
    torch.manual_seed(3)
    return [
        torch.cat([images.flatten().float(), labels.float()])
        for _ in range(epochs)
        for images, labels in loader
    ]


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("seeded", [False, True])
def test_at_full_size_every_sample_is_bit_for_bit_the_same(
    workers: dict[str, Any], seeded: bool
) -> None:
    def loader() -> DataLoader[Any]:
        generator = torch.Generator().manual_seed(5) if seeded else None
        return DataLoader(Images(), 4, shuffle=True, generator=generator, **workers)

    resize = ProgressiveResize(Ramp(initial_size=1.0, final_size=FULL), total_steps=99)
    plain = samples(loader())
    same = samples(sized(loader(), resize))
    assert len(plain) == 14
    assert all(map(torch.equal, plain, same))
    assert not torch.equal(plain[0], plain[7])  # the epochs differ


@pytest.mark.parametrize("workers", [0, 2])
def test_small_samples_are_those_of_small_transforms(workers: int) -> None:
    plan = RAMP.plan(total_steps=1000)
    small = Images(v2.Compose([v2.RandomResizedCrop(16), v2.RandomHorizontalFlip()]))
    expected = samples(DataLoader(small, 4, shuffle=True, num_workers=workers))
    loader = DataLoader(Images(), 4, shuffle=True, num_workers=workers)
    assert all(map(torch.equal, expected, samples(sized(loader, plan))))


class TestSettings:
    def test_all_are_kept(self) -> None:
        sampler = WeightedRandomSampler([1.0] * 26, 20)
        plain = DataLoader(
            Images(), 3, sampler=sampler, num_workers=2, drop_last=True, timeout=9.0,
            collate_fn=collate, worker_init_fn=seed_worker, prefetch_factor=3,
            persistent_workers=True, multiprocessing_context="fork",
            generator=torch.Generator(),
        )  # fmt: skip
        loader = sized(plain, RAMP.plan(total_steps=10))
        changed = {
            name
            for name, value in vars(plain).items()
            if vars(loader)[name] is not value
        }
        assert changed == {"dataset", "batch_sampler", "collate_fn"}
        assert all(vars(loader)[name] == vars(plain)[name] for name in changed)
        assert vars(loader).keys() == vars(plain).keys()
        assert type(loader) is DataLoader
        assert loader.sampler is sampler
        assert loader.multiprocessing_context is plain.multiprocessing_context
        assert len(loader) == len(plain) == 6

    def test_the_type_of_the_loader_is_kept(self) -> None:
        class Loader(DataLoader[Any]):
            pass

        loader = sized(Loader(Images(), 4), RAMP.plan(total_steps=10))
        assert type(loader) is Loader

    def test_the_plain_loader_is_not_changed(self) -> None:
        plain = DataLoader(Images(), 4)
        sized(plain, RAMP.plan(total_steps=10))
        assert [images.shape[-1] for images, _ in plain] == [FULL] * 7

    def test_a_loader_that_has_persistent_workers_at_work(self) -> None:
        plain = DataLoader(Images(), 4, num_workers=1, persistent_workers=True)
        next(iter(plain))
        loader = sized(plain, RAMP.plan(total_steps=100))
        assert {images.shape[-1] for images, _ in loader} == {16}

    def test_set_epoch_reaches_the_sampler(self) -> None:
        def order(loader: Any, epoch: int) -> list[int]:
            loader.batch_sampler.set_epoch(epoch)
            return [int(label) for _, labels in loader for label in labels]

        data = Images()
        plain = DataLoader(data, 4, sampler=DistributedSampler(data, 2, 0))
        loader = sized(plain, RAMP.plan(total_steps=20))
        first, second = order(loader, 0), order(loader, 1)
        assert first != second
        assert order(loader, 0) == first
        assert loader.batch_sampler.batch_size == 4


class TestPlan:
    def test_a_plan_alone_counts_the_passes(self) -> None:
        plan = RAMP.plan(epochs=3, steps_per_epoch=7)
        loader = sized(DataLoader(Images(), 4), plan)
        seen = [images.shape[-1] for _ in range(3) for images, _ in loader]
        assert seen == [plan.size_at(step).width for step in range(21)]

    def test_or_is_told_the_epoch(self) -> None:
        plan = RAMP.plan(epochs=3, steps_per_epoch=7)
        loader = sized(DataLoader(Images(), 4, num_workers=2), plan)
        loader.batch_sampler.set_epoch(2)  # type: ignore[union-attr]
        seen = [images.shape[-1] for images, _ in loader]
        assert seen == [plan.size_at(step).width for step in range(14, 21)]

    @pytest.mark.parametrize("workers", [{}, {"num_workers": 2, "prefetch_factor": 3}])
    @pytest.mark.parametrize("taken", [0, 1, 3, 6])
    def test_a_pass_that_is_left_counts_what_was_taken(
        self, workers: dict[str, Any], taken: int
    ) -> None:
        plan = RAMP.plan(total_steps=21)
        loader = sized(DataLoader(Images(), 4, **workers), plan)
        batches = iter(loader)
        seen = [next(batches)[0].shape[-1] for _ in range(taken)]
        seen += [images.shape[-1] for _ in range(2) for images, _ in loader]
        assert seen == [plan.size_at(step).width for step in range(taken + 14)]
        loader.batch_sampler.set_epoch(1)  # type: ignore[union-attr]
        seen = [images.shape[-1] for images, _ in loader]
        assert seen == [plan.size_at(step).width for step in range(7, 14)]

    def test_a_pass_through_another_sampler_counts(self) -> None:
        plan = RAMP.plan(total_steps=21)
        first: Any = sized(DataLoader(Images(), 4), plan)

        class Outer:
            def __iter__(self) -> Any:
                yield from first.batch_sampler

        loader = DataLoader(
            first.dataset,
            batch_sampler=Outer(),  # type: ignore[arg-type]
            num_workers=2,
        )
        seen = [images.shape[-1] for _ in range(3) for images, _ in loader]
        assert seen == [plan.size_at(step).width for step in range(21)]

    def test_a_plan_needs_a_loader_with_a_length(self) -> None:
        class Endless:
            def __iter__(self) -> Any:
                yield [0, 1]

        plain: Any = DataLoader(Images(), batch_sampler=Endless())  # type: ignore[arg-type]
        loader = sized(plain, RAMP.plan(total_steps=30))
        with pytest.raises(ValueError, match=r"has no length.*ProgressiveResize"):
            next(iter(loader))
        resize = ProgressiveResize(RAMP, total_steps=30)
        assert next(iter(sized(plain, resize)))[0].shape[-1] == 16


class TestCorrection:
    def make(self, ignore: bool = False) -> tuple[ProgressiveResize, Any]:
        def nothing(dataset: Any, size: Size) -> None:
            pass

        resize = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=7)
        plain = DataLoader(Images(), 4)
        return resize, sized(plain, resize, set_size=nothing if ignore else None)

    def test_a_dataset_that_keeps_its_size_is_corrected_and_reported(self) -> None:
        resize, loader = self.make(ignore=True)
        seen = [images.shape[-1] for images, _ in resize.batches(loader)]
        assert seen == [16] * 7
        assert resize.mismatched == 7
        with pytest.warns(UserWarning, match=r"7 batches came .*another size"):
            next(resize.batches(loader))

    def test_batches_drawn_for_other_steps_are_corrected_both_ways(self) -> None:
        resize, loader = self.make()
        ahead = list(loader)
        for _ in range(14):  # two of the three epochs
            resize.step()
        with pytest.warns(UserWarning, match="came from the sized loader"):
            seen = [images.shape[-1] for images, _ in resize.batches(iter(ahead))]
        assert seen == [resize.plan.size_at(step).width for step in range(14, 21)]
        assert resize.mismatched == 7

    def test_a_size_that_no_step_has_is_refused(self) -> None:
        resize, _ = self.make()
        with pytest.raises(ValueError, match="images are never enlarged"):
            resize(torch.rand(4, 3, 17, 17))

    def test_preallocate_takes_a_small_batch(self) -> None:
        resize, loader = self.make()
        shapes = []
        model = torch.nn.Conv2d(3, 4, 3)
        model.register_forward_pre_hook(lambda _, args: shapes.append(args[0].shape))
        images = next(iter(loader))[0].float()
        assert images.shape[-1] == 16
        resize.preallocate(model, images)
        assert shapes[0][-1] == FULL

    def test_iterating_in_the_body_of_batches_is_for_the_next_batch(self) -> None:
        resize = ProgressiveResize(
            Phases(phases=((0, 16), ("3st", FULL))), total_steps=9
        )
        loader = sized(DataLoader(Images(), 4), resize)
        for number, _ in enumerate(resize.batches(loader)):
            assert next(resize.sizes_ahead()) == resize.plan.size_at(number + 1)


class TestDatasets:
    def test_wrapped_ones(self) -> None:
        first, second = Images(), Images(v2.Compose([v2.Resize(36), v2.CenterCrop(32)]))
        data = ConcatDataset([Subset(first, range(8)), second])
        loader = sized(DataLoader(data, 4, shuffle=True), RAMP.plan(total_steps=99))
        assert {images.shape[-1] for images, _ in loader} == {16}

    def test_alone_a_sample_is_at_full_size(self) -> None:
        data = Together()
        loader = sized(DataLoader(data, 4), RAMP.plan(total_steps=99))
        assert len(loader.dataset) == 26  # type: ignore[arg-type]
        assert loader.dataset[3][0].shape[-1] == FULL
        assert loader.dataset.__getitems__([3])[0][0].shape[-1] == FULL  # type: ignore[attr-defined]
        assert loader.dataset.transform is data.transform  # type: ignore[attr-defined]

    def test_it_is_pickled_with_its_loader(self) -> None:
        resize = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=7)
        loader = sized(DataLoader(Images(), 4), resize)
        loader, resize = pickle.loads(pickle.dumps((loader, resize)))
        for images, _ in resize.batches(loader):
            assert images.shape[-2:] == resize.size
        assert resize.mismatched == 0
        assert len(loader.dataset) == 26  # type: ignore[arg-type]

    @pytest.mark.parametrize("workers", [0, 1])
    def test_a_crop_that_decodes_reads_the_size_by_itself(
        self, workers: int, tmp_path: Path
    ) -> None:
        (tmp_path / "a").mkdir()
        for number in range(12):
            image = v2.functional.to_pil_image(torch.rand(3, 90, 120))
            image.save(tmp_path / "a" / f"{number}.jpg")
        data = ImageFolder(
            str(tmp_path),
            v2.PILToTensor(),
            loader=RandomResizedCropDecode(FULL),  # type: ignore[arg-type]
        )
        resize = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=3)
        loader = sized(DataLoader(data, 4, num_workers=workers), resize)
        came = []
        for _ in range(3):
            for images, _ in resize.batches(loader):
                came.append(images.shape[-1])
        assert came == [resize.plan.size_at(step).width for step in range(9)]
        assert len(set(came)) >= 4
        assert resize.mismatched == 0

    def test_any_index(self) -> None:
        class Named(Images):
            def __getitem__(self, index: Any) -> Any:
                name, number = index
                image, _ = super().__getitem__(number)
                return image, name

        batches = [[("a", 1), ("b", 2)], [("c", 3)]]
        plain: Any = DataLoader(Named(), batch_sampler=batches, num_workers=1)
        seen = list(sized(plain, RAMP.plan(total_steps=99)))
        assert [images.shape[-1] for images, _ in seen] == [16, 16]
        assert [names for _, names in seen] == [("a", "b"), ("c",)]

    def test_set_size(self) -> None:
        given: list[Size] = []

        class Own(Images):
            def __getitem__(self, index: int) -> Any:
                if index == 3:
                    raise RuntimeError("no such file")
                return torch.rand(3, *given[-1]), index

        def set_size(dataset: Any, size: Size) -> None:
            assert isinstance(dataset, Own)
            given.append(size)

        plan = Ramp(final_size=32, increase_by=16, start=0.5, finish=0.5).plan(
            total_steps=4
        )
        loader = DataLoader(Own(), batch_sampler=[[0, 1], [2, 3]])  # type: ignore[arg-type]
        batches = iter(sized(loader, plan, set_size=set_size))
        assert next(batches)[0].shape[-1] == 16
        with pytest.raises(RuntimeError, match="no such file"):
            next(batches)
        assert given == [(16, 16), (32, 32), (16, 16), (32, 32)]

    @pytest.mark.parametrize("workers", [0, 1])
    def test_a_function_that_reads_the_current_size(self, workers: int) -> None:
        def read(image: torch.Tensor) -> torch.Tensor:
            now = current_size()
            assert now is not None
            assert now.full == (FULL, FULL)
            return v2.functional.resize(image, list(now.size))

        def nothing(dataset: Any, size: Size) -> None:
            pass

        resize = ProgressiveResize(RAMP, epochs=1, steps_per_epoch=7)
        plain = DataLoader(Images(read), 4, num_workers=workers)
        loader = sized(plain, resize, set_size=nothing)
        seen = [images.shape[-1] for images, _ in resize.batches(loader)]
        assert seen == [resize.plan.size_at(step).width for step in range(7)]
        assert resize.mismatched == 0
        assert current_size() is None


class TestRefused:
    plan = RAMP.plan(total_steps=9)

    def test_no_loader(self) -> None:
        with pytest.raises(
            TypeError, match=r"DataLoader, not a list.*before it is wra"
        ):
            sized([1], self.plan)  # type: ignore[type-var]

    def test_no_batches(self) -> None:
        loader = DataLoader(Images(), batch_size=None)
        with pytest.raises(ValueError, match=r"batch_size=None.*batch_sampler"):
            sized(loader, self.plan)

    def test_twice(self) -> None:
        loader = sized(DataLoader(Images(), 4), self.plan)
        with pytest.raises(ValueError, match="sized already"):
            sized(loader, self.plan)

    def test_no_progress(self) -> None:
        with pytest.raises(TypeError, match=r"ProgressiveResize.*not a Ramp"):
            sized(DataLoader(Images(), 4), RAMP)  # type: ignore[arg-type]

    def test_another_final_size(self) -> None:
        plan = Ramp(final_size=48).plan(total_steps=9)
        with pytest.raises(ValueError, match=r"final_size 48x48.*RandomRes.*set_size"):
            sized(DataLoader(Images(), 4), plan)


def test_a_random_sampler_of_another_length() -> None:
    data = Images()
    sampler = RandomSampler(data, replacement=True, num_samples=10)
    resize = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=5)
    loader = sized(DataLoader(data, 2, sampler=sampler, num_workers=2), resize)
    for _ in range(3):
        for images, _ in resize.batches(loader):
            assert images.shape[-2:] == resize.size
    assert resize.mismatched == 0


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_epochs_that_are_broken_off(workers: int, accumulate: int) -> None:
    """Without steps_per_epoch the next pass starts where the last one was left."""
    resize = ProgressiveResize(RAMP, total_steps=12, accumulate=accumulate)
    loader = sized(DataLoader(Images(), 4, num_workers=workers), resize)
    for _ in range(3 * accumulate):
        for number, (images, _) in enumerate(resize.batches(loader)):
            assert images.shape[-2:] == resize.size
            if number == 3:
                break
    assert resize.mismatched == 0
    assert resize.size.width == FULL
