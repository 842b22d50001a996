"""upsize.detection: the size that reaches the backbone of torchvision's detectors."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from upsize.detection import follow_detector, sync_detector
from upsize.loop import ProgressiveResize
from upsize.schedule import Phases, Ramp, Size

models = pytest.importorskip("torchvision.models.detection", reason="its detectors")

NONE = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
RAMP = Ramp(final_size=128, initial_size=64, increase_by=32, start=0.3, finish=0.7)


@pytest.fixture(scope="module")
def built() -> dict[str, Any]:
    torch.manual_seed(0)
    none = {"weights": None, "weights_backbone": None, "num_classes": 2}
    return {
        "fixed": models.ssdlite320_mobilenet_v3_large(**none),
        "range": models.fasterrcnn_mobilenet_v3_large_320_fpn(
            **none, min_size=(96, 96), max_size=160
        ),
    }


@pytest.fixture
def detectors(built: dict[str, Any]) -> Any:
    yield built
    for model in built.values():
        model.train()
        assert not model.transform._forward_pre_hooks
        assert not model.transform._forward_hooks


def sizes_of(model: Any) -> list[Any]:
    transform = model.transform
    return [transform.min_size, transform.max_size, transform.fixed_size]


def watched(model: Any) -> tuple[list[tuple[int, ...]], Any]:
    seen: list[tuple[int, ...]] = []
    hook = model.backbone.register_forward_pre_hook(
        lambda module, args: seen.append(tuple(args[0].shape[-2:]))
    )
    return seen, hook


def test_sync_is_a_share_of_every_size(detectors: dict[str, Any]) -> None:
    model = copy.deepcopy(detectors["range"])
    before = sync_detector(model, size=(50, 100), full=(100, 200))
    assert before == {"min_size": (96, 96), "max_size": 160, "fixed_size": None}
    assert sizes_of(model) == [(48, 48), 80, None]
    fixed = copy.deepcopy(detectors["fixed"])
    fixed.transform.fixed_size = (300, 200)  # width first
    sync_detector(fixed, size=33, full=100)
    assert fixed.transform.fixed_size == (99, 66)
    sync_detector(fixed, size=1, full=1000)
    assert sizes_of(fixed) == [(1,), 1, (1, 1)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("fixed", [(160, 160), (240, 240), (320, 320)]),
        # 96 of 48x80 and its shares, padded to a multiple of 32: 48x80, 72x120, 96x160.
        ("range", [(64, 96), (96, 128), (96, 160)]),
    ],
)
def test_the_backbone_meets_the_share_of_the_plan(
    kind: str, expected: list[Any], detectors: dict[str, Any]
) -> None:
    model = detectors[kind]
    before = sizes_of(model)
    loader = [([torch.rand(3, 96, 160)] * 2, [NONE] * 2)] * 2
    resize = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=2)
    seen, hook = watched(model)
    planned = []
    with follow_detector(model, resize):
        for _ in range(3):
            for images, targets in resize.batches(loader):
                planned.append(resize.size.width)
                model(images, targets)
                assert sizes_of(model) == before
    hook.remove()
    shares = dict(zip((64, 96, 128), expected, strict=True))
    assert seen == [shares[side] for side in planned]
    assert set(planned) == {64, 96, 128}
    # The step after it: the detector has its own sizes.
    seen, hook = watched(model)
    model(*loader[0])
    hook.remove()
    assert seen == [expected[-1]]


def test_evaluation_has_its_own_sizes(detectors: dict[str, Any]) -> None:
    model = detectors["fixed"].eval()
    seen, hook = watched(model)
    resize = ProgressiveResize(RAMP, total_steps=10)
    with follow_detector(model, resize), torch.no_grad():
        (found,) = model([torch.rand(3, 100, 150)])
    hook.remove()
    assert seen == [(320, 320)]
    assert not len(found["boxes"]) or found["boxes"].max() <= 150


class Unknown:
    """An adapter's callback, before training has begun."""

    plan = size = None


def test_without_a_plan_and_after_an_error(detectors: dict[str, Any]) -> None:
    model = detectors["fixed"]
    before = sizes_of(model)
    batch = ([torch.rand(3, 60, 60)] * 2, [NONE] * 2)
    seen, hook = watched(model)
    with follow_detector(model, Unknown()):
        model(*batch)
    resize = ProgressiveResize(RAMP, total_steps=10)
    follower = follow_detector(model, resize)
    with pytest.raises(IndexError):
        model(batch[0], [])  # fails within the transform
    assert sizes_of(model) == before
    model(*batch)
    follower.remove()
    hook.remove()
    assert seen == [(320, 320), (160, 160)]


def test_a_copy_follows_too_and_copies_no_run(detectors: dict[str, Any]) -> None:
    model = detectors["fixed"]
    resize = ProgressiveResize(
        Phases(phases=[(0, 32), (1, 64)]), epochs=2, steps_per_epoch=1, final_size=64
    )
    with follow_detector(model, resize):
        twin = copy.deepcopy(model)
    before = sizes_of(twin)
    seen, _ = watched(twin)
    for _ in range(2):
        twin([torch.rand(3, 60, 60)] * 2, [NONE] * 2)
        resize.step()
    assert resize.size == Size(64, 64)
    assert seen == [(160, 160), (320, 320)]
    assert sizes_of(twin) == before


@pytest.mark.parametrize("model", [nn.Linear(2, 2), nn.Sequential()])
def test_a_model_that_is_no_detector(model: nn.Module) -> None:
    resize = ProgressiveResize(RAMP, total_steps=10)
    model.transform = nn.Identity()
    for call in (
        lambda: sync_detector(model, 1, 2),
        lambda: follow_detector(model, resize),
        lambda: follow_detector(nn.ReLU(), resize),
    ):
        with pytest.raises(
            TypeError, match=r"has no transform with min_size.*torchvis"
        ):
            call()
