"""What the workers of Ray Train run, and what they write down of it."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray.train
import torch
from ray.train import Checkpoint
from ray.train.torch import prepare_data_loader, prepare_model
from tests.core.loading.images import RAMP, Images
from torch import nn
from torch.utils.data import DataLoader

from upsize import loading
from upsize.loop import ProgressiveResize
from upsize.ray import sized

COUNT, GLOBAL_BATCH, EPOCHS = 16, 4, 5
STEPS = COUNT // GLOBAL_BATCH
PLAN = RAMP.plan(epochs=EPOCHS, steps_per_epoch=STEPS)
PLANNED = [
    [PLAN.size_at(epoch * STEPS + step).width for step in range(STEPS)]
    for epoch in range(EPOCHS)
]
_PATIENCE = 120  # seconds to be stopped in


class Recorded:
    """A loader, and the sizes and indices of the batches that it gave."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.came: list[int] = []
        self.indices: list[list[int]] = []

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        self.came, self.indices = [], []
        for images, indices in self.loader:
            self.came.append(images.shape[-1])
            self.indices.append(indices.tolist())
            yield images, indices


def net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, COUNT)
    )


def write(folder: Path, **entry: Any) -> None:
    """Write a line down, as the process may be ended at any time."""
    context = ray.train.get_context()
    entry |= {"world": context.get_world_size(), "rank": context.get_world_rank()}
    with (folder / f"{time.time_ns()}-{os.getpid()}.json").open("x") as file:
        json.dump(entry, file)


def written(folder: Path) -> list[dict[str, Any]]:
    """Return what all processes have written down, by time."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def train(config: dict[str, Any]) -> None:
    """Train on loaders that are prepared and then sized.

    Args:
        config: ``folder`` to write to; what goes wrong in epoch 3, and how many
            ``workers`` the loader has.
    """
    folder = Path(config["folder"])
    world = ray.train.get_context().get_world_size()
    plain = prepare_data_loader(
        DataLoader(
            Images(count=COUNT),
            GLOBAL_BATCH // world,
            shuffle=True,
            num_workers=config.get("workers", 0),
        )
    )
    resize = ProgressiveResize(RAMP, epochs=EPOCHS, steps_per_epoch=len(plain))
    loader, without = Recorded(sized(plain, resize)), Recorded(plain)
    write(folder, refused=refusal())
    model = prepare_model(net())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    start = 0
    if (checkpoint := ray.train.get_checkpoint()) is not None:
        with checkpoint.as_directory() as saved:
            state = json.loads(Path(saved, "state.json").read_text())
        resize.load_state_dict(state["resize"])
        start = state["epochs"]
    for epoch in range(start, EPOCHS):
        if world > 1:
            loader.loader.sampler.set_epoch(epoch)  # the one of both loaders
            for _ in without:
                pass
        seen = []
        for images, indices in resize.batches(loader):
            nn.functional.cross_entropy(model(images.float()), indices).backward()
            optimizer.step()
            optimizer.zero_grad()
            seen.append(images.shape[-1])
            if epoch == 3 and len(seen) == 2:
                go_wrong(config, folder)
        write(
            folder,
            epoch=epoch,
            seen=seen,
            came=loader.came,
            indices=loader.indices,
            without=without.indices,
            mismatched=resize.mismatched,
        )
        state = {"resize": resize.state_dict(), "epochs": epoch + 1}
        with tempfile.TemporaryDirectory() as made:
            Path(made, "state.json").write_text(json.dumps(state))
            ray.train.report(
                {"epoch": epoch}, checkpoint=Checkpoint.from_directory(made)
            )


def refusal() -> str:
    """Return what a loop says of a loader that was prepared after it was sized."""
    world = ray.train.get_context().get_world_size()
    resize = ProgressiveResize(RAMP, total_steps=STEPS)
    first = loading.sized(
        DataLoader(Images(count=COUNT), GLOBAL_BATCH // world), resize
    )
    try:
        next(resize.batches(prepare_data_loader(first)))
    except ValueError as error:
        return str(error)
    return ""


def go_wrong(config: dict[str, Any], folder: Path) -> None:
    """End the process, or wait until a node is gone; the first time only."""
    context = ray.train.get_context()
    if config.get("wrong") == "dies" and context.get_world_rank() == 1:
        if not (folder / "died").exists():
            (folder / "died").touch()
            os._exit(1)
    elif config.get("wrong") == "shrinks" and context.get_world_size() == 2:
        if context.get_world_rank() == 0:
            (folder / "waits").touch()
        time.sleep(_PATIENCE)
        raise RuntimeError("the node is still there")
