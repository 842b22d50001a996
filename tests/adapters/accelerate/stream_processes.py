"""Run by torchrun in test_sized_streams.py: what this process drew of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import datasets
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DataLoaderConfiguration
from datasets.distributed import split_dataset_by_node
from tests.adapters.streams import Stream
from tests.adapters.torchrun import finish
from tests.core.loading.images import RAMP, augmented
from torch.utils.data import DataLoader

import upsize.loading
import upsize.loop
from upsize.accelerate import ProgressiveResize, sized

COUNT = 45  # uneven on two processes, and each draws some again
STEPS = 15  # more than two passes, and of the uneven shards as many on both

KINDS: dict[str, dict[str, bool | None]] = {
    "joined": {},
    "joined, dropping": {},
    "split": {"split_batches": True},
    "sharded, dropping": {"dispatch_batches": False},
    "sharded and split, dropping": {"dispatch_batches": False, "split_batches": True},
    "sharded": {"dispatch_batches": False},
    "streamed": {"dispatch_batches": False},
}
OWN = ["by rank", "by node"]


def streamed() -> Any:
    """Give the rows of two shards of other lengths, from the Hub's library."""

    def rows(firsts: list[int]) -> Any:
        for first in firsts:
            for label in range(first, first + (20 if first else 28)):
                yield {"label": label}

    crop = augmented()

    def made(row: dict[str, Any]) -> dict[str, Any]:
        return {"image": crop(torch.zeros(3, 40, 48, dtype=torch.uint8)), **row}

    data = datasets.IterableDataset.from_generator(rows, gen_kwargs={"firsts": [0, 28]})
    return data.map(made)


def main(kind: str) -> dict[str, Any]:
    accelerator = Accelerator(
        cpu=True, dataloader_config=DataLoaderConfiguration(**KINDS[kind])
    )
    workers, drop_last = int(kind == "joined"), "dropping" in kind
    # Two of them: each epoch of Hugging Face's stream may have another order.
    fresh, loader = (
        accelerator.prepare(
            DataLoader(
                streamed() if kind == "streamed" else Stream(COUNT), 4,
                num_workers=workers, drop_last=drop_last, collate_fn=collate,
            )
        )
        for _ in range(2)
    )  # fmt: skip
    plain = drawn(fresh)
    resize = ProgressiveResize(
        RAMP, accelerator, loader=loader, total_steps=STEPS, verbose=False
    )
    return report(resize, sized(loader, resize), plain)


def own(kind: str) -> dict[str, Any]:
    """Report on a loop whose data set itself gives each process its share."""
    rank = PartialState().process_index
    data: Any = Stream(COUNT, rank, 2)
    if kind == "by node":
        data = split_dataset_by_node(streamed(), rank, 2)
    loader = DataLoader(data, 4, collate_fn=collate)
    resize = upsize.loop.ProgressiveResize(RAMP, total_steps=STEPS)
    return report(resize, upsize.loading.sized(loader, resize), drawn(loader))


def drawn(loader: Any) -> list[list[int]]:
    return [labels.tolist() for _, labels in islice(passes(loader), STEPS)]


def report(resize: Any, loader: Any, plain: list[list[int]]) -> dict[str, Any]:
    came, planned, seen = [], [], []
    for images, labels in islice(passes(loader, resize.batches), STEPS):
        came.append(images.shape[-1])
        planned.append(resize.plan.size_at(resize.optimizer_steps).width)
        seen.append(labels.tolist())
    return {
        "came": came, "planned": planned, "samples": seen, "plain": plain,
        "corrected": resize.mismatched,
    }  # fmt: skip


def passes(loader: Any, batches: Any = iter) -> Iterator[Any]:
    while True:
        yield from batches(loader)


def collate(samples: list[Any]) -> Any:
    if isinstance(samples[0], dict):
        samples = [(torch.as_tensor(each["image"]), each["label"]) for each in samples]
    images, labels = zip(*samples, strict=True)
    return torch.stack(images), torch.tensor(labels)


if __name__ == "__main__":
    assert PartialState(cpu=True).num_processes == 2
    finish({kind: main(kind) for kind in KINDS} | {kind: own(kind) for kind in OWN})
