"""Batches whose tensors have lost the types of torchvision, in a training run."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from tests.core.newer_types import need_points
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    default_collate,
)
from torchvision import tv_tensors
from tqdm import tqdm

from upsize.loading import collate_tv_tensors
from upsize.loop import ProgressiveResize
from upsize.resize import Resizer
from upsize.run._lost_types import LostTypes, TypedBatch, without_types
from upsize.run._objects import restoring_objects
from upsize.schedule import Ramp

SIDE = 32
LABELS = {0, 3, 200}  # blended, they become others


def stripes(number: int, *, dtype: torch.dtype = torch.uint8) -> Tensor:
    """A mask in which every pixel has another neighbour."""
    mask = torch.zeros(1, SIDE, SIDE, dtype=dtype)
    mask[:, ::2], mask[:, :, 1::3] = 3, 200
    return mask.roll(number, -1)


class Scenes(Dataset[Any]):
    """Images with typed targets, as torchvision's transforms return them."""

    def __init__(self, make: Callable[[int], Any], count: int = 4) -> None:
        self.make, self.count = make, count
        self.drawn: list[int] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        self.drawn.append(index)
        return self.make(index)


class Scene(NamedTuple):
    image: Tensor
    mask: Tensor


def image(side: int = SIDE) -> Tensor:
    return tv_tensors.Image(torch.rand(3, side, side))


def mask(number: int, **kind: Any) -> Tensor:
    return tv_tensors.Mask(stripes(number, **kind))


def boxes(form: str = "XYXY") -> Tensor:
    rows = [[4.0, 8, 16, 24], [0, 2, 10, 12]]
    return tv_tensors.BoundingBoxes(rows, format=form, canvas_size=(SIDE, SIDE))


def points() -> Tensor:
    need_points()
    return tv_tensors.KeyPoints([[4.0, 8], [30, 2]], canvas_size=(SIDE, SIDE))


def scene(number: int) -> dict[str, Any]:
    return {
        "image": image(), "mask": mask(number), "label": number,
        "boxes": boxes("XYWH"), "points": [points()], "text": torch.rand(5, 8),
    }  # fmt: skip


def trained(loader: Any, *, resizer: Resizer = Resizer()) -> list[Any]:  # noqa: B008
    """Return the batches of two epochs at 16 pixels, and of two at 32."""
    resize = ProgressiveResize(
        Ramp(final_size=SIDE, increase_by=16),
        epochs=4,
        steps_per_epoch=len(loader),
        resizer=resizer,
    )
    return [batch for _ in range(4) for batch in resize.batches(loader)]


def labels(values: Tensor) -> set[int]:
    return {int(value) for value in values.unique()}


def test_every_type_follows_and_plain_tensors_come_back() -> None:
    batches = trained(DataLoader(Scenes(scene), 2))
    for batch, side in zip(batches, [16] * 4 + [32] * 4, strict=True):
        found = [batch["image"], batch["mask"], batch["boxes"], batch["points"][0]]
        assert {type(each) for each in found} == {Tensor}
        assert batch["image"].shape == (2, 3, side, side)
        assert batch["mask"].shape == (2, 1, side, side)
        assert batch["mask"].dtype == torch.uint8
        assert labels(batch["mask"]) <= LABELS
        ratio = SIDE // side
        assert (batch["boxes"][0] * ratio).tolist() == boxes("XYWH").tolist()
        assert (batch["points"][0][1] * ratio).tolist() == points().tolist()
        assert batch["text"].shape == (2, 5, 8)


def as_tuple(number: int) -> Any:
    return image(), mask(number)


def mask_first(number: int) -> Any:
    return mask(number), image()


def plain_image(number: int) -> Any:
    return torch.rand(3, SIDE, SIDE), mask(number)


def whole_numbers(number: int) -> Any:
    return image(), mask(number, dtype=torch.int64)


def named(number: int) -> Any:
    return Scene(image(), mask(number))


def bare_masks(number: int) -> Any:
    return image(), tv_tensors.Mask(stripes(number)[0])


def a_clip(number: int) -> Any:
    return tv_tensors.Video(torch.rand(2, 3, SIDE, SIDE)), mask(number)


MAKERS = [
    as_tuple, mask_first, plain_image, whole_numbers, named, bare_masks, a_clip,
]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
def test_masks_in_any_place(make: Callable[[int], Any]) -> None:
    of_masks = 0 if make is mask_first else 1
    for batch, side in zip(
        trained(DataLoader(Scenes(make), 2)), [16] * 4 + [32] * 4, strict=True
    ):
        masks, images = batch[of_masks], batch[1 - of_masks]
        assert masks.shape[-2:] == images.shape[-2:] == (side, side)
        assert labels(masks) <= LABELS


def in_lists(samples: list[Any]) -> Any:
    """Images stacked, boxes in a list and no longer typed: their numbers differ."""
    return {
        "images": torch.stack([each["image"] for each in samples]),
        "targets": [{"boxes": each["boxes"] * 1} for each in samples],
    }


def renamed(samples: list[Any]) -> Any:
    images = torch.stack([each["image"] for each in samples]).float()
    return images, torch.cat([each["mask"] for each in samples]).long()


def joined(samples: list[Any]) -> Any:
    """All boxes of the batch in one tensor, as many detectors take them."""
    images = torch.stack([each["image"] for each in samples])
    return images, torch.cat([each["boxes"] for each in samples])


class TestCollate:
    """The loader's own function makes the sample: it may do as it likes."""

    def test_lists(self) -> None:
        loader = DataLoader(Scenes(scene, 3), 2, collate_fn=in_lists)
        batches = trained(loader)
        assert [len(batch["targets"]) for batch in batches[:2]] == [2, 1]
        for target in batches[0]["targets"]:
            assert type(target["boxes"]) is Tensor
            assert target["boxes"].tolist() == (boxes() / 2).tolist()

    def test_other_names_and_dims(self) -> None:
        images, masks = trained(DataLoader(Scenes(scene), 2, collate_fn=renamed))[0]
        assert (images.shape, masks.shape) == ((2, 3, 16, 16), (2, 16, 16))
        assert masks.dtype == torch.int64
        assert labels(masks) <= LABELS

    def test_joined_boxes(self) -> None:
        found = trained(DataLoader(Scenes(scene), 2, collate_fn=joined))[0][1]
        assert found.tolist() == [*(boxes() / 2).tolist()] * 2

    def test_what_it_computes_of_boxes(self) -> None:
        def computing(samples: list[Any]) -> Any:
            images = torch.stack([each["image"] for each in samples])
            found = torch.stack([each["boxes"] for each in samples])
            more = torch.zeros(len(samples), 3, 4)
            return {
                "image": images, "half": found.half(), "boxes": found / SIDE,
                "sizes": found[..., 2:] - found[..., :2],
                "padded": torch.cat([found, more], 1),
            }  # fmt: skip

        def four(number: int) -> Any:
            rows = torch.tensor([[4.0, 8, 16, 24]] * 4)
            kind = {"format": "XYXY", "canvas_size": (SIDE, SIDE)}
            return {"image": image(), "boxes": tv_tensors.BoundingBoxes(rows, **kind)}

        with pytest.warns(UserWarning, match=r"batch\['sizes'\] .* may hold keypoints"):
            batch = trained(DataLoader(Scenes(four), 2, collate_fn=computing))[0]
        assert batch["image"].shape[-1] == 16
        assert batch["half"][0, 0].tolist() == [2, 4, 8, 12]
        assert batch["padded"][0, [0, -1]].tolist() == [[2, 4, 8, 12], [0, 0, 0, 0]]
        assert batch["boxes"][0, 0].tolist() == [4 / 32, 8 / 32, 16 / 32, 24 / 32]
        assert batch["sizes"][0, 0].tolist() == [12, 16]

    def test_types_that_are_kept_need_no_sample(self) -> None:
        data = Scenes(scene)
        batch = trained(DataLoader(data, 2, collate_fn=collate_tv_tensors))[0]
        assert type(batch["mask"]) is tv_tensors.Mask
        assert batch["boxes"].canvas_size == (16, 16)

    def test_what_is_lost_after_it(self) -> None:
        """As by pin_memory before torchvision 0.22, and by slices and sums."""

        class Pinned(DataLoader[Any]):
            def __iter__(self) -> Any:
                for batch in super().__iter__():
                    assert type(batch["mask"]) is tv_tensors.Mask
                    yield batch | {
                        "mask": batch["mask"].as_subclass(Tensor),
                        "boxes": batch["boxes"][:] + 0,
                    }

        batch = trained(Pinned(Scenes(scene), 2, collate_fn=collate_tv_tensors))[0]
        assert (type(batch["image"]), type(batch["mask"])) == (tv_tensors.Image, Tensor)
        assert labels(batch["mask"]) <= LABELS
        assert batch["mask"].shape[-1] == 16
        assert (batch["boxes"][0] * 2).tolist() == boxes().tolist()

    def test_random_draws_in_it_are_restored(self) -> None:
        def blended(samples: list[Any]) -> Any:
            images, masks = map(torch.stack, zip(*samples, strict=True))
            return images * torch.rand(()), masks, random.random()

        loader = DataLoader(Scenes(as_tuple), 2, collate_fn=blended)
        torch.manual_seed(0)
        random.seed(0)
        drawn = [batch[2] for _ in range(4) for batch in loader]
        state = torch.get_rng_state()
        torch.manual_seed(0)
        random.seed(0)
        assert [batch[2] for batch in trained(loader)] == drawn
        assert torch.get_rng_state().equal(state)


class TestSample:
    """It is drawn where it is needed, once, and leaves no trace."""

    def test_once_for_a_loader(self) -> None:
        data = Scenes(as_tuple)
        trained(DataLoader(data, 2))
        # After the first batch has come, and never again.
        assert data.drawn == [0, 1, 0, 2, 3, *[0, 1, 2, 3] * 3]

    @pytest.mark.parametrize(
        "make",
        [
            lambda number: (image(), number),
            lambda number: (image(), torch.zeros(7)),
            lambda number: image(),
            lambda number: {"image": image(), "label": number, "id": "a"},
        ],
    )
    def test_not_where_nothing_can_be_lost(self, make: Callable[[int], Any]) -> None:
        data = Scenes(make)
        trained(DataLoader(data, 2))
        assert data.drawn == [0, 1, 2, 3] * 4

    def test_behind_a_progress_bar(self) -> None:
        loader = DataLoader(Scenes(as_tuple, 2), 2)
        resize = ProgressiveResize(Ramp(final_size=SIDE), total_steps=4)
        (batch,) = resize.batches(tqdm(loader, disable=True))
        assert batch[1].shape[-1] == 16
        assert labels(batch[1]) <= LABELS

    def test_not_of_a_stream(self) -> None:
        class Stream(IterableDataset[Any]):
            starts = 0

            def __iter__(self) -> Any:
                self.starts += 1
                return iter([plain_image(number) for number in range(4)])

            def __getitem__(self, index: int) -> Any:
                raise AssertionError("a stream has no items")

        data = Stream()
        resizer = Resizer(targets={1: "mask"})
        resize = ProgressiveResize(
            Ramp(final_size=SIDE), total_steps=4, resizer=resizer
        )
        assert len(list(resize.batches(DataLoader(data, 2)))) == 2
        assert data.starts == 1

    def test_of_each_loader(self) -> None:
        one, two = Scenes(as_tuple, 2), Scenes(mask_first, 2)
        resize = ProgressiveResize(Ramp(final_size=SIDE), total_steps=9)
        for loader in (DataLoader(one, 2), DataLoader(two, 2), DataLoader(two, 2)):
            (batch,) = resize.batches(loader)
            assert {each.shape[-1] for each in batch} == {16}
        assert (one.drawn, two.drawn) == ([0, 1, 0], [0, 1, 0, 0, 1])

    def test_of_a_dataset_that_makes_batches(self) -> None:
        class Together(Scenes):
            def __getitems__(self, indices: list[int]) -> list[Any]:
                self.drawn.append(-len(indices))
                return [self.make(number) for number in indices]

        data = Together(as_tuple, 2)
        assert trained(DataLoader(data, 2))[0][1].shape[-1] == 16
        assert data.drawn[:2] == [-2, -1]

    def test_of_a_loader_without_batches(self) -> None:
        def with_batch(sample: Any) -> Any:
            return [each[None] for each in sample]

        loader = DataLoader(Scenes(as_tuple), batch_size=None, collate_fn=with_batch)
        images, masks = trained(loader)[0]
        assert (images.shape, masks.shape) == ((1, 3, 16, 16), (1, 1, 16, 16))
        assert labels(masks) <= LABELS

    def test_nothing_is_left_behind(self) -> None:
        class Lazy(Scenes):
            """Opens its file late, and draws by itself: from five generators."""

            file: object = None

            def __init__(self) -> None:
                super().__init__(as_tuple)
                self.own = {"numpy": np.random.default_rng(0)}
                self.old = [np.random.RandomState(0)]
                self.generator = torch.Generator().manual_seed(0)
                self.draws = partial(random.Random(0).uniform, 0)
                inner = random.Random(1)
                self.more = lambda: inner.random()

            def __getitem__(self, index: int) -> Any:
                numbers = [
                    self.own["numpy"].random(), self.old[0].rand(), self.draws(1),
                    torch.rand((), generator=self.generator).item(), self.more(),
                    torch.rand(()).item(), random.random(),
                    np.random.rand(),  # noqa: NPY002
                ]  # fmt: skip
                self.file = self.file or object()
                self.drawn.append(index)
                return *as_tuple(index), numbers

        def seeded() -> DataLoader[Any]:
            torch.manual_seed(0)
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002
            return DataLoader(Subset(Lazy(), range(4)), 2)

        loader = seeded()
        expected = [batch[2] for _ in range(4) for batch in loader]
        state = torch.get_rng_state(), random.getstate()
        loader = seeded()
        assert str([batch[2] for batch in trained(loader)]) == str(expected)
        assert torch.get_rng_state().equal(state[0])
        assert random.getstate() == state[1]

        data: Any = Lazy()
        with restoring_objects(data):
            data[0]
        assert "file" not in vars(data)

    def test_what_cannot_be_drawn_here_tells_nothing(self) -> None:
        class InWorkers(Scenes):
            def __getitem__(self, index: int) -> Any:
                if self.drawn[-2:] == [0, 1]:
                    raise RuntimeError("made in a worker, which has the file")
                return super().__getitem__(index)

        data = InWorkers(plain_image, 2)
        assert reads_as_it_is(DataLoader(data, 2))
        assert data.drawn == [0, 1]

    def test_without_an_image_it_tells_nothing(self) -> None:
        def other(samples: list[Any]) -> Any:
            """A batch of one has no tensors."""
            return default_collate(samples) if len(samples) > 1 else "nothing"

        assert reads_as_it_is(DataLoader(Scenes(as_tuple), 2, collate_fn=other))

    def test_plain_samples_tell_nothing(self) -> None:
        data = Scenes(lambda number: (torch.rand(3, SIDE, SIDE), stripes(number)))
        assert reads_as_it_is(DataLoader(data, 2))
        assert data.drawn == [0, 1, 0]


def reads_as_it_is(loader: Any) -> bool:
    lost = LostTypes(Resizer())
    lost.expect(loader)
    batches = iter(loader)
    return not isinstance(lost.read(next(batches), None, None), TypedBatch)


class TestNames:
    """What the user names has the last word."""

    def test_a_target(self) -> None:
        batch = trained(
            DataLoader(Scenes(scene), 2),
            resizer=Resizer(
                targets={"mask": "keep", "boxes": "keep", "points": "keep"}
            ),
        )[0]
        assert batch["mask"].shape[-1] == 32
        assert batch["image"].shape[-1] == 16
        assert batch["boxes"][0].tolist() == boxes("XYWH").tolist()
        assert batch["points"][0][0].tolist() == points().tolist()

    def test_an_image(self) -> None:
        def pair(number: int) -> Any:
            return {"small": image(16), "large": image(), "mask": mask(number)}

        data = DataLoader(Scenes(pair), 2)
        batch = trained(data, resizer=Resizer(images="large"))[0]
        assert batch["small"].shape[-1] == batch["large"].shape[-1] == 16
        assert batch["mask"].shape[-1] == 16
        assert labels(batch["mask"]) <= LABELS


def test_a_batch_that_is_made_differently_is_read_as_it_is() -> None:
    lost = LostTypes(Resizer())
    lost.expect(DataLoader(Scenes(as_tuple), 2))
    images, masks = torch.rand(2, 3, SIDE, SIDE), stripes(0)[None]
    assert isinstance(lost.read([images, masks], None, None), TypedBatch)
    for batch in (images, {"image": images}, [[images], masks], [images]):
        found = lost.read(batch, None, None)
        assert found.size == found.first.shape[-2:] == (SIDE, SIDE)
        assert found.at(SIDE) is batch


def test_another_loaders_batch_has_the_types_where_it_is_made_alike() -> None:
    lost = LostTypes(Resizer())
    batch = [torch.rand(2, 3, SIDE, SIDE), stripes(0).repeat(2, 1, 1, 1)]
    assert not isinstance(lost.read_other(batch, None), TypedBatch)
    lost.expect(DataLoader(Scenes(as_tuple), 2))
    lost.read(batch, None, None)
    assert labels(lost.read_other(batch, None).at(16)[1]) <= LABELS


def test_an_idle_step_reads_the_image_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = LostTypes(Resizer())
    lost.expect(DataLoader(Scenes(named), 2))
    batch = Scene(torch.rand(2, 3, SIDE, SIDE), stripes(0).repeat(2, 1, 1, 1))
    lost.read(batch, None, None)
    monkeypatch.setattr(LostTypes, "typed", None)
    found = lost.read(batch, None, None)
    assert (found.size, found.first is batch.image) == ((SIDE, SIDE), True)


def test_a_batch_that_is_arranged_before_it_is_read() -> None:
    lost = LostTypes(Resizer())
    lost.expect(DataLoader(Scenes(as_tuple), 2), lambda batch: {"x": batch})
    batch = {"x": [torch.rand(2, 3, SIDE, SIDE), stripes(0).repeat(2, 1, 1, 1)]}
    assert labels(lost.read(batch, None, None).at(16)["x"][1]) <= LABELS


def test_without_a_loader_nothing_is_lost() -> None:
    lost = LostTypes(Resizer())
    batch = [torch.rand(2, 3, SIDE, SIDE), stripes(0)]
    typed = lost.typed(batch)
    assert typed == {}
    assert without_types(batch, typed) is batch


def test_lists_of_images_are_read_again() -> None:
    """Their boxes are joined, and so have lost their types."""

    def listed(samples: list[Any]) -> Any:
        images, boxes = zip(
            *[(each["image"], each["boxes"]) for each in samples], strict=True
        )
        return list(images), torch.stack(boxes)

    images, found = trained(DataLoader(Scenes(scene), 2, collate_fn=listed))[0]
    assert [each.shape[-1] for each in images] == [16, 16]
    assert found[0].tolist() == (boxes() / 2).tolist()


def test_a_closure_that_is_not_complete() -> None:
    def make() -> Any:
        def inner() -> Any:
            return later

        with restoring_objects(inner):
            pass
        later = 1
        return inner

    assert make()() == 1


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors_are_refused_by_name(layout: Any) -> None:
    def collate(samples: Any) -> Any:
        images = [torch.rand(3, SIDE, SIDE) for _ in samples]
        return torch.nested.nested_tensor(images, layout=layout), torch.zeros(2)

    loader: Any = DataLoader(range(4), 2, collate_fn=collate)  # type: ignore[arg-type]
    resize = ProgressiveResize(Ramp(final_size=SIDE), total_steps=9)
    with pytest.raises(TypeError, match=r"batch\[0\] is a nested tensor, whose images"):
        next(iter(resize.batches(loader)))
