"""Run a script in two real processes over gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def two_reports(script: Path, *arguments: str, cwd: Path | None = None) -> list[Any]:
    """Give what each process has printed as JSON behind the word REPORT."""
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone",
            "--nproc_per_node", "2", str(script), *arguments,
        ],
        capture_output=True, text=True, timeout=300, cwd=cwd,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    decoder = json.JSONDecoder()
    reports = [decoder.raw_decode(text)[0] for text in done.stdout.split("REPORT")[1:]]
    assert len(reports) == 2
    return reports
