"""Grain, which numbers its batches."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.core.loading.systems.check import (
    BATCH,
    COUNT,
    EPOCHS,
    FULL,
    planned,
    run_example,
    run_of,
    taken,
)

from upsize.loading import SizeStage, size_stage

grain: Any = pytest.importorskip("grain", reason="Grain: run nox -s streams")
LENGTH = COUNT // BATCH


def load(index: int) -> dict[str, Any]:
    return {"image": np.full((FULL, FULL, 3), index, np.uint8), "label": index}


def iterator(stage: SizeStage, *, workers: int, shuffle: bool) -> Any:
    data = grain.MapDataset.range(COUNT)
    if shuffle:
        data = data.shuffle(seed=0)
    data = data.repeat(EPOCHS).map(load).batch(BATCH).map_with_index(stage)
    data = data.to_iter_dataset()
    if workers:
        options = grain.multiprocessing.MultiprocessingOptions(num_workers=workers)
        data = data.mp_prefetch(options)
    return iter(data)


def test_the_example(tmp_path: Path) -> None:
    assert run_example("grain", tmp_path) == [str([32] * 12 + [48] * 6 + [64] * 6)]


# Grain starts each of its processes with all imports: that takes seconds.
@pytest.mark.parametrize(
    ("workers", "shuffle"), [(0, False), (0, True), (1, False), (3, True)]
)
def test_every_batch_has_the_size_of_its_step_also_after_a_resume(
    workers: int, shuffle: bool
) -> None:
    resize = run_of(LENGTH)
    stage = size_stage(resize)
    batches = iterator(stage, workers=workers, shuffle=shuffle)
    first = [taken(batch) for batch in islice(batches, LENGTH + 3)]
    state = batches.get_state()
    rest = [taken(batch) for batch in batches]
    assert [batch.size for batch in first + rest] == planned(resize, range(2 * LENGTH))

    batches = iterator(stage, workers=workers, shuffle=shuffle)
    batches.set_state(state)
    assert [taken(batch) for batch in batches] == rest
