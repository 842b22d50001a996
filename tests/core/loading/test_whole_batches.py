"""Batches of a folder that are made as a whole: bit for bit those of single samples."""

from __future__ import annotations

import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset, default_collate
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.datasets import DatasetFolder, ImageFolder
from torchvision.datasets.folder import default_loader
from torchvision.transforms import v2

from upsize.loading import (
    CopyLoader,
    RandomResizedCropDecode,
    ResizeDecode,
    _folder_batches,
    _made_batch,
    collate_tv_tensors,
    sample_size,
    sized,
    small_copies,
)
from upsize.loading._batches import SizedBatch
from upsize.loading._dataset import SizedCollate, SizedDataset
from upsize.loading._folder_batches import FolderBatches
from upsize.loading._made_batch import MadeBatch
from upsize.schedule import Ramp, Size

FULL = Size(64, 64)
MEANS = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
FLIP, FLOAT = v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)
TRANSFORMS: dict[str, Any] = {
    "none": None,
    "a flip": FLIP,
    "version 2": v2.Compose([v2.ToImage(), FLIP, FLOAT, v2.Normalize(*MEANS)]),
    "a flip at the end": v2.Compose([FLOAT, v2.Normalize(*MEANS), FLIP]),
    "version 1": v1.Compose(
        [
            v1.RandomHorizontalFlip(0.3),
            v1.ConvertImageDtype(torch.float32),
            v1.Normalize(*MEANS),
        ]
    ),
    "modules": nn.Sequential(FLIP, v2.ConvertImageDtype(torch.float16)),
    "types alone": v2.Compose([v2.PILToTensor(), v2.ToImage(), v2.RandomHorizontalFlip(1)]),
    "pure at the end": v2.Compose([v2.ToImage(), FLOAT, v2.ToPureTensor()]),
    "two flips": v2.Compose([FLIP, v2.Compose([v2.RandomHorizontalFlip(0.2), FLOAT])]),
    "one colour": v2.Compose([v2.Grayscale(), FLOAT, v2.Normalize([0.5], [0.2])]),
    "one colour, version 1": v1.Grayscale(3),
    "in place": v2.Compose([FLOAT, v2.Normalize(*MEANS, inplace=True)]),
    "by type": v2.Compose(
        [v2.ToImage(), v2.ToDtype({tv_tensors.Image: torch.float32, "others": None})]
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of every kind, in two classes."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    one, two = root / "a", root / "b"
    one.mkdir()
    two.mkdir()
    colour = Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8))
    deep = Image.fromarray(rng.integers(0, 400, (50, 70), dtype=np.uint16))
    turned = Image.Exif()
    turned[0x0112] = 6
    colour.save(one / "colour.jpg", quality=90)
    colour.resize((400, 300)).save(one / "turned.jpg", exif=turned)
    turned[0x0112] = 4
    colour.resize((300, 400)).save(two / "turned.jpg", exif=turned)
    colour.convert("CMYK").save(two / "cmyk.jpg")
    colour.convert("L").save(one / "grey.jpg")
    colour.convert("P").save(two / "palette.png")
    colour.convert("RGBA").save(one / "alpha.png")
    colour.crop((0, 0, 64, 64)).save(two / "square.png")
    deep.save(one / "deep.png")
    deep.save(two / "deep.tiff")
    return root


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples each batch had that was made as a whole."""
    seen: list[int] = []
    plain = MadeBatch.collated

    def collated(self: MadeBatch, collate: Any) -> Any:
        made = plain(self, collate)
        seen.append(0 if made is None else len(self))
        return made

    monkeypatch.setattr(MadeBatch, "collated", collated)
    return seen


def folder_of(root: Path, transform: Any, **options: Any) -> Any:
    load: Any = RandomResizedCropDecode(64, output="tensor", **options)
    return ImageFolder(str(root), transform, loader=load)


def batch_of(
    data: Any, side: int, indices: Any, collate: Callable[..., Any] = default_collate
) -> Any:
    """A batch as a worker makes it."""
    batch = SizedBatch(indices, Size(side, side), FULL)
    return SizedCollate(collate)(SizedDataset(data).__getitems__(batch))


def single(
    data: Any, side: int, indices: Any, collate: Callable[..., Any] = default_collate
) -> Any:
    """The same batch of samples that are made one by one."""
    with sample_size(Size(side, side), FULL):
        return collate([data[index] for index in indices])


def check_equal(made: Any, expected: Any) -> None:
    assert type(made) is type(expected) is list
    assert type(made[0]) is type(expected[0])
    assert made[0].dtype == expected[0].dtype
    assert torch.equal(made[0], expected[0])
    assert type(made[1]) is type(expected[1])
    assert made[1].dtype == expected[1].dtype
    assert torch.equal(made[1], expected[1])


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("collate", [default_collate, collate_tv_tensors])
def test_bit_for_bit_with_every_transform(
    transform: str, collate: Any, folder: Path, together: list[int]
) -> None:
    data = folder_of(folder, TRANSFORMS[transform])
    indices = [*range(len(data)), 3, 0]
    for seed, side in enumerate((64, 17)):
        torch.manual_seed(seed)
        expected = single(data, side, indices, collate)
        state = torch.get_rng_state()
        torch.manual_seed(seed)
        made = batch_of(data, side, indices, collate)
        assert torch.equal(torch.get_rng_state(), state)
        check_equal(made, expected)
        assert made[0].shape[-2:] == (side, side)
    assert together == [len(indices)] * 2


@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("exif", [False, True])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("copied", [False, True])
def test_bit_for_bit_with_every_option(
    copied: bool, interpolation: str, exif: bool, sharp: bool, folder: Path,
    tmp_path: Path, together: list[int],
) -> None:  # fmt: skip
    copies = None
    if copied:
        small_copies(folder, tmp_path / "small", sizes=[24], full=64, workers=0)
        copies = CopyLoader(folder, tmp_path / "small")
    data = folder_of(
        folder, FLIP, copies=copies, interpolation=interpolation, exif=exif, sharp=sharp
    )
    indices = range(len(data))
    for seed, side in enumerate((64, 20, 1)):
        torch.manual_seed(seed)
        expected = single(data, side, indices)
        torch.manual_seed(seed)
        check_equal(batch_of(data, side, indices), expected)
    assert together == [len(data)] * 3


@pytest.mark.parametrize("workers", [0, 2])
def test_in_a_loader(workers: int, folder: Path) -> None:
    """With workers as well, which share the memory of a batch."""

    class Single(ImageFolder):  # type: ignore[misc]
        def __getitem__(self, index: int) -> Any:
            return super().__getitem__(index)

    load: Any = RandomResizedCropDecode(64, output="tensor")
    plan = Ramp(final_size=64, increase_by=16).plan(total_steps=5)

    def batches(kind: Any, transform: Any) -> list[Any]:
        torch.manual_seed(3)
        data = kind(str(folder), transform, loader=load)
        loader = DataLoader(data, 2, shuffle=True, num_workers=workers)
        return [*sized(loader, plan)]

    for transform in ("none", "version 2"):
        made, expected = (
            batches(kind, TRANSFORMS[transform]) for kind in (ImageFolder, Single)
        )
        for one, other in zip(made, expected, strict=True):
            check_equal(one, other)
        assert {batch[0].shape[-1] for batch in made} >= {32, 64}
    assert made[0][0].is_contiguous()


def test_a_worker_makes_a_batch_where_all_see_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_made_batch, "get_worker_info", lambda: "one")
    for name in ("a flip", "version 2"):
        data = folder_of(folder, TRANSFORMS[name])
        torch.manual_seed(0)
        expected = single(data, 40, [0, 5, 9])
        torch.manual_seed(0)
        made = batch_of(data, 40, [0, 5, 9])
        check_equal(made, expected)
        assert made[0].is_shared()


@pytest.mark.parametrize("most", [1, 3 * 12 * 40 * 40])
def test_images_are_converted_some_at_a_time(
    most: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_folder_batches, "_CHUNK", most)
    data = folder_of(folder, TRANSFORMS["version 2"])
    torch.manual_seed(0)
    expected = single(data, 40, range(len(data)))
    torch.manual_seed(0)
    check_equal(batch_of(data, 40, range(len(data))), expected)


def test_a_large_file_is_read_in_parts(tmp_path: Path, together: list[int]) -> None:
    (tmp_path / "a").mkdir()
    noise = Image.effect_noise((600, 500), 90).convert("RGB")
    noise.save(tmp_path / "a" / "a.jpg", quality=97)
    assert (tmp_path / "a" / "a.jpg").stat().st_size > 1 << 17
    data = folder_of(tmp_path, None, scale=(1, 1), ratio=(1.2, 1.2))
    image = v2.functional.pil_to_tensor(default_loader(tmp_path / "a" / "a.jpg"))
    expected = v2.functional.resize(image, [300, 300])
    load = RandomResizedCropDecode(300, (1, 1), (1.2, 1.2), output="tensor")
    assert torch.equal(load(tmp_path / "a" / "a.jpg"), expected)  # type: ignore[arg-type]
    assert batch_of(data, 40, [0])[0].shape == (1, 3, 40, 40)


def test_bytes_are_in_the_order_in_which_they_are_decoded(folder: Path) -> None:
    images, _ = batch_of(folder_of(folder, FLIP), 40, [0, 1])
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("nested", [1, 2])
def test_subsets(nested: int, folder: Path, together: list[int]) -> None:
    data = folder_of(folder, FLIP)
    for _ in range(nested):
        data = Subset(data, range(1, len(data), 2))
    torch.manual_seed(0)
    expected = single(data, 40, [1, 0])
    torch.manual_seed(0)
    check_equal(batch_of(data, 40, [1, 0]), expected)
    assert together == [2]


@pytest.mark.parametrize(
    ("load", "whole"),
    [
        (ResizeDecode(72, crop=64, output="tensor"), True),
        (ResizeDecode((64, 64), output="tensor"), True),
        (ResizeDecode(64, output="tensor"), False),  # each image has its own ratio
    ],
)
def test_images_that_are_resized(
    load: Any, whole: bool, folder: Path, together: list[int]
) -> None:
    data = ImageFolder(str(folder), FLOAT, loader=load)
    indices = range(2, len(data)) if whole else [0, 0]
    for seed, side in enumerate((64, 20)):
        torch.manual_seed(seed)
        expected = single(data, side, indices)
        torch.manual_seed(seed)
        check_equal(batch_of(data, side, indices), expected)
    assert together == ([len(indices)] * 2 if whole else [])


class Own(ImageFolder):  # type: ignore[misc]
    def __getitem__(self, index: int) -> Any:
        image, target = super().__getitem__(index)
        return image, target, index


class Batched(ImageFolder):  # type: ignore[misc]
    def __getitems__(self, indices: list[int]) -> Any:
        return [self[index] for index in indices]


class Flip(v2.RandomHorizontalFlip):  # type: ignore[misc]
    pass


class Inherits(DatasetFolder):  # type: ignore[misc]
    pass


class Computed(ImageFolder):  # type: ignore[misc]
    @property
    def transform(self) -> Any:
        return FLIP

    @transform.setter
    def transform(self, value: Any) -> None:
        pass


class Intercepts(ImageFolder):  # type: ignore[misc]
    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__(name)


def patched() -> Any:
    flip: Any = v2.RandomHorizontalFlip()
    flip.forward = lambda image: image
    return flip


def hooked() -> Any:
    flip = v2.RandomHorizontalFlip()
    flip.register_forward_pre_hook(lambda *_: None)
    return flip


@pytest.mark.parametrize(
    ("kind", "transform", "options"),
    [
        (Own, FLIP, {}),
        (Batched, FLIP, {}),
        (Computed, FLIP, {}),
        (Intercepts, FLIP, {}),
        (ImageFolder, FLIP, {"target_transform": float}),
        (ImageFolder, v2.RandomErasing(), {}),
        (ImageFolder, lambda image: image[:1], {}),
        (ImageFolder, v2.Compose([FLIP, lambda image: image[:1]]), {}),
        (ImageFolder, v2.Compose([FLIP, v2.RandomVerticalFlip()]), {}),
        (ImageFolder, Flip(), {}),
        (ImageFolder, patched(), {}),
        (ImageFolder, v2.Compose([hooked()]), {}),
        (ImageFolder, v2.RandomApply([FLIP]), {}),
    ],
)
def test_others_are_made_one_by_one(
    kind: Any, transform: Any, options: Any, folder: Path, together: list[int]
) -> None:
    load: Any = RandomResizedCropDecode(64, output="tensor")
    data = kind(str(folder), transform, loader=load, **options)
    torch.manual_seed(0)
    expected = single(data, 40, [0, 5, 9])
    torch.manual_seed(0)
    made = batch_of(data, 40, [0, 5, 9])
    assert all(map(torch.equal, made, expected))
    assert not together


@pytest.mark.parametrize(
    "targets", [("x", "y"), (0.5, 1), ((1, "a"), (2, "b")), ({"k": 1}, {"k": 2})]
)
def test_targets_of_every_type(targets: Any, folder: Path, together: list[int]) -> None:
    data = folder_of(folder, FLIP)
    data.samples = [
        (path, target)
        for (path, _), target in zip(data.samples[:2], targets, strict=True)
    ]
    torch.manual_seed(0)
    expected = single(data, 40, [0, 1])
    torch.manual_seed(0)
    made = batch_of(data, 40, [0, 1])
    assert torch.equal(made[0], expected[0])
    assert type(made[1]) is type(expected[1])
    assert str(made[1]) == str(expected[1])
    assert together == [2]


def test_pillow_s_images_are_made_one_by_one(folder: Path, together: list[int]) -> None:
    load: Any = RandomResizedCropDecode(64)
    data = ImageFolder(str(folder), v2.PILToTensor(), loader=load)
    assert batch_of(data, 40, [0, 5])[0].shape == (2, 3, 40, 40)
    assert not together


def test_a_subclass_that_changes_no_sample(folder: Path, together: list[int]) -> None:
    load: Any = RandomResizedCropDecode(64, output="tensor")
    data = Inherits(str(folder), load, (".jpg",), FLIP)
    assert batch_of(data, 40, [0, 3])[0].shape == (2, 3, 40, 40)
    assert together == [2]


def test_what_is_replaced_is_noticed(folder: Path, together: list[int]) -> None:
    data = folder_of(folder, v2.Compose([FLIP]))
    whole = SizedDataset(data)
    collate = SizedCollate(default_collate)

    def count() -> int:
        before = sum(together)
        collate(whole.__getitems__(SizedBatch([0, 1], Size(40, 40), FULL)))
        return sum(together) - before

    assert count() == 2
    data.transform.transforms.append(v2.RandomErasing())
    assert count() == 0
    data.transform = FLIP
    assert count() == 2
    data.target_transform = float
    assert count() == 0
    data.target_transform = None
    flip = v2.RandomHorizontalFlip()
    data.transform = flip
    assert count() == 2
    flip.register_forward_hook(lambda *_: None)
    assert count() == 0


@pytest.mark.parametrize(
    "kind",
    [tuple, list, np.array, torch.tensor],
    ids=["tuple", "list", "array", "tensor"],
)
@pytest.mark.parametrize("nested", [1, 2])
def test_other_indices_of_a_subset_are_noticed(
    kind: Any, nested: int, folder: Path, together: list[int]
) -> None:
    data = folder_of(folder, None)
    subset = Subset(data, kind([0, 1]))
    outer = Subset(subset, [1, 0]) if nested == 2 else subset
    whole, collate = SizedDataset(outer), SizedCollate(default_collate)

    def batch() -> Any:
        torch.manual_seed(0)
        made = whole.__getitems__(SizedBatch([0, 1], Size(40, 40), FULL))
        return collate(made)[0]

    batch()
    subset.indices = kind([2, 3])
    torch.manual_seed(0)
    expected = single(outer, 40, [0, 1])[0]
    assert torch.equal(batch(), expected)
    assert together == [2, 2]


def test_code_that_collates_by_itself_gets_samples(folder: Path) -> None:
    data = folder_of(folder, TRANSFORMS["version 2"])
    torch.manual_seed(0)
    expected = single(data, 40, [0, 5], list)
    torch.manual_seed(0)
    made = batch_of(data, 40, [0, 5], lambda samples: samples)
    assert type(made) is list
    for (image, target), (other, label) in zip(made, expected, strict=True):
        assert type(image) is type(other) is tv_tensors.Image
        assert torch.equal(image, other)
        assert target == label


def test_samples_that_are_changed_before_they_are_collated(folder: Path) -> None:
    data = SizedDataset(folder_of(folder, FLIP))
    samples = data.__getitems__(SizedBatch([0, 5], Size(40, 40), FULL))
    assert type(samples) is MadeBatch
    assert type(samples[:1]) is list
    copied = pickle.loads(pickle.dumps(samples))
    assert type(copied) is SizedBatch
    assert torch.equal(copied[1][0], samples[1][0])
    samples[0] = torch.zeros(3, 40, 40), 7
    images, targets = SizedCollate(default_collate)(samples)
    assert targets.tolist() == [7, 1]
    assert not images[0].any()
    del samples[0]
    assert len(SizedCollate(default_collate)(samples)[0]) == 1


def test_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torchvision.datasets.folder")
    assert FolderBatches([torch.zeros(1)]).make([0], Size(40, 40), FULL) is None


def test_no_samples(folder: Path) -> None:
    data = SizedDataset(folder_of(folder, FLIP))
    assert data.__getitems__(SizedBatch([], Size(40, 40), FULL)) == []


def test_a_damaged_file_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    whole = (folder / "a" / "colour.jpg").read_bytes()
    (tmp_path / "a" / "0.jpg").write_bytes(whole)
    (tmp_path / "a" / "1.jpg").write_bytes(whole[: len(whole) // 2])
    data = folder_of(tmp_path, FLIP)

    def error(make: Callable[..., Any]) -> str:
        torch.manual_seed(0)
        with pytest.raises(ValueError, match=r"a.1\.jpg: cannot be read") as raised:
            make(data, 40, [0, 1])
        return str(raised.value)

    assert error(batch_of) == error(single)
    (tmp_path / "a" / "1.jpg").unlink()
    for make in (batch_of, single):
        with pytest.raises(FileNotFoundError, match=r"1\.jpg"):
            make(data, 40, [0, 1])
        with pytest.raises(IndexError):
            make(data, 40, [0, 99])


def test_a_bad_normalisation_is_torchvision_s_to_refuse(folder: Path) -> None:
    data = folder_of(folder, v2.Normalize(*MEANS))
    for make in (batch_of, single):
        with pytest.raises(TypeError, match="float tensor"):
            make(data, 40, [0, 1])


def test_warnings_are_those_of_single_samples(folder: Path) -> None:
    data = folder_of(folder, v2.ToDtype({"others": None}, scale=True))
    for make in (batch_of, single):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            make(data, 40, [0, 1])
        assert "scale was set to True" in str(seen[0].message)


def test_images_of_a_batch_share_no_memory_with_the_files(folder: Path) -> None:
    data = folder_of(folder, None, scale=(1, 1), ratio=(1, 1))
    index = next(n for n, (path, _) in enumerate(data.samples) if "square" in path)
    image: Tensor = batch_of(data, 64, [index, index])[0]
    image[0] = 0
    assert image[1].any()
