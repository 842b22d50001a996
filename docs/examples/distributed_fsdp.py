"""torchrun --standalone --nproc-per-node 2 distributed_fsdp.py"""

from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from torch import distributed, nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp

distributed.init_process_group("gloo")
rank, world = distributed.get_rank(), distributed.get_world_size()
mesh = init_device_mesh("cpu", (world,))  # on GPUs: "cuda"

torch.manual_seed(0)
data = TensorDataset(torch.rand(48, 3, 32, 32), torch.randint(4, (48,)))
model = nn.Sequential(
    *(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    nn.Linear(8, 4),
)
for layer in (model[0], model[4], model):
    fully_shard(layer, mesh=mesh)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

sampler = DistributedSampler(data)
loader = DataLoader(data, batch_size=4, sampler=sampler)
resize = ProgressiveResize(
    Ramp(final_size=32, increase_by=8), epochs=4, steps_per_epoch=len(loader)
)


def state():
    """Return what a checkpoint holds; DCP saves and loads `resize` by itself."""
    weights, moments = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": moments, "resize": resize}


folder = Path("checkpoints")
first = max((int(file.parent.name) for file in folder.glob("*/.metadata")), default=0)
if first:
    saved = state()
    dcp.load(saved, checkpoint_id=folder / str(first))
    set_state_dict(
        model,
        optimizer,
        model_state_dict=saved["model"],
        optim_state_dict=saved["optimizer"],
    )

for epoch in range(first, 4):
    sampler.set_epoch(epoch)
    for images, labels in resize.batches(loader):
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(f"rank {rank} of {world}, epoch {epoch}: {images.shape[-1]} pixels")
    dcp.save(state(), checkpoint_id=folder / str(epoch + 1))
distributed.destroy_process_group()
