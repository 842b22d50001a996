"""Coordinates that no policy would move are noticed, and the cure is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.core.resize.test_unnamed import FULL, says
from torch import Tensor

from upsize.resize import Resizer
from upsize.resize._prepared import check_targets
from upsize.resize._unnamed import possible_coordinates

POINTS = torch.tensor([[3.0, 60.0], [5.0, 7.0]])
BOX = torch.tensor([[3.0, 4.0, 40.0, 60.0]])
CAMERA = torch.tensor([[[60.0, 0, 32], [0, 60, 32], [0, 0, 1]]])


def whole(read: Any, key: str | None = None) -> str:
    text = says(read, key=key)
    assert text is not None
    return text


@pytest.mark.parametrize(
    ("key", "target", "kind"),
    [("boxes", BOX.long(), "boxes"), ("gt_bboxes", BOX, "boxes"),
     ("keypoints", POINTS.to(torch.int16), "keypoints"),
     ("face_landmarks", POINTS.flatten()[None], "keypoints"),
     ("boxes", [BOX, BOX], "boxes"), ("bbox", BOX[0], "boxes"),
     ("polygons", [[POINTS], [POINTS, POINTS]], "keypoints"),
     ("boxes", BOX.numpy(), "boxes"), ("boxes", [BOX.numpy()], "boxes"),
     ("bbox", [[3, 4, 40, 60]], "boxes"), ("keypoints", [[3.5, 40.0]], "keypoints"),
     ("boxes", np.array([[3, 4, 40, 60]], np.uint16), "boxes")],
)  # fmt: skip
def test_a_name_says_what_they_are(key: str, target: Any, kind: str) -> None:
    text = whole(target, key)
    assert f"batch['{key}']" in text
    assert f"may hold {kind} in pixels" in text
    assert f"targets={{'{key}': " in text


@pytest.mark.parametrize(
    ("key", "target"),
    [("boxes", BOX / 64), ("boxes", BOX.bool()), ("boxes", [True]),
     ("boxes", ["3"]), ("boxes", np.array(["a"])), ("num_boxes", torch.tensor([7] * 4)),
     ("boxes", BOX.long() * 10), ("boxes", torch.zeros(0, 4)), ("boxes", 10**30),
     ("text_boxes", BOX), ("orig_size", torch.tensor([[48, 64]])), ("label", 7)],
)  # fmt: skip
def test_what_a_name_does_not_make_pixels(key: str, target: Any) -> None:
    assert says(target, key=key) is None


def test_the_labels_of_a_detector_may_hold_boxes() -> None:
    text = whole([{"boxes": BOX}, {"boxes": BOX}], "labels")
    assert "batch['labels'][...]['boxes'] of shape (1, 4) may hold boxes" in text
    text = whole([{"boxes": BOX}, {"labels": BOX}], "labels")
    assert "batch['labels'][0]['boxes'] of shape (1, 4) may hold boxes" in text
    samples = [{"image": torch.rand(3, 64, 64), "boxes": BOX} for _ in range(2)]
    found = Resizer(images=[(..., "image")]).read(samples)
    text = possible_coordinates(found, FULL) or ""
    assert "targets={(..., 'boxes'): " in text


@pytest.mark.parametrize(
    "rows",
    [[[0, 3, 10.5, 20, 30, 40], [1, 7, 4, 5, 6, 7]],  # image, class, box
     [[3.5, 4, 40, 60, 0.9, 2], [1, 2.5, 30, 40, 0.4, 7]],  # box, score, class
     [[3.5, 4, 40, 60, 2], [9, 9, 30, 40, 7]],  # box, class
     [[2, 3.5, 4, 40, 60], [2, 9, 9, 30, 40]]],  # class, box
)  # fmt: skip
def test_boxes_beside_a_class_are_no_policys(rows: Any) -> None:
    text = whole(torch.tensor(rows))
    assert "may hold boxes in pixels" in text
    assert "no policy moves them in this form" in text
    assert "of shape (..., 4)" in text


@pytest.mark.parametrize(
    "rows",
    [[[0, 3, 0.5, 0.2, 0.3, 0.4], [1, 7, 0.4, 0.5, 0.6, 0.7]],
     [[0.5, 0.2, 0.3, 0.4, 5.0], [0.4, 0.5, 0.6, 0.7, 9.0]],
     [[3.5, 4.5, 40.5, 60.5, 2.5], [9.5, 9.5, 30.5, 40.5, 7.5]]],
)  # fmt: skip
def test_what_is_normalised_or_has_no_class_is_not_told(rows: Any) -> None:
    assert says(torch.tensor(rows)) is None


def test_the_place_covers_every_item_of_a_list() -> None:
    text = whole([BOX, BOX])
    assert 'targets={(1, ...): "boxes"}' in text
    assert text.startswith("batch[1][...] of shape")
    text = whole([(BOX, torch.ones(1)), (BOX, torch.ones(1))])
    assert 'targets={(1, ..., 0): "boxes"}' in text
    text = whole([BOX])
    assert 'targets={(1, 0): "boxes"}' in text


@pytest.mark.parametrize(
    "target", [[BOX, BOX], [(BOX, torch.ones(1)), (BOX, torch.ones(1))]]
)
def test_the_cure_names_all_of_them(target: Any) -> None:
    text = whole(target)
    places = eval(text[text.index("targets=") + 8 : text.index("}") + 1])
    images = torch.rand(2, 3, 64, 64)
    small = Resizer(targets=places)((images, target), 32)[1]
    for item, other in zip(small, target, strict=True):
        boxes, full = (x if isinstance(x, Tensor) else x[0] for x in (item, other))
        assert torch.equal(boxes, full / 2)
    found = Resizer(targets=places).read((images, target))
    assert possible_coordinates(found, FULL) is None


@pytest.mark.parametrize(
    "camera", [CAMERA, CAMERA[0], torch.cat([CAMERA, CAMERA[..., :1] * 0], -1),
               torch.block_diag(CAMERA[0], torch.ones(1, 1))[None]]
)  # fmt: skip
def test_a_camera_is_neither_points_nor_boxes(camera: Tensor) -> None:
    text = whole(camera)
    assert "may hold a camera matrix in pixels" in text
    assert "first row by the ratio of the widths" in text
    assert 'targets={1: "keep"}' in text


def test_a_pose_is_no_camera() -> None:
    pose = torch.eye(4)[None]
    assert says(pose) is None
    assert "boxes" in whole(pose * torch.tensor([1, 1, 1, 5.0])[:, None] + 3)


def test_a_list_has_its_name_beside_small_images() -> None:
    batch = {"image": torch.rand(2, 3, 32, 32), "boxes": [BOX, BOX]}
    with pytest.raises(ValueError, match="has boxes outside of their images"):
        check_targets(Resizer().read(batch), FULL)
    batch["boxes"] = [(BOX / 2, torch.tensor([40, 50, 51, 52]))]  # and classes
    check_targets(Resizer().read(batch), FULL)


def test_a_list_has_its_name_beside_windows() -> None:
    batch = {"image": torch.rand(2, 3, 64, 64), "boxes": [BOX, BOX]}
    with pytest.raises(ValueError, match="has the name of boxes"):
        Resizer(mode="crop")(batch, 32)
