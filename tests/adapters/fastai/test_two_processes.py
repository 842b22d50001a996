"""Two real processes over gloo train at the same sizes, and to the same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.mark.parametrize("tfms", ["none", "aug"])
def test_the_same_sizes_on_both(tfms: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone",
            "--nproc_per_node", "2", str(SCRIPT), tfms,
        ],
        capture_output=True, text=True, timeout=300, cwd=tmp_path,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    decoder = json.JSONDecoder()
    reports = [decoder.raw_decode(text)[0] for text in done.stdout.split("REPORT")[1:]]
    assert len(reports) == 2
    first, second = reports
    assert first["world"] == second["world"] == 2
    assert first["as planned"]
    assert first == second
    assert (min(first["widths"]), max(first["widths"])) == (8, 16)
