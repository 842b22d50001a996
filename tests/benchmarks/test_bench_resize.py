"""What resize costs beside the F.interpolate that it calls: run by `nox -s bench`.

The two alternate in one run, so that a busy machine slows both; run with -s to see the
numbers.
"""

from __future__ import annotations

import time
from statistics import median

import pytest
import torch
import torch.nn.functional as F

from upsize.resize import Resizer, resize
from upsize.schedule import Size

CASES = [
    ((1, 3, 64, 64), 32),
    ((8, 3, 128, 128), 96),
    ((32, 3, 224, 224), 112),
    ((32, 3, 224, 224), 192),
    ((16, 3, 512, 512), 256),
]


@pytest.fixture(autouse=True)
def one_thread():
    """Measure on one thread: on a busy machine several wait for each other, for ms."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def alternate(one, other, rounds):
    """Give the seconds of each, measured in turns, as pairs."""
    pairs = []
    for turn in range(rounds + 3):
        # Whoever goes second finds the images in the cache: take turns at that, too.
        if turn % 2:
            pairs.append((seconds(one), seconds(other)))
        else:
            pairs.append((seconds(other), seconds(one))[::-1])
    return pairs[3:]


def report(what, pairs):
    """Print the medians, and those of what each pair makes: both ran alike disturbed."""
    ours, bare = (median(times) * 1e6 for times in zip(*pairs, strict=True))
    ratio = median(ours / bare for ours, bare in pairs)
    more = median(ours - bare for ours, bare in pairs) * 1e6
    print(
        f"\n{what}: resize {ours:.0f} us, F.interpolate {bare:.0f} us, "
        f"ratio {ratio:.3f}, difference {more:+.1f} us"
    )


@pytest.mark.parametrize(("shape", "side"), CASES)
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_resize_costs_what_interpolate_costs(shape, side, mode, dtype):
    images = (torch.rand(shape) * 255).to(dtype)
    size = (side, side)
    rounds = max(40, min(400, 10**8 // images.numel()))
    pairs = alternate(
        lambda: resize(images, size, mode=mode),
        lambda: F.interpolate(images, size=size, mode=mode, antialias=True),
        rounds,
    )
    report(f"{mode} {dtype} {shape} -> {side}", pairs)
    assert median(ours - 1.05 * bare for ours, bare in pairs) <= 20e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.int64])
@pytest.mark.parametrize("side", [112, 192, 320])
def test_nearest_by_integer_arithmetic(dtype, side):
    images = (torch.rand(16, 1, 224, 224) * 255).to(dtype)
    # torch has no kernel for int64: through float64 is what one would do instead.
    plain = images.double() if dtype == torch.int64 else images
    pairs = alternate(
        lambda: resize(images, side, mode="nearest-exact"),
        lambda: F.interpolate(plain, size=(side, side), mode="nearest-exact"),
        100,
    )
    report(f"nearest-exact {dtype} 224 -> {side}", pairs)
    # Dearer, for exactness, but still small.
    assert median(ours - 10 * bare for ours, bare in pairs) <= 100e-6


@pytest.mark.parametrize("full", [None, Size(224, 224)])
def test_a_batch_at_size_costs_microseconds(full):
    batch, size = (torch.rand(2, 3, 224, 224), torch.zeros(2)), Size(224, 224)
    resizer = Resizer()
    spent = median(
        seconds(lambda: [resizer(batch, size, full=full) for _ in range(100)]) / 100
        for _ in range(100)
    )
    print(f"\nbatch at size, full={full}: {spent * 1e6:.1f} us")
    assert spent < 10e-6
