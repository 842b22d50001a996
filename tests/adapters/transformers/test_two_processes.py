"""Two real processes over gloo agree on every size without talking about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.torchrun import two_reports

SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.mark.parametrize("kind", ["map", "vit", "stream", "sized"])
def test_the_same_sizes_on_both(kind: str, tmp_path: Path) -> None:
    first, second = two_reports(SCRIPT, kind, str(tmp_path))
    assert first["world"] == second["world"] == 2
    assert first["as planned"]
    assert second["as planned"]
    assert first["seen"] == second["seen"]
    assert len({width for *_, width in first["seen"]}) == 3
    assert first["corrected"] == second["corrected"] == 0
    assert first["weights"] == second["weights"]
