"""What the reports of benchmarks share: the machine, tables, their place in a page."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["around_figures", "markdown", "processor"]

_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """Return a table, of which the first row is the head."""
    head, *lines = rows
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def around_figures(page: str) -> tuple[str, str]:
    """Return what a page has before its figures and after them, with the two marks.

    Raises:
        ValueError: When the page lacks a mark.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page needs {_BEGIN} and, after it, {_END}")
    return before + begin, end + after


def processor() -> str:
    """Return the processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()
