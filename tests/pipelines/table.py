"""The page of the documentation that the rows make."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path

from tests.pipelines.rows import ROWS, Row

__all__ = ["PAGE", "rows", "written"]

PAGE = Path(__file__).parents[2] / "docs" / "pipelines.md"
_GROUPS = [
    "classification",
    "targets",
    "views",
    "loaders",
    "with_datasets",
    "with_fastai",
]

_HEAD = """\
# Pipelines

Find a data pipeline like yours among these {count}, and see whether it works with upsize unchanged.
Each row is a test: it trains on images of 40 and of 64 pixels, and compares every image, mask,
box, point and label with those of the loader without upsize.

{summary}

* **right**: `sized(loader, resize)` is all you need.
  fastai's rows use `upsize.fastai.sized`.
* **right on the device**: without `sized`; the loader makes images at full size, and the training
  run resizes its batches.
  Quoted words are from the error with which `sized` refuses the loader.
* **right by one line**: with the shown line, which the error message suggests.
  `set_size` is your own function, see [Data loading](loading.md#small-images-from-the-workers).
* **refused**: with an error that has these words, before the first wrong batch.
* **warned about**: with a warning that has these words.

The tests are in `tests/pipelines` of the repository; `python -m tests.pipelines` writes this page.
"""

_OUTCOMES = (
    "right",
    "right on the device",
    "right by one line",
    "refused",
    "warned about",
)


def rows() -> dict[str, list[Row]]:
    """Return the rows of each group."""
    for name in _GROUPS:
        import_module(f"tests.pipelines.{name}")
    return ROWS


def written() -> str:
    """Return the text of the page."""
    groups = rows()
    every = [row for group in groups.values() for row in group]
    counts = Counter(row.outcome for row in every)
    summary = "\n".join(
        ["| outcome | pipelines |", "|---|---|"]
        + [f"| {outcome} | {counts[outcome]} |" for outcome in _OUTCOMES]
    )
    parts = [_HEAD.format(count=len(every), summary=summary)]
    for group, held in groups.items():
        head = ["| pipeline | outcome | line or words |", "|---|---|---|"]
        lines = [f"\n## {group}\n", *head]
        lines += [f"| {row.title} | {row.outcome} | {_words(row)} |" for row in held]
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


def _words(row: Row) -> str:
    """Return the line of a row, or else what is said."""
    if row.line is not None:
        return f"`{row.line}`"
    said = row.says or row.told
    return "" if said is None else f"“{said}”"
