"""Warnings point to the user's own line, through upsize and the frameworks."""

from __future__ import annotations

import _thread
import time
import warnings
from types import ModuleType
from typing import Any

import pytest

from upsize.schedule._warn import warn


def module(name: str, source: str, **names: Any) -> Any:
    """Return a module that pretends to be of a library."""
    made = ModuleType(name)
    vars(made).update(names)
    exec(compile(source, f"{name}.py", "exec"), vars(made))
    return made


OURS = module("upsize.loop", "def resize(): warn('small')", warn=warn)
FRAMEWORK = module("lightning.pytorch", "def fit(): resize()", resize=OURS.resize)


@pytest.mark.parametrize("call", [warn, OURS.resize, FRAMEWORK.fit])
def test_the_first_line_that_is_of_no_library(call: Any) -> None:
    with pytest.warns(UserWarning, match="small") as caught:
        call(*["small"][: call is warn])
    assert caught[0].filename == __file__
    first = test_the_first_line_that_is_of_no_library.__code__.co_firstlineno
    assert caught[0].lineno == first + 3


def test_names_that_only_begin_like_a_library() -> None:
    user = module("upsized", "def train(): fit()", fit=FRAMEWORK.fit)
    with pytest.warns(UserWarning, match="small") as caught:
        user.train()
    assert caught[0].filename == "upsized.py"


def test_a_filter_by_module_and_once_for_each_line() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            FRAMEWORK.fit()
        FRAMEWORK.fit()
        assert len(caught) == 2
        warnings.filterwarnings("ignore", module=__name__)
        FRAMEWORK.fit()
        assert len(caught) == 2


@pytest.mark.parametrize("name", ["torch.thread", "upsize.thread"])
def test_where_nobody_else_calls(name: str) -> None:
    target = module(name, "def run(): warn('small')", warn=warn).run
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _thread.start_new_thread(target, ())
        for _ in range(3000):  # a thread without the frames of threading.Thread
            if caught:
                break
            time.sleep(0.01)
    assert [each.filename for each in caught] == [f"{name}.py"]
