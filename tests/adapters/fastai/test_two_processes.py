"""Two real processes over gloo train at the same sizes, and to the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.adapters.torchrun import two_reports

SCRIPT = Path(__file__).with_name("two_processes.py")
# Batch transforms, or a sized loader's number of workers.
KINDS = ["none", "aug", "sized 0", "sized 2"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each process says of each kind; they are started once."""
    kinds = [*KINDS, "unmerged", "merged"]
    return two_reports(SCRIPT, *kinds, cwd=tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_sizes_on_both(kind: str, reports: list[dict[str, Any]]) -> None:
    first, second = (report[kind] for report in reports)
    assert first["world"] == second["world"] == 2
    assert first["as planned"]
    assert first == second
    assert (min(first["widths"]), max(first["widths"])) == (8, 16)
    if kind.startswith("sized"):
        assert first["came"] == first["widths"]
        assert first["corrected"] == 0


def test_merged_batches(reports: list[dict[str, Any]]) -> None:
    first, second = reports
    plain, merged = first["unmerged"], first["merged"]
    assert merged["weights"] == second["merged"]["weights"]
    assert merged["weights"] == pytest.approx(plain["weights"], rel=0, abs=1e-9)
    assert merged["steps"] == plain["steps"]
    assert merged["passes"][:2] == [[12, 8], [8, 8]]
    assert len(merged["passes"]) < len(plain["passes"])
