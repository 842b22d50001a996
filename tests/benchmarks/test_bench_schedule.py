"""Time and memory depend on the number of resizes, not of steps.

Run by `nox -s bench`, which prints the figures; a claim that fails is a finding about
the machine or the code, never a gate.
"""

from __future__ import annotations

import pickle
import statistics
import subprocess
import sys
from typing import Any

from upsize.schedule import Ramp

RAMP = Ramp(final_size=224)


def test_size_at_takes_less_than_a_microsecond(benchmark: Any) -> None:
    plan = RAMP.plan(total_steps=10**9)
    benchmark(plan.size_at, 600_000_000)
    if benchmark.stats is not None:
        assert benchmark.stats.stats.median < 1e-6


def test_a_plan_of_a_billion_steps_takes_less_than_ten_milliseconds(
    benchmark: Any,
) -> None:
    plan = benchmark(RAMP.plan, total_steps=10**9)
    size = len(pickle.dumps(plan))
    print(f"\na plan of 10^9 steps is {len(plan.stages)} stages, {size} bytes pickled")
    assert size < 5_000
    if benchmark.stats is not None:
        assert benchmark.stats.stats.median < 10e-3


def test_a_plan_of_a_thousand_steps_for_comparison(benchmark: Any) -> None:
    benchmark(RAMP.plan, total_steps=10**3)


def test_the_import_takes_less_than_a_tenth_of_that_of_torch() -> None:
    code = (
        "import time; begin = time.perf_counter(); import {}; "
        "print(time.perf_counter() - begin)"
    )
    seconds: dict[str, list[float]] = {"upsize.schedule": [], "torch": []}
    for _ in range(5):
        for name, measured in seconds.items():
            command = [sys.executable, "-c", code.format(name)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            measured.append(float(done.stdout))
    ours, torch = (statistics.median(measured) for measured in seconds.values())
    print(f"\nupsize.schedule {ours:.3f} s, torch {torch:.3f} s: {ours / torch:.1%}")
    assert ours < torch / 10
