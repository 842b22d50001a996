"""Another try with the same accelerator, after the first one was left."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator
from accelerate.utils import find_executable_batch_size
from tests.adapters.accelerate.test_progress import RAMP, dataset, net
from torch import nn
from torch.utils.data import DataLoader

from upsize.accelerate import ProgressiveResize, sized
from upsize.follow import FollowSize
from upsize.loop import ProgressiveResize as Loop


def made(accelerator: Accelerator, batch: int = 4, **more: Any) -> Any:
    loader = accelerator.prepare(DataLoader(dataset(), batch))
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, epochs=4, verbose=False, **more
    )
    return resize, loader


def with_eight_then_four(train: Callable[[int], Any]) -> Any:
    """Let a function try a batch of 8 first; accelerate 1.1 can only halve it."""
    takes = inspect.signature(find_executable_batch_size).parameters
    smaller = {"reduce_batch_size_fn": lambda: 4}
    if "reduce_batch_size_fn" not in takes:
        smaller = {}
    return find_executable_batch_size(train, starting_batch_size=8, **smaller)


def hooks(accelerator: Accelerator) -> int:
    return len(accelerator._save_model_state_pre_hook)


@pytest.mark.parametrize("where", ["preallocate", "loop", "cycle", "kept"])
@pytest.mark.parametrize("frees", [True, False])
def test_find_executable_batch_size(where: str, frees: bool, tmp_path: Path) -> None:
    accelerator = Accelerator(cpu=True)
    tries, kept = [], []
    dropout = nn.Dropout(0.1)

    @with_eight_then_four
    def train(batch_size: int) -> list[int]:
        if frees:
            accelerator.free_memory()
        follow = FollowSize({"dropout": (0.2, 0.3)}, dropout)
        resize, loader = made(accelerator, batch_size, follow=follow)
        tries.append((batch_size, dropout.p))
        if where == "kept":
            kept.append(resize)
        if where == "preallocate" and len(tries) == 1:
            resize(next(iter(loader)))
            raise RuntimeError("CUDA out of memory.")
        widths = []
        batches = resize.batches(loader)
        cycle: list[Any] = [batches]
        cycle.append(cycle if where == "cycle" else None)
        for images, _ in batches:
            if len(tries) == 1:
                raise RuntimeError("CUDA out of memory.")
            widths.append(images.shape[-1])
        accelerator.save_state(str(tmp_path))
        return widths

    assert train() == [16] * 5
    assert tries == [(8, 0.1), (4, 0.1)]
    assert (tmp_path / "upsize.json").exists()
    gc.collect()
    assert hooks(accelerator) <= 1


def _fail(batches: Any) -> None:
    for _ in batches:
        raise MemoryError


def test_a_try_in_the_except_clause() -> None:
    accelerator = Accelerator(cpu=True)
    resize, loader = made(accelerator)
    try:
        _fail(resize.batches(loader))
    except MemoryError:
        second, loader = made(accelerator)
    assert hooks(accelerator) == 1
    assert len(list(second.batches(loader))) == 5
    resize.remove()  # it has given way already
    assert hooks(accelerator) == 1


@pytest.mark.parametrize("how", ["break", "finish", "whole", "dropped"])
def test_a_run_that_is_over_gives_way(how: str) -> None:
    accelerator = Accelerator(cpu=True)
    resize, loader = made(accelerator)
    for _ in range(4 if how == "whole" else 1):
        for _ in resize.batches(loader):
            if how == "break":
                break
    if how == "finish":
        with pytest.warns(UserWarning, match="training ended at 16x16"):
            resize.finish()
    if how == "dropped":
        del resize
    made(accelerator)[0].remove()
    assert hooks(accelerator) == 0


def test_a_run_in_use_does_not() -> None:
    accelerator = Accelerator(cpu=True)
    resize, loader = made(accelerator)
    with pytest.raises(ValueError, match="has a ProgressiveResize already"):
        made(accelerator)
    list(resize.batches(loader))
    with pytest.raises(ValueError, match="has a ProgressiveResize already"):
        made(accelerator)


def test_a_sized_loader_does_not_keep_it() -> None:
    from torchvision.datasets import FakeData
    from torchvision.transforms.v2 import Compose, PILToTensor, RandomResizedCrop

    crop = Compose([PILToTensor(), RandomResizedCrop(32)])
    accelerator = Accelerator(cpu=True)

    def one() -> int:
        data = FakeData(8, (3, 40, 40), transform=crop)
        loader = accelerator.prepare(DataLoader(data, 4))
        resize = ProgressiveResize(
            RAMP, accelerator, loader=loader, epochs=4, verbose=False
        )
        return len(list(resize.batches(sized(loader, resize))))

    assert [one(), one()] == [2, 2]
    assert hooks(accelerator) == 0


def test_the_loop_of_one_s_own_may_be_made_again() -> None:
    model = net()

    @with_eight_then_four
    def train(batch_size: int) -> int:
        loader = DataLoader(dataset(), batch_size)
        resize = Loop(RAMP, epochs=4, steps_per_epoch=len(loader))
        for images, _ in resize.batches(loader):
            if batch_size == 8:
                raise RuntimeError("CUDA out of memory.")
            model(images)
        return resize.optimizer_steps

    assert train() == 5
