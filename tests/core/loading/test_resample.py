"""Crops that are resampled into a place in a batch are those that torch returns."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from upsize.loading._images import _resample
from upsize.loading._images._resample import (
    INTERPOLATIONS,
    flip,
    planes_of,
    resample,
    resampled,
)
from upsize.schedule import Size

RGB = (torch.arange(40 * 50 * 3) * 37 % 251).to(torch.uint8).view(40, 50, 3)
GREY = RGB[..., :1].expand(40, 50, 3)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("pixels", [RGB, GREY], ids=["rgb", "grey"])
@pytest.mark.parametrize(
    "size", [Size(20, 30), Size(9, 64), Size(20, 11), Size(1, 1), Size(1, 7)], ids=str
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_into_a_place(
    interpolation: str, pixels: torch.Tensor, size: Size, channels_last: bool
) -> None:
    planes = planes_of(pixels, (5, 7, 20, 30))
    assert torch.equal(planes[0], pixels[5:25, 7:37].permute(2, 0, 1))
    order = torch.channels_last if channels_last else torch.contiguous_format
    batch = torch.zeros(3, 3, *size, dtype=torch.uint8).contiguous(memory_format=order)
    resample(planes, size, interpolation, batch[1:2])
    # torch takes a single RGB pixel of bytes for another layout.
    plain = planes.float() if size == (1, 1) else planes
    expected = torch.nn.functional.interpolate(
        plain.contiguous(), size, mode=interpolation, antialias=True
    )
    assert (batch[1].float() - expected[0].float()).abs().max() <= 1
    assert torch.equal(batch[1:2], resampled(planes, size, interpolation))
    assert not batch[::2].any()
    made = batch[1].clone()
    flip(batch[1])
    assert torch.equal(batch[1], made.flip(-1))


def missing(*_: object, **__: object) -> None:
    raise TypeError("unexpected keyword argument 'out'")


def other(*_: object, out: torch.Tensor) -> None:
    out.fill_(1)


@pytest.mark.parametrize("kernel", [None, missing, other])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_torch_without_that_kernel(
    kernel: object, interpolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The private kernel may go, or be called in another way."""
    planes, size = planes_of(RGB, (5, 7, 20, 30)), Size(9, 64)
    expected, out = torch.empty(2, 1, 3, *size, dtype=torch.uint8)
    resample(planes, size, interpolation, expected)
    name = f"_upsample_{interpolation}2d_aa"
    kernels = SimpleNamespace() if kernel is None else SimpleNamespace(**{name: kernel})
    _resample._kernel.cache_clear()
    monkeypatch.setattr(_resample, "_C", SimpleNamespace(_nn=kernels))
    resample(planes, size, interpolation, out)
    assert _resample._kernel(interpolation) is None
    _resample._kernel.cache_clear()
    assert torch.equal(out, expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_the_kernel_is_there(interpolation: str) -> None:
    """Else batches take longer than they must: look for what torch calls now."""
    assert _resample._kernel(interpolation) is not None
