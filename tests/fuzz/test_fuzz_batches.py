"""Random batches and sizes: never changed, never a foreign error, the right shapes."""

from __future__ import annotations

import math
from collections import OrderedDict, UserDict, defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from hypothesis import given
from hypothesis import strategies as st

from upsize.resize import Resizer

DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8,
    torch.int64, torch.int16, torch.bool, torch.complex64,
]  # fmt: skip
OURS = (LookupError, TypeError, ValueError)


class Pair(NamedTuple):
    image: Any
    label: Any


@dataclass(frozen=True)
class Sample:
    image: Any
    label: Any


class Closed(dict):
    """A dict that refuses items."""

    def __setitem__(self, key, value):
        raise RuntimeError("closed")


class Broken(list):
    """A list that cannot be iterated."""

    def __iter__(self):
        raise OSError("broken")


def closed(items: dict[str, Any]) -> Closed:
    made = Closed()
    dict.update(made, items)
    return made


sides = st.integers(0, 9)
sizes = st.integers(1, 12) | st.tuples(st.integers(1, 12), st.integers(1, 12))


@st.composite
def tensors(draw) -> torch.Tensor:
    shape = draw(st.lists(sides, min_size=0, max_size=5))
    if draw(st.booleans()):  # often an image of one of few sizes
        shape = [*draw(st.sampled_from([(2, 3), (3,), (1, 1)])), 8, 6]
    dtype = draw(st.sampled_from(DTYPES))
    tensor = torch.randint(0, 9, shape).to(dtype)
    kind = draw(st.sampled_from(["plain"] * 6 + ["last", "expanded", "sparse", "grad"]))
    if kind == "last" and tensor.ndim == 4:
        return tensor.contiguous(memory_format=torch.channels_last)
    if kind == "expanded" and tensor.ndim:
        return tensor[:1].expand(3, *shape[1:]) if shape[0] else tensor
    if kind == "sparse" and tensor.ndim and tensor.dtype != torch.bool:
        return tensor.to_sparse()
    if kind == "grad" and tensor.is_floating_point():
        return tensor.requires_grad_()
    return tensor


keys = st.sampled_from(["image", "mask", "boxes", "x", 0, 1, None])
leaves = tensors() | st.none() | st.integers() | st.text(max_size=3)
batches = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=3).map(UserDict)
        | st.dictionaries(keys, inner, max_size=3).map(OrderedDict)
        | st.dictionaries(keys, inner, max_size=3).map(MappingProxyType)
        | st.dictionaries(keys, inner, max_size=3).map(lambda d: defaultdict(list, d))
        | st.dictionaries(keys, inner, max_size=3).map(closed)
        | st.lists(inner, max_size=2).map(Broken)
        | st.tuples(inner, inner).map(lambda pair: Pair(*pair))
        | st.tuples(inner, inner).map(lambda pair: Sample(*pair))
    ),
    max_leaves=8,
)
POLICIES = ["mask", "image", "flow", "boxes", "keypoints", "keep", "mask/2", "image*2"]
policies = st.sampled_from(POLICIES)
paths = keys | st.tuples(keys, keys) | st.just((0, ..., "boxes"))


@st.composite
def resizers(draw) -> Resizer:
    images = draw(st.none() | st.none() | paths)
    targets = draw(st.dictionaries(paths, policies, max_size=2))
    targets.pop(images, None)
    targets.pop((images,), None)
    mode = draw(st.sampled_from(["bilinear", "bicubic", "area", "nearest"]))
    return Resizer(mode, draw(st.booleans()), images, targets or None)


def inside(batch: Any) -> list[Any]:
    """List every container and leaf, in order, by means of this test's own."""
    found = [batch]
    if isinstance(batch, dict):
        parts = list(dict.values(batch))
    elif isinstance(batch, UserDict | MappingProxyType):
        parts = [batch[key] for key in batch]
    elif isinstance(batch, list):
        parts = list(list.__iter__(batch))
    elif isinstance(batch, tuple):
        parts = list(batch)
    elif isinstance(batch, Sample):
        parts = [batch.image, batch.label]
    else:
        return found
    for part in parts:
        found += inside(part)
    return found


def snapshot(batch: Any) -> list[tuple[Any, Any]]:
    return [
        (node, (node.detach().clone(), node._version))
        if isinstance(node, torch.Tensor)
        else (node, None)
        for node in inside(batch)
    ]


def check_unchanged(batch: Any, before: list[tuple[Any, Any]]) -> None:
    after = inside(batch)
    assert len(after) == len(before)
    for node, (same, held) in zip(after, before, strict=True):
        assert node is same
        if held is not None:
            values, version = held
            assert node._version == version
            assert torch.equal(node.detach().to_dense(), values.to_dense())


def has_scales(resizer: Resizer) -> bool:
    return any(
        sign in policy for policy in (resizer.targets or {}).values() for sign in "/*"
    )


def check_result(batch: Any, made: Any, size: Any, any_size: bool) -> None:
    height, width = (size, size) if isinstance(size, int) else size
    old, new = inside(batch), inside(made)
    # Images of several sizes each get their own share.
    changed = {
        tuple(was.shape[-2:])
        for was, now in zip(old, new, strict=True)
        if isinstance(was, torch.Tensor) and now.shape != was.shape
    }
    any_size = any_size or len(changed) > 1
    assert len(old) == len(new)
    for was, now in zip(old, new, strict=True):
        assert type(now) is type(was)
        if not isinstance(was, torch.Tensor) or now is was:
            continue
        assert (now.dtype, now.device, now.ndim) == (was.dtype, was.device, was.ndim)
        if now.shape != was.shape:
            assert now.shape[:-2] == was.shape[:-2]
            assert any_size or now.shape[-2:] == (height, width)
            assert math.prod(now.shape[-2:]) > 0


def check_message(error: Exception) -> None:
    text = str(error)
    assert "batch" in text or "images names" in text or "targets names" in text
    assert len(text) < 2_000


@given(batches, resizers(), sizes, st.none() | sizes)
def test_a_call(batch, resizer, size, full):
    before = snapshot(batch)
    try:
        made = resizer(batch, size, full=full)
    except OURS as error:
        check_message(error)
    else:
        listed = resizer.read(batch).listed is not None
        check_result(batch, made, size, listed or has_scales(resizer))
    check_unchanged(batch, before)


@given(batches, resizers(), st.lists(sizes, min_size=1, max_size=3))
def test_questions_to_one_read(batch, resizer, wanted):
    before = snapshot(batch)
    try:
        found = resizer.read(batch, full=8)
        sizes = [
            leaf.shape[-2:]
            for _, leaf, role in found.roles
            if role in ("input", "candidate") and isinstance(leaf, torch.Tensor)
        ]
        assert found.size in ([(8, 8)] if found.listed is not None else sizes)
        for size in wanted:
            again, once = found.at(size), resizer.read(batch, full=8).at(size)
            shapes = [getattr(leaf, "shape", None) for leaf in inside(again)]
            assert shapes == [getattr(leaf, "shape", None) for leaf in inside(once)]
    except OURS as error:
        check_message(error)
    check_unchanged(batch, before)


@given(batches, resizers())
def test_counted_boxes(batch, resizer):
    before = snapshot(batch)
    try:
        assert resizer.tiny_boxes(batch) >= 0
    except OURS as error:
        check_message(error)
    check_unchanged(batch, before)
