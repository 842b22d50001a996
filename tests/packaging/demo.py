"""The extra `demo`: the command trains on the photographs, and writes its picture."""

import subprocess
import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
command = [sys.executable, "-P", "-m", "upsize", "demo", "--epochs", "1"]
subprocess.run([*command, "--size", "32"], check=True, cwd=folder)
assert list(folder.glob("*.png")), list(folder.iterdir())
