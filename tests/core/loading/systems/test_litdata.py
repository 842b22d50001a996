"""LitData, with its own loader and PyTorch's."""

from __future__ import annotations

import subprocess
import sys
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
    run_example,
)
from torch.utils.data import DataLoader

litdata: Any = pytest.importorskip("litdata", reason="LitData: run nox -s streams")
pytestmark = pytest.mark.filterwarnings("ignore")

WRITE = f"""
import litdata
from PIL import Image

def record(index):
    return {{"image": Image.new("RGB", (48, 40), (index, 0, 0)), "label": index}}

if __name__ == "__main__":
    rows = list(range({COUNT}))
    litdata.optimize(
        record, rows, "shards", chunk_size=9, num_workers=1, start_method="fork"
    )
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("litdata")
    (folder / "write.py").write_text(WRITE, "utf-8")
    # It forks, and ends its processes with this one.
    subprocess.run(
        [sys.executable, "write.py"], cwd=folder, check=True, capture_output=True
    )
    return str(folder / "shards")


def stream(shards: str, *, shuffle: bool) -> Any:
    class Photos(litdata.StreamingDataset):  # type: ignore[name-defined, misc]
        def __init__(self, *folder: str, **settings: Any) -> None:
            super().__init__(*folder, **settings)
            self.augment = augmented()

        def __getitem__(self, index: Any) -> Any:
            sample = super().__getitem__(index)
            return self.augment(sample["image"]), sample["label"]

    return Photos(shards, shuffle=shuffle)


def test_the_example(tmp_path: Path) -> None:
    assert run_example("litdata", tmp_path)[-5:] == FOUR_EPOCHS


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("kind", [litdata.StreamingDataLoader, DataLoader])
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
        lambda: litdata.StreamingDataLoader(
            stream(shards, shuffle=True), batch_size=BATCH, num_workers=workers
        )
    )
