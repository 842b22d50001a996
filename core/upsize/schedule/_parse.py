"""Read a schedule file from any source: plain data, or one ValueError."""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from upsize._extras import require
from upsize.schedule._shown import shown

__all__ = ["MAX_BYTES", "SUFFIXES", "check_plain", "import_yaml", "parse"]

SUFFIXES = ".json, .yaml, .yml or .toml"

#: Parsers can take quadratic time on a hostile file, so it must be short.
MAX_BYTES = 65_536
_MAX_DEPTH = 10
_MAX_VALUES = 100_000
_MAX_BITS = 1_000


def import_yaml() -> Any:
    """Return PyYAML, or name the extra that installs it."""
    require("yaml", "yaml", "YAML files")
    import yaml

    return yaml


def parse(path: Path) -> Any:
    """Read a file in the format of its suffix.

    Args:
        path: A .json, .yaml, .yml or .toml file in UTF-8, with or without a byte order
            mark, of at most 65,536 bytes.

    Returns:
        Dicts, lists, strings, numbers and the like.

    Raises:
        OSError: When the file does not exist, or cannot be read.
        ValueError: When it is not such a file, or the parser fails.
        ImportError: For YAML without PyYAML.
    """
    read: Callable[[str], Any]
    match path.suffix.lower():
        case ".json":
            read = _json
        case ".toml":
            read = tomllib.loads
        case ".yaml" | ".yml":
            import_yaml()
            read = _yaml
        case suffix:
            raise ValueError(f"must end in {SUFFIXES}, not {shown(suffix)}")
    text = _text(path)
    try:
        return read(text)
    except RecursionError as error:
        raise ValueError(_too_deep()) from error
    except Exception as error:
        text = f"{error}"[:1000]
        if type(error).__module__ == "builtins" and not isinstance(error, ValueError):
            # PyYAML raises an IndexError for `!!int ""`, and other errors elsewhere.
            text = f"cannot be read ({type(error).__name__}: {text})"
        raise ValueError(text) from error


def _text(path: Path) -> str:
    """Return the text of a file, if it is not too large for a schedule."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("is not a file: a schedule is in a .json, .yaml or .toml file")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(
            f"a schedule has at most {MAX_BYTES:,} bytes, and the file is larger"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"must be text in UTF-8: {error.reason}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; refuse duplicate keys, which would lose a value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} occurs twice: leave one of them out")
    return found


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique)


def _yaml(text: str) -> Any:
    """Read YAML without aliases, which let a short file expand without bound."""
    yaml = import_yaml()

    safe: Any = yaml.SafeLoader

    def compose_node(self: Any, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("aliases are not allowed: write the value out")
        if self.depth > _MAX_DEPTH:
            raise ValueError(_too_deep())
        self.depth += 1
        node = safe.compose_node(self, parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self: Any, node: Any, deep: bool = False) -> Any:
        _unique([(str(key.value), None) for key, _ in node.value])
        return safe.construct_mapping(self, node, deep)

    # A class statement would need a base class that type checkers see without PyYAML.
    methods = {"compose_node": compose_node, "construct_mapping": construct_mapping}
    loader = type("Loader", (safe,), {"depth": 0, **methods})
    return yaml.load(text, loader)


def _too_deep() -> str:
    return f"a schedule nests at most {_MAX_DEPTH} levels deep, and this is deeper"


def check_plain(fields: Mapping[str, Any]) -> None:
    """Refuse fields that are nested too deep, or hold too many or too long values.

    A list that is used in several places counts in each of them, so that later walks
    over the fields take bounded time.

    Raises:
        ValueError: When a bound is exceeded; names it.
    """
    count, level = 0, [fields]
    for _ in range(_MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            values = value.values() if isinstance(value, Mapping) else value
            count += len(value)
            if count > _MAX_VALUES:
                raise ValueError(
                    f"a schedule has at most {_MAX_VALUES:,} values, and this has more"
                )
            # Python does not print an int of more digits, not even in an error.
            if any(isinstance(v, int) and v.bit_length() > _MAX_BITS for v in values):
                raise ValueError(
                    f"a number in a schedule has at most {_MAX_BITS:,} bits, and one "
                    "here has more"
                )
            inner += (v for v in values if isinstance(v, (Mapping, list, tuple)))
        if not inner:
            return
        level = inner
    raise ValueError(_too_deep())
