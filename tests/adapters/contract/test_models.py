"""Models that are made for one size take those of the plan, in every adapter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from accelerate import Accelerator
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from lightning.pytorch import LightningModule, Trainer
from tests.adapters.contract.ways.common import labelled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.utils.data import DataLoader

import upsize.accelerate
import upsize.fastai
import upsize.lightning
from upsize.schedule import Ramp

# Lightning's own.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec"
)

RAMP = Ramp(final_size=32, increase_by=8, multiple_of=8)


class Net(nn.Module):
    """A ViT of timm's in a model, and the sizes that it gets."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.vit = VisionTransformer(
            size, 8, embed_dim=8, depth=1, num_heads=1, num_classes=2
        )
        self.sizes: list[int] = []
        self.validated: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.vit(images)
        (self.sizes if self.training else self.validated).append(images.shape[-1])
        return out


class Module(LightningModule):
    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: Any, _: int) -> Tensor:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch: Any, _: int) -> None:
        self.training_step(batch, 0)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters())


def lightning(net: Net, loader: Any, schedule: Any) -> None:
    resize = upsize.lightning.ProgressiveResize(schedule)
    trainer = Trainer(
        max_epochs=4, callbacks=[resize], accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, log_every_n_steps=1,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Module(net), loader, loader)


def fastai(net: Net, loader: Any, schedule: Any) -> None:
    resize = upsize.fastai.ProgressiveResize(
        schedule=schedule, resize_valid=False, preallocate=False
    )
    learner = Learner(
        DataLoaders(loader, loader, device="cpu"), net, cbs=[resize],
        loss_func=nn.functional.cross_entropy,
    )  # fmt: skip
    learner.logger = lambda *_: None
    with learner.no_bar():
        learner.fit(4)


def accelerate(net: Net, loader: Any, schedule: Any) -> None:
    accelerator = Accelerator(cpu=True)
    model, optimizer, loader = accelerator.prepare(
        net, torch.optim.SGD(net.parameters()), loader
    )
    resize = upsize.accelerate.ProgressiveResize(
        schedule, accelerator, loader=loader, epochs=4
    )
    try:
        for _ in range(4):
            for images, labels in resize.batches(loader):
                loss = nn.functional.cross_entropy(model(images), labels)
                accelerator.backward(loss)
                optimizer.step()
            model.eval()
            for images, _ in loader:
                model(images)
            model.train()
    finally:
        resize.remove()


each = pytest.mark.parametrize("train", [lightning, fastai, accelerate])


@pytest.fixture
def loader() -> Any:
    return DataLoader(labelled(32, 8), 4)


@each
@pytest.mark.parametrize("size", [32, 16])
def test_train_and_validate(
    train: Any, size: int, loader: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    net = Net(size)
    before = {name: vars(part).copy() for name, part in net.vit.named_modules()}
    train(net, loader, RAMP)
    assert net.sizes == [16] * 4 + [24] * 2 + [32] * 2
    assert set(net.validated) == {32}
    said = "Adapted for other image sizes: timm VisionTransformer: position embedding"
    assert said in capsys.readouterr().out
    embed = net.vit.patch_embed
    assert (embed.strict_img_size, net.vit.dynamic_img_size) == (True, False)
    for name, part in net.vit.named_modules():
        assert vars(part)["_forward_pre_hooks"] == before[name]["_forward_pre_hooks"]
        assert not part._forward_hooks


@each
def test_sizes_that_the_model_does_not_take_are_refused(
    train: Any, loader: Any
) -> None:
    net = Net(32)
    with pytest.raises(
        ValueError, match=r"not multiples of 8.*20x20; give.*multiple_of=8"
    ):
        train(net, loader, Ramp(final_size=32))
    assert net.sizes == []
    assert net.vit.patch_embed.strict_img_size
