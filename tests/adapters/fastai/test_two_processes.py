"""Two real processes over gloo train at the same sizes, and to the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.torchrun import two_reports

SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.mark.parametrize("tfms", ["none", "aug"])
def test_the_same_sizes_on_both(tfms: str, tmp_path: Path) -> None:
    first, second = two_reports(SCRIPT, tfms, cwd=tmp_path)
    assert first["world"] == second["world"] == 2
    assert first["as planned"]
    assert first == second
    assert (min(first["widths"]), max(first["widths"])) == (8, 16)
