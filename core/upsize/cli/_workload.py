"""The user's own function that ``upsize forecast`` calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upsize.cli._named import call, find_named, is_named
from upsize.schedule._shown import shown

__all__ = ["workload_of"]

_TUPLE = ("model", "loader", "forward")


def workload_of(target: str) -> dict[str, Any]:
    """Call the user's function, and return the arguments of ``measure`` by name."""
    if not is_named(target):
        raise ValueError(
            "TARGET must be FILE.py:FUNCTION or MODULE:FUNCTION, not " + shown(target)
        )
    function = find_named(target, "function", "TARGET")
    made = call(function, f"TARGET {target}")
    if isinstance(made, tuple) and len(made) == len(_TUPLE):
        return dict(zip(_TUPLE, made, strict=True))
    if isinstance(made, Mapping) and {"model", "loader"} <= set(made):
        return dict(made)
    kind = type(made).__name__
    if isinstance(made, tuple | list):
        kind = (
            f"{kind} of {', '.join(type(each).__name__ for each in made) or 'nothing'}"
        )
    elif isinstance(made, Mapping):
        kind = f"dict of {', '.join(map(str, made)) or 'nothing'}"
    raise ValueError(
        f"{target} must return (model, loader, forward), where forward(model, batch) "
        "returns the loss, or a dict of the arguments of upsize.forecast.measure, not a "
        f"{kind}"
    )
