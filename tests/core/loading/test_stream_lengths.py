"""Streams whose length is known, unknown or wrong, and what a plan was told of it."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from tests.core.loading.images import RAMP
from tests.core.loading.streams import BATCH, Known, Stream, epoch, widths
from torch.utils.data import DataLoader

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Ramp


def loader_of(stream: Any = None, resize: Any = None, **settings: Any) -> Any:
    stream = Stream((16,)) if stream is None else stream
    return sized(DataLoader(stream, BATCH, **settings), resize)


def sizes(loader: Any) -> list[int]:
    return [images.shape[-1] for images, _ in loader]


class TestPlansAlone:
    def test_each_pass_is_an_epoch(self) -> None:
        plan = RAMP.plan(epochs=4, steps_per_epoch=4)
        loader = loader_of(resize=plan)
        next(iter(loader))  # a pass that is left counts as well
        for number in (1, 2, 3, 1):
            loader.batch_sampler.set_epoch(number)
            assert sizes(loader) == widths(plan, range(4 * number, 4 * number + 4))
        assert sizes(loader) == widths(plan, range(8, 12))

    def test_a_stream_that_is_longer_stays_in_its_epoch(self) -> None:
        plan = RAMP.plan(epochs=4, steps_per_epoch=3)
        loader = loader_of(resize=plan)
        loader.batch_sampler.set_epoch(2)
        assert sizes(loader) == widths(plan, [6, 7, 8, 8])

    def test_the_length_of_the_stream(self) -> None:
        plan = RAMP.plan(total_steps=8)
        loader = loader_of(Known((16,)), plan)
        assert sizes(loader) + sizes(loader) == widths(plan, range(8))

    def test_no_length_at_all(self) -> None:
        with pytest.raises(ValueError, match=r"stream has no length.*steps_per_epoch="):
            loader_of(resize=RAMP.plan(total_steps=8))

    def test_another_batch_size(self) -> None:
        plan = RAMP.plan(epochs=2, steps_per_epoch=8)  # of batches of 2
        advice = "8 steps in an epoch, but the loader has 4 batches.*steps_per_epoch=4"
        with pytest.raises(ValueError, match=advice):
            loader_of(Known((16,)), plan)


class TestRuns:
    def test_moments_in_epochs(self) -> None:
        with pytest.raises(ValueError, match="steps_per_epoch"):
            ProgressiveResize(Ramp(final_size=32, start=1, finish=2), total_steps=8)

    def test_steps_alone(self) -> None:
        resize = ProgressiveResize(RAMP, total_steps=12)
        loader = loader_of(resize=resize)
        came = [each.size for _ in range(3) for each in epoch(resize, loader)]
        assert came == widths(resize.plan, range(12))
        assert resize.mismatched == 0

    @pytest.mark.parametrize("kind", [Stream, Known])
    def test_a_stream_that_ends_early(self, kind: type[Stream]) -> None:
        resize = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=5)
        loader = loader_of(kind((16,)), resize)
        with pytest.warns(UserWarning, match="4 batches, but steps_per_epoch leaves 5"):
            first = epoch(resize, loader)
        came = [first, epoch(resize, loader), epoch(resize, loader)]
        for number, batches in enumerate(came):
            start = 5 * number
            assert [each.size for each in batches] == widths(
                resize.plan, range(start, start + 4)
            )
        assert resize.mismatched == 0

    # Its second batch of an epoch too many is drawn for the next epoch.
    @pytest.mark.filterwarnings(r"ignore:\d+ batches came from the sized loader")
    def test_a_batch_size_that_the_run_was_not_told(self) -> None:
        resize = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=2)
        loader = loader_of(resize=resize)
        with pytest.warns(
            UserWarning, match="more batches, but steps_per_epoch leaves 2"
        ):
            epoch(resize, loader)
        assert [each.size for _ in range(2) for each in epoch(resize, loader)][-1] == 32

    def test_a_length_that_is_wrong(self) -> None:
        class Wrong(Stream):
            def __len__(self) -> int:
                return 3

        resize = ProgressiveResize(RAMP, epochs=2, steps_per_epoch=3)
        loader = sized(DataLoader(Wrong((16,), batch=4), None), resize)
        assert len(loader) == 3
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert len(epoch(resize, loader)) == 4
        messages = [str(each.message) for each in caught]
        assert any("Length of IterableDataset" in each for each in messages)  # torch's
