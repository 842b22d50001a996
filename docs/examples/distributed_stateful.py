"""torchrun --standalone --nproc-per-node 2 distributed_stateful.py"""

from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Dataset, DistributedSampler
from torchdata.stateful_dataloader import StatefulDataLoader
from torchvision.transforms import v2

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp


class Images(Dataset):
    def __init__(self):
        self.transform = v2.Compose([v2.Resize(36), v2.CenterCrop(32)])

    def __len__(self):
        return 45

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return self.transform(torch.rand(3, 40, 60, generator=generator)), index % 4


distributed.init_process_group("gloo")
rank, world = distributed.get_rank(), distributed.get_world_size()

torch.manual_seed(0)
network = nn.Sequential(
    *(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    nn.Linear(8, 4),
)
model = DistributedDataParallel(network)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

sampler = DistributedSampler(Images())
loader = StatefulDataLoader(Images(), batch_size=4, sampler=sampler)
resize = ProgressiveResize(
    Ramp(final_size=32, increase_by=8), epochs=4, steps_per_epoch=len(loader)
)
loader = sized(loader, resize)

# The loader of each process has a state of its own.
file, first = Path(f"rank{rank}.pt"), 0
if file.exists():
    saved = torch.load(file, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    resize.load_state_dict(saved["resize"])
    first = saved["epoch"]
    sampler.set_epoch(first)
    loader.load_state_dict(saved["loader"])

for epoch in range(first, 4):
    sampler.set_epoch(epoch)
    for images, labels in resize.batches(loader):
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if (resize.optimizer_steps + 1) % 4 == 0:  # after every fourth step
            saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            saved |= {"resize": resize.state_dict(), "loader": loader.state_dict()}
            torch.save(saved | {"epoch": epoch}, file)
    print(f"rank {rank} of {world}, epoch {epoch}: {images.shape[-1]} pixels")
distributed.destroy_process_group()
