"""What is not training is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.adapters.contract.ways.common import BATCHES, FULL, Job, Way
from tests.adapters.contract.ways.every import each_stage, each_way


@each_stage()
def test_other_stages_are_as_without_upsize(
    way: Way, stage: str, tmp_path: Path
) -> None:
    plain = way.run_stage(stage, Job(folder=tmp_path, upsize=False, dropout=0.5))
    done = way.run_stage(stage, Job(folder=tmp_path, dropout=0.5))
    assert done.seen.passes
    assert set(done.seen.passes) == {FULL}
    assert done.seen.passes == plain.seen.passes
    assert len(done.outputs) == len(plain.outputs)
    assert all(map(torch.equal, done.outputs, plain.outputs))
    for name, value in plain.weights.items():
        assert torch.equal(done.weights[name], value), name
    assert done.random.equal(plain.random)
    assert done.warnings == []


@each_way("validation")
def test_validation_during_training_is_at_full_size(way: Way, tmp_path: Path) -> None:
    done = way.train(Job(folder=tmp_path, validate=True))
    assert done.seen.evaluated == [FULL] * 4 * BATCHES
    assert done.widths == [16] * 10 + [24] * 5 + [32] * 5


@each_way("validation")
def test_validation_at_the_size_of_training_when_asked(
    way: Way, tmp_path: Path
) -> None:
    done = way.train(Job(folder=tmp_path, validate=True, resize_valid=True))
    widths = [width for _, width in done.seen.evaluated]
    assert widths == [16] * 2 * BATCHES + [24] * BATCHES + [32] * BATCHES


@each_way("validation")
@pytest.mark.parametrize(
    ("side", "seen"), [(24, [16, 16, 24, 24]), (48, [16, 16, 24, 32]), (8, [8] * 4)]
)
def test_validation_images_of_another_size_are_never_enlarged(
    way: Way, tmp_path: Path, side: int, seen: list[int]
) -> None:
    job = Job(folder=tmp_path, validate=True, valid_side=side, resize_valid=True)
    done = way.train(job)
    widths = [width for _, width in done.seen.evaluated]
    assert widths == [width for width in seen for _ in range(BATCHES)]
    assert len(done.warnings) == 1
    assert f"validation images are {side}x{side} and final_size is" in done.warnings[0]


@each_way("validation")
def test_validation_has_no_part_in_training(way: Way, tmp_path: Path) -> None:
    plain = way.train(Job(folder=tmp_path))
    done = way.train(Job(folder=tmp_path, validate=True))
    assert done.sizes == plain.sizes
    for name, value in plain.weights.items():
        assert torch.equal(done.weights[name], value), name
