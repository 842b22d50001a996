"""Coordinates that nothing names are noticed by their values."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors

from upsize.loop import ProgressiveResize
from upsize.resize import Resizer
from upsize.resize._unnamed import possible_coordinates
from upsize.schedule import Phases, Ramp, Size

FULL = Size(64, 64)
POINT, BOX = torch.tensor([[3.0, 60.0]]), torch.tensor([[3.0, 4.0, 40.0, 60.0]])
# torchvision 0.22 has no type for points.
TYPED: Any = (
    tv_tensors.KeyPoints([[3, 60]], canvas_size=FULL)
    if hasattr(tv_tensors, "KeyPoints")
    else tv_tensors.Mask(torch.zeros(1, 1, 2))
)


def says(target: Any, side: int = 64, key: Any = None) -> str | None:
    images = torch.rand(2, 3, side, side)
    batch = (images, target) if key is None else {"image": images, key: target}
    return possible_coordinates(Resizer().read(batch), FULL)


@pytest.mark.parametrize(
    ("target", "kind"),
    [(POINT, "keypoints"), (BOX, "boxes"), (POINT.double()[None], "keypoints"),
     (torch.tensor([[[3.0, 60.0, 1.0]]]), "keypoints"), ([BOX, BOX], "boxes")],
)  # fmt: skip
def test_what_may_be_pixels_of_the_images(target: Any, kind: str) -> None:
    text = says(target)
    assert text is not None
    assert f"may hold {kind} in pixels, and stays as it is" in text
    assert f': "{kind}"}} in the resizer' in text


@pytest.mark.parametrize(
    "target",
    [POINT / 64, POINT.long(), POINT - 10, POINT * 2, POINT[0],
     torch.tensor([[3.0, 4.0, 1.0, 2.0, 9.0]]), torch.zeros(0, 2), torch.tensor([[1.0, 2.0]]),
     torch.tensor([[0.0, 3.0, 9.0]]), TYPED, None, "text",
     torch.nested.nested_tensor([POINT, POINT], layout=torch.jagged)],
)  # fmt: skip
def test_what_is_none(target: Any) -> None:
    assert says(target) is None


def test_a_name_decides() -> None:
    assert says(POINT, key="joints") is not None
    assert says(POINT, key="text_embeds") is None
    found = Resizer(targets={1: "keep"}).read((torch.rand(1, 3, 64, 64), POINT))
    assert possible_coordinates(found, FULL) is None


def test_beside_small_images_only_what_lies_outside() -> None:
    text = says(POINT, side=40)
    assert text is not None
    assert "may hold keypoints of the full size 64x64, but the loader" in text
    assert "upsize.loading.current_size()" in text
    assert says(POINT / 2, side=40) is None


def trained(target: Tensor, schedule: Any) -> list[str]:
    run = ProgressiveResize(schedule, epochs=2, steps_per_epoch=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            for _ in run.batches([(torch.rand(1, 3, 64, 64), target)] * 2):
                pass
    return [str(each.message) for each in caught]


def test_it_is_said_once_and_only_where_images_shrink() -> None:
    (text,) = trained(POINT, Ramp(final_size=64, increase_by=32))
    assert text.startswith("batch[1] of shape (1, 2) may hold keypoints")
    assert trained(POINT, Phases(phases=[(0, 64)])) == []
