"""MosaicML Streaming: its streams are datasets of PyTorch, and its loader is one, too."""

from PIL import Image
from streaming import MDSWriter, StreamingDataLoader, StreamingDataset
from torchvision.transforms import v2

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp


class Photos(StreamingDataset):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.augment = v2.Compose([v2.ToImage(), v2.RandomResizedCrop(64)])

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return self.augment(sample["image"]), sample["label"]


if __name__ == "__main__":
    columns = {"image": "jpeg", "label": "int"}
    with MDSWriter(out="shards", columns=columns, size_limit=2**16) as writer:
        for index in range(48):
            photo = Image.effect_noise((80, 96), 60).convert("RGB")
            photo.save("photo.jpg")
            writer.write({"image": Image.open("photo.jpg"), "label": index})

    data = Photos(local="shards", shuffle=True, batch_size=8)
    loader = StreamingDataLoader(data, batch_size=8, num_workers=2)
    resize = ProgressiveResize(
        Ramp(final_size=64, increase_by=16), epochs=4, steps_per_epoch=len(loader)
    )
    loader = sized(loader, resize)
    for epoch in range(4):
        print(epoch, [images.shape[-1] for images, _ in resize.batches(loader)])
    print(resize.mismatched, "batches of another size")
