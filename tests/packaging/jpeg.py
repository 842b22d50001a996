"""The extra `jpeg`: samples decoded at a fraction of their size, and small copies."""

import tempfile
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from upsize.loading import CopyLoader, open_image, sample_size, sized, small_copies
from upsize.schedule import Ramp, Size

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
target = folder.with_name(f"{folder.name}-small")
made = small_copies(
    folder, target, sizes=[32], full=64, workers=0, least_scale=1.0
).made
assert made == 8, made
with sample_size(Size(32, 32), full=Size(64, 64)):
    small = CopyLoader(folder, target)(folder / "cat" / "0.jpg").size
assert small == (50, 37), small
print("jpeg", sides, small)
