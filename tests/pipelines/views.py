"""Several images per sample: self-supervision, video, text, medicine."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.pipelines import pictures
from tests.pipelines.classification import resized, to_float
from tests.pipelines.data import Pairs, Photos, classified, images_of, load
from tests.pipelines.rows import FULL, Seen, Setup, row
from torch import Tensor
from torch.utils.data import default_collate
from torchvision import transforms as v1
from torchvision.transforms import v2

from upsize.resize import Resizer

GROUP = "Several images per sample, other inputs"


class TwoCrops:
    """Two views of an image, as SimCLR and MoCo have them."""

    def __init__(self, base: Any) -> None:
        self.base = base

    def __call__(self, image: Any) -> list[Any]:
        return [self.base(image), self.base(image)]


def viewed(batch: Any) -> Seen:
    views, labels = batch
    return Seen([image for view in views for image in images_of(view)], rest=labels)


def crop(*more: Any) -> Any:
    parts = [v2.RandomResizedCrop(FULL, scale=(0.3, 1.0)), v2.RandomHorizontalFlip()]
    return v2.Compose([*parts, *more, *to_float()])


@row(GROUP, "SimCLR: two views by an object around the transform")
def _(folder: Path) -> Setup:
    return Setup(load(Photos(TwoCrops(crop(v2.RandomGrayscale(0.0))))), viewed)


@row(GROUP, "SimCLR: `GaussianBlur` with a kernel of 9 pixels")
def _(folder: Path) -> Setup:
    blur = v2.GaussianBlur(9, sigma=(0.5, 0.5))
    return Setup(load(Photos(TwoCrops(crop(blur)))), viewed)


@row(GROUP, "SimCLR: two views in one tensor (N, 2, 3, 64, 64)")
def _(folder: Path) -> Setup:
    views = TwoCrops(crop())

    class Stacked(Photos):
        def __getitem__(self, index: int) -> Any:
            images, label = super().__getitem__(index)
            return torch.stack(images), label

    def see(batch: Any) -> Seen:
        return Seen(images_of(batch[0].flatten(0, 1)), rest=batch[1])

    return Setup(load(Stacked(views)), see)


@row(GROUP, "BYOL: two transforms, a dict of two views")
def _(folder: Path) -> Setup:
    class Views:
        def __init__(self) -> None:
            self.first, self.second = crop(), crop(v2.RandomSolarize(0.9))

        def __call__(self, image: Any) -> Any:
            return {"view1": self.first(image), "view2": self.second(image)}

    def see(batch: Any) -> Seen:
        views = images_of(batch[0]["view1"]) + images_of(batch[0]["view2"])
        return Seen(views, rest=batch[1])

    return Setup(load(Photos(Views())), see)


class MultiCrop:
    """Two global views and three local ones, as DINO has them."""

    def __init__(self) -> None:
        self.global_crop = crop()
        local = [v2.RandomResizedCrop(24, scale=(0.1, 0.3)), *to_float()]
        self.local_crop = v2.Compose(local)

    def __call__(self, image: Any) -> list[Any]:
        views = [self.global_crop(image) for _ in range(2)]
        return views + [self.local_crop(image) for _ in range(3)]


@row(GROUP, "DINO: two global crops of 64 pixels, three local ones of 24")
def _(folder: Path) -> Setup:
    return Setup(load(Photos(MultiCrop())), viewed)


@row(GROUP, "DINO without `sized`", device=True)
def _(folder: Path) -> Setup:
    return Setup(load(Photos(MultiCrop())), viewed)


@row(GROUP, "DINO, local crops first", device=True)
def _(folder: Path) -> Setup:
    views = MultiCrop()

    class Locals(Photos):
        def __getitem__(self, index: int) -> Any:
            images, label = super().__getitem__(index)
            return images[::-1], label

    return Setup(load(Locals(views)), viewed)


@row(GROUP, "MAE: images alone")
def _(folder: Path) -> Setup:
    class Alone(Photos):
        def __getitem__(self, index: int) -> Any:
            return super().__getitem__(index)[0]

    return Setup(load(Alone(crop())), lambda batch: Seen(images_of(batch)))


@row(GROUP, "Triplets: anchor, positive, negative")
def _(folder: Path) -> Setup:
    transform = resized()

    def make(index: int) -> Any:
        others = (index, index + 2, index + 1)
        return tuple(transform(pictures.pil(each, 80, 96)) for each in others)

    class Triplets(Pairs):
        transform: Any

    data = Triplets(make)
    data.transform = transform

    def see(batch: Any) -> Seen:
        return Seen([image for view in batch for image in images_of(view)])

    return Setup(load(data), see)


@row(GROUP, "`FiveCrop`, stacked to (N, 5, 3, 64, 64)")
def _(folder: Path) -> Setup:
    def stack(crops: Any) -> Tensor:
        return torch.stack([v2.functional.to_image(crop) for crop in crops])

    whole = [v1.Resize((80, 80)), v1.FiveCrop(FULL), stack]

    def see(batch: Any) -> Seen:
        return Seen(images_of(batch[0].flatten(0, 1)), rest=batch[1])

    return Setup(load(Photos(v1.Compose(whole))), see)


def mixed(mix: Any) -> Any:
    return lambda samples: mix(*default_collate(samples))


@row(GROUP, "MixUp in `collate_fn`")
def _(folder: Path) -> Setup:
    collate = mixed(v2.MixUp(num_classes=2))
    return Setup(load(Photos(resized()), collate_fn=collate), classified())


@row(GROUP, "CutMix in `collate_fn` (sizes only)")
def _(folder: Path) -> Setup:
    def see(batch: Any) -> Seen:
        images, labels = batch
        # The place of the cut is drawn from another range, as that of a crop.
        assert torch.allclose(labels.sum(1), torch.ones(len(labels)))
        return Seen([torch.zeros_like(image) for image in images])

    collate = mixed(v2.CutMix(num_classes=2))
    return Setup(load(Photos(resized()), collate_fn=collate), see)


def told(batch: Any) -> Seen:
    rest = [value for name, value in batch.items() if name != "image"]
    return Seen(images_of(batch["image"]), rest=rest)


@row(GROUP, "CLIP: images and `input_ids`")
def _(folder: Path) -> Setup:
    class Captions(Photos):
        def __getitem__(self, index: int) -> Any:
            image, _ = super().__getitem__(index)
            return {"input_ids": torch.arange(77) + index, "image": image}

    return Setup(load(Captions(resized())), told)


@row(GROUP, "Text embeddings (N, 77, 64) before the images")
def _(folder: Path) -> Setup:
    class Embedded(Photos):
        def __getitem__(self, index: int) -> Any:
            text = torch.arange(77.0 * 64).reshape(77, 64) + index
            return {"text": text, "image": super().__getitem__(index)[0]}

    return Setup(load(Embedded(resized())), told)


@row(GROUP, "Text embeddings before images at full size, without `sized`", device=True)
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        text = torch.arange(77.0 * 64).reshape(77, 64) + index
        return {"text": text, "image": pictures.tensor(index)}

    return Setup(load(Pairs(make)), told)


@row(
    GROUP,
    "Attention maps (N, 17, 16, 16) before the images",
    told='leaving "maps"',
    device=True,
)
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        maps = torch.arange(17.0 * 256).reshape(17, 16, 16) + index
        return {"maps": maps, "image": pictures.tensor(index)}

    return Setup(load(Pairs(make)), told)


@row(GROUP, "Video clips (N, 4, 3, 64, 64)")
def _(folder: Path) -> Setup:
    def clip(index: int, height: int, width: int) -> Tensor:
        frames = [pictures.tensor(index + k, height, width) for k in range(4)]
        return torch.stack(frames)

    def see(batch: Any) -> Seen:
        return Seen(images_of(batch[0].flatten(0, 1)), rest=batch[1])

    transform = v2.Compose([v2.Resize((FULL, FULL)), v2.RandomHorizontalFlip()])
    return Setup(load(Photos(transform, clip)), see)


@row(GROUP, "Frames of a camera: an array, then `ToTensor` and `Resize`")
def _(folder: Path) -> Setup:
    transform = v2.Compose([*to_float(), v2.Resize((FULL, FULL))])
    return Setup(load(Photos(transform, pictures.pixels)), classified())


@row(GROUP, "Medical images: one channel of 16 bit")
def _(folder: Path) -> Setup:
    def scan(index: int, height: int, width: int) -> Any:
        grey = pictures.pixels(index, height, width)[..., 0].astype(np.uint16) * 257
        return torch.from_numpy(grey.astype(np.float32) / 65535)[None]

    return Setup(load(Photos(v2.Resize((FULL, FULL)), scan)), classified())


@row(GROUP, "Satellite images of 12 channels")
def _(folder: Path) -> Setup:
    def bands(index: int, height: int, width: int) -> Any:
        return pictures.tensor(index, height, width).repeat(4, 1, 1)

    return Setup(load(Photos(v2.RandomResizedCrop(FULL), bands)), classified())


@row(GROUP, "Satellite images of 12 channels, without `sized`", device=True)
def _(folder: Path) -> Setup:
    data = Pairs(lambda index: (pictures.tensor(index).repeat(4, 1, 1), index))
    return Setup(load(data), classified())


Sample = namedtuple("Sample", ["image", "label"])  # noqa: PYI024 - as people write it


@row(GROUP, "A named tuple, kept by the default collate")
def _(folder: Path) -> Setup:
    class Named(Photos):
        def __getitem__(self, index: int) -> Any:
            return Sample(*super().__getitem__(index))

    def see(batch: Any) -> Seen:
        assert type(batch) is Sample
        return Seen(images_of(batch.image), rest=batch.label)

    return Setup(load(Named(crop())), see)


@dataclass
class Batch:
    """A batch as a data class."""

    image: Tensor
    label: Tensor


@row(GROUP, "A data class from `collate_fn`")
def _(folder: Path) -> Setup:
    def collate(samples: Any) -> Batch:
        return Batch(*default_collate(samples))

    def see(batch: Any) -> Seen:
        return Seen(images_of(batch.image), rest=batch.label)

    return Setup(load(Photos(crop()), collate_fn=collate), see)


class OwnBatch:
    """A batch in an object that upsize cannot rebuild."""

    def __init__(self, samples: Any) -> None:
        self.images, self.labels = default_collate(samples)


@row(
    GROUP,
    "A batch in an object of your own class",
    says="OwnBatch",
)
def _(folder: Path) -> Setup:
    loader = load(Photos(crop()), collate_fn=OwnBatch)
    return Setup(loader, lambda batch: Seen(images_of(batch.images)))


@row(GROUP, "Images and a mask of valid pixels, named by `images=`", device=True)
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        mask = torch.from_numpy(pictures.mask(index)).long()
        return {"input": pictures.tensor(index), "valid": mask}

    def see(batch: Any) -> Seen:
        return Seen(images_of(batch["input"]), masks=list(batch["valid"]))

    resizer = Resizer(images="input", targets={"valid": "mask"})
    return Setup(load(Pairs(make)), see, keys={"resizer": resizer})
