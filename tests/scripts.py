"""Run a script in a process of its own, as a reader does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def run(file: Path, folder: Path) -> str:
    """Run a file in a folder; return what it prints."""
    path = os.pathsep.join(str(_ROOT / root) for root in ("core", "adapters"))
    done = subprocess.run(
        [sys.executable, str(file)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
