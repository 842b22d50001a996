"""What Lightning's batch hooks get for a batch that waits for a later one."""

from __future__ import annotations

from typing import Final, NoReturn

__all__ = ["HELD"]


class _Held:
    """Stands for a batch that is trained on as a part of a later one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "HELD"

    def __reduce__(self) -> str:
        return "HELD"

    def __getitem__(self, key: object) -> NoReturn:  # iterating asks for it, too
        raise TypeError(_NO_SAMPLES)


_NO_SAMPLES = (
    "this batch holds no samples: merge= trains on them as a part of a later batch. Skip "
    "it where code reads batches (`if batch is HELD`), or leave out merge="
)


#: A batch that a later one holds: no forward, no backward, but it counts.
HELD: Final = _Held()
