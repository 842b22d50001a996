"""Work that waits until the end of a batch."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

__all__ = ["Later"]


class Later:
    """Does work at the end of its block.

    To find the pixels of all images of a batch first, and to resample them one after
    the other then, keeps the code of each in the caches of the processor, which takes
    less time than both alternately. Where the block raises, the work is not done.

    Example:
        >>> done = []
        >>> with Later() as later:
        ...     later.do(done.append, "work")
        ...     done.append("block")
        >>> done
        ['block', 'work']
    """

    def __init__(self) -> None:
        self._work: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def do(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Call ``work`` at the end of the block."""
        self._work.append((work, arguments))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            for work, arguments in self._work:
                work(*arguments)
