"""What an object holds, and whether it is applied to images."""

from __future__ import annotations

import re
from functools import partial
from types import FunctionType
from typing import Any, Literal, TypeAlias

from torch import nn
from torch.utils.data import Dataset

from upsize.loading._kinds import is_transform
from upsize.loading._transforms._functions import format_transform, referred
from upsize.loading._transforms._watch import attributes

__all__ = [
    "SLOTS",
    "Applied",
    "applied_as",
    "has_datasets",
    "is_applied",
    "is_short",
    "is_single",
    "named_values",
]

#: Where torchvision's datasets, and most others, hold what they apply.
SLOTS = ("transform", "transforms", "target_transform")
# An attribute of such a name is applied to images, whatever its class.
_APPLIED = re.compile(
    r"_*(\w+_)?(transforms?|tfms?|augs?|augment|augmentations?|preprocess)(_\w+)?"
)
_MOST = 64  # a longer list holds samples, unless it begins with a transform or dataset

#: Whether a value is applied to images. "likely": if it can be called.
Applied: TypeAlias = Literal["surely", "likely", "unlikely"]


def applied_as(name: str, default: Applied) -> Applied:
    """Return whether an attribute of that name is applied to images."""
    if name in SLOTS:
        return "surely"
    return "likely" if _APPLIED.fullmatch(name) else default


def is_applied(value: Any, applied: Applied) -> bool:
    """Return whether a value is applied to images."""
    if isinstance(value, type):
        return False
    if is_transform(value) or applied == "unlikely":
        return is_transform(value)
    if applied == "likely":
        return callable(value) and not _is_model(value)
    return hasattr(value, "__dict__")  # no number, and no text


def _is_model(value: Any) -> bool:
    parameters = value.parameters() if isinstance(value, nn.Module) else iter(())
    return next(parameters, None) is not None


def is_single(value: Any, applied: Applied) -> bool:
    """Return whether a value is a step of a sequence, and no sequence itself."""
    return (
        not isinstance(
            value, dict | list | tuple | nn.Sequential | nn.ModuleList | Dataset
        )
        and is_applied(value, applied)
        and "compose" not in type(value).__name__.lower()
    )


def has_datasets(value: Any) -> bool:
    """Return whether a value is a dataset, or a container that begins with one."""
    if isinstance(value, dict):
        value = list(value.values())[:1]
    items = value[:1] if isinstance(value, list | tuple) else [value]
    return any(
        isinstance(each, Dataset) or format_transform(each) is not None
        for each in items
    )


def is_short(values: Any) -> bool:
    """Return whether a container holds transforms or datasets rather than samples."""
    if len(values) <= _MOST:
        return len(values) > 0
    first = next(iter(values.values() if isinstance(values, dict) else values))
    return isinstance(first, Dataset | nn.Sequential) or is_transform(first)


def named_values(transform: Any) -> dict[str, Any]:
    """Return what a transform, or its class, calls by a name."""
    if isinstance(transform, FunctionType):
        return referred(transform)[1]
    if isinstance(transform, partial):
        return dict(transform.keywords)
    classes = [cls for cls in type(transform).__mro__[::-1] if cls is not object]
    of_class = {name: value for cls in classes for name, value in vars(cls).items()}
    return of_class | attributes(transform)
