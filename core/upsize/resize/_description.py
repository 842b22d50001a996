"""What a resizer takes for an image, a target and neither, in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable

from torch import Tensor

from upsize.resize._policies import CANDIDATE, INPUT
from upsize.resize._roles import Role
from upsize.resize._shown import Path
from upsize.schedule._shown import shown

__all__ = ["describe"]

_SHOWN = 8


def describe(roles: list[Role], verb: str = "resizing") -> str:
    """Say what of a batch is resized, and what is left alone.

    Args:
        roles: Every (path, leaf, role), with the images chosen.
        verb: What happens to them.

    Returns:
        For example: resizing batch["image"] 3x64x64, with "mask"; leaving "label".
    """
    images: dict[str, list[str]] = {}
    targets: list[Path] = []
    others: list[Path] = []
    for path, leaf, role in roles:
        if role in (INPUT, CANDIDATE) and isinstance(leaf, Tensor) and leaf.ndim > 1:
            if leaf.ndim == 3 and len(path) > 1 and isinstance(path[-1], int):
                place = _place((*path[:-1], ...))  # one of a list
                images[place] = [*images.get(place, []), _spell_shape(leaf)]
            else:
                images.setdefault(_spell_shape(leaf), []).append(_place(path))
        elif role and role != "keep":
            targets.append(path)
        else:
            others.append(path)
    parts = [
        f"{key} {_some(values, 2)}"
        if key.startswith("batch")
        else f"{_some(values)} {key}"
        for key, values in images.items()
    ]
    text = f"{verb} " + ", ".join(parts)
    if targets:
        text += f", with {_some(_names(targets))}"
    return f"{text}; leaving {_some(_names(others))}" if others else text


def _spell_shape(leaf: Tensor) -> str:
    """Write the shape of one image: a batch is the first of 4 or more dims."""
    return "x".join(map(str, leaf.shape[1:] if leaf.ndim > 3 else leaf.shape))


def _some(texts: Iterable[str], most: int = _SHOWN) -> str:
    different = list(dict.fromkeys(texts))
    rest = len(different) - most
    return ", ".join(different[:most]) + (f" and {rest} more" if rest > 0 else "")


def _place(path: Path) -> str:
    return "batch" + "".join(f"[{_quoted(key)}]" for key in path)


def _names(paths: list[Path]) -> list[str]:
    """Write a key as such, anything else as a place, and items of a list as one."""
    every = [
        tuple(... if isinstance(key, int) and n else key for n, key in enumerate(path))
        for path in paths
    ]
    counts = Counter(every)
    return [
        _name(whole if counts[whole] > 1 else path)
        for path, whole in zip(paths, every, strict=True)
    ]


def _name(path: Path) -> str:
    is_key = len(path) == 1 and isinstance(path[0], str)
    return _quoted(path[0]) if is_key else _place(path)


def _quoted(key: Hashable) -> str:
    if key is ...:
        return "..."
    return f'"{shown(key)[1:-1]}"' if isinstance(key, str) else shown(key)
