"""Typed targets follow, where a batch has lost the types that its samples have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.contract.ways.common import BATCH, BATCHES, Job, Trained, Way
from tests.adapters.contract.ways.every import each_way
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from upsize.loading import current_size
from upsize.schedule import Phases, Ramp


class Typed(Dataset[Any]):
    """Gives an image and its mask, flipped at random, as torchvision's types.

    Args:
        small: Whether images are made at the size of their step, and masks are not.
        plain: Whether the types are left out.
    """

    def __init__(self, *, small: bool = False, plain: bool = False) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(BATCH * BATCHES, 3, 32, 32, generator=generator)
        self.small, self.plain = small, plain
        self.drawn: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        self.drawn.append(index)
        image, mask = self.images[index], torch.zeros(32, 32, dtype=torch.int64)
        mask[::2] = 1
        if torch.rand(()) < 0.5:
            image, mask = image.flip(-1), mask.flip(-2)
        at = current_size()
        if self.small and at is not None:
            image = image[:, : at.size.height, : at.size.width]
        if self.plain:
            return image, mask
        return tv_tensors.Image(image), tv_tensors.Mask(mask)


def check(done: Trained) -> None:
    for batch in done.seen.trained:
        assert type(batch.labels) is Tensor
        assert tuple(batch.labels.shape) == (BATCH, *batch.size)
        assert set(batch.labels.unique().tolist()) <= {0, 1}
    assert done.widths == [16] * 10 + [24] * 5 + [32] * 5


@each_way()
def test_masks_follow_as_if_they_were_named(way: Way, tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = Typed()
    done = way.train(Job(folder=tmp_path / "typed", data=data))
    check(done)
    # One sample more than the batches hold, or two: fastai looks at the images of one.
    assert len(data.drawn) - 4 * len(data) == (2 if way.name == "fastai" else 1)
    named = way.train(
        Job(folder=tmp_path / "named", data=Typed(plain=True), masks=True)
    )
    assert done.sizes == named.sizes
    for name, value in named.weights.items():
        assert torch.equal(done.weights[name], value), name


@each_way()
def test_the_sample_leaves_no_trace(way: Way, tmp_path: Path) -> None:
    # Full size at the end of training, where all is said to be bit-identical.
    schedule = Phases(phases=[(0, 32)], final_size=32)
    plain = way.train(Job(folder=tmp_path / "plain", data=Typed(), upsize=False))
    done = way.train(Job(folder=tmp_path / "upsize", data=Typed(), schedule=schedule))
    assert done.random.equal(plain.random)
    for name, value in plain.weights.items():
        assert torch.equal(done.weights[name], value), name


@each_way()
def test_a_mask_at_full_size_beside_a_small_image(way: Way, tmp_path: Path) -> None:
    job = Job(
        folder=tmp_path, data=Typed(small=True), loader="sized",
        set_size=lambda dataset, size: None,
    )  # fmt: skip
    done = way.train(job)
    check(done)
    assert done.mismatched == 0


@each_way()
def test_it_is_refused_beside_a_small_image_without_a_type(
    way: Way, tmp_path: Path
) -> None:
    if way.name == "fastai":
        pytest.skip("fastai keeps plain targets, as resize_targ=False says")
    job = Job(
        folder=tmp_path, data=Typed(small=True, plain=True), loader="sized",
        set_size=lambda dataset, size: None, schedule=Ramp(final_size=32),
    )  # fmt: skip
    error = way.fail(job).error
    assert isinstance(error, ValueError)
    assert "has the full size 32x32, but the loader has made its images" in str(error)
