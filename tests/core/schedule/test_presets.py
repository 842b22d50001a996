"""Each preset against its system's own arithmetic, written out here in floats.

Equal at every step, but where the oracle's floats round an exact tie the other way:
those steps are counted and each is checked to be such a tie.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

import pytest

from upsize.schedule import IncreaseMode, Plan, Ramp, presets

LENGTHS = [1, 7, 100, 147, 1000, 4096]


def composer_size(
    step: int,
    total: int,
    width: int,
    scale: float,
    delay: float,
    finetune: float,
    m: int,
) -> int:
    """Composer's `apply`: elapsed share, scale, pinned width."""
    elapsed = step / total
    done = 0.0
    if elapsed >= delay:
        done = min((elapsed - delay) / (1 - finetune - delay), 1)
    return round(width * (scale + (1 - scale) * done) / m) * m


# Steps at which Composer's floats fall just beside an exact half, which we round to the
# even multiple: (recipe, width, total) -> steps. Everywhere else sizes are equal.
COMPOSER_TIES = {
    ((0.5, 0.4, 0.2, 4), 160, 100): [47, 59],
    ((0.5, 0.4, 0.2, 4), 160, 1000): [470, 590],
    ((0.5, 0.4, 0.2, 4), 320, 1000): [415, 495, 575, 595, 615],
    ((0.6, 0.2, 0.2, 4), 160, 4096): [1664],
    ((0.6, 0.2, 0.2, 4), 320, 4096): [1088, 1856],
}


@pytest.mark.filterwarnings("ignore:the full size:UserWarning")  # runs of 1 and 7 steps
@pytest.mark.parametrize("width", [96, 160, 192, 224, 320])
@pytest.mark.parametrize(
    "recipe",
    [
        (0.5, 0.5, 0.2, 4),
        (0.5, 0.4, 0.2, 4),
        (0.6, 0.2, 0.2, 4),
        (0.57, 0.1, 0.3, 8),
        (0.25, 0.0, 0.0, 32),
    ],
)
def test_composer(recipe: tuple[float, float, float, int], width: int) -> None:
    scale, delay, finetune, m = recipe
    i, d, f = (Fraction(str(value)) for value in (scale, delay, finetune))
    for total in LENGTHS:
        plan = presets.composer(*recipe, final_size=width).plan(total_steps=total)
        differing = []
        for step in range(total):
            ours = plan.size_at(step).height
            if ours != composer_size(step, total, width, *recipe):
                done = (Fraction(step, total) - d) / (1 - f - d)
                exact = width * (i + (1 - i) * done) / m
                assert exact % 1 == Fraction(1, 2)
                assert ours == round(exact) * m
                differing.append(step)
        assert differing == COMPOSER_TIES.get((recipe, width, total), [])


def test_a_misspelt_mode_of_composer() -> None:
    with pytest.raises(ValueError, match="not 'epcoh'; did you mean 'epoch'"):
        presets.composer(increase_mode="epcoh")  # type: ignore[arg-type]


def test_composer_s_duration_in_epochs_changes_by_epoch() -> None:
    schedule = presets.composer(final_size=224, increase_mode="epoch")
    plan = schedule.plan(epochs=20, steps_per_epoch=7)
    for step in range(140):
        assert plan.size_at(step).height == composer_size(
            step // 7, 20, 224, 0.5, 0.5, 0.2, 4
        )


def test_composer_refuses_a_size_that_is_no_multiple() -> None:
    # Composer itself ends at 224 of 225 pixels.
    assert composer_size(99, 100, 225, 0.5, 0.5, 0.2, 4) == 224
    with pytest.raises(ValueError, match=r"use \(224, 224\) or \(228, 228\)"):
        presets.composer(final_size=225)
    with pytest.raises(ValueError, match="not a multiple"):
        presets.composer().plan(total_steps=10, final_size=225)


@pytest.mark.parametrize(
    ("recipe", "scale", "delay", "saved"),
    [("mild", 0.5, 0.4, 0.467), ("medium", 0.5, 0.4, 0.467), ("hot", 0.6, 0.2, 0.338)],
)
def test_mosaic(recipe: str, scale: float, delay: float, saved: float) -> None:
    plan = presets.mosaic(recipe).plan(total_steps=1001)  # type: ignore[arg-type]
    for step in range(1001):
        theirs = composer_size(step, 1001, 176, scale, delay, 0.2, 4)
        assert plan.size_at(step).height == theirs
    assert 1 - plan.pixel_share == pytest.approx(saved, abs=2e-3)


def ffcv_size(epoch: int, start: int, end: int, low: int, high: int) -> int:
    """FFCV's `get_resolution`; np.interp between two points, np.round is half-even."""
    if epoch <= start:
        return low
    if epoch >= end:
        return high
    return round((low + (high - low) * (epoch - start) / (end - start)) / 32) * 32


@pytest.mark.parametrize(
    ("epochs", "start", "end"),
    [
        (16, 11, 13),
        (24, 17, 20),
        (32, 23, 27),
        (40, 29, 34),
        (56, 41, 48),
        (88, 65, 76),
    ],
)
@pytest.mark.parametrize("steps_per_epoch", [1, 5, 100])
def test_ffcv(epochs: int, start: int, end: int, steps_per_epoch: int) -> None:
    plan = presets.ffcv(epochs).plan(epochs=epochs, steps_per_epoch=steps_per_epoch)
    for step in range(plan.total_steps):
        theirs = ffcv_size(step // steps_per_epoch, start, end, 160, 192)
        assert plan.size_at(step).height == theirs


@pytest.mark.parametrize(
    ("low", "high"), [(64, 224), (96, 256), (160, 192), (128, 128)]
)
@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 7), (3, 3), (2, 9), (5, 6)])
def test_ffcv_s_own_ramp(low: int, high: int, start: int, end: int) -> None:
    schedule = presets.ffcv(min_res=low, max_res=high, start_ramp=start, end_ramp=end)
    plan = schedule.plan(epochs=12, steps_per_epoch=3)
    for epoch in range(12):
        theirs = ffcv_size(epoch, start, end, low, high)
        assert (
            plan.size_at(3 * epoch).height
            == plan.size_at(3 * epoch + 2).height
            == theirs
        )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "the ramp is missing"),
        ({"start_ramp": 3}, "the ramp is missing"),
        ({"epochs": 17}, r"epochs must be one of \[16, 24, 32, 40, 56, 88\], not 17"),
        ({"epochs": 16, "start_ramp": 3}, "already sets the ramp"),
        ({"start_ramp": 9, "end_ramp": 3}, "comes before"),
        ({"epochs": 16, "max_res": 200}, "not a multiple"),
    ],
)
def test_ffcv_refuses(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        presets.ffcv(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("variant", "w"), [("s", 300), ("m", 384), ("l", 384), ("b0", 192)]
)
@pytest.mark.parametrize("other", [None, 128, 129, 224, 600])
def test_efficientnetv2(variant: str, w: int, other: int | None) -> None:
    schedule = presets.efficientnetv2(variant, final_size=other)  # type: ignore[arg-type]
    for total in (4, 100, 1001):
        plan = schedule.plan(total_steps=total)
        for step in range(total):
            k = 4 * step // total
            assert plan.size_at(step).height == int(
                128 + ((other or w) - 128) * (k + 1) / 4
            )


@pytest.mark.parametrize(
    ("machines", "phases", "epochs"),
    [
        (1, {0: 128, 14: 224, 32: 288}, 35),
        (4, {0: 128, 13: 224, 28: 288}, 30),
        (8, {0: 128, 14: 224, 29: 288}, 35),
        (16, {0: 128, 16: 224, 37: 288}, 50),
    ],
)
@pytest.mark.parametrize("steps_per_epoch", [1, 77])
def test_dawnbench(
    machines: int, phases: dict[int, int], epochs: int, steps_per_epoch: int
) -> None:
    plan = presets.dawnbench(machines).plan(  # type: ignore[arg-type]
        epochs=epochs, steps_per_epoch=steps_per_epoch
    )
    for step in range(plan.total_steps):
        begun = max(epoch for epoch in phases if epoch <= step // steps_per_epoch)
        assert plan.size_at(step).height == phases[begun]


@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ("deit", [96] * 2 + [160] * 4 + [192] * 2 + [224] * 2),
        ("swin", [96] * 2 + [160] * 4 + [224] * 4),
    ],
)
@pytest.mark.parametrize("total", [24, 997, 10_000])
def test_efficienttrain(model: str, sizes: list[int], total: int) -> None:
    plan = presets.efficienttrain(model).plan(total_steps=total)  # type: ignore[arg-type]
    lengths = [Fraction(224 * 224, side * side) for side in sizes]
    whole = sum(lengths)
    for step in range(total):
        done, at = Fraction(0), 0
        while done + lengths[at] <= Fraction(step, total) * whole:
            done += lengths[at]
            at += 1
        assert plan.size_at(step).height == sizes[at]
    if total == 10_000:  # every stage costs the same compute
        spent = dict.fromkeys(sizes, 0.0)
        for stage in plan.stages:
            spent[stage.size.height] += (
                stage.stop - stage.start
            ) * stage.size.height**2
        per_stage = [spent[side] / sizes.count(side) for side in spent]
        assert max(per_stage) / min(per_stage) < 1.002


@pytest.mark.parametrize("w", [96, 128, 160, 192, 224, 256, 288, 384, 512])
@pytest.mark.parametrize("epochs", [4, 5, 99, 100])
def test_autoprog(w: int, epochs: int) -> None:
    plan = presets.autoprog(w).plan(epochs=epochs, steps_per_epoch=3)
    sizes = []
    for k in range(4):  # make_divisible(v, 32) with its round limit of 0.9
        if (w, k) == (288, 2):
            # 5/6 of 288 is 240, an exact half; in floats it is a little less.
            sizes.append(256)
            continue
        v = (0.5 + 0.5 * k / 3) * w
        new = max(32, int(v + 16) // 32 * 32)
        sizes.append(new + 32 if new < 0.9 * v else new)
    begins = [math.floor(k * epochs / 4) for k in range(4)]
    for step in range(plan.total_steps):
        k = max(k for k in range(4) if begins[k] <= step // 3)
        assert plan.size_at(step).height == sizes[k]


@pytest.mark.parametrize("epochs", [4, 99, 200])
def test_fastdinov2(epochs: int) -> None:
    plan = presets.fastdinov2().plan(epochs=epochs, steps_per_epoch=4)
    assert [str(size) for size in plan.sizes] == ["112x112", "224x224"]
    assert plan.stages[0].stop == 3 * epochs  # of 4 epochs


@pytest.mark.parametrize("initial", [70, 84])
def test_clipa(initial: Literal[70, 84]) -> None:
    samples = {initial: 12_811_670_000, 224: 524_288_000, 336: 131_072_000}
    for final in (224, 336):
        steps = 100_000
        plan = presets.clipa(initial, final_size=final).plan(total_steps=steps)
        stages = [plan.stages[n] for n in range(len(plan.stages))]
        assert [stage.size.height for stage in stages] == sorted(
            size for size in samples if size <= final
        )
        total = sum(count for size, count in samples.items() if size <= final)
        for start, stop, size in stages:
            share = samples[size.height] / total
            assert stop - start == pytest.approx(share * steps, abs=1)


def test_fastxtend_is_a_ramp() -> None:
    assert presets.fastxtend() == Ramp()
    epoch = presets.fastxtend(increase_mode="epoch", final_size=224)
    assert epoch.increase_mode is IncreaseMode.Epoch
    plan: Plan = epoch.plan(epochs=20, steps_per_epoch=147)
    assert 1 - plan.pixel_share == pytest.approx(0.514, abs=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: presets.mosaic("spicy"), r"recipe must be one of .* not 'spicy'"),
        (lambda: presets.efficientnetv2("xl"), "variant must be one of"),
        (lambda: presets.efficientnetv2(final_size=100), "at least 128, not 100"),
        (lambda: presets.efficientnetv2(final_size=0), "^final_size must .* least 1"),
        (lambda: presets.fastdinov2("225"), "^final_size must .* not '225'"),
        (lambda: presets.autoprog(None), "^final_size must .* not None"),
        (lambda: presets.yolox(640.5), "^input_size must .* not 640.5"),
        (lambda: presets.yolox(multiscale_range=0), "^multiscale_range must .* not 0"),
        (lambda: presets.mosaic(["hot"]), r"recipe must be one of .* not \['hot'\]"),
        (
            lambda: presets.dawnbench(2),
            r"machines must be one of \[1, 4, 8, 16\], not 2",
        ),
        (lambda: presets.efficienttrain("vit"), "model must be one of"),
        (lambda: presets.autoprog(225), "not a multiple"),
        (lambda: presets.fastdinov2(225), "multiple"),
        (
            lambda: presets.clipa(112),
            r"initial_size must be one of \[70, 84\], not 112",
        ),
        (
            lambda: presets.clipa(final_size=225),
            r"final_size must be one of \[224, 336\]",
        ),
        (lambda: presets.composer(0), "initial_scale must be a share in .0, 1., not 0"),
        (lambda: presets.composer(0.5, 0.9, 0.2), "0.9 and .*0.2 leave no time"),
        (lambda: presets.composer(delay_fraction=-1), "delay_fraction must .* not -1"),
        (lambda: presets.composer(0.5, 0.5, 1.5), "finetune_fraction must .* not 1.5"),
        (lambda: presets.composer(0.5, 0.5, None), "finetune_fraction .* not None"),
        (lambda: presets.composer(0.5, float("nan")), "delay_fraction .* not nan"),
    ],
)
def test_unknown_options_are_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
