"""Nodes of torchdata, among which one counts the batches."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.core.loading.systems.check import (
    BATCH,
    COUNT,
    FULL,
    check_staged,
    planned,
    run_of,
    taken,
)
from torch.utils.data import RandomSampler, default_collate

from upsize.loading import SizeStage, size_stage

nodes: Any = pytest.importorskip("torchdata.nodes")
SCRIPT = Path(__file__).parents[4] / "docs" / "examples" / "streams_nodes.py"
LENGTH = COUNT // BATCH


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def load(row: int) -> tuple[torch.Tensor, int]:
    return torch.rand(3, FULL, FULL), row


def loader(
    script: dict[str, Any], stage: SizeStage, workers: int, *, shuffle: bool
) -> Any:
    rows = range(COUNT)
    node = nodes.SamplerWrapper(RandomSampler(rows) if shuffle else rows)
    if workers:
        node = nodes.ParallelMapper(node, load, workers, method="thread")
    else:
        node = nodes.Mapper(node, load)
    node = nodes.Mapper(nodes.Batcher(node, batch_size=BATCH), default_collate)
    return nodes.Loader(nodes.Prefetcher(script["AtSize"](node, stage), 2))


def test_the_example(script: dict[str, Any]) -> None:
    assert script["resize"].mismatched == 0
    assert script["resize"].is_over


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_batch_has_the_size_of_its_step(
    script: dict[str, Any], workers: int, shuffle: bool
) -> None:
    resize = run_of(LENGTH)
    node = loader(script, size_stage(resize), workers, shuffle=shuffle)
    check_staged(resize, [node, node], batches=LENGTH)


@pytest.mark.parametrize("workers", [0, 3])
def test_it_resumes_within_an_epoch(script: dict[str, Any], workers: int) -> None:
    resize = run_of(LENGTH)
    node = loader(script, size_stage(resize), workers, shuffle=False)
    list(resize.batches(node))
    second = iter(resize.batches(node))
    for _ in range(3):
        next(second)
    states = node.state_dict(), resize.state_dict()
    rest = [taken(batch) for batch in second]

    resize = run_of(LENGTH)
    resize.load_state_dict(states[1])
    node = loader(script, size_stage(resize), workers, shuffle=False)
    node.load_state_dict(states[0])
    resumed = [taken(batch) for batch in resize.batches(node)]
    assert resumed == rest
    steps = range(LENGTH + 3, 2 * LENGTH)
    assert [batch.size for batch in rest] == planned(resize, steps)
    assert resize.mismatched == 0
