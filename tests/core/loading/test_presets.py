"""The pipelines that people copy: every sample is small, whole, and right."""

from __future__ import annotations

from typing import Any

import albumentations as alb
import numpy as np
import pytest
import torch
from PIL import Image
from tests.core.loading.smaller import Items, samples
from timm.data import AugMixDataset, create_transform
from torch import Tensor
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import autoaugment, v2

FULL, SMALL = 64, 32
A: Any = alb
PHOTO = Image.fromarray(
    np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
)
NORMALIZE = ((0.5,) * 3, (0.2,) * 3)


def classification(policy: Any, library: Any = v1) -> Any:
    """Return torchvision's training preset."""
    steps = [library.RandomResizedCrop(FULL), library.RandomHorizontalFlip(), *policy]
    if library is v1:
        steps += [v1.PILToTensor(), v1.ConvertImageDtype(torch.float32)]
    else:
        steps += [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    steps += [library.Normalize(*NORMALIZE), library.RandomErasing(0.5)]
    return library.Compose(steps)


def simclr(library: Any) -> Any:
    jitter = library.ColorJitter(0.4, 0.4, 0.4, 0.1)
    return library.Compose(
        [
            library.RandomResizedCrop(FULL),
            library.RandomApply([jitter], p=0.8),
            library.RandomGrayscale(p=0.2),
            library.GaussianBlur(kernel_size=int(0.1 * FULL) | 1),
            v1.ToTensor(),
        ]
    )


CLASSIFICATION: dict[str, Any] = {
    "v1": classification([]),
    "v1 auto": classification([autoaugment.AutoAugment()]),
    "v1 rand": classification([autoaugment.RandAugment()]),
    "v1 trivial": classification([autoaugment.TrivialAugmentWide()]),
    "v1 augmix": classification([autoaugment.AugMix()]),
    "v2": classification([], v2),
    "v2 auto": classification([v2.AutoAugment()], v2),
    "v2 rand": classification([v2.RandAugment()], v2),
    "v2 trivial": classification([v2.TrivialAugmentWide()], v2),
    "v2 augmix": classification([v2.AugMix()], v2),
    "v1 evaluation": v1.Compose([v1.Resize(72), v1.CenterCrop(FULL), v1.ToTensor()]),
    "timm": create_transform(FULL, is_training=True, auto_augment="rand-m7-inc1",
                             re_prob=0.25, interpolation="bicubic"),
    "timm original": create_transform(FULL, is_training=True, auto_augment="original"),
    "timm augmix": create_transform(FULL, is_training=True,
                                    auto_augment="augmix-m5-w4-d2"),
    "timm 3-augment": create_transform(FULL, is_training=True, auto_augment="3a"),
    "timm simple": create_transform(FULL, is_training=True, train_crop_mode="rrc",
                                    gaussian_blur_prob=0.5, grayscale_prob=0.2),
    "timm keep ratio": create_transform(FULL, is_training=True, train_crop_mode="rkrc"),
    "timm evaluation": create_transform(FULL, crop_pct=0.9),
    "timm border": create_transform(FULL, crop_mode="border"),
    "timm squash": create_transform(FULL, crop_mode="squash"),
    "SimCLR v1": simclr(v1),
    "SimCLR v2": simclr(v2),
    "CelebA": v1.Compose([v1.CenterCrop(80), v1.Resize(FULL), v1.ToTensor()]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Please use `max_value=:DeprecationWarning")
@pytest.mark.parametrize("name", CLASSIFICATION)
def test_classification(name: str) -> None:
    for seed in range(3):
        (image,) = samples(Items(CLASSIFICATION[name], PHOTO), SMALL, FULL, seed)
        assert torch.as_tensor(image).shape == (3, SMALL, SMALL)


def test_three_parts_of_timm() -> None:
    parts = create_transform(FULL, is_training=True, separate=True, auto_augment="3a")

    class Labelled(Items):
        def __getitem__(self, index: int) -> Any:
            return super().__getitem__(index), 0

    data = AugMixDataset(Labelled(parts, PHOTO), num_splits=2)
    ((views, _),) = samples(data, SMALL, FULL)
    assert [view.shape[-1] for view in views] == [SMALL] * 2


def boxes() -> Any:
    return tv_tensors.BoundingBoxes(
        torch.tensor([[30.0, 30.0, 90.0, 60.0], [0.0, 0.0, 1.5, 1.5]]),
        format="XYXY",
        canvas_size=(90, 120),
    )


class Joint(Items):
    """An image with a target, for joint transforms."""

    def __init__(self, transforms: Any, target: Any) -> None:
        super().__init__(None, (tv_tensors.Image(v1.PILToTensor()(PHOTO)), target))
        self.transforms = transforms

    def __getitem__(self, index: int) -> Any:
        return self.transforms(*self.items[index])


DETECTION: dict[str, Any] = {
    "hflip": [v2.Resize((FULL, FULL)), v2.RandomHorizontalFlip(p=0.5)],
    "lsj": [v2.ScaleJitter((FULL, FULL)), v2.RandomCrop((FULL, FULL), pad_if_needed=True)],
    "multiscale": [v2.RandomShortestSize([48, FULL], max_size=FULL),
                   v2.RandomCrop((FULL, FULL), pad_if_needed=True)],
    "ssd": [v2.RandomPhotometricDistort(), v2.RandomZoomOut(fill=[9, 9, 9]),
            v2.RandomIoUCrop(), v2.Resize((FULL, FULL))],
}  # fmt: skip


@pytest.mark.parametrize("name", DETECTION)
def test_detection(name: str) -> None:
    clean = [v2.ToDtype(torch.float32, scale=True), v2.SanitizeBoundingBoxes()]
    target = {"boxes": boxes(), "labels": torch.tensor([1, 2])}
    data = Joint(v2.Compose([*DETECTION[name], *clean]), target)
    counts = []
    for side in (FULL, SMALL):
        (made,) = samples(data, side, FULL, seed=3)
        image, found = made
        assert image.shape == (3, side, side)
        assert found["boxes"].canvas_size == (side, side)
        counts.append(len(found["boxes"]))
    assert counts[0] == counts[1]


def test_boxes_of_a_plain_resize_are_halved() -> None:
    data = Joint(v2.Compose(DETECTION["hflip"][:1]), boxes())
    ((_, full),), ((_, half),) = samples(data, FULL, FULL), samples(data, SMALL, FULL)
    assert torch.allclose(half.float(), full.float() / 2, atol=0.5)


@pytest.mark.parametrize(
    "steps",
    [
        [v2.RandomResize(48, 128), v2.RandomHorizontalFlip(),
         v2.RandomCrop(FULL, pad_if_needed=True)],
        [v2.Resize(80), v2.RandomCrop(FULL), v2.RandomRotation(20)],
        [v2.RandomResizedCrop(FULL), v2.ElasticTransform(20.0)],
    ],
)  # fmt: skip
def test_segmentation(steps: Any) -> None:
    mask = tv_tensors.Mask(torch.arange(90 * 120).view(90, 120) % 3)
    data = Joint(v2.Compose(steps), mask)
    ((image, made),) = samples(data, SMALL, FULL)
    assert image.shape == (3, SMALL, SMALL)
    assert made.shape == (SMALL, SMALL)
    assert set(made.unique().tolist()) <= {0, 1, 2}


class TestReferences:
    """torchvision's references of v1 have classes of their own, named by the error."""

    class RandomResize:
        def __init__(self, min_size: int, max_size: int) -> None:
            self.min_size, self.max_size = min_size, max_size

        def __call__(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            side = int(torch.randint(self.min_size, self.max_size + 1, ()))
            resize = v1.functional.resize
            nearest = v1.InterpolationMode.NEAREST
            return resize(image, [side]), resize(mask[None], [side], nearest)[0]

    class RandomCrop:
        def __init__(self, size: int) -> None:
            self.size = size

        def __call__(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            cut = slice(0, self.size)
            return image[:, cut, cut], mask[cut, cut]

    class Compose:
        def __init__(self, transforms: Any) -> None:
            self.transforms = transforms

        def __call__(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            for each in self.transforms:
                image, mask = each(image, mask)
            return image, mask

    def data(self) -> Joint:
        steps = [self.RandomResize(FULL, 96), self.RandomCrop(FULL)]
        return Joint(self.Compose(steps), torch.zeros(90, 120, dtype=torch.long))

    def test_they_are_named(self) -> None:
        with pytest.raises(
            ValueError, match=r"set RandomResize\.upsize_pixels = \('min_size', 'max_"
        ):
            samples(self.data(), SMALL, FULL)

    def test_and_work_then(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = ("min_size", "max_size")
        monkeypatch.setattr(self.RandomResize, "upsize_pixels", names, raising=False)
        monkeypatch.setattr(self.RandomCrop, "upsize_pixels", ("size",), raising=False)
        for side in (FULL, SMALL):
            ((image, mask),) = samples(self.data(), side, FULL)
            assert image.shape == (3, side, side)
            assert mask.shape == (side, side)


class TestAlbumentations:
    photo = np.asarray(PHOTO)

    def made(self, compose: Any, side: int, **targets: Any) -> Any:
        data = Items(compose, self.photo)
        call = _Calling(compose, targets)
        data.transform = call
        return samples(data, side, FULL)[0]

    def test_masks(self) -> None:
        compose = A.Compose(
            [A.RandomScale(p=0.5), A.PadIfNeeded(96, 128), A.RandomCrop(80, 80),
             A.Resize(FULL, FULL), A.Affine(rotate=9, p=0.5),
             A.CoarseDropout((1, 4), (8, 16), (8, 16))]
        )  # fmt: skip
        mask = (np.arange(90 * 120).reshape(90, 120) % 3).astype(np.uint8)
        made = self.made(compose, SMALL, mask=mask)
        assert made["image"].shape == (SMALL, SMALL, 3)
        assert made["mask"].shape == (SMALL, SMALL)
        assert set(np.unique(made["mask"])) <= {0, 1, 2}

    def test_boxes(self) -> None:
        params = A.BboxParams("pascal_voc", min_area=64, label_fields=["labels"])
        compose = A.Compose(
            [A.LongestMaxSize(FULL), A.PadIfNeeded(FULL, FULL), A.HorizontalFlip(p=1)],
            bbox_params=params,
        )
        given = {"bboxes": [[30, 30, 90, 60], [0, 0, 12, 12]], "labels": [0, 1]}
        full, half = (self.made(compose, side, **given) for side in (FULL, SMALL))
        assert half["image"].shape == (SMALL, SMALL, 3)
        assert full["labels"] == half["labels"] == [0]
        assert np.allclose(np.array(full["bboxes"]) / 2, half["bboxes"], atol=0.5)

    def test_keypoints(self) -> None:
        params = A.KeypointParams("xy", remove_invisible=False)
        compose = A.Compose(
            [A.SmallestMaxSize(FULL), A.CenterCrop(FULL, FULL),
             A.Affine(translate_px=(6, 6), p=1)],
            keypoint_params=params,
        )  # fmt: skip
        given = {"keypoints": [(60, 45), (70, 30)]}
        full, half = (self.made(compose, side, **given) for side in (FULL, SMALL))
        points = np.array(full["keypoints"])
        assert np.allclose(points / 2, half["keypoints"], atol=0.6)


class _Calling:
    def __init__(self, compose: Any, targets: dict[str, Any]) -> None:
        self.compose, self.targets = compose, targets

    def __call__(self, image: Any) -> Any:
        return self.compose(image=image, **self.targets)


def test_dino() -> None:
    class MultiCrop:
        def __init__(self) -> None:
            self.first = v1.Compose([v1.RandomResizedCrop(FULL), v1.ToTensor()])
            self.local = v1.Compose([v1.RandomResizedCrop(24), v1.ToTensor()])

        def __call__(self, image: Any) -> list[Tensor]:
            return [self.first(image), self.local(image)]

    (views,) = samples(Items(MultiCrop(), PHOTO), SMALL, FULL)
    assert [view.shape[-1] for view in views] == [32, 12]
