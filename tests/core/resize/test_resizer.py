"""upsize.resize.Resizer: a whole batch."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections import UserList
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from upsize.resize import Resizer, resize
from upsize.schedule import Size

FULL, SMALL = (16, 20), (8, 10)


def images(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    values = torch.rand(*(shape or (2, 3)), *FULL)
    return (values * 255).to(dtype) if dtype == torch.uint8 else values.to(dtype)


def labels(*shape: int, classes: int = 5) -> torch.Tensor:
    return torch.randint(classes, (*shape, *FULL))


class Sample(NamedTuple):
    image: Any
    mask: Any


# Which leaves are images


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("lead", [(3,), (2, 3), (2, 3, 4), (0, 3)])
def test_a_bare_tensor_is_a_batch(lead, dtype):
    batch = images(*lead, dtype=dtype)
    assert torch.equal(Resizer()(batch, SMALL), resize(batch, SMALL))


def test_mode_and_antialias_are_passed_on():
    batch = images()
    for options in ({"mode": "area"}, {"antialias": False}, {"mode": "bicubic"}):
        expected = resize(batch, SMALL, **options)
        assert torch.equal(Resizer(**options)(batch, SMALL), expected)
        assert not torch.equal(expected, resize(batch, SMALL))


def test_everything_else_is_left_alone():
    others = {
        "label": torch.zeros(2, dtype=torch.int64),
        "classes": labels()[:8],
        "logits": torch.rand(2, 3, 7, 9),
        "tokens": torch.rand(2, *FULL),  # as many as the pixels, by chance
        "array": np.ones((2, 3, *FULL)),
        "text": "a",
        "none": None,
        "object": object(),
        "nested": [1, (2.5, torch.rand(()))],
    }
    batch = {"image": images(), **others}
    small = Resizer()(batch, SMALL)
    assert small["image"].shape == (2, 3, *SMALL)
    for key, value in others.items():
        assert small[key] is value
    assert batch["image"].shape == (2, 3, *FULL)


def test_three_dims_are_an_image_only_as_the_first_tensor():
    first, second = images(3), torch.rand(3, 7, 9)
    small, same = Resizer()(("a", first, second)[1:], SMALL)
    assert small.shape == (3, *SMALL)
    assert same is second
    with pytest.raises(ValueError, match="no image in the batch"):
        Resizer()((torch.tensor(3), first), SMALL)


def test_several_inputs_of_the_size_of_the_first():
    batch = [(images(), torch.zeros(2)), (images(2, 4), images(2, 3, 4))]
    (a, label), (b, c) = Resizer()(batch, SMALL)
    for image in a, b, c:
        assert image.shape[-2:] == SMALL
    assert label is batch[0][1]


def test_full_tells_the_images_from_other_tensors():
    larger = torch.rand(2, 3, 32, 40)
    batch = {"a": larger, "b": images()}
    assert Resizer()(batch, SMALL)["b"] is batch["b"]  # the largest sets the size
    small = Resizer()(batch, SMALL, full=FULL)
    assert small["a"] is larger
    assert small["b"].shape == (2, 3, *SMALL)


def test_images_at_size_pass_untouched():
    small, large = images()[..., :8, :10], images()
    resized = Resizer()((small, large), SMALL, full=FULL)
    assert resized[0] is small
    assert resized[1].shape == (2, 3, *SMALL)
    batch = (small, "a")
    assert Resizer()(batch, SMALL, full=FULL) is batch
    assert Resizer()(batch, SMALL) is batch


@pytest.mark.parametrize(
    ("selector", "batch", "resized"),
    [
        ("b", {"a": images(), "b": images()}, ["b"]),
        (1, {0: images(), 1: images()}, [1]),
        (-1, [images(), images()], [1]),
        (("in", 0), {"in": [images(), images()]}, [("in", 0)]),
        (["a", ("in", 1)], {"a": images(), "in": [1, images()]}, ["a", ("in", 1)]),
        ("in", {"in": (images(), [images(2), None])}, [("in", 0), ("in", 1, 0)]),
        ("mask", Sample(images(), images()), [1]),
        (1, Sample(images(), images()), [1]),
        ((), [images(), images()], [0, 1]),
    ],
)
def test_named_images_are_exactly_these(selector, batch, resized):
    small = Resizer(images=selector)(batch, SMALL)

    def flat(node):
        items = node.values() if isinstance(node, dict) else node
        for value in items:
            yield from flat(value) if isinstance(value, list | tuple) else [value]

    sizes = [leaf.shape[-2:] for leaf in flat(small) if isinstance(leaf, torch.Tensor)]
    assert sizes.count(SMALL) == len(resized)
    for path in resized:
        leaf = small
        for key in path if isinstance(path, tuple) else [path]:
            leaf = leaf[key]
        assert leaf.shape[-2:] == SMALL


def test_named_images_may_differ_in_size():
    batch = (images(), torch.rand(2, 3, 32, 40))
    small = Resizer(images=[0, 1])(batch, (16, 20))
    assert [image.shape for image in small] == [(2, 3, *SMALL), (2, 3, 16, 20)]


def test_named_images_that_are_not_there():
    with pytest.raises(LookupError, match=r"images names 'x', .*\['image', 'id'\]"):
        Resizer(images="x")({"image": images(), "id": 1}, SMALL)


@pytest.mark.parametrize("value", ["a.jpg", np.ones((2, 3, 4, 4)), 3])
def test_named_images_must_be_tensors(value):
    batch = {"a": images(), "b": value}
    with pytest.raises(TypeError, match=r"batch\['b'\] is named .* must be a tensor"):
        Resizer(images=["a", "b"])(batch, SMALL)


def test_named_images_of_a_wrong_dtype_or_rank():
    with pytest.raises(TypeError, match=r"batch\['a'\] must be floating or uint8"):
        Resizer(images="a")({"a": labels(2)}, SMALL)
    with pytest.raises(ValueError, match=r"batch\[1\] must have shape .* not \(3,\)"):
        Resizer(images=[0, 1])((images(), torch.rand(3)), SMALL)


# Targets


@pytest.mark.parametrize("lead", [(), (2,), (2, 1), (2, 1, 4)])
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.float32])
def test_masks_are_picked_never_blended(lead, dtype):
    mask = labels(*lead).to(dtype)
    batch = {"image": images(), "mask": mask}
    small = Resizer(targets={"mask": "mask"})(batch, SMALL)
    expected = resize(mask, SMALL, mode="nearest-exact")
    assert torch.equal(small["mask"], expected)
    assert small["mask"].dtype == dtype


def test_a_mask_stays_on_its_image():
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:48, 8:40] = 1
    small = Resizer(targets={1: "mask"})((mask.clone(), mask.long()), 16)
    assert torch.equal(small[1] == 1, small[0] > 0.5)


def test_image_targets_are_blended():
    heatmap = images(2, 17)[:, 0]
    batch = (images(), heatmap)
    small = Resizer(targets={1: "image"})(batch, SMALL)
    assert torch.equal(small[1], resize(heatmap, SMALL))
    assert Resizer(targets={1: "keep"})(batch, SMALL)[1] is heatmap


def test_keep_leaves_alone_what_looks_like_an_image():
    batch = {"noise": torch.rand(2, 3, 7, 7), "image": images(), "other": images()}
    small = Resizer(targets={"noise": "keep", "other": "keep"})(batch, SMALL)
    assert small["noise"] is batch["noise"]
    assert small["other"] is batch["other"]
    assert small["image"].shape == (2, 3, *SMALL)


def test_the_longest_path_decides():
    batch = {"image": images(), "t": {"mask": labels(2), "boxes": [torch.rand(2, 4)]}}
    resizer = Resizer(targets={"t": "keep", ("t", "mask"): "mask"})
    small = resizer(batch, SMALL)
    assert small["t"]["mask"].shape == (2, *SMALL)
    assert small["t"]["boxes"] is batch["t"]["boxes"]


def test_a_policy_holds_for_a_whole_container_and_none_is_no_mask():
    batch = {"image": images(), "masks": [labels(2), None, labels(1)]}
    masks = Resizer(targets={"masks": "mask"})(batch, SMALL)["masks"]
    assert (masks[0].shape, masks[1], masks[2].shape) == (
        (2, *SMALL),
        None,
        (1, *SMALL),
    )


@pytest.mark.parametrize("policy", ["mask", "image"])
@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 20, 16), (7,)])
def test_a_target_of_another_size_is_refused(policy, shape):
    resizer = Resizer(targets={("t", 0): policy})
    message = rf"batch\['t'\]\[0\] .* \(\.\.\., 16, 20\), not \({shape[0]},"
    for full in None, FULL:
        with pytest.raises(ValueError, match=message):
            resizer({"image": images(), "t": [torch.ones(shape)]}, SMALL, full=full)


def test_targets_at_size_pass_untouched():
    resizer = Resizer(targets={1: "mask"})
    batch = (images()[..., :8, :10], labels(2)[..., :8, :10])
    assert resizer(batch, SMALL, full=FULL) is batch
    image, mask = resizer((images(), batch[1]), SMALL)
    assert image.shape == (2, 3, *SMALL)
    assert mask is batch[1]


def test_a_target_that_is_not_there():
    with pytest.raises(LookupError, match=r"targets names \('t', 'mask'\), .*\['x'\]"):
        Resizer(targets={("t", "mask"): "mask"})({"i": images(), "t": {"x": 1}}, SMALL)


def test_a_target_that_is_no_tensor():
    with pytest.raises(TypeError, match=r"not a ndarray.*targets=\{'m': \"keep\"\}"):
        Resizer(targets={"m": "mask"})({"i": images(), "m": np.ones(FULL)}, SMALL)


# No image


def test_no_image_says_what_there_is():
    batch = {"ids": torch.ones(2, 9, dtype=torch.int64), "x": [torch.rand(3), "a"]}
    message = (
        r"no image in the batch, but batch\['ids'\]: torch.int64 \(2, 9\); "
        r"batch\['x'\]\[0\]: torch.float32 \(3,\); batch\['x'\]\[1\]: str.*images="
    )
    with pytest.raises(ValueError, match=message):
        Resizer().read(batch)
    with pytest.raises(ValueError, match=message):
        Resizer()(batch, SMALL)


def test_no_image_of_the_full_size():
    batch = (torch.rand(2, 3, 9, 9),)
    with pytest.raises(ValueError, match="no image of 16x20 or 8x10 pixels"):
        Resizer()(batch, SMALL, full=FULL)


@pytest.mark.parametrize("batch", [[], {}, ()])
def test_no_image_in_an_empty_batch(batch):
    with pytest.raises(ValueError, match="no image in the batch, but nothing"):
        Resizer()(batch, SMALL)


def test_no_image_in_a_long_batch():
    with pytest.raises(ValueError, match=r"batch\[11\]: int; and 8 more"):
        Resizer()(list(range(20)), SMALL)


def test_no_image_where_it_is_named():
    for value in None, "a", torch.rand(3):
        with pytest.raises(ValueError, match="no image in the batch"):
            Resizer(images="x").read({"x": value, "y": images()})


def test_size_and_first_image_that_were_read():
    batch = {"id": "a", "image": images(), "large": torch.rand(2, 3, 40, 40)}
    assert Resizer().read(batch).size == Size(*FULL)
    assert isinstance(Resizer().read(batch).size, Size)
    assert Resizer(images="large").read(batch).size == Size(40, 40)
    assert Resizer().read(batch).first is batch["image"]


# The resizer itself


def test_sizes_are_checked():
    for sizes in ({"size": 0.5}, {"size": 8, "full": 0}):
        with pytest.raises(ValueError, match="whole number of at least 1"):
            Resizer()(images(), **sizes)


def test_images_named_in_a_list_of_a_library() -> None:
    batch = {"a": torch.rand(2, 3, 8, 8), "b": torch.rand(2, 3, 8, 8)}
    small = Resizer(images=UserList(["a", "b"]))(batch, 4)
    assert small["a"].shape == small["b"].shape == (2, 3, 4, 4)


@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        ("mode", "cubic", ValueError, "mode must be one of bilinear, .*not 'cubic'"),
        ("antialias", 1, TypeError, "antialias must be True or False, not 1"),
        ("images", {"a": 1}, TypeError, "images must name a key.*not {'a': 1}"),
        ("images", [["a"]], TypeError, r"images must name a key.*not \['a'\]"),
        ("images", [], ValueError, "images must name one image at least"),
        ("targets", ["mask"], TypeError, r"targets must be a mapping.*not \['mask'\]"),
        (
            "targets",
            {"m": "masks"},
            ValueError,
            r"targets\['m'\] .* boxes, disparity, flow, image",
        ),
        ("targets", {"m": ["mask"]}, ValueError, r"one of .*, not \['mask'\]"),
        ("targets", {"m": "input"}, ValueError, "one of .*, not 'input'"),
    ],
)
def test_bad_fields_are_refused_at_once(field, value, error, message):
    with pytest.raises(error, match=message):
        Resizer(**{field: value})


def test_one_leaf_cannot_be_both():
    with pytest.raises(ValueError, match=r"images and targets both name \('a', 0\)"):
        Resizer(images=("a", 0), targets={("a", 0): "keep"})


def test_a_value_like_any_other():
    resizer = Resizer(mode="area", images=("in", 0))
    assert resizer == Resizer("area", True, ("in", 0))
    assert hash(resizer) == hash(Resizer("area", True, ("in", 0)))
    assert resizer != Resizer()
    assert repr(Resizer()) == (
        "Resizer(mode='bilinear', antialias=True, images=None, targets=None, seed=0)"
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        resizer.mode = "bicubic"
    for same in (
        copy.deepcopy(resizer),
        pickle.loads(pickle.dumps(resizer)),
        dataclasses.replace(resizer, antialias=True),
    ):
        assert same == resizer
        assert same({"in": [images()]}, SMALL)["in"][0].shape == (2, 3, *SMALL)


def test_later_changes_to_the_arguments_do_not_reach_it():
    targets = {"mask": "mask"}
    resizer = Resizer(targets=targets)
    targets["other"] = "mask"
    small = resizer({"image": images(), "mask": labels(2)}, SMALL)
    assert small["mask"].shape == (2, *SMALL)


def test_the_batch_is_never_changed():
    batch = {"image": images(), "nested": [Sample(images(), labels(2))]}
    leaves = batch["image"], *batch["nested"][0]
    before = [(leaf, leaf.clone(), leaf._version) for leaf in leaves]
    small = Resizer(targets={("nested", 0, "mask"): "mask"})(batch, SMALL)
    assert type(small["nested"][0]) is Sample
    after = batch["image"], *batch["nested"][0]
    for leaf, (same, values, version) in zip(after, before, strict=True):
        assert leaf is same
        assert torch.equal(leaf, values)
        assert leaf._version == version


# torchvision's types


@pytest.fixture
def tv():
    return pytest.importorskip(
        "torchvision.tv_tensors", reason="needs torchvision's typed tensors"
    )


def test_tv_tensors(tv):
    batch = {
        "image": tv.Image(images(3)),
        "video": tv.Video(images(2, 4, 3, dtype=torch.uint8)),
        "mask": tv.Mask(labels(6)),
        "label": torch.tensor(3),
    }
    small = Resizer()(batch, SMALL)
    for key in "image", "video", "mask":
        assert type(small[key]) is type(batch[key])
        assert small[key].dtype == batch[key].dtype
        mode = "nearest-exact" if key == "mask" else "bilinear"
        plain = batch[key].as_subclass(torch.Tensor)
        assert torch.equal(
            small[key].as_subclass(torch.Tensor), resize(plain, SMALL, mode=mode)
        )
    assert small["label"] is batch["label"]
    assert Resizer()(small, SMALL) is small


def test_typed_images_set_the_full_size(tv):
    batch = (images(4, 5), tv.Image(torch.rand(2, 3, 40, 40)), torch.rand(2, 3, 40, 40))
    same, typed, alike = Resizer()(batch, SMALL)
    assert same is batch[0]
    assert typed.shape == alike.shape == (2, 3, *SMALL)


def test_typed_masks_of_another_size_are_refused(tv):
    batch = {"image": images(), "mask": tv.Mask(torch.zeros(4, 5))}
    with pytest.raises(ValueError, match=r"batch\['mask'\] .* not \(4, 5\)"):
        Resizer()(batch, SMALL)
    kept = Resizer(targets={"mask": "keep"})(batch, SMALL)
    assert kept["mask"] is batch["mask"]


def test_a_named_target_goes_before_its_type(tv):
    batch = (images(), tv.Mask(images(2)), tv.Image(images()))
    _, mask, image = Resizer(targets={1: "image", 2: "keep"})(batch, SMALL)
    assert torch.equal(mask, resize(batch[1], SMALL))
    assert image is batch[2]


def test_named_images_leave_typed_ones_as_they_are_typed(tv):
    batch = {"a": images(), "b": tv.Image(images()), "m": tv.Mask(labels(2))}
    small = Resizer(images="a")(batch, SMALL)
    assert {key: value.shape[-2:] for key, value in small.items()} == dict.fromkeys(
        "abm", SMALL
    )


def test_torchvision_is_not_imported():
    code = (
        "import sys, torch; from upsize.resize import Resizer; "
        "Resizer()((torch.rand(2, 3, 8, 8), 1), 4); "
        "sys.exit('torchvision' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# TensorDict


def test_tensordict():
    reason = "needs tensordict; test_containers.py has a stand-in"
    tensordict = pytest.importorskip("tensordict", reason=reason)
    batch = tensordict.TensorDict(
        {"image": images(), "nested": {"mask": labels(2)}, "label": torch.zeros(2)},
        batch_size=[2],
    )
    resizer = Resizer(targets={("nested", "mask"): "mask"})
    small = resizer(batch, SMALL)
    assert type(small) is tensordict.TensorDict
    assert small.batch_size == batch.batch_size
    assert small["image"].shape == (2, 3, *SMALL)
    assert small["nested", "mask"].shape == (2, *SMALL)
    assert small["label"] is batch["label"]
    assert batch["image"].shape == (2, 3, *FULL)
    assert batch["nested", "mask"].shape == (2, *FULL)
    assert resizer(small, SMALL) is small
    assert resizer(batch.lock_(), SMALL)["image"].shape == (2, 3, *SMALL)


def test_tensorclass():
    reason = "needs tensordict"
    tensordict = pytest.importorskip("tensordict", reason=reason)

    @tensordict.tensorclass
    class Data:
        image: torch.Tensor
        label: torch.Tensor

    batch = Data(images(), torch.zeros(2), batch_size=[2])
    small = Resizer()(batch, SMALL)
    assert type(small) is Data
    assert small.image.shape == (2, 3, *SMALL)
    assert batch.image.shape == (2, 3, *FULL)


class Operations(TorchDispatchMode):
    """Counts what is computed on tensors."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_a_batch_at_size_costs_no_operation():
    batch = (images(), torch.zeros(2))
    with Operations() as operations:
        found = Resizer()(batch, Size(*FULL), full=Size(*FULL))
    assert operations.count == 0
    assert found[0] is batch[0]
    with operations:
        Resizer()(batch, Size(*SMALL), full=Size(*FULL))
    assert operations.count > 0
