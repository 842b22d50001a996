"""What a user sees of an error or a warning: one clear message, no traceback."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console

__all__ = ["explain", "friendly"]


def explain(error: BaseException) -> str:
    """Return an error's message; pydantic's become one line for each field.

    Example:
        >>> from upsize.schedule import Ramp
        >>> try:
        ...     Ramp(increase_by=0)
        ... except ValueError as error:
        ...     print(explain(error))
        increase_by: must be a whole number of at least 1, not 0
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ValidationError):
        cause = cause.__cause__
    if cause is None:
        return str(error)
    lines = []
    for details in cause.errors():
        # The kind of a schedule leads the location in a file: ("ramp", "start").
        field = ".".join(str(part) for part in details["loc"])
        text = details["msg"].removeprefix("Value error, ")
        lines.append(f"{field}: {text}" if field else text)
    # What our own error says in front of it, as the path of a file.
    return str(error).removesuffix(str(cause)) + "\n".join(lines)


@contextmanager
def friendly() -> Iterator[None]:
    """Print the errors of users and all warnings on stderr, and exit.

    Raises:
        typer.Exit: With 2 for bad input, with 1 for a missing file or extra.
    """
    console = Console(stderr=True)

    def show(message: Warning | str, *_: object, **__: object) -> None:
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
        except (ValueError, OSError, ImportError) as error:
            console.print(
                f"Error: {explain(error)}",
                style="red",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            raise typer.Exit(2 if isinstance(error, ValueError) else 1) from error
