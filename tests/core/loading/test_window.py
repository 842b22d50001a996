"""Windows that workers cut: bit for bit those that the run cuts of full-size batches."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset
from torchvision import tv_tensors
from torchvision.datasets import ImageFolder
from torchvision.transforms import (
    Compose,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    ToTensor,
    v2,
)

from upsize.loading import collate_tv_tensors, sized
from upsize.loading._folder_windows import window_samples
from upsize.loop import ProgressiveResize
from upsize.resize import Resizer
from upsize.schedule import Grow, Ramp, Size

RAMP = Ramp(final_size=32, increase_by=8)
COUNT = 12


def numbers(side: int, index: int, channels: int = 3) -> torch.Tensor:
    grid = torch.arange(float(side * side)).view(1, side, side) / side**2
    return (grid + index).expand(channels, side, side).contiguous()


class Samples(Dataset[Any]):
    """Makes samples by a function of index, with random numbers as augmentation."""

    def __init__(self, make: Any) -> None:
        self.make = make

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


def pair(index: int) -> Any:
    noise = torch.rand(3, 1, 1)
    return numbers(32, index) + noise, index


def image_mask(index: int) -> Any:
    return numbers(32, index), (numbers(32, index, 1)[0] * 1e3).long()


def typed(index: int) -> Any:
    box = tv_tensors.BoundingBoxes(  # pyright: ignore[reportCallIssue]
        torch.tensor([[1.0, 2, 30, 31]]), format="XYXY", canvas_size=(32, 32)
    )
    mask = tv_tensors.Mask((numbers(32, index, 1) * 1e3).long())
    return {"image": tv_tensors.Image(numbers(32, index)), "mask": mask, "box": box}


def heatmap(index: int) -> Any:
    return {"image": numbers(32, index), "heat": numbers(8, index, 5), "at": index}


def larger(index: int) -> Any:
    return numbers(40, index), index


def views(index: int) -> Any:
    return [numbers(32, index), numbers(32, -index), numbers(16, index)], index


def deep(index: int) -> Any:
    masks = [(numbers(side, index, 1)[0] * 1e3).long() for side in (32, 16, 8)]
    return numbers(32, index), masks


def latents(index: int) -> Any:
    return {"image": numbers(32, index), "latent": numbers(4, index, 4)}


def resolutions(index: int) -> Any:
    return {"lr": numbers(32, index), "hr": numbers(128, index)}


def boxes(index: int) -> Any:
    return {"image": numbers(32, index), "boxes": torch.tensor([[1.0, 2, 30, 31]])}


CASES: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "image and label": (pair, {}, None),
    "image and mask": (image_mask, {"targets": {1: "mask"}}, None),
    "types that are lost": (typed, {}, None),
    "types that are kept": (typed, {}, collate_tv_tensors),
    "a quarter": (heatmap, {"targets": {"heat": "image/4"}}, None),
    "deep supervision": (
        deep,
        {"targets": {(1, 0): "mask", (1, 1): "mask/2", (1, 2): "mask/4"}},
        None,
    ),
    "latents": (latents, {"images": "image", "targets": {"latent": "image/8"}}, None),
    "super-resolution": (
        resolutions,
        {"images": "lr", "targets": {"hr": "image*4"}},
        None,
    ),
    "larger": (larger, {}, None),
    "views": (views, {}, None),
    "plain boxes": (boxes, {"targets": {"boxes": "boxes"}}, None),
}


def run(**settings: Any) -> ProgressiveResize:
    length: dict[str, Any] = {"epochs": 4, "steps_per_epoch": 3}
    return ProgressiveResize(RAMP, **length | settings)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        # fastai, where it is imported, lets plain tensors keep attributes.
        is_plain = type(one) is torch.Tensor
        alike = type(one) is type(other) and (is_plain or vars(one) == vars(other))
        return alike and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def trained(loader: Any, resize: Any, epochs: int = 4) -> list[Any]:
    torch.manual_seed(0)
    return [batch for _ in range(epochs) for batch in resize.batches(loader)]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.filterwarnings("ignore:the images are 40x40")
def test_the_window_is_that_of_the_run(case: Any) -> None:
    make, options, collate = case
    resizer = Resizer(mode="crop", seed=3, **options)
    data = Samples(make)
    plain = DataLoader(data, 4, shuffle=True, collate_fn=collate)
    whole, cut = run(resizer=resizer), run(resizer=resizer)
    expected = trained(plain, whole)
    found = trained(sized(plain, cut), cut)
    assert len(found) == 12
    assert same(found, expected)
    assert cut.mismatched == 0


class Stream(IterableDataset[Any]):
    def __init__(self, make: Any) -> None:
        self.make = make

    def __len__(self) -> int:
        return COUNT

    def __iter__(self) -> Any:
        return map(self.make, range(COUNT))


@pytest.mark.parametrize("make", [pair, typed, larger])
@pytest.mark.filterwarnings("ignore:the images are 40x40")
def test_a_stream(make: Any) -> None:
    plain = DataLoader(Stream(make), 4, collate_fn=collate_tv_tensors)
    whole, cut = (run(resizer=Resizer(mode="crop")) for _ in range(2))
    expected = trained(plain, whole)
    assert same(trained(sized(plain, cut), cut), expected)
    assert cut.mismatched == 0


def test_a_stream_of_batches() -> None:
    batches = [torch.utils.data.default_collate([pair(i)] * 2) for i in range(3)]

    class Batches(IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(batches)

    plain = DataLoader(Batches(), batch_size=None)
    whole, cut = (run(resizer=Resizer(mode="crop")) for _ in range(2))
    expected = trained(plain, whole)
    assert same(trained(sized(plain, cut), cut), expected)


@pytest.mark.parametrize("container", [list, tuple])
def test_a_dataset_that_makes_batches(container: Any) -> None:
    class Together(Samples):
        def __getitems__(self, indices: list[int]) -> Any:
            made = torch.utils.data.default_collate([pair(i) for i in indices])
            return container(made)

    plain = DataLoader(Together(pair), 4, collate_fn=lambda batch: batch)
    whole, cut = (run(resizer=Resizer(mode="crop")) for _ in range(2))
    expected = trained(plain, whole)
    assert same(trained(sized(plain, cut), cut), expected)


def test_workers_and_accumulation() -> None:
    resizer = Resizer(mode="crop", targets={1: "mask"})
    data = Samples(image_mask)
    whole, cut = (run(resizer=resizer, accumulate=2) for _ in range(2))
    expected = trained(DataLoader(data, 4), whole)
    loader = sized(DataLoader(data, 4, num_workers=2, persistent_workers=True), cut)
    assert same(trained(loader, cut), expected)
    assert cut.mismatched == 0


def test_merged_batches_have_the_window_of_their_step() -> None:
    resizer = Resizer(mode="crop")
    settings: dict[str, Any] = {"accumulate": 3}
    plain = DataLoader(Samples(lambda i: (numbers(32, i), i)), 4)
    whole = run(resizer=resizer, **settings)
    merged = run(resizer=resizer, merge=True, **settings)
    one = [batch[0] for batch in trained(plain, whole)]
    other, small = [], sized(plain, merged)
    for batch in (batch for _ in range(4) for batch in merged.batches(small)):
        assert merged.loss_weight > 0
        other.append(batch[0])
    assert len(other) < len(one)
    for size in (16, 24, 32):
        joined = [
            torch.cat([b for b in each if b.shape[-1] == size]) for each in (one, other)
        ]
        assert torch.equal(*joined)


def test_batches_that_grow() -> None:
    resizer = Resizer(mode="crop")
    settings: dict[str, Any] = {
        "epochs": 4, "steps_per_epoch": None, "samples_per_epoch": COUNT,
        "batch_size": Grow(8, batch=2),
    }  # fmt: skip
    plain = DataLoader(Samples(lambda i: (numbers(32, i), i)), 2)
    grown = run(resizer=resizer, **settings)
    found = trained(sized(plain, grown), grown)
    assert grown.mismatched == 0
    for step, (images, labels) in enumerate(found):
        full = torch.stack([numbers(32, int(i)) for i in labels])
        assert torch.equal(images, resizer(full, images.shape[-2:], step=step))


def test_a_resumed_run_cuts_the_same() -> None:
    resizer = Resizer(mode="crop", seed=1)
    data = Samples(lambda i: (numbers(32, i), i))
    first = run(resizer=resizer)
    expected = trained(sized(DataLoader(data, 4), first), first)
    half, state = run(resizer=resizer), {}
    loader, seen = sized(DataLoader(data, 4), half), []
    for batch in half.batches(loader):
        seen.append(batch)
        if len(seen) == 2:
            state = half.state_dict()
            break
    rest = run(resizer=resizer)
    rest.load_state_dict(state)
    left = DataLoader(Subset(data, range(8, 12)), 4)  # what is left of the epoch
    seen += list(rest.batches(sized(left, rest)))
    loader = sized(DataLoader(data, 4), rest)
    seen += [batch for _ in range(3) for batch in rest.batches(loader)]
    assert same(seen, expected)


def test_processes_cut_one_window() -> None:
    resizer = Resizer(mode="crop", seed=1)
    data = Samples(lambda i: (numbers(32, 0), i))
    halves = []
    for rank in range(2):
        resize = run(resizer=resizer, steps_per_epoch=3)
        shard = Subset(data, range(rank, COUNT, 2))
        halves.append(trained(sized(DataLoader(shard, 2), resize), resize))
    for one, other in zip(*halves, strict=True):
        assert torch.equal(one[0], other[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    generator = torch.Generator().manual_seed(0)
    for index in range(COUNT):
        pixels = torch.randint(256, (40, 48, 3), generator=generator, dtype=torch.uint8)
        path = root / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.numpy()).save(path)
    return root


def tensors(samples: Any) -> Any:
    return torch.stack([ToTensor()(image)[:, :32, :32] for image, _ in samples])


NORMAL = Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
FLOAT = v2.ToDtype(torch.float32, scale=True)
# Whether samples are cut before they are collated, and what comes before that.
FOLDERS: dict[str, tuple[Any, bool]] = {
    "version 1": (
        Compose([RandomCrop(32), RandomHorizontalFlip(), ToTensor(), NORMAL]), True,
    ),
    "version 2": (
        v2.Compose([v2.ToImage(), v2.RandomResizedCrop(32), v2.RandomVerticalFlip(), FLOAT]),
        True,
    ),
    "typed": (v2.Compose([v2.ToImage(), v2.CenterCrop(32), FLOAT]), True),
    "no transform after": (v2.Compose([v2.RandomCrop(32), v2.PILToTensor()]), True),
    "nothing to cut": (v2.Compose([v2.ToImage(), FLOAT]), False),
    "none": (None, False),
    "one transform": (lambda image: ToTensor()(image)[:, :32, :32], True),
    "several": (lambda image: [ToTensor()(image)[:, :32, :32]] * 2, False),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDERS.values(), ids=FOLDERS)
@pytest.mark.parametrize("subset", [False, True])
@pytest.mark.filterwarnings("ignore:the images are 40x48")
def test_a_folder(folder: Path, case: Any, subset: bool) -> None:
    transform, is_early = case
    data: Any = ImageFolder(str(folder), transform, target_transform=lambda y: y + 1)
    data = Subset(data, range(COUNT - 1, -1, -1)) if subset else data
    collate = tensors if transform is None else collate_tv_tensors
    plain = DataLoader(data, 4, collate_fn=collate)
    whole, cut = (run(resizer=Resizer(mode="crop")) for _ in range(2))
    expected = trained(plain, whole)
    assert same(trained(sized(plain, cut), cut), expected)
    if transform is None:
        return
    for targets, side in ((None, 16 if is_early else None), ({1: "keep"}, None)):
        resize = run(resizer=Resizer(mode="crop", targets=targets))
        loader: Any = sized(plain, resize)
        made = loader.dataset.__getitems__(next(iter(loader.batch_sampler)))
        # A window that depends on targets is known when they are.
        assert side is None or made[0][0].shape[-1] == side
        assert side is not None or "CutBatch" not in str(type(made))
        assert loader.collate_fn(made) is not None


def test_a_folder_of_several_sizes(folder: Path) -> None:
    sides = iter([32, 36, 32])
    data = ImageFolder(
        str(folder), lambda image: ToTensor()(image)[:, :32, : next(sides)]
    )
    resize = run(resizer=Resizer(mode="crop"))
    with pytest.raises(
        RuntimeError, match="stack expects each tensor to be equal size"
    ):
        next(iter(sized(DataLoader(data, 3), resize)))


def test_lists_of_images() -> None:
    def detection(index: int) -> Any:
        image = numbers(32, index)
        mask = tv_tensors.Mask((image[:1] * 1e3).long())
        return image, {"masks": mask}

    def collate(samples: Any) -> Any:
        return tuple(zip(*samples, strict=True))

    plain = DataLoader(Samples(detection), 4, collate_fn=collate)
    whole, cut = (run(resizer=Resizer(mode="crop")) for _ in range(2))
    expected = trained(plain, whole)
    assert same(trained(sized(plain, cut), cut), expected)


def test_what_goes_to_the_workers() -> None:
    resize = run(resizer=Resizer(mode="crop", seed=2))
    loader: Any = sized(DataLoader(Samples(typed), 4), resize)
    batch = next(iter(loader.batch_sampler))
    again = pickle.loads(pickle.dumps((loader.dataset, batch, loader.collate_fn)))
    data, indices, collate = again
    expected = loader.collate_fn(loader.dataset.__getitems__(batch))
    assert same(collate(data.__getitems__(indices)), expected)
    assert same(loader.dataset[0], typed(0))  # alone, a sample is whole


def small(index: int) -> Any:
    return numbers(24, index), index


def uncovered(index: int) -> Any:
    return numbers(32, index), (numbers(32, index, 1)[0] * 1e3).long()


def third(index: int) -> Any:
    return {"image": numbers(32, index), "mask": torch.zeros(10, 10).long()}


def stride(index: int) -> Any:
    return {"image": numbers(32, index), "mask": torch.zeros(2, 2).long()}


def unnamed(index: int) -> Any:
    return {"image": numbers(32, index), "boxes": torch.rand(3, 4)}


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "smaller": (small, {}, "the images are 24x24 and final_size is 32x32"),
    "no policy": (uncovered, {}, "nothing says how to resize it"),
    "no share": (third, {"mask": "mask/4"}, "must have 1/4 of the 32x32 pixels"),
    "stride": (stride, {"mask": "mask/16"}, "does not divide the size 24x24"),
    "boxes": (unnamed, {}, 'has the name of boxes, and mode="crop" cuts windows'),
    "no image": (lambda index: index, {}, "no image"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_what_cannot_be_cut(case: Any) -> None:
    make, targets, words = case
    resize = run(resizer=Resizer(mode="crop", targets=targets))
    loader = sized(DataLoader(Samples(make), 4), resize)
    with pytest.raises(ValueError, match=words):
        trained(loader, resize)


def test_images_that_are_larger_are_told_once() -> None:
    resize = run(resizer=Resizer(mode="crop"))
    with pytest.warns(UserWarning, match="training never uses their own size") as told:
        trained(sized(DataLoader(Samples(larger), 4), resize), resize)
    assert len(told) == 1


def test_the_steps_of_a_folder(folder: Path) -> None:
    data = ImageFolder(str(folder))  # images of Pillow, which have another size
    found = window_samples(data, [0, 5], (4, 8), Size(16, 16), Size(40, 48))
    assert found is not None
    (image, _), _ = found[0]
    assert image.size == (16, 16)
    assert image.tobytes() == data[0][0].crop((8, 4, 24, 20)).tobytes()
    assert window_samples([image], [0], (4, 8), Size(16, 16), Size(40, 48)) is None
