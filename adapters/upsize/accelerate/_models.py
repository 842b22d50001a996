"""The prepared models of an Accelerator: other sizes, and errors that name theirs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from upsize.run import TrainingRun
from upsize.run._foreign import explain
from upsize.run._restoring import Restoring

__all__ = ["explain_errors"]


class _Explain:
    """A forward hook that also runs after an error, and explains it."""

    def __init__(self, run: TrainingRun) -> None:
        self._run = run

    def __call__(self, module: nn.Module, *_: Any) -> None:
        error = sys.exception()
        if error is not None and module.training:
            explain(error, self._run)

    def __reduce__(self) -> Any:
        return _nothing, ()  # a copy of the model does not belong to the run


def _nothing() -> Callable[..., None]:
    return _ignore


def _ignore(*_: Any) -> None:
    """Stand in for the hook in a copy of a model."""


def explain_errors(accelerator: Any, run: TrainingRun, changes: Restoring) -> None:
    """Name size and step in the errors of a loop, where they can be seen.

    That is in the forward of prepared models in training mode, and within
    ``accelerator.accumulate``.
    """
    for model in accelerator._models:
        handle = model.register_forward_hook(_Explain(run), always_call=True)
        changes.callback(handle.remove)

    @contextmanager
    def accumulate(inner: Any, *models: Any) -> Iterator[None]:
        with inner(*models):
            try:
                yield
            except Exception as error:
                explain(error, run)
                raise

    changes.wrap_method(accelerator, "accumulate", accumulate)
