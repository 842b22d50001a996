"""What images may have gone through before a transform, on every path to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, Final, Literal, TypeAlias

__all__ = [
    "RAW",
    "SIZED",
    "Pending",
    "State",
    "Structure",
    "in_any_order",
    "joined",
    "may_skip",
    "structure_of",
]


class Pending:
    """A transform in pixels of the original image, which a later resize makes right.

    Attributes:
        transform: The transform.
        crops: Whether it crops or pads.
        pixels: Its attributes that hold pixels, {name: value}.
    """

    def __init__(self, transform: Any, crops: bool, pixels: dict[str, Any]) -> None:
        self.transform, self.crops, self.pixels = transform, crops, pixels


#: The image has its original size, and nothing in pixels was done to it.
RAW: Final = "raw"
#: The image has the size of a transform that resizes.
SIZED: Final = "sized"

#: What may be true of an image, one for each kind of path that leads to a place.
State: TypeAlias = frozenset[str | Pending]

Structure: TypeAlias = Literal["sequence", "choice", "order", "subset"]

# Part of the name of a class, in any library or the user's own code.
_STRUCTURES: dict[str, Structure] = {
    "randomorder": "order",
    "someof": "subset",
    "randomselect": "choice",
    "choice": "choice",
    "oneof": "choice",
    "oneorother": "choice",
}


def structure_of(transform: Any) -> Structure:
    """Return how a composition applies its parts, by the names of its classes."""
    for cls in type(transform).__mro__:
        name = cls.__name__.lower()
        for part, structure in _STRUCTURES.items():
            if part in name:
                # That of albumentations applies some of its parts.
                some = structure == "order" and hasattr(transform, "n")
                return "subset" if some else structure
    return "sequence"


def may_skip(transform: Any) -> bool:
    """Return whether a transform is left out at random, by its probability."""
    for name in ("p", "prob", "probability"):
        value = getattr(transform, name, None)
        if isinstance(value, Real) and not isinstance(value, bool):
            return 0 <= float(value) < 1
    return False


def joined(state: State, end: State, start: State) -> State:
    """Return the state after one more alternative; one that does nothing is none."""
    if end == start:
        return state
    return end if state == start else state | end


def in_any_order(
    parts: Sequence[Any],
    state: State,
    apply: Callable[[Any, State], State],
    structure: Structure,
) -> State:
    """Return the state after parts of which each may come first, or after any others.

    Args:
        parts: The parts of a composition.
        state: The state before it.
        apply: Returns the state after one part.
        structure: Whether all parts are applied ("order"), or some ("subset").
    """
    alone = [apply(each, state) for each in parts]
    ends = [
        apply(each, state.union(*alone[:n], *alone[n + 1 :]))
        for n, each in enumerate(parts)
    ]
    every = frozenset[Any]().union(*ends)
    sized: State = frozenset({SIZED})
    if structure == "order" and any(end == sized for end in ends):
        every = sized
    return every | state if structure == "subset" else every
