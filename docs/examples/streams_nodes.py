"""Nodes of torchdata: a node counts the batches, and has the count in its state."""

import torch
from torch.utils.data import RandomSampler, default_collate
from torchdata.nodes import (
    BaseNode,
    Batcher,
    Loader,
    Mapper,
    Prefetcher,
    SamplerWrapper,
)

from upsize.loading import size_stage
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp

photos = torch.rand(48, 3, 64, 64)


class AtSize(BaseNode):
    """Gives each batch the size of its step; after what batches, before prefetching."""

    def __init__(self, source, stage):
        super().__init__()
        self.source, self.stage, self.done = source, stage, 0

    def reset(self, initial_state=None):
        super().reset(initial_state)
        state = initial_state or {"source": None, "done": self.done}
        self.source.reset(state["source"])
        self.done = state["done"]

    def next(self):
        batch = self.stage(self.done, next(self.source))
        self.done += 1
        return batch

    def get_state(self):
        return {"source": self.source.state_dict(), "done": self.done}


def load(row):
    return photos[row], row


resize = ProgressiveResize(
    Ramp(final_size=64, increase_by=16), epochs=4, steps_per_epoch=6
)
node = Mapper(SamplerWrapper(RandomSampler(photos)), load)
node = Mapper(Batcher(node, batch_size=8), default_collate)
node = AtSize(node, size_stage(resize))
loader = Loader(Prefetcher(node, prefetch_factor=2))

for epoch in range(4):
    print(epoch, [images.shape[-1] for images, _ in resize.batches(loader)])
print(resize.mismatched, "batches of another size")
