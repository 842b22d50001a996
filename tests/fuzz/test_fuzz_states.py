"""Random changes of a saved state: refused and nothing changed, or a run that ends at full size."""

from __future__ import annotations

import copy
import json
import warnings
from contextlib import suppress
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from upsize.loop import ProgressiveResize
from upsize.schedule import Linear, MultiScale, Phases, Ramp, Schedule, Size

SCHEDULES: list[Schedule] = [
    Ramp(final_size=64, increase_by=8),
    Linear(final_size=(48, 64)),
    Phases(phases=[(0, 32), (0.5, 64)]),
    MultiScale(sizes=[32, 48], finish=0.75, before=Ramp(final_size=64, increase_by=16)),
]
LENGTHS: list[dict[str, Any]] = [
    {"epochs": 4, "steps_per_epoch": 9},
    {"epochs": 4, "steps_per_epoch": 9, "accumulate": 2},
    {"epochs": 3, "steps_per_epoch": 16},
    {"total_steps": 40},
    {"total_steps": 24, "accumulate": 3},
]

# How a refusal begins.
OURS = ("this is not a state_dict() of upsize", "the state", "the saved run")

integers = st.one_of(
    st.integers(-2, 70), st.integers(), st.integers(9, 5000).map(lambda n: 10**n)
)


def nested(depth: int, *, pairs: bool) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = {"a": value} if pairs else [value]
    return value


leaves = st.one_of(
    st.none(), st.booleans(), integers, st.floats(), st.text(max_size=9),
    st.binary(max_size=3), st.just(object()),
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | integers, inner, max_size=4)
    ),
    max_leaves=8,
)


def places(state: Any) -> list[tuple[Any, Any]]:
    """List every container of a state with each of its keys."""
    found: list[tuple[Any, Any]] = []
    if isinstance(state, dict | list):
        keys = list(state) if isinstance(state, dict) else list(range(len(state)))
        for key in keys:
            found += [(state, key), *places(state[key])]
    return found


def retyped(value: Any) -> list[Any]:
    """List what is like a value, and of another type or another size."""
    alike: list[Any] = [[value], {"a": value}]
    with suppress(ValueError):  # a number that Python does not write out
        alike.append(str(value))
    if isinstance(value, int):
        alike += [value + 1, value - 1, value * 10**9, bool(value)]
        with suppress(OverflowError):
            alike.append(float(value))
    if isinstance(value, list):
        alike += [value[::-1], value * 2, value[:-1], tuple(value)]
    return alike


def change(draw: st.DrawFn, state: dict[str, Any]) -> None:
    """Drop, replace, retype or add one value, at any depth."""
    holder, key = draw(st.sampled_from(places(state)))
    kind = draw(st.sampled_from(["drop", "replace", "retype", "add", "swap"]))
    if kind == "drop":
        del holder[key]
    elif kind == "replace":
        holder[key] = draw(values)
    elif kind == "retype":
        holder[key] = draw(st.sampled_from(retyped(holder[key])))
    elif kind == "swap":
        other, at = draw(st.sampled_from(places(state)))
        holder[key] = copy.deepcopy(other[at])
    elif isinstance(holder, dict):
        holder[draw(st.text(max_size=5))] = draw(values)
    else:
        holder.insert(key, draw(values))


@st.composite
def changed(draw: st.DrawFn) -> tuple[ProgressiveResize, Any]:
    """Give a run, and the state of a run like it or of another, with a few changes."""
    schedule = draw(st.sampled_from(SCHEDULES))
    length = draw(st.sampled_from(LENGTHS))
    saved = ProgressiveResize(schedule, **length)
    for _ in range(draw(st.integers(0, 60))):
        saved.step()
    state = json.loads(json.dumps(saved.state_dict()))
    for _ in range(draw(st.integers(0, 3))):
        if places(state):
            change(draw, state)
    if draw(st.integers(0, 20)) == 0:
        state = draw(values)
    # The last: what walks through a state here would not come to its end.
    if draw(st.integers(0, 20)) == 0 and places(state):
        holder, key = draw(st.sampled_from(places(state)))
        holder[key] = nested(draw(st.integers(1, 20_000)), pairs=draw(st.booleans()))
    other = draw(st.sampled_from([*LENGTHS, length, length, length]))
    return ProgressiveResize(schedule, **other), state


@given(changed(), st.integers(0, 20))
def test_a_state(case: tuple[ProgressiveResize, Any], done: int) -> None:
    run, state = case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(done):
            run.step()
        before = run.state_dict()
        try:
            run.load_state_dict(state)
        except ValueError as error:
            refused = str(error)
        else:
            check(run)
            return
    assert run.state_dict() == before
    assert refused.startswith(OURS), refused
    assert len(refused) < 3_000


def check(run: ProgressiveResize) -> None:
    """Train to the end: sizes never shrink, but at random, and full size is reached."""
    assert json.loads(json.dumps(run.state_dict())) == run.state_dict()
    random = run.plan.schedule["kind"] == "multiscale"
    images, last = torch.zeros(1, 1, *run.final_size), Size(0, 0)
    for _ in range(run.plan.total_steps * 4):
        if run.optimizer_steps >= run.plan.total_steps:
            break
        size = Size(*run(images).shape[-2:])
        assert size == run.size
        assert random or (size.height >= last.height and size.width >= last.width)
        last = size
        run.step()
    assert run.optimizer_steps >= run.plan.total_steps
    assert last in (run.final_size, (0, 0))
