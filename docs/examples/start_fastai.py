import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.metrics import accuracy
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from upsize.fastai import ProgressiveResize


def stripes(count):
    """Draw images (count, 1, 64, 64) of stripes in noise; the label is their angle."""
    labels = torch.randint(4, (count, 1, 1))
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    angle = labels * torch.pi / 4
    waves = torch.sin(0.4 * (x * torch.cos(angle) + y * torch.sin(angle)))
    images = (waves + 2 * torch.randn(count, 64, 64))[:, None]
    return TensorDataset(images, labels.flatten())


def network():
    """Make a network that pools globally: it takes images of any size."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)),
    )


torch.manual_seed(0)
train = DataLoader(stripes(640), batch_size=32, shuffle=True)
valid = DataLoader(stripes(200), batch_size=200)
dls = DataLoaders(train, valid)
learn = Learner(dls, network(), loss_func=nn.CrossEntropyLoss(), metrics=accuracy)

resize = ProgressiveResize(increase_by=16, resize_valid=False)
with learn.no_bar():
    learn.fit(8, 3e-3, cbs=resize)
