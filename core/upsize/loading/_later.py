"""Work that waits until the end of a batch."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

__all__ = ["Later"]

# About what the cache of a core holds.
_MOST_BYTES = 1 << 20


class Later:
    """Does work at the end of its block.

    To find all images of a batch first, and to decode and resample them one after the
    other then, keeps the code of each in the caches of the processor, which takes less
    time than both alternately. Where the block raises, what waits is not done.

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
        self._held = 0

    def do(self, work: Callable[..., Any], *arguments: Any, held: int = 0) -> None:
        """Call ``work`` at the end of the block, or before more than that fits.

        Args:
            work: What to do.
            arguments: Its arguments.
            held: Bytes of memory that they take until then.
        """
        if held and self._held + held > _MOST_BYTES:
            self._now()
        self._held += held
        self._work.append((work, arguments))

    def _now(self) -> None:
        work, self._work, self._held = self._work, [], 0
        for each, arguments in work:
            each(*arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._now()
