"""Two real processes over gloo agree on every size, or both refuse to train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.torchrun import two_reports

SCRIPT = Path(__file__).with_name("two_processes.py")
KINDS = ["map", "split", "uneven", "stream"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


@pytest.fixture(scope="module")
def reports(folder: Path) -> list[dict[str, Any]]:
    """What each process says of each kind; they are started once."""
    return two_reports(SCRIPT, str(folder), *KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_sizes_on_both(
    kind: str, reports: list[dict[str, Any]], folder: Path
) -> None:
    first, second = (report[kind] for report in reports)
    assert first["world"] == second["world"] == 2
    assert first["as planned"]
    assert second["as planned"]
    assert first["seen"] == second["seen"]
    assert len({size for _, size in first["seen"]}) == 3
    assert first["steps"] == second["steps"] == first["total"]
    saved = json.loads((folder / kind / "upsize.json").read_text())
    assert saved["step"] == first["steps"]
    assert first["weights"] == second["weights"]


def test_each_node_saves_and_one_without_its_state_is_refused(
    reports: list[dict[str, Any]],
) -> None:
    first, second = (report["nodes"] for report in reports)
    assert first["found"]
    assert second["found"]
    assert first["refused"] == second["refused"]
    assert "rank 0 at step 5 of 20" in first["refused"]
    assert "rank 1 at step 0 of 20" in first["refused"]


@pytest.mark.parametrize("kind", ["even", "uneven", "split"])
def test_sized_loaders(kind: str, reports: list[dict[str, Any]]) -> None:
    first, second = (report["sized"][kind] for report in reports)
    assert first["world"] == second["world"] == 2
    assert first["came"] == second["came"] == first["planned"] == second["planned"]
    assert len(set(first["came"])) >= 3
    assert first["corrected"] == second["corrected"] == 0
    assert first["labels"] != second["labels"]


def test_merged_batches(reports: list[dict[str, Any]]) -> None:
    """The last batch, which Accelerate completes, is not merged."""
    for report in reports:
        plain, merged = report["merged"]
        assert plain["world"] == merged["world"] == 2
        assert (plain["passes"], merged["passes"]) == (12, 9)
        assert plain["steps"] == merged["steps"] == 4
        # Each image of the 45 once in an epoch.
        assert merged["gathered"] == plain["gathered"]
        assert plain["gathered"] == sorted([*range(45)] * 2)
        for one, other in zip(plain["weights"], merged["weights"], strict=True):
            assert other == pytest.approx(one, rel=0, abs=1e-9)
    first, second = (report["merged"][1] for report in reports)
    assert first == second


def test_merged_batches_that_are_each_synchronized(
    reports: list[dict[str, Any]],
) -> None:
    """One process ends with a batch of four images, and the other with one of one."""
    for report in reports:
        plain, merged = report["uneven merged"]
        assert plain["world"] == merged["world"] == 2
        assert (plain["passes"], merged["passes"]) == (12, 9)
        assert merged["gathered"] == plain["gathered"]
        for one, other in zip(plain["weights"], merged["weights"], strict=True):
            assert other == pytest.approx(one, rel=0, abs=1e-9)
    counts = sorted(len(each["uneven merged"][1]["gathered"]) for each in reports)
    assert counts == [42, 48]


@pytest.mark.parametrize("split", [False, True])
def test_batches_that_grow(split: bool, reports: list[dict[str, Any]]) -> None:
    first, second = (report["grown"][split] for report in reports)
    for each in (first, second):
        assert each["seen"] == each["planned"] == [[8, 16], [8, 8], *[[16, 4]] * 6]
    assert first["weights"] == second["weights"]
    for epoch in (slice(24), slice(24, 48)):
        assert {*first["labels"][epoch], *second["labels"][epoch]} == set(range(45))
