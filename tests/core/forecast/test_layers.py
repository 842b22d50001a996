"""The modules of the forecast import each other in one direction."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import upsize.forecast

ROOM = Path(upsize.forecast.__file__).parent


def test_no_circle() -> None:
    imports = {
        f"upsize.forecast.{path.stem}": {
            node.module
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.ImportFrom)
            and node.module is not None
            and node.module.startswith("upsize.forecast._")
        }
        for path in ROOM.glob("_[!_]*.py")
    }
    order = list(TopologicalSorter(imports).static_order())  # raises at a circle
    data, above = (
        order.index("upsize.forecast._costs"),
        order.index("upsize.forecast._forecast"),
    )
    assert data < above
    assert len(order) == len(imports)
