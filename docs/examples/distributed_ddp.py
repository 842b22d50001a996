"""torchrun --standalone --nproc-per-node 2 distributed_ddp.py"""

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler
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


distributed.init_process_group("gloo")  # on GPUs: set_device(local_rank), and "nccl"
rank, world = distributed.get_rank(), distributed.get_world_size()

torch.manual_seed(0)
network = nn.Sequential(
    *(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    nn.Linear(8, 4),
)
model = DistributedDataParallel(network)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

sampler = DistributedSampler(Images())  # as many samples in every process
loader = DataLoader(Images(), batch_size=4, sampler=sampler)
resize = ProgressiveResize(
    Ramp(final_size=32, increase_by=8), epochs=4, steps_per_epoch=len(loader)
)
loader = sized(loader, resize)

for epoch in range(4):
    sampler.set_epoch(epoch)
    for images, labels in resize.batches(loader):
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(f"rank {rank} of {world}, epoch {epoch}: {images.shape[-1]} pixels")
distributed.destroy_process_group()
