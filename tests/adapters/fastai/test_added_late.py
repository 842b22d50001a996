"""A callback that joins a learner within a fit would never resize: it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from fastai.callback.core import Callback
from tests.adapters.fastai.tools import callback, learner, loaders


class Adds(Callback):
    """Adds a callback at an event."""

    learn: Any

    def __init__(self, event: str, resize: Any) -> None:
        super().__init__()
        self.resize = resize
        setattr(self, event, self.add)

    def add(self) -> None:
        if self.resize not in self.learn.cbs:
            self.learn.add_cb(self.resize)


@pytest.mark.parametrize("event", ["before_fit", "before_epoch", "after_epoch"])
def test_it_is_refused_by_name(event: str) -> None:
    resize = callback()
    learn = learner(loaders(), Adds(event, resize))
    with pytest.raises(ValueError, match="joined the learner after fit had begun"):
        learn.fit(2)
    learn.fit(2)  # it is one of the learner's now
    assert resize.size == (32, 32)
