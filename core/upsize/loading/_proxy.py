"""An object that stands for one of the user's, and adds something to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

__all__ = ["Proxy", "inner_of"]


class Proxy:
    """Stands for another object: what is read, written and asked reaches that one.

    Attributes, ``isinstance``, ``len``, indexing, iteration, comparisons and ``dir`` are
    those of the object inside. Only ``type`` and ``is`` tell the difference. Subclasses
    keep what they add in slots, which they list in ``_parts`` as well.

    Args:
        inner: The object.
    """

    __slots__ = ("__weakref__", "_upsize_inner")

    def __init__(self, inner: Any) -> None:
        self._upsize_set(_upsize_inner=inner)

    def _upsize_set(self, **own: Any) -> None:
        """Set attributes of the proxy itself: any other is set on the object."""
        for name, value in own.items():
            object.__setattr__(self, name, value)

    def _parts(self) -> tuple[Any, ...]:
        """Return the arguments that make the proxy again, for copies and pickles."""
        return (self._upsize_inner,)

    if not TYPE_CHECKING:  # pragma: no branch - it cannot be a property there

        @property
        def __class__(self) -> type:
            return self._upsize_inner.__class__

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), self._parts()

    def __getattr__(self, name: str) -> Any:
        # Not self._upsize_inner, which would come back here before __init__.
        return getattr(object.__getattribute__(self, "_upsize_inner"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._upsize_inner, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._upsize_inner, name)

    def __dir__(self) -> list[str]:
        return dir(self._upsize_inner)

    def __repr__(self) -> str:
        return repr(self._upsize_inner)

    def __str__(self) -> str:
        return str(self._upsize_inner)

    def __eq__(self, other: object) -> bool:
        return bool(self._upsize_inner == inner_of(other))

    def __hash__(self) -> int:
        return hash(self._upsize_inner)

    def __bool__(self) -> bool:
        return bool(self._upsize_inner)

    def __len__(self) -> int:
        return len(self._upsize_inner)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._upsize_inner)

    def __contains__(self, value: Any) -> bool:
        return value in self._upsize_inner

    def __getitem__(self, key: Any) -> Any:
        return self._upsize_inner[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._upsize_inner[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._upsize_inner[key]

    def __add__(self, other: Any) -> Any:
        return self._upsize_inner + other


def inner_of(value: Any) -> Any:
    """Return the object that a proxy stands for; anything else is returned itself."""
    while issubclass(type(value), Proxy):
        value = value._upsize_inner
    return value
