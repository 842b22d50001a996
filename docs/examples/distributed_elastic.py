"""torchrun --standalone --nproc-per-node 2 --max-restarts 3 distributed_elastic.py"""

import os
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp

EPOCHS, BATCH, GLOBAL_BATCH = 4, 8, 16  # images per process, and per optimizer step

# A store for each try: in the old one, gloo finds the addresses of dead processes.
store, rank, world = next(distributed.rendezvous("env://"))
store = distributed.PrefixStore(os.environ["TORCHELASTIC_RESTART_COUNT"], store)
distributed.init_process_group("gloo", store=store, rank=rank, world_size=world)

torch.manual_seed(0)
# Three global batches: then an epoch has as many steps with any number of processes.
data = TensorDataset(torch.rand(48, 3, 32, 32), torch.randint(4, (48,)))
sampler = DistributedSampler(data)
loader = DataLoader(data, batch_size=BATCH, sampler=sampler)
accumulate, left = divmod(GLOBAL_BATCH, BATCH * world)
assert not left, f"{world} processes cannot share a global batch of {GLOBAL_BATCH}"

model = DistributedDataParallel(
    nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(8, 4),
    )
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
resize = ProgressiveResize(
    Ramp(final_size=32, increase_by=8),
    epochs=EPOCHS,
    steps_per_epoch=len(loader),
    accumulate=accumulate,
)

file, first = Path("checkpoint.pt"), 0
if file.exists():  # every process loads it
    saved = torch.load(file, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    resize.load_state_dict(saved["resize"])
    first = saved["epoch"]

for epoch in range(first, EPOCHS):
    sampler.set_epoch(epoch)
    for number, (images, labels) in enumerate(resize.batches(loader), 1):
        is_last = number % accumulate == 0
        with nullcontext() if is_last else model.no_sync():
            loss = nn.functional.cross_entropy(model(images), labels) / accumulate
            loss.backward()
        if is_last:
            optimizer.step()
            optimizer.zero_grad()
    print(f"rank {rank} of {world}, epoch {epoch}: {images.shape[-1]} pixels")
    if rank == 0:
        saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        saved |= {"resize": resize.state_dict(), "epoch": epoch + 1}
        torch.save(saved, "new.pt")
        Path("new.pt").replace(file)
distributed.destroy_process_group()
