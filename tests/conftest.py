"""Settings of every test."""

from __future__ import annotations

import os

# Small tensors gain nothing from several threads, and on a busy machine torch's threads
# wait for each other: one test of a second has taken minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
