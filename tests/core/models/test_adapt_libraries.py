"""What each library's own way to other sizes gives is what adapt() gives."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import timm
import torch
from tests.core.models.small import (
    FULL,
    maxvit,
    maxvit_mlp,
    maxvit_nchw,
    maxvit_parallel,
    maxvit_tf,
    swin,
    swin_v2,
    torchvision_maxvit,
    torchvision_vit,
    transformers_vit,
    vit,
)
from timm.layers import RelPosBias, resample_abs_pos_embed
from timm.models.deit import VisionTransformerDistilled
from torch import Tensor, nn
from torchvision.models import VisionTransformer, resnet18, swin_t
from torchvision.ops import Conv2dNormActivation
from transformers import BertConfig, BertModel, ResNetConfig, ResNetModel

from upsize.models import adapt
from upsize.models._adapt._relative import bias_of, resize_table


def images(*size: int) -> Tensor:
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"no_embed_class": True},
        {"reg_tokens": 2},
        {"kind": VisionTransformerDistilled},
    ],
)
def test_vit_does_what_dynamic_img_size_does(more: dict[str, Any]) -> None:
    model, native = vit(**more).eval(), vit(**more, dynamic_img_size=True).eval()
    adapt(model)
    assert "is made for any size" in str(adapt(native))
    for size in [(32, 32), (48, 80), (FULL, FULL)]:
        assert torch.equal(model(images(*size)), native(images(*size)))


def test_vit_that_pads_takes_any_size() -> None:
    model = vit(dynamic_img_pad=True)
    with adapt(model) as adapted:
        assert adapted.multiple_of == (1, 1)
        assert model(images(37, 51)).shape == (2, 4)


@pytest.mark.parametrize("make", [swin, swin_v2])
def test_swin_does_what_strict_img_size_false_does(make: Any) -> None:
    model, native = make().eval(), make(strict_img_size=False).eval()
    assert adapt(model).multiple_of == (4, 4)
    assert "is made for any size" in str(adapt(native))
    for size in [(32, 32), (44, 80), (FULL, FULL)]:
        assert torch.equal(model(images(*size)), native(images(*size)))


def constant_(model: Any) -> Any:
    """Make every table of biases constant: any interpolation gives the same."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("relative_position_bias_table"):
                parameter.fill_(0.3)
    return model.eval()


@pytest.mark.parametrize(
    "make", [maxvit, maxvit_tf, maxvit_mlp, maxvit_nchw, maxvit_parallel]
)
@pytest.mark.parametrize("size", [(32, 32), (80, 80), (48, 80)])
# timm's own interpolation; nothing in it is ours.
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
@pytest.mark.filterwarnings("ignore:torch.searchsorted")
def test_maxvit_has_the_windows_of_set_input_size(
    make: Any, size: tuple[int, int]
) -> None:
    model = constant_(make())
    native = copy.deepcopy(model)
    native.set_input_size(size)
    adapt(model)
    torch.testing.assert_close(model(images(*size)), native(images(*size)))


def biases(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if hasattr(module, "get_bias")]


@pytest.mark.parametrize("make", [maxvit, maxvit_tf, maxvit_mlp])
def test_maxvit_biases_are_looked_up_as_timm_does(make: Any) -> None:
    # An exact check of the look-up: a wrong "trained" window makes the class compute
    # the bias of the real one by itself.
    model = make().eval()
    expected = [bias.get_bias().detach() for bias in biases(model)]
    adapt(model)
    assert len(expected) == 4
    for bias, old in zip(biases(model), expected, strict=True):
        assert torch.equal(bias.get_bias(), old)
        bias.window_size = [4, 4]  # equal, yet not the tuple that is compared
        computed = bias.get_bias()
        assert computed.shape == old.shape
        torch.testing.assert_close(computed, old)


def test_maxvit_mlp_with_gain_is_looked_up_as_timm_does() -> None:
    model = maxvit_mlp()
    for bias in biases(model):
        bias.mode, bias.bias_gain, bias.bias_act = "swin", 16, nn.Sigmoid()
        bias._init_buffers()
    model.eval()
    native = copy.deepcopy(model)
    native.set_input_size((48, 80))
    adapt(model)
    torch.testing.assert_close(model(images(48, 80)), native(images(48, 80)))


def test_torchvision_maxvit_biases_are_looked_up_as_torchvision_does() -> None:
    model = torchvision_maxvit()
    layers = [m for m in model.modules() if hasattr(m, "get_relative_positional_bias")]
    assert len(layers) == 4
    for layer in layers:
        table = layer.relative_position_bias_table.t().reshape(-1, 7, 7)
        ours = bias_of(table, (4, 4), key_minus_query=False)
        assert torch.equal(ours, layer.get_relative_positional_bias())


def test_torchvision_maxvit_is_one_that_is_made_for_the_size() -> None:
    model = constant_(torchvision_maxvit())
    x = images(48, 48)
    with adapt(model):
        adapted = model(x)
    # By hand what torchvision's constructor would do for images of 48 pixels.
    for stage, block in enumerate(model.blocks):
        for layer in block.modules():
            if hasattr(layer, "partition_type"):
                side = 12 // 2**stage
                layer.grid_size = (side, side)
                layer.p = 3 if layer.partition_type == "window" else side // 3
                attention = layer.attn_layer[1]
                attention.get_relative_positional_bias = lambda: torch.tensor(0.3)
    torch.testing.assert_close(adapted, model(x))


def test_torchvision_maxvit_says_what_it_cannot_do() -> None:
    model = torchvision_maxvit()
    adapt(model)
    with pytest.raises(ValueError, match="square windows, and a feature map of 12x20"):
        model(images(48, 80))
    with pytest.raises(ValueError, match="feature map of 10x10 does not divide"):
        model(images(40, 40))


def test_tables_keep_what_they_say() -> None:
    ramp = torch.linspace(-3, 3, 7).expand(2, 7, 7)
    small = resize_table(ramp, (3, 4))
    assert small.shape == (2, 5, 7)
    torch.testing.assert_close(small, torch.linspace(-3, 3, 7).expand(2, 5, 7))
    assert resize_table(ramp, (4, 4)) is ramp


def test_torchvision_vit_interpolates_as_timm_does() -> None:
    model = torchvision_vit().eval()
    x = images(48, 80)
    with adapt(model):
        adapted = model(x)
    position = model.encoder.pos_embedding
    grid = resample_abs_pos_embed(position, [6, 10], [8, 8])
    tokens = model.conv_proj(x).flatten(2).transpose(1, 2)
    tokens = torch.cat([model.class_token.expand(2, -1, -1), tokens], 1)
    encoder = model.encoder
    expected = model.heads(encoder.ln(encoder.layers(tokens + grid))[:, 0])
    torch.testing.assert_close(adapted, expected)


def test_torchvision_vit_names_a_size_that_does_not_divide() -> None:
    model = torchvision_vit()
    adapt(model)
    for size in [(50, 48), (48, 50)]:
        with pytest.raises(ValueError, match=r"do not divide into patches of 8 pixels"):
            model(images(*size))


class Extended(VisionTransformer):
    pass


def test_torchvision_vit_of_the_users_is_refused() -> None:
    model = Extended(FULL, 8, 1, 2, 32, 64)
    with pytest.raises(ValueError, match="Extended extends torchvision's"):
        adapt(model)


def test_transformers_gets_its_argument() -> None:
    model = transformers_vit().inner.eval()
    x = images(48, 80)
    expected = model(x, interpolate_pos_encoding=True).logits
    with adapt(model):
        assert torch.equal(model(x).logits, expected)
        assert torch.equal(model(x, interpolate_pos_encoding=False).logits, expected)


def test_transformers_with_patches_of_two_sides() -> None:
    model = transformers_vit(patch_size=[8, 16])
    assert adapt(model).multiple_of == (8, 16)
    assert model(images(40, 48)).shape == (2, 4)


def test_transformers_without_the_argument() -> None:
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1])
    with pytest.raises(ValueError, match=r"no model that adapt.. knows is in ResNet"):
        adapt(ResNetModel(config))


class WithText(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.text = BertModel(
            BertConfig(
                vocab_size=8,
                hidden_size=8,
                num_hidden_layers=1,
                num_attention_heads=1,
            )
        )
        self.image = vit()


def test_a_model_of_text_beside_is_left_alone() -> None:
    assert adapt(WithText()).notes == (
        "timm VisionTransformer: position embedding interpolated at each size",
    )


def test_parts_of_the_libraries_are_no_models() -> None:
    parts = nn.Sequential(Conv2dNormActivation(3, 3), timm.layers.Mlp(8), vit())
    assert len(adapt(parts).notes) == 1


def test_models_that_need_nothing() -> None:
    for model in (resnet18(), swin_t(), timm.create_model("test_convnext")):
        before = [dict(vars(module)) for module in model.modules()]
        adapted = adapt(model)
        assert "takes other sizes by itself" in str(adapted)
        assert adapted.multiple_of == (1, 1)
        assert [dict(vars(module)) for module in model.modules()] == before


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: maxvit("T"), "CoAtNet"),
        (
            lambda: maxvit(window_size=(3, 3), grid_size=(3, 3)),
            r"windows of \(3, 3\) on a feature map of \(16, 16\)",
        ),
        (lambda: timm.create_model("test_vit_relpos"), "made for one size"),
        (lambda: vit(embed_layer=Hybrid), "has a Hybrid where a PatchEmbed"),
    ],
)
def test_what_cannot_be_adapted_says_why(make: Any, reason: str) -> None:
    model = make()
    before = [(type(module), dict(vars(module))) for module in model.modules()]
    with pytest.raises(ValueError, match=reason):
        adapt(model)
    assert [(type(m), dict(vars(m))) for m in model.modules()] == before


def test_others_of_timm_that_are_made_for_any_size() -> None:
    name = "eva02_tiny_patch14_224"
    settings = {"embed_dim": 16, "depth": 1, "num_heads": 2, "num_classes": 2}
    with pytest.raises(ValueError, match="made for one size"):
        adapt(timm.create_model(name, **settings))
    model = timm.create_model(name, **settings, dynamic_img_size=True)
    adapted = adapt(model)
    assert "takes other sizes by itself" in str(adapted)
    assert adapted.multiple_of == (14, 14)
    assert model(images(56, 42)).shape == (2, 2)


class OtherBias(RelPosBias):
    pass


def test_maxvit_of_other_biases_is_refused() -> None:
    model = maxvit()
    biases(model)[2].__class__ = OtherBias
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(ValueError, match="has a OtherBias, which is not one of timm's"):
        adapt(model)
    assert [type(module) for module in model.modules()] == kinds


def test_feature_extractors() -> None:
    name = "vit_tiny_patch16_224"
    backbone = timm.create_model(name, depth=2, features_only=True, out_indices=(0, 1))
    x = images(96, 128)
    with pytest.raises(AssertionError, match="doesn't match model"):
        backbone(x)
    with adapt(backbone):
        assert {out.shape[-2:] for out in backbone(x)} == {(6, 8)}
    # What timm takes apart needs its own argument.
    parts = timm.create_model("swin_tiny_patch4_window7_224", features_only=True)
    with pytest.raises(ValueError, match=r"give that to timm\.create_model"):
        adapt(parts)


class Hybrid(timm.layers.PatchEmbed):
    pass


def test_blocks_without_biases() -> None:
    model = maxvit(rel_pos_type="")
    with adapt(model):
        assert model(images(32, 32)).shape == (2, 4)
