"""Loaders that cannot be sized are refused, and each is told what it can do."""

from __future__ import annotations

import re
from inspect import signature
from itertools import islice
from typing import Any

import pytest
import torch
from tests.core.loading.images import RAMP, Images
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import FakeData

from upsize.loading import sized
from upsize.loop import ProgressiveResize

PLAN = RAMP.plan(total_steps=10_000)  # 16 px


def of_module(name: str, module: str, base: type = object, **held: Any) -> Any:
    """Return an object of a class with the names of one that is not installed."""
    cls = type(name, (base,), {"__module__": module})
    value = object.__new__(cls)
    vars(value).update(held)
    return value


class TestLoaders:
    @pytest.mark.parametrize(
        ("name", "module", "advice"),
        [
            ("Loader", "ffcv.loader.loader", "FFCV .*output_size of its decoder"),
            (
                "DALIGenericIterator",
                "nvidia.dali.plugin.pytorch",
                "DALI .*size_stage.*on the device",
            ),
            (
                "DALIClassificationIterator",
                "nvidia.dali.plugin.pytorch",
                "DALI pipeline",
            ),
            ("Pipeline", "nvidia.dali.pipeline", "DALI pipeline .*on the device"),
            ("MapDataset", "grain._src.python.dataset", "map_with_index.size_stage"),
            ("Pipeline", "spdl.pipeline._pipeline", 'output_order="input"'),
            ("WebDataset", "webdataset.compat", "give it to a WebLoader"),
            ("DataLoader2", "torchdata.dataloader2.dataloader2", "from a pipe"),
            ("TfmdDL", "fastai.data.core", r"upsize\.fastai\.sized"),
            ("DataLoaderShard", "accelerate.data_loader", r"upsize\.accelerate\.sized"),
            ("CombinedLoader", "lightning.pytorch.utilities", "for each DataLoader"),
            ("_IterableFromIterator", "ray.data.iterator", "from rows .*on the device"),
            ("tqdm", "tqdm.std", r"tqdm\(resize\.batches\(loader\)\)"),
            ("Dataset", "tensorflow.data", "TensorFlow .*on the device"),
            ("Dataset", "datasets.arrow_dataset", "is a dataset: make a DataLoader"),
            ("Feeder", "somebody.s", "does not know how .*ProgressiveResize alone"),
        ],
    )
    def test_by_their_names(self, name: str, module: str, advice: str) -> None:
        # A subclass of the user's is known as well.
        for loader in (
            of_module(name, module),
            of_module("Mine", "train", type(of_module(name, module))),
        ):
            if advice.startswith("is a dataset") and type(loader).__name__ == "Mine":
                continue
            kind = type(loader).__name__
            with pytest.raises(TypeError, match=f"not a {kind}: .*{advice}"):
                sized(loader, PLAN)

    @pytest.mark.parametrize(
        ("loader", "advice"),
        [
            (Images(), "a dataset: make a DataLoader of it"),
            (islice([1], 1), "make the islice of the result"),
            (iter([1]), "size that loader"),
            ([1], "before it is wrapped"),
            ([DataLoader(Images())], "size each loader that it holds"),
            ({"a": DataLoader(Images())}, "size each loader that it holds"),
        ],
    )
    def test_what_is_no_loader(self, loader: Any, advice: str) -> None:
        with pytest.raises(TypeError, match=advice):
            sized(loader, PLAN)

    def test_installed_ones(self) -> None:
        nodes = pytest.importorskip("torchdata.nodes")
        nodes_loader = nodes.Loader(nodes.SamplerWrapper([1]))
        with pytest.raises(TypeError, match=r"nodes of torchdata .*size_stage"):
            sized(nodes_loader, PLAN)

    def test_a_wrapper_of_a_loader(self) -> None:
        class Prefetcher:
            """Moves batches to the device, as timm's PrefetchLoader does."""

            def __init__(self, loader: Any) -> None:
                self.device, self.loader = "cpu", loader

            def __iter__(self) -> Any:
                for images, labels in self.loader:
                    yield images.float(), labels

        loader: Any = Prefetcher(DataLoader(Images(), 4))
        advice = "write loader.loader = sized(loader.loader, resize)"
        with pytest.raises(TypeError, match=re.escape(advice)):
            sized(loader, PLAN)
        loader.loader = sized(loader.loader, PLAN)
        assert next(iter(loader))[0].shape == (4, 3, 16, 16)

    def test_a_loader_around_a_loader(self) -> None:
        class Wrapped(DataLoader[Any]):
            """Shares the settings of a loader and iterates it, as Ray's does."""

            def __init__(self, loader: DataLoader[Any]) -> None:
                vars(self).update(vars(loader))
                self._dataloader: Any = loader

            def __iter__(self) -> Any:
                return iter(self._dataloader)

        loader = Wrapped(DataLoader(Images(), 4))
        advice = "write loader._dataloader = sized(loader._dataloader, resize)"
        with pytest.raises(ValueError, match=re.escape(advice)):
            sized(loader, PLAN)
        loader._dataloader = sized(loader._dataloader, PLAN)
        assert next(iter(loader))[0].shape[-1] == 16
        plain: Any = DataLoader(Images(), 4)
        plain.unlabelled = DataLoader(Images(), 4)
        assert next(iter(sized(plain, PLAN)))[0].shape[-1] == 16

    def test_a_loader_that_ray_has_prepared(self) -> None:
        inner: Any = DataLoader(Images(), 4)
        loader = of_module(
            *("_WrappedDataLoader", "ray.train.torch.train_loop_utils", DataLoader),
            **(vars(inner) | {"_dataloader": inner, "dataloader_iter": iter(inner)}),
        )
        advice = "another DataLoader: use upsize.ray.sized"
        with pytest.raises(ValueError, match=re.escape(advice)):
            sized(loader, PLAN)

    def test_a_prefetcher_that_has_begun(self) -> None:
        begun: Any = of_module("Fetch", "own", stream=1, it=iter(DataLoader(Images())))
        with pytest.raises(TypeError, match=r"as 'it'.*make the Fetch of the sized"):
            sized(begun, PLAN)


class TestOrder:
    @pytest.mark.skipif(
        "in_order" not in signature(DataLoader).parameters, reason="torch below 2.6"
    )
    def test_batches_by_arrival(self) -> None:
        loader = DataLoader(Images(), 4, num_workers=2, in_order=False)
        with pytest.raises(ValueError, match="in_order=False gives the batches"):
            sized(loader, PLAN)
        # One process makes them in order all the same.
        assert len(sized(DataLoader(Images(), 4, in_order=False), PLAN)) == 7


class Repeat:
    """Draws batches without end, as the samplers of YOLO and timm do."""

    def __init__(self, batches: Any) -> None:
        self.sampler = batches

    def __iter__(self) -> Any:
        while True:
            yield from self.sampler


class Endless(DataLoader[Any]):
    """Keeps one iterator through all epochs, as timm's MultiEpochsDataLoader does."""

    def __init__(self, dataset: Dataset[Any], *args: Any, **settings: Any) -> None:
        super().__init__(dataset, *args, **settings)
        object.__setattr__(self, "batch_sampler", Repeat(self.batch_sampler))
        self.iterator: Any = None

    def __len__(self) -> int:
        return len(self.batch_sampler.sampler)  # type: ignore[union-attr,arg-type]

    def __iter__(self) -> Any:
        if self.iterator is None:
            self.iterator = super().__iter__()
        for _ in range(len(self)):
            yield next(self.iterator)


class TestIterators:
    def test_one_that_is_there_already(self) -> None:
        class Infinite(Endless):
            def __init__(self, *args: Any, **settings: Any) -> None:
                super().__init__(*args, **settings)
                self.iterator = DataLoader.__iter__(self)

        with pytest.raises(ValueError, match=r"Infinite has made .*'iterator' already"):
            sized(Infinite(Images(), 4), PLAN)

    def test_a_generator_of_the_loader(self) -> None:
        class Cycle(DataLoader[Any]):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                self.count = (number for number in range(3))
                self.cycle = self.forever()
                next(self.cycle)

            def forever(self) -> Any:
                while True:
                    yield from DataLoader.__iter__(self)

        with pytest.raises(ValueError, match=r"Cycle has made .*'cycle' already"):
            sized(Cycle(Images(), 4), PLAN)

    @pytest.mark.parametrize("workers", [0, 1])
    def test_one_that_is_made_later_and_kept(self, workers: int) -> None:
        resize = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=7)
        loader = sized(Endless(Images(), 4, num_workers=workers), resize)
        seen = []
        for _ in range(3):
            for images, _ in resize.batches(loader):
                seen.append(images.shape[-1])
                assert images.shape[-2:] == resize.size
        assert len(seen) == 21
        assert len(set(seen)) >= 4
        assert resize.mismatched == 0

    def test_a_tensor_that_it_holds(self) -> None:
        plain: Any = DataLoader(Images(), 4)
        plain.mean = torch.zeros(3)
        assert next(iter(sized(plain, PLAN)))[0].shape[-1] == 16


class TestTimm:
    """The loaders of timm's training script."""

    def make(self, **settings: Any) -> Any:
        data = pytest.importorskip("timm.data")
        images = FakeData(12, (3, 40, 48), 10)
        return data.create_loader(
            images, (3, 32, 32), 4, is_training=True, num_workers=0,
            persistent_workers=False, device=torch.device("cpu"), **settings,
        )  # fmt: skip

    def test_the_plain_one(self) -> None:
        loader = sized(self.make(use_prefetcher=False), PLAN)
        assert {images.shape[-1] for images, _ in loader} == {16}

    def test_the_one_that_prefetches(self) -> None:
        from timm.data import FastCollateMixup

        mixup = FastCollateMixup(mixup_alpha=0.8, num_classes=10)
        loader = self.make(use_prefetcher=True, collate_fn=mixup)
        with pytest.raises(TypeError, match=r"loader\.loader = sized\(loader\.loader"):
            sized(loader, PLAN)
        loader.loader = sized(loader.loader, PLAN)
        assert {tuple(images.shape) for images, _ in loader} == {(4, 3, 16, 16)}
        assert loader.mixup_enabled
        loader.mixup_enabled = False
        assert mixup.mixup_enabled is False
