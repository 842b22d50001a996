from __future__ import annotations

import warnings
from collections import UserList
from fractions import Fraction

import pytest
from pydantic import ValidationError

from upsize.schedule import Grow, IncreaseMode, MultiScale, Phases, Plan, Ramp, Size

from_to = list[tuple[int, str]]


def starts(plan: Plan) -> from_to:
    return [(stage.start, str(stage.size)) for stage in plan.stages]


def test_defaults_are_the_reference_s() -> None:
    ramp = Ramp()
    assert (ramp.initial_size, ramp.start, ramp.finish) == (0.5, 0.5, 0.75)
    assert (ramp.increase_by, ramp.increase_mode) == (4, IncreaseMode.Batch)


def test_a_share_is_truncated_to_a_pixel_then_down_to_the_multiple() -> None:
    assert Ramp(initial_size=0.7).plan(total_steps=4, final_size=224).sizes[0] == (
        156,
        156,
    )
    ramp = Ramp(initial_size=0.7, multiple_of=32)
    assert ramp.plan(total_steps=4, final_size=224).sizes[0] == (128, 128)


def test_the_last_resize_is_a_short_one() -> None:
    plan = Ramp(initial_size=32, increase_by=10).plan(total_steps=100, final_size=65)
    assert starts(plan) == [
        (0, "32x32"), (50, "42x42"), (59, "52x52"), (67, "62x62"), (75, "65x65")
    ]  # fmt: skip
    assert "then +10 px every 8.33 steps, " in plan.summary()


def test_a_boundary_on_a_step_is_exact() -> None:
    # 0.3 + 4/5 (0.8 - 0.3) is 0.7 exactly, and 0.7000000000000001 in floats.
    ramp = Ramp(initial_size=0.5, start=0.3, finish=0.8, increase_by=8)
    plan = ramp.plan(epochs=10, steps_per_epoch=11, final_size=96)
    assert [stage.start for stage in plan.stages] == [0, 33, 44, 55, 66, 77, 88]


def test_one_resize_happens_at_start() -> None:
    plan = Ramp(increase_by=112, final_size=224).plan(total_steps=100)
    assert starts(plan) == [(0, "112x112"), (50, "224x224")]
    assert plan.summary() == "112x112 until step 50, then 224x224"


def test_crowded_resizes_jump_to_what_is_due() -> None:
    plan = Ramp(final_size=224).plan(total_steps=4)
    assert starts(plan) == [(0, "112x112"), (2, "116x116"), (3, "224x224")]


def test_full_size_from_the_start() -> None:
    plan = Ramp(initial_size=1.0, final_size=64).plan(total_steps=10)
    assert starts(plan) == [(0, "64x64")]
    assert plan.summary() == "64x64 from the start"


@pytest.mark.parametrize("start", [100, "100st", "50%", "1/2", 0.5, "10ep", "10.0 ep"])
def test_moments(start: float | str) -> None:
    # 20 epochs of 10 steps: epoch 10, step 100 and one half are the same moment.
    if start == 100:
        start = 10
    ramp = Ramp(start=start, finish="3/4", increase_by=28, final_size=224)
    plan = ramp.plan(epochs=20, steps_per_epoch=10)
    assert [stage.start for stage in plan.stages] == [0, 100, 117, 134, 150]


def test_moments_of_numpy_and_fractions() -> None:
    np = pytest.importorskip("numpy", reason="the core session has no NumPy")
    ramp = Ramp(start=np.int64(2), finish=np.float64(0.75), increase_by=np.int32(8))
    assert ramp == Ramp(start=2, finish=0.75, increase_by=8)
    assert repr(Ramp(max_sizes=np.int64(3))) == "Ramp(max_sizes=3)"
    assert repr(ramp.finish) == "0.75"
    assert Ramp(initial_size=np.int64(32), final_size=np.int64(64)).final_size == 64


def test_a_fraction_is_an_exact_share() -> None:
    assert Ramp(start=Fraction(1, 3)).start == "1/3"  # type: ignore[arg-type]


def test_an_epoch_and_a_share_need_not_be_comparable_before_the_plan() -> None:
    ramp = Ramp(start=15, finish=0.75, final_size=224)
    assert ramp.plan(epochs=20, steps_per_epoch=10).stages[-1].start == 150
    with pytest.raises(ValueError, match=r"finish=0.75 comes before start=15 in a run"):
        ramp.plan(epochs=10, steps_per_epoch=10)


def test_epochs_need_their_length() -> None:
    with pytest.raises(ValueError, match=r"start=10 counts epochs.*steps_per_epoch"):
        Ramp(start=10, finish="3/4", final_size=224).plan(total_steps=100)
    with pytest.raises(ValueError, match=r'increase_mode="epoch" counts epochs'):
        Ramp(increase_mode="epoch", final_size=224).plan(total_steps=100)


class TestEpochMode:
    def test_the_increment_grows_until_it_divides(self) -> None:
        ramp = Ramp(increase_mode="epoch", increase_by=6)
        plan = ramp.plan(epochs=20, steps_per_epoch=3, final_size=64)
        assert [stage.size.height for stage in plan.stages] == [32, 40, 48, 56, 64]

    def test_else_increments_are_as_equal_as_integers_allow(self) -> None:
        ramp = Ramp(initial_size=63, increase_mode="epoch")
        plan = ramp.plan(epochs=20, steps_per_epoch=3, final_size=126)
        assert [stage.size.height for stage in plan.stages] == [
            63,
            75,
            88,
            100,
            113,
            126,
        ]
        assert "then +12 to 13 px every epoch, " in plan.summary()

    def test_no_epoch_between_start_and_finish_is_one_jump(self) -> None:
        ramp = Ramp(increase_mode="epoch", start=0.5, finish=0.5, final_size=64)
        plan = ramp.plan(epochs=8, steps_per_epoch=3)
        assert starts(plan) == [(0, "32x32"), (12, "64x64")]
        assert ", then 64x64" in plan.summary()

    def test_a_run_may_end_within_an_epoch(self) -> None:
        ramp = Ramp(increase_mode="epoch", start=1, finish=2, final_size=64)
        plan = ramp.plan(total_steps=25, steps_per_epoch=10)
        assert (plan.epochs, starts(plan)) == (2.5, [(0, "32x32"), (20, "64x64")])


class TestNonSquare:
    def test_the_other_side_follows_the_aspect_ratio(self) -> None:
        plan = Ramp(final_size=(224, 320), increase_by=40).plan(total_steps=100)
        assert [str(size) for size in plan.sizes] == [
            "112x160", "140x200", "168x240", "196x280", "224x320"
        ]  # fmt: skip

    def test_each_side_has_its_multiple(self) -> None:
        ramp = Ramp(final_size=(96, 320), multiple_of=(16, 32), increase_by=32)
        plan = ramp.plan(total_steps=1000)
        assert plan.sizes[0] == (48, 160)
        assert all(h % 16 == 0 and w % 32 == 0 for h, w in plan.sizes)
        assert plan.sizes[-1] == (96, 320)

    def test_an_initial_tuple(self) -> None:
        ramp = Ramp(initial_size=(112, 160), final_size=(224, 320), increase_by=160)
        assert ramp.plan(total_steps=9).sizes == ((112, 160), (224, 320))

    def test_an_int_is_the_longer_side(self) -> None:
        plan = Ramp(initial_size=160, final_size=(320, 224)).plan(total_steps=100)
        assert plan.sizes[0] == (160, 112)

    def test_an_initial_tuple_of_another_aspect_ratio_is_refused(self) -> None:
        with pytest.raises(ValidationError, match=r"use \(112, 160\)"):
            Ramp(initial_size=(160, 160), final_size=(224, 320))


class TestMultiples:
    def test_sizes_are_rounded_down_and_equal_neighbours_merge(self) -> None:
        plan = Ramp(multiple_of=32, final_size=224).plan(total_steps=1000)
        assert [size.height for size in plan.sizes] == [96, 128, 160, 192, 224]
        assert "+32 px every" in plan.summary()

    def test_the_ramp_starts_from_the_rounded_size(self) -> None:
        ramp = Ramp(multiple_of=32, increase_by=32, start=0, finish=1.0, final_size=160)
        with pytest.warns(UserWarning, match="never reached"):
            plan = ramp.plan(total_steps=100)
        assert starts(plan) == [(0, "96x96"), (50, "128x128")]


class TestMaxSizes:
    @pytest.mark.parametrize("most", [2, 3, 5, 8, 28, 29, 100])
    @pytest.mark.parametrize("mode", ["batch", "epoch"])
    @pytest.mark.parametrize("multiple", [1, 16])
    def test_holds(self, most: int, mode: str, multiple: int) -> None:
        ramp = Ramp(max_sizes=most, increase_mode=mode, multiple_of=multiple)
        plan = ramp.plan(epochs=200, steps_per_epoch=10, final_size=224)
        assert 2 <= len(plan.sizes) <= most
        assert plan.sizes[0] == (112, 112)
        assert plan.sizes[-1] == (224, 224)

    def test_raises_the_increment_no_more_than_it_must(self) -> None:
        plan = Ramp(max_sizes=5, final_size=224).plan(total_steps=1000)
        assert [size.height for size in plan.sizes] == [112, 140, 168, 196, 224]
        free = Ramp(max_sizes=29, final_size=224).plan(total_steps=1000)
        assert free.stages == Ramp(final_size=224).plan(total_steps=1000).stages


@pytest.mark.parametrize("finish", [1.0, "100%", 20, 25, "200st"])
def test_full_size_never_reached_is_warned_about(finish: float | str) -> None:
    ramp = Ramp(start=0.5, finish=finish, final_size=224, increase_by=56)
    with pytest.warns(
        UserWarning, match=r"full size 224x224 is never reached"
    ) as caught:
        plan = ramp.plan(epochs=20, steps_per_epoch=10)
    assert caught[0].filename == __file__
    assert plan.stages[-1].size < plan.final_size


def test_a_plan_that_reaches_full_size_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Ramp(start=0.5, finish=0.995, final_size=224).plan(total_steps=1000)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("initial_size", 0, "share of final_size"),
        ("initial_size", 0.0, r"in \(0, 1\]"),
        ("initial_size", -0.5, r"in \(0, 1\]"),
        ("initial_size", 1.5, r"in \(0, 1\]"),
        ("initial_size", NAN, r"in \(0, 1\]"),
        ("initial_size", -32, "longer side as an int"),
        ("initial_size", True, "longer side as an int"),
        ("initial_size", "half", "share of final_size"),
        ("initial_size", (112,), r"\(height, width\)"),
        ("initial_size", (112, 0), r"\(height, width\)"),
        ("initial_size", (112, 1.5), r"\(height, width\)"),
        ("final_size", 0, "at least 1"),
        ("final_size", -224, "at least 1"),
        ("final_size", 224.5, "whole number"),
        ("final_size", "224", "whole number"),
        ("final_size", (224, 224, 3), r"\(height, width\)"),
        ("start", NAN, "share of training"),
        ("start", INF, "share of training"),
        ("start", -0.1, "share of training"),
        ("start", -1, "epoch counted from 0"),
        ("start", True, "share of training"),
        ("start", None, "share of training"),
        ("start", 2.0, "at most 1.0 .*not 2.0; an epoch is an int"),
        ("start", "200%", "at most 1.0 .*not '200%'"),
        ("finish", "120%", "at most 1.0"),
        ("finish", "5/4", "at most 1.0"),
        ("finish", "3 days", '"10ep", "500st", "50%"'),
        ("finish", "0.5", '"10ep", "500st", "50%"'),
        ("finish", "1.5st", '"10ep", "500st", "50%"'),
        ("finish", "1/0", '"10ep", "500st", "50%"'),
        ("finish", "-5ep", '"10ep", "500st", "50%"'),
        ("increase_by", 0, "at least 1"),
        ("increase_by", -4, "at least 1"),
        ("increase_by", 4.0, "whole number"),
        ("increase_by", True, "whole number"),
        ("increase_mode", "step", "must be 'batch' or 'epoch', not 'step'"),
        ("increase_mode", "bacth", "not 'bacth'; did you mean 'batch'?"),
        ("increase_mode", None, "must be 'batch' or 'epoch', not None"),
        ("increase_mode", ["epoch"], "must be 'batch' or 'epoch', not"),
        ("multiple_of", 0, "at least 1"),
        ("multiple_of", (32,), r"\(height, width\)"),
        ("max_sizes", 1, "at least 2"),
        ("max_sizes", 2.0, "at least 2"),
        ("kind", "cosine", "'ramp'"),
        ("resize_mode", "bilinear", "no field .*increase_mode"),
    ],
)
def test_bad_fields_name_field_value_and_what_is_allowed(
    field: str, value: object, allowed: str
) -> None:
    with pytest.raises(ValidationError, match=allowed) as caught:
        Ramp(**{field: value})  # type: ignore[arg-type]
    text = str(caught.value)
    assert field in text
    assert caught.value.error_count() == 1
    assert repr(value) in text or "Input should be" in text or "no field" in text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"start": 0.8, "finish": 0.5}, r"finish=0.5 comes before start=0.8"),
        ({"start": 3, "finish": 2}, r"finish=2 comes before start=3"),
        ({"start": "9ep", "finish": 2}, r"finish=2 comes before start='9ep'"),
        ({"initial_size": 256, "final_size": 224}, "is larger than final_size"),
        ({"initial_size": (256, 256), "final_size": 224}, "is larger than final_size"),
        ({"final_size": 225, "multiple_of": 32}, r"use \(224, 224\) or \(256, 256\)"),
        ({"final_size": 224, "multiple_of": 500}, r": use \(500, 500\)"),
        ({"final_size": (64, 224), "multiple_of": 96}, r": use \(96, 288\)"),
        ({"initial_size": 100, "final_size": 224, "multiple_of": 32}, "not a multiple"),
        (
            {"initial_size": (100, 100), "final_size": 224, "multiple_of": 32},
            "multiple",
        ),
        (
            {"initial_size": 0.1, "final_size": 224, "multiple_of": 32},
            "leaves no pixel",
        ),
        ({"initial_size": 0.1, "final_size": (2, 224)}, "leaves no pixel"),
    ],
)
def test_fields_that_do_not_fit_each_other(
    fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Ramp(**fields)  # type: ignore[arg-type]


def test_what_does_not_fit_a_size_given_later_is_refused_by_plan() -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        Ramp(multiple_of=32).plan(total_steps=10, final_size=225)


def test_it_is_frozen_and_comparable_and_hashable() -> None:
    ramp = Ramp(final_size=224)
    with pytest.raises(ValidationError, match="frozen"):
        ramp.final_size = 256  # type: ignore[misc]
    assert ramp == Ramp(final_size=224)
    assert hash(ramp) == hash(Ramp(final_size=224))
    assert ramp != Ramp(final_size=256)


def test_a_field_without_its_name_is_refused_with_how_to_write_it() -> None:
    with pytest.raises(
        TypeError, match=r"write Ramp\(final_size=224\), not Ramp\(224\)"
    ):
        Ramp(224)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("finalsize", "final_size"),
        ("increase_mod", "increase_mode"),
        ("max_size", "max_sizes"),
        ("cosine", None),
        ("x" * 10_000, None),
    ],
)
def test_a_misspelt_field_is_refused_with_the_one_that_is_meant(
    field: str, meant: str | None
) -> None:
    with pytest.raises(ValidationError, match="Ramp has no field") as caught:
        Ramp(**{field: 1})
    text = str(caught.value)
    assert ("did you mean" in text) == (meant is not None)
    assert f"did you mean {meant}? Its fields are initial_size," in text or not meant
    assert len(text) < 1000


def test_lists_of_a_library_are_lists() -> None:
    """OmegaConf's, as Hydra passes them, are sequences of their own."""
    size, first = UserList([64, 96]), UserList([32, 48])
    assert Ramp(final_size=size, initial_size=first) == Ramp(  # type: ignore[arg-type]
        final_size=(64, 96), initial_size=(32, 48)
    )
    phases = UserList([UserList([0, 64]), UserList([0.5, UserList([96, 128])])])
    assert Phases(phases=phases) == Phases(phases=[(0, 64), (0.5, (96, 128))])
    sizes = UserList([64, UserList([96, 96])])
    assert MultiScale(sizes=sizes) == MultiScale(sizes=[64, (96, 96)])
    limit = UserList([UserList([UserList([64, 64]), 256])])
    assert Grow(limit) == Grow({64: 256})  # type: ignore[arg-type]
    assert Ramp().plan(total_steps=9, final_size=size).final_size == Size(64, 96)  # type: ignore[arg-type]


def test_a_schedule_is_one_already() -> None:
    schedule = Ramp(final_size=64)
    assert Ramp.model_validate(schedule) is schedule


def test_other_data_is_refused() -> None:
    with pytest.raises(ValidationError, match="valid dictionary or instance of Ramp"):
        Ramp.model_validate([224])
