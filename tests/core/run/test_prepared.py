"""Batches of a loader that makes small images, beside targets that it may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.core.newer_types import need_points
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors

from upsize.loading import collate_tv_tensors, current_size, sized
from upsize.loop import ProgressiveResize
from upsize.resize import Resizer
from upsize.resize._prepared import resize_prepared
from upsize.schedule import Ramp, Size

FULL = (32, 32)
PLAIN = Resizer()


def side() -> int:
    """Return the side of the sample that is being made."""
    at = current_size()
    return FULL[0] if at is None else at.size.height


def image() -> Tensor:
    return torch.rand(3, side(), side())


def mask(pixels: int | None = None) -> Tensor:
    values = torch.zeros(1, pixels or 32, pixels or 32, dtype=torch.uint8)
    values[:, ::2], values[:, :, 1::3] = 3, 200
    return values


class Made(Dataset[Any]):
    """Makes each image at the size of its step, and leaves its targets to ``make``."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return self.make()


def trained(
    make: Callable[[], Any], resizer: Resizer = PLAIN, **settings: Any
) -> list[Any]:
    """Return the batches of two epochs at 16 pixels, and of two at 32."""
    resize = ProgressiveResize(
        Ramp(final_size=32, increase_by=16),
        epochs=4,
        steps_per_epoch=2,
        resizer=resizer,
    )
    loader = DataLoader(Made(make), 2, **settings)
    loader = sized(loader, resize, set_size=lambda dataset, size: None)
    batches = [batch for _ in range(4) for batch in resize.batches(loader)]
    assert resize.mismatched == 0
    return batches


def boxes(pixels: int = 32, canvas: tuple[int, int] = FULL) -> Tensor:
    rows = torch.tensor([[4.0, 8, 16, 24], [0, 2, 10, 12]]) * pixels / 32
    return tv_tensors.BoundingBoxes(rows, format="XYXY", canvas_size=canvas)


MASKED = Resizer(targets={1: "mask"})
KEPT: dict[str, Any] = {"collate_fn": collate_tv_tensors}
FULL_SIZE = {
    "a policy": (lambda: (image(), mask()), MASKED, {}),
    "a type": (lambda: (image(), tv_tensors.Mask(mask())), PLAIN, KEPT),
    "a lost type": (lambda: (image(), tv_tensors.Mask(mask())), PLAIN, {}),
    "whole numbers": (lambda: (image(), mask()[0].long()), MASKED, {}),
}


@pytest.mark.parametrize(
    ("make", "resizer", "settings"), FULL_SIZE.values(), ids=FULL_SIZE
)
def test_a_mask_at_full_size_becomes_small(
    make: Any, resizer: Resizer, settings: Any
) -> None:
    for images, masks in trained(make, resizer, **settings):
        assert masks.shape[-2:] == images.shape[-2:]
        assert set(masks.unique().tolist()) <= {0, 3, 200}


@pytest.mark.parametrize(
    ("make", "resizer", "settings"), FULL_SIZE.values(), ids=FULL_SIZE
)
def test_a_small_mask_stays(make: Any, resizer: Resizer, settings: Any) -> None:
    def small() -> Any:
        first, second = make()
        values = mask(side()).reshape(*second.shape[:-2], side(), side())
        values = values.to(second.dtype)
        typed = isinstance(second, tv_tensors.Mask)
        return first, tv_tensors.Mask(values) if typed else values

    for images, masks in trained(small, resizer, **settings):
        assert masks.shape[-2:] == images.shape[-2:]
        expected = mask(images.shape[-1])[0]
        assert torch.equal(masks[0].reshape(expected.shape), expected.to(masks.dtype))


def test_heatmaps_and_flow_at_full_size() -> None:
    heat, flow = torch.rand(5, 32, 32), torch.ones(2, 32, 32)
    resizer = Resizer(targets={1: "image", 2: "flow"})
    for images, *found in trained(lambda: (image(), heat, flow), resizer):
        assert {each.shape[-1] for each in found} == {images.shape[-1]}
        assert found[1].unique().tolist() == [images.shape[-1] / 32]


@pytest.mark.parametrize(("policy", "factor"), [("mask/4", 4), ("image/2", 2)])
@pytest.mark.parametrize("small", [False, True])
def test_targets_of_another_scale(policy: str, factor: int, small: bool) -> None:
    def scaled() -> Any:
        pixels = side() if small else 32
        return image(), torch.rand(1, pixels // factor, pixels // factor)

    for images, found in trained(scaled, Resizer(targets={1: policy})):
        assert found.shape[-1] * factor == images.shape[-1]


def test_a_small_crop_beside_a_small_image_keeps_its_size() -> None:
    def pair() -> Any:
        crop = tv_tensors.Image(torch.rand(3, side() // 4, side() // 4))
        return tv_tensors.Image(image()), crop

    for images, crops in trained(pair, **KEPT):
        assert crops.shape[-1] * 4 == images.shape[-1]


@pytest.mark.parametrize("settings", [KEPT, {}], ids=["kept", "lost"])
def test_typed_boxes_of_the_full_canvas_are_scaled(settings: Any) -> None:
    need_points()
    points = tv_tensors.KeyPoints([[4.0, 30]], canvas_size=FULL)
    for images, found, places in trained(
        lambda: (tv_tensors.Image(image()), boxes(), points), **settings
    ):
        ratio = 32 // images.shape[-1]
        assert (found[0] * ratio).tolist() == boxes().tolist()
        assert (places[0] * ratio).tolist() == points.tolist()
        assert getattr(found, "canvas_size", images.shape[-2:]) == images.shape[-2:]


@pytest.mark.parametrize("settings", [KEPT, {}], ids=["kept", "lost"])
def test_typed_boxes_of_the_small_canvas_stay(settings: Any) -> None:
    def scaled() -> Any:
        return tv_tensors.Image(image()), boxes(side(), (side(), side()))

    for images, found in trained(scaled, **settings):
        ratio = 32 // images.shape[-1]
        assert (found[0] * ratio).tolist() == boxes().tolist()


def as_plain(*rows: list[float]) -> Tensor:
    return torch.tensor([*rows])


BOXES = as_plain([4.0, 8, 16, 24], [0, 2, 10, 12])
SEEN = as_plain([4.0, 8, 1], [30, 2, 1])
REFUSED = {
    "boxes": ({"boxes": "boxes"}, {"boxes": BOXES}, r"has boxes outside.*\[4.0, 8.0"),
    "keypoints": ({"kp": "keypoints"}, {"kp": SEEN[:, :2]}, r"keypoints.*\[30.0, 2.0\]"),
    "seen": ({"kp": "keypoints"}, {"kp": SEEN}, r"batch\['kp'\].*keypoints"),
    "a name": ({}, {"target": {"bboxes": BOXES}}, r"\('target', 'bboxes'\): \"keep\""),
    "another": ({}, {"landmarks": SEEN[:, :2]}, r"small, 16x16, but inside.*32x32"),
    "labels": ({}, {"mask": mask()[0].long()}, r"\(2, 32, 32\) has the full size 32x32"),
    "bools": ({}, {"seen": mask()[0].bool()}, r"targets=\{'seen': \"mask\"\}"),
    "depth": ({}, {"depth": torch.rand(32, 32)}, "its images small, 16x16"),
}  # fmt: skip


@pytest.mark.parametrize(("targets", "more", "words"), REFUSED.values(), ids=REFUSED)
def test_targets_of_the_full_size_are_refused(
    targets: dict[str, str], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        trained(lambda: {"image": image(), **more}, Resizer(targets=targets))


ACCEPTED: dict[str, tuple[dict[str, str], Callable[[], dict[str, Any]]]] = {
    "scaled": ({"boxes": "boxes"}, lambda: {"boxes": BOXES * side() / 32}),
    "normalised": ({}, lambda: {"boxes": BOXES / 32}),
    "kept": ({"boxes": "keep"}, lambda: {"boxes": BOXES}),
    "not a box": ({}, lambda: {"boxes": torch.full((2, 3), 30.0)}),
    "another name": ({}, lambda: {"speeds": BOXES}),
    "unseen": (
        {"kp": "keypoints"},
        lambda: {"kp": as_plain([4.0, 8, 1], [30, 2, 0]) * side() / 32},
    ),
    "not in sight": ({"kp": "keypoints"}, lambda: {"kp": as_plain([30.0, 2], [-9, 2])}),
    "none": ({"boxes": "boxes"}, lambda: {"boxes": torch.zeros(0, 4)}),
    "small": ({}, lambda: {"labels": mask(side())[0].long()}),
    "a quarter": ({}, lambda: {"labels": mask(side() // 4)[0].long()}),
    "a number": ({}, lambda: {"keypoints": torch.tensor(3.0)}),
    "no tensor": ({}, lambda: {"boxes": "[4, 8, 16, 24]"}),
}


# Of what may be coordinates in pixels the run says so.
@pytest.mark.filterwarnings("ignore:batch.* may hold (boxes|keypoints):UserWarning")
@pytest.mark.parametrize(("targets", "make"), ACCEPTED.values(), ids=ACCEPTED)
def test_other_targets_pass(
    targets: dict[str, str], make: Callable[[], dict[str, Any]]
) -> None:
    batches = trained(lambda: {"image": image(), **make()}, Resizer(targets=targets))
    expected = [{"image": image(), **make()} for _ in range(2)]
    for key, value in expected[0].items():
        if isinstance(value, Tensor) and key != "image":
            assert torch.equal(batches[-1][key][0], value)  # at full size


def test_images_in_a_list() -> None:
    def collate(samples: list[Any]) -> Any:
        return tuple(zip(*samples, strict=True))

    def typed() -> Any:
        made = {"boxes": boxes(), "masks": tv_tensors.Mask(mask())}
        return tv_tensors.Image(image()), made

    for images, targets in trained(typed, collate_fn=collate):
        ratio = 32 // images[0].shape[-1]
        for target in targets:
            assert (target["boxes"] * ratio).tolist() == boxes().tolist()
            assert target["masks"].shape[-1] * ratio == 32


def test_a_small_batch_without_targets_is_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from upsize.run import _prepared

    read: list[Any] = []
    monkeypatch.setattr(_prepared, "check_targets", lambda *given: read.append(given))
    trained(lambda: (image(), 3))
    assert len(read) == 1
    trained(lambda: (image(), mask(side())), MASKED)
    assert len(read) == 2


def test_points_of_fastai_count_from_the_middle() -> None:
    from fastai.vision.core import TensorPoint

    batch = [torch.rand(2, 3, 16, 16), TensorPoint(torch.rand(2, 1, 2))]
    parsed = Resizer().read(batch)
    assert resize_prepared(parsed, Size(16, 16), Size(*FULL)) is batch


def test_another_loader_is_looked_at_again() -> None:
    resize = ProgressiveResize(Ramp(final_size=32, increase_by=16), total_steps=9)

    def only(make: Callable[[], Any]) -> Any:
        loader = DataLoader(Made(make), 4, **KEPT)
        small = sized(loader, resize, set_size=lambda dataset, size: None)
        (batch,) = resize.batches(small)
        return batch

    assert only(lambda: (image(), 3))[0].shape[-1] == 16
    assert only(lambda: (image(), tv_tensors.Mask(mask())))[1].shape[-1] == 16


def test_a_loader_that_makes_another_size() -> None:
    """Its images are resized, and what has their size or the full one with them."""

    def wrong() -> Any:
        pixels = 32 if side() == 32 else 24
        crop = torch.rand(3, pixels // 4, pixels // 4)
        return torch.rand(3, pixels, pixels), mask(pixels), mask(), crop

    resizer = Resizer(images=[0, 3], targets={1: "mask", 2: "mask"})
    schedule = Ramp(final_size=32, increase_by=8)
    resize = ProgressiveResize(schedule, epochs=4, steps_per_epoch=2, resizer=resizer)
    loader = sized(
        DataLoader(Made(wrong), 2), resize, set_size=lambda dataset, size: None
    )
    with pytest.warns(UserWarning, match="[24] batches came from the sized"):
        batches = [batch for _ in range(4) for batch in resize.batches(loader)]
    assert [[each.shape[-1] for each in batch] for batch in batches] == [
        *[[16, 16, 16, 4]] * 4, *[[24, 24, 24, 6]] * 2, *[[32, 32, 32, 8]] * 2,
    ]  # fmt: skip
