"""LitData: its streams are datasets of PyTorch, and its loader is one, too."""

import litdata
import numpy as np
from PIL import Image
from torchvision.transforms import v2

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp


def record(index):
    noise = np.random.default_rng(index).integers(0, 256, (80, 96, 3), np.uint8)
    return {"image": Image.fromarray(noise), "label": index}


class Photos(litdata.StreamingDataset):
    def __init__(self, folder, **settings):
        super().__init__(folder, **settings)
        self.augment = v2.Compose([v2.ToImage(), v2.RandomResizedCrop(64)])

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return self.augment(sample["image"]), sample["label"]


if __name__ == "__main__":
    litdata.optimize(
        record, list(range(48)), "shards", chunk_size=10, num_workers=1,
        start_method="fork",
    )  # fmt: skip
    loader = litdata.StreamingDataLoader(
        Photos("shards", shuffle=True), batch_size=8, num_workers=2
    )
    resize = ProgressiveResize(
        Ramp(final_size=64, increase_by=16), epochs=4, steps_per_epoch=len(loader)
    )
    loader = sized(loader, resize)
    for epoch in range(4):
        print(epoch, [images.shape[-1] for images, _ in resize.batches(loader)])
    print(resize.mismatched, "batches of another size")
