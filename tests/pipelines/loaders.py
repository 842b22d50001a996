"""Loaders and samplers: everything between a dataset and a training loop."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import lmdb
import torch
import webdataset
from PIL import Image
from tests.pipelines import pictures
from tests.pipelines.classification import resized, to_float
from tests.pipelines.data import Pairs, Photos, classified, images_of, load
from tests.pipelines.rows import FULL, Seen, Setup, row
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    WeightedRandomSampler,
    default_collate,
    get_worker_info,
)
from torchdata.stateful_dataloader import StatefulDataLoader
from torchvision.transforms import v2

from upsize.loading import current_size, open_image

GROUP = "Loaders and samplers"


@row(GROUP, "`WeightedRandomSampler`")
def _(folder: Path) -> Setup:
    sampler = WeightedRandomSampler([1.0, 2.0, 3.0, 4.0], 4)
    return Setup(load(Photos(resized()), sampler=sampler), classified())


@row(GROUP, "`shuffle=True`, `drop_last=True`, an odd number of samples")
def _(folder: Path) -> Setup:
    data = Photos(resized(), count=5)
    return Setup(load(data, shuffle=True, drop_last=True), classified())


class Balanced(BatchSampler):
    """As many samples of each class in every batch."""

    def __init__(self) -> None:
        self.pairs = [[0, 1], [2, 3]]

    def __iter__(self) -> Any:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)


@row(GROUP, "A batch sampler of your own, balanced by class")
def _(folder: Path) -> Setup:
    loader = DataLoader(Photos(resized()), batch_sampler=Balanced())
    return Setup(loader, classified())


@row(GROUP, "`DistributedSampler`")
def _(folder: Path) -> Setup:
    data = Photos(resized(), count=8)
    sampler = DistributedSampler(data, num_replicas=2, rank=1)
    return Setup(load(data, sampler=sampler), classified())


class Streamed(IterableDataset[Any]):
    """Samples one after another, at full size."""

    def __init__(self, transform: Any = None) -> None:
        self.transform = transform

    def __iter__(self) -> Any:
        for index in range(4):
            image = pictures.tensor(index)
            yield image if self.transform is None else self.transform(image), index


@row(GROUP, "`IterableDataset`")
def _(folder: Path) -> Setup:
    return Setup(load(Streamed(resized())), classified(), steps=2)


@row(
    GROUP,
    "`IterableDataset` of images that have the full size",
    says="no transform of Streamed has a size",
    device=True,
)
def _(folder: Path) -> Setup:
    return Setup(load(Streamed()), classified(), steps=2)


def shard(folder: Path) -> str:
    name = str(folder / "shard.tar")
    with webdataset.TarWriter(name) as writer:
        for index in range(4):
            sample = {"__key__": str(index), "png": pictures.pil(index), "cls": index}
            writer.write(sample)
    return name


def decoded(folder: Path) -> Any:
    data = webdataset.WebDataset(shard(folder), shardshuffle=False)
    return data.decode("torchrgb").to_tuple("png", "cls")


@row(GROUP, "WebDataset: `WebLoader` of a pipeline that makes the batches")
def _(folder: Path) -> Setup:
    data = decoded(folder).map_tuple(resized()).batched(2)
    loader = webdataset.WebLoader(data, batch_size=None, num_workers=0)
    return Setup(loader, classified(), steps=2)


@row(
    GROUP,
    "WebDataset: batches that are shuffled and made again in the main process",
    says=".unbatched().shuffle().batched()",
)
def _(folder: Path) -> Setup:
    data = decoded(folder).map_tuple(resized()).batched(2)
    loader = webdataset.WebLoader(data, batch_size=None, num_workers=0)
    return Setup(loader.unbatched().shuffle(9).batched(2), classified(), steps=2)


@row(
    GROUP,
    "WebDataset: images that have the full size, and no transform",
    says="no transform of WebDataset has a size",
    device=True,
)
def _(folder: Path) -> Setup:
    loader = webdataset.WebLoader(decoded(folder), batch_size=2, num_workers=0)
    return Setup(loader, classified(), steps=2)


@row(GROUP, "WebDataset in a `DataLoader`")
def _(folder: Path) -> Setup:
    return Setup(load(decoded(folder).map_tuple(resized())), classified(), steps=2)


@row(GROUP, "torchdata's `StatefulDataLoader`")
def _(folder: Path) -> Setup:
    return Setup(StatefulDataLoader(Photos(resized()), batch_size=2), classified())


class Repeat:
    """Repeats a batch sampler for ever."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def __iter__(self) -> Any:
        while True:
            yield from iter(self.sampler)


class InfiniteDataLoader(DataLoader[Any]):
    """As YOLO has it: one iterator, made at once, that never ends."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        object.__setattr__(self, "batch_sampler", Repeat(self.batch_sampler))
        self.iterator = super().__iter__()

    def __len__(self) -> int:
        return len(self.batch_sampler.sampler)

    def __iter__(self) -> Any:
        for _ in range(len(self)):
            yield next(self.iterator)


@row(
    GROUP,
    "YOLO's `InfiniteDataLoader`, whose `__init__` starts its iterator",
    says="InfiniteDataLoader",
    device=True,
)
def _(folder: Path) -> Setup:
    return Setup(InfiniteDataLoader(Photos(resized()), batch_size=2), classified())


class Prefetcher:
    """A loader around a loader, with a name that every repository has."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Any:
        yield from self.loader


@row(
    GROUP,
    "An object of your own around a `DataLoader`, such as a prefetcher",
    says="loader.loader = sized(loader.loader, resize)",
    line="loader.loader = sized(loader.loader, resize)",
)
def _(folder: Path) -> Setup:
    return Setup(Prefetcher(load(Photos(resized()))), classified())


@row(GROUP, "A generator of batches", says="Epochs", device=True)
def _(folder: Path) -> Setup:
    class Batches:
        def __iter__(self) -> Any:
            for first in (0, 2):
                images = [pictures.tensor(first), pictures.tensor(first + 1)]
                yield torch.stack(images), torch.tensor([first, first + 1])

    data = Batches()
    loader = (batch for _ in range(9) for batch in data)

    class Epochs:
        """Two batches of an endless generator."""

        def __iter__(self) -> Any:
            return (next(loader) for _ in range(2))

    return Setup(Epochs(), classified(), steps=2)


def padded(samples: Any) -> Any:
    """Pad images of several sizes at the bottom and the right."""
    images, labels = zip(*samples, strict=True)
    height, width = (max(image.shape[axis] for image in images) for axis in (1, 2))
    batch = torch.zeros(len(images), 3, height, width)
    for place, image in zip(batch, images, strict=True):
        place[:, : image.shape[1], : image.shape[2]] = image
    return batch, torch.tensor(labels)


@row(GROUP, "A `collate_fn` that pads to the largest image of the batch")
def _(folder: Path) -> Setup:
    class Sides(Photos):
        def __getitem__(self, index: int) -> Any:
            self.shape = (80, 80 - 20 * (index % 2))
            return super().__getitem__(index)

    longest = v2.Resize(None, max_size=FULL)
    data = Sides(v2.Compose([longest, *to_float()]))
    return Setup(load(data, collate_fn=padded), classified())


@row(
    GROUP,
    "A `collate_fn` that resizes to 64 pixels",
    says="current_size()",
    line="loader = sized(loader, resize, set_size=set_size)",
)
def _(folder: Path) -> Setup:
    def collate(samples: Any) -> Any:
        now = current_size()
        size = (FULL, FULL) if now is None else now.size
        images, labels = zip(*samples, strict=True)
        transform = v2.Compose([v2.Resize(tuple(size)), *to_float()])
        return torch.stack([transform(image) for image in images]), list(labels)

    def set_size(dataset: Any, size: Any) -> None:
        """Leave the dataset as it is: the collate reads the size."""

    names = {"set_size": set_size}
    return Setup(load(Photos(), collate_fn=collate), classified(), names)


@row(
    GROUP,
    "A dataset that reads `current_size()` itself",
    says="current_size()",
    line="loader = sized(loader, resize, set_size=set_size)",
)
def _(folder: Path) -> Setup:
    class Own(Photos):
        def __getitem__(self, index: int) -> Any:
            now = current_size()
            size = (FULL, FULL) if now is None else now.size
            image, label = super().__getitem__(index)
            return v2.Compose([v2.Resize(tuple(size)), *to_float()])(image), label

    def set_size(dataset: Any, size: Any) -> None:
        """Leave the dataset as it is: it reads the size."""

    return Setup(load(Own()), classified(), {"set_size": set_size})


class Together(Photos):
    """Makes the samples of a batch in one go."""

    def __getitems__(self, indices: Any) -> Any:
        return [self[index] for index in indices]


@row(GROUP, "A dataset with `__getitems__`")
def _(folder: Path) -> Setup:
    return Setup(load(Together(resized())), classified())


@row(GROUP, "LMDB, opened by `worker_init_fn` in two workers")
def _(folder: Path) -> Setup:
    path = str(folder / "lmdb")
    with lmdb.open(path) as env, env.begin(write=True) as writer:
        for index in range(4):
            file = io.BytesIO()
            pictures.pil(index, 80, 96).save(file, "PNG")
            writer.put(str(index).encode(), file.getvalue())

    class Stored(Photos):
        file: Any = None

        def __getitem__(self, index: int) -> Any:
            with self.file.begin() as reader:
                found = io.BytesIO(reader.get(str(index).encode()))
            return self.transform(Image.open(found).convert("RGB")), index

    def start(worker: int) -> None:
        get_worker_info().dataset.file = lmdb.open(path, readonly=True, lock=False)

    data = Stored(resized())
    return Setup(load(data, num_workers=2, worker_init_fn=start), classified())


@row(GROUP, "HDF5, opened lazily")
def _(folder: Path) -> Setup:
    path = folder / "images.h5"
    with h5py.File(path, "w") as file:
        file["images"] = [pictures.pixels(index, 80, 96) for index in range(4)]

    class Stored(Photos):
        file: Any = None

        def __getitem__(self, index: int) -> Any:
            if self.file is None:
                self.file = h5py.File(path, "r")
            return self.transform(self.file["images"][index]), index

    transform = v2.Compose([*to_float(), v2.RandomResizedCrop(FULL)])
    return Setup(load(Stored(transform)), classified())


@row(GROUP, "`batch_size=None`: the dataset makes batches", says="batch_size=None")
def _(folder: Path) -> Setup:
    class Batches(Photos):
        def __getitem__(self, index: int) -> Any:
            return default_collate([super().__getitem__(index)] * 2)

    return Setup(DataLoader(Batches(resized()), batch_size=None), classified())


@row(
    GROUP,
    "`lru_cache` around `open_image`",
    says="make upsize.loading.current_size() part of its key",
)
def _(folder: Path) -> Setup:
    root = folder / "cached"
    root.mkdir(exist_ok=True)
    for index in range(4):
        pictures.pil(index, 256, 256).save(root / f"{index}.jpg", quality=100)
    read = lru_cache(open_image)

    class Cached(Photos):
        def __getitem__(self, index: int) -> Any:
            return self.transform(read(root / f"{index}.jpg")), index

    return Setup(load(Cached(resized())), classified())


@row(GROUP, "Augmentation of the batch on the device, then `resize(batch)`")
def _(folder: Path) -> Setup:
    augment = v2.Compose([v2.RandomHorizontalFlip(), v2.ColorJitter(0.1)])

    def after(batch: Any) -> Any:
        images, labels = batch
        return augment(images), labels

    return Setup(load(Photos(resized())), classified(), after=after)


@row(GROUP, "A `CenterCrop` in one dataset, the `Resize` before it in the one inside")
def _(folder: Path) -> Setup:
    class Outer(Dataset[Any]):
        def __init__(self, inner: Any) -> None:
            self.inner = inner
            self.transform = v2.Compose([*to_float(), v2.CenterCrop(FULL)])

        def __len__(self) -> int:
            return len(self.inner)

        def __getitem__(self, index: int) -> Any:
            image, label = self.inner[index]
            return self.transform(image), label

    inner = Photos(v2.Resize(FULL)) + Photos(v2.Resize((FULL, FULL)))
    return Setup(load(Outer(inner), batch_size=4), classified())


class FakeDALI:
    """As NVIDIA's DALIGenericIterator: dicts of images from the GPU."""

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Any:
        for first in (0, 2):
            images = [pictures.tensor(first), pictures.tensor(first + 1)]
            yield [{"data": torch.stack(images), "label": torch.arange(2)}]


FakeDALI.__module__ = "nvidia.dali.plugin.pytorch"
FakeDALI.__name__ = FakeDALI.__qualname__ = "DALIGenericIterator"


@row(GROUP, "NVIDIA DALI's iterator", says="DALI", device=True)
def _(folder: Path) -> Setup:
    def see(batch: Any) -> Seen:
        return Seen(images_of(batch[0]["data"]), rest=batch[0]["label"])

    return Setup(FakeDALI(), see)


@row(GROUP, "A list of batches, as in a test", says="list", device=True)
def _(folder: Path) -> Setup:
    samples = [(pictures.tensor(index), index) for index in range(4)]
    batches = [default_collate(samples[:2]), default_collate(samples[2:])]
    return Setup(batches, classified())


@row(
    GROUP,
    "A dataset of tensors in a dict, no transform",
    says="set_size",
    device=True,
)
def _(folder: Path) -> Setup:
    def see(batch: Any) -> Seen:
        return Seen(images_of(batch["x"]), rest=batch["y"])

    data = Pairs(lambda index: {"x": pictures.tensor(index), "y": index})
    return Setup(load(data), see)
