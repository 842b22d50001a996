"""Pictures with targets: masks, boxes, key points, flow, depth, pairs of images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import albumentations
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from PIL import Image
from tests.pipelines import pictures
from tests.pipelines.classification import to_float
from tests.pipelines.data import MEAN, STD, Pairs, images_of, listed, load
from tests.pipelines.rows import FULL, Seen, Setup, row
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset
from torchvision import tv_tensors
from torchvision.datasets import (
    CocoDetection,
    VOCDetection,
    VOCSegmentation,
    wrap_dataset_for_transforms_v2,
)
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from upsize.resize import Resizer

GROUP = "Segmentation, detection, dense targets"
H, W = 80, 96


def masked(batch: Any) -> Seen:
    """Read (images, masks)."""
    images, masks = batch
    return Seen(images_of(images), masks=images_of_masks(masks))


def images_of_masks(masks: Any) -> list[Tensor]:
    return [torch.as_tensor(each).as_subclass(Tensor) for each in masks]


def typed_masks(index: int) -> tuple[Any, Any]:
    image = tv_tensors.Image(pictures.pil(index, H, W))
    return image, tv_tensors.Mask(torch.from_numpy(pictures.mask(index, H, W)))


def resize_both(*more: Any) -> Any:
    both = {tv_tensors.Image: torch.float32, "others": None}
    scale = v2.ToDtype(both, scale=True)
    return v2.Compose([v2.Resize((FULL, FULL)), *more, scale])


@row(GROUP, "Semantic segmentation, v2: `Resize` and flip of `Image` and `Mask`")
def _(folder: Path) -> Setup:
    data = Pairs(typed_masks, resize_both(v2.RandomHorizontalFlip()))
    return Setup(load(data), masked)


@row(GROUP, "Semantic segmentation, v2: masks (1, height, width) in uint8")
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        image, mask = typed_masks(index)
        return image, tv_tensors.Mask(mask[None])

    return Setup(load(Pairs(make, resize_both())), masked)


@row(
    GROUP, "torchvision's segmentation preset, v2: `RandomResize`, padded `RandomCrop`"
)
def _(folder: Path) -> Setup:
    crop = v2.RandomCrop(FULL, pad_if_needed=True, fill={tv_tensors.Mask: 200})
    transforms = v2.Compose(
        [
            v2.RandomResize(FULL, FULL + 1),
            v2.RandomHorizontalFlip(),
            crop,
            v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
            v2.ToPureTensor(),
        ]
    )
    return Setup(load(Pairs(typed_masks, transforms)), masked, moves=0.1)


class RandomResize:
    """Of torchvision's own references, which are not installed."""

    def __init__(self, min_size: int, max_size: int) -> None:
        self.min_size, self.max_size = min_size, max_size

    def __call__(self, image: Any, target: Any) -> Any:
        size = int(np.random.randint(self.min_size, self.max_size + 1))  # noqa: NPY002
        nearest = functional.InterpolationMode.NEAREST
        image = functional.resize(image, [size], antialias=True)
        return image, functional.resize(target, [size], interpolation=nearest)


class Both:
    """Joint transforms of two images, as segmentation repositories have them."""

    def __init__(self, *transforms: Any) -> None:
        self.transforms = transforms

    def __call__(self, image: Any, target: Any) -> Any:
        for each in self.transforms:
            image, target = each(image, target)
        to_tensor = functional.to_dtype(functional.to_image(image), scale=True)
        return to_tensor, torch.as_tensor(np.array(target), dtype=torch.int64)


def pil_masks(index: int) -> tuple[Any, Any]:
    return pictures.pil(index), pictures.mask_pil(index)


@row(
    GROUP,
    "torchvision's segmentation references, own `RandomResize(min_size, max_size)`",
    says="RandomResize has min_size=64",
    line="loader = sized(loader, resize, set_size=set_size)",
)
def _(folder: Path) -> Setup:
    random = RandomResize(FULL, FULL)

    def set_size(dataset: Any, size: Any) -> None:
        random.min_size = random.max_size = size.height

    data = Pairs(pil_masks, Both(random))
    return Setup(load(data), masked, {"set_size": set_size})


@row(
    GROUP,
    "Plain tensors (image, int64 mask) at full size",
    says='"mask"',
    line='resizer = Resizer(targets={1: "mask"})',
    device=True,
)
def _(folder: Path) -> Setup:
    data = Pairs(
        lambda i: (pictures.tensor(i), torch.from_numpy(pictures.mask(i)).long())
    )
    return Setup(load(data), masked)


@row(GROUP, 'Plain tensors with a policy, `targets={"mask": "mask"}`', device=True)
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        mask = torch.from_numpy(pictures.mask(index)).long()
        return {"image": pictures.tensor(index), "mask": mask}

    def see(batch: Any) -> Seen:
        return Seen(images_of(batch["image"]), masks=images_of_masks(batch["mask"]))

    resizer = Resizer(targets={"mask": "mask"})
    return Setup(load(Pairs(make)), see, keys={"resizer": resizer})


class Albumented(Dataset[Any]):
    """Calls albumentations with the targets that ``make`` gives it."""

    def __init__(self, make: Any, *transforms: Any, **settings: Any) -> None:
        parts = [*transforms, ToTensorV2()]
        self.transform = albumentations.Compose(parts, seed=1, **settings)
        self.make = make

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return self.transform(**self.make(index))


@row(GROUP, "albumentations with masks: `Resize`, flip")
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        image, mask = pictures.pixels(index, H, W), pictures.mask(index, H, W)
        return {"image": image, "mask": mask}

    def see(batch: Any) -> Seen:
        return Seen(images_of(batch["image"]), masks=images_of_masks(batch["mask"]))

    flip = albumentations.HorizontalFlip(p=0.5)
    data = Albumented(make, albumentations.Resize(FULL, FULL), flip)
    return Setup(load(data), see)


@row(GROUP, 'albumentations with boxes, `BboxParams("pascal_voc")`')
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        box = np.array([pictures.box(index, H, W)])
        image = pictures.pixels(index, H, W)
        return {"image": image, "bboxes": box, "labels": [index]}

    def collate(samples: Any) -> Any:
        images = torch.stack([each["image"] for each in samples])
        boxes = [torch.as_tensor(each["bboxes"]).float() for each in samples]
        return {"image": images, "boxes": boxes}

    def see(batch: Any) -> Seen:
        boxes = [each[0] for each in batch["boxes"]]
        return Seen(images_of(batch["image"]), boxes=boxes)

    boxes = albumentations.BboxParams("pascal_voc", label_fields=["labels"])
    flip = albumentations.HorizontalFlip(p=0.5)
    resize = albumentations.Resize(FULL, FULL)
    data = Albumented(make, resize, flip, bbox_params=boxes)
    return Setup(load(data, collate_fn=collate), see)


@row(GROUP, "albumentations with key points")
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        points = np.array([pictures.centre(index, H, W)])
        return {"image": pictures.pixels(index, H, W), "keypoints": points}

    def see(batch: Any) -> Seen:
        points = [each[0] for each in batch["keypoints"]]
        return Seen(images_of(batch["image"]), points=points)

    resize = albumentations.Resize(FULL, FULL)
    points = albumentations.KeypointParams("xy")
    data = Albumented(make, resize, keypoint_params=points)
    return Setup(load(data), see)


def boxed(batch: Any) -> Seen:
    """Read (images, targets), lists of both, with typed or plain boxes."""
    images, targets = batch
    boxes = [target["boxes"][0].as_subclass(Tensor) for target in targets]
    labels = [target["labels"] for target in targets]
    return Seen(images_of(images), boxes=boxes, rest=labels)


def typed_boxes(index: int, height: int = H, width: int = W) -> tuple[Any, Any]:
    image = tv_tensors.Image(pictures.pil(index, height, width))
    boxes = tv_tensors.BoundingBoxes(
        [pictures.box(index, height, width)], format="XYXY",
        canvas_size=(height, width),
    )  # fmt: skip
    return image, {"boxes": boxes, "labels": torch.tensor([index])}


@row(GROUP, "Detection, v2: `Resize`, flip, `SanitizeBoundingBoxes`, lists")
def _(folder: Path) -> Setup:
    transforms = resize_both(v2.RandomHorizontalFlip(), v2.SanitizeBoundingBoxes())
    data = Pairs(typed_boxes, transforms)
    return Setup(load(data, collate_fn=listed), boxed)


@row(GROUP, "torchvision's SSD preset: `ScaleJitter`, padding, `RandomCrop`")
def _(folder: Path) -> Setup:
    jitter = v2.ScaleJitter((FULL, FULL), scale_range=(0.9, 1.0))
    crop = v2.RandomCrop((FULL, FULL), pad_if_needed=True)
    both = v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)
    data = Pairs(typed_boxes, v2.Compose([jitter, crop, both]))
    return Setup(load(data, collate_fn=listed), boxed, moves=0.15)


@row(
    GROUP,
    "torchvision's multiscale preset: `RandomShortestSize`, images of any shape",
    says="one size",
    device=True,
)
def _(folder: Path) -> Setup:
    both = v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)
    shortest = v2.RandomShortestSize(FULL, max_size=96)
    data = Pairs(
        lambda index: typed_boxes(index, 80, 80 + 8 * (index % 2)),
        v2.Compose([shortest, both]),
    )
    return Setup(load(data, collate_fn=listed), boxed)


@row(GROUP, "Detection without `sized`: lists of images and typed boxes", device=True)
def _(folder: Path) -> Setup:
    data = Pairs(lambda index: typed_boxes(index, FULL, FULL), resize_both())
    return Setup(load(data, collate_fn=listed), boxed)


def coco(folder: Path) -> Any:
    """Return a COCO data set of four pictures on disk."""
    root = folder / "coco"
    annotations = []
    root.mkdir(exist_ok=True)
    for index in range(4):
        pictures.pil(index, H, W).save(root / f"{index}.png")
        left, top, right, bottom = pictures.box(index, H, W)
        corners = [left, top, right, top, right, bottom, left, bottom]
        annotations.append(
            {"id": index, "image_id": index, "category_id": 1, "iscrowd": 0,
             "bbox": [left, top, right - left, bottom - top],
             "area": (right - left) * (bottom - top), "segmentation": [corners]}
        )  # fmt: skip
    images = [
        {"id": index, "file_name": f"{index}.png", "height": H, "width": W}
        for index in range(4)
    ]
    categories = [{"id": 1, "name": "object"}]
    held = {"images": images, "annotations": annotations, "categories": categories}
    (root / "all.json").write_text(json.dumps(held), "utf-8")
    return root


@row(GROUP, "COCO by `wrap_dataset_for_transforms_v2`: boxes and instance masks")
def _(folder: Path) -> Setup:
    root = coco(folder)
    transforms = v2.Compose([v2.ToImage(), resize_both()])
    data = CocoDetection(root, root / "all.json", transforms=transforms)
    wrapped = wrap_dataset_for_transforms_v2(data, ("boxes", "labels", "masks"))

    def see(batch: Any) -> Seen:
        seen = boxed(batch)
        masks = [target["masks"][0].as_subclass(Tensor) for target in batch[1]]
        seen.masks = [mask * pictures.OBJECT for mask in masks]
        return seen

    return Setup(load(wrapped, collate_fn=listed), see)


def voc(folder: Path) -> Path:
    """Return a folder like that of PASCAL VOC 2012, with four pictures."""
    base = folder / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "SegmentationClass", "Annotations"):
        (base / name).mkdir(parents=True, exist_ok=True)
    for kind in ("Segmentation", "Main"):
        split = base / "ImageSets" / kind
        split.mkdir(parents=True, exist_ok=True)
        (split / "train.txt").write_text("0\n1\n2\n3\n", "utf-8")
    for index in range(4):
        pictures.pil(index, H, W).save(
            base / "JPEGImages" / f"{index}.jpg", quality=100
        )
        mask = Image.fromarray(pictures.mask(index, H, W))
        mask.save(base / "SegmentationClass" / f"{index}.png")
        names = ("xmin", "ymin", "xmax", "ymax")
        edges = zip(names, pictures.box(index, H, W), strict=True)
        box = "".join(f"<{name}>{int(edge)}</{name}>" for name, edge in edges)
        (base / "Annotations" / f"{index}.xml").write_text(
            f"<annotation><size><width>{W}</width><height>{H}</height></size>"
            f"<object><name>cat</name><bndbox>{box}</bndbox></object></annotation>",
            "utf-8",
        )
    return folder


@row(GROUP, "VOC segmentation by `wrap_dataset_for_transforms_v2`")
def _(folder: Path) -> Setup:
    transforms = v2.Compose([v2.ToImage(), resize_both()])
    data = VOCSegmentation(voc(folder), image_set="train", transforms=transforms)
    return Setup(load(wrap_dataset_for_transforms_v2(data)), masked)


@row(GROUP, "VOC detection by `wrap_dataset_for_transforms_v2`")
def _(folder: Path) -> Setup:
    transforms = v2.Compose([v2.ToImage(), resize_both()])
    data = VOCDetection(voc(folder), image_set="train", transforms=transforms)
    wrapped = wrap_dataset_for_transforms_v2(data, ("boxes", "labels"))
    return Setup(load(wrapped, collate_fn=listed), boxed)


@row(
    GROUP,
    "Boxes in plain tensors, images from the loader at full size",
    says="""say targets={'boxes': "boxes"}""",
    warns=True,
    line='resizer = Resizer(targets={"boxes": "boxes"})',
    device=True,
)
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        boxes = torch.tensor([pictures.box(index)])
        return {"image": pictures.tensor(index), "boxes": boxes}

    def see(batch: Any) -> Seen:
        boxes = [each[0] for each in batch["boxes"]]
        return Seen(images_of(batch["image"]), boxes=boxes)

    return Setup(load(Pairs(make)), see)


class Arithmetic(Dataset[Any]):
    """Scales the key points of its files to 64 pixels."""

    def __init__(self) -> None:
        self.transform = v2.Compose([v2.Resize((FULL, FULL)), *to_float()])

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        points = torch.tensor([pictures.centre(index, H, W), [90.0, 70.0]])
        points = points * torch.tensor([FULL / W, FULL / H])
        return self.transform(pictures.pil(index, H, W)), points


def pointed(batch: Any) -> Seen:
    images, points = batch
    return Seen(images_of(images), points=[each[0] for each in points])


POINTS = "Key points by arithmetic, `x * 64 / width`, beside small images"


@row(
    GROUP,
    POINTS,
    says="may hold keypoints of the full size 64x64",
    warns=True,
)
def _(folder: Path) -> Setup:
    return Setup(load(Arithmetic()), pointed)


@row(GROUP, f"{POINTS}, under the name `keypoints`", says="has keypoints outside of")
def _(folder: Path) -> Setup:
    class Named(Arithmetic):
        def __getitem__(self, index: int) -> Any:
            image, points = super().__getitem__(index)
            return {"image": image, "keypoints": points}

    def see(batch: Any) -> Seen:
        return pointed(batch.values())

    return Setup(load(Named()), see)


@row(GROUP, "Key points as torchvision's `KeyPoints`, with the canvas of their file")
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        image = tv_tensors.Image(pictures.pil(index, H, W))
        points = [pictures.centre(index, H, W)]
        return image, tv_tensors.KeyPoints(points, canvas_size=(H, W))

    return Setup(load(Pairs(make, resize_both())), pointed)


def heat(index: int, side: int) -> Tensor:
    blue = pictures.tensor(index)[2:3]
    size = [side, side]
    return functional.resize(blue, size, antialias=True)


def heated(batch: Any) -> Seen:
    return Seen(images_of(batch[0]), maps=list(batch[1]))


@row(
    GROUP,
    "Pose: heatmaps at the size of the image",
    says='"image"',
    line='resizer = Resizer(targets={1: "image"})',
    device=True,
)
def _(folder: Path) -> Setup:
    data = Pairs(lambda index: (pictures.tensor(index), heat(index, FULL)))
    return Setup(load(data), heated)


@row(
    GROUP,
    "Pose: heatmaps at a quarter of the image",
    says="leaving batch[1]",
    warns=True,
    line='resizer = Resizer(targets={1: "image/4"})',
    device=True,
)
def _(folder: Path) -> Setup:
    data = Pairs(lambda index: (pictures.tensor(index), heat(index, FULL // 4)))
    return Setup(load(data), heated)


@row(GROUP, 'Optical flow, `targets={"flow": "flow"}`', device=True)
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        image = pictures.tensor(index)
        flow = torch.ones(2, FULL, FULL) * torch.tensor([16.0, 8.0]).reshape(2, 1, 1)
        return {"image1": image, "image2": image.flip(-1), "flow": flow}

    def see(batch: Any) -> Seen:
        first, second = images_of(batch["image1"]), images_of(batch["image2"])
        ratio = FULL / batch["image1"].shape[-1]
        means = [
            (each.mean((1, 2)) * ratio).round(decimals=3) for each in batch["flow"]
        ]
        assert batch["flow"].shape[-2:] == batch["image1"].shape[-2:]
        return Seen(first + second, rest=means)

    resizer = Resizer(targets={"flow": "flow"})
    return Setup(load(Pairs(make)), see, keys={"resizer": resizer})


@row(
    GROUP,
    "Depth: a float map beside the image, not named",
    says='"image"',
    line='resizer = Resizer(targets={1: "image"})',
    device=True,
)
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        image = pictures.tensor(index)
        return image, image[2]

    return Setup(load(Pairs(make)), heated)


@row(GROUP, "Image to image: two typed images, one transform")
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        image = tv_tensors.Image(pictures.pil(index, H, W))
        return image, image

    def see(batch: Any) -> Seen:
        return Seen(images_of(batch[0]) + images_of(batch[1]))

    return Setup(load(Pairs(make, resize_both())), see)


@row(GROUP, "Super-resolution: images of 32 beside those of 64 pixels", device=True)
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        return pictures.tensor(index, 32, 32), pictures.tensor(index)

    def see(batch: Any) -> Seen:
        return Seen(images_of(batch[0]) + images_of(batch[1]))

    return Setup(load(Pairs(make)), see)


@row(
    GROUP,
    "Instance segmentation of transformers: `mask_labels` come first",
    device=True,
)
def _(folder: Path) -> Setup:
    def make(index: int) -> Any:
        mask = torch.from_numpy(pictures.mask(index)) == pictures.OBJECT
        return mask[None].float(), pictures.tensor(index)

    def collate(samples: Any) -> Any:
        masks, images = zip(*samples, strict=True)
        return {"mask_labels": list(masks), "pixel_values": torch.stack(images)}

    def see(batch: Any) -> Seen:
        masks = [each[0] * pictures.OBJECT for each in batch["mask_labels"]]
        return Seen(images_of(batch["pixel_values"]), masks=masks)

    resizer = Resizer(targets={"mask_labels": "mask"})
    loader = load(Pairs(make), collate_fn=collate)
    return Setup(loader, see, keys={"resizer": resizer})


@row(GROUP, "Segmentation by `Normalize` of a typed image, kept typed by the collate")
def _(folder: Path) -> Setup:
    transforms = resize_both(v2.RandomVerticalFlip())
    whole = v2.Compose([transforms, v2.Normalize(MEAN, STD)])

    def see(batch: Any) -> Seen:
        images, masks = batch
        return Seen(images_of(images, normalized=True), masks=images_of_masks(masks))

    return Setup(load(Pairs(typed_masks, whole), collate_fn=listed), see)


@row(
    GROUP,
    "`TensorDataset` of images and masks in uint8",
    says='"mask"',
    line='resizer = Resizer(images=0, targets={1: "mask"})',
    device=True,
)
def _(folder: Path) -> Setup:
    images = torch.stack([pictures.tensor(index) for index in range(4)])
    masks = torch.stack([torch.from_numpy(pictures.mask(index)) for index in range(4)])
    data = TensorDataset(images, masks[:, None])
    return Setup(load(data), masked)
