"""Settings of every test."""

from __future__ import annotations

import os

from hypothesis import settings

# Small tensors gain nothing from several threads, and on a busy machine torch's threads
# wait for each other: one test of a second has taken minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test fails because the machine is busy.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
