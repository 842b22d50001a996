"""An error of somebody else's at a smaller size says which size, at which step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.adapters.contract.ways.common import Job, Way, labelled
from tests.adapters.contract.ways.every import each_way

from upsize.schedule import Ramp


def notes(error: BaseException | None) -> list[str]:
    return [note for note in getattr(error, "__notes__", ()) if "upsize: step" in note]


@each_way("errors of the model")
@pytest.mark.parametrize(
    ("error", "fail_at", "size"),
    [(ValueError, 0, "16x16"), (AssertionError, 7, "16x16"), (IndexError, 12, "24x24")],
)
def test_it_names_size_and_step(
    way: Way, error: Any, fail_at: int, size: str, tmp_path: Path
) -> None:
    done = way.fail(Job(folder=tmp_path, fail_at=fail_at, error=error))
    (note,) = notes(done.error)
    assert note.startswith(
        f"upsize: step {fail_at} trains at {size} instead of 32x32. "
    )
    assert "upsize.models.adapt(model)" in note


@each_way()
def test_no_note_at_full_size(way: Way, tmp_path: Path) -> None:
    done = way.fail(Job(folder=tmp_path, fail_at=16))
    assert done.widths[-1] == 32
    assert notes(done.error) == []


@each_way()
def test_no_note_for_what_stops_a_program(way: Way, tmp_path: Path) -> None:
    done = way.fail(Job(folder=tmp_path, fail_at=2, error=KeyboardInterrupt))
    assert notes(done.error) == []


@each_way()
def test_no_note_on_the_words_of_upsize(way: Way, tmp_path: Path) -> None:
    schedule = Ramp(final_size=64, increase_by=8)
    done = way.fail(Job(folder=tmp_path, data=labelled(), schedule=schedule))
    assert "images are never enlarged" in str(done.error)
    assert notes(done.error) == []
