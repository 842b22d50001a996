"""Two real processes agree on plan and step before they train, or both refuse to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.adapters.torchrun import two_reports
from torch import distributed

from upsize.run._ranks import check_ranks
from upsize.schedule import Ramp

SCRIPT = Path(__file__).with_name("ranks_processes.py")
PLAN = Ramp(final_size=16).plan(epochs=4, steps_per_epoch=12)


@pytest.fixture(scope="module")
def reports() -> list[dict[str, Any]]:
    """What each process says; they are started once."""
    return sorted(two_reports(SCRIPT), key=lambda report: report["rank"])


def test_equal_plans_train(reports: list[dict[str, Any]]) -> None:
    first, second = reports
    assert first["equal"] == second["equal"]
    assert set(first["equal"]) == {8, 12, 16}


def test_before_there_is_a_group_nothing_is_compared(
    reports: list[dict[str, Any]],
) -> None:
    assert [report["alone"] for report in reports] == [8, 8]


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("batches", "rank 0 at step 0 of 52", "rank 1 at step 0 of 48"),
        ("halfway", "rank 0 at step 20 of 48", "rank 1 at step 0 of 48"),
    ],
)
def test_both_refuse_what_differs(
    reports: list[dict[str, Any]], kind: str, first: str, second: str
) -> None:
    told = [report[kind] for report in reports]
    assert told[0] == told[1]
    assert "the processes would train at different sizes" in told[0]
    assert first in told[0]
    assert second in told[0]


def test_both_go_on_once_they_agree(reports: list[dict[str, Any]]) -> None:
    assert [report["mended"] for report in reports] == [True, True]


@pytest.mark.parametrize("other", [PLAN.total_steps, 52])
def test_the_message_names_each_rank(
    monkeypatch: pytest.MonkeyPatch, other: int
) -> None:
    """Within this process, with a group that is made up."""

    def gather(found: list[Any], mine: tuple[str, int, int]) -> None:
        found[:] = [mine, (mine[0] if other == mine[1] else "f" * 64, other, mine[2])]

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(distributed, "all_gather_object", gather)
    if other == PLAN.total_steps:
        check_ranks(PLAN, 3)
    else:
        with pytest.raises(ValueError, match=r"step 3 of 48.*step 3 of 52, plan ffff"):
            check_ranks(PLAN, 3)
