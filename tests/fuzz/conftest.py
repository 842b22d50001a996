"""Search for faults with random input, for as long as you say.

``UPSIZE_FUZZ_SECONDS`` is shared out among the tests; each is repeated, with other
examples, until its share is used. Without it each runs once. One example may take two seconds
of processor time.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

SECONDS = float(os.environ.get("UPSIZE_FUZZ_SECONDS", "0"))
# Nothing that is fuzzed needs as long for one example: of the process's own time, since
# others may have the machine; a minute is for what waits and never ends. Import at the top
# of a module, not in a test, or its first example pays for it.
DEADLINES = {
    signal.SIGPROF: (signal.ITIMER_PROF, 2.0),
    signal.SIGALRM: (signal.ITIMER_REAL, 60.0),
}
SHARE = pytest.StashKey[float]()

settings.register_profile(
    "fuzz",
    # It keeps the examples that failed, and tries them first in the next run; that of the
    # other tests draws none, and keeps none.
    settings.get_profile("default"),
    # What takes too long is broken off below: Hypothesis would wait for its end, which
    # may never come, and then try more examples that take as long.
    deadline=None,
    derandomize=False,
    max_examples=100,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("fuzz")


@pytest.hookimpl(trylast=True)  # behind the selection, and Hypothesis's marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test here its share of the time."""
    here = Path(__file__).parent
    found = [
        item
        for item in items
        if here in item.path.parents and item.get_closest_marker("hypothesis")
    ]
    for item in found:
        item.stash[SHARE] = SECONDS / len(found)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call a test again and again until its share of the time is used."""
    share = pyfuncitem.stash.get(SHARE, None)
    if share is None:
        return None
    test: Any = pyfuncitem.obj
    names = inspect.signature(test).parameters
    fixtures = {name: pyfuncitem.funcargs[name] for name in names}
    handle = test.hypothesis
    handle.inner_test = _guarded(handle.inner_test)
    end = time.monotonic() + share
    test(**fixtures)
    while time.monotonic() < end:
        test(**fixtures)
    return True


class TooSlow(BaseException):
    """An example that did not end; Hypothesis lets it pass and looks no further."""


def _guarded(test: Callable[..., None]) -> Callable[..., None]:
    """Return a test whose examples are broken off after the deadline."""

    @functools.wraps(test)
    def guarded(*args: Any, **kwargs: Any) -> None:
        def too_slow(number: int, _: Any) -> None:
            _, seconds = DEADLINES[signal.Signals(number)]
            raise TooSlow(f"took more than {seconds:.0f} seconds: {args} {kwargs}")

        before = {number: signal.signal(number, too_slow) for number in DEADLINES}
        for timer, seconds in DEADLINES.values():
            signal.setitimer(timer, seconds)
        try:
            test(*args, **kwargs)
        finally:
            for number, (timer, _) in DEADLINES.items():
                signal.setitimer(timer, 0)
                signal.signal(number, before[number])

    return guarded
