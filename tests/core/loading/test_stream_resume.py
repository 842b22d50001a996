"""A stream resumes within an epoch with the samples and the sizes of the rest."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch
from tests.core.loading.images import RAMP
from tests.core.loading.streams import BATCH, Batch, Kept, Stream, given, widths
from torch.utils.data import DataLoader

from upsize.loading import sized
from upsize.loop import ProgressiveResize

SHARDS = (24, 24)
LENGTH = 12
STOP = 7


def run() -> ProgressiveResize:
    return ProgressiveResize(RAMP, epochs=1, steps_per_epoch=LENGTH)


def parts(came: list[Batch]) -> tuple[list[int], list[list[int]]]:
    return [each.size for each in came], [each.indices for each in came]


class TestSkipped:
    """The loop drops the first batches of a loader that begins from the start."""

    @pytest.mark.parametrize("workers", [0, 2])
    def test_a_loader_of_the_whole_epoch(self, workers: int) -> None:
        def loader(resize: ProgressiveResize) -> Any:
            plain = DataLoader(Stream(SHARDS), BATCH, num_workers=workers)
            return sized(plain, resize)

        resize, whole = run(), list[Batch]()
        steps = iter(resize.batches(given(loader(resize), whole)))
        state = [resize.state_dict() for _ in islice(steps, STOP)][-1]
        assert len(list(steps)) == LENGTH - STOP
        resize = run()
        resize.load_state_dict(state)
        rest: list[Batch] = []
        for _ in resize.batches(islice(given(loader(resize), rest), STOP, None)):
            pass
        assert parts(whole) == (
            widths(resize.plan, range(LENGTH)),
            [each.indices for each in rest],
        )
        assert rest[STOP:] == whole[STOP:]
        assert resize.mismatched == 0


stateful = pytest.importorskip("torchdata.stateful_dataloader")


# torchdata calls what torch 2.14 deprecates.
@pytest.mark.filterwarnings("ignore:.*set_vital", "ignore::DeprecationWarning")
class TestStates:
    @pytest.mark.parametrize(
        ("workers", "settings"),
        [
            (0, {}),
            (2, {}),
            (1, {"snapshot_every_n_steps": 3}),
        ],
    )
    @pytest.mark.parametrize("batch", [None, BATCH])
    @pytest.mark.parametrize("kind", [Stream, Kept])
    def test_torchdata(
        self, kind: type[Stream], batch: int | None, workers: int, settings: Any
    ) -> None:
        if kind is Kept and batch:
            pytest.skip("this stream with a state makes no batches")

        def loader(resize: ProgressiveResize) -> Any:
            torch.manual_seed(3)
            plain = stateful.StatefulDataLoader(
                kind(SHARDS, batch=batch),
                batch_size=None if batch else BATCH,
                num_workers=workers,
                **settings,
            )
            return sized(plain, resize)

        resize, whole = run(), list[Batch]()
        first = loader(resize)
        steps = iter(resize.batches(given(first, whole)))
        for _ in islice(steps, STOP):
            pass
        state = resize.state_dict(), first.state_dict()
        assert len(list(steps)) == LENGTH - STOP
        assert [each.size for each in whole] == widths(resize.plan, range(LENGTH))
        resize = run()
        second = loader(resize)
        resize.load_state_dict(state[0])
        second.load_state_dict(state[1])
        rest: list[Batch] = []
        for _ in resize.batches(given(second, rest)):
            pass
        assert rest == whole[STOP:]
        assert resize.mismatched == 0

    @pytest.mark.parametrize("batch", [None, BATCH])
    def test_the_state_of_a_loader_that_was_not_sized(self, batch: int | None) -> None:
        def loader() -> Any:
            stream, size = Stream(SHARDS, batch=batch), None if batch else BATCH
            return stateful.StatefulDataLoader(stream, size)

        plain = loader()
        next(iter(plain))
        plan = RAMP.plan(epochs=1, steps_per_epoch=LENGTH)
        resumed = sized(loader(), plan)
        resumed.load_state_dict(plain.state_dict())
        with pytest.raises(ValueError, match="saved before the loader was sized"):
            next(iter(resumed))
