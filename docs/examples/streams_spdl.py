"""SPDL: the source numbers the batches, and each is made at its size."""

import numpy as np
import torch
from PIL import Image
from spdl.pipeline import PipelineBuilder

from upsize.loading import size_stage
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp

FILES, BATCH = [f"photo{n}.jpg" for n in range(48)], 8
for name in FILES:
    Image.effect_noise((80, 96), 60).convert("RGB").save(name)

resize = ProgressiveResize(
    Ramp(final_size=64, increase_by=16), epochs=4, steps_per_epoch=6
)
stage = size_stage(resize)


def numbered(epoch):
    shuffled = torch.randperm(48, generator=torch.Generator().manual_seed(epoch))
    for number, rows in enumerate(shuffled.split(BATCH)):
        yield 6 * epoch + number, rows


def make(task):
    number, rows = task
    size = stage.size_of(number)
    images = []
    for row in rows.tolist():
        with Image.open(FILES[row]) as photo:
            photo.draft("RGB", size[::-1])  # decodes a JPEG at a smaller scale
            images.append(np.asarray(photo.resize(size[::-1])))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2), rows


for epoch in range(4):
    pipeline = (
        PipelineBuilder()
        .add_source(numbered(epoch))
        # The default, "completion", gives batches in the order in which they are done.
        .pipe(make, concurrency=4, output_order="input")
        .add_sink(4)
        .build(num_threads=4)
    )
    with pipeline.auto_stop():
        print(epoch, [images.shape[-1] for images, _ in resize.batches(pipeline)])
print(resize.mismatched, "batches of another size")
