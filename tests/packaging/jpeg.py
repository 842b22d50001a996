"""The extra `jpeg`: a small sample decoded at a fraction of its size, by simplejpeg."""

import tempfile
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from upsize.loading import open_image, sized
from upsize.schedule import Ramp

folder = Path(tempfile.mkdtemp())
(folder / "cat").mkdir()
for name in range(8):
    image = Image.effect_noise((200, 150), 60).convert("RGB")
    image.save(folder / "cat" / f"{name}.jpg")
crop = v2.Compose(
    [v2.RandomResizedCrop(64), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
)
loader = DataLoader(ImageFolder(folder, crop, loader=open_image), batch_size=4)
plan = Ramp(final_size=64, increase_by=32).plan(epochs=2, steps_per_epoch=2)
loader = sized(loader, plan)
sides = [images.shape[-1] for _ in range(2) for images, _ in loader]
assert sides == [32, 32, 64, 64], sides
print("jpeg", sides)
