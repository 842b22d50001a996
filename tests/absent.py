"""Rooms whose framework is not installed here: `nox -s streams` installs it."""

from __future__ import annotations

from importlib.util import find_spec

# {room: its framework}
_ON_REQUEST = {"upsize.ray": "ray"}

ABSENT = frozenset(
    room for room, name in _ON_REQUEST.items() if find_spec(name) is None
)
