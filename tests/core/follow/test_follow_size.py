"""What is set on the real layers and transforms, and put back."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from fastai.callback import mixup as fastai_mixup
from timm.data import create_transform
from timm.data.mixup import FastCollateMixup, Mixup
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as v1
from torchvision.models import efficientnet_v2_s, swin_t
from torchvision.ops import StochasticDepth
from torchvision.transforms import v2

from upsize.follow import FollowSize
from upsize.schedule import Ramp

RAMP = Ramp(final_size=224, increase_by=56)  # 3 stages
PLAN = RAMP.plan(total_steps=100)
STEPS = (0, 50, 75)


def followed(values: Any, *objects: Any, **more: Any) -> FollowSize:
    return FollowSize(values, *objects, **more).bind(PLAN)


def test_dropout_of_all_kinds() -> None:
    layers = [nn.Dropout(0.4), nn.Dropout1d(0.4), nn.Dropout2d(0.2), nn.Dropout3d(0.0),
              nn.AlphaDropout(0.4), nn.FeatureAlphaDropout(0.1)]  # fmt: skip
    before = [layer.p for layer in layers]
    follow = followed({"dropout": (0.1, 0.3)}, nn.Sequential(*layers))
    for step, largest in zip(STEPS, (0.1, 0.2, 0.3), strict=True):
        assert follow.set(step) == {"dropout": largest} == follow.current
        assert [layer.p for layer in layers] == pytest.approx(
            [largest, largest, largest / 2, 0.0, largest, largest / 4]
        )
    follow.restore()
    assert [layer.p for layer in layers] == before
    assert follow.current == {}


def test_dropout_has_its_effect_in_training() -> None:
    layer = nn.Dropout(0.5)
    follow = followed({"dropout": (0.0, 0.9)}, layer)
    ones = torch.ones(20_000)
    dropped = []
    for step in STEPS:
        follow.set(step)
        dropped.append((layer(ones) == 0).float().mean().item())
    assert dropped == pytest.approx([0.0, 0.45, 0.9], abs=0.02)


def test_models_of_timm_that_call_dropout_themselves() -> None:
    model = timm.create_model("efficientnet_b0", drop_rate=0.2, num_classes=3)
    with followed({"dropout": (0.1, 0.3)}, model) as follow:
        follow.set(50)
        assert model.drop_rate == pytest.approx(0.2)
        follow.set(75)
        assert model.drop_rate == 0.3
        model.train()
        pooled = torch.ones(64, 1280, 1, 1)
        model.classifier = nn.Identity()
        assert (model.forward_head(pooled) == 0).float().mean() == pytest.approx(
            0.3, abs=0.02
        )
    assert model.drop_rate == 0.2


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: timm.create_model("convnext_atto", drop_path_rate=0.2), "drop_prob"),
        (lambda: timm.create_model("vit_tiny_patch16_224", drop_path_rate=0.2), "drop_prob"),
        (lambda: efficientnet_v2_s(weights=None, stochastic_depth_prob=0.2), "p"),
        (lambda: swin_t(weights=None), "p"),
    ],
)  # fmt: skip
def test_stochastic_depth_keeps_the_ratio_of_each_layer(make: Any, name: str) -> None:
    model = make()
    layers = [
        layer
        for layer in model.modules()
        if isinstance(layer, StochasticDepth) or type(layer).__name__ == "DropPath"
    ]
    before = [getattr(layer, name) for layer in layers]
    assert len(set(before)) > 3
    with followed({"drop_path": (0.05, 0.1)}, model) as follow:
        for step, largest in zip(STEPS, (0.05, 0.075, 0.1), strict=True):
            follow.set(step)
            assert [getattr(layer, name) for layer in layers] == pytest.approx(
                [largest * p / max(before) for p in before]
            )
    assert [getattr(layer, name) for layer in layers] == before


def test_drop_path_of_transformers() -> None:
    class SwinDropPath(nn.Module):  # as transformers has it, which keeps it in a float
        def __init__(self, drop_prob: float | None) -> None:
            super().__init__()
            self.drop_prob = drop_prob

    model = nn.Sequential(SwinDropPath(None), SwinDropPath(0.1), SwinDropPath(0.2))
    with followed({"drop_path": (0.1, 0.4)}, model) as follow:
        follow.set(75)
        assert [each.drop_prob for each in model] == [0, 0.2, 0.4]
    assert [each.drop_prob for each in model] == [None, 0.1, 0.2]


@pytest.mark.parametrize("library", [v1, v2])
def test_rand_augment_of_torchvision(library: Any) -> None:
    augment = library.RandAugment(magnitude=9)
    transform = library.Compose([library.RandomHorizontalFlip(), augment])
    with followed({"randaugment": (5, 15)}, transform) as follow:
        images = torch.randint(256, (3, 32, 32), dtype=torch.uint8)
        for step, magnitude in zip(STEPS, (5, 10, 15), strict=True):
            follow.set(step)
            assert augment.magnitude == magnitude
            assert type(augment.magnitude) is int
            assert transform(images).shape == images.shape
    assert augment.magnitude == 9


def test_rand_augment_of_timm() -> None:
    transform = create_transform(32, is_training=True, auto_augment="rand-m9-mstd0.5")
    (augment,) = [
        each for each in transform.transforms if type(each).__name__ == "RandAugment"
    ]
    before = [op.magnitude for op in augment.ops]
    with followed({"randaugment": (2, 8)}, transform) as follow:
        follow.set(50)
        assert {op.magnitude for op in augment.ops} == {5}
    assert [op.magnitude for op in augment.ops] == before == [9] * len(before)


@pytest.mark.parametrize("cls", [v2.MixUp, v2.CutMix])
def test_mixing_of_torchvision(cls: Any) -> None:
    mix = cls(alpha=1.0, num_classes=4)
    before, name = mix._dist, cls.__name__.lower()
    images, labels = torch.rand(8, 3, 16, 16), torch.arange(8) % 4
    with followed({name: (0.0, 0.4)}, v2.Compose([v2.RandomChoice([mix])])) as follow:
        follow.set(0)
        assert mix.alpha == 0
        mixed, soft = mix(images, labels)
        torch.testing.assert_close(mixed, images)
        assert torch.equal(soft, nn.functional.one_hot(labels, 4).float())
        follow.set(75)
        assert mix.alpha == 0.4
        assert mix._dist.concentration1.tolist() == pytest.approx([0.4])
        assert mix._dist.concentration0.tolist() == pytest.approx([0.4])
        torch.manual_seed(0)
        assert any(not torch.equal(mix(images, labels)[0], images) for _ in range(9))
        follow.set(0)
        assert mix.alpha == 0
    assert mix._dist is before
    assert mix.alpha == 1.0


@pytest.mark.parametrize("cls", [Mixup, FastCollateMixup])
@pytest.mark.parametrize("mode", ["batch", "elem"])
def test_mixing_of_timm(cls: Any, mode: str) -> None:
    mix = cls(mixup_alpha=0.8, cutmix_alpha=1.0, num_classes=4, mode=mode)
    values = {"mixup": (0.0, 0.2), "cutmix": (0.0, 0.6)}
    with followed(values, mix) as follow:
        follow.set(0)
        assert (mix.mixup_alpha, mix.cutmix_alpha) == (0, 0)
        assert not mix.mixup_enabled
        if cls is Mixup:
            images, labels = torch.rand(8, 3, 16, 16), torch.arange(8) % 4
            mixed, _ = mix(images.clone(), labels)
            assert torch.equal(mixed, images)
        follow.set(75)
        assert (mix.mixup_alpha, mix.cutmix_alpha) == (0.2, 0.6)
        assert mix.mixup_enabled is True
        mix.mixup_enabled = False  # as timm's --mixup-off-epoch does
        follow.set(50)
        follow.set(0)
        follow.set(75)
        assert mix.mixup_enabled is False
    assert (mix.mixup_alpha, mix.cutmix_alpha, mix.mixup_enabled) == (0.8, 1.0, True)


def test_one_alpha_of_timm_leaves_the_other() -> None:
    mix = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0)
    with followed({"mixup": (0.0, 0.2)}, mix) as follow:
        follow.set(0)
        assert (mix.mixup_alpha, mix.cutmix_alpha, mix.mixup_enabled) == (0, 1.0, True)


@pytest.mark.parametrize("cls", [fastai_mixup.MixUp, fastai_mixup.CutMix])
def test_mixing_of_fastai(cls: Any) -> None:
    mix = cls(0.4)
    before = mix.distrib
    with followed({cls.__name__.lower(): (0.0, 0.4)}, mix) as follow:
        follow.set(0)
        assert mix.distrib.sample((5,)).tolist() == [1.0] * 5
        follow.set(50)
        assert mix.distrib.concentration1.item() == pytest.approx(0.2)
        assert mix.distrib.sample((5,)).shape == (5,)
    assert mix.distrib is before


class Images(Dataset[Any]):
    def __init__(self, transform: Any) -> None:
        self.transform, self.samples = transform, [transform] * 65

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return self.transform(torch.zeros(3, 8, 8, dtype=torch.uint8))


def test_transforms_of_datasets_and_loaders() -> None:
    augment = v2.RandAugment()
    data = torch.utils.data.Subset(Images(v2.Compose([augment])), [0, 1])
    chained = torch.utils.data.ConcatDataset([data, data])
    for holder in (data, chained, DataLoader(data), {"train": data}, [[data]]):
        with followed({"randaugment": (5, 15)}, holder) as follow:
            follow.set(50)
            assert augment.magnitude == 10
        assert augment.magnitude == 9


def test_a_loader_with_workers_is_refused() -> None:
    loader = DataLoader(Images(v2.RandAugment()), num_workers=2)
    with pytest.raises(ValueError, match="has 2 worker processes, which use copies"):
        FollowSize({"randaugment": (5, 15)}, loader)


def test_workers_that_start_after_a_change_have_it() -> None:
    """What the refusal above says of a transform that is given by itself."""

    class Magnitudes(Images):
        def __getitem__(self, index: int) -> Any:
            return self.transform.magnitude

    augment = v2.RandAugment()
    loader = DataLoader(Magnitudes(augment), num_workers=1)
    with followed({"randaugment": (5, 15)}, augment) as follow:
        seen = []
        for step in STEPS:
            follow.set(step)
            seen.append(next(iter(loader)).item())
    assert seen == [5, 10, 15]


def test_other_attributes() -> None:
    eraser, flip = v2.RandomErasing(p=0.5), v2.RandomHorizontalFlip(p=0.5)
    follow = followed(
        {"erasing": (0.0, 0.2), "flip": (0.5, 0.0)},
        attributes={"erasing": (eraser, "p"), "flip": (flip, "p")},
    )
    assert follow.set(50) == {"erasing": 0.1, "flip": 0.25}
    assert (eraser.p, flip.p) == (0.1, 0.25)
    follow.restore()
    assert (eraser.p, flip.p) == (0.5, 0.5)


def test_several_objects_and_one_that_is_held_twice() -> None:
    shared = nn.Dropout(0.4)
    first, second = (
        nn.Sequential(shared, shared),
        nn.Sequential(nn.Dropout(0.2), shared),
    )
    mix = v2.MixUp(num_classes=2)
    values = {"dropout": (0.1, 0.3), "mixup": (0.1, 0.2)}
    with followed(values, first, mix, second, by="stage") as follow:
        follow.set(50)
        assert (shared.p, second[0].p) == pytest.approx((0.2, 0.1))
        assert mix.alpha == pytest.approx(0.15)
    assert (shared.p, second[0].p, mix.alpha) == (0.4, 0.2, 1.0)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_restored_whatever_happens(error: type[BaseException]) -> None:
    layer = nn.Dropout(0.5)
    follow = followed({"dropout": (0.1, 0.3)}, layer)

    def train() -> None:
        with follow:
            follow.set(0)
            assert layer.p == 0.1
            raise error

    with pytest.raises(error):
        train()
    assert layer.p == 0.5
    follow.restore()  # a second time it does nothing
    assert layer.p == 0.5


def test_after_restoring_it_begins_anew() -> None:
    layer = nn.Dropout(0.5)
    follow = followed({"dropout": (0.1, 0.3)}, layer)
    follow.set(75)
    follow.restore()
    layer.p = 0.6
    follow.set(75)
    assert layer.p == 0.3
    follow.restore()
    assert layer.p == 0.6
    follow.bind(RAMP.plan(total_steps=1000)).set(0)
    assert layer.p == 0.1


def test_nothing_is_written_while_nothing_changes() -> None:
    layer = nn.Dropout(0.5)
    follow = followed({"dropout": (0.1, 0.3)}, layer)
    follow.set(0)
    layer.p = 0.7
    follow.set(49)
    assert layer.p == 0.7  # the user's own change, until the next one
    follow.set(50)
    assert layer.p == 0.2


DROP = nn.Dropout(0.5)


@pytest.mark.parametrize(
    ("values", "objects", "message"),
    [
        (
            {"dropuot": (0.1, 0.3)},
            [DROP],
            "unknown name 'dropuot': use one of dropout, ",
        ),
        ({"dropout": (0.1, 1.0)}, [DROP], r"values\['dropout'\] must be in \[0, 1\)"),
        (
            {"dropout": (-0.1, 0.5)},
            [DROP],
            r"must be in \[0, 1\), not -0.1",
        ),
        ({"drop_path": (0, 1)}, [DROP], r"must be in \[0, 1\)"),
        ({"mixup": (-1.0, 0.2)}, [v2.MixUp(num_classes=2)], "must be at least 0"),
        ({"randaugment": (5.0, 15.0)}, [v2.RandAugment()], "whole number .* not 5.0"),
        (
            {"randaugment": (5, 31)},
            [v2.RandAugment()],
            "below 31, the number of magnitudes of Rand",
        ),
        ({"dropout": (0.1, 0.3)}, [], "dropout: no nn.Dropout.* was found in nothing"),
        (
            {"dropout": (0.1, 0.3)},
            [DROP, v2.RandAugment()],
            "nothing in RandAugment is set by dropout: leave it out",
        ),
        (
            {"dropout": (0.1, 0.3), "mixup": (0.1, 0.2)},
            [DROP],
            "mixup: no MixUp of torchvision .* was found in Dropout",
        ),
        (
            {"dropout": (0.1, 0.3)},
            [nn.Sequential(nn.Dropout(0.0), nn.Dropout(0.0))],
            "dropout: all 2 layers are at 0",
        ),
        (
            {"drop_path": (0.1, 0.3)},
            [timm.create_model("vit_tiny_patch16_224", depth=1)],
            "nothing in VisionTransformer is set by drop_path",
        ),
        ({"dropout": (0.1, 0.3)}, [[DROP] * 65], "nothing in list is set by dropout"),
        ({"dropout": 0.3}, [DROP], "pair of finite numbers"),
    ],
)
def test_bad_input(values: Any, objects: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FollowSize(values, *objects)


def test_bad_attributes_and_by_and_no_plan() -> None:
    with pytest.raises(ValueError, match=r"attributes\['p'\] must name an attribute"):
        FollowSize({"dropout": (0.1, 0.3)}, DROP, attributes={"p": (DROP, "p")})
    with pytest.raises(ValueError, match=r"Dropout\.q with values"):
        FollowSize({"p": (0.1, 0.3)}, attributes={"p": (DROP, "q")})
    with pytest.raises(ValueError, match="by must be"):
        FollowSize({"dropout": (0.1, 0.3)}, DROP, by="epoch")  # type: ignore[arg-type]
    follow = FollowSize({"dropout": (0.1, 0.3)}, DROP)
    with pytest.raises(ValueError, match="no plan to follow"):
        follow.set(0)
    assert DROP.p == 0.5
