"""Settings of the tests with fastai."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest
from tests.adapters.hints import ignore

mpl.use("Agg")

_HINTS = [
    # GradScaler and autocast for CUDA, which fastai makes also where there is none.
    "ignore:.*CUDA is not available",
    # fastai on the newest torch and NumPy: their own deprecations.
    "ignore::DeprecationWarning:fastai",
    "ignore::FutureWarning:fastai",
    "ignore:.*unsafe_hash",
    "ignore:__array__ implementation doesn't accept a copy keyword",
    "ignore:numpy.core is deprecated",
    # torch looks for an optimizer's step that fastai's optimizers do not have.
    "ignore:Detected call of `lr_scheduler.step",
    "ignore:load_learner. uses Python's insecure pickle",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ignore(_HINTS, items, Path(__file__).parent)
