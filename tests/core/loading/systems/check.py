"""What is asked of every system: the plain loader's samples, at the sizes of the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from tests.scripts import run
from torchvision.transforms import v2

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp

FULL, BATCH, EPOCHS = 32, 4, 2
RAMP = Ramp(final_size=FULL, increase_by=4)  # 16, 20, 24, 28, 32
SHARDS = (7, 12, 9)  # images in each
COUNT = sum(SHARDS)


class Batch(NamedTuple):
    """What a loader gave: the size of the images, and their labels."""

    size: int
    labels: list[int]


def photo(index: int) -> Image.Image:
    """Return an image of 48 x 40 pixels, of one colour."""
    return Image.new("RGB", (48, 40), (index, 2 * index, 255 - index))


def photos(folder: Path) -> list[str]:
    """Write the images as JPEG files; return their names."""
    names = [str(folder / f"{index:02}.jpg") for index in range(COUNT)]
    for index, name in enumerate(names):
        photo(index).save(name)
    return names


def augmented() -> v2.Compose:
    return v2.Compose([v2.ToImage(), v2.RandomResizedCrop(FULL)])


def run_of(length: int) -> ProgressiveResize:
    return ProgressiveResize(RAMP, epochs=EPOCHS, steps_per_epoch=length)


def taken(batch: Any) -> Batch:
    """Return the size and the labels of a batch, whatever containers it has."""
    if isinstance(batch, list) and len(batch) == 1:
        batch = batch[0]  # of DALI
    values = batch.values() if isinstance(batch, dict) else batch
    images, labels = values
    height, width = sorted(images.shape)[-2:]
    assert height == width
    return Batch(width, np.asarray(labels).reshape(-1).tolist())


def came(resize: ProgressiveResize, loader: Iterable[Any]) -> Iterator[Batch]:
    """Yield the batches of an epoch as the loader gives them, before the resize."""
    noted: list[Batch] = []

    def given() -> Iterator[Any]:
        for batch in loader:
            noted.append(taken(batch))
            yield batch

    for batch in resize.batches(given()):
        assert taken(batch).size == resize.size.width
        yield noted[-1]


def planned(resize: ProgressiveResize, steps: Iterable[int]) -> list[int]:
    return [resize.plan.size_at(step).width for step in steps]


def check_sized(
    make: Callable[[], Any], *, same_order: bool = True, ahead: int = 0
) -> list[int]:
    """Compare a sized loader with the plain one, in every epoch.

    Args:
        make: Makes the plain loader.
        same_order: Whether the system gives the same samples each time.
        ahead: How many batches of an epoch may have the size of a later step, as where
            a worker's shard has run dry.

    Returns:
        The labels of an epoch.
    """
    loader = make()
    plain = [[taken(batch).labels for batch in loader] for _ in range(EPOCHS)]
    length = len(plain[0])
    resize = run_of(length)
    loader = sized(make(), resize)
    wrong = 0
    for epoch in range(EPOCHS):
        batches = list(came(resize, loader))
        steps = range(epoch * length, (epoch + 1) * length)
        sizes = planned(resize, steps)
        early = [n for n, batch in enumerate(batches) if batch.size != sizes[n]]
        assert all(batches[n].size > sizes[n] for n in early)
        assert len(early) <= ahead
        wrong += len(early)
        labels = [batch.labels for batch in batches]
        if same_order:
            assert labels == plain[epoch]
        else:
            assert list(map(len, labels)) == list(map(len, plain[epoch]))
    assert resize.mismatched == wrong
    return numbers(labels)


def check_resume(make: Callable[[], Any], stop: int = 3) -> None:
    """Stop in the second epoch, and go on with the states of loader and run.

    Args:
        make: Makes the plain loader, which has a state.
        stop: How many batches of the second epoch are trained on before.
    """
    whole = _trained(make)
    resize = run_of(len(whole) // EPOCHS)
    loader = sized(make(), resize)
    list(came(resize, loader))
    second = came(resize, loader)
    first = [next(second) for _ in range(stop)]
    states = loader.state_dict(), resize.state_dict()
    second.close()
    del second
    resize = run_of(len(whole) // EPOCHS)
    resize.load_state_dict(states[1])
    loader = sized(make(), resize)
    loader.load_state_dict(states[0])
    rest = list(came(resize, loader))
    assert first + rest == whole[len(whole) // EPOCHS :]
    assert resize.mismatched == 0


def numbers(labels: Iterable[Any]) -> list[int]:
    """Return all labels of several batches, in order."""
    return sorted(label for batch in labels for label in batch)


def check_staged(
    resize: ProgressiveResize, epochs: Iterable[Iterable[Any]], *, batches: int
) -> None:
    """Ask of pipelines that number their batches: all samples, at the planned sizes.

    Args:
        resize: The run, which has given a stage to the pipeline.
        epochs: The batches of each epoch.
        batches: How many there are in an epoch.
    """
    for number, loader in enumerate(epochs):
        given = list(came(resize, loader))
        steps = range(number * batches, (number + 1) * batches)
        assert [batch.size for batch in given] == planned(resize, steps)
        assert numbers(batch.labels for batch in given) == list(range(COUNT))
    assert resize.mismatched == 0


def run_example(name: str, folder: Path) -> list[str]:
    """Run a script of docs/examples in a process of its own; return what it prints."""
    examples = Path(__file__).parents[4] / "docs" / "examples"
    return run(examples / f"streams_{name}.py", folder).splitlines()


#: What the scripts print that train four epochs of six batches.
FOUR_EPOCHS = [
    *(f"{epoch} {[size] * 6}" for epoch, size in enumerate((32, 32, 48, 64))),
    "0 batches of another size",
]


def _trained(make: Callable[[], Any]) -> list[Batch]:
    loader = make()
    length = sum(1 for _ in loader)
    resize = run_of(length)
    loader = sized(make(), resize)
    batches = [batch for _ in range(EPOCHS) for batch in came(resize, loader)]
    assert resize.mismatched == 0
    return batches
