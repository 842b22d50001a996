"""A disparity is in pixels, like an optical flow along one axis."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from upsize.resize import Resizer
from upsize.resize._prepared import resize_prepared
from upsize.schedule import Size

IMAGES = torch.rand(2, 3, 32, 64)
#: In each block of 4 pixels; 0 is not known.
VALUES = torch.tensor([0.0, 8, 20, 4]).repeat_interleave(16).expand(2, 1, 32, 64)


@pytest.mark.parametrize("shape", [(2, 1, 32, 64), (2, 32, 64)])
def test_values_follow_the_width_and_are_never_blended(shape: Any) -> None:
    batch = (IMAGES, IMAGES, VALUES.reshape(shape))
    small = Resizer(targets={2: "disparity"})(batch, (16, 16))[2]
    assert small.shape == (*shape[:-2], 16, 16)
    assert small.unique().tolist() == [0, 1, 2, 5]  # a quarter of the width
    wide = torch.tensor([0.0, 2, 5, 1]).repeat_interleave(4)
    assert torch.equal(small.reshape(2, 16, 16), wide.expand(2, 16, 16))


def test_half_precision_and_scale() -> None:
    half = VALUES[..., ::2, ::2].half() / 2
    small = Resizer(targets={1: "disparity/2"})((IMAGES, half), (16, 32))[1]
    assert (small.dtype, small.shape) == (torch.float16, (2, 1, 8, 16))
    assert small.unique().tolist() == [0, 1, 2, 5]


def test_a_window_keeps_them() -> None:
    resizer = Resizer(mode="crop", targets={1: "disparity"})
    small = resizer((IMAGES, VALUES), (32, 32))[1]
    assert set(small.unique().tolist()) <= {0, 4, 8, 20}


def test_one_that_a_loader_has_made_small_is_kept() -> None:
    resizer = Resizer(targets={1: "disparity"})
    parsed = resizer.read((IMAGES[..., ::2, ::2], VALUES[..., ::2, ::2]))
    full, small = Size(32, 64), Size(16, 32)
    assert resize_prepared(parsed, small, full)[1] is parsed.roles[1][1]
    parsed = resizer.read((IMAGES[..., ::2, ::2], VALUES))
    assert resize_prepared(parsed, small, full)[1].unique().tolist() == [0, 2, 4, 10]


def test_whole_numbers_are_refused() -> None:
    with pytest.raises(TypeError, match="disparity and must be floating"):
        Resizer(targets={1: "disparity"})((IMAGES, VALUES.byte()), 16)


@pytest.mark.parametrize("name", ["disp", "left_disparity", "disparities"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_error_names_the_policy(name: str, channels: int) -> None:
    grey = IMAGES[:, :channels]  # of one channel, which the disparity looks like
    batch = {"left": grey, "right": grey, name: VALUES}
    with pytest.raises(ValueError, match='"disparity" for the pixels between'):
        Resizer()(batch, 16)


@pytest.mark.parametrize("name", ["panoptic", "parsing", "segment_ids"])
def test_maps_of_numbers_are_no_images_by_their_name(name: str) -> None:
    images = torch.randint(256, (2, 3, 32, 64), dtype=torch.uint8)
    with pytest.raises(ValueError, match="nothing says how to resize"):
        Resizer()({"image": images, name: images.clone()}, 16)
