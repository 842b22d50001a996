"""A stream that was given a state begins in the middle of an epoch, and so do its sizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pytest
from tests.core.loading.images import RAMP
from tests.core.loading.streams import BATCH, Known, epoch, widths
from torch.utils.data import DataLoader

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Size

LENGTH, DONE = 6, 2


class Restored(Known):
    """A stream whose next pass begins after so many samples, as those of LitData."""

    first = 0

    def load_state_dict(self, state: int) -> None:
        self.first = state

    def indices(self) -> Iterator[int]:
        first, self.first = self.first, 0
        yield from list(super().indices())[first:]


def loader(source: Any) -> Any:
    made = sized(DataLoader(Restored([LENGTH * BATCH]), BATCH), source)
    made.dataset.load_state_dict(DONE * BATCH)
    return made


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("length", [{"steps_per_epoch": LENGTH}, {}])
def test_the_rest_of_an_epoch(length: dict[str, int], accumulate: int) -> None:
    def run() -> ProgressiveResize:
        steps = 2 * LENGTH // accumulate
        return ProgressiveResize(
            RAMP, total_steps=steps, accumulate=accumulate, **length
        )

    saved = run()
    for _ in range(LENGTH + DONE):
        saved.step()
    resize = run()
    resize.load_state_dict(saved.state_dict())
    came = epoch(resize, loader(resize))
    steps = (number // accumulate for number in range(LENGTH + DONE, 2 * LENGTH))
    assert [batch.size for batch in came] == widths(resize.plan, steps)
    assert [batch.indices[0] // BATCH for batch in came] == list(range(DONE, LENGTH))
    assert resize.mismatched == 0


def test_a_plan_alone_does_not_know_what_was_done() -> None:
    with pytest.raises(ValueError, match="ProgressiveResize of the run"):
        next(iter(loader(RAMP.plan(epochs=2, steps_per_epoch=LENGTH))))


def test_other_sources_know_where_they_are() -> None:
    class Source:
        final_size = Size(32, 32)

        def sizes_ahead(self, batches: int | None) -> Iterator[Size]:
            return repeat(Size(16, 16))

    images, labels = next(iter(loader(Source())))
    assert images.shape[-1] == 16
    assert labels[0] == DONE * BATCH
