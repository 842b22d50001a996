"""Two real processes agree on plan and step before they train, or both refuse to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.adapters.torchrun import two_reports
from torch import distributed

from upsize.run import BatchCounter
from upsize.run._ranks import check_ranks
from upsize.schedule import Plan, Ramp

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
        ("files", "rank 0 at step 20 of 48", "rank 1 at step 21 of 48"),
        ("accumulate", "0 of 1 in the accumulation", "0 of 2 in the accumulation"),
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


def test_a_process_without_batches_is_not_waited_for(
    reports: list[dict[str, Any]],
) -> None:
    assert [report["empty"] for report in reports] == [2.0, 2.0]


def test_joined_epochs_of_other_lengths(reports: list[dict[str, Any]]) -> None:
    first, second = (report["joined"] for report in reports)
    assert first == [[8] * 4, [8] * 4, [12] * 4, [16] * 4]
    assert second == [[], [8] * 3, [12] * 2, [16] * 4]


def test_merged_batches_train_the_same_weights(reports: list[dict[str, Any]]) -> None:
    first, second = (report["merged"] for report in reports)
    assert first["weights"] == second["weights"]
    for report in (first, second):
        assert report["difference"] < 1e-9
        # Of 6 batches, 4 and 1 are merged; the last one is short.
        assert report["passes"] == [18, 3 + 12]


def test_batches_grow_in_step(reports: list[dict[str, Any]]) -> None:
    first, second = (report["grown"] for report in reports)
    assert first == second
    assert first["lengths"] == first["planned"]
    assert max(first["lengths"]) == 8


@pytest.mark.parametrize(
    "kind", ["static graph", "unused parameters", "no_sync", "compiled"]
)
def test_settings_of_ddp(kind: str, reports: list[dict[str, Any]]) -> None:
    first, second = (report[kind] for report in reports)
    assert first["widths"] == [[8] * 5, [8] * 5, [12] * 5, [16] * 5]
    assert first == second


def counter(accumulate: int = 2, batches: int = 0) -> BatchCounter:
    made = BatchCounter(PLAN.total_steps, accumulate, 24)
    for _ in range(batches):
        made.count()
    return made


def check(
    monkeypatch: pytest.MonkeyPatch, *others: tuple[Plan, int, BatchCounter | None]
) -> str:
    """Check rank 0 among others, in a group that is made up; return what it is told."""
    found: list[Any] = []

    def gather(into: list[Any], mine: Any) -> None:
        found.append(mine)
        into[: len(found)] = found

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: len(found) + 1)
    monkeypatch.setattr(distributed, "all_gather_object", gather)
    told = ""
    for each in others:
        try:
            check_ranks(*each)
        except ValueError as error:
            told = str(error)
    return told


def test_what_is_equal_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(monkeypatch, (PLAN, 3, None), (PLAN, 3, None)) == ""
    assert check(monkeypatch, (PLAN, 3, counter()), (PLAN, 3, counter())) == ""


def test_the_message_names_each_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = Ramp(final_size=16).plan(epochs=4, steps_per_epoch=13)
    told = check(monkeypatch, (PLAN, 3, None), (longer, 3, None))
    assert "rank 0 at step 3 of 48 to 16x16, plan " in told
    assert "; rank 1 at step 3 of 52 to 16x16, plan " in told
    assert "accumulation window," not in told
    assert "same schedule, full size, accumulate= and number of batches" in told


def test_the_message_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [(PLAN, 3, None)] * 9 + [(PLAN, 4, None)]
    told = check(monkeypatch, *others)
    assert "ranks 0, 1, 2, 3 and 5 more at step 3 of 48" in told
    assert "; rank 9 at step 4 of 48" in told
    told = check(monkeypatch, *((PLAN, step, None) for step in range(6)))
    assert "; rank 3 at step 3 of 48" in told
    assert " and 2 more. Give" in told


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (counter(accumulate=3), "0 of 3 in the accumulation window"),
        (counter(batches=1), "batch 1 of the epoch from step 0, 1 of 2 in the"),
        # In another epoch: the next steps end at other batches.
        (counter(batches=24), "batch 0 of the epoch from step 12, 0 of 2 in the"),
    ],
)
def test_equal_steps_at_another_place(
    other: BatchCounter, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes would be equal now, and differ later."""
    told = check(monkeypatch, (PLAN, 12, counter()), (PLAN, 12, other))
    assert "batch 0 of the epoch from step 0, 0 of 2 in the" in told
    assert words in told


def test_an_error_of_the_group_says_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(*_: Any) -> None:
        raise RuntimeError("Timed out waiting 20000ms for recv operation")

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(distributed, "all_gather_object", gather)
    with pytest.raises(RuntimeError) as caught:
        check_ranks(PLAN, 3)
    (note,) = caught.value.__notes__
    assert "load the state in every process" in note
