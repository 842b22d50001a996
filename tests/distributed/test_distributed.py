"""The scripts of docs/distributed.md, run by torchrun in real processes."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch
from tests.adapters.torchrun import Ranks, reports_of, start, two_reports
from torch.utils.data import DistributedSampler

from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp

SCRIPT = Path(__file__).with_name("examples.py")
# Four epochs: two at half the size, then two resizes.
WIDTHS = [16, 16, 24, 32]
RAMP = Ramp(final_size=32, increase_by=8)


def planned(steps_per_epoch: int, start: int = 0) -> dict[int, int]:
    """Return the width of each step."""
    steps = range(start, 4 * steps_per_epoch)
    return {step: WIDTHS[step // steps_per_epoch] for step in steps}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What both processes say of each example; they are started once."""
    folder = tmp_path_factory.mktemp("reports")
    runs = ["ddp", "stream", "fsdp:0@9", "fsdp", "stateful:0@10", "stateful"]
    found = two_reports(SCRIPT, *runs, cwd=folder)
    found.sort(key=lambda each: each[0]["rank"])
    return {name: [each[n] for each in found] for n, name in enumerate(runs)}


@pytest.mark.parametrize(
    ("name", "begins"), [("ddp", 0), ("stream", 0), ("fsdp", 6), ("stateful", 8)]
)
def test_the_same_sizes_on_both(
    name: str, begins: int, reports: dict[str, Any]
) -> None:
    first, second = reports[name]
    assert first["world"] == second["world"] == 2
    assert first["seen"] == second["seen"]
    assert first["steps"] == second["steps"] == [24, 24]
    assert first["warned"] == second["warned"] == []
    widths = [(step, width) for step, _, width in first["seen"]]
    assert widths == list(planned(6, begins).items())
    assert first["planned"] == [width for _, width in widths]


@pytest.mark.parametrize(("name", "steps"), [("fsdp:0@9", 9), ("stateful:0@10", 10)])
def test_the_runs_that_are_resumed_were_left_in_mid_epoch(
    name: str, steps: int, reports: dict[str, Any]
) -> None:
    for report in reports[name]:
        widths = [(step, width) for step, _, width in report["seen"]]
        assert widths == list(planned(6).items())[:steps]


@pytest.mark.parametrize("name", ["ddp", "stream", "stateful"])
def test_the_loader_makes_each_image_at_its_size(
    name: str, reports: dict[str, Any]
) -> None:
    for report in reports[name]:
        assert report["mismatched"] == 0
        assert [came for _, came, _ in report["seen"]] == report["planned"]


@pytest.mark.parametrize(("name", "begins"), [("ddp", 0), ("stateful", 8)])
def test_each_process_has_its_own_samples(
    name: str, begins: int, reports: dict[str, Any]
) -> None:
    for rank, report in enumerate(reports[name]):
        sampler = DistributedSampler(range(45), num_replicas=2, rank=rank)
        batches: list[list[int]] = []
        for epoch in range(4):
            sampler.set_epoch(epoch)
            drawn = [index % 4 for index in sampler]
            batches += [drawn[start : start + 4] for start in range(0, len(drawn), 4)]
        assert report["labels"] == batches[begins:]


def test_the_replicas_stay_equal(reports: dict[str, Any]) -> None:
    for name in ("ddp", "stream", "stateful"):
        first, second = reports[name]
        assert first["weights"] == second["weights"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elastic")


@pytest.fixture(scope="module")
def killed(folder: Path) -> CompletedProcess[str]:
    """Two processes, of which one is killed; and again, after the restart."""
    return start(SCRIPT, "elastic:0@4:1@7", cwd=folder, restarts=1)


@pytest.fixture(scope="module")
def alone(folder: Path, killed: Any) -> list[Any]:
    """What one process says that goes on."""
    said, errors = folder / "said", folder / "errors"
    one = Ranks(1, SCRIPT, "elastic", cwd=folder, stdout=said, stderr=errors)
    assert one.wait(600) == [0], errors.read_text("utf-8")[-3000:]
    report: list[Any] = reports_of(said.read_text("utf-8"))[-1]
    return report


@pytest.mark.parametrize(("attempt", "steps"), [(0, range(4)), (1, range(3, 7))])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_restart_resumes_at_the_last_checkpoint(
    rank: int, attempt: int, steps: range, killed: CompletedProcess[str]
) -> None:
    assert killed.returncode == 1  # torchrun gives up after one restart
    assert "SIGKILL" in killed.stderr
    said = reports_of(killed.stdout)
    seen = [
        each["batch"] for each in said if (each["rank"], each["try"]) == (rank, attempt)
    ]
    if rank == 0:
        seen = seen[:4]  # it may have begun the step that the other one died in
    whole = planned(3)
    assert [(step, width) for step, _, width in seen] == [
        (step, whole[step]) for step in steps
    ]


def test_one_process_goes_on_with_the_same_global_batch(alone: list[Any]) -> None:
    (report,) = alone
    assert report["world"] == 1
    # Two batches in each step, at the size that two processes had for it.
    rest = [(step, width) for step, width in planned(3, 6).items() for _ in range(2)]
    assert [(step, width) for step, _, width in report["seen"]] == rest
    assert report["steps"] == [12, 12]
    assert report["warned"] == []


def test_another_global_batch_makes_a_plan_of_another_length(
    folder: Path, alone: list[Any]
) -> None:
    """The checkpoint of three steps in an epoch goes on in epochs of six."""
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)["resize"]
    state = saved | {"step": 6, "epoch_step": 6, "accumulate": 1}  # after two epochs
    resize = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=6)
    with pytest.warns(UserWarning, match="has 12 steps and this one 24"):
        resize.load_state_dict(state)
    assert resize.optimizer_steps == 12
    loader = [torch.zeros(1, 3, 32, 32)] * 6
    widths = [images.shape[-1] for _ in range(2) for images in resize.batches(loader)]
    assert widths == [24] * 6 + [32] * 6
