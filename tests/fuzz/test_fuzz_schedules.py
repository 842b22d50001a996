"""Random schedules, lengths and files: nothing but our own errors, and no hang."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from upsize.schedule import Linear, MultiScale, Phases, Plan, Ramp, Size, dump, load

FOREIGN = ("Exceeds the limit", "unpack", "arg is an empty", "codec can't")


def ours(act: Callable[[], Any]) -> Any:
    """Return what ``act`` does, ``None`` for a refusal in our words; anything else fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            result = act()
    except ValueError as error:
        text = str(error)
        assert not any(words in text for words in FOREIGN), text
        result = None
    return result


integers = st.one_of(
    st.integers(-2, 400), st.integers(60_000, 70_000), st.integers(),
    st.integers(9, 5000).map(lambda n: 10**n),
)  # fmt: skip
floats = st.one_of(st.floats(0, 1), st.floats())
texts = st.one_of(
    st.text(max_size=20),
    st.builds("{}{}".format, integers.filter(lambda n: n < 10**99),
              st.sampled_from(["ep", "st", "%", "/3", ""])),
    st.fractions(0).map(str),
)  # fmt: skip
leaves = st.one_of(st.none(), st.booleans(), integers, floats, texts)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=5), inner, max_size=4),
    ),
    max_leaves=20,
)  # fmt: skip
pixels = st.one_of(st.integers(1, 512), floats, st.tuples(integers, integers), values)
moments = st.one_of(st.floats(0, 1.5), st.integers(0, 50), texts, values)
NAMES = sorted(
    {name for kind in (Ramp, Linear, Phases, MultiScale) for name in kind.model_fields}
)
growing = st.fixed_dictionaries(
    {"kind": st.sampled_from(["ramp", "linear"])},
    optional={
        "initial_size": pixels, "final_size": pixels, "start": moments,
        "finish": moments, "multiple_of": pixels, "increase_mode": st.just("epoch"),
    },
)  # fmt: skip
phases = st.fixed_dictionaries(
    {"kind": st.just("phases"),
     "phases": st.lists(st.tuples(moments, pixels), max_size=5) | values},
    optional={"final_size": pixels, "multiple_of": pixels},
)  # fmt: skip
ranges = st.fixed_dictionaries({"low": integers, "high": integers, "step": integers})
multiscale = st.fixed_dictionaries(
    {"kind": st.just("multiscale"), "sizes": st.lists(pixels, max_size=5) | ranges | values},
    optional={
        "every": integers, "seed": integers, "before": growing | phases | values,
        "start": moments, "finish": moments, "final_size": pixels,
    },
)  # fmt: skip
anything = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), values)
fields = st.one_of(growing, phases, multiscale, anything)
lengths = st.fixed_dictionaries(
    {},
    optional={"epochs": integers, "steps_per_epoch": integers, "total_steps": integers},
)


def check(plan: Plan, total: int) -> None:
    """Check what holds for every plan."""
    assert plan.stages[0].start == 0
    assert plan.stages[-1].stop == plan.total_steps == total
    last = Size(0, 0)
    for start, stop, size in plan.stages:
        assert start < stop
        assert max(plan.size_at(start)) <= max(plan.final_size)
        if isinstance(size, Size):
            assert last.height <= size.height
            assert last.width <= size.width
            last = size
    assert 0 < plan.pixel_share <= 1
    assert str(plan)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


@given(fields, lengths, st.none() | pixels)
def test_schedules_and_plans(given_fields: Any, length: Any, final: Any) -> None:
    schedule = ours(lambda: load(given_fields))
    if schedule is None:
        return
    assert load(json.loads(json.dumps(dump(schedule)))) == schedule
    plan = ours(lambda: schedule.plan(**length, final_size=final))
    if plan is not None:
        total = length.get("total_steps") or math.prod(length.values())
        check(plan, total)


runs = st.tuples(st.integers(1, 30), st.integers(1, 60))


@given(growing | multiscale, runs, runs)
def test_plans_that_resume(given_fields: Any, first: Any, second: Any) -> None:
    schedule = ours(lambda: load(given_fields))
    if schedule is None:
        return
    full = schedule.full_size() or (64, 96)
    plans = [
        ours(
            lambda epochs=epochs, steps=steps: schedule.plan(
                epochs=epochs, steps_per_epoch=steps, final_size=full
            )
        )
        for epochs, steps in (first, second)
    ]
    if None in plans:
        return
    saved, mine = plans
    new = mine.never_below(saved)
    check(new, mine.total_steps)
    for step in range(mine.total_steps):
        at = step * saved.steps_per_epoch // mine.steps_per_epoch
        if all(isinstance(s.size, Size) for s in (*saved.stages, *mine.stages)):
            a, b = saved.size_at(at), mine.size_at(step)
            assert new.size_at(step) == tuple(map(max, a, b))


plain = st.one_of(fields, values)
tokens = st.text(
    st.sampled_from(
        "[]{}:,-?&*!|>%@`\"'#=. \n\t0123456789kindrampstart_\\ux\ud83d\x00é"
    )
)


def written(write: Callable[[Any], str], value: Any) -> bytes:
    try:
        return write(value).encode("utf-8", "replace")
    except (ValueError, yaml.YAMLError):  # a number that Python does not write out
        return b""


contents = st.one_of(
    st.binary(), tokens.map(lambda text: text.encode("utf-8", "surrogatepass")),
    plain.map(partial(written, yaml.safe_dump)),
    plain.map(partial(written, json.dumps)),
    st.integers(1, 70_000).flatmap(
        lambda n: st.sampled_from([b"[", b"{", b"- ", b"a: ", b'{"a":', b"a.", b"? "])
        .map(lambda part: part * (n // len(part)))
    ),
)  # fmt: skip
suffixes = st.sampled_from([".json", ".yaml", ".toml"])


@given(contents, suffixes, suffixes)
def test_files(data: bytes, suffix: str, other: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        path.write_bytes(data)
        schedule = ours(lambda: load(path))
        assert [each.name for each in Path(folder).iterdir()] == [path.name]
        if schedule is not None:
            copy = Path(folder, f"b{other}")
            dump(schedule, copy)
            assert load(copy) == schedule
