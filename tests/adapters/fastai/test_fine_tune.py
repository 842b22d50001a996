"""The frozen part of ``fine_tune``, however the callback and the call come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastai.learner import Learner
from tests.adapters.fastai.tools import (
    BATCHES,
    Seen,
    callback,
    learner,
    loaders,
    planned,
)


class Mine(Learner):
    """A learner with a ``fine_tune`` of its own."""

    def fine_tune(self, epochs: int, freeze_epochs: int, **more: Any) -> None:
        self.freeze()
        self.fit(freeze_epochs, **more)
        self.unfreeze()
        self.fit(epochs, **more)


CALLS: dict[str, Callable[[Any, Any], object]] = {
    "cbs of the call": lambda learn, resize: learn.fine_tune(
        4, freeze_epochs=2, cbs=resize
    ),
    "a list": lambda learn, resize: learn.fine_tune(4, freeze_epochs=2, cbs=[resize]),
    "of the class": lambda learn, resize: vars(Learner)["fine_tune"](
        learn.add_cb(resize), 4, freeze_epochs=2
    ),
    "a fine_tune of its own": lambda learn, resize: Mine.fine_tune(
        learn, 4, freeze_epochs=2, cbs=resize
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_schedule_runs_once(call: str) -> None:
    seen, resize = Seen(), callback()
    CALLS[call](learner(loaders(), seen), resize)
    first, second = seen.train[: 2 * BATCHES], seen.train[2 * BATCHES :]
    assert set(first) == {(16, 16)}
    assert second == planned(resize, range(4 * BATCHES))
    assert second[-1] == (32, 32)


def test_another_learner_is_not_fine_tuned() -> None:
    class Teacher(Seen):
        """Fits a frozen learner of its own meanwhile."""

        def before_fit(self) -> None:
            other.freeze()
            other.fit(2, cbs=resize)

    seen, resize = Seen(), callback()
    other = learner(loaders(), seen)
    learner(loaders(), Teacher()).fine_tune(1, freeze_epochs=1)
    assert seen.train[-1] == (32, 32)
