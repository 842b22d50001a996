"""The base classes of values: frozen, strict about their fields, and plain to print."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, model_validator

from upsize.schedule._fields import check_named, check_names

__all__ = ["Frozen", "NamedFields", "as_dict"]


class Frozen(BaseModel):
    """A value that never changes, and refuses fields that it does not have."""

    # Built at the first use: else the import would take twice as long.
    # pydantic would print an input of any length; our messages shorten it.
    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, hide_input_in_errors=True
    )


class NamedFields(Frozen):
    """A value whose fields are given by name, and printed where they are not defaults."""

    # Type checkers make the signature of the fields.
    if not TYPE_CHECKING:  # pragma: no branch - what runs is no type checker
        # Not __init__, which pydantic would then call for what it reads from a file.
        def __new__(cls, /, *values: Any, **_: Any) -> Any:
            check_named(cls.__name__, cls._names(), values)
            return super().__new__(cls)

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, given: Any) -> Any:
        if isinstance(given, dict):
            check_names(cls.__name__, cls._names(), [n for n in given if n != "kind"])
        return given

    @classmethod
    def _names(cls) -> list[str]:
        """Return the fields that a user gives: a kind of one value is given by itself."""
        return [name for name in cls.model_fields if name != "kind"]

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Yield the fields that differ from their defaults, as arguments of a call."""
        fields = type(self).model_fields
        for name, value in self:
            if value != fields[name].default:
                yield name, value.value if isinstance(value, Enum) else value

    def __str__(self) -> str:
        return repr(self)


def as_dict(value: NamedFields) -> dict[str, Any]:
    """Return the fields as plain JSON, and the class if there is no kind.

    Raises:
        ValueError: When a field is not JSON.
    """
    name = type(value).__name__
    inner = {
        field: as_dict(each) for field, each in value if isinstance(each, NamedFields)
    }
    try:
        fields = value.model_dump(mode="json", exclude=set(inner))
    except ValueError as error:
        raise ValueError(
            f"{name} cannot be saved with a plan: its fields must be JSON ({error})"
        ) from error
    # The kind of a built-in schedule is its class in lower case.
    known = fields.get("kind") == name.lower()
    return ({} if known else {"class": name}) | fields | inner
