"""Random sizes with workers that look ahead, and with small copies."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import pytest
from tests.core.loading.images import FULL, Images
from torch.utils.data import DataLoader

from upsize.loading import sized
from upsize.loading._copies._settings import sizes_of
from upsize.loop import ProgressiveResize
from upsize.schedule import Grow, MultiScale, Phases, Ramp, Size

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")

SCHEDULE = MultiScale(
    sizes=range(16, FULL + 1, 4), every=2, seed=4, before=Ramp(finish=0.5, start=0.25),
    finish=0.9,
)  # fmt: skip
WORKERS: list[dict[str, Any]] = [
    {},
    {"num_workers": 2},
    {"num_workers": 4, "persistent_workers": True, "prefetch_factor": 5},
]


def resizer(accumulate: int = 1) -> ProgressiveResize:
    return ProgressiveResize(
        SCHEDULE, epochs=4, steps_per_epoch=7, accumulate=accumulate, final_size=FULL
    )


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("workers", WORKERS)
def test_workers_draw_the_sizes_of_the_steps(
    workers: dict[str, Any], accumulate: int
) -> None:
    resize = resizer(accumulate)
    loader = sized(DataLoader(Images(), 4, shuffle=True, **workers), resize)
    seen, came = [], []
    for _ in range(4):

        def given() -> Any:
            for images, labels in loader:
                came.append(images.shape[-1])
                yield images, labels

        for images, _ in resize.batches(given()):
            seen.append(images.shape[-1])
    steps = [
        epoch * -(-7 // accumulate) + batch // accumulate
        for epoch in range(4)
        for batch in range(7)
    ]
    planned = [resize.plan.size_at(step).width for step in steps]
    assert came == seen == planned
    assert resize.mismatched == 0
    assert any(b < a for a, b in pairwise(planned))
    assert len(set(planned)) >= 4
    assert planned[-1] == FULL


def test_a_resumed_run_goes_on_with_the_same_draws() -> None:
    whole = [size.width for size in islice(resizer().sizes_ahead(7), 28)]
    first = resizer()
    for _ in range(11):
        first.step()
    again = resizer()
    again.load_state_dict(first.state_dict())
    # The loader draws the second epoch from its first batch, and four are dropped.
    ahead = [size.width for size in islice(again.sizes_ahead(7), 4, 21)]
    assert ahead == whole[11:]


def test_copies_of_random_sizes() -> None:
    plan = MultiScale(sizes=[96, 224, 64, 128, 160]).plan(total_steps=1000)
    every = sizes_of(plan, most=9)
    assert [size.width for size in every] == [64, 96, 128, 160]
    # A fifth of the steps each: two reads of 96 and two of 160 cost the least.
    assert [size.width for size in sizes_of(plan, most=2)] == [96, 160]


def test_copies_after_a_ramp_count_its_steps() -> None:
    before = Phases(phases=[(0, 100), ("90%", 224)])
    plan = MultiScale(sizes=[64, 200, 224], before=before).plan(total_steps=1000)
    assert [size.width for size in sizes_of(plan, most=1)] == [100]


def test_copies_of_batches_that_grow_count_their_images() -> None:
    phases = Phases(phases=[(0, 64), ("50%", 128), ("65%", 224)])
    batch = Grow(1024, batch=64)
    plan = phases.plan(epochs=20, samples_per_epoch=6400, batch_size=batch)
    assert plan.plain is not None
    # In as many steps the small images are fewer than those of 128 pixels.
    assert plan.steps_by_size[Size(64, 64)] < plan.steps_by_size[Size(128, 128)]
    assert sizes_of(plan, most=1) == sizes_of(plan.plain, most=1) == ((64, 64),)


def test_copies_of_sizes_of_several_aspect_ratios_cover_them_all() -> None:
    schedule = MultiScale(
        sizes=[(64, 96), (96, 64), (48, 48)], final_size=128, finish=0.9
    )
    plan = schedule.plan(total_steps=1000)
    assert sizes_of(plan, most=9) == ((48, 48), (64, 96), (96, 64))
    assert sizes_of(plan, most=1) == ((96, 96),)
    full = MultiScale(sizes=[(64, 128), (128, 64)], final_size=128, finish=0.9)
    assert sizes_of(full.plan(total_steps=1000), most=1) == ((64, 128),)
