"""No step waits for a GPU: what would is seen on tensors of a GPU that is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from upsize.resize import Resizer
from upsize.resize._crop import shift_boxes
from upsize.resize._geometry import FORMATS, corners, scale_boxes

pytestmark = pytest.mark.skipif(
    torch.__version__.startswith("2.7."),
    reason="torch 2.7 needs the driver of a GPU to index a tensor that is not there",
)

#: A value that the processor must know before it can go on.
READS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)


class Waits(TorchDispatchMode):
    """Notes what makes the processor wait for the GPU: reads, and copies between them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in READS:
            self.found.append(str(func))
            return 0
        made = func(*args, **(kwargs or {}))
        tensors = tree_leaves((args, kwargs, made))
        places = {each.device.type for each in tensors if isinstance(each, Tensor)}
        if len(places) > 1:
            self.found.append(str(func))
        return made


def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="cuda")


LEAVES: dict[str, tuple[str, Callable[[], Tensor]]] = {
    "labels as a mask": ("mask", lambda: empty(4, 64, 64, dtype=torch.int64)),
    "one-hot": ("mask", lambda: empty(4, 9, 64, 64, dtype=torch.bool)),
    "a quarter": ("mask/4", lambda: empty(4, 16, 16, dtype=torch.int64)),
    "heatmap": ("image", lambda: empty(4, 1, 64, 64)),
    "flow": ("flow", lambda: empty(4, 2, 64, 64)),
    "points": ("keypoints", lambda: empty(4, 7, 2)),
    "points with visibility": ("keypoints", lambda: empty(4, 7, 3)),
    "whole points": ("keypoints", lambda: empty(4, 7, 2, dtype=torch.int64)),
}


def waits(work: Callable[[Any], Any], made: Callable[[], Any]) -> list[str]:
    """Return what waits while ``work`` is done with what is made on the GPU."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        given = made()
        with Waits() as found:
            work(given)
    return found.found


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest-exact", "crop"])
@pytest.mark.parametrize("name", LEAVES)
def test_targets(name: str, mode: Any) -> None:
    policy, leaf = LEAVES[name]
    resizer = Resizer(mode=mode, images="image", targets={"target": policy})
    found = waits(
        lambda batch: resizer(batch, 32),
        lambda: {"image": empty(4, 3, 64, 64), "target": leaf()},
    )
    assert found == []


@pytest.mark.parametrize("mode", ["bilinear", "area", "nearest-exact", "crop"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32])
def test_images(dtype: torch.dtype, mode: Any) -> None:
    assert waits(
        lambda batch: Resizer(mode=mode)(batch, 32),
        lambda: empty(4, 3, 64, 64, dtype=dtype),
    ) == []  # fmt: skip
    one_by_one = Resizer(mode=mode, images="images")
    assert waits(
        lambda batch: one_by_one(batch, 32),
        lambda: {"images": [empty(3, 64, 48, dtype=dtype)] * 2},
    ) == []  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.float32])
@pytest.mark.parametrize("form", sorted(FORMATS))
def test_boxes_of_every_format(form: str, dtype: torch.dtype) -> None:
    """Those of torchvision have it in their type, which this mode cannot stand for."""

    def move(given: Tensor) -> None:
        scale_boxes(given, form, (32, 24), (64, 64))
        shift_boxes(given, form, (3, 4))
        corners(given, form)

    assert waits(move, lambda: empty(5, FORMATS[form], dtype=dtype)) == []


def test_what_waits_is_seen() -> None:
    """Boxes without a type are looked at: they may not be in pixels."""
    resizer = Resizer(targets={1: "boxes"})
    found = waits(
        lambda batch: resizer(batch, 32), lambda: (empty(4, 3, 64, 64), empty(4, 5, 4))
    )
    assert set(found) == {str(READS[0])}
