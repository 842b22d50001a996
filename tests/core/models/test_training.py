"""What the models of a run are made for, found out before the first step."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import pytest
import torch
from tests.core.models.small import FULL, torchvision_vit, transformers_vit, vit
from torch import Tensor, nn
from transformers import (
    BeitConfig,
    BeitForImageClassification,
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    HieraConfig,
    HieraModel,
    PvtConfig,
    PvtForImageClassification,
    SwinConfig,
    SwinModel,
)

from upsize.models import adapt
from upsize.models._adapt._patches import patch_of
from upsize.models._adapt._rectangle import adapt_rectangle
from upsize.models._adapt._training import ModelSizes
from upsize.models._adapt._transformers import _Interpolate
from upsize.models._try import Trial, find_multiple, find_trial
from upsize.run._restoring import Restoring
from upsize.schedule import Phases, Plan, Ramp, Size

TINY: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 16, "patch_size": 8,
}  # fmt: skip


def plan(*sizes: Any) -> Plan:
    phases: Any = [(n / len(sizes), size) for n, size in enumerate(sizes)]
    return Phases(phases=phases).plan(total_steps=100, final_size=sizes[-1])


def images(*size: int) -> Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(3))


def checked(model: nn.Module, *sizes: Any) -> None:
    with Restoring() as changes:
        ModelSizes([model], changes).check(plan(*sizes))


class TestHiera:
    """Its patches overlap: neither they nor their strides tell its sizes."""

    def model(self) -> Any:
        config = HieraConfig(
            image_size=[64, 64], embed_dim=8, depths=[1, 1], num_heads=[1, 1],
            query_stride=[2, 2], masked_unit_size=[8, 8], num_query_pool=1,
        )  # fmt: skip
        return HieraModel(config).eval()

    def test_sizes_are_those_that_work(self) -> None:
        model = self.model()
        assert patch_of(model) == (1, 1)
        with adapt(model, plan(32, 64, 96)) as adapted:
            assert adapted.multiple_of == (32, 32)
            for side in (32, 64, 96):
                model(images(side, side))
            for side in (56, 63):
                with pytest.raises((RuntimeError, ValueError)):
                    model(images(side, side))
        with pytest.raises(ValueError, match=r"not multiples of 32.*: 56x56; give"):
            adapt(model, plan(56, 64))
        with pytest.raises(ValueError, match="not multiples of 32"):
            checked(model, 56, 64)


def test_a_least_size_is_named() -> None:
    config = SwinConfig(
        image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[2, 2],
        window_size=4,
    )  # fmt: skip
    model = SwinModel(config).eval()
    words = (
        r"SwinModel fails at sizes of the plan: 16x16, 24x24; it takes 28x28 and larg"
    )
    with pytest.raises(ValueError, match=words):
        checked(model, 16, 24, 32)
    with pytest.raises(ValueError, match=words):
        adapt(model, plan(16, 24, 32))
    checked(model, 28, 32)


def test_models_without_another_size() -> None:
    model = PvtForImageClassification(PvtConfig(image_size=64))
    with pytest.raises(ValueError, match="images of no size but its own, 64x64"):
        adapt(model)
    with pytest.warns(UserWarning, match="64x64; if it takes one image size only"):
        checked(model, 32, 64)


def test_models_that_interpolate_by_themselves() -> None:
    model = Dinov2Model(Dinov2Config(**TINY, image_size=32))
    with adapt(model) as adapted:
        assert adapted.multiple_of == (8, 8)
        assert "Dinov2Model takes other sizes by itself" in str(adapted)
    with Restoring() as changes:
        assert ModelSizes([model], changes).summary() is None
    with pytest.warns(UserWarning, match="up to 36% of each image at 20x20"):
        checked(model, 20, 32)


def test_full_sizes_that_do_not_fit() -> None:
    with pytest.warns(UserWarning, match=r"multiple_of=8 and final_size=56$"):
        checked(transformers_vit(), 40, 60)
    # Such images would fail without upsize, too: others must reach this part.
    checked(torchvision_vit(), 40, 60)
    with pytest.raises(ValueError, match=r"41x41, 42x42, 43x43 and 1 more; give"):
        checked(torchvision_vit(), 41, 42, 43, 44, 48)


def test_models_of_any_size_are_left_alone() -> None:
    with warnings.catch_warnings(), Restoring() as changes:
        warnings.simplefilter("error")
        sizes = ModelSizes([nn.Conv2d(3, 8, 3), nn.Linear(3, 2)], changes)
        sizes.check(plan(31, 64))
        assert sizes.summary() is None


def test_all_models_of_a_run_and_none_after_it() -> None:
    models = [vit(), transformers_vit(), torchvision_vit()]
    with Restoring() as changes:
        summary = ModelSizes(models, changes).summary()
        assert summary is not None
        assert summary.count("position embedding interpolated") == 2
        for model in models:
            model(images(32, 48))
    for model in models:
        with pytest.raises((AssertionError, ValueError)):
            model(images(32, 48))


class TestTrial:
    def test_hooks_and_random_state_of_the_user_stay_out(self) -> None:
        model = transformers_vit().inner
        seen: list[Any] = []
        model.register_forward_hook(lambda *_: seen.append(1))
        model.vit.register_forward_pre_hook(lambda *_: seen.append(1))
        state = torch.get_rng_state()
        with adapt(model, plan(32, 64)):
            pass
        assert seen == []
        assert torch.equal(torch.get_rng_state(), state)

    def test_parts_that_cannot_be_tried(self) -> None:
        class Uncopied(nn.Module):
            def __deepcopy__(self, memo: Any) -> Any:
                raise RuntimeError

        class Takes(nn.Module):
            def forward(self, pixel_values: Tensor) -> Tensor:
                return pixel_values.reshape(1, 3 * 32 * 32)

        assert find_trial([nn.Linear(3, 2)], None) is None
        assert find_trial([Uncopied(), nn.Linear(3, 2)], Size(32, 32)) is None
        trial = find_trial([Uncopied(), Takes()], Size(32, 32))
        assert trial is not None
        assert find_multiple(trial, Size(32, 32), Size(8, 8)) is None
        assert find_multiple(trial, Size(30, 30), Size(8, 8)) == (8, 8)

    def test_a_size_is_tried_once(self) -> None:
        calls = 0

        class Counts(nn.Module):
            def forward(self, pixel_values: Tensor) -> Tensor:
                nonlocal calls
                calls += 1
                return pixel_values

        trial = Trial(Counts())
        assert trial.works(Size(8, 8))
        assert trial.works(Size(8, 8))
        assert calls == 1


class TestHook:
    def test_positional_and_missing_images(self) -> None:
        config = CLIPConfig(
            vision_config=TINY | {"image_size": 32},
            text_config={k: v for k, v in TINY.items() if k != "patch_size"},
        )
        model = CLIPModel(config).eval()
        inner = model.vision_model.embeddings
        with adapt(model):
            text = torch.ones(1, 3, dtype=torch.long)
            model.get_text_features(text)  # no images
            model(text, images(16, 16))
            model(text, images(16, 16), None, None, None, False)
            assert inner(images(16, 24), False).shape == (1, 7, 16)
            assert torch.equal(inner(images(32, 32), True), inner(images(32, 32)))

    def test_parts_of_a_model(self) -> None:
        part = transformers_vit().inner.vit.embeddings
        with adapt(nn.Sequential(part)) as adapted:
            assert adapted.multiple_of == (8, 8)
            assert part(images(16, 24)).shape == (1, 7, 32)
        del part.image_size, part.patch_embeddings.image_size
        with adapt(part):  # it does not say its own size: nothing to try
            assert part(images(16, 24)).shape == (1, 7, 32)

    def test_nothing_is_asked_for_without_images(self) -> None:
        hook = _Interpolate(None, 1, 0)
        assert hook(nn.Identity(), (), {}) == ((), {})
        text = torch.ones(1, 3)
        assert hook(nn.Identity(), (text,), {}) == ((text,), {})

    def test_copies_and_pickles(self) -> None:
        model = transformers_vit(image_size=(32, 64)).eval()
        with adapt(model):
            others = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
            with torch.no_grad():
                expected = model(images(16, 32))
                for other in others:
                    other.inner.vit.embeddings.position_embeddings.add_(0)
                    assert torch.equal(other(images(16, 32)), expected)


class TestRectangles:
    def test_at_the_own_size_nothing_changes(self) -> None:
        model = transformers_vit(image_size=(32, 128)).eval()
        before = model(images(32, 128))
        with adapt(model) as adapted:
            assert adapted.multiple_of == (8, 8)
            assert torch.equal(model(images(32, 128)), before)
            # Each row and column keeps its place: a grid as large is the same one.
            table = model.inner.vit.embeddings
            tokens = torch.zeros(1, 65, 32)
            same = table.interpolate_pos_encoding(tokens, 32, 128)
            assert torch.equal(same, table.position_embeddings)
            named = table.interpolate_pos_encoding(tokens, height=16, width=64)
            assert named.shape == (1, 17, 32)
            with adapt(model):  # twice is harmless
                model(images(16, 64))
        assert "interpolate_pos_encoding" not in vars(table)

    def test_without_positions(self) -> None:
        config = SwinConfig(
            image_size=[32, 64], patch_size=4, embed_dim=8, depths=[1, 1],
            num_heads=[2, 2], window_size=2,
        )  # fmt: skip
        model = SwinModel(config)
        with pytest.raises(ValueError, match="SwinModel is made for images of 32x64"):
            adapt(model)

    def test_relative_positions_are_refused(self) -> None:
        model = BeitForImageClassification(
            BeitConfig(**TINY, image_size=[32, 64], use_relative_position_bias=True)
        )
        words = (
            "made for images of 32x64, and the positions in its .* square images onl"
        )
        with pytest.raises(ValueError, match=words):
            adapt(model)
        assert not any(part._forward_pre_hooks for part in model.modules())

    @pytest.mark.parametrize("names", ["tokens", "height, width"])
    def test_positions_in_another_form_are_refused(self, names: str) -> None:
        class Part(nn.Module):
            position_embeddings = torch.zeros(1, 99, 8)

        made: Any = Part
        made.interpolate_pos_encoding = eval(f"lambda self, {names}: None")
        with (
            pytest.raises(ValueError, match="positions in its Part can be"),
            Restoring() as changes,
        ):
            adapt_rectangle(nn.Sequential(made()), Size(32, 64), changes)


def test_patches() -> None:
    assert patch_of(nn.Linear(3, 2)) == (1, 1)
    assert patch_of(nn.Conv2d(3, 8, 4, 4, padding="valid")) == (4, 4)
    assert patch_of(nn.Conv3d(3, 8, (2, 8, 8), (2, 8, 8))) == (8, 8)


@pytest.mark.parametrize("side", [FULL, 48])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit")
def test_a_trace_of_an_adapted_model(side: int) -> None:
    model = torchvision_vit().eval()
    with adapt(model), torch.no_grad():
        traced: Any = torch.jit.trace(model, images(side, side))
        expected = model(images(side, side))
    assert torch.allclose(traced(images(side, side)), expected, atol=1e-5)


def test_the_first_line_of_the_readme() -> None:
    sizes = Ramp().plan(total_steps=100, final_size=224).sizes
    model = transformers_vit(image_size=224, patch_size=16)
    with Restoring() as changes:
        models = ModelSizes([model], changes)
        with pytest.warns(
            UserWarning, match="up to 18% .* at 124x124 .*multiple_of=16"
        ):
            models.check(Ramp().plan(total_steps=100, final_size=224))
    assert Size(124, 124) in sizes
