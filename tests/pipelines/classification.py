"""Classification: torchvision's presets, timm, albumentations, small data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import albumentations
import cv2
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from tests.pipelines import pictures
from tests.pipelines.data import MEAN, STD, Photos, classified, images_of, load
from tests.pipelines.rows import FULL, Seen, Setup, row
from timm.data import create_loader, create_transform
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from upsize.loading import RandomResizedCropDecode, open_image

GROUP = "Classification"


def to_float() -> list[Any]:
    return [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]


def resized(*more: Any) -> Any:
    return v2.Compose([v2.Resize((FULL, FULL)), *more, *to_float()])


def photos(transform: Any, *, normalized: bool = False, **setup: Any) -> Setup:
    loader = load(Photos(transform))
    names = {"transform": transform, "v1": v1, "v2": v2}
    see = classified(normalized=normalized)
    return Setup(loader, see, names=names, **setup)


@row(GROUP, "torchvision's training preset, `transforms` (v1)")
def _(folder: Path) -> Setup:
    transform = v1.Compose(
        [
            v1.RandomResizedCrop(FULL, antialias=True),
            v1.RandomHorizontalFlip(),
            v1.ToTensor(),
            v1.Normalize(MEAN, STD),
        ]
    )
    return photos(transform, normalized=True)


@row(GROUP, "torchvision's training preset, `transforms.v2` on tensors")
def _(folder: Path) -> Setup:
    transform = v2.Compose(
        [
            v2.PILToTensor(),
            v2.RandomResizedCrop(FULL, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
            v2.ToPureTensor(),
        ]
    )
    return photos(transform, normalized=True)


@row(GROUP, "torchvision's evaluation preset: `Resize(72)`, `CenterCrop(64)`")
def _(folder: Path) -> Setup:
    more = [v1.Resize(72), v1.CenterCrop(FULL), v1.ToTensor(), v1.Normalize(MEAN, STD)]
    return photos(v1.Compose(more), normalized=True)


@row(GROUP, "`weights.transforms()` of a torchvision model")
def _(folder: Path) -> Setup:
    preset = ResNet18_Weights.DEFAULT.transforms(crop_size=FULL, resize_size=72)
    return photos(preset, normalized=True)


@row(GROUP, "`RandAugment` and `RandomErasing` of torchvision's preset")
def _(folder: Path) -> Setup:
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(FULL),
            v2.RandAugment(num_ops=1, magnitude=3),
            *to_float(),
            v2.RandomErasing(p=1.0, scale=(0.02, 0.05), value=0.5),
        ]
    )
    # What is erased lies elsewhere: the same draw of another range.
    return photos(transform, moves=0.15)


@row(GROUP, "`ColorJitter` and `RandomSolarize`")
def _(folder: Path) -> Setup:
    more = [v2.ColorJitter(0.2, 0.2, 0.2), v2.RandomSolarize(0.7, p=0.5)]
    return photos(resized(*more))


@row(GROUP, "`TrivialAugmentWide` of torchvision's preset (sizes only)")
def _(folder: Path) -> Setup:
    parts = [v2.RandomResizedCrop(FULL), v2.TrivialAugmentWide(), *to_float()]
    return Setup(load(Photos(v2.Compose(parts))), _only_shapes)


@row(GROUP, "`ImageFolder` with torchvision's own loader")
def _(folder: Path) -> Setup:
    root = pictures.folder_of_files(folder)
    transform = v2.Compose([v2.RandomResizedCrop(FULL), *to_float()])
    return Setup(load(ImageFolder(root, transform)), classified())


@row(GROUP, "`ImageFolder` with `loader=open_image`")
def _(folder: Path) -> Setup:
    root = pictures.folder_of_files(folder)
    transform = v2.Compose([v2.RandomResizedCrop(FULL), *to_float()])
    return Setup(load(ImageFolder(root, transform, loader=open_image)), classified())


@row(GROUP, "`ImageFolder` with `loader=RandomResizedCropDecode(64)`")
def _(folder: Path) -> Setup:
    root = pictures.folder_of_files(folder)
    crop = RandomResizedCropDecode(FULL)
    data = ImageFolder(root, v2.Compose(to_float()), loader=crop)
    return Setup(load(data), classified())


CIFAR = "CIFAR: `RandomCrop({}, padding=8)` {}"
CROP = "put Resize((64, 64)) directly after it"


@row(
    GROUP,
    CIFAR.format(FULL, "on Pillow's images"),
    says=CROP,
    line="transform.transforms.insert(1, v1.Resize((64, 64)))",
)
def _(folder: Path) -> Setup:
    transform = v1.Compose(
        [
            v1.RandomCrop(FULL, padding=8),
            v1.RandomHorizontalFlip(),
            v1.ToTensor(),
            v1.Normalize(MEAN, STD),
        ]
    )
    setup = photos(transform, normalized=True, moves=0.15)
    setup.loader.dataset.shape = (FULL, FULL)
    return setup


@row(
    GROUP,
    CIFAR.format(FULL, "on tensors"),
    says=CROP,
    line="transform.transforms.insert(1, v2.Resize((64, 64)))",
)
def _(folder: Path) -> Setup:
    transform = v2.Compose([v2.RandomCrop(FULL, padding=8), v2.RandomHorizontalFlip()])
    data = Photos(transform, pictures.tensor, shape=(FULL, FULL))
    names = {"transform": transform, "v2": v2}
    return Setup(load(data), classified(), names, moves=0.15)


@row(
    GROUP,
    "CIFAR for validation: `ToTensor` alone",
    says="has a size that upsize knows",
    line="dataset.transform.transforms.insert(0, v1.Resize(64))",
)
def _(folder: Path) -> Setup:
    data = Photos(v1.Compose([v1.ToTensor()]), shape=(FULL, FULL))
    return Setup(load(data), classified(), {"dataset": data, "v1": v1})


@row(GROUP, "MNIST: one channel, `Resize(64)`")
def _(folder: Path) -> Setup:
    def grey(index: int, height: int, width: int) -> Any:
        return pictures.pil(index, height, width).getchannel("R")

    transform = v1.Compose([v1.Resize((FULL, FULL)), v1.ToTensor()])
    return Setup(load(Photos(transform, grey)), classified())


@row(GROUP, "CelebA: `CenterCrop(72)`, then `Resize(64)`")
def _(folder: Path) -> Setup:
    return photos(v1.Compose([v1.CenterCrop(72), v1.Resize(FULL), v1.ToTensor()]))


@row(GROUP, "Several labels per image, as a vector")
def _(folder: Path) -> Setup:
    def label(index: int) -> Any:
        return torch.arange(5) % (index + 1) == 0

    return Setup(load(Photos(resized(), label=label)), classified())


@row(
    GROUP,
    "Own dataset: `cv2.resize(image, (64, 64))` in `__getitem__`",
    says="set_size",
    line="loader = sized(loader, resize, set_size=set_size)",
)
def _(folder: Path) -> Setup:
    class Own(Dataset[Any]):
        side = (FULL, FULL)

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Any:
            image = pictures.pixels(index, 128, 128)
            image = cv2.resize(image, self.side, interpolation=cv2.INTER_AREA)
            return image.transpose(2, 0, 1), index

    def set_size(dataset: Any, size: Any) -> None:
        dataset.side = tuple(size)[::-1]

    return Setup(load(Own()), classified(), {"set_size": set_size})


@row(GROUP, "Own dataset with an attribute `augment` and Pillow")
def _(folder: Path) -> Setup:
    class Own(Dataset[Any]):
        def __init__(self) -> None:
            self.augment = resized(v2.RandomHorizontalFlip())

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Any:
            return self.augment(pictures.pil(index, 80, 96)), index

    return Setup(load(Own()), classified())


@row(GROUP, "A dict of transforms, `transform['train']`")
def _(folder: Path) -> Setup:
    class Own(Dataset[Any]):
        def __init__(self) -> None:
            val = [v2.Resize(72), v2.CenterCrop(FULL), *to_float()]
            train = v2.Compose([v2.RandomResizedCrop(FULL), *to_float()])
            self.transforms = {"train": train, "val": v2.Compose(val)}
            self.split = "train"

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Any:
            return self.transforms[self.split](pictures.pil(index, 80, 96)), index

    return Setup(load(Own()), classified())


@row(GROUP, "`random_split`, with a transform around each `Subset`")
def _(folder: Path) -> Setup:
    class Transformed(Dataset[Any]):
        def __init__(self, subset: Any, transform: Any) -> None:
            self.subset, self.transform = subset, transform

        def __len__(self) -> int:
            return len(self.subset)

        def __getitem__(self, index: int) -> Any:
            image, label = self.subset[index]
            return self.transform(image), label

    generator = torch.Generator().manual_seed(0)
    train, _ = random_split(Photos(count=6), [4, 2], generator)
    return Setup(load(Transformed(train, resized())), classified())


@row(GROUP, "`Subset` of a dataset with a transform")
def _(folder: Path) -> Setup:
    return Setup(load(Subset(Photos(resized()), [3, 0, 1, 2])), classified())


@row(GROUP, "`ConcatDataset` of two data sets with transforms of their own")
def _(folder: Path) -> Setup:
    two = [Photos(resized(), count=2), Photos(resized(v2.CenterCrop(FULL)), count=2)]
    return Setup(load(ConcatDataset(two)), classified())


@row(GROUP, "`ConcatDataset` of 70 folders")
def _(folder: Path) -> Setup:
    transform = resized()
    many = ConcatDataset([Photos(transform, count=1) for _ in range(70)])
    return Setup(load(many, batch_size=35), classified())


def timm_loader(**settings: Any) -> Any:
    settings = {"no_aug": False, "hflip": 0.5, "color_jitter": None, **settings}
    return create_loader(
        Photos(),
        (3, FULL, FULL),
        batch_size=2,
        is_training=True,
        num_workers=0,
        persistent_workers=False,
        device=torch.device("cpu"),
        mean=MEAN,
        std=STD,
        **settings,
    )


@row(GROUP, "timm's `create_loader(use_prefetcher=False)`")
def _(folder: Path) -> Setup:
    return Setup(timm_loader(use_prefetcher=False), classified(normalized=True))


@row(
    GROUP,
    "timm's `create_loader` with its prefetcher",
    says="loader.loader = sized(loader.loader, resize)",
    line="loader.loader = sized(loader.loader, resize)",
)
def _(folder: Path) -> Setup:
    return Setup(timm_loader(use_prefetcher=True), classified(normalized=True))


@row(GROUP, "timm's `create_transform` for evaluation")
def _(folder: Path) -> Setup:
    return photos(create_transform(FULL, mean=MEAN, std=STD), normalized=True)


@row(GROUP, "timm's `rand-m9-mstd0.5-inc1` with random erasing (sizes only)")
def _(folder: Path) -> Setup:
    transform = create_transform(
        FULL, is_training=True, auto_augment="rand-m3-n1-mstd0.5-inc1",
        re_prob=0.3, re_mode="const", color_jitter=None, mean=MEAN, std=STD,
    )  # fmt: skip
    return Setup(load(Photos(transform)), _only_shapes)


@row(GROUP, "timm's 3-augment (sizes only)")
def _(folder: Path) -> Setup:
    transform = create_transform(
        FULL, is_training=True, auto_augment="3a", color_jitter=0.3, mean=MEAN, std=STD
    )
    return Setup(load(Photos(transform)), _only_shapes)


def _only_shapes(batch: Any) -> Seen:
    """Read what is drawn for each pixel or place: compare its size alone."""
    images, labels = batch
    return Seen([torch.zeros_like(image) for image in images], rest=labels)


class Albumented(Dataset[Any]):
    """Calls albumentations as everybody does."""

    def __init__(self, *transforms: Any) -> None:
        self.transform = albumentations.Compose(list(transforms), seed=1)

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return self.transform(image=pictures.pixels(index, 80, 96))["image"], index


@row(GROUP, "albumentations: `RandomResizedCrop`, flip, `Normalize`")
def _(folder: Path) -> Setup:
    data = Albumented(
        albumentations.RandomResizedCrop((FULL, FULL)),
        albumentations.HorizontalFlip(p=0.5),
        albumentations.Normalize(MEAN, STD),
        ToTensorV2(),
    )
    return Setup(load(data), classified(normalized=True))


@row(GROUP, "albumentations: `LongestMaxSize`, then `PadIfNeeded`")
def _(folder: Path) -> Setup:
    data = Albumented(
        albumentations.LongestMaxSize(FULL),
        albumentations.PadIfNeeded(FULL, FULL, border_mode=cv2.BORDER_CONSTANT),
        ToTensorV2(),
    )
    return Setup(load(data), classified())


@row(GROUP, "albumentations: `CoarseDropout` of 8 pixels after the resize")
def _(folder: Path) -> Setup:
    data = Albumented(
        albumentations.Resize(FULL, FULL),
        albumentations.CoarseDropout(
            num_holes_range=(1, 1), hole_height_range=(8, 8), hole_width_range=(8, 8),
            fill=128, p=1.0,
        ),
        ToTensorV2(),
    )  # fmt: skip

    def see(batch: Any) -> Seen:
        images, labels = batch
        share = [((im == 128).all(0).float().mean() * 100).round() for im in images]
        same = [torch.zeros(im.shape) for im in images]
        return Seen(same, rest=[labels, share])

    return Setup(load(data), see)


@row(
    GROUP,
    "`TensorDataset` of images at full size",
    says="has a size that upsize knows",
    device=True,
)
def _(folder: Path) -> Setup:
    images = torch.stack([pictures.tensor(index) for index in range(4)])
    return Setup(load(TensorDataset(images, torch.arange(4))), classified())


@row(
    GROUP,
    "albumentations without `ToTensorV2`: channels last, (N, 64, 64, 3)",
    says="channels last",
)
def _(folder: Path) -> Setup:
    loader = load(Albumented(albumentations.Resize(FULL, FULL)))

    def see(batch: Any) -> Seen:
        return Seen(images_of(batch[0].permute(0, 3, 1, 2)), rest=batch[1])

    return Setup(loader, see)


@row(GROUP, "A cache of decoded images, transformed afterwards")
def _(folder: Path) -> Setup:
    class Cached(Photos):
        def __init__(self) -> None:
            super().__init__(resized())
            self.cache: dict[int, Any] = {}

        def __getitem__(self, index: int) -> Any:
            if index not in self.cache:
                self.cache[index] = np.asarray(pictures.pil(index, 80, 96))
            image = torch.from_numpy(self.cache[index].copy()).permute(2, 0, 1)
            return self.transform(image), index

    return Setup(load(Cached()), classified())


@row(GROUP, "A cache of transformed images", says="ignore the size", warns=True)
def _(folder: Path) -> Setup:
    class Cached(Photos):
        def __init__(self) -> None:
            super().__init__(resized())
            self.cache: dict[int, Any] = {}

        def __getitem__(self, index: int) -> Any:
            if index not in self.cache:
                self.cache[index] = super().__getitem__(index)
            return self.cache[index]

    return Setup(load(Cached()), classified())
