"""What to say when an optional dependency is missing."""

from __future__ import annotations

from importlib import import_module

__all__ = ["require"]


def require(module: str, extra: str, what: str) -> None:
    """Import a module of an optional dependency, or say which extra installs it.

    Args:
        module: Dotted name, as ``"torch"``.
        extra: The extra of upsize that installs it.
        what: What needs it, in the plural, as ``"Loaders"``.

    Raises:
        ImportError: When the module is missing; names the command that installs it.
        ModuleNotFoundError: When the module is installed and something that it imports
            is not: its own error, unchanged.

    Example:
        >>> require("json", "torch", "Loaders")
        >>> require("absent", "torch", "Loaders")
        Traceback (most recent call last):
        ImportError: Loaders need an extra: pip install "upsize[torch]"
    """
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        # The extra of a module that is there would not bring what it lacks.
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ImportError(
            f'{what} need an extra: pip install "upsize[{extra}]"'
        ) from error
