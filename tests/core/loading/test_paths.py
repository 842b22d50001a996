"""A crop needs a resize on its own path, and the cure of each refusal is right."""

from __future__ import annotations

from functools import partial
from typing import Any

import albumentations as alb
import numpy as np
import pytest
import torch
from tests.core.loading.smaller import Items, corners, samples
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision import transforms as v1
from torchvision.transforms import v2

from upsize.loading import RandomResizedCropDecode
from upsize.loading._transforms import find_pixels, restoring_sizes
from upsize.schedule import Size

A: Any = alb
CROP = "crops without resizing.*not a smaller image"
MIXED = "images come to it both resized and not"
SKIPPED = "resize some images and not others"


def resized() -> Any:
    return v2.Resize((32, 32))


def crop(**options: Any) -> Any:
    return v2.RandomCrop(32, **options)


class Views:
    """Crops of one's own, each by its own composition."""

    def __init__(self, *views: Any) -> None:
        self.views = views

    def __call__(self, image: Tensor) -> list[Tensor]:
        return [view(image) for view in self.views]


class Joint:
    def __init__(self, **parts: Any) -> None:
        vars(self).update(parts)

    def __call__(self, image: Tensor) -> Tensor:
        raise NotImplementedError


class RandomSelect(Joint):
    """A choice of one's own."""


REFUSED: list[tuple[Any, str]] = [
    (crop(padding=4), CROP),
    (v1.Compose([v1.RandomCrop(32, padding=4), v1.ToTensor()]), CROP),
    (v2.RandomChoice([resized(), crop()]), CROP),
    (v1.RandomChoice([v1.Compose([v1.RandomCrop(32)]), v1.Resize(32)]), CROP),
    (A.OneOf([A.Resize(32, 32), A.RandomCrop(32, 32)], p=1), CROP),
    (A.OneOrOther(A.Resize(32, 32), A.RandomCrop(32, 32), p=1), CROP),
    (A.SomeOf([A.Resize(32, 32), A.RandomCrop(32, 32)], n=1, p=1), MIXED),
    (A.RandomOrder([A.Resize(32, 32), A.RandomCrop(32, 32)], n=2, p=1), MIXED),
    (v2.RandomOrder([resized(), crop()]), MIXED),
    (v2.Compose([v2.RandomApply([resized()]), crop()]), MIXED),
    (A.Compose([A.Resize(32, 32, p=0.5), A.RandomCrop(32, 32)]), MIXED),
    (A.Compose([A.SmallestMaxSize(40, p=0.9), A.CenterCrop(32, 32)]), MIXED),
    (v2.Compose([v2.RandomChoice([resized(), v2.Identity()]), v2.GaussianBlur(9)]),
     MIXED),
    (v2.RandomApply([v2.RandomResizedCrop(32)], p=0.5), SKIPPED),
    (A.Compose([A.RandomResizedCrop((32, 32), p=0.5)]), SKIPPED),
    ({"train": v2.Compose([v2.Resize(40), crop()]), "val": v2.CenterCrop(32)}, CROP),
    ({"train": crop(), "val": v2.Compose([v2.Resize(40), v2.CenterCrop(32)])}, CROP),
    ([v2.Compose([v2.RandomResizedCrop(32)]), v2.Compose([crop()])], CROP),
    (Views(v2.Compose([v2.RandomResizedCrop(32)]), v2.Compose([crop()])), CROP),
    (Joint(train=v2.Compose([resized()]), test=v2.Compose([v2.CenterCrop(32)])), CROP),
    (Joint(first=crop(), then=resized()), CROP),
    (RandomSelect(transforms=[resized(), crop()]), CROP),
    (v2.Compose([v2.GaussianBlur(9), v2.ToImage()]),
     "GaussianBlur has kernel_size=.* no Resize comes before or after"),
    (v2.Compose([v2.Pad(4), v2.ToImage()]), "Pad crops without resizing.*put a Resize"),
    (v2.TenCrop(32), "TenCrop crops without resizing.*: put a Resize before it"),
    (A.Compose([A.PadIfNeeded(32, 32)]), r"put Resize\(32, 32\) directly after it"),
    (A.Compose([A.CropNonEmptyMaskIfExists(32, 16)]), r"put Resize\(32, 16\)"),
]  # fmt: skip


@pytest.mark.parametrize(("transform", "match"), REFUSED, ids=range(len(REFUSED)))
def test_refused(transform: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        find_pixels(Items(transform))


def test_one_crop_in_two_places() -> None:
    both = crop()
    choice = v2.RandomChoice(
        [v2.Compose([resized(), both]), v2.Compose([both, resized()])]
    )
    with pytest.raises(ValueError, match=r"one .*RandomCrop is used both before and"):
        find_pixels(Items(choice))


ACCEPTED: list[tuple[Any, list[str]]] = [
    (v2.Compose([v2.CenterCrop(178), resized()]), ["Resize"]),
    (v2.Compose([v2.Resize(40), v2.CenterCrop(36), resized()]),
     ["Resize", "CenterCrop", "Resize"]),
    (v2.RandomChoice([resized(), v2.Compose([v2.Resize(40), crop()])]),
     ["Resize", "Resize", "RandomCrop"]),
    (v2.Compose([v2.RandomChoice([resized(), v2.RandomCrop(99)]), resized()]),
     ["Resize", "Resize"]),
    (v2.Compose([v2.RandomApply([v2.CenterCrop(99)]), resized(), crop()]),
     ["Resize", "RandomCrop"]),
    (v2.Compose([v2.RandomOrder([resized(), v2.RandomHorizontalFlip()]), crop()]),
     ["Resize", "RandomCrop"]),
    (A.Compose([A.OneOf([A.Resize(32, 32), A.RandomResizedCrop((32, 32))], p=1),
                A.CenterCrop(32, 32)]),
     ["Resize"] * 2 + ["RandomResizedCrop"] + ["CenterCrop"] * 2),
    (A.Compose([A.Sequential([A.Resize(32, 32)], p=1), A.RandomCrop(32, 32)]),
     ["Resize"] * 2 + ["RandomCrop"] * 2),
    ({"train": v2.RandomResizedCrop(32), "val": v2.Compose([v2.Resize(36), crop()]),
      "show": v2.Compose([v2.ToImage()])},
     ["RandomResizedCrop", "Resize", "RandomCrop"]),
    ([v2.Resize(36), crop(), v2.ToImage()], ["Resize", "RandomCrop"]),
    (nn.Sequential(v2.Resize(36), crop()), ["Resize", "RandomCrop"]),
    (v2.Compose([resized(), v2.RandomOrder([v2.ToImage(), crop()])]),
     ["Resize", "RandomCrop"]),
    (Views(v2.Compose([v2.RandomResizedCrop(32)]), v2.Compose([v2.Resize(12)])),
     ["RandomResizedCrop", "Resize"]),
    (Joint(resize=v2.Resize(36), crop=crop()), ["Resize", "RandomCrop"]),
    (Joint(augment=v2.Compose([resized()]), normalize=v2.Compose([v2.ToImage()])),
     ["Resize"]),
    (v2.Compose([Joint(inner=v2.CenterCrop(99)), resized()]), ["Resize"]),
    (A.Compose([A.RandomSizedCrop((50, 99), (32, 32))]), ["RandomSizedCrop"]),
    (A.Compose([A.SmallestMaxSize(40), A.SomeOf([A.RandomCrop(32, 32), A.Blur(9)], n=1)]),
     ["SmallestMaxSize", "RandomCrop", "RandomCrop", "Blur"]),
    (v2.Compose([v2.RandomOrder([v2.CenterCrop(99), v2.ToImage()]), resized()]),
     ["Resize"]),
]  # fmt: skip


@pytest.mark.parametrize(("transform", "names"), ACCEPTED, ids=range(len(ACCEPTED)))
def test_accepted(transform: Any, names: list[str]) -> None:
    found = find_pixels(Items(transform))
    assert [type(each.owner).__name__ for each in found] == names


def test_a_loader_that_resizes_comes_first() -> None:
    load = RandomResizedCropDecode(32)
    data = Items(v2.Compose([v2.GaussianBlur(9), crop(padding=4)]), loader=load)
    names = {type(each.owner).__name__ for each in find_pixels(data)}
    assert names == {"RandomResizedCropDecode", "RandomCrop", "GaussianBlur"}
    with restoring_sizes(data, Size(16, 16), Size(32, 32)):
        assert load.size == (32, 32)  # it reads the size by itself


class TestAttributesOfADataset:
    def test_the_order_of_two_attributes_is_not_known(self) -> None:
        with pytest.raises(ValueError, match=CROP):
            find_pixels(Items(None, crop=crop(), resize=resized()))
        assert len(find_pixels(Items(None, resize=resized(), crop=crop()))) == 2

    def test_a_slot_stands_by_itself(self) -> None:
        with pytest.raises(ValueError, match=CROP):
            find_pixels(Items(resized(), target_transform=crop()))

    def test_what_a_dataset_adds_to_one_inside_comes_after_it(self) -> None:
        inner = Items(v2.Compose([v2.Resize(36)]))
        outer = Items(v2.Compose([crop()]), inner=[inner], other={"a": inner})
        assert [each.owner for each in find_pixels(outer)] == [
            inner.transform.transforms[0],
            outer.transform.transforms[0],
        ]
        inner.transform = None
        with pytest.raises(ValueError, match=CROP):
            find_pixels(outer)

    def test_one_that_holds_itself(self) -> None:
        data = Items(resized())
        data.me = data  # type: ignore[attr-defined]
        assert len(find_pixels(data)) == 1

    def test_objects_of_ones_own_by_their_name(self) -> None:
        data = Items(None, train_transform=Views(v2.RandomResizedCrop(32)))
        assert len(find_pixels(data)) == 1
        data = Items(None, backbone=Views(v2.RandomResizedCrop(32)))
        assert find_pixels(data) == []

    def test_no_model(self) -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.kernel_size = 3
                self.layer = nn.Linear(1, 1)

        data = Items(None, transform_net=Net(), resize=resized())
        assert len(find_pixels(data)) == 1

    def test_functions_and_what_they_refer_to(self) -> None:
        compose = v2.Compose([v2.Resize(36), crop()])

        def apply(image: Tensor) -> Tensor:
            return compose(image)  # type: ignore[no-any-return]

        assert len(find_pixels(Items(apply))) == 2
        assert len(find_pixels(Items(MODULE_FUNCTION))) == 1
        assert len(find_pixels(Items(partial(apply)))) == 2
        assert len(find_pixels(Items(partial(_with, by=compose)))) == 2

    def test_a_dictionary_of_ones_own(self) -> None:
        choice = Joint(transforms={"a": v2.Compose([v2.Resize(36), crop()])})
        assert len(find_pixels(Items(choice))) == 2

    def test_circles(self) -> None:
        one, two = Joint(resize=resized()), Joint()
        one.other, two.other = two, one  # type: ignore[attr-defined]
        assert len(find_pixels(Items(one))) == 1


def _with(image: Tensor, by: Any) -> Tensor:
    return by(image)  # type: ignore[no-any-return]


MODULE_LEVEL = v2.RandomResizedCrop(32)


def MODULE_FUNCTION(image: Tensor) -> Tensor:  # noqa: N802
    return MODULE_LEVEL(image)  # type: ignore[no-any-return]


def quarters(image: Any) -> list[float]:
    """Return the middles of the four quarters of an image."""
    image = torch.as_tensor(np.asarray(image), dtype=torch.float32)[0]
    first, second = image.shape[-1] // 4, 3 * image.shape[-1] // 4
    return [float(image[y, x]) for y in (first, second) for x in (first, second)]


WHOLE = [0, 0.25, 0.5, 0.75]


class TestCures:
    """A pipeline is refused; with what the message names, small images show it all."""

    @pytest.mark.parametrize("first", [True, False])
    @pytest.mark.parametrize("library", [v1, v2])
    def test_of_a_padded_crop(self, library: Any, first: bool) -> None:
        padded = library.RandomCrop(32, padding=4)
        with pytest.raises(
            ValueError, match=r"put Resize\(\(32, 32\)\) directly after"
        ):
            find_pixels(Items(library.Compose([padded])))
        steps = [padded, library.Resize((32, 32))]
        cured = library.Compose(steps[::-1] if first else steps)
        for seed in range(8):
            (full,) = samples(Items(cured), 32, 32, seed)
            (half,) = samples(Items(cured), 16, 32, seed)
            if not first:
                torch.manual_seed(seed)
                assert torch.equal(full, padded(corners(32)))
            assert half.shape == (3, 16, 16)
            # A shift of an eighth leaves the middles of the quarters where they are.
            assert quarters(half) == quarters(full) == WHOLE

    def test_of_a_crop_of_the_file(self) -> None:
        cured = v2.Compose([v2.CenterCrop(32), v2.Resize((32, 32))])
        data = Items(cured, torch.nn.functional.pad(corners(32), [9] * 4, value=1))
        (full,), (half,) = samples(data, 32, 32), samples(data, 16, 32)
        assert quarters(half) == quarters(full) == WHOLE

    def test_of_a_choice(self) -> None:
        cured = v2.RandomChoice(
            [v2.Resize((32, 32)), v2.Compose([crop(), v2.Resize((32, 32))])]
        )
        for seed in range(4):
            (half,) = samples(Items(cured), 16, 32, seed)
            assert quarters(half) == WHOLE

    def test_of_a_probability(self) -> None:
        cured = v2.Compose(
            [v2.RandomApply([v2.RandomResizedCrop(32, (1, 1), (1, 1))]), resized()]
        )
        for seed in range(4):
            (half,) = samples(Items(cured), 16, 32, seed)
            assert quarters(half) == WHOLE

    def test_of_a_blur_without_a_resize(self) -> None:
        blur = v2.GaussianBlur(9, 2.0)
        cured = v2.Compose([blur, resized()])
        (half,) = samples(Items(cured), 16, 32)
        assert torch.equal(half, v2.functional.resize(blur(corners(32)), [16, 16]))

    def test_of_images_that_come_at_full_size(self) -> None:
        data = Items(v2.Compose([v2.RandomHorizontalFlip(0.0)]))
        with pytest.raises(
            ValueError, match=r"full size already.*Resize\(\(32, 32\)\)"
        ):
            samples(data, 16, 32)
        (half,) = samples(Items(v2.Compose([resized()])), 16, 32)
        assert quarters(half) == WHOLE

    def test_of_albumentations(self) -> None:
        image = np.ascontiguousarray(corners(32).permute(1, 2, 0).numpy())
        cured = A.Compose([A.CenterCrop(32, 32), A.Resize(32, 32)])

        def apply(image: Any) -> Any:
            return cured(image=image)["image"].transpose(2, 0, 1)

        (half,) = samples(Items(apply, image), 16, 32)
        assert quarters(half) == WHOLE


class Around(Dataset[Any]):
    """Applies a transform to the images of other datasets."""

    def __init__(self, transform: Any, *datasets: Any) -> None:
        self.transform = transform
        self.datasets = list(datasets)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.datasets[0][index])


class TestDatasetsInside:
    """What a dataset inside does to images comes before the transforms around it."""

    @pytest.mark.parametrize(
        "wrapped",
        [lambda data: data, lambda data: Subset(data, [0]),
         lambda data: ConcatDataset([data, data])],
    )  # fmt: skip
    def test_a_resize_inside(self, wrapped: Any) -> None:
        data = Around(v2.CenterCrop(32), wrapped(Items(v2.Resize((40, 40)))))
        (half,) = samples(data, 16, 32)
        assert half.shape == (3, 16, 16)
        assert torch.equal(half, v2.CenterCrop(16)(v2.Resize((20, 20))(corners(32))))

    def test_none_inside(self) -> None:
        with pytest.raises(ValueError, match=CROP):
            find_pixels(Around(v2.CenterCrop(32), Items(v2.Identity())))

    def test_in_some_of_those_inside(self) -> None:
        both = Items(v2.Resize((40, 40))), Items(v2.Identity())
        with pytest.raises(ValueError, match=CROP):
            find_pixels(Around(v2.CenterCrop(32), *both))
        found = find_pixels(Around(v2.Resize((32, 32)), *both))
        assert len(found) == 2
