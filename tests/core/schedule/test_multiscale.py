"""Random sizes: the draws, the stages that carry them, and all that reads stages."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import warnings
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from upsize.schedule import (
    Linear,
    MultiScale,
    Phases,
    Plan,
    Ramp,
    RandomSize,
    Size,
    Stage,
    dump,
    load,
    presets,
)
from upsize.schedule._random_size import elementwise_max, random_bits

SIDES = (96, 128, 160, 192, 224)
ALONE = MultiScale(sizes=SIDES, every=10)


def widths(plan: Plan, steps: Any) -> list[int]:
    return [plan.size_at(step).width for step in steps]


class TestDraws:
    def test_the_published_outputs_of_splitmix64(self) -> None:
        """Of seed 1234567, as the generator's other implementations are checked by."""
        assert [random_bits(1234567, n) for n in range(5)] == [
            6457827717110365317,
            3203168211198807973,
            9817491932198370423,
            4593380528125082431,
            16408922859458223821,
        ]
        assert random_bits(0, 0) == 0xE220A8397B1DCDAF

    def test_any_output_is_found_alone(self) -> None:
        assert random_bits(2**64 - 1, 10**15) < 2**64
        assert random_bits(7, 10**15) == random_bits(7, 10**15)

    def test_every_size_is_drawn_as_often_as_the_others(self) -> None:
        for seed in (0, 1, 2**63):
            size = RandomSize(choices=[(s, s) for s in SIDES], every=1, seed=seed)
            counts = Counter(size.at(step) for step in range(20_000))
            assert len(counts) == 5
            # Within five standard deviations of 4000.
            assert all(
                abs(n - 4000) < 5 * math.sqrt(20_000 * 0.16) for n in counts.values()
            )

    def test_neighbouring_draws_and_seeds_are_unrelated(self) -> None:
        def pairs(a: Any, b: Any) -> float:
            return sum(x == y for x, y in zip(a, b, strict=True)) / len(a)

        def drawn(seed: int) -> list[Size]:
            size = RandomSize(choices=[(s, s) for s in SIDES], every=1, seed=seed)
            return [size.at(step) for step in range(10_000)]

        first, second = drawn(0), drawn(1)
        assert pairs(first[:-1], first[1:]) == pytest.approx(0.2, abs=0.02)
        assert pairs(first, second) == pytest.approx(0.2, abs=0.02)

    def test_the_same_in_another_process(self) -> None:
        code = (
            "from upsize.schedule import MultiScale\n"
            f"plan = MultiScale(sizes={SIDES}, every=3, seed=5).plan(total_steps=300)\n"
            "print([plan.size_at(n).width for n in range(300)])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        plan = MultiScale(sizes=SIDES, every=3, seed=5).plan(total_steps=300)
        assert done.stdout.strip() == str(widths(plan, range(300)))

    def test_a_size_that_stands_twice_is_drawn_twice_as_often(self) -> None:
        size = RandomSize(choices=((64, 64), (96, 96), (96, 96)), every=1, seed=0)
        counts = Counter(size.at(step).width for step in range(9000))
        assert counts[96] / counts[64] == pytest.approx(2, rel=0.1)
        assert size.weights == {(64, 64): Fraction(1, 3), (96, 96): Fraction(2, 3)}

    @given(
        st.integers(0, 500), st.integers(0, 500), st.integers(1, 60), st.integers(0, 9)
    )
    def test_draws_cover_a_stretch(self, a: int, b: int, every: int, seed: int) -> None:
        size = RandomSize(choices=((1, 1), (2, 2), (3, 3)), every=every, seed=seed)
        covered = [
            (step, drawn)
            for begin, end, drawn in size.draws(a, b)
            for step in range(begin, end)
        ]
        assert covered == [(step, size.at(step)) for step in range(a, b)]
        assert len(list(size.draws(a, b))) <= max(0, b - a) // every + 2


class TestPlan:
    def test_alone(self) -> None:
        plan = ALONE.plan(epochs=5, steps_per_epoch=30)
        (stage,) = plan.stages
        assert (stage.start, stage.stop) == (0, 150)
        assert plan.sizes == stage.sizes == tuple((s, s) for s in SIDES)
        assert plan.final_size == (224, 224)
        for a, b in pairwise(range(150)):
            if b % 10:
                assert plan.size_at(a) == plan.size_at(b)
        assert len(set(widths(plan, range(0, 150, 10)))) == 5

    def test_start_and_finish(self) -> None:
        schedule = MultiScale(sizes=SIDES, start=0.25, finish=0.8, every=7)
        plan = schedule.plan(total_steps=100)
        assert [(s.start, s.stop) for s in plan.stages] == [
            (0, 25),
            (25, 80),
            (80, 100),
        ]
        assert set(widths(plan, [*range(25), *range(80, 100)])) == {224}
        free = MultiScale(sizes=SIDES, every=7).plan(total_steps=100)
        # Intervals are counted from step 0, wherever the draws begin.
        assert widths(plan, range(25, 80)) == widths(free, range(25, 80))
        assert plan.size_at(10**6) == (224, 224)
        assert free.size_at(10**6) in free.sizes  # past the end it goes on

    @pytest.mark.parametrize(
        "before",
        [
            Ramp(increase_by=32),
            Ramp(increase_mode="epoch"),
            Linear(multiple_of=32),
            Phases(phases=[(0, 128), ("50%", 224)]),
        ],
    )
    def test_after_another_schedule(self, before: Any) -> None:
        schedule = MultiScale(sizes=SIDES, before=before, finish=0.95, final_size=224)
        plan = schedule.plan(epochs=20, steps_per_epoch=10)
        alone = before.plan(epochs=20, steps_per_epoch=10, final_size=224)
        begin = alone.stages[-1].start
        assert 0 < begin < 190
        assert widths(plan, range(begin)) == widths(alone, range(begin))
        free = ALONE.plan(epochs=20, steps_per_epoch=10)
        assert widths(plan, range(begin, 190)) == widths(free, range(begin, 190))
        assert set(widths(plan, range(190, 200))) == {224}

    def test_a_later_start_holds_the_last_size(self) -> None:
        before = Phases(phases=[(0, 160)])
        schedule = MultiScale(sizes=SIDES, before=before, start="20st", final_size=224)
        plan = schedule.plan(total_steps=100)
        assert set(widths(plan, range(20))) == {160}
        assert [stage.start for stage in plan.stages] == [0, 20]

    def test_sizes_of_every_form(self) -> None:
        ranged = MultiScale(sizes=range(480, 801, 32))
        assert ranged == MultiScale(sizes={"low": 480, "high": 800, "step": 32})
        assert ranged.sizes == tuple(range(480, 801, 32))
        assert MultiScale(sizes={"low": 64, "high": 64, "step": 1}).sizes == (64,)
        shares = MultiScale(sizes=[0.5, 0.7, 1.0], multiple_of=32)
        assert shares.plan(total_steps=9, final_size=224).sizes == (
            (96, 96), (128, 128), (224, 224),
        )  # fmt: skip
        wide = MultiScale(sizes=[160, (192, 256), 320], final_size=(224, 320))
        plan = wide.plan(total_steps=1000)
        assert plan.sizes == ((112, 160), (192, 256), (224, 320))
        assert wide.full_size() == (224, 320)

    def test_the_final_size(self) -> None:
        assert MultiScale(sizes=[224, 160]).full_size() == (224, 224)
        assert MultiScale(sizes=[0.5, 1.0]).full_size() is None
        ramp = Ramp(final_size=256)
        assert MultiScale(sizes=[0.5, 192], before=ramp).full_size() == (256, 256)
        assert MultiScale(sizes=[160], final_size=320, before=ramp).full_size() == (
            320,
            320,
        )

    def test_one_size_is_no_draw(self) -> None:
        plan = MultiScale(sizes=[64, 64], finish=0.5).plan(total_steps=10)
        assert plan.stages == ((0, 10, (64, 64)),)
        assert isinstance(plan.stages[0].size, Size)
        small = MultiScale(sizes=[64], before=Phases(phases=[(0, 96)]), finish=0.5)
        plan = small.model_copy(update={"start": 0.25}).plan(total_steps=100)
        assert [f"{a} {size}" for a, _, size in plan.stages] == [
            "0 96x96", "25 64x64", "50 96x96",
        ]  # fmt: skip
        assert widths(plan, (24, 25, 49, 50)) == [96, 64, 64, 96]

    def test_pixels_are_those_that_are_expected(self) -> None:
        plan = ALONE.plan(total_steps=100_000)
        expected = sum(s * s for s in SIDES) / 5 / 224**2
        assert plan.pixel_share == pytest.approx(expected)
        drawn = sum(s * s for s in widths(plan, range(0, 100_000, 10))) / 10_000
        assert drawn / 224**2 == pytest.approx(expected, rel=0.02)

    def test_the_table_and_the_summary(self) -> None:
        schedule = MultiScale(sizes=SIDES, before=Ramp(increase_by=56), finish=0.9)
        plan = schedule.plan(epochs=20, steps_per_epoch=100)
        rows = plan.table().splitlines()
        assert "96x96 to 224x224" in rows[3]
        assert "15.0 %" in rows[3]
        shares = [float(row.split()[-2]) for row in rows[1:-1]]
        assert sum(shares) == pytest.approx(100, abs=0.3)
        assert (
            plan.summary()
            == (
                schedule.before.describe(  # type: ignore[union-attr]
                    _run(plan), plan.final_size
                )
                + "\none of 5 sizes from 96x96 to 224x224 drawn every 10 steps, from "
                "epoch 15 to epoch 18, then 224x224"
            )
        )
        assert ALONE.plan(total_steps=100).summary() == (
            "one of 5 sizes from 96x96 to 224x224 drawn every 10 steps, from step 0 to "
            "the end"
        )
        late = MultiScale(sizes=SIDES, start=0.5).plan(total_steps=100)
        assert late.summary().startswith("224x224 at first\none of")

    def test_a_huge_plan_is_small_and_quick(self) -> None:
        plan = MultiScale(sizes=SIDES, every=1).plan(total_steps=10**12)
        assert len(plan.model_dump_json()) < 600
        assert len(pickle.dumps(plan)) < 2000
        assert plan.size_at(10**12 - 1) in plan.sizes
        assert plan.pixel_share < 1
        assert "96x96 to 224x224" in str(plan)


def _run(plan: Plan) -> Any:
    from upsize.schedule._run import RunLength

    return RunLength(plan.total_steps, plan.steps_per_epoch)


class TestFullSize:
    def test_never_among_the_sizes(self) -> None:
        with pytest.warns(
            UserWarning, match="never reached.* at 96x96 to 128x128; let the draws"
        ):
            MultiScale(sizes=[96, 128], final_size=224).plan(total_steps=1000)

    def test_among_the_sizes_and_never_drawn(self) -> None:
        plan = ALONE.plan(total_steps=10)
        assert plan.size_at(0) == (224, 224)  # the first draw of seed 0
        other = MultiScale(sizes=SIDES, seed=2)
        with pytest.warns(UserWarning, match="never reached"):
            plan = other.plan(total_steps=10)
        assert (224, 224) not in {plan.size_at(n) for n in range(10)}
        assert not plan.reaches_full_size

    def test_reached_at_the_end(self) -> None:
        schedule = MultiScale(sizes=[96, 128], final_size=224, finish=0.9)
        assert schedule.plan(total_steps=10).reaches_full_size

    def test_before_that_is_not_done_by_the_end(self) -> None:
        schedule = MultiScale(sizes=SIDES, before=Ramp(finish=1.0, final_size=224))
        with pytest.warns(UserWarning, match="never reached"):
            plan = schedule.plan(total_steps=100)
        assert all(isinstance(stage.size, Size) for stage in plan.stages)


class TestNeverBelow:
    def test_a_run_of_another_length_has_the_same_draws(self) -> None:
        old = ALONE.plan(total_steps=1000)
        for length in (500, 4000):
            fresh = ALONE.plan(total_steps=length)
            new = fresh.never_below(old)
            assert new == fresh
            assert widths(new, range(500)) == widths(old, range(500))

    @pytest.mark.parametrize("lengths", [(100, 400), (400, 100), (100, 250, 160)])
    def test_each_step_is_the_larger_of_both(self, lengths: tuple[int, ...]) -> None:
        schedule = MultiScale(
            sizes=SIDES, every=7, seed=3, before=Ramp(increase_by=16), start=0.8,
            finish=0.95, final_size=224,
        )  # fmt: skip
        plan = schedule.plan(total_steps=lengths[0])
        for length in lengths[1:]:
            plan.size_at(0)  # what it caches must not go along
            fresh = schedule.plan(total_steps=length)
            new = fresh.never_below(plan)
            for step in range(length):
                pair = plan.size_at(step), fresh.size_at(step)
                assert new.size_at(step) == max(pair)
            again = Plan.model_validate_json(new.model_dump_json())
            assert again == new
            assert widths(again, range(length)) == widths(new, range(length))
            plan = new

    def test_fixed_and_random_sizes_at_the_same_step(self) -> None:
        schedule = MultiScale(
            sizes=SIDES, before=Phases(phases=[(0, 128), ("50%", 160)]), final_size=224
        )
        old = schedule.plan(total_steps=100)
        new = schedule.plan(total_steps=400).never_below(old)
        assert [f"{a} {size}" for a, _, size in new.stages] == [
            "0 128x128", "50 128x128 to 224x224", "200 96x96 to 224x224",
        ]  # fmt: skip
        assert "never below" in new.summary()

    def test_an_ordinary_plan_after_size_at(self) -> None:
        """What a plan caches must not go into the plan that resumes it."""
        new = Ramp(final_size=224).plan(total_steps=1000)
        new.size_at(0)
        old = Ramp(final_size=224, start=0.1).plan(total_steps=1000)
        assert new.never_below(old).size_at(400) == old.size_at(400) > new.size_at(400)

    def test_of_other_draws(self) -> None:
        a = RandomSize(choices=((1, 1), (2, 2)), every=10, seed=0)
        with pytest.raises(ValueError, match="drawn differently"):
            elementwise_max(a, RandomSize(choices=((1, 1), (2, 2)), every=10, seed=1))
        b = RandomSize(choices=((3, 1), (1, 3)), every=10, seed=0)
        assert elementwise_max(a, b) == elementwise_max(b, a)
        assert elementwise_max(a, b).choices == ((3, 1), (2, 3))  # type: ignore[union-attr]
        assert elementwise_max(Size(1, 5), Size(2, 3)) == (2, 5)
        assert elementwise_max(Size(9, 9), a).choices == ((9, 9), (9, 9))  # type: ignore[union-attr]


class TestRoundTrips:
    SCHEDULE = MultiScale(
        sizes=(0.5, (96, 160), 1.0),
        every=3,
        seed=2**63,
        before=Ramp(initial_size=0.25, increase_by=32, multiple_of=32),
        start="8ep",
        finish=9,
        final_size=(192, 320),
        multiple_of=32,
    )

    @pytest.mark.parametrize("schedule", [SCHEDULE, ALONE])
    @pytest.mark.parametrize("suffix", [".json", ".yaml", ".toml"])
    def test_files(self, schedule: Any, suffix: str, tmp_path: Path) -> None:
        path = tmp_path / f"schedule{suffix}"
        fields = dump(schedule, path)
        assert load(path) == load(fields) == schedule

    def test_written_by_hand(self, tmp_path: Path) -> None:
        yaml = tmp_path / "a.yaml"
        yaml.write_text(
            "kind: multiscale\nsizes: {low: 480, high: 800, step: 32}\nfinish: 95%\n"
            "before: {kind: ramp, final_size: 640}\nfinal_size: 800\n"
        )
        assert load(yaml) == MultiScale(
            sizes=range(480, 801, 32), finish="95%", before=Ramp(final_size=640),
            final_size=800,
        )  # fmt: skip

    def test_plans(self) -> None:
        plan = self.SCHEDULE.plan(epochs=10, steps_per_epoch=20)
        for again in (
            Plan.model_validate_json(plan.model_dump_json()),
            Plan.model_validate(plan.model_dump(mode="json")),
            pickle.loads(pickle.dumps(plan)),
        ):
            assert again == plan
            assert isinstance(again.stages[-2], Stage)
            assert isinstance(again.stages[-2].size, RandomSize)
            assert widths(again, range(200)) == widths(plan, range(200))

    def test_stages_unpack(self) -> None:
        plan = self.SCHEDULE.plan(epochs=10, steps_per_epoch=20)
        assert [f"{a} {b} {size}" for a, b, size in plan.stages[-2:]] == [
            "160 180 96x160 to 192x320", "180 200 192x320",
        ]  # fmt: skip

    def test_other_plans_are_written_as_before(self) -> None:
        plan = Ramp(final_size=64, increase_by=32).plan(total_steps=4)
        stages = plan.model_dump(mode="json")["stages"]
        assert stages == [[0, 2, [32, 32]], [2, 4, [64, 64]]]


GOOD: dict[str, Any] = {"sizes": [96, 128, 224]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": []}, "must be a list of sizes"),
        ({"sizes": 224}, "must be a list of sizes"),
        ({"sizes": range(5, 5)}, "must be a list of sizes"),
        ({"sizes": {"low": 1}}, "low, high, step"),
        ({"sizes": {"low": 480, "high": 800, "step": 33}}, "up to exactly high"),
        ({"sizes": {"low": 800, "high": 480, "step": 32}}, "up to exactly high"),
        ({"sizes": {"low": 0, "high": 480, "step": 32}}, "low, high, step"),
        ({"sizes": [0, 224]}, "must be a share"),
        ({"sizes": [96, "128"]}, "must be a share"),
        ({"sizes": [96, 100], "multiple_of": 32}, "not a multiple of multiple_of"),
        ({"final_size": 192}, "larger than final_size"),
        ({"sizes": [(96, 128), (128, 96)]}, r"sizes has .*larger than final_size"),
        ({"sizes": [0.001, 1.0], "final_size": 64}, "leaves no pixel"),
        ({"before": Ramp(final_size=320), "final_size": 224}, "before grows to"),
        ({"before": ALONE}, "before"),
        ({"every": 0}, "every"),
        ({"seed": -1}, "from 0 to 2"),
        ({"seed": 2**64}, "from 0 to 2"),
        ({"seed": True}, "from 0 to 2"),
        ({"seed": 0.5}, "from 0 to 2"),
        ({"start": 0.8, "finish": 0.5}, "comes before start"),
        ({"start": -1}, "start"),
        ({"interval": 10}, "no field .interval."),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    assert MultiScale(**GOOD)
    with pytest.raises(ValidationError, match=message):
        MultiScale(**GOOD | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"start": 0.5, "before": Ramp()},
            "before the last resize of before, at step 75",
        ),
        ({"finish": 0.5, "before": Ramp()}, "before the draws begin, at step 75"),
        ({"start": "90st", "finish": 0.5}, "before the draws begin, at step 90"),
        ({"start": "3ep"}, "counts epochs"),
    ],
)
def test_what_does_not_fit_a_run(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiScale(**GOOD | {"final_size": 224} | change).plan(total_steps=100)


def test_no_final_size() -> None:
    with pytest.raises(
        ValueError, match="final_size is missing: give it to MultiScale"
    ):
        MultiScale(sizes=[0.5, 1.0]).plan(total_steps=10)
    with pytest.raises(ValueError, match="larger than final_size"):
        MultiScale(sizes=[0.5, 256]).plan(total_steps=10, final_size=224)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (
            [[0, 9, {"choices": [[32, 32], [96, 96]], "every": 1, "seed": 0}]],
            "not be larg",
        ),
        ([[0, 9, {"choices": [], "every": 1, "seed": 0}]], "choices"),
        ([[0, 9, {"choices": [[0, 1]], "every": 1, "seed": 0}]], "at least 1 pixel"),
        ([[0, 9, {"choices": [[1, 1]], "every": 0, "seed": 0}]], "every"),
        ([[0, 9, {"choices": [[1, 1]], "every": 1, "seed": -1}]], "seed"),
        (
            [
                [0, 3, [48, 48]],
                [3, 6, {"choices": [[16, 16], [64, 64]], "every": 1, "seed": 0}],
                [6, 9, [32, 32]],
            ],
            "never shrink, not 48x48 to 32x32",
        ),
    ],
)
def test_a_corrupt_plan_is_refused(stages: Any, message: str) -> None:
    fields = {
        "schedule": dump(ALONE),
        "description": "",
        "total_steps": 9,
        "final_size": [64, 64],
    }
    with pytest.raises(ValidationError, match=message):
        Plan.model_validate(fields | {"stages": stages})


@st.composite
def multiscales(draw: st.DrawFn) -> MultiScale:
    fields: dict[str, Any] = {
        "sizes": draw(st.lists(st.integers(1, 224), min_size=1, max_size=6)),
        "every": draw(st.integers(1, 40)),
        "seed": draw(st.integers(0, 2**64 - 1)),
        "final_size": 224,
        "start": draw(st.none() | st.integers(0, 100).map(lambda n: n / 100)),
        "finish": draw(st.none() | st.integers(0, 100).map(lambda n: n / 100)),
        "before": draw(
            st.none() | st.sampled_from([Ramp(), Linear(), Ramp(start=0.1)])
        ),
    }
    try:
        return MultiScale(**fields)
    except ValueError:
        assume(False)
        raise


@given(multiscales(), st.integers(1, 300), st.integers(1, 300))
def test_every_plan(schedule: MultiScale, total: int, other: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # full size never reached
        try:
            plan, fresh = (schedule.plan(total_steps=n) for n in (total, other))
        except ValueError:
            assume(False)
            raise
    drawn = {
        Size(side, side)
        for side in schedule.sizes  # type: ignore[arg-type]
    }
    for stage in plan.stages:
        assert stage.sizes == tuple(sorted(stage.sizes))
        assert sum(stage.weights.values()) == 1
        for step in range(stage.start, stage.stop):
            assert plan.size_at(step) in stage.sizes
            if isinstance(stage.size, RandomSize):
                assert plan.size_at(step) == stage.size.at(step)
                assert plan.size_at(step) in drawn
    seen = {plan.size_at(step) for step in range(plan.stages[-1].start, total)}
    assert plan.reaches_full_size == (plan.final_size in seen)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    assert 0 < plan.pixel_share <= 1
    new = fresh.never_below(plan)
    for step in range(other):
        assert new.size_at(step) == max(plan.size_at(step), fresh.size_at(step))


class TestYolox:
    def test_sizes(self) -> None:
        plan = presets.yolox().plan(total_steps=200_000)
        assert set(widths(plan, range(10))) == {640}
        assert plan.sizes[1:] == tuple(
            (32 * n, 32 * n) for n in range(15, 26) if n != 20
        )
        counts = Counter(widths(plan, range(10, 200_000, 10)))
        assert sorted(counts) == [32 * n for n in range(15, 26)]
        assert max(counts.values()) < 1.15 * min(counts.values())
        assert plan.final_size == (800, 800)

    def test_tiny(self) -> None:
        plan = presets.yolox(416, seed=3).plan(total_steps=1000)
        assert (min(plan.sizes), max(plan.sizes)) == ((256, 256), (576, 576))

    @pytest.mark.parametrize(("size", "reach"), [(630, 5), (160, 5), (64, 2)])
    def test_bad(self, size: int, reach: int) -> None:
        with pytest.raises(ValueError, match="input_size must be a multiple of 32"):
            presets.yolox(size, multiscale_range=reach)
