"""Change the user's or a framework's objects for a while, and restore them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Restoring"]


class Restoring(ExitStack):
    """Changes other objects for a while and restores them, the last change first.

    Use it in a ``with`` block, or keep it and call ``close()``; both restore once, and
    the object can be used again. It is a :class:`contextlib.ExitStack`: ``callback``
    and ``enter_context`` add other changes, ``pop_all`` keeps the changes, and if a
    restore fails, the others still run before its error is raised.

    A change is recorded before it is made, so Ctrl-C never leaves an unrecorded one.
    Only the new value is put into an object, so changed objects can be copied and
    pickled meanwhile; a copy of this object restores the copies.

    Example:
        >>> layer = torch.nn.Dropout(0.5)
        >>> with Restoring() as changes:
        ...     changes.set(layer, "p", 0.1)
        ...     layer.p
        0.1
        >>> layer.p
        0.5
    """

    def save(self, owner: Any, name: str) -> None:
        """Record an attribute, to restore it whatever happens to it.

        Args:
            owner: An object, or a class.
            name: The attribute. If the owner itself does not have it, because its class
                has it or nothing has, it is deleted from the owner.
        """
        self.push(_Attribute.of(owner, name))

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute, ``__class__`` included.

        Args:
            owner: An object, or a class.
            name: The attribute, see :meth:`save`.
            value: Its value until it is restored.
        """
        self.save(owner, name)
        setattr(owner, name, value)

    def save_values(self, tensors: Iterable[Tensor]) -> None:
        """Copy the values of tensors, to restore them in place.

        Args:
            tensors: Tensors of any shape, type and device.
        """
        for tensor in tensors:
            self.push(_Values(tensor, tensor.detach().clone()))

    def wrap_method(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        """Wrap a method of one object.

        If another tool wraps the method later, it cannot be restored: then this wrapper
        stays inside the other one, and only calls the original method. A copy of the
        owner has the original method.

        Args:
            owner: The object.
            name: Name of the method.
            around: Called with the original method and the arguments of the call.

        Example:
            >>> class Trainer:
            ...     def fit(self, epochs):
            ...         return epochs
            >>> trainer = Trainer()
            >>> with Restoring() as changes:
            ...     changes.wrap_method(trainer, "fit", lambda fit, n: fit(n) + 1)
            ...     trainer.fit(2)
            3
            >>> trainer.fit(2), "fit" in vars(trainer)
            (2, False)
        """
        before = _Attribute.of(owner, name)
        wrapper = _Wrapper(before, around)
        self.push(_Wrapped(before, wrapper))
        setattr(owner, name, wrapper)


# Each change is a value and not a closure, so it can be copied and pickled.

_GONE = object()


@dataclass(frozen=True, eq=False)
class _Attribute(AbstractContextManager[Any]):
    """The value of an attribute; ``own``: whether the owner's ``__dict__`` has it."""

    owner: Any
    name: str
    there: bool
    own: bool
    value: Any

    @classmethod
    def of(cls, owner: Any, name: str) -> _Attribute:
        own = name in getattr(owner, "__dict__", {})
        # Not getattr for a class, which would bind its methods.
        if own and isinstance(owner, type):
            return cls(owner, name, True, own, vars(owner)[name])
        there = own or hasattr(owner, name)
        return cls(owner, name, there, own, getattr(owner, name, None))

    def __exit__(self, *_: object) -> None:
        if not self.own and self.name in getattr(self.owner, "__dict__", {}):
            delattr(self.owner, self.name)
        elif self.there:
            # Skip unchanged ones: an attribute that cannot be set cannot be restored.
            if getattr(self.owner, self.name, _GONE) is not self.value:
                setattr(self.owner, self.name, self.value)
        elif hasattr(self.owner, self.name):  # in a slot, or a buffer of a module
            delattr(self.owner, self.name)


@dataclass(frozen=True, eq=False)
class _Values(AbstractContextManager[Any]):
    """A tensor and a copy of its values."""

    tensor: Tensor
    values: Tensor

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            self.tensor.copy_(self.values)


class _Wrapper:
    """Replaces a method; without ``around`` it only calls that method."""

    def __init__(self, before: _Attribute, around: Callable[..., Any]) -> None:
        # Only signature, name and docstring; other attributes stay with the method.
        functools.update_wrapper(self, before.value, updated=())
        self.before = before
        self.around: Callable[..., Any] | None = around

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        method = self.before.value
        if self.around is None:
            return method(*args, **kwargs)
        return self.around(method, *args, **kwargs)

    def __reduce__(self) -> Any:
        # A copy is the method before, and loads where neither upsize nor what has
        # added the method to its class is imported.
        before = self.before
        if before.own:
            return functools.partial, (before.value,)
        return getattr, (before.owner, before.name, None)


@dataclass(frozen=True, eq=False)
class _Wrapped(AbstractContextManager[Any]):
    """A method and what replaces it."""

    before: _Attribute
    wrapper: Any

    def __exit__(self, *_: object) -> None:
        if isinstance(self.wrapper, _Wrapper):  # else a copy, which calls the method
            self.wrapper.around = None
        if vars(self.before.owner).get(self.before.name) is self.wrapper:
            self.before.__exit__()
