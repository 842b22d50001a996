"""WebDataset, with PyTorch's loader and its own."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import webdataset
from tests.core.loading.systems.check import (
    BATCH,
    COUNT,
    FULL,
    SHARDS,
    augmented,
    check_sized,
    photo,
)
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from upsize.loading import RandomResizedCropDecode, open_image

pytestmark = [
    # More workers than this machine has cores.
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    # A shard that has run dry, and a pipeline that reads a sample ahead of its batch.
    pytest.mark.filterwarnings("ignore:.*came from the sized loader"),
    pytest.mark.filterwarnings("ignore:.*samples of the stream were made at"),
    # WebDataset leaves its files to the garbage collector.
    pytest.mark.filterwarnings("ignore:.*ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("shards")
    number = 0
    for shard, count in enumerate(SHARDS):
        with webdataset.TarWriter(str(folder / f"{shard}.tar")) as writer:
            for _ in range(count):
                name = f"{number:02}"
                writer.write({"__key__": name, "jpg": photo(number), "cls": number})
                number += 1
    return str(folder / f"{{0..{len(SHARDS) - 1}}}.tar")


def same(value: Any) -> Any:
    return value


def pipeline(
    shards: str, *, shuffle: str = "", batched: bool = False, **settings: Any
) -> Any:
    data = webdataset.WebDataset(
        shards, shardshuffle=len(SHARDS) if shuffle else False, seed=3,
        detshuffle=True, **settings,
    )  # fmt: skip
    steps = webdataset.detshuffle(8, seed=3)
    if shuffle == "files":
        data = data.compose(steps)
    data = data.decode("pil").to_tuple("jpg", "cls").map_tuple(augmented(), same)
    if shuffle == "images":
        data = data.compose(steps)
    return data.batched(BATCH) if batched else data


ROWS = [
    pytest.param(workers, shuffle, bool(n % 2), n // 2 % 2, id=f"{workers}-{shuffle}")
    for n, (workers, shuffle) in enumerate(product((0, 1, 3), ("", "files", "images")))
]


@pytest.mark.parametrize(("workers", "shuffle", "batched", "kind"), ROWS)
def test_every_batch_has_the_size_of_its_step(
    shards: str, workers: int, shuffle: str, batched: bool, kind: int
) -> None:
    make = (DataLoader, webdataset.WebLoader)[kind]
    check_sized(
        lambda: make(
            pipeline(shards, shuffle=shuffle, batched=batched),
            batch_size=None if batched else BATCH,
            num_workers=workers,
        ),
        ahead=2 if workers == 3 else 0,
    )


def test_samples_drawn_for_ever(shards: str) -> None:
    check_sized(
        lambda: webdataset.WebLoader(
            pipeline(shards, resampled=True).with_epoch(6 * BATCH), batch_size=BATCH
        ),
        same_order=False,
    )


@pytest.mark.parametrize(
    ("load", "then"),
    [
        (open_image, augmented()),
        (RandomResizedCropDecode(FULL), v2.ToImage()),
    ],
    ids=["open_image", "RandomResizedCropDecode"],
)
def test_bytes_are_decoded_at_the_size_of_their_batch(
    shards: str, load: Any, then: Any
) -> None:
    data = webdataset.WebDataset(shards, shardshuffle=False).to_tuple("jpg", "cls")
    data = data.map_tuple(load, int).map_tuple(then, same)
    check_sized(lambda: webdataset.WebLoader(data, batch_size=BATCH))


def test_two_ranks_train_on_the_same_sizes(
    shards: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    labels = set()
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        labels |= set(
            check_sized(
                lambda: webdataset.WebLoader(
                    pipeline(shards, nodesplitter=webdataset.split_by_node),
                    batch_size=BATCH,
                )
            )
        )
    assert labels == set(range(COUNT))
