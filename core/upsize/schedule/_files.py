"""Schedules from and to files: JSON, YAML and TOML."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from upsize._extras import missing_extra
from upsize.schedule._plan import Schedule

if TYPE_CHECKING:
    from os import PathLike

    from upsize.schedule._base import BaseSchedule
    from upsize.schedule._linear import Linear
    from upsize.schedule._multiscale import MultiScale
    from upsize.schedule._phases import Phases
    from upsize.schedule._ramp import Ramp

__all__ = ["dump", "load"]

_SUFFIXES = ".json, .yaml, .yml or .toml"


@cache
def _adapter() -> TypeAdapter[Any]:
    """Return what reads any schedule; made at the first use, not at the import."""
    return TypeAdapter(Schedule)


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise missing_extra("yaml", "YAML files") from error
    return yaml


def _parse(path: Path) -> Any:
    """Read a file by its suffix; what its parser refuses is a ValueError."""
    match path.suffix.lower():
        case ".json":
            return json.loads(path.read_text("utf-8"))
        case ".toml":
            return tomllib.loads(path.read_text("utf-8"))
        case ".yaml" | ".yml":
            yaml = _yaml()
            try:
                return yaml.safe_load(path.read_text("utf-8"))
            except yaml.YAMLError as error:
                raise ValueError(str(error)) from error
        case suffix:
            raise ValueError(f"must end in {_SUFFIXES}, not {suffix!r}")


def _toml(value: Any) -> str:
    """Write a value: numbers, plain strings and lists of them are as in JSON."""
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {_toml(each)}" for key, each in value.items())
        return f"{{{inside}}}"
    return json.dumps(value)


def load(
    source: Mapping[str, Any] | str | PathLike[str],
) -> Ramp | Linear | Phases | MultiScale:
    """Read a schedule from a mapping or from a JSON, YAML or TOML file.

    Args:
        source: A mapping of the schedule's fields with its ``kind``, or the path of a
            file of one, ending in .json, .yaml, .yml or .toml.

    Returns:
        The schedule.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When it is no such file or no schedule; names the path, the field,
            the value and what is allowed.
        ImportError: For YAML without PyYAML: ``pip install "upsize[yaml]"``.

    Example:
        >>> load({"kind": "phases", "phases": [[0, 128], ["10ep", 224]]})
        Phases(phases=((0, 128), ('10ep', 224)))
    """
    if isinstance(source, Mapping):
        return _validate(source)
    path = Path(source)
    try:
        return _validate(_parse(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _validate(fields: Any) -> Ramp | Linear | Phases | MultiScale:
    if not isinstance(fields, Mapping):
        raise ValueError(  # noqa: TRY004 - a bad file, not a bad call
            "a schedule is a mapping with its kind and fields, as "
            f'{{"kind": "ramp", "final_size": 224}}, not {fields!r}'
        )
    try:
        schedule: Ramp | Linear | Phases | MultiScale = _adapter().validate_python(
            dict(fields)
        )
    except ValidationError as error:
        raise ValueError(str(error)) from error
    return schedule


def dump(
    schedule: BaseSchedule, path: str | PathLike[str] | None = None
) -> dict[str, Any]:
    """Give a schedule as a plain dict, and write it to a file when asked.

    Args:
        schedule: The schedule.
        path: A file to write, ending in .json, .yaml, .yml or .toml; ``None``: none.

    Returns:
        Its fields as strings, numbers and lists, without those that are ``None``
        (TOML has no null): :func:`load` gives the same schedule back.

    Raises:
        ValueError: For another ending.
        OSError: When the file cannot be written.
        ImportError: For YAML without PyYAML: ``pip install "upsize[yaml]"``.

    Example:
        >>> from upsize.schedule import Ramp
        >>> fields = dump(Ramp(final_size=224))
        >>> fields["kind"], fields["initial_size"], fields["increase_mode"]
        ('ramp', 0.5, 'batch')
        >>> load(fields) == Ramp(final_size=224)
        True
    """
    fields = schedule.model_dump(mode="json", exclude_none=True)
    if path is None:
        return fields
    path = Path(path)
    match path.suffix.lower():
        case ".json":
            text = json.dumps(fields, indent=2) + "\n"
        case ".toml":
            text = "".join(f"{k} = {_toml(v)}\n" for k, v in fields.items())
        case ".yaml" | ".yml":
            text = _yaml().safe_dump(fields, sort_keys=False)
        case suffix:
            raise ValueError(f"{path}: must end in {_SUFFIXES}, not {suffix!r}")
    path.write_text(text, "utf-8")
    return fields
