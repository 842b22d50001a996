"""A size that does not fit a target is told at the first batch, not hours later."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.resize import Resizer
from upsize.schedule import MultiScale, Phases

FIRST_FITS = Phases(phases=((0, 32), (0.3, 36), (0.6, 64)))
DRAWN = MultiScale(sizes=(32, 36, 64), every=1, final_size=64, seed=0)

BATCHES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a heatmap": (
        {"image": torch.rand(2, 3, 64, 64), "heat": torch.rand(2, 5, 8, 8)},
        {"targets": {"heat": "image/8"}},
        r"batch\['heat'\] has 1/8 of the pixels .* 8 does not divide the size 36x36: "
        "give the schedule multiple_of=8",
    ),
    "deep supervision": (
        {
            "image": torch.rand(2, 3, 64, 64),
            "masks": [torch.zeros(2, side, side).long() for side in (64, 8)],
        },
        {"targets": {("masks", 0): "mask", ("masks", 1): "mask/8"}},
        "8 does not divide the size 36x36",
    ),
    "latents": (
        {"image": torch.rand(2, 3, 64, 64), "latent": torch.rand(2, 4, 8, 8)},
        {"images": "image", "targets": {"latent": "image/8"}},
        "8 does not divide the size 36x36",
    ),
}
PAIR = {"image": torch.rand(2, 3, 64, 64), "lr": torch.rand(2, 3, 24, 24)}


@pytest.mark.parametrize("schedule", [FIRST_FITS, DRAWN], ids=["grows", "drawn"])
@pytest.mark.parametrize("mode", ["bilinear", "crop"])
@pytest.mark.parametrize("case", BATCHES.values(), ids=BATCHES)
def test_a_scale_that_a_later_size_does_not_have(
    case: Any, mode: Any, schedule: Any
) -> None:
    batch, options, words = case
    resizer = Resizer(mode=mode, **options)
    resize = ProgressiveResize(schedule, total_steps=10, resizer=resizer)
    with pytest.raises(ValueError, match=words):
        resize(batch)


def test_windows_of_a_smaller_image() -> None:
    resizer = Resizer(mode="crop", images=["image", "lr"])
    resize = ProgressiveResize(FIRST_FITS, total_steps=10, resizer=resizer)
    with pytest.raises(ValueError, match=r"window of 36x36 would be 13\.5 pixels"):
        resize(PAIR)
    # As they shrink, they get the nearest pixel.
    resize = ProgressiveResize(
        FIRST_FITS, total_steps=10, resizer=Resizer(images=["image", "lr"])
    )
    assert resize(PAIR)["lr"].shape[-1] == 12


def test_batches_of_workers() -> None:
    batch, options, words = BATCHES["a heatmap"]
    samples = [{key: value[0] for key, value in batch.items()}] * 4
    resizer = Resizer(mode="crop", **options)
    resize = ProgressiveResize(FIRST_FITS, total_steps=10, resizer=resizer)
    loader: Any = DataLoader(samples, 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=words):
        next(iter(resize.batches(sized(loader, resize))))


def test_lists_of_images_have_sizes_of_their_own() -> None:
    images = [torch.rand(3, 128, 128), torch.rand(3, 128, 64)]
    targets = [
        {"heat": torch.rand(1, image.shape[1] // 2, image.shape[2] // 2)}
        for image in images
    ]
    schedule = Phases(phases=((0, 31), (0.5, 64)))  # 62 pixels of 128, and 31 of 64
    resizer = Resizer(images=0, targets={(1, ..., "heat"): "image/2"})
    resize = ProgressiveResize(schedule, total_steps=10, final_size=64, resizer=resizer)
    with pytest.raises(ValueError, match="2 does not divide the size 62x31"):
        resize((images, targets))
    schedule = Phases(phases=((0, 33), (0.5, 66)))  # 64 and 32 pixels
    resize = ProgressiveResize(schedule, total_steps=10, final_size=66, resizer=resizer)
    small, _ = resize((images, targets))
    assert [tuple(image.shape[-2:]) for image in small] == [(64, 64), (64, 32)]
