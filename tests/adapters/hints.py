"""What a framework says by itself, and the tests of its adapter shall not fail of."""

from __future__ import annotations

from pathlib import Path

import pytest


def ignore(hints: list[str], items: list[pytest.Item], folder: Path) -> None:
    """Give the tests in a folder filters for warnings."""
    for item in items:
        if folder in item.path.parents:
            for hint in hints:
                item.add_marker(pytest.mark.filterwarnings(hint))
