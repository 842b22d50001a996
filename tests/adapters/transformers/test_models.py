"""Models that are made for one size of images train, evaluate and predict at others."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from tests.adapters.transformers.tools import SIDE, Images, Net, trainer, vit
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import (
    BeitConfig,
    BeitForImageClassification,
    CLIPConfig,
    CLIPForImageClassification,
    DeiTConfig,
    DeiTForImageClassification,
    Dinov2Config,
    Dinov2ForImageClassification,
    HieraConfig,
    HieraForImageClassification,
    SiglipConfig,
    SiglipForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    TimmWrapperConfig,
    TimmWrapperForImageClassification,
    Trainer,
    TrOCRConfig,
    TrOCRForCausalLM,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)

from upsize.schedule import Phases, Ramp
from upsize.transformers import attach

OLDEST = transformers.__version__.startswith("5.0.")
RAMP = Ramp(increase_by=8)
TINY: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 16, "image_size": SIDE, "patch_size": 8,
}  # fmt: skip
TEXT = {k: v for k, v in TINY.items() if "_size" not in k} | {
    "hidden_size": 16, "intermediate_size": 16, "vocab_size": 8, "bos_token_id": 1,
    "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip


class Around(nn.Module):
    """A module of the user's around a ViT, whose forward takes no other argument."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.head = inner, nn.LazyLinear(2)

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> Any:
        out = self.inner(pixel_values)
        out = out if isinstance(out, Tensor) else out.last_hidden_state[:, 0]
        logits = self.head(out)
        if labels is None:
            return {"logits": logits}
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def around(inner: Any) -> Any:
    made = Around(inner)
    made(torch.rand(1, 3, SIDE, SIDE))
    return made


def timm_vit() -> Any:
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=SIDE, patch_size=8, embed_dim=16, depth=1,
        num_heads=2, num_classes=4,
    )  # fmt: skip


def timm_wrapper() -> Any:
    return TimmWrapperForImageClassification(
        TimmWrapperConfig(
            architecture="vit_tiny_patch16_224", num_labels=2,
            model_args={"img_size": SIDE, "patch_size": 8, "embed_dim": 16, "depth": 1,
                        "num_heads": 2},
        )
    )  # fmt: skip


def small(images: int) -> Any:
    """A ViT made for smaller images than the data."""
    return ViTForImageClassification(ViTConfig(**TINY | {"image_size": images}))


MODELS: dict[str, Any] = {
    "ViT made for smaller images": lambda: small(16),
    "ViT made for larger images": lambda: small(48),
    "CLIP": lambda: CLIPForImageClassification(
        CLIPConfig(vision_config=TINY, text_config=TEXT, projection_dim=8)
    ),
    "SigLIP": lambda: SiglipForImageClassification(
        SiglipConfig(vision_config=TINY, text_config=TEXT)
    ),
    "DeiT": lambda: DeiTForImageClassification(DeiTConfig(**TINY)),
    "BEiT": lambda: BeitForImageClassification(
        BeitConfig(**TINY, use_relative_position_bias=True, vocab_size=8)
    ),
    "DINOv2": lambda: Dinov2ForImageClassification(Dinov2Config(**TINY)),
    "Swin": lambda: SwinForImageClassification(
        SwinConfig(
            image_size=SIDE,
            patch_size=4,
            embed_dim=8,
            depths=[1, 1],
            num_heads=[2, 2],
            window_size=2,
            use_absolute_embeddings=not OLDEST,  # 5.0 has one position too many for them
        )
    ),
    "TimmWrapper": timm_wrapper,
    "module around a ViT": lambda: around(ViTModel(ViTConfig(**TINY))),
    "module around a ViT of timm": lambda: around(timm_vit()),
}


@pytest.mark.parametrize("name", MODELS)
def test_train_evaluate_and_predict(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    keys = list(model.state_dict())
    made = trainer(
        tmp_path, model, schedule=RAMP, eval_dataset=Images(4), eval_strategy="epoch",
        num_train_epochs=4, train_dataset=Images(8), label_names=["labels"],
    )  # fmt: skip
    made.train()
    assert [size.width for size in made.plan.sizes] == [16, 24, 32]
    assert {width for *_, width in made.seen} == {16, 24, 32}
    assert set(made.predicted) == {32}
    made.evaluate()
    made.predict(Images(4))
    assert list(model.state_dict()) == keys
    assert not any(part._forward_pre_hooks for part in model.modules())


def test_through_torch_compile(tmp_path: Path) -> None:
    model = torch.compile(small(16), backend="eager")
    made = trainer(
        tmp_path, model, schedule=RAMP, train_dataset=Images(8),
        remove_unused_columns=False,
    )  # fmt: skip
    made.train()
    assert {width for *_, width in made.seen} == {16, 24, 32}


def test_text_from_images(tmp_path: Path) -> None:
    class Lines(Dataset[Any]):
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> dict[str, Tensor]:
            images = Images(8)[index]["pixel_values"]
            return {"pixel_values": images, "labels": torch.tensor([1, 2, 2])}

    decoder = TrOCRForCausalLM(
        TrOCRConfig(vocab_size=8, d_model=16, decoder_layers=1, decoder_ffn_dim=16,
                    decoder_attention_heads=2, cross_attention_hidden_size=16)
    )  # fmt: skip
    model = VisionEncoderDecoderModel(
        encoder=ViTModel(ViTConfig(**TINY)), decoder=decoder
    )
    model.config.decoder_start_token_id = model.config.pad_token_id = 0
    made = trainer(tmp_path, model, schedule=RAMP, train_dataset=Lines())
    made.train()
    assert {width for *_, width in made.seen} == {16, 24, 32}


def test_a_loss_of_one_s_own(tmp_path: Path) -> None:
    class Own(Trainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any
        ) -> Any:
            logits = model(inputs["pixel_values"]).logits
            loss = nn.functional.cross_entropy(logits, inputs["labels"])
            return (loss, {"logits": logits}) if return_outputs else loss

    plain = trainer(tmp_path, Net(), schedule=RAMP)  # for its arguments
    made = Own(small(16), plain.args, train_dataset=Images(8))
    with pytest.raises(ValueError, match="doesn't match model") as caught:
        made.evaluate(Images(4))  # type: ignore[arg-type]
    assert not hasattr(caught.value, "__notes__")
    resizing = attach(made, RAMP, verbose=False)
    made.train()
    made.evaluate(Images(4))  # type: ignore[arg-type]
    resizing.remove()
    with pytest.raises(ValueError, match="doesn't match model"):
        made.evaluate(Images(4))  # type: ignore[arg-type]


class Wide(Dataset[Any]):
    """Images of 32x128, or of 32x64."""

    def __init__(self, width: int) -> None:
        self.width = width

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"pixel_values": torch.rand(3, 32, self.width), "labels": index % 2}


@pytest.mark.parametrize("width", [64, 128])
def test_positions_of_a_rectangle_stay_in_their_places(
    width: int, tmp_path: Path
) -> None:
    model = vit(image_size=[32, width], patch_size=8)
    table = model.vit.embeddings.position_embeddings
    columns = width // 8
    with torch.no_grad():  # each position knows its column, and nothing else
        grid = torch.arange(columns).repeat(4).float()
        table[0, 1:] = grid[:, None].expand(-1, 16)
        table[0, 0] = -5
    seen = {}

    def note(part: Any, args: Any, kwargs: Any, out: Tensor) -> None:
        patches = part.patch_embeddings(args[0] if args else kwargs["pixel_values"])
        added = (out[:, 1:] - patches)[0].detach()
        seen.setdefault(len(added), added[:, 0])

    model.vit.embeddings.dropout.p = 0.0
    model.vit.embeddings.register_forward_hook(note, with_kwargs=True)
    made = trainer(
        tmp_path, model, schedule=Ramp(increase_by=16, multiple_of=(8, 8)),
        train_dataset=Wide(width), learning_rate=0.0,
    )  # fmt: skip
    made.train()
    half, full = seen[2 * columns // 2], seen[4 * columns]
    assert torch.allclose(full, grid, atol=1e-5)
    rows = half.reshape(2, columns // 2)
    assert torch.allclose(rows[0], rows[1], atol=1e-4)
    assert (rows[0].diff() > 1).all()  # from left to right


def test_patches_that_leave_out_a_part_of_the_images(tmp_path: Path) -> None:
    made = trainer(
        tmp_path, vit(patch_size=8), schedule=Ramp(), train_dataset=Images(8)
    )
    with pytest.warns(UserWarning, match="multiple_of=8") as caught:
        made.train()
    (text,) = [str(one.message) for one in caught]
    assert text == (
        "transformers ViTForImageClassification cuts images into patches of 8x8 pixels, "
        "and never sees what does not fill one: up to 36% of each image at 20x20 (1 of "
        "4 sizes do not fit); give the schedule multiple_of=8"
    )


def test_sizes_that_a_model_does_not_take_are_refused_at_the_first_batch(
    tmp_path: Path,
) -> None:
    made = trainer(tmp_path, timm_wrapper(), schedule=Ramp(), train_dataset=Images(8))
    words = "not multiples of 8, as timm .*: 20x20; give .* multiple_of=8"
    with pytest.raises(ValueError, match=words):
        made.train()
    assert vars(made).get("seen", []) == []


def test_sizes_of_hiera_are_those_that_work(tmp_path: Path) -> None:
    model = HieraForImageClassification(
        HieraConfig(image_size=[64, 64], embed_dim=8, depths=[1, 1], num_heads=[1, 1],
                    query_stride=[2, 2], masked_unit_size=[8, 8], num_query_pool=1)
    )  # fmt: skip
    made = trainer(
        tmp_path, model, schedule=Ramp(final_size=32), train_dataset=Images(8)
    )
    # In transformers 5.0 it also takes 48 pixels.
    words = "of 16, as .*Hiera.*: 20x20" if OLDEST else "of 32, as .*Hiera.*: 16x16"
    with pytest.raises(ValueError, match=f"not multiples {words}"):
        made.train()


def test_a_model_that_cannot_be_adapted_is_named(tmp_path: Path) -> None:
    model = around(timm.create_model("test_vit_relpos", img_size=32, num_classes=4))
    made = trainer(tmp_path, model, schedule=RAMP, train_dataset=Images(8))
    with (
        pytest.warns(UserWarning, match="made for one size.*fails at smaller images"),
        pytest.raises(AssertionError) as caught,
    ):
        made.train()
    (note,) = caught.value.__notes__
    assert note.startswith("upsize: step 0 trains at 16x16 instead of 32x32. ")


def test_what_it_adapts_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = trainer(
        tmp_path, small(16), schedule=Phases(phases=[(0, 16), (0.5, 32)]), verbose=True,
        train_dataset=Images(8), eval_dataset=Images(4), eval_strategy="epoch",
    )  # fmt: skip
    made.evaluate()
    made.train()
    text = (
        "Adapted for other image sizes: transformers ViTForImageClassification: "
        "interpolate_pos_encoding=True at other sizes than its own\n"
    )
    assert capsys.readouterr().out.count(text) == 1


def test_a_video_names_its_size(tmp_path: Path) -> None:
    class Clips(Dataset[Any]):
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {"pixel_values": torch.rand(2, 3, 32, 32), "labels": index % 2}

    model = VideoMAEForVideoClassification(VideoMAEConfig(**TINY, num_frames=2))
    made = trainer(tmp_path, model, schedule=RAMP, train_dataset=Clips())
    with (
        warnings.catch_warnings(),
        pytest.raises(ValueError, match="doesn't match model") as caught,
    ):
        made.train()
    assert "trains at 16x16 instead of 32x32" in caught.value.__notes__[0]
