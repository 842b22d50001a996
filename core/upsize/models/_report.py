"""Results of a check, as frozen values and as a table."""

from __future__ import annotations

from dataclasses import dataclass

from upsize.models._memory import EXPLANATIONS, MemoryKind, spell_bytes
from upsize.schedule import Size
from upsize.schedule._table import align

__all__ = ["CheckReport", "CheckRow", "spell_multiple"]

_SHOWN = 90


def spell_multiple(multiple: Size) -> str:
    """Write a multiple as a user would: one number if both sides share it."""
    height, width = multiple
    return f"{height}" if height == width else f"({height}, {width})"


@dataclass(frozen=True)
class CheckRow:
    """What happened at one size.

    Args:
        size: The planned size.
        reason: Type and message of the model's error; ``None``: it works.
        nearest: For a failed size, the nearest working size below and above, if found.
        memory: Bytes of a step, see :class:`CheckReport`; ``None`` where it failed or
            could not be measured.

    Example:
        >>> CheckRow(Size(96, 96)).ok, CheckRow(Size(97, 97), "ValueError: odd").ok
        (True, False)
    """

    size: Size
    reason: str | None = None
    nearest: tuple[Size, ...] = ()
    memory: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the model works at this size."""
        return self.reason is None


@dataclass(frozen=True)
class CheckReport:
    """Result of :func:`upsize.models.check`, size by size.

    Args:
        rows: A row for each planned size, in the plan's order.
        device: Where it ran; on "meta" with shapes only.
        backward: Whether the backward pass ran as well.
        multiple_of: The multiple, (height, width), of all working sizes and of no failed
            one; ``None`` where every size works or no such rule was found.
        memory_kind: What the bytes of the rows are: ``"peak"``, the most that the device
            had allocated in a step; ``"saved"``, weights, gradients, the batch and what
            autograd saves for backward; ``None``: not measured.

    Example:
        >>> report = CheckReport((CheckRow(Size(96, 96)),), "cpu", True)
        >>> report.ok
        True
    """

    rows: tuple[CheckRow, ...]
    device: str
    backward: bool
    multiple_of: Size | None = None
    memory_kind: MemoryKind | None = None

    @property
    def ok(self) -> bool:
        """Whether the model works at every planned size."""
        return all(row.ok for row in self.rows)

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The planned sizes that work."""
        return tuple(row.size for row in self.rows if row.ok)

    def table(self) -> str:
        """Return a line for each size, with its reason cut to one line."""
        header: tuple[str, ...] = ("size", "result")
        memory = any(row.memory is not None for row in self.rows)
        cells = [
            (
                f"{row.size}",
                *((_memory(row.memory),) if memory else ()),
                "works" if row.ok else _failure(row),
            )
            for row in self.rows
        ]
        if memory:
            header = ("size", "memory", "result")
        return align([header, *cells])

    def __str__(self) -> str:
        passes = "forward and backward" if self.backward else "forward"
        works, total = len(self.sizes), len(self.rows)
        lines = [
            self.table(),
            f"{works} of {total} sizes work, {passes}, device {self.device}",
        ]
        measured = any(row.memory is not None for row in self.rows)
        if measured and self.memory_kind is not None:
            lines.append(f"memory: {EXPLANATIONS[self.memory_kind]}")
        if self.multiple_of is not None:
            lines.append(f"sizes that work: {self._rule()}")
        return "\n".join(lines)

    def _rule(self) -> str:
        assert self.multiple_of is not None
        return f"multiples of {spell_multiple(self.multiple_of)}"

    def raise_if_failed(self) -> None:
        """Stop a script before it trains with a plan that the model cannot follow.

        Raises:
            ValueError: When a size fails; with the table and what to do.

        Example:
            >>> row = CheckRow(Size(100, 100), "ValueError: odd", (Size(96, 96),))
            >>> CheckReport((row,), "cpu", True).raise_if_failed()
            Traceback (most recent call last):
            ...
            ValueError: the model fails at 1 of 1 planned sizes
            size     result
            100x100  ValueError: odd; nearest that works: 96x96
            try upsize.models.adapt(model), or a schedule of sizes that work
        """
        if self.ok:
            return
        failed = len(self.rows) - len(self.sizes)
        cure = "a schedule of sizes that work"
        if self.multiple_of is not None:
            cure = f"a schedule with multiple_of={spell_multiple(self.multiple_of)}"
        raise ValueError(
            f"the model fails at {failed} of {len(self.rows)} planned sizes\n"
            f"{self.table()}\ntry upsize.models.adapt(model), or {cure}"
        )


def _memory(memory: int | None) -> str:
    return "-" if memory is None else spell_bytes(memory)


def _failure(row: CheckRow) -> str:
    """Return the reason in one line, and where to go instead."""
    first = (row.reason or "").splitlines()[0]
    if len(first) > _SHOWN:
        first = first[: _SHOWN - 3] + "..."
    near = " and ".join(map(str, row.nearest)) or "none found"
    return f"{first}; nearest that works: {near}"
