"""Transforms are found in the pipelines of streams, whichever library holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.core.loading.images import FULL, RAMP
from tests.core.loading.streams import Stream, picture
from torch.utils.data import ChainDataset, DataLoader, IterableDataset
from torchvision.transforms import v2

from upsize.loading import current_size, open_image, sized
from upsize.loop import ProgressiveResize

COUNT, BATCH = 10, 2
CROP = v2.Compose([v2.RandomResizedCrop(FULL), v2.ToImage()])


def cropped(sample: Any) -> Any:
    image, label = sample
    return CROP(image), label


def cropped_all(samples: Any) -> Iterator[Any]:
    for sample in samples:
        yield cropped(sample)


def check(data: Any, *, batch: int | None = BATCH, remade: bool = False) -> Any:
    """Assert that a stream gives the batches of a run at the sizes of its plan."""
    plain = [images_of(batch) for batch in DataLoader(data, batch)]
    assert {images.shape[-1] for images in plain} == {FULL}
    resize = ProgressiveResize(RAMP, epochs=2, steps_per_epoch=len(plain))
    loader = sized(DataLoader(data, batch), resize)
    sizes = []
    for _ in range(2):
        for made in resize.batches(loader):
            sizes.append(images_of(made).shape[-1])
            assert sizes[-1] == resize.size.width
    assert len(set(sizes)) > 2
    assert resize.mismatched == 0
    assert (loader.batch_sampler.remade > 0) == remade  # type: ignore[union-attr]
    assert {images_of(each).shape[-1] for each in DataLoader(data, batch)} == {FULL}
    return loader


def images_of(batch: Any) -> Any:
    return batch["image"] if isinstance(batch, dict) else batch[0]


webdataset = pytest.importorskip("webdataset")


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("shards") / "images.tar")
    with webdataset.TarWriter(path) as writer:
        for index in range(COUNT):
            image = Image.fromarray(picture(index).movedim(0, 2).numpy())
            writer.write({"__key__": f"{index:03}", "png": image, "cls": index})
    return path


WEB: dict[str, Callable[[Any], Any]] = {
    "map_tuple": lambda data: data.to_tuple("png", "cls").map_tuple(CROP, int),
    "map": lambda data: data.to_tuple("png", "cls").map(cropped),
    "map of a partial": lambda data: data.map(partial(named, "png", CROP)),
    "map_dict": lambda data: data.map_dict(png=CROP).to_tuple("png", "cls"),
    "compose": lambda data: data.to_tuple("png", "cls").compose(cropped_all),
    "with_epoch": lambda data: (
        data.to_tuple("png", "cls").map_tuple(CROP).repeat().with_epoch(COUNT)
    ),
}


def named(key: str, transform: Any, sample: Any) -> Any:
    return transform(sample[key]), sample["cls"]


# WebDataset looks at its caches and warns of its own files.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestWebDataset:
    def data(self, shard: str) -> Any:
        return webdataset.WebDataset(shard, shardshuffle=False).decode("pil").shuffle(4)

    @pytest.mark.parametrize("stages", WEB)
    def test_stages(self, shard: str, stages: str) -> None:
        check(WEB[stages](self.data(shard)))

    def test_its_own_batches(self, shard: str) -> None:
        data = WEB["map"](self.data(shard)).batched(BATCH)
        # The first sample of a batch is made with the batch before.
        loader = check(data, batch=None, remade=True)
        assert {images.shape[-1] for images, _ in loader.dataset} == {FULL}

    def test_lists_of_its_own(self, shard: str) -> None:
        data = WEB["map"](self.data(shard)).listed(BATCH).map(stacked)
        check(data, batch=None, remade=True)

    @pytest.mark.filterwarnings("ignore:.*samples of the stream were made")
    def test_shuffled_after_it_is_decoded(self, shard: str) -> None:
        check(WEB["map"](self.data(shard)).shuffle(4, initial=4), remade=True)

    def test_the_decoder_of_a_user(self, shard: str) -> None:
        def decode(key: str, data: bytes) -> Any:
            return CROP(picture(len(data) % 7)) if key.endswith("png") else None

        data = webdataset.WebDataset(shard, shardshuffle=False).decode(decode)
        check(data.to_tuple("png", "cls"))

    def test_a_stage_of_the_user(self, shard: str) -> None:
        @webdataset.pipelinefilter
        def crop(samples: Any, transform: Any) -> Iterator[Any]:
            for image, label in samples:
                yield transform(image), label

        data = self.data(shard).to_tuple("png", "cls")
        check(data.compose(crop(CROP)))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestWebLoader:
    def loader(self, shard: str, **settings: Any) -> Any:
        data = webdataset.WebDataset(shard, shardshuffle=False).decode("pil")
        data = data.to_tuple("png", "cls").map(cropped)
        return webdataset.WebLoader(data, **{"batch_size": BATCH, **settings})

    def sizes(self, loader: Any, resize: ProgressiveResize) -> list[int]:
        return [x.shape[-1] for _ in range(2) for x, _ in resize.batches(loader)]

    @pytest.mark.parametrize("epoch", [0, 4, 8])
    def test_it_stays_one(self, shard: str, epoch: int) -> None:
        plain = self.loader(shard)
        if epoch:
            plain = plain.with_epoch(epoch).with_length(epoch, silent=True)
        resize = ProgressiveResize(RAMP, epochs=2, steps_per_epoch=epoch or 5)
        loader = sized(plain, resize)
        assert type(loader) is type(plain)
        came = self.sizes(loader, resize)
        assert came == [resize.plan.size_at(step).width for step in range(len(came))]
        assert resize.mismatched == 0
        assert plain.pipeline[0] is not loader.pipeline[0]

    def test_a_plan_alone(self, shard: str) -> None:
        plan = RAMP.plan(epochs=4, steps_per_epoch=5)
        loader = sized(self.loader(shard).map(list), plan)
        assert [x.shape[-1] for x, _ in loader] == [16] * 5
        repeated = self.loader(shard).with_epoch(8)
        with pytest.raises(ValueError, match="repeats its loader within an epoch"):
            sized(repeated, plan)

    def test_batches_that_are_made_again(self, shard: str) -> None:
        plain = self.loader(shard).unbatched().shuffle(10).batched(4)
        advice = (
            r"\(\.unbatched\(\)\.shuffle\(\)\.batched\(\)\).*shuffle in the dataset"
        )
        with pytest.raises(ValueError, match=advice):
            sized(plain, RAMP.plan(epochs=4, steps_per_epoch=5))

    def test_a_loader_that_is_sized(self, shard: str) -> None:
        plan = RAMP.plan(epochs=4, steps_per_epoch=5)
        loader = sized(self.loader(shard), plan)
        with pytest.raises(ValueError, match="sized already"):
            sized(loader, plan)


def stacked(samples: list[Any]) -> Any:
    images, labels = zip(*samples, strict=True)
    return torch.stack(images), torch.tensor(labels)


datasets = pytest.importorskip("datasets")


def examples() -> Iterator[dict[str, Any]]:
    for index in range(COUNT):
        yield {"pixels": picture(index).tolist(), "label": index}


def mapped(example: dict[str, Any]) -> dict[str, Any]:
    pixels = torch.as_tensor(np.array(example["pixels"], dtype=np.uint8))
    return {"image": CROP(pixels), "label": example["label"]}


class TestHuggingFace:
    def data(self) -> Any:
        return datasets.IterableDataset.from_generator(examples)

    def test_shuffled_and_mapped(self) -> None:
        check(
            self.data().shuffle(0, buffer_size=4).map(mapped, remove_columns="pixels")
        )

    @pytest.mark.filterwarnings("ignore:.*samples of the stream were made")
    def test_mapped_and_shuffled(self) -> None:
        mapped_first = self.data().map(mapped, remove_columns="pixels")
        check(mapped_first.shuffle(0, buffer_size=4), remade=True)

    def test_several(self) -> None:
        parts = datasets.concatenate_datasets([self.data().take(4), self.data()])
        check(parts.map(mapped, remove_columns="pixels"))


class Wrapper(IterableDataset[Any]):
    """Applies a function to the samples of another stream."""

    def __init__(self, dataset: Any, fn: Any) -> None:
        self.dataset, self.fn = dataset, fn

    def __iter__(self) -> Iterator[Any]:
        for image, label in self.dataset:
            yield self.fn(image), label


class Raw(Stream):
    def __init__(self) -> None:
        super().__init__((COUNT,), transform=lambda image: image)


class Opened(IterableDataset[Any]):
    """Opens files by upsize, and resizes what it gets."""

    def __init__(self, paths: list[Path], **target: Any) -> None:
        self.paths, self.target = paths, target
        self.transform = v2.Compose([v2.Resize((FULL, FULL)), v2.ToImage()])
        self.opened: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[Any]:
        for path in self.paths:
            image = open_image(path)
            self.opened.append(image.size)
            yield self.transform(image), self.target or 0


class TestOthers:
    def test_composed_streams(self) -> None:
        check(ChainDataset([Stream((4,)), Stream((6,))]))

    def test_a_function_that_a_stream_calls(self) -> None:
        check(Wrapper(Raw(), lambda image: CROP(image)))

    def test_a_transform_that_a_stream_holds(self) -> None:
        check(Wrapper(Raw(), CROP))

    @pytest.mark.filterwarnings("ignore::FutureWarning")
    def test_data_pipes(self) -> None:
        pipes = pytest.importorskip("torch.utils.data.datapipes.iter")
        check(pipes.IterableWrapper(list(Raw())).map(cropped))

    def test_set_size(self) -> None:
        class Own(IterableDataset[Any]):
            size = (FULL, FULL)

            def __iter__(self) -> Iterator[Any]:
                for label in range(4):
                    now = current_size()
                    assert (now is None) == (self.size == (FULL, FULL))
                    yield torch.rand(3, *self.size), label

        data = Own()
        plan = RAMP.plan(epochs=4, steps_per_epoch=2)
        loader = sized(
            DataLoader(data, 2),
            plan,
            set_size=lambda data, size: setattr(data, "size", size),
        )
        assert [x.shape[-1] for x, _ in loader] == [16, 16]
        assert data.size == (FULL, FULL)

    def test_images_that_are_decoded_reduced(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        Image.new("RGB", (128, 128)).save(path)
        data = Opened([path] * 4)
        plan = RAMP.plan(epochs=4, steps_per_epoch=2)
        assert [x.shape[-1] for x, _ in sized(DataLoader(data, 2), plan)] == [16, 16]
        # The first shows that there are no targets in pixels of the file.
        assert data.opened == [(128, 128), (64, 64), (64, 64), (64, 64)]

    def test_images_with_boxes_are_decoded_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        Image.new("RGB", (128, 128)).save(path)
        data = Opened([path] * 4, boxes=torch.tensor([3, 4, 90, 80]))
        plan = RAMP.plan(epochs=4, steps_per_epoch=2)
        assert [x.shape[-1] for x, _ in sized(DataLoader(data, 2), plan)] == [16, 16]
        assert data.opened == [(128, 128)] * 4

    def test_boxes_that_come_late(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        Image.new("RGB", (128, 128)).save(path)

        class Late(Opened):
            def __iter__(self) -> Iterator[Any]:
                for number, (image, _) in enumerate(super().__iter__()):
                    yield image, torch.tensor([3, 4, 90, 80]) if number == 2 else 0

        plan = RAMP.plan(epochs=4, steps_per_epoch=2)
        with pytest.raises(ValueError, match="boxes, keypoints or a mask beside"):
            list(sized(DataLoader(Late([path] * 4), 2), plan))
