"""Grain: batches are resized by their number, in its processes as well."""

import grain
import numpy as np

from upsize.loading import size_stage
from upsize.schedule import Ramp

photos = np.random.default_rng(0).integers(0, 256, (48, 64, 64, 3), np.uint8)


def load(index):
    return {"image": photos[index], "label": index}


plan = Ramp(final_size=64, increase_by=16).plan(epochs=4, steps_per_epoch=6)
data = (
    grain.MapDataset.range(48)
    .shuffle(seed=0)
    .repeat(4)
    .map(load)
    .batch(8)
    .map_with_index(size_stage(plan))
    .to_iter_dataset()
)
print([batch["image"].shape[1] for batch in data])
