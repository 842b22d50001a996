"""Typical pipelines of image training give what the page says."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.pipelines import pictures
from tests.pipelines.check import check, compare
from tests.pipelines.rows import FULL, SMALL, Row, Seen
from tests.pipelines.table import PAGE, rows, written

from upsize.resize import resize

EVERY = [row for group in rows().values() for row in group]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipelines")


# Third parties warn of each other; what upsize says, check() compares.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", EVERY, ids=lambda row: row.title)
def test_a_pipeline(row: Row, folder: Path) -> None:
    check(row, folder)


def test_the_page_is_what_the_rows_say() -> None:
    assert PAGE.read_text("utf-8") == written(), "run: python -m tests.pipelines"


def test_no_row_is_there_twice_and_most_are_right() -> None:
    titles = [row.title for row in EVERY]
    assert len(titles) == len(set(titles))
    right = [row for row in EVERY if row.outcome.startswith("right")]
    assert len(right) >= 0.75 * len(EVERY)


def seen(side: int, **changed: Any) -> Seen:
    image = resize(pictures.tensor(0)[None], side)[0]
    labels = torch.from_numpy(pictures.mask(0, side, side))
    ratio = side / FULL
    made = Seen(
        [image],
        masks=[labels],
        boxes=[torch.tensor(pictures.box(0)) * ratio],
        points=[torch.tensor(pictures.centre(0)) * ratio],
        maps=[image[2:3]],
        rest=[torch.tensor(3)],
    )
    return replace(made, **changed)


HALF = pictures.tensor(0)[:, : FULL // 2, : FULL // 2]
SMOOTH = resize(torch.from_numpy(pictures.mask(0))[None].float(), SMALL)[0]
WRONG = {
    "half the picture": {"images": [resize(HALF[None], SMALL)[0]]},
    "a larger image": {"images": [pictures.tensor(0)]},
    "an image too few": {"images": []},
    "blended labels": {"masks": [SMOOTH.byte()]},
    "a mask of another image": {"masks": [torch.zeros(SMALL, SMALL).byte()]},
    "a box of the full size": {"boxes": [torch.tensor(pictures.box(0))]},
    "a point of the full size": {"points": [torch.tensor(pictures.centre(0))]},
    "a map of another image": {"maps": [torch.zeros(1, SMALL, SMALL)]},
    "no boxes": {"boxes": []},
    "another label": {"rest": [torch.tensor(4)]},
}


@pytest.mark.parametrize("moves", [0.0, 0.15])
@pytest.mark.parametrize("fault", [None, *WRONG])
def test_a_wrong_batch_is_noticed(fault: str | None, moves: float) -> None:
    batch = seen(SMALL, **({} if fault is None else WRONG[fault]))
    expected = (
        nullcontext() if fault is None else pytest.raises((AssertionError, ValueError))
    )
    with expected:
        compare(batch, seen(FULL), SMALL, moves=moves)
