"""NVIDIA DALI on a CPU; its pipelines number their batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.core.loading.systems.check import (
    BATCH,
    COUNT,
    EPOCHS,
    FOUR_EPOCHS,
    photos,
    run_example,
    run_of,
    taken,
)

from upsize.loading import SizeStage, size_stage

dali: Any = pytest.importorskip("nvidia.dali", reason="DALI: run nox -s streams")
plugin: Any = pytest.importorskip("nvidia.dali.plugin.pytorch")
LENGTH = COUNT // BATCH


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return photos(tmp_path_factory.mktemp("photos"))


def loader(
    files: list[str],
    stage: SizeStage,
    *,
    workers: int = 1,
    shuffle: bool = False,
) -> Any:
    def sides(info: Any) -> list[Any]:
        size = stage.size_of(info.iteration, info.epoch_idx)
        return [np.array(size, np.float32)] * BATCH

    @dali.pipeline_def(
        batch_size=BATCH, num_threads=workers, device_id=None, prefetch_queue_depth=2,
    )  # fmt: skip
    def images() -> Any:
        read, labels = dali.fn.readers.file(
            files=files, labels=list(range(COUNT)), random_shuffle=shuffle,
            name="reader", seed=3,
        )  # fmt: skip
        made = dali.fn.decoders.image_random_crop(read, device="cpu", seed=3)
        size = dali.fn.external_source(source=sides, batch=True, batch_info=True)
        return dali.fn.resize(made, size=size), labels

    return plugin.DALIGenericIterator(
        [images()], ["image", "label"], reader_name="reader", auto_reset=True
    )


def test_the_example(tmp_path: Path) -> None:
    assert run_example("dali", tmp_path) == FOUR_EPOCHS


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_batch_has_the_size_of_its_step(
    files: list[str], workers: int, shuffle: bool
) -> None:
    plan = run_of(LENGTH).plan
    made = loader(files, size_stage(plan), workers=workers, shuffle=shuffle)
    came = [[taken(batch) for batch in made] for _ in range(EPOCHS)]
    sizes = [batch.size for epoch in came for batch in epoch]
    assert sizes == [plan.size_at(step).width for step in range(EPOCHS * LENGTH)]
    for epoch in came:
        labels = sorted(label for batch in epoch for label in batch.labels)
        assert labels == list(range(COUNT))
