import lightning.pytorch as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from upsize.lightning import ProgressiveResize
from upsize.schedule import Ramp


def stripes(count):
    """Draw images (count, 1, 64, 64) of stripes in noise; the label is their angle."""
    labels = torch.randint(4, (count, 1, 1))
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    angle = labels * torch.pi / 4
    waves = torch.sin(0.4 * (x * torch.cos(angle) + y * torch.sin(angle)))
    images = (waves + 2 * torch.randn(count, 64, 64))[:, None]
    return TensorDataset(images, labels.flatten())


def network():
    """Make a network that pools globally: it takes images of any size."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)),
    )


class Classifier(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = network()

    def training_step(self, batch):
        images, labels = batch
        loss = nn.functional.cross_entropy(self.net(images), labels)
        if self.trainer.is_last_batch:
            side = images.shape[-1]
            print(f"epoch {self.current_epoch}: {side} pixels, loss {loss:.2f}")
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


torch.manual_seed(0)
train = DataLoader(stripes(640), batch_size=32, shuffle=True)
module = Classifier()

resize = ProgressiveResize(Ramp(final_size=64, increase_by=16))
trainer = L.Trainer(
    max_epochs=8,
    callbacks=[resize],
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(module, train)

images, labels = stripes(200).tensors
accuracy = (module.net(images).argmax(1) == labels).float().mean()
print(f"accuracy at full size: {accuracy:.0%}")
