import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from upsize.loop import ProgressiveResize
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


torch.manual_seed(0)
train = DataLoader(stripes(640), batch_size=32, shuffle=True)
model = network()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

schedule = Ramp(final_size=64, increase_by=16)
resize = ProgressiveResize(schedule, epochs=8, steps_per_epoch=len(train))
for epoch in range(8):
    for images, labels in resize.batches(train):
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(f"epoch {epoch}: {images.shape[-1]} pixels, loss {loss:.2f}")

images, labels = stripes(200).tensors
accuracy = (model(images).argmax(1) == labels).float().mean()
print(f"accuracy at full size: {accuracy:.0%}")
