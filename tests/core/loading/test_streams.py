"""Each batch of a stream has the size of the step that takes it, and the same samples."""

from __future__ import annotations

import copy
import pickle
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.core.loading.images import RAMP
from tests.core.loading.streams import BATCH, Batch, Known, Stream, epoch, widths
from torch.utils.data import DataLoader, IterableDataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from upsize.loading import current_size, open_image, sized
from upsize.loading._uniform import RemadeCount, UniformSize
from upsize.loop import ProgressiveResize
from upsize.resize import Resizer
from upsize.schedule import Size

EPOCHS = 3


def plain_loader(stream: Any, **settings: Any) -> DataLoader[Any]:
    batch = None if stream.batch else BATCH
    return DataLoader(stream, **{"batch_size": batch, **settings})


def indices(loader: Any) -> list[list[int]]:
    return [labels.tolist() for _, labels in loader]


class TestSizes:
    @pytest.mark.parametrize("workers", [0, 1, 2])
    @pytest.mark.parametrize("batch", [None, 4])
    @pytest.mark.parametrize("kind", [Stream, Known])
    def test_every_batch_has_the_size_of_its_step(
        self, kind: type[Stream], batch: int | None, workers: int
    ) -> None:
        if batch and kind is Known:
            pytest.skip("the length of a stream of batches is that of their samples")
        make = {"num_workers": workers, "persistent_workers": workers > 0}
        stream = kind([16, 16], batch=batch)
        plain = indices(plain_loader(stream, **make))
        resize = ProgressiveResize(RAMP, epochs=EPOCHS, steps_per_epoch=len(plain))
        loader = sized(plain_loader(stream, **make), resize)
        for number in range(EPOCHS):
            steps = range(number * len(plain), (number + 1) * len(plain))
            came = epoch(resize, loader)
            assert came == [
                Batch(*each)
                for each in zip(widths(resize.plan, steps), plain, strict=True)
            ]
        assert resize.mismatched == 0

    @pytest.mark.parametrize("workers", [0, 2])
    def test_the_same_random_numbers(self, workers: int) -> None:
        def images(loader: Any) -> list[Any]:
            torch.manual_seed(5)
            return [(x, y.tolist()) for x, y in loader]

        stream = Stream([9, 13], shuffle=True)
        plain = images(plain_loader(stream, num_workers=workers))
        plan = RAMP.plan(epochs=4, steps_per_epoch=len(plain))
        loader = sized(plain_loader(stream, num_workers=workers), plan)
        small = images(loader)
        assert [labels for _, labels in small] == [labels for _, labels in plain]
        assert [x.shape[-1] for x, _ in small] == widths(plan, range(len(plain)))
        loader.batch_sampler.set_epoch(3)  # type: ignore[union-attr]
        for (ours, _), (theirs, _) in zip(images(loader), plain, strict=True):
            assert torch.equal(ours, theirs)

    def test_the_copy_is_a_loader_of_the_stream(self) -> None:
        stream = Known()
        plain = plain_loader(stream, drop_last=True)
        loader = sized(plain, RAMP.plan(epochs=2, steps_per_epoch=6))
        assert len(loader) == len(plain) == 6
        assert isinstance(loader.dataset, Known)
        assert next(iter(loader.dataset))[0].shape[-1] == 32  # alone: at full size
        assert len(list(loader)) == 6
        loader.dataset.shards = (8,)
        assert stream.shards == (8,)
        assert plain.dataset is stream


class Ahead(Stream):
    """Shuffles images that are made already, by a buffer."""

    def __iter__(self) -> Any:
        buffer: list[Any] = []
        for sample in self.samples():
            buffer.append(sample)
            if len(buffer) > 5:
                yield buffer.pop(0)
        yield from buffer


class TestMadeAhead:
    """Samples that were made at the size of another batch."""

    @pytest.mark.parametrize("workers", [0, 1])
    def test_all_samples_of_a_batch_get_its_size(self, workers: int) -> None:
        plain = plain_loader(Ahead([26]), num_workers=workers)
        resize = ProgressiveResize(RAMP, epochs=EPOCHS, steps_per_epoch=7)
        loader = sized(plain, resize)
        sizes = [each.size for _ in range(2) for each in epoch(resize, loader)]
        assert sizes == widths(resize.plan, range(14))
        with pytest.warns(UserWarning, match=r"\d+ samples of the stream were made at"):
            sizes = [each.size for each in epoch(resize, loader)]
        assert sizes == widths(resize.plan, range(14, 21))
        assert resize.mismatched == 0
        assert 0 < loader.batch_sampler.remade < 40  # type: ignore[union-attr]


class TestItsOwnBatches:
    """Streams that make their batches by themselves."""

    def test_one_that_reads_ahead(self) -> None:
        class Early(Stream):
            """Makes the first sample of the next batch before it gives one."""

            def __iter__(self) -> Any:
                some: list[Any] = []
                for image, _ in self.samples():
                    if len(some) == BATCH:
                        yield torch.stack(some), torch.zeros(BATCH)
                        some = []
                    some.append(image)

        resize = ProgressiveResize(RAMP, total_steps=9)
        loader = sized(DataLoader(Early((40,)), None), resize)
        with pytest.raises(RuntimeError, match="equal size") as caught:
            epoch(resize, loader)
        assert "has made some of them for the batch before" in caught.value.__notes__[0]

    def test_one_that_shuffles_its_batches(self) -> None:
        class Later(Ahead):
            def samples(self) -> Any:
                return iter(self.batches)

            batches = Stream((48,), batch=4)

        resize = ProgressiveResize(RAMP, total_steps=12)
        loader = sized(DataLoader(Later(), None), resize)
        with pytest.warns(UserWarning, match="samples of the stream were made at the"):
            sizes = [each.size for each in epoch(resize, loader)]
        assert sizes == widths(resize.plan, range(12))
        assert resize.mismatched == 0

    def test_labels_do_not_stop_the_reduction_of_images(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        Image.new("RGB", (128, 128)).save(path)
        opened = []

        class Opened(IterableDataset[Any]):
            transform = v2.Compose([v2.Resize((32, 32)), v2.ToImage()])

            def __init__(self) -> None:
                self.transform = v2.Compose([v2.Resize((32, 32)), v2.ToImage()])

            def __iter__(self) -> Any:
                for _ in range(3):
                    image = open_image(path)
                    opened.append(image.size)
                    yield self.transform(image)[None], torch.tensor([7, 3, 90])

        plan = RAMP.plan(epochs=4, steps_per_epoch=3)
        for _ in sized(DataLoader(Opened(), None), plan):
            pass
        assert opened == [(128, 128), (64, 64), (64, 64)]


class TestLeft:
    """What is touched is restored, however a pass ends."""

    def stream(self) -> Stream:
        return Stream((16,), transform=v2.Compose([v2.Resize((32, 32))]))

    def test_after_break(self) -> None:
        stream = self.stream()
        loader = sized(plain_loader(stream), RAMP.plan(epochs=4, steps_per_epoch=4))
        for images, _ in loader:
            assert images.shape[-1] == 16
            break
        assert stream.transform.transforms[0].size == [32, 32]
        assert next(iter(stream))[0].shape[-1] == 32
        assert current_size() is None

    def test_after_an_exception(self) -> None:
        class Failing(Stream):
            def samples(self) -> Any:
                for number, sample in enumerate(super().samples()):
                    if number == 6:
                        raise KeyError("broken file")
                    yield sample

        stream = Failing((16,), transform=v2.Compose([v2.Resize((32, 32))]))
        loader = sized(plain_loader(stream), RAMP.plan(epochs=4, steps_per_epoch=4))
        with pytest.raises(KeyError, match="broken file"):
            list(loader)
        assert stream.transform.transforms[0].size == [32, 32]
        assert current_size() is None

    def test_two_loaders_alternately(self) -> None:
        stream, other = self.stream(), self.stream()
        plan = RAMP.plan(epochs=4, steps_per_epoch=4)
        first = sized(plain_loader(stream), plan)
        second = sized(plain_loader(stream), plan)
        second.batch_sampler.set_epoch(2)  # type: ignore[union-attr]
        passes = iter(first), iter(second), iter(plain_loader(other))
        sizes = [
            [batch[0].shape[-1] for batch in each] for each in zip(*passes, strict=True)
        ]
        assert [small for small, *_ in sizes] == widths(plan, range(4))
        assert [large for _, large, _ in sizes] == widths(plan, range(8, 12))
        assert {full for *_, full in sizes} == {32}

    def test_a_loader_within_a_stream(self) -> None:
        class Outer(Stream):
            inner: Any = None

            def samples(self) -> Any:
                rest = iter(self.inner)
                for sample in super().samples():
                    assert next(rest)[0].shape[-1] == 16
                    yield sample

        plan = RAMP.plan(epochs=4, steps_per_epoch=4)
        outer = Outer((16,))
        outer.inner = sized(
            DataLoader(Stream((16,)), 1), RAMP.plan(epochs=9, steps_per_epoch=16)
        )
        loader = sized(plain_loader(outer), plan)
        loader.batch_sampler.set_epoch(2)  # type: ignore[union-attr]
        assert [x.shape[-1] for x, _ in loader] == widths(plan, range(8, 12))

    def test_what_others_collate_is_at_full_size(self) -> None:
        loader = sized(
            plain_loader(self.stream()), RAMP.plan(epochs=4, steps_per_epoch=4)
        )
        next(iter(loader))
        samples = [(torch.rand(3, 32, 32), 1)]
        assert loader.collate_fn(samples)[0].shape[-1] == 32


class TestRemade:
    """What a worker makes of samples that have the size of another batch."""

    full = Size(32, 32)

    def uniform(self, **settings: Any) -> UniformSize:
        resizer = settings.pop("resizer", Resizer())
        return UniformSize(self.full, RemadeCount(0), resizer, **settings)

    def test_targets_follow(self) -> None:
        image = tv_tensors.Image(torch.rand(3, 32, 32))
        boxes = tv_tensors.BoundingBoxes(
            torch.tensor([[8.0, 8.0, 24.0, 32.0]]), format="XYXY", canvas_size=(32, 32)
        )
        sample = {"image": image, "boxes": boxes, "label": 3, "name": "a"}
        small = self.uniform().samples([sample], Size(16, 16))[0]
        assert type(small["image"]) is tv_tensors.Image
        assert small["image"].shape == (3, 16, 16)
        assert small["boxes"].tolist() == [[4, 4, 12, 16]]
        assert small["boxes"].canvas_size == (16, 16)
        assert (small["label"], small["name"]) == (3, "a")
        assert sample["image"] is image

    def test_only_sizes_of_batches_are_changed(self) -> None:
        samples = [(torch.rand(3, *size), 0) for size in ((32, 32), (20, 30), (16, 16))]
        uniform = self.uniform()
        made = uniform.samples(samples, Size(16, 16))
        assert [tuple(x.shape[1:]) for x, _ in made] == [(16, 16), (20, 30), (16, 16)]
        # Larger as well, as where a buffer outlives a change of the size.
        made = uniform.samples(made, Size(24, 24))
        assert [tuple(x.shape[1:]) for x, _ in made] == [(24, 24), (20, 30), (24, 24)]

    def test_named_tuples_and_samples_that_differ(self) -> None:
        kind = namedtuple("kind", "image label")  # noqa: PYI024 - as users write them
        samples = [kind(torch.rand(3, 32, 32), 0), kind("none", 1)]
        made = self.uniform().samples(samples, Size(16, 16))
        assert made[0].image.shape == (3, 16, 16)
        assert made[1] is samples[1]

    def test_samples_without_images(self) -> None:
        samples = [(1, "a")]
        assert self.uniform().samples(samples, Size(16, 16)) is samples

    def test_a_resizer_that_cannot_be_sent(self) -> None:
        class Local:
            """Of a function: it has no name that a process could import."""

        resizer = Resizer()
        object.__setattr__(resizer, "mode", Local())
        uniform = pickle.loads(pickle.dumps(self.uniform(resizer=resizer)))
        samples = [(torch.rand(3, 16, 16), 0)]
        assert uniform.samples(samples, Size(16, 16)) is samples
        with pytest.raises(
            ValueError, match="cannot be pickled: shuffle before images"
        ):
            uniform.samples(samples, Size(24, 24))

    @pytest.mark.filterwarnings("ignore:.*samples of the stream were made")
    def test_the_resizer_of_the_run(self) -> None:
        targets = {"mask": "mask"}
        resize = ProgressiveResize(
            RAMP, total_steps=9, resizer=Resizer(targets=targets)
        )
        loader = sized(DataLoader(Masks(), 2), resize)
        for batch in resize.batches(loader):
            assert batch["mask"].shape[-1] == batch["image"].shape[-1]
            assert set(batch["mask"].unique().tolist()) <= {0, 7}


class Masks(IterableDataset[Any]):
    """Images and masks that are plain tensors, made three before they are given."""

    def __init__(self) -> None:
        self.transform = v2.Resize((32, 32))

    def __iter__(self) -> Any:
        buffer: list[Any] = []
        for _ in range(18):
            image, mask = torch.rand(3, 40, 40), torch.zeros(1, 40, 40)
            mask[:, :20] = 7
            buffer.append(
                self.transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
            )
            if len(buffer) == 3:
                image, mask = buffer.pop(0)
                yield {
                    "image": torch.Tensor(image),
                    "mask": mask.as_subclass(torch.Tensor),
                }


class TestEveryday:
    def test_transforms_of_the_collate_function(self) -> None:
        crop = v2.RandomResizedCrop((32, 32))

        def collate(samples: list[Any]) -> Any:
            images, labels = zip(*samples, strict=True)
            return torch.stack([crop(image) for image in images]), torch.tensor(labels)

        stream = Stream((16,), transform=lambda image: image)
        plan = RAMP.plan(epochs=4, steps_per_epoch=4)
        loader = sized(DataLoader(stream, BATCH, collate_fn=collate), plan)
        for number in range(4):
            steps = range(4 * number, 4 * number + 4)
            assert [x.shape[-1] for x, _ in loader] == widths(plan, steps)
        assert crop.size == (32, 32)

    def test_copies(self) -> None:
        loader: Any = sized(
            plain_loader(Stream()), RAMP.plan(epochs=4, steps_per_epoch=7)
        )
        for made in (copy.copy(loader), copy.deepcopy(loader)):
            assert next(iter(made))[0].shape[-1] == 16
            again = copy.copy(made.batch_sampler)
            assert (next(iter(again)).size, again.remade) == ((16, 16), 0)

    def test_its_iterator_is_one(self) -> None:
        loader = sized(plain_loader(Stream()), RAMP.plan(epochs=4, steps_per_epoch=7))
        samples = iter(loader.dataset)
        assert iter(samples) is samples
        assert [label for _, label in samples] == list(range(26))

    def test_the_sample_that_tells_types_is_not_drawn(self) -> None:
        class Once(Stream):
            passes = 0

            def __iter__(self) -> Any:
                self.passes += 1
                return super().__iter__()

        stream = Once((16,))
        resize = ProgressiveResize(RAMP, epochs=1, steps_per_epoch=4)
        for _ in resize.batches(sized(plain_loader(stream), resize)):
            pass
        assert stream.passes == 1
