"""Whatever a transform counts in pixels keeps its share of the image."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import albumentations as alb
import numpy as np
import pytest
import torch
from tests.core.loading.smaller import Items, samples
from timm.data.auto_augment import AugmentOp
from torch import Tensor, nn
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import v2

from upsize.loading._transforms import find_pixels, restoring_sizes
from upsize.schedule import Size

FULL, HALF = Size(64, 64), Size(32, 32)


def at_half(*transforms: Any) -> dict[str, Any]:
    """Return what is set at half size, without the resize that comes first."""
    data = Items(v2.Compose([v2.Resize((64, 64)), *transforms]))
    found = [
        each for each in find_pixels(data) if not isinstance(each.owner, v2.Resize)
    ]
    before = [getattr(owner, name) for owner, name, *_ in found]
    with restoring_sizes(data, HALF, FULL):
        held = {name: getattr(owner, name) for owner, name, *_ in found}
    assert [getattr(owner, name) for owner, name, *_ in found] == before
    return held


A: Any = alb
TABLE: list[tuple[Any, dict[str, Any]]] = [
    (v2.Pad(4), {"padding": 2}),
    (v1.RandomCrop(64, padding=(8, 2)), {"size": (32, 32), "padding": (4, 1)}),
    (v1.GaussianBlur(23), {"kernel_size": (11, 11), "sigma": (0.05, 1.0)}),
    (v2.GaussianBlur((5, 3), 2.0), {"kernel_size": (3, 3), "sigma": [1.0, 1.0]}),
    (v2.ElasticTransform(40.0, 4.0), {"alpha": [10.0, 10.0], "sigma": [2.0, 2.0]}),
    (v2.RandomRotation(9, center=[32, 16]), {"center": [16, 8]}),
    (v1.RandomAffine(9, center=(32, 16)), {"center": (16, 8)}),
    (v2.SanitizeBoundingBoxes(8, 100.0), {"min_size": 4, "min_area": 25.0}),
    (A.CoarseDropout((1, 1), (16, 20), (8, 9)),
     {"hole_height_range": (8, 10), "hole_width_range": (4, 5)}),
    (A.CoarseDropout((1, 1), (0.1, 0.2), (0.1, 0.2)), {}),
    (A.Affine(translate_px={"x": (-16, 16), "y": 4}),
     {"translate_px": {"x": (-8.0, 8.0), "y": (2.0, 2.0)}}),
    (A.Affine(translate_percent=0.1), {}),
    (A.XYMasking((1, 1), 1, 10, (5, 20)),
     {"mask_x_length": (0, 5), "mask_y_length": (3, 10)}),
    (A.GridDropout(unit_size_range=(3, 20), shift_xy=(2, 0)),
     {"unit_size_range": (2, 10), "shift_xy": (1, 0)}),
    (A.CropAndPad(px=4), {"px": 2}),
    (A.CropAndPad(px=(1, 2)), {"px": (1, 2)}),  # of which 2 is never drawn
    (A.CropAndPad(px=((2, 8),) * 4), {"px": ((1, 4),) * 4}),
    (A.CropAndPad(percent=0.1), {}),
    (A.Pad((1, 2, 3, 8)), {"padding": (1, 1, 2, 4)}),
    (A.GaussianBlur((3, 7), (1.0, 3.0)),
     {"blur_limit": (3, 3), "sigma_limit": (0.5, 1.5)}),
    (A.GaussianBlur(), {"sigma_limit": (0.25, 1.5)}),
    (A.MotionBlur((7, 15)), {"blur_limit": (3, 7)}),
    (A.Sharpen(method="gaussian", kernel_size=9), {"kernel_size": 5, "sigma": 0.5}),
    (A.Sharpen(), {}),
    (A.ElasticTransform(40, 4), {"alpha": 10.0, "sigma": 2.0}),
    (A.GridElasticDeform((4, 4), 10), {"magnitude": 5}),
    (A.GridDistortion(), {}),
    (A.GlassBlur(1.0, 4), {"sigma": 0.5, "max_delta": 2}),
    (A.Morphological((2, 4)), {"scale": (1, 2)}),
    (A.RandomSunFlare(src_radius=40), {"src_radius": 20}),
    (A.Superpixels(max_size=None), {}),
    (A.RandomSizedCrop((20, 30), (64, 64)),
     {"size": (32, 32), "min_max_height": (10, 15)}),
    (A.Crop(1, 2, 41, 42), {"x_min": 1, "y_min": 1, "x_max": 21, "y_max": 21}),
    (A.AtLeastOneBBoxRandomCrop(20, 30), {"height": 10, "width": 15}),
    (A.Compose([A.HorizontalFlip()], bbox_params=A.BboxParams("coco", min_area=100, min_width=6)),
     {"min_area": 25.0, "min_width": 3.0}),
]  # fmt: skip


@pytest.mark.parametrize(("transform", "half"), TABLE, ids=range(len(TABLE)))
def test_at_half_size(transform: Any, half: dict[str, Any]) -> None:
    assert at_half(transform) == half


@pytest.mark.parametrize(("transform", "half"), TABLE[8:9], ids=["dropout"])
def test_before_the_resize_they_stay(transform: Any, half: Any) -> None:
    data = Items(A.Compose([transform, A.Resize(64, 64)]))
    assert [each.name for each in find_pixels(data)] == ["height", "width"]
    assert half


def test_of_sides_of_different_ratio() -> None:
    full, size = Size(64, 96), Size(32, 72)
    dropout = A.CoarseDropout((1, 1), (16, 16), (16, 16))
    boxes = A.BboxParams("coco", min_area=8, min_width=8.5, min_height=8.5)
    data = Items(A.Compose([A.Resize(64, 96), dropout], bbox_params=boxes))
    with restoring_sizes(data, size, full):
        assert (dropout.hole_height_range, dropout.hole_width_range) == (
            (8, 8),
            (12, 12),
        )
        assert (boxes.min_area, boxes.min_width, boxes.min_height) == (3.0, 6.375, 4.25)


def test_boxes_of_images_that_nothing_resizes() -> None:
    boxes = A.BboxParams("coco", min_area=8)
    data = Items(A.Compose([A.HorizontalFlip()], bbox_params=boxes))
    with pytest.raises(ValueError, match=r"BboxParams has min_area=8 in pixels"):
        find_pixels(data)


class TestStrength:
    """What a transform does is as strong at half size."""

    def test_of_a_dropout(self) -> None:
        def erased(side: int) -> float:
            cut = A.CoarseDropout((1, 1), (8, 8), (8, 8), fill=0, p=1)
            apply = A.Compose([A.Resize(32, 32), cut])
            data = Items(lambda image: apply(image=image)["image"], *[WHITE] * 4)
            data.joint = apply  # type: ignore[attr-defined]
            made = samples(data, side, 32)
            return float(np.mean([image == 0 for image in made]))

        assert erased(32) == erased(16) == 1 / 16

    @pytest.mark.parametrize("kind", [v1.ElasticTransform, v2.ElasticTransform])
    def test_of_an_elastic_transform(self, kind: Any) -> None:
        # A ramp from left to right, whose values tell how far a pixel was moved.
        ramp = torch.linspace(0, 1, 128).expand(1, 128, 128).clone()
        elastic = v2.Compose([v2.Resize((128, 128)), kind(200.0, 8.0)])

        def moved(side: int) -> float:
            (image,) = samples(Items(elastic, ramp), side, 128, seed=1)
            inner = slice(side // 8, -side // 8)
            plain = torch.linspace(0, 1, side).expand(1, side, side)
            return float((image - plain)[:, inner, inner].std())

        assert moved(64) == pytest.approx(moved(128), rel=0.35)

    @pytest.mark.parametrize("kind", [v1.TrivialAugmentWide, v2.TrivialAugmentWide])
    def test_of_trivial_augment(self, kind: Any, monkeypatch: Any) -> None:
        augment = kind(fill=[0.0])
        image = torch.full((3, 64, 64), 255, dtype=torch.uint8)
        data = Items(v2.Compose([v2.Resize((64, 64)), augment]), image)
        magnitudes = _magnitudes(augment)
        with restoring_sizes(data, HALF, FULL):
            half = _magnitudes(augment)
        assert _magnitudes(augment) == magnitudes
        changed = {name for name in half if half[name] != magnitudes[name]}
        assert changed == {"TranslateX", "TranslateY"}
        assert half["TranslateX"] == [each / 2 for each in magnitudes["TranslateX"]]

    @pytest.mark.parametrize(
        ("name", "ratio"),
        [("TranslateX", 0.5), ("TranslateXRel", 1), ("GaussianBlurRand", 0.5)],
    )
    def test_of_timms_policies(self, name: str, ratio: float) -> None:
        op = AugmentOp(name, prob=1.0, magnitude=10, hparams={"translate_const": 20})
        data = Items(v1.Compose([v1.Resize((64, 64)), op]))

        def level() -> float:
            random.seed(0)
            return float(op.level_fn(10, op.hparams)[0])

        full = level()
        with restoring_sizes(data, HALF, FULL):
            assert level() == full * ratio
        assert level() == full

    def test_of_boxes_that_are_left_out(self) -> None:
        tiny = torch.tensor([[0, 0, 6, 6], [8, 8, 28, 28]])
        clean = v2.SanitizeBoundingBoxes(min_size=8, labels_getter=None)

        def left(side: int) -> int:
            boxes = tv_tensors.BoundingBoxes(tiny, format="XYXY", canvas_size=(32, 32))
            data = Items(v2.Compose([v2.Resize((32, 32)), clean]), boxes)
            return len(samples(data, side, 32)[0])

        assert left(32) == left(16) == 1


WHITE = np.full((32, 32, 3), 255, np.uint8)


def _magnitudes(augment: Any) -> dict[str, Any]:
    if isinstance(augment, v1.TrivialAugmentWide):
        space = augment._augmentation_space(31)
    else:
        space = {
            name: (make(31, 64, 64), signed)
            for name, (make, signed) in augment._AUGMENTATION_SPACE.items()
        }
    return {
        name: None if values is None else values.tolist()
        for name, (values, _) in space.items()
    }


class Cutout:
    def __init__(self, length: Any, holes: int = 1) -> None:
        self.length, self.holes = length, holes

    def __call__(self, image: Tensor) -> Tensor:
        image = image.clone()
        image[..., : self.length, : self.length] = -1
        return image


class TestOfOnesOwn:
    def test_refused_by_name(self) -> None:
        data = Items(v2.Compose([v2.Resize((32, 32)), Cutout(16)]))
        with pytest.raises(
            ValueError,
            match=r"Cutout has length=16, which looks like pixels.*"
            r"Cutout\.upsize_pixels = \('length',\) to scale.*or \(\) if none.*set_size",
        ):
            find_pixels(data)

    def test_what_the_message_says_is_right(self) -> None:
        class Declared(Cutout):
            upsize_pixels = ("length",)

        data = Items(v2.Compose([v2.Resize((32, 32)), Declared(16)]))
        erased = [
            float((samples(data, side, 32)[0] == -1).float().mean())
            for side in (32, 16)
        ]
        assert erased == [0.25, 0.25]

    def test_none_is_in_pixels(self) -> None:
        cutout = Cutout(16)
        cutout.upsize_pixels = ()  # type: ignore[attr-defined]
        assert at_half(cutout) == {}

    def test_before_the_resize_it_is_left_alone(self) -> None:
        data = Items(v2.Compose([Cutout(16), v2.Resize((32, 32))]))
        for side in (32, 16):
            erased = samples(data, side, 32)[0] < -0.5
            assert float(erased.float().mean()) == 0.25

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("mask_size", 8), ("hole_size", (4, 8)), ("kernel_size", 23),
            ("ksize", [3, 5]), ("padding", 4), ("max_shift", 8), ("length", [8, 16]),
            ("shift_px", (-4, 4)), ("margin", 2), ("_block_size", 7),
            ("half_width", 3), ("n_pixels", 9),
        ],
    )  # fmt: skip
    def test_names_of_pixels(self, name: str, value: Any) -> None:
        class Own:
            def __init__(self) -> None:
                setattr(self, name, value)

        with pytest.raises(ValueError, match=rf"Own has {name}="):
            at_half(Own())

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("patch_size", 16), ("num_views", 4), ("width", 4), ("batch_size", 8),
            ("length", 0.1), ("padding", 0), ("padding", True), ("grid_size", 3), ("shift", 20),
            ("sigma", 0.2), ("n_holes", 3), ("max_length", 77), ("p", 1),
            ("size_divisor", None), ("length", "long"), ("length", ()),
        ],
    )  # fmt: skip
    def test_names_that_only_sound_like_it(self, name: str, value: Any) -> None:
        class Own:
            def __init__(self) -> None:
                setattr(self, name, value)

        assert at_half(Own()) == {}

    def test_height_and_width_are_a_size_together(self) -> None:
        class Own:
            height = width = 64

        with pytest.raises(ValueError, match="Own has height=64, width=64"):
            at_half(Own())

    def test_a_blur(self) -> None:
        class GaussianBlur:
            sigma: Any = (0.1, 2.0)

        with pytest.raises(ValueError, match=r"GaussianBlur has sigma=\(0.1, 2.0\)"):
            at_half(GaussianBlur())

        class Declared(GaussianBlur):
            upsize_pixels = ("sigma",)

        assert at_half(Declared()) == {"sigma": (0.05, 1.0)}

    def test_a_resize_and_a_crop(self) -> None:
        """As those of torchvision's references, which have no library."""

        class RandomResize:
            upsize_pixels = ("min_size", "max_size")
            min_size, max_size = 40, 80

        class RandomCrop:
            upsize_pixels = ("size",)
            size = 64

        class Pad:
            upsize_pixels = ("height", "width")
            height, width = 64, 32

        class Smooth:
            upsize_pixels = ("kernel_size",)
            kernel_size = 9

        data = Items([RandomResize(), RandomCrop(), Pad(), Smooth()])
        with restoring_sizes(data, HALF, FULL):
            one, two, three, four = data.transform
            assert (one.min_size, one.max_size, two.size) == (20, 40, 32)
            assert (three.height, three.width, four.kernel_size) == (32, 16, 5)
        with pytest.raises(ValueError, match="RandomCrop crops without resizing"):
            find_pixels(Items([RandomCrop()]))

    @pytest.mark.parametrize("wrong", ["length", (3,), ("size",)])
    def test_names_of_nothing(self, wrong: Any) -> None:
        cutout = Cutout(16)
        cutout.upsize_pixels = wrong  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match=r"Cutout\.upsize_pixels "):
            at_half(cutout)

    def test_functions(self) -> None:
        def cut(image: Tensor, length: int) -> Tensor:
            return Cutout(length)(image)

        def cutting(mask_size: int) -> Callable[[Tensor], Tensor]:
            return lambda image: cut(image, mask_size)

        with pytest.raises(ValueError, match=r"cut has length=16.*make it a class"):
            at_half(partial(cut, length=16))
        with pytest.raises(ValueError, match=r"lambda> has mask_size=16.*current_size"):
            at_half(v2.Lambda(cutting(16)))
        aware = cutting(16)
        aware.upsize_pixels = ()  # type: ignore[attr-defined]
        assert at_half(v2.Lambda(aware)) == {}

    def test_a_module_of_modules(self) -> None:
        class Views(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.blur = nn.Sequential(v2.GaussianBlur(9))

        assert at_half(Views())["kernel_size"] == (5, 5)
