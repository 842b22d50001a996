"""What is drawn for a worker whose shard has ended takes no step."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import pytest
from tests.core.loading.images import RAMP
from tests.core.loading.streams import BATCH, Stream, widths
from torch.utils.data import DataLoader

from upsize.loading import sized

LENGTH = 8
PLAN = RAMP.plan(total_steps=2 * LENGTH, steps_per_epoch=LENGTH)
STEPS = range(LENGTH, 2 * LENGTH)  # the epoch in which images grow


class Worker:
    """A worker process as torch has it, in this one."""

    def __init__(self, loader: Any) -> None:
        given = loader.dataset, loader.collate_fn
        dataset, self.collate = pickle.loads(pickle.dumps(given))
        # Memory that processes share is not pickled: here it stays the same.
        object.__setattr__(dataset, "_upsize_waste", loader.dataset._upsize_waste)
        self.samples, self.sent = iter(dataset), list[bytes]()

    def batch(self) -> int | None:
        """Return the size of the images that the next token asks for, if any."""
        token = pickle.loads(self.sent.pop(0))
        samples = [sample for _, sample in zip(token, self.samples, strict=False)]
        return self.collate(samples)[0].shape[-1] if samples else None


@pytest.mark.parametrize("drop_last", [False, True])
def test_a_shard_that_ends_early(
    monkeypatch: pytest.MonkeyPatch, drop_last: bool
) -> None:
    plain = DataLoader(Stream((6,)), BATCH, drop_last=drop_last)
    loader: Any = sized(plain, PLAN)
    loader.batch_sampler.set_epoch(1)
    draws = iter(loader.batch_sampler)
    here = SimpleNamespace(id=0)
    monkeypatch.setattr("upsize.loading._waste.get_worker_info", lambda: here)
    worker = Worker(loader)

    def send() -> None:
        worker.sent.append(pickle.dumps(next(draws)))

    for _ in range(4):
        send()
    planned = widths(PLAN, STEPS)
    assert worker.batch() == planned[0]
    last = worker.batch()  # of two images
    assert last == planned[1]
    in_vain = 1 if drop_last else 0
    assert draws.state_dict()["upsize_batches"] == 4 - in_vain
    for _ in range(2):
        pickle.loads(worker.sent.pop(0))  # torch drops them
        in_vain += 1
    assert draws.state_dict()["upsize_batches"] == 4 - in_vain
    # Others get what it did not give, and then the steps after these.
    sizes = [next(draws).size.width for _ in range(LENGTH - 4 + in_vain)]
    assert sizes == planned[4 - in_vain :]
    # Another pass begins without.
    loader.batch_sampler.set_epoch(1)
    assert [next(iter(loader.batch_sampler)).size.width] == planned[:1]


def test_a_token_that_asks_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    loader: Any = sized(DataLoader(Stream((BATCH,)), BATCH), PLAN)
    draws = iter(loader.batch_sampler)
    here = SimpleNamespace(id=0)
    monkeypatch.setattr("upsize.loading._waste.get_worker_info", lambda: here)
    worker = Worker(loader)
    worker.sent = [pickle.dumps(next(draws)) for _ in range(3)]
    assert worker.batch() is not None
    assert worker.batch() is None
    assert draws.state_dict() == {"upsize_batches": 2}
    pickle.loads(worker.sent.pop(0))
    assert draws.state_dict() == {"upsize_batches": 1}


def test_a_source_that_ends() -> None:
    class Short:
        final_size = PLAN.final_size

        def sizes_ahead(self, batches: int | None) -> Any:
            return iter([PLAN.final_size] * (2 if batches is None else batches))

    loader = sized(DataLoader(Stream((20,)), BATCH), Short())
    with pytest.raises(RuntimeError, match="Short gives a batch no size"):
        list(loader)
