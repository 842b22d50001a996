"""Workers, shuffling, shards and a resume: sizes by the plan, samples as without it."""

from __future__ import annotations

import pickle
from itertools import islice
from typing import Any

import pytest
import torch
from tests.core.loading.images import RAMP
from tests.core.loading.streams import BATCH, Batch, Stream, epoch, given, widths
from torch.utils.data import DataLoader

from upsize.loading import sized
from upsize.loop import ProgressiveResize

EPOCHS = 3
PREFETCHED = 2  # batches for each worker, torch's default
SHARDS = {"even": (16, 16, 16), "uneven": (4, 20, 20), "fewer": (20, 24)}


def loader_of(shards: str, workers: int, shuffle: bool, **settings: Any) -> Any:
    # Workers draw from seeds that the main process draws at the start of each pass.
    stream = Stream(SHARDS[shards], shuffle=shuffle)
    return DataLoader(stream, BATCH, num_workers=workers, **settings)


def plain_epochs(loader: Any) -> list[list[list[int]]]:
    torch.manual_seed(11)
    return [[labels.tolist() for _, labels in loader] for _ in range(EPOCHS)]


# Two cores need not suggest more workers.
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.filterwarnings(r"ignore:\d+ batch.* came from the sized loader")
@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_sizes_and_samples(workers: int, shards: str, shuffle: bool) -> None:
    plain = plain_epochs(loader_of(shards, workers, shuffle))
    length = len(plain[0])
    resize = ProgressiveResize(RAMP, epochs=EPOCHS, steps_per_epoch=length)
    loader = sized(loader_of(shards, workers, shuffle), resize)
    torch.manual_seed(11)
    came = [epoch(resize, loader) for _ in range(EPOCHS)]
    assert [[each.indices for each in batches] for batches in came] == plain
    # Batches that were prefetched for a worker whose shard had ended go to no step.
    dry = workers - 1 if workers > 1 and shards != "even" else 0
    for number, batches in enumerate(came):
        for step, each in enumerate(batches):
            start = number * length + step
            steps = range(start, start + dry * PREFETCHED + 1)
            allowed = widths(resize.plan, steps)
            assert each.size in allowed
    assert resize.mismatched <= dry * PREFETCHED * len(resize.plan.sizes)
    if not dry:
        assert resize.mismatched == 0


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_resume_within_an_epoch(workers: int) -> None:
    def start() -> tuple[ProgressiveResize, Any]:
        resize = ProgressiveResize(RAMP, epochs=EPOCHS, steps_per_epoch=12)
        return resize, sized(loader_of("even", workers, False), resize)

    resize, loader = start()
    epoch(resize, loader)
    steps = iter(resize.batches(loader))
    state = [resize.state_dict() for _ in islice(steps, 7)][-1]
    del steps
    resize, loader = start()
    resize.load_state_dict(state)
    rest: list[Batch] = []
    for _ in resize.batches(islice(given(loader, rest), 7, None)):
        pass
    rest = rest[7:] + epoch(resize, loader)
    assert [each.size for each in rest] == widths(resize.plan, range(19, 36))
    plain = plain_epochs(loader_of("even", workers, False))[0]
    assert [each.indices for each in rest] == plain[7:] + plain
    assert resize.mismatched == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"drop_last": True},
        {"persistent_workers": True, "prefetch_factor": 5, "num_workers": 2},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_of_a_loader(settings: dict[str, Any]) -> None:
    settings = {"num_workers": 0} | settings
    plain = plain_epochs(DataLoader(Stream((18, 18)), BATCH, **settings))
    length = len(plain[0])
    resize = ProgressiveResize(RAMP, epochs=2, steps_per_epoch=length)
    loader = sized(DataLoader(Stream((18, 18)), BATCH, **settings), resize)
    for number in range(2):
        came = epoch(resize, loader)
        assert [each.indices for each in came] == plain[number]
        assert [each.size for each in came] == widths(
            resize.plan, range(number * length, (number + 1) * length)
        )
    assert resize.mismatched == 0


def test_what_goes_to_spawned_workers() -> None:
    plain = DataLoader(Stream((18,)), BATCH)
    loader = sized(plain, RAMP.plan(epochs=4, steps_per_epoch=5))
    # One pickle, as for the arguments of a process.
    dataset, collate = pickle.loads(pickle.dumps((loader.dataset, loader.collate_fn)))
    token = pickle.loads(pickle.dumps(next(iter(loader.batch_sampler))))
    assert len(token) == BATCH
    samples = iter(dataset)
    images, labels = collate([next(samples) for _ in token])
    assert images.shape == (BATCH, 3, 16, 16)
    assert labels.tolist() == [0, 1, 2, 3]
