"""The extra `ray`: a prepared loader is sized, in this process."""

import torch
from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer, prepare_data_loader
from torch.utils.data import DataLoader, Dataset

from upsize.loop import ProgressiveResize
from upsize.ray import sized
from upsize.schedule import Ramp


class Noise(Dataset):
    """Images of noise, of any side."""

    side = 64

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return torch.rand(3, self.side, self.side)


def draw_at(data, size):
    """Let the dataset draw its images at a size."""
    data.side = size.height


def train():
    """Return the sizes that the loader makes."""
    loader = prepare_data_loader(DataLoader(Noise(), 4))
    resize = ProgressiveResize(Ramp(final_size=64, increase_by=16), total_steps=12)
    loader = sized(loader, resize, set_size=draw_at)
    seen = [images.shape[-1] for _ in range(4) for images in resize.batches(loader)]
    assert resize.mismatched == 0
    return seen


result = TorchTrainer(train, scaling_config=ScalingConfig(num_workers=0)).fit()
assert result.return_value == [32] * 6 + [48] * 3 + [64] * 3, result.return_value
print(result.return_value)
