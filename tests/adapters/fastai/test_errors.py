"""What fastai raises to skip a part of training is no error to explain."""

from __future__ import annotations

from typing import Any

import pytest
from fastai.callback.core import Callback, CancelStepException
from tests.adapters.fastai.tools import learner, loaders

from upsize.fastai import ProgressiveResize


class Raises(Callback):
    def __init__(self, error: Exception, *, valid: bool = False) -> None:
        super().__init__()
        self.error, self.valid = error, valid

    def before_batch(self) -> None:
        if self.training is not self.valid:
            raise self.error


@pytest.mark.parametrize(
    ("error", "valid", "resize_valid", "notes"),
    [
        (RuntimeError("shape"), False, False, 1),
        (RuntimeError("shape"), True, True, 1),
        (RuntimeError("shape"), True, False, 0),
        (CancelStepException(), False, False, 0),
    ],
)
def test_notes(error: Any, valid: bool, resize_valid: bool, notes: int) -> None:
    resize = ProgressiveResize(
        resize_valid=resize_valid, preallocate=False, verbose=False
    )
    made = learner(loaders(), resize, Raises(error, valid=valid))
    with pytest.raises(type(error)):
        made.fit(4)
    assert len(getattr(error, "__notes__", [])) == notes
