"""Crops drawn without torchvision are torchvision's, draw for draw."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.transforms import RandomResizedCrop

from upsize.loading._images._draw import draw_crop
from upsize.schedule import Size

PLAIN = (0.08, 1.0), (3 / 4, 4 / 3)


@pytest.mark.parametrize(
    "image", [(375, 500), (500, 333), (1, 1), (1, 900), (60, 2000), (1200, 16), (9, 8)]
)
@pytest.mark.parametrize(
    ("scale", "ratio"),
    [PLAIN, ((0.25, 1.0), (1.0, 1.0)), ((1.0, 1.0), (0.1, 9.5)), ((0.9, 1), (2, 3)),
     ((1e-5, 1e-4), (0.3, 0.5))],
)  # fmt: skip
def test_equal_to_torchvision_s(image: Any, scale: Any, ratio: Any) -> None:
    blank = torch.empty(1, *image, device="meta")
    torch.manual_seed(sum(image))
    expected = [
        RandomResizedCrop.get_params(blank, list(scale), list(ratio))
        for _ in range(100)
    ]
    state = torch.get_rng_state()
    torch.manual_seed(sum(image))
    assert [draw_crop(Size(*image), scale, ratio) for _ in range(100)] == expected
    assert torch.equal(torch.get_rng_state(), state)


def test_numbers_of_the_default_type() -> None:
    """Who draws float64 numbers by default gets torchvision's crops of these."""
    size = Size(375, 500)
    draw_crop(size, *PLAIN)
    torch.set_default_dtype(torch.float64)
    try:
        torch.manual_seed(0)
        blank = torch.empty(1, *size, device="meta")
        expected = RandomResizedCrop.get_params(blank, *map(list, PLAIN))
        torch.manual_seed(0)
        assert draw_crop(size, *PLAIN) == expected
    finally:
        torch.set_default_dtype(torch.float32)
