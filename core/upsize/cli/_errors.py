"""What a user sees of an error or a warning: one clear message, no traceback."""

from __future__ import annotations

import linecache
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError
from rich.console import Console

__all__ = ["explain", "friendly", "naming"]

# A message is never longer than a screen.
_MOST_CHARACTERS = 2000
_MOST_FIELDS = 10


def explain(error: BaseException) -> str:
    """Return an error's message, never longer than a screen.

    Those of pydantic become one line for each field, those of the system lose their
    number.

    Example:
        >>> from upsize.schedule import Ramp
        >>> try:
        ...     Ramp(increase_by=0)
        ... except ValueError as error:
        ...     print(explain(error))
        increase_by: must be a whole number of at least 1, not 0
        >>> try:
        ...     open("none.json")
        ... except OSError as error:
        ...     print(explain(error))
        none.json: no such file or directory
    """
    text = _message(error)
    if len(text) > _MOST_CHARACTERS:
        return f"{text[:_MOST_CHARACTERS]}..."
    return text


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror[0].lower() + error.strerror[1:]
        return reason if error.filename is None else f"{error.filename}: {reason}"
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ValidationError):
        cause = cause.__cause__
    if cause is None:
        return str(error)
    # What our own error says before it, as the path of a file. Neither the error of
    # pydantic nor its details may show the value: aliases in a YAML file of 300 bytes
    # make one that takes minutes to print.
    count = cause.error_count()
    own = "" if error is cause else str(error)
    before, found, _ = own.partition(f"{count} validation error")
    if own and not found:
        return own  # explained already
    details = cause.errors(include_url=False, include_input=False)
    lines = [_line(each) for each in islice(details, _MOST_FIELDS)]
    if count > _MOST_FIELDS:
        lines.append(f"... and {count - _MOST_FIELDS} more errors")
    return before + "\n".join(lines)


def _line(details: Any) -> str:
    # One schedule before another leads the location in a file: ("before", "ramp", "start").
    field = ".".join(str(part) for part in details["loc"])
    text = details["msg"].removeprefix("Value error, ")
    return f"{field}: {text}" if field else text


@contextmanager
def naming(option: str, path: Path) -> Iterator[None]:
    """Name an option and its path at the beginning of the errors that it causes.

    Args:
        option: As the user writes it.
        path: The path, which the errors may name already.

    Raises:
        ValueError: Instead of another, whose message follows.
        OSError: Likewise.

    Example:
        >>> with naming("--schedule", Path("none.json")):
        ...     open("none.json")
        Traceback (most recent call last):
        OSError: --schedule none.json: no such file or directory
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        kind = ValueError if isinstance(error, ValueError) else OSError
        text = explain(error).removeprefix(f"{path}: ")
        raise kind(f"{option} {path}: {text}") from error


@contextmanager
def friendly() -> Iterator[None]:
    """Print the errors of users and each warning once on stderr, and exit.

    Raises:
        typer.Exit: With 2 for bad input, with 1 for a missing file or extra.
    """
    console = Console(stderr=True)
    said = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        if f"{message}" in said:  # of the plan that is shown, and of the one trained
            return
        said.add(f"{message}")
        console.print(
            f"Warning: {message}", style="yellow", markup=False, soft_wrap=True
        )

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        try:
            yield
        except BrokenPipeError:
            raise  # `upsize plan | head`: typer ends quietly
        except (ValueError, OSError, ImportError, TypeError) as error:
            if isinstance(error, TypeError) and not _is_refusal(error):
                raise
            console.print(
                f"Error: {explain(error)}",
                style="red",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            is_input = isinstance(error, ValueError | TypeError)
            raise typer.Exit(2 if is_input else 1) from error


def _is_refusal(error: TypeError) -> bool:
    """Return whether upsize itself refuses a value of the user's function or file.

    A TypeError elsewhere is a mistake in code, the user's or another's: its traceback
    says where.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    frame, line = frames[-1]
    owner = frame.f_globals.get("__name__", "")
    source = linecache.getline(frame.f_code.co_filename, line).strip()
    return owner.startswith("upsize.") and source.startswith("raise ")
