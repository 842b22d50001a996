"""Refuse a field that a schedule does not have, in a sentence that names those it has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from upsize.schedule._shown import shown

__all__ = ["check_named", "check_names", "choose", "nearest", "one_of"]

_LONGEST = 80


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return which known name is likely meant; ``None``: none of them.

    Example:
        >>> nearest("fastxtnd", ["composer", "fastxtend"])
        'fastxtend'
    """
    return next(iter(get_close_matches(name[:_LONGEST], list(known), 1)), None)


def check_named(owner: str, fields: Collection[str], values: tuple[Any, ...]) -> None:
    """Refuse values that are given without the name of their field.

    Example:
        >>> check_named("Ramp", ["initial_size", "final_size"], (224,))
        Traceback (most recent call last):
        TypeError: Ramp takes its fields by name: write Ramp(final_size=224), not \
Ramp(224). Its fields are initial_size, final_size
        >>> check_named("Phases", ["phases", "final_size"], ([(0, 64)],))
        Traceback (most recent call last):
        TypeError: Phases takes its fields by name: write Phases(phases=[(0, 64)]), not \
Phases([(0, 64)]). Its fields are phases, final_size
    """
    if not values:
        return
    first = next(iter(fields), "field")
    is_size = "final_size" in fields and not isinstance(values[0], list)
    name = "final_size" if is_size else first
    raise TypeError(
        f"{owner} takes its fields by name: write {owner}({name}={shown(values[0])}), "
        f"not {owner}({', '.join(map(shown, values[:3]))}). Its fields are "
        f"{', '.join(fields)}"
    )


def check_names(owner: str, fields: Collection[str], given: Collection[Any]) -> None:
    """Refuse a name that is no field.

    Example:
        >>> check_names("Ramp", ["initial_size", "final_size"], ["inital_size"])
        Traceback (most recent call last):
        ValueError: Ramp has no field 'inital_size': did you mean initial_size? Its \
fields are initial_size, final_size
    """
    for name in given:
        if name in fields:
            continue
        near = nearest(name, fields) if isinstance(name, str) else None
        hint = "; its" if near is None else f": did you mean {near}? Its"
        raise ValueError(
            f"{owner} has no field {shown(name)}{hint} fields are {', '.join(fields)}"
        )


def choose(name: str, value: Any, options: Mapping[Any, Any]) -> Any:
    """Look up what an argument stands for, or name the values that are allowed.

    Example:
        >>> choose("model", "swim", {"deit": 224, "swin": 224})
        Traceback (most recent call last):
        ValueError: model must be one of ['deit', 'swin'], not 'swim'
    """
    if value not in list(options):  # a list: the value may be unhashable
        raise ValueError(f"{name} must be one of {list(options)}, not {shown(value)}")
    return options[value]


def one_of(*allowed: str | None) -> Callable[[Any], Any]:
    """Return a validator that refuses other values, and names those that are allowed.

    Example:
        >>> one_of("batch", "epoch")("bacth")
        Traceback (most recent call last):
        ValueError: must be 'batch' or 'epoch', not 'bacth'; did you mean 'batch'?
    """

    def check(value: Any) -> Any:
        is_text = isinstance(value, str)
        if (is_text or value is None) and value in allowed:
            return value
        known = [name for name in allowed if name is not None]
        near = nearest(value, known) if is_text else None
        raise ValueError(
            f"must be {' or '.join(map(repr, allowed))}, not {shown(value)}"
            + ("" if near is None else f"; did you mean {near!r}?")
        )

    return check
