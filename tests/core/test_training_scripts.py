"""The loops of timm's train.py and of torchvision's references, as docs/other-loops.md
changes them.

Neither script is in its wheel. These loops have their shape, and are made of the parts
that the wheels hold: timm's loaders, optimizers, schedulers, scalers, averaged models and
checkpoints; torchvision's transforms.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.data import FastCollateMixup, Mixup, create_loader
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, default_collate
from torchvision.datasets import FakeData
from torchvision.transforms import v2

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.resize import Resizer
from upsize.schedule import Ramp

# One of timm's optimizers lifts the limit of recompilations when it is imported.
with torch._dynamo.config.patch(recompile_limit=torch._dynamo.config.recompile_limit):
    from timm import utils
    from timm.loss import SoftTargetCrossEntropy
    from timm.models import resume_checkpoint
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2

RAMP = Ramp(final_size=32, increase_by=8, start=0.25, finish=0.75)
CPU = torch.device("cpu")


def planned(
    resize: Any, batches: int, accumulate: int = 1, begin: int = 0
) -> list[int]:
    """Return the side of each batch of the epochs from ``begin``."""
    windows = -(-batches // accumulate)
    epochs = resize.plan.total_steps // windows
    return [
        resize.plan.size_at(epoch * windows + batch // accumulate).width
        for epoch in range(begin, epochs)
        for batch in range(batches)
    ]


class TimmScript:
    """main() and train_one_epoch() of timm's train.py, on a loader of five batches."""

    def __init__(self, folder: Path, **args: Any) -> None:
        defaults: dict[str, Any] = {
            "model": "test_resnet", "epochs": 4, "grad_accum_steps": 1,
            "prefetcher": False, "mixup": 0.0, "sized": False, "stop": None,
        }  # fmt: skip
        self.args = argparse.Namespace(**defaults | args)
        self.folder = folder
        self.seen: list[int] = []

    def main(self, resume: Path | None = None) -> Any:
        args = self.args
        torch.manual_seed(0)
        model = timm.create_model("test_resnet", num_classes=10)
        mixup = {"mixup_alpha": args.mixup, "num_classes": 10}
        mixup_fn = collate_fn = None
        if args.mixup and args.prefetcher:
            collate_fn = FastCollateMixup(**mixup)
        elif args.mixup:
            mixup_fn = Mixup(**mixup)
        loader = create_loader(
            FakeData(20, (3, 40, 48), 10), (3, 32, 32), 4, is_training=True,
            use_prefetcher=args.prefetcher, collate_fn=collate_fn, num_workers=0,
            persistent_workers=False, device=CPU,
        )  # fmt: skip
        optimizer = create_optimizer_v2(model, "sgd", lr=0.01)
        scaler = utils.NativeScaler(device="cpu")
        ema = utils.ModelEmaV3(model, decay=0.9)
        saver = utils.CheckpointSaver(
            model, optimizer, args, ema, scaler, checkpoint_dir=str(self.folder),
            recovery_dir=str(self.folder),
        )  # fmt: skip
        start_epoch = 0
        if resume is not None:
            start_epoch = resume_checkpoint(
                model, str(resume), optimizer, scaler, False, weights_only=False
            )
        updates = -(-len(loader) // args.grad_accum_steps)
        scheduler, num_epochs = create_scheduler_v2(
            optimizer, num_epochs=args.epochs, updates_per_epoch=updates
        )
        # The change: the run is made, and told of the epochs that are done.
        self.resize = resize = ProgressiveResize(
            RAMP, epochs=num_epochs, steps_per_epoch=len(loader),
            accumulate=args.grad_accum_steps,
        )  # fmt: skip
        for _ in range(start_epoch * len(loader)):
            resize.step()
        if args.sized and args.prefetcher:
            loader.loader = sized(loader.loader, resize)
        elif args.sized:
            loader = sized(loader, resize)
        loss_fn = SoftTargetCrossEntropy() if args.mixup else nn.CrossEntropyLoss()
        for epoch in range(start_epoch, num_epochs):
            if epoch == args.stop:
                break
            self.train_one_epoch(
                epoch,
                model,
                loader,
                optimizer,
                loss_fn,
                scheduler,
                scaler,
                ema,
                mixup_fn,
            )
            saver.save_checkpoint(epoch, metric=epoch)
            scheduler.step(epoch + 1)
        return model

    def train_one_epoch(
        self, epoch: int, model: Any, loader: Any, optimizer: Any, loss_fn: Any,
        scheduler: Any, scaler: Any, ema: Any, mixup_fn: Any,
    ) -> None:  # fmt: skip
        args, resize = self.args, self.resize
        if args.prefetcher and args.mixup and epoch == 2:
            loader.mixup_enabled = False  # of the loader itself, not of its batches
        accumulate, last = args.grad_accum_steps, len(loader) - 1
        updates = epoch * -(-len(loader) // accumulate)
        for number, (images, target) in enumerate(resize.batches(loader)):
            need_update = number == last or (number + 1) % accumulate == 0
            if mixup_fn is not None:
                images, target = mixup_fn(images, target)
            self.seen.append(images.shape[-1])
            loss = loss_fn(model(images), target) / accumulate
            scaler(loss, optimizer, need_update=need_update)
            if need_update:
                updates += 1
                optimizer.zero_grad()
                ema.update(model)
                scheduler.step_update(num_updates=updates)
        assert updates == resize.plan.total_steps * (epoch + 1) // args.epochs


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"grad_accum_steps": 2},
        {"prefetcher": True, "mixup": 0.8},
        {"mixup": 0.8, "sized": True},
        {"prefetcher": True, "sized": True, "grad_accum_steps": 3},
    ],
    ids=str,
)
def test_timm_trains_each_batch_at_the_size_of_its_step(
    args: dict[str, Any], tmp_path: Path
) -> None:
    script = TimmScript(tmp_path, **args)
    script.main()
    assert script.seen == planned(script.resize, 5, script.args.grad_accum_steps)
    assert len(set(script.seen)) == 3
    assert script.resize.is_over
    assert script.resize.mismatched == 0


@pytest.mark.parametrize("accumulate", [1, 2])
def test_timm_resumes_at_the_epoch(accumulate: int, tmp_path: Path) -> None:
    first = TimmScript(tmp_path, grad_accum_steps=accumulate, stop=2)
    first.main()
    rest = TimmScript(tmp_path, grad_accum_steps=accumulate)
    rest.main(resume=tmp_path / "last.pth.tar")
    assert rest.seen == planned(rest.resize, 5, accumulate, begin=2)
    assert len(first.seen) == len(rest.seen) == 10
    assert rest.resize.is_over


def log_every(iterable: Any) -> Any:
    """Count by the length of what it is given, as torchvision's logger does."""
    length = str(len(iterable))
    for number, batch in enumerate(iterable):
        yield batch
        assert number < int(length)


class TorchvisionScript:
    """main() and train_one_epoch() of torchvision's references for classification."""

    def __init__(self, *, mix: bool = False, sized: bool = False) -> None:
        self.mix, self.sized = mix, sized
        self.seen: list[int] = []

    def main(self, epochs: int, resume: Any = None, stop: int | None = None) -> Any:
        preset = v2.Compose(
            [
                v2.RandomResizedCrop(32, antialias=True),
                v2.RandomHorizontalFlip(),
                v2.TrivialAugmentWide(),
                v2.PILToTensor(),
                v2.ToDtype(torch.float, scale=True),
                v2.Normalize((0.5,) * 3, (0.2,) * 3),
                v2.RandomErasing(0.1),
                v2.ToPureTensor(),
            ]
        )
        dataset = FakeData(20, (3, 40, 48), 10, transform=preset)
        mixup = v2.RandomChoice([v2.MixUp(num_classes=10), v2.CutMix(num_classes=10)])
        data_loader = DataLoader(
            dataset, batch_size=4, sampler=RandomSampler(dataset),
            collate_fn=(lambda b: mixup(*default_collate(b))) if self.mix else None,
        )  # fmt: skip
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(4, 10),
        )  # fmt: skip
        ema = torch.optim.swa_utils.AveragedModel(model, use_buffers=True)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        # The change: one object, its state, and the loader of train_one_epoch.
        self.resize = resize = ProgressiveResize(
            RAMP, epochs=epochs, steps_per_epoch=len(data_loader)
        )
        start_epoch, checkpoint = 0, None
        if resume is not None:
            checkpoint = torch.load(resume, map_location="cpu", weights_only=True)
            model.load_state_dict(checkpoint["model"])
            optimizer.load_state_dict(checkpoint["optimizer"])
            resize.load_state_dict(checkpoint["resize"])
            start_epoch = checkpoint["epoch"] + 1
        if self.sized:
            data_loader = sized(data_loader, resize)
        for epoch in range(start_epoch, epochs):
            self.train_one_epoch(model, optimizer, resize.batches(data_loader), ema)
            checkpoint = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "epoch": epoch,
                "resize": resize.state_dict(),
            }
            if epoch + 1 == stop:
                break
        return checkpoint

    def train_one_epoch(
        self, model: Any, optimizer: Any, data_loader: Any, ema: Any
    ) -> None:
        model.train()
        for image, target in log_every(data_loader):
            self.seen.append(image.shape[-1])
            loss = nn.functional.cross_entropy(model(image), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            ema.update_parameters(model)


@pytest.mark.parametrize("mix", [False, True])
@pytest.mark.parametrize("sized", [False, True])
def test_torchvision_trains_each_batch_at_the_size_of_its_step(
    mix: bool, sized: bool
) -> None:
    script = TorchvisionScript(mix=mix, sized=sized)
    script.main(4)
    assert script.seen == planned(script.resize, 5)
    assert len(set(script.seen)) == 3
    assert script.resize.is_over
    assert script.resize.mismatched == 0


def test_torchvision_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    whole, first, rest = (TorchvisionScript() for _ in range(3))
    whole.main(4)
    torch.save(first.main(4, stop=2), tmp_path / "model_1.pth")
    rest.main(4, resume=tmp_path / "model_1.pth")
    assert first.seen + rest.seen == whole.seen
    assert rest.resize.is_over


@pytest.mark.parametrize(
    ("resizer", "batch", "shapes"),
    [
        (  # segmentation
            Resizer(targets={1: "mask"}),
            (torch.rand(2, 3, 32, 32), torch.zeros(2, 32, 32).long()),
            [(2, 3, 16, 16), (2, 16, 16)],
        ),
        (  # video_classification
            Resizer(),
            (torch.rand(2, 3, 4, 32, 32), torch.zeros(2).long(), torch.arange(2)),
            [(2, 3, 4, 16, 16), (2,), (2,)],
        ),
        (  # optical_flow
            Resizer(images=[0, 1], targets={2: "flow", 3: "mask"}),
            (
                *torch.rand(2, 2, 3, 32, 32), torch.ones(2, 2, 32, 32),
                torch.ones(2, 32, 32).bool(),
            ),
            [(2, 3, 16, 16), (2, 3, 16, 16), (2, 2, 16, 16), (2, 16, 16)],
        ),
    ],
    ids=["segmentation", "video_classification", "optical_flow"],
)  # fmt: skip
def test_batches_of_torchvisions_other_references(
    resizer: Resizer, batch: Any, shapes: list[tuple[int, ...]]
) -> None:
    resize = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=5, resizer=resizer)
    for first in log_every(resize.batches([batch] * 5)):
        assert [tuple(tensor.shape) for tensor in first] == shapes
