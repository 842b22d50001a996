"""The table of models in docs/models.md is what is measured here.

To write it anew: ``UPSIZE_WRITE_TABLE=1 pytest tests/core/models/test_table.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import MaxVit, SwinTransformer, VisionTransformer
from transformers import ViTConfig, ViTForImageClassification

from upsize.models import CheckReport, adapt, check
from upsize.schedule import Phases, Ramp, Size

PAGE = Path(__file__).parents[3] / "docs" / "models.md"
PLAN = Ramp(initial_size=128, final_size=224, increase_by=32).plan(total_steps=100)
ODD = Size(150, 150)
ODD_PLAN = Phases(phases=[(0, 150), (0.5, 224)]).plan(total_steps=100, final_size=224)

HEADER = (
    "model",
    "sizes as made",
    "adapted, trained at",
    "at 150x150, adapted",
)


def torchvision_vit() -> nn.Module:
    return VisionTransformer(224, 16, 2, 3, 192, 384, num_classes=10)


def torchvision_swin() -> nn.Module:
    return SwinTransformer(
        patch_size=[4, 4],
        embed_dim=24,
        depths=[2, 2, 2, 2],
        num_heads=[3, 6, 12, 24],
        window_size=[7, 7],
        num_classes=10,
    )


def torchvision_maxvit() -> nn.Module:
    return MaxVit(
        input_size=(224, 224),
        stem_channels=16,
        partition_size=7,
        block_channels=[16, 16, 32, 32],
        block_layers=[1, 1, 1, 1],
        head_dim=8,
        stochastic_depth_prob=0.0,
        num_classes=10,
    )


def transformers_vit() -> nn.Module:
    config = ViTConfig(
        image_size=224,
        hidden_size=96,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=192,
        num_labels=10,
    )
    return ViTForImageClassification(config)


def from_timm(name: str, **more: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        return timm.create_model(name, pretrained=False, num_classes=10, **more)

    return make


# One block of 32 channels in each stage: what is measured is sizes, not accuracy.
NARROW = {"embed_dim": (32, 32, 32, 32), "depths": (1, 1, 1, 1)}

MODELS: dict[str, Callable[[], nn.Module]] = {
    "timm `vit_tiny_patch16_224`": from_timm("vit_tiny_patch16_224"),
    "timm `swin_tiny_patch4_window7_224`, narrow": from_timm(
        "swin_tiny_patch4_window7_224", embed_dim=24, depths=(2, 2, 2, 2)
    ),
    "timm `maxvit_pico_rw_256`, narrow (made for 224)": from_timm(
        "maxvit_pico_rw_256", img_size=224, **NARROW
    ),
    "timm `maxvit_rmlp_pico_rw_256`, narrow (made for 224)": from_timm(
        "maxvit_rmlp_pico_rw_256", img_size=224, **NARROW
    ),
    "timm `convnext_atto`": from_timm("convnext_atto"),
    "timm `resnet18`": from_timm("resnet18"),
    "torchvision `vit_b_16`, narrow": torchvision_vit,
    "torchvision `swin_t`, narrow": torchvision_swin,
    "torchvision `maxvit_t`, narrow": torchvision_maxvit,
    "transformers `ViTForImageClassification`, narrow": transformers_vit,
}


def spell(sizes: tuple[Size, ...]) -> str:
    return ", ".join(str(size.height) for size in sizes)


def odd(report: CheckReport) -> str:
    """What the report says of the odd size."""
    row = next(row for row in report.rows if row.size == ODD)
    if row.ok:
        return "works"
    near = " and ".join(map(str, row.nearest))
    rule = ""
    if report.multiple_of is not None:
        assert report.multiple_of.height == report.multiple_of.width
        rule = f" (multiples of {report.multiple_of.height})"
    return f"refused; nearest: {near}{rule}"


def train(model: nn.Module, images: Tensor) -> tuple[Size, ...]:
    """Train two steps at each size; return the sizes at which the weights moved."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    labels = torch.tensor([1, 2])
    moved = []
    for size in PLAN.sizes:
        before = [parameter.detach().clone() for parameter in model.parameters()]
        for _ in range(2):
            small = nn.functional.interpolate(images, size)
            out = model(small)
            logits = out if isinstance(out, Tensor) else out.logits
            loss = nn.functional.cross_entropy(logits, labels)
            assert loss.isfinite()
            optimizer.zero_grad()
            loss.backward()
            assert all(p.grad is not None for p in model.parameters())
            optimizer.step()
        after = list(model.parameters())
        if not any(map(torch.equal, before, after)):
            moved.append(size)
    return tuple(moved)


@cache
def measure(name: str) -> str:
    """Return the line of the table, measured."""
    torch.manual_seed(0)
    model = MODELS[name]().train()
    images = torch.rand(2, 3, 224, 224)
    # Without a search: that of the odd size below is enough.
    as_made = check(model, PLAN, images, reach=1)
    with adapt(model, PLAN):
        report = check(model, ODD_PLAN, images)
        trained = train(model, images)
    cells = (name, spell(as_made.sizes), spell(trained), odd(report))
    return f"| {' | '.join(cells)} |"


def table() -> str:
    head = f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}"
    return "\n".join((head, *map(measure, MODELS)))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_in_the_table_as_measured(name: str) -> None:
    if "UPSIZE_WRITE_TABLE" not in os.environ:
        assert measure(name) in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_table_is_that_of_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    start = page.index(f"| {HEADER[0]} |")
    stop = page.index("\n\n", start)
    if "UPSIZE_WRITE_TABLE" in os.environ:
        page = page[:start] + table() + page[stop:]
        PAGE.write_text(page, encoding="utf-8")
    else:
        assert page[start:stop] == table()
