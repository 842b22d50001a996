"""Run by test_sized.py: workers that are spawned, as they are where fork is not."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
sys.path.insert(0, str(Path(__file__).parents[3]))

from fastai.vision.augment import Resize  # noqa: E402
from tests.adapters.fastai.photographs import Came, small  # noqa: E402
from tests.adapters.fastai.tools import callback, learner, planned  # noqa: E402
from torch import multiprocessing  # noqa: E402


def main() -> None:
    # Workers are given what spawned ones are, and need not import fastai again.
    multiprocessing.set_start_method("forkserver")
    came, resize = Came(), callback(increase_by=8)
    dls = small(Resize(32), None, came, num_workers=1, val_num_workers=0)
    learn = learner(dls, resize)
    came.sizes.clear()
    learn.fit(2)
    report = {
        "came": [width for _, width in came.sizes],
        "planned": [width for _, width in planned(resize, range(2 * 7))],
        "corrected": resize.mismatched,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
