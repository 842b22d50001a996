"""What the reports of benchmarks share: tables, and their place in a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["around_figures", "markdown"]

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
