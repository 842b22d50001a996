import tempfile
from pathlib import Path

import ray.train
import torch
from ray.train import Checkpoint, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, prepare_data_loader, prepare_model
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import FakeData
from torchvision.transforms import v2

from upsize.loop import ProgressiveResize
from upsize.ray import sized
from upsize.schedule import Ramp

EPOCHS, GLOBAL_BATCH = 8, 16


def network():
    """Make a network that pools globally: it takes images of any size."""
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)),
    )


def train():
    """Train in one worker of Ray."""
    context = ray.train.get_context()
    crop = v2.Compose([v2.ToImage(), v2.RandomResizedCrop(64), v2.ToDtype(torch.float)])
    data = FakeData(160, (3, 80, 80), num_classes=4, transform=crop)
    batch_size = GLOBAL_BATCH // context.get_world_size()
    loader = prepare_data_loader(DataLoader(data, batch_size, shuffle=True))
    net = network()
    model = prepare_model(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)

    schedule = Ramp(final_size=64, increase_by=16)
    resize = ProgressiveResize(schedule, epochs=EPOCHS, steps_per_epoch=len(loader))
    loader = sized(loader, resize)  # after prepare_data_loader

    start = 0
    if checkpoint := ray.train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            saved = torch.load(Path(folder, "state.pt"), weights_only=True)
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        resize.load_state_dict(saved["resize"])
        start = saved["epochs"]

    for epoch in range(start, EPOCHS):
        if context.get_world_size() > 1:
            loader.sampler.set_epoch(epoch)
        for images, labels in resize.batches(loader):
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        state = {
            "net": net.state_dict(),
            "optimizer": optimizer.state_dict(),
            "resize": resize.state_dict(),
            "epochs": epoch + 1,
        }
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None
            if context.get_world_rank() == 0:
                torch.save(state, Path(folder, "state.pt"))
                checkpoint = Checkpoint.from_directory(folder)
            metrics = {"epoch": epoch, "pixels": images.shape[-1], "loss": loss.item()}
            ray.train.report(metrics, checkpoint=checkpoint)


if __name__ == "__main__":
    result = TorchTrainer(
        train,
        scaling_config=ScalingConfig(num_workers=2),
        run_config=RunConfig(
            storage_path=str(Path("results").resolve()),
            failure_config=FailureConfig(max_failures=3),
        ),
    ).fit()
    for row in result.metrics_dataframe.itertuples():
        print(f"epoch {row.epoch}: {row.pixels} pixels")
