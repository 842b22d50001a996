"""What functions refer to by name: transforms are often globals, or in a closure."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from upsize.loading._kinds import is_transform

__all__ = [
    "applied_in",
    "attributes_called",
    "format_transform",
    "methods_of",
    "referred",
]

# Their classes apply no transforms of the user but those that an instance holds.
_LIBRARIES = (
    "torch", "torchvision", "torchdata", "timm", "albumentations", "fastai", "datasets",
    "transformers", "PIL", "numpy", "builtins", "collections", "functools", "upsize",
)  # fmt: skip
_MAKES = ("__call__", "forward", "__getitem__", "__getitems__", "__iter__", "__next__")


def referred(function: FunctionType) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the globals and the other variables of a function, by their names.

    Functions, lambdas and comprehensions inside it count. Defaults of its arguments are
    variables as well. Modules, classes and what a library refers to are left out.

    Example:
        >>> half = 0.5
        >>> def outer(image, by=2):
        ...     return [half * image for _ in range(by)]
        >>> outer.__module__ = "train"
        >>> referred(outer)
        ({'half': 0.5}, {'by': 2})
    """
    code, known = function.__code__, function.__globals__
    if _is_library(function.__module__):
        known = {}
    names = dict.fromkeys(name for each in _codes(code) for name in each.co_names)
    found = {
        name: known[name]
        for name in names
        if name in known
        and not isinstance(known[name], ModuleType | type)
        and not hasattr(builtins, name)
    }
    count = code.co_argcount
    defaults = function.__defaults__ or ()
    own = dict(
        zip(code.co_varnames[count - len(defaults) : count], defaults, strict=True)
    )
    own |= function.__kwdefaults__ or {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            own[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    return found, own


def applied_in(function: FunctionType) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a function refers to that may be applied to images.

    Of the globals these are transforms, containers of them, and the functions and
    callable objects of its own module.
    """
    known, own = referred(function)
    of_module = function.__module__
    return {
        name: value
        for name, value in known.items()
        if _is_transforms(value) or _is_of(of_module, value)
    }, own


def _is_of(module: str, value: Any) -> bool:
    """Return whether a value is a function, or an object of a class, of a module."""
    of = value if isinstance(value, FunctionType) else type(value)
    return callable(value) and of.__module__ == module


def _is_transforms(value: Any) -> bool:
    """Return whether a value is a transform, or a container of some."""
    if isinstance(value, dict):
        return any(map(is_transform, value.values()))
    if isinstance(value, list | tuple):
        return any(map(is_transform, value))
    return is_transform(value)


def methods_of(value: Any) -> Iterator[FunctionType]:
    """Yield the methods of a user's class that make a sample, and those they call."""
    cls = type(value)
    for name in _MAKES:
        method = _method(cls, name)
        if method is None:
            continue
        yield method
        for each in _codes(method.__code__):
            for called in each.co_names:
                helper = _method(cls, called)
                if helper is not None and called not in _MAKES:
                    yield helper


def attributes_called(value: Any) -> Iterator[str]:
    """Yield the names that methods of a user's class use, those of attributes as well."""
    for method in methods_of(value):
        for each in _codes(method.__code__):
            yield from each.co_names


def format_transform(dataset: Any) -> Any:
    """Return the function of ``set_transform`` of a Hugging Face dataset, or ``None``."""
    held = getattr(dataset, "__dict__", {}).get("_format_kwargs")  # 2.0 to 5.2
    return held.get("transform") if isinstance(held, dict) else None


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _method(cls: type, name: str) -> FunctionType | None:
    for base in cls.__mro__:
        if name in vars(base):
            found = vars(base)[name]
            found = getattr(found, "__func__", found)  # of a static method
            if not isinstance(found, FunctionType):
                return None
            return None if _is_library(base.__module__) else found
    return None


def _is_library(module: str | None) -> bool:
    return module is None or module.partition(".")[0] in _LIBRARIES
