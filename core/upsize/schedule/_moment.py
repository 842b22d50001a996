"""Moments of a run: a share of training, an epoch or a step, as exact fractions."""

from __future__ import annotations

import contextlib
import math
import operator
import re
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator

from upsize.schedule._fields import one_of
from upsize.schedule._run import RunLength
from upsize.schedule._shown import shown
from upsize.schedule._size import MAX_COUNT

__all__ = [
    "IncreaseMode",
    "Moment",
    "ParsedMoment",
    "check_increase_mode",
    "check_order",
    "ordered_positions",
    "parse_moment",
    "position",
]


class IncreaseMode(StrEnum):
    """When a size may change: at any step, or only before an epoch.

    Example:
        >>> IncreaseMode("epoch")
        <IncreaseMode.Epoch: 'epoch'>
    """

    Batch = "batch"
    Epoch = "epoch"


#: A validator of its own, not in the type of the field: jsonargparse, and so LightningCLI,
#: looks for the members of an enum there, and an annotated one has none.
check_increase_mode = one_of(*(mode.value for mode in IncreaseMode))


_WITH_UNIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ep|st|%)\s*")
_RATIO = re.compile(r"\s*(\d+)\s*/\s*([1-9]\d*)\s*")

_LONGEST = 80
_ALLOWED = (
    "a share of training as a float (0.5), an epoch counted from 0 as an int (10), "
    'or a string with a unit: "10ep", "500st", "50%", or an exact share "1/3", of at '
    f"most {_LONGEST} characters"
)


class ParsedMoment(NamedTuple):
    """A moment as its unit and its exact value."""

    unit: Literal["share", "epoch", "step"]
    value: Fraction


def parse_moment(moment: float | str) -> ParsedMoment:
    """Read a moment exactly: ``0.7`` is 7/10, not the float nearest to it.

    Raises:
        ValueError: For a negative or non-finite number, a share above 1, a number
            beyond any training, or an unknown unit.
    """
    parsed = _parse(moment)
    if parsed is None:
        raise ValueError(f"must be {_ALLOWED}, not {shown(moment)}")
    if parsed.unit == "share" and parsed.value > 1:
        raise ValueError(
            f"must be at most 1.0 (100%) as a share of training, not {shown(moment)}; "
            'an epoch is an int (10) or "10ep"'
        )
    if parsed.value > MAX_COUNT:
        raise ValueError(f"must be at most {MAX_COUNT:,}, not {shown(moment)}")
    return parsed


def _parse(moment: float | str) -> ParsedMoment | None:
    """Return a moment's unit and value; ``None`` if it is not a moment."""
    if isinstance(moment, str) and len(moment) > _LONGEST:
        return None
    if isinstance(moment, str):
        if match := _RATIO.fullmatch(moment):
            return ParsedMoment("share", Fraction(int(match[1]), int(match[2])))
        if match := _WITH_UNIT.fullmatch(moment):
            value = Fraction(match[1])
            if match[2] == "%":
                return ParsedMoment("share", value / 100)
            if match[2] == "ep":
                return ParsedMoment("epoch", value)
            if value.denominator == 1:
                return ParsedMoment("step", value)
    elif isinstance(moment, float):
        if math.isfinite(moment) and moment >= 0:
            return ParsedMoment("share", Fraction(str(moment)))
    elif moment >= 0:
        return ParsedMoment("epoch", Fraction(moment))
    return None


def _check_moment(value: Any) -> float | int | str:
    """Refuse what is not a moment; NumPy numbers and fractions become Python's."""
    if isinstance(value, Fraction):
        if max(value.as_integer_ratio()) < 10**_LONGEST:
            value = f"{value.numerator}/{value.denominator}"
    elif not isinstance(value, (bool, float, str)):
        with contextlib.suppress(TypeError):
            value = operator.index(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"must be {_ALLOWED}, not {shown(value)}")  # noqa: TRY004
    # numpy.float64 is a float, but with another repr.
    moment = float(value) if isinstance(value, float) else value
    parse_moment(moment)
    return moment


# int before float: jsonargparse takes the first type that fits; 2 is an epoch, 2.0 a
# share.
Moment = Annotated[int | float | str, BeforeValidator(_check_moment)]


def position(name: str, moment: float | str, run: RunLength) -> Fraction:
    """Return where a moment lies in a run, in steps from 0, as an exact fraction.

    Args:
        name: The field that holds the moment, for the error.
        moment: The moment.
        run: The run's length.

    Raises:
        ValueError: When the moment counts epochs and the run does not know them.
    """
    unit, value = parse_moment(moment)
    if unit == "share":
        return value * run.total_steps
    if unit == "step" or value == 0:
        return value
    return value * run.epoch_length(f"{name}={shown(moment)}")


def check_order(start: float | str, finish: float | str) -> None:
    """Refuse a finish before the start, if both have the same unit.

    Raises:
        ValueError: When finish comes first; names both.
    """
    first, last = parse_moment(start), parse_moment(finish)
    if first.unit == last.unit and last.value < first.value:
        raise ValueError(
            f"finish={shown(finish)} comes before start={shown(start)}: set it later"
        )


def ordered_positions(
    start: float | str, finish: float | str, run: RunLength
) -> tuple[Fraction, Fraction]:
    """Return where ``start`` and ``finish`` lie in a run, in steps.

    Raises:
        ValueError: When finish comes first, or epochs are not known.
    """
    first, last = position("start", start, run), position("finish", finish, run)
    if last < first:
        raise ValueError(
            f"finish={shown(finish)} comes before start={shown(start)} in a run of "
            f"{run.total_steps} steps: set it later"
        )
    return first, last
