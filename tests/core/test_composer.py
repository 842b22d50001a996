"""What Composer promises of its progressive resizing, as upsize does it.

Composer shrinks images, or crops them, by a scale that grows: see its page on progressive
resizing. Two things differ on purpose: sizes are asked for in whole pixels, and targets
that cover the images must be named, with "keep" for those that stay as they are.
"""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from upsize.loop import ProgressiveResize
from upsize.resize import Resizer
from upsize.schedule import Size
from upsize.schedule.presets import composer

Mode = Literal["bilinear", "crop"]

SIZES = [(31, 31), (32, 32), (32, 16)]
SCALES = [0.5, 0.75, 1.0]
MODES: list[Mode] = ["bilinear", "crop"]


def scaled(size: tuple[int, int], scale: float) -> Size:
    return Size(*(round(side * scale) for side in size))


def numbered(size: tuple[int, int], channels: int = 3) -> Tensor:
    """Give images in which each pixel has its own number."""
    count = size[0] * size[1]
    return torch.arange(count).float().view(1, 1, *size).expand(4, channels, *size)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", SIZES)
class TestShapes:
    def test_images(self, size: tuple[int, int], scale: float, mode: Mode) -> None:
        batch = (numbered(size), torch.zeros(4))
        images, labels = Resizer(mode=mode)(batch, scaled(size, scale))
        assert images.shape == (4, 3, *scaled(size, scale))
        assert labels is batch[1]

    def test_targets_stay_if_told(
        self, size: tuple[int, int], scale: float, mode: Mode
    ) -> None:
        batch = (numbered(size), numbered(size, 1))
        new = Resizer(mode=mode, images=0, targets={1: "keep"})(
            batch, scaled(size, scale)
        )
        assert new[0].shape[-2:] == scaled(size, scale)
        assert new[1] is batch[1]

    def test_targets_of_the_same_shape(
        self, size: tuple[int, int], scale: float, mode: Mode
    ) -> None:
        batch = (numbered(size), numbered(size))
        new = Resizer(mode=mode, images=0, targets={1: "image"})(
            batch, scaled(size, scale)
        )
        assert new[1].shape == (4, 3, *scaled(size, scale))
        assert torch.equal(new[0], new[1])  # one window, or one interpolation

    def test_targets_without_channels(
        self, size: tuple[int, int], scale: float, mode: Mode
    ) -> None:
        mask = numbered(size, 1)[:, 0].long()
        new = Resizer(mode=mode, targets={1: "mask"})(
            (numbered(size), mask), scaled(size, scale)
        )
        assert new[1].shape == (4, *scaled(size, scale))
        assert set(new[1].unique().tolist()) <= set(mask.unique().tolist())
        if mode == "crop":
            assert torch.equal(new[0][:, 0].long(), new[1])


@pytest.mark.parametrize("scale", [0.5, 0.75])
def test_crops_pair_images_and_targets_of_another_size(scale: float) -> None:
    batch = (numbered((32, 32)), numbered((32, 32), 1)[..., ::2, ::2])
    resizer = Resizer(mode="crop", images=0, targets={1: "image/2"})
    for step in range(10):
        images, targets = resizer(batch, scaled((32, 32), scale), step=step)
        assert torch.equal(images[:, :1, ::2, ::2], targets)


def test_crops_keep_pixels_and_resizing_blends_them() -> None:
    images = torch.rand(2, 3, 32, 32)
    values = set(images.flatten().tolist())
    assert set(Resizer(mode="crop")(images, 16).flatten().tolist()) <= values
    assert not set(Resizer()(images, 16).flatten().tolist()) <= values


@pytest.mark.parametrize(
    ("share", "scale"), [(0.0, 0.5), (0.5, 0.5), (0.6, 2 / 3), (0.8, 1.0), (1.0, 1.0)]
)
def test_the_schedule(share: float, scale: float) -> None:
    plan = composer(size_increment=1, final_size=300).plan(total_steps=1000)
    assert plan.size_at(int(share * 1000)).height == round(300 * scale)


@pytest.mark.parametrize("increment", [1, 4, 16])
def test_every_size_is_a_multiple_of_the_increment(increment: int) -> None:
    plan = composer(size_increment=increment, final_size=64).plan(total_steps=300)
    assert {side % increment for size in plan.sizes for side in size} == {0}
    assert plan.sizes[-1] == (64, 64)


@pytest.mark.parametrize(
    "bad",
    [
        {"initial_scale": 0.0},
        {"initial_scale": 1.1},
        {"delay_fraction": -0.5},
        {"delay_fraction": 1.5},
        {"finetune_fraction": 1.5},
        {"delay_fraction": 0.7, "finetune_fraction": 0.5},
        {"size_increment": 0},
    ],
)
def test_bad_hyperparameters(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="|".join(bad)):
        composer(final_size=64, **bad)


def test_a_bad_mode() -> None:
    with pytest.raises(
        ValueError, match=r"mode must be one of bilinear, .*, crop, not"
    ):
        Resizer(mode="tile")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_a_training(mode: Mode) -> None:
    resize = ProgressiveResize(
        composer(final_size=32), total_steps=40,
        resizer=Resizer(mode=mode, targets={1: "mask"}),
    )  # fmt: skip
    sides = []
    for _ in range(40):
        images, masks = resize((numbered((32, 32)), numbered((32, 32), 1)[:, 0].long()))
        assert images.shape[-2:] == masks.shape[-2:]
        sides.append(images.shape[-1])
        resize.step()
    assert sides == sorted(sides)
    assert (sides[:20], sides[32:]) == ([16] * 20, [32] * 8)
