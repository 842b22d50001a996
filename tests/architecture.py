"""Check how modules import each other: ``python tests/architecture.py``.

Arrows point down, and no modules import each other in a circle. Imports inside of
functions, for type checkers only, and by name (``import_module("upsize.x")``) count.
The files are parsed, not imported: nothing but the standard library is needed.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
CORE, ADAPTERS = "core", "adapters"

# From the bottom up. Rooms of one row may use each other, as long as no circle results.
LAYERS = (
    ("schedule",),
    ("resize",),
    ("run",),
    ("loop", "loading", "follow", "models", "detection"),
    ("forecast", "plot"),
    ("demo",),
    ("cli",),
    ("__main__",),
)
# What every room may import; it imports none.
SHARED = "_extras"
# What `import upsize` gives. It names schedules and rooms, and no room imports it.
FACE = frozenset({"upsize", "upsize._face"})
# What an adapter may import, and what its runner for the demo may import beside that.
BELOW_ADAPTERS = frozenset({"schedule", "resize", "run", "loading", "follow", "models"})
RUNNER, BELOW_RUNNERS = "_demo", frozenset({"demo"})
# Adapters that build on another: the Trainer's loaders are prepared by Accelerate.
ADAPTERS_ON = {"transformers": frozenset({"accelerate"})}


@dataclass(frozen=True, order=True)
class Import:
    """One module that imports another, and where."""

    importer: str
    imported: str
    place: str


def find_modules(roots: Iterable[Path]) -> dict[str, Path]:
    """Return {dotted name: file} of each module under the roots but the package's face.

    Args:
        roots: Folders that hold the package, or a portion of it.
    """
    found = {}
    for root in roots:
        for file in sorted(root.rglob("*.py")):
            name = ".".join(file.relative_to(root).with_suffix("").parts)
            if (name := name.removesuffix(".__init__")) not in FACE:
                found[name] = file
    return found


def find_imports(modules: Mapping[str, Path]) -> list[Import]:
    """Return what each module imports from the others, in order.

    Args:
        modules: {dotted name: file}, as `find_modules` returns them.
    """
    found = {}
    for importer, file in modules.items():
        for line, imported in _imported(file, importer, modules):
            if imported != importer:
                found.setdefault((importer, imported), f"{file}:{line}")
    return sorted(Import(*pair, place) for pair, place in found.items())


def _imported(
    file: Path, importer: str, modules: Mapping[str, Path]
) -> Iterator[tuple[int, str]]:
    """Yield (line, module of ours) for each import, and for each name of a module."""
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    package = importer if file.stem == "__init__" else importer.rpartition(".")[0]
    strings = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for string in strings for part in string.values}
    texts = {
        node: node.value
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in parts
    }
    for node in nodes:
        names: Iterable[str] = ()
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = _source(node, package)
            names = [f"{source}.{alias.name}" for alias in node.names]
        elif node in texts:
            # In a call, in a table or for an entry point: it is there to be imported.
            match = re.fullmatch(r"([\w.]+)(:[\w.]+)?", texts[node])
            names = [match[1]] if match else []
        elif isinstance(node, ast.JoinedStr):
            names = _spelt(node, importer, modules, set(texts.values()))
        for name in names:
            if (module := _module_of(name, modules)) is not None:
                yield node.lineno, module


def _source(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name of what is behind `from`."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    return ".".join(
        [*parts[: len(parts) - node.level + 1], *filter(None, [node.module])]
    )


def _module_of(name: str, modules: Mapping[str, Path]) -> str | None:
    """Return the longest beginning of a dotted name that is a module of ours."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def _spelt(
    node: ast.JoinedStr, importer: str, modules: Iterable[str], texts: set[str]
) -> list[str]:
    """Return the modules that an f-string can spell with the texts of its file.

    Not where its room is a placeholder: so the command finds an adapter that the user
    names, by convention and without knowing it.
    """
    parts = [
        str(part.value)
        if isinstance(part, ast.Constant)
        else (importer if _is_own_name(part) else "")
        for part in node.values
    ]
    start = "".join(takewhile(bool, parts))
    if not re.fullmatch(r"\w+\.\w+\.[\w.]*", start):
        return []
    pattern = "".join(re.escape(part) if part else r"([\w.]+)" for part in parts)
    return [
        name
        for name in modules
        if (match := re.fullmatch(pattern, name)) and texts.issuperset(match.groups())
    ] or [start]


def _is_own_name(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.FormattedValue)
        and isinstance(value.value, ast.Name)
        and value.value.id == "__name__"
    )


def find_circles(imports: Iterable[Import]) -> set[frozenset[str]]:
    """Return the groups of modules in which each leads to each other by imports.

    Args:
        imports: As `find_imports` returns them.
    """
    ahead: dict[str, set[str]] = defaultdict(set)
    for one in imports:
        ahead[one.importer].add(one.imported)
    reached = {module: _reached(module, ahead) for module in list(ahead)}
    return {
        frozenset(other for other in found if module in reached.get(other, ()))
        for module, found in reached.items()
        if module in found
    }


def between_siblings(imports: Iterable[Import]) -> Iterator[Import]:
    """Yield each import as one between the two parts of the package that they share.

    ``upsize.a._x`` that imports ``upsize.b._y`` is ``upsize.a`` that imports
    ``upsize.b``. A package and what is inside of it are no siblings.

    Args:
        imports: As `find_imports` returns them.
    """
    for one in imports:
        importer, imported = one.importer.split("."), one.imported.split(".")
        for depth, names in enumerate(zip(importer, imported, strict=False), 1):
            if names[0] != names[1]:
                ends = ".".join(importer[:depth]), ".".join(imported[:depth])
                yield Import(*ends, one.place)
                break


def _reached(start: str, ahead: Mapping[str, set[str]]) -> set[str]:
    """Return all that imports lead to from one module, itself only by a circle."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for module in ahead.get(waiting.pop(), ()):
            if module not in found:
                found.add(module)
                waiting.append(module)
    return found


def room(module: str) -> str:
    """Return the room of a module: what follows the name of the package."""
    return module.split(".")[1]


def find_forbidden(imports: Iterable[Import], adapters: set[str]) -> list[Import]:
    """Return the imports that lead up, or across where nothing may.

    Args:
        imports: As `find_imports` returns them.
        adapters: The rooms of the adapters' root; all others are the core's.

    Raises:
        ValueError: A room is neither in LAYERS nor an adapter.
    """
    levels = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
    found = []
    for one in imports:
        source, target = room(one.importer), room(one.imported)
        for name in (source, target):
            if name not in {*levels, *adapters, SHARED}:
                raise ValueError(
                    f"{one.place}: the room {name} is not in LAYERS of {__file__}: add "
                    "it where its arrows point down"
                )
        if target in {source, SHARED}:
            continue
        if source in adapters:
            allowed: frozenset[str] = BELOW_ADAPTERS | ADAPTERS_ON.get(
                source, frozenset()
            )
            if one.importer == f"upsize.{source}.{RUNNER}":
                allowed |= BELOW_RUNNERS
        elif source == SHARED:
            allowed = frozenset()
        else:
            allowed = frozenset(n for n in levels if levels[n] <= levels[source])
        if target not in allowed:
            found.append(one)
    return found


def check(repository: Path) -> list[str]:
    """Return what is wrong with the imports of a repository, one text for each fault.

    Args:
        repository: The folder that holds the two roots.
    """
    adapters = {name.split(".")[1] for name in find_modules([repository / ADAPTERS])}
    imports = find_imports(find_modules([repository / CORE, repository / ADAPTERS]))
    siblings = list(between_siblings(imports))
    circles = find_circles(imports) | find_circles(siblings)
    return [
        *(
            f"{one.place}: {one.importer} must not import {one.imported}: "
            "arrows point down, see LAYERS in tests/architecture.py"
            for one in find_forbidden(imports, adapters)
        ),
        *(
            f"a circle of imports, one of {len(circle)} modules:\n"
            + _arrows(circle, [*imports, *siblings])
            for circle in sorted(circles, key=sorted)
        ),
    ]


def _arrows(circle: frozenset[str], imports: Iterable[Import]) -> str:
    """Return the shortest way around a circle, one import a line."""
    inside = [one for one in imports if {one.importer, one.imported} <= circle]
    start = min(circle)
    ways = {one.imported: [one] for one in inside if one.importer == start}
    while start not in ways:
        longer = {
            one.imported: [*ways[one.importer], one]
            for one in inside
            if one.importer in ways
        }
        ways = longer | ways
    return "\n".join(
        f"  {one.place}: {one.importer} imports {one.imported}" for one in ways[start]
    )


if __name__ == "__main__":
    if faults := check(REPOSITORY):
        sys.exit("\n".join(faults))
