"""SPDL, whose source numbers the batches."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.core.loading.systems.check import (
    BATCH,
    COUNT,
    EPOCHS,
    FOUR_EPOCHS,
    check_staged,
    run_example,
    run_of,
    taken,
)

from upsize.loading import size_stage

spdl: Any = pytest.importorskip("spdl.pipeline", reason="SPDL: run nox -s streams")
LENGTH = COUNT // BATCH


def pipeline(stage: Any, epoch: int, *, workers: int, shuffle: bool, order: str) -> Any:
    def numbered() -> Any:
        rows = torch.arange(COUNT)
        if shuffle:
            rows = torch.randperm(COUNT, generator=torch.Generator().manual_seed(epoch))
        for number, each in enumerate(rows.split(BATCH)):
            yield epoch * LENGTH + number, each

    def make(task: tuple[int, torch.Tensor]) -> Any:
        number, rows = task
        time.sleep(random.random() / 100)
        return torch.zeros(BATCH, 3, *stage.size_of(number)), rows

    return (
        spdl.PipelineBuilder()
        .add_source(numbered())
        .pipe(make, concurrency=workers, output_order=order)
        .add_sink(2)
        .build(num_threads=workers)
    )


def test_the_example(tmp_path: Path) -> None:
    assert run_example("spdl", tmp_path) == FOUR_EPOCHS


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_batch_has_the_size_of_its_step(workers: int, shuffle: bool) -> None:
    resize = run_of(LENGTH)
    stage = size_stage(resize)

    def epoch(number: int) -> Any:
        made = pipeline(stage, number, workers=workers, shuffle=shuffle, order="input")
        with made.auto_stop():
            yield from made

    check_staged(resize, map(epoch, range(EPOCHS)), batches=LENGTH)


def test_the_default_order_gives_batches_out_of_order() -> None:
    # Within a batch sizes do not mix, as its images are made in one task; the run
    # resizes what comes at another size than its step's.
    stage = size_stage(run_of(LENGTH).plan)
    made = pipeline(stage, 0, workers=1, shuffle=False, order="completion")
    with made.auto_stop():
        came = [taken(batch) for batch in made]
    assert sorted(came) == sorted(
        (
            stage.size_of(number).width,
            list(range(BATCH * number, BATCH * number + BATCH)),
        )
        for number in range(LENGTH)
    )
