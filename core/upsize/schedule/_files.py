"""Read and write schedules as JSON, YAML and TOML files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from upsize.schedule._base import Schedule
from upsize.schedule._fields import one_of
from upsize.schedule._linear import Linear
from upsize.schedule._multiscale import MultiScale
from upsize.schedule._parse import MAX_BYTES, SUFFIXES, check_plain, import_yaml, parse
from upsize.schedule._phases import Phases
from upsize.schedule._ramp import Ramp
from upsize.schedule._shown import shown

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["dump", "load"]

_KINDS: dict[str, type[Schedule]] = {
    kind.__name__.lower(): kind for kind in (Ramp, Linear, Phases, MultiScale)
}
_check_kind = one_of(*_KINDS)


def _toml(value: Any) -> str:
    """Return a value as TOML: numbers, plain strings and lists are as in JSON."""
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {_toml(each)}" for key, each in value.items())
        return f"{{{inside}}}"
    # TOML has no surrogate pairs, which JSON writes for letters beyond the BMP.
    return json.dumps(value, ensure_ascii=False)


def load(source: Mapping[str, Any] | str | PathLike[str]) -> Schedule:
    """Read a schedule from a mapping or from a JSON, YAML or TOML file.

    Args:
        source: A mapping with the schedule's ``kind`` and fields, or the path of a
            .json, .yaml, .yml or .toml file with such a mapping, of at most 65,536
            bytes. YAML without aliases.

    Returns:
        The schedule.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When it is not such a file or not a schedule; names the path, the
            field, the value and what is allowed.
        ImportError: For YAML without PyYAML: ``pip install "upsize[yaml]"``.

    Example:
        >>> load({"kind": "phases", "phases": [[0, 128], ["10ep", 224]]})
        Phases(phases=((0, 128), ('10ep', 224)))
    """
    if isinstance(source, Mapping):
        return _validate(source)
    path = Path(source)
    try:
        return _validate(parse(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _validate(fields: Any) -> Schedule:
    if not isinstance(fields, Mapping):
        raise ValueError(  # noqa: TRY004 - a bad file, not a bad call
            "a schedule is a mapping with its kind and fields, such as "
            f'{{"kind": "ramp", "final_size": 224}}, not {shown(fields)}'
        )
    check_plain(fields)
    try:
        kind = _check_kind(fields.get("kind"))
    except ValueError as error:
        raise ValueError(f"kind {error}") from None
    try:
        return _KINDS[kind].model_validate(dict(fields))
    except ValidationError as error:
        raise ValueError(str(error)) from error


def _check_built_in(schedule: Schedule) -> None:
    """Refuse the user's own schedule classes, which a file cannot name."""
    inner = schedule.before if isinstance(schedule, MultiScale) else None
    for each in (schedule, inner):
        if each is not None and type(each) not in _KINDS.values():
            raise ValueError(
                "files hold the built-in schedules Ramp, Linear, Phases and "
                f"MultiScale, not a {type(each).__name__}: keep it in Python, and give "
                "the command module:name"
            )


def dump(schedule: Schedule, path: str | PathLike[str] | None = None) -> dict[str, Any]:
    """Return a schedule as a plain dict, and write it to a file if a path is given.

    Args:
        schedule: A built-in schedule.
        path: A file to write, ending in .json, .yaml, .yml or .toml; ``None``: no file.

    Returns:
        Its fields as strings, numbers and lists, without those that are ``None``
        (TOML has no null): :func:`load` returns the same schedule.

    Raises:
        ValueError: For another file extension, your own schedule class, and a schedule
            that is too large for :func:`load`.
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
    _check_built_in(schedule)
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
            text = import_yaml().safe_dump(fields, sort_keys=False)
        case suffix:
            raise ValueError(f"{path}: must end in {SUFFIXES}, not {shown(suffix)}")
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(
            f"{path}: a file has at most {MAX_BYTES:,} bytes, and this schedule is "
            "larger: keep it in Python, or give it fewer sizes"
        )
    path.write_text(text, "utf-8")
    return fields
