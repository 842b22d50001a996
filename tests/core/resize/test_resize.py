"""upsize.resize.resize: one tensor."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from upsize import resize as module
from upsize.resize import resize
from upsize.schedule import Size

BLENDING = ["bilinear", "bicubic", "area"]
NEAREST = ["nearest", "nearest-exact"]
MODES = BLENDING + NEAREST
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
WHOLE = [torch.bool, torch.int8, torch.int16, torch.int32, torch.int64]
sides = st.integers(1, 40)


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return (values * 255).to(dtype) if dtype == torch.uint8 else values.to(dtype)


def blend64(images: torch.Tensor, size: tuple[int, int], mode: str, antialias: bool):
    """What torch makes of 4-D images in float64."""
    kwargs = {"mode": mode, "antialias": antialias and mode != "area"}
    images, dtype = images.double(), images.dtype
    if dtype == torch.uint8 and mode == "bicubic":
        # As in Pillow, what overshoots is cut off between the two passes.
        images = F.interpolate(images, size=(images.shape[-2], size[1]), **kwargs)
        images = images.round().clamp(0, 255)
    blended = F.interpolate(images, size=size, **kwargs)
    return blended.round().clamp(0, 255) if dtype == torch.uint8 else blended


class Tagged(torch.Tensor):
    """A subclass that carries metadata, as fastai's do."""


# Sizes


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("antialias", [True, False])
def test_every_width_comes_out_as_asked(mode, antialias):
    if antialias and mode not in ("bilinear", "bicubic"):
        targets = [32, 512]
    else:
        targets = [*range(32, 512, 32), 119, 120, 123, 124, 511, 512]
    for width in range(32, 513, 5):
        row = torch.ones(1, 1, 1, width)
        for target in targets:
            resized = resize(row, (2, target), mode=mode, antialias=antialias)
            assert resized.shape == (1, 1, 2, target)


def test_sizes_at_which_a_scale_factor_loses_a_pixel():
    images = torch.ones(1, 1, 176, 176)
    by_factor = F.interpolate(images, scale_factor=120 / 176, mode="bilinear")
    assert by_factor.shape[-1] == 119  # why we never use one
    assert resize(images, 120).shape == (1, 1, 120, 120)
    assert resize(torch.ones(1, 1, 224, 224), 124).shape == (1, 1, 124, 124)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 3), max_size=4),
    *[sides] * 4,
    st.sampled_from(MODES),
)
def test_only_the_last_two_dims_change(
    lead, height, width, new_height, new_width, mode
):
    images = torch.ones(*lead, height, width)
    resized = resize(images, (new_height, new_width), mode=mode)
    assert resized.shape == (*lead, new_height, new_width)
    assert torch.allclose(resized, torch.ones(()))


@pytest.mark.parametrize(
    "size", [12, np.int64(12), (12, 12), [12, np.int32(12)], Size(12, 12)]
)
def test_ways_to_give_a_size(size):
    assert resize(noise(2, 3, 16, 20), size).shape == (2, 3, 12, 12)


@pytest.mark.parametrize("size", [0, -1, 0.5, 112.0, "112", (12,), (1, 2, 3), None])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="whole number of at least 1"):
        resize(noise(2, 3, 16, 20), size)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(16, 20), (3, 16, 20), (2, 3, 16, 20)])
def test_same_object_when_there_is_nothing_to_do(mode, shape):
    images = noise(*shape)
    assert resize(images, (16, 20), mode=mode) is images


# Values


@pytest.mark.parametrize("dtype", [*FLOATS, torch.uint8])
@pytest.mark.parametrize("mode", BLENDING)
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("size", [(7, 9), (33, 10), (40, 48)])
def test_blending_agrees_with_float64(dtype, mode, antialias, size):
    images = noise(2, 3, 20, 24, dtype=dtype)
    resized = resize(images, size, mode=mode, antialias=antialias)
    assert resized.dtype == dtype
    reference = blend64(images, size, mode, antialias)
    if dtype == torch.uint8:  # each pass of bicubic may round the other way
        tolerance = 2 if mode == "bicubic" else 1
    else:  # float32 is a little less sure of where a sample falls
        tolerance = max(torch.finfo(dtype).eps, 2e-6)
    assert (resized.double() - reference).abs().max() <= tolerance


@pytest.mark.parametrize("mode", BLENDING)
def test_uint8_stays_in_range(mode):
    edge = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    edge[..., 4:] = 255  # bicubic overshoots here
    resized = resize(edge, 20, mode=mode)
    assert resized[..., 0, 0] == 0
    assert resized[..., 0, -1] == 255
    assert (resized.diff(dim=-1).to(torch.int8) >= -1).all()  # a wrap would jump down


def test_uint8_without_a_kernel_is_rounded():
    images = torch.tensor([[0, 1], [1, 1]], dtype=torch.uint8)
    assert resize(images, 1, mode="area") == 1  # 0.75


@pytest.mark.parametrize("shape", [(12, 16), (3, 12, 16), (2, 3, 12, 16)])
@pytest.mark.parametrize("mode", BLENDING)
def test_planes_are_resized_one_by_one(shape, mode):
    volume = noise(2, 3, *shape)
    resized = resize(volume, (5, 7), mode=mode).reshape(-1, 5, 7)
    for plane, image in zip(resized, volume.reshape(-1, 12, 16), strict=True):
        assert torch.allclose(plane, resize(image, (5, 7), mode=mode), atol=1e-6)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialias_fades_stripes_that_would_alias(mode):
    stripes = torch.tensor([0.0, 1.0]).repeat(1, 1, 64, 32)
    smooth = resize(stripes, 48, mode=mode)[..., 4:-4]
    coarse = resize(stripes, 48, mode=mode, antialias=False)[..., 4:-4]
    assert smooth.std() < 0.15
    assert coarse.std() > 0.25


@pytest.mark.parametrize("mode", ["area", *NEAREST])
def test_antialias_means_nothing_in_other_modes(mode):
    images = noise(2, 3, 20, 24)
    without = resize(images, 9, mode=mode, antialias=False)
    assert torch.equal(resize(images, 9, mode=mode), without)


# Nearest


def pixel(i: int, length: int, target: int, mode: str) -> int:
    doubled = 2 * i + 1 if mode == "nearest-exact" else 2 * i
    return doubled * length // (2 * target)


@settings(deadline=None)
@pytest.mark.parametrize("mode", NEAREST)
@given(sides, sides, sides, sides)
def test_nearest_picks_by_integer_arithmetic(
    mode, height, width, new_height, new_width
):
    images = torch.arange(height * width).reshape(height, width)
    rows = [pixel(i, height, new_height, mode) for i in range(new_height)]
    columns = [pixel(i, width, new_width, mode) for i in range(new_width)]
    resized = resize(images, (new_height, new_width), mode=mode)
    assert torch.equal(resized, images[rows][:, columns])


def test_nearest_exact_is_torchs_up_to_its_rounding():
    differing = 0
    for width in range(32, 513, 5):
        row = torch.arange(width, dtype=torch.float32).reshape(1, 1, 1, width)
        for target in range(32, 513, 3):
            ours = resize(row, (1, target), mode="nearest-exact").flatten().long()
            size = (1, target)
            torchs = F.interpolate(row, size=size, mode="nearest-exact").flatten()
            off = (ours != torchs).nonzero().flatten()
            # Only where a sample falls on the very edge of our pixel, and by one.
            edge = 2 * target * ours[off] == (2 * off + 1) * width
            assert edge.all()
            assert torch.equal(torchs.long()[off], ours[off] - 1)
            differing += bool(off.numel())
    assert 0 < differing < 0.03 * 97 * 161  # and the rounding is real, but rare


@pytest.mark.parametrize("dtype", [*FLOATS, torch.uint8, *WHOLE])
@pytest.mark.parametrize("mode", NEAREST)
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_nearest_picks_the_same_pixels_in_every_dtype(dtype, mode, memory):
    labels = torch.randint(2, (2, 3, 36, 40)).contiguous(memory_format=memory)
    for size in [(11, 13), (110, 92)]:
        resized = resize(labels.to(dtype), size, mode=mode)
        assert resized.dtype == dtype
        assert torch.equal(resized.long(), resize(labels, size, mode=mode))


# What is kept


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("size", [9, 33])
def test_channels_last_is_kept(mode, dtype, size):
    images = noise(2, 3, 20, 24, dtype=dtype)
    last = images.contiguous(memory_format=torch.channels_last)
    resized = resize(last, size, mode=mode)
    assert resized.is_contiguous(memory_format=torch.channels_last)
    assert not resized.is_contiguous()
    assert torch.equal(resized, resize(images, size, mode=mode))
    assert resize(images, size, mode=mode).is_contiguous()


@pytest.mark.parametrize("mode", MODES)
def test_channels_last_3d_is_kept(mode):
    volume = noise(2, 3, 4, 20, 24)
    last = volume.contiguous(memory_format=torch.channels_last_3d)
    resized = resize(last, 9, mode=mode)
    assert resized.shape == (2, 3, 4, 9, 9)
    assert resized.is_contiguous(memory_format=torch.channels_last_3d)
    assert not resized.is_contiguous()
    assert torch.equal(resized, resize(volume, 9, mode=mode))


@pytest.mark.parametrize("mode", MODES)
def test_the_order_in_memory_of_frames_is_kept(mode):
    video = noise(2, 4, 20, 24, 3).permute(0, 1, 4, 2, 3)
    resized = resize(video, 9, mode=mode)
    assert resized.permute(0, 1, 3, 4, 2).is_contiguous()
    assert torch.equal(resized, resize(video.contiguous(), 9, mode=mode))


@pytest.mark.parametrize("mode", MODES)
def test_slices_are_resized_like_their_copies(mode):
    images = noise(2, 5, 40, 24)[:, 1:4, ::2, 3:]
    assert torch.equal(
        resize(images, 9, mode=mode), resize(images.contiguous(), 9, mode=mode)
    )


@pytest.mark.parametrize("mode", MODES)
def test_the_input_is_never_changed(mode):
    images = noise(2, 3, 20, 24)
    before, version = images.clone(), images._version
    resized = resize(images, 9, mode=mode)
    resized.zero_()
    assert torch.equal(images, before)
    assert images._version == version


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("antialias", [True, False])
def test_gradients(mode, antialias):
    images = noise(1, 2, 5, 6, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: resize(x, (3, 7), mode=mode, antialias=antialias), images
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gradients_pass_an_upcast(dtype):
    images = noise(1, 1, 8, 8, dtype=dtype).requires_grad_()
    resize(images, 4).sum().backward()
    assert images.grad is not None
    assert images.grad.dtype == dtype
    assert images.grad.sum().item() == pytest.approx(16, rel=0.02)


@pytest.mark.parametrize("mode", MODES)
def test_a_subclass_keeps_its_type_and_metadata(mode):
    images = noise(2, 3, 20, 24).as_subclass(Tagged)
    images.requires_grad_()
    images.origin = "a.jpg"
    resized = resize(images, 9, mode=mode)
    assert type(resized) is Tagged
    assert resized.origin == "a.jpg"
    assert resized.requires_grad
    plain = resize(images.detach().as_subclass(torch.Tensor), 9, mode=mode)
    assert torch.equal(resized.detach().as_subclass(torch.Tensor), plain)


@pytest.mark.parametrize("data", [torch.Tensor, Tagged])
def test_of_a_parameter_comes_a_plain_tensor_with_gradient(data):
    images = torch.nn.Parameter(noise(1, 3, 8, 8).as_subclass(data))
    resized = resize(images, 4)
    assert type(resized) is torch.Tensor
    assert resized.grad_fn is not None


def test_a_class_that_wants_plain_results_gets_them():
    class Mapped(torch.Tensor):
        __torch_function__ = torch._C._disabled_torch_function_impl

    assert type(resize(noise(8, 8).as_subclass(Mapped), 4)) is torch.Tensor


def test_autocast_does_not_change_the_dtype():
    images = noise(1, 3, 8, 8, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert resize(images, 4, antialias=False).dtype == torch.bfloat16
        assert resize(images.float(), 4).dtype == torch.float32


@pytest.mark.parametrize("mode", MODES)
def test_other_devices_and_fake_tensors(mode):
    images = torch.empty(2, 3, 8, 8, device="meta")
    resized = resize(images, 4, mode=mode)
    assert resized.device.type == "meta"
    assert resized.shape == (2, 3, 4, 4)
    with torch._subclasses.FakeTensorMode() as fake:
        faked = resize(fake.from_tensor(noise(2, 3, 8, 8)), 4, mode=mode)
    assert type(faked) is torch._subclasses.FakeTensor
    assert faked.shape == (2, 3, 4, 4)


def test_uint8_on_other_devices_is_computed_in_float32():
    images = torch.empty(2, 3, 8, 8, device="meta", dtype=torch.uint8)
    assert resize(images, 4).dtype == torch.uint8


# What is refused


@pytest.mark.parametrize("mode", BLENDING)
@pytest.mark.parametrize("dtype", WHOLE)
def test_labels_are_never_blended(mode, dtype):
    labels = torch.ones(2, 1, 8, 8, dtype=dtype)
    with pytest.raises(TypeError, match=r"labels are never blended.*nearest-exact"):
        resize(labels, 4, mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_complex_is_refused(mode):
    with pytest.raises(TypeError, match="must not be complex"):
        resize(torch.ones(8, 8, dtype=torch.complex64), 4, mode=mode)


@pytest.mark.parametrize("shape", [(), (8,), (3, 0, 8), (3, 8, 0)])
def test_what_has_no_pixels_is_refused(shape):
    with pytest.raises(ValueError, match=r"shape \(\.\.\., height, width\).* not \("):
        resize(torch.ones(shape), 4)


@pytest.mark.parametrize("images", [[[1.0]], np.ones((8, 8)), None])
def test_only_tensors(images):
    with pytest.raises(TypeError, match="images must be a tensor, not a"):
        resize(images, 4)


@pytest.mark.parametrize("mode", ["linear", "trilinear", "", None, ["area"]])
def test_unknown_modes_are_refused(mode):
    with pytest.raises(ValueError, match="mode must be one of bilinear, bicubic"):
        resize(noise(8, 8), 4, mode=mode)


def test_without_torch_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    spec = importlib.util.spec_from_file_location(
        "upsize_resize_alone", module.__file__
    )
    with pytest.raises(ImportError, match=r'pip install "upsize\[torch\]"'):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
