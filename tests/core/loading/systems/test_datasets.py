"""Streamed datasets of Hugging Face."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from typing import Any

import datasets
import pytest
from datasets.distributed import split_dataset_by_node
from tests.core.loading.systems.check import (
    BATCH,
    COUNT,
    SHARDS,
    augmented,
    came,
    check_resume,
    check_sized,
    photo,
    planned,
    run_of,
)
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

from upsize.loading import sized

pytestmark = [
    # More workers than this machine has cores.
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    # A shard that has run dry.
    pytest.mark.filterwarnings("ignore:.*came from the sized loader"),
    # torchdata calls what torch 2.14 deprecates.
    pytest.mark.filterwarnings("ignore:.*is deprecated"),
]

AUGMENT = augmented()


def rows(shards: list[range]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        for index in shard:
            yield {"image": photo(index), "label": index}


def one(row: dict[str, Any]) -> dict[str, Any]:
    return {"image": AUGMENT(row["image"]), "label": row["label"]}


def many(columns: dict[str, Any]) -> dict[str, Any]:
    return {"image": list(map(AUGMENT, columns["image"])), "label": columns["label"]}


def stream(*, shuffle: bool = False, batched: bool = False) -> Any:
    stops = list(accumulate(SHARDS))
    data = datasets.IterableDataset.from_generator(
        rows,
        features=datasets.Features(
            {"image": datasets.Image(), "label": datasets.Value("int64")}
        ),
        gen_kwargs={
            "shards": [
                range(stop - count, stop)
                for stop, count in zip(stops, SHARDS, strict=True)
            ]
        },
    )
    if shuffle:
        data = data.shuffle(seed=3, buffer_size=8)
    if batched:
        return data.map(many, batched=True, batch_size=BATCH)
    return data.map(one)


@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_batch_has_the_size_of_its_step(workers: int, shuffle: bool) -> None:
    batched = (workers == 1) == shuffle
    check_sized(
        lambda: DataLoader(
            stream(shuffle=shuffle, batched=batched),
            batch_size=BATCH,
            num_workers=workers,
        ),
        ahead=2 if workers == 3 else 0,
    )


def test_two_ranks_train_on_the_same_sizes() -> None:
    labels = set()
    for rank in range(2):
        data = split_dataset_by_node(stream(shuffle=True), rank, 2)
        labels |= set(check_sized(partial(DataLoader, data, batch_size=BATCH)))
    assert labels == set(range(COUNT))


def test_images_made_ahead_get_the_size_of_their_batch() -> None:
    def loader() -> Any:
        data = stream().shuffle(seed=3, buffer_size=8)
        return DataLoader(data, batch_size=BATCH)

    with pytest.warns(UserWarning, match="samples of the stream were made at"):
        check_sized(loader)


@pytest.mark.parametrize("through", [False, True])
def test_the_state_of_a_dataset(through: bool) -> None:
    def loader(data: Any, resize: Any) -> Any:
        return sized(DataLoader(data, batch_size=BATCH), resize)

    resize, data = run_of(7), stream()
    first = loader(data, resize)
    list(came(resize, first))
    second = came(resize, first)
    before = [next(second) for _ in range(3)]
    states = resize.state_dict(), data.state_dict()
    rest = list(second)
    assert [each.size for each in before + rest] == planned(resize, range(7, 14))

    resize, data = run_of(7), stream()
    resize.load_state_dict(states[0])
    again = loader(data, resize)
    (again.dataset if through else data).load_state_dict(states[1])
    assert list(came(resize, again)) == rest
    assert resize.mismatched == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_it_resumes_within_an_epoch(workers: int) -> None:
    # In order: a buffer of shuffled samples is not part of the state of datasets.
    check_resume(
        lambda: StatefulDataLoader(stream(), batch_size=BATCH, num_workers=workers)
    )
