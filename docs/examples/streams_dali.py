"""NVIDIA DALI: the pipeline asks for the size of each batch that it makes."""

import numpy as np
from nvidia.dali import fn, pipeline_def
from nvidia.dali.plugin.pytorch import DALIClassificationIterator
from PIL import Image

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


def sides(info):
    size = stage.size_of(info.iteration, info.epoch_idx)
    return [np.array(size, np.float32)] * BATCH


@pipeline_def(batch_size=BATCH, num_threads=2, device_id=None)  # device_id=0: a GPU
def photos():
    files, labels = fn.readers.file(
        files=FILES, labels=list(range(48)), random_shuffle=True, name="reader"
    )
    images = fn.decoders.image_random_crop(files, device="cpu")  # "mixed": on the GPU
    size = fn.external_source(source=sides, batch=True, batch_info=True)
    images = fn.resize(images, size=size)
    return fn.crop_mirror_normalize(images, std=[255.0] * 3), labels


loader = DALIClassificationIterator(photos(), reader_name="reader", auto_reset=True)
for epoch in range(4):
    sizes = [batch[0]["data"].shape[-1] for batch in resize.batches(loader)]
    print(epoch, sizes)
print(resize.mismatched, "batches of another size")
