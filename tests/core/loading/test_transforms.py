"""Which transforms are found, and what they are set to."""

from __future__ import annotations

from functools import partial
from typing import Any

import albumentations
import numpy as np
import pytest
import timm.data.transforms as timm_transforms
import torch
from timm.data import create_transform
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision import transforms as v1
from torchvision.datasets import FakeData
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from upsize.loading._transforms import check_transforms, find_pixels, restoring_sizes
from upsize.schedule import Size

FULL, HALF = Size(224, 224), Size(112, 112)


class Data(Dataset[Any]):
    def __init__(self, transform: Any, **more: Any) -> None:
        self.transform = transform
        vars(self).update(more)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return self.transform(torch.rand(3, 300, 400))


def held(dataset: Any) -> dict[str, Any]:
    return {
        f"{type(owner).__name__}.{name}": getattr(owner, name)
        for owner, name, *_ in find_pixels(dataset)
    }


def at(dataset: Any, size: Size, full: Size = FULL) -> dict[str, Any]:
    before = held(dataset)
    with restoring_sizes(dataset, size, full):
        inside = held(dataset)
    after = held(dataset)
    assert after == before
    assert all(after[name] is before[name] for name in after)
    return inside


TABLE: list[tuple[Any, dict[str, Any]]] = [
    (v1.Compose([v1.Resize(256), v1.CenterCrop(224)]),
     {"Resize.size": 128, "CenterCrop.size": (112, 112)}),
    (v2.Compose([v2.Resize(256, max_size=512), v2.ToImage(), v2.CenterCrop(224)]),
     {"Resize.size": [128], "Resize.max_size": 256, "CenterCrop.size": (112, 112)}),
    (v1.RandomResizedCrop(224), {"RandomResizedCrop.size": (112, 112)}),
    (v2.RandomResizedCrop(224), {"RandomResizedCrop.size": (112, 112)}),
    (v1.Compose([v1.Resize((224, 224)), v1.RandomCrop(224, padding=4)]),
     {"Resize.size": (112, 112), "RandomCrop.size": (112, 112),
      "RandomCrop.padding": 2}),
    (v2.Compose([v2.Resize([224, 448]), v2.RandomCrop(224, padding=(2, 4, 6, 0))]),
     {"Resize.size": [112, 224], "RandomCrop.size": (112, 112),
      "RandomCrop.padding": [1, 3, 2, 0]}),
    (v1.Compose([v1.Resize(224), v1.Pad((8, 2)), v1.FiveCrop(224)]),
     {"Resize.size": 112, "Pad.padding": (4, 1), "FiveCrop.size": (112, 112)}),
    ([v2.ScaleJitter((224, 224)), v2.TenCrop(200)],
     {"ScaleJitter.target_size": (112, 112), "TenCrop.size": (100, 100)}),
    (nn.Sequential(v2.RandomShortestSize([200, 300], 400), v2.CenterCrop(224)),
     {"RandomShortestSize.min_size": [100, 150], "RandomShortestSize.max_size": 200,
      "CenterCrop.size": (112, 112)}),
    (v2.RandomResize(200, 224), {"RandomResize.min_size": 100,
                                 "RandomResize.max_size": 112}),
    (ResNet18_Weights.DEFAULT.transforms(),
     {"ImageClassification.resize_size": [128],
      "ImageClassification.crop_size": [112]}),
    (v1.RandomApply(nn.ModuleList([v1.RandomResizedCrop(224)]), p=1),
     {"RandomResizedCrop.size": (112, 112)}),
    ({"train": v2.RandomChoice([v2.Compose([v2.Resize(224)])])},
     {"Resize.size": [112]}),
    (timm_transforms.RandomResizedCropAndInterpolation(224),
     {"RandomResizedCropAndInterpolation.size": (112, 112)}),
    (v1.Compose([timm_transforms.ResizeKeepRatio(256),
                 timm_transforms.CenterCropOrPad(224)]),
     {"ResizeKeepRatio.size": (128, 128), "CenterCropOrPad.size": (112, 112)}),
    (create_transform(224, is_training=True, auto_augment="rand-m9"),
     {"RandomResizedCropAndInterpolation.size": (112, 112)}),
    (create_transform(224), {"Resize.size": 128, "CenterCrop.size": (112, 112)}),
    (albumentations.Compose([albumentations.SmallestMaxSize(256),
                             albumentations.RandomCrop(224, 224)]),
     {"SmallestMaxSize.max_size": 128, "RandomCrop.height": 112,
      "RandomCrop.width": 112}),
    (albumentations.Compose([albumentations.LongestMaxSize([256, 300]),
                             albumentations.PadIfNeeded(300, 200),
                             albumentations.CenterCrop(200, 224)]),
     {"LongestMaxSize.max_size": [128, 150], "PadIfNeeded.min_height": 150,
      "PadIfNeeded.min_width": 100, "CenterCrop.height": 100,
      "CenterCrop.width": 112}),
    (albumentations.RandomResizedCrop((224, 224)),
     {"RandomResizedCrop.size": (112, 112)}),
    (albumentations.OneOf([albumentations.Resize(224, 100)], p=1),
     {"Resize.height": 112, "Resize.width": 50}),
]  # fmt: skip


@pytest.mark.parametrize(("transform", "half"), TABLE, ids=range(len(TABLE)))
def test_each_keeps_its_ratio(transform: Any, half: dict[str, Any]) -> None:
    data = Data(transform)
    check_transforms(data, FULL)
    inside = at(data, HALF)
    assert inside == half
    assert {name: type(value) for name, value in inside.items()} == {
        name: type(value) for name, value in held(data).items()
    }


def test_sides_of_different_ratio() -> None:
    data = Data(v2.Compose([v2.Resize(100), v2.CenterCrop((100, 150))]))
    full, size = Size(100, 150), Size(33, 50)
    assert at(data, size, full) == {"Resize.size": [33], "CenterCrop.size": (33, 50)}
    # One side for both is the larger of the two, which covers.
    assert at(data, Size(34, 50), full)["Resize.size"] == [34]


def test_one_side_of_a_rectangle_is_the_full_size() -> None:
    check_transforms(Data(v2.Resize(100)), Size(100, 150))
    check_transforms(Data(v2.Resize(100)), Size(150, 100))
    check_transforms(Data(albumentations.SmallestMaxSize(150)), Size(150, 150))
    with pytest.raises(ValueError, match=r"Pad\.padding=100"):
        check_transforms(Data([v2.Resize(90), v2.Pad(100)]), Size(100, 100))


def test_width_and_height_the_other_way_round() -> None:
    class Resize:
        size = (48, 64)

    Resize.__module__ = "fastai.vision.augment"
    check_transforms(Data(Resize()), Size(64, 48))
    assert at(Data(Resize()), Size(32, 24), Size(64, 48)) == {"Resize.size": (24, 32)}
    with pytest.raises(ValueError, match=r"final_size 48x64: there are Resize\.size"):
        check_transforms(Data(Resize()), Size(48, 64))


def test_numbers_of_numpy() -> None:
    data = Data(v1.RandomResizedCrop((np.int64(224), np.int64(224))))
    assert at(data, HALF) == {"RandomResizedCrop.size": (112, 112)}


def test_old_values_come_back_after_an_exception() -> None:
    data = Data(v2.RandomResizedCrop(224))
    with pytest.raises(AssertionError), restoring_sizes(data, HALF, FULL):
        assert data.transform.size == FULL
    assert data.transform.size == (224, 224)


class TestWhere:
    """Transforms are found wherever a dataset holds them."""

    crop: dict[str, Any] = {"RandomResizedCrop.size": (112, 112)}  # noqa: RUF012

    def test_in_torchvisions_datasets(self) -> None:
        data = FakeData(4, transform=v2.RandomResizedCrop(224))
        assert at(data, HALF) == self.crop

    def test_of_targets_too(self) -> None:
        data = Data(v2.RandomResizedCrop(224), target_transform=v2.Resize(224))
        assert at(data, HALF) == self.crop | {"Resize.size": [112]}

    def test_in_datasets_inside(self) -> None:
        one = Data(v2.RandomResizedCrop(224))
        both = ConcatDataset([Subset(one, [0]), one])
        assert len(find_pixels(both)) == 1
        assert both[1].shape == (3, 224, 224)
        with restoring_sizes(both, HALF, FULL):
            assert both[0].shape == (3, 112, 112)

    def test_in_any_attribute(self) -> None:
        crop = v2.RandomResizedCrop(224)
        assert at(Data(None, crop=crop), HALF) == self.crop
        assert at(Data(None, views=[v2.Compose([crop])]), HALF) == self.crop
        assert at(Data(None, views={"a": nn.Sequential(crop)}), HALF) == self.crop
        assert at(Data(None, views=[crop] * 65), HALF) == self.crop
        assert at(Data(None, views=dict.fromkeys(range(65), crop)), HALF) == self.crop
        samples = [("a.jpg", crop)] * 65  # none of these is looked at
        assert find_pixels(Data(None, samples=samples)) == []

    def test_in_an_object_of_ones_own_and_its_method(self) -> None:
        class Views:
            def __init__(self) -> None:
                self.base = v2.Compose([v2.RandomResizedCrop(224)])
                self.again = self.base

            def __call__(self, image: Tensor) -> list[Tensor]:
                return [self.base(image), self.again(image)]

            def apply(self, image: Tensor) -> Tensor:
                return self.base(image)  # type: ignore[no-any-return]

        assert at(Data(Views()), HALF) == self.crop
        assert at(Data(Views().apply), HALF) == self.crop

    def test_in_a_subclass(self) -> None:
        class Mine(v2.RandomResizedCrop):
            pass

        assert at(Data(Mine(224)), HALF) == {"Mine.size": (112, 112)}

    def test_a_method_of_the_dataset(self) -> None:
        class Own(Data):
            def __init__(self) -> None:
                self.size = 1000  # of the dataset, not of its images
                self.crop = v2.RandomResizedCrop(224)
                self.transform = self.prepare

            def prepare(self, image: Tensor) -> Tensor:
                return self.crop(image)  # type: ignore[no-any-return]

        assert at(Own(), HALF) == self.crop


class TestRefused:
    def test_no_transform(self) -> None:
        with pytest.raises(ValueError, match=r"Data.*has no transform.*set_size"):
            check_transforms(Data(None), FULL)

    def test_a_function(self) -> None:
        def crop(image: Tensor) -> Tensor:
            raise AssertionError

        with pytest.raises(ValueError, match=r"transform=<function.*crop.*set_size"):
            check_transforms(Data(crop), FULL)

    @pytest.mark.parametrize("name", ["size", "crop_size", "imgsz", "new_shape"])
    @pytest.mark.parametrize("pixels", [224, (224, 224)])
    def test_a_size_of_ones_own(self, name: str, pixels: Any) -> None:
        class Squeeze:
            def __init__(self) -> None:
                setattr(self, name, pixels)

        with pytest.raises(ValueError, match=rf"Squeeze has {name}=.*224.*set_size"):
            find_pixels(Data(v2.Compose([v2.Resize(224), Squeeze()])))

    def test_what_is_no_size(self) -> None:
        class Other:
            size = True
            height = 0.5
            width = ()

        assert len(find_pixels(Data([v2.Resize(224), Other()]))) == 1

    def test_a_size_of_the_class(self) -> None:
        class Squeeze:
            size = 224

        with pytest.raises(ValueError, match="Squeeze has size=224"):
            find_pixels(Data([v2.Resize(224), Squeeze()]))

    def test_a_partial_function(self) -> None:
        squeeze = partial(v2.functional.resize, size=[224, 224])
        with pytest.raises(ValueError, match=r"resize has size=\[224, 224\]"):
            find_pixels(Data(squeeze))

    def test_a_transform_of_a_library_that_is_not_known(self) -> None:
        crop = albumentations.RandomCrop3D((8, 224, 224))
        with pytest.raises(ValueError, match=r"RandomCrop3D has size=\(8, 224, 224\)"):
            find_pixels(Data(crop))

    @pytest.mark.parametrize(
        "crop",
        [v1.RandomCrop(224), v2.CenterCrop(224), timm_transforms.RandomCropOrPad(224)],
    )
    def test_a_crop_without_a_resize(self, crop: Any) -> None:
        name = type(crop).__name__
        with pytest.raises(ValueError, match=rf"{name} crops without resizing.*show"):
            find_pixels(Data(v1.Compose([crop, v1.ToTensor()])))
        # The resize of the images is none of the targets.
        with pytest.raises(ValueError, match=f"{name} crops without resizing"):
            find_pixels(Data(v1.Resize(224), target_transform=crop))
