"""Where the fits of a learner begin and end, which fastai does not always tell."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from fastai.callback.core import Callback

from upsize.run._restoring import Restoring

__all__ = ["FitEvents"]


class FitEvents(Callback):
    """Sees each beginning and end of a fit.

    Attributes:
        _fitting: Whether a fit is in progress.
        _sees_fit: The same, or ``lr_find`` fits.
    """

    def __init__(self) -> None:
        self._hooks = Restoring()
        self._fitting = self._sees_fit = False
        super().__init__()

    @abstractmethod
    def _begin_fit(self) -> None:
        """Begin a fit."""

    @abstractmethod
    def _explain(self, error: Exception) -> None:
        """Say more about an error of a fit."""

    @abstractmethod
    def _end_fit(self, completed: bool) -> None:
        """End a fit that was begun, however it has ended."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Not a property: fastai reads this attribute thirty times a step.
        super().__setattr__(name, value)
        if name == "learn":
            self._hooks.close()
            if value is not None:
                self._hooks.wrap_method(value, "_with_events", self._with_events)

    def _with_events(
        self, inner: Any, f: Any, event_type: str, *args: Any, **kwargs: Any
    ) -> None:
        """See every beginning and end of a fit, around ``Learner._with_events``.

        fastai sends no event after Ctrl-C and most exceptions, and also sends
        ``before_fit`` where nothing is fitted.
        """
        if event_type != "fit":
            inner(f, event_type, *args, **kwargs)
            return
        self._fitting, completed = not hasattr(self.learn, "lr_finder"), False
        self._sees_fit = True
        if self._fitting:
            self._begin_fit()
        try:
            inner(f, event_type, *args, **kwargs)
            completed = True
        except Exception as error:
            self._explain(error)
            raise
        finally:
            self._sees_fit = False
            self._end(completed)

    def _end(self, completed: bool) -> None:
        fitting, self._fitting = self._fitting, False
        if fitting:
            self._end_fit(completed)
