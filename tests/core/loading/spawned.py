"""Run by test_sized.py: settings whose workers are spawned, which import this file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

from images import Setting, Together, collate, run, seed_worker

# Each worker that is spawned imports torch. Those of a fork server are given the same
# pickles, in each epoch anew, and import nothing more.
ONE = {"num_workers": 1, "multiprocessing_context": "forkserver"}
KEPT = {"persistent_workers": True, "multiprocessing_context": "forkserver"}

SETTINGS = [
    Setting("one worker", ONE),
    Setting(
        "two persistent workers",
        KEPT
        | {
            "num_workers": 2,
            "prefetch_factor": 5,
            "collate_fn": collate,
            "worker_init_fn": seed_worker,
        },
        dataset=Together,
        accumulate=2,
    ),
]

if __name__ == "__main__":
    print(json.dumps({each.name: run(each) for each in SETTINGS}))
