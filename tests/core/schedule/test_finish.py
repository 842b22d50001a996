"""A hint to end below the test size: one line, and only where it is true."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from upsize.schedule import (
    Grow,
    Linear,
    MultiScale,
    Phases,
    Ramp,
    Schedule,
    Size,
    finish_hint,
    presets,
)
from upsize.schedule._finish import capped, finish_size


@pytest.mark.parametrize(
    ("full", "multiple", "end"),
    [
        (224, 1, (176, 176)),  # torchvision's own pair
        (224, 14, (182, 182)),  # a ViT of patches of 14
        (224, 16, (176, 176)),
        (224, 32, (192, 192)),
        (256, 1, (208, 208)),
        (384, 32, (288, 288)),
        ((224, 320), 1, (176, 256)),
        (160, 1, (128, 128)),
    ],
)
def test_where_a_ramp_may_end(full: Any, multiple: int, end: tuple[int, int]) -> None:
    plan = Ramp(final_size=full, multiple_of=multiple).plan(total_steps=100)
    assert finish_size(plan) == finish_size(plan, full) == end
    assert all(side % multiple == 0 for side in end)
    hint = finish_hint(plan)
    assert hint is not None
    assert f"may end at {Size(*end)}: saves" in hint
    assert "\n" not in hint


def test_the_share_of_pixels_is_that_of_the_plan_cut_off_at_the_end() -> None:
    plan = Ramp(final_size=224, increase_by=16).plan(total_steps=997)
    hint = finish_hint(plan)
    assert hint is not None
    then, now = map(float, re.findall(r"([\d.]+) %", hint))
    pixels = sum(
        math.prod(capped(plan.size_at(step), Size(176, 176))) for step in range(997)
    )
    assert then == pytest.approx(100 * (1 - pixels / 997 / 224**2), abs=0.05)
    assert now == pytest.approx(100 * (1 - plan.pixel_share), abs=0.05)


def test_samples_count_where_batches_grow() -> None:
    length: dict[str, Any] = {"epochs": 10, "samples_per_epoch": 640}
    ramp = Ramp(final_size=224, increase_by=56)
    plain = ramp.plan(**length, batch_size=64)
    grown = ramp.plan(**length, batch_size=Grow(256, batch=64))
    assert grown.total_steps < plain.total_steps
    assert finish_hint(grown) == finish_hint(plain)


class Own(Schedule):
    """A schedule whose fields say nothing to others."""

    multiple_of: str = "the patch"

    def changes(self, run: Any, final: Size) -> list[tuple[int, Size]]:
        return [(0, Size(112, 112)), (run.total_steps // 2, final)]


@pytest.mark.parametrize(
    ("schedule", "test_size"),
    [
        (Ramp(final_size=64), None),  # nothing is known of such small images
        (Ramp(final_size=128), 128),
        (Ramp(final_size=176), 224),  # it ends below already
        (presets.mosaic("mild"), 224),
        (presets.ffcv(16), 256),
        (Ramp(final_size=224), 288),
        (Ramp(final_size=224, initial_size=176), None),  # it is not above at all
        (Ramp(final_size=224, initial_size=1.0), None),
        (Ramp(final_size=224, multiple_of=112), None),  # no multiple is near
        (Ramp(final_size=(224, 320)), 224),  # of another shape
        (MultiScale(final_size=224, sizes=[160, 192, 224]), 224),
        (Ramp(final_size=224), (224, 96)),
        # Recipes that name their own sizes, without a word of the user's.
        (Linear(final_size=224), None),
        (Phases(phases=[(0, 112), ("1/2", 224)]), None),
        (presets.dawnbench(1), None),
        (Own(), None),
    ],
)
def test_no_hint_where_it_is_not_true(schedule: Schedule, test_size: Any) -> None:
    final = schedule.full_size() or 224
    plan = schedule.plan(epochs=40, steps_per_epoch=10, final_size=final)
    assert finish_hint(plan, test_size) is None


@pytest.mark.parametrize(
    "schedule",
    [Linear(final_size=224), Phases(phases=[(0, 112), ("1/2", 224)]), Own()],
)
def test_any_schedule_for_the_size_that_the_user_names(schedule: Schedule) -> None:
    final = schedule.full_size() or 224
    hint = finish_hint(schedule.plan(total_steps=100, final_size=final), 224)
    assert hint is not None
    assert "tested at 224x224 may end at 176x176" in hint


def test_a_plan_that_ends_above_the_test_size() -> None:
    hint = finish_hint(Ramp(final_size=288).plan(total_steps=100), 224)
    assert hint is not None
    assert "tested at 224x224 may end at 176x176" in hint


@pytest.mark.parametrize("bad", [0, -1, "224", (224,), 2.5, 10**9])
def test_a_test_size_that_is_none(bad: Any) -> None:
    plan = Ramp(final_size=224).plan(total_steps=100)
    with pytest.raises(ValueError, match=r"^test_size must be "):
        finish_hint(plan, bad)
