"""torchrun --standalone --nproc-per-node 2 distributed_stream.py"""

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from torchvision.transforms import v2

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp


class Stream(IterableDataset):
    """Every process and every worker yields its own share of the images."""

    def __init__(self, rank, world):
        self.rank, self.world = rank, world
        self.transform = v2.Compose([v2.Resize(36), v2.CenterCrop(32)])

    def __iter__(self):
        info = get_worker_info()
        workers, worker = (info.num_workers, info.id) if info else (1, 0)
        for index in range(self.rank * workers + worker, 48, self.world * workers):
            generator = torch.Generator().manual_seed(index)
            image = torch.rand(3, 40, 60, generator=generator)
            yield self.transform(image), index % 4


distributed.init_process_group("gloo")
rank, world = distributed.get_rank(), distributed.get_world_size()

torch.manual_seed(0)
network = nn.Sequential(
    *(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    nn.Linear(8, 4),
)
model = DistributedDataParallel(network)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

loader = DataLoader(Stream(rank, world), batch_size=4, num_workers=2)
steps = 48 // 4 // world  # batches of each process in an epoch
resize = ProgressiveResize(
    Ramp(final_size=32, increase_by=8), epochs=4, steps_per_epoch=steps
)
loader = sized(loader, resize)

for epoch in range(4):
    for images, labels in resize.batches(loader):
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(f"rank {rank} of {world}, epoch {epoch}: {images.shape[-1]} pixels")
distributed.destroy_process_group()
