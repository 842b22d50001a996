"""MosaicML Streaming, with its own loader and PyTorch's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.core.loading.systems.check import (
    BATCH,
    COUNT,
    FOUR_EPOCHS,
    augmented,
    check_resume,
    check_sized,
    photo,
    run_example,
)
from torch.utils.data import DataLoader

streaming: Any = pytest.importorskip(
    "streaming", reason="MosaicML Streaming: run nox -s streams"
)
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("mosaicml") / "shards")
    columns = {"image": "png", "label": "int"}
    with streaming.MDSWriter(out=folder, columns=columns, size_limit=1500) as writer:
        for index in range(COUNT):
            writer.write({"image": photo(index), "label": index})
    return folder


def stream(shards: str, *, shuffle: bool) -> Any:
    class Photos(streaming.StreamingDataset):  # type: ignore[name-defined, misc]
        def __init__(self, *folder: str, **settings: Any) -> None:
            super().__init__(*folder, **settings)
            self.augment = augmented()

        def __getitem__(self, index: Any) -> Any:
            sample = super().__getitem__(index)
            return self.augment(sample["image"]), sample["label"]

    # A dataset of this folder before this one keeps its memory until it is collected.
    streaming.base.util.clean_stale_shared_memory()
    return Photos(local=shards, shuffle=shuffle, batch_size=BATCH)


def test_the_example(tmp_path: Path) -> None:
    assert run_example("mosaicml", tmp_path)[-5:] == FOUR_EPOCHS


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("kind", [streaming.StreamingDataLoader, DataLoader])
def test_every_batch_has_the_size_of_its_step(
    shards: str, kind: Any, workers: int, shuffle: bool
) -> None:
    check_sized(
        lambda: kind(
            stream(shards, shuffle=shuffle), batch_size=BATCH, num_workers=workers
        ),
        ahead=2 if workers == 3 else 0,
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_it_resumes_within_an_epoch(shards: str, workers: int) -> None:
    check_resume(
        lambda: streaming.StreamingDataLoader(
            stream(shards, shuffle=True), batch_size=BATCH, num_workers=workers
        )
    )
