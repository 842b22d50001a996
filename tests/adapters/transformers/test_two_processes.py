"""Two real processes over gloo agree on every size without talking about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.adapters.torchrun import two_reports

SCRIPT = Path(__file__).with_name("two_processes.py")
KINDS = ["map", "vit", "stream", "sized", "joined", "sharded"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each process says of each kind; they are started once."""
    return two_reports(SCRIPT, str(tmp_path_factory.mktemp("runs")), *KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_sizes_on_both(kind: str, reports: list[dict[str, Any]]) -> None:
    first, second = (report[kind] for report in reports)
    assert first["world"] == second["world"] == 2
    assert first["as planned"]
    assert second["as planned"]
    assert first["seen"] == second["seen"]
    assert len({width for *_, width in first["seen"]}) == 3
    assert first["corrected"] == second["corrected"] == 0
    assert first["weights"] == second["weights"]


def test_merged_batches(reports: list[dict[str, Any]]) -> None:
    """Each process has the same share of a loss over the items of both."""
    for report in reports:
        plain, merged = report["merged"]
        # Windows of four batches and two, in epochs of six.
        assert plain["passes"] == [4] * 18
        assert merged["passes"] == [16, 8, 16, 8, *[4] * 6]
        assert merged["log"] == pytest.approx(plain["log"], rel=1e-5)
        for one, other in zip(plain["weights"], merged["weights"], strict=True):
            assert other == pytest.approx(one, rel=0, abs=1e-9)
    first, second = (report["merged"][1] for report in reports)
    assert first["weights"] == second["weights"]
